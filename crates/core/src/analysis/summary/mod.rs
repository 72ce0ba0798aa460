//! Summaries of samples: what is kept of figures that arrive one by one, or that a list holds.
//!
//! **What lives here**: mean and spread (Welford), the quantile sketch, and the streaming and the exact way to a
//! [`SampleSummary`](super::sample::SampleSummary).
//!
//! **What must not**: any reading of files or rows (`report`, `bench`), any judgement of the figures.

mod exact;
mod moments;
mod sketch;
mod streaming;

pub use exact::{ExactSummary, percentile, summarise_samples};
pub use moments::{Moments, SAMPLE_MAGNITUDE_MAX};
pub use sketch::{QuantileSketch, SKETCH_BINS_MAX, SKETCH_RELATIVE_ACCURACY, SketchError};
pub use streaming::StreamingSummary;
