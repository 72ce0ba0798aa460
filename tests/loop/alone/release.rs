//! How fast what a run tests is gone, and what was borrowed given back: from the cause to the end of the last container, and to
//! the target's replicas, over many trials.

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::DeleteParams};
use phaseloop::api::PhaseRun;
use serde_json::{Value, json};

use super::trials::{TRIALS_AT_ONCE, Took, begins_to_end, ended_after, is_probing, report, since, trials, tried};
use crate::{
    operator,
    person::Person,
    story::{NAME, fault, is_given_back, is_rolled_out, lent, now, of_two_replicas, run_of, told, workload},
    support::{Place, SHELL, cluster},
    target::Engine,
};

const ENDED: &str = "the last container has ended";
const GIVEN_BACK: &str = "the replica is given back";

/// How long an engine is loaded that somebody ends, and in what time its run has to end.
const LONG: (&str, &str) = ("2m", "10m");
/// The same where nobody ends it: its time is over while it is loaded, because the pod takes long to come to its engine.
const OWN_END: (&str, &str) = ("30s", "60s");
const DOWNLOAD_SECONDS: u64 = 28;

/// A run that would load its engine for so long.
fn run(name: &str, (duration, timeout): (&str, &str)) -> Value {
    let serving = json!({"workload": workload(9_000), "slo": {"e2e": "5s"}, "warmup": "1s", "duration": duration});
    let spec = json!({
        "targetRef": {"kind": "Deployment", "name": NAME}, "counts": false, "timeout": timeout,
        "placement": "BorrowReplica",
        "domains": [{"name": "serving", "serving": serving}],
    });
    run_of(name, &spec)
}

/// Begins a run and waits until its engine is under load; answers its pod.
async fn begun(place: &Place, person: &Person<'_>, name: &str, times: (&str, &str)) -> String {
    person.apply(&run(name, times).to_string());
    let is_loaded = |run: &PhaseRun| {
        let domains = run.status.iter().flat_map(|status| &status.domains);
        domains.into_iter().any(|domain| domain.engine_ready_after.is_some() || domain.pod_name.is_some())
    };
    let run: PhaseRun = place.until(name, "tested", is_loaded).await;
    let pod = run.status.unwrap().domains[0].pod_name.clone().unwrap();
    place.until(&pod, "probing", is_probing).await;
    let borrower = lent(&place.api().get(NAME).await.unwrap()).1;
    assert_eq!(borrower.map(|borrower| borrower.name).as_deref(), Some(name), "the test takes a replica's place");
    pod
}

/// Looks at the target until it has the replica that it lent; answers when that was.
async fn given_back(place: &Place) -> Timestamp {
    place.until(NAME, "given back", is_given_back).await;
    now()
}

/// What ended a test, and its end: while an operator lives, with what was borrowed.
async fn both_ends(place: &Place, pod: &str, cause: Timestamp) -> Took {
    let (ended, back) = tokio::join!(ended_after(place, pod, cause), given_back(place));
    vec![(ENDED, ended), (GIVEN_BACK, since(cause, back))]
}

async fn serves(place: &Place, person: &Person<'_>, target: &str) {
    person.apply(target);
    place.until(NAME, "rolled out", is_rolled_out).await;
}

/// Ends tests of one target in a way, one after the other; `repair` is done after each.
async fn ended_by(
    what: &str,
    (place, person): (&Place, &Person<'_>),
    bring_about: impl AsyncFn(&str) -> Timestamp,
    repair: impl AsyncFn(),
) {
    let mut took = Took::new();
    for trial in 0..trials() {
        let name = format!("{}-{trial}", what.replace(' ', "-"));
        let pod = begun(place, person, &name, LONG).await;
        let cause = bring_about(&name).await;
        took.extend(both_ends(place, &pod, cause).await);
        repair().await;
        place.api::<PhaseRun>().delete(&name, &DeleteParams::default()).await.unwrap();
    }
    report(what, &took);
}

fn abort(person: &Person<'_>, run: &str) -> Timestamp {
    let cause = now();
    let said = person.phaseloop(&["abort", &format!("phaserun/{run}")]);
    assert_eq!(said.code, 0, "{said:?}");
    cause
}

/// Ends the leading operator as a power cut would: nothing of it is left to give its lease back.
async fn kill_the_leader(place: &Place) {
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), operator::INSTALLATION);
    let leader = operator::leader(place).await;
    pods.delete(&leader, &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_somebody_aborts_has_ended_and_its_replica_is_given_back_within_15_s() {
    told("restore", async |place, person| {
        operator::installed(place).await;
        serves(place, person, &of_two_replicas(&Engine::StandIn.deployment(NAME, &[]))).await;
        let here = (place, person);
        let nothing = async || {};
        ended_by("aborted by hand", here, async |run| abort(person, run), nothing).await;
        let killed = async |run: &str| {
            kill_the_leader(place).await;
            abort(person, run)
        };
        ended_by("leader killed", here, killed, async || operator::until_whole(place).await).await;
        fault(person, &[("STAND_IN_IGNORES_SIGTERM", "1")]);
        ended_by("engine ignores sigterm", here, async |run| abort(person, run), nothing).await;
    })
    .await;
}

/// A target whose pods download for a while before their engine starts.
fn slow_to_begin() -> String {
    let download =
        format!("{{name: download, image: {SHELL}, imagePullPolicy: Never, command: [sleep, '{DOWNLOAD_SECONDS}']}}");
    of_two_replicas(&Engine::StandIn.deployment(NAME, &[])) + &format!("      initContainers:\n        - {download}\n")
}

#[test]
fn a_test_whose_time_is_over_has_ended_and_its_replica_is_given_back_within_15_s() {
    tried("end of its time", "own-end", async |place, person| {
        serves(place, person, &slow_to_begin()).await;
        let pod = begun(place, person, "run", OWN_END).await;
        let cause = begins_to_end(place, &pod).await;
        both_ends(place, &pod, cause).await
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_no_operator_looks_after_has_ended_within_15_s() {
    let Some(client) = cluster().await else { return };
    let mut places = Vec::new();
    for _ in 0..TRIALS_AT_ONCE {
        places.push(Place::new(client.clone(), "no-operator").await);
    }
    operator::installed(&places[0]).await;
    for place in &places {
        serves(place, &Person::new(place), &slow_to_begin()).await;
    }
    let mut took = Took::new();
    for turn in 0..trials().div_ceil(TRIALS_AT_ONCE) {
        let name = &format!("run-{turn}");
        let begin = async |place| begun(place, &Person::new(place), name, OWN_END).await;
        let pods = join_all(places.iter().map(begin)).await;
        operator::scale(&places[0], 0).await;
        let end = async |(place, pod): (&Place, &String)| {
            let cause = begins_to_end(place, pod).await;
            (ENDED, ended_after(place, pod, cause).await)
        };
        took.extend(join_all(places.iter().zip(&pods).map(end)).await);
        operator::scale(&places[0], operator::REPLICAS).await;
        join_all(places.iter().map(given_back)).await;
        for place in &places {
            place.api::<PhaseRun>().delete(name, &DeleteParams::default()).await.unwrap();
        }
    }
    report("no operator left", &took);
    for place in places {
        place.leave().await;
    }
}
