//! The small world that is explored: promotions, one target, a clock with few instants, and what is on its way.

use super::super::{
    ApprovalMode, ConfigMapTerms, Delivery, ObservedConfigMap, ObservedTarget, PromotionFacts, PromotionProgress,
    facts::{GitFacts, PullRequestState, ReviewDecision, RivalPromotion},
    fixture::{
        ROLLOUT_TIMEOUT, VALIDATE_BY, at, degraded_run, facts, healthy_run, untouched_config_map, untouched_target,
    },
};
use crate::{
    plan::{FieldValue, OwnKind, OwnObject, OwnedField, target::TargetWrite},
    prelude::*,
    value::{RunFacts, SymptomKind, Uid, Verdict},
};

/// The instants that time steps through: before and after the recheck, past the rollout timeout, the last instant to
/// apply, and the deadline.
pub(super) const CLOCK: [i64; 5] = [60, 75, 60 + ROLLOUT_TIMEOUT, VALIDATE_BY - ROLLOUT_TIMEOUT, VALIDATE_BY];

/// The whole state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) promotions: Vec<Promotion>,
    pub(super) target: Option<Target>,
    /// The ConfigMap that the first field lies in, in worlds with one.
    pub(super) config_map: Option<ConfigMap>,
    /// Whether the first field lies in a ConfigMap.
    pub(super) in_config_map: bool,
    pub(super) clock: usize,
    pub(super) window_open: bool,
    pub(super) runs: Vec<Run>,
    /// How many more things the world may do besides letting time pass.
    pub(super) disturbances_left: u8,
}

/// One promotion, its requests on the way included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "each is a separate fact of the explored world")]
pub(super) struct Promotion {
    pub(super) progress: PromotionProgress,
    pub(super) delivery: Delivery,
    pub(super) approval: ApprovalMode,
    pub(super) decision: ReviewDecision,
    pub(super) deletion_requested: bool,
    pub(super) finalizer: bool,
    pub(super) removed: bool,
    /// A patch that a paused leader has yet to send: whether to the ConfigMap, and the resourceVersion that it tests.
    pub(super) paused_patch: Option<(bool, u64)>,
    pub(super) change: PullRequestState,
    pub(super) revert: PullRequestState,
    /// Whether the repository holds the value.
    pub(super) in_repository: bool,
}

/// The one target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) recreated: bool,
    pub(super) resource_version: u64,
    pub(super) generation: i64,
    pub(super) values: Values,
    pub(super) annotation: Annotation,
    pub(super) template_changed_elsewhere: bool,
    pub(super) rollout: Rollout,
    /// Whether somebody else took a promoted value out again: from then on nothing may be put in. No promotion sees this.
    pub(super) overwritten: bool,
}

/// The one ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ConfigMap {
    pub(super) resource_version: u64,
    pub(super) values: Values,
    pub(super) annotation: Annotation,
    /// Whether somebody changed another key.
    pub(super) changed_elsewhere: bool,
    pub(super) fence: Option<String>,
    /// The promotion whose value somebody else took out again, while that was not about to do so itself.
    pub(super) overwritten: Option<usize>,
}

/// What stands in the owned fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Values {
    Before,
    Promoted(usize),
    Foreign,
}

/// What stands in the promotion annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Annotation {
    Before,
    Of(usize),
    Stripped,
}

/// How far the rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rollout {
    UnderWay,
    Finished,
    Crashed,
}

/// A judged run: when it started, what it found, which template it saw.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) clock: usize,
    pub(super) verdict: Verdict,
    pub(super) template: String,
}

impl World {
    /// A world in which each promotion was just made and every gate is open.
    pub(super) fn new(promotions: &[(Delivery, ApprovalMode)], disturbances: u8) -> Self {
        let promotion = |(delivery, approval): &(Delivery, ApprovalMode)| Promotion {
            progress: PromotionProgress::new(),
            delivery: *delivery,
            approval: *approval,
            decision: ReviewDecision::Pending,
            deletion_requested: false,
            finalizer: true,
            removed: false,
            paused_patch: None,
            change: PullRequestState::NotOpened,
            revert: PullRequestState::NotOpened,
            in_repository: false,
        };
        let target = Target {
            recreated: false,
            resource_version: 100,
            generation: 7,
            values: Values::Before,
            annotation: Annotation::Before,
            template_changed_elsewhere: false,
            rollout: Rollout::Finished,
            overwritten: false,
        };
        Self {
            promotions: promotions.iter().map(promotion).collect(),
            target: Some(target),
            config_map: None,
            in_config_map: false,
            clock: 0,
            window_open: true,
            runs: vec![],
            disturbances_left: disturbances,
        }
    }

    /// The same world with the first field in a ConfigMap.
    pub(super) fn with_config_map(self) -> Self {
        let config_map = ConfigMap {
            resource_version: 500,
            values: Values::Before,
            annotation: Annotation::Before,
            changed_elsewhere: false,
            fence: None,
            overwritten: None,
        };
        Self { config_map: Some(config_map), in_config_map: true, ..self }
    }

    /// What the promotion at `index` sees.
    pub(super) fn facts(&self, index: usize) -> PromotionFacts {
        let promotion = &self.promotions[index];
        let mut facts = facts();
        facts.object = OwnObject::new(OwnKind::Promotion, format!("promotion-{index}"), uid(index));
        facts.created_at = at(i64::try_from(index).unwrap());
        facts.terms.owned_fields = owned_fields(index);
        facts.terms.delivery = promotion.delivery;
        facts.terms.approval = promotion.approval;
        facts.progress = promotion.progress.clone();
        facts.deletion_requested = promotion.deletion_requested;
        facts.finalizer_present = promotion.finalizer;
        facts.review.decision = promotion.decision;
        facts.review.approved_by = (promotion.decision == ReviewDecision::Approved).then(|| "jo".to_owned());
        facts.git = GitFacts { change: promotion.change, revert: promotion.revert };
        facts.window.open = self.window_open;
        facts.target = self.target.as_ref().map(Target::observed);
        if self.in_config_map {
            let terms = config_map_terms(index);
            if let (Some(seen), Some(target)) = (&mut facts.target, &self.target) {
                let hash = match target.values {
                    Values::Before => terms.hash.from.clone(),
                    Values::Promoted(promoted) => config_map_terms(promoted).hash.to,
                    Values::Foreign => FieldValue::present("foreign"),
                };
                seen.owned_values.insert(terms.hash.address.clone(), hash);
            }
            facts.config_map = self.config_map.as_ref().map(|map| map.observed(index));
            facts.terms.owned_fields.remove(0);
            facts.terms.config_map = Some(terms);
        }
        facts.runs = self.runs.iter().enumerate().map(|(number, run)| run.facts(number)).collect();
        let others = self.promotions.iter().enumerate().filter(|(other, rival)| *other != index && !rival.removed);
        facts.others = others
            .map(|(other, rival)| RivalPromotion {
                uid: uid(other),
                name: format!("promotion-{other}"),
                created_at: at(i64::try_from(other).unwrap()),
                phase: rival.progress.phase,
            })
            .collect();
        facts
    }
}

impl ConfigMap {
    /// The ConfigMap as it is read by the promotion at `index`.
    fn observed(&self, index: usize) -> ObservedConfigMap {
        let value = |field: OwnedField| match self.values {
            Values::Before => (field.address, field.before),
            Values::Promoted(_) => (field.address, field.promoted),
            Values::Foreign => (field.address, FieldValue::present("foreign")),
        };
        let owner = if let Values::Promoted(owner) = self.values { owner } else { 0 };
        let hash = if self.changed_elsewhere { "elsewhere".to_owned() } else { hash_of(index) };
        ObservedConfigMap {
            resource_version: self.resource_version.to_string(),
            owned_values: config_map_terms(owner).owned_fields.into_iter().map(value).collect(),
            promotion_annotation: match self.annotation {
                Annotation::Of(owner) => Some(uid(owner)),
                Annotation::Before => None,
                Annotation::Stripped => Some(Uid::new("foreign")),
            },
            fence: self.fence.clone(),
            hash_with_promoted: Some(hash),
            ..untouched_config_map()
        }
    }

    /// Carries a write out as the API server would, in either direction; `false` where a test fails.
    pub(super) fn accepts(&mut self, index: usize, write: &TargetWrite, forward: bool) -> bool {
        let tested = write.target.resource_version.parse().ok();
        self.accepts_at(index, tested, forward)
    }

    /// The same for a write that tests this resourceVersion.
    pub(super) fn accepts_at(&mut self, index: usize, tested: Option<u64>, forward: bool) -> bool {
        let (before, promoted) =
            ((Values::Before, Annotation::Before), (Values::Promoted(index), Annotation::Of(index)));
        let (from, to) = if forward { (before, promoted) } else { (promoted, before) };
        let tests_pass = tested == Some(self.resource_version) && (self.values, self.annotation) == from;
        if tests_pass {
            (self.values, self.annotation) = to;
            self.resource_version += 1;
        }
        tests_pass
    }
}

impl Target {
    /// The target as it is read.
    fn observed(&self) -> ObservedTarget {
        let mut target = untouched_target();
        target.uid = Uid::new(if self.recreated { "recreated" } else { "target" });
        target.resource_version = self.resource_version.to_string();
        target.generation = self.generation;
        target.rollout.observed_generation = self.generation;
        target.template_hash = self.template();
        target.template_hash_with_pre_image =
            if self.template_changed_elsewhere { "elsewhere".into() } else { "measured".into() };
        target.promotion_annotation = match self.annotation {
            Annotation::Before => Some(Uid::new("earlier")),
            Annotation::Of(index) => Some(uid(index)),
            Annotation::Stripped => None,
        };
        let value = |field: OwnedField| match self.values {
            Values::Before => (field.address, field.before),
            Values::Promoted(_) => (field.address, field.promoted),
            Values::Foreign => (field.address, FieldValue::present("foreign")),
        };
        let index = if let Values::Promoted(index) = self.values { index } else { 0 };
        target.owned_values = owned_fields(index).into_iter().map(value).collect();
        match self.rollout {
            Rollout::Finished => {}
            Rollout::UnderWay => target.rollout.replicas_updated = 1,
            Rollout::Crashed => target.rollout.new_pod_crashed = true,
        }
        target
    }

    /// The hash of its pod template.
    pub(super) fn template(&self) -> String {
        match (self.values, self.template_changed_elsewhere) {
            (Values::Before, false) => "measured".into(),
            (values, elsewhere) => format!("{values:?} {elsewhere}"),
        }
    }

    /// Carries a write out as the API server would, in either direction; `false` where a test fails.
    pub(super) fn accepts(&mut self, index: usize, write: &TargetWrite, forward: bool) -> bool {
        let (from, to) = (Values::Before, Values::Promoted(index));
        let (marked_from, marked_to) = (Annotation::Before, Annotation::Of(index));
        let (from, to) = if forward { (from, to) } else { (to, from) };
        let (marked_from, marked_to) = if forward { (marked_from, marked_to) } else { (marked_to, marked_from) };
        let tests_pass = !self.recreated
            && write.target.resource_version == self.resource_version.to_string()
            && self.values == from
            && self.annotation == marked_from;
        if tests_pass {
            self.values = to;
            self.annotation = marked_to;
            self.spec_changed();
        }
        tests_pass
    }

    /// What every change of a spec does.
    pub(super) fn spec_changed(&mut self) {
        self.generation += 1;
        self.resource_version += 1;
        self.rollout = Rollout::UnderWay;
    }
}

impl Run {
    /// The run as it was judged.
    fn facts(&self, number: usize) -> RunFacts {
        let run = if self.verdict == Verdict::Degraded {
            degraded_run(SymptomKind::LatencyRegression, "chat")
        } else {
            healthy_run()
        };
        RunFacts {
            uid: Uid::new(format!("run-{number}")),
            started_at: at(CLOCK[self.clock]),
            completed_at: at(CLOCK[self.clock] + 1),
            verdict: self.verdict,
            template_hash_at_start: Some(self.template.clone()),
            template_hash_at_end: Some(self.template.clone()),
            ..run
        }
    }
}

/// The uid of the promotion at `index`.
fn uid(index: usize) -> Uid {
    Uid::new(format!("promotion-{index}"))
}

fn hash_of(index: usize) -> String {
    format!("hash-{index}")
}

/// What of the promotion at `index` lies in the ConfigMap.
fn config_map_terms(index: usize) -> ConfigMapTerms {
    let mut terms = super::super::fixture::config_map_terms();
    terms.owned_fields = owned_fields(index).into_iter().take(1).collect();
    terms.hash.to = FieldValue::present(hash_of(index));
    terms
}

/// The fields of the promotion at `index`: each promotes another value.
fn owned_fields(index: usize) -> Vec<OwnedField> {
    let mut fields = super::super::fixture::owned_fields();
    fields[0].promoted = FieldValue::present((64 + index).to_string());
    fields
}
