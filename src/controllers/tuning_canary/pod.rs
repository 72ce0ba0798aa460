//! The pod of a canary: planned from its spec and from nothing that was decided since.

use jiff::SignedDuration;
use phaseloop_core::{plan::pod::TestPodPurpose, policy::reservation::GRACES_PER_POD};

use super::ValidTuningCanary;
use crate::workload::{
    Refusal, RefusalReason, ServingLoad, TemplateFacts, TestKind, TestPodRequest, TestPodTimes, ValidTestPod,
    plan_test_pod,
};

/// Plans the pod. Its longest life is the part of the hold budget that was reserved, divided by its GPUs.
///
/// # Errors
/// Why none can be made of the template.
pub(super) fn plan_pod(valid: &ValidTuningCanary, template: &TemplateFacts) -> Result<ValidTestPod, Refusal> {
    let hold: SignedDuration = valid.object.spec.reserved.hold.into();
    let of_one_gpu = plan(valid, template, hold)?;
    let gpus = i32::try_from(of_one_gpu.gpus().max(1)).unwrap_or(i32::MAX);
    let pod = if gpus == 1 { of_one_gpu } else { plan(valid, template, hold.checked_div(gpus).unwrap_or_default())? };
    if pod.config_map_copies().len() > 1 {
        let message = "the values lie in several ConfigMaps, and a canary copies one; bind them to one".to_owned();
        return Err(Refusal { reason: RefusalReason::ParameterNotSettable, message });
    }
    Ok(pod)
}

fn plan(
    valid: &ValidTuningCanary,
    template: &TemplateFacts,
    lifetime: SignedDuration,
) -> Result<ValidTestPod, Refusal> {
    let spec = &valid.object.spec;
    let graces = spec.grace.0.saturating_mul(GRACES_PER_POD);
    let request = TestPodRequest {
        namespace: valid.object.metadata.namespace.clone().unwrap_or_default(),
        owner: valid.identity(),
        purpose: TestPodPurpose::Canary,
        target: valid.target(),
        escalation: Some(spec.escalation_name.clone()),
        test: TestKind::Serving(Box::new(ServingLoad::of_canary(spec))),
        parameters: valid.world.parameters.clone(),
        times: TestPodTimes {
            not_after: spec.not_after,
            active_deadline: lifetime.saturating_sub(graces).max(SignedDuration::ZERO),
            grace: spec.grace.into(),
        },
        test_side: None,
    };
    plan_test_pod(&request, template, valid.world.policy.policy(), &valid.world.pod_settings)
}
