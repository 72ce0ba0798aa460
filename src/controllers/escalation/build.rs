//! The objects of an Escalation's intents.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{
        Intent, OwnObject,
        label::{ANNOTATION_SPEC_DIGEST, FIELD_MANAGER, FINALIZER, LABEL_ESCALATION, LABEL_MANAGED_BY, LABEL_TARGET},
        name::target_label,
        record::{AuditExport, CanaryRole, NewCanary, NewPromotion},
    },
    value::{TargetReference, digest::hex_digest},
};
use serde::Serialize;

use super::{Basis, ValidEscalation, load::canary_load};
use crate::{
    api::{
        Promotion, TuningCanary, TuningCanarySpec,
        promotion::FitnessCount,
        tuning_canary::{CanaryRole as WireRole, Reservation},
    },
    cluster::Effect,
    controllers::{
        kind::audited,
        lending::build_finalizer,
        notice::build_event,
        promotion::{PromotionOrigin, promotion_spec},
        tuning_canary::TuningCanaries,
    },
    workload::owner_reference,
};

/// The effect of an intent. An Escalation asks for nothing else than what is built here.
pub(super) fn build(valid: &ValidEscalation, intent: &Intent, now: Timestamp) -> Option<Effect> {
    let namespace = valid.object.namespace().unwrap_or_default();
    match intent {
        Intent::ScaleTargetForBorrow(_) | Intent::GiveBackReplica(_) | Intent::FenceTarget(_) => {
            return valid.lending.as_ref()?.build(intent);
        }
        Intent::AddFinalizer(_) | Intent::RemoveFinalizer(_) => return build_finalizer(&valid.object, intent),
        Intent::RecordEvent(notice) => {
            return Some(Effect::RecordEvent(Box::new(build_event(&namespace, notice, now))));
        }
        _ => {}
    }
    let basis = valid.basis()?;
    match intent {
        Intent::CreateCanary(new) => {
            build_canary(valid, basis, new).map(|canary| Effect::CreateCanary(Box::new(canary)))
        }
        Intent::CreatePromotion(new) => {
            build_promotion(valid, basis, new).map(|promotion| Effect::CreatePromotion(Box::new(promotion)))
        }
        Intent::ExportAudit(export) => exported(basis, export).map(Effect::ExportAudit),
        Intent::DeleteFinished(object) => Some(Effect::DeleteOwn(object.clone())),
        _ => None,
    }
}

/// The canary. A candidate is measured exactly as the incumbent of its run was; the incumbent by the Escalation's own load
/// and limits, or by those of the domain that raised the symptom.
fn build_canary(valid: &ValidEscalation, basis: &Basis, new: &NewCanary) -> Option<TuningCanary> {
    let conditions = match new.role {
        CanaryRole::Candidate => {
            let of_run = |canary: &&std::sync::Arc<TuningCanary>| {
                canary.spec.cycle == new.cycle && canary.spec.role == WireRole::Incumbent
            };
            basis.canaries.iter().rfind(of_run)?.spec.clone()
        }
        CanaryRole::Incumbent => incumbent_spec(valid, basis, new)?,
    };
    let spec = TuningCanarySpec {
        escalation_name: new.escalation.name.clone(),
        cycle: new.cycle.clone(),
        symptom: new.symptom,
        night: new.night.to_string(),
        attempt: i64::from(new.attempt),
        consumes: new.consumes.iter().map(ToString::to_string).collect(),
        not_after: new.not_after,
        role: match new.role {
            CanaryRole::Incumbent => WireRole::Incumbent,
            CanaryRole::Candidate => WireRole::Candidate,
        },
        parameters: new.parameters.clone(),
        target_uid: new.target_uid.to_string(),
        template_hash: new.template_hash.clone(),
        reserved: Reservation { measure: new.reserved.measure.into(), hold: new.reserved.hold.into() },
        abort: false,
        ..conditions
    };
    let mut canary = TuningCanary::new(&new.name, spec);
    let digest = digest("TuningCanary", &canary.spec);
    canary.metadata = ObjectMeta {
        owner_references: Some(vec![owner_reference(&new.escalation)]),
        ..metadata(valid, &new.name, &new.escalation, &new.target, digest)
    };
    Some(canary)
}

/// How the incumbent of a new run is measured; what the canary stands for is filled in by the caller.
fn incumbent_spec(valid: &ValidEscalation, basis: &Basis, new: &NewCanary) -> Option<TuningCanarySpec> {
    let consumes = new.consumes.iter().cloned().collect();
    let load = canary_load(&valid.object, basis, &consumes, new.symptom).ok()?;
    let canary = &valid.object.spec.canary;
    Some(TuningCanarySpec {
        escalation_name: String::new(),
        cycle: String::new(),
        symptom: new.symptom,
        night: String::new(),
        attempt: 0,
        consumes: Vec::new(),
        not_after: new.not_after,
        role: WireRole::Incumbent,
        parameters: new.parameters.clone(),
        target_ref: valid.object.spec.target_ref.clone(),
        target_uid: String::new(),
        template_hash: String::new(),
        workload: load.workload,
        slo: load.slo,
        limits: canary.limits.clone(),
        measure: canary.measure,
        start_timeout: canary.start_timeout,
        grace: canary.grace,
        repeats: canary.repeats,
        placement: canary.placement,
        reserved: Reservation { measure: new.reserved.measure.into(), hold: new.reserved.hold.into() },
        abort: false,
    })
}

/// The promotion. Its evidence is the canary that won, which is one of those that were read. It is labelled by its
/// Escalation, and not owned by it: what was rolled back or rejected stays denied, and runs under it stay known, when the
/// Escalation is gone.
fn build_promotion(valid: &ValidEscalation, basis: &Basis, new: &NewPromotion) -> Option<Promotion> {
    let winner = basis.canaries.iter().find(|canary| canary.uid().as_deref() == Some(new.canary.uid.as_str()))?;
    let requests = winner.status.as_ref()?.requests?;
    let spec = &valid.object.spec;
    let windows = if spec.promotion.windows.is_empty() { &spec.safety.windows } else { &spec.promotion.windows };
    let origin = PromotionOrigin {
        target_ref: spec.target_ref.clone(),
        fitness: FitnessCount { met: requests.within_limits, offered: requests.offered },
        windows: windows.clone(),
        git: spec.promotion.git.clone(),
    };
    let mut promotion = Promotion::new(&new.name, promotion_spec(new, origin));
    let digest = digest("Promotion", &promotion.spec);
    promotion.metadata = metadata(valid, &new.name, &new.escalation, &new.terms.target, digest);
    Some(promotion)
}

/// What every object of a tuning run carries: whose it is, and that it owes something from the first instant on.
fn metadata(
    valid: &ValidEscalation,
    name: &str,
    escalation: &OwnObject,
    target: &TargetReference,
    digest: String,
) -> ObjectMeta {
    let labels = [
        (LABEL_MANAGED_BY, FIELD_MANAGER.to_owned()),
        (LABEL_ESCALATION, escalation.name.clone()),
        (LABEL_TARGET, target_label(target)),
    ];
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: valid.object.namespace(),
        labels: Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        annotations: Some([(ANNOTATION_SPEC_DIGEST.to_owned(), digest)].into()),
        finalizers: Some(vec![FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    }
}

/// Digest of a spec, by which a repeated create knows its own object.
fn digest(kind: &str, spec: &impl Serialize) -> String {
    // A spec always has a JSON form; the empty text would only make two faults equal.
    hex_digest(&[kind, &serde_json::to_string(spec).unwrap_or_default()])
}

/// The records of a canary that is about to go.
fn exported(basis: &Basis, export: &AuditExport) -> Option<Vec<phaseloop_core::audit::AuditRecord>> {
    let canary = basis.canaries.iter().find(|canary| canary.uid().as_deref() == Some(export.object.uid.as_str()))?;
    let records = canary.status.as_ref()?.history.as_ref()?.records.iter();
    let of_canary = records.map(|record| record.to_audit_record(audited::<TuningCanaries>(canary)));
    Some(of_canary.filter(|record| record.sequence <= export.through_sequence).collect())
}
