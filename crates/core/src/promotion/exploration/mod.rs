//! Every life that a promotion can have in a small world, explored breadth first: each reconcile whole or cut off
//! anywhere, a leader paused before its patch, and a bounded number of things that people, Kubernetes and time do.

mod step;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use self::{
    step::is_config_map,
    world::{Annotation, CLOCK, ConfigMap, Rollout, Values, World},
};
use super::{
    ApprovalMode, Delivery, PromotionFacts, PromotionPhase, PromotionPlan, PromotionReason,
    facts::{PullRequestState, ReviewDecision},
    fixture::at,
    phase::EDGES,
    standing::{ConfigMapStanding, Standing, config_map_standing, observe_standing},
};
use crate::{
    plan::{Intent, Wake, check_plan},
    value::Verdict,
};

/// What an exploration saw: how many worlds, which edges were taken, and which reasons were told.
#[derive(Default)]
struct Seen {
    worlds: usize,
    edges: BTreeSet<(PromotionPhase, PromotionPhase)>,
    reasons: BTreeSet<PromotionReason>,
}

/// Visits every world that can be reached, and checks each plan and each effect on the way. Worlds with more
/// disturbances left come first, so that one which is reached again with fewer has nothing new to show.
fn explore(starts: Vec<World>, visit: fn(&World)) -> Seen {
    let mut known: BTreeSet<u64> = BTreeSet::new();
    let mut seen = Seen::default();
    let mut waiting: BTreeMap<u8, Vec<World>> = BTreeMap::new();
    let mut reached = starts;
    loop {
        for world in reached.drain(..) {
            if !known.contains(&fingerprint(&world)) {
                waiting.entry(world.disturbances_left).or_default().push(world);
            }
        }
        let Some(world) = waiting.values_mut().rev().find_map(Vec::pop) else {
            return Seen { worlds: known.len(), ..seen };
        };
        if known.insert(fingerprint(&world)) {
            visit(&world);
            reached = followers(&world, &mut seen);
        }
    }
}

/// A world by 64 bits, its disturbances left out: among so few worlds no two share them.
fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&world.promotions, &world.target, &world.config_map, world.clock, world.window_open, &world.runs)
        .hash(&mut hasher);
    hasher.finish()
}

/// Every world that can come next.
fn followers(world: &World, seen: &mut Seen) -> Vec<World> {
    let mut next = world.disturbed();
    let mut quiet = true;
    for index in 0..world.promotions.len() {
        let reconciled = reconciled(world, index, seen);
        quiet &= reconciled.first().is_none_or(|whole| whole == world);
        next.extend(reconciled);
        if let Some((sent, landed)) = world.paused_patch_sent(index) {
            assert!(!landed || may_land(world, index), "a patch landed behind the promotion's back: {world:#?}");
            next.push(sent);
        }
    }
    next.extend(world.later(quiet));
    next
}

/// The worlds after one promotion was looked at: carried out whole, or, for one disturbance, cut off.
fn reconciled(world: &World, index: usize, seen: &mut Seen) -> Vec<World> {
    if world.promotions[index].removed {
        return vec![];
    }
    let plan = world.plan(index);
    check(world, index, &plan);
    let from = world.promotions[index].progress.phase;
    let through = plan.remember.as_ref().map_or(from, |progress| progress.phase);
    for (from, to) in [(from, through), (through, plan.report.phase)] {
        assert!(from.may_become(to), "{from} became {to}, which is not drawn: {world:#?}");
        seen.edges.insert((from, to));
    }
    seen.reasons.insert(plan.report.reason);
    let mut worlds = vec![world.carried_out(index, &plan)];
    if let Some(left) = world.disturbances_left.checked_sub(1) {
        let base = World { disturbances_left: left, ..world.clone() };
        worlds.extend(base.cut_off(index, &plan));
    }
    worlds
}

/// A paused leader's patch may land only while the promotion knows of it.
fn may_land(world: &World, index: usize) -> bool {
    let progress = &world.promotions[index].progress;
    let attempted = progress.attempt.is_some() || progress.config_map_attempt.is_some();
    !progress.phase.is_terminal() && attempted
}

/// What holds of every plan, whatever the world.
fn check(world: &World, index: usize, plan: &PromotionPlan) {
    let promotion = &world.promotions[index];
    let facts = world.facts(index);
    assert_eq!(check_plan(plan), [], "{world:#?}");
    let standing = observe_standing(&facts);
    for intent in &plan.intents {
        match intent {
            Intent::PatchTarget(write) => {
                let second = world.in_config_map && !is_config_map(&write.target);
                let expected = if second { Standing::ConfigMapPromoted } else { Standing::Untouched };
                assert_eq!(standing, expected, "{world:#?}");
                assert!(may_apply(world, index), "{world:#?}");
                let overwritten = world.target.as_ref().is_some_and(|target| target.overwritten)
                    || world.config_map.as_ref().is_some_and(|map| map.overwritten == Some(index));
                assert!(!overwritten, "somebody took the value out, and it is put in again: {world:#?}");
            }
            Intent::RestoreTarget(write) => check_restore(world, &facts, standing, is_config_map(&write.target)),
            _ => {}
        }
    }
    let before = promotion.progress.phase;
    if before.is_terminal() {
        assert_eq!(plan.report, promotion.progress, "an end did not stay: {world:#?}");
        assert!(!plan.intents.iter().any(Intent::writes_foreign_object), "{world:#?}");
        return;
    }
    match plan.wake {
        wake if wake == Wake::poll() => panic!("a promotion that has not ended polls: {world:#?}"),
        Wake::At(_) => {}
        Wake::OnChange => panic!("a promotion that has not ended waits without an end: {world:#?}"),
    }
    match plan.report.phase {
        PromotionPhase::Superseded | PromotionPhase::Expired | PromotionPhase::Rejected => {
            let left = config_map_standing(&facts) == Some(ConfigMapStanding::Promoted);
            assert!(!left, "a value that nothing will validate is left in the ConfigMap: {world:#?}");
        }
        PromotionPhase::RolledBack => assert_eq!(standing, Standing::Untouched, "{world:#?}"),
        PromotionPhase::Validated => assert!(was_validated(world, index, plan), "{world:#?}"),
        _ => {}
    }
}

/// A pre-image comes back only where ours stands; the ConfigMap's before the target's, or pods of the old template would start
/// with the new value.
fn check_restore(world: &World, facts: &PromotionFacts, standing: Standing, to_config_map: bool) {
    let decided = facts.progress.rollback.is_some();
    if to_config_map {
        assert_eq!(config_map_standing(facts), Some(ConfigMapStanding::Promoted), "{world:#?}");
        let in_target = standing == Standing::Promoted;
        assert!(
            in_target
                || decided
                || facts.progress.applied_at.is_none()
                || facts.target.as_ref().is_none_or(|target| target.uid != facts.terms.target_uid),
            "{world:#?}"
        );
    } else {
        let expected = if world.in_config_map { Standing::TargetPromoted } else { Standing::Promoted };
        assert_eq!(standing, expected, "{world:#?}");
        assert!(decided || !world.in_config_map, "{world:#?}");
    }
}

/// Whether everything that applying needs is given, told apart from the code under test.
fn may_apply(world: &World, index: usize) -> bool {
    let promotion = &world.promotions[index];
    let agreed = promotion.approval == ApprovalMode::Automatic || promotion.decision == ReviewDecision::Approved;
    let refused = promotion.decision == ReviewDecision::Rejected || promotion.deletion_requested;
    let alike = !world.in_config_map || world.config_map.as_ref().is_some_and(|map| !map.changed_elsewhere);
    alike && agreed && !refused && world.window_open && promotion.finalizer && world.clock < 3
}

/// Whether a healthy run began after the rollout was seen finished, on the promoted template.
fn was_validated(world: &World, index: usize, plan: &PromotionPlan) -> bool {
    let Some(rolled_out_at) = plan.report.rolled_out_at else { return false };
    let template = format!("{:?} false", Values::Promoted(index));
    let configured = |map: &ConfigMap| map.values == Values::Promoted(index) && !map.changed_elsewhere;
    if world.in_config_map && !world.config_map.as_ref().is_some_and(configured) {
        return false;
    }
    world
        .runs
        .iter()
        .any(|run| run.verdict == Verdict::Healthy && at(CLOCK[run.clock]) > rolled_out_at && run.template == template)
}

/// A world whose status was lost although the value had been in and was then changed.
fn status_lost() -> World {
    let mut world = World::new(&[(Delivery::Patch, ApprovalMode::Automatic)], 0);
    let target = world.target.as_mut().unwrap();
    (target.values, target.annotation) = (Values::Foreign, Annotation::Of(0));
    world
}

/// Lives that are explored from a later point on, so that their second half is explored as deeply as the first.
fn later_starts(disturbances: u8) -> Vec<World> {
    let mut applied = World::new(&[(Delivery::Patch, ApprovalMode::Automatic)], disturbances);
    for _ in 0..3 {
        applied = applied.carried_out(0, &applied.plan(0));
        applied.target.as_mut().unwrap().rollout = Rollout::Finished;
    }
    assert_eq!(applied.promotions[0].progress.phase, PromotionPhase::Applied);
    let mut approved = World::new(&[(Delivery::Patch, ApprovalMode::Manual)], disturbances);
    approved.promotions[0].decision = ReviewDecision::Approved;
    approved.promotions[0].progress.phase = PromotionPhase::AwaitingReview;
    let mut merged = World::new(&[(Delivery::Git, ApprovalMode::Manual)], disturbances);
    (merged.promotions[0].change, merged.promotions[0].in_repository) = (PullRequestState::Merged, true);
    merged.promotions[0].progress.phase = PromotionPhase::AwaitingReview;
    let mut synchronised = merged.clone();
    let target = synchronised.target.as_mut().unwrap();
    (target.values, target.generation, target.resource_version) = (Values::Promoted(0), 8, 101);
    vec![applied, approved, merged, synchronised]
}

/// The same lives with a value in a ConfigMap; one of them begins half way in, and one half way back.
fn config_map_starts(disturbances: u8) -> Vec<World> {
    let new = |approval, disturbances| World::new(&[(Delivery::Patch, approval)], disturbances).with_config_map();
    let automatic = new(ApprovalMode::Automatic, disturbances);
    let mut lost = new(ApprovalMode::Automatic, 0);
    lost.config_map.iter_mut().for_each(|map| (map.values, map.annotation) = (Values::Foreign, Annotation::Of(0)));
    let between = automatic.carried_out(0, &automatic.plan(0));
    assert_eq!(observe_standing(&between.facts(0)), Standing::ConfigMapPromoted);
    let mut applied = between.clone();
    for _ in 0..3 {
        applied = applied.carried_out(0, &applied.plan(0));
        applied.target.as_mut().unwrap().rollout = Rollout::Finished;
    }
    assert_eq!(applied.promotions[0].progress.phase, PromotionPhase::Applied);
    let mut back = applied.clone();
    back.promotions[0].deletion_requested = true;
    let back = back.carried_out(0, &back.plan(0));
    assert_eq!(observe_standing(&back.facts(0)), Standing::TargetPromoted);
    vec![automatic, new(ApprovalMode::Manual, disturbances.saturating_sub(1)), lost, between, applied, back]
}

#[test]
fn a_value_in_a_config_map_takes_the_same_edges_and_is_never_left_behind() {
    use PromotionReason::{
        ConfigurationChanged, OwnedFieldChanged, TakingOut, TargetChangedWhileApplying, TargetMissing, TargetReplaced,
        TemplateChangedAfterApply, ValueOverwritten, Withdrawing,
    };
    let seen = explore(config_map_starts(2), assert_ends);
    assert!(seen.worlds > 10_000, "only {} worlds were explored", seen.worlds);
    let told = [
        ConfigurationChanged,
        OwnedFieldChanged,
        TakingOut,
        TargetChangedWhileApplying,
        TargetMissing,
        TargetReplaced,
        TemplateChangedAfterApply,
        ValueOverwritten,
        Withdrawing,
    ];
    let never: Vec<_> = told.iter().filter(|reason| !seen.reasons.contains(reason)).collect();
    assert!(never.is_empty(), "{never:?}");
}

#[test]
fn of_two_promotions_by_a_config_map_at_most_one_goes_on() {
    let patch = (Delivery::Patch, ApprovalMode::Automatic);
    let seen = explore(vec![World::new(&[patch, patch], 1).with_config_map()], assert_one_goes_on);
    assert!(seen.worlds > 500, "only {} worlds were explored", seen.worlds);
}

#[test]
fn in_every_life_only_drawn_edges_are_taken_and_every_drawn_edge_is() {
    let mut starts = vec![
        World::new(&[(Delivery::Patch, ApprovalMode::Automatic)], 2),
        World::new(&[(Delivery::Patch, ApprovalMode::Manual)], 1),
        World::new(&[(Delivery::Git, ApprovalMode::Manual)], 1),
        status_lost(),
    ];
    starts.extend(later_starts(2));
    let seen = explore(starts, assert_ends);
    let never_taken: Vec<_> = EDGES.iter().filter(|edge| !seen.edges.contains(&(edge.from, edge.to))).collect();
    assert!(never_taken.is_empty(), "{never_taken:#?}");
    assert!(seen.worlds > 10_000, "only {} worlds were explored", seen.worlds);
}

/// When nothing happens any more but time, every promotion by patch ends.
fn assert_ends(world: &World) {
    if world.promotions[0].delivery == Delivery::Git || world.clock + 1 < CLOCK.len() {
        return;
    }
    let mut end = world.clone();
    for _ in 0..8 {
        end = end.carried_out(0, &end.plan(0));
    }
    assert!(end.promotions[0].progress.phase.is_terminal(), "does not end: {world:#?}\n{end:#?}");
    assert!(!end.promotions[0].finalizer, "{end:#?}");
}

/// Of two promotions that have not ended, a look at each ends one.
fn assert_one_goes_on(world: &World) {
    let unfinished = |index: &usize| !world.promotions[*index].progress.phase.is_terminal();
    let goes_on = |index: &usize| !world.plan(*index).report.phase.is_terminal();
    let both = (0..2).filter(unfinished).count() == 2;
    assert!(!both || (0..2).filter(goes_on).count() < 2, "{world:#?}");
}

#[test]
fn of_two_promotions_of_a_target_at_most_one_goes_on() {
    let patch = (Delivery::Patch, ApprovalMode::Automatic);
    let manual = (Delivery::Patch, ApprovalMode::Manual);
    let starts = vec![World::new(&[patch, patch], 1), World::new(&[manual, patch], 1)];
    let seen = explore(starts, assert_one_goes_on);
    assert!(seen.worlds > 1_000, "only {} worlds were explored", seen.worlds);
}
