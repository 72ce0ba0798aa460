//! JSON Patch (RFC 6902), with the answers of the API server.

use json_patch::PatchOperation;
use serde_json::Value;

use super::super::status_error::StatusError;

/// Most operations of one patch.
const OPERATIONS_MAX: usize = 10_000;

/// The object after the patch.
///
/// # Errors
/// 400 where the patch can't be read; 422 where a test fails or an operation can't be carried out, in which case nothing
/// says which one: a client reads again to tell.
pub(in super::super) fn json(mut object: Value, patch: &Value) -> Result<Value, StatusError> {
    let operations = read(patch)?;
    for operation in &operations {
        // A test for null holds where there is nothing.
        let holds = matches!(operation, PatchOperation::Test(test) if test.value.is_null() && test.path.resolve(&object).is_err());
        if holds || insert(&mut object, operation) {
            continue;
        }
        json_patch::patch(&mut object, std::slice::from_ref(operation)).map_err(|_| StatusError::unprocessable())?;
    }
    Ok(object)
}

/// The API server lets a replacement make a field that is not there. Says whether this was one.
fn insert(object: &mut Value, operation: &PatchOperation) -> bool {
    let PatchOperation::Replace(replace) = operation else { return false };
    if replace.path.resolve(object).is_ok() {
        return false;
    }
    let Some((parent, name)) = replace.path.split_back() else { return false };
    let Ok(Value::Object(fields)) = parent.resolve_mut(object) else { return false };
    fields.insert(name.decoded().into_owned(), replace.value.clone());
    true
}

fn read(patch: &Value) -> Result<Vec<PatchOperation>, StatusError> {
    let unreadable = |error: String| StatusError::bad_request(format!("error decoding patch: {error}"));
    let Value::Array(operations) = patch else {
        let problem = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp";
        return Err(unreadable(problem.to_owned()));
    };
    if operations.len() > OPERATIONS_MAX {
        let problem =
            format!("The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}", operations.len());
        return Err(StatusError::too_large(&problem));
    }
    // What is no operation can't be carried out.
    let read = operations.iter().map(|operation| serde_json::from_value(operation.clone()));
    read.collect::<Result<_, _>>().map_err(|_| StatusError::unprocessable())
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn a_test_guards_what_follows_and_a_failure_changes_nothing() {
        let object = value!({ "spec": { "replicas": 2 } });
        let patch = |expected: i64| {
            value!([
                { "op": "test", "path": "/spec/replicas", "value": expected },
                { "op": "replace", "path": "/spec/replicas", "value": 1 },
                { "op": "add", "path": "/metadata", "value": {} },
            ])
        };
        assert_eq!(json(object.clone(), &patch(2)).unwrap(), value!({ "metadata": {}, "spec": { "replicas": 1 } }));
        let error = json(object, &patch(3)).unwrap_err();
        assert_eq!((error.code, error.reason), (422, "Invalid"));
        assert_eq!(error.message, "the server rejected our request due to an error in our request");
    }

    #[test]
    fn a_test_for_null_holds_where_there_is_nothing() {
        let patch = value!([{ "op": "test", "path": "/a", "value": null }, { "op": "add", "path": "/a", "value": 1 }]);
        assert_eq!(json(value!({}), &patch).unwrap(), value!({ "a": 1 }));
        assert_eq!(json(value!({ "a": 2 }), &patch).unwrap_err().code, 422);
        assert_eq!(json(value!({}), &value!({})).unwrap_err().code, 400);
    }
}
