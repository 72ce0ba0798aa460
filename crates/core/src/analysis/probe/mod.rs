//! What a probe says of the engine that it tested: the termination message of its container.
//!
//! **What lives here**: the report, its text in at most a given number of bytes, and reading it back.
//!
//! **What must not**: raw samples (they stay with the pod), measuring, what the kubelet knows of the pod, and any
//! judgement of the figures.

mod encoder;
mod fields;
mod report;
mod text;

pub use encoder::{MESSAGE_BYTES_DEFAULT, ReportPart};
pub use fields::PROBE_REPORT_FIELDS;
pub use report::{
    DEATHS_MAX, DETAIL_LENGTH_MAX, MetricSpread, ProbeEnding, ProbeReport, ProbeTimes, ReportedDeath, ReportedEngine,
    ReportedGPU, ReportedMetric,
};
pub use text::ProbeReportError;
