//! The recorded answers against the API server in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kube::{
    Client,
    core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema},
};
use phaseloop::{
    api::crds::schema_of,
    simulation::{
        api_server::{AdmissionHook, AdmissionReview, ApiServer, FieldError, Refusal, Settings},
        virtual_clock::VirtualClock,
    },
};
use serde_json::{Value, json};

use crate::replay::replay_all;

/// The user of a request that names no other: the one in whose name the answers were recorded.
const USER: &str = "administrator";

/// The CEL rules of our definitions: the server in memory leaves them to whoever can evaluate them.
struct Rules(BTreeMap<&'static str, CompiledSchema>);

impl Rules {
    fn new() -> Self {
        let kinds = ["PhaseSchedule", "PhaseRun", "Escalation", "TuningCanary", "Promotion"];
        Self(kinds.map(|kind| (kind, compile_schema(&without_defaults(schema_of(kind).unwrap())))).into())
    }
}

impl AdmissionHook for Rules {
    fn review(&self, review: &AdmissionReview<'_>) -> Result<(), Refusal> {
        let (Some(rules), Some(object)) = (self.0.get(review.kind), review.object) else { return Ok(()) };
        let schema = schema_of(review.kind).unwrap();
        Validator::new().validate_compiled(rules, object, review.old).map_err(|errors| {
            let told = errors.iter().map(|error| {
                let path = error.field_path.trim_start_matches('.');
                if error.kind == ErrorKind::EvaluationError {
                    return unevaluated(schema, path, &error.rule, &error.message);
                }
                let told = type_of_rule(schema, &error.message).unwrap_or_else(|| type_at(schema, path));
                FieldError::invalid(path, &json!(told), &error.message)
            });
            Refusal::Fields(told.collect())
        })
    }
}

/// A schema that sets no defaults: the server has set them where it is to.
fn without_defaults(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            // A property may have that name.
            let kept = fields.iter().filter(|(name, value)| *name != "default" || value.get("type").is_some());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_defaults(value))).collect())
        }
        Value::Array(elements) => elements.iter().map(without_defaults).collect(),
        other => other.clone(),
    }
}

/// What is said of a rule that could not be evaluated: the place is that of the rule, whatever field it is told of.
fn unevaluated(schema: &Value, path: &str, rule: &str, problem: &str) -> FieldError {
    let found = rule_of(schema, rule).unwrap();
    let field = found["fieldPath"].as_str().unwrap_or_default();
    let place = path.strip_suffix(field).unwrap_or(path);
    let problem = problem.replace("rule evaluation error: No such key", "no such key");
    let told = format!("{problem} evaluating rule: {}", found["message"].as_str().unwrap_or_default());
    FieldError::invalid(place, &json!(type_at(schema, place)), &told)
}

/// The rule of this expression.
fn rule_of<'a>(schema: &'a Value, rule: &str) -> Option<&'a Value> {
    let own = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let properties = schema["properties"].as_object().into_iter().flat_map(|properties| properties.values());
    let others = ["items", "additionalProperties"].into_iter().filter_map(|part| schema.get(part));
    let mut parts = properties.chain(others);
    own.into_iter().find(|own| own["rule"] == rule).or_else(|| parts.find_map(|part| rule_of(part, rule)))
}

/// The type that the schema has at a path: a refused rule shows it in place of the value.
fn type_at(schema: &Value, path: &str) -> String {
    let mut node = schema;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let next = if step.ends_with(']') { node.get("items") } else { node["properties"].get(step) };
        node = next.or_else(|| node.get("additionalProperties")).unwrap_or(&Value::Null);
    }
    node["type"].as_str().unwrap_or("object").to_owned()
}

/// The type of the part that a rule with a field of its own stands at: that type is shown, and the field's place.
fn type_of_rule(schema: &Value, message: &str) -> Option<String> {
    let rules = schema["x-kubernetes-validations"].as_array();
    let is_it = |rule: &Value| rule["message"] == message && rule.get("fieldPath").is_some();
    if rules.is_some_and(|rules| rules.iter().any(is_it)) {
        return Some(schema["type"].as_str().unwrap_or("object").to_owned());
    }
    let properties = schema["properties"].as_object().into_iter().flat_map(|properties| properties.values());
    let others = ["items", "additionalProperties"].into_iter().filter_map(|part| schema.get(part));
    properties.chain(others).find_map(|part| type_of_rule(part, message))
}

/// The scripts that are known to be answered otherwise.
pub(crate) fn known_to_differ() -> BTreeSet<&'static str> {
    include_str!("differing.txt").lines().filter(|line| !line.starts_with('#')).collect()
}

#[tokio::test(start_paused = true)]
async fn the_server_in_memory_answers_as_the_real_one_did_but_where_it_is_known_not_to() {
    let clock = VirtualClock::new("2026-03-04T01:00:00.123456Z".parse().unwrap());
    let settings = Settings { enforces_escalation_deletion: true, ..Settings::default() };
    let server = ApiServer::new(Arc::new(clock), settings);
    server.add_admission_hook(Rules::new());
    let found = replay_all(Client::new(server.service_for(USER), "default")).await;
    let known = known_to_differ();
    let new: Vec<String> = found
        .iter()
        .filter(|difference| !known.contains(difference.script.as_str()))
        .map(ToString::to_string)
        .collect();
    assert!(new.is_empty(), "{} new differences:\n{}", new.len(), new.join("\n"));
    let differing: BTreeSet<&str> = found.iter().map(|difference| difference.script.as_str()).collect();
    let alike: Vec<&&str> = known.difference(&differing).collect();
    assert!(alike.is_empty(), "answered alike by now, take them out of differing.txt: {alike:#?}");
}
