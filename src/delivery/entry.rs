//! One entry of a map of texts in an object (an annotation, a key of a ConfigMap), as operations of a JSON Patch.

use std::collections::BTreeMap;

use json_patch::{PatchOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

use super::edit::{put, remove, test};

/// A map of texts, as objects hold it: absent where it is empty.
pub(super) type Entries = BTreeMap<String, String>;

/// What an entry must be. Where there is no map at all, that is what is tested: a test needs the object around its place.
pub(super) fn entry_test(path: PointerBuf, map: Option<&Entries>, key: &str, expected: Option<&str>) -> PatchOperation {
    match (map, expected) {
        (None, None) => test(path, None),
        (_, expected) => test(path.with_trailing_token(key), expected.map(Value::from)),
    }
}

/// Sets an entry, or takes it away: with the whole map, where it is the only one.
pub(super) fn entry_change(
    path: PointerBuf,
    map: Option<&Entries>,
    key: &str,
    after: Option<&str>,
) -> Option<PatchOperation> {
    let before = map.and_then(|map| map.get(key)).map(|value| Value::from(value.as_str()));
    let count = map.map_or(0, BTreeMap::len);
    match (before, after) {
        (None, Some(after)) if map.is_none() => Some(put(path, None, json!({ (key): after }))),
        (before, Some(after)) => Some(put(path.with_trailing_token(key), before.as_ref(), Value::from(after))),
        (Some(_), None) if count == 1 => Some(remove(path)),
        (Some(_), None) => Some(remove(path.with_trailing_token(key))),
        (None, None) => None,
    }
}
