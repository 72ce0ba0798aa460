//! Who owns which field: `managedFields`, and server-side apply that rests on it.
//!
//! **What lives here**: sets of fields, comparing and merging of objects by their form, and the bookkeeping of updates and
//! applies, after `sigs.k8s.io/structured-merge-diff` v6.
//!
//! **What must not**: requests, storage, rules of a kind.

mod apply;
mod check;
mod compare;
mod field_set;
mod merge;
mod remove;
mod step;
mod update;

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, LazyLock, OnceLock},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json, value::RawValue};

use super::object::{remove as remove_at, set};
pub(super) use apply::{ApplyRequest, apply};
pub(super) use check::check_applied;
pub(super) use field_set::FieldSet;
pub(super) use update::{UpdateRequest, update};

/// How an owner came to its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who owns fields. An applier is the same whatever version it applies in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnerKey {
    pub(super) operation: Operation,
    pub(super) manager: String,
    pub(super) subresource: String,
    /// The version of the kind, for updates.
    pub(super) api_version: String,
}

impl OwnerKey {
    pub(super) fn new(operation: Operation, manager: &str, subresource: &str, api_version: &str) -> Self {
        let manager = if manager.is_empty() { "unknown" } else { manager };
        let api_version = if operation == Operation::Apply { "" } else { api_version };
        Self {
            operation,
            manager: manager.to_owned(),
            subresource: subresource.to_owned(),
            api_version: api_version.to_owned(),
        }
    }

    /// The owner as a conflict names it.
    fn told(&self) -> String {
        let mut told = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            told = format!("{told} with subresource {:?}", self.subresource);
        }
        match self.operation {
            Operation::Update => format!("{told} using {}", self.api_version),
            Operation::Apply => told,
        }
    }
}

/// What an owner owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    /// The version of the kind in which the fields are named.
    pub(super) api_version: String,
    pub(super) fields: Arc<OwnedFields>,
    /// When it last came to a field, as text. An apply that changes nothing sets none.
    pub(super) time: Option<String>,
}

/// Fields of one owner, which it mostly keeps from version to version, and their text once somebody has asked for it.
#[derive(Debug, Default)]
pub(super) struct OwnedFields {
    set: FieldSet,
    text: OnceLock<Option<Box<RawValue>>>,
}

impl From<FieldSet> for OwnedFields {
    fn from(set: FieldSet) -> Self {
        Self { set, text: OnceLock::new() }
    }
}

impl Deref for OwnedFields {
    type Target = FieldSet;

    fn deref(&self) -> &FieldSet {
        &self.set
    }
}

impl PartialEq for OwnedFields {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.set == other.set
    }
}

impl Eq for OwnedFields {}

impl Serialize for OwnedFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text.get_or_init(|| serde_json::value::to_raw_value(&self.set).ok()) {
            Some(text) => text.serialize(serializer),
            None => self.set.serialize(serializer),
        }
    }
}

/// The owners of an object's fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Owners(pub(super) BTreeMap<OwnerKey, Owned>);

impl Owners {
    /// Reads `managedFields`. `None` where they can't be read.
    pub(super) fn read(entries: &[Value]) -> Option<Self> {
        let mut owners = BTreeMap::new();
        for entry in entries {
            let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            if text("apiVersion").is_empty() || text("fieldsType") != "FieldsV1" {
                return None;
            }
            let mut key = OwnerKey::new(operation, "-", text("subresource"), text("apiVersion"));
            text("manager").clone_into(&mut key.manager);
            let fields = FieldSet::read(entry.get("fieldsV1").unwrap_or(&json!({})));
            let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
            owners.insert(
                key,
                Owned { api_version: text("apiVersion").to_owned(), fields: Arc::new(fields.into()), time },
            );
        }
        Some(Self(owners))
    }

    /// Writes the owners into the metadata of an object.
    pub(super) fn write_into(&self, object: &mut Value) {
        if self.0.is_empty() {
            remove_at(object, &["metadata", "managedFields"]);
        } else {
            set(object, &["metadata", "managedFields"], serde_json::to_value(self).unwrap_or_default());
        }
    }

    /// Whether the owners differ in nothing but times.
    pub(super) fn same_but_for_times(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|((key, owned), (other_key, other_owned))| {
                key == other_key && owned.api_version == other_owned.api_version && owned.fields == other_owned.fields
            })
    }
}

/// `managedFields`, in the order in which the API server writes them.
impl Serialize for Owners {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<(&OwnerKey, &Owned)> = self.0.iter().collect();
        entries.sort_by_key(|(key, owned)| {
            (key.operation, owned.time.as_deref(), &key.manager, &owned.api_version, &key.subresource)
        });
        serializer.collect_seq(entries.into_iter().map(|(key, owned)| Entry { key, owned }))
    }
}

struct Entry<'a> {
    key: &'a OwnerKey,
    owned: &'a Owned,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("manager", &self.key.manager)?;
        map.serialize_entry("operation", self.key.operation.name())?;
        map.serialize_entry("apiVersion", &self.owned.api_version)?;
        if let Some(time) = &self.owned.time {
            map.serialize_entry("time", time)?;
        }
        map.serialize_entry("fieldsType", "FieldsV1")?;
        map.serialize_entry("fieldsV1", &*self.owned.fields)?;
        if !self.key.subresource.is_empty() {
            map.serialize_entry("subresource", &self.key.subresource)?;
        }
        map.end()
    }
}

/// Fields that no owner is ever noted for.
fn without_standard_fields(fields: &FieldSet) -> FieldSet {
    const METADATA: [&str; 9] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    static STANDARD: LazyLock<FieldSet> = LazyLock::new(|| {
        let mut standard = FieldSet::default();
        for field in ["f:apiVersion", "f:kind", "f:metadata"] {
            standard.insert(&[field]);
        }
        for field in METADATA {
            standard.insert(&["f:metadata", &format!("f:{field}")]);
        }
        standard
    });
    fields.difference(&STANDARD)
}

#[cfg(test)]
#[path = "ownership_tests.rs"]
mod tests;
