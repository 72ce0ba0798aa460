//! The shared vocabulary: values that more than one area speaks of.
//!
//! **What lives here**: names, quantities, durations as users write them, metrics, symptoms, verdicts, the environment
//! of a run, and the macro that declares documented reasons.
//!
//! **What must not**: any decision. A value can say what it is and how it is written, never what follows from it.

pub mod decimal;
pub mod digest;
pub mod duration;
pub mod environment;
pub mod identity;
pub mod metric;
pub mod nearest;
pub mod parameter;
pub mod reason;
pub mod run;
pub mod symptom;
pub mod verdict;

pub use decimal::Decimal;
pub use duration::{format_duration, parse_duration};
pub use environment::Environment;
pub use identity::{TargetReference, Uid};
pub use metric::Metric;
pub use nearest::nearest_name;
pub use parameter::{ParameterName, ParameterSet, ParameterValue};
pub use run::RunFacts;
pub use symptom::{Diagnosis, Severity, Symptom, SymptomKind};
pub use verdict::Verdict;
