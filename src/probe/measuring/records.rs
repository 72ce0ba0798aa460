//! The guard's records, as they are read while it writes them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::probe::guard::{GUARD_RECORD_VERSION, GuardRecord, guard_record_name};

/// The record of the engine's present run.
#[derive(Debug)]
pub(super) struct Records {
    folder: PathBuf,
    start: u64,
    seen: Option<(SystemTime, u64)>,
    /// The number of the run, and its record.
    record: Option<(u64, GuardRecord)>,
    /// What was wrong with a file, so that it is said once.
    complaint: Option<String>,
}

impl Records {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), start: 0, seen: None, record: None, complaint: None }
    }

    /// The record of the present run, read anew if it has changed; `None` before the guard's first word.
    pub(super) fn look(&mut self) -> Option<&GuardRecord> {
        let path = self.folder.join(guard_record_name(self.start));
        let stamp = fs::metadata(&path).and_then(|file| Ok((file.modified()?, file.len()))).ok()?;
        if self.seen != Some(stamp) {
            self.seen = Some(stamp);
            match read(&path) {
                Ok(record) => self.record = Some((self.start, record)),
                Err(problem) if self.complaint.as_ref() == Some(&problem) => {}
                Err(problem) => {
                    eprintln!("{problem}");
                    self.complaint = Some(problem);
                }
            }
        }
        self.record.as_ref().filter(|(start, _)| *start == self.start).map(|(_, record)| record)
    }

    /// Whether a later run has begun: then nobody writes down the end of this one. A container that is killed as a whole leaves
    /// no last word.
    pub(super) fn is_superseded(&self) -> bool {
        self.folder.join(guard_record_name(self.start + 1)).exists()
    }

    /// The engine's next run is the present one from now on.
    pub(super) fn turn_over(&mut self) {
        (self.start, self.seen) = (self.start + 1, None);
    }

    /// The last record that was read, of whichever run.
    pub(super) fn last(&self) -> Option<&GuardRecord> {
        self.record.as_ref().map(|(_, record)| record)
    }
}

fn read(path: &Path) -> Result<GuardRecord, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let record: GuardRecord =
        serde_json::from_str(&text).map_err(|error| format!("{} is no record: {error}", path.display()))?;
    if record.version == GUARD_RECORD_VERSION {
        return Ok(record);
    }
    Err(format!("{} has version {}, expected {GUARD_RECORD_VERSION}", path.display(), record.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, start: u64, head: &str) {
        let record = GuardRecord {
            version: GUARD_RECORD_VERSION,
            started_at: "2026-03-04T02:00:00Z".parse().unwrap(),
            end: None,
            gpu: None,
            gpu_memory_used_mib_max: None,
            head: head.to_owned(),
            evidence: String::new(),
            tail: String::new(),
        };
        fs::write(folder.join(guard_record_name(start)), serde_json::to_string(&record).unwrap()).unwrap();
    }

    #[test]
    fn each_run_has_its_record_and_the_last_one_read_stays() {
        let folder = std::env::temp_dir().join(format!("phaseloop-records-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let mut records = Records::new(&folder);
        let head = |record: Option<&GuardRecord>| record.map(|record| record.head.clone());
        assert_eq!(head(records.look()), None, "before the guard's first word");
        write(&folder, 0, "a");
        assert_eq!(head(records.look()).as_deref(), Some("a"));
        write(&folder, 0, "changed");
        assert_eq!(head(records.look()).as_deref(), Some("changed"));
        records.turn_over();
        assert_eq!((head(records.look()), head(records.last()).as_deref()), (None, Some("changed")));
        fs::write(folder.join(guard_record_name(1)), "{").unwrap();
        assert_eq!(head(records.look()), None, "half a record is none");
        assert!(!records.is_superseded());
        write(&folder, 1, "second");
        write(&folder, 2, "third");
        assert_eq!((head(records.look()).as_deref(), records.is_superseded()), (Some("second"), true));
        drop(fs::remove_dir_all(&folder));
    }
}
