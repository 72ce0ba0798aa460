//! The requests of a promotion's intents.

use jiff::Timestamp;
use json_patch::Patch;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{Intent, OwnObject, label::FINALIZER},
    promotion::Undeliverable,
    value::TargetReference,
};

use super::{Promotions, ValidPromotion};
use crate::{
    cluster::Effect,
    controllers::{kind::audited, notice::build_event},
    delivery::{
        config_map::config_map_patch,
        patch::{PatchedTarget, fence_patch, write_patch},
    },
};

/// The effects of an intent. A promotion asks for nothing else than what is built here; a write that could not be built
/// was taken out of the plan before.
pub(super) fn build(valid: &ValidPromotion, intent: &Intent, now: Timestamp) -> Vec<Effect> {
    if let Some(built) = target_patch(valid, intent) {
        return built.map(|(target, patch)| Effect::PatchTarget { target, patch }).into_iter().collect();
    }
    let namespace = valid.object.namespace().unwrap_or_default();
    let others = || valid.object.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    match intent {
        Intent::AddFinalizer(object) => {
            vec![set_finalizers(valid, object, others().chain([FINALIZER.to_owned()]).collect())]
        }
        // Whatever is kept of a promotion when it goes, is kept in the export.
        Intent::RemoveFinalizer(object) => vec![export(valid), set_finalizers(valid, object, others().collect())],
        Intent::RecordEvent(notice) => vec![Effect::RecordEvent(Box::new(build_event(&namespace, notice, now)))],
        _ => Vec::new(),
    }
}

/// The patch of an intent that writes to the target or to its ConfigMap; `None` for any other intent, and where the object is
/// not there.
pub(super) fn target_patch(
    valid: &ValidPromotion,
    intent: &Intent,
) -> Option<Result<(TargetReference, Patch), Undeliverable>> {
    let reference = match intent {
        Intent::PatchTarget(write) | Intent::RestoreTarget(write) => &write.target.reference,
        Intent::FenceTarget(fence) => &fence.target.reference,
        _ => return None,
    };
    let of_config_map = valid.terms.config_map.as_ref().is_some_and(|terms| terms.reference() == *reference);
    let patch = if of_config_map {
        let map = valid.world.config_map.as_ref()?;
        match intent {
            Intent::PatchTarget(write) | Intent::RestoreTarget(write) => config_map_patch(map, write),
            Intent::FenceTarget(fence) => Ok(fence_patch(&map.metadata, fence)),
            _ => return None,
        }
    } else {
        let target = valid.world.target.as_ref()?;
        let template = target.template();
        match intent {
            Intent::PatchTarget(write) | Intent::RestoreTarget(write) => {
                write_patch(PatchedTarget { metadata: target.metadata(), template: &template }, write)
            }
            Intent::FenceTarget(fence) => Ok(fence_patch(target.metadata(), fence)),
            _ => return None,
        }
    };
    Some(patch.map(|patch| (reference.clone(), patch)))
}

fn set_finalizers(valid: &ValidPromotion, object: &OwnObject, finalizers: Vec<String>) -> Effect {
    let resource_version = valid.object.resource_version().unwrap_or_default();
    Effect::SetFinalizers { object: object.clone(), resource_version, finalizers }
}

fn export(valid: &ValidPromotion) -> Effect {
    let history = valid.object.status.as_ref().and_then(|status| status.history.as_ref());
    let records = history.iter().flat_map(|history| &history.records);
    Effect::ExportAudit(records.map(|record| record.to_audit_record(audited::<Promotions>(&valid.object))).collect())
}
