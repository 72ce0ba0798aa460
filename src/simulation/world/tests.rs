//! Whole worlds: the operator, the cluster and an engine under one clock.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::simulation::{
    cluster::{NodeShape, kubelet::ImageStore},
    engine::preset,
    program::{Catalog, EngineImage},
};

pub(super) const NAMESPACE: &str = "chat";
const BROKEN: &str = "docker.io/vllm/vllm-openai:v0.33.0";
const IMAGE: &str = "docker.io/vllm/vllm-openai:v0.32.0";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn settings(seed: u64) -> WorldSettings {
    let mut images = ImageStore::default();
    images.set_pull_time(IMAGE, SignedDuration::from_secs(40));
    WorldSettings {
        start: at("2026-03-01T20:00:00Z"),
        namespace: NAMESPACE.to_owned(),
        nodes: vec![NodeShape {
            name: "gpu-a".to_owned(),
            gpus: 2,
            gpu_product: "NVIDIA L40S".to_owned(),
            cpu: "32".to_owned(),
            memory: "256Gi".to_owned(),
            labels: BTreeMap::new(),
        }],
        images,
        catalog: Catalog {
            seed,
            engines: [(IMAGE.to_owned(), EngineImage { release: preset::release_0_32() })].into(),
            models: vec![preset::llama_3_1_8b()],
            cards: [("gpu-a".to_owned(), preset::l40s_48gb())].into(),
            tests: BTreeMap::new(),
            conditions: Vec::new(),
        },
        operator: OperatorTerms::default(),
        decisions: Vec::new(),
        comparable: false,
    }
}

pub(super) fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "llama-8b", "namespace": NAMESPACE },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": "llama-8b" } },
            "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
            "template": {
                "metadata": { "labels": { "app": "llama-8b" } },
                "spec": { "containers": [{
                    "name": "vllm", "image": IMAGE, "command": ["vllm", "serve"],
                    "args": ["meta-llama/Llama-3.1-8B-Instruct", "--gpu-memory-utilization=0.92", "--max-model-len=8192"],
                    "readinessProbe": { "httpGet": { "path": "/health", "port": 8000 } },
                    "resources": { "limits": { "nvidia.com/gpu": "1" } },
                }] },
            },
        },
    })
}

pub(super) fn schedule() -> Value {
    json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseSchedule",
        "metadata": { "name": "llama-8b", "namespace": NAMESPACE },
        "spec": {
            "schedule": "0 3 * * *", "timeZone": "Europe/Berlin",
            "run": {
                "targetRef": { "kind": "Deployment", "name": "llama-8b" },
                "domains": [{ "name": "serving", "serving": {
                    "workload": {
                        "requests": 200, "arrival": { "rate": 8 }, "inputTokens": { "fixed": 256 },
                        "outputTokens": { "fixed": 64 }, "seed": 7,
                    },
                    "slo": { "e2e": "4s" }, "warmup": "5s", "duration": "60s",
                } }],
            },
        },
    })
}

/// Runs a world on one thread with a clock that stands still.
fn simulated(settings: WorldSettings, until: &str, act: impl FnOnce(&mut World)) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(settings).unwrap();
        let start = world.clock.now();
        for object in [deployment(), schedule()] {
            world.add_action(start, Action::Apply { user: "anna".to_owned(), object: Box::new(object) });
        }
        act(&mut world);
        world.run_until(at(until)).await.unwrap();
        assert_eq!(world.refused(), [] as [&str; 0]);
        world
    })
}

pub(super) fn runs(world: &World) -> Vec<Value> {
    let runs = world.server.actor("anna").list(("phaseloop.dev/v1alpha1", "PhaseRun"), Some(NAMESPACE));
    runs.iter().map(|run| run.value.clone()).collect()
}

fn pods(world: &World) -> Vec<Value> {
    let pods = world.server.actor("anna").list(("v1", "Pod"), Some(NAMESPACE));
    pods.iter().map(|pod| pod.value.clone()).collect()
}

/// Every write, one line each.
fn story(world: &World) -> String {
    world.server.writes().iter().map(|write| format!("{write}\n")).collect()
}

#[test]
fn a_night_goes_by_and_its_run_is_judged() {
    let world = simulated(settings(7), "2026-03-02T06:00:00Z", |_| {});
    let [run] = &runs(&world)[..] else { panic!("one night, one run") };
    let status = &run["status"];
    assert_eq!((&status["phase"], &status["verdict"]), (&json!("Completed"), &json!("Unknown")), "nothing to compare");
    assert_eq!(status["admissionReason"], "BaselineSeeding");
    assert_eq!(status["environment"]["engineVersion"], "vllm 0.32.0");
    assert_eq!(status["environment"]["gpuProduct"], "NVIDIA L40S");
    let domain = &status["domains"][0];
    assert!(domain["measured"]["requests"]["completed"].as_i64() > Some(100), "{domain}");
    assert_eq!(pods(&world).len(), 1, "the test's pod is gone, production's is there");
    let figures = world.oracles.figures();
    assert_eq!(figures.violations, []);
}

/// A stateful set, each of whose pods has a cache of its own.
fn stateful_set() -> Value {
    let mut set = deployment();
    set["kind"] = "StatefulSet".into();
    set["metadata"]["name"] = "llama-set".into();
    let labels = json!({ "app": "llama-set" });
    set["spec"]["selector"]["matchLabels"] = labels.clone();
    set["spec"]["template"]["metadata"]["labels"] = labels;
    set["spec"].as_object_mut().unwrap().remove("strategy");
    set["spec"]["serviceName"] = "llama-set".into();
    set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "cache", "mountPath": "/cache" }]);
    set["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": { "name": "cache" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "100Gi" } } },
    }]);
    set
}

#[test]
fn a_claim_that_each_replica_has_is_made_for_the_test_pod_and_goes_with_it() {
    let mut settings = settings(7);
    settings.nodes[0].gpus = 4;
    let world = simulated(settings, "2026-03-02T06:00:00Z", |world| {
        let mut nightly = schedule();
        nightly["metadata"]["name"] = "llama-set".into();
        nightly["spec"]["run"]["targetRef"] = json!({ "kind": "StatefulSet", "name": "llama-set" });
        for object in [stateful_set(), nightly] {
            world.add_action(world.clock.now(), Action::Apply { user: "anna".to_owned(), object: Box::new(object) });
        }
    });
    let runs = runs(&world);
    let run = runs.iter().find(|run| run["spec"]["targetRef"]["name"] == "llama-set").unwrap();
    assert_eq!(run["status"]["admissionReason"], "BaselineSeeding", "{}", run["status"]);
    let pod = run["status"]["domains"][0]["podName"].as_str().unwrap();
    let writes = world.server.writes();
    let of_claims = writes.iter().filter(|write| write.to_string().contains("persistentvolumeclaims"));
    let told: Vec<String> = of_claims.map(ToString::to_string).collect();
    let of_test: Vec<&String> = told.iter().filter(|write| write.contains(&format!("{pod}-cache"))).collect();
    assert!(of_test.first().is_some_and(|write| write.contains("ephemeral-volume-controller")), "{told:#?}");
    let claims = world.server.actor("anna").list(("v1", "PersistentVolumeClaim"), Some(NAMESPACE));
    let names: Vec<&str> = claims.iter().map(|claim| claim.name()).collect();
    assert_eq!(names, ["cache-llama-set-0"], "the replica's is there, the test pod's is gone");
    assert_eq!(world.oracles.figures().violations, []);
}

#[test]
fn after_enough_healthy_nights_a_night_is_healthy_and_a_fault_of_the_release_is_found() {
    let mut settings = settings(7);
    settings.catalog.engines.insert(BROKEN.to_owned(), EngineImage { release: preset::release_0_33() });
    let edit = Action::Edit {
        user: "anna".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: "llama-8b".to_owned(),
        image: Some(BROKEN.to_owned()),
        flags: Vec::new(),
    };
    let world = simulated(settings, "2026-03-07T06:00:00Z", |world| {
        world.add_action(at("2026-03-05T12:00:00Z"), edit);
    });
    let verdicts: Vec<Value> = runs(&world).iter().map(|run| run["status"]["verdict"].clone()).collect();
    assert_eq!(verdicts[..4], ["Unknown", "Unknown", "Unknown", "Healthy"].map(|verdict| json!(verdict)));
    let environment = &runs(&world)[4]["status"]["environment"];
    assert_eq!(environment["engineVersion"], "vllm 0.33.0");
    assert_eq!(world.oracles.figures().violations, []);
}

#[test]
fn a_seed_is_a_history_byte_for_byte() {
    let until = "2026-03-03T06:00:00Z";
    let state = |world: &World| -> String {
        world.server.objects().iter().map(|(_, object)| format!("{}\n", object.value)).collect()
    };
    let (first, second) = (simulated(settings(7), until, |_| {}), simulated(settings(7), until, |_| {}));
    assert_eq!(story(&first), story(&second));
    assert_eq!(state(&first), state(&second));
    assert_eq!(first.events(), second.events());
    let other = simulated(settings(8), until, |_| {});
    assert_ne!(story(&first), story(&other), "another seed is another history");
}

#[test]
fn an_operator_that_dies_in_the_middle_of_a_run_is_replaced_and_measures_nothing_twice() {
    for second in ["00.5", "04.4", "12.2", "30.0"] {
        let at_second = at(&format!("2026-03-02T02:00:{second}Z"));
        let world = simulated(settings(7), "2026-03-02T06:00:00Z", |world| {
            let lasting = SignedDuration::from_mins(5);
            world.add_action(at_second, Action::KillOperator { replica: 0, lasting });
        });
        let [run] = &runs(&world)[..] else { panic!("one night, one run") };
        assert_eq!(run["status"]["phase"], "Completed", "killed at {second}");
        let engines = world.controllers().kubelets.log().records().iter().filter(|record| record.is_engine).count();
        assert_eq!(engines, 1, "killed at {second}: the pod is found, not made again");
        assert_eq!(world.oracles.figures().violations, []);
    }
}

#[test]
fn of_two_replicas_the_one_that_leads_acts_and_the_other_takes_over() {
    let mut settings = settings(7);
    settings.operator.replicas = 2;
    let world = simulated(settings, "2026-03-03T06:00:00Z", |world| {
        let lasting = SignedDuration::from_hours(30);
        world.add_action(at("2026-03-02T02:00:20Z"), Action::KillOperator { replica: 0, lasting });
    });
    assert_eq!(runs(&world).len(), 2);
    let wrote = |night: &str| -> std::collections::BTreeSet<String> {
        let writes = world.server.writes();
        let own = writes.iter().filter(|write| write.user.contains("phaseloop-") && write.at >= at(night));
        own.map(|write| write.user.rsplit(':').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(wrote("2026-03-02T02:00:20Z"), ["phaseloop-1".to_owned()].into());
    assert!(runs(&world).iter().all(|run| run["status"]["phase"] == "Completed"));
}

#[test]
fn notices_that_are_lost_or_late_delay_and_change_nothing() {
    let mut settings = settings(7);
    settings.operator.notices_lost_percent = 60;
    settings.operator.notice_delay_max = SignedDuration::from_secs(5);
    settings.operator.draws_lots = true;
    let world = simulated(settings, "2026-03-02T06:00:00Z", |_| {});
    let [run] = &runs(&world)[..] else { panic!("one night, one run") };
    assert_eq!(run["status"]["phase"], "Completed");
    assert_eq!(world.oracles.figures().violations, []);
}

#[test]
fn calls_that_nobody_answers_are_given_up_after_their_time_and_made_again() {
    use crate::simulation::operator::{RequestFault, RequestTrouble};
    for trouble in
        [RequestTrouble::Hangs, RequestTrouble::ReplyLost, RequestTrouble::OutcomeUnknown, RequestTrouble::Broken]
    {
        let fault = RequestFault {
            from: at("2026-03-02T02:00:00Z"),
            until: at("2026-03-02T02:00:40Z"),
            user: None,
            verb: None,
            resource: None,
            trouble,
            percent: 50,
        };
        let world = simulated(settings(7), "2026-03-02T06:00:00Z", |world| {
            world.add_action(at("2026-03-02T01:00:00Z"), Action::TroubleRequests(Box::new(fault)));
        });
        let [run] = &runs(&world)[..] else { panic!("one night, one run") };
        assert_eq!(run["status"]["phase"], "Completed", "{trouble:?}");
        assert_eq!(world.oracles.figures().violations, [], "{trouble:?}");
    }
}

#[test]
fn a_lost_node_keeps_its_containers_and_the_run_ends_without_a_result() {
    let world = simulated(settings(7), "2026-03-02T08:00:00Z", |world| {
        let (node, lasting) = ("gpu-a".to_owned(), SignedDuration::from_mins(30));
        world.add_action(at("2026-03-02T02:00:20Z"), Action::LoseNode { node, lasting });
    });
    let [run] = &runs(&world)[..] else { panic!("one night, one run") };
    assert_ne!(run["status"]["verdict"], "Healthy");
    let log = world.controllers().kubelets.log();
    assert!(log.records().iter().filter(|record| record.is_engine).all(|record| record.ended_at.is_some()));
    assert_eq!(world.oracles.figures().violations, []);
}

#[test]
fn an_upgrade_rolls_out_with_the_new_pod_before_the_old_one_goes() {
    let mut settings = settings(7);
    settings.catalog.engines.insert(BROKEN.to_owned(), EngineImage { release: preset::release_0_33() });
    let edit = Action::Edit {
        user: "anna".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: "llama-8b".to_owned(),
        image: Some(BROKEN.to_owned()),
        flags: vec![("gpu-memory-utilization".to_owned(), Some("0.8".to_owned()))],
    };
    let world = simulated(settings, "2026-03-01T22:00:00Z", |world| {
        world.add_action(at("2026-03-01T21:00:00Z"), edit);
    });
    let deployment = world.server.actor("anna").get(("apps/v1", "Deployment"), NAMESPACE, "llama-8b").unwrap();
    let status = &deployment.value["status"];
    assert_eq!(status["observedGeneration"], deployment.value["metadata"]["generation"]);
    assert_eq!((&status["updatedReplicas"], &status["readyReplicas"]), (&json!(1), &json!(1)), "{status}");
    let records = world.controllers().kubelets.log().records();
    let [old, new] = records else { panic!("{records:?}") };
    assert!(old.ended_at.unwrap() > new.started_at, "a surge of one");
    assert!(new.ended_at.is_none());
}

#[test]
fn a_rollout_that_never_becomes_ready_runs_into_its_deadline() {
    let edit = Action::Edit {
        user: "anna".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: "llama-8b".to_owned(),
        image: None,
        flags: vec![("gpu-memory-utilization".to_owned(), Some("0.3".to_owned()))],
    };
    let world = simulated(settings(7), "2026-03-01T22:00:00Z", |world| {
        world.add_action(at("2026-03-01T21:00:00Z"), edit);
    });
    let deployment = world.server.actor("anna").get(("apps/v1", "Deployment"), NAMESPACE, "llama-8b").unwrap();
    let conditions = deployment.value["status"]["conditions"].as_array().unwrap();
    let progressing = conditions.iter().find(|condition| condition["type"] == "Progressing").unwrap();
    assert_eq!(progressing["reason"], "ProgressDeadlineExceeded");
    assert_eq!(deployment.value["status"]["readyReplicas"], 1, "the old pod still serves");
}
