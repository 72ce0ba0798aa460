//! How fast what is tested is gone: from the cause to the end of the last container, over many trials.

use std::{env, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::DeleteParams};
use phaseloop::{api::PhaseRun, workload::told::preflight_request};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    operator,
    person::Person,
    story::{NAME, fault, is_rolled_out, now, run_of, told, workload},
    support::{DEADLINE, PAUSE, Place, SHELL, ended, statuses},
    target::Engine,
};

/// Within this whatever is tested must be gone.
const RESTORE: Duration = Duration::from_secs(15);
/// Says how often each cause is tried; `tests/run restore` sets 20.
const TRIALS: &str = "PHASELOOP_TEST_TRIALS";
/// What the kubelet's stamps are rounded to.
const SECOND: Duration = Duration::from_secs(1);
/// Of a PHASE, the time for an engine to end in.
const GRACE: Duration = Duration::from_secs(5);
/// How long an engine is loaded that somebody ends, and in what time its run has to end.
const LONG: (&str, &str) = ("2m", "10m");
/// The same where nobody ends it: its time is over while it is loaded, because the pod takes long to come to its engine.
const OWN_END: (&str, &str) = ("30s", "60s");
const DOWNLOAD_SECONDS: u64 = 28;

#[allow(clippy::disallowed_methods, reason = "how much is tried is told by the caller")]
fn trials() -> usize {
    env::var(TRIALS).ok().map_or(2, |text| text.parse().unwrap())
}

/// A run that would load its engine for so long.
fn run(name: &str, (duration, timeout): (&str, &str)) -> Value {
    let serving = json!({"workload": workload(9_000), "slo": {"e2e": "5s"}, "warmup": "1s", "duration": duration});
    let spec = json!({
        "targetRef": {"kind": "Deployment", "name": NAME}, "counts": false, "timeout": timeout,
        "domains": [{"name": "serving", "serving": serving}],
    });
    run_of(name, &spec)
}

/// The pod of a run, once its engine is under load.
async fn until_loaded(place: &Place, run: &str) -> String {
    let is_loaded = |run: &PhaseRun| {
        let domains = run.status.iter().flat_map(|status| &status.domains);
        domains.into_iter().any(|domain| domain.engine_ready_after.is_some() || domain.pod_name.is_some())
    };
    let run: PhaseRun = place.until(run, "tested", is_loaded).await;
    let pod = run.status.unwrap().domains[0].pod_name.clone().unwrap();
    let is_running = |pod: &Pod| {
        let mut all = statuses(pod).into_iter();
        all.any(|status| {
            status.name == "phaseloop-probe" && status.state.as_ref().is_some_and(|it| it.running.is_some())
        })
    };
    place.until(&pod, "probing", is_running).await;
    pod
}

/// Looks at a pod until it is gone or all of it has ended; answers when its last container ended.
async fn last_end(place: &Place, pod: &str) -> Timestamp {
    let pods = place.api::<Pod>();
    let (began, mut last) = (Instant::now(), None);
    loop {
        let found = pods.get_opt(pod).await.unwrap();
        if let Some(found) = &found {
            let ends: Vec<_> =
                statuses(found).iter().map(|status| ended(status).map(|end| end.finished_at.clone())).collect();
            if ends.iter().all(Option::is_some) {
                last = ends.into_iter().flatten().flatten().map(|time| time.0).max();
            }
        }
        match (found, last) {
            (_, Some(last)) => return last,
            (None, None) => panic!("{pod} went before it was seen how its containers ended"),
            (Some(_), None) => assert!(began.elapsed() < DEADLINE, "{pod} did not end"),
        }
        sleep(PAUSE / 2).await;
    }
}

/// A cause of a test's end, which is tried again and again.
struct Cause<'a> {
    what: &'a str,
    /// `duration` and `timeout` of the run.
    times: (&'a str, &'a str),
    place: &'a Place,
    person: &'a Person<'a>,
}

impl Cause<'_> {
    /// Tries it; `bring_about` says since when the test has to end, `repair` is done after the last container's end. Prints
    /// and bounds what was measured.
    async fn tried(&self, bring_about: impl AsyncFn(&str) -> Timestamp, repair: impl AsyncFn()) {
        let mut took = Vec::new();
        for trial in 0..trials() {
            let name = format!("{}-{trial}", self.what.replace(' ', "-"));
            self.person.apply(&run(&name, self.times).to_string());
            let pod = until_loaded(self.place, &name).await;
            let cause = bring_about(&name).await;
            let end = last_end(self.place, &pod).await;
            assert!(end >= cause - SECOND, "{name} ended at {end} by itself, and not because of {}", self.what);
            took.push(Duration::try_from(end.duration_since(cause)).unwrap_or_default());
            repair().await;
            self.place.api::<PhaseRun>().delete(&name, &DeleteParams::default()).await.unwrap();
        }
        took.sort_unstable();
        let (half, most) = (took[took.len() / 2], took[took.len() - 1]);
        self.person.tell(&format!("{}: {} trials, p50 {half:.1?}, max {most:.1?}", self.what, took.len()));
        assert!(most < RESTORE, "{}: {took:?}", self.what);
    }
}

fn abort(person: &Person<'_>, run: &str) -> Timestamp {
    let cause = now();
    let said = person.phaseloop(&["abort", &format!("phaserun/{run}")]);
    assert_eq!(said.code, 0, "{said:?}");
    cause
}

/// A target whose pods download for a while before their engine starts.
fn slow_to_begin() -> String {
    let download =
        format!("{{name: download, image: {SHELL}, imagePullPolicy: Never, command: [sleep, '{DOWNLOAD_SECONDS}']}}");
    Engine::StandIn.deployment(NAME, &[]) + &format!("      initContainers:\n        - {download}\n")
}

/// When a test pod begins to end by itself: a grace before its latest instant, which stands in its own words.
async fn begins_to_end(place: &Place, run: &str) -> Timestamp {
    let run = place.api::<PhaseRun>().get(run).await.unwrap();
    let pod = run.status.unwrap().domains[0].pod_name.clone().unwrap();
    let pod = place.api::<Pod>().get(&pod).await.unwrap();
    preflight_request(&pod).unwrap().not_after - GRACE
}

/// Ends the leading operator as a power cut would: nothing of it is left to give its lease back.
async fn kill_the_leader(place: &Place) {
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), operator::INSTALLATION);
    let leader = operator::leader(place).await;
    pods.delete(&leader, &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_test_its_last_container_has_ended_within_15_s() {
    told("restore", async |place, person| {
        operator::installed(place).await;
        person.apply(&Engine::StandIn.deployment(NAME, &[]));
        place.until(NAME, "rolled out", is_rolled_out).await;

        let cause = |what, times| Cause { what, times, place, person };
        let nothing = async || {};
        cause("aborted by hand", LONG).tried(async |run| abort(person, run), nothing).await;
        let killed = async |run: &str| {
            kill_the_leader(place).await;
            abort(person, run)
        };
        cause("leader killed", LONG).tried(killed, async || operator::until_whole(place).await).await;
        fault(person, &[("STAND_IN_IGNORES_SIGTERM", "1")]);
        cause("engine ignores sigterm", LONG).tried(async |run| abort(person, run), nothing).await;

        fault(person, &[]);
        person.apply(&slow_to_begin());
        place.until(NAME, "rolled out", is_rolled_out).await;
        let end_of_time = async |run: &str| begins_to_end(place, run).await;
        cause("end of its time", OWN_END).tried(end_of_time, nothing).await;
        let left_alone = async |run: &str| {
            operator::scale(place, 0).await;
            begins_to_end(place, run).await
        };
        let call_back = async || operator::scale(place, operator::REPLICAS).await;
        cause("no operator left", OWN_END).tried(left_alone, call_back).await;
    })
    .await;
}
