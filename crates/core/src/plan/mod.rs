//! What a decision asks for: the plan, its intents, its order, and the names of what it makes.
//!
//! **What lives here**: [`Plan`] and [`Wake`], the closed list of [`Intent`]s with the data and the precondition of each,
//! the rules that every plan keeps ([`check_plan`]), ordered chains of policies, deterministic names, and the labels,
//! annotations and the finalizer that phaseloop writes.
//!
//! **What must not**: the decisions themselves (`policy`, `tuning`, `promotion`, `schedule`), built Kubernetes objects
//! and anything that carries an intent out (the shell).

pub mod chain;
pub mod check;
pub mod field;
pub mod intent;
pub mod label;
pub mod name;
pub mod object;
pub mod outline;
pub mod pod;
pub mod record;
pub mod target;
pub mod wake;

pub use chain::{Chain, Check, Violated};
pub use check::{PlanViolation, check_plan};
pub use field::{FieldAddress, FieldChange, FieldValue, OwnedField};
pub use intent::Intent;
pub use object::{OwnKind, OwnObject};
pub use outline::Plan;
pub use wake::Wake;
