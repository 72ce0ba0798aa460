//! Where the lines go: to standard output, or into memory where a test runs the engine in its own process.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

/// Where an engine's lines go. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct Output(Sink);

#[derive(Debug, Clone)]
enum Sink {
    Standard,
    Kept(Arc<Mutex<String>>),
}

impl Output {
    /// Standard output.
    pub const fn standard() -> Self {
        Self(Sink::Standard)
    }

    /// Kept in memory, see [`Output::kept`].
    pub fn keeping() -> Self {
        Self(Sink::Kept(Arc::default()))
    }

    /// What was written so far; empty where it went to standard output.
    pub fn kept(&self) -> String {
        match &self.0 {
            Sink::Standard => String::new(),
            Sink::Kept(text) => text.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Writes text as it is. Who does not read a log ends no engine: what cannot be written is lost.
    pub(crate) fn write(&self, text: &str) {
        match &self.0 {
            Sink::Standard => {
                let mut standard = std::io::stdout().lock();
                drop(standard.write_all(text.as_bytes()).and_then(|()| standard.flush()));
            }
            Sink::Kept(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(text),
        }
    }
}
