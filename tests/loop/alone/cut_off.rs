//! How fast a canary is gone that is under load when its window closes or its budget is used up: from that instant to the end of
//! its last container, over many trials, a few of them side by side.
//!
//! By itself neither happens: nothing begins that might not be over in time. So somebody closes the window in the middle, and an
//! engine starts slower than all that were seen before it.

use phaseloop::api::TuningCanary;
use serde_json::json;

use super::trials::{Took, begins_to_end, ended_after, is_probing, tried};
use crate::{
    person::{Night, Person},
    story::{
        MEMORY_TAKEN, NAME, begin, fault, is_measured, long_search, now, over_commit, until_a_canary,
        until_a_candidate_is_measured, window, workload,
    },
    support::Place,
};

const ENDED: &str = "the last container has ended";

/// What a night may hold of GPUs: the least with which a search begins, that is twice the life of a canary that starts in 20 s,
/// measures for 15 s and has two graces of 5 s. An incumbent that dies in its first second and three candidates of 16 s leave
/// some 39 s of it, which is less than such a life: it is what the last candidate gets.
const HOLD: &str = "90s";
const LAST: i64 = 4;
/// How long that one's engine starts: it is under load from 19 s to 34 s, and has to begin to end after some 29 s.
const SLOW_START_SECONDS: &str = "17";

/// Waits until a canary has said how its pod ended. What it told its user of why is not taken for granted.
async fn given_back(place: &Place, canary: &str, night: Night, why: &str) {
    let is_back = |canary: &TuningCanary| canary.status.as_ref().is_some_and(|status| status.released_at.is_some());
    let ended: TuningCanary = place.until(canary, "given back", is_back).await;
    let status = ended.status.unwrap();
    assert_eq!(status.used.as_ref().map(|used| used.proven), Some(true), "{status:?}");
    let reasons: Vec<&str> = status.conditions.iter().map(|condition| condition.reason.as_str()).collect();
    assert!(reasons.contains(&why), "{why}: {status:?}");
    night.forget();
}

async fn closed_by_somebody(place: &Place, person: &Person<'_>) -> Took {
    begin(place, person, &long_search()).await;
    over_commit(person);
    let night = person.begin_night(NAME);
    let canary = until_a_candidate_is_measured(place).await;
    let pod = canary.status.and_then(|status| status.pod_name).unwrap();
    let cause = now();
    let opens_later = json!({"spec": {"safety": {"windows": [window(60, 120)]}}});
    person.patch(&format!("escalation/{NAME}"), &opens_later);
    let took = ended_after(place, &pod, cause).await;
    given_back(place, &canary.metadata.name.unwrap(), night, "WindowClosed").await;
    vec![(ENDED, took)]
}

fn has_a_pod(canary: &TuningCanary) -> bool {
    canary.status.as_ref().is_some_and(|status| status.pod_name.is_some())
}

async fn used_up(place: &Place, person: &Person<'_>) -> Took {
    let changed = json!({
        "parameters": [{"name": "gpu-memory-utilization", "values": ["0.84", "0.85", "0.86", "0.87"]}],
        "canary": {"measure": "15s", "workload": workload(400), "startTimeout": "20s"},
        "safety": {"measureBudget": "600s", "gpuHoldBudget": HOLD},
    });
    begin(place, person, &changed).await;
    over_commit(person);
    let night = person.begin_night(NAME);
    // What an engine is told stands when it is made. The candidate before it measures for 15 s: time enough to say it.
    until_a_canary(place, |canary| canary.spec.attempt == LAST - 1 && is_measured(canary)).await;
    fault(person, &[&MEMORY_TAKEN[..], &[("STAND_IN_START_SECONDS", SLOW_START_SECONDS)]].concat());
    let last = until_a_canary(place, |canary| canary.spec.attempt == LAST && has_a_pod(canary)).await;
    let pod = last.status.and_then(|status| status.pod_name).unwrap();
    place.until(&pod, "probing", is_probing).await;
    let cause = begins_to_end(place, &pod).await;
    let took = ended_after(place, &pod, cause).await;
    given_back(place, &last.metadata.name.unwrap(), night, "TimeWasUp").await;
    vec![(ENDED, took)]
}

#[test]
fn a_canary_whose_window_is_closed_under_load_has_ended_within_15_s() {
    tried("window closed", "cut-off", closed_by_somebody);
}

#[test]
fn a_canary_whose_budget_is_used_up_under_load_has_ended_within_15_s() {
    tried("budget used up", "cut-off", used_up);
}
