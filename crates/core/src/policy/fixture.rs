//! What the tests of this folder build their facts from.

use jiff::{SignedDuration, Timestamp};

use super::{
    ledger::{CanaryFacts, CanaryRole, Spend},
    local_time::DayOfWeek,
    night::{MaintenanceWindows, NightId},
    window::MaintenanceWindow,
};
use crate::{
    prelude::*,
    schedule::Zone,
    value::{Diagnosis, Metric, RunFacts, Severity, Symptom, SymptomKind, Uid, Verdict, parse_duration},
};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn lasts(text: &str) -> SignedDuration {
    parse_duration(text).unwrap()
}

pub(crate) fn spend(measure: i64, hold: i64) -> Spend {
    Spend { measure: SignedDuration::from_secs(measure), hold: SignedDuration::from_secs(hold) }
}

/// `Mon,Tue 03:00-07:00 Europe/Berlin`, days optional.
pub(crate) fn window(text: &str) -> MaintenanceWindow {
    let words: Vec<&str> = text.split(' ').collect();
    let (days, hours, zone) = match words.as_slice() {
        [days, hours, zone] => (days.split(',').map(|day| DayOfWeek::from_name(day).unwrap()).collect(), *hours, *zone),
        [hours, zone] => (BTreeSet::new(), *hours, *zone),
        _ => panic!("{text}"),
    };
    let (start, end) = hours.split_once('-').unwrap();
    MaintenanceWindow {
        days,
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
        zone: Zone::named(zone).unwrap(),
    }
}

pub(crate) fn windows(texts: &[&str]) -> MaintenanceWindows {
    MaintenanceWindows { windows: texts.iter().map(|text| window(text)).collect() }
}

pub(crate) fn night(date: &str) -> NightId {
    NightId { date: date.parse().unwrap(), zone: Zone::utc() }
}

/// A valid, counting run that completed at an instant and showed symptoms.
pub(crate) fn run(uid: &str, completed_at: &str, symptoms: &[(SymptomKind, Severity)]) -> RunFacts {
    let symptoms = symptoms.iter().map(|(kind, severity)| Symptom {
        kind: *kind,
        domain: "chat".to_owned(),
        severity: *severity,
        metric: Metric::OomEvents,
        current: 2.0,
        baseline: Some(0.0),
        delta_percent: None,
        diagnosis: Diagnosis::Unexplained,
        evidence: Vec::new(),
    });
    RunFacts {
        uid: Uid::new(uid),
        name: format!("run-{uid}"),
        started_at: at(completed_at),
        completed_at: at(completed_at),
        verdict: Verdict::Degraded,
        valid: true,
        counts: true,
        symptoms: symptoms.collect(),
        workloads: BTreeMap::new(),
        template_hash_at_start: None,
        template_hash_at_end: None,
    }
}

pub(crate) fn oom(uid: &str, completed_at: &str) -> RunFacts {
    run(uid, completed_at, &[(SymptomKind::VllmOom, Severity::Critical)])
}

pub(crate) fn uids(texts: &[&str]) -> BTreeSet<Uid> {
    texts.iter().map(|text| Uid::new(*text)).collect()
}

/// A candidate of a night that is still running, with 8 s and 138 s reserved.
pub(crate) fn canary(date: &str, attempt: u32, cycle: &str) -> CanaryFacts {
    CanaryFacts {
        night: night(date),
        attempt,
        cycle: cycle.to_owned(),
        role: CanaryRole::Candidate,
        created_at: at(&format!("{date}T03:10:00Z")),
        released_at: None,
        reserved: spend(8, 138),
        proven: None,
        conclusion: None,
        consumes: BTreeSet::new(),
    }
}
