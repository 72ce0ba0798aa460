//! Where audit records go: to standard output always, to a file besides if one is named. One JSON object per line.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use phaseloop_core::audit::AuditRecord;

use crate::cluster::execute::AuditExport;

/// Hashes of records that are remembered, so that a record which is handed over again is not written again. That happens
/// where the object was not deleted after its export, so within seconds or after a restart. 64 bytes each: 512 KiB.
const REMEMBERED_MAX: usize = 4096;
/// How much of an existing file is read at the start to remember what it holds last. Records have up to 8 KiB.
const TAIL_BYTES_MAX: u64 = 8 << 20;

/// Writes audit records down.
pub struct AuditLog {
    state: Mutex<State>,
}

struct State {
    standard: Box<dyn Write + Send>,
    file: Option<File>,
    order: VecDeque<String>,
    known: BTreeSet<String>,
}

impl AuditLog {
    /// Records go to `standard`, and to the end of a file, which is made where it is missing.
    ///
    /// # Errors
    /// Where the file can't be written to or read.
    pub fn open(standard: impl Write + Send + 'static, file: Option<&Path>) -> io::Result<Self> {
        let mut state =
            State { standard: Box::new(standard), file: None, order: VecDeque::new(), known: BTreeSet::new() };
        if let Some(path) = file {
            let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
            state.remember_tail(&mut file)?;
            state.file = Some(file);
        }
        Ok(Self { state: Mutex::new(state) })
    }
}

impl State {
    fn remember_tail(&mut self, file: &mut File) -> io::Result<()> {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
        for line in BufReader::new(io::Read::by_ref(file).take(TAIL_BYTES_MAX)).split(b'\n') {
            // The first line may be the end of one, and what a person wrote into the file is none of ours.
            if let Ok(record) = serde_json::from_slice::<AuditRecord>(&line?) {
                self.remember(record.hash);
            }
        }
        Ok(())
    }

    fn remember(&mut self, hash: String) {
        if self.known.insert(hash.clone()) {
            self.order.push_back(hash);
        }
        while self.order.len() > REMEMBERED_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// With a file, the file is what counts; without one, standard output is.
    fn write(&mut self, records: &[AuditRecord]) -> io::Result<()> {
        for record in records {
            if self.known.contains(&record.hash) {
                continue;
            }
            let mut line = serde_json::to_vec(record)?;
            line.push(b'\n');
            if let Some(file) = &mut self.file {
                append(file, &line)?;
            }
            let told = self.standard.write_all(&line).and_then(|()| self.standard.flush());
            match told {
                Err(error) if self.file.is_none() => return Err(error),
                Err(error) => {
                    tracing::warn!(error = %error, "an audit record is in its file and not on standard output");
                }
                Ok(()) => {}
            }
            self.remember(record.hash.clone());
        }
        // What rests on the export is the deletion of the object: the file must hold it by then.
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }
}

/// Appends a whole line or nothing: half a line would spoil the next one as well.
fn append(file: &mut File, line: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(line).inspect_err(|_| drop(file.set_len(before)))
}

impl AuditExport for AuditLog {
    fn export(&self, records: &[AuditRecord]) -> io::Result<()> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).write(records)
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditLog")
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
