//! Reader of PHASE reports: JSON lines, one object per test, as any test image writes them.
//!
//! **What lives here**: splitting bytes into rows, reading one row, rejecting rows with a reason and a place, what a
//! report adds up to per domain, the message in which a collector container tells it, and a generator of synthetic
//! reports for measurements.
//!
//! **What must not**: files (bytes are handed over in any pieces), and memory that grows with the report: each domain
//! keeps running summaries, and everything that could grow has a limit beside its use.

mod collector;
mod domain;
mod lines;
mod reader;
mod register;
mod rejection;
mod row;
mod summary;
pub mod synthetic;
mod unknown_field;

pub use collector::{
    CollectedDomain, CollectedMetric, CollectedRejections, CollectorSummary, CollectorSummaryError,
    SUMMARY_BYTES_DEFAULT,
};
pub use domain::{DomainReport, Identifiers, StatusCounts};
pub use lines::ROW_BYTES_MAX;
pub use reader::{DOMAINS_MAX, ReportReader, ReportSettings, read_report};
pub use register::TESTS_REGISTERED_MAX;
pub use rejection::{RejectedRow, RejectionReason, Rejections};
pub use row::{DOMAIN_NAME_LENGTH_MAX, IDENTIFIER_LENGTH_MAX, TestStatus};
pub use summary::ReportSummary;
pub use unknown_field::MisspeltField;
