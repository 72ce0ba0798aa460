//! Reads `builtin_types.txt`, which `tests/cluster/tools/builtin-types` writes.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde_json::Value;

use super::{Field, ListRelation, ListType, MapType, PatchStrategy, Scalar, Type};

static TEXT: &str = include_str!("builtin_types.txt");

static TYPES: LazyLock<BTreeMap<String, Arc<Type>>> = LazyLock::new(|| {
    let raw = raw_types();
    let mut resolved = BTreeMap::new();
    for name in raw.keys() {
        resolve(name, &raw, &mut resolved);
    }
    resolved
});

static EMPTY: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(|| {
    let lines = TEXT.lines().filter_map(|line| line.strip_prefix("K ")?.split_once(' '));
    lines.filter_map(|(name, json)| Some((name, serde_json::from_str(json).ok()?))).collect()
});

/// The form of a kind or struct, as in `core/v1.Pod`.
pub(in super::super) fn builtin_type(name: &str) -> Option<Arc<Type>> {
    TYPES.get(name).cloned()
}

/// What an object of the kind is before anything is set: ownership of fields is reckoned from it.
pub(in super::super) fn empty_object(name: &str) -> Option<&'static Value> {
    EMPTY.get(name)
}

struct RawType {
    atomic: bool,
    fields: Vec<&'static str>,
}

fn raw_types() -> BTreeMap<&'static str, RawType> {
    let mut types: BTreeMap<&str, RawType> = BTreeMap::new();
    let mut current = "";
    for line in TEXT.lines() {
        if let Some(header) = line.strip_prefix("T ") {
            let (name, atomic) = header.split_once(' ').map_or((header, false), |(name, _)| (name, true));
            current = name;
            types.insert(name, RawType { atomic, fields: Vec::new() });
        } else if let Some(field) = line.strip_prefix("f ")
            && let Some(raw) = types.get_mut(current)
        {
            raw.fields.push(field);
        }
    }
    types
}

fn resolve(name: &str, raw: &BTreeMap<&str, RawType>, resolved: &mut BTreeMap<String, Arc<Type>>) -> Arc<Type> {
    if let Some(known) = resolved.get(name) {
        return known.clone();
    }
    let Some(found) = raw.get(name) else { return Arc::new(Type::Any) };
    let mut fields = BTreeMap::new();
    for line in &found.fields {
        if let Some((name, field)) = read_field(line, raw, resolved) {
            fields.insert(name, field);
        }
    }
    let form = Arc::new(Type::Map(MapType { name: name.to_owned(), atomic: found.atomic, fields, element: None }));
    resolved.insert(name.to_owned(), form.clone());
    form
}

fn read_field(
    line: &str,
    raw: &BTreeMap<&str, RawType>,
    resolved: &mut BTreeMap<String, Arc<Type>>,
) -> Option<(String, Field)> {
    let mut words = line.split(' ');
    let (name, form, flags) = (words.next()?, words.next()?, words.next()?);
    let mut field = Field {
        form: read_form(form, raw, resolved),
        optional: flags.contains('p'),
        left_out_when_empty: flags.contains('o'),
        left_out_when_zero: flags.contains('z'),
        patch: PatchStrategy::default(),
        default: None,
    };
    for word in words {
        if let Some(json) = word.strip_prefix('=') {
            field.default = serde_json::from_str(json).ok();
        } else {
            let (strategies, key) = word.split_once(':').unwrap_or((word, ""));
            field.patch = PatchStrategy {
                merge_key: strategies.split(',').any(|strategy| strategy == "merge").then(|| key.to_owned()),
                retain_keys: strategies.split(',').any(|strategy| strategy == "retainKeys"),
            };
        }
    }
    Some((name.to_owned(), field))
}

fn read_form(text: &str, raw: &BTreeMap<&str, RawType>, resolved: &mut BTreeMap<String, Arc<Type>>) -> Arc<Type> {
    if let Some(name) = text.strip_prefix('@') {
        return resolve(name, raw, resolved);
    }
    if let Some((relation, element)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let relation = match relation.strip_prefix("map:") {
            Some(keys) => ListRelation::Map(keys.split(',').map(str::to_owned).collect()),
            None if relation == "set" => ListRelation::Set,
            None => ListRelation::Atomic,
        };
        return Arc::new(Type::List(ListType { relation, element: read_form(element, raw, resolved) }));
    }
    if let Some((relation, element)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        let element = Some(read_form(element, raw, resolved));
        let (name, fields) = (String::new(), BTreeMap::new());
        return Arc::new(Type::Map(MapType { name, atomic: relation == "atomic", fields, element }));
    }
    Arc::new(scalar(text).map_or(Type::Any, Type::Scalar))
}

fn scalar(text: &str) -> Option<Scalar> {
    Some(match text {
        "string" => Scalar::String,
        "bool" => Scalar::Boolean,
        "int32" => Scalar::Integer32,
        "int64" => Scalar::Integer64,
        "float64" => Scalar::Float,
        "quantity" => Scalar::Quantity,
        "intorstring" => Scalar::IntegerOrString,
        "time" => Scalar::Time,
        "microtime" => Scalar::MicroTime,
        "duration" => Scalar::Duration,
        "bytes" => Scalar::Bytes,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(form: &Type, path: &str) -> Arc<Type> {
        let mut form = match form {
            Type::Map(map) => &map.fields[path.split('.').next().unwrap()].form,
            other => panic!("{other:?}"),
        };
        for name in path.split('.').skip(1) {
            form = match &**form {
                Type::Map(map) => &map.fields[name].form,
                other => panic!("{other:?}"),
            };
        }
        form.clone()
    }

    #[test]
    fn containers_are_told_apart_by_name_and_arguments_are_one_value() {
        let deployment = builtin_type("apps/v1.Deployment").unwrap();
        let containers = field(&deployment, "spec.template.spec.containers");
        let Type::List(list) = &*containers else { panic!("{containers:?}") };
        assert_eq!(list.relation, ListRelation::Map(vec!["name".to_owned()]));
        let Type::List(arguments) = &*field(&list.element, "args") else { panic!("no list") };
        assert_eq!(arguments.relation, ListRelation::Atomic);
    }

    #[test]
    fn every_form_in_the_file_is_understood() {
        fn look(form: &Type, at: &str) {
            match form {
                Type::Any => assert!(["fieldsV1", "openAPIV3Schema"].contains(&at), "{at}"),
                Type::Scalar(_) => {}
                Type::List(list) => look(&list.element, at),
                Type::Map(map) => {
                    map.fields.iter().for_each(|(name, field)| look(&field.form, name));
                    map.element.iter().for_each(|element| look(element, at));
                }
            }
        }
        assert!(TYPES.len() > 200, "{}", TYPES.len());
        TYPES.iter().for_each(|(name, form)| look(form, name));
        assert_eq!(EMPTY["core/v1.Pod"]["spec"]["containers"], Value::Null);
    }
}
