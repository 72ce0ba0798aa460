//! How domains begin.

use std::sync::Arc;

use phaseloop_core::plan::{
    OwnKind, OwnObject,
    pod::{NewTestPod, TestPodPurpose},
};
use phaseloop_core::value::{Uid, Verdict};
use serde_json::json;

use super::{
    super::*,
    world::{START, World, deeds, measured},
};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        phase_run::status::{PhaseRunPhase, RunEnvironment},
        workload::Placement,
    },
    cluster::ClusterErrorKind,
    controllers::{
        Kind, ObservedNetwork, ObservedPolicy, condition,
        phase_run::{
            PhaseRuns,
            fixture::{at, run_named},
        },
    },
};

fn pod_intent(plan: &RunPlan) -> &NewTestPod {
    match plan.intents.as_slice() {
        [Intent::CreateTestPod(pod), Intent::RecordEvent(_)] => pod,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_domain_begins_with_all_that_its_pod_rests_on_remembered() {
    let world = World::new();
    let plan = world.plan();
    let pod = pod_intent(&plan);
    let expected = NewTestPod {
        name: "nightly-chat-1dc45lcb13".to_owned(),
        owner: OwnObject::new(OwnKind::PhaseRun, "nightly", Uid::new("uid-nightly")),
        purpose: TestPodPurpose::Domain("chat".to_owned()),
        network_policy: pod.network_policy.clone(),
        parameters: phaseloop_core::value::ParameterSet::default(),
        not_after: at("2026-03-04T07:00:00Z"),
        spec_digest: pod.spec_digest.clone(),
    };
    assert_eq!(*pod, NewTestPod { name: pod.name.clone(), ..expected });
    let message = format!("pod {} was asked for", pod.name);
    let status = PhaseRunStatus {
        phase: Some(PhaseRunPhase::Running),
        started_at: Some(at(START)),
        environment: Some(RunEnvironment {
            template_hash: world.valid().world.template_hash,
            ..RunEnvironment::default()
        }),
        domains: vec![
            DomainStatus { begun_at: Some(at(START)), pod_name: Some(pod.name.clone()), ..DomainStatus::named("chat") },
            DomainStatus::named("rag"),
        ],
        cycle: Some(cycle_name("nightly", &Uid::new("uid-nightly"))),
        conditions: vec![
            condition(ConditionType::Ready, ConditionStatus::False, "AwaitingNode", &message),
            condition(ConditionType::Reconciling, ConditionStatus::True, "AwaitingNode", &message),
            ObservedPolicy::Absent.condition(),
        ],
        ..PhaseRunStatus::default()
    };
    let report = Report { cycle: status.cycle.clone(), ..Report::new(status, "AwaitingNode", message) };
    let expected = Plan {
        remember: Some(report.clone()),
        intents: plan.intents.clone(),
        report,
        wake: Wake::At(at("2026-03-04T03:15:00Z")),
    };
    assert_eq!(plan, expected);
}

#[test]
fn a_death_between_remembering_and_making_makes_the_same_pod() {
    let mut world = World::new();
    let first = world.look();
    world.pods.clear();
    world.pass(SignedDuration::from_mins(2));
    let again = world.plan();
    assert_eq!(again.intents, first.intents, "the same name, the same bounds, the same digest");
    assert_eq!(again.remember, None);
    world.look();
    assert_eq!(world.pods.len(), 1);
    assert_eq!(world.plan().intents, [], "a pod that is there is not made again");
}

#[test]
fn domains_run_one_after_the_other_and_a_result_is_stored_before_its_pod_goes() {
    let mut world = World::new();
    world.test_domain(|now| measured(now, 100.0));
    let chat = world.row("chat").clone();
    assert!(chat.measured.is_some() && chat.ended_at == Some(world.now));
    assert_eq!(world.deleted, [], "its pod stays until the next look has seen the result");
    let plan = world.look();
    let [Intent::DeleteTestPod(deletion), Intent::CreateTestPod(next)] = plan.intents.as_slice() else {
        panic!("{:?}", plan.intents)
    };
    assert_eq!(Some(&deletion.name), chat.pod_name.as_ref());
    assert_eq!(next.purpose, TestPodPurpose::Domain("rag".to_owned()));
    assert_eq!(world.status().phase, Some(PhaseRunPhase::Running));
}

#[test]
fn only_domains_without_a_gpu_run_side_by_side() {
    let mut world = World::new();
    for domain in &mut world.run.spec.domains {
        domain.serving = None;
        domain.pod_template_name = Some("suite".to_owned());
    }
    world.run.spec.parallelism = 2;
    let template = json!({
        "metadata": { "name": "suite" },
        "template": { "spec": { "containers": [{ "name": "suite", "image": "suite:1" }] } },
    });
    world.around.pod_templates.insert("suite".to_owned(), serde_json::from_value(template).unwrap());
    world.around.runs = vec![Arc::new(busy_run())];
    world.settle();
    assert_eq!(world.pods.len(), 2, "an earlier run on the target's GPU is no reason to wait");
}

#[test]
fn what_is_not_there_ends_its_domain_in_error() {
    let mut world = World::new();
    world.around.target = None;
    world.settle();
    assert_eq!(world.status().phase, Some(PhaseRunPhase::Failed));
    assert_eq!(world.status().verdict, Some(Verdict::Error));
    assert_eq!(world.status().reasons, ["TargetNotFound"]);
    let stalled = world.condition(&ConditionType::Stalled).unwrap();
    assert_eq!((stalled.reason.as_str(), stalled.message.as_str()), ("TargetNotFound", "there is no Deployment/llama"));
    let mut world = World::of_one_domain();
    world.run.spec.domains[0].serving = None;
    world.run.spec.domains[0].pod_template_name = Some("gone".to_owned());
    world.settle();
    assert_eq!(world.status().reasons, ["PodTemplateNotFound"]);
}

#[test]
fn a_template_that_cannot_be_tested_is_an_error_with_its_rule() {
    let mut world = World::of_one_domain();
    let Some(crate::controllers::ObservedTarget::Deployment(deployment)) = &mut world.around.target else { panic!() };
    deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap().host_network = Some(true);
    world.settle();
    assert_eq!((world.status().verdict, world.pods.len()), (Some(Verdict::Error), 0));
    assert_eq!(world.row("chat").reasons, ["TemplateRefused"]);
    assert!(world.row("chat").messages[0].starts_with("HostNamespace: "), "{:?}", world.row("chat").messages);
}

#[test]
fn a_test_side_that_asks_for_more_than_its_run_allows_is_an_error_that_names_the_field() {
    let mut world = World::of_one_domain();
    world.run.spec.resources.cpu = "500m".to_owned();
    world.settle();
    assert_eq!((world.status().verdict, world.pods.len()), (Some(Verdict::Error), 0));
    assert_eq!(world.row("chat").reasons, ["TemplateRefused"]);
    assert_eq!(
        world.row("chat").messages[0],
        "TestSideTooLarge: the probe would take 1 of cpu, and spec.resources.cpu leaves 500m to each pod of the run; raise it, \
         or lower what they ask for"
    );
}

#[test]
fn a_spec_that_cannot_be_run_is_an_error_with_its_field_and_begins_nothing() {
    let mut world = World::new();
    world.run.spec.domains[1].timeout = Some(SignedDuration::from_mins(5).into());
    world.settle();
    assert_eq!((world.status().verdict, world.pods.len()), (Some(Verdict::Error), 0));
    assert_eq!(world.status().reasons, ["InvalidSpec"]);
    let message = &world.condition(&ConditionType::Stalled).unwrap().message;
    assert!(message.starts_with("spec.domains[1].timeout: 5m can't hold warmup 10s, duration 5m"), "{message}");
    // Exactly what it takes is enough.
    let mut world = World::new();
    world.run.spec.domains[1].timeout = Some(SignedDuration::from_secs(5 * 60 + 10 + 10).into());
    world.look();
    assert_eq!(world.pods.len(), 1);
}

#[test]
fn the_administrators_limits_hold() {
    let policy = |body: &str| {
        let text = format!("apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\n{body}");
        ObservedPolicy::Valid(Box::new(crate::administrator::read_policy("p", &text).unwrap()))
    };
    let mut world = World::of_one_domain();
    world.around.policy = policy("limits: { maxRunTimeout: 2h }\n");
    world.settle();
    assert_eq!(world.status().reasons, ["InvalidSpec"]);
    let mut world = World::of_one_domain();
    world.around.policy = policy("limits: { maxTestPods: 0 }\n");
    let plan = world.settle();
    assert_eq!((plan.report.reason.as_str(), world.pods.len()), ("TargetBusy", 0));
}

#[test]
fn a_broken_policy_lets_nothing_begin_and_is_waited_for() {
    let mut world = World::of_one_domain();
    world.around.policy = ObservedPolicy::Invalid("phaseloop-policy:3: no field x".to_owned());
    let plan = world.settle();
    assert_eq!((plan.report.reason.as_str(), plan.intents.len()), ("PolicyInvalid", 0));
    assert_eq!(plan.wake, Wake::At(at("2026-03-04T07:00:00Z")));
    assert_eq!(world.condition(&ConditionType::PolicyValid).unwrap().status, ConditionStatus::False);
    assert_eq!(world.status().phase, Some(PhaseRunPhase::Pending));
    let mut mended = world.clone();
    mended.around.policy = ObservedPolicy::Absent;
    mended.look();
    assert_eq!(mended.pods.len(), 1);
    world.now = at("2026-03-04T07:00:00Z");
    world.settle();
    assert_eq!(world.status().reasons, ["TimedOut"]);
    assert_eq!(world.status().verdict, Some(Verdict::Unknown));
}

/// A run of the same target that has begun.
fn busy_run() -> crate::api::PhaseRun {
    let mut run = run_named("other");
    let status = run.status.get_or_insert_default();
    status.phase = Some(PhaseRunPhase::Running);
    status.started_at = Some(at("2026-03-04T02:59:00Z"));
    run
}

#[test]
fn a_run_waits_for_an_earlier_run_of_its_target_and_for_no_other() {
    let mut world = World::of_one_domain();
    world.around.runs = [busy_run(), world.run.clone()].map(Arc::new).into();
    let plan = world.settle();
    assert_eq!(plan.report.reason, "TargetBusy");
    let message = "PhaseRun other of the same target has not ended; given up at 2026-03-04T07:00:00Z";
    assert_eq!((plan.report.message.as_str(), plan.wake), (message, Wake::At(at("2026-03-04T07:00:00Z"))));
    let begins = |change: fn(&mut crate::api::PhaseRun)| {
        let mut world = World::of_one_domain();
        let mut other = busy_run();
        change(&mut other);
        world.around.runs = vec![Arc::new(other)];
        world.look();
        !world.pods.is_empty()
    };
    assert!(!begins(|_| ()));
    assert!(begins(|other| other.status.as_mut().unwrap().phase = Some(PhaseRunPhase::Aborted)), "it has ended");
    assert!(begins(|other| other.spec.target_ref.name = "other".to_owned()), "another target");
    assert!(
        begins(|other| {
            other.status = None;
            other.metadata.creation_timestamp =
                Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at("2026-03-04T03:00:01Z")));
        }),
        "it is younger and has not begun"
    );
    world.now = at("2026-03-04T07:00:00Z");
    world.settle();
    assert_eq!(world.status().reasons, ["TargetBusy"]);
    assert_eq!(world.status().verdict, Some(Verdict::Unknown));
}

#[test]
fn two_runs_of_one_target_never_wait_for_each_other() {
    let (mut first, mut second) = (World::of_one_domain(), World::of_one_domain());
    second.run = run_named("other");
    second.run.spec.domains.truncate(1);
    let runs = vec![Arc::new(first.run.clone()), Arc::new(second.run.clone())];
    first.around.runs.clone_from(&runs);
    second.around.runs = runs;
    let begun = [&mut first, &mut second].map(|world| {
        world.look();
        world.pods.len()
    });
    assert_eq!(begun.iter().sum::<usize>(), 1);
}

#[test]
fn a_run_waits_while_a_canarys_pod_holds_the_targets_gpu() {
    let mut world = World::of_one_domain();
    let mut canary = world.clone();
    canary.look();
    let mut pod = canary.pods.remove(0);
    pod.metadata.name = Some("llama-0-canary".to_owned());
    pod.metadata.owner_references.as_mut().unwrap()[0].uid = "uid-canary".to_owned();
    let labels = pod.metadata.labels.as_mut().unwrap();
    labels.remove("phaseloop.dev/phase-run");
    labels.insert("phaseloop.dev/canary".to_owned(), "llama-0".to_owned());
    world.pods = vec![pod.clone()];
    let plan = world.settle();
    assert_eq!((plan.report.reason.as_str(), world.pods.len()), ("TargetBusy", 1));
    assert!(plan.report.message.contains("of TuningCanary llama-0 is on the target"), "{}", plan.report.message);
    pod.status = Some(serde_json::from_value(super::world::ended(world.now, "")).unwrap());
    world.pods = vec![pod];
    world.look();
    assert_eq!(world.pods.len(), 2, "a pod that has ended holds nothing");
}

/// What follows where the API server refuses the pod, or its NetworkPolicy, with this answer.
fn refuse_effect(world: &mut World, effect: &str, code: u16, message: &str, kind: ClusterErrorKind) -> Option<RunPlan> {
    let plan = world.plan();
    let valid = world.valid();
    let effects = PhaseRuns::build(&valid, &plan.intents[0], world.now);
    assert_eq!(effects.iter().map(Effect::name).collect::<Vec<_>>(), ["CreateNetworkPolicy", "CreateTestPod"]);
    let effect = effects.iter().find(|built| built.name() == effect).unwrap();
    let status = kube::core::Status { code, message: message.to_owned(), ..kube::core::Status::default() };
    let source = Some(Box::new(kube::Error::Api(Box::new(status))));
    let error = ClusterError { action: "create", what: "Pod chat/x".to_owned(), kind, source };
    decide_refused(&valid, effect, &error, world.now)
}

pub(super) fn refuse(world: &mut World, code: u16, message: &str, kind: ClusterErrorKind) -> Option<RunPlan> {
    refuse_effect(world, "CreateTestPod", code, message, kind)
}

#[test]
fn a_refused_network_policy_ends_the_domain_with_its_reason_and_no_pod_is_made() {
    for (code, message, kind, reason) in [
        (403, "x is forbidden: exceeded quota: policies", ClusterErrorKind::Refused, "NetworkPolicyRefused"),
        (422, "NetworkPolicy \"x\" is invalid: spec.egress", ClusterErrorKind::Invalid, "NetworkPolicyRefused"),
        (409, "networkpolicies \"x\" already exists", ClusterErrorKind::NameTaken, "NetworkPolicyTaken"),
    ] {
        let mut world = World::of_one_domain();
        let plan = refuse_effect(&mut world, "CreateNetworkPolicy", code, message, kind).unwrap();
        let row = &plan.report.status.domains[0];
        assert_eq!((row.reasons.as_slice(), row.verdict), (&[reason.to_owned()][..], Some(Verdict::Unknown)));
        assert!(row.messages[0].contains(message), "{:?}", row.messages);
    }
    let mut world = World::of_one_domain();
    let message = "networkpolicies is forbidden: User \"x\" cannot create resource \"networkpolicies\"";
    let plan = refuse_effect(&mut world, "CreateNetworkPolicy", 403, message, ClusterErrorKind::Forbidden).unwrap();
    assert_eq!(plan.report.status.conditions[0].reason, "NetworkPolicyRefused");
    assert_eq!((plan.report.status.domains[0].ended_at, plan.wake), (None, Wake::At(at(START) + LOOK_AGAIN)));
}

#[test]
fn what_bounds_the_target_is_waited_for_where_it_is_not_known() {
    let mut world = World::of_one_domain();
    world.around.network = ObservedNetwork::Unreadable("networkpolicies is forbidden".to_owned());
    let plan = world.settle();
    assert_eq!((plan.report.reason.as_str(), plan.intents.len()), ("NetworkUnknown", 0));
    assert!(plan.report.message.contains("networkpolicies is forbidden; given up at"), "{}", plan.report.message);
    assert_eq!(plan.wake, Wake::At(at(START) + LOOK_AGAIN), "nobody tells when it is known again");
    let mut known = world.clone();
    known.around.network = ObservedNetwork::Read(Vec::new());
    known.look();
    assert_eq!((known.network_policies.len(), known.pods.len()), (1, 1));
    world.now = at("2026-03-04T07:00:00Z");
    world.settle();
    assert_eq!(world.status().reasons, ["TimedOut"]);
}

#[test]
fn a_pod_that_was_asked_for_is_not_asked_for_again_while_the_network_is_not_known() {
    let mut world = World::of_one_domain();
    world.look();
    world.pods.clear();
    let asked_again = world.plan();
    assert!(matches!(deeds(&asked_again).as_slice(), [Intent::CreateTestPod(_)]));
    world.around.network = ObservedNetwork::Unreadable("networkpolicies is forbidden".to_owned());
    let plan = world.plan();
    assert_eq!((plan.report.reason.as_str(), plan.intents.len()), ("NetworkUnknown", 1));
    assert!(matches!(plan.intents[0], Intent::RecordEvent(_)), "nothing is done but telling it");
}

#[test]
fn what_the_cluster_refuses_ends_the_domain_as_unknown_with_its_reason() {
    for (code, message, kind, reason) in [
        (403, "pods \"x\" is forbidden: exceeded quota: gpus", ClusterErrorKind::Refused, "QuotaExceeded"),
        (403, "pods \"x\" is forbidden: violates PodSecurity \"restricted\"", ClusterErrorKind::Refused, "PodRefused"),
        (422, "Pod \"x\" is invalid", ClusterErrorKind::Invalid, "PodRefused"),
        (409, "pods \"x\" already exists", ClusterErrorKind::NameTaken, "PodNameTaken"),
    ] {
        let mut world = World::of_one_domain();
        let plan = refuse(&mut world, code, message, kind).unwrap();
        let row = &plan.report.status.domains[0];
        assert_eq!((row.reasons.as_slice(), row.verdict), (&[reason.to_owned()][..], Some(Verdict::Unknown)));
        assert!(row.messages[0].contains(message), "{:?}", row.messages);
        world.run.status = Some(plan.report.status);
        world.settle();
        assert_eq!((world.status().phase, world.pods.len()), (Some(PhaseRunPhase::Failed), 0));
        assert_eq!(world.status().reasons, [reason]);
    }
}

#[test]
fn a_missing_right_of_the_operator_is_told_and_tried_again() {
    let mut world = World::of_one_domain();
    let message = "pods is forbidden: User \"x\" cannot create resource \"pods\"";
    let plan = refuse(&mut world, 403, message, ClusterErrorKind::Forbidden).unwrap();
    assert_eq!(plan.report.status.domains[0].ended_at, None);
    assert_eq!(plan.report.status.conditions[0].reason, "PodRefused");
    assert_eq!(plan.wake, Wake::At(at(START) + LOOK_AGAIN));
    world.run.status = Some(plan.report.status);
    assert!(matches!(deeds(&world.plan()).as_slice(), [Intent::CreateTestPod(_)]));
}

#[test]
fn a_pod_that_nobody_remembers_is_taken_over() {
    let mut world = World::of_one_domain();
    world.look();
    world.run.status = None;
    let plan = world.look();
    assert_eq!(plan.intents, []);
    assert!(world.row("chat").begun_at.is_some() && world.row("chat").pod_uid.is_some());
    assert_eq!(world.status().started_at, Some(at(START)));
}

#[test]
fn borrowing_is_never_asked_for_by_default() {
    assert_eq!(World::new().run.spec.placement, Placement::SpareGPU);
}
