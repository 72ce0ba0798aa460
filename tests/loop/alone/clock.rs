//! A schedule on the real clock, kept by two replicas, of which none may be there for a while.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use phaseloop::api::{PhaseRun, PhaseSchedule};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    operator, report,
    story::{NAME, all, is_rolled_out, now, told},
    support::{DEADLINE, PAUSE, Place},
    target::Engine,
};

/// The instant that a scheduled run's name ends in.
fn instant_of(run: &PhaseRun) -> Timestamp {
    let name = run.metadata.name.as_deref().unwrap();
    let text = name.strip_prefix(&format!("{NAME}-")).unwrap();
    let at = jiff::civil::DateTime::strptime("%Y%m%d-%H%M", text).unwrap_or_else(|error| panic!("{name}: {error}"));
    at.to_zoned(TimeZone::UTC).unwrap().timestamp()
}

/// The runs by the minute for which they were made.
async fn runs(place: &Place) -> BTreeMap<Timestamp, PhaseRun> {
    all::<PhaseRun>(place).await.into_iter().map(|run| (instant_of(&run), run)).collect()
}

async fn until_runs(place: &Place, what: &str, fulfils: impl Fn(&BTreeMap<Timestamp, PhaseRun>) -> bool) {
    let began = Instant::now();
    while !fulfils(&runs(place).await) {
        assert!(began.elapsed() < DEADLINE, "not {what}: {:?}", runs(place).await.keys().collect::<Vec<_>>());
        sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_at_its_minute_once_and_makes_up_for_one_that_was_missed() {
    told("clock", async |place, person| {
        operator::installed(place).await;
        person.apply(&Engine::StandIn.deployment(NAME, &[]));
        place.until(NAME, "rolled out", is_rolled_out).await;
        person.apply(&report::template(50).to_string());
        let schedule = json!({
            "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseSchedule", "metadata": {"name": NAME},
            "spec": {"schedule": "* * * * *", "run": report::run_spec()},
        });
        let began = now();
        person.apply(&schedule.to_string());
        until_runs(place, "two minutes with a run", |runs| runs.len() >= 2).await;
        for (instant, run) in runs(place).await {
            let made = run.metadata.creation_timestamp.as_ref().unwrap().0;
            person.tell(&format!("the run of {instant} was made at {made}"));
            assert!(instant >= began - 1.minute(), "no run is made for a minute before the schedule: {instant}");
            assert!(made >= instant && made < instant + 1.minute(), "the run of {instant} was made at {made}");
        }

        operator::scale(place, 0).await;
        let away = now();
        person.tell("no operator is there");
        // Two whole minutes are missed.
        let back = away + 3.minutes();
        while now() < back {
            sleep(PAUSE).await;
        }
        let missed = runs(place).await.into_keys().filter(|instant| *instant > away).count();
        assert_eq!(missed, 0, "without an operator nothing begins");
        operator::scale(place, operator::REPLICAS).await;
        let returned = now();
        person.tell("two operators are there");
        until_runs(place, "a minute after the return with a run", |runs| runs.keys().any(|at| *at > returned)).await;
        let made_up: Vec<_> = runs(place).await.into_keys().filter(|at| (away..=returned).contains(at)).collect();
        person.tell(&format!("made up for: {made_up:?}"));
        assert_eq!(made_up.len(), 1, "of the missed minutes one is made up for: {made_up:?}");
        let status = place.api::<PhaseSchedule>().get(NAME).await.unwrap().status.unwrap();
        assert!(status.missed_runs.is_some_and(|missed| missed >= 2), "{status:?}");
        person.look_around();
    })
    .await;
}
