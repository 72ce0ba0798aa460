//! Every edge of the state machine, taken by the controller from what it reads.

use std::collections::BTreeSet;

use phaseloop_core::promotion::phase::EDGES;
use serde_json::json;

use super::world::{APPLY_BY, Answer, World};
use crate::controllers::tuning_canary::fixture::at;

/// A life up to the edge, whose last step takes it.
type Life = (&'static str, &'static str, fn(&mut World));

/// Edges that only delivery by Git takes, which this version does not have.
const OF_GIT: [(&str, &str); 3] =
    [("AwaitingReview", "Conflict"), ("Applying", "RolledBack"), ("Applied", "RolledBack")];

const NIGHT: (&str, &str) = ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z");

fn close_window(world: &mut World) {
    world.spec(|spec| spec["windows"] = json!([{ "start": "10:00", "end": "11:00" }]));
}

fn automatic(world: &mut World) {
    world.spec(|spec| spec["approval"] = json!({ "mode": "Automatic" }));
}

fn staged(world: &mut World) {
    automatic(world);
    close_window(world);
    world.settle();
}

fn reviewed(world: &mut World) {
    world.settle();
}

/// A patch was sent and never arrived.
fn sent(world: &mut World) {
    automatic(world);
    world.look();
    world.answer = Answer::Lost;
    world.look();
    world.answer = Answer::Given;
}

fn applying(world: &mut World) {
    automatic(world);
    world.settle();
}

fn applied(world: &mut World) {
    applying(world);
    world.pass(120);
    world.roll_out();
    world.settle();
}

fn rolling_back(world: &mut World) {
    applied(world);
    world.decide("Rejected", Some("jane"));
    world.answer = Answer::Lost;
    world.look();
    world.answer = Answer::Given;
}

fn overwrite(world: &mut World) {
    world.change_target(|target| {
        target["spec"]["template"]["spec"]["containers"][0]["args"][1] = json!("--gpu-memory-utilization=0.80");
    });
}

fn reject(world: &mut World) {
    world.decide("Rejected", Some("jane"));
}

const LIVES: [Life; 26] = [
    ("Staged", "AwaitingReview", |world| drop(world.look())),
    ("Staged", "Applying", |world| {
        automatic(world);
        world.look();
    }),
    ("Staged", "Rejected", |world| {
        staged(world);
        reject(world);
    }),
    ("Staged", "Superseded", |world| {
        staged(world);
        world.around.target = None;
    }),
    ("Staged", "Expired", |world| {
        staged(world);
        world.now = at(APPLY_BY);
    }),
    ("Staged", "Conflict", |world| {
        staged(world);
        overwrite(world);
        world.change_target(|target| target["metadata"]["annotations"] = json!({ "phaseloop.dev/promotion": "uid-x" }));
    }),
    ("AwaitingReview", "Staged", |world| {
        reviewed(world);
        close_window(world);
        world.decide("Approved", Some("jane"));
    }),
    ("AwaitingReview", "Applying", |world| {
        reviewed(world);
        world.decide("Approved", Some("jane"));
    }),
    ("AwaitingReview", "Rejected", |world| {
        reviewed(world);
        reject(world);
    }),
    ("AwaitingReview", "Superseded", |world| {
        reviewed(world);
        overwrite(world);
    }),
    ("AwaitingReview", "Expired", |world| {
        reviewed(world);
        world.delete();
    }),
    ("Applying", "Staged", |world| {
        sent(world);
        close_window(world);
        world.look();
    }),
    ("Applying", "AwaitingReview", |world| {
        reviewed(world);
        world.decide("Approved", Some("jane"));
        world.answer = Answer::Lost;
        world.look();
        world.answer = Answer::Given;
        // Nobody can take a decision back, by the kind's own rules; a restored backup can.
        world.decide("Pending", None);
        world.look();
    }),
    ("Applying", "Rejected", |world| {
        sent(world);
        reject(world);
        world.look();
    }),
    ("Applying", "Superseded", |world| {
        sent(world);
        world.around.target = None;
    }),
    ("Applying", "Expired", |world| {
        sent(world);
        world.delete();
        world.look();
    }),
    ("Applying", "Applied", |world| {
        applying(world);
        world.roll_out();
    }),
    ("Applying", "RollingBack", |world| {
        applying(world);
        world.now = at("2026-03-04T03:57:00Z");
    }),
    ("Applying", "Conflict", |world| {
        applying(world);
        overwrite(world);
    }),
    ("Applied", "Validated", |world| {
        applied(world);
        world.run("n5", NIGHT, "Healthy", |_| ());
    }),
    ("Applied", "RollingBack", |world| {
        applied(world);
        world.run("n5", NIGHT, "Degraded", |_| ());
    }),
    ("Applied", "Superseded", |world| {
        applied(world);
        world.around.target = None;
    }),
    ("Applied", "Conflict", |world| {
        applied(world);
        overwrite(world);
    }),
    ("RollingBack", "RolledBack", |world| {
        rolling_back(world);
        world.pass(10);
        world.look();
    }),
    ("RollingBack", "Superseded", |world| {
        rolling_back(world);
        world.around.target = None;
    }),
    ("RollingBack", "Conflict", |world| {
        rolling_back(world);
        overwrite(world);
    }),
];

#[test]
fn every_edge_of_a_patch_is_taken_and_recorded_and_told() {
    for (from, to, live) in LIVES {
        let mut world = World::new();
        live(&mut world);
        let before = serde_json::to_value(world.phase()).unwrap();
        assert_eq!(before, json!(from), "{from} -> {to}");
        let events = world.told.len();
        let plan = world.look();
        assert_eq!(serde_json::to_value(world.phase()).unwrap(), json!(to), "{from} -> {to}: {}", world.message());
        let record = world.status().history.as_ref().unwrap().records.last().unwrap().clone();
        assert_eq!((record.from.as_deref(), record.to.as_str()), (Some(from), to));
        assert_eq!((record.reason.as_str(), record.at), (plan.report.reason.as_str(), world.now));
        // The write of a way back that does not arrive is told by the look that sees it.
        assert_eq!(world.told.len(), events + 1, "{from} -> {to}");
        assert_eq!(world.told.last().unwrap().1, record.reason);
    }
}

#[test]
fn the_lives_are_all_edges_but_those_of_git() {
    let taken: BTreeSet<(String, String)> =
        LIVES.iter().map(|(from, to, _)| ((*from).to_owned(), (*to).to_owned())).collect();
    let of_git = OF_GIT.map(|(from, to)| (from.to_owned(), to.to_owned()));
    let drawn: BTreeSet<(String, String)> =
        EDGES.iter().map(|edge| (edge.from.name().to_owned(), edge.to.name().to_owned())).collect();
    assert_eq!(taken.len(), LIVES.len());
    assert_eq!(taken.iter().cloned().chain(of_git).collect::<BTreeSet<_>>(), drawn);
}
