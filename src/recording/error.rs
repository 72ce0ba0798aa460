//! What can be wrong with a recording, with the place and the remedy.

use std::path::{Path, PathBuf};

/// A recording can't be read. Nothing was judged and nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}\n  remedy: {remedy}", path.display())]
pub struct RecordingError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong, with line and column or field where they are known.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}

impl RecordingError {
    pub(crate) fn new(path: &Path, problem: impl Into<String>, remedy: &'static str) -> Self {
        Self { path: path.to_owned(), problem: problem.into(), remedy }
    }

    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::new(path, format!("can't be read: {error}"), "check that it exists and that you may read it")
    }
}
