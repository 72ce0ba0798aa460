//! What the API server knows of the form of objects: for built-in kinds from Kubernetes' own Go types, for custom ones
//! from their definitions. Pruning, ownership of fields and strategic merge patches all read it.
//!
//! **What lives here**: the types, where they come from, and the decoding of built-in kinds.
//!
//! **What must not**: requests, storage, rules of a single kind other than its defaults.

mod base64;
mod builtin;
mod custom;
pub(super) mod decode;
pub(super) mod quantity;
mod time;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

pub(super) use base64::{decode_url as decode_base64_url, encode as encode_base64, encode_url as encode_base64_url};
pub(super) use builtin::{builtin_type, empty_object};
pub(super) use custom::custom_type;

/// The form of a value.
#[derive(Debug)]
pub(super) enum Type {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    List(ListType),
    /// A struct, a map, or an object that is both.
    Map(MapType),
    /// Anything: its form is read off the value.
    Any,
}

/// The form of a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    String,
    Boolean,
    Integer32,
    Integer64,
    Float,
    /// `500m`, `8Gi`.
    Quantity,
    IntegerOrString,
    /// An instant with whole seconds.
    Time,
    /// An instant with microseconds.
    MicroTime,
    Duration,
    /// Base64 text.
    Bytes,
}

/// The form of a list.
#[derive(Debug)]
pub(super) struct ListType {
    /// What makes an element the same element.
    pub(super) relation: ListRelation,
    /// The form of the elements.
    pub(super) element: Arc<Type>,
}

/// What makes an element of a list the same element in another version of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListRelation {
    /// Nothing: the list is one value.
    Atomic,
    /// Its value.
    Set,
    /// The values of these fields.
    Map(Vec<String>),
}

/// The form of an object.
#[derive(Debug)]
pub(super) struct MapType {
    /// Its name in Kubernetes' source, as in `core/v1.PodSpec`; empty for maps and custom objects.
    pub(super) name: String,
    /// Whether it is one value.
    pub(super) atomic: bool,
    /// The fields with a form of their own.
    pub(super) fields: BTreeMap<String, Field>,
    /// The form of any other field. Without one, another field is unknown.
    pub(super) element: Option<Arc<Type>>,
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct Field {
    /// Its form.
    pub(super) form: Arc<Type>,
    /// Whether Kubernetes tells its zero value from its absence.
    pub(super) optional: bool,
    /// Whether its zero value is left out.
    pub(super) left_out_when_empty: bool,
    /// Whether it is left out when all that it holds is zero.
    pub(super) left_out_when_zero: bool,
    /// How a strategic merge patch treats it.
    pub(super) patch: PatchStrategy,
    /// Its value where it is absent.
    pub(super) default: Option<Value>,
}

/// How a strategic merge patch treats a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PatchStrategy {
    /// Whether lists are merged, and by which field of their elements; an empty name means by value.
    pub(super) merge_key: Option<String>,
    /// Whether the patch may name the only keys that stay.
    pub(super) retain_keys: bool,
}

impl Type {
    /// The form of a field, if this is the form of an object that has it.
    pub(super) fn field(&self, name: &str) -> Option<&Type> {
        match self {
            Type::Map(map) => map.fields.get(name).map(|field| &*field.form).or(map.element.as_deref()),
            Type::Any => Some(self),
            _ => None,
        }
    }
}
