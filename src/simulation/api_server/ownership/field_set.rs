//! A set of fields, as `fieldsV1` writes it: each step of a path is a text such as `f:spec` or `k:{"name":"engine"}`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::super::schema::{ListType, Type};
use super::step::told;

/// A set of fields, as a tree of steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct FieldSet(BTreeMap<String, Node>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    /// Whether the field itself is in the set.
    member: bool,
    below: FieldSet,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    /// Puts a field into the set.
    pub(in super::super) fn insert(&mut self, path: &[impl AsRef<str>]) {
        let Some((step, rest)) = path.split_first() else { return };
        let node = match self.0.get_mut(step.as_ref()) {
            Some(node) => node,
            None => self.0.entry(step.as_ref().to_owned()).or_default(),
        };
        match rest {
            [] => node.member = true,
            rest => node.below.insert(rest),
        }
    }

    /// Puts a whole tree of fields below a step.
    pub(super) fn insert_below(&mut self, step: String, member: bool, below: &FieldSet) {
        let node = self.0.entry(step).or_default();
        node.member |= member;
        node.below.add(below);
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.0.values().all(Node::is_empty)
    }

    /// Whether the step itself is in the set.
    pub(super) fn has(&self, step: &str) -> bool {
        self.0.get(step).is_some_and(|node| node.member)
    }

    /// The fields below a step, if there are any.
    pub(super) fn below(&self, step: &str) -> Option<&FieldSet> {
        self.0.get(step).map(|node| &node.below).filter(|below| !below.is_empty())
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.add(other);
        result
    }

    /// Puts every field of `other` into the set.
    pub(super) fn add(&mut self, other: &Self) {
        for (step, node) in &other.0 {
            match self.0.get_mut(step) {
                Some(own) => {
                    own.member |= node.member;
                    own.below.add(&node.below);
                }
                None => drop(self.0.insert(step.clone(), node.clone())),
            }
        }
    }

    /// The fields that are not in `other`.
    pub(super) fn difference(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.take_away(other);
        result
    }

    /// Takes every field of `other` out of the set.
    pub(super) fn take_away(&mut self, other: &Self) {
        let nothing = Node::default();
        self.0.retain(|step, node| {
            let theirs = other.0.get(step).unwrap_or(&nothing);
            node.member &= !theirs.member;
            node.below.take_away(&theirs.below);
            node.member || !node.below.0.is_empty()
        });
    }

    /// The fields that are in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let both = self.0.iter().filter_map(|(step, node)| {
            let theirs = other.0.get(step)?;
            let below = node.below.intersection(&theirs.below);
            Some((step.clone(), Node { member: node.member && theirs.member, below }))
        });
        Self(both.filter(|(_, node)| !node.is_empty()).collect())
    }

    /// Whether any field is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let (fewer, more) = if self.0.len() < other.0.len() { (self, other) } else { (other, self) };
        fewer.0.iter().any(|(step, node)| {
            let both = more.0.get(step).map(|other| (node.member && other.member, &other.below));
            both.is_some_and(|(is_in_both, below)| is_in_both || node.below.meets(below))
        })
    }

    /// Whether every field of `other` is in this set.
    pub(super) fn holds(&self, other: &Self) -> bool {
        other.0.iter().filter(|(_, node)| !node.is_empty()).all(|(step, node)| {
            self.0.get(step).is_some_and(|own| (own.member || !node.member) && own.below.holds(&node.below))
        })
    }

    /// The fields that are neither in `other` nor below one that is.
    #[must_use]
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.cut(other);
        self
    }

    fn cut(&mut self, other: &Self) {
        self.0.retain(|step, node| {
            if other.has(step) {
                return false;
            }
            if let Some(other) = other.below(step) {
                node.below.cut(other);
            }
            !node.is_empty()
        });
    }

    /// The set with every field that an object of this form names, and that has fields of the set below it.
    pub(super) fn with_named_fields(&self, form: Option<&Type>) -> Self {
        let named = self.0.iter().map(|(step, node)| {
            let name = step.strip_prefix("f:");
            let (known, form_below) = match (form, name) {
                (Some(Type::Map(map)), Some(name)) => {
                    (map.fields.contains_key(name), form.and_then(|form| form.field(name)))
                }
                (Some(Type::List(ListType { element, .. })), None) if step.starts_with("k:") => {
                    (false, Some(&**element))
                }
                (Some(Type::Any), _) => (false, form),
                _ => (false, None),
            };
            let member = node.member || (known && !node.below.is_empty());
            (step.clone(), Node { member, below: node.below.with_named_fields(form_below) })
        });
        Self(named.collect())
    }

    /// Every field as messages write it, those of a level before those below it.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        let members = self.0.iter().filter(|(_, node)| node.member);
        paths.extend(members.map(|(step, _)| format!("{prefix}{}", told(step))));
        for (step, node) in &self.0 {
            node.below.collect_paths(&format!("{prefix}{}", told(step)), paths);
        }
    }

    /// Reads `fieldsV1`.
    pub(super) fn read(fields: &Value) -> Self {
        let entries = fields.as_object().into_iter().flatten().filter(|(step, _)| *step != ".");
        let nodes = entries.map(|(step, below)| {
            let own = below.as_object();
            let member = own.is_none_or(|own| own.is_empty() || own.contains_key("."));
            (step.clone(), Node { member, below: Self::read(below) })
        });
        Self(nodes.collect())
    }
}

/// `fieldsV1`.
impl Serialize for FieldSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self, false, serializer)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&self.below, self.member, serializer)
    }
}

fn write<S: Serializer>(set: &FieldSet, member: bool, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    if member && !set.is_empty() {
        map.serialize_entry(".", &BTreeMap::<String, String>::new())?;
    }
    for (step, node) in set.0.iter().filter(|(_, node)| !node.is_empty()) {
        map.serialize_entry(step, node)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(paths: &[&[&str]]) -> FieldSet {
        let mut set = FieldSet::default();
        for path in paths {
            set.insert(path);
        }
        set
    }

    #[test]
    fn sets_meet_where_a_field_is_in_both_and_one_holds_what_it_has_nothing_less_of() {
        let sets = [
            set(&[]),
            set(&[&["f:spec"]]),
            set(&[&["f:spec", "f:a"]]),
            set(&[&["f:spec"], &["f:spec", "f:a"], &["f:status"]]),
            set(&[&["f:spec", "f:a"], &["f:spec", "f:b", "f:c"]]),
            set(&[&["f:spec", "f:b"]]),
        ];
        for one in &sets {
            for other in &sets {
                assert_eq!(one.meets(other), !one.intersection(other).is_empty(), "{one:?} {other:?}");
                assert_eq!(one.holds(other), other.difference(one).is_empty(), "{one:?} {other:?}");
            }
        }
    }
}
