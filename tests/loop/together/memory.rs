//! Nights of memory: a card that is promised twice, and an engine that dies and says that all is well.

use phaseloop::api::{
    PhaseRun,
    tuning_canary::status::{CanaryVerdict, FailureClass},
};
use phaseloop_core::value::Verdict;
use serde_json::json;

use crate::story::{
    GOOD, NAME, STARVED, all, arguments, begin, canaries, confirming_night, failures, fault, is_rolled_out,
    over_commit, seed, told,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_over_committed_card_is_searched_for_its_edge_and_stays_inside_it() {
    told("memory", async |place, person| {
        // Of these the first three leave nothing for the cache, and the last runs out of memory under load.
        let values = ["0.78", "0.80", "0.82", "0.84", "0.86", "0.88", "0.90", "0.92"];
        let changed = json!({
            "parameters": [{"name": "gpu-memory-utilization", "values": values}],
            "search": {"strategy": "Bisection", "maxCandidates": 8},
        });
        begin(place, person, &changed).await;
        seed(place, person).await;
        over_commit(person);
        assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));

        let tried = canaries(place).await;
        let endings: Vec<_> = tried
            .iter()
            .map(|canary| {
                let status = canary.status.clone().unwrap_or_default();
                let value = canary.spec.parameters.iter().next().map(|(_, value)| value.to_string());
                (value, status.verdict, status.failure.map(|failure| failure.class))
            })
            .collect();
        person.tell(&format!("{endings:?}"));
        let of =
            |value: &str| endings.iter().find(|(tried, ..)| tried.as_deref() == Some(value)).map(|(_, a, b)| (*a, *b));
        assert_eq!(
            endings[0].2,
            Some(FailureClass::OutOfMemory),
            "the incumbent runs out of memory again: {endings:?}"
        );
        assert_eq!(of("0.92"), Some((Some(CanaryVerdict::Failed), Some(FailureClass::OutOfMemory))), "{endings:?}");
        assert_eq!(of("0.9"), Some((Some(CanaryVerdict::Passed), None)), "the edge was found: {endings:?}");
        let healed = place.until(NAME, "rolled out", is_rolled_out).await;
        // All that hold are alike, but for the edge itself, which is no place to stay.
        let inside = ["0.84", "0.86", "0.88"].map(|value| format!("--gpu-memory-utilization={value}"));
        assert!(arguments(&healed).iter().any(|argument| inside.contains(argument)), "{:?}", arguments(&healed));
        confirming_night(place, person).await;
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_leaves_nothing_for_the_cache_is_refused_at_the_start_and_counts_as_no_failure() {
    told("starved", async |place, person| {
        // Two failures in a row would end the search before the one that serves.
        let values = ["0.78", STARVED, GOOD];
        begin(place, person, &json!({"parameters": [{"name": "gpu-memory-utilization", "values": values}]})).await;
        over_commit(person);
        assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
        let tried = canaries(place).await;
        let refused = Some(FailureClass::StartRefused);
        assert_eq!(failures(&tried), [Some(FailureClass::OutOfMemory), refused, refused, None]);
        let reasons = tried[1].status.as_ref().map(|status| status.reasons.clone()).unwrap_or_default();
        assert_eq!(reasons.first().map(String::as_str), Some("TooLittleMemory"), "{reasons:?}");
        let healed = place.until(NAME, "rolled out", is_rolled_out).await;
        assert!(arguments(&healed).contains(&format!("--gpu-memory-utilization={GOOD}")), "{:?}", arguments(&healed));
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_dies_under_load_and_ends_with_exit_code_0_is_no_pass() {
    told("death", async |place, person| {
        begin(place, person, &json!({})).await;
        fault(person, &[("STAND_IN_DIES_AFTER_REQUESTS", "20")]);
        person.tell("engine cores are killed under load");
        let (code, reason) = person.night(NAME);
        assert_ne!(code, 0, "{reason}");
        let run = all::<PhaseRun>(place).await.remove(0).status.unwrap();
        assert_ne!(run.verdict, Some(Verdict::Healthy), "{:?}", run.reasons);
        let failures =
            run.domains[0].measured.as_ref().map(|measured| measured.engine.failures.clone()).unwrap_or_default();
        assert!(!failures.is_empty() && failures.iter().all(|failure| failure.exit_code == Some(0)), "{failures:?}");
        person.look_around();
    })
    .await;
}
