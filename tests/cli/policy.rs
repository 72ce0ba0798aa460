//! `--policy FILE`: what it changes, and what it is refused for.

use serde_json::Value;

use crate::support::{Ended, Folder, phaseloop, repository};

const HEAD: &str = "apiVersion: phaseloop.dev/v1alpha1\nkind: Escalation\nmetadata:\n  name: llama-8b\nspec:\n  targetRef:\n    kind: Deployment\n    name: llama-8b\n";

fn with_policy(text: &str, more: &[&str]) -> Ended {
    let folder = Folder::new();
    let file = folder.file("policy.yaml", text);
    let mut arguments = vec!["replay", "--runs", "examples/recorded-nights", "--policy", &file];
    arguments.extend(more);
    phaseloop(&arguments)
}

fn nights(text: &str) -> Vec<Value> {
    let ended = with_policy(text, &["--output", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended.json()["nights"].as_array().unwrap().clone()
}

fn armed_in(nights: &[Value]) -> Vec<(&str, &str)> {
    let flags =
        nights.iter().flat_map(|night| night["flags"].as_array().unwrap().iter().map(move |flag| (night, flag)));
    flags
        .filter(|(_, flag)| flag["state"] == "Armed")
        .map(|(night, flag)| (night["run"].as_str().unwrap(), flag["symptom"].as_str().unwrap()))
        .collect()
}

#[test]
fn an_escalation_that_names_its_target_alone_decides_as_without_a_policy() {
    let ours = nights(HEAD);
    let defaults = phaseloop(&["replay", "--runs", "examples/recorded-nights", "--output", "json"]).json();
    assert_eq!(Value::Array(ours), defaults["nights"]);
}

#[test]
fn the_samples_replay_the_full_one_with_the_administrators_policy_that_it_needs() {
    let sample = |name: &str| std::fs::read_to_string(repository(&format!("manifests/samples/{name}.yaml"))).unwrap();
    assert_eq!(with_policy(&sample("escalation-small"), &[]).code, 0);
    let full = sample("escalation-full");
    with_policy(&full, &[]).refused(3, &["spec.parameters[1].binding"]);
    let whole = format!("{full}---\n{}---\n{}", sample("phaseloop-policy"), sample("phaseschedule-full"));
    let ended = with_policy(&whole, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn a_lower_threshold_arms_earlier() {
    let nights = nights(&format!("{HEAD}  rules:\n    - symptom: latency_regression\n      threshold: 2\n"));
    assert_eq!(armed_in(&nights), [("night12", "latency_regression"), ("night13", "latency_regression")]);
}

#[test]
fn a_window_that_can_not_hold_the_threshold_is_refused_with_the_least_that_can() {
    let text = format!("{HEAD}  rules:\n    - symptom: vllm_oom\n      threshold: 3\n      window: 24h\n");
    with_policy(&text, &[]).refused(3, &["policy.yaml:12", "WindowCannotHoldThreshold", "at least 53h"]);
}

#[test]
fn a_suspended_escalation_says_so_and_opens_no_gate() {
    let nights = nights(&format!("{HEAD}  suspend:\n    reason: holidays\n"));
    let gate = nights[12]["gates"].as_array().unwrap().iter().find(|gate| gate["name"] == "NotSuspended").unwrap();
    assert_eq!(gate["open"], false);
    assert!(gate["message"].as_str().unwrap().contains("holidays"), "{gate}");
    assert_eq!(nights[12]["allGatesOpenAt"], Value::Null);
}

#[test]
fn the_users_own_values_are_tried_and_no_others() {
    let parameters = "  parameters:\n    - name: max-num-seqs\n      values: [48, 16, 32]\n";
    let nights = nights(&format!("{HEAD}{parameters}"));
    let values: Vec<&str> = nights[12]["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["parameters"]["max-num-seqs"].as_str().unwrap())
        .collect();
    assert_eq!(values, ["32", "48", "16"]);
}

#[test]
fn the_administrators_bounds_narrow_the_candidates() {
    let admin = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: phaseloop-policy\ndata:\n  policy.yaml: |\n    \
                 apiVersion: policy.phaseloop.dev/v1alpha1\n    kind: AdministratorPolicy\n    parameters:\n      - name: max-num-seqs\n        maximum: 128\n";
    let nights = nights(&format!("{HEAD}{admin}"));
    let values: Vec<&str> = nights[12]["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|candidate| candidate["parameters"]["max-num-seqs"].as_str())
        .collect();
    assert!(values.contains(&"128") && !values.contains(&"256"), "{values:?}");
}

#[test]
fn nights_follow_the_local_clock_over_its_change() {
    let schedule = "---\napiVersion: phaseloop.dev/v1alpha1\nkind: PhaseSchedule\nmetadata:\n  name: s\nspec:\n  schedule: \"0 3 * * *\"\n  \
                    timeZone: Europe/Berlin\n  run:\n    targetRef:\n      kind: Deployment\n      name: llama-8b\n    domains:\n      - name: serving\n        podTemplateName: test\n";
    let starts: Vec<String> = nights(&format!("{HEAD}{schedule}"))
        .iter()
        .map(|night| night["startedAt"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((starts[0].as_str(), starts[16].as_str()), ("2026-03-02T02:00:00Z", "2026-03-18T02:00:00Z"));
}

#[test]
fn a_parameter_is_set_at_a_place_of_its_own_or_one_that_the_administrator_names() {
    let with = |binding: &str| format!("{HEAD}  parameters:\n    - name: max-num-seqs\n      binding: {binding}\n");
    let admin = "---\napiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\nbindings:\n  - parameter: \
                 max-num-seqs\n    targets: [llama-8b]\n    binding: {env: {name: MAX_NUM_SEQS}}\n";
    with_policy(&with("{arg: {flag: --trust-remote-code}}"), &[])
        .refused(3, &["policy.yaml:11", "spec.parameters[0].binding", "may not be set at this place", "remedy:"]);
    with_policy(&with("{env: {name: MAX_NUM_SEQS}}"), &[]).refused(3, &["spec.parameters[0].binding"]);
    assert_eq!(with_policy(&with("{arg: {flag: --max_num_seqs}}"), &[]).code, 0);
    assert_eq!(with_policy(&(with("{env: {name: MAX_NUM_SEQS}}") + admin), &[]).code, 0);
    let other = admin.replace("llama-8b", "another");
    with_policy(&(with("{env: {name: MAX_NUM_SEQS}}") + &other), &[]).refused(3, &["spec.parameters[0].binding"]);
}

#[test]
fn a_policy_is_refused_with_file_line_field_and_remedy() {
    let field = |line: &str| format!("{HEAD}{line}");
    for (text, expected) in [
        (field("  serach:\n    maxCandidates: 3\n"), &["policy.yaml:9:3", "spec.serach", "did you mean search?"][..]),
        (field("  search:\n    strategy: Bayesian\n"), &["policy.yaml:10", "List, Grid, Bisection"]),
        (
            field(
                "  safety:\n    windows:\n      - start: \"03:00\"\n        end: \"07:00\"\n        timeZone: Europe/Berln\n",
            ),
            &["policy.yaml:13", "Europe/Berln", "unknown time zone"],
        ),
        (field("  safety:\n    cooldown: -5h\n"), &["policy.yaml:10", "spec.safety.cooldown"]),
        (field("  parameters:\n    - name: gpu-memory-utilisation\n"), &["policy.yaml:10", "gpu-memory-utilization"]),
        (field("  parameters:\n    - name: trust-remote-code\n"), &["policy.yaml:10", "trust-remote-code"]),
        (
            field("  parameters:\n    - name: gpu-memory-utilization\n      values: [0.5, 0.99]\n"),
            &["policy.yaml:11", "values[1]", "0.99 is above the catalogue's maximum 0.98", "remedy:"],
        ),
        (
            field("  parameters:\n    - name: gpu-memory-utilization\n      range: {min: 0.9, max: 0.5, step: 0.1}\n"),
            &["policy.yaml:11", "min"],
        ),
        (format!("{HEAD}---\n{HEAD}"), &["policy.yaml", "a second Escalation"]),
        ("apiVersion: v1\nkind: Secret\n".to_owned(), &["policy.yaml:2", "Secret", "remedy:"]),
        (String::new(), &["policy.yaml", "remedy:"]),
        ("a: [1\nb: }".to_owned(), &["policy.yaml:"]),
        ("just a sentence".to_owned(), &["policy.yaml"]),
    ] {
        with_policy(&text, &[]).refused(3, expected);
    }
}

#[test]
fn a_policy_that_is_no_text_or_not_there_is_refused() {
    let folder = Folder::new();
    let binary = folder.file("p.yaml", [0xff, 0xfe, 0x00]);
    let replay = |policy: &str| phaseloop(&["replay", "--runs", "examples/recorded-nights", "--policy", policy]);
    replay(&binary).refused(3, &["p.yaml", "UTF-8"]);
    replay(&folder.path("gone.yaml")).refused(3, &["gone.yaml", "can't be read"]);
}
