//! Objects in another version of their kind than the one they are stored in.

use serde_json::Value;

use super::{
    definition::{BuiltIn, ResourceDefinition},
    object::{remove, set, text},
};

/// Names of an Event's fields: in the core group, and in `events.k8s.io`.
const EVENT_FIELDS: [(&str, &str); 9] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("eventTime", "eventTime"),
];

/// The object in the version of the definition.
pub(super) fn to_version(mut object: Value, definition: &ResourceDefinition) -> Value {
    let wanted = definition.api_version();
    if definition.is(BuiltIn::Event) && text(&object, &["apiVersion"]) != Some(wanted.as_str()) {
        let to_core = definition.group.is_empty();
        let renamed: Vec<(&str, Option<Value>)> = EVENT_FIELDS
            .iter()
            .map(|(core, other)| {
                let (from, to) = if to_core { (*other, *core) } else { (*core, *other) };
                (to, remove(&mut object, &[from]))
            })
            .collect();
        for (name, value) in renamed {
            if let Some(value) = value {
                set(&mut object, &[name], value);
            }
        }
    }
    set(&mut object, &["apiVersion"], wanted);
    object
}
