//! The columns of `kubectl get`. Written for people; nothing reads them.

use jiff::Timestamp;
use phaseloop_core::{
    cycle::CycleDecision,
    policy::{Flag, FlagState},
};

use super::{Basis, decide::TuningStep};
use crate::api::{
    EscalationStatus,
    escalation::status::{EscalationSummary, GateName},
    phase_run::measured::cut,
    schema::VALUE_LENGTH_MAX,
};

/// The columns after a look that could decide. `stalled_by` is the reason that keeps every tuning run from beginning.
pub(super) fn summary(
    basis: &Basis,
    decision: &CycleDecision,
    step: &TuningStep,
    status: &EscalationStatus,
    stalled_by: Option<&str>,
) -> EscalationSummary {
    let short = |text: String| cut(&text, VALUE_LENGTH_MAX as usize);
    EscalationSummary {
        flag: flag(basis, decision).map(short),
        gates: Some(short(gates(status))),
        tuning: Some(short(tuning(basis, step, status, stalled_by))),
    }
}

/// The columns where nothing can be decided.
pub(super) fn stalled(reason: &str) -> EscalationSummary {
    EscalationSummary { flag: None, gates: None, tuning: Some(reason.to_owned()) }
}

/// The armed flag and until when; else one that expired unused, and when; else what counts most.
fn flag(basis: &Basis, decision: &CycleDecision) -> Option<String> {
    let armed = decision.flags.iter().find(|flag| flag.state == FlagState::Armed);
    if let Some(flag) = armed {
        let until = flag.expires_at.map(|until| local_time(basis, until)).unwrap_or_default();
        return Some(format!("{} until {until}", flag.symptom.name()));
    }
    let expired = decision.flags.iter().find(|flag| flag.state == FlagState::Expired);
    if let Some(flag) = expired {
        let at = flag.expires_at.map(|at| local_day(basis, at)).unwrap_or_default();
        return Some(format!("{} expired {at}", flag.symptom.name()));
    }
    let most = decision.flags.iter().filter(|flag| flag.count > 0).max_by_key(|flag| flag.count);
    most.map(|flag: &Flag| format!("{} {} of {}", flag.symptom.name(), flag.count, flag.threshold))
}

fn gates(status: &EscalationStatus) -> String {
    let closed: Vec<&str> = status.gates.iter().filter(|gate| !gate.open).map(|gate| short_name(gate.name)).collect();
    if closed.is_empty() { "open".to_owned() } else { format!("closed: {}", closed.join(",")) }
}

const fn short_name(gate: GateName) -> &'static str {
    match gate {
        GateName::NotSuspended => "Suspended",
        GateName::TargetFree => "Target",
        GateName::WindowOpen => "Window",
        GateName::BudgetAvailable => "Budget",
        GateName::CooldownElapsed => "Cooldown",
        GateName::RateAvailable => "Rate",
    }
}

/// What is tried now; else what keeps tuning from beginning, when it may begin, or what the last run came to.
fn tuning(basis: &Basis, step: &TuningStep, status: &EscalationStatus, stalled_by: Option<&str>) -> String {
    if let TuningStep::Make(canary) = step {
        let values: Vec<String> = canary.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        return if values.is_empty() { "incumbent".to_owned() } else { values.join(",") };
    }
    if let Some(tuning) = &status.tuning {
        return format!("{} tried, {} left", tuning.candidates_done, tuning.candidates_left);
    }
    if let Some(reason) = stalled_by {
        return reason.to_owned();
    }
    match (status.all_gates_open_at, &status.last_tuning) {
        (Some(at), _) => format!("next {}", local_day(basis, at)),
        (None, Some(last)) => format!("last: {}", last.reason),
        (None, None) => "none yet".to_owned(),
    }
}

/// `07:23`, by the clock of the windows.
fn local_time(basis: &Basis, instant: Timestamp) -> String {
    let local = crate::validate::windows_zone(&basis.policy.safety.windows).local(instant);
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// `2026-03-05 03:00`, by the clock of the windows.
fn local_day(basis: &Basis, instant: Timestamp) -> String {
    let local = crate::validate::windows_zone(&basis.policy.safety.windows).local(instant);
    format!("{} {:02}:{:02}", local.date(), local.hour(), local.minute())
}
