//! The form of custom objects, from the schema of their definition.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{Field, ListRelation, ListType, MapType, PatchStrategy, Scalar, Type, builtin_type};

/// The form of an object with this schema. Its `apiVersion`, `kind` and `metadata` are those of every object.
pub(in super::super) fn custom_type(schema: &Value) -> Arc<Type> {
    let mut form = read(schema);
    let Type::Map(map) = &mut form else { return Arc::new(form) };
    for name in ["apiVersion", "kind"] {
        map.fields.insert(name.to_owned(), field(Arc::new(Type::Scalar(Scalar::String)), None));
    }
    if let Some(metadata) = builtin_type("meta/v1.ObjectMeta") {
        map.fields.insert("metadata".to_owned(), field(metadata, None));
    }
    Arc::new(form)
}

fn field(form: Arc<Type>, default: Option<Value>) -> Field {
    let patch = PatchStrategy::default();
    Field { form, optional: true, left_out_when_empty: true, left_out_when_zero: false, patch, default }
}

fn read(schema: &Value) -> Type {
    let Some(node) = schema.as_object() else { return Type::Any };
    let open = node.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    match node.get("type").and_then(Value::as_str) {
        Some("object") => read_object(node, open),
        Some("array") => {
            Type::List(ListType { relation: relation(node), element: Arc::new(read_child(node, "items")) })
        }
        Some("string") => Type::Scalar(Scalar::String),
        Some("integer") => Type::Scalar(Scalar::Integer64),
        Some("number") => Type::Scalar(Scalar::Float),
        Some("boolean") => Type::Scalar(Scalar::Boolean),
        _ if node.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) => {
            Type::Scalar(Scalar::IntegerOrString)
        }
        _ => Type::Any,
    }
}

fn read_child(node: &Map<String, Value>, name: &str) -> Type {
    node.get(name).map_or(Type::Any, read)
}

fn read_object(node: &Map<String, Value>, open: bool) -> Type {
    let properties = node.get("properties").and_then(Value::as_object);
    let fields: BTreeMap<String, Field> = properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), field(Arc::new(read(schema)), schema.get("default").cloned())))
        .collect();
    let element = match node.get("additionalProperties") {
        Some(schema) if schema.is_object() => Some(Arc::new(read(schema))),
        Some(Value::Bool(true)) => Some(Arc::new(Type::Any)),
        _ if open => Some(Arc::new(Type::Any)),
        _ => None,
    };
    let atomic = node.get("x-kubernetes-map-type").is_some_and(|kind| kind == "atomic");
    Type::Map(MapType { name: String::new(), atomic, fields, element })
}

fn relation(node: &Map<String, Value>) -> ListRelation {
    match node.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListRelation::Set,
        Some("map") => {
            let keys = node.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            ListRelation::Map(keys.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        _ => ListRelation::Atomic,
    }
}
