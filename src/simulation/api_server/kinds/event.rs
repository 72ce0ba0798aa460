//! Rules of events. Those of the older group are held to less.

use serde_json::{Value, json};

use super::{
    super::{
        field_error::FieldError,
        object::{at, integer, text},
    },
    qualified_faults,
};

/// Characters of the controller's instance, the action and the reason.
const WORD_LENGTH_MAX: usize = 128;
/// Characters of the note.
const NOTE_LENGTH_MAX: usize = 1024;

/// An event, whichever group's names its fields have.
struct Event<'a>(&'a Value);

impl<'a> Event<'a> {
    /// A field by its name in the older group and its name in the newer one.
    fn field(&self, older: &str, newer: &str) -> Option<&'a Value> {
        self.0.get(older).or_else(|| self.0.get(newer)).filter(|value| !value.is_null())
    }

    fn text(&self, older: &str, newer: &str) -> &'a str {
        self.field(older, newer).and_then(Value::as_str).unwrap_or_default()
    }

    fn involved(&self) -> Option<&'a Value> {
        self.field("involvedObject", "regarding")
    }

    fn source(&self) -> Option<&'a Value> {
        self.field("source", "deprecatedSource").filter(|source| **source != json!({}))
    }

    fn count(&self) -> i64 {
        self.field("count", "deprecatedCount").and_then(Value::as_i64).unwrap_or(0)
    }

    fn has_time(&self) -> bool {
        self.field("eventTime", "eventTime").is_some()
    }
}

/// What is wrong with a new event that is written by the names of a group.
pub(super) fn create_errors(group: &str, event: &Value) -> Vec<FieldError> {
    let mut errors = common_errors(group, event);
    if group.is_empty() {
        return errors;
    }
    let event = Event(event);
    errors.extend(series_errors(event.0));
    if !event.has_time() {
        errors.push(FieldError::required("eventTime", ""));
    }
    let kind = event.text("type", "type");
    if !["Normal", "Warning"].contains(&kind) {
        errors.push(FieldError::invalid("type", &json!(""), &format!("has invalid value: {kind}")));
    }
    for (field, is_set) in [
        ("firstTimestamp", event.field("firstTimestamp", "deprecatedFirstTimestamp").is_some()),
        ("lastTimestamp", event.field("lastTimestamp", "deprecatedLastTimestamp").is_some()),
        ("count", event.count() != 0),
        ("source", event.source().is_some()),
    ] {
        if is_set {
            errors.push(FieldError::invalid(field, &json!(""), "needs to be unset"));
        }
    }
    errors
}

/// What is wrong with a change of an event.
pub(super) fn update_errors(group: &str, new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = common_errors(group, new);
    if group.is_empty() {
        return errors;
    }
    if new.get("series") != old.get("series") {
        errors.extend(series_errors(new));
    }
    let (new, old) = (Event(new), Event(old));
    let mut fixed = |field: &str, own: Value, before: Value| {
        if own != before {
            errors.push(FieldError::invalid(field, &own, "field is immutable"));
        }
    };
    let word = |event: &Event<'_>, older: &str, newer: &str| json!(event.text(older, newer));
    fixed("involvedObject", reference_of(new.involved()), reference_of(old.involved()));
    fixed("reason", word(&new, "reason", "reason"), word(&old, "reason", "reason"));
    fixed("message", word(&new, "message", "note"), word(&old, "message", "note"));
    fixed("source", source_of(new.source()), source_of(old.source()));
    let time = |event: &Event<'_>, older: &str, newer: &str| event.field(older, newer).cloned().unwrap_or_default();
    for (field, newer) in [("firstTimestamp", "deprecatedFirstTimestamp"), ("lastTimestamp", "deprecatedLastTimestamp")]
    {
        fixed(field, time(&new, field, newer), time(&old, field, newer));
    }
    fixed("count", json!(new.count()), json!(old.count()));
    // Kubernetes looks at the reason twice.
    for field in ["reason", "type"] {
        fixed(field, word(&new, field, field), word(&old, field, field));
    }
    fixed("eventTime", time(&new, "eventTime", "eventTime"), time(&old, "eventTime", "eventTime"));
    fixed("action", word(&new, "action", "action"), word(&old, "action", "action"));
    fixed("related", related_of(&new), related_of(&old));
    for (field, older) in [("reportingController", "reportingComponent"), ("reportingInstance", "reportingInstance")] {
        fixed(field, word(&new, older, field), word(&old, older, field));
    }
    errors
}

/// What holds for events of both groups.
fn common_errors(group: &str, event: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let namespace = text(event, &["metadata", "namespace"]).unwrap_or_default();
    let event = Event(event);
    let about = event.involved().and_then(|involved| text(involved, &["namespace"])).unwrap_or_default();
    let elsewhere = || FieldError::invalid("involvedObject.namespace", &json!(about), "does not match event.namespace");
    if !event.has_time() {
        let is_own = if about.is_empty() { ["", "default"].contains(&namespace) } else { about == namespace };
        errors.extend((!is_own).then(elsewhere));
        return errors;
    }
    if about.is_empty() && !["default", "kube-system"].contains(&namespace) {
        errors.push(elsewhere());
    }
    let place = if group.is_empty() { "reportingComponent" } else { "reportingController" };
    let controller = event.text("reportingComponent", "reportingController");
    if controller.is_empty() {
        errors.push(FieldError::required(place, ""));
    }
    let faults = qualified_faults(controller);
    errors.extend(faults.iter().map(|fault| FieldError::invalid(place, &json!(controller), fault)));
    for (field, newer, needed, length_max) in [
        ("reportingInstance", "reportingInstance", true, WORD_LENGTH_MAX),
        ("action", "action", true, WORD_LENGTH_MAX),
        ("reason", "reason", true, WORD_LENGTH_MAX),
        ("message", "note", false, NOTE_LENGTH_MAX),
    ] {
        let word = event.text(field, newer);
        if word.is_empty() && needed {
            errors.push(FieldError::required(field, ""));
        }
        if word.len() > length_max {
            let problem = format!("can have at most {length_max} characters");
            errors.push(FieldError::invalid(field, &json!(""), &problem));
        }
    }
    errors
}

fn series_errors(event: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(series) = event.get("series").filter(|series| !series.is_null()) else { return errors };
    if integer(series, &["count"]).unwrap_or(0) < 2 {
        errors.push(FieldError::invalid("series.count", &json!(""), "should be at least 2"));
    }
    if at(series, &["lastObservedTime"]).is_none_or(Value::is_null) {
        errors.push(FieldError::required("series.lastObservedTime", ""));
    }
    errors
}

/// A reference by the names that Kubernetes has for its fields within, which a refusal shows.
fn reference_of(reference: Option<&Value>) -> Value {
    let word = |name: &str| reference.and_then(|reference| text(reference, &[name])).unwrap_or_default();
    json!({
        "Kind": word("kind"), "Namespace": word("namespace"), "Name": word("name"), "UID": word("uid"),
        "APIVersion": word("apiVersion"), "ResourceVersion": word("resourceVersion"), "FieldPath": word("fieldPath"),
    })
}

fn related_of(event: &Event<'_>) -> Value {
    event.field("related", "related").map_or(Value::Null, |related| reference_of(Some(related)))
}

fn source_of(source: Option<&Value>) -> Value {
    let word = |name: &str| source.and_then(|source| text(source, &[name])).unwrap_or_default();
    json!({ "Component": word("component"), "Host": word("host") })
}
