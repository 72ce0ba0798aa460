//! What is waited for: each wait has a deadline and a typed reason.

use phaseloop_core::{plan::pod::TestPodEnd, value::Verdict};
use serde_json::{Value, json};

use super::{
    super::*,
    world::{START, World, running, unschedulable},
};
use crate::{api::phase_run::status::PhaseRunPhase, controllers::phase_run::fixture::at};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A run whose pod is in a state since its beginning.
fn world(node: Option<&str>, status: Value) -> World {
    let mut world = World::of_one_domain();
    world.look();
    world.set_pod_status(node, status);
    world
}

/// Waits until `until` for `reason`, and then ends as `ended`, with this cause of deletion.
fn assert_given_up(mut world: World, reason: &str, until: &str, ended: &str, cause: TestPodEnd) {
    let plan = world.settle();
    assert_eq!((plan.report.reason.as_str(), plan.intents.len()), (reason, 0));
    assert_eq!(plan.wake, Wake::At(at(until)), "{}", plan.report.message);
    world.now = at(until) - SECOND;
    assert_eq!(world.settle().report.reason, reason);
    world.now = at(until);
    let plan = world.look();
    assert_eq!(world.row("chat").reasons, [ended]);
    assert_eq!(plan.intents, [], "the outcome is stored before the pod goes");
    world.settle();
    assert_eq!(world.deleted, [(world.row("chat").pod_name.clone().unwrap(), cause)]);
    assert_eq!((world.status().phase, world.status().verdict), (Some(PhaseRunPhase::Failed), Some(Verdict::Unknown)));
    assert_eq!(world.status().reasons, [ended]);
}

#[test]
fn a_gpu_is_waited_for_as_long_as_the_spec_says() {
    let world = world(None, unschedulable(at(START)));
    assert_given_up(world, "AwaitingGPU", "2026-03-04T03:15:00Z", "NoSpareGPU", TestPodEnd::NoSpareGPU);
}

#[test]
fn what_lacks_beside_a_gpu_is_named_and_is_no_missing_gpu() {
    let short = "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient nvidia.com/gpu.";
    let mut lacks_cpu = unschedulable(at(START));
    lacks_cpu["conditions"][0]["message"] = json!(short);
    let mut told = world(None, lacks_cpu.clone());
    let report = told.settle().report;
    assert!(report.message.contains(&format!("waits for cpu: {short}; given up at")), "{}", report.message);
    told.now = at("2026-03-04T03:15:00Z");
    told.look();
    let messages = told.row("chat").messages.join(" ");
    assert!(messages.contains("for lack of cpu until 2026-03-04T03:15:00Z") && messages.contains(short), "{messages}");
    let cause = TestPodEnd::Unschedulable;
    assert_given_up(world(None, lacks_cpu), "AwaitingNode", "2026-03-04T03:15:00Z", "Unschedulable", cause);
}

#[test]
fn the_scheduler_gets_a_minute_to_look_however_short_the_wait_is() {
    let mut silent = world(None, json!({ "phase": "Pending" }));
    silent.run.spec.gpu_wait_timeout = SignedDuration::ZERO.into();
    assert_given_up(silent, "AwaitingNode", "2026-03-04T03:01:00Z", "Unschedulable", TestPodEnd::Unschedulable);
    let mut told = world(None, unschedulable(at(START)));
    told.run.spec.gpu_wait_timeout = SignedDuration::ZERO.into();
    told.look();
    assert_eq!(told.row("chat").reasons, ["NoSpareGPU"]);
}

#[test]
fn a_volume_that_is_not_made_is_named_and_is_given_a_minute_however_short_the_wait_is() {
    let unbound = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let mut status = unschedulable(at(START));
    status["conditions"][0]["message"] = json!(unbound);
    let mut told = world(None, status.clone());
    let report = told.settle().report;
    assert!(report.message.contains(&format!("waits for a volume: {unbound}; given up at")), "{}", report.message);
    let cause = TestPodEnd::Unschedulable;
    assert_given_up(world(None, status.clone()), "AwaitingNode", "2026-03-04T03:15:00Z", "Unschedulable", cause);
    let mut hasty = world(None, status);
    hasty.run.spec.gpu_wait_timeout = SignedDuration::ZERO.into();
    assert_given_up(hasty, "AwaitingNode", "2026-03-04T03:01:00Z", "Unschedulable", TestPodEnd::Unschedulable);
}

fn preparing(reason: &str) -> Value {
    json!({
        "phase": "Pending",
        "conditions": [{ "type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-03-04T03:02:00Z" }],
        "initContainerStatuses": [{
            "name": "vllm", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": reason, "message": "not today" } },
        }],
    })
}

#[test]
fn an_image_that_cannot_be_pulled_is_given_up() {
    let world = world(Some("n1"), preparing("ImagePullBackOff"));
    let cause = TestPodEnd::ResultStored;
    assert_given_up(world, "PodPreparing", "2026-03-04T03:17:00Z", "ImagePullFailed", cause);
}

#[test]
fn a_container_that_cannot_be_created_is_given_up() {
    let world = world(Some("n1"), preparing("CreateContainerConfigError"));
    let cause = TestPodEnd::ResultStored;
    assert_given_up(world, "PodPreparing", "2026-03-04T03:17:00Z", "ContainerNotCreated", cause);
}

#[test]
fn a_large_image_is_waited_for_as_long_as_the_pod_may_run() {
    let mut world = world(Some("n1"), preparing("ContainerCreating"));
    let plan = world.settle();
    assert_eq!(plan.report.reason, "PodPreparing");
    assert_eq!(plan.wake, Wake::At(at("2026-03-04T07:00:05Z")));
}

#[test]
fn a_pod_past_its_time_is_ended_by_whoever_sees_it_and_then_given_up() {
    let mut world = world(Some("n1"), running(at(START), 0, Value::Null));
    let plan = world.settle();
    assert_eq!((plan.report.reason.as_str(), plan.wake), ("Testing", Wake::At(at("2026-03-04T07:00:05Z"))));
    world.now = at("2026-03-04T07:00:04Z");
    assert_eq!(world.plan().intents, [], "its grace is its own");
    world.now = at("2026-03-04T07:00:05Z");
    let plan = world.plan();
    let [Intent::DeleteTestPod(deletion)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!(deletion.cause, TestPodEnd::PastNotAfter);
    // The kubelet does not report its end.
    world.pods[0].metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now));
    let plan = world.settle();
    assert_eq!((plan.intents.len(), plan.wake), (0, Wake::At(at("2026-03-04T07:01:00Z"))));
    world.now = at("2026-03-04T07:01:00Z");
    world.settle();
    assert_eq!(world.status().reasons, ["TimedOut"]);
    let restored = world.condition(&crate::api::ConditionType::Restored).unwrap();
    assert_eq!(restored.status, crate::api::ConditionStatus::False, "its containers may still run");
}

#[test]
fn a_domains_own_timeout_bounds_its_pod() {
    let mut world = World::new();
    world.run.spec.domains[0].timeout = Some(SignedDuration::from_mins(30).into());
    let plan = world.plan();
    let [Intent::CreateTestPod(pod), Intent::RecordEvent(_)] = plan.intents.as_slice() else { panic!() };
    assert_eq!(pod.not_after, at("2026-03-04T03:45:00Z"), "the wait for a GPU, and half an hour");
    let effects = build(&world, &plan.intents[0]);
    let deadline = effects.spec.unwrap().active_deadline_seconds;
    assert_eq!(deadline, Some(30 * 60 - 10), "both graces come after it");
}

fn build(world: &World, intent: &Intent) -> k8s_openapi::api::core::v1::Pod {
    use crate::controllers::Kind;
    let effects = crate::controllers::phase_run::PhaseRuns::build(&world.valid(), intent, world.now);
    match effects.into_iter().last() {
        Some(Effect::CreateTestPod { pod, .. }) => *pod,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pod_that_went_before_its_result_was_read_is_lost_and_not_made_again() {
    let mut world = world(Some("n1"), running(at(START), 0, Value::Null));
    world.settle();
    world.pods.clear();
    world.settle();
    assert_eq!((world.pods.len(), world.status().reasons.as_slice()), (0, &["PodLost".to_owned()][..]));
}

#[test]
fn a_run_has_no_time_for_a_domain_that_no_longer_fits() {
    let mut world = World::new();
    world.run.spec.timeout = SignedDuration::from_mins(10).into();
    world.run.spec.gpu_wait_timeout = SignedDuration::ZERO.into();
    world.test_domain(|now| super::world::measured(now, 100.0));
    world.settle();
    assert_eq!(world.row("rag").reasons, ["TimedOut"]);
    assert!(world.row("chat").measured.is_some());
    assert_eq!(world.status().phase, Some(PhaseRunPhase::Completed));
    assert_eq!(world.status().verdict, Some(Verdict::Unknown));
}

#[test]
fn looking_again_at_the_same_things_says_the_same() {
    let mut world = world(None, unschedulable(at(START)));
    world.settle();
    let before = world.run.clone();
    world.pass(SignedDuration::from_mins(5));
    world.look();
    assert_eq!(world.run, before, "a look that finds nothing new writes nothing");
}
