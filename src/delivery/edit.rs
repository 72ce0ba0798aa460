//! Changes of fields as operations of a JSON Patch: each at the exact place of what stands there, and nothing else.

use std::collections::BTreeMap;

use json_patch::{
    AddOperation, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation,
    jsonptr::{PointerBuf, Token},
};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodTemplateSpec};
use phaseloop_core::{
    plan::FieldChange,
    promotion::{PromotionReason, Undeliverable},
    tuning::{Binding, BindingError, ContainerView, EnvironmentVariable, TargetView, binding::BindingReason},
};
use serde_json::{Value, json};

use super::{
    FieldPlace, field_place, put_field,
    template_hash::{hash_address, hash_operations},
};
use crate::workload::target_view;

/// Changes of a pod template, as operations on the object that has it below `/spec/template`.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateEdit {
    /// What must stand there before: every old value at its place.
    pub tests: Vec<PatchOperation>,
    /// What makes the changes, after all tests.
    pub changes: Vec<PatchOperation>,
}

/// The edit that makes these changes.
///
/// # Errors
/// An address is none, or lies in no template; something else than a change's old text stands at its place, or the place
/// can't be edited safely.
pub fn edit_template(template: &PodTemplateSpec, changes: &[FieldChange]) -> Result<TemplateEdit, Undeliverable> {
    let mut editor = Editor::new(template);
    for change in changes {
        let place = place_of(change)?;
        editor.make(change, &place).map_err(|error| not_writable(change, &error))?;
    }
    Ok(editor.finish())
}

/// The template after an edit of it; `None` where the edit is none of this template.
pub fn edited_template(template: &PodTemplateSpec, edit: &TemplateEdit) -> Option<PodTemplateSpec> {
    let mut object = json!({ "spec": { "template": template } });
    json_patch::patch(&mut object, &edit.changes).ok()?;
    serde_json::from_value(object.pointer_mut("/spec/template")?.take()).ok()
}

/// The place of a change.
pub(super) fn place_of(change: &FieldChange) -> Result<FieldPlace, Undeliverable> {
    let address = &change.address;
    field_place(address).ok_or_else(|| Undeliverable {
        reason: PromotionReason::FieldNotAllowed,
        message: format!("{address:?} is no address of a field"),
    })
}

pub(super) fn not_writable(change: &FieldChange, error: &BindingError) -> Undeliverable {
    let message = format!("{} can't become {}: {error}", change.address, change.to);
    Undeliverable { reason: PromotionReason::FieldNotWritable, message }
}

/// A path of the object.
pub(super) fn pointer<'a>(tokens: impl IntoIterator<Item = impl Into<Token<'a>>>) -> PointerBuf {
    PointerBuf::from_tokens(tokens)
}

/// What must stand at a path; `None`: nothing. The API server takes a test for null where there is nothing, as long as
/// the object around it is there.
pub(super) fn test(path: PointerBuf, value: Option<Value>) -> PatchOperation {
    PatchOperation::Test(TestOperation { path, value: value.unwrap_or(Value::Null) })
}

/// Puts a value at a path, where something stands or not.
pub(super) fn put(path: PointerBuf, before: Option<&Value>, after: Value) -> PatchOperation {
    match before {
        Some(_) => PatchOperation::Replace(ReplaceOperation { path, value: after }),
        None => PatchOperation::Add(AddOperation { path, value: after }),
    }
}

/// Takes away what stands at a path.
pub(super) fn remove(path: PointerBuf) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation { path })
}

/// A container in the middle of an edit.
struct EditedContainer<'a> {
    position: usize,
    original: &'a Container,
    before: ContainerView,
    after: ContainerView,
    arguments_touched: bool,
}

struct Editor<'a> {
    template: &'a PodTemplateSpec,
    object: Value,
    containers: BTreeMap<String, EditedContainer<'a>>,
    tests: Vec<PatchOperation>,
    changes: Vec<PatchOperation>,
}

impl<'a> Editor<'a> {
    fn new(template: &'a PodTemplateSpec) -> Self {
        let object = json!({ "spec": { "template": template } });
        Self { template, object, containers: BTreeMap::new(), tests: Vec::new(), changes: Vec::new() }
    }

    fn make(&mut self, change: &FieldChange, place: &FieldPlace) -> Result<(), BindingError> {
        match (&place.binding, &place.container) {
            _ if change.address == hash_address() => self.change_hash(change),
            (Binding::ConfigMapKey { .. }, _) => {
                let message = format!("{} lies in a ConfigMap, and not in the target", change.address);
                Err(BindingError { reason: BindingReason::NoSuchField, message })
            }
            (Binding::FieldPath { pointer }, _) => self.change_field(change, place, pointer),
            (Binding::Environment { variable }, Some(name)) => self.change_variable(change, place, name, variable),
            (_, name) => self.change_argument(change, place, name.as_deref().unwrap_or_default()),
        }
    }

    fn change_field(&mut self, change: &FieldChange, place: &FieldPlace, path: &str) -> Result<(), BindingError> {
        let view = TargetView { object: self.object.clone(), ..TargetView::default() };
        let after = put_field(&view, place, &change.from, &change.to)?.object;
        let path_buf = PointerBuf::parse(path.to_owned()).unwrap_or_default();
        let (old, new) = (self.object.pointer(path).cloned(), after.pointer(path).cloned());
        self.tests.push(test(path_buf.clone(), old.clone()));
        match new {
            Some(new) if old.as_ref() == Some(&new) => {}
            Some(new) => self.changes.push(put(path_buf, old.as_ref(), new)),
            None if old.is_some() => self.changes.push(remove(path_buf)),
            None => {}
        }
        self.object = after;
        Ok(())
    }

    fn change_hash(&mut self, change: &FieldChange) -> Result<(), BindingError> {
        let (test, operation) = hash_operations(self.template, change)?;
        self.tests.push(test);
        self.changes.extend(operation);
        Ok(())
    }

    fn change_argument(&mut self, change: &FieldChange, place: &FieldPlace, name: &str) -> Result<(), BindingError> {
        let container = self.container(name)?;
        let view = TargetView { container: container.after.clone(), ..TargetView::default() };
        container.after = put_field(&view, place, &change.from, &change.to)?.container;
        container.arguments_touched = true;
        Ok(())
    }

    fn change_variable(
        &mut self,
        change: &FieldChange,
        place: &FieldPlace,
        name: &str,
        variable: &str,
    ) -> Result<(), BindingError> {
        let container = self.container(name)?;
        let view = TargetView { container: container.after.clone(), ..TargetView::default() };
        let after = put_field(&view, place, &change.from, &change.to)?.container;
        let env = container_path(container.position).with_trailing_token("env");
        let originals = container.original.env.as_deref().unwrap_or_default();
        let tests = variable_tests(&env, originals, variable);
        let changes = variable_change(&env, originals, &container.after.environment, &after.environment, variable);
        container.after = after;
        self.tests.extend(tests);
        self.changes.extend(changes);
        Ok(())
    }

    /// The container of that name, as it stands in the middle of the edit.
    fn container(&mut self, name: &str) -> Result<&mut EditedContainer<'a>, BindingError> {
        let containers: &'a [Container] = self.template.spec.as_ref().map_or(&[], |spec| &spec.containers);
        let found = containers.iter().enumerate().find(|(_, container)| container.name == name);
        let Some((position, original)) = found else {
            return Err(BindingError {
                reason: BindingReason::NoSuchField,
                message: format!("the template has no container {name}"),
            });
        };
        if !self.containers.contains_key(name) {
            let path = container_path(position).with_trailing_token("name");
            self.tests.push(test(path, Some(Value::from(name))));
        }
        Ok(self.containers.entry(name.to_owned()).or_insert_with(|| {
            let before = target_view(&PodTemplateSpec::default(), original, None).container;
            EditedContainer { position, original, after: before.clone(), before, arguments_touched: false }
        }))
    }

    fn finish(mut self) -> TemplateEdit {
        for container in self.containers.values().filter(|container| container.arguments_touched) {
            let EditedContainer { position, before, after, .. } = container;
            for (field, before, after) in
                [("command", &before.command, &after.command), ("args", &before.args, &after.args)]
            {
                let path = container_path(*position).with_trailing_token(field);
                let stands = (!before.is_empty()).then(|| json!(before));
                self.tests.push(test(path.clone(), stands));
                self.changes.extend(list_changes(&path, before, after));
            }
        }
        TemplateEdit { tests: self.tests, changes: self.changes }
    }
}

fn container_path(position: usize) -> PointerBuf {
    let head = ["spec", "template", "spec", "containers"].into_iter().map(Token::from);
    PointerBuf::from_tokens(head.chain([Token::from(position)]))
}

/// The changes of a list of words: word by word where their number stays, else the list as a whole.
fn list_changes(path: &PointerBuf, before: &[String], after: &[String]) -> Vec<PatchOperation> {
    if before == after {
        return Vec::new();
    }
    if after.is_empty() {
        return vec![remove(path.clone())];
    }
    if before.len() != after.len() {
        let stands = (!before.is_empty()).then(|| json!(before));
        return vec![put(path.clone(), stands.as_ref(), json!(after))];
    }
    let differing = before.iter().zip(after).enumerate().filter(|(_, (old, new))| old != new);
    let replace = |(position, (_, new)): (usize, (&String, &String))| {
        let path = path.clone().with_trailing_token(position);
        PatchOperation::Replace(ReplaceOperation { path, value: Value::from(new.as_str()) })
    };
    differing.map(replace).collect()
}

/// What must stand in a container's environment: every name at its place, so that a variable that is not there is seen
/// not to be, and the old value of the one that changes.
fn variable_tests(env: &PointerBuf, originals: &[EnvVar], variable: &str) -> Vec<PatchOperation> {
    if originals.is_empty() {
        return vec![test(env.clone(), None)];
    }
    let at = |position: usize| env.clone().with_trailing_token(position);
    let mut tests: Vec<PatchOperation> = originals
        .iter()
        .enumerate()
        .map(|(position, entry)| test(at(position).with_trailing_token("name"), Some(Value::from(entry.name.as_str()))))
        .collect();
    if let Some(position) = originals.iter().rposition(|entry| entry.name == variable) {
        let value = originals.get(position).and_then(|entry| entry.value.as_deref()).map(Value::from);
        tests.push(test(at(position).with_trailing_token("value"), value));
    }
    tests
}

/// The change of one variable of an environment that is as `before`.
fn variable_change(
    env: &PointerBuf,
    originals: &[EnvVar],
    before: &[EnvironmentVariable],
    after: &[EnvironmentVariable],
    variable: &str,
) -> Option<PatchOperation> {
    let of = |list: &[EnvironmentVariable]| {
        let position = list.iter().rposition(|entry| entry.name == variable)?;
        Some((position, list.get(position)?.value.clone().unwrap_or_default()))
    };
    match (of(before), of(after)) {
        (Some(old), Some(new)) if old == new => None,
        (Some((position, old)), Some((_, new))) => {
            let path = env.clone().with_trailing_token(position).with_trailing_token("value");
            // An empty value is left out by the API server; a variable that this patch made has one.
            let entry = originals.iter().rfind(|entry| entry.name == variable);
            let stands = entry.is_none_or(|entry| entry.value.is_some()).then(|| Value::from(old));
            Some(if new.is_empty() { remove(path) } else { put(path, stands.as_ref(), Value::from(new)) })
        }
        (None, Some((_, new))) => {
            let entry = json!({ "name": variable, "value": new });
            Some(if before.is_empty() {
                put(env.clone(), None, json!([entry]))
            } else {
                put(env.clone().with_trailing_token("-"), None, entry)
            })
        }
        (Some(_), None) if after.is_empty() => Some(remove(env.clone())),
        (Some((position, _)), None) => Some(remove(env.clone().with_trailing_token(position))),
        (None, None) => None,
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
