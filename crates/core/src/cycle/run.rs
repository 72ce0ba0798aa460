//! A tuning run that has begun and is to go on, and what permits canaries.

use core::cmp::Reverse;

use jiff::Timestamp;

use super::CyclePolicy;
use crate::{
    policy::{CountedRun, Flag, FlagReason, FlagState, count_symptoms, flag::expiry},
    prelude::*,
    value::{RunFacts, SymptomKind, Uid},
};

/// A tuning run that has begun, by what its incumbent's canary says for good. Its own flag is cleared as soon as the
/// incumbent has consumed the symptoms, so that the flag's state can't tell what the run may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CurrentRun<'a> {
    /// Its cycle id.
    pub cycle: &'a str,
    /// The symptom of the flag that led.
    pub symptom: SymptomKind,
    /// The runs whose symptoms it consumes.
    pub consumes: &'a BTreeSet<Uid>,
}

/// What permits canaries: the flags that are armed, or those under which the current run began.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Permission {
    /// The symptom of the flag that leads: the one that was armed last, so that each arming begins a cycle of its own.
    pub symptom: SymptomKind,
    /// When that flag expires.
    pub until: Timestamp,
    /// The run that armed it.
    pub armed_by: CountedRun,
    /// The runs behind all of the flags.
    pub consumes: BTreeSet<Uid>,
}

impl Permission {
    /// What some flags permit; `None` where there is none.
    pub(super) fn of(flags: &[&Flag], leading: Option<SymptomKind>) -> Option<Self> {
        let gravity = |flag: &Flag| SymptomKind::ALL.iter().position(|kind| *kind == flag.symptom);
        let of_run = |flag: &&&Flag| leading.is_none_or(|symptom| flag.symptom == symptom);
        let lead = flags.iter().filter(of_run).min_by_key(|flag| (Reverse(flag.armed_at), gravity(flag)))?;
        Some(Self {
            symptom: lead.symptom,
            until: lead.expires_at?,
            armed_by: lead.evidence.iter().max()?.clone(),
            consumes: flags.iter().flat_map(|flag| flag.evidence_uids()).collect(),
        })
    }
}

/// The flags under which a run began, as they stood then. A rule that was changed since is read as it is now, but the
/// flag that led is not questioned again.
pub(super) fn flags_of_run(policy: &CyclePolicy, runs: &[RunFacts], run: &CurrentRun<'_>) -> Vec<Flag> {
    let period = policy.schedule.period();
    let consumed: Vec<RunFacts> = runs.iter().filter(|facts| run.consumes.contains(&facts.uid)).cloned().collect();
    let Some(newest) = consumed.iter().map(|facts| facts.completed_at).max() else { return Vec::new() };
    let mut flags = Vec::new();
    for rule in &policy.rules {
        let counting = rule.counting_rule(period, policy.run_timeout);
        let count = count_symptoms(&counting, &consumed, &BTreeSet::new(), newest);
        let Some(armed_at) = count.newest.filter(|_| count.reaches_threshold() || rule.symptom == run.symptom) else {
            continue;
        };
        flags.push(Flag {
            symptom: rule.symptom,
            state: FlagState::Armed,
            reason: FlagReason::ThresholdReached,
            count: count.count,
            threshold: count.threshold,
            window: count.window,
            armed_at: Some(armed_at),
            expires_at: Some(expiry(rule, &policy.safety.windows, armed_at)),
            ended_at: None,
            evidence: count.evidence,
        });
    }
    flags
}
