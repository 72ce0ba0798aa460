//! The objects of a schedule's intents.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{
        Intent, OwnKind,
        label::{ANNOTATION_SPEC_DIGEST, FIELD_MANAGER, LABEL_MANAGED_BY, LABEL_SCHEDULE, LABEL_TARGET},
        name::target_label,
        record::AuditExport,
    },
    value::{TargetReference, digest::hex_digest},
};

use super::{ValidPhaseSchedule, validate::own_object};
use crate::{
    api::{PhaseRun, PhaseRunSpec, PhaseSchedule},
    cluster::Effect,
    controllers::{kind::audited, notice::build_event, phase_run::PhaseRuns},
};

/// The effect of an intent. A schedule asks for nothing else than what is built here.
pub(super) fn build(valid: &ValidPhaseSchedule, intent: &Intent, now: Timestamp) -> Option<Effect> {
    let namespace = valid.object.namespace().unwrap_or_default();
    match intent {
        Intent::CreatePhaseRun(new) => {
            Some(Effect::CreatePhaseRun(Box::new(run_of_schedule(&valid.object, &new.name))))
        }
        Intent::ExportAudit(export) => exported(valid, export).map(Effect::ExportAudit),
        Intent::DeleteFinished(object) => Some(Effect::DeleteOwn(object.clone())),
        Intent::RecordEvent(notice) => Some(Effect::RecordEvent(Box::new(build_event(&namespace, notice, now)))),
        _ => None,
    }
}

/// A run of a schedule, whoever asks for it: its spec, and the labels by which it counts. It belongs to nobody: deleting a
/// schedule deletes no evidence.
pub fn run_of_schedule(schedule: &PhaseSchedule, name: &str) -> PhaseRun {
    let spec = PhaseRunSpec { abort: false, ..schedule.spec.run.clone() };
    let labels = [
        (LABEL_MANAGED_BY, FIELD_MANAGER.to_owned()),
        (LABEL_SCHEDULE, schedule.name_any()),
        (LABEL_TARGET, target_label(&TargetReference::from(&spec.target_ref))),
    ];
    let digest = (ANNOTATION_SPEC_DIGEST.to_owned(), spec_digest(&spec));
    let mut run = PhaseRun::new(name, spec);
    run.metadata = ObjectMeta {
        namespace: schedule.namespace(),
        labels: Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        annotations: Some([digest].into()),
        ..run.metadata
    };
    run
}

/// Digest of a run's spec, by which a repeated create knows its own run.
fn spec_digest(spec: &PhaseRunSpec) -> String {
    // A spec always has a JSON form; the empty text would only make two faults equal.
    hex_digest(&["PhaseRun", &serde_json::to_string(spec).unwrap_or_default()])
}

/// The records of a run that is about to go.
fn exported(valid: &ValidPhaseSchedule, export: &AuditExport) -> Option<Vec<phaseloop_core::audit::AuditRecord>> {
    let run = valid.runs.iter().find(|run| own_object(OwnKind::PhaseRun, run.as_ref()) == export.object)?;
    let records = run.status.as_ref()?.history.as_ref()?.records.iter();
    let of_run = records.map(|record| record.to_audit_record(audited::<PhaseRuns>(run)));
    Some(of_run.filter(|record| record.sequence <= export.through_sequence).collect())
}
