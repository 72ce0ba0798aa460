//! Who owns what after a create, an update, or a patch that is no apply.

use std::sync::Arc;

use serde_json::Value;

use super::{
    super::schema::Type, Operation, Owned, OwnerKey, Owners, compare::Comparison, field_set::FieldSet,
    without_standard_fields,
};

/// Most owners by update that are kept apart; beyond, the oldest become one.
const UPDATE_OWNERS_MAX: usize = 10;

/// An object that a request makes of another one.
pub(in super::super) struct UpdateRequest<'a> {
    pub(in super::super) form: &'a Type,
    pub(in super::super) old: &'a Value,
    pub(in super::super) new: &'a Value,
    pub(in super::super) owner: OwnerKey,
    pub(in super::super) api_version: &'a str,
    /// Fields that the request can't change.
    pub(in super::super) reset: &'a FieldSet,
    pub(in super::super) now: &'a str,
}

/// The owners after the request.
pub(in super::super) fn update(request: &UpdateRequest<'_>, mut owners: Owners) -> Owners {
    let comparison = Comparison::of(request.form, request.old, request.new).without(request.reset);
    let changed = comparison.changed();
    let gained = without_standard_fields(&changed);
    // Who writes the same fields again owns what it owned.
    let same = owners.0.get(&request.owner).map(|own| own.fields.clone()).filter(|own| {
        !gained.is_empty()
            && own.holds(&gained)
            && !own.meets(&changed.difference(&gained))
            && !own.meets(&comparison.removed)
    });
    lose(&mut owners, &changed, &comparison.removed);
    if gained.is_empty() {
        return owners;
    }
    let fields = same.unwrap_or_else(|| {
        let before = owners.0.get(&request.owner);
        Arc::new(before.map_or_else(|| gained.clone(), |before| gained.union(&before.fields)).into())
    });
    let owned = Owned {
        api_version: request.api_version.to_owned(),
        fields,
        // Kubernetes loses the time on the way through a scale.
        time: (request.owner.subresource != "scale").then(|| request.now.to_owned()),
    };
    owners.0.insert(request.owner.clone(), owned);
    cap(&mut owners);
    owners
}

/// Takes fields away from everyone.
pub(super) fn lose(owners: &mut Owners, changed: &FieldSet, removed: &FieldSet) {
    if changed.is_empty() && removed.is_empty() {
        return;
    }
    for owned in owners.0.values_mut() {
        if owned.fields.meets(changed) || owned.fields.meets(removed) {
            let mut left = owned.fields.difference(changed);
            left.take_away(removed);
            owned.fields = Arc::new(left.into());
        }
    }
    owners.0.retain(|_, owned| !owned.fields.is_empty());
}

/// Joins the oldest owners by update, so that their number stays bounded.
fn cap(owners: &mut Owners) {
    let mut updaters: Vec<(Option<String>, OwnerKey)> = owners
        .0
        .iter()
        .filter(|(key, _)| key.operation == Operation::Update)
        .map(|(key, owned)| (owned.time.clone(), key.clone()))
        .collect();
    if updaters.len() <= UPDATE_OWNERS_MAX {
        return;
    }
    updaters.sort();
    let surplus = updaters.len() - UPDATE_OWNERS_MAX;
    for (_, key) in updaters.into_iter().take(surplus + 1) {
        let Some(owned) = owners.0.remove(&key) else { continue };
        let bucket = OwnerKey::new(Operation::Update, "ancient-changes", "", &owned.api_version);
        let joined = match owners.0.remove(&bucket) {
            Some(before) => Owned { fields: Arc::new(before.fields.union(&owned.fields).into()), ..owned },
            None => owned,
        };
        owners.0.insert(bucket, joined);
    }
}
