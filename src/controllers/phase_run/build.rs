//! The objects of a run's intents.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::plan::{
    Intent,
    pod::{ABORT_GRACE, NewTestPod, TestPodDeletion, TestPodPurpose},
};

use super::{
    ValidPhaseRun,
    domain::{domain_of, plan_pod},
};
use crate::{cluster::Effect, controllers::notice::build_event, workload::build_test_pod};

/// The effect of an intent. A run asks for nothing else than what is built here.
pub(super) fn build(valid: &ValidPhaseRun, intent: &Intent, now: Timestamp) -> Option<Effect> {
    let namespace = valid.object.namespace().unwrap_or_default();
    match intent {
        Intent::CreateTestPod(new) => build_pod(valid, new, now),
        Intent::DeleteTestPod(TestPodDeletion { name, uid, cause: _ }) => {
            let grace_seconds = u32::try_from(ABORT_GRACE.as_secs()).unwrap_or(1);
            Some(Effect::DeletePod { name: name.clone(), uid: uid.clone(), grace_seconds })
        }
        Intent::RecordEvent(notice) => Some(Effect::RecordEvent(Box::new(build_event(&namespace, notice, now)))),
        _ => None,
    }
}

/// The pod of a domain: the one that was planned. It begins now unless its beginning was remembered before.
fn build_pod(valid: &ValidPhaseRun, new: &NewTestPod, now: Timestamp) -> Option<Effect> {
    let TestPodPurpose::Domain(name) = &new.purpose else { return None };
    let domain = valid.object.spec.domains.iter().find(|domain| domain.name == *name)?;
    let row = valid.object.status.as_ref().and_then(|status| domain_of(status, name));
    let begun_at = row.and_then(|row| row.begun_at).unwrap_or(now);
    let pod = plan_pod(valid, domain, valid.world.templates.get(name)?, begun_at).ok()?;
    Some(Effect::CreateTestPod { config_map: None, pod: Box::new(build_test_pod(&pod)) })
}
