//! Whole replicas on an API server in memory: what they wait for, who begins, who takes over, how they end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;
use phaseloop::{
    controllers::Leadership as _,
    operator::{Operator, Scope},
    simulation::api_server::{Gate, Settings, Verdict},
    telemetry::{Health as _, StateSource as _},
};
use phaseloop_core::plan::OwnKind;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{Cluster, NAMESPACE, OPERATORS, forbidden, name_of, run, until};

const RUNS: &str = "phaseruns.phaseloop.dev";

fn ready(operator: &Operator) -> Result<String, String> {
    operator.vitals().ready()
}

async fn until_ready(operator: &Operator) {
    until("it is ready", || ready(operator).is_ok()).await;
}

#[tokio::test(start_paused = true)]
async fn the_leader_begins_and_a_follower_of_a_killed_leader_goes_on_within_seconds() {
    let cluster = Cluster::new();
    let one = cluster.start("a");
    until("the first one leads", || one.held().is_leader()).await;
    let two = cluster.start("b");
    until_ready(&two).await;
    cluster.create_run("first", "llama");
    until("the run's pod is made", || cluster.pods_made().len() == 1).await;
    assert_eq!(cluster.pods_made()[0].0, "a");
    assert!(ready(&two).unwrap().ends_with("follows a\n"), "{:?}", ready(&two));
    // Its tasks end wherever they are, and give nothing back.
    drop(one);
    let killed = Instant::now();
    cluster.create_run("second", "qwen");
    until("the second run's pod is made", || cluster.pods_made().len() == 2).await;
    assert_eq!(cluster.pods_made()[1].0, "b");
    let took = killed.elapsed();
    assert!(took >= Duration::from_secs(11) && took <= Duration::from_secs(20), "{took:?}");
    let others = cluster.server.writes().into_iter().filter(|write| write.user == "b" && write.resource != "leases");
    assert!(others.map(|write| write.name).all(|name| !name.contains("first") || name == "first"));
}

#[tokio::test(start_paused = true)]
async fn two_replicas_make_one_pod_per_run() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start("a"), cluster.start("b"));
    until("somebody leads", || one.held().is_leader() || two.held().is_leader()).await;
    cluster.create_run("first", "llama");
    cluster.create_run("second", "qwen");
    until("both pods are made", || cluster.pods_made().len() >= 2).await;
    tokio::time::sleep(Duration::from_mins(3)).await;
    let makers: Vec<String> = cluster.pods_made().into_iter().map(|(user, _)| user).collect();
    assert_eq!(makers.len(), 2, "{:?}", cluster.pods_made());
    assert_eq!(makers[0], makers[1]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_definition_is_named_and_waited_for_and_the_other_kinds_are_watched_meanwhile() {
    let cluster = Cluster::without(&[RUNS]);
    let operator = cluster.start("a");
    until("the other gates open", || {
        operator.vitals().readiness.gates().len() == 10
            && ready(&operator).is_err_and(|text| text.matches("waits").count() == 1)
    })
    .await;
    let text = ready(&operator).unwrap_err();
    let expected = format!(
        "waits   PhaseRun in namespace {NAMESPACE}: CustomResourceDefinition {RUNS} is missing; remedy: phaseloop crds | "
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("ready   Escalation in namespace chat\n"), "{text}");
    let gates = operator.vitals().state().ready_gates;
    assert_eq!((gates["PhaseRun"], gates["Escalation"]), (false, true));
    assert!(operator.vitals().alive().is_ok(), "a missing definition is no reason to be started again");

    let definitions = Settings::default().definitions;
    cluster.create(definitions.iter().find(|definition| name_of(definition) == RUNS).unwrap());
    let made = Instant::now();
    until_ready(&operator).await;
    assert!(made.elapsed() <= Duration::from_secs(16), "{:?}", made.elapsed());
    cluster.create_run("first", "llama");
    until("the run's pod is made", || cluster.pods_made().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_waited_for() {
    let cluster = Cluster::new();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    cluster.intercept(move |_| if is_down.load(Ordering::Relaxed) { Verdict::Break } else { Verdict::Proceed });
    let operator = cluster.start("a");
    tokio::time::sleep(Duration::from_mins(5)).await;
    let text = ready(&operator).unwrap_err();
    // The version is served past the interceptor: it is the lists that nobody answers.
    assert!(text.contains("waits   PhaseRun in namespace chat: it can't be listed or watched: "), "{text}");
    assert!(operator.vitals().alive().is_ok() && !operator.held().is_leader());
    down.store(false, Ordering::Relaxed);
    until_ready(&operator).await;
    until("it leads", || operator.held().is_leader()).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_not_of_its_kind_s_form_stalls_nobody_else() {
    // An older or a foreign definition admits anything.
    let mut settings = Settings::default();
    for definition in &mut settings.definitions {
        if name_of(definition) == RUNS {
            definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
                json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        }
    }
    let cluster = Cluster::with(settings);
    let operator = cluster.start("a");
    until("it leads", || operator.held().is_leader()).await;
    let mut malformed = run("malformed", "llama");
    malformed["spec"] = json!({ "targetRef": 7 });
    malformed["status"] = json!("none");
    cluster.create(&malformed);
    cluster.create_run("sound", "qwen");
    until("the sound run's pod is made", || cluster.pods_made().len() == 1).await;
    let objects = operator.vitals().state().objects;
    assert_eq!(objects.iter().filter(|(kind, _)| *kind == OwnKind::PhaseRun).count(), 2, "both are watched");
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_for_one_type_is_named_and_stops_nothing_that_does_not_need_it() {
    let cluster = Cluster::new();
    cluster.intercept(|request| if request.resource == "statefulsets" { forbidden() } else { Verdict::Proceed });
    let operator = cluster.start("a");
    until("it leads", || operator.held().is_leader()).await;
    cluster.create_run("first", "llama");
    until("the run's pod is made", || cluster.pods_made().len() == 1).await;
    let text = ready(&operator).unwrap_err();
    assert!(
        text.contains("waits   StatefulSet in namespace chat: the right to list and watch statefulsets.apps"),
        "{text}"
    );
    let page = operator.vitals();
    assert!(!page.state().ready_gates["StatefulSet"]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_ends_lets_its_look_end_then_gives_the_lease_back_and_begins_nothing_more() {
    let cluster = Cluster::new();
    let operator = cluster.start("a");
    until("it leads", || operator.held().is_leader()).await;
    // The pod of the first run is asked for, and the API server takes its time.
    let (gate, held_up) = (Gate::new(), Arc::new(AtomicBool::new(false)));
    let (waits, asked) = (gate.clone(), held_up.clone());
    cluster.intercept(move |request| {
        let makes_pod = request.resource == "pods" && !request.verb.reads();
        if makes_pod && !asked.swap(true, Ordering::Relaxed) { Verdict::Hold(waits.clone()) } else { Verdict::Proceed }
    });
    cluster.create_run("first", "llama");
    until("its pod is asked for", || held_up.load(Ordering::Relaxed)).await;
    cluster.create_run("second", "qwen");
    let held = operator.held();
    let vitals = operator.vitals();
    let ending = tokio::spawn(operator.stop());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!ending.is_finished() && held.is_leader(), "it leads until its look has ended");
    assert!(vitals.ready().unwrap_err().starts_with("ending"), "it takes no more probes for ready");
    gate.open();
    ending.await.unwrap();
    assert_eq!(cluster.pods_made().len(), 1, "{:?}", cluster.pods_made());
    assert!(!held.is_leader());
    let lease = cluster.server.actor("jane").get(("coordination.k8s.io/v1", "Lease"), OPERATORS, "phaseloop").unwrap();
    assert_eq!(lease.value.pointer("/spec/holderIdentity").and_then(Value::as_str), Some(""));
    let last = cluster.server.writes().pop().unwrap();
    assert_eq!((last.user.as_str(), last.resource.as_str()), ("a", "leases"), "the last thing that it writes");
}

#[tokio::test(start_paused = true)]
async fn what_a_follower_left_alone_is_looked_at_when_it_begins_to_lead() {
    let cluster = Cluster::new();
    // A stranger holds the lease, and never renews it.
    cluster.create(&json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "phaseloop", "namespace": OPERATORS },
        "spec": { "holderIdentity": "stranger", "leaseDurationSeconds": 120, "leaseTransitions": 4 },
    }));
    // It can't work: that is reported once, and nothing but a change of it would wake anybody.
    let mut hopeless = run("hopeless", "llama");
    hopeless["spec"]["targetRef"]["name"] = "nobody".into();
    cluster.create(&hopeless);
    let operator = cluster.start("a");
    tokio::time::sleep(Duration::from_secs(100)).await;
    let status = || {
        let run =
            cluster.server.actor("jane").get(("phaseloop.dev/v1alpha1", "PhaseRun"), NAMESPACE, "hopeless").unwrap();
        run.value.pointer("/status/phase").cloned()
    };
    assert!(!operator.held().is_leader() && status().is_none(), "a follower reports nothing");
    until("it leads", || operator.held().is_leader()).await;
    until("it is reported", || status().is_some()).await;
    let lease = cluster.server.actor("jane").get(("coordination.k8s.io/v1", "Lease"), OPERATORS, "phaseloop").unwrap();
    assert_eq!(lease.value.pointer("/spec/leaseTransitions").and_then(Value::as_i64), Some(5));
}

#[tokio::test(start_paused = true)]
async fn several_namespaces_and_all_of_them_are_watched_by_one_replica() {
    let other = "rag";
    for scopes in [vec![Scope::Namespace(NAMESPACE.to_owned()), Scope::Namespace(other.to_owned())], vec![Scope::All]] {
        let cluster = Cluster::with(Settings { namespaces: vec![other.to_owned()], ..Settings::default() });
        let mut deployment = crate::cluster::deployment("llama");
        deployment["metadata"]["namespace"] = other.into();
        cluster.create(&deployment);
        let parts =
            phaseloop::operator::OperatorParts { scopes: scopes.clone(), ..cluster.parts("a", SignedDuration::ZERO) };
        let operator = Operator::start(&parts, None);
        cluster.create_run("here", "llama");
        let mut there = run("there", "llama");
        there["metadata"]["namespace"] = other.into();
        cluster.create(&there);
        until("both pods are made", || cluster.pods_made().len() == 2).await;
        assert!(ready(&operator).is_ok(), "{scopes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_missed_something_lists_anew_and_is_counted() {
    let cluster = Cluster::new();
    let parts = cluster.parts("a", SignedDuration::ZERO);
    let operator = Operator::start(&parts, None);
    until_ready(&operator).await;
    until("it leads", || operator.held().is_leader()).await;
    let page = parts.metrics.page(operator.vitals());
    assert!(!page.text().unwrap().contains("phaseloop_watch_restarts_total{"), "the first list is no restart");
    // What happens while no watch is open, and is forgotten before the next one, has no event.
    cluster.server.hold_watches("a");
    cluster.create_run("first", "llama");
    cluster.server.compact(cluster.server.revision());
    cluster.server.end_watches(None);
    cluster.server.release_watches("a");
    until("the run's pod is made", || cluster.pods_made().len() == 1).await;
    assert!(page.text().unwrap().contains("phaseloop_watch_restarts_total{kind=\"PhaseRun\"} 1\n"), "{page:?}");
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_goes_while_it_works_closes_its_gate_until_it_is_back() {
    let cluster = Cluster::new();
    let operator = cluster.start("a");
    until_ready(&operator).await;
    let definitions = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    cluster.server.actor("jane").delete(definitions, "", RUNS, None).unwrap();
    until("it says so", || ready(&operator).is_err_and(|text| text.contains(&format!("{RUNS} is missing")))).await;
    assert!(operator.vitals().alive().is_ok());
    let all = Settings::default().definitions;
    cluster.create(all.iter().find(|definition| name_of(definition) == RUNS).unwrap());
    until_ready(&operator).await;
}
