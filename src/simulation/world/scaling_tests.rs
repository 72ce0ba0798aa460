//! A target that is scaled: what comes of its pods and their GPUs.

use serde_json::{Value, json};

use super::{
    tests::{NAMESPACE, at, deployment, runs, schedule, settings},
    *,
};
use crate::simulation::cluster::kubelet::ContainerRecord;

const NAME: &str = "llama-8b";

/// A target with two replicas on a node with two GPUs.
fn target(kind: &str) -> Value {
    let mut target = deployment();
    target["kind"] = kind.into();
    target["spec"]["replicas"] = 2.into();
    if kind == "StatefulSet" {
        let spec = target["spec"].as_object_mut().unwrap();
        spec.remove("strategy");
        spec.insert("serviceName".to_owned(), NAME.into());
    }
    target
}

/// Lets such a world go by until half past two, with somebody who sets the target's replicas at these instants. The run of the
/// night begins at two o'clock, and waits for a GPU.
fn scaled(kind: &str, wishes: &[(&str, i32)], besides: &[Value]) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(settings(7)).unwrap();
        let start = world.clock.now();
        let mut schedule = schedule();
        schedule["spec"]["run"]["targetRef"]["kind"] = kind.into();
        for object in [target(kind), schedule].iter().chain(besides) {
            world.add_action(start, Action::Apply { user: "anna".to_owned(), object: Box::new(object.clone()) });
        }
        for (instant, replicas) in wishes {
            let fields = Box::new(json!({ "spec": { "replicas": replicas } }));
            let kind = ("apps/v1".to_owned(), kind.to_owned());
            let (user, namespace, name) = ("anna".to_owned(), NAMESPACE.to_owned(), NAME.to_owned());
            world.add_action(at(instant), Action::Merge { user, kind, namespace, name, fields });
        }
        world.run_until(at("2026-03-02T02:30:00Z")).await.unwrap();
        assert_eq!(world.refused(), [] as [&str; 0]);
        world
    })
}

/// The engines that ran: those of production, and those of tests.
fn engines(world: &World) -> (Vec<ContainerRecord>, Vec<ContainerRecord>) {
    let log = world.controllers().kubelets.log();
    let engines = log.records().iter().filter(|record| record.gpus > 0).cloned();
    engines.partition(|record| record.labels.get("app").is_some_and(|app| app == NAME))
}

/// What a field of the object said, one value after the other.
fn told(world: &World, resource: &str, place: &str) -> Vec<i64> {
    let versions = world.server.versions_of(resource, NAMESPACE, NAME);
    let mut values: Vec<i64> =
        versions.iter().map(|change| change.object.value.pointer(place).and_then(Value::as_i64).unwrap_or(0)).collect();
    values.dedup();
    values
}

#[test]
fn a_replica_that_is_scaled_away_leaves_its_gpu_to_a_test_and_comes_back_when_it_is_wanted_again() {
    for (kind, resource) in [("Deployment", "deployments.apps"), ("StatefulSet", "statefulsets.apps")] {
        let (away, back) = ("2026-03-02T02:05:00Z", "2026-03-02T02:12:00Z");
        let world = scaled(kind, &[(away, 1), (back, 2)], &[]);
        let (production, tests) = engines(&world);
        let [kept, lent, again] = &production[..] else { panic!("{kind}: {production:?}") };
        let [test] = &tests[..] else { panic!("{kind}: {tests:?}") };
        assert_eq!(kept.ended_at, None, "{kind}");
        let ended = lent.ended_at.unwrap();
        assert!(ended > at(away) && ended <= at("2026-03-02T02:05:30Z"), "{kind}: {ended}, within its grace");
        assert!(test.started_at >= ended, "{kind}: a GPU is of one engine");
        assert!(test.started_at < at("2026-03-02T02:06:00Z"), "{kind}: {}", test.started_at);
        assert!(test.ended_at.unwrap() < at(back), "{kind}");
        assert!(again.started_at >= at(back) && again.ended_at.is_none(), "{kind}");
        assert_eq!(runs(&world)[0]["status"]["phase"], "Completed", "{kind}");
        let ready = told(&world, resource, "/status/readyReplicas");
        assert_eq!(ready[ready.len() - 3..], [2, 1, 2], "{kind}: {ready:?}");
        if kind == "StatefulSet" {
            let names = [kept, lent, again].map(|record| record.pod.as_str());
            assert_eq!(names, ["llama-8b-0", "llama-8b-1", "llama-8b-1"], "the highest number goes, and comes again");
        }
    }
}

#[test]
fn of_two_replicas_of_a_deployment_the_younger_one_goes() {
    let wishes = [("2026-03-01T20:30:00Z", 1), ("2026-03-01T21:00:00Z", 2), ("2026-03-01T22:00:00Z", 1)];
    let (production, _) = engines(&scaled("Deployment", &wishes, &[]));
    let [first, second, third] = &production[..] else { panic!("{production:?}") };
    assert!(third.started_at > second.started_at && first.ended_at.is_none(), "{production:?}");
    assert!(third.ended_at.unwrap() >= at("2026-03-01T22:00:00Z"), "{production:?}");
}

#[test]
fn a_replica_that_is_wanted_again_while_a_test_holds_its_gpu_takes_it_as_in_kubernetes() {
    let (away, back) = ("2026-03-02T02:05:00Z", "2026-03-02T02:05:50Z");
    let world = scaled("Deployment", &[(away, 1), (back, 2)], &[]);
    let (production, tests) = engines(&world);
    let [_, _, again] = &production[..] else { panic!("{production:?}") };
    assert!(tests[0].ended_at.unwrap() > at(back), "the test ran when production came");
    assert!(again.started_at >= tests[0].ended_at.unwrap(), "a test has the lower priority, and goes first");
}

#[test]
fn a_disruption_budget_tells_how_many_replicas_may_go_at_every_instant() {
    let budget = |spec: Value| {
        let mut spec = spec;
        spec["selector"] = json!({ "matchLabels": { "app": NAME } });
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": { "name": NAME, "namespace": NAMESPACE }, "spec": spec,
        })
    };
    // Once less is wanted than there is, what is too much may go, whatever must be available.
    for (spec, expected) in
        [(json!({ "minAvailable": 1 }), vec![0, 1, 0, 1]), (json!({ "maxUnavailable": 0 }), vec![0, 1, 0])]
    {
        let wishes = [("2026-03-02T02:05:00Z", 1), ("2026-03-02T02:12:00Z", 2)];
        let world = scaled("Deployment", &wishes, &[budget(spec.clone())]);
        let allowed = told(&world, "poddisruptionbudgets.policy", "/status/disruptionsAllowed");
        assert_eq!(allowed, expected, "{spec}");
    }
}
