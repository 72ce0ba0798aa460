//! What can happen in the explored world: a reconcile, whole or cut off anywhere, and what people, Kubernetes and time do.

use super::{
    super::{
        Delivery, PromotionPlan, decide_promotion,
        facts::{PullRequestState, ReviewDecision},
        fixture::at,
    },
    world::{Annotation, CLOCK, ConfigMap, Rollout, Run, Target, Values, World},
};
use crate::{
    plan::{Intent, target::TargetVersion},
    prelude::*,
    value::Verdict,
};

impl World {
    /// The plan of the promotion at `index`, with the messages left out: nothing is decided by them.
    pub(super) fn plan(&self, index: usize) -> PromotionPlan {
        let mut plan = decide_promotion(&self.facts(index), at(CLOCK[self.clock]));
        plan.report.message.clear();
        plan.remember.iter_mut().for_each(|progress| progress.message.clear());
        plan
    }

    /// The world after the whole plan; cut off where a write is refused, as the driver stops there.
    pub(super) fn carried_out(&self, index: usize, plan: &PromotionPlan) -> Self {
        let mut world = self.remembered(index, plan);
        for intent in &plan.intents {
            if !world.carry_out(index, intent) {
                return world;
            }
        }
        world.promotions[index].progress = plan.report.clone();
        world
    }

    /// The world after the plan's first write only.
    pub(super) fn remembered(&self, index: usize, plan: &PromotionPlan) -> Self {
        let mut world = self.clone();
        if let Some(progress) = &plan.remember {
            world.promotions[index].progress = progress.clone();
        }
        world
    }

    /// The worlds in which the plan is cut off: after what is remembered, after each intent, or with its patch still to
    /// be sent by a leader that is paused.
    pub(super) fn cut_off(&self, index: usize, plan: &PromotionPlan) -> Vec<Self> {
        let mut world = self.remembered(index, plan);
        let mut worlds = vec![world.clone()];
        for intent in &plan.intents {
            if let Intent::PatchTarget(write) = intent {
                let mut paused = world.clone();
                let tested = write.target.resource_version.parse().unwrap();
                paused.promotions[index].paused_patch = Some((is_config_map(&write.target), tested));
                worlds.push(paused);
            }
            if !world.carry_out(index, intent) {
                break;
            }
            worlds.push(world.clone());
        }
        worlds
    }

    /// Carries one intent out; `false` where a precondition fails.
    fn carry_out(&mut self, index: usize, intent: &Intent) -> bool {
        let promotion = &mut self.promotions[index];
        let map = self.config_map.as_mut();
        match intent {
            Intent::PatchTarget(write) if is_config_map(&write.target) => {
                map.is_some_and(|map| map.accepts(index, write, true))
            }
            Intent::RestoreTarget(write) if is_config_map(&write.target) => {
                map.is_some_and(|map| map.accepts(index, write, false))
            }
            Intent::FenceTarget(fence) if is_config_map(&fence.target) => map.is_some_and(|map| {
                let current = fence.target.resource_version == map.resource_version.to_string();
                if current {
                    map.fence = Some(fence.text());
                    map.resource_version += 1;
                }
                current
            }),
            Intent::PatchTarget(write) => self.target.as_mut().is_some_and(|target| target.accepts(index, write, true)),
            Intent::RestoreTarget(write) => {
                self.target.as_mut().is_some_and(|target| target.accepts(index, write, false))
            }
            Intent::FenceTarget(fence) => self.target.as_mut().is_some_and(|target| {
                let current = fence.target.resource_version == target.resource_version.to_string();
                target.resource_version += u64::from(current);
                current
            }),
            Intent::OpenPullRequest(_) => open(&mut promotion.change),
            Intent::OpenRevertPullRequest(_) => open(&mut promotion.revert),
            Intent::ClosePullRequest(closing) if closing.branch.ends_with("-revert") => close(&mut promotion.revert),
            Intent::ClosePullRequest(_) => close(&mut promotion.change),
            Intent::AddFinalizer(_) => {
                promotion.finalizer = true;
                true
            }
            Intent::RemoveFinalizer(_) => {
                promotion.finalizer = false;
                promotion.removed = promotion.deletion_requested;
                true
            }
            Intent::RecordEvent(_) => true,
            other => panic!("a promotion never asks for {}", other.name()),
        }
    }

    /// A paused leader sends its patch. Gives the world and whether the patch landed.
    pub(super) fn paused_patch_sent(&self, index: usize) -> Option<(Self, bool)> {
        let (to_config_map, tested) = self.promotions[index].paused_patch?;
        let mut world = self.clone();
        world.promotions[index].paused_patch = None;
        if to_config_map {
            let map = world.config_map.as_mut();
            let landed = map.is_some_and(|map| map.accepts_at(index, Some(tested), true));
            return Some((world, landed));
        }
        let landed = world.target.as_mut().is_some_and(|target| {
            let passes = !target.recreated
                && target.resource_version == tested
                && target.values == Values::Before
                && target.annotation == Annotation::Before;
            if passes {
                target.values = Values::Promoted(index);
                target.annotation = Annotation::Of(index);
                target.spec_changed();
            }
            passes
        });
        Some((world, landed))
    }

    /// Time goes on by one instant: freely once every reconcile has run its course, else for one disturbance, because
    /// then every operator was away.
    pub(super) fn later(&self, quiet: bool) -> Option<Self> {
        let disturbances_left = self.disturbances_left.checked_sub(u8::from(!quiet))?;
        (self.clock + 1 < CLOCK.len()).then(|| Self { clock: self.clock + 1, disturbances_left, ..self.clone() })
    }

    /// Everything that people, Kubernetes and runs can do next. Each costs one disturbance.
    pub(super) fn disturbed(&self) -> Vec<Self> {
        let Some(left) = self.disturbances_left.checked_sub(1) else { return vec![] };
        let base = Self { disturbances_left: left, ..self.clone() };
        let mut worlds = Vec::new();
        let mut push = |alter: &dyn Fn(&mut Self)| {
            let mut world = base.clone();
            alter(&mut world);
            if world != base {
                worlds.push(world);
            }
        };
        push(&|world| world.window_open = !world.window_open);
        push(&|world| world.target = None);
        for index in 0..self.promotions.len() {
            push(&|world| world.promotions[index].deletion_requested = true);
            push(&|world| world.promotions[index].decision = ReviewDecision::Approved);
            push(&|world| world.promotions[index].decision = ReviewDecision::Pending);
            push(&|world| world.promotions[index].decision = ReviewDecision::Rejected);
            push(&|world| world.promotions[index].finalizer = false);
            if self.promotions[index].delivery == Delivery::Git {
                push(&|world| world.people_use_git(index, PullRequestState::Merged));
                push(&|world| world.people_use_git(index, PullRequestState::Closed));
                push(&|world| world.promotions[index].in_repository = false);
                push(&|world| world.synchronised(index));
            }
        }
        if let Some(target) = &self.target {
            let changes: [fn(&mut Target); 9] = [
                |target| target.resource_version += 1,
                |target| target.rollout = Rollout::Finished,
                |target| target.rollout = Rollout::Crashed,
                |target| target.values = Values::Foreign,
                |target| target.values = Values::Before,
                |target| (target.values, target.annotation) = (Values::Before, Annotation::Before),
                |target| target.annotation = Annotation::Stripped,
                |target| target.template_changed_elsewhere = !target.template_changed_elsewhere,
                |target| target.recreated = true,
            ];
            for change in changes {
                push(&|world| world.target.iter_mut().for_each(|target| target.changed_by(change)));
            }
            for verdict in [Verdict::Healthy, Verdict::Degraded] {
                let run = Run { clock: self.clock, verdict, template: target.template() };
                push(&|world| world.runs.push(run.clone()));
            }
        }
        worlds.extend(base.config_map_disturbed());
        worlds
    }

    /// Everything that people can do to the ConfigMap.
    fn config_map_disturbed(&self) -> Vec<Self> {
        let Some(map) = &self.config_map else { return vec![] };
        let changes: [fn(&mut ConfigMap); 6] = [
            |_| {},
            |map| map.values = Values::Foreign,
            |map| map.values = Values::Before,
            |map| (map.values, map.annotation) = (Values::Before, Annotation::Before),
            |map| map.annotation = Annotation::Stripped,
            |map| map.changed_elsewhere = !map.changed_elsewhere,
        ];
        let worlds = changes.into_iter().map(|change| {
            let mut after = map.clone();
            change(&mut after);
            after.resource_version += 1;
            if let Values::Promoted(owner) = map.values
                && after.values != map.values
                && self.promotions[owner].progress.taking_out_since.is_none()
            {
                after.overwritten = Some(owner);
            }
            Self { config_map: Some(after), ..self.clone() }
        });
        worlds.chain([Self { config_map: None, ..self.clone() }]).collect()
    }

    /// People merge or close whatever is open.
    fn people_use_git(&mut self, index: usize, outcome: PullRequestState) {
        let promotion = &mut self.promotions[index];
        let merged = outcome == PullRequestState::Merged;
        if promotion.revert == PullRequestState::Open {
            promotion.revert = outcome;
            promotion.in_repository &= !merged;
        } else if promotion.change == PullRequestState::Open {
            promotion.change = outcome;
            promotion.in_repository |= merged;
        }
    }

    /// What syncs the repository brings the target to it.
    fn synchronised(&mut self, index: usize) {
        let wanted = if self.promotions[index].in_repository { Values::Promoted(index) } else { Values::Before };
        if let Some(target) = self.target.as_mut().filter(|target| target.values != wanted) {
            target.values = wanted;
            target.spec_changed();
        }
    }
}

impl Target {
    /// Somebody else's change, with what the API server counts up for it.
    fn changed_by(&mut self, change: fn(&mut Self)) {
        let before = self.clone();
        change(self);
        self.overwritten |= matches!(before.values, Values::Promoted(_)) && self.values != before.values;
        if (self.values, self.template_changed_elsewhere) != (before.values, before.template_changed_elsewhere) {
            self.spec_changed();
        } else if *self != before && self.resource_version == before.resource_version {
            self.resource_version += 1;
        }
    }
}

/// Whether a write goes to the ConfigMap.
pub(super) fn is_config_map(version: &TargetVersion) -> bool {
    version.reference.kind == "ConfigMap"
}

fn open(request: &mut PullRequestState) -> bool {
    if *request == PullRequestState::NotOpened {
        *request = PullRequestState::Open;
    }
    true
}

/// Closes what is open. What people did meanwhile makes the intent fail, so that it is seen first.
fn close(request: &mut PullRequestState) -> bool {
    let was_open = *request == PullRequestState::Open;
    if was_open {
        *request = PullRequestState::Closed;
    }
    was_open
}
