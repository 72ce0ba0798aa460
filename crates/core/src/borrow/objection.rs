//! What speaks against taking a replica from a target.

use super::{DisruptionBudget, Lender, LendersNote};
use crate::{prelude::*, promotion::observed::TargetManager, reasons};

reasons! {
    /// Why no replica is borrowed from a target.
    pub enum BorrowReason {
        /// Argo CD or Flux would put the replicas back.
        ReplicasManaged,
        /// A HorizontalPodAutoscaler, which KEDA makes too, sets the replicas.
        ReplicasAutoscaled,
        /// The target has fewer than two replicas: taking one would leave nobody to serve.
        TooFewReplicas,
        /// Another run has borrowed a replica of the target; its annotation says which.
        LentAlready,
        /// Not every replica of the target is ready, or fewer than two are.
        TooFewReady,
        /// A PodDisruptionBudget allows no disruption of the target's pods now.
        NoDisruptionAllowed,
    }
}

/// What speaks against it, in words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BorrowObjection {
    /// Which reason.
    pub reason: BorrowReason,
    /// The same with names and figures.
    pub message: String,
}

impl BorrowObjection {
    /// Whether somebody has to change something, else nothing comes of waiting.
    pub const fn is_lasting(&self) -> bool {
        match self.reason {
            BorrowReason::ReplicasManaged | BorrowReason::ReplicasAutoscaled | BorrowReason::TooFewReplicas => true,
            BorrowReason::LentAlready | BorrowReason::TooFewReady | BorrowReason::NoDisruptionAllowed => false,
        }
    }
}

/// What speaks against taking a replica now; `None` where nothing does. What lasts is told first.
pub fn objection(lender: &Lender) -> Option<BorrowObjection> {
    let target = &lender.version.reference;
    let said = |reason, message: String| Some(BorrowObjection { reason, message });
    if let Some(manager @ (TargetManager::ArgoCD | TargetManager::Flux)) = lender.managed_by {
        return said(BorrowReason::ReplicasManaged, format!("{manager} manages {target}, and would put replicas back"));
    }
    if let Some(name) = &lender.autoscaler {
        let message = format!("HorizontalPodAutoscaler {name} sets the replicas of {target}");
        return said(BorrowReason::ReplicasAutoscaled, message);
    }
    // Before their number: of two replicas the other may be back soon.
    match &lender.note {
        LendersNote::Absent => {}
        LendersNote::Lent(note) => {
            let message = format!("{target} lends a replica to {} since {}", note.borrower, note.since);
            return said(BorrowReason::LentAlready, message);
        }
        LendersNote::Unreadable => {
            let message = format!("{target} has a give-back annotation that can't be read; take it off");
            return said(BorrowReason::LentAlready, message);
        }
    }
    if lender.replicas < 2 {
        let message = format!("{target} has {} replicas, and 2 are the least", lender.replicas);
        return said(BorrowReason::TooFewReplicas, message);
    }
    if lender.ready != lender.replicas {
        let message = format!("{} of {} replicas of {target} are ready", lender.ready, lender.replicas);
        return said(BorrowReason::TooFewReady, message);
    }
    let tight = lender.budgets.iter().find(|budget| budget.disruptions_allowed.is_none_or(|allowed| allowed < 1));
    tight.and_then(|budget| said(BorrowReason::NoDisruptionAllowed, told(budget)))
}

fn told(budget: &DisruptionBudget) -> String {
    match budget.disruptions_allowed {
        Some(allowed) => format!("PodDisruptionBudget {} allows {allowed} disruptions now", budget.name),
        None => format!("PodDisruptionBudget {} does not say yet what it allows", budget.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::borrow::fixture::{lender, note};

    fn reason(change: impl Fn(&mut Lender)) -> Option<BorrowReason> {
        let mut lender = lender();
        change(&mut lender);
        objection(&lender).map(|objection| objection.reason)
    }

    fn budget(disruptions_allowed: Option<i64>) -> DisruptionBudget {
        DisruptionBudget { name: "engine".to_owned(), disruptions_allowed }
    }

    #[test]
    fn a_target_with_two_ready_replicas_that_nothing_else_scales_lends_one() {
        assert_eq!(reason(|_| {}), None);
        assert_eq!(reason(|lender| lender.managed_by = Some(TargetManager::Helm)), None, "Helm puts nothing back");
        assert_eq!(reason(|lender| lender.budgets = vec![budget(Some(1))]), None);
    }

    #[test]
    fn whoever_else_owns_the_replicas_is_not_fought() {
        for manager in [TargetManager::ArgoCD, TargetManager::Flux] {
            assert_eq!(reason(|lender| lender.managed_by = Some(manager)), Some(BorrowReason::ReplicasManaged));
        }
        let scaled = |lender: &mut Lender| lender.autoscaler = Some("engine".to_owned());
        assert_eq!(reason(scaled), Some(BorrowReason::ReplicasAutoscaled));
    }

    #[test]
    fn somebody_is_left_to_serve() {
        for replicas in [0, 1] {
            let few = |lender: &mut Lender| (lender.replicas, lender.ready) = (replicas, replicas);
            assert_eq!(reason(few), Some(BorrowReason::TooFewReplicas));
        }
        for (replicas, ready) in [(2, 1), (3, 2), (2, 3)] {
            let some = |lender: &mut Lender| (lender.replicas, lender.ready) = (replicas, ready);
            assert_eq!(reason(some), Some(BorrowReason::TooFewReady), "{ready} of {replicas}");
        }
    }

    #[test]
    fn a_budget_that_allows_nothing_or_says_nothing_is_kept() {
        for allowed in [Some(0), Some(-1), None] {
            let tight = |lender: &mut Lender| lender.budgets = vec![budget(Some(1)), budget(allowed)];
            assert_eq!(reason(tight), Some(BorrowReason::NoDisruptionAllowed), "{allowed:?}");
        }
    }

    #[test]
    fn what_is_lent_is_not_lent_twice() {
        assert_eq!(reason(|lender| lender.note = LendersNote::Lent(note())), Some(BorrowReason::LentAlready));
        assert_eq!(reason(|lender| lender.note = LendersNote::Unreadable), Some(BorrowReason::LentAlready));
        let one_of_two_is_lent = |lender: &mut Lender| {
            (lender.replicas, lender.ready, lender.note) = (1, 1, LendersNote::Lent(note()));
        };
        assert_eq!(reason(one_of_two_is_lent), Some(BorrowReason::LentAlready), "which passes");
    }

    #[test]
    fn only_what_somebody_has_to_change_lasts() {
        let lasting = [BorrowReason::ReplicasManaged, BorrowReason::ReplicasAutoscaled, BorrowReason::TooFewReplicas];
        let passing = [BorrowReason::LentAlready, BorrowReason::TooFewReady, BorrowReason::NoDisruptionAllowed];
        for (reasons, expected) in [(lasting, true), (passing, false)] {
            for reason in reasons {
                assert_eq!(BorrowObjection { reason, message: String::new() }.is_lasting(), expected, "{reason}");
            }
        }
    }
}
