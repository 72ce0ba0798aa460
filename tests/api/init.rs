//! What `phaseloop init` drafts is what the API server takes, for every target that can be measured; and what can't be
//! measured is refused with what to do.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::{apps::v1, core::v1::ConfigMap},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use phaseloop::{
    administrator::{CONFIG_MAP_KEY, CONFIG_MAP_NAME},
    api::{
        Escalation, PhaseSchedule, read_object,
        reference::{TargetApiVersion, TargetKind, TargetRef},
    },
    controllers::{ObservedPolicy, ObservedTarget},
    handling::init::{Draft, InitFacts, InitOptions, InitRefusal, Neighbours, draft},
    workload::ClaimFacts,
    yaml::{Document, read_documents},
};
use phaseloop_core::schedule::{Schedule, Zone};
use serde_json::{Value, json};

use crate::{
    case::{merge, request},
    committed::read,
};

/// A target of the tests of test pods, changed by a merge patch.
fn target(file: &str, change: &Value) -> Value {
    let path = format!("tests/workload/{file}");
    let mut object = read_documents(&path, &read(&path)).unwrap().remove(0).value;
    merge(&mut object, change);
    object
}

struct Asked {
    target: Value,
    container: Option<&'static str>,
    policy: Option<&'static str>,
    claim_modes: Vec<&'static str>,
    schedule: &'static str,
    zone: &'static str,
    rate: &'static str,
    neighbours: Neighbours,
}

impl Asked {
    fn of(target: Value) -> Self {
        Self {
            target,
            container: None,
            policy: None,
            claim_modes: vec!["ReadWriteMany"],
            schedule: "0 3 * * *",
            zone: "Europe/Berlin",
            rate: "10",
            neighbours: Neighbours::Read { escalations: Vec::new(), schedules: Vec::new() },
        }
    }

    fn draft(self) -> Result<Draft, InitRefusal> {
        let is_set = self.target["kind"] == "StatefulSet";
        let observed = if is_set {
            let set: v1::StatefulSet = serde_json::from_value(self.target.clone()).unwrap();
            ObservedTarget::StatefulSet(Box::new(set))
        } else {
            let deployment: v1::Deployment = serde_json::from_value(self.target.clone()).unwrap();
            ObservedTarget::Deployment(Box::new(deployment))
        };
        let modes = self.claim_modes.iter().map(ToString::to_string).collect();
        let claim = ClaimFacts { access_modes: modes, used_on_nodes: vec!["node-1".to_owned(), "node-2".to_owned()] };
        let policy = self.policy.map(|text| ConfigMap {
            metadata: ObjectMeta { name: Some(CONFIG_MAP_NAME.to_owned()), ..ObjectMeta::default() },
            data: Some([(CONFIG_MAP_KEY.to_owned(), text.to_owned())].into()),
            ..ConfigMap::default()
        });
        let facts = InitFacts {
            target: observed,
            claims: BTreeMap::from([("models".to_owned(), claim)]),
            policy: ObservedPolicy::of(policy.as_ref()),
            neighbours: self.neighbours,
        };
        let options = InitOptions {
            namespace: "chat".to_owned(),
            target_ref: TargetRef {
                api_version: TargetApiVersion::AppsV1,
                kind: if is_set { TargetKind::StatefulSet } else { TargetKind::Deployment },
                name: self.target["metadata"]["name"].as_str().unwrap().to_owned(),
                container: self.container.map(str::to_owned),
            },
            schedule: Schedule { cron: self.schedule.parse().unwrap(), zone: Zone::named(self.zone).unwrap() },
            rate: self.rate.parse().unwrap(),
        };
        draft(&facts, &options, "2026-03-01T12:00:00Z".parse().unwrap())
    }
}

fn documents(draft: &Draft) -> [Document; 2] {
    read_documents("draft", &draft.yaml).unwrap_or_else(|faults| panic!("{faults}\n{}", draft.yaml)).try_into().unwrap()
}

/// What the API server would store of a draft's two objects.
fn stored(draft: &Draft) -> (Value, Value) {
    let [schedule, escalation] = documents(draft);
    let stored = |document: &Document| {
        request(&document.value, None).unwrap_or_else(|refusals| panic!("{refusals:#?}\n{}", draft.yaml))
    };
    (stored(&schedule), stored(&escalation))
}

const HELM: &str = r#"{ "metadata": { "labels": { "app.kubernetes.io/managed-by": "Helm" },
    "annotations": { "meta.helm.sh/release-name": "a", "meta.helm.sh/release-namespace": "chat" } } }"#;

const LIMITS: &str = "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\nlimits:\n  \
    maxCandidates: 3\n  maxGPUHoldBudget: 30m\n  minCooldown: 12h\n  maxRunTimeout: 1h\n";

#[test]
fn a_draft_is_accepted_for_every_target_that_can_be_measured() {
    let unchanged = json!({});
    let hostile = json!({ "spec": { "template": { "metadata": { "annotations": { "a\nspec: {evil: 1}": "x" } } } } });
    let cases = [
        ("a Deployment", Asked::of(target("target-plain.yaml", &unchanged))),
        ("one with a download", Asked::of(target("target-download.yaml", &unchanged))),
        ("one on a shared claim that a shell starts", Asked::of(target("target-claim.yaml", &unchanged))),
        ("a StatefulSet with two GPUs", Asked::of(target("target-two-gpus.yaml", &unchanged))),
        (
            "a StatefulSet whose replicas have claims of their own",
            Asked::of(target("target-own-claim.yaml", &unchanged)),
        ),
        ("one that Helm manages", Asked::of(target("target-plain.yaml", &serde_json::from_str(HELM).unwrap()))),
        (
            "one that names its container",
            Asked { container: Some("vllm"), ..Asked::of(target("target-plain.yaml", &unchanged)) },
        ),
        ("one whose annotations hold line ends", Asked::of(target("target-plain.yaml", &hostile))),
        (
            "one under the administrator's limits",
            Asked { policy: Some(LIMITS), ..Asked::of(target("target-plain.yaml", &unchanged)) },
        ),
        ("a low rate", Asked { rate: "0.2", ..Asked::of(target("target-plain.yaml", &unchanged)) }),
        (
            "a high rate, late at night, in another zone",
            Asked {
                rate: "300",
                schedule: "30 22 * * 1-5",
                zone: "America/New_York",
                ..Asked::of(target("target-plain.yaml", &unchanged))
            },
        ),
    ];
    for (what, asked) in cases {
        let draft = asked.draft().unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
        let (schedule, escalation) = stored(&draft);
        assert_eq!(schedule["spec"]["run"]["targetRef"], escalation["spec"]["targetRef"], "{what}");
        let comments = draft.yaml.lines().filter(|line| line.contains('#')).count();
        assert!(comments > 20, "{what}: only {comments} lines say why\n{}", draft.yaml);
        assert!(draft.yaml.lines().all(|line| line.len() <= 400), "{what}: {}", draft.yaml);
    }
}

#[test]
fn what_was_read_stands_in_the_text_and_no_secret_does() {
    let keyed = json!({ "spec": { "template": { "spec": { "containers": [{
        "name": "vllm", "image": "docker.io/vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve"],
        "args": ["meta-llama/Llama-3.1-8B-Instruct", "--gpu-memory-utilization=0.92", "--api-key=sk-very-secret"],
        "resources": { "limits": { "nvidia.com/gpu": "1" } },
    }] } } } });
    let draft = Asked::of(target("target-plain.yaml", &keyed)).draft().unwrap();
    for part in [
        "model      meta-llama/Llama-3.1-8B-Instruct",
        "(vLLM 0.33)",
        "engine     container vllm, 1 GPU per replica, 2 replicas",
        "gpu-memory-utilization=0.92",
        "gpu-memory-utilization        now 0.92; may be 0.1-0.98",
    ] {
        assert!(draft.yaml.contains(part), "no {part:?} in\n{}", draft.yaml);
    }
    assert!(!draft.yaml.contains("sk-very-secret"), "{}", draft.yaml);
    assert_eq!(draft.warnings, [] as [&str; 0]);
}

#[test]
fn a_volume_that_each_test_gets_anew_is_told() {
    let draft = Asked::of(target("target-own-claim.yaml", &json!({}))).draft().unwrap();
    let told = "note       volumes of each replica's own, made anew for the test: cache";
    assert!(draft.yaml.contains(told), "{}", draft.yaml);
}

#[test]
fn who_else_manages_the_target_decides_how_a_winner_is_delivered() {
    let own = Asked::of(target("target-plain.yaml", &json!({}))).draft().unwrap();
    assert_eq!(stored(&own).1["spec"]["promotion"]["delivery"], "Patch");
    let helm = Asked::of(target("target-plain.yaml", &serde_json::from_str(HELM).unwrap())).draft().unwrap();
    assert_eq!(stored(&helm).1["spec"]["promotion"]["delivery"], "None");
    assert!(helm.warnings[0].starts_with("Helm manages the target"), "{:?}", helm.warnings);
    assert!(helm.yaml.contains("WARNING: Helm manages the target"), "{}", helm.yaml);
}

#[test]
fn times_and_budgets_follow_from_the_target() {
    // Its startup probe allows 60 failures at the default period of 10 s.
    let probed = stored(&Asked::of(target("target-plain.yaml", &json!({}))).draft().unwrap()).1;
    assert_eq!(probed["spec"]["canary"]["startTimeout"], "10m");
    let two = stored(&Asked::of(target("target-two-gpus.yaml", &json!({}))).draft().unwrap()).1;
    assert_eq!(two["spec"]["canary"]["startTimeout"], "2m");
    assert_eq!(two["spec"]["safety"]["gpuHoldBudget"], "30m", "two GPUs hold twice the default of 15m");
    let slow = Asked { rate: "4", ..Asked::of(target("target-plain.yaml", &json!({}))) };
    let slow = stored(&slow.draft().unwrap()).1;
    assert_eq!(
        (&slow["spec"]["canary"]["measure"], &slow["spec"]["safety"]["measureBudget"]),
        (&json!("20s"), &json!("2m20s"))
    );
    let late = Asked { schedule: "30 22 * * *", ..Asked::of(target("target-plain.yaml", &json!({}))) };
    let window = stored(&late.draft().unwrap()).1["spec"]["safety"]["windows"][0].clone();
    assert_eq!((&window["start"], &window["end"]), (&json!("22:30"), &json!("02:30")));
}

#[test]
fn the_administrator_s_limits_are_kept() {
    let asked = Asked { policy: Some(LIMITS), ..Asked::of(target("target-plain.yaml", &json!({}))) };
    let (schedule, escalation) = stored(&asked.draft().unwrap());
    assert_eq!(escalation["spec"]["search"]["maxCandidates"], 3);
    assert_eq!(escalation["spec"]["safety"]["gpuHoldBudget"], "21m");
    assert_eq!(escalation["spec"]["safety"]["cooldown"], "12h");
    assert_eq!(schedule["spec"]["run"]["timeout"], "1h");
    let broken = Asked { policy: Some("kind: x\n"), ..Asked::of(target("target-plain.yaml", &json!({}))) };
    assert!(broken.draft().unwrap_err().message.contains("can't be read"));
}

#[test]
fn a_budget_that_holds_no_candidate_is_a_warning_with_the_values_to_set() {
    const SMALL: &str =
        "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\nlimits:\n  maxGPUHoldBudget: 5m\n";
    let asked = Asked { policy: Some(SMALL), ..Asked::of(target("target-plain.yaml", &json!({}))) };
    let draft = asked.draft().unwrap();
    assert!(draft.warnings[0].starts_with("BudgetCannotHoldOneCandidate: "), "{:?}", draft.warnings);
    stored(&draft);
}

#[test]
fn what_can_not_be_measured_is_refused_with_what_to_do() {
    let container = |change: Value| {
        let mut container = json!({
            "name": "vllm", "image": "i", "command": ["vllm", "serve"], "args": ["m", "--max-num-seqs=32"],
            "resources": { "limits": { "nvidia.com/gpu": "1" } },
        });
        merge(&mut container, &change);
        json!({ "spec": { "template": { "spec": { "containers": [container] } } } })
    };
    let no_gpu = json!({ "resources": null });
    let shared = json!({ "resources": { "limits": { "nvidia.com/gpu": null, "nvidia.com/gpu.shared": "1" } } });
    let host = json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } });
    let two = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "a", "image": "i", "resources": { "limits": { "nvidia.com/gpu": "1" } } },
        { "name": "b", "image": "i", "resources": { "limits": { "nvidia.com/gpu": "1" } } },
    ] } } } });
    let plain = |change: &Value| Asked::of(target("target-plain.yaml", change));
    let claim = |modes: &[&'static str]| Asked {
        claim_modes: modes.to_vec(),
        ..Asked::of(target("target-claim.yaml", &json!({})))
    };
    for (asked, reason, remedy) in [
        (plain(&container(no_gpu)), "NoGPU", "nvidia.com/gpu"),
        (plain(&container(shared)), "GPUShared", "GPUs are its own"),
        (plain(&host), "HostNamespace", "docs/reference/test-pod.md"),
        (plain(&two), "EngineNotFound", "--container NAME"),
        (claim(&["ReadWriteOnce"]), "ClaimInUse", "ReadWriteMany"),
        (claim(&["ReadWriteOncePod"]), "ClaimInUse", "ReadWriteMany"),
    ] {
        let refusal = asked.draft().expect_err(reason);
        assert!(refusal.message.contains(reason), "{reason}: {refusal}");
        assert!(refusal.remedy.contains(remedy), "{reason}: {refusal}");
    }
}

#[test]
fn what_is_there_for_the_target_already_is_told() {
    let [schedule, escalation] = documents(&Asked::of(target("target-plain.yaml", &json!({}))).draft().unwrap());
    let schedule: PhaseSchedule = read_object(&schedule).unwrap();
    let mut escalation: Escalation = read_object(&escalation).unwrap();
    escalation.metadata.name = Some("older".to_owned());
    let neighbours = Neighbours::Read { escalations: vec![Arc::new(escalation)], schedules: vec![Arc::new(schedule)] };
    let again = Asked { neighbours, ..Asked::of(target("target-plain.yaml", &json!({}))) }.draft().unwrap();
    assert_eq!(
        again.warnings,
        [
            "escalation/older rules the target already: a second one would be Stalled",
            "phaseschedule/llama-8b is there already: applying this changes it",
        ]
    );
    let bare = Asked { neighbours: Neighbours::NoDefinitions, ..Asked::of(target("target-plain.yaml", &json!({}))) };
    assert!(bare.draft().unwrap().warnings[0].contains("phaseloop crds | kubectl apply"));
}
