//! While the value is in: first sight, rollout, validation, and every way back.

use super::*;
use crate::{
    plan::{Intent, check_plan},
    promotion::fixture::{ROLLOUT_TIMEOUT, VALIDATE_BY, at, degraded_run, healthy_run, landed, rolled_out},
    value::SymptomKind,
};

fn decide(facts: &PromotionFacts, now: i64) -> PromotionPlan {
    let plan = decide_landed(facts, facts.target.as_ref().unwrap(), at(now));
    assert_eq!(check_plan(&plan), []);
    plan
}

fn where_it_stands(plan: &PromotionPlan) -> (PromotionPhase, PromotionReason) {
    (plan.report.phase, plan.report.reason)
}

/// The plan goes back for this reason, remembers so, and asks for the pre-image.
fn assert_goes_back(plan: &PromotionPlan, cause: PromotionReason) {
    assert_eq!(where_it_stands(plan), (PromotionPhase::RollingBack, cause));
    assert_eq!(plan.remember.as_ref(), Some(&plan.report));
    assert_eq!(plan.report.rollback.map(|start| start.cause), Some(cause));
    assert!(matches!(plan.intents.as_slice(), [Intent::RestoreTarget(_)]), "{:?}", plan.intents);
}

fn rolling() -> PromotionFacts {
    let mut facts = landed();
    facts.target.as_mut().unwrap().rollout.replicas_ready = 1;
    facts
}

#[test]
fn the_first_sight_of_the_value_is_remembered_before_anything_follows_from_it() {
    let mut facts = landed();
    facts.progress.applied_at = None;
    facts.progress.promoted_template_hash = None;
    facts.deletion_requested = true;
    let plan = decide(&facts, 7);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Applying, PromotionReason::RollingOut));
    assert_eq!((plan.report.applied_at, plan.wake), (Some(at(7)), Wake::At(at(7))));
    assert_eq!(plan.report.promoted_template_hash.as_deref(), Some("promoted"));
    assert_eq!((plan.remember, plan.intents), (None, vec![]));
}

#[test]
fn the_promoted_template_is_known_only_while_nothing_else_of_it_changed() {
    let mut facts = landed();
    facts.progress.promoted_template_hash = None;
    facts.target.as_mut().unwrap().template_hash_with_pre_image = "other".into();
    assert_eq!(decide(&facts, 60).report.promoted_template_hash, None);
    facts.target.as_mut().unwrap().template_hash_with_pre_image = "measured".into();
    assert_eq!(decide(&facts, 60).report.promoted_template_hash.as_deref(), Some("promoted"));
    facts.progress.promoted_template_hash = Some("known".into());
    assert_eq!(decide(&facts, 60).report.promoted_template_hash.as_deref(), Some("known"));
}

#[test]
fn a_finished_rollout_waits_for_its_run() {
    let plan = decide(&landed(), 100);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Applied, PromotionReason::AwaitingValidation));
    assert_eq!((plan.report.rolled_out_at, plan.wake), (Some(at(100)), Wake::At(at(VALIDATE_BY))));
}

#[test]
fn a_rollout_under_way_is_watched_until_its_deadline() {
    let plan = decide(&rolling(), ROLLOUT_TIMEOUT - 1);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Applying, PromotionReason::RollingOut));
    assert_eq!((plan.report.rolled_out_at, plan.wake), (None, Wake::At(at(ROLLOUT_TIMEOUT))));
    assert_goes_back(&decide(&rolling(), ROLLOUT_TIMEOUT), PromotionReason::RolloutTimedOut);
}

#[test]
fn a_rollout_without_an_attempt_on_record_is_timed_from_the_first_sight() {
    let mut facts = rolling();
    facts.progress.attempt = None;
    assert_eq!(decide(&facts, ROLLOUT_TIMEOUT + 4).report.phase, PromotionPhase::Applying);
    assert_goes_back(&decide(&facts, ROLLOUT_TIMEOUT + 5), PromotionReason::RolloutTimedOut);
}

#[test]
fn a_failed_rollout_goes_back_at_once_in_whatever_window() {
    let mut facts = landed();
    facts.window.open = false;
    facts.target.as_mut().unwrap().rollout.new_pod_crashed = true;
    assert_goes_back(&decide(&facts, 6), PromotionReason::NewPodCrashed);
    facts.target.as_mut().unwrap().rollout.progress_deadline_exceeded = true;
    assert_goes_back(&decide(&facts, 6), PromotionReason::RolloutStuck);
}

#[test]
fn a_rollout_does_not_outlast_the_deadline_of_validation() {
    let mut facts = rolling();
    facts.terms.validate_by = at(300);
    let watching = decide(&facts, 299);
    assert_eq!((watching.report.phase, watching.wake), (PromotionPhase::Applying, Wake::At(at(300))));
    assert_goes_back(&decide(&facts, 300), PromotionReason::ValidationDeadlinePassed);
}

#[test]
fn a_person_can_take_back_what_is_not_validated() {
    for mut facts in [rolling(), landed(), rolled_out()] {
        facts.runs = vec![healthy_run()];
        facts.review.decision = ReviewDecision::Rejected;
        assert_goes_back(&decide(&facts, 60), PromotionReason::DecisionRejected);
        facts.deletion_requested = true;
        assert_goes_back(&decide(&facts, 60), PromotionReason::DeletionRequested);
    }
}

#[test]
fn an_improved_run_validates_and_is_named() {
    let mut facts = rolled_out();
    facts.runs = vec![healthy_run()];
    let plan = decide(&facts, 5000);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Validated, PromotionReason::Improved));
    assert_eq!(plan.report.validation.as_ref().map(|run| run.name.as_str()), Some("night-2"));
    assert_eq!((plan.remember.as_ref(), plan.intents.as_slice(), plan.wake), (None, [].as_slice(), Wake::At(at(5000))));
    assert!(plan.report.message.contains("night-2"));
}

#[test]
fn a_run_that_did_not_improve_goes_back_and_is_named_but_not_consumed() {
    let mut facts = rolled_out();
    facts.runs = vec![degraded_run(SymptomKind::LatencyRegression, "chat")];
    let plan = decide(&facts, 5000);
    assert_goes_back(&plan, PromotionReason::SymptomPersists);
    assert_eq!(plan.report.validation.as_ref().map(|run| run.uid.as_str()), Some("run-a"));
    // Counting reads runs and what canaries consumed. Nothing here creates or folds a canary, so this run still counts.
    let consumes = |intent: &Intent| matches!(intent, Intent::CreateCanary(_) | Intent::FoldCanaryIntoLedger(_));
    assert!(!plan.intents.iter().any(consumes));
    facts.runs = vec![degraded_run(SymptomKind::VllmOom, "rag")];
    assert_goes_back(&decide(&facts, 5000), PromotionReason::SomethingElseWorse);
}

#[test]
fn without_a_deciding_run_the_deadline_decides() {
    let waiting = decide(&rolled_out(), VALIDATE_BY - 1);
    assert_eq!(where_it_stands(&waiting), (PromotionPhase::Applied, PromotionReason::AwaitingValidation));
    assert_eq!(waiting.wake, Wake::At(at(VALIDATE_BY)));
    assert_goes_back(&decide(&rolled_out(), VALIDATE_BY), PromotionReason::ValidationDeadlinePassed);
}

#[test]
fn a_run_that_decided_in_time_decides_even_when_looked_at_too_late() {
    let mut facts = rolled_out();
    facts.runs = vec![healthy_run()];
    assert_eq!(decide(&facts, VALIDATE_BY + 999).report.phase, PromotionPhase::Validated);
}

#[test]
fn another_change_of_the_template_is_told_and_waited_out() {
    let mut facts = rolled_out();
    facts.target.as_mut().unwrap().template_hash_with_pre_image = "other".into();
    let plan = decide(&facts, 5000);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Applied, PromotionReason::TemplateChangedAfterApply));
    assert_eq!(plan.wake, Wake::At(at(VALIDATE_BY)));
    facts.runs = vec![healthy_run()];
    assert_eq!(decide(&facts, 5000).report.phase, PromotionPhase::Validated);
    facts.runs.clear();
    assert_goes_back(&decide(&facts, VALIDATE_BY), PromotionReason::ValidationDeadlinePassed);
}

#[test]
fn no_run_validates_a_template_that_was_never_seen_clean() {
    let mut facts = rolled_out();
    facts.progress.promoted_template_hash = None;
    facts.target.as_mut().unwrap().template_hash_with_pre_image = "other".into();
    facts.runs = vec![healthy_run()];
    assert_eq!(decide(&facts, 5000).report.phase, PromotionPhase::Applied);
}
