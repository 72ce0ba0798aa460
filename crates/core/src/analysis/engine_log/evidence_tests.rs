//! Lines of every kind, in every order, and the same class from the few that are kept.

use proptest::prelude::*;

use super::*;
use crate::analysis::engine_log::classify_engine_end;

const RECORDED: [&str; 2] = [
    include_str!("../../../tests-data/engine/engine-died-exit-0.log"),
    include_str!("../../../tests-data/engine/refused-memory.log"),
];

/// One line of each kind of evidence.
const KINDS: [&str; EVIDENCE_LINES_MAX] = [
    "(APIServer pid=1) INFO 11-23 01:46:32 [launcher.py:1] Starting vLLM server on http://0.0.0.0:8000",
    "(EngineCore pid=7) INFO 11-23 01:46:32 [cpu_worker.py:210] Auto set (1/2 GiB)",
    "RuntimeError: something nobody has heard of",
    "CUDA error: uncorrectable ECC error encountered",
    "No available memory for the cache blocks.",
    "Free memory on device cuda:0 (1/2 GiB) on startup is less than desired GPU memory utilization (0.9, 2 GiB).",
    "is less than requested memory for kv (much/1 GiB)",
    "CUDA out of memory. Tried to allocate 2.00 GiB.",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "No CUDA GPUs are available",
    "Timed out waiting for engine core processes to start.",
    "vllm: error: unrecognized arguments: --max-num-sqs 32",
    "EngineCore failed to start.",
    "EngineCore encountered a fatal error.",
    "(APIServer pid=1) INFO 11-23 01:46:32 [launcher.py:1] [shutdown] API server: shutdown triggered",
];

/// Lines that are no evidence of anything.
const OTHERS: [&str; 4] = [
    "",
    "  File \"/usr/lib/python3.12/asyncio/queues.py\", line 186, in get",
    "(APIServer pid=1) INFO 11-23 01:46:32 [loggers.py:1] a request says: CUDA out of memory",
    "(APIServer pid=1) ERROR 11-23 01:46:32 [serving.py:1] Error in chat completion stream generator.",
];

fn kept(output: &str) -> EvidenceLines {
    let mut lines = EvidenceLines::default();
    output.lines().for_each(|line| lines.take(line));
    lines
}

#[test]
fn of_each_kind_of_evidence_the_first_line_is_kept_and_nothing_else() {
    let output = [KINDS.as_slice(), &OTHERS, &KINDS, &["RuntimeError: another one"]].concat().join("\n");
    assert_eq!(kept(&output).text().lines().collect::<Vec<_>>(), KINDS);
}

#[test]
fn what_is_kept_never_exceeds_its_bound() {
    let long = KINDS.map(|line| format!("{line}{}", "ä".repeat(EVIDENCE_LINE_BYTES_MAX)));
    let lines = kept(&long.join("\n"));
    assert_eq!(lines.text().lines().count(), EVIDENCE_LINES_MAX);
    assert!(lines.text().len() <= EVIDENCE_BYTES_MAX, "{}", lines.text().len());
    let longest = format!("{} OutOfMemoryError", "x".repeat(EVIDENCE_LINE_BYTES_MAX - 17));
    assert_eq!((longest.len(), kept(&longest).text().len()), (EVIDENCE_LINE_BYTES_MAX, EVIDENCE_LINE_BYTES_MAX + 1));
    assert_eq!(kept(&format!("x{longest}")).text(), "", "a letter later it is not read");
}

#[test]
fn a_recorded_death_is_classified_the_same_by_its_few_lines() {
    for output in RECORDED {
        let lines = kept(output);
        assert!(lines.text().len() * 4 < output.len(), "{}", lines.text());
        let class = |output: &str| classify_engine_end(Some(1), None, None, output);
        assert_eq!(class(lines.text()), class(output));
    }
}

#[test]
fn what_an_orderly_end_prints_is_kept_as_no_cause_of_it() {
    let [stop, died, exception] = [KINDS[14], KINDS[13], KINDS[2]];
    assert_eq!(kept(&[stop, died, exception].join("\n")).text(), format!("{stop}\n"));
    assert_eq!(kept(&[stop, KINDS[7]].join("\n")).text(), format!("{stop}\n{}\n", KINDS[7]));
}

proptest! {
    #[test]
    fn the_lines_that_are_kept_decide_as_the_whole_output_does(
        places in prop::collection::vec(0..KINDS.len() + OTHERS.len(), 0..40),
        exit_code in prop::option::of(prop::sample::select(vec![0, 1, 134, 137, 143])),
        became_ready in prop::option::of(any::<bool>()),
        reason in prop::option::of(prop::sample::select(vec!["OOMKilled", "Error"])),
    ) {
        let lines: Vec<&str> = places.iter().filter_map(|place| KINDS.iter().chain(&OTHERS).nth(*place).copied()).collect();
        let output = lines.join("\n");
        let class = |output: &str| classify_engine_end(exit_code, reason, became_ready, output);
        prop_assert_eq!(class(kept(&output).text()), class(&output));
    }
}
