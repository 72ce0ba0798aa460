//! What metrics tell of an object: a few words of its spec and status, taken when a watch shows it.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    plan::OwnKind,
    value::{SymptomKind, parse_duration},
};
use serde_json::Value;

/// Words that a status may use for where an object is. Anything else is `Other`: a label has a bound.
const VERDICTS: &[&str] = &["Healthy", "Degraded", "Unknown", "Error"];
const OUTCOMES: &[&str] = &["Passed", "Failed", "Inconclusive", "Aborted"];
const ESCALATION_STATES: &[&str] = &["Counting", "Armed", "Tuning", "Suspended", "Stalled"];
const PROMOTION_PHASES: &[&str] = &[
    "Staged",
    "AwaitingReview",
    "Applying",
    "Applied",
    "Validated",
    "RollingBack",
    "RolledBack",
    "Rejected",
    "Superseded",
    "Expired",
    "Conflict",
];
const GATES: &[&str] =
    &["NotSuspended", "TargetFree", "WindowOpen", "BudgetAvailable", "CooldownElapsed", "RateAvailable"];

/// What a night has left of its two budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLeft {
    /// For measuring.
    pub measure: SignedDuration,
    /// For holding GPUs.
    pub hold: SignedDuration,
}

/// What metrics tell of an object. A function of the object alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectFacts {
    /// Verdict, outcome, state or phase, whichever its kind has.
    pub state: Option<&'static str>,
    /// Gates, and whether each is open.
    pub gates: Vec<(&'static str, bool)>,
    /// Armed flags, and when each expires.
    pub armed: Vec<(SymptomKind, Option<Timestamp>)>,
    /// What the newest night has left.
    pub budget_left: Option<BudgetLeft>,
    /// From the decision to end a canary to the end of its containers.
    pub restored_after: Option<SignedDuration>,
    /// Whether a canary's pod was not seen to end within its bound, and nobody has answered for its node.
    pub restore_failed: bool,
    /// Starts that a schedule missed for good since it was made.
    pub missed_starts: u32,
}

impl ObjectFacts {
    /// Of an object as it came. What is not of its kind's form is left out: no object can stall a watch.
    pub fn of(kind: OwnKind, spec: &Value, status: &Value) -> Self {
        let word = |field: &str, words: &'static [&'static str]| {
            let said = status.get(field)?.as_str()?;
            Some(words.iter().find(|word| **word == said).copied().unwrap_or("Other"))
        };
        match kind {
            OwnKind::PhaseSchedule => Self { missed_starts: missed_starts(status), ..Self::default() },
            OwnKind::PhaseRun => Self { state: word("verdict", VERDICTS), ..Self::default() },
            OwnKind::TuningCanary => Self {
                state: word("verdict", OUTCOMES),
                restored_after: restored_after(status),
                restore_failed: restore_failed(status),
                ..Self::default()
            },
            OwnKind::Promotion => Self { state: word("phase", PROMOTION_PHASES), ..Self::default() },
            OwnKind::Escalation => Self {
                state: word("state", ESCALATION_STATES),
                gates: rows(status, "gates").filter_map(gate).collect(),
                armed: rows(status, "flags").filter_map(armed).collect(),
                budget_left: budget_left(spec, status),
                ..Self::default()
            },
        }
    }
}

fn rows<'a>(status: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    status.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn gate(row: &Value) -> Option<(&'static str, bool)> {
    let name = row.get("name")?.as_str()?;
    Some((GATES.iter().find(|gate| **gate == name).copied()?, row.get("open")?.as_bool()?))
}

fn armed(row: &Value) -> Option<(SymptomKind, Option<Timestamp>)> {
    if row.get("state")?.as_str()? != "Armed" {
        return None;
    }
    let symptom = SymptomKind::from_name(row.get("symptom")?.as_str()?)?;
    Some((symptom, row.get("expiresAt").and_then(instant)))
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn duration(value: Option<&Value>) -> Option<SignedDuration> {
    parse_duration(value?.as_str()?).ok()
}

/// The API server fills the budgets in where they were left out, so an Escalation without them is none.
fn budget_left(spec: &Value, status: &Value) -> Option<BudgetLeft> {
    let whole = |field: &str| duration(spec.get("safety")?.get(field));
    let newest = rows(status.get("ledger").unwrap_or(&Value::Null), "nights")
        .max_by_key(|night| night.get("night").and_then(Value::as_str).unwrap_or_default().to_owned());
    let spent = |part: &str| {
        let of = |what: &str| duration(newest?.get(what)?.get(part)).or(Some(SignedDuration::ZERO));
        of("used").unwrap_or_default().saturating_add(of("reserved").unwrap_or_default())
    };
    let left = |field, part| Some(whole(field)?.saturating_sub(spent(part)).max(SignedDuration::ZERO));
    Some(BudgetLeft { measure: left("measureBudget", "measure")?, hold: left("gpuHoldBudget", "hold")? })
}

/// A canary that the operator ended itself: from the first transition to a judged state to its containers' end. The
/// kubelet stamps whole seconds, so what took less than one can seem to have taken less than none.
fn restored_after(status: &Value) -> Option<SignedDuration> {
    status.get("endedBy")?;
    let released = instant(status.get("releasedAt")?)?;
    let mut records = rows(status.get("history")?, "records");
    let judged = records.find(|record| matches!(record.get("to").and_then(Value::as_str), Some("Scoring" | "Done")))?;
    Some(released.duration_since(instant(judged.get("at")?)?).max(SignedDuration::ZERO))
}

/// As `controllers::tuning_canary::facts::is_frozen` has it.
fn restore_failed(status: &Value) -> bool {
    let says = |row: &Value, field: &str, word: &str| row.get(field).and_then(Value::as_str) == Some(word);
    let failed = rows(status, "conditions").any(|row| {
        says(row, "type", "Restored") && says(row, "status", "False") && says(row, "reason", "RestoreFailed")
    });
    failed && status.get("releasedAt").is_none()
}

fn missed_starts(status: &Value) -> u32 {
    let missed = status.get("missedRuns").and_then(Value::as_u64).unwrap_or_default();
    u32::try_from(missed).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
