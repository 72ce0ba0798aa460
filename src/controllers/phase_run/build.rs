//! The objects of a run's intents.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::plan::{
    Intent,
    pod::{ABORT_GRACE, NewTestPod, TestPodDeletion, TestPodPurpose},
};

use super::{
    PhaseRuns, ValidPhaseRun,
    domain::{domain_of, plan_pod},
};
use crate::{
    cluster::Effect,
    controllers::{begin::begin_pod, kind::audited, lending::build_finalizer, notice::build_event},
    workload::ValidTestPod,
};

/// The effects of an intent. A run asks for nothing else than what is built here.
pub(super) fn build(valid: &ValidPhaseRun, intent: &Intent, now: Timestamp) -> Vec<Effect> {
    let namespace = valid.object.namespace().unwrap_or_default();
    match intent {
        Intent::CreateTestPod(new) => planned(valid, new, now).iter().flat_map(|pod| begin_pod(pod, None)).collect(),
        Intent::DeleteTestPod(TestPodDeletion { name, uid, cause: _ }) => {
            let grace_seconds = u32::try_from(ABORT_GRACE.as_secs()).unwrap_or(1);
            vec![Effect::DeletePod { name: name.clone(), uid: uid.clone(), grace_seconds }]
        }
        Intent::ScaleTargetForBorrow(_) | Intent::GiveBackReplica(_) | Intent::FenceTarget(_) => {
            valid.lending.as_ref().and_then(|lending| lending.build(intent)).into_iter().collect()
        }
        // Whatever is kept of a run that goes with its finalizer, is kept in the export.
        Intent::RemoveFinalizer(_) => {
            let is_going = valid.object.metadata.deletion_timestamp.is_some();
            let exported = is_going.then(|| export(valid));
            exported.into_iter().chain(build_finalizer(&valid.object, intent)).collect()
        }
        Intent::AddFinalizer(_) => build_finalizer(&valid.object, intent).into_iter().collect(),
        Intent::RecordEvent(notice) => vec![Effect::RecordEvent(Box::new(build_event(&namespace, notice, now)))],
        _ => Vec::new(),
    }
}

fn export(valid: &ValidPhaseRun) -> Effect {
    let history = valid.object.status.as_ref().and_then(|status| status.history.as_ref());
    let records = history.iter().flat_map(|history| &history.records);
    let object = audited::<PhaseRuns>(&valid.object);
    Effect::ExportAudit(records.map(|record| record.to_audit_record(object.clone())).collect())
}

/// The pod of a domain: the one that was planned. It begins now unless its beginning was remembered before.
fn planned(valid: &ValidPhaseRun, new: &NewTestPod, now: Timestamp) -> Option<ValidTestPod> {
    let TestPodPurpose::Domain(name) = &new.purpose else { return None };
    let domain = valid.object.spec.domains.iter().find(|domain| domain.name == *name)?;
    let row = valid.object.status.as_ref().and_then(|status| domain_of(status, name));
    let begun_at = row.and_then(|row| row.begun_at).unwrap_or(now);
    plan_pod(valid, domain, valid.world.templates.get(name)?, begun_at).ok()
}
