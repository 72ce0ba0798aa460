//! What follows where the cluster refuses what was to be made.

use phaseloop_core::plan::{Intent, OwnKind, OwnObject, Plan, Wake};
use phaseloop_core::value::Uid;
use serde_json::json;

use super::world::{World, night, passed};
use crate::{
    api::{EscalationStatus, condition::ConditionType, escalation::status::EscalationState},
    cluster::{ClusterError, ClusterErrorKind, Effect},
    controllers::{Kind, Report, escalation::Escalations, tuning_canary::fixture::at},
};

const QUOTA: (u16, &str, &str) = (403, "Forbidden", "tuningcanaries is forbidden: exceeded quota: canaries");

fn error((code, reason, message): (u16, &str, &str)) -> ClusterError {
    let status =
        kube::core::Status { code, reason: reason.to_owned(), message: message.to_owned(), ..Default::default() };
    ClusterError::of_call("create", "TuningCanary chat/x", kube::Error::Api(Box::new(status)))
}

/// The first effect of the plan is refused.
fn refused(world: &World, answer: (u16, &str, &str)) -> Option<Plan<Report<EscalationStatus>>> {
    let (plan, valid) = (world.plan(), world.valid());
    let effects = Escalations::build(&valid, &plan.intents[0], world.now);
    Escalations::decide_refused(&valid, &effects[0], &error(answer), world.now)
}

#[test]
fn a_canary_that_the_cluster_refuses_is_told_and_tried_again_in_a_minute() {
    let mut world = World::new();
    let plan = refused(&world, QUOTA).unwrap();
    assert_eq!((plan.remember.as_ref(), plan.intents.as_slice()), (None, &[][..]));
    assert_eq!(plan.wake, Wake::At(at("2026-03-04T03:22:00Z")));
    world.report(&plan.report);
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "ObjectRefused");
    assert!(message.contains("exceeded quota: canaries"), "{message}");
    assert_eq!(world.state(), EscalationState::Armed, "no tuning run goes on");
    assert_eq!(world.status().tuning, None);
    assert!(world.condition(&ConditionType::Reconciling).is_some());
    world.pass(60);
    assert!(matches!(world.plan().intents.as_slice(), [Intent::CreateCanary(_), ..]));
    assert_eq!(world.plan().remember, None, "a try is no beginning");
}

#[test]
fn a_refused_beginning_says_nothing_of_the_run_before() {
    let mut world = World::new();
    world.step(passed(100));
    for _ in 0..4 {
        world.step_on(passed(101));
    }
    let outcome = world.outcome().clone();
    world.around.runs.extend((5..=7).map(night));
    world.now = at("2026-03-07T03:21:00Z");
    let plan = refused(&world, QUOTA).unwrap();
    world.report(&plan.report);
    assert_eq!((world.state(), world.reason()), (EscalationState::Armed, "ObjectRefused"));
    assert_eq!((world.status().tuning.as_ref(), world.outcome()), (None, &outcome));
    assert_eq!(plan.report.cycle, None);
    let evidence: Vec<&str> = plan.report.evidence.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(evidence, ["n5", "n6", "n7"]);
}

#[test]
fn a_refused_candidate_is_part_of_its_run() {
    let mut world = World::new();
    world.settle();
    world.finish(passed(100));
    let plan = refused(&world, QUOTA).unwrap();
    world.report(&plan.report);
    assert_eq!((world.state(), world.reason()), (EscalationState::Tuning, "ObjectRefused"));
    assert_eq!(world.status().tuning.as_ref().unwrap().candidates_left, 4);
}

#[test]
fn a_refused_promotion_leaves_its_run_open() {
    let mut world = World::new();
    world.step(passed(100));
    for within in [190, 101, 101] {
        world.step_on(passed(within));
    }
    world.finish(passed(101));
    assert!(matches!(world.plan().intents.as_slice(), [Intent::CreatePromotion(_), ..]));
    let plan = refused(&world, QUOTA).unwrap();
    world.report(&plan.report);
    assert_eq!((world.reason(), world.status().last_tuning.as_ref()), ("ObjectRefused", None));
    world.pass(60);
    world.settle();
    assert_eq!((world.outcome().reason.as_str(), world.around.promotions.len()), ("BeatsIncumbent", 1));
}

#[test]
fn a_name_that_is_taken_was_a_stale_view_and_is_read_again() {
    let world = World::new();
    assert_eq!(refused(&world, (409, "AlreadyExists", "\"x\" already exists")), None);
    // What the report can't mend is no matter of the report.
    let valid = world.valid();
    let gone = Effect::DeleteOwn(OwnObject::new(OwnKind::TuningCanary, "x", Uid::new("u")));
    let forbidden = ClusterError::without_source("delete", "TuningCanary chat/x", ClusterErrorKind::Forbidden);
    assert_eq!(Escalations::decide_refused(&valid, &gone, &forbidden, world.now), None);
    // Nor of an Escalation that can't be decided on by now.
    let mut stalled = World::new();
    stalled.around.schedules.clear();
    let canary = Escalations::build(&world.valid(), &world.plan().intents[0], world.now).remove(0);
    assert_eq!(Escalations::decide_refused(&stalled.valid(), &canary, &error(QUOTA), stalled.now), None);
    assert_eq!(json!(stalled.plan().intents.len()), json!(0));
}
