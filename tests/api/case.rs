//! Cases of what the API server accepts and refuses, as data: `tests/api-cases/*.yaml` on top of `manifests/samples/`.
//!
//! A case is a request, or a create followed by an update. The same files can be replayed against a real API server: a
//! replayer creates the object (without its status), writes `status` by the subresource, sends `first` and `update`, and looks for
//! `message` at `path` in the answer.

use std::{collections::BTreeMap, sync::LazyLock};

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use phaseloop::{
    api::crds::schema_of,
    structural::{SchemaFault, admit},
    yaml::read_documents,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{committed::read, samples::KINDS};

/// What a case expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expectation {
    Accept,
    Reject,
}

/// One case as it stands in a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Case {
    /// A sentence.
    pub(crate) name: String,
    /// The sample it starts from.
    pub(crate) from: String,
    /// Merge patch (RFC 7386) that makes the object of the sample.
    #[serde(default)]
    pub(crate) change: Option<Value>,
    /// Status that the operator has written before the update.
    #[serde(default)]
    pub(crate) status: Option<Value>,
    /// Merge patch of an update that is accepted before the one that the case is about.
    #[serde(default)]
    pub(crate) first: Option<Value>,
    /// Merge patch of a later request. Without one, the case is about the first.
    #[serde(default)]
    pub(crate) update: Option<Value>,
    /// What happens to the last request.
    pub(crate) expect: Expectation,
    /// Why it is refused: `CEL`, `UnknownField` or a reason of the API server.
    #[serde(default)]
    pub(crate) cause: Option<String>,
    /// Where it is refused.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// A part of the message, the same from the API server and from us; only CEL messages are ours in both.
    #[serde(default)]
    pub(crate) message: Option<String>,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) cause: String,
    pub(crate) path: String,
    pub(crate) message: String,
    /// The rule, where CEL refused.
    pub(crate) rule: Option<String>,
}

/// The rules of a kind, compiled once.
fn compiled(kind: &str) -> &'static CompiledSchema {
    static COMPILED: LazyLock<BTreeMap<&str, CompiledSchema>> =
        LazyLock::new(|| KINDS.iter().map(|(kind, _)| (*kind, compile_schema(schema_of(kind).unwrap()))).collect());
    &COMPILED[kind]
}

/// What the API server would make of a request: the stored object, or why not.
pub(crate) fn request(object: &Value, old: Option<&Value>) -> Result<Value, Vec<Refusal>> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap();
    let schema = schema_of(kind).unwrap();
    let rules = compiled(kind);
    let mut object = object.clone();
    if old.is_none() {
        object.as_object_mut().unwrap().remove("status");
    }
    let admitted =
        admit(object, schema).map_err(|faults| faults.into_iter().map(structural_refusal).collect::<Vec<_>>())?;
    match Validator::new().validate_compiled(rules, &admitted, old) {
        Ok(()) => Ok(admitted),
        Err(errors) => Err(errors
            .into_iter()
            .map(|error| {
                assert_eq!(error.kind, ErrorKind::ValidationFailure, "{error:?}");
                let path = error.field_path.trim_start_matches('.').to_owned();
                let message = error.message;
                Refusal { cause: "CEL".to_owned(), path, message, rule: Some(error.rule) }
            })
            .collect()),
    }
}

fn structural_refusal(fault: SchemaFault) -> Refusal {
    Refusal { cause: format!("{:?}", fault.cause), path: fault.path, message: fault.problem, rule: None }
}

/// The result of a case's last request, and the object before it.
pub(crate) struct Outcome {
    pub(crate) old: Option<Value>,
    pub(crate) result: Result<Value, Vec<Refusal>>,
}

impl Case {
    /// Sends the case's requests.
    pub(crate) fn run(&self) -> Outcome {
        let mut object = sample(&self.from);
        if let Some(change) = &self.change {
            merge(&mut object, change);
        }
        let created = request(&object, None);
        let Some(update) = &self.update else { return Outcome { old: None, result: created } };
        let mut old = created.unwrap_or_else(|refusals| panic!("{}: the create is refused: {refusals:?}", self.name));
        if let Some(status) = &self.status {
            old.as_object_mut().unwrap().insert("status".to_owned(), status.clone());
        }
        if let Some(first) = &self.first {
            let mut object = old.clone();
            merge(&mut object, first);
            let updated = request(&object, Some(&old));
            old = updated.unwrap_or_else(|refusals| panic!("{}: the first update is refused: {refusals:?}", self.name));
        }
        let mut object = old.clone();
        merge(&mut object, update);
        let result = request(&object, Some(&old));
        Outcome { old: Some(old), result }
    }
}

/// The object of a sample.
pub(crate) fn sample(file: &str) -> Value {
    let path = format!("manifests/samples/{file}");
    let documents = read_documents(&path, &read(&path)).unwrap_or_else(|faults| panic!("{faults}"));
    documents[0].value.clone()
}

/// JSON merge patch (RFC 7386).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}
