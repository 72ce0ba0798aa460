//! The lease of the leader: who may begin something.
//!
//! **What lives here**: what follows from a Lease that was read ([`decide`](mod@decide)), the loop that asks for it and keeps it
//! ([`LeaseKeeper`]), and the answer to "do I lead" ([`HeldLease`]), which ends by the clock and needs nobody to end it.
//!
//! **What must not**: what a leader does. A lease fences nothing: whoever was stopped between asking and writing still
//! writes. What protects is in the writes themselves, which test a resourceVersion or take a name.

pub mod decide;
mod held;
mod keeper;
mod terms;

pub use decide::{LeaseStep, LeaseView, decide, released};
pub use held::HeldLease;
pub use keeper::{KeeperParts, LeaseKeeper};
pub use terms::{LEASE_CALL_TIMEOUT, LeasePlace, LeaseTerms, LeaseTermsError};
