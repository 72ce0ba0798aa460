//! Any bytes are a report: nothing panics, every row is counted, how the bytes are cut changes nothing, and the
//! collector's message keeps its limit and reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phaseloop_core::analysis::report::{CollectorSummary, ReportReader, ReportSettings, read_report};

fuzz_target!(|input: (u16, u16, &[u8])| {
    let (cut, limit, bytes) = input;
    let whole = read_report(bytes, ReportSettings::default());
    let rows = bytes.split(|byte| *byte == b'\n').count() as u64;
    assert!(whole.rows_accepted + whole.rows_rejected() <= rows);

    let (head, tail) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let mut reader = ReportReader::new(ReportSettings::default());
    reader.push(head);
    reader.push(tail);
    assert_eq!(reader.finish(), whole);

    let collected = CollectorSummary::of_report(&whole);
    let text = collected.write(usize::from(limit));
    assert!(text.len() <= usize::from(limit));
    if !text.is_empty() {
        let read = CollectorSummary::read(&text).expect("what was written reads back");
        assert_eq!(read.domains.len() as u64 + read.domains_left_out, collected.domains.len() as u64);
    }
    if let Ok(text) = core::str::from_utf8(bytes) {
        let _ = CollectorSummary::read(text);
    }
    for domain in whole.measurements() {
        assert!(domain.requests.completed + domain.requests.failed <= domain.requests.offered);
    }
});
