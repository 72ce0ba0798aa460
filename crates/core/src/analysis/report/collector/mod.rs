//! What a collector container sends of a report: its summary as a termination message of bounded size.
//!
//! **What lives here**: the collected summary, its text in at most a given number of bytes, and reading it back.
//!
//! **What must not**: raw samples (they stay with the pod), and reading of reports.

mod collected;
mod encoder;
mod text;

pub use collected::{CollectedDomain, CollectedMetric, CollectedRejections, CollectorSummary};
pub use encoder::SUMMARY_BYTES_DEFAULT;
pub use text::CollectorSummaryError;
