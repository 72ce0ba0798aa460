//! The beginning of a test pod, whichever kind it is for: there is one way to make one, and its NetworkPolicy comes first.

use k8s_openapi::api::core::v1::ConfigMap;

use crate::{
    cluster::Effect,
    workload::{ValidTestPod, build_test_pod},
};

/// The effects that begin a pod, in their order. The driver stops at the first that fails, so that no pod is asked for whose
/// policy is not there.
pub(super) fn begin_pod(pod: &ValidTestPod, config_map: Option<Box<ConfigMap>>) -> [Effect; 2] {
    [
        Effect::CreateNetworkPolicy(Box::new(pod.network_policy().clone())),
        Effect::CreateTestPod { config_map, pod: Box::new(build_test_pod(pod)) },
    ]
}
