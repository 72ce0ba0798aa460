use std::{fs, sync::Arc};

use jiff::Timestamp;
use phaseloop_core::{
    audit::{AuditedObject, Transition},
    value::Uid,
};

use super::*;

/// Keeps what is written, and may refuse it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<(Vec<u8>, bool)>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        if state.1 {
            return Err(io::Error::other("closed"));
        }
        state.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn lines(&self) -> Vec<AuditRecord> {
        records_in(std::str::from_utf8(&self.0.lock().unwrap().0).unwrap())
    }
}

fn records_in(text: &str) -> Vec<AuditRecord> {
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn chain(count: usize) -> Vec<AuditRecord> {
    let mut records: Vec<AuditRecord> = Vec::new();
    for number in 0..count {
        let object = AuditedObject {
            kind: "PhaseRun".to_owned(),
            namespace: "chat".to_owned(),
            name: "nightly".to_owned(),
            uid: Uid::new("u"),
        };
        let transition = Transition {
            at: Timestamp::from_second(1).unwrap(),
            object,
            cycle: None,
            from: None,
            to: number.to_string(),
            reason: "R".to_owned(),
            message: "m\nwith a second line".to_owned(),
            evidence: Vec::new(),
        };
        let previous = records.last().map(|last| (last.sequence, last.hash.as_str()));
        let record = AuditRecord::following(previous, transition);
        records.push(record);
    }
    records
}

fn file(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("phaseloop-audit-{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

#[test]
fn records_go_to_both_places_once_each_on_a_line_of_their_own() {
    let (path, sink, records) = (file("both"), Sink::default(), chain(3));
    let log = AuditLog::open(sink.clone(), Some(&path)).unwrap();
    log.export(&records[..2]).unwrap();
    log.export(&records).unwrap();
    assert_eq!(sink.lines(), records);
    assert_eq!(records_in(&fs::read_to_string(&path).unwrap()), records);
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_restart_goes_on_after_the_last_record_of_the_file() {
    let (path, sink, records) = (file("restart"), Sink::default(), chain(3));
    AuditLog::open(Sink::default(), Some(&path)).unwrap().export(&records[..2]).unwrap();
    AuditLog::open(sink.clone(), Some(&path)).unwrap().export(&records).unwrap();
    assert_eq!(records_in(&fs::read_to_string(&path).unwrap()), records);
    assert_eq!(sink.lines(), records[2..]);
    fs::remove_file(&path).unwrap();
}

#[test]
fn without_a_file_what_standard_output_refuses_is_not_exported() {
    let sink = Sink::default();
    sink.0.lock().unwrap().1 = true;
    let log = AuditLog::open(sink.clone(), None).unwrap();
    assert!(log.export(&chain(1)).is_err());
    sink.0.lock().unwrap().1 = false;
    log.export(&chain(1)).unwrap();
    assert_eq!(sink.lines(), chain(1), "it was not taken for written");
}

#[test]
fn with_a_file_a_closed_standard_output_holds_nothing_up() {
    let (path, sink) = (file("closed"), Sink::default());
    sink.0.lock().unwrap().1 = true;
    AuditLog::open(sink, Some(&path)).unwrap().export(&chain(2)).unwrap();
    assert_eq!(records_in(&fs::read_to_string(&path).unwrap()), chain(2));
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_can_t_be_opened_is_an_error_at_the_start() {
    let folder = std::env::temp_dir().join("phaseloop-no-such-folder").join("cycles.jsonl");
    assert!(AuditLog::open(Sink::default(), Some(&folder)).is_err());
}
