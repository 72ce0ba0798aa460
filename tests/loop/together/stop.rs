//! What ends a search before it has a winner: a person, the clock, or that there is none.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use phaseloop::api::{
    Escalation, Promotion, TuningCanary,
    escalation::{flag::FlagState, status::EscalationState},
    tuning_canary::status::{CanaryVerdict, FailureClass},
};
use serde_json::json;

use crate::{
    person::{Night, Person, Said},
    story::{
        NAME, OVER_COMMITTED, all, arguments, begin, canaries, end_of_tuning, failures, long_search, now, over_commit,
        told, until_a_candidate_is_measured, window, workload,
    },
    support::{Place, ended, statuses},
};

/// The bound within which whatever is tested must be gone.
const RESTORE: Duration = Duration::from_secs(15);

/// How long after an instant the last container of a canary's pod ended, as the kubelet has it: what the canary used is proven
/// only where its end was seen.
fn ended_after(canary: &TuningCanary, cause: Timestamp) -> Duration {
    let status = canary.status.as_ref().unwrap();
    assert_eq!(status.used.as_ref().map(|used| used.proven), Some(true), "{status:?}");
    Duration::try_from(status.released_at.unwrap().duration_since(cause)).unwrap_or_default()
}

/// Somebody acts while a candidate is under load: it has ended within the bound. Answers the canary, and the night that somebody
/// else awaits.
async fn interrupted(
    place: &Place,
    person: &Person<'_>,
    act: impl FnOnce(&Person<'_>, &str) -> Said,
) -> (TuningCanary, Night) {
    begin(place, person, &long_search()).await;
    over_commit(person);
    let night = person.begin_night(NAME);
    let canary = until_a_candidate_is_measured(place).await.metadata.name.unwrap();
    person.tell("somebody acts");
    let cause = now();
    let said = act(person, &canary);
    assert_eq!(said.code, 0, "{said:?}");
    let is_back = |canary: &TuningCanary| canary.status.as_ref().is_some_and(|status| status.released_at.is_some());
    let ended: TuningCanary = place.until(&canary, "given back", is_back).await;
    let took = ended_after(&ended, cause);
    person.tell(&format!("its last container ended {took:?} after that"));
    assert!(took < RESTORE, "{took:?}");
    (ended, night)
}

async fn until_tuning_ended(place: &Place) -> String {
    let found: Escalation =
        place.until(NAME, "told why its tuning ended", |found| end_of_tuning(found).is_some()).await;
    end_of_tuning(&found).unwrap().to_owned()
}

/// What must hold after a search without a winner.
async fn nothing_was_changed(place: &Place) {
    assert_eq!(all::<Promotion>(place).await.len(), 0);
    let target: Deployment = place.api().get(NAME).await.unwrap();
    assert!(arguments(&target).contains(&OVER_COMMITTED.to_owned()), "{:?}", arguments(&target));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_somebody_aborts_is_gone_within_15_s_and_nothing_is_promoted() {
    told("abort", async |place, person| {
        let abort = |person: &Person<'_>, canary: &str| person.phaseloop(&["abort", &format!("tuningcanary/{canary}")]);
        let (aborted, night) = interrupted(place, person, abort).await;
        assert_eq!(aborted.status.as_ref().and_then(|status| status.verdict), Some(CanaryVerdict::Aborted));
        assert_eq!(until_tuning_ended(place).await, "Aborted");
        assert_eq!(person.end(night), (1, "NothingPromoted".to_owned()));
        nothing_was_changed(place).await;
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspending_ends_what_is_tested_and_begins_nothing_until_it_is_lifted() {
    told("suspend", async |place, person| {
        let suspend =
            |person: &Person<'_>, _canary: &str| person.phaseloop(&["suspend", "--all", "--reason", "incident 4711"]);
        let (_, night) = interrupted(place, person, suspend).await;
        let is_suspended = |found: &Escalation| {
            found.status.as_ref().is_some_and(|status| status.state == Some(EscalationState::Suspended))
        };
        let suspended: Escalation = place.until(NAME, "suspended", is_suspended).await;
        let told = serde_json::to_string(&suspended.status).unwrap();
        assert!(told.contains("incident 4711"), "who reads the Escalation reads why: {told}");
        nothing_was_changed(place).await;
        assert_eq!(canaries(place).await.len(), 2, "nothing begins while it is suspended");

        person.tell("somebody lifts it");
        let said = person.phaseloop(&["resume", "--all"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(person.end(night), (1, "NothingPromoted".to_owned()));
        assert_eq!(until_tuning_ended(place).await, "Aborted");
        assert_eq!(canaries(place).await.len(), 2, "what was cut short is not taken up again");
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_closes_in_the_middle_ends_the_search_and_no_pod_is_there_after_it() {
    told("window", async |place, person| {
        // Each load alone takes 40 s: all eight take longer than the window is open, however quick the machine is, while an
        // incumbent and a candidate may take 154 s by their worst case.
        let values: Vec<String> = (83..=90).map(|share| format!("0.{share}")).collect();
        let changed = json!({
            "parameters": [{"name": "gpu-memory-utilization", "values": values.clone()}],
            "search": {"maxCandidates": values.len()},
            "canary": {"measure": "42s", "workload": workload(1_200), "startTimeout": "25s"},
            "safety": {"measureBudget": "900s", "gpuHoldBudget": "3600s"},
        });
        begin(place, person, &changed).await;
        over_commit(person);
        let closes = json!({"spec": {"safety": {"windows": [window(-60, 5)]}}});
        person.patch(&format!("escalation/{NAME}"), &closes);
        let (code, reason) = person.night(NAME);
        let found: Escalation = place.api().get(NAME).await.unwrap();
        let outcome = found.status.unwrap().last_tuning.unwrap();
        person.tell(&format!("{}: {:?}, not tried: {}", outcome.reason, outcome.search_ended, outcome.untried.len()));
        // No candidate begins that may not be over in time, so that those which were measured decide.
        assert_eq!((code, reason.as_str(), outcome.search_ended.as_deref()), (2, "Promoted", Some("OutOfTime")));
        assert!(outcome.message.contains("concluded with"), "{}", outcome.message);
        assert!(canaries(place).await.len() < values.len() + 1, "not all of them were tried");
        for canary in canaries(place).await {
            let released = canary.status.as_ref().and_then(|status| status.released_at).unwrap();
            assert!(released <= canary.spec.not_after, "{released} is after {}", canary.spec.not_after);
        }
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_candidate_fails_nothing_is_promoted_and_the_object_says_why() {
    told("failures", async |place, person| {
        let changed = json!({"parameters": [{"name": "gpu-memory-utilization", "values": ["0.92", "0.93"]}]});
        begin(place, person, &changed).await;
        over_commit(person);
        assert_eq!(person.night(NAME), (1, "NothingPromoted".to_owned()));
        let found: Escalation = place.api().get(NAME).await.unwrap();
        assert_eq!(end_of_tuning(&found), Some("NoCandidatePassed"));
        let failed = canaries(place).await;
        assert_eq!(
            failures(&failed),
            [Some(FailureClass::OutOfMemory); 3],
            "the incumbent and both candidates: {failed:?}"
        );
        nothing_was_changed(place).await;
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_that_no_window_meets_expires_and_starts_nothing() {
    told("expiry", async |place, person| {
        let changed = json!({
            "rules": [{"symptom": "vllm_oom", "threshold": 1, "flagTTL": "30s", "parameters": ["gpu-memory-utilization"]}],
            "safety": {"windows": [window(180, 240)]},
        });
        begin(place, person, &changed).await;
        over_commit(person);
        assert_eq!(person.night(NAME), (1, "GatesClosed".to_owned()));
        let has_expired = |found: &Escalation| {
            let flags = found.status.iter().flat_map(|status| &status.flags);
            flags.into_iter().any(|flag| flag.state == FlagState::Expired)
        };
        place.until(NAME, "told that its flag expired", has_expired).await;
        assert_eq!(canaries(place).await.len(), 0);
        assert_eq!(
            all::<Pod>(place).await.iter().filter(|pod| statuses(pod).iter().any(|it| ended(it).is_none())).count(),
            1
        );
        nothing_was_changed(place).await;
        person.look_around();
    })
    .await;
}
