//! Reading objects as JSON: the oracles' only way to them.

use crate::simulation::field::At as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// What stands at a JSON Pointer, as text.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.at(pointer)?.as_str()
}

/// The name of an object.
pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

/// The uid of an object.
pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid").unwrap_or_default()
}

/// `namespace/name` of what an object's target reference names.
pub(super) fn target_of(object: &Value) -> String {
    let namespace = text(object, "/metadata/namespace").unwrap_or_default();
    let name = text(object, "/spec/targetRef/name").unwrap_or_default();
    format!("{namespace}/{name}")
}

/// An instant at a pointer.
pub(super) fn instant(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer)?.parse().ok()
}

/// A duration at a pointer, as the API writes it: `1h30m`, `8s`, `250ms`.
pub(super) fn duration(object: &Value, pointer: &str) -> Option<SignedDuration> {
    parse(text(object, pointer)?)
}

fn parse(text: &str) -> Option<SignedDuration> {
    let mut sum = SignedDuration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let after = rest.get(digits..)?;
        let unit = after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len());
        sum += match after.get(..unit)? {
            "h" => SignedDuration::from_hours(number),
            "m" => SignedDuration::from_mins(number),
            "s" => SignedDuration::from_secs(number),
            "ms" => SignedDuration::from_millis(number),
            _ => return None,
        };
        rest = after.get(unit..)?;
    }
    Some(sum)
}

/// The uid of the owner of a kind.
pub(super) fn owner<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let owners = object.at("/metadata/ownerReferences")?.as_array()?;
    owners.iter().find(|owner| text(owner, "/kind") == Some(kind)).and_then(|owner| text(owner, "/uid"))
}

/// Whether phaseloop made it.
pub(super) fn is_ours(object: &Value) -> bool {
    text(object, "/metadata/labels/app.kubernetes.io~1managed-by") == Some("phaseloop")
}

/// The strings of a list.
pub(super) fn texts<'a>(object: &'a Value, pointer: &str) -> Vec<&'a str> {
    let list = object.at(pointer).and_then(Value::as_array);
    list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_read_as_the_api_writes_them() {
        let object = json!({"a": "1h30m", "b": "250ms", "c": "8s", "d": "8", "e": "x"});
        assert_eq!(duration(&object, "/a"), Some(SignedDuration::from_mins(90)));
        assert_eq!(duration(&object, "/b"), Some(SignedDuration::from_millis(250)));
        assert_eq!(duration(&object, "/c"), Some(SignedDuration::from_secs(8)));
        assert_eq!((duration(&object, "/d"), duration(&object, "/e")), (None, None));
    }
}
