//! Three domains of which one degrades: the flag says which, its own load finds the cure, the others stay healthy.

use serde_json::{Value, json};

use crate::story::{
    CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, condition, flag, text,
};

const NAME: &str = "three-domains";

#[test]
fn one_of_three_domains_degrades_and_is_cured_under_its_own_load() {
    let story = Story::in_file(NAME);
    assert_kept(&story, &["i1_", "i2_", "i12_", "i20_", "i23_", "i24_", "i26_", "i30_"]);
    let verdicts = ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Healthy"];
    assert_eq!(story.verdicts(), verdicts);
    let runs = story.objects(RUNS);
    for run in &runs[3..6] {
        assert_eq!(by_domain(run), [("chat", "Healthy"), ("rag", "Degraded"), ("answers", "Healthy")]);
        let symptoms = run["status"]["symptoms"].as_array().unwrap();
        assert!(symptoms.iter().all(|symptom| symptom["domain"] == "rag"), "{symptoms:?}");
        assert_eq!(text(&symptoms[0], "/kind"), "vllm_oom");
    }
    assert_eq!(by_domain(&runs[6]), [("chat", "Healthy"), ("rag", "Healthy"), ("answers", "Healthy")]);
    check_flag(&story);
    check_canaries(&story, &runs[5]);
    check_promotion(&story, &runs[6]);
    assert_told(&story, NAME);
    assert_writes(&story, NAME);
}

fn by_domain(run: &Value) -> Vec<(&str, &str)> {
    let domains = run["status"]["domains"].as_array().unwrap();
    domains.iter().map(|domain| (text(domain, "/name"), text(domain, "/verdict"))).collect()
}

/// The flag names the symptom, and counts by domain; people are told the same.
fn check_flag(story: &Story) {
    let versions = story.versions(ESCALATIONS, "llama-13b");
    let is_armed = |version: &&Value| flag(version, "vllm_oom")["state"] == "Armed";
    let armed = flag(versions.iter().find(is_armed).unwrap(), "vllm_oom");
    assert_eq!((&armed["count"], &armed["domains"]), (&json!(3), &json!([{ "name": "rag", "count": 3 }])));
    let told = story.events("ThresholdReached");
    let oom = told.iter().find(|note| note.contains("vllm_oom")).unwrap();
    assert!(oom.starts_with("llama-13b: vllm_oom: 3 of 3 in 53h, armed until "), "{oom}");
    assert!(oom.ends_with("; by domain: rag 3"), "{oom}");
}

/// Every canary offers what the degraded domain offered, under that domain's limits.
fn check_canaries(story: &Story, run: &Value) {
    let rag = &run["spec"]["domains"][1]["serving"];
    let canaries = story.objects(CANARIES);
    assert_eq!(text(&canaries[0], "/spec/role"), "Incumbent");
    assert_eq!(text(&canaries[0], "/status/failure/class"), "OutOfMemory");
    for canary in &canaries {
        assert_eq!((&canary["spec"]["workload"], &canary["spec"]["slo"]), (&rag["workload"], &rag["slo"]));
    }
    let passed = canaries.iter().filter(|canary| canary["status"]["verdict"] == "Passed");
    assert!(passed.count() > 0, "a load that goes on to the end of the measurement can pass");
}

fn check_promotion(story: &Story, confirming: &Value) {
    let promotions = story.objects(PROMOTIONS);
    assert_eq!(promotions.len(), 1);
    let (spec, status) = (&promotions[0]["spec"], &promotions[0]["status"]);
    let domains: Vec<&str> = spec["domains"].as_array().unwrap().iter().map(|domain| text(domain, "/name")).collect();
    assert_eq!(domains, ["rag"]);
    assert_eq!(
        (text(status, "/phase"), &status["validation"]["phaseRun"]),
        ("Validated", &confirming["metadata"]["name"])
    );
    assert_eq!(condition(&promotions[0], "Validated")["status"], "True");
    let value = text(spec, "/parameters/gpu-memory-utilization");
    let deployment = &story.objects("deployments.apps")[0];
    let argument = text(deployment, "/spec/template/spec/containers/0/args/1");
    assert_eq!(argument, format!("--gpu-memory-utilization={value}"));
    assert_eq!(story.operator_writes("deployments.apps"), 1);
}
