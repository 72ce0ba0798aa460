//! What people are told of runs, as the API server keeps it: one request for each piece of news, and none at a later look.

use jiff::SignedDuration;
use k8s_openapi::api::events::v1::Event;
use phaseloop::simulation::api_server::{AdmissionReview, Refusal, StatusError};
use serde_json::json;

use crate::cluster::{NAMESPACE, OPERATOR, World, run};

/// Types and reasons of what was told of runs, in order.
fn told(world: &World) -> Vec<(String, String)> {
    let mut events: Vec<Event> = world.list(("events.k8s.io/v1", "Event"));
    events.retain(|event| event.regarding.as_ref().is_some_and(|object| object.kind.as_deref() == Some("PhaseRun")));
    events.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
    events.into_iter().map(|event| (event.type_.unwrap_or_default(), event.reason.unwrap_or_default())).collect()
}

/// Requests that were to make an event, whatever came of them.
fn asked(world: &World) -> usize {
    world.server.writes().iter().filter(|write| write.resource == "events").count()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(type_, reason)| ((*type_).to_owned(), (*reason).to_owned())).collect()
}

#[test]
fn a_run_costs_one_request_for_its_beginning_and_one_for_its_end() {
    run(async {
        let world = World::new();
        world.create_run("manual", &["chat"]);
        world.settle().await;
        world.measure(100.0);
        world.settle().await;
        world.sweep();
        for _ in 0..12 {
            world.pass(SignedDuration::from_mins(5));
            world.look().await;
        }
        assert_eq!(told(&world), pairs(&[("Normal", "AwaitingNode"), ("Normal", "Judged")]));
        assert_eq!(asked(&world), 2);
    });
}

#[test]
fn what_a_quota_has_no_room_for_never_began() {
    run(async {
        let world = World::new();
        world.forbid_gpus();
        world.create_run("manual", &["chat"]);
        world.settle().await;
        assert_eq!(told(&world), pairs(&[("Warning", "QuotaExceeded")]));
    });
}

#[test]
fn a_missing_right_is_told_once_however_often_it_is_tried() {
    run(async {
        let world = World::new();
        world.server.add_admission_hook(|review: &AdmissionReview<'_>| {
            if review.resource != "pods" {
                return Ok(());
            }
            let error = StatusError::unauthorized_verb(OPERATOR, "create", "", "pods", NAMESPACE, review.name);
            Err(Refusal::Status(Box::new(error)))
        });
        world.create_run("manual", &["chat"]);
        for _ in 0..4 {
            world.look().await;
            world.pass(SignedDuration::from_secs(30));
        }
        assert_eq!(told(&world), pairs(&[("Warning", "PodRefused")]));
        assert_eq!(asked(&world), 1);
    });
}

#[test]
fn a_replica_that_does_not_lead_tells_nothing() {
    run(async {
        let world = World::new();
        world.create_run("manual", &["chat"]);
        world.settle().await;
        let kind = ("phaseloop.dev/v1alpha1", "PhaseRun");
        world.person().merge(kind, NAMESPACE, "manual", "", json!({ "spec": { "abort": true } })).unwrap();
        let before = asked(&world);
        world.look_as(false).await;
        assert_eq!(asked(&world), before);
        world.settle().await;
        assert_eq!(told(&world), pairs(&[("Normal", "AwaitingNode"), ("Normal", "Aborted")]));
    });
}
