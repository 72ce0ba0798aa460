use jiff::SignedDuration;
use phaseloop_core::schedule::later_by;

use super::*;
use crate::simulation::{answer::begin_story, world::ADMINISTRATOR};

fn faults(text: &str) -> String {
    read_scenario("story.yaml", text).unwrap_err().to_string()
}

/// The default scenario with one text put in the place of another.
fn altered(from: &str, to: &str) -> String {
    let text = DEFAULT_SCENARIO.replacen(from, to, 1);
    assert_ne!(text, DEFAULT_SCENARIO, "{from}");
    text
}

/// Line of the first place at which a text stands.
fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

#[test]
fn the_default_scenario_is_read_and_prepared() {
    let file = read_scenario(DEFAULT_SCENARIO_FILE, DEFAULT_SCENARIO).unwrap();
    assert_eq!(file.name(), "four-nights");
    assert_eq!(file.manifests.len(), 3);
    let prepared = prepare(&file).unwrap();
    assert_eq!(prepared.calendar.nights, 4);
    assert!(!prepared.actions.is_empty());
    assert!(prepared.actions.iter().all(|(at, _)| *at > prepared.calendar.beginning()));
}

#[test]
fn what_is_misspelt_is_told_with_file_line_column_and_the_nearest_name() {
    let text = altered("nightsBefore:", "nightBefore:");
    let line = line_of(&text, "nightBefore:");
    let expected =
        format!("story.yaml:{line}:3: spec.nightBefore: unknown field\n  remedy: did you mean nightsBefore?");
    assert_eq!(faults(&text), expected);
    let text = altered("card: A100-40GB", "card: L40");
    let line = line_of(&text, "card: L40");
    let told = faults(&text);
    assert!(told.starts_with(&format!("story.yaml:{line}:7: spec.nodes[0].card: \"L40\" is none of")), "{told}");
    assert!(told.contains("did you mean L40S?"), "{told}");
}

#[test]
fn a_fault_in_a_manifest_is_told_in_its_place() {
    let text = altered("    approval: Automatic", "    aproval: Automatic");
    let line = line_of(&text, "aproval");
    let told = faults(&text);
    assert_eq!(
        told,
        format!("story.yaml:{line}:5: spec.promotion.aproval: unknown field\n  remedy: did you mean approval?")
    );
}

#[test]
fn an_event_that_does_nothing_and_a_night_that_is_not_there_are_refused() {
    let text = altered("      edit:\n        name: llama-13b\n        image: docker.io/vllm/vllm-openai:v0.33.0\n", "");
    assert!(faults(&text).contains("spec.events[0]: 0 things are done"), "{}", faults(&text));
    let text = altered("at: {night: 1}", "at: {night: 9}");
    assert!(faults(&text).contains("night 9 lies outside the scenario, which has nights -4 to 4"), "{}", faults(&text));
    let text = altered("startDate: \"2026-03-02\"", "startDate: \"2026-02-30\"");
    assert!(faults(&text).contains("spec.startDate: \"2026-02-30\" is no date"), "{}", faults(&text));
}

#[test]
fn a_file_that_does_not_begin_with_a_scenario_is_refused() {
    let rest = DEFAULT_SCENARIO.split_once("---\n").unwrap().1;
    assert!(faults(rest).contains("the first document of a scenario file is the scenario"));
    assert!(faults("").contains("holds no document"));
}

#[test]
fn a_node_that_is_not_there_is_refused_with_the_nearest_name() {
    let fault = "  faults:\n    - at: {night: 2}\n      loseNode: gpu-b\n  events:";
    let told = faults(&altered("  events:", fault));
    assert!(
        told.contains("spec.faults[0].loseNode: there is no node \"gpu-b\"\n  remedy: did you mean gpu-a?"),
        "{told}"
    );
}

/// What owns the replicas of the default scenario's target.
const OWNERS: &str = "---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: llama-13b}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llama-13b}
  minReplicas: 2
  maxReplicas: 4
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: llama-13b}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {app: llama-13b}
";

#[test]
fn a_scenario_can_state_a_target_without_a_spare_gpu_that_lends_and_what_owns_its_replicas() {
    const NAME: &str = "llama-13b";
    let text = altered("replicas: 1", "replicas: 2")
        .replacen("  run:\n", "  run:\n    placement: BorrowReplica\n", 1)
        .replacen("  canary:\n", "  canary:\n    placement: BorrowReplica\n", 1);
    let file = read_scenario("story.yaml", &format!("{text}{OWNERS}")).unwrap();
    let prepared = prepare(&file).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(Box::pin(async {
        let beginning = prepared.calendar.beginning();
        let mut story = begin_story(&file, prepared).unwrap();
        story.world.run_until(later_by(beginning, SignedDuration::from_mins(10))).await.unwrap();
        story.accepted().unwrap();
        let get = |kind| story.world.server.actor(ADMINISTRATOR).get(kind, "chat", NAME).unwrap().value.clone();
        let target = get(("apps/v1", "Deployment"));
        assert_eq!(target["status"]["readyReplicas"], 2, "both GPUs are taken");
        assert_eq!(get(("policy/v1", "PodDisruptionBudget"))["status"]["disruptionsAllowed"], 1);
        let autoscaler = get(("autoscaling/v2", "HorizontalPodAutoscaler"));
        assert_eq!(autoscaler["spec"]["scaleTargetRef"]["name"], NAME);
        let run = get(("phaseloop.dev/v1alpha1", "PhaseSchedule"))["spec"]["run"]["placement"].clone();
        let canary = get(("phaseloop.dev/v1alpha1", "Escalation"))["spec"]["canary"]["placement"].clone();
        assert_eq!((run, canary), ("BorrowReplica".into(), "BorrowReplica".into()));
    }));
}
