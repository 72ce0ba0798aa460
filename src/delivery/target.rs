//! A target as the core sees it: from a Deployment or a StatefulSet, and what was read beside it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use phaseloop_core::{
    plan::{
        FieldAddress, FieldChange, FieldValue,
        label::{ANNOTATION_GIVE_BACK, ANNOTATION_PROMOTION},
    },
    promotion::{ObservedTarget, PromotionTerms},
    value::Uid,
};

use super::{
    edit::{edit_template, edited_template},
    field_place,
    manager::manager_of,
    read_field,
    rollout::rollout_facts,
    template_hash::{hash_address, stated_hash},
};
use crate::{
    controllers::target as wire,
    workload::{engine_container, gpus_of, target_view, template_hash},
};

/// What was read beside a target.
#[derive(Debug, Clone, Copy)]
pub struct TargetSurroundings<'a> {
    /// The engine's container as the promotion names it.
    pub engine: Option<&'a str>,
    /// Pods of the target's newest template, as far as they were asked for.
    pub newest_pods: &'a [Pod],
    /// Whether the last run of the target found a GPU without borrowing.
    pub spare_gpu_seen: bool,
}

/// What the target shows of a promotion with these terms.
pub fn observe_target(
    target: &wire::ObservedTarget,
    terms: &PromotionTerms,
    surroundings: TargetSurroundings<'_>,
) -> ObservedTarget {
    let metadata = target.metadata();
    let template = target.template();
    let changes = terms.target_changes();
    let values = owned_values(&template, &changes);
    let annotation = |key: &str| metadata.annotations.as_ref().and_then(|annotations| annotations.get(key));
    let engine = engine_container(&template, surroundings.engine, None).ok();
    let spare = surroundings.spare_gpu_seen || !needs_gpu(&template);
    let engine = engine.map(|container| container.name.as_str());
    ObservedTarget {
        uid: Uid::new(metadata.uid.clone().unwrap_or_default()),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        template_hash: template_hash(&template),
        template_hash_with_pre_image: hash_with_pre_image(&template, &changes, &values),
        owned_values: values,
        promotion_annotation: annotation(ANNOTATION_PROMOTION).map(Uid::new),
        managed_by: manager_of(metadata),
        borrowed: annotation(ANNOTATION_GIVE_BACK).is_some(),
        rollout: rollout_facts(target, surroundings.newest_pods, engine, spare),
    }
}

/// What stands at each owned address. What can't be told is left out.
fn owned_values(template: &PodTemplateSpec, changes: &[FieldChange]) -> BTreeMap<FieldAddress, FieldValue> {
    let containers = template.spec.as_ref().map_or(&[][..], |spec| &spec.containers);
    let nothing = k8s_openapi::api::core::v1::Container::default();
    let value = |change: &FieldChange| {
        if change.address == hash_address() {
            return Some(stated_hash(template));
        }
        let place = field_place(&change.address).filter(|place| place.config_map.is_none())?;
        let container = match &place.container {
            Some(name) => containers.iter().find(|container| container.name == *name)?,
            None => &nothing,
        };
        read_field(&target_view(template, container, None), &place).ok()
    };
    changes.iter().filter_map(|change| Some((change.address.clone(), value(change)?))).collect()
}

/// The hash of the template with every change taken back; the plain hash where one can't be.
fn hash_with_pre_image(
    template: &PodTemplateSpec,
    changes: &[FieldChange],
    values: &BTreeMap<FieldAddress, FieldValue>,
) -> String {
    let back: Vec<FieldChange> = changes
        .iter()
        .filter_map(|change| {
            let from = values.get(&change.address)?.clone();
            Some(FieldChange { address: change.address.clone(), from, to: change.from.clone() })
        })
        .filter(|change| change.from != change.to)
        .collect();
    let before = edit_template(template, &back).ok().and_then(|edit| edited_template(template, &edit));
    template_hash(before.as_ref().unwrap_or(template))
}

/// Whether a pod of the template asks for a GPU. What asks for a share of one does.
fn needs_gpu(template: &PodTemplateSpec) -> bool {
    let containers = template.spec.iter().flat_map(|spec| &spec.containers);
    containers.into_iter().any(|container| gpus_of(container) != Ok(0))
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
