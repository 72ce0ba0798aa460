//! The entry: which path is taken for which standing, what every plan carries, and that an end stays.

use super::*;
use crate::{
    plan::{FieldAddress, FieldValue, check_plan},
    promotion::{
        ObservedTarget,
        facts::PullRequestState,
        fixture::{at, attempted, facts, healthy_run, landed, promoted_target, rolled_out, untouched_target},
        progress::RollbackStart,
    },
    value::Uid,
};

fn decide(facts: &PromotionFacts, now: i64) -> PromotionPlan {
    let plan = decide_promotion(facts, at(now));
    assert_eq!(check_plan(&plan), []);
    plan
}

fn where_it_stands(facts: &PromotionFacts) -> (PromotionPhase, PromotionReason) {
    let plan = decide(facts, 60);
    (plan.report.phase, plan.report.reason)
}

fn with_target(mut facts: PromotionFacts, alter: impl Fn(&mut ObservedTarget)) -> PromotionFacts {
    facts.target.as_mut().map(alter).unwrap();
    facts
}

fn overwrite(target: &mut ObservedTarget) {
    target.owned_values.insert(FieldAddress::new("args[--max-num-seqs]"), FieldValue::present("48"));
}

fn going_back(mut facts: PromotionFacts) -> PromotionFacts {
    facts.progress.phase = PromotionPhase::RollingBack;
    facts.progress.rollback = Some(RollbackStart { cause: PromotionReason::NewPodCrashed, since: at(10) });
    facts
}

#[test]
fn a_terminal_promotion_only_loses_its_finalizer() {
    for phase in PromotionPhase::ALL.into_iter().filter(|phase| phase.is_terminal()) {
        let mut facts = landed();
        facts.progress.phase = phase;
        facts.deletion_requested = true;
        let plan = decide(&facts, 60);
        assert_eq!(plan.intents, [Intent::RemoveFinalizer(facts.object.clone())], "{phase}");
        assert_eq!((&plan.report, &plan.remember, plan.wake), (&facts.progress, &None, Wake::OnChange));
        facts.finalizer_present = false;
        assert_eq!(decide(&facts, 60), Plan::report_only(facts.progress.clone(), Wake::OnChange));
    }
}

#[test]
fn each_standing_takes_its_path() {
    assert_eq!(where_it_stands(&facts()), (PromotionPhase::Applying, PromotionReason::Patching));
    assert_eq!(where_it_stands(&landed()), (PromotionPhase::Applied, PromotionReason::AwaitingValidation));
    let mut git = facts();
    git.terms.delivery = Delivery::Git;
    assert_eq!(where_it_stands(&git), (PromotionPhase::Staged, PromotionReason::OpeningPullRequest));
}

#[test]
fn once_it_goes_back_nothing_leads_to_validated() {
    let mut facts = going_back(rolled_out());
    facts.runs = vec![healthy_run()];
    assert_eq!(decide(&facts, 9000).report.phase, PromotionPhase::RollingBack);
    facts.target = Some(untouched_target());
    assert_eq!(decide(&facts, 9000).report.phase, PromotionPhase::RolledBack);
}

#[test]
fn a_target_that_is_gone_supersedes_whatever_was_in_it() {
    for mut facts in [facts(), attempted(), landed(), rolled_out(), going_back(landed())] {
        facts.target = None;
        assert_eq!(where_it_stands(&facts), (PromotionPhase::Superseded, PromotionReason::TargetMissing));
    }
}

#[test]
fn a_recreated_target_supersedes_unless_it_carries_our_value() {
    let recreate = |target: &mut ObservedTarget| target.uid = Uid::new("other");
    let replaced = (PromotionPhase::Superseded, PromotionReason::TargetReplaced);
    assert_eq!(where_it_stands(&with_target(facts(), recreate)), replaced);
    let carried = (PromotionPhase::Conflict, PromotionReason::ReplacementCarriesValue);
    assert_eq!(where_it_stands(&with_target(landed(), recreate)), carried);
}

#[test]
fn a_change_before_our_value_was_in_supersedes() {
    let changed = (PromotionPhase::Superseded, PromotionReason::OwnedFieldChanged);
    assert_eq!(where_it_stands(&with_target(facts(), overwrite)), changed);
    assert_eq!(where_it_stands(&with_target(attempted(), overwrite)), changed);
}

#[test]
fn a_change_after_our_value_was_in_is_a_conflict_and_writes_nothing() {
    let unmark = |target: &mut ObservedTarget| target.promotion_annotation = None;
    let mut only_marked = with_target(landed(), overwrite);
    only_marked.progress = facts().progress;
    let mut only_going_back = with_target(going_back(landed()), unmark);
    only_going_back.progress.applied_at = None;
    let mut only_merged = with_target(facts(), overwrite);
    only_merged.terms.delivery = Delivery::Git;
    only_merged.git.change = PullRequestState::Merged;
    for facts in [
        with_target(landed(), overwrite),
        with_target(rolled_out(), unmark),
        with_target(going_back(landed()), overwrite),
        only_marked,
        only_going_back,
        only_merged,
    ] {
        let plan = decide(&facts, 60);
        assert_eq!(
            (plan.report.phase, plan.report.reason),
            (PromotionPhase::Conflict, PromotionReason::ValueOverwritten)
        );
        assert!(!plan.intents.iter().any(Intent::writes_foreign_object));
    }
}

#[test]
fn an_old_value_put_back_by_hand_is_respected() {
    let mut facts = rolled_out();
    facts.target = Some(untouched_target());
    assert_eq!(where_it_stands(&facts), (PromotionPhase::Conflict, PromotionReason::ValueOverwritten));
    let kept_mark = |target: &mut ObservedTarget| target.promotion_annotation = Some(Uid::new("promotion"));
    let facts = with_target(facts, kept_mark);
    assert_eq!(where_it_stands(&facts), (PromotionPhase::Conflict, PromotionReason::ValueOverwritten));
}

#[test]
fn an_open_request_is_closed_when_the_target_is_lost() {
    let mut facts = facts();
    facts.terms.delivery = Delivery::Git;
    facts.git.change = PullRequestState::Open;
    facts.target = None;
    let plan = decide(&facts, 60);
    assert!(matches!(plan.intents.as_slice(), [Intent::ClosePullRequest(_), Intent::RecordEvent(_)]));
}

#[test]
fn a_transition_is_told_once_and_as_a_warning_where_a_person_should_look() {
    let told = |facts: &PromotionFacts| {
        let plan = decide(facts, 60);
        let notices: Vec<Notice> = plan
            .intents
            .iter()
            .filter_map(|intent| if let Intent::RecordEvent(notice) = intent { Some(notice.clone()) } else { None })
            .collect();
        assert!(notices.iter().all(|notice| notice.note == plan.report.message));
        notices.iter().map(|notice| (notice.severity, notice.reason)).collect::<Vec<_>>()
    };
    assert_eq!(told(&facts()), [(NoticeSeverity::Normal, "Patching")]);
    assert_eq!(told(&rolled_out()), []);
    assert_eq!(told(&with_target(landed(), overwrite)), [(NoticeSeverity::Warning, "ValueOverwritten")]);
    let mut deleted = rolled_out();
    deleted.deletion_requested = true;
    assert_eq!(told(&deleted), [(NoticeSeverity::Warning, "DeletionRequested")]);
    let mut restored = going_back(landed());
    restored.target = Some(untouched_target());
    assert_eq!(told(&restored), [(NoticeSeverity::Warning, "NewPodCrashed")]);
    restored.target = Some(promoted_target());
    assert_eq!(told(&restored), []);
}

#[test]
fn a_promotion_that_has_not_ended_wakes_when_time_alone_changes_it() {
    let waiting = decide(&rolled_out(), 200);
    assert_eq!(waiting.wake, Wake::At("2026-03-06T10:00:00Z".parse().unwrap()), "it must be validated by then");
    let mut ended = facts();
    ended.target = None;
    assert_eq!(decide(&ended, 60).wake, Wake::At(at(60)));
}

#[test]
fn the_finalizer_goes_only_after_the_end_is_written() {
    let mut ended = facts();
    ended.target = None;
    let plan = decide(&ended, 60);
    assert!(!plan.intents.iter().any(|intent| matches!(intent, Intent::RemoveFinalizer(_))));
}
