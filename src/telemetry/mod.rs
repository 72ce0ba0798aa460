//! What a running operator tells of itself: logs, metrics, probes.
//!
//! **What lives here**: the log and its filter, the table of metrics with their meaning, counters, the gauges that are
//! computed from watched objects when somebody asks, and the server of `/healthz`, `/readyz`, `/metrics`, `/loglevel`.
//!
//! **What must not**: decisions, requests to the API server, and names of objects in a label.

pub mod admin;
pub mod definition;
pub mod facts;
pub mod level;
pub mod log;
pub mod metrics;
pub mod page;
pub mod request;
pub mod state;

pub use admin::{AdminServer, Health};
pub use facts::ObjectFacts;
pub use level::LogFilter;
pub use log::{LogControl, LogFormat};
pub use metrics::Metrics;
pub use page::metrics_page;
pub use request::CountedService;
pub use state::{LoopState, StateSource};
