//! An applied object on top of the live one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::{
    super::schema::{ListRelation, ListType, MapType, Type},
    compare::field_form,
    step::element_step,
};

/// The live value with the applied one on top of it.
///
/// # Errors
/// Where an applied list has an element twice, or one that can't be told apart.
pub(super) fn merge(form: &Type, live: Option<&Value>, applied: Option<&Value>) -> Result<Option<Value>, String> {
    let (Some(live), Some(applied)) = (live, applied) else { return Ok(applied.or(live).cloned()) };
    match (form, live, applied) {
        (Type::List(list), Value::Array(live), Value::Array(applied))
            if list.relation != ListRelation::Atomic && !(live.is_empty() && applied.is_empty()) =>
        {
            merge_lists(list, live, applied).map(Some)
        }
        (Type::Map(map), Value::Object(live), Value::Object(applied)) if !map.atomic => {
            merge_maps(Some(map), live, applied).map(Some)
        }
        (Type::Any, Value::Object(live), Value::Object(applied)) => merge_maps(None, live, applied).map(Some),
        _ => Ok(Some(applied.clone())),
    }
}

fn merge_maps(map: Option<&MapType>, live: &Map<String, Value>, applied: &Map<String, Value>) -> Result<Value, String> {
    let mut merged = live.clone();
    for (name, value) in applied {
        let form = map.map_or(&Type::Any, |map| field_form(map, name));
        let told = |problem: String| format!(".{name}{problem}");
        if let Some(value) = merge(form, live.get(name), Some(value)).map_err(told)? {
            merged.insert(name.clone(), value);
        }
    }
    Ok(merged.into())
}

/// Elements of both lists: those of the live list keep their place, those of the applied one their order.
fn merge_lists(list: &ListType, live: &[Value], applied: &[Value]) -> Result<Value, String> {
    let applied_steps = steps(list, applied)?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = applied_steps.iter().find(|step| !seen.insert(step.as_str())) {
        return Err(format!(": duplicate entries for key {}", super::step::told(twice)));
    }
    let live_steps = steps(list, live)?;
    let by_step: BTreeMap<&str, &Value> = live_steps.iter().map(String::as_str).zip(live).rev().collect();
    let mut shared: VecDeque<&str> =
        applied_steps.iter().map(String::as_str).filter(|step| by_step.contains_key(step)).collect();
    let mut merged = Vec::new();
    let mut done = BTreeSet::new();
    let (mut left, mut right) = (0, 0);
    while left < live_steps.len() || right < applied_steps.len() {
        let (own, theirs) = (live_steps.get(left), applied_steps.get(right));
        if let (Some(own), Some(theirs)) = (own, theirs)
            && own != theirs
            && seen.contains(own.as_str())
            && shared.front().is_some_and(|next| *next != own.as_str())
        {
            // An element of both lists whose turn comes later.
            left += 1;
            continue;
        }
        if let Some(own) = own.filter(|own| Some(*own) != theirs) {
            if !seen.contains(own.as_str()) {
                merged.extend(live.get(left).cloned());
                left += 1;
                continue;
            }
            left += usize::from(done.contains(own.as_str()));
        }
        if let Some(theirs) = theirs {
            merged.extend(merge(&list.element, by_step.get(theirs.as_str()).copied(), applied.get(right))?);
            done.insert(theirs.as_str());
            left += usize::from(own == Some(theirs));
            right += 1;
            if shared.front() == Some(&theirs.as_str()) {
                shared.pop_front();
            }
        }
    }
    Ok(merged.into())
}

fn steps(list: &ListType, elements: &[Value]) -> Result<Vec<String>, String> {
    let numbered = elements.iter().enumerate();
    numbered
        .map(|(index, element)| element_step(list, element).map_err(|why| format!(": element {index}: {why}")))
        .collect()
}
