//! The half of a promotion that lies in a ConfigMap: which write goes when, what is remembered before it, and what undoes it.

use super::*;
use crate::{
    plan::{check_plan, target::TargetFence},
    promotion::{
        decide_promotion,
        fixture::{
            at, config_map_terms, facts, healthy_run, landed, promoted_config_map, promoted_target, rolled_out,
            untouched_config_map, untouched_target, with_config_map,
        },
        observed::TargetManager,
        progress::{ApplyAttempt, RollbackStart},
    },
    value::Uid,
};

/// A way in which facts are otherwise.
type Alteration = fn(&mut PromotionFacts);

fn decide(facts: &PromotionFacts, now: i64) -> PromotionPlan {
    let mut plan = decide_promotion(facts, at(now));
    assert_eq!(check_plan(&plan), []);
    plan.intents.retain(|intent| !matches!(intent, Intent::RecordEvent(_)));
    plan
}

fn where_it_stands(plan: &PromotionPlan) -> (PromotionPhase, PromotionReason) {
    (plan.report.phase, plan.report.reason)
}

fn before() -> PromotionFacts {
    with_config_map(facts(), untouched_target(), Some(untouched_config_map()))
}

/// Half of the way in: the ConfigMap's patch landed.
fn between() -> PromotionFacts {
    let mut facts = with_config_map(facts(), untouched_target(), Some(promoted_config_map()));
    facts.progress.phase = PromotionPhase::Applying;
    facts.progress.config_map_attempt = Some(ConfigMapAttempt { since: at(0), resource_version: "500".into() });
    facts
}

fn within() -> PromotionFacts {
    with_config_map(rolled_out(), promoted_target(), Some(promoted_config_map()))
}

fn the_write(plan: &PromotionPlan) -> (&'static str, String) {
    match plan.intents.as_slice() {
        [intent @ (Intent::PatchTarget(write) | Intent::RestoreTarget(write))] => {
            (intent.name(), write.target.reference.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_config_map_goes_first_and_its_attempt_is_remembered_before_it() {
    let plan = decide(&before(), 60);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Applying, PromotionReason::Patching));
    assert_eq!(plan.remember.as_ref(), Some(&plan.report));
    let attempt = ConfigMapAttempt { since: at(60), resource_version: "500".into() };
    assert_eq!((plan.report.config_map_attempt.as_ref(), plan.report.attempt.as_ref()), (Some(&attempt), None));
    let write = TargetWrite {
        target: version_of(&config_map_terms(), &untouched_config_map()),
        changes: config_map_terms().owned_fields.iter().map(OwnedField::forward).collect(),
        annotation_from: None,
        annotation_to: Some(Uid::new("promotion")),
        remembered: Remembered::InThisPlan,
    };
    assert_eq!(plan.intents, [Intent::PatchTarget(Box::new(write))]);
    assert_eq!(plan.wake, Wake::At(at(60)), "the target follows at once");
    assert_eq!(
        plan.report.message,
        "ConfigMap/llama-8b gets args[--max-num-seqs]: 032 -> 64, and Deployment/llama-8b after it"
    );
}

#[test]
fn the_target_follows_with_its_own_fields_and_the_hash_that_makes_it_roll_out() {
    let plan = decide(&between(), 60);
    let [Intent::PatchTarget(write)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!(write.target.reference.to_string(), "Deployment/llama-8b");
    assert_eq!(write.changes, between().terms.target_changes());
    assert_eq!(write.changes.last(), Some(&config_map_terms().hash));
    let attempt = ApplyAttempt { since: at(60), target_resource_version: "100".into(), target_generation: 7 };
    assert_eq!(plan.remember.and_then(|progress| progress.attempt), Some(attempt));
}

#[test]
fn a_gate_that_closes_between_the_writes_takes_the_value_out_and_holds_nothing_against_it() {
    let alterations: [(Alteration, PromotionPhase, PromotionReason); 4] = [
        (|facts| facts.window.open = false, PromotionPhase::Staged, PromotionReason::WindowClosed),
        (|facts| facts.suspended = true, PromotionPhase::Staged, PromotionReason::Suspended),
        (|facts| facts.deletion_requested = true, PromotionPhase::Expired, PromotionReason::DeletionRequested),
        (
            |facts| facts.target.iter_mut().for_each(|target| target.template_hash = "other".into()),
            PromotionPhase::Superseded,
            PromotionReason::TemplateChanged,
        ),
    ];
    for (alter, phase, reason) in alterations {
        let mut facts = between();
        alter(&mut facts);
        let plan = decide(&facts, 60);
        assert_eq!(where_it_stands(&plan), (PromotionPhase::Applying, PromotionReason::TakingOut));
        assert_eq!(the_write(&plan), ("RestoreTarget", "ConfigMap/llama-8b".to_owned()));
        assert_eq!(plan.remember.as_ref(), Some(&plan.report));
        assert_eq!((plan.report.taking_out_since, plan.report.rollback), (Some(at(60)), None));
        facts.progress = plan.report;
        facts.config_map = Some(ObservedConfigMap { resource_version: "502".into(), ..untouched_config_map() });
        let after = decide(&facts, 61);
        assert_eq!((where_it_stands(&after), after.intents.as_slice()), ((phase, reason), [].as_slice()));
    }
}

#[test]
fn what_was_taken_out_may_go_in_again_when_the_gate_opens() {
    let mut facts = before();
    facts.progress.phase = PromotionPhase::Applying;
    facts.progress.config_map_attempt = Some(ConfigMapAttempt { since: at(0), resource_version: "490".into() });
    facts.progress.taking_out_since = Some(at(10));
    let plan = decide(&facts, 60);
    assert_eq!(the_write(&plan), ("PatchTarget", "ConfigMap/llama-8b".to_owned()));
    assert_eq!(plan.report.taking_out_since, None);
}

#[test]
fn taking_out_that_was_decided_is_finished_although_the_gate_opened_again() {
    let mut facts = between();
    facts.progress.taking_out_since = Some(at(10));
    let plan = decide(&facts, 60);
    assert_eq!(the_write(&plan), ("RestoreTarget", "ConfigMap/llama-8b".to_owned()));
    assert_eq!((plan.remember, plan.report.taking_out_since), (None, Some(at(10))));
}

#[test]
fn an_unanswered_patch_of_either_is_made_harmless_before_anything_else() {
    let mut first = before();
    first.progress.config_map_attempt = Some(ConfigMapAttempt { since: at(0), resource_version: "500".into() });
    let mut second = between();
    let attempt = ApplyAttempt { since: at(0), target_resource_version: "100".into(), target_generation: 7 };
    second.progress.attempt = Some(attempt);
    for (mut facts, fenced) in [(first, "ConfigMap/llama-8b"), (second, "Deployment/llama-8b")] {
        facts.window.open = false;
        let plan = decide(&facts, 60);
        let [Intent::FenceTarget(fence)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
        assert_eq!(fence.target.reference.to_string(), fenced);
        assert_eq!(where_it_stands(&plan), (PromotionPhase::Applying, PromotionReason::Withdrawing));
    }
}

#[test]
fn a_config_map_that_was_touched_may_have_had_the_value_unless_our_fence_came_first() {
    let mut facts = before();
    facts.progress.phase = PromotionPhase::Applying;
    facts.progress.config_map_attempt = Some(ConfigMapAttempt { since: at(0), resource_version: "498".into() });
    let touched = decide(&facts, 60);
    assert_eq!(where_it_stands(&touched), (PromotionPhase::Superseded, PromotionReason::TargetChangedWhileApplying));
    let target =
        TargetVersion { resource_version: "498".into(), ..version_of(&config_map_terms(), &untouched_config_map()) };
    let fence = TargetFence { target, promotion: Uid::new("promotion") };
    facts.config_map.iter_mut().for_each(|map| map.fence = Some(fence.text()));
    assert_eq!(the_write(&decide(&facts, 60)), ("PatchTarget", "ConfigMap/llama-8b".to_owned()));
}

#[test]
fn the_way_back_takes_the_config_map_first_and_ends_when_both_are_back() {
    let mut facts = within();
    facts.deletion_requested = true;
    let begun = decide(&facts, 200);
    assert_eq!(where_it_stands(&begun), (PromotionPhase::RollingBack, PromotionReason::DeletionRequested));
    assert_eq!(the_write(&begun), ("RestoreTarget", "ConfigMap/llama-8b".to_owned()));
    let mut half = with_config_map(facts.clone(), promoted_target(), Some(untouched_config_map()));
    half.progress = begun.report;
    let second = decide(&half, 201);
    let [Intent::RestoreTarget(write)] = second.intents.as_slice() else { panic!("{:?}", second.intents) };
    assert_eq!(write.target.reference.to_string(), "Deployment/llama-8b");
    assert_eq!(write.changes.last(), Some(&config_map_terms().hash.reversed()));
    let mut back = with_config_map(facts, untouched_target(), Some(untouched_config_map()));
    back.progress = half.progress;
    let end = decide(&back, 202);
    assert_eq!(where_it_stands(&end), (PromotionPhase::RolledBack, PromotionReason::DeletionRequested));
    assert!(end.report.message.starts_with("ConfigMap/llama-8b and Deployment/llama-8b are as they were before"));
}

#[test]
fn half_a_way_back_that_nobody_decided_is_a_conflict_and_nothing_is_written() {
    let half_out = with_config_map(rolled_out(), promoted_target(), Some(untouched_config_map()));
    let half_in_again = with_config_map(rolled_out(), untouched_target(), Some(promoted_config_map()));
    let gone = with_config_map(rolled_out(), promoted_target(), None);
    for facts in [half_out, half_in_again, gone] {
        let plan = decide(&facts, 200);
        assert_eq!(where_it_stands(&plan), (PromotionPhase::Conflict, PromotionReason::ValueOverwritten));
        assert_eq!(plan.intents, []);
    }
}

#[test]
fn a_target_that_is_gone_leaves_no_value_behind() {
    let alterations: [(Alteration, PromotionReason); 3] = [
        (|facts| facts.target = None, PromotionReason::TargetMissing),
        (
            |facts| facts.target.iter_mut().for_each(|target| target.uid = Uid::new("another")),
            PromotionReason::TargetReplaced,
        ),
        (
            |facts| {
                let address = facts.terms.config_map.as_ref().map(|terms| terms.hash.address.clone()).unwrap();
                facts.target.iter_mut().for_each(|target| drop(target.owned_values.remove(&address)));
            },
            PromotionReason::OwnedFieldChanged,
        ),
    ];
    for (alter, reason) in alterations {
        let mut facts = between();
        alter(&mut facts);
        let plan = decide(&facts, 60);
        assert_eq!(where_it_stands(&plan), (PromotionPhase::Applying, PromotionReason::TakingOut), "{reason}");
        assert_eq!(the_write(&plan), ("RestoreTarget", "ConfigMap/llama-8b".to_owned()));
        facts.progress = plan.report;
        facts.config_map = Some(ObservedConfigMap { resource_version: "502".into(), ..untouched_config_map() });
        assert_eq!(where_it_stands(&decide(&facts, 61)), (PromotionPhase::Superseded, reason));
    }
}

#[test]
fn other_data_that_changed_supersedes_before_the_value_is_in_and_lets_nothing_validate_after_it() {
    let change: Alteration =
        |facts| facts.config_map.iter_mut().for_each(|map| map.hash_with_promoted = Some("other".into()));
    let mut facts = before();
    change(&mut facts);
    assert_eq!(
        where_it_stands(&decide(&facts, 60)),
        (PromotionPhase::Superseded, PromotionReason::ConfigurationChanged)
    );
    let mut facts = within();
    facts.runs = vec![healthy_run()];
    assert_eq!(decide(&facts, 5000).report.phase, PromotionPhase::Validated);
    change(&mut facts);
    let plan = decide(&facts, 5000);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Applied, PromotionReason::TemplateChangedAfterApply));
    assert!(plan.report.message.starts_with("another part of the ConfigMap changed"), "{}", plan.report.message);
}

#[test]
fn a_config_map_that_others_manage_waits_for_consent() {
    let mut facts = before();
    facts.config_map.iter_mut().for_each(|map| map.managed_by = Some(TargetManager::Helm));
    assert_eq!(where_it_stands(&decide(&facts, 60)), (PromotionPhase::Staged, PromotionReason::ConfigMapManaged));
    facts.terms.allow_managed = true;
    assert_eq!(decide(&facts, 60).report.phase, PromotionPhase::Applying);
}

#[test]
fn a_rollback_that_lost_its_target_still_takes_the_value_out() {
    let mut facts = with_config_map(landed(), promoted_target(), Some(promoted_config_map()));
    facts.progress.phase = PromotionPhase::RollingBack;
    facts.progress.rollback = Some(RollbackStart { cause: PromotionReason::SymptomPersists, since: at(50) });
    facts.target = None;
    let plan = decide(&facts, 60);
    assert_eq!(the_write(&plan), ("RestoreTarget", "ConfigMap/llama-8b".to_owned()));
    assert_eq!((plan.remember, plan.report.phase), (None, PromotionPhase::RollingBack));
}
