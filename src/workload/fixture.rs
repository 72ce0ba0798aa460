//! Templates and requests for the tests of this folder.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use phaseloop_core::{
    plan::{OwnKind, OwnObject, pod::TestPodPurpose},
    value::{ParameterName, ParameterValue, TargetReference, Uid},
};
use serde_json::{Value, json};

use super::{
    BoundParameter, ServingLoad, TemplateFacts, TestKind, TestPodRequest, TestPodSettings, TestPodTimes, place_of,
};
use crate::administrator::{AdministratorPolicy, read_policy};

/// A template of one engine with a GPU; `change` alters it as JSON.
pub(super) fn template(change: impl FnOnce(&mut Value)) -> PodTemplateSpec {
    let mut template = json!({
        "metadata": {"labels": {"app": "llama-8b"}},
        "spec": {"containers": [{
            "name": "vllm",
            "image": "docker.io/vllm/vllm-openai:v0.33.0",
            "command": ["vllm", "serve"],
            "args": ["m", "--gpu-memory-utilization=0.92", "--port", "8000"],
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
        }]},
    });
    change(&mut template);
    serde_json::from_value(template).unwrap()
}

pub(super) fn facts(change: impl FnOnce(&mut Value)) -> TemplateFacts {
    TemplateFacts { template: template(change), ..TemplateFacts::default() }
}

pub(super) fn container(value: Value) -> Container {
    serde_json::from_value(value).unwrap()
}

/// A policy with these lines below its head.
pub(super) fn policy(body: &str) -> AdministratorPolicy {
    let head = "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\n";
    read_policy("policy.yaml", &format!("{head}{body}")).unwrap()
}

/// A canary of 8 s on one GPU.
pub(super) fn canary() -> TestPodRequest {
    let load = ServingLoad {
        workload: serde_json::from_value(json!({
            "arrival": {"rate": 10}, "inputTokens": {"fixed": 64}, "outputTokens": {"fixed": 32},
        }))
        .unwrap(),
        slo: Some(serde_json::from_value(json!({"e2e": "2s"})).unwrap()),
        seed: 7,
        warmup: SignedDuration::from_secs(1),
        measure: SignedDuration::from_secs(8),
        ready_timeout: SignedDuration::from_secs(120),
    };
    TestPodRequest {
        namespace: "chat".to_owned(),
        owner: OwnObject::new(OwnKind::TuningCanary, "llama-8b-0", Uid::new("canary-uid")),
        purpose: TestPodPurpose::Canary,
        target: TargetReference {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: "llama-8b".to_owned(),
        },
        escalation: Some("llama-8b".to_owned()),
        test: TestKind::Serving(Box::new(load)),
        parameters: Vec::new(),
        times: TestPodTimes {
            not_after: "2026-03-04T03:30:00Z".parse().unwrap(),
            active_deadline: SignedDuration::from_secs(128),
            grace: SignedDuration::from_secs(5),
        },
        test_side: None,
    }
}

/// The domain `serving` of a run, with the canary's load.
pub(super) fn domain() -> TestPodRequest {
    TestPodRequest {
        owner: OwnObject::new(OwnKind::PhaseRun, "night", Uid::new("run-uid")),
        purpose: TestPodPurpose::Domain("serving".to_owned()),
        escalation: None,
        ..canary()
    }
}

/// A parameter at the place that a binding in the form of our kinds names.
pub(super) fn bound(name: &str, value: &str, binding: Value) -> BoundParameter {
    let name = ParameterName::new(name);
    let wire = (!binding.is_null()).then(|| serde_json::from_value(binding).unwrap());
    let (binding, config_map) = place_of(&name, wire.as_ref());
    BoundParameter { name, value: ParameterValue::from(value), binding, config_map }
}

pub(super) fn settings() -> TestPodSettings {
    TestPodSettings::for_image("phaseloop:test")
}
