//! What an update changes, field by field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    super::schema::{ListRelation, ListType, MapType, Type},
    field_set::FieldSet,
    step::{element_step, field_step},
};

/// The fields that differ between two objects.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

impl Comparison {
    /// Compares two objects of a form.
    pub(super) fn of(form: &Type, old: &Value, new: &Value) -> Self {
        let mut walk = Walk { found: Self::default(), path: Vec::new() };
        walk.compare(form, Some(old), Some(new));
        walk.found
    }

    /// The comparison without fields that a request can't change.
    pub(super) fn without(self, reset: &FieldSet) -> Self {
        if reset.is_empty() {
            return self;
        }
        Self {
            added: self.added.without(reset),
            modified: self.modified.without(reset),
            removed: self.removed.without(reset),
        }
    }

    /// Fields that have another value than before.
    pub(super) fn changed(&self) -> FieldSet {
        if self.added.is_empty() { self.modified.clone() } else { self.modified.union(&self.added) }
    }
}

struct Walk {
    found: Comparison,
    path: Vec<String>,
}

impl Walk {
    fn compare(&mut self, form: &Type, old: Option<&Value>, new: Option<&Value>) {
        let branch = match form {
            Type::Scalar(_) => false,
            Type::List(list) => list.relation != ListRelation::Atomic && self.lists(list, old, new),
            Type::Map(map) => !map.atomic && self.maps(Some(map), old, new),
            Type::Any => self.maps(None, old, new),
        };
        match (branch, old, new) {
            (_, None, Some(_)) => self.found.added.insert(&self.path),
            (_, Some(_), None) => self.found.removed.insert(&self.path),
            (false, Some(old), Some(new)) if old != new => self.found.modified.insert(&self.path),
            _ => {}
        }
    }

    /// Compares element by element. Says `false` where the lists are one value.
    fn lists(&mut self, list: &ListType, old: Option<&Value>, new: Option<&Value>) -> bool {
        let (Some(old_elements), Some(new_elements)) = (list_of(old), list_of(new)) else { return false };
        if old_elements.is_empty() && new_elements.is_empty() {
            return false;
        }
        if old_elements == new_elements {
            return true;
        }
        let (before, after) = (by_step(list, old_elements), by_step(list, new_elements));
        for (step, old) in &before {
            let new = after.get(step).map_or(&[] as &[&Value], Vec::as_slice);
            self.element(list, step, old, new);
        }
        for (step, new) in after.iter().filter(|(step, _)| !before.contains_key(*step)) {
            self.element(list, step, &[], new);
        }
        true
    }

    /// Elements that are there several times count as one value.
    fn element(&mut self, list: &ListType, step: &str, old: &[&Value], new: &[&Value]) {
        self.path.push(step.to_owned());
        match (old, new) {
            ([] | [_], [] | [_]) => self.compare(&list.element, old.first().copied(), new.first().copied()),
            ([_, _, ..], [_, _, ..]) => {
                if old != new {
                    self.found.modified.insert(&self.path);
                }
            }
            ([_, _, ..], _) => {
                for new in new {
                    self.compare(&list.element, None, Some(new));
                }
                self.found.removed.insert(&self.path);
            }
            _ => {
                for old in old {
                    self.compare(&list.element, Some(old), None);
                }
                self.found.added.insert(&self.path);
            }
        }
        self.path.pop();
    }

    /// Compares field by field. Says `false` where the objects are one value.
    fn maps(&mut self, map: Option<&MapType>, old: Option<&Value>, new: Option<&Value>) -> bool {
        let (Some(old_fields), Some(new_fields)) = (map_of(old), map_of(new)) else { return false };
        if old_fields.is_none_or(Map::is_empty) && new_fields.is_none_or(Map::is_empty) {
            return false;
        }
        for (name, old) in old_fields.into_iter().flatten() {
            let new = new_fields.and_then(|fields| fields.get(name));
            self.field(map, name, Some(old), new);
        }
        for (name, new) in new_fields.into_iter().flatten() {
            if old_fields.is_none_or(|fields| !fields.contains_key(name)) {
                self.field(map, name, None, Some(new));
            }
        }
        true
    }

    fn field(&mut self, map: Option<&MapType>, name: &str, old: Option<&Value>, new: Option<&Value>) {
        // Of most objects most is as it was, and nothing below it can differ.
        if old == new {
            return;
        }
        let form = map.map_or(&Type::Any, |map| field_form(map, name));
        self.path.push(field_step(name));
        self.compare(form, old, new);
        self.path.pop();
    }
}

/// The form of a field of an object. What has no form of its own is read off its value.
pub(super) fn field_form<'a>(map: &'a MapType, name: &str) -> &'a Type {
    map.fields.get(name).map(|field| &*field.form).or(map.element.as_deref()).unwrap_or(&Type::Any)
}

/// The elements of a list; absence and null are an empty one. `None` where the value is something else.
fn list_of(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        None | Some(Value::Null) => Some(&[]),
        Some(Value::Array(elements)) => Some(elements),
        Some(_) => None,
    }
}

/// The fields of an object, `Some(None)` for absence and null. `None` where the value is something else.
#[allow(clippy::option_option, reason = "absent and not an object are two answers, and both are asked for once")]
fn map_of(value: Option<&Value>) -> Option<Option<&Map<String, Value>>> {
    match value {
        None | Some(Value::Null) => Some(None),
        Some(Value::Object(fields)) => Some(Some(fields)),
        Some(_) => None,
    }
}

/// Elements by their step. An element without one has no owner.
fn by_step<'a>(list: &ListType, elements: &'a [Value]) -> BTreeMap<String, Vec<&'a Value>> {
    let mut found: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for element in elements {
        if let Ok(step) = element_step(list, element) {
            found.entry(step).or_default().push(element);
        }
    }
    found
}
