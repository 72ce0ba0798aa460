//! Flags in the status of an Escalation: everything that the core must know of them to decide on from there.

use jiff::Timestamp;
use phaseloop_core::{
    policy::{self as core, Flag, FlagReason, SymptomCount},
    value::{SymptomKind, Uid},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{duration::Duration, phase_run::measured::cut, schema};

/// Runs that armed a flag, and again runs that count, which a status keeps: as many as a schedule's history can hold. At
/// 200 bytes each, five kinds of symptoms come to 2 x 400 x 5 x 200 = 800 kB at the very worst, below the 1.5 MB of etcd.
pub const EVIDENCE_MAX: usize = 400;
/// Characters of a flag's message.
const FLAG_MESSAGE_LENGTH_MAX: usize = 1024;
/// Domains of a flag that a status keeps: more than a run has at once, because domains may change within the window.
pub const DOMAINS_MAX: usize = 64;

/// State of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FlagState {
    /// Too few symptoms.
    Idle,
    /// Tuning is permitted.
    Armed,
    /// It was used up, or somebody cleared it.
    Cleared,
    /// Its time ran out before it was used. It starts nothing.
    Expired,
}

/// A run that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountedRun {
    /// Name of the PhaseRun.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Its uid.
    #[schemars(schema_with = "schema::uid")]
    pub uid: String,
    /// When it was judged.
    pub completed_at: Timestamp,
}

/// In how many of the runs that count a domain showed the symptom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DomainCount {
    /// Name of the domain.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// Runs that count now and showed the symptom in this domain.
    #[schemars(schema_with = "schema::count")]
    pub count: i64,
}

/// One flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagStatus {
    /// The kind of symptom.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub symptom: SymptomKind,
    /// Its state.
    pub state: FlagState,
    /// Why it is in that state, as one word.
    #[schemars(schema_with = "schema::reason")]
    pub reason: String,
    /// Why, with figures; of an expired flag, what kept it from being used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Runs that count now.
    #[schemars(schema_with = "schema::count")]
    pub count: i64,
    /// The same by domain. A run that showed the symptom in two domains stands under both, and still counts once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub domains: Vec<DomainCount>,
    /// Runs that arm it.
    #[schemars(schema_with = "schema::count")]
    pub threshold: i64,
    /// How far back runs count.
    pub window: Duration,
    /// When it was last armed: when the run that made the pattern was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub armed_at: Option<Timestamp>,
    /// When it expires, or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it last stopped being armed. Only a symptom newer than this arms it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The runs that count now, oldest first: those of `count`. Runs that a tuning run used up are not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400))]
    pub counted: Vec<CountedRun>,
    /// The runs that armed it last, oldest first, also after it was used up or expired; left out while it is Idle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400))]
    pub evidence: Vec<CountedRun>,
}

/// Of more runs than a status keeps, the newest.
fn newest(runs: &[core::CountedRun]) -> Vec<CountedRun> {
    let surplus = runs.len().saturating_sub(EVIDENCE_MAX);
    runs.iter().skip(surplus).map(CountedRun::from).collect()
}

impl From<&core::CountedRun> for CountedRun {
    fn from(run: &core::CountedRun) -> Self {
        Self { name: run.name.clone(), uid: run.uid.to_string(), completed_at: run.completed_at }
    }
}

impl From<&CountedRun> for core::CountedRun {
    fn from(run: &CountedRun) -> Self {
        Self { completed_at: run.completed_at, uid: Uid::new(run.uid.clone()), name: run.name.clone() }
    }
}

impl FlagStatus {
    /// A flag with what its rule counts now.
    pub fn new(flag: &Flag, message: &str, count: &SymptomCount) -> Self {
        let of_domains = count.domains.iter().map(|(name, count)| DomainCount { name: name.clone(), count: *count });
        let armed_it = if flag.state == core::FlagState::Idle { &[][..] } else { &flag.evidence };
        Self {
            symptom: flag.symptom,
            state: flag.state.into(),
            reason: flag.reason.name().to_owned(),
            message: cut(message, FLAG_MESSAGE_LENGTH_MAX),
            count: flag.count,
            domains: of_domains.take(DOMAINS_MAX).collect(),
            threshold: flag.threshold,
            window: flag.window.into(),
            armed_at: flag.armed_at,
            expires_at: flag.expires_at,
            ended_at: flag.ended_at,
            counted: newest(&count.evidence),
            evidence: newest(armed_it),
        }
    }
}

impl From<&FlagStatus> for Flag {
    fn from(status: &FlagStatus) -> Self {
        let evidence = if status.state == FlagState::Idle { &status.counted } else { &status.evidence };
        let named = serde_json::from_value::<FlagReason>(status.reason.clone().into());
        Self {
            symptom: status.symptom,
            state: status.state.into(),
            reason: named.unwrap_or_else(|_| status.state.usual_reason()),
            count: status.count,
            threshold: status.threshold,
            window: status.window.into(),
            armed_at: status.armed_at,
            expires_at: status.expires_at,
            ended_at: status.ended_at,
            evidence: evidence.iter().map(core::CountedRun::from).collect(),
        }
    }
}

impl FlagState {
    /// The reason of a state whose own can't be read: another version wrote it.
    const fn usual_reason(self) -> FlagReason {
        match self {
            Self::Idle => FlagReason::BelowThreshold,
            Self::Armed => FlagReason::ThresholdReached,
            Self::Cleared => FlagReason::Consumed,
            Self::Expired => FlagReason::ExpiredUnused,
        }
    }
}

impl From<core::FlagState> for FlagState {
    fn from(state: core::FlagState) -> Self {
        match state {
            core::FlagState::Idle => Self::Idle,
            core::FlagState::Armed => Self::Armed,
            core::FlagState::Cleared => Self::Cleared,
            core::FlagState::Expired => Self::Expired,
        }
    }
}

impl From<FlagState> for core::FlagState {
    fn from(state: FlagState) -> Self {
        match state {
            FlagState::Idle => Self::Idle,
            FlagState::Armed => Self::Armed,
            FlagState::Cleared => Self::Cleared,
            FlagState::Expired => Self::Expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(uid: &str, at: &str) -> core::CountedRun {
        core::CountedRun {
            completed_at: at.parse().unwrap(),
            uid: Uid::new(uid.to_owned()),
            name: format!("name-{uid}"),
        }
    }

    fn flag(state: core::FlagState, reason: FlagReason, evidence: Vec<core::CountedRun>) -> Flag {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        Flag {
            symptom: SymptomKind::VllmOom,
            state,
            reason,
            count: 2,
            threshold: 3,
            window: jiff::SignedDuration::from_hours(53),
            armed_at: at("2026-03-04T03:20:00.25Z"),
            expires_at: at("2026-03-04T07:20:00.25Z"),
            ended_at: None,
            evidence,
        }
    }

    fn count_of(evidence: Vec<core::CountedRun>) -> SymptomCount {
        SymptomCount {
            symptom: SymptomKind::VllmOom,
            count: i64::try_from(evidence.len()).unwrap(),
            threshold: 3,
            window: jiff::SignedDuration::from_hours(53),
            newest: evidence.last().map(|run| run.completed_at),
            evidence,
            domains: [("rag".to_owned(), 2)].into(),
        }
    }

    #[test]
    fn a_flag_reads_back_as_it_was_in_every_state() {
        let armed_it = || vec![counted("u", "2026-03-02T03:20:00Z")];
        let counts = || vec![counted("v", "2026-03-03T03:20:00Z")];
        for (state, reason, evidence) in [
            (core::FlagState::Idle, FlagReason::BelowThreshold, counts()),
            (core::FlagState::Armed, FlagReason::ThresholdReached, armed_it()),
            (core::FlagState::Cleared, FlagReason::Consumed, armed_it()),
            (core::FlagState::Expired, FlagReason::ExpiredUnused, armed_it()),
        ] {
            let flag = flag(state, reason, evidence);
            let status = FlagStatus::new(&flag, &flag.message(), &count_of(counts()));
            let read: FlagStatus = serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap();
            assert_eq!(Flag::from(&read), flag);
        }
    }

    #[test]
    fn the_runs_that_count_now_stand_beside_those_that_armed_the_flag() {
        let (old, new) = (counted("old", "2026-03-02T03:20:00Z"), counted("new", "2026-03-04T03:20:00Z"));
        let uids = |runs: &[CountedRun]| runs.iter().map(|run| run.uid.clone()).collect::<Vec<_>>();
        let cleared = flag(core::FlagState::Cleared, FlagReason::Consumed, vec![old]);
        let status = FlagStatus::new(&cleared, "", &count_of(vec![new.clone()]));
        assert_eq!((uids(&status.counted), uids(&status.evidence)), (vec!["new".to_owned()], vec!["old".to_owned()]));
        // Nothing armed an idle flag.
        let idle = flag(core::FlagState::Idle, FlagReason::BelowThreshold, vec![new.clone()]);
        let status = FlagStatus::new(&idle, "", &count_of(vec![new]));
        assert_eq!((uids(&status.counted), uids(&status.evidence)), (vec!["new".to_owned()], vec![]));
    }

    #[test]
    fn of_more_runs_than_a_status_keeps_the_newest_are_kept() {
        let many: Vec<core::CountedRun> =
            (0..=EVIDENCE_MAX).map(|place| counted(&place.to_string(), "2026-03-02T03:20:00Z")).collect();
        let cleared = flag(core::FlagState::Cleared, FlagReason::Consumed, many.clone());
        let status = FlagStatus::new(&cleared, "", &count_of(many));
        for runs in [&status.counted, &status.evidence] {
            assert_eq!((runs.len(), runs[0].uid.as_str()), (EVIDENCE_MAX, "1"));
        }
    }
}
