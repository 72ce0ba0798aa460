//! What runs inside a test pod, and what it is told.
//!
//! **What lives here**: the requests that the builder of test pods (`workload`) writes and that the commands `preflight`,
//! `guard`, `probe` and `collect` read, in the one form in which they travel: a container's arguments; and the record
//! that a guard leaves for the probe.
//!
//! **What must not**: objects of Kubernetes, clients, judgement. What a probe answers is the core's
//! `analysis::probe::ProbeReport`.

mod argument;
mod guard;
mod request;

pub use argument::RequestError;
pub use guard::{
    GUARD_OUTPUT_BYTES, GUARD_RECORD_VERSION, GUARD_STOP_MARK, GuardEnd, GuardRecord, GuardRequest, guard_record_name,
};
pub use request::{
    CollectRequest, PROBE_REQUEST_VERSION, PreflightRequest, ProbeMode, ProbeRequest, REFUSED_EXIT_CODE,
    message_bytes_max,
};
