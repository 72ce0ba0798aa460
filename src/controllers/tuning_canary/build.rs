//! The objects of a canary's intents.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::plan::{
    Intent,
    label::FINALIZER,
    pod::{ABORT_GRACE, NewTestPod, TestPodDeletion},
};

use super::{TuningCanaries, ValidTuningCanary, facts::canary_facts, pod::plan_pod};
use crate::{
    api::{Escalation, escalation::status::Ledger},
    cluster::Effect,
    controllers::{begin::begin_pod, kind::audited, notice::build_event},
    workload::ValidTestPod,
};

/// The effect of an intent. A canary asks for nothing else than what is built here.
pub(super) fn build(valid: &ValidTuningCanary, intent: &Intent, now: Timestamp) -> Vec<Effect> {
    let namespace = valid.object.namespace().unwrap_or_default();
    match intent {
        Intent::CreateTestPod(new) => build_pod(valid, new),
        Intent::DeleteTestPod(TestPodDeletion { name, uid, cause: _ }) => {
            let grace_seconds = u32::try_from(ABORT_GRACE.as_secs()).unwrap_or(1);
            vec![Effect::DeletePod { name: name.clone(), uid: uid.clone(), grace_seconds }]
        }
        Intent::FoldCanaryIntoLedger(_) => {
            build_ledger(valid).map(|escalation| Effect::WriteLedger(Box::new(escalation))).into_iter().collect()
        }
        Intent::RemoveFinalizer(object) => {
            let finalizers = valid.object.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER);
            let freed = Effect::SetFinalizers {
                object: object.clone(),
                resource_version: valid.object.resource_version().unwrap_or_default(),
                finalizers: finalizers.cloned().collect(),
            };
            // Whatever is kept of a canary that goes with its finalizer, is kept in the export. One that stays is exported
            // when it is pruned.
            let is_going = valid.object.metadata.deletion_timestamp.is_some();
            is_going.then(|| export(valid)).into_iter().chain([freed]).collect()
        }
        Intent::RecordEvent(notice) => vec![Effect::RecordEvent(Box::new(build_event(&namespace, notice, now)))],
        _ => Vec::new(),
    }
}

fn export(valid: &ValidTuningCanary) -> Effect {
    let history = valid.object.status.as_ref().and_then(|status| status.history.as_ref());
    let records = history.iter().flat_map(|history| &history.records);
    let object = audited::<TuningCanaries>(&valid.object);
    Effect::ExportAudit(records.map(|record| record.to_audit_record(object.clone())).collect())
}

fn build_pod(valid: &ValidTuningCanary, _new: &NewTestPod) -> Vec<Effect> {
    let pod = valid.world.template.as_ref().and_then(|template| plan_pod(valid, template).ok());
    let begin = |pod: &ValidTestPod| begin_pod(pod, pod.config_map_copies().first().cloned().map(Box::new));
    pod.iter().flat_map(begin).collect()
}

/// The Escalation with this canary in its ledger, as it was read: its resourceVersion is tested.
fn build_ledger(valid: &ValidTuningCanary) -> Option<Escalation> {
    let zone = valid.zone();
    let facts = canary_facts(&valid.object, &zone)?;
    let mut escalation = valid.escalation.clone()?;
    let mut ledger = valid.ledger();
    ledger.fold(&facts);
    let canaries: Vec<_> = valid.canaries.iter().filter_map(|canary| canary_facts(canary, &zone)).collect();
    let budget = phaseloop_core::policy::Spend {
        measure: escalation.spec.safety.measure_budget.into(),
        hold: escalation.spec.safety.gpu_hold_budget.into(),
    };
    let written = Ledger::of(&ledger, |night| {
        let balance = ledger.balance(&canaries, night, budget);
        (balance.used, balance.reserved)
    });
    let status = escalation.status.get_or_insert_default();
    let cooldown_until = status.ledger.as_ref().and_then(|ledger| ledger.cooldown_until);
    status.ledger = Some(Ledger { cooldown_until, ..written });
    Some(escalation)
}
