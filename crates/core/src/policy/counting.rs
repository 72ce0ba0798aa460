//! Counting: how many distinct runs showed a symptom within the window, each exactly once.

use jiff::{SignedDuration, Timestamp};

use super::bound::{COUNTING_WINDOW_MIN_DEFAULT, COUNTING_WINDOW_SLACK};
use crate::{
    prelude::*,
    schedule::{SchedulePeriod, earlier_by, later_by},
    value::{RunFacts, Severity, Symptom, SymptomKind, Uid},
};

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CountingRule {
    /// The symptom.
    pub symptom: SymptomKind,
    /// How many make a pattern; at least 1.
    pub threshold: i64,
    /// How far back they count: from now to, but not including, now minus this.
    pub window: SignedDuration,
    /// The least severity that counts.
    pub minimum_severity: Severity,
}

/// A run that counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CountedRun {
    /// When it was judged.
    pub completed_at: Timestamp,
    /// Its uid: what makes it count once.
    pub uid: Uid,
    /// Its name.
    pub name: String,
}

/// How often a symptom was seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SymptomCount {
    /// The symptom.
    pub symptom: SymptomKind,
    /// Distinct runs that count.
    pub count: i64,
    /// How many make a pattern.
    pub threshold: i64,
    /// The window.
    pub window: SignedDuration,
    /// The runs that count, oldest first.
    pub evidence: Vec<CountedRun>,
    /// Of these, how many showed the symptom in each domain. A run may stand under several.
    pub domains: BTreeMap<String, i64>,
    /// When the newest of them was judged.
    pub newest: Option<Timestamp>,
}

impl SymptomCount {
    /// Whether there are enough for a pattern.
    pub const fn reaches_threshold(&self) -> bool {
        self.count >= self.threshold
    }

    /// When time alone lowers the count: the oldest run that counts leaves the window. `None` while none counts.
    pub fn changes_at(&self) -> Option<Timestamp> {
        self.evidence.first().map(|oldest| later_by(oldest.completed_at, self.window))
    }
}

/// Counts the runs that showed the rule's symptom at its least severity or above, were valid, did not opt out, were
/// judged within `(now - window, now]`, and were not consumed.
///
/// A run counts once, however many of its domains and metrics showed the symptom and however often it is listed.
pub fn count_symptoms(
    rule: &CountingRule,
    runs: &[RunFacts],
    consumed: &BTreeSet<Uid>,
    now: Timestamp,
) -> SymptomCount {
    let window_start = earlier_by(now, rule.window);
    let is_meant = |symptom: &&Symptom| symptom.kind == rule.symptom && symptom.severity >= rule.minimum_severity;
    let counts = |run: &&RunFacts| {
        run.valid
            && run.counts
            && window_start < run.completed_at
            && run.completed_at <= now
            && !consumed.contains(&run.uid)
            && run.symptoms.iter().any(|symptom| is_meant(&symptom))
    };
    let by_uid: BTreeMap<&Uid, &RunFacts> = runs.iter().filter(counts).map(|run| (&run.uid, run)).collect();
    let mut domains: BTreeMap<String, i64> = BTreeMap::new();
    for run in by_uid.values() {
        let showing: BTreeSet<&str> =
            run.symptoms.iter().filter(is_meant).map(|symptom| symptom.domain.as_str()).collect();
        for domain in showing {
            *domains.entry(domain.to_owned()).or_default() += 1;
        }
    }
    let mut evidence: Vec<CountedRun> = by_uid
        .into_values()
        .map(|run| CountedRun { completed_at: run.completed_at, uid: run.uid.clone(), name: run.name.clone() })
        .collect();
    evidence.sort();
    SymptomCount {
        symptom: rule.symptom,
        count: i64::try_from(evidence.len()).unwrap_or(i64::MAX),
        threshold: rule.threshold,
        window: rule.window,
        newest: evidence.last().map(|run| run.completed_at),
        evidence,
        domains,
    }
}

/// The least window that always holds `threshold` runs of a schedule: from a first run that ends as it starts to a last
/// one that takes its whole timeout, and the slack for start-up, analysis and a clock change.
pub fn least_holding_window(threshold: i64, period: SchedulePeriod, run_timeout: SignedDuration) -> SignedDuration {
    let periods = i32::try_from(threshold.saturating_sub(1)).unwrap_or(i32::MAX);
    period.longest.saturating_mul(periods).saturating_add(run_timeout).saturating_add(COUNTING_WINDOW_SLACK)
}

/// The counting window of a rule that names none: what the schedule needs, and a day at least.
pub fn derived_counting_window(threshold: i64, period: SchedulePeriod, run_timeout: SignedDuration) -> SignedDuration {
    least_holding_window(threshold, period, run_timeout).max(COUNTING_WINDOW_MIN_DEFAULT)
}

#[cfg(test)]
#[path = "counting_tests.rs"]
mod tests;
