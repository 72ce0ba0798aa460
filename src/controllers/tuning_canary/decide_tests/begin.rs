//! How a canary's pod begins, and what keeps it from it.

use phaseloop_core::plan::{Intent, Wake};
use serde_json::{Value, json};

use super::world::World;
use crate::{
    api::{condition::ConditionType, tuning_canary::status::CanaryPhase},
    cluster::{ClusterError, Effect},
    controllers::{
        Kind, ObservedNetwork,
        tuning_canary::{
            TuningCanaries,
            fixture::{at, changed},
        },
    },
};

#[test]
fn the_pod_is_remembered_before_it_is_asked_for() {
    let world = World::new();
    let plan = world.plan();
    let remembered = plan.remember.as_ref().unwrap();
    assert_eq!(remembered.status.begun_at, Some(world.now));
    assert_eq!(&plan.report, remembered);
    let [Intent::CreateTestPod(pod)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!(remembered.status.pod_name.as_ref(), Some(&pod.name));
    assert_eq!(
        (pod.not_after, pod.owner.name.as_str()),
        (at("2026-03-04T03:40:00Z"), world.canary.metadata.name.as_deref().unwrap())
    );
    assert_eq!(plan.wake, Wake::At(at("2026-03-04T03:21:30Z")));
}

#[test]
fn the_pod_sets_the_candidates_value_and_lives_no_longer_than_was_reserved() {
    let mut world = World::new();
    world.settle();
    let [pod] = world.pods.as_slice() else { panic!("{} pods", world.pods.len()) };
    let spec = pod.spec.as_ref().unwrap();
    // 138 s less two graces of 5 s.
    assert_eq!(spec.active_deadline_seconds, Some(128));
    let engine = spec.init_containers.iter().flatten().find(|container| container.name == "vllm").unwrap();
    let words: Vec<&String> = engine.command.iter().chain(&engine.args).flatten().collect();
    assert!(words.iter().any(|word| *word == "--gpu-memory-utilization=0.75"), "{words:?}");
    assert!(!words.iter().any(|word| word.contains("0.92")), "{words:?}");
}

#[test]
fn looking_again_makes_no_second_pod() {
    let mut world = World::new();
    for _ in 0..5 {
        world.look();
    }
    assert_eq!(world.pods.len(), 1);
}

#[test]
fn a_pod_that_was_remembered_and_never_made_is_made_by_the_next_look() {
    let mut world = World::new();
    world.look();
    world.pods.clear();
    world.canary.status.as_mut().unwrap().pod_uid = None;
    world.pass(10);
    let plan = world.plan();
    assert_eq!(plan.remember, None, "it stands there already");
    assert!(matches!(plan.intents.as_slice(), [Intent::CreateTestPod(_)]));
    assert_eq!(plan.report.status.begun_at, Some(at(super::world::START)));
}

#[test]
fn too_late_to_measure_no_pod_is_made_and_nothing_is_spent() {
    let mut world = World::new();
    // 8 s of measuring and two graces before the last instant.
    world.now = at("2026-03-04T03:39:41Z");
    assert!(matches!(world.plan().intents.as_slice(), [Intent::CreateTestPod(_)]));
    world.now = at("2026-03-04T03:39:42Z");
    world.look();
    assert_eq!(world.pods.len(), 0);
    assert_eq!(world.verdict(), ("Inconclusive".to_owned(), vec!["PastNotAfter".to_owned()]));
    let used = world.status().used.clone().unwrap();
    assert_eq!((used.measure.to_string(), used.hold.to_string(), used.proven), ("0s".into(), "0s".into(), true));
    assert_eq!(world.status().phase, Some(CanaryPhase::Done));
}

#[test]
fn while_another_test_pod_is_on_the_target_it_waits() {
    let mut world = World::new();
    world.look();
    let mut other = world.pods.remove(0);
    other.metadata.owner_references = None;
    other.metadata.name = Some("other".to_owned());
    let mut world = World { pods: vec![other], ..World::new() };
    let plan = world.settle();
    assert_eq!(world.pods.len(), 1);
    let ready = world.condition(&ConditionType::Ready).unwrap();
    assert_eq!(ready.reason, "TargetBusy");
    assert!(ready.message.contains("test pod other"), "{}", ready.message);
    assert_eq!(plan.wake, Wake::At(at("2026-03-04T03:21:30Z")), "nobody tells when another's pod has ended");
}

#[test]
fn with_a_broken_policy_it_waits() {
    let mut world = World::new();
    world.around.policy = crate::controllers::ObservedPolicy::Invalid("line 3: broken".to_owned());
    world.settle();
    assert_eq!(world.condition(&ConditionType::Ready).unwrap().reason, "PolicyInvalid");
    assert!(world.pods.is_empty());
}

/// What a canary comes to that can't be measured, with class and reason.
fn unmeasured(change: impl FnOnce(&mut World)) -> (String, String) {
    let mut world = World::new();
    change(&mut world);
    world.settle();
    assert!(world.pods.is_empty());
    let (verdict, reasons) = world.verdict();
    assert_eq!(verdict, "Inconclusive");
    let status = world.status();
    let used = status.used.clone().unwrap();
    assert_eq!((used.hold.to_string(), used.proven), ("0s".to_owned(), true), "nothing ran");
    assert!(status.released_at.is_some());
    (reasons[0].clone(), format!("{:?}", status.failure.as_ref().unwrap().class))
}

#[test]
fn what_can_not_be_measured_spends_nothing_and_says_why() {
    let expect = |reason: &str, class: &str| (reason.to_owned(), class.to_owned());
    assert_eq!(unmeasured(|world| world.around.target = None), expect("TargetChanged", "Infrastructure"));
    let other_template = |world: &mut World| {
        world.canary = changed(&world.canary, |canary| canary["spec"]["templateHash"] = json!("other"));
    };
    assert_eq!(unmeasured(other_template), expect("TargetChanged", "Infrastructure"));
    let other_uid = |world: &mut World| {
        world.canary = changed(&world.canary, |canary| canary["spec"]["targetUID"] = json!("other"));
    };
    assert_eq!(unmeasured(other_uid), expect("TargetChanged", "Infrastructure"));
    let unsettable = |world: &mut World| {
        world.canary = changed(&world.canary, |canary| canary["spec"]["parameters"] = json!({ "model": "x" }));
    };
    assert_eq!(unmeasured(unsettable), expect("TemplateRefused", "Policy"));
}

#[test]
fn a_canary_that_no_escalation_made_under_its_name_runs_nothing() {
    let foreign = |change: fn(&mut Value)| unmeasured(|world| world.canary = changed(&world.canary, change)).0;
    assert_eq!(foreign(|canary| canary["metadata"]["name"] = json!("by-hand")), "NotReserved");
    assert_eq!(foreign(|canary| canary["spec"]["attempt"] = json!(2)), "NotReserved");
    assert_eq!(foreign(|canary| canary["metadata"]["ownerReferences"] = json!([])), "NotReserved");
}

/// What follows where the API server refuses the pod with this answer.
fn refused(code: u16, reason: &str, message: &str) -> Option<(String, String, bool)> {
    refused_effect("CreateTestPod", code, reason, message)
}

/// The same of the pod, or of its NetworkPolicy.
fn refused_effect(effect: &str, code: u16, reason: &str, message: &str) -> Option<(String, String, bool)> {
    let world = World::new();
    let (plan, valid) = (world.plan(), world.valid());
    let effects = TuningCanaries::build(&valid, &plan.intents[0], world.now);
    assert_eq!(effects.iter().map(Effect::name).collect::<Vec<_>>(), ["CreateNetworkPolicy", "CreateTestPod"]);
    let effect = effects.iter().find(|built| built.name() == effect).unwrap();
    let status =
        kube::core::Status { code, reason: reason.to_owned(), message: message.to_owned(), ..Default::default() };
    let error = ClusterError::of_call("create", "Pod chat/x", kube::Error::Api(Box::new(status)));
    let plan = TuningCanaries::decide_refused(&valid, effect, &error, world.now)?;
    let status = plan.report.status;
    let class = status.failure.map(|failure| format!("{:?}", failure.class)).unwrap_or_default();
    let nothing_spent = status.used.is_some_and(|used| used.proven && used.hold.0.is_zero());
    Some((status.reasons.first().cloned().unwrap_or_default(), class, nothing_spent))
}

#[test]
fn what_the_cluster_refuses_for_good_ends_the_canary_with_nothing_spent() {
    let quota = refused(403, "Forbidden", "pods \"x\" is forbidden: exceeded quota: gpus, requested: 1");
    assert_eq!(quota, Some(("QuotaExceeded".to_owned(), "Infrastructure".to_owned(), true)));
    let security = refused(403, "Forbidden", "pods \"x\" is forbidden: violates PodSecurity \"restricted\"");
    assert_eq!(security, Some(("PodRefused".to_owned(), "Policy".to_owned(), true)));
    let missing_right = refused(403, "Forbidden", "pods is forbidden: User \"x\" cannot create resource \"pods\"");
    assert_eq!(missing_right, Some((String::new(), String::new(), false)), "told, and tried again");
}

#[test]
fn a_refused_network_policy_ends_the_canary_before_it_has_a_pod() {
    let refused = |code, reason, message| refused_effect("CreateNetworkPolicy", code, reason, message);
    let taken = refused(409, "AlreadyExists", "networkpolicies \"x\" already exists");
    assert_eq!(taken, Some(("NetworkPolicyTaken".to_owned(), "Infrastructure".to_owned(), true)));
    let invalid = refused(422, "Invalid", "NetworkPolicy \"x\" is invalid: spec.egress[0].to[0].ipBlock.cidr");
    assert_eq!(invalid, Some(("NetworkPolicyRefused".to_owned(), "Policy".to_owned(), true)));
    let message = "networkpolicies is forbidden: User \"x\" cannot create resource \"networkpolicies\"";
    let missing_right = refused(403, "Forbidden", message);
    assert_eq!(missing_right, Some((String::new(), String::new(), false)), "told, and tried again");
}

#[test]
fn a_canary_waits_where_nobody_knows_what_bounds_its_target() {
    let mut world = World::new();
    world.around.network = ObservedNetwork::Unreadable("networkpolicies is forbidden".to_owned());
    let plan = world.look();
    assert!(matches!(plan.intents.as_slice(), [Intent::RecordEvent(_)]), "it tells, and makes nothing");
    assert_eq!((world.network_policies.len(), world.pods.len()), (0, 0));
    assert_eq!(world.condition(&ConditionType::Ready).unwrap().reason, "NetworkUnknown");
    world.around.network = ObservedNetwork::Read(Vec::new());
    world.look();
    assert_eq!((world.network_policies.len(), world.pods.len()), (1, 1));
}
