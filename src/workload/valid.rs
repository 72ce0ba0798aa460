//! A test pod that can be built: every decision is taken, and nothing can fail any more.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::v1::{ConfigMap, Container, EnvVar, Pod, PodSpec},
    networking::v1::NetworkPolicy,
};
use kube::ResourceExt;
use phaseloop_core::{
    plan::{
        OwnObject,
        label::ANNOTATION_SPEC_DIGEST,
        pod::{NewTestPod, TestPodPurpose},
    },
    value::ParameterSet,
};

use super::request::{ServingLoad, TestPodRequest, TestPodSettings, TestPodTimes};

/// A test pod that can be built. It comes from [`plan_test_pod`](super::plan_test_pod) alone.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidTestPod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) owner: OwnObject,
    pub(super) purpose: TestPodPurpose,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    /// The template's specification with the parameters in it; fields that a test pod does not take over still stand.
    pub(super) template: PodSpec,
    pub(super) test: ValidTest,
    pub(super) times: TestPodTimes,
    pub(super) settings: TestPodSettings,
    /// The one node on which a volume of the pod is in use.
    pub(super) node: Option<String>,
    pub(super) gpus: u32,
    pub(super) parameters: ParameterSet,
    pub(super) config_map_copies: Vec<ConfigMap>,
    pub(super) network_policy: NetworkPolicy,
    pub(super) notes: Vec<String>,
    pub(super) spec_digest: String,
}

/// What is done in the pod.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ValidTest {
    /// Our probe against the engine.
    Serving(Box<ServingTestPod>),
    /// The template's own containers, and our collector.
    Report,
}

/// The parts of a serving test.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServingTestPod {
    /// The engine's container as the template has it, with the parameters in it.
    pub(super) engine: Container,
    /// What the engine runs under a guard; nothing where its command is not known.
    pub(super) guarded: Option<Vec<String>>,
    pub(super) engine_url: String,
    pub(super) model: Option<String>,
    pub(super) engine_key: Option<EnvVar>,
    pub(super) load: ServingLoad,
}

impl ValidTestPod {
    /// The pod's name: a pure function of its owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// GPUs that the pod holds.
    pub const fn gpus(&self) -> u32 {
        self.gpus
    }

    /// Digest of all that shapes the pod; it stands on the pod as an annotation.
    pub fn spec_digest(&self) -> &str {
        &self.spec_digest
    }

    /// Whether the engine runs under a guard; without one what it says of its GPU is `GPUUnobserved`.
    pub const fn is_guarded(&self) -> bool {
        match &self.test {
            ValidTest::Serving(serving) => serving.guarded.is_some(),
            ValidTest::Report => false,
        }
    }

    /// What of the template is not in the pod, and what can't be observed, in sentences for the run's notes.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The copies of ConfigMaps that the pod refers to. Each is created before the pod, by POST; like the pod it belongs
    /// to the run or the canary and goes with it.
    pub fn config_map_copies(&self) -> &[ConfigMap] {
        &self.config_map_copies
    }

    /// The NetworkPolicy that holds for the pod, and for every other of its owner. It is there before the pod is, and goes with
    /// the owner.
    pub const fn network_policy(&self) -> &NetworkPolicy {
        &self.network_policy
    }

    /// The intent to begin the pod.
    pub fn intent(&self) -> NewTestPod {
        NewTestPod {
            name: self.name.clone(),
            owner: self.owner.clone(),
            purpose: self.purpose.clone(),
            network_policy: self.network_policy.name_any(),
            parameters: self.parameters.clone(),
            not_after: self.times.not_after,
            spec_digest: self.spec_digest.clone(),
        }
    }

    /// Whether a pod that stands under the name is this one: of the same owner, made of the same template for the same
    /// test. After `AlreadyExists` this decides between "ours already" and somebody else's.
    pub fn is_same(&self, pod: &Pod) -> bool {
        let owners = pod.metadata.owner_references.iter().flatten();
        let annotations = pod.metadata.annotations.iter().flatten();
        pod.metadata.name.as_deref() == Some(&self.name)
            && owners.into_iter().any(|owner| owner.uid == self.owner.uid.as_str() && owner.controller == Some(true))
            && annotations.into_iter().any(|(key, value)| key == ANNOTATION_SPEC_DIGEST && *value == self.spec_digest)
    }
}

/// What a test sets, by parameter.
pub(super) fn parameter_set(request: &TestPodRequest) -> ParameterSet {
    request.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value.clone())).collect()
}
