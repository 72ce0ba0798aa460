//! Pods on a node, held against what a real kubelet (1.34) did with the same pods.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use phaseloop_core::schedule::later_by;
use serde_json::{Value, json};

use super::{
    machine::{Ground, PodMachine, RunningPod},
    status::status_of,
    *,
};

const IMAGE: &str = "test:1";

/// What a container of a test does, in each of its runs.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Ends by itself, with a message.
    Ends { after: i64, code: i32 },
    /// Ends by itself, without one.
    Dies { after: i64, code: i32 },
    /// Runs until it is asked to end, and ends a tenth of a second later.
    Obeys { code: i32 },
    /// Runs until it is killed.
    Ignores,
}

/// Containers with their acts, one per run; the last one is repeated.
#[derive(Debug, Clone, Default)]
struct Script(BTreeMap<&'static str, Vec<Act>>);

impl Script {
    fn act(&self, container: &str, run: u32) -> Act {
        let acts = &self.0[container];
        acts[(run as usize).min(acts.len() - 1)]
    }
}

#[derive(Debug, Clone)]
struct Scripted {
    script: Script,
    runs: BTreeMap<String, u32>,
}

impl PodProgram for Scripted {
    fn started(&mut self, container: &str, run: u32, at: Timestamp) -> Changes {
        self.runs.insert(container.to_owned(), run);
        match self.script.act(container, run) {
            act @ (Act::Ends { after, code } | Act::Dies { after, code }) => {
                let at = later_by(at, SignedDuration::from_secs(after));
                let message = matches!(act, Act::Ends { .. }).then(|| format!("{container} {run}"));
                vec![(container.to_owned(), Life::ending(Ending { at, exit_code: code, message, reason: None }))]
            }
            Act::Obeys { .. } | Act::Ignores => Vec::new(),
        }
    }

    fn reached(&mut self, _: &str, _: Timestamp) -> Changes {
        Vec::new()
    }

    fn ended(&mut self, _: &str, _: Timestamp, _: i32) -> Changes {
        Vec::new()
    }

    fn signalled(&mut self, container: &str, at: Timestamp) -> Option<Ending> {
        match self.script.act(container, self.runs[container]) {
            Act::Obeys { code } => {
                let at = later_by(at, SignedDuration::from_millis(100));
                Some(Ending { at, exit_code: code, message: None, reason: None })
            }
            Act::Ends { .. } | Act::Dies { .. } | Act::Ignores => None,
        }
    }

    fn is_ready(&self, _: &str) -> bool {
        true
    }

    fn output(&self, container: &str, _: bool, _: Timestamp) -> String {
        format!("last words of {container}\n")
    }
}

/// A pod as the tests of engines have it: preflight, engine as native sidecar, probe.
#[allow(clippy::needless_pass_by_value, reason = "tests hand over what they wrote")]
fn pod(fields: Value) -> Pod {
    let container = |name: &str| json!({ "name": name, "image": IMAGE });
    let mut engine = container("engine");
    engine["restartPolicy"] = "Always".into();
    engine["terminationMessagePolicy"] = "FallbackToLogsOnError".into();
    let mut spec = json!({
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 2,
        "initContainers": [container("preflight"), engine], "containers": [container("probe")],
    });
    for (name, value) in fields.as_object().unwrap() {
        spec[name] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "chat", "uid": "u" }, "spec": spec,
    }))
    .unwrap()
}

/// A pod on a node, from second 0.
struct Stage {
    pod: Pod,
    machine: PodMachine,
    images: ImageStore,
    log: ContainerLog,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_592_600 + second).unwrap()
}

impl Stage {
    fn new(pod: Pod, acts: &[(&'static str, &[Act])]) -> Self {
        let script = Script(acts.iter().map(|(name, acts)| (*name, acts.to_vec())).collect());
        let mut images = ImageStore::default();
        images.preload("n", IMAGE);
        let identity = RunningPod { namespace: "chat".into(), name: "p".into(), uid: "u".into(), node: "n".into() };
        let program = Box::new(Scripted { script, runs: BTreeMap::new() });
        let machine = PodMachine::new(identity, pod.clone(), program, at(0));
        Self { pod, machine, images, log: ContainerLog::default() }
    }

    fn until(&mut self, second: i64) -> PodStatus {
        self.machine.advance(at(second), &mut Ground { images: &mut self.images, log: &mut self.log });
        serde_json::from_value(status_of(&self.machine, &self.pod, at(second))).unwrap()
    }

    fn delete(&mut self, second: i64, grace: i64) {
        self.until(second);
        self.machine.begin_stop(StopCause::Deleted, SignedDuration::from_secs(grace), at(second));
    }
}

fn container<'a>(status: &'a PodStatus, name: &str) -> &'a ContainerStatus {
    let init = status.init_container_statuses.iter().flatten();
    init.chain(status.container_statuses.iter().flatten()).find(|container| container.name == name).unwrap()
}

/// Second at which a container ended, and its exit code.
fn end(status: &PodStatus, name: &str) -> (i64, i32) {
    let terminated = container(status, name).state.as_ref().unwrap().terminated.as_ref().unwrap();
    (terminated.finished_at.as_ref().unwrap().0.duration_since(at(0)).as_secs(), terminated.exit_code)
}

fn is_running(status: &PodStatus, name: &str) -> bool {
    container(status, name).state.as_ref().unwrap().running.is_some()
}

const QUICK: &[Act] = &[Act::Ends { after: 0, code: 0 }];

#[test]
fn the_probe_starts_at_once_and_its_end_ends_the_engine() {
    for (engine, code) in [(Act::Obeys { code: 0 }, 0), (Act::Ignores, 137)] {
        let probe: &[Act] = &[Act::Ends { after: 60, code: 0 }];
        let mut stage = Stage::new(pod(json!({})), &[("preflight", QUICK), ("engine", &[engine]), ("probe", probe)]);
        let status = stage.until(5);
        assert!(is_running(&status, "engine") && is_running(&status, "probe"), "without waiting for the engine");
        assert_eq!(status.phase.as_deref(), Some("Running"));
        let status = stage.until(90);
        let (probe_end, engine_end) = (end(&status, "probe"), end(&status, "engine"));
        assert_eq!((probe_end.1, engine_end.1), (0, code));
        assert!((1..=4).contains(&(engine_end.0 - probe_end.0)), "{probe_end:?} {engine_end:?}");
        assert_eq!(status.phase.as_deref(), Some("Succeeded"), "whatever the sidecar's exit code");
        let message = container(&status, "probe").state.as_ref().unwrap().terminated.as_ref().unwrap().message.clone();
        assert_eq!(message.as_deref(), Some("probe 0"));
    }
}

#[test]
fn a_deletion_with_one_second_ends_containers_that_ignore_it_within_four_the_main_one_first() {
    let mut stage =
        Stage::new(pod(json!({})), &[("preflight", QUICK), ("engine", &[Act::Ignores]), ("probe", &[Act::Ignores])]);
    stage.delete(100, 1);
    let status = stage.until(200);
    assert_eq!((end(&status, "probe"), end(&status, "engine")), ((102, 137), (104, 137)));
    assert_eq!(status.phase.as_deref(), Some("Failed"));
}

#[test]
fn a_second_deletion_can_only_make_it_quicker() {
    let acts: &[(&str, &[Act])] = &[("preflight", QUICK), ("engine", &[Act::Ignores]), ("probe", &[Act::Ignores])];
    let mut stage = Stage::new(pod(json!({})), acts);
    stage.delete(100, 30);
    stage.delete(105, 1);
    assert_eq!(end(&stage.until(200), "probe"), (107, 137));
    let mut stage = Stage::new(pod(json!({})), acts);
    stage.delete(100, 1);
    stage.delete(101, 30);
    assert_eq!(end(&stage.until(200), "probe"), (102, 137));
}

#[test]
fn an_engine_that_ends_is_started_again_whatever_its_exit_code_and_its_last_words_are_kept_where_it_failed() {
    for (code, message) in [(0, None), (1, Some("last words of engine\n"))] {
        let acts: &[(&str, &[Act])] = &[
            ("preflight", QUICK),
            ("engine", &[Act::Dies { after: 10, code }, Act::Obeys { code: 0 }]),
            ("probe", &[Act::Obeys { code: 0 }]),
        ];
        let status = Stage::new(pod(json!({})), acts).until(30);
        let engine = container(&status, "engine");
        let last = engine.last_state.as_ref().unwrap().terminated.as_ref().unwrap();
        assert_eq!((engine.restart_count, last.exit_code, last.message.as_deref()), (1, code, message));
        assert!(is_running(&status, "engine") && is_running(&status, "probe"));
    }
}

#[test]
fn a_preflight_that_refuses_ends_the_pod_before_the_engine_starts() {
    let acts: &[(&str, &[Act])] = &[
        ("preflight", &[Act::Ends { after: 0, code: 7 }]),
        ("engine", &[Act::Obeys { code: 0 }]),
        ("probe", &[Act::Obeys { code: 0 }]),
    ];
    let mut stage = Stage::new(pod(json!({})), acts);
    let status = stage.until(2);
    assert_eq!((status.phase.as_deref(), end(&status, "preflight").1), (Some("Failed"), 7));
    assert!(container(&status, "engine").state.as_ref().unwrap().waiting.is_some());
    assert_eq!(stage.log.records().len(), 1, "nothing else ever ran");
}

#[test]
fn the_deadline_leaves_both_their_graces() {
    let acts: &[(&str, &[Act])] = &[("preflight", QUICK), ("engine", &[Act::Ignores]), ("probe", &[Act::Ignores])];
    let mut stage = Stage::new(pod(json!({ "activeDeadlineSeconds": 6 })), acts);
    let status = stage.until(60);
    assert_eq!((end(&status, "probe"), end(&status, "engine")), ((8, 137), (10, 137)));
    assert_eq!((status.phase.as_deref(), status.reason.as_deref()), (Some("Failed"), Some("DeadlineExceeded")));
    assert_eq!(stage.until(9).phase.as_deref(), Some("Failed"), "a report is never taken back");
}

#[test]
fn an_evicted_pod_says_so() {
    let acts: &[(&str, &[Act])] =
        &[("preflight", QUICK), ("engine", &[Act::Obeys { code: 0 }]), ("probe", &[Act::Obeys { code: 143 }])];
    let mut stage = Stage::new(pod(json!({})), acts);
    stage.until(20);
    let cause = StopCause::Evicted("The node was low on resource: memory.".to_owned());
    stage.machine.begin_stop(cause, SignedDuration::ZERO, at(20));
    let status = stage.until(30);
    assert_eq!((status.phase.as_deref(), status.reason.as_deref()), (Some("Failed"), Some("Evicted")));
}

#[test]
fn an_image_that_cannot_be_pulled_is_asked_for_again_later_and_later() {
    let acts: &[(&str, &[Act])] =
        &[("preflight", QUICK), ("engine", &[Act::Obeys { code: 0 }]), ("probe", &[Act::Ends { after: 9, code: 0 }])];
    let mut stage = Stage::new(pod(json!({})), acts);
    stage.images = ImageStore::default();
    stage.images.set_pull_time(IMAGE, SignedDuration::from_secs(30));
    stage.images.add_fault(ImageFault { image: IMAGE.to_owned(), from: at(0), until: at(25) });
    let reason = |status: &PodStatus| {
        let waiting = container(status, "preflight").state.as_ref().unwrap().waiting.clone();
        waiting.and_then(|waiting| waiting.reason).unwrap_or_default()
    };
    assert_eq!(reason(&stage.until(2)), "ErrImagePull");
    assert_eq!(reason(&stage.until(12)), "ImagePullBackOff");
    assert_eq!(reason(&stage.until(29)), "ImagePullBackOff", "tried at 1, 11 and 31 s");
    let status = stage.until(80);
    assert!(end(&status, "preflight").0 >= 60, "31 s and a pull of 30 s: {status:?}");
}

#[test]
fn the_log_of_what_ran_has_every_run_with_its_times() {
    let acts: &[(&str, &[Act])] = &[
        ("preflight", QUICK),
        ("engine", &[Act::Ends { after: 10, code: 1 }, Act::Ignores]),
        ("probe", &[Act::Ends { after: 30, code: 0 }]),
    ];
    let mut stage = Stage::new(pod(json!({})), acts);
    stage.until(100);
    let runs: Vec<(&str, u32, Option<i32>)> =
        stage.log.records().iter().map(|record| (record.container.as_str(), record.run, record.exit_code)).collect();
    assert_eq!(
        runs,
        [("preflight", 0, Some(0)), ("engine", 0, Some(1)), ("probe", 0, Some(0)), ("engine", 1, Some(137))]
    );
    assert!(stage.log.records().iter().all(|record| record.ended_at.is_some_and(|end| end >= record.started_at)));
}

#[test]
fn a_container_that_keeps_crashing_is_held_back() {
    let acts: &[(&str, &[Act])] =
        &[("preflight", QUICK), ("engine", &[Act::Ends { after: 1, code: 1 }]), ("probe", &[Act::Obeys { code: 0 }])];
    let mut stage = Stage::new(pod(json!({})), acts);
    let status = stage.until(8);
    let waiting = container(&status, "engine").state.as_ref().unwrap().waiting.clone().unwrap();
    assert_eq!(waiting.reason.as_deref(), Some("CrashLoopBackOff"));
    assert_eq!(container(&status, "engine").restart_count, 1);
    assert!(container(&status, "engine").last_state.as_ref().unwrap().terminated.is_some());
}
