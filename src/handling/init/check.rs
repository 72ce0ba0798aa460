//! What was drafted, read back and held against what the API server and the operator would hold it against.

use std::num::NonZeroU32;

use phaseloop_core::{
    policy::{FindingSeverity, bound::CANARY_GRACE_DEFAULT},
    tuning::{
        PredictionRequest,
        measuring::{canary_warmup, closing},
        predict_budget,
    },
};

use super::{choice::Choice, draft::InitRefusal, observe::InitFacts, reading::EngineReading};
use crate::{
    api::{Escalation, PhaseSchedule, read_object},
    validate::{check_limits, check_supported, cycle_policy, faults_text, schedule_context},
    yaml::read_documents,
};

/// Reads the draft back, and says what of it works otherwise than somebody might expect.
///
/// # Errors
/// The administrator leaves no room for it; any other fault is a defect of the draft.
pub(super) fn check(
    yaml: &str,
    facts: &InitFacts,
    reading: &EngineReading,
    choice: &Choice,
) -> Result<Vec<String>, InitRefusal> {
    let documents = read_documents("the draft", yaml).map_err(|faults| defect(&faults.to_string()))?;
    let [schedule, escalation] = documents.as_slice() else { return Err(defect("it has not two documents")) };
    let schedule: PhaseSchedule = read_object(schedule).map_err(|faults| defect(&faults.to_string()))?;
    let escalation: Escalation = read_object(escalation).map_err(|faults| defect(&faults.to_string()))?;
    let mut faults = Vec::new();
    let context = schedule_context(&schedule.spec, &mut faults);
    let Some(context) = context.filter(|_| faults.is_empty()) else { return Err(defect(&faults_text(&faults))) };
    let policy = cycle_policy(&escalation.spec, context, facts.policy.policy(), &mut faults);
    check_supported(&escalation.spec, &mut faults);
    if !faults.is_empty() {
        return Err(defect(&faults_text(&faults)));
    }
    check_limits(&escalation.spec, facts.policy.policy(), &mut faults);
    if !faults.is_empty() {
        return Err(InitRefusal {
            message: format!("the administrator's limits leave no room: {}", faults_text(&faults)),
            remedy: "ask whoever keeps the ConfigMap phaseloop-policy".to_owned(),
        });
    }
    let findings = policy.findings().into_iter().filter(|finding| finding.severity == FindingSeverity::Advises);
    let told = findings.map(|finding| format!("{}: {}", finding.reason, finding.message));
    let request = PredictionRequest {
        start_timeout: choice.start_timeout,
        measure: choice.measure,
        warmup: canary_warmup(choice.measure),
        closing: closing(choice.measure, Some(choice.e2e)),
        grace: CANARY_GRACE_DEFAULT.saturating_mul(2),
        gpus: u64::from(NonZeroU32::new(reading.gpus).unwrap_or(NonZeroU32::MIN).get()),
        measure_left: choice.measure_budget,
        hold_left: choice.hold_budget,
        rate_per_second: Some(choice.rate),
        max_candidates: u64::try_from(choice.candidates).unwrap_or_default(),
        ..PredictionRequest::default()
    };
    Ok(told.chain(predict_budget(&request).err().map(|error| error.to_string())).collect())
}

fn defect(faults: &str) -> InitRefusal {
    InitRefusal {
        message: format!("what was drafted would be refused, which is a defect of phaseloop: {faults}"),
        remedy: "write the objects from manifests/samples, and report this".to_owned(),
    }
}
