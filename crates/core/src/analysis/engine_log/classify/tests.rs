use proptest::prelude::*;

use super::*;

const REFUSED_MEMORY: &str = include_str!("../../../../tests-data/engine/refused-memory.log");
const REFUSED_CACHE: &str = include_str!("../../../../tests-data/engine/refused-kv-too-small.log");
const DIED: &str = include_str!("../../../../tests-data/engine/engine-died-exit-0.log");
const STARTUP: &str = include_str!("../../../../tests-data/engine/startup.log");

use EngineFailureClass::{
    Crash, Infrastructure, OutOfMemory, StartRefused, StartRefusedForMemory, Timeout, Unclassified,
};
use MemoryFault::{Overcommitted, Starved};

const OOM_LINE: &str =
    "(EngineCore pid=7) ERROR 1 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB";
const DEATH_LINE: &str = "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.";
const XID_LINE: &str = "NVRM: Xid (PCI:0000:3b:00): 79, pid=7, GPU has fallen off the bus.";

fn class_of(exit_code: i32, ready: Option<bool>, output: &str) -> EngineFailureClass {
    classify_engine_end(Some(exit_code), None, ready, output).class
}

#[test]
fn a_recorded_refusal_for_too_small_a_share_is_starved() {
    let failure = classify_engine_end(Some(1), None, Some(false), REFUSED_MEMORY);
    assert_eq!((failure.class, failure.memory), (StartRefusedForMemory, Some(Starved)));
    assert_eq!(failure.exit_code, Some(1));
    assert_eq!(
        failure.message,
        "ValueError: Available memory on node 0 (12.82/14.59 GiB) on kv cache allocation is less than requested memory \
         for kv (-0.88/0.15 GiB). Reduce CPU memory used by other processes."
    );
}

#[test]
fn a_recorded_refusal_for_too_small_a_cache_is_starved() {
    let failure = classify_engine_end(Some(1), None, None, REFUSED_CACHE);
    assert_eq!((failure.class, failure.memory), (StartRefusedForMemory, Some(Starved)));
    assert!(failure.message.starts_with("ValueError: To serve at least one request"), "{}", failure.message);
    assert_eq!(failure.message.chars().count(), 300);
}

#[test]
fn a_recorded_death_with_exit_code_0_is_a_crash() {
    let failure = classify_engine_end(Some(0), None, Some(true), DIED);
    assert_eq!((failure.class, failure.memory, failure.exit_code), (Crash, None, Some(0)));
    assert_eq!(failure.message, "[shutdown] MPClient: engine core exited unexpectedly; starting cleanup");
    let with_cause = format!("{OOM_LINE}\n{DIED}");
    let failure = classify_engine_end(Some(0), Some("Completed"), Some(true), &with_cause);
    assert_eq!((failure.class, failure.memory), (OutOfMemory, Some(Overcommitted)));
    assert!(failure.message.starts_with("torch.OutOfMemoryError: "), "{}", failure.message);
}

#[test]
fn an_orderly_end_says_nothing_and_is_no_pass() {
    for exit_code in [Some(0), Some(1), Some(143), None] {
        let failure = classify_engine_end(exit_code, None, Some(true), STARTUP);
        assert_eq!((failure.class, failure.memory, failure.exit_code), (Unclassified, None, exit_code));
        assert_eq!(failure.message, "");
    }
}

#[test]
fn a_death_counts_before_the_request_to_end_and_not_after() {
    assert!(STARTUP.contains("EngineDeadError"), "the recording ends while requests are served");
    let stop = "(APIServer pid=1) INFO 11-23 01:47:18 [launcher.py:254] [shutdown] API server: shutdown triggered";
    assert_eq!(class_of(0, Some(true), &format!("{stop}\n{DEATH_LINE}")), Unclassified);
    assert_eq!(class_of(0, Some(true), &format!("{DEATH_LINE}\n{stop}")), Crash);
    assert_eq!(class_of(1, Some(false), &format!("{stop}\nEngineCore failed to start.")), Unclassified);
    assert_eq!(class_of(1, Some(true), &format!("{stop}\nValueError: x")), Unclassified);
    assert_eq!(class_of(1, Some(true), &format!("ValueError: x\n{stop}")), Crash);
    assert_eq!(class_of(0, Some(true), &format!("{stop}\n{OOM_LINE}")), OutOfMemory, "a cause stays a cause");
    let quoted = format!("(APIServer pid=1) INFO 1 [logger.py:1] prompt: '{stop}'\n{DEATH_LINE}");
    assert_eq!(class_of(0, Some(true), &quoted), Crash);
}

#[test]
fn the_kubelets_reason_goes_first() {
    for (reason, class) in [
        ("OOMKilled", OutOfMemory),
        ("DeadlineExceeded", Timeout),
        ("Evicted", Infrastructure),
        ("NodeLost", Infrastructure),
        ("StartError", Infrastructure),
        ("ImagePullBackOff", Infrastructure),
    ] {
        for output in ["", XID_LINE, REFUSED_MEMORY] {
            let failure = classify_engine_end(Some(139), Some(reason), Some(true), output);
            assert_eq!(failure.class, class, "{reason}");
            assert_eq!(failure.message, format!("kubelet: {reason}"));
        }
    }
    for reason in ["Error", "Completed", "CrashLoopBackOff", ""] {
        assert_eq!(classify_engine_end(Some(139), Some(reason), Some(true), "").class, Crash, "{reason}");
    }
}

#[test]
fn main_memory_is_the_engines_own_only_on_the_cpu_engine() {
    let killed = |output: &str| classify_engine_end(Some(137), Some("OOMKilled"), Some(true), output).memory;
    assert_eq!(killed(STARTUP), Some(Overcommitted));
    assert_eq!(killed("Available KV cache memory: 55.30 GiB"), None);
    let allocation = |output: &str| classify_engine_end(Some(134), None, Some(true), output);
    let failure = allocation("terminate called after throwing an instance of 'std::bad_alloc'");
    assert_eq!((failure.class, failure.memory), (OutOfMemory, None));
    let failure = allocation("CPU KV cache size: 1 tokens\nstd::bad_alloc");
    assert_eq!((failure.class, failure.memory), (OutOfMemory, Some(Overcommitted)));
}

#[test]
fn a_fault_signal_is_a_crash_and_a_stop_before_ready_took_too_long() {
    for signal in [4, 6, 7, 8, 11] {
        for ready in [None, Some(false), Some(true)] {
            assert_eq!(class_of(128 + signal, ready, ""), Crash, "{signal}");
        }
        assert_eq!(class_of(signal, Some(true), ""), Unclassified, "{signal}");
    }
    for exit_code in [137, 143] {
        assert_eq!(class_of(exit_code, Some(false), ""), Timeout);
        assert_eq!(class_of(exit_code, Some(true), ""), Unclassified);
        assert_eq!(class_of(exit_code, None, ""), Unclassified);
    }
    for exit_code in [129, 131, 133, 140, 142, 144, 255, -11, i32::MIN] {
        assert_eq!(class_of(exit_code, Some(false), ""), Unclassified, "{exit_code}");
    }
    let failure = classify_engine_end(Some(134), None, Some(true), DEATH_LINE);
    assert_eq!((failure.class, failure.message.as_str()), (Crash, DEATH_LINE));
}

#[test]
fn a_cause_in_the_output_tells_more_than_a_signal() {
    assert_eq!(class_of(134, Some(true), OOM_LINE), OutOfMemory);
    assert_eq!(class_of(139, Some(true), XID_LINE), Infrastructure);
    assert_eq!(class_of(143, Some(false), REFUSED_MEMORY), StartRefusedForMemory);
    assert_eq!(class_of(143, Some(false), "EngineCore failed to start."), Timeout);
}

#[test]
fn faulty_hardware_never_counts_against_the_configuration() {
    for output in [REFUSED_MEMORY, REFUSED_CACHE, DIED, OOM_LINE] {
        let output = format!("{output}\n{XID_LINE}\n");
        let failure = classify_engine_end(Some(1), None, Some(true), &output);
        assert_eq!((failure.class, failure.memory), (Infrastructure, None));
        assert_eq!(failure.message, XID_LINE);
    }
}

#[test]
fn a_refusal_goes_before_the_allocation_that_failed_beside_it() {
    let output = format!("{OOM_LINE}\n{REFUSED_CACHE}");
    assert_eq!(class_of(1, Some(false), &output), StartRefusedForMemory);
}

#[test]
fn what_the_node_or_the_network_did_is_infrastructure() {
    for line in ["OSError: [Errno 28] No space left on device", "RuntimeError: No CUDA GPUs are available"] {
        let output = format!("{line}\nRuntimeError: Engine core initialization failed.");
        assert_eq!(class_of(1, Some(false), &output), Infrastructure, "{line}");
    }
}

#[test]
fn an_engine_that_gave_up_waiting_timed_out() {
    let output = "TimeoutError: Timed out waiting for engine core processes to start.";
    assert_eq!(class_of(1, Some(false), output), Timeout);
}

#[test]
fn a_stated_refusal_keeps_its_first_exception() {
    let output = "(EngineCore pid=7) ERROR 1 [core.py:1] EngineCore failed to start.\n\
                  (EngineCore pid=7) ERROR 1 [core.py:1] Traceback (most recent call last):\n\
                  (EngineCore pid=7) ERROR 1 [core.py:1] OSError: /models/big does not exist\n\
                  RuntimeError: Engine core initialization failed. See root cause above.";
    for ready in [None, Some(false)] {
        let failure = classify_engine_end(Some(1), None, ready, output);
        assert_eq!((failure.class, failure.message.as_str()), (StartRefused, "OSError: /models/big does not exist"));
    }
    assert_eq!(class_of(1, Some(true), output), Crash);
    assert_eq!(class_of(1, None, &format!("Application startup complete.\n{output}")), Crash);
    let bare = classify_engine_end(Some(1), None, None, "EngineCore failed to start.");
    assert_eq!((bare.class, bare.message.as_str()), (StartRefused, "EngineCore failed to start."));
}

#[test]
fn a_flag_that_the_engine_does_not_know_is_a_refusal() {
    let output = "usage: vllm serve\nvllm serve: error: argument --max-num-seqs: invalid int value: 'x'";
    let failure = classify_engine_end(Some(2), None, Some(false), output);
    assert_eq!(failure.class, StartRefused);
    assert!(failure.message.ends_with("invalid int value: 'x'"));
}

#[test]
fn an_exception_alone_counts_by_whether_the_engine_was_ready() {
    let output = "Traceback (most recent call last):\nValueError: something else\nKeyError: later";
    assert_eq!(class_of(1, Some(true), output), Crash);
    assert_eq!(class_of(1, Some(false), output), StartRefused);
    assert_eq!(class_of(1, None, output), Unclassified);
    assert_eq!(class_of(0, Some(true), output), Unclassified);
    assert_eq!(class_of(0, Some(false), output), Unclassified);
    assert_eq!(classify_engine_end(None, None, Some(false), output).class, Unclassified);
    assert_eq!(classify_engine_end(Some(1), None, None, output).message, "ValueError: something else");
    let serving = format!("INFO:     Application startup complete.\n{output}");
    assert_eq!(class_of(1, None, &serving), Crash);
    assert_eq!(class_of(1, Some(false), &serving), StartRefused, "the observer knows better");
}

#[test]
fn a_non_zero_code_alone_is_unclassified() {
    for ready in [None, Some(false), Some(true)] {
        assert_eq!(class_of(1, ready, ""), Unclassified);
        assert_eq!(class_of(1, ready, "all is well"), Unclassified);
    }
}

#[test]
fn what_a_request_says_is_no_evidence() {
    let output = "(APIServer pid=1) INFO 1 [logger.py:1] Received request: prompt: 'CUDA out of memory. EngineDeadError'\n\
                  INFO:     \"POST /v1/completions?q=No available memory for the cache blocks HTTP/1.1\" 200 OK";
    assert_eq!(class_of(1, Some(true), output), Unclassified);
}

#[test]
fn reasons_of_the_cluster_are_sorted_and_said_once() {
    assert!(CLUSTER_REASONS.is_sorted());
    let unique: BTreeSet<_> = CLUSTER_REASONS.iter().collect();
    assert_eq!(unique.len(), CLUSTER_REASONS.len());
}

proptest! {
    #[test]
    fn no_output_makes_it_panic(exit_code: Option<i32>, ready: Option<bool>, output in "(?s).{0,200}") {
        let failure = classify_engine_end(exit_code, None, ready, &output);
        prop_assert_eq!(failure.exit_code, exit_code);
        prop_assert!(failure.message.chars().count() <= 300);
    }

    #[test]
    fn memory_has_a_direction_only_where_memory_failed(exit_code in 0..256_i32, ready: Option<bool>, lines in prop::collection::vec(prop::sample::select(vec![OOM_LINE, DEATH_LINE, XID_LINE, "No available memory for the cache blocks", "EngineCore failed to start.", "std::bad_alloc"]), 0..4)) {
        let failure = classify_engine_end(Some(exit_code), None, ready, &lines.join("\n"));
        if failure.memory.is_some() {
            prop_assert!(matches!(failure.class, OutOfMemory | StartRefusedForMemory));
        }
        if lines.contains(&XID_LINE) {
            prop_assert_eq!(failure.class, Infrastructure);
        }
    }
}
