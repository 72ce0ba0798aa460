//! Who holds GPUs: one test pod with a GPU per target at a time, and as many in a namespace as its administrator allows.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{
        label::{LABEL_CANARY, LABEL_PHASE_RUN, LABEL_TARGET},
        name::target_label,
    },
    value::TargetReference,
};

use crate::{
    administrator::AdministratorPolicy,
    workload::{NodeState, TestPodReading, read_test_pod, reading::TestPodPhase},
};

/// Why no test pod with a GPU may begin on a target; `None`: one may. `others` are the test pods of the namespace that
/// belong to somebody else.
pub fn occupied_by(others: &[&Pod], target: &TargetReference, policy: Option<&AdministratorPolicy>) -> Option<String> {
    let held: Vec<(&Pod, TestPodReading)> = others
        .iter()
        .map(|pod| (*pod, read_test_pod(pod, NodeState::Unknown)))
        .filter(|(_, reading)| reading.gpus > 0 && !matches!(reading.phase, TestPodPhase::Ended { .. }))
        .collect();
    let label = target_label(target);
    if let Some((pod, reading)) = held.iter().find(|(pod, _)| pod.labels().get(LABEL_TARGET) == Some(&label)) {
        let owner = [("TuningCanary", LABEL_CANARY), ("PhaseRun", LABEL_PHASE_RUN)]
            .iter()
            .find_map(|(kind, key)| Some(format!(" of {kind} {}", pod.labels().get(*key)?)))
            .unwrap_or_default();
        return Some(format!("test pod {}{owner} is on the target", reading.name));
    }
    let limit = policy.and_then(|policy| policy.limits.max_test_pods)?;
    let held = i64::try_from(held.len()).unwrap_or(i64::MAX);
    (held >= limit).then(|| format!("{held} test pods of the namespace hold GPUs, and {limit} may"))
}
