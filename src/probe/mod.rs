//! What runs inside a test pod, and what it is told.
//!
//! **What lives here**: the requests that the builder of test pods (`workload`) writes and that the commands `preflight`,
//! `guard`, `probe` and `collect` read, in the one form in which they travel: a container's arguments; the record that a
//! guard leaves for the probe; the load that a workload stands for; and these four programs, each in a file or folder of
//! its own (`preflight`, `guarding/`, `collecting/`, `measuring/`).
//!
//! **What must not**: objects of Kubernetes and its client (a test pod has no token), judgement (the core's), the model of
//! an engine (the simulation's). What a probe answers is the core's `analysis::probe::ProbeReport`. Within it, what follows
//! from values alone stands apart from what reads clocks, sockets, signals and files.

mod argument;
mod clock;
mod collecting;
mod guard;
mod guarding;
pub mod load;
mod measuring;
mod message;
mod preflight;
mod request;
mod signal;

pub use argument::RequestError;
pub use collecting::collect;
pub use guard::{
    GUARD_OUTPUT_BYTES, GUARD_RECORD_VERSION, GUARD_STOP_MARK, GuardEnd, GuardRecord, GuardRequest, guard_record_name,
};
pub use guarding::guard;
pub use measuring::probe;
pub(crate) use message::{leave_message, tail};
pub use preflight::preflight;
pub use request::{
    CollectRequest, PROBE_REQUEST_VERSION, PreflightRequest, ProbeMode, ProbeRequest, REFUSED_EXIT_CODE, is_too_late,
    message_bytes_max, too_late_message,
};
