//! Deaths of the engine, by the kubelet's word and by the probe's.

use phaseloop_core::analysis::measurement::MemoryFault;

use super::*;

const OUT_OF_MEMORY: &str =
    "ERROR 11-23 01:57:31 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate";
const REFUSED: &str = "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`";

/// Classes of the deaths of a pod.
fn classes(pod: &Pod) -> Vec<EngineFailureClass> {
    let engine = read(pod).engine.unwrap();
    engine.deaths.iter().map(|death| death.failure.class).collect()
}

#[test]
fn an_exit_with_zero_in_the_middle_is_a_restart_without_a_word() {
    let engine = restarted(ENGINE, 1, ended(2, 30, 0, "Completed", ""), running(31));
    let reading = read(&canary_pod("Running", engine, running(3)));
    let engine = reading.engine.unwrap();
    assert_eq!((engine.restarts, engine.running), (Some(1), true));
    assert_eq!(engine.deaths[0].failure.class, EngineFailureClass::Unclassified);
    assert_eq!((engine.deaths[0].at, engine.deaths[0].failure.exit_code), (Some(at(30)), Some(0)));
}

#[test]
fn an_exit_with_one_leaves_its_last_lines_as_the_message() {
    for (message, class, memory) in [
        (REFUSED, EngineFailureClass::StartRefusedForMemory, Some(MemoryFault::Starved)),
        (OUT_OF_MEMORY, EngineFailureClass::OutOfMemory, Some(MemoryFault::Overcommitted)),
        ("vllm serve: error: unrecognized arguments: --x", EngineFailureClass::StartRefused, None),
        ("NVRM: Xid (PCI:0000:3b:00): 79, pid=7", EngineFailureClass::Infrastructure, None),
        ("nothing to say", EngineFailureClass::Unclassified, None),
    ] {
        let engine = restarted(ENGINE, 1, ended(2, 30, 1, "Error", message), running(31));
        let deaths = read(&canary_pod("Running", engine, running(3))).engine.unwrap().deaths;
        assert_eq!((deaths[0].failure.class, deaths[0].failure.memory), (class, memory), "{message}");
    }
}

#[test]
fn a_cause_that_the_kubelet_names_goes_before_what_the_probe_saw() {
    let report = ProbeReport {
        deaths: vec![seen_death(30_400, EngineFailureClass::Crash, "died")],
        ..ProbeReport::new(ProbeEnding::EngineDied, "")
    };
    let with_reason = |reason: &str| {
        let engine = container(ENGINE, ended(2, 30, 137, reason, ""));
        read(&canary_pod("Succeeded", engine, reported(3, 30, &report))).engine.unwrap().deaths.remove(0)
    };
    assert_eq!(with_reason("OOMKilled").failure.class, EngineFailureClass::OutOfMemory);
    let by_probe = with_reason("Error");
    assert_eq!(by_probe.failure.class, EngineFailureClass::Crash);
    assert_eq!((by_probe.failure.exit_code, by_probe.at), (Some(137), Some(exact(30_400))));
}

#[test]
fn of_several_deaths_the_probe_explains_those_that_the_kubelet_has_forgotten() {
    let report = ProbeReport {
        deaths: vec![
            seen_death(20_000, EngineFailureClass::OutOfMemory, "first"),
            seen_death(40_000, EngineFailureClass::OutOfMemory, "second"),
            seen_death(60_000, EngineFailureClass::Unclassified, ""),
        ],
        ..report()
    };
    let engine = restarted(ENGINE, 3, ended(41, 60, 1, "Error", REFUSED), ended(61, 90, 0, "Completed", ""));
    let pod = canary_pod("Succeeded", engine, reported(3, 89, &report));
    assert_eq!(
        classes(&pod),
        [EngineFailureClass::OutOfMemory, EngineFailureClass::OutOfMemory, EngineFailureClass::StartRefusedForMemory,]
    );
}

#[test]
fn deaths_that_nobody_explains_stay_unclassified_and_none_is_lost() {
    let engine = restarted(ENGINE, 3, ended(41, 60, 1, "Error", OUT_OF_MEMORY), running(61));
    let pod = canary_pod("Running", engine, running(3));
    let unseen = EngineFailureClass::Unclassified;
    assert_eq!(classes(&pod), [unseen, unseen, EngineFailureClass::OutOfMemory]);
    assert_eq!(read(&pod).engine.unwrap().deaths[0].at, None);
}

#[test]
fn an_engine_that_waits_to_be_started_again_has_died_once_more_than_it_restarted() {
    let engine = restarted(ENGINE, 1, ended(31, 40, 1, "Error", REFUSED), waiting("CrashLoopBackOff"));
    let pod = canary_pod("Running", engine, running(3));
    assert_eq!(classes(&pod), [EngineFailureClass::Unclassified, EngineFailureClass::StartRefusedForMemory]);
    let first = restarted(ENGINE, 0, ended(2, 20, 1, "Error", REFUSED), waiting("CrashLoopBackOff"));
    assert_eq!(classes(&canary_pod("Running", first, running(3))), [EngineFailureClass::StartRefusedForMemory]);
}

#[test]
fn an_engine_that_ended_before_its_probe_died_by_itself() {
    let engine = |end: i64| container(ENGINE, ended(2, end, 1, "Error", OUT_OF_MEMORY));
    assert_eq!(classes(&canary_pod("Running", engine(30), running(3))), [EngineFailureClass::OutOfMemory]);
    let killed = ended(3, 31, 137, "Error", "");
    assert_eq!(classes(&canary_pod("Failed", engine(30), killed.clone())), [EngineFailureClass::OutOfMemory]);
    assert_eq!(classes(&canary_pod("Failed", engine(31), killed.clone())), []);
    assert_eq!(classes(&canary_pod("Failed", engine(32), killed)), []);
}

#[test]
fn an_engine_that_was_killed_for_memory_died_by_itself_also_where_its_server_outlived_the_probe() {
    let report = ProbeReport::new(ProbeEnding::Measured, "");
    let killed = |reason: &str| {
        let engine = container(ENGINE, ended(2, 32, 0, reason, ""));
        classes(&canary_pod("Succeeded", engine, reported(3, 31, &report)))
    };
    assert_eq!(killed("OOMKilled"), [EngineFailureClass::OutOfMemory]);
    assert_eq!(killed("Completed"), []);
}

#[test]
fn an_engine_that_ended_before_its_probe_began_died_unless_the_pod_was_ended() {
    let engine = || container(ENGINE, ended(2, 3, 1, "Error", REFUSED));
    let starting = canary_pod("Pending", engine(), waiting("PodInitializing"));
    assert_eq!(classes(&starting), [EngineFailureClass::StartRefusedForMemory]);
    assert_eq!(classes(&deleted(starting, 3)), []);
}

#[test]
fn a_guard_that_ends_its_engine_at_the_latest_instant_reports_no_death() {
    let message = format!("INFO serving\n{}", crate::probe::GUARD_STOP_MARK);
    let engine = container(ENGINE, ended(2, 30, 143, "Error", &message));
    assert_eq!(classes(&canary_pod("Failed", engine, ended(3, 31, 137, "Error", ""))), []);
}

#[test]
fn a_death_is_one_of_a_start_or_of_serving_by_when_the_engine_was_ready() {
    let traceback = "RuntimeError: Engine core initialization failed. See root cause above.";
    let class = |ready_at: Option<Timestamp>| {
        let report = ProbeReport {
            times: ProbeTimes { ready_at, ..ProbeTimes::default() },
            deaths: vec![seen_death(40_000, EngineFailureClass::Unclassified, "")],
            ..ProbeReport::new(ProbeEnding::EngineDied, "")
        };
        let engine = container(ENGINE, ended(2, 40, 1, "Error", traceback));
        classes(&canary_pod("Succeeded", engine, reported(3, 40, &report)))
    };
    assert_eq!(class(None), [EngineFailureClass::StartRefused]);
    assert_eq!(class(Some(exact(30_000))), [EngineFailureClass::Crash]);
    assert_eq!(class(Some(exact(40_500))), [EngineFailureClass::Crash], "the kubelet cuts to seconds");
    assert_eq!(class(Some(exact(42_000))), [EngineFailureClass::StartRefused], "ready only after this death");
}

#[test]
fn without_a_word_of_the_kubelet_the_probes_own_count() {
    let report = ProbeReport {
        deaths: vec![seen_death(20_000, EngineFailureClass::Crash, "x")],
        ..ProbeReport::new(ProbeEnding::EngineDied, "")
    };
    let pod = pod_of(&canary(), "Succeeded", &[preflight()], &[container(CONTAINER_PROBE, reported(3, 21, &report))]);
    let engine = read(&pod).engine.unwrap();
    assert_eq!((engine.restarts, engine.started, engine.deaths.len()), (None, false, 1));
}
