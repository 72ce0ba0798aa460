//! Targets, requests and settings as the tests use them.

use std::{fs, path::PathBuf};

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use phaseloop::{
    administrator::{AdministratorPolicy, read_policy},
    api::phase_run::TestResources,
    workload::{
        BoundParameter, ClaimFacts, ServingLoad, TemplateFacts, TestKind, TestPodRequest, TestPodSettings,
        TestPodTimes, TestSide, build_test_pod, place_of, plan_test_pod,
    },
    yaml::read_documents,
};
use phaseloop_core::{
    plan::{OwnKind, OwnObject, pod::TestPodPurpose},
    value::{ParameterName, ParameterValue, TargetReference, Uid},
};
use serde_json::{Value, json};

/// A path within the folder of these tests.
pub(crate) fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/workload", name].iter().collect()
}

fn document(name: &str) -> Value {
    let text = fs::read_to_string(path(name)).unwrap();
    read_documents(name, &text).unwrap().remove(0).value
}

/// The pod template of a committed target, or of a committed PodTemplate.
pub(crate) fn template(name: &str) -> PodTemplateSpec {
    let document = document(name);
    let place = document.pointer("/spec/template").or_else(|| document.get("template")).unwrap();
    serde_json::from_value(place.clone()).unwrap()
}

/// What is known of a committed target, or of a committed PodTemplate.
pub(crate) fn facts_of(name: &str) -> TemplateFacts {
    let claims = document(name).pointer("/spec/volumeClaimTemplates").cloned().unwrap_or_else(|| json!([]));
    TemplateFacts { claim_templates: serde_json::from_value(claims).unwrap(), ..facts(template(name)) }
}

/// What is known of a template, with a claim `models` that is in use on `node-1`.
pub(crate) fn facts(template: PodTemplateSpec) -> TemplateFacts {
    let claim = ClaimFacts { access_modes: vec!["ReadWriteOnce".to_owned()], used_on_nodes: vec!["node-1".to_owned()] };
    TemplateFacts { template, claims: [("models".to_owned(), claim)].into(), ..TemplateFacts::default() }
}

/// A policy that names the entry point of one image.
pub(crate) fn policy() -> AdministratorPolicy {
    let text = "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\n\
                engines:\n  - image: docker.io/vllm/vllm-openai\n    command: [vllm, serve]\n";
    read_policy("policy.yaml", text).unwrap()
}

pub(crate) fn settings() -> TestPodSettings {
    TestPodSettings::for_image("registry.example.com/phaseloop:0.1.0")
}

fn load(workload: &Value, measure: i64, warmup: i64, ready_timeout: i64) -> ServingLoad {
    let workload: phaseloop::api::workload::Workload = serde_json::from_value(workload.clone()).unwrap();
    ServingLoad {
        seed: workload.seed,
        workload,
        slo: Some(serde_json::from_value(json!({"ttft": "500ms", "e2e": "5s"})).unwrap()),
        warmup: SignedDuration::from_secs(warmup),
        measure: SignedDuration::from_secs(measure),
        ready_timeout: SignedDuration::from_secs(ready_timeout),
    }
}

fn workload() -> Value {
    json!({
        "requests": 200, "arrival": {"rate": 10}, "seed": 7,
        "inputTokens": {"uniform": {"min": 64, "max": 512}}, "outputTokens": {"fixed": 128},
    })
}

/// The domain `serving` of a run.
pub(crate) fn domain_request() -> TestPodRequest {
    TestPodRequest {
        namespace: "chat".to_owned(),
        owner: OwnObject::new(OwnKind::PhaseRun, "llama-8b-20260304-0300", Uid::new("run-uid")),
        purpose: TestPodPurpose::Domain("serving".to_owned()),
        target: TargetReference {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: "llama-8b".to_owned(),
        },
        escalation: None,
        test: TestKind::Serving(Box::new(load(&workload(), 310, 10, 900))),
        parameters: Vec::new(),
        times: TestPodTimes {
            not_after: "2026-03-04T04:00:00Z".parse().unwrap(),
            active_deadline: SignedDuration::from_secs(2_400),
            grace: SignedDuration::from_secs(5),
        },
        test_side: Some(TestSide::of_one_pod(&TestResources::default(), 1)),
    }
}

/// A canary that sets gpu-memory-utilization.
pub(crate) fn canary_request() -> TestPodRequest {
    let name = ParameterName::new("gpu-memory-utilization");
    let (binding, config_map) = place_of(&name, None);
    TestPodRequest {
        owner: OwnObject::new(OwnKind::TuningCanary, "llama-8b-bcdfghjklm-20260304-0300-3", Uid::new("canary-uid")),
        purpose: TestPodPurpose::Canary,
        escalation: Some("llama-8b".to_owned()),
        test: TestKind::Serving(Box::new(load(&workload(), 8, 1, 120))),
        test_side: None,
        parameters: vec![BoundParameter { name, value: ParameterValue::from("0.75"), binding, config_map }],
        times: TestPodTimes {
            not_after: "2026-03-04T03:43:18Z".parse().unwrap(),
            active_deadline: SignedDuration::from_secs(128),
            grace: SignedDuration::from_secs(5),
        },
        ..domain_request()
    }
}

/// The domain `rag` of a run, tested by an image of its own.
pub(crate) fn report_request() -> TestPodRequest {
    TestPodRequest { purpose: TestPodPurpose::Domain("rag".to_owned()), test: TestKind::Report, ..domain_request() }
}

/// The pod of a committed target.
pub(crate) fn build(request: &TestPodRequest, target: &str) -> Pod {
    build_test_pod(&plan_test_pod(request, &facts_of(target), Some(&policy()), &settings()).unwrap())
}
