//! Where a cycle stands, by its objects alone.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::value::{Verdict, format_duration};

use super::view::CycleView;
use crate::{
    api::{
        Escalation, PhaseRun, Promotion,
        condition::{Condition, ConditionStatus, ConditionType},
        escalation::status::{CountedRun, FlagState, FlagStatus},
        phase_run::status::{PhaseRunPhase, SymptomReport},
        promotion::status::PromotionPhase,
    },
    controllers::{phase_run::facts::has_ended, tuning_canary::facts::is_judged},
    exit::Exit,
};

/// How long what follows at once may take: the operator counts a run, begins its tuning, or applies a promotion within
/// seconds of what permits it; a new leader needs 17.
pub const SETTLE: SignedDuration = SignedDuration::from_mins(2);

/// Where a cycle stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CycleStep {
    /// It goes on: what is waited for, in one line.
    Waits(String),
    /// It has ended.
    Ends(CycleEnd),
}

/// How a cycle ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CycleEnd {
    /// Why, as one word.
    pub reason: CycleEndReason,
    /// Why, with the figures.
    pub message: String,
}

/// Why a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum CycleEndReason {
    /// The target is healthy: nothing follows.
    Healthy,
    /// A promotion was made, and its value is rolled out.
    Promoted,
    /// A promotion was made, and waits for a person.
    AwaitingReview,
    /// A promotion was made, and waits for its window or another gate.
    PromotionStaged,
    /// The target is degraded, and the run did not arm a flag: it was counted, or it does not count.
    Counted,
    /// The target is degraded, and no Escalation rules it.
    NoEscalation,
    /// A flag is armed, and a gate keeps tuning from beginning now.
    GatesClosed,
    /// A flag is armed, and tuning did not begin.
    NotBegun,
    /// Tuning ended without a promotion.
    NothingPromoted,
    /// The promotion was refused, overtaken, or taken back.
    PromotionEnded,
    /// The run could not tell.
    Unknown,
    /// The run's own spec can't run.
    RunError,
    /// Somebody aborted the run.
    Aborted,
    /// The run is gone.
    RunGone,
}

impl CycleEndReason {
    /// The exit code that it stands for.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Healthy => Exit::Success,
            Self::Promoted | Self::AwaitingReview | Self::PromotionStaged => Exit::Fixed,
            Self::Counted
            | Self::NoEscalation
            | Self::GatesClosed
            | Self::NotBegun
            | Self::NothingPromoted
            | Self::PromotionEnded => Exit::Degraded,
            Self::Unknown | Self::RunError | Self::Aborted | Self::RunGone => Exit::UnknownOrError,
        }
    }
}

impl fmt::Display for CycleEndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn waits(text: impl Into<String>) -> CycleStep {
    CycleStep::Waits(text.into())
}

fn ends(reason: CycleEndReason, message: impl Into<String>) -> CycleStep {
    CycleStep::Ends(CycleEnd { reason, message: message.into() })
}

/// Where a cycle stands at an instant. Pure.
pub fn decide(view: &CycleView, now: Timestamp) -> CycleStep {
    let Some(run) = &view.run else {
        return ends(CycleEndReason::RunGone, "the run is not there any more");
    };
    if !has_ended(run) {
        return waits(run_told(run));
    }
    let status = run.status.as_ref();
    let verdict = status.and_then(|status| status.verdict);
    let told = told_with_trial(view, run);
    if matches!(verdict, Some(Verdict::Healthy | Verdict::Degraded)) && is_undecided(view, now) {
        return waits(told);
    }
    match verdict {
        Some(Verdict::Healthy) => ends(CycleEndReason::Healthy, told),
        Some(Verdict::Degraded) => degraded(view, run, now),
        Some(Verdict::Unknown) if status.and_then(|status| status.phase) == Some(PhaseRunPhase::Aborted) => {
            ends(CycleEndReason::Aborted, told)
        }
        Some(Verdict::Unknown) => ends(CycleEndReason::Unknown, told),
        Some(Verdict::Error) | None => ends(CycleEndReason::RunError, told),
    }
}

/// Whether what the run says of an earlier promotion is not written yet, or is being done. A run that can tell is no promise
/// that it decides: it must also have seen the promoted template all the time, so nobody waits for ever.
fn is_undecided(view: &CycleView, now: Timestamp) -> bool {
    let phase = view.on_trial.as_ref().and_then(|promotion| promotion.status.as_ref()?.phase);
    match phase {
        Some(PromotionPhase::Applied) => !has_settled(view.seen.ended, now),
        Some(PromotionPhase::RollingBack) => true,
        _ => false,
    }
}

/// Whether what follows at once has had its time. What nobody has seen yet needs none.
fn has_settled(seen: Option<Timestamp>, now: Timestamp) -> bool {
    seen.is_none_or(|seen| now.duration_since(seen) >= SETTLE)
}

/// A run in one line, with what became of the promotion that it decides on.
fn told_with_trial(view: &CycleView, run: &PhaseRun) -> String {
    let told = run_told(run);
    match &view.on_trial {
        Some(promotion) => format!("{told}; {}", promotion_told(promotion)),
        None => told,
    }
}

/// A run in one line: its phase or verdict, and why.
fn run_told(run: &PhaseRun) -> String {
    let name = run.name_any();
    let Some(status) = &run.status else { return format!("phaserun/{name} is not looked at yet") };
    let summary = status.summary.as_ref();
    let symptoms = summary.and_then(|summary| summary.symptoms.clone());
    let why = summary.and_then(|summary| summary.why.clone());
    let ready = condition(&status.conditions, &ConditionType::Ready).map(|ready| ready.message.clone());
    if let Some(verdict) = status.verdict {
        let because = symptoms.or(why).or(ready).map(|text| format!(": {text}")).unwrap_or_default();
        return format!("phaserun/{name} is {verdict:?}{because}");
    }
    let phase = status.phase.map_or_else(|| "Pending".to_owned(), |phase| format!("{phase:?}"));
    let ready = ready.map(|text| format!(": {text}")).unwrap_or_default();
    format!("phaserun/{name} is {phase}{ready}")
}

fn condition<'a>(conditions: &'a [Condition], type_: &ConditionType) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == *type_)
}

/// What follows from a degraded run.
fn degraded(view: &CycleView, run: &PhaseRun, now: Timestamp) -> CycleStep {
    if let Some(promotion) = &view.promotion {
        return promoted(promotion, view, now);
    }
    let told = told_with_trial(view, run);
    let Some(escalation) = &view.escalation else {
        return ends(CycleEndReason::NoEscalation, format!("{told}; no Escalation rules the target"));
    };
    let cycle = view.cycle().unwrap_or_default();
    let status = escalation.status.as_ref();
    if let Some(tuning) = status.and_then(|status| status.tuning.as_ref()).filter(|tuning| tuning.cycle == cycle) {
        return waits(format!(
            "tuning for {}: attempt {}, {} measured, {} to go",
            tuning.symptom.name(),
            tuning.attempt,
            tuning.candidates_done,
            tuning.candidates_left
        ));
    }
    if let Some(canary) = view.canaries.iter().find(|canary| !is_judged(canary)) {
        return waits(format!("tuningcanary/{} is measured", canary.name_any()));
    }
    if let Some(last) = status.and_then(|status| status.last_tuning.as_ref()).filter(|last| last.cycle == cycle) {
        let (reason, message) = (&last.reason, &last.message);
        return match &last.promotion_name {
            Some(name) => ends(CycleEndReason::PromotionEnded, format!("promotion/{name} was deleted")),
            None => ends(CycleEndReason::NothingPromoted, format!("{reason}: {message}")),
        };
    }
    if !view.canaries.is_empty() {
        return waits("tuning: the next canary, or the end");
    }
    untuned(escalation, view, run, now)
}

/// No tuning run of the cycle has begun: the flags and the gates say whether one will.
fn untuned(escalation: &Escalation, view: &CycleView, run: &PhaseRun, now: Timestamp) -> CycleStep {
    if let Some(end) = never_counted(escalation, run) {
        return end;
    }
    let uid = run.uid().unwrap_or_default();
    let status = escalation.status.as_ref();
    let flags = status.map(|status| status.flags.as_slice()).unwrap_or_default();
    let of_flag = |flag: &FlagStatus| {
        let is_among = |runs: &[CountedRun]| runs.iter().any(|run| run.uid == uid);
        match (is_among(&flag.counted), is_among(&flag.evidence)) {
            (true, _) => Some(flag_told(flag)),
            (false, true) => Some(format!("{}: the run armed it, and counts no more", flag_told(flag))),
            (false, false) => None,
        }
    };
    let is_newest = |flag: &&FlagStatus| {
        let newest = flag.evidence.iter().max_by_key(|counted| (counted.completed_at, &counted.uid));
        newest.is_some_and(|newest| newest.uid == uid)
    };
    let settled = has_settled(view.seen.ended, now);
    let armed = flags.iter().filter(|flag| flag.state == FlagState::Armed).find(is_newest);
    let Some(flag) = armed else {
        let told = told_with_trial(view, run);
        let of_run: Vec<String> = flags.iter().filter_map(of_flag).collect();
        return match (of_run.is_empty(), run.spec.counts) {
            (false, _) => ends(CycleEndReason::Counted, format!("{told}; {}", of_run.join(", "))),
            (true, false) => ends(CycleEndReason::Counted, format!("{told}; spec.counts is false: it arms nothing")),
            (true, true) if settled => ends(CycleEndReason::Counted, format!("{told}; no rule counts it")),
            (true, true) => waits(format!("{told}; the Escalation counts it")),
        };
    };
    let gates = status.map(|status| status.gates.as_slice()).unwrap_or_default();
    let closed: Vec<String> =
        gates.iter().filter(|gate| !gate.open).map(|gate| format!("{}: {}", gate.reason, gate.message)).collect();
    let flag = flag_told(flag);
    if !closed.is_empty() && (settled || gates.iter().any(|gate| !gate.open && gate.opens_at.is_some())) {
        return ends(CycleEndReason::GatesClosed, format!("{flag}; {}", closed.join("; ")));
    }
    if settled {
        let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
        let ready = condition(conditions, &ConditionType::Ready);
        let why = ready.map(|ready| format!("{}: {}", ready.reason, ready.message)).unwrap_or_default();
        return ends(CycleEndReason::NotBegun, format!("{flag}; {why}"));
    }
    let gates = if closed.is_empty() { "tuning begins".to_owned() } else { closed.join("; ") };
    waits(format!("{flag}; {gates}"))
}

/// What is known beforehand, so that nobody waits for it: an Escalation that can't work counts nothing, and one with rules
/// counts no symptom that they do not name.
fn never_counted(escalation: &Escalation, run: &PhaseRun) -> Option<CycleStep> {
    let conditions = escalation.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let stalled = condition(conditions, &ConditionType::Stalled).filter(|stalled| {
        stalled.status == ConditionStatus::True && stalled.observed_generation == escalation.metadata.generation
    });
    if let Some(stalled) = stalled {
        let (name, reason, message) = (escalation.name_any(), &stalled.reason, &stalled.message);
        let told = format!("{}; escalation/{name} is Stalled: {reason}: {message}", run_told(run));
        return Some(ends(CycleEndReason::NotBegun, told));
    }
    let rules = &escalation.spec.rules;
    let symptoms = run.status.as_ref().map(|status| status.symptoms.as_slice()).unwrap_or_default();
    let is_named = |symptom: &SymptomReport| rules.iter().any(|rule| rule.symptom == symptom.kind);
    let none_is = run.spec.counts && !rules.is_empty() && !symptoms.is_empty() && !symptoms.iter().any(is_named);
    none_is.then(|| ends(CycleEndReason::Counted, format!("{}; no rule counts it", run_told(run))))
}

fn flag_told(flag: &FlagStatus) -> String {
    let until = flag.expires_at.filter(|_| flag.state == FlagState::Armed);
    let until = until.map(|until| format!(", armed until {until}")).unwrap_or_default();
    let window = format_duration(flag.window.into());
    format!("{} {} of {} in {window}{until}", flag.symptom.name(), flag.count, flag.threshold)
}

/// A promotion was made: where it stands.
fn promoted(promotion: &Promotion, view: &CycleView, now: Timestamp) -> CycleStep {
    let told = promotion_told(promotion);
    let settled = has_settled(view.seen.promotion, now);
    match phase_of(promotion) {
        PromotionPhase::Staged if settled => ends(CycleEndReason::PromotionStaged, told),
        PromotionPhase::Staged | PromotionPhase::Applying | PromotionPhase::RollingBack => waits(told),
        PromotionPhase::AwaitingReview => ends(CycleEndReason::AwaitingReview, told),
        PromotionPhase::Applied | PromotionPhase::Validated => ends(CycleEndReason::Promoted, told),
        PromotionPhase::RolledBack
        | PromotionPhase::Rejected
        | PromotionPhase::Superseded
        | PromotionPhase::Expired
        | PromotionPhase::Conflict => ends(CycleEndReason::PromotionEnded, told),
    }
}

/// The phase of a promotion. One that nobody has looked at is staged.
fn phase_of(promotion: &Promotion) -> PromotionPhase {
    promotion.status.as_ref().and_then(|status| status.phase).unwrap_or(PromotionPhase::Staged)
}

/// A promotion in one line: what it changes, its phase, and why.
fn promotion_told(promotion: &Promotion) -> String {
    let (name, phase) = (promotion.name_any(), phase_of(promotion));
    let status = promotion.status.as_ref();
    let change = status.and_then(|status| status.summary.as_ref()?.change.clone());
    let change = change.map(|change| format!(" ({change})")).unwrap_or_default();
    let why = status.and_then(|status| status.message.clone()).map(|text| format!(": {text}")).unwrap_or_default();
    format!("promotion/{name}{change} is {phase:?}{why}")
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
