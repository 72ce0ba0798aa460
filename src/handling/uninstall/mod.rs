//! `phaseloop uninstall`: nothing more begins, tests end, unvalidated promotions are rolled back, what is borrowed is given
//! back, the operator goes, and no finalizer of ours keeps an object or a namespace from going.
//!
//! **What lives here**: what is read (`observe`), what is still to be asked for and still owed (`judge`, pure), the order of
//! it all (`leave`), and winding up in the place of an operator that is gone (`wind_up`).
//!
//! **What must not**: a second way of rolling back or releasing: the controllers do it, in the operator or, where it is dead,
//! in this process. Objects stay: they are evidence, and the definitions' removal is the administrator's.

mod judge;
mod leave;
mod observe;
mod wind_up;

pub use judge::{Act, Owed, acts, owed};
pub use leave::{Leaving, UninstallTerms, uninstall};
pub use observe::{Installation, observe_installation};
