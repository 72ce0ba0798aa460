//! From what was read to what is decided on.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, PodTemplateSpec};
use kube::ResourceExt;
use phaseloop_core::{
    plan::{OwnKind, OwnObject},
    policy::{MaintenanceWindows, Suspension},
    promotion::{
        Delivery, ObservedConfigMap, ObservedTarget, PromotionPhase, PromotionProgress, PromotionReason,
        PromotionTerms, Undeliverable,
        facts::{CanaryEvidence, RivalPromotion},
    },
    schedule::RunReason,
    value::{RunFacts, TargetReference, Uid},
};

use super::{
    observe::{ObservedPromotion, ObservedWorld},
    progress::{core_phase, progress_of},
    terms::promotion_terms,
};
use crate::{
    api::{PhaseRun, Promotion, PromotionStatus, TuningCanary, tuning_canary::status::CanaryVerdict},
    controllers::{
        phase_run::facts::{has_ended, run_facts, runs_of},
        target as wire,
    },
    delivery::{
        config_map::observe_config_map,
        edit::edit_template,
        permission::{check_config_map, check_fields},
        target::{TargetSurroundings, observe_target},
    },
    validate::{SpecFault, faults_text, promotion_windows},
};

/// A promotion with everything that decisions about it rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidPromotion {
    /// The promotion as it was read.
    pub object: Promotion,
    /// Its terms.
    pub terms: PromotionTerms,
    /// What its status remembers.
    pub progress: PromotionProgress,
    /// What a promotion needs that has not ended. Of one that has, nothing of it is looked at.
    pub world: ValidWorld,
}

/// What a promotion needs that has not ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValidWorld {
    /// The target as it was read, for the requests that change it.
    pub target: Option<wire::ObservedTarget>,
    /// The same as the core sees it.
    pub observed: Option<ObservedTarget>,
    /// The ConfigMap that values lie in, as it was read.
    pub config_map: Option<ConfigMap>,
    /// The same as the core sees it.
    pub observed_config_map: Option<ObservedConfigMap>,
    /// What forbids delivering it.
    pub undeliverable: Option<Undeliverable>,
    /// The canary that won.
    pub canary: Option<CanaryEvidence>,
    /// The canary's uid, for the audit.
    pub canary_uid: Option<Uid>,
    /// Other promotions of the target.
    pub others: Vec<RivalPromotion>,
    /// The runs of the target, as they were read.
    pub runs: Vec<Arc<PhaseRun>>,
    /// The judged ones of them.
    pub judged: Vec<RunFacts>,
    /// Windows in which it may be applied.
    pub windows: MaintenanceWindows,
    /// The kill switch of its Escalation.
    pub suspension: Option<Suspension>,
    /// Whether the admission policy that guards approvals is in force; absent where it was not asked.
    pub approval_guarded: Option<bool>,
}

impl ValidPromotion {
    /// The promotion as plans name it.
    pub fn identity(&self) -> OwnObject {
        OwnObject::new(OwnKind::Promotion, self.object.name_any(), uid_of(&self.object))
    }

    /// Its status as it was read.
    pub fn status(&self) -> PromotionStatus {
        self.object.status.clone().unwrap_or_default()
    }

    /// Whether its deletion was requested.
    pub fn is_going(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    /// Whether an approval counts: whether the policy that guards it was in force while nobody had decided.
    pub fn approval_guarded(&self) -> Option<bool> {
        let remembered = self.object.status.as_ref().and_then(|status| status.approval_guarded);
        self.world.approval_guarded.or(remembered)
    }
}

pub(super) fn uid_of(promotion: &Promotion) -> Uid {
    Uid::new(promotion.uid().unwrap_or_default())
}

pub(super) fn validate(observed: ObservedPromotion) -> ValidPromotion {
    let ObservedPromotion { object, world } = observed;
    let terms = promotion_terms(&object.spec);
    let progress = progress_of(object.status.as_ref());
    let world = world.map(|world| valid_world(&object, &terms, world)).unwrap_or_default();
    ValidPromotion { object, terms, progress, world }
}

fn valid_world(object: &Promotion, terms: &PromotionTerms, world: ObservedWorld) -> ValidWorld {
    let runs: Vec<Arc<PhaseRun>> = runs_of(&world.runs, &terms.target).cloned().collect();
    let engine = object.spec.target_ref.container.as_deref();
    let surroundings =
        TargetSurroundings { engine, newest_pods: &world.newest_pods, spare_gpu_seen: spare_gpu_seen(&runs) };
    let observed = world.target.as_ref().map(|target| observe_target(target, terms, surroundings));
    let mut faults = Vec::new();
    let windows = promotion_windows(&object.spec, &mut faults);
    let template = world.target.as_ref().map(wire::ObservedTarget::template);
    ValidWorld {
        undeliverable: undeliverable(terms, engine, template.as_ref(), &world, &faults),
        target: world.target,
        observed,
        observed_config_map: world
            .config_map
            .as_ref()
            .zip(terms.config_map.as_ref())
            .map(|(map, terms)| observe_config_map(map, terms)),
        config_map: world.config_map,
        canary: world.canary.as_ref().map(evidence),
        canary_uid: world.canary.as_ref().map(|canary| Uid::new(canary.uid().unwrap_or_default())),
        others: rivals(object, terms, &world.promotions),
        judged: runs.iter().filter_map(|run| run_facts(run)).collect(),
        runs,
        windows,
        suspension: world
            .escalation
            .and_then(|escalation| escalation.spec.suspend)
            .map(|suspend| Suspension { reason: suspend.reason, until: suspend.until }),
        approval_guarded: world.approval_guarded,
    }
}

/// What forbids delivering a promotion, whatever else holds. A field at which something else stands than its pre-image is
/// none of it: the core sees that for itself.
fn undeliverable(
    terms: &PromotionTerms,
    engine: Option<&str>,
    template: Option<&PodTemplateSpec>,
    world: &ObservedWorld,
    faults: &[SpecFault],
) -> Option<Undeliverable> {
    let because = |reason: PromotionReason, message: String| Some(Undeliverable { reason, message });
    if terms.delivery == Delivery::Git {
        let reason = PromotionReason::GitNotDelivered;
        return because(reason, reason.meaning().to_owned());
    }
    if !faults.is_empty() {
        return because(PromotionReason::SpecInvalid, faults_text(faults));
    }
    if let Some(faults) = world.policy.faults() {
        return because(PromotionReason::PolicyUnreadable, faults.to_owned());
    }
    let template = template?;
    check_fields(terms, template, engine, world.policy.policy())
        .and_then(|()| {
            let map = world.config_map.as_ref();
            let check = |own| check_config_map(own, map, template, &world.config_map_users);
            terms.config_map.as_ref().map_or(Ok(()), check)
        })
        .and_then(|()| edit_template(template, &terms.target_changes()).map(drop))
        .err()
}

fn evidence(canary: &TuningCanary) -> CanaryEvidence {
    let verdict = canary.status.as_ref().and_then(|status| status.verdict);
    CanaryEvidence {
        passed: verdict == Some(CanaryVerdict::Passed),
        parameters: canary.spec.parameters.clone(),
        target_uid: Uid::new(&canary.spec.target_uid),
        template_hash: canary.spec.template_hash.clone(),
    }
}

fn rivals(object: &Promotion, terms: &PromotionTerms, promotions: &[Arc<Promotion>]) -> Vec<RivalPromotion> {
    let uid = uid_of(object);
    let of_target =
        |other: &&Arc<Promotion>| uid_of(other) != uid && TargetReference::from(&other.spec.target_ref) == terms.target;
    let rival = |other: &Arc<Promotion>| RivalPromotion {
        uid: uid_of(other),
        name: other.name_any(),
        created_at: super::facts::created_at(other),
        phase: other.status.as_ref().and_then(|status| status.phase).map_or(PromotionPhase::Staged, core_phase),
    };
    promotions.iter().filter(of_target).map(rival).collect()
}

/// Whether the newest run that can tell found a GPU without borrowing one.
fn spare_gpu_seen(runs: &[Arc<PhaseRun>]) -> bool {
    let mut ended: Vec<&PhaseRun> = runs.iter().map(Arc::as_ref).filter(|run| has_ended(run)).collect();
    ended.sort_by_key(|run| std::cmp::Reverse(run.status.as_ref().and_then(|status| status.completed_at)));
    ended.into_iter().find_map(found_gpu).unwrap_or(false)
}

/// Whether a run found room and a GPU without borrowing one; `None` where it tested nothing, so that nobody can tell.
fn found_gpu(run: &PhaseRun) -> Option<bool> {
    let status = run.status.as_ref()?;
    let none = [RunReason::NoSpareGPU.name(), RunReason::Unschedulable.name()];
    let reasons = status.reasons.iter().chain(status.domains.iter().flat_map(|domain| &domain.reasons));
    if status.borrowed.is_some() || reasons.into_iter().any(|reason| none.contains(&reason.as_str())) {
        return Some(false);
    }
    status.domains.iter().any(|domain| domain.valid == Some(true)).then_some(true)
}
