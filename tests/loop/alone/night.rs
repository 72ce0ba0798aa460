//! The night: a flag that somebody lowered is found, counted, tuned and put right.

use k8s_openapi::api::apps::v1::Deployment;
use phaseloop::api::{Escalation, PhaseRun, phase_run::status::BaselineChange, promotion::status::PromotionPhase};
use phaseloop_core::value::Verdict;
use serde_json::json;

use crate::{
    person::Person,
    story::{
        NAME, all, arguments, confirming_night, fault, hurry, init, is_rolled_out, of_people, phases_of_promotions,
        seed, told, workload,
    },
    support::Place,
    target::{Engine, Model},
};

/// The flag as it should be.
const GOOD: &str = "--max-num-seqs=64";
/// The flag as somebody sets it.
const BAD: &str = "--max-num-seqs=2";

/// In flight at any time. How many requests an engine can take in a second differs by more than four between machines: with 30
/// a second two sequences were enough for a quick one, and a slow one was overloaded with 64. Of 24 in flight 22 wait where two
/// run, and none where 64 may, however long a token takes.
const IN_FLIGHT: i64 = 24;
/// Long enough that those who wait for two at a time miss the limit of the time to the first token on a quick machine too: they
/// wait for eleven answers on average, 1.4 s where a token takes 0.8 ms. With 64 they wait for prompts alone: 0.25 s where a token
/// takes 3 ms.
const OUTPUT_TOKENS: i64 = 160;
/// Few enough that two at a time are done with them within the longest test on a slow machine, and enough for a second and more on
/// a quick one with 64.
const REQUESTS: i64 = 120;
/// More than any engine answers while a canary measures.
const REQUESTS_OF_CANARIES: i64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn on_a_real_vllm_a_lowered_flag_is_found_counted_tuned_and_put_right() {
    let Some(engine) = Engine::real(Model::Tiny) else { return };
    told("real-night", async |place, person| {
        until_promoted(place, person, &engine).await;
        let healed = place.until(NAME, "rolled out", is_rolled_out).await;
        assert!(arguments(&healed).contains(&GOOD.to_owned()), "{:?}", arguments(&healed));
        confirming_night(place, person).await;
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_hold_is_taken_back_to_the_letter_and_denied() {
    told("rollback", async |place, person| {
        let before = until_promoted(place, person, &Engine::StandIn).await;
        place.until(NAME, "rolled out", is_rolled_out).await;
        person.tell("engines become slower, whatever their flags are");
        fault(person, &[("STAND_IN_STEP_FACTOR", "10")]);
        assert_eq!(person.night(NAME).0, 1);
        let taken_back = |target: &Deployment| is_rolled_out(target) && arguments(target).contains(&BAD.to_owned());
        let after = place.until(NAME, "taken back", taken_back).await;
        assert_eq!(of_people(&after), of_people(&before));
        let rolled_back = |escalation: &Escalation| {
            let status = escalation.status.as_ref();
            status.is_some_and(|status| !status.denied.is_empty() && status.flags.iter().all(|flag| flag.count <= 1))
        };
        place.until(NAME, "told that the value is denied, and that its night counts as one", rolled_back).await;
        assert_eq!(phases_of_promotions(place).await, [PromotionPhase::RolledBack]);
        person.look_around();
    })
    .await;
}

/// Three runs begin a baseline, somebody lowers the flag, two runs find it; the second one ends with a promotion. Answers the
/// target as it was before it.
async fn until_promoted(place: &Place, person: &Person<'_>, engine: &Engine) -> Deployment {
    person.apply(&engine.deployment(NAME, &[GOOD]));
    place.until(NAME, "rolled out", is_rolled_out).await;
    person.tell("the engine serves");
    init(person);
    let slo = json!({"ttft": "900ms", "e2e": "10s"});
    let load = |requests| {
        let mut load = workload(requests);
        load["arrival"] = json!({"concurrency": IN_FLIGHT});
        load["outputTokens"] = json!({"fixed": OUTPUT_TOKENS});
        load
    };
    let own = json!({
        "rules": [{"symptom": "latency_regression", "threshold": 2, "parameters": ["max-num-seqs"]}],
        "parameters": [{"name": "max-num-seqs", "values": ["1", "64"]}],
        "canary": {"measure": "12s", "workload": load(REQUESTS_OF_CANARIES), "limits": {"minimumRequests": 10}},
    });
    hurry(person, &json!({"workload": load(REQUESTS), "slo": slo, "warmup": "1s", "duration": "60s"}), &own);
    // What is answered with so many in flight is how quick the machine is, and it was -8 % in a healthy night.
    let thresholds = json!({"throughput": {"warningPercent": 50, "criticalPercent": 75}});
    person.patch(&format!("phaseschedule/{NAME}"), &json!({"spec": {"run": {"analysis": {"thresholds": thresholds}}}}));

    seed(place, person).await;
    person.tell("somebody lowers --max-num-seqs to 2");
    person.apply(&engine.deployment(NAME, &[BAD]));
    let lowered = |target: &Deployment| is_rolled_out(target) && arguments(target).contains(&BAD.to_owned());
    let before = place.until(NAME, "rolled out", lowered).await;

    assert_eq!(person.night(NAME), (1, "Counted".to_owned()));
    assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
    for run in all::<PhaseRun>(place).await {
        let status = run.status.unwrap_or_default();
        let changes = &status.changed_since_baseline;
        person.tell(&format!("{:?} changed since the baseline: {changes:?}", status.verdict));
        let is_lowered = |change: &BaselineChange| {
            change.field == "max-num-seqs" && (change.from.as_deref(), change.to.as_deref()) == (Some("64"), Some("2"))
        };
        let is_told = changes.iter().any(is_lowered);
        assert_eq!(is_told, status.verdict == Some(Verdict::Degraded), "what somebody changed is told: {changes:?}");
    }
    before
}
