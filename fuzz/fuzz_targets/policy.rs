//! Any text as a policy file: read, admitted, validated. It may be refused; it may never panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phaseloop::{
    administrator::read_policy_document,
    api::{Escalation, PhaseSchedule, read_object},
    validate::{ScheduleContext, cycle_policy, schedule_context},
    yaml::read_documents,
};
use phaseloop_core::{
    policy::bound,
    schedule::{Schedule, Zone},
};

fuzz_target!(|text: &str| {
    let Ok(documents) = read_documents("policy.yaml", text) else { return };
    let mut administrator = None;
    let mut context = None;
    for document in &documents {
        if let Some(Ok(policy)) = read_policy_document(document, text) {
            administrator = Some(policy);
        }
        if let Ok(schedule) = read_object::<PhaseSchedule>(document) {
            context = schedule_context(&schedule.spec, &mut Vec::new());
        }
    }
    for document in &documents {
        if let Ok(escalation) = read_object::<Escalation>(document) {
            let context = context.clone().unwrap_or_else(|| ScheduleContext {
                schedule: Schedule { cron: bound::SCHEDULE_DEFAULT.parse().expect("the default"), zone: Zone::utc() },
                run_timeout: bound::RUN_TIMEOUT_DEFAULT,
            });
            let policy = cycle_policy(&escalation.spec, context, administrator.as_ref(), &mut Vec::new());
            let _ = policy.findings();
        }
    }
});
