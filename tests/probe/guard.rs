//! `phaseloop guard`.

use std::{io::Read as _, process::Child};

use jiff::Timestamp;
use phaseloop::probe::{
    GUARD_OUTPUT_BYTES, GUARD_STOP_MARK, GuardRecord, GuardRequest, REFUSED_EXIT_CODE, guard_record_name,
};
use rustix::process::Signal;

use crate::support::{Folder, ended, now, seconds_from_now, send, wait_until};

const MESSAGE_BYTES: usize = 400;

fn request(folder: &Folder, not_after: Timestamp, grace: &str, command: &[&str]) -> GuardRequest {
    GuardRequest {
        not_after,
        grace: grace.parse().unwrap(),
        records: folder.itself(),
        message_bytes: MESSAGE_BYTES,
        command: command.iter().map(|word| (*word).to_owned()).collect(),
    }
}

fn start(folder: &Folder, not_after: Timestamp, grace: &str, script: &str) -> Child {
    folder.program(&request(folder, not_after, grace, &["sh", "-c", script]).words()).spawn().unwrap()
}

fn run(folder: &Folder, script: &str) -> (i32, String, String) {
    ended(start(folder, seconds_from_now(3_600), "5s", script))
}

fn record(folder: &Folder, start: u64) -> Option<GuardRecord> {
    serde_json::from_str(&folder.text(&guard_record_name(start))).ok()
}

#[test]
fn output_and_exit_code_are_those_of_the_engine() {
    let folder = Folder::new();
    let before = now();
    let (code, output, errors) = run(&folder, "echo out; echo err >&2; exit 42");
    assert_eq!((code, output.as_str()), (42, "out\n"));
    assert!(errors.lines().any(|line| line == "err"), "{errors}");
    let record = record(&folder, 0).unwrap();
    let end = record.end.unwrap();
    assert_eq!((end.exit_code, end.at_latest_instant), (42, false));
    assert!(before <= record.started_at && record.started_at <= end.at && end.at <= now());
    let mut lines: Vec<&str> = record.head.lines().collect();
    lines.sort_unstable();
    assert_eq!((lines, record.tail.as_str()), (vec!["err", "out"], ""));
    assert_eq!(folder.mode("start-0.json"), 0o644);
    assert_eq!(folder.message().lines().count(), 2, "{}", folder.message());
}

#[test]
fn without_the_drivers_library_no_gpu_is_told() {
    let folder = Folder::new();
    let request = request(&folder, seconds_from_now(3_600), "5s", &["sh", "-c", "exec sleep 600"]);
    let errors = std::fs::File::create(folder.path("errors")).unwrap();
    let guard = folder.program(&request.words()).stderr(errors).spawn().unwrap();
    let is_unobserved = || folder.text("errors").contains("GPUUnobserved");
    wait_until("a word on the GPUs", || {
        is_unobserved() || record(&folder, 0).is_some_and(|record| record.gpu.is_some())
    });
    send(&guard, Signal::TERM);
    assert_eq!(ended(guard).0, 143);
    let record = record(&folder, 0).unwrap();
    let told = (record.gpu.is_some(), record.gpu_memory_used_mib_max.is_some());
    // On a machine with a driver there is a GPU to be told of.
    assert_eq!(told, if is_unobserved() { (false, false) } else { (true, true) });
}

#[test]
fn each_start_has_a_record_of_its_own() {
    let folder = Folder::new();
    for (start, code) in [(0, 1), (1, 0), (2, 3)] {
        assert_eq!(run(&folder, &format!("exit {code}")).0, code);
        assert_eq!(record(&folder, start).unwrap().end.unwrap().exit_code, code);
    }
    assert_eq!(record(&folder, 0).unwrap().end.unwrap().exit_code, 1, "those before stay as they are");
    assert!(record(&folder, 3).is_none());
}

#[test]
fn a_long_output_is_passed_on_whole_and_its_first_and_last_part_kept() {
    let folder = Folder::new();
    let lines = 20_000;
    let script = format!("i=0; while [ $i -lt {lines} ]; do echo \"line $i\"; i=$((i+1)); done");
    let (_, output, _) = run(&folder, &script);
    assert_eq!(output.lines().count(), lines);
    let record = record(&folder, 0).unwrap();
    assert!(record.head.starts_with("line 0\nline 1\n"));
    assert!(record.tail.ends_with("line 19999\n"));
    assert_eq!((record.head.len(), record.tail.len()), (GUARD_OUTPUT_BYTES, GUARD_OUTPUT_BYTES));
    let message = folder.message();
    assert!(message.ends_with("line 19999") && message.len() <= MESSAGE_BYTES, "{message}");
}

#[test]
fn the_lines_that_tell_why_are_kept_wherever_they_stand_and_whichever_stream_they_come_on() {
    let folder = Folder::new();
    let flood =
        "i=0; while [ $i -lt 2000 ]; do echo '  File \"site-packages/vllm/v1/engine\", line 1235'; i=$((i+1)); done";
    let said = "ValueError: No available memory for the cache blocks.";
    // The line is in the midst of its own stream, as the two are read side by side.
    let script = format!("{flood}; {{ {flood}; echo '{said}'; {flood}; }} >&2; {flood}; exit 1");
    let (code, ..) = run(&folder, &script);
    let record = record(&folder, 0).unwrap();
    assert!(!record.head.contains(said) && !record.tail.contains(said), "it stands in neither end");
    assert_eq!((code, record.evidence), (1, format!("{said}\n")));
    let message = folder.message();
    assert!(message.starts_with(said) && message.ends_with("line 1235") && message.len() <= MESSAGE_BYTES, "{message}");
}

#[test]
fn signals_are_passed_on_and_the_engine_decides() {
    let folder = Folder::new();
    let script = "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut guard = start(&folder, seconds_from_now(3_600), "5s", script);
    let mut first = [0; 6];
    guard.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"ready\n");
    send(&guard, Signal::TERM);
    let (code, output, _) = ended(guard);
    assert_eq!((code, output.as_str()), (9, "told\n"));
    assert!(!record(&folder, 0).unwrap().end.unwrap().at_latest_instant);
    assert!(!folder.message().contains(GUARD_STOP_MARK));
}

#[test]
fn an_engine_that_a_signal_ends_is_told_as_a_shell_tells_it() {
    let folder = Folder::new();
    assert_eq!(run(&folder, "kill -SEGV $$").0, 139);
    assert_eq!(record(&folder, 0).unwrap().end.unwrap().exit_code, 139);
}

#[test]
fn the_running_engine_has_a_record_without_an_end() {
    let folder = Folder::new();
    let guard = start(&folder, seconds_from_now(3_600), "5s", "echo begun; exec sleep 600");
    wait_until("the record of the running engine", || {
        record(&folder, 0).is_some_and(|record| record.end.is_none() && record.head == "begun\n")
    });
    send(&guard, Signal::TERM);
    assert_eq!(ended(guard).0, 143);
}

#[test]
fn at_its_latest_instant_an_engine_is_ended_with_all_that_it_started() {
    let folder = Folder::new();
    let child = folder.path("child");
    // Both ignore SIGTERM, as an engine that hangs: SIGKILL ends the group.
    let script =
        format!("trap '' TERM; sh -c 'echo $$ > {}; while :; do sleep 0.1; done' & wait; wait", child.display());
    let not_after = seconds_from_now(4);
    let guard = start(&folder, not_after, "1s", &script);
    wait_until("the engine's own process", || !folder.text("child").is_empty());
    let (code, ..) = ended(guard);
    assert_eq!(code, 137);
    assert!(now() >= not_after, "not before");
    let end = record(&folder, 0).unwrap().end.unwrap();
    assert!(end.at_latest_instant && end.at >= not_after, "{end:?}");
    assert_eq!(folder.message().lines().last(), Some(GUARD_STOP_MARK));
    wait_until("the end of what the engine started", || !is_running(folder.text("child").trim()));
}

#[test]
fn an_engine_that_obeys_ends_a_grace_before_its_latest_instant() {
    let folder = Folder::new();
    let not_after = seconds_from_now(63);
    let (code, output, _) = ended(start(&folder, not_after, "60s", "exec sleep 600"));
    // Too late already: 63 s are less than two graces.
    assert_eq!((code, output.as_str()), (REFUSED_EXIT_CODE, ""));
    assert!(record(&folder, 0).is_none(), "nothing was started");
    assert!(folder.message().contains("nothing may begin any more"), "{}", folder.message());

    let not_after = seconds_from_now(7);
    let (code, ..) = ended(start(&folder, not_after, "3s", "exec sleep 600"));
    assert_eq!(code, 143);
    let end = record(&folder, 0).unwrap().end.unwrap();
    assert!(end.at_latest_instant, "{end:?}");
    assert_eq!(folder.message().trim(), GUARD_STOP_MARK);
}

#[test]
fn a_command_that_is_not_there_is_the_engines_end_and_last_word() {
    let folder = Folder::new();
    let nowhere = folder.path("no-engine").to_str().unwrap().to_owned();
    let request = request(&folder, seconds_from_now(3_600), "5s", &[&nowhere]);
    let (code, ..) = ended(folder.program(&request.words()).spawn().unwrap());
    assert_eq!(code, 127);
    assert!(folder.message().contains("no-engine can't be started"), "{}", folder.message());
    assert_eq!(record(&folder, 0).unwrap().end.unwrap().exit_code, 127);
}

#[test]
fn the_engine_keeps_its_own_flags_even_where_they_are_ours() {
    let folder = Folder::new();
    let command = ["echo", "--help", "--", "--message", "x"];
    let request = request(&folder, seconds_from_now(3_600), "5s", &command);
    let (code, output, _) = ended(folder.program(&request.words()).spawn().unwrap());
    assert_eq!((code, output.as_str()), (0, "--help -- --message x\n"));
}

#[test]
fn orphans_of_the_engine_are_reaped() {
    let folder = Folder::new();
    let orphan = folder.path("orphan");
    // The middle process ends at once, so that the inner one is nobody's child but the guard's.
    let script = format!(
        "trap 'exit 0' TERM; sh -c 'sh -c \"echo \\$\\$ > {}\" & exit 0'; while :; do sleep 0.05; done",
        orphan.display()
    );
    let guard = start(&folder, seconds_from_now(3_600), "5s", &script);
    wait_until("the orphan", || !folder.text("orphan").trim().is_empty());
    let pid = folder.text("orphan").trim().to_owned();
    wait_until("the orphan's end without a trace", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    send(&guard, Signal::TERM);
    assert_eq!(ended(guard).0, 0);
}

/// Whether a process runs; one that has ended and waits to be reaped does not.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}
