//! Borrowing one replica of a target for the time of a run: whether it may be taken, and when and how it is given back.
//!
//! **What lives here**: the target as a lender ([`Lender`]), the note that goes with what was taken ([`GiveBackNote`]), why
//! nothing is taken ([`BorrowObjection`]), and the two steps ([`borrow_step`], [`return_step`]).
//!
//! **What must not**: who needs a replica and until when (the run and the Escalation know), and requests (the shell).

pub mod lender;
pub mod note;
pub mod objection;
pub mod step;

pub use lender::{DisruptionBudget, Lender, LendersNote};
pub use note::GiveBackNote;
pub use objection::{BorrowObjection, BorrowReason, objection};
pub use step::{BorrowStep, ReturnStep, borrow_step, return_step};

#[cfg(test)]
mod fixture;
