//! The record of one start of the engine, as a file.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::super::guard::{GuardRecord, guard_record_name};

/// Everybody may read it: the probe runs as another user than the engine.
const RECORD_MODE: u32 = 0o644;
/// Most starts that are told apart: the kubelet doubles its pause with each restart, and a test is over long before.
const STARTS_MAX: u64 = 1_000;

/// The file of one start.
#[derive(Debug)]
pub(super) struct RecordFile {
    path: PathBuf,
    written: Option<GuardRecord>,
}

impl RecordFile {
    /// The first number that no start has taken. The file is made at once, so that nobody else takes it.
    ///
    /// # Errors
    /// The folder can't be written.
    pub(super) fn take(folder: &Path, record: &GuardRecord) -> io::Result<Self> {
        for start in 0..STARTS_MAX {
            let path = folder.join(guard_record_name(start));
            let partial = partial_path(&path);
            write_readable(&partial, record)?;
            // A hard link refuses a name that is taken, and shows the file whole.
            let taken = fs::hard_link(&partial, &path);
            fs::remove_file(&partial)?;
            match taken {
                Ok(()) => return Ok(Self { path, written: Some(record.clone()) }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!("the engine was started {STARTS_MAX} times")))
    }

    /// Replaces the file if the record has changed.
    ///
    /// # Errors
    /// It can't be written; the one that stands is whole.
    pub(super) fn write(&mut self, record: &GuardRecord) -> io::Result<()> {
        if self.written.as_ref() == Some(record) {
            return Ok(());
        }
        let partial = partial_path(&self.path);
        write_readable(&partial, record)?;
        fs::rename(&partial, &self.path)?;
        self.written = Some(record.clone());
        Ok(())
    }
}

fn partial_path(path: &Path) -> PathBuf {
    path.with_extension("partial")
}

fn write_readable(path: &Path, record: &GuardRecord) -> io::Result<()> {
    fs::write(path, serde_json::to_vec(record)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(RECORD_MODE))
}
