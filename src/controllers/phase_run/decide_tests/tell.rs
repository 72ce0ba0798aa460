//! What people are told of a run: on transitions alone.

use k8s_openapi::api::events::v1::Event;
use serde_json::{Value, json};

use super::{
    super::*,
    begin::refuse,
    end::with_history,
    world::{START, World, measured, measured_too_little, running, unschedulable},
};
use crate::controllers::{
    Kind,
    fixture::last_told,
    phase_run::{PhaseRuns, fixture::at},
};

/// The events of the next look.
fn events(world: &World) -> Vec<Event> {
    let valid = world.valid();
    let effects = world.plan().intents.into_iter().flat_map(|intent| PhaseRuns::build(&valid, &intent, world.now));
    let told = |effect| if let Effect::RecordEvent(event) = effect { Some(*event) } else { None };
    effects.filter_map(told).collect()
}

/// Looks again where nothing has changed: nothing is told.
fn assert_silent(world: &mut World) {
    let told = world.told.clone();
    for _ in 0..3 {
        world.pass(SignedDuration::from_mins(5));
        world.look();
    }
    assert_eq!(world.told, told);
}

#[test]
fn a_run_tells_that_it_begins_and_how_it_ended_and_nothing_between() {
    let mut world = World::new();
    world.test_domain(|now| measured(now, 100.0));
    world.test_domain(|now| measured(now, 100.0));
    world.settle();
    let begins = "the test of Deployment/llama begins: pod nightly-chat-fr2mv225vm was asked for, domain chat";
    let ended = "Unknown; fitness 0.950; BaselineSeeding: 0 of 3 comparable runs needed within 672h; this one is valid and \
                 within its absolute limits, so it is taken as a seed";
    let told = [("Normal", "AwaitingNode", begins), ("Normal", "Judged", ended)];
    assert_eq!(world.told, told.map(|(type_, reason, note)| (type_.to_owned(), reason.to_owned(), note.to_owned())));
    assert_silent(&mut world);
}

#[test]
fn a_degraded_run_tells_its_symptoms_once() {
    let mut world = with_history();
    world.test_domain(|now| measured(now, 300.0));
    world.settle();
    let (type_, reason, note) = last_told(&world.told);
    assert_eq!((type_, reason), ("Warning", "Judged"));
    assert!(note.starts_with("Degraded: latency_regression; fitness 0.950; LatencyRose: "), "{note}");
    assert_eq!(world.reasons_told(), ["AwaitingNode", "Judged"]);
    assert_silent(&mut world);
}

#[test]
fn a_healthy_run_is_the_course_of_things() {
    let mut world = with_history();
    world.test_domain(|now| measured(now, 101.0));
    world.settle();
    let (type_, reason, note) = last_told(&world.told);
    assert_eq!((type_, reason), ("Normal", "Judged"));
    assert!(note.starts_with("Healthy; fitness 0.950; WithinLimits: "), "{note}");
}

#[test]
fn a_run_that_measured_and_shows_nothing_warns_with_its_reason() {
    let mut world = with_history();
    world.test_domain(measured_too_little);
    world.settle();
    let (type_, reason, note) = last_told(&world.told);
    assert_eq!((type_, reason), ("Warning", "Judged"));
    assert!(note.starts_with("Unknown; TooFewSamples: "), "{note}");
}

#[test]
fn a_run_without_a_result_warns_by_the_name_of_what_kept_it_from_one() {
    let mut lost = World::of_one_domain();
    lost.look();
    lost.set_pod_status(Some("n1"), running(at(START), 0, Value::Null));
    lost.settle();
    lost.pods.clear();
    lost.settle();
    let note = "Unknown: pod nightly-chat-fr2mv225vm went before its result was read";
    assert_eq!(last_told(&lost.told), ("Warning", "PodLost", note));
    assert_silent(&mut lost);
    let mut unfit = World::of_one_domain();
    unfit.around.target = None;
    unfit.settle();
    let told = ("Warning".to_owned(), "TargetNotFound".to_owned(), "Error: there is no Deployment/llama".to_owned());
    assert_eq!(unfit.told, [told], "it never began");
}

#[test]
fn an_abort_is_somebodys_wish_and_no_warning() {
    let mut world = World::new();
    world.look();
    world.start_pod();
    world.settle();
    world.run.spec.abort = true;
    world.settle();
    let note = "Unknown: spec.abort was set; nothing is concluded from the run";
    assert_eq!(last_told(&world.told), ("Normal", "Aborted", note));
    assert_silent(&mut world);
}

#[test]
fn a_wait_for_a_gpu_is_told_once_whatever_the_scheduler_says_next() {
    let mut world = World::of_one_domain();
    world.look();
    world.set_pod_status(None, unschedulable(at(START)));
    world.settle();
    let note = "pod nightly-chat-fr2mv225vm waits for a GPU: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.; given \
                up at 2026-03-04T03:15:00Z";
    assert_eq!(last_told(&world.told), ("Warning", "AwaitingGPU", note));
    let mut status = unschedulable(at(START));
    status["conditions"][0]["message"] = json!("0/4 nodes are available: 4 Insufficient nvidia.com/gpu.");
    world.set_pod_status(None, status);
    world.pass(SignedDuration::from_mins(5));
    world.settle();
    assert_eq!(world.reasons_told(), ["AwaitingNode", "AwaitingGPU"]);
    world.now = at("2026-03-04T03:15:00Z");
    world.settle();
    assert_eq!(world.reasons_told(), ["AwaitingNode", "AwaitingGPU", "NoSpareGPU"]);
    assert_eq!(last_told(&world.told).0, "Warning");
}

#[test]
fn the_second_domains_wait_is_news_again() {
    let mut world = World::new();
    let name = |event: &Event| event.metadata.name.clone().unwrap();
    world.look();
    world.set_pod_status(None, unschedulable(at(START)));
    let first = events(&world);
    world.settle();
    world.now = at("2026-03-04T03:15:00Z");
    world.settle();
    world.set_pod_status(None, unschedulable(world.now));
    let second = events(&world);
    let reasons = |events: &[Event]| events.iter().map(|event| event.reason.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!((reasons(&first), reasons(&second)), (vec!["AwaitingGPU".to_owned()], vec!["AwaitingGPU".to_owned()]));
    assert_ne!(name(&first[0]), name(&second[0]));
}

#[test]
fn what_a_missing_right_keeps_from_beginning_is_told_with_the_refusal_and_not_again() {
    let mut world = World::of_one_domain();
    let message = "pods is forbidden: User \"x\" cannot create resource \"pods\"";
    let mut refused = || refuse(&mut world, 403, message, ClusterErrorKind::Forbidden).unwrap();
    let plan = refused();
    let [Intent::RecordEvent(notice)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!((notice.severity, notice.reason), (NoticeSeverity::Warning, "PodRefused"));
    assert!(notice.note.contains(message), "{}", notice.note);
    world.run.status = Some(plan.report.status);
    world.pass(SignedDuration::from_secs(30));
    assert_eq!(refuse(&mut world, 403, message, ClusterErrorKind::Forbidden).unwrap().intents, []);
}

#[test]
fn news_whose_telling_nobody_remembers_are_told_under_the_same_names() {
    let mut world = World::of_one_domain();
    let mut told = 0;
    for step in 0..40 {
        let mut later = world.clone();
        later.pass(SignedDuration::from_secs(7));
        let names = |world: &World| -> Vec<_> { events(world).into_iter().map(|event| event.metadata.name).collect() };
        assert_eq!(names(&world), names(&later), "step {step}");
        told += names(&world).len();
        match step {
            10 => world.start_pod(),
            20 => {
                world.pass(SignedDuration::from_mins(5));
                world.end_pod(&measured(world.now, 100.0));
            }
            _ => drop(world.look()),
        }
    }
    assert_eq!((told, world.reasons_told()), (2, vec!["AwaitingNode", "Judged"]));
}
