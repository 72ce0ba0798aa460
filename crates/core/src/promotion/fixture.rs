//! A promotion for tests, ready to be applied: every gate is open, the target is untouched.

use jiff::{SignedDuration, Timestamp};

use super::{
    ApprovalMode, ConfigMapTerms, Delivery, ObservedConfigMap, ObservedTarget, PromotionFacts, PromotionPhase,
    PromotionProgress, PromotionTerms,
    facts::{CanaryEvidence, GitFacts, PullRequestState, Review, ReviewDecision, WindowFacts},
    observed::{RolloutFacts, RolloutStrategy},
    progress::ApplyAttempt,
};
use crate::{
    plan::{FieldAddress, FieldChange, FieldValue, OwnKind, OwnObject, OwnedField},
    prelude::*,
    value::{
        Diagnosis, Metric, ParameterName, ParameterSet, ParameterValue, RunFacts, Severity, Symptom, SymptomKind,
        TargetReference, Uid, Verdict,
    },
};

/// Made at 04:00; to be validated 54 hours later.
pub(super) fn made() -> Timestamp {
    "2026-03-04T04:00:00Z".parse().unwrap()
}

/// An instant so many seconds after the promotion was made.
pub(super) fn at(seconds: i64) -> Timestamp {
    made() + SignedDuration::from_secs(seconds)
}

/// The deadline, in seconds after the promotion was made.
pub(super) const VALIDATE_BY: i64 = 54 * 3600;
/// The longest rollout, in seconds.
pub(super) const ROLLOUT_TIMEOUT: i64 = 30 * 60;

pub(super) fn owned_fields() -> Vec<OwnedField> {
    let field = |address: &str, parameter: &str, before: FieldValue, promoted: &str| OwnedField {
        address: FieldAddress::new(address),
        parameter: ParameterName::new(parameter),
        before,
        promoted: FieldValue::present(promoted),
    };
    vec![
        field("args[--max-num-seqs]", "max-num-seqs", FieldValue::present("032"), "64"),
        field("args[--gpu-memory-utilization]", "gpu-memory-utilization", FieldValue::Absent, "0.80"),
    ]
}

fn parameters() -> ParameterSet {
    ParameterSet::from([
        (ParameterName::new("max-num-seqs"), ParameterValue::from("64")),
        (ParameterName::new("gpu-memory-utilization"), ParameterValue::from("0.8")),
    ])
}

pub(super) fn terms() -> PromotionTerms {
    PromotionTerms {
        target: TargetReference { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "llama-8b".into() },
        target_uid: Uid::new("target"),
        template_hash: "measured".into(),
        parameters: parameters(),
        owned_fields: owned_fields(),
        config_map: None,
        annotation_before: Some(Uid::new("earlier")),
        symptom: SymptomKind::LatencyRegression,
        domains: BTreeMap::from([("chat".to_owned(), "load".to_owned())]),
        delivery: Delivery::Patch,
        approval: ApprovalMode::Automatic,
        allow_managed: false,
        allow_downtime: false,
        rollout_timeout: SignedDuration::from_secs(ROLLOUT_TIMEOUT),
        validate_by: at(VALIDATE_BY),
    }
}

/// The target as the canary knew it, rolled out and settled.
pub(super) fn untouched_target() -> ObservedTarget {
    ObservedTarget {
        uid: Uid::new("target"),
        resource_version: "100".into(),
        generation: 7,
        template_hash: "measured".into(),
        template_hash_with_pre_image: "measured".into(),
        owned_values: owned_fields().into_iter().map(|field| (field.address, field.before)).collect(),
        promotion_annotation: Some(Uid::new("earlier")),
        managed_by: None,
        borrowed: false,
        rollout: RolloutFacts {
            strategy: RolloutStrategy::Rolling,
            paused: false,
            partitioned: false,
            unavailable_max: 1,
            spare_gpu_seen: false,
            replicas_desired: 2,
            replicas_total: 2,
            replicas_updated: 2,
            replicas_ready: 2,
            observed_generation: 7,
            progress_deadline_exceeded: false,
            new_pod_crashed: false,
        },
    }
}

/// The terms where the first field lies in a ConfigMap.
pub(super) fn config_map_terms() -> ConfigMapTerms {
    ConfigMapTerms {
        name: "llama-8b".into(),
        owned_fields: owned_fields().into_iter().take(1).collect(),
        annotation_before: None,
        hash: FieldChange {
            address: FieldAddress::new("hash"),
            from: FieldValue::Absent,
            to: FieldValue::present("hash-of-64"),
        },
    }
}

/// The ConfigMap as the promotion found it.
pub(super) fn untouched_config_map() -> ObservedConfigMap {
    ObservedConfigMap {
        uid: Uid::new("map"),
        resource_version: "500".into(),
        owned_values: owned_fields().into_iter().take(1).map(|field| (field.address, field.before)).collect(),
        promotion_annotation: None,
        fence: None,
        hash_with_promoted: Some("hash-of-64".into()),
        managed_by: None,
    }
}

/// The ConfigMap after our patch.
pub(super) fn promoted_config_map() -> ObservedConfigMap {
    ObservedConfigMap {
        resource_version: "501".into(),
        owned_values: owned_fields().into_iter().take(1).map(|field| (field.address, field.promoted)).collect(),
        promotion_annotation: Some(Uid::new("promotion")),
        ..untouched_config_map()
    }
}

/// The same promotion with its first field in a ConfigMap, and target and ConfigMap as given.
pub(super) fn with_config_map(
    mut facts: PromotionFacts,
    mut target: ObservedTarget,
    map: Option<ObservedConfigMap>,
) -> PromotionFacts {
    let terms = config_map_terms();
    let hash =
        if target.promotion_annotation == Some(Uid::new("promotion")) { &terms.hash.to } else { &terms.hash.from };
    target.owned_values.insert(terms.hash.address.clone(), hash.clone());
    (facts.target, facts.config_map) = (Some(target), map);
    facts.terms.owned_fields = owned_fields().into_iter().skip(1).collect();
    facts.terms.config_map = Some(terms);
    facts
}

/// The target after our patch, rolled out.
pub(super) fn promoted_target() -> ObservedTarget {
    let mut target = untouched_target();
    target.resource_version = "101".into();
    target.generation = 8;
    target.rollout.observed_generation = 8;
    target.template_hash = "promoted".into();
    target.owned_values = owned_fields().into_iter().map(|field| (field.address, field.promoted)).collect();
    target.promotion_annotation = Some(Uid::new("promotion"));
    target
}

pub(super) fn facts() -> PromotionFacts {
    PromotionFacts {
        object: OwnObject::new(OwnKind::Promotion, "llama-8b-x", Uid::new("promotion")),
        namespace: "models".into(),
        created_at: made(),
        terms: terms(),
        progress: PromotionProgress::new(),
        deletion_requested: false,
        finalizer_present: true,
        review: Review { decision: ReviewDecision::Pending, approved_by: None, policy_in_force: true },
        undeliverable: None,
        canary: Some(CanaryEvidence {
            passed: true,
            parameters: parameters(),
            target_uid: Uid::new("target"),
            template_hash: "measured".into(),
        }),
        target: Some(untouched_target()),
        config_map: None,
        git: GitFacts { change: PullRequestState::NotOpened, revert: PullRequestState::NotOpened },
        others: vec![],
        runs: vec![],
        window: WindowFacts { open: true, opens_at: None },
        suspended: false,
    }
}

/// The same promotion after its patch was sent at 0 s.
pub(super) fn attempted() -> PromotionFacts {
    let mut facts = facts();
    facts.progress.phase = PromotionPhase::Applying;
    facts.progress.attempt =
        Some(ApplyAttempt { since: at(0), target_resource_version: "100".into(), target_generation: 7 });
    facts
}

/// The same promotion seen in the target at 5 s.
pub(super) fn landed() -> PromotionFacts {
    let mut facts = attempted();
    facts.target = Some(promoted_target());
    facts.progress.applied_at = Some(at(5));
    facts.progress.promoted_template_hash = Some("promoted".into());
    facts
}

/// The same promotion rolled out at 100 s.
pub(super) fn rolled_out() -> PromotionFacts {
    let mut facts = landed();
    facts.progress.phase = PromotionPhase::Applied;
    facts.progress.rolled_out_at = Some(at(100));
    facts
}

/// A run that decides: it starts a second after the rollout was seen finished, and finds nothing wrong.
pub(super) fn healthy_run() -> RunFacts {
    RunFacts {
        uid: Uid::new("run-a"),
        name: "night-2".into(),
        started_at: at(101),
        completed_at: at(4000),
        verdict: Verdict::Healthy,
        valid: true,
        counts: true,
        symptoms: vec![],
        workloads: BTreeMap::from([("chat".to_owned(), "load".to_owned())]),
        template_hash_at_start: Some("promoted".into()),
        template_hash_at_end: Some("promoted".into()),
    }
}

/// The same run with a symptom.
pub(super) fn degraded_run(kind: SymptomKind, domain: &str) -> RunFacts {
    let symptom = Symptom {
        kind,
        domain: domain.into(),
        severity: Severity::Warning,
        metric: Metric::EndToEndLatency,
        current: 130.0,
        baseline: Some(100.0),
        delta_percent: Some(30.0),
        diagnosis: Diagnosis::Unexplained,
        evidence: vec![],
    };
    RunFacts { verdict: Verdict::Degraded, symptoms: vec![symptom], ..healthy_run() }
}
