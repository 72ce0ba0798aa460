//! What is proven of a pod's use.

use jiff::SignedDuration;

use super::*;

/// What is proven to be this long.
#[allow(clippy::unnecessary_wraps, reason = "what is read is an option, and is compared with it")]
fn seconds(seconds: i64) -> Option<SignedDuration> {
    Some(SignedDuration::from_secs(seconds))
}

fn spend(pod: &Pod) -> (Option<SignedDuration>, Option<SignedDuration>) {
    let ProvenSpend { measure, hold, .. } = read(pod).spend;
    (measure, hold)
}

#[test]
fn a_measurement_is_proven_by_its_report_and_the_hold_by_the_kubelet() {
    // Ready at 30.2 s, measured until 38.2 s; the engine from 2 s to 40 s on one GPU.
    assert_eq!(spend(&measured()), (seconds(8), seconds(38)));
}

#[test]
fn nothing_is_proven_while_a_container_runs_or_nobody_knows() {
    let engine = || container(ENGINE, running(2));
    assert_eq!(spend(&canary_pod("Running", engine(), running(3))), (None, None));
    assert_eq!(spend(&canary_pod("Running", engine(), reported(3, 39, &report()))), (None, None));
    let lost = canary_pod("Running", engine(), running(3));
    assert_eq!(read_test_pod(&lost, NodeState::NotReady).spend, ProvenSpend::default());
}

#[test]
fn a_report_never_claims_less_than_it_can_nor_more_than_the_kubelet_saw() {
    let pod = |change: fn(&mut ProbeReport)| {
        let mut report = report();
        change(&mut report);
        canary_pod("Succeeded", container(ENGINE, ended(2, 40, 0, "Completed", "")), reported(3, 39, &report))
    };
    // Ready long before the engine started, by a clock that is wrong: clipped to the engine's start.
    let early = pod(|report| {
        report.times.first_contact_at = None;
        report.times.ready_at = Some(exact(-60_000));
    });
    assert_eq!(spend(&early).0, Some(SignedDuration::from_millis(36_200)));
    // Measured until after the probe's end: clipped to the end of the second in which it ended.
    let late = pod(|report| report.times.measure_ended_at = Some(exact(90_000)));
    assert_eq!(spend(&late).0, Some(SignedDuration::from_millis(9_800)));
    // Broken off: it lasted at most until the probe ended.
    let broken_off = pod(|report| {
        report.ending = ProbeEnding::OutOfTime;
        report.times.measure_ended_at = None;
    });
    assert_eq!(spend(&broken_off).0, Some(SignedDuration::from_millis(9_800)));
    // Never ready: nothing of the measure budget was used.
    let never = pod(|report| {
        report.ending = ProbeEnding::EngineNeverReady;
        report.times = ProbeTimes::default();
    });
    assert_eq!(spend(&never), (seconds(0), seconds(38)));
}

#[test]
fn without_a_report_the_hold_is_proven_and_the_measuring_is_not() {
    let engine = container(ENGINE, ended(2, 30, 137, "Error", ""));
    assert_eq!(spend(&canary_pod("Failed", engine, ended(3, 29, 137, "Error", ""))), (None, seconds(28)));
}

#[test]
fn without_a_report_nothing_was_measured_while_the_probe_did_not_run() {
    let at_most = |probe| {
        let engine = container(ENGINE, ended(2, 5, 1, "Error", ""));
        read(&canary_pod("Failed", engine, probe)).spend.measure_at_most
    };
    assert_eq!(at_most(ended(3, 6, 143, "Error", "")), seconds(4), "the second in which it ended is counted whole");
    assert_eq!(at_most(waiting("PodInitializing")), seconds(0));
    // The report tells it where there is one, whatever the probe's life.
    assert_eq!(read(&measured()).spend.measure_at_most, seconds(8));
    let lost = json!({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}});
    assert_eq!(at_most(lost), None, "a kubelet that has lost sight of a container proves nothing");
}

#[test]
fn a_pod_whose_engine_never_started_used_nothing() {
    let refused = container(CONTAINER_PREFLIGHT, ended(0, 1, 7, "Error", ""));
    let waits = container(ENGINE, waiting("PodInitializing"));
    let probe = container(CONTAINER_PROBE, waiting("PodInitializing"));
    assert_eq!(spend(&pod_of(&canary(), "Failed", &[refused, waits], &[probe])), (seconds(0), seconds(0)));
    let evicted = with_reason(pod_of(&canary(), "Failed", &[], &[]), "Evicted", "");
    assert_eq!(read(&evicted).release, Release::NothingStarted);
    assert_eq!(spend(&evicted), (seconds(0), seconds(0)));
}

#[test]
fn the_hold_begins_with_the_engines_first_start_whatever_came_after() {
    let end = || ended(51, 70, 137, "Error", "");
    let probe = || ended(3, 69, 137, "Error", "");
    let once = restarted(ENGINE, 1, ended(2, 50, 1, "Error", ""), end());
    assert_eq!(spend(&canary_pod("Failed", once, probe())).1, seconds(68));
    // The kubelet has forgotten the first of three: it can't have started before the preflight ended, at 1 s.
    let twice = restarted(ENGINE, 2, ended(30, 50, 1, "Error", ""), end());
    assert_eq!(spend(&canary_pod("Failed", twice, probe())).1, seconds(69));
}

#[test]
fn the_hold_counts_every_gpu() {
    let facts = facts(|template| {
        template["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = json!("4");
    });
    let valid = plan_test_pod(&canary(), &facts, None, &settings()).unwrap();
    let mut pod = measured();
    pod.spec = build_test_pod(&valid).spec;
    assert_eq!(spend(&pod), (seconds(8), seconds(4 * 38)));
    assert_eq!(read(&pod).gpus, 4);
}

#[test]
fn everything_is_given_back_when_the_last_container_has_ended() {
    assert_eq!(read(&measured()).times.released_at, Some(at(40)));
    let times = read(&measured()).times;
    assert_eq!((times.pod_started_at, times.first_started_at), (Some(at(0)), Some(at(0))));
    assert_eq!((times.engine_started_at, times.probe_started_at), (Some(at(2)), Some(at(3))));
    assert_eq!(times.probe_finished_at, Some(at(39)));
}
