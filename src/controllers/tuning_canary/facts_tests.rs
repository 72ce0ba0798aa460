use jiff::SignedDuration;
use phaseloop_core::{
    schedule::Zone,
    tuning::{TrialEnding, rank::compare},
};
use serde_json::{Value, json};

use super::*;
use crate::controllers::tuning_canary::fixture::{at, canary, done};

fn facts(canary: &TuningCanary) -> CanaryFacts {
    canary_facts(canary, &Zone::utc()).unwrap()
}

fn spend(measure: i64, hold: i64) -> Spend {
    Spend { measure: SignedDuration::from_secs(measure), hold: SignedDuration::from_secs(hold) }
}

fn candidate() -> TuningCanary {
    canary(1, &json!({ "gpu-memory-utilization": "0.75" }))
}

#[test]
fn a_canary_that_was_just_made_reserves_and_nothing_else() {
    let made = facts(&canary(0, &json!({})));
    assert_eq!((made.reserved, made.charge()), (spend(8, 138), spend(8, 138)));
    assert_eq!((made.released_at, made.conclusion, made.proven), (None, None, None));
    assert_eq!((made.consumes.len(), made.role), (3, policy::CanaryRole::Incumbent));
    assert_eq!((made.night.to_string(), made.attempt), ("2026-03-04 Etc/UTC".to_owned(), 0));
}

#[test]
fn a_canary_counts_for_what_it_used_once_it_is_released() {
    let released = facts(&done(&candidate(), |_| ()));
    assert_eq!(released.charge(), spend(8, 60));
    assert_eq!(released.released_at, Some(at("2026-03-04T03:21:45Z")));
    let held = facts(&done(&candidate(), |status| status["releasedAt"] = Value::Null));
    assert_eq!(held.charge(), spend(8, 138), "nothing is refunded before its containers are gone");
}

#[test]
fn only_verdicts_about_the_configuration_consume_symptoms() {
    let consumed = |change: fn(&mut Value)| {
        let facts = facts(&done(&canary(0, &json!({})), change));
        (facts.conclusion.unwrap(), facts.conclusion.unwrap().consumes())
    };
    assert_eq!(consumed(|_| ()), (CanaryConclusion::Passed, true));
    assert_eq!(consumed(|status| status["verdict"] = json!("Failed")), (CanaryConclusion::Failed, true));
    assert_eq!(consumed(|status| status["verdict"] = json!("Aborted")), (CanaryConclusion::Aborted, false));
    assert_eq!(consumed(|status| status["verdict"] = json!("Inconclusive")), (CanaryConclusion::Inconclusive, false));
    for class in ["Infrastructure", "Policy"] {
        let facts = facts(&done(&canary(0, &json!({})), |status| {
            status["verdict"] = json!("Inconclusive");
            status["failure"] = json!({ "class": class, "message": "" });
        }));
        assert_eq!(facts.conclusion, Some(CanaryConclusion::Infrastructure), "{class}");
    }
}

#[test]
fn a_result_tells_the_search_what_the_status_says() {
    let ending = |change: fn(&mut Value)| {
        let result = trial_result(&done(&candidate(), change), &BTreeMap::new()).unwrap();
        TrialEnding::from(&result.judgement)
    };
    assert_eq!(ending(|_| ()), TrialEnding::Passed(Fitness::new(100, 200).unwrap()));
    assert_eq!(
        ending(|status| {
            status["verdict"] = json!("Failed");
            status["reasons"] = json!(["OutOfMemory"]);
        }),
        TrialEnding::Failed,
        "requests that were within limits are no fitness of a canary that failed"
    );
    assert_eq!(ending(|status| status["verdict"] = json!("Aborted")), TrialEnding::Aborted);
    let inconclusive = |class: &'static str| {
        let result = trial_result(
            &done(&candidate(), |status| {
                status["verdict"] = json!("Inconclusive");
                status["failure"] = json!({ "class": class, "message": "the node went" });
            }),
            &BTreeMap::new(),
        );
        TrialEnding::from(&result.unwrap().judgement)
    };
    assert_eq!(inconclusive("Infrastructure"), TrialEnding::Infrastructure);
    assert_eq!(inconclusive("Policy"), TrialEnding::Inconclusive);
    assert_eq!(trial_result(&candidate(), &BTreeMap::new()), None, "not judged");
}

#[test]
fn canaries_of_one_load_are_compared_request_by_request() {
    let with = |met: &[bool]| {
        let met = MetRequests { schedule: "s".to_owned(), met: met.to_vec() };
        let record = serde_json::to_value(met_record(&met)).unwrap();
        let within = met.met.iter().filter(|met| **met).count();
        let judged = done(&candidate(), |status| {
            status["met"] = record;
            status["requests"] =
                json!({ "offered": met.met.len(), "completed": met.met.len(), "failed": 0, "withinLimits": within });
        });
        trial_result(&judged, &BTreeMap::new()).unwrap()
    };
    let (worse, better) = (with(&[false; 8]), with(&[true; 8]));
    assert_eq!(better.met.as_ref().unwrap().met, [true; 8]);
    let comparison = compare(&better, &worse).unwrap();
    assert_eq!(comparison.basis, phaseloop_core::tuning::rank::ComparisonBasis::Paired);
    assert!(!comparison.is_tie(), "{comparison:?}");
}

#[test]
fn a_list_of_answers_that_no_status_can_hold_is_left_out() {
    let met = |count: usize| MetRequests { schedule: "s".to_owned(), met: vec![true; count] };
    assert!(met_record(&met(16_384)).is_some());
    assert_eq!(met_record(&met(16_385)), None);
}

#[test]
fn a_canary_is_frozen_from_the_failure_to_restore_until_it_is_given_up() {
    let failed = |status: &mut Value| {
        status["releasedAt"] = Value::Null;
        status["conditions"] = json!([{
            "type": "Restored", "status": "False", "reason": "RestoreFailed", "message": "",
            "lastTransitionTime": "2026-03-04T03:21:00Z",
        }]);
    };
    assert!(is_frozen(&done(&candidate(), failed)));
    assert!(!is_frozen(&done(&candidate(), |_| ())));
    let given_up = done(&candidate(), |status| {
        failed(status);
        status["releasedAt"] = json!("2026-03-04T03:30:00Z");
    });
    assert!(!is_frozen(&given_up));
}
