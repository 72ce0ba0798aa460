//! From what was read to what is decided on.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use phaseloop_core::{
    cycle::{CyclePolicy, TuningReason},
    plan::{OwnKind, OwnObject},
    policy::{
        AdministrationReason, CanaryFacts, EscalationIdentity, FindingSeverity, Flag, Suspension, TargetClaims,
        ruling_escalation,
    },
    tuning::fingerprint,
    value::{Environment, TargetReference, Uid},
};

use super::{Basis, TargetBasis, observe::ObservedEscalation};
use crate::{
    api::{
        Escalation, EscalationStatus, PhaseRun, PhaseSchedule, Promotion, TuningCanary,
        escalation::status::DeniedCandidate, promotion::status::PromotionPhase,
    },
    controllers::{
        Lending, ObservedPolicy, OperatorSettings,
        phase_run::facts::{engine_starts, has_ended, healthy_configuration, newest_environment, run_facts, runs_of},
        tuning_canary::facts::{canary_facts, is_frozen, target_of},
    },
    validate::{
        ScheduleContext, check_limits, check_supported, cycle_policy, faults_text, schedule_context, windows_zone,
    },
};

/// Denied candidates that a status keeps.
const DENIED_MAX: usize = 64;

/// An Escalation with everything that decisions about it rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidEscalation {
    /// The Escalation as it was read.
    pub object: Escalation,
    /// The administrator's policy.
    pub policy: ObservedPolicy,
    /// The target as a lender; absent where the Escalation borrows nothing and owes nothing.
    pub lending: Option<Lending>,
    /// Whether anything can be decided.
    pub standing: Standing,
}

/// Whether anything can be decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Nothing can: somebody has to change something.
    Stalled {
        /// The typed reason's name.
        reason: &'static str,
        /// The same with names and figures.
        message: String,
    },
    /// On this.
    Working(Box<Basis>),
}

impl ValidEscalation {
    /// The Escalation as plans name it.
    pub fn identity(&self) -> OwnObject {
        OwnObject::new(OwnKind::Escalation, self.object.name_any(), Uid::new(self.object.uid().unwrap_or_default()))
    }

    /// Its status as it was read.
    pub fn status(&self) -> EscalationStatus {
        self.object.status.clone().unwrap_or_default()
    }

    /// What decisions rest on, where anything can be decided.
    pub(super) fn basis(&self) -> Option<&Basis> {
        match &self.standing {
            Standing::Stalled { .. } => None,
            Standing::Working(basis) => Some(basis),
        }
    }
}

pub(super) fn validate(observed: ObservedEscalation, settings: &OperatorSettings) -> ValidEscalation {
    let standing =
        standing(&observed, settings).unwrap_or_else(|(reason, message)| Standing::Stalled { reason, message });
    let reference = TargetReference::from(&observed.object.spec.target_ref);
    let lending = observed.lending.map(|lending| lending.lending(&reference));
    ValidEscalation { standing, lending, policy: observed.policy, object: observed.object }
}

fn standing(observed: &ObservedEscalation, settings: &OperatorSettings) -> Result<Standing, (&'static str, String)> {
    if let Some(faults) = observed.policy.faults() {
        return Err((AdministrationReason::PolicyInvalid.name(), faults.to_owned()));
    }
    let context = schedule_of(observed)?;
    let policy = policy_of(observed, context)?;
    Ok(Standing::Working(Box::new(basis(observed, policy, settings))))
}

/// The schedule of the target's runs: of several the oldest that is not suspended.
fn schedule_of(observed: &ObservedEscalation) -> Result<ScheduleContext, (&'static str, String)> {
    let target = TargetReference::from(&observed.object.spec.target_ref);
    let of_target = |schedule: &&Arc<PhaseSchedule>| TargetReference::from(&schedule.spec.run.target_ref) == target;
    let order = |schedule: &&Arc<PhaseSchedule>| (schedule.spec.suspend, created_at(schedule.as_ref()), schedule.uid());
    let Some(schedule) = observed.schedules.iter().filter(of_target).min_by_key(order) else {
        let message = format!("no PhaseSchedule of this namespace runs against {target}; make one");
        return Err((TuningReason::NoSchedule.name(), message));
    };
    let mut faults = Vec::new();
    schedule_context(&schedule.spec, &mut faults).ok_or_else(|| {
        let message = format!("PhaseSchedule {}: {}", schedule.name_any(), faults_text(&faults));
        (TuningReason::ScheduleInvalid.name(), message)
    })
}

fn policy_of(observed: &ObservedEscalation, context: ScheduleContext) -> Result<CyclePolicy, (&'static str, String)> {
    let (spec, administrator) = (&observed.object.spec, observed.policy.policy());
    let mut faults = Vec::new();
    check_supported(spec, &mut faults);
    check_limits(spec, administrator, &mut faults);
    let is_supported = faults.is_empty();
    let policy = cycle_policy(spec, context, administrator, &mut faults);
    if faults.is_empty() {
        return Ok(policy);
    }
    // Where nothing but the policy's own arithmetic is wrong, that is the reason.
    let refused = policy.findings().into_iter().find(|finding| finding.severity == FindingSeverity::Refuses);
    let reason = match refused
        .filter(|finding| is_supported && faults.iter().any(|fault| fault.problem.starts_with(finding.reason.name())))
    {
        Some(finding) => finding.reason.name(),
        None => TuningReason::InvalidSpec.name(),
    };
    Err((reason, faults_text(&faults)))
}

fn basis(observed: &ObservedEscalation, mut policy: CyclePolicy, settings: &OperatorSettings) -> Basis {
    let object = &observed.object;
    let reference = TargetReference::from(&object.spec.target_ref);
    let target = TargetBasis::of(observed, settings);
    if let Some(gpus) = target.as_ref().and_then(|target| target.gpus.as_ref().ok()) {
        policy.canary.gpus = *gpus;
    }
    let runs: Vec<Arc<PhaseRun>> = runs_of(&observed.runs, &reference).cloned().collect();
    let of_target = |promotion: &&Arc<Promotion>| TargetReference::from(&promotion.spec.target_ref) == reference;
    let promotions: Vec<Arc<Promotion>> = observed.promotions.iter().filter(of_target).cloned().collect();
    let mut canaries: Vec<Arc<TuningCanary>> =
        observed.canaries.iter().filter(|canary| target_of(canary) == reference).cloned().collect();
    canaries.sort_by(|one, other| {
        (&one.spec.night, one.spec.attempt, one.uid()).cmp(&(&other.spec.night, other.spec.attempt, other.uid()))
    });
    let zone = windows_zone(&policy.safety.windows);
    let canary_facts: Vec<CanaryFacts> = canaries.iter().filter_map(|canary| canary_facts(canary, &zone)).collect();
    let status = object.status.clone().unwrap_or_default();
    let environment = environment(&runs, target.as_ref());
    Basis {
        name: object.name_any(),
        run_facts: runs.iter().filter_map(|run| run_facts(run)).collect(),
        ledger: status.ledger.as_ref().map(|ledger| ledger.to_core(&zone)).unwrap_or_default(),
        flags_before: status.flags.iter().map(Flag::from).collect(),
        claims: claims(observed, &reference, &canaries, &promotions),
        suspension: object
            .spec
            .suspend
            .as_ref()
            .map(|suspend| Suspension { reason: suspend.reason.clone(), until: suspend.until }),
        healthy: healthy_configuration(runs.iter().map(Arc::as_ref), &promotions),
        denied: denied(&promotions, &canaries, &status.denied, &environment),
        engine_starts: engine_starts(runs.iter().map(Arc::as_ref)),
        active_run: runs.iter().find(|run| holds_gpu(run)).map(|run| run.name_any()),
        reference,
        target,
        policy,
        runs,
        canaries,
        canary_facts,
        promotions,
        environment,
    }
}

fn created_at<K: Resource>(object: &K) -> Timestamp {
    object.meta().creation_timestamp.as_ref().map_or(Timestamp::MIN, |time| time.0)
}

/// Whether a run tests the target on a GPU, or is about to.
fn holds_gpu(run: &PhaseRun) -> bool {
    !has_ended(run)
        && run.metadata.deletion_timestamp.is_none()
        && run.spec.domains.iter().any(|domain| domain.serving.is_some())
}

/// What the target runs on and with now: the card and the engine of its newest run of the same image, the configuration of
/// its template.
fn environment(runs: &[Arc<PhaseRun>], target: Option<&TargetBasis>) -> Environment {
    let runs = || runs.iter().map(Arc::as_ref);
    let newest = newest_environment(runs()).unwrap_or_default();
    let Some(target) = target else { return newest };
    let image_of = |run: &&PhaseRun| {
        let environment = run.status.as_ref().and_then(|status| status.environment.as_ref());
        environment.and_then(|environment| environment.image.clone())
    };
    let of_image = newest_environment(runs().filter(|run| image_of(run) == target.image));
    // What another image brought says nothing of this one's version.
    let seen = of_image.unwrap_or(Environment { image_digest: None, engine_version: None, ..newest });
    let configuration =
        if target.configuration.is_empty() { seen.configuration.clone() } else { target.configuration.clone() };
    Environment {
        image: target.image.clone(),
        configuration,
        template_hash: Some(target.template_hash.clone()),
        ..seen
    }
}

fn claims(
    observed: &ObservedEscalation,
    target: &TargetReference,
    canaries: &[Arc<TuningCanary>],
    promotions: &[Arc<Promotion>],
) -> TargetClaims {
    let of_target = |escalation: &&Arc<Escalation>| {
        TargetReference::from(&escalation.spec.target_ref) == *target
            && escalation.metadata.deletion_timestamp.is_none()
    };
    let identity = |escalation: &Arc<Escalation>| EscalationIdentity {
        created_at: created_at(escalation.as_ref()),
        uid: Uid::new(escalation.uid().unwrap_or_default()),
        name: escalation.name_any(),
    };
    let identities: Vec<EscalationIdentity> = observed.escalations.iter().filter(of_target).map(identity).collect();
    let own_uid = observed.object.uid().unwrap_or_default();
    let ruling = ruling_escalation(&identities).filter(|ruling| ruling.uid.as_str() != own_uid);
    let frozen = canaries.iter().find(|canary| is_frozen(canary));
    TargetClaims {
        ruling_escalation: ruling.map(|ruling| ruling.name.clone()),
        frozen_by: frozen.map(|canary| canary.name_any()),
        unvalidated_promotion: promotions
            .iter()
            .find(|promotion| !is_over(promotion))
            .map(|promotion| promotion.name_any()),
    }
}

/// Whether a promotion is at its end.
pub(super) fn is_over(promotion: &Promotion) -> bool {
    use PromotionPhase::{Conflict, Expired, Rejected, RolledBack, Superseded, Validated};
    let phase = promotion.status.as_ref().and_then(|status| status.phase);
    matches!(phase, Some(Validated | RolledBack | Rejected | Superseded | Expired | Conflict))
}

/// The candidates that were rolled back or rejected, each in the environment that its canary ran in. Where the canary is
/// gone the status still tells; where neither does, they are denied in the environment of today.
fn denied(
    promotions: &[Arc<Promotion>],
    canaries: &[Arc<TuningCanary>],
    before: &[DeniedCandidate],
    today: &Environment,
) -> Vec<DeniedCandidate> {
    let mut failed: Vec<(&Promotion, &'static str)> = promotions
        .iter()
        .map(Arc::as_ref)
        .filter_map(|promotion| match promotion.status.as_ref()?.phase? {
            PromotionPhase::RolledBack => Some((promotion, "rolled back")),
            PromotionPhase::Rejected => Some((promotion, "rejected")),
            _ => None,
        })
        .collect();
    failed.sort_by_key(|(promotion, _)| (created_at(*promotion), promotion.name_any()));
    let surplus = failed.len().saturating_sub(DENIED_MAX);
    let mut entries: Vec<DeniedCandidate> = Vec::new();
    for (promotion, what) in failed.into_iter().skip(surplus) {
        let name = promotion.name_any();
        let parameters = &promotion.spec.parameters;
        let canary = canaries.iter().find(|canary| canary.name_any() == promotion.spec.canary_name);
        let effective = canary.and_then(|canary| canary.status.as_ref()?.effective.as_ref()).map(Environment::from);
        let kept = before.iter().find(|entry| entry.promotion_name.as_ref() == Some(&name));
        let fingerprint = match (effective, kept) {
            (Some(effective), _) => fingerprint(parameters, &effective).0,
            (None, Some(kept)) => kept.fingerprint.clone(),
            (None, None) => fingerprint(parameters, today).0,
        };
        if entries.iter().all(|entry| entry.fingerprint != fingerprint) {
            let reason = format!("promotion {name} was {what}");
            let parameters = parameters.clone();
            entries.push(DeniedCandidate { fingerprint, parameters, reason, promotion_name: Some(name) });
        }
    }
    entries
}
