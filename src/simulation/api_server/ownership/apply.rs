//! Server-side apply: the object that comes of it, and who owns what afterwards.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    super::{schema::Type, status_error::StatusError},
    Owned, OwnerKey, Owners,
    compare::Comparison,
    field_set::FieldSet,
    merge::merge,
    remove::{named_fields, without_fields},
    update::lose,
    without_standard_fields,
};

/// An object that somebody applies.
pub(in super::super) struct ApplyRequest<'a> {
    pub(in super::super) form: &'a Type,
    pub(in super::super) live: &'a Value,
    pub(in super::super) applied: &'a Value,
    pub(in super::super) owner: OwnerKey,
    pub(in super::super) api_version: &'a str,
    /// Fields that the request can't change.
    pub(in super::super) reset: &'a FieldSet,
    /// Whether fields are taken from their owners.
    pub(in super::super) force: bool,
    pub(in super::super) now: &'a str,
}

/// The object after the apply, and its owners.
///
/// # Errors
/// 409 where another owner has another value of a field; 500 where the applied object has not the form of its kind.
pub(in super::super) fn apply(request: &ApplyRequest<'_>, mut owners: Owners) -> Result<(Value, Owners), StatusError> {
    let merged = merge(request.form, Some(request.live), Some(request.applied))
        .map_err(|why| StatusError::internal(&format!("failed to create typed patch object: {why}")))?
        .unwrap_or_default();
    let before = owners.0.get(&request.owner).map(|owned| owned.fields.clone());
    let named = named_fields(request.form, request.applied).without(request.reset);
    let owned = Owned {
        api_version: request.api_version.to_owned(),
        fields: Arc::new(named.into()),
        time: owners.0.get(&request.owner).and_then(|owned| owned.time.clone()),
    };
    owners.0.insert(request.owner.clone(), owned);
    let object = match before {
        Some(before) if !before.is_empty() => prune(request.form, &merged, &owners, &before),
        _ => merged,
    };
    let comparison = Comparison::of(request.form, request.live, &object).without(request.reset);
    let changed = comparison.changed();
    if !request.force {
        refuse_conflicts(&owners, &request.owner, &changed)?;
    }
    let own = owners.0.remove(&request.owner);
    lose(&mut owners, &changed, &comparison.removed);
    if let Some(mut own) = own {
        own.fields = Arc::new(without_standard_fields(&own.fields).into());
        if object != *request.live {
            own.time = Some(request.now.to_owned());
        }
        if !own.fields.is_empty() {
            owners.0.insert(request.owner.clone(), own);
        }
    }
    Ok((object, owners))
}

/// Takes away what the applier named before and names no more, unless somebody else owns it.
fn prune(form: &Type, merged: &Value, owners: &Owners, before: &FieldSet) -> Value {
    let complete = |set: &FieldSet| set.with_named_fields(Some(form));
    let pruned = without_fields(form, merged, &complete(before));
    let owned = owners.0.values().fold(FieldSet::default(), |all, owned| all.union(&owned.fields));
    let all = complete(&named_fields(form, merged));
    let kept = complete(&named_fields(form, &pruned)).union(&complete(&owned));
    let pruned = without_fields(form, merged, &all.difference(&kept));
    let left = complete(&named_fields(form, &pruned));
    without_fields(form, merged, &all.difference(&left).intersection(&complete(before)))
}

fn refuse_conflicts(owners: &Owners, applier: &OwnerKey, changed: &FieldSet) -> Result<(), StatusError> {
    let mut conflicts: Vec<(&OwnerKey, Vec<String>)> = Vec::new();
    for (owner, owned) in owners.0.iter().filter(|(owner, _)| *owner != applier) {
        let lost = owned.fields.intersection(changed);
        if !lost.is_empty() {
            conflicts.push((owner, lost.paths()));
        }
    }
    let count: usize = conflicts.iter().map(|(_, paths)| paths.len()).sum();
    if count == 0 {
        return Ok(());
    }
    conflicts.sort_by_key(|(owner, _)| identity(owner));
    let causes = conflicts.iter().flat_map(|(owner, paths)| {
        let message = format!("conflict with {}", owner.told());
        paths.iter().map(move |path| json!({ "reason": "FieldManagerConflict", "message": message, "field": path }))
    });
    let causes = causes.collect();
    let message = match conflicts.as_slice() {
        [(owner, paths)] if count == 1 => {
            format!("Apply failed with 1 conflict: conflict with {}: {}", owner.told(), paths.concat())
        }
        several => {
            let lines = several.iter().map(|(owner, paths)| {
                let fields: String = paths.iter().map(|path| format!("\n- {path}")).collect();
                format!("conflicts with {}:{fields}", owner.told())
            });
            format!("Apply failed with {count} conflicts: {}", lines.collect::<Vec<_>>().join("\n"))
        }
    };
    Err(StatusError::apply_conflict(message, causes))
}

/// The text by which the API server orders owners.
fn identity(owner: &OwnerKey) -> String {
    let mut identity = json!({ "manager": owner.manager, "operation": owner.operation.name() });
    for (name, value) in [("apiVersion", &owner.api_version), ("subresource", &owner.subresource)] {
        if !value.is_empty() {
            super::set(&mut identity, &[name], value.as_str());
        }
    }
    // Go writes the fields in this order, and the order decides.
    let text = |field: &str| identity.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    [text("manager"), text("operation"), text("apiVersion"), text("subresource")].join("\u{1}")
}
