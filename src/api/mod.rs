//! The Kubernetes API of phaseloop: the five kinds of `phaseloop.dev/v1alpha1` and what is generated from them.
//!
//! **What lives here**: wire types, one file or folder per kind, with their defaults, bounds and CEL rules beside the
//! field; the CustomResourceDefinitions and the reference made of them.
//!
//! **What must not**: decisions (`phaseloop_core`), clients, clocks. No kind holds a PodSpec, and none refers to an
//! object of another namespace.
#![allow(unreachable_pub, reason = "the schema derive repeats each type inside a function, where `pub` reaches nobody")]
#![allow(
    clippy::duplicated_attributes,
    reason = "each printer column names its type and path: the lint reads that as repetition"
)]

pub mod analysis;
pub mod audit;
pub mod condition;
pub mod crds;
pub mod default;
pub mod duration;
pub mod escalation;
pub mod markdown;
pub mod parameter;
pub mod phase_run;
pub mod phase_schedule;
pub mod promotion;
pub mod quantity;
pub mod read;
pub mod reference;
pub mod schema;
pub mod selectable;
pub mod tuning_canary;
pub mod window;
pub mod workload;

pub use condition::{Condition, ConditionStatus, ConditionType};
pub use crds::{all_crds, crd_files, crds_yaml};
pub use duration::Duration;
pub use escalation::{Escalation, EscalationSpec, EscalationStatus};
pub use markdown::api_reference_markdown;
pub use phase_run::{PhaseRun, PhaseRunSpec, PhaseRunStatus};
pub use phase_schedule::{PhaseSchedule, PhaseScheduleSpec, PhaseScheduleStatus};
pub use promotion::{Promotion, PromotionSpec, PromotionStatus};
pub use read::{kind_of, read_object};
pub use selectable::OfTarget;
pub use tuning_canary::{TuningCanary, TuningCanarySpec, TuningCanaryStatus};

/// The group of every kind.
pub const GROUP: &str = "phaseloop.dev";
/// The only version.
pub const VERSION: &str = "v1alpha1";
