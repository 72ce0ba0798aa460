//! What two histories are not compared by, each with its reason.

use serde_json::Value;

/// Fields that are left out of every object, as JSON pointers in which `*` stands for every element.
pub(super) const UNSAID: &[(&str, &str)] = &[
    ("/metadata/resourceVersion", "counts the writes of the whole cluster"),
    ("/metadata/managedFields", "says when each field was written, to the second"),
    (
        "/metadata/annotations/phaseloop.dev~1spec-digest",
        "a digest over a spec with its instants; the spec is compared",
    ),
    ("/status/history/head", "a hash over instants; the records are compared, and an oracle follows the chain"),
    ("/status/history/records/*/hash", "the same"),
    ("/status/history/records/*/previousHash", "the same"),
    ("/status/ledger/nights/*/used/hold", "the sum over the night's attempts, which are compared one by one"),
    ("/status/attempt/targetResourceVersion", "counts the writes of the whole cluster"),
    ("/status/configMapAttempt/resourceVersion", "counts the writes of the whole cluster"),
];

/// Takes a field out of an object.
pub(super) fn leave_out(object: &mut Value, pointer: &str) {
    let Some((parents, last)) = pointer.rsplit_once('/') else { return };
    let steps: Vec<&str> = parents.split('/').skip(1).collect();
    leave_out_below(object, &steps, &last.replace("~1", "/"));
}

fn leave_out_below(object: &mut Value, steps: &[&str], last: &str) {
    let Some((step, rest)) = steps.split_first() else {
        if let Some(fields) = object.as_object_mut() {
            fields.remove(last);
        }
        return;
    };
    match object {
        Value::Array(elements) if *step == "*" => {
            for element in elements {
                leave_out_below(element, rest, last);
            }
        }
        Value::Object(fields) => {
            if let Some(field) = fields.get_mut(&step.replace("~1", "/")) {
                leave_out_below(field, rest, last);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_left_out_in_every_element_and_nothing_else_is() {
        let mut object = json!({ "a/b": { "c": 1, "d": 2 }, "list": [{ "x": 1, "y": 2 }, { "y": 3 }] });
        for pointer in ["/a~1b/c", "/list/*/x", "/absent/x", "/list/x"] {
            leave_out(&mut object, pointer);
        }
        assert_eq!(object, json!({ "a/b": { "d": 2 }, "list": [{ "y": 2 }, { "y": 3 }] }));
    }
}
