//! The way back: exact, remembered, and never over somebody else's value.

use super::*;
use crate::{
    plan::{FieldChange, OwnedField, check_plan},
    promotion::progress::ValidatingRun,
    promotion::{
        fixture::{at, landed, promoted_target, untouched_target},
        reason::PromotionReason::SymptomPersists,
    },
    value::{Uid, Verdict},
};

const START: i64 = 50;

fn going_back(delivery: Delivery, revert: PullRequestState) -> PromotionFacts {
    let mut facts = landed();
    facts.terms.delivery = delivery;
    facts.git.change = PullRequestState::Merged;
    facts.git.revert = revert;
    facts.progress.phase = PromotionPhase::RollingBack;
    facts.progress.rollback = Some(RollbackStart { cause: SymptomPersists, since: at(START) });
    facts
}

fn go_on(facts: &PromotionFacts, promoted: bool) -> PromotionPlan {
    let (target, standing) =
        if promoted { (promoted_target(), Standing::Promoted) } else { (untouched_target(), Standing::Untouched) };
    let plan = continue_rollback(facts, &target, facts.progress.rollback.unwrap(), standing, at(60));
    assert_eq!(check_plan(&plan), []);
    plan
}

#[test]
fn the_restoring_write_is_the_mirror_of_the_patch() {
    let facts = going_back(Delivery::Patch, PullRequestState::NotOpened);
    let plan = go_on(&facts, true);
    let [Intent::RestoreTarget(write)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    let backward: Vec<FieldChange> = facts.terms.owned_fields.iter().map(OwnedField::backward).collect();
    assert_eq!(write.changes, backward);
    assert_eq!(write.annotation_from, Some(Uid::new("promotion")));
    assert_eq!(write.annotation_to, Some(Uid::new("earlier")));
    assert_eq!(write.target, target_version(&facts, &promoted_target()));
    assert_eq!(write.remembered, Remembered::Earlier);
    assert_eq!((plan.remember, plan.report, plan.wake), (None, facts.progress, Wake::At(at(70))));
}

#[test]
fn going_back_is_remembered_with_its_cause_before_the_write() {
    let facts = landed();
    let plan = begin_rollback(&facts, &promoted_target(), &facts.progress, SymptomPersists, at(START));
    assert_eq!(check_plan(&plan), []);
    assert_eq!(plan.remember.as_ref(), Some(&plan.report));
    assert_eq!(plan.report.rollback, Some(RollbackStart { cause: SymptomPersists, since: at(START) }));
    assert_eq!(plan.wake, Wake::At(at(START + 10)));
    let [Intent::RestoreTarget(write)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!(write.remembered, Remembered::InThisPlan);
    assert!(
        plan.report.message.contains("args[--gpu-memory-utilization]: 0.80 -> (absent)"),
        "{}",
        plan.report.message
    );
}

#[test]
fn a_target_back_at_the_pre_image_is_rolled_back_for_the_cause_that_was_remembered() {
    let plan = go_on(&going_back(Delivery::Patch, PullRequestState::NotOpened), false);
    assert_eq!((plan.report.phase, plan.report.reason), (PromotionPhase::RolledBack, SymptomPersists));
    assert_eq!((plan.intents.len(), plan.wake), (0, Wake::At(at(60))));
}

#[test]
fn a_rollback_names_the_run_that_decided_it_on_its_way_and_at_its_end() {
    let run = || ValidatingRun { uid: Uid::new("u"), name: "night-4".to_owned(), verdict: Verdict::Degraded };
    let told = |cause, validation: Option<ValidatingRun>| {
        let mut facts = going_back(Delivery::Patch, PullRequestState::NotOpened);
        facts.progress.rollback = Some(RollbackStart { cause, since: at(START) });
        facts.progress.validation = validation.clone();
        let landed = PromotionProgress { validation, ..landed().progress };
        let begun = begin_rollback(&facts, &promoted_target(), &landed, cause, at(START)).report.message;
        let why = cause_told(cause, &facts.progress, &facts.terms);
        assert!(begun.ends_with(&why), "{begun}");
        let ended = go_on(&facts, false).report.message;
        assert!(ended.ends_with(&format!("is as it was before: {why}")), "{ended}");
        why
    };
    assert_eq!(told(SymptomPersists, Some(run())), "run night-4 still found latency_regression");
    assert_eq!(told(PromotionReason::SomethingElseWorse, Some(run())), "run night-4 found something else worse");
    let deadline = PromotionReason::ValidationDeadlinePassed;
    assert_eq!(told(deadline, None), deadline.meaning());
    assert_eq!(told(SymptomPersists, None), SymptomPersists.meaning(), "an object of an older version");
}

#[test]
fn a_rollback_through_git_opens_one_revert_and_waits_for_it() {
    let begin = |revert| {
        let facts = PromotionFacts { progress: landed().progress, ..going_back(Delivery::Git, revert) };
        let plan = begin_rollback(&facts, &promoted_target(), &facts.progress, SymptomPersists, at(START));
        assert_eq!(check_plan(&plan), []);
        plan.intents
    };
    let opening = git::revert_request(&going_back(Delivery::Git, PullRequestState::NotOpened));
    assert_eq!(begin(PullRequestState::NotOpened), std::slice::from_ref(&opening));
    assert_eq!(begin(PullRequestState::Open), []);
    let unopened = go_on(&going_back(Delivery::Git, PullRequestState::NotOpened), true);
    assert_eq!((unopened.intents, unopened.wake), (vec![opening], Wake::At(at(70))));
    for revert in [PullRequestState::Open, PullRequestState::Merged] {
        let plan = go_on(&going_back(Delivery::Git, revert), true);
        assert_eq!((plan.report.phase, plan.intents.len()), (PromotionPhase::RollingBack, 0), "{revert:?}");
    }
}

#[test]
fn a_revert_that_people_refuse_ends_in_conflict() {
    let plan = go_on(&going_back(Delivery::Git, PullRequestState::Closed), true);
    assert_eq!((plan.report.phase, plan.report.reason), (PromotionPhase::Conflict, PromotionReason::RevertRefused));
}

#[test]
fn an_untouched_target_is_back_for_good_only_if_git_can_bring_the_value_no_more() {
    let untouched = |applied: bool, revert: PullRequestState| {
        let mut facts = going_back(Delivery::Git, revert);
        facts.progress.applied_at = applied.then(|| at(5));
        go_on(&facts, false).report.phase
    };
    assert_eq!(untouched(true, PullRequestState::NotOpened), PromotionPhase::RolledBack);
    assert_eq!(untouched(false, PullRequestState::Merged), PromotionPhase::RolledBack);
    assert_eq!(untouched(false, PullRequestState::Open), PromotionPhase::RollingBack);
    assert_eq!(untouched(false, PullRequestState::NotOpened), PromotionPhase::RollingBack);
    assert_eq!(untouched(false, PullRequestState::Closed), PromotionPhase::Conflict);
}

#[test]
fn a_revert_that_became_needless_is_closed() {
    let plan = go_on(&going_back(Delivery::Git, PullRequestState::Open), false);
    assert_eq!(plan.report.phase, PromotionPhase::RolledBack);
    assert!(
        matches!(plan.intents.as_slice(), [Intent::ClosePullRequest(closing)] if closing.branch.ends_with("-revert"))
    );
}
