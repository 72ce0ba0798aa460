//! The log: to standard error, as text or one JSON object per line, with a filter that can be changed while it runs.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use clap::ValueEnum;
use tracing_subscriber::{
    Layer as _, Registry, filter::Targets, fmt as form, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

use super::LogFilter;

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The filter of the log, to be changed. Clones are the same.
#[derive(Clone)]
pub struct LogControl {
    filter: Arc<Mutex<LogFilter>>,
    reload: reload::Handle<Targets, Registry>,
}

/// The log could not be begun, or changed: another one is in its place.
#[derive(Debug, thiserror::Error)]
#[error("the log can't be set up: {0}")]
pub struct LogError(String);

impl LogControl {
    /// A filter, and the layer that obeys it.
    fn new(filter: &LogFilter) -> (reload::Layer<Targets, Registry>, Self) {
        let (layer, reload) = reload::Layer::new(filter.targets());
        (layer, Self { filter: Arc::new(Mutex::new(filter.clone())), reload })
    }

    /// Begins the log of this process.
    ///
    /// # Errors
    /// [`LogError`] where there is one already.
    pub fn start(format: LogFormat, filter: &LogFilter) -> Result<Self, LogError> {
        let (layer, control) = Self::new(filter);
        let lines = form::layer().with_writer(std::io::stderr);
        let lines = match format {
            // Its span is that of the reconcile, with the ids; what is around it says nothing more.
            LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
            LogFormat::Text => lines.boxed(),
        };
        let log = tracing_subscriber::registry().with(layer).with(lines);
        log.try_init().map_err(|error| LogError(error.to_string()))?;
        Ok(control)
    }

    /// What is logged.
    pub fn filter(&self) -> LogFilter {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs by another filter from here on.
    ///
    /// # Errors
    /// [`LogError`] where the log has ended.
    pub fn set(&self, filter: LogFilter) -> Result<(), LogError> {
        self.reload.reload(filter.targets()).map_err(|error| LogError(error.to_string()))?;
        *self.filter.lock().unwrap_or_else(PoisonError::into_inner) = filter;
        Ok(())
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogControl").field("filter", &self.filter()).finish_non_exhaustive()
    }
}
