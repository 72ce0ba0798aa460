//! The ConfigMap that promoted values lie in: what a promotion fixes of it, what it shows, and the patch of it.

use std::collections::BTreeMap;

use json_patch::{Patch, PatchOperation};
use k8s_openapi::api::core::v1::{ConfigMap, PodTemplateSpec};
use phaseloop_core::{
    plan::{
        FieldAddress, FieldChange, FieldValue, OwnedField,
        label::{ANNOTATION_FENCE, ANNOTATION_PROMOTION},
        target::TargetWrite,
    },
    promotion::{ConfigMapTerms, ObservedConfigMap, PromotionReason, Undeliverable},
    tuning::{BindingError, TargetView, binding::BindingReason},
    value::{Uid, digest::hex_digest},
};

use super::{
    edit::{not_writable, place_of, pointer},
    entry::{Entries, entry_change, entry_test},
    field_place,
    manager::manager_of,
    patch::{annotation_operations, version_tests},
    put_field, read_field,
    template_hash::{hash_address, stated_hash},
};

/// Hash of a ConfigMap's data, as the pod template of its target states it. It starts from what is stated there now, so that
/// it is another one even where the data come back to what they were: a hash that stays rolls nothing out.
fn data_hash(data: &Entries, map: &ConfigMap, stated: &FieldValue) -> String {
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let stated = match stated {
        FieldValue::Absent => "",
        FieldValue::Present(text) => text,
    };
    let binary = map.binary_data.as_ref().filter(|binary| !binary.is_empty());
    hex_digest(&["ConfigMap", stated, &json(serde_json::to_string(data)), &json(serde_json::to_string(&binary))])
}

/// The fields of a promotion by where they lie: in the target, and in the one ConfigMap.
///
/// # Errors
/// They lie in several ConfigMaps, or in one that is not there or that could not be put back byte for byte.
pub fn split_fields(
    fields: Vec<OwnedField>,
    template: &PodTemplateSpec,
    config_maps: &BTreeMap<String, ConfigMap>,
) -> Result<(Vec<OwnedField>, Option<ConfigMapTerms>), BindingError> {
    let refuse = |reason, message: String| Err(BindingError { reason, message });
    let (inside, owned_fields) = partition(fields);
    let mut names: Vec<&str> = inside.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    let name = match names.as_slice() {
        [] => return Ok((owned_fields, None)),
        [name] => (*name).to_owned(),
        several => {
            let message = format!("the values lie in the ConfigMaps {}; bind them in one", several.join(" and "));
            return refuse(BindingReason::SeveralConfigMaps, message);
        }
    };
    let Some(map) = config_maps.get(&name) else {
        return refuse(BindingReason::KeyMissing, format!("there is no ConfigMap {name}"));
    };
    let inside: Vec<OwnedField> = inside.into_iter().map(|(_, field)| field).collect();
    let before = map.data.clone().unwrap_or_default();
    let with = |data: &Entries, changes: Vec<FieldChange>| changes.iter().try_fold(data.clone(), changed);
    let promoted = with(&before, inside.iter().map(OwnedField::forward).collect())?;
    if with(&promoted, inside.iter().map(OwnedField::backward).collect())? != before {
        let message = format!("the values can't be taken out of the ConfigMap {name} again byte for byte");
        return refuse(BindingReason::UnresolvedReference, message);
    }
    let stated = stated_hash(template);
    let to = FieldValue::Present(data_hash(&promoted, map, &stated));
    let terms = ConfigMapTerms {
        name,
        owned_fields: inside,
        annotation_before: annotation(map, ANNOTATION_PROMOTION).map(Uid::new),
        hash: FieldChange { address: hash_address(), from: stated, to },
    };
    Ok((owned_fields, Some(terms)))
}

/// The fields that lie in a ConfigMap, with its name, and the others.
pub fn partition(fields: Vec<OwnedField>) -> (Vec<(String, OwnedField)>, Vec<OwnedField>) {
    let mut inside = Vec::new();
    let mut outside = Vec::new();
    for field in fields {
        match field_place(&field.address).and_then(|place| place.config_map) {
            Some(name) => inside.push((name, field)),
            None => outside.push(field),
        }
    }
    (inside, outside)
}

/// What the ConfigMap shows of a promotion with these terms.
pub fn observe_config_map(map: &ConfigMap, terms: &ConfigMapTerms) -> ObservedConfigMap {
    let data = map.data.clone().unwrap_or_default();
    let values: BTreeMap<FieldAddress, FieldValue> =
        terms.owned_fields.iter().filter_map(|field| Some((field.address.clone(), value_of(&data, field)?))).collect();
    let promoted = terms.owned_fields.iter().try_fold(data, |data, field| {
        let from = values.get(&field.address)?.clone();
        if from == field.promoted {
            return Some(data);
        }
        let change = FieldChange { address: field.address.clone(), from, to: field.promoted.clone() };
        changed(data, &change).ok()
    });
    ObservedConfigMap {
        uid: Uid::new(map.metadata.uid.clone().unwrap_or_default()),
        resource_version: map.metadata.resource_version.clone().unwrap_or_default(),
        owned_values: values,
        promotion_annotation: annotation(map, ANNOTATION_PROMOTION).map(Uid::new),
        fence: annotation(map, ANNOTATION_FENCE).map(str::to_owned),
        hash_with_promoted: promoted.map(|data| data_hash(&data, map, &terms.hash.from)),
        managed_by: manager_of(&map.metadata),
    }
}

fn annotation<'a>(map: &'a ConfigMap, key: &str) -> Option<&'a str> {
    map.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// What stands at a field of the ConfigMap; `None` where it can't be told.
fn value_of(data: &Entries, field: &OwnedField) -> Option<FieldValue> {
    let place = field_place(&field.address).filter(|place| place.config_map.is_some())?;
    read_field(&view(data), &place).ok()
}

/// The data after one change.
#[allow(clippy::needless_pass_by_value, reason = "folds hand over what they have")]
fn changed(data: Entries, change: &FieldChange) -> Result<Entries, BindingError> {
    let Some(place) = field_place(&change.address) else {
        let message = format!("{} is no address of a field", change.address);
        return Err(BindingError { reason: BindingReason::NoSuchField, message });
    };
    Ok(put_field(&view(&data), &place, &change.from, &change.to)?.config_map)
}

fn view(data: &Entries) -> TargetView {
    TargetView { config_map: data.clone(), ..TargetView::default() }
}

/// The patch that puts promoted values into a ConfigMap, or its pre-image back, with the annotation that says whose values
/// stand there.
///
/// # Errors
/// It is immutable; something else than a change's old text stands at its place, or the place can't be edited safely.
pub fn config_map_patch(map: &ConfigMap, write: &TargetWrite) -> Result<Patch, Undeliverable> {
    check_mutable(map)?;
    let before = map.data.clone().unwrap_or_default();
    let mut data = before.clone();
    let (mut tests, mut changes) = (Vec::new(), Vec::new());
    for change in &write.changes {
        let place = place_of(change)?;
        let next = changed(data.clone(), change).map_err(|error| not_writable(change, &error))?;
        if let phaseloop_core::tuning::Binding::ConfigMapKey { key, .. } = &place.binding {
            tests.push(entry_test(data_path(), map.data.as_ref(), key, before.get(key).map(String::as_str)));
            let stands = Some(&data).filter(|data| !data.is_empty() || map.data.is_some());
            changes.extend(entry_change(data_path(), stands, key, next.get(key).map(String::as_str)));
        }
        data = next;
    }
    let (mark_test, mark_change) = annotation_operations(&map.metadata, write);
    let mut operations: Vec<PatchOperation> = version_tests(&write.target);
    operations.extend(tests);
    operations.push(mark_test);
    operations.extend(changes);
    operations.extend(mark_change);
    Ok(Patch(operations))
}

fn data_path() -> json_patch::jsonptr::PointerBuf {
    pointer(["data"])
}

/// Whether the ConfigMap can be changed at all.
///
/// # Errors
/// It can't.
pub fn check_mutable(map: &ConfigMap) -> Result<(), Undeliverable> {
    if map.immutable == Some(true) {
        let name = map.metadata.name.as_deref().unwrap_or_default();
        let message = format!("ConfigMap/{name} is immutable; let the target read one that can be changed");
        return Err(Undeliverable { reason: PromotionReason::ConfigMapImmutable, message });
    }
    Ok(())
}

#[cfg(test)]
#[path = "config_map_tests.rs"]
mod tests;
