//! The two steps of borrowing: taking a replica, and giving it back.
//!
//! The wish to give back is durable before the request that takes (`Remembered::InThisPlan`), with the resourceVersion which
//! that request tests. So whoever goes on after a crash can tell three cases apart: the note stands on the target, and what was
//! taken is given back; the target has moved on without the note, and the request can land no more; or the target is as it
//! was, and a request that was sent may yet land. Then nothing is settled before a fence has moved the target on.

use jiff::Timestamp;

use super::{BorrowObjection, GiveBackNote, Lender, objection};
use crate::{
    plan::{
        OwnObject,
        target::{Remembered, ReplicaBorrow, ReplicaReturn, TargetFence},
    },
    prelude::*,
};

/// What comes before a test pod that is to take the place of a replica.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BorrowStep {
    /// The replica is taken: the pod may be made.
    Borrowed,
    /// It is asked for.
    Ask(Box<ReplicaBorrow>),
    /// It can't be had now, or not at all.
    Refused(BorrowObjection),
}

/// What comes before a test pod that is to take the place of a replica.
pub fn borrow_step(lender: &Lender, borrower: &OwnObject, now: Timestamp) -> BorrowStep {
    if lender.lent_to(borrower).is_some() {
        return BorrowStep::Borrowed;
    }
    if let Some(objection) = objection(lender) {
        return BorrowStep::Refused(objection);
    }
    let note = GiveBackNote {
        borrower: borrower.clone(),
        from: lender.replicas,
        to: lender.replicas.saturating_sub(1),
        since: now,
    };
    BorrowStep::Ask(Box::new(ReplicaBorrow {
        target: lender.version.clone(),
        note,
        remembered: Remembered::InThisPlan,
    }))
}

/// What a borrower that needs no replica any more still owes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReturnStep {
    /// Nothing.
    Settled,
    /// The replica, or where somebody else has set the replicas, the note alone.
    Return(Box<ReplicaReturn>),
    /// That a request which was sent can no longer land.
    Fence(Box<TargetFence>),
}

/// What a borrower that needs no replica any more still owes. `asked_at` is the resourceVersion that its remembered request
/// tests; absent where it remembers none. A target that is gone has nothing to get back.
pub fn return_step(lender: Option<&Lender>, borrower: &OwnObject, asked_at: Option<&str>) -> ReturnStep {
    let Some(lender) = lender else { return ReturnStep::Settled };
    if let Some(note) = lender.lent_to(borrower) {
        let target = lender.version.clone();
        return ReturnStep::Return(Box::new(ReplicaReturn { target, note: note.clone(), replicas: lender.replicas }));
    }
    if asked_at == Some(lender.version.resource_version.as_str()) {
        let target = lender.version.clone();
        return ReturnStep::Fence(Box::new(TargetFence { target, promotion: borrower.uid.clone() }));
    }
    ReturnStep::Settled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        borrow::{
            BorrowReason, LendersNote,
            fixture::{borrower, lender, note},
        },
        value::Uid,
    };

    const NOW: &str = "2026-03-04T03:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn other() -> OwnObject {
        OwnObject { uid: Uid::new("uid-other"), ..borrower() }
    }

    #[test]
    fn one_replica_is_asked_for_and_what_is_to_be_given_back_goes_with_it() {
        let BorrowStep::Ask(asked) = borrow_step(&lender(), &borrower(), now()) else { panic!("not asked") };
        assert_eq!(asked.note, note());
        assert_eq!((asked.target.resource_version.as_str(), asked.remembered), ("5", Remembered::InThisPlan));
    }

    #[test]
    fn what_was_taken_is_not_taken_again() {
        // One replica is left, which would speak against taking another.
        let lent = Lender { replicas: 1, ready: 1, note: LendersNote::Lent(note()), ..lender() };
        assert_eq!(borrow_step(&lent, &borrower(), now()), BorrowStep::Borrowed);
        let refused = |step| matches!(step, BorrowStep::Refused(_));
        assert!(refused(borrow_step(&lent, &other(), now())), "an object made anew is another borrower");
        let three = Lender { replicas: 3, ready: 3, ..lent };
        match borrow_step(&three, &other(), now()) {
            BorrowStep::Refused(objection) => assert_eq!(objection.reason, BorrowReason::LentAlready),
            step => panic!("{step:?}"),
        }
    }

    #[test]
    fn what_was_taken_is_given_back_if_nobody_else_has_set_the_replicas() {
        for (replicas, after, conflict) in [(1, 2, false), (2, 2, false), (5, 5, true), (0, 0, true)] {
            let lent = Lender { replicas, note: LendersNote::Lent(note()), ..lender() };
            let ReturnStep::Return(back) = return_step(Some(&lent), &borrower(), None) else { panic!("{replicas}") };
            assert_eq!((back.replicas, back.replicas_after(), back.is_conflict()), (replicas, after, conflict));
        }
    }

    #[test]
    fn nothing_is_owed_for_what_another_has_taken_or_for_a_target_that_is_gone() {
        let lent = Lender { replicas: 1, note: LendersNote::Lent(note()), ..lender() };
        assert_eq!(return_step(Some(&lent), &other(), None), ReturnStep::Settled);
        assert_eq!(return_step(None, &borrower(), Some("5")), ReturnStep::Settled);
    }

    #[test]
    fn a_request_that_may_yet_land_is_fenced_and_one_that_can_land_no_more_is_not() {
        let ReturnStep::Fence(fence) = return_step(Some(&lender()), &borrower(), Some("5")) else { panic!("no fence") };
        assert_eq!(fence.text(), "uid-nightly@5");
        assert_eq!(return_step(Some(&lender()), &borrower(), Some("4")), ReturnStep::Settled);
        assert_eq!(return_step(Some(&lender()), &borrower(), None), ReturnStep::Settled);
    }
}
