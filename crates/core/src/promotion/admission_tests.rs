//! Each objection met and missed, and the order in which they speak.

use super::*;
use crate::{
    promotion::{
        facts::{RivalPromotion, Undeliverable},
        fixture::{ROLLOUT_TIMEOUT, VALIDATE_BY, at, attempted, facts, untouched_target},
        observed::TargetManager,
    },
    value::Uid,
};

/// The objections at 60 s, with the world altered: `(phase, reason)` in the order of the chain.
fn objections_of(facts: &PromotionFacts, now: i64) -> Vec<(PromotionPhase, PromotionReason)> {
    let target = facts.target.as_ref().unwrap();
    let admission = Admission { facts, target, now: at(now) };
    Chain::new(&apply_checks())
        .all(&admission)
        .into_iter()
        .map(|found| {
            assert!(!found.violation.message.is_empty());
            (found.violation.phase, found.violation.reason)
        })
        .collect()
}

fn objections(alter: impl Fn(&mut PromotionFacts)) -> Vec<(PromotionPhase, PromotionReason)> {
    let mut facts = facts();
    alter(&mut facts);
    objections_of(&facts, 60)
}

fn target_objections(alter: impl Fn(&mut ObservedTarget)) -> Vec<(PromotionPhase, PromotionReason)> {
    objections(|facts| facts.target.as_mut().map(&alter).unwrap())
}

/// The same, with delivery Git.
fn git_target_objections(alter: impl Fn(&mut ObservedTarget)) -> Vec<(PromotionPhase, PromotionReason)> {
    objections(|facts| {
        facts.terms.delivery = Delivery::Git;
        facts.target.as_mut().map(&alter).unwrap();
    })
}

/// Something that is otherwise with a target.
type Alteration = fn(&mut ObservedTarget);

fn waits(reason: PromotionReason) -> Vec<(PromotionPhase, PromotionReason)> {
    vec![(PromotionPhase::Staged, reason)]
}

fn ends(phase: PromotionPhase, reason: PromotionReason) -> Vec<(PromotionPhase, PromotionReason)> {
    vec![(phase, reason)]
}

#[test]
fn the_order_of_the_checks_is_fixed() {
    let names: Vec<&str> = Chain::new(&apply_checks()).names();
    assert_eq!(
        names,
        [
            "deleted",
            "rejected",
            "pull_request_closed",
            "nothing_to_change",
            "template_changed",
            "configuration_changed",
            "changed_while_applying",
            "config_map_changed_while_applying",
            "another_promotion_first",
            "too_late",
            "deliverable",
            "evidence",
            "managed",
            "config_map_managed",
            "paused",
            "on_delete",
            "partitioned",
            "cannot_surge",
            "interrupts",
            "approval",
            "finalizer",
            "suspended",
            "target_busy",
            "window",
        ]
    );
}

#[test]
fn what_ends_a_promotion_is_heard_before_what_makes_it_wait() {
    let mut facts = facts();
    facts.suspended = true;
    facts.window.open = false;
    facts.review.decision = ReviewDecision::Rejected;
    let target = untouched_target();
    let first = first_objection(&Admission { facts: &facts, target: &target, now: at(0) }).unwrap();
    assert_eq!((first.phase, first.reason), (PromotionPhase::Rejected, PromotionReason::DecisionRejected));
}

#[test]
fn what_can_not_be_delivered_waits_and_says_why() {
    let reason = PromotionReason::GitNotDelivered;
    for delivery in [Delivery::Patch, Delivery::Git] {
        let found = objections(|facts| {
            facts.terms.delivery = delivery;
            facts.undeliverable = Some(Undeliverable { reason, message: "not this way".into() });
        });
        assert_eq!(found, waits(reason));
    }
}

#[test]
fn a_ready_promotion_meets_no_objection() {
    assert_eq!(objections(|_| ()), []);
    let target = untouched_target();
    assert_eq!(first_objection(&Admission { facts: &facts(), target: &target, now: at(60) }), None);
}

#[test]
fn a_deleted_a_refused_and_a_pointless_promotion_end() {
    assert_eq!(
        objections(|facts| facts.deletion_requested = true),
        ends(PromotionPhase::Expired, PromotionReason::DeletionRequested)
    );
    assert_eq!(
        objections(|facts| facts.review.decision = ReviewDecision::Rejected),
        ends(PromotionPhase::Rejected, PromotionReason::DecisionRejected)
    );
    let pointless = ends(PromotionPhase::Superseded, PromotionReason::NothingToChange);
    assert_eq!(objections(|facts| facts.terms.owned_fields.clear()), pointless);
    let unchanging = |facts: &mut PromotionFacts| {
        for field in &mut facts.terms.owned_fields {
            field.promoted = field.before.clone();
        }
    };
    assert_eq!(objections(unchanging), pointless);
    let one_changes = |facts: &mut PromotionFacts| {
        facts.terms.owned_fields[0].promoted = facts.terms.owned_fields[0].before.clone();
    };
    assert_eq!(objections(one_changes), []);
}

#[test]
fn a_closed_pull_request_rejects_only_where_there_is_one() {
    let close = |facts: &mut PromotionFacts| facts.git.change = PullRequestState::Closed;
    assert_eq!(objections(close), []);
    let closed = objections(|facts| {
        facts.terms.delivery = Delivery::Git;
        close(facts);
    });
    assert_eq!(closed, ends(PromotionPhase::Rejected, PromotionReason::PullRequestClosed));
}

#[test]
fn another_template_than_the_measured_one_supersedes() {
    assert_eq!(
        target_objections(|target| target.template_hash = "other".into()),
        ends(PromotionPhase::Superseded, PromotionReason::TemplateChanged)
    );
}

#[test]
fn a_target_that_may_have_had_our_value_and_lost_it_supersedes() {
    let at_generation = |generation: i64| {
        let mut facts = attempted();
        let target = facts.target.as_mut().unwrap();
        target.generation = generation;
        target.rollout.observed_generation = generation;
        objections_of(&facts, 60)
    };
    assert_eq!(at_generation(7), []);
    assert_eq!(at_generation(8), []);
    assert_eq!(at_generation(9), ends(PromotionPhase::Superseded, PromotionReason::TargetChangedWhileApplying));
    assert_eq!(at_generation(10), ends(PromotionPhase::Superseded, PromotionReason::TargetChangedWhileApplying));
}

#[test]
fn of_two_unfinished_promotions_the_one_that_holds_the_target_goes_first_then_the_oldest_then_the_smaller_uid() {
    use PromotionPhase::{Applied, Applying, AwaitingReview, RollingBack, Staged, Validated};
    let superseded = ends(PromotionPhase::Superseded, PromotionReason::AnotherPromotionFirst);
    let rival = |own: PromotionPhase, phase: PromotionPhase, made: i64, uid: &str| {
        objections(|facts| {
            facts.progress.phase = own;
            facts.others =
                vec![RivalPromotion { uid: Uid::new(uid), name: "rival".into(), created_at: at(made), phase }];
        })
    };
    assert_eq!(rival(Staged, Staged, -1, "z"), superseded);
    assert_eq!(rival(Staged, Staged, 1, "a"), []);
    assert_eq!(rival(Staged, AwaitingReview, 0, "a"), superseded);
    assert_eq!(rival(Staged, Staged, 0, "z"), []);
    assert_eq!(rival(Staged, Staged, 0, "promotion"), []);
    for phase in [Applying, Applied, RollingBack] {
        assert_eq!(rival(Staged, phase, 1, "z"), superseded, "{phase}");
    }
    assert_eq!(rival(Applying, Staged, -1, "a"), []);
    assert_eq!(rival(Applying, Applying, -1, "z"), superseded);
    for phase in PromotionPhase::ALL.into_iter().filter(|phase| phase.is_terminal()) {
        assert_eq!(rival(Staged, phase, -1, "a"), [], "{phase}");
    }
    assert_eq!(rival(Staged, Validated, -1, "a"), []);
}

#[test]
fn applying_ends_where_a_whole_rollout_would_no_longer_fit() {
    let last = VALIDATE_BY - ROLLOUT_TIMEOUT;
    assert_eq!(apply_by(&facts()), at(last));
    assert_eq!(objections_of(&facts(), last - 1), []);
    let late = ends(PromotionPhase::Expired, PromotionReason::TooLateToValidate);
    assert_eq!(objections_of(&facts(), last), late);
    assert_eq!(objections_of(&facts(), last + 1), late);
}

#[test]
fn nothing_is_applied_without_a_canary_that_proves_just_this() {
    let alterations: [fn(&mut PromotionFacts); 5] = [
        |facts| facts.canary = None,
        |facts| facts.canary.as_mut().unwrap().passed = false,
        |facts| facts.canary.as_mut().unwrap().parameters.clear(),
        |facts| facts.canary.as_mut().unwrap().target_uid = Uid::new("other"),
        |facts| facts.canary.as_mut().unwrap().template_hash = "other".into(),
    ];
    for (number, alter) in alterations.into_iter().enumerate() {
        assert_eq!(objections(alter), waits(PromotionReason::EvidenceMissing), "{number}");
    }
}

#[test]
fn a_managed_target_is_refused_for_patch_without_consent() {
    for manager in [TargetManager::ArgoCD, TargetManager::Flux, TargetManager::Helm] {
        let manage = |target: &mut ObservedTarget| target.managed_by = Some(manager);
        assert_eq!(target_objections(manage), waits(PromotionReason::TargetManaged));
        assert_eq!(git_target_objections(manage), []);
    }
    for (manager, name) in [
        (TargetManager::ArgoCD, "Argo CD manages"),
        (TargetManager::Flux, "Flux manages"),
        (TargetManager::Helm, "Helm manages"),
    ] {
        let mut target = untouched_target();
        target.managed_by = Some(manager);
        let found = first_objection(&Admission { facts: &facts(), target: &target, now: at(60) }).unwrap();
        assert!(found.message.starts_with(name), "{}", found.message);
    }
    let consented = objections(|facts| {
        facts.target.as_mut().unwrap().managed_by = Some(TargetManager::Helm);
        facts.terms.allow_managed = true;
    });
    assert_eq!(consented, []);
}

#[test]
fn a_target_whose_rollout_could_not_work_is_refused_for_patch() {
    let cases: [(Alteration, PromotionReason); 5] = [
        (|target| target.rollout.paused = true, PromotionReason::RolloutPaused),
        (|target| target.rollout.strategy = RolloutStrategy::OnDelete, PromotionReason::RolloutOnDelete),
        (|target| target.rollout.partitioned = true, PromotionReason::RolloutPartitioned),
        (|target| target.rollout.unavailable_max = 0, PromotionReason::RolloutCannotSurge),
        (|target| target.rollout.unavailable_max = 2, PromotionReason::RolloutInterrupts),
    ];
    for (alter, reason) in cases {
        assert_eq!(target_objections(alter), waits(reason));
        assert_eq!(git_target_objections(alter), [], "{reason}");
    }
}

#[test]
fn downtime_needs_consent() {
    let consented = objections(|facts| {
        facts.target.as_mut().unwrap().rollout.strategy = RolloutStrategy::Recreate;
        facts.terms.allow_downtime = true;
    });
    assert_eq!(consented, []);
}

#[test]
fn manual_approval_needs_a_decision_an_approver_and_the_policy_that_guards_both() {
    let review = |decision: ReviewDecision, by: Option<&str>, policy_in_force: bool| {
        objections(|facts| {
            facts.terms.approval = ApprovalMode::Manual;
            facts.review.decision = decision;
            facts.review.approved_by = by.map(Into::into);
            facts.review.policy_in_force = policy_in_force;
        })
    };
    let awaits = |reason| ends(PromotionPhase::AwaitingReview, reason);
    assert_eq!(review(ReviewDecision::Approved, Some("jo"), true), []);
    assert_eq!(review(ReviewDecision::Pending, None, true), awaits(PromotionReason::AwaitingApproval));
    assert_eq!(review(ReviewDecision::Approved, None, true), awaits(PromotionReason::ApproverUnknown));
    assert_eq!(review(ReviewDecision::Approved, Some(""), true), awaits(PromotionReason::ApproverUnknown));
    assert_eq!(review(ReviewDecision::Approved, Some("jo"), false), awaits(PromotionReason::ApprovalUnprotected));
}

#[test]
fn automatic_approval_and_delivery_by_git_await_no_decision() {
    let unguarded = |facts: &mut PromotionFacts| facts.review.policy_in_force = false;
    assert_eq!(objections(unguarded), []);
    let git = objections(|facts| {
        facts.terms.delivery = Delivery::Git;
        facts.terms.approval = ApprovalMode::Manual;
    });
    assert_eq!(git, []);
}

#[test]
fn a_missing_finalizer_and_a_suspension_make_it_wait() {
    assert_eq!(objections(|facts| facts.finalizer_present = false), waits(PromotionReason::FinalizerMissing));
    assert_eq!(objections(|facts| facts.suspended = true), waits(PromotionReason::Suspended));
}

#[test]
fn a_busy_target_makes_a_patch_wait() {
    let borrow = |target: &mut ObservedTarget| target.borrowed = true;
    assert_eq!(target_objections(borrow), waits(PromotionReason::TargetBorrowed));
    assert_eq!(git_target_objections(borrow), []);
    let roll = |target: &mut ObservedTarget| target.rollout.observed_generation = 6;
    assert_eq!(target_objections(roll), waits(PromotionReason::TargetRollingOut));
    assert_eq!(git_target_objections(roll), []);
}

#[test]
fn a_closed_window_makes_a_patch_wait_until_it_opens() {
    let closed = |opens_at: Option<Timestamp>, delivery: Delivery| {
        let mut facts = facts();
        facts.terms.delivery = delivery;
        facts.window.open = false;
        facts.window.opens_at = opens_at;
        let target = untouched_target();
        first_objection(&Admission { facts: &facts, target: &target, now: at(60) })
    };
    let found = closed(Some(at(999)), Delivery::Patch).unwrap();
    assert_eq!((found.phase, found.reason), (PromotionPhase::Staged, PromotionReason::WindowClosed));
    assert_eq!(found.passes_at, Some(at(999)));
    assert!(found.message.contains(&at(999).to_string()), "{}", found.message);
    let never = closed(None, Delivery::Patch).unwrap();
    assert_eq!((never.passes_at, never.message.ends_with("none will open")), (None, true));
    assert_eq!(closed(None, Delivery::Git), None);
}
