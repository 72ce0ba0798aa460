//! What the target says of its engine, and whether a test pod can be made of it: asked by planning one, as the operator
//! does.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Container, Probe};
use phaseloop_core::{
    plan::{OwnKind, OwnObject, pod::TestPodPurpose},
    tuning::EngineVersion,
    value::{ParameterName, TargetReference, Uid},
};

use super::{
    draft::{InitOptions, InitRefusal},
    observe::InitFacts,
};
use crate::{
    controllers::ObservedTarget,
    workload::{
        BoundParameter, Refusal, RefusalReason, ServingLoad, TargetNetwork, TemplateFacts, TestKind, TestPodRequest,
        TestPodSettings, TestPodTimes, ValidTestPod, configuration, engine_container, plan_test_pod,
    },
};

/// What the probes of a template that leave their period out have, seconds.
const PROBE_PERIOD_SECONDS_DEFAULT: i32 = 10;
/// Failures after which a probe that does not say it gives up.
const PROBE_FAILURES_DEFAULT: i32 = 3;
/// An image for planning alone: no pod is made of it.
const ANY_IMAGE: &str = "phaseloop";

/// What is known of the target's engine.
#[derive(Debug, Clone)]
pub(super) struct EngineReading {
    /// What test pods are made of.
    pub(super) facts: TemplateFacts,
    /// The engine's container.
    pub(super) engine: Container,
    /// Whether the container has to be named: there are others, and nothing else tells.
    pub(super) names_container: bool,
    /// GPUs that one test holds.
    pub(super) gpus: u32,
    /// The engine's configuration, secrets left out.
    pub(super) configuration: BTreeMap<String, String>,
    /// The engine's version, where its image's tag tells.
    pub(super) version: Option<EngineVersion>,
    /// What test pods leave out or can't observe, in sentences.
    pub(super) notes: Vec<String>,
    /// How long the target itself lets its engine start.
    pub(super) startup_allowed: Option<SignedDuration>,
    /// Replicas that the target asks for.
    pub(super) replicas: i32,
}

impl EngineReading {
    /// Reads it.
    ///
    /// # Errors
    /// Why no test pod can be made of the target, with what to do.
    pub(super) fn of(facts: &InitFacts, options: &InitOptions) -> Result<Self, InitRefusal> {
        let policy = facts.policy.policy();
        let template = TemplateFacts {
            template: facts.target.template(),
            engine_container: options.target_ref.container.clone(),
            claim_templates: facts.target.claim_templates(),
            claims: facts.claims.clone(),
            config_maps: BTreeMap::new(),
            // Whether a pod can be made does not depend on what it may reach.
            network: TargetNetwork::default(),
            gpu_sharing: None,
        };
        let engine = engine_container(&template.template, template.engine_container.as_deref(), policy);
        let engine = engine.map_err(|refusal| refused(&refusal, options))?.clone();
        let planned = plan(facts, &template, options, TestPodPurpose::Domain("serving".to_owned()), Vec::new());
        let planned = planned.map_err(|refusal| refused(&refusal, options))?;
        plan(facts, &template, options, TestPodPurpose::Canary, Vec::new())
            .map_err(|refusal| refused(&refusal, options))?;
        let version = engine.image.as_deref().and_then(version_of);
        Ok(Self {
            names_container: options.target_ref.container.is_some(),
            gpus: planned.gpus(),
            configuration: configuration(&engine, policy),
            version,
            notes: planned.notes().to_vec(),
            startup_allowed: engine.startup_probe.as_ref().map(allowed_by),
            replicas: replicas(&facts.target),
            facts: template,
            engine,
        })
    }

    /// The model, where the arguments name it.
    pub(super) fn model(&self) -> Option<&str> {
        self.configuration.get("model").map(String::as_str)
    }

    /// Longest sequence that the engine takes, where its arguments say so.
    pub(super) fn tokens_max(&self) -> Option<i64> {
        let text = self.configuration.get("max-model-len")?;
        let actuator = phaseloop_core::tuning::find_actuator(&ParameterName::new("max-model-len"))?;
        actuator.read_value(text).as_number()?.to_integer().filter(|tokens| *tokens > 0)
    }
}

/// A canary that sets parameters, planned and not made.
pub(super) fn plan_canary(
    facts: &InitFacts,
    reading: &EngineReading,
    options: &InitOptions,
    parameters: Vec<BoundParameter>,
) -> Result<ValidTestPod, Refusal> {
    plan(facts, &reading.facts, options, TestPodPurpose::Canary, parameters)
}

fn plan(
    facts: &InitFacts,
    template: &TemplateFacts,
    options: &InitOptions,
    purpose: TestPodPurpose,
    parameters: Vec<BoundParameter>,
) -> Result<ValidTestPod, Refusal> {
    let owner_kind = if purpose == TestPodPurpose::Canary { OwnKind::TuningCanary } else { OwnKind::PhaseRun };
    let load = ServingLoad::for_planning(SignedDuration::from_mins(1), SignedDuration::from_mins(2));
    let request = TestPodRequest {
        namespace: options.namespace.clone(),
        owner: OwnObject::new(owner_kind, options.target_ref.name.clone(), Uid::new("")),
        purpose,
        target: TargetReference::from(&options.target_ref),
        escalation: None,
        test: TestKind::Serving(Box::new(load)),
        parameters,
        times: TestPodTimes {
            not_after: jiff::Timestamp::MAX,
            active_deadline: SignedDuration::from_hours(1),
            grace: SignedDuration::from_secs(5),
        },
        test_side: None,
    };
    plan_test_pod(&request, template, facts.policy.policy(), &TestPodSettings::for_image(ANY_IMAGE))
}

/// The version that an image's tag names, as in `vllm-openai:v0.33.0`.
fn version_of(image: &str) -> Option<EngineVersion> {
    let image = image.split('@').next().unwrap_or(image);
    let (_, tag) = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    tag.parse().ok()
}

/// How long a startup probe lets its container start.
fn allowed_by(probe: &Probe) -> SignedDuration {
    let period = probe.period_seconds.unwrap_or(PROBE_PERIOD_SECONDS_DEFAULT);
    let failures = probe.failure_threshold.unwrap_or(PROBE_FAILURES_DEFAULT);
    let seconds = i64::from(probe.initial_delay_seconds.unwrap_or_default())
        .saturating_add(i64::from(period).saturating_mul(i64::from(failures)));
    SignedDuration::from_secs(seconds)
}

fn replicas(target: &ObservedTarget) -> i32 {
    match target {
        ObservedTarget::Deployment(object) => object.spec.as_ref().and_then(|spec| spec.replicas),
        ObservedTarget::StatefulSet(object) => object.spec.as_ref().and_then(|spec| spec.replicas),
    }
    .unwrap_or(1)
}

/// A refusal as `init` tells it.
fn refused(refusal: &Refusal, options: &InitOptions) -> InitRefusal {
    let target = TargetReference::from(&options.target_ref);
    let remedy = match refusal.reason {
        RefusalReason::EngineNotFound | RefusalReason::EngineAmbiguous => "name it with --container NAME",
        RefusalReason::NoGPU => {
            "give the engine's container a limit of nvidia.com/gpu; a target without a GPU is not measured"
        }
        RefusalReason::GPUShared => {
            "measure a target whose GPUs are its own: what shares a card disturbs the figures, and is disturbed"
        }
        RefusalReason::ClaimInUse => {
            "put the model on a ReadWriteMany or ReadOnlyMany claim, into the image, or let an init container load it"
        }
        RefusalReason::ImageNotAllowed => "ask whoever keeps the ConfigMap phaseloop-policy to allow the image",
        _ => "change the pod template; docs/reference/test-pod.md has every rule",
    };
    InitRefusal {
        message: format!("no test pod can be made of {target}: {}: {}", refusal.reason, refusal.message),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_a_tag_and_from_nothing_else() {
        for (image, version) in [
            ("docker.io/vllm/vllm-openai:v0.33.0", Some(EngineVersion::new(0, 33))),
            ("localhost:5000/vllm:0.31.2@sha256:ab", Some(EngineVersion::new(0, 31))),
            ("localhost:5000/vllm", None),
            ("vllm/vllm-openai:latest", None),
            ("vllm@sha256:ab", None),
        ] {
            assert_eq!(version_of(image), version, "{image}");
        }
    }

    #[test]
    fn a_startup_probe_allows_its_period_times_its_failures() {
        let probe = |period, failures, delay| Probe {
            period_seconds: period,
            failure_threshold: failures,
            initial_delay_seconds: delay,
            ..Probe::default()
        };
        assert_eq!(allowed_by(&probe(Some(5), Some(60), Some(10))), SignedDuration::from_secs(310));
        assert_eq!(allowed_by(&probe(None, None, None)), SignedDuration::from_secs(30));
    }
}
