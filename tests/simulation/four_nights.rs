//! The seed's story: three nights find a regression, the third arms the flag, the best candidate is promoted, and the
//! fourth night confirms it. Every figure comes out of the models.

use phaseloop::{
    cli::simulate_text,
    simulation::scenario::{DEFAULT_SCENARIO, DEFAULT_SCENARIO_FILE},
};
use serde_json::Value;

use crate::story::{Story, assert_kept, assert_told, assert_writes, text};

const RUNS: &str = "phaseruns.phaseloop.dev";
const CANARIES: &str = "tuningcanaries.phaseloop.dev";
const PROMOTIONS: &str = "promotions.phaseloop.dev";

#[test]
fn a_regression_is_found_counted_cured_and_confirmed() {
    let story = Story::of(DEFAULT_SCENARIO_FILE, DEFAULT_SCENARIO);
    let runs = story.objects(RUNS);
    let verdicts: Vec<&str> = runs.iter().map(|run| text(run, "/status/verdict")).collect();
    let expected =
        ["Unknown", "Unknown", "Unknown", "Healthy", "Healthy", "Degraded", "Degraded", "Degraded", "Healthy"];
    assert_eq!(verdicts, expected, "three seeds, two healthy nights, three bad ones, and the confirmation");
    for run in &runs[5..8] {
        let symptom = &run["status"]["symptoms"][0];
        assert_eq!((text(symptom, "/kind"), text(symptom, "/severity")), ("vllm_oom", "critical"));
        assert!(symptom["current"].as_f64().unwrap() >= 1.0 && symptom["baseline"] == 0.0, "{symptom}");
        assert_eq!(text(symptom, "/diagnosis"), "MemoryOvercommitted");
    }
    check_tuning(&story.objects(CANARIES));
    check_news(&story);
    let promotions = story.objects(PROMOTIONS);
    assert_eq!(promotions.len(), 1);
    assert_eq!(text(&promotions[0], "/status/phase"), "Validated");
    assert_eq!(text(&promotions[0], "/spec/parameters/gpu-memory-utilization"), "0.75");
    assert_eq!(text(&promotions[0], "/status/validation/phaseRun"), text(&runs[8], "/metadata/name"));
    let deployment = &story.objects("deployments.apps")[0];
    assert_eq!(text(deployment, "/spec/template/spec/containers/0/args/1"), "--gpu-memory-utilization=0.75");
    assert_eq!(
        text(deployment, "/metadata/annotations/phaseloop.dev~1promotion"),
        text(&promotions[0], "/metadata/uid")
    );
    assert_kept(&story, &["i1_", "i2_", "i12_", "i14_", "i20_", "i23_", "i24_", "i26_", "i30_"]);
    assert_writes(&story, "four-nights");
    assert_told(&story, "four-nights");
    let told = simulate_text(&story.answer);
    assert!(told.contains("vllm-openai:v0.32.0 -> docker.io/vllm/vllm-openai:v0.33.0"), "from what to what: {told}");
    assert_eq!(story.answer.promotions[0].change, "gpu-memory-utilization 0.92 -> 0.75");
    let again = Story::of(DEFAULT_SCENARIO_FILE, DEFAULT_SCENARIO);
    assert_eq!(again.writes(), story.writes(), "one seed, one history");
    assert_eq!(serde_json::to_string(&again.answer).unwrap(), serde_json::to_string(&story.answer).unwrap());
}

/// Each run and each canary is told of when it begins and when it has ended, and the end says what it came to.
fn check_news(story: &Story) {
    let (began, ended) = (story.events("AwaitingNode"), story.events("Judged"));
    assert_eq!((began.len(), ended.len()), (9, 9), "{began:?} {ended:?}");
    let of = |told: &str| ended.iter().filter(|note| note.contains(told)).count();
    let degraded = ": Degraded: vllm_oom, pass_rate_drop; changed since the baseline: image ";
    assert_eq!((of(degraded), of(": Healthy; fitness "), of("; BaselineSeeding: ")), (3, 3, 3), "{ended:?}");
    assert_eq!(story.events("Measuring").len(), 6);
    let (passed, failed) = (story.events("Passed"), story.events("OutOfMemory"));
    assert_eq!((passed.len(), failed.len()), (3, 3), "{passed:?} {failed:?}");
    let best = ": gpu-memory-utilization=0.75: Passed: 210 of 226 requests were within every limit; fitness 0.929";
    assert!(passed.iter().any(|note| note.ends_with(best)), "{passed:?}");
    assert!(
        failed.iter().any(|note| note.contains(": the incumbent: Failed (OutOfMemory): exit code 0: ")),
        "{failed:?}"
    );
}

/// The incumbent runs out of memory, lower values are the better the higher they are, and beyond the best it happens
/// again.
fn check_tuning(canaries: &[Value]) {
    let of = |value: &str| {
        let asked = |canary: &&Value| text(canary, "/spec/parameters/gpu-memory-utilization") == value;
        canaries.iter().find(asked).unwrap_or_else(|| panic!("no canary of {value}"))
    };
    assert_eq!(text(&canaries[0], "/spec/role"), "Incumbent");
    for failed in [&canaries[0], of("0.77"), of("0.8")] {
        assert_eq!(text(failed, "/status/verdict"), "Failed");
        assert_eq!(text(failed, "/status/failure/class"), "OutOfMemory");
        assert_eq!(failed["status"]["fitness"], Value::Null, "a failure has no fitness");
    }
    let fitness: Vec<f64> =
        ["0.7", "0.72", "0.75"].map(|value| of(value)["status"]["fitness"].as_f64().unwrap()).into();
    assert!(fitness[0] < fitness[1] && fitness[1] < fitness[2], "{fitness:?}");
    assert_eq!(canaries.len(), 6, "after two failures in a row 0.82 is not tried");
}
