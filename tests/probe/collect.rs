//! `phaseloop collect`.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    process::Child,
};

use phaseloop::probe::CollectRequest;
use phaseloop_core::analysis::report::{CollectorSummary, RejectionReason};
use rustix::process::Signal;

use crate::support::{Folder, catches_endings, ended, send, wait_until};

const MESSAGE_BYTES: usize = 2_048;

/// A collector that has begun to read: whoever ends it sooner ends it before it listens.
fn start(folder: &Folder) -> Child {
    let report = folder.path("report.jsonl").to_str().unwrap().to_owned();
    let request = CollectRequest { report, message_bytes: MESSAGE_BYTES };
    let child = folder.program(&request.words()).spawn().unwrap();
    wait_until("the collector's handlers of signals", || catches_endings(&child));
    child
}

fn summary_of(folder: &Folder, child: Child) -> CollectorSummary {
    send(&child, Signal::TERM);
    let (code, _, errors) = ended(child);
    assert_eq!(code, 0, "{errors}");
    assert!(folder.message().len() <= MESSAGE_BYTES);
    CollectorSummary::read(&folder.message()).unwrap_or_else(|error| panic!("{error}: {}", folder.message()))
}

fn row(test: usize, status: &str) -> String {
    format!("{{\"domain\":\"checkout\",\"test_id\":\"t{test}\",\"status\":\"{status}\",\"latency_ms\":{test}}}\n")
}

#[test]
fn a_growing_report_is_summarised_when_the_collector_is_told_to_end() {
    let folder = Folder::new();
    let child = start(&folder);
    for part in 0..10 {
        let rows: String = (0..100).map(|test| row(part * 100 + test + 1, "pass")).collect();
        let mut report = OpenOptions::new().create(true).append(true).open(folder.path("report.jsonl")).unwrap();
        report.write_all(rows.as_bytes()).unwrap();
    }
    let summary = summary_of(&folder, child);
    assert_eq!((summary.rows_accepted, summary.rows_rejected()), (1_000, 0));
    assert_eq!(summary.domains["checkout"].tests.passed, 1_000);
}

#[test]
fn a_report_that_never_came_is_a_summary_without_rows() {
    let folder = Folder::new();
    let child = start(&folder);
    let summary = summary_of(&folder, child);
    assert_eq!((summary.rows_accepted, summary.domains.len()), (0, 0));
}

#[test]
fn broken_and_cut_off_rows_are_told_with_their_reasons() {
    let folder = Folder::new();
    let report = format!("{}no JSON\n{}{{\"domain\":\"chec", row(1, "pass"), row(2, "fail"));
    fs::write(folder.path("report.jsonl"), report).unwrap();
    let child = start(&folder);
    let summary = summary_of(&folder, child);
    assert_eq!(summary.rows_accepted, 2);
    let reasons: Vec<RejectionReason> = summary.rejected.keys().copied().collect();
    assert_eq!(reasons, [RejectionReason::BrokenJson, RejectionReason::TruncatedRow]);
}

#[test]
fn an_interrupt_ends_a_collector_as_well() {
    let folder = Folder::new();
    fs::write(folder.path("report.jsonl"), row(1, "pass")).unwrap();
    let child = start(&folder);
    send(&child, Signal::INT);
    assert_eq!(ended(child).0, 0);
    assert_eq!(CollectorSummary::read(&folder.message()).unwrap().rows_accepted, 1);
}
