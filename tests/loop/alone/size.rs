//! What the operator needs: memory, time and requests, printed. Only what a design promises is bounded.

use std::{env, fs, time::Duration};

use jiff::Timestamp;
use phaseloop::api::{Escalation, PhaseRun, PhaseSchedule};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    audit::{Asking, requests},
    operator,
    person::Person,
    story::{NAME, all, begin, over_commit, told},
    support::{DEADLINE, PAUSE, Place},
};

/// Says for how many seconds an operator is watched that has nothing to do; `tests/run loop-alone` sets 600.
const REST_SECONDS: &str = "PHASELOOP_TEST_REST_SECONDS";
/// Of each kind that a user makes; with them 1,000 objects of ours.
const SCHEDULES: usize = 300;
const ESCALATIONS: usize = 300;
const RUNS: usize = 400;
const MEBIBYTE: u64 = 1 << 20;
/// The port of `/metrics`.
const PORT: u16 = 8080;

#[allow(clippy::disallowed_methods, reason = "how long is told by the caller")]
fn rest() -> Duration {
    Duration::from_secs(env::var(REST_SECONDS).ok().map_or(20, |text| text.parse().unwrap()))
}

/// Resident memory of each operator, MiB: the processes of its pods, which are the machine's own.
async fn resident(place: &Place) -> Vec<u64> {
    let uids: Vec<String> = operator::pods(place).await.into_iter().filter_map(|pod| pod.metadata.uid).collect();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| fs::read_to_string(process.path().join(file)).unwrap_or_default();
        if !read("cmdline").contains("phaseloop\0operator") || !uids.iter().any(|uid| read("cgroup").contains(uid)) {
            continue;
        }
        let status = read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes: u64 = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0);
        found.push(kibibytes * 1024 / MEBIBYTE);
    }
    found.sort_unstable();
    found
}

/// How many looks at objects the operators have taken since they began, the most of any of them.
async fn looks(place: &Place) -> u64 {
    let mut most = 0;
    for pod in operator::pods(place).await {
        let name = pod.metadata.name.unwrap();
        let path = format!("/api/v1/namespaces/{}/pods/{name}:{PORT}/proxy/metrics", operator::INSTALLATION);
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let Ok(text) = place.client.request_text(request).await else { continue };
        let counts = text.lines().filter(|line| line.starts_with("phaseloop_reconcile_duration_seconds_count"));
        most = most.max(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum());
    }
    most
}

/// 1,000 objects of ours, of which none has anything to do.
fn many(person: &Person<'_>) {
    let mut objects: Vec<Value> = Vec::new();
    let domains = json!([{"name": "summary", "podTemplateName": "summary"}]);
    for number in 0..SCHEDULES.max(ESCALATIONS) {
        let (name, reference) =
            (format!("many-{number}"), json!({"kind": "Deployment", "name": format!("many-{number}")}));
        let of_kind = |kind: &str, spec: Value| json!({"apiVersion": "phaseloop.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let run = json!({"targetRef": reference, "domains": domains});
        objects.push(of_kind("PhaseSchedule", json!({"schedule": "0 3 * * *", "suspend": true, "run": run})));
        objects.push(of_kind("Escalation", json!({"targetRef": reference})));
    }
    for number in 0..RUNS {
        let reference = json!({"kind": "Deployment", "name": format!("many-{number}")});
        objects.push(json!({
            "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseRun", "metadata": {"name": format!("many-{number}")},
            "spec": {"targetRef": reference, "domains": domains, "abort": true},
        }));
    }
    person.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
}

/// Waits until each object has been looked at since it was made.
async fn until_all_were_seen(place: &Place) {
    let began = Instant::now();
    loop {
        let schedules = all::<PhaseSchedule>(place).await;
        let runs = all::<PhaseRun>(place).await;
        let escalations = all::<Escalation>(place).await;
        let seen = schedules.iter().filter(|it| it.status.is_some()).count()
            + runs.iter().filter(|it| it.status.is_some()).count()
            + escalations.iter().filter(|it| it.status.is_some()).count();
        if seen >= SCHEDULES + ESCALATIONS + RUNS {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{seen} were seen");
        sleep(PAUSE * 10).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_needs_is_measured() {
    told("size", async |place, person| {
        operator::installed(place).await;
        operator::scale(place, 0).await;
        operator::scale(place, operator::REPLICAS).await;
        sleep(Duration::from_secs(5)).await;
        person.tell(&format!("resident, nothing to do: {:?} MiB", resident(place).await));

        begin(place, person, &json!({})).await;
        over_commit(person);
        person.night(NAME);
        let run = all::<PhaseRun>(place).await.remove(0);
        let escalation = place.api::<Escalation>().get(NAME).await.unwrap();
        let completed: Timestamp = run.status.unwrap().completed_at.unwrap();
        let armed = escalation.status.unwrap().flags.iter().find_map(|flag| flag.armed_at).unwrap();
        person.tell(&format!("from a run's end to its armed flag: {:?}", armed.duration_since(completed)));
        let asked = requests(|asking: &Asking| asking.namespace == place.namespace);
        person.tell(&format!("requests of the operator in a night of three canaries and a promotion: {}", asked.len()));

        many(person);
        until_all_were_seen(place).await;
        person.tell(&format!("resident, with 1,000 objects: {:?} MiB", resident(place).await));
        operator::scale(place, 0).await;
        let began = Instant::now();
        operator::scale(place, operator::REPLICAS).await;
        while looks(place).await < 1_000 {
            assert!(began.elapsed() < DEADLINE, "{} looks", looks(place).await);
            sleep(PAUSE).await;
        }
        person.tell(&format!(
            "1,000 objects looked at anew: {:.1} s after the pods were wanted",
            began.elapsed().as_secs_f64()
        ));
        sleep(Duration::from_secs(30)).await;
        person.tell(&format!("resident, begun with 1,000 objects: {:?} MiB", resident(place).await));

        let before = requests(Asking::is_write).len();
        sleep(rest()).await;
        let writes = requests(Asking::is_write);
        let new: Vec<_> = writes.iter().skip(before).collect();
        person.tell(&format!("writes in {:?} of rest, besides leases: {}", rest(), new.len()));
        assert!(new.is_empty(), "who has nothing to do writes nothing: {new:?}");
    })
    .await;
}
