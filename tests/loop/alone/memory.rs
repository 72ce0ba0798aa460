//! The memory night: an engine's share of memory that somebody raised leaves no room for a load's prompts.

use k8s_openapi::api::apps::v1::Deployment;
use phaseloop::api::{
    PhaseRun,
    tuning_canary::status::{CanaryVerdict, FailureClass},
};
use serde_json::json;

use crate::{
    story::{NAME, all, arguments, canaries, confirming_night, hurry, init, is_rolled_out, seed, told},
    target::{Engine, Model},
};

/// The share as it should be, and as somebody sets it: at the load below a replica takes 5 GiB of its 6, and 7.
const GOOD: &str = "--gpu-memory-utilization=0.30";
const BAD: &str = "--gpu-memory-utilization=0.64";
/// Of these the first three are less than the engine takes without any cache, and the last is too much under load.
const VALUES: [&str; 6] = ["0.10", "0.12", "0.14", "0.24", "0.30", "0.60"];

#[tokio::test(flavor = "multi_thread")]
async fn on_a_real_vllm_a_share_that_dies_under_load_is_searched_for_its_edge_between_refusals_and_deaths() {
    let Some(engine) = Engine::real(Model::Wide) else { return };
    told("real-memory", async |place, person| {
        person.apply(&engine.deployment(NAME, &[GOOD]));
        place.until(NAME, "rolled out", is_rolled_out).await;
        person.tell("the engine serves");
        init(person);
        // However fast the machine is, so many prompts wait that the engine reads as many tokens in one step as it may.
        let workload = json!({
            "requests": 400, "arrival": {"concurrency": 16}, "seed": 7,
            "inputTokens": {"fixed": 250}, "outputTokens": {"fixed": 4},
        });
        let own = json!({
            "rules": [{"symptom": "vllm_oom", "threshold": 1, "parameters": ["gpu-memory-utilization"]}],
            "parameters": [{"name": "gpu-memory-utilization", "values": VALUES}],
            "search": {"strategy": "Bisection", "maxCandidates": 6},
            "canary": {"measure": "24s", "limits": {"minimumRequests": 20}},
        });
        let serving = json!({"workload": workload, "slo": {"e2e": "12s"}, "warmup": "2s", "duration": "24s"});
        hurry(person, &serving, &own);
        // It answers as much as the machine has left for it.
        let throughput = json!({"throughput": {"warningPercent": 90, "criticalPercent": 95}});
        person.patch(
            &format!("phaseschedule/{NAME}"),
            &json!({"spec": {"run": {"analysis": {"thresholds": throughput}}}}),
        );

        seed(place, person).await;
        person.tell("somebody raises --gpu-memory-utilization to 0.64");
        person.apply(&engine.deployment(NAME, &[BAD]));
        let raised = |target: &Deployment| is_rolled_out(target) && arguments(target).contains(&BAD.to_owned());
        place.until(NAME, "rolled out", raised).await;
        assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));

        let runs = all::<PhaseRun>(place).await;
        let statuses = runs.iter().filter_map(|run| run.status.as_ref());
        let deaths: Vec<_> = statuses
            .flat_map(|status| &status.domains)
            .filter_map(|domain| domain.measured.as_ref())
            .flat_map(|measured| &measured.engine.failures)
            .collect();
        person.tell(&format!("{deaths:?}"));
        assert!(!deaths.is_empty(), "the run that found it says how the engine ended");

        let endings: Vec<_> = canaries(place)
            .await
            .into_iter()
            .map(|canary| {
                let status = canary.status.unwrap_or_default();
                let value = canary.spec.parameters.iter().next().map(|(_, value)| value.to_string());
                (value, status.verdict, status.failure.map(|failure| failure.class), status.reasons)
            })
            .collect();
        for ending in &endings {
            person.tell(&format!("{ending:?}"));
        }
        let found: Vec<_> = endings.iter().map(|(value, _, class, _)| (value.as_deref(), *class)).collect();
        let (refused, dead) = (Some(FailureClass::StartRefused), Some(FailureClass::OutOfMemory));
        assert_eq!(
            found,
            [(None, dead), (Some("0.14"), refused), (Some("0.3"), None), (Some("0.6"), dead), (Some("0.24"), None)]
        );
        assert_eq!(endings[1].3.first().map(String::as_str), Some("TooLittleMemory"));
        assert_eq!(endings[4].1, Some(CanaryVerdict::Passed));

        let healed = place.until(NAME, "rolled out", is_rolled_out).await;
        let inside = "--gpu-memory-utilization=0.24".to_owned();
        assert!(arguments(&healed).contains(&inside), "0.3 is the edge, no place to stay: {:?}", arguments(&healed));
        confirming_night(place, person).await;
        person.look_around();
    })
    .await;
}
