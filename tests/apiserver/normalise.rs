//! Takes out of answers what differs from one run to the next, and nothing else.
//!
//! | in the answer | in the recording |
//! | --- | --- |
//! | a resource version | `<version 3>`: the script's third write, counted from 1 |
//! | the version of a list or of a bookmark | the same, of the last of the script's writes that is in it; 0 before the first |
//! | a uid | `<uid 2>`: the second uid that the answers show |
//! | an instant | `<time>`, or `<time in microseconds>` |
//! | a continue token | `<continue>` |
//! | the script's namespace | `<namespace>` |
//! | the order of managedFields, which follows their seconds | by operation, manager, version, subresource |
//!
//! Versions keep their equality and their order, uids their equality. A list carries the version of the whole store, and
//! others write there too; hence the second line. What the script itself wrote (an instant, a uid) stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::{Captures, Regex};
use serde_json::{Map, Value};

use crate::answer::Answer;

/// The answers of one script, normalised. `literal` is the script's text.
pub(crate) fn normalise(mut answers: Vec<Answer>, namespace: &str, literal: &str) -> Vec<Answer> {
    let mut seen = Seen { writes: BTreeSet::new(), uids: Vec::new() };
    for value in answers.iter().flat_map(Answer::values) {
        seen.look_at(value, literal);
    }
    let normaliser = Normaliser::new(&seen, namespace, literal);
    for answer in &mut answers {
        for value in answer.values_mut() {
            *value = normaliser.value("", value);
        }
        answer.text = answer.text.as_ref().map(|text| normaliser.text("", text));
    }
    answers
}

/// What is renamed.
struct Seen {
    /// Versions that single objects have.
    writes: BTreeSet<u64>,
    /// In the order in which they appear.
    uids: Vec<String>,
}

impl Seen {
    fn look_at(&mut self, value: &Value, literal: &str) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.look_at(item, literal)),
            Value::Object(fields) => {
                if let Some(uid) = fields.get("uid").and_then(Value::as_str) {
                    self.look_at_uid(uid, literal);
                }
                if fields.get("type").is_some_and(|kind| kind == "BOOKMARK") {
                    return;
                }
                let version = fields.get("metadata").and_then(|metadata| metadata["resourceVersion"].as_str());
                if let Some(version) = version.filter(|_| !fields.contains_key("items")) {
                    self.writes.extend(version.parse::<u64>());
                }
                fields.values().for_each(|field| self.look_at(field, literal));
            }
            _ => {}
        }
    }

    fn look_at_uid(&mut self, uid: &str, literal: &str) {
        if !uid.is_empty() && !literal.contains(uid) && !self.uids.iter().any(|known| known == uid) {
            self.uids.push(uid.to_owned());
        }
    }
}

struct Normaliser<'run> {
    ordinals: BTreeMap<u64, usize>,
    /// Replaced wherever they stand in a text, longest first: one may hold another.
    names: Vec<(String, String)>,
    literal: &'run str,
    time: Regex,
    told_version: Regex,
}

impl<'run> Normaliser<'run> {
    fn new(seen: &Seen, namespace: &str, literal: &'run str) -> Self {
        let ordinals = seen.writes.iter().zip(1..).map(|(version, ordinal)| (*version, ordinal)).collect();
        let uids = seen.uids.iter().zip(1..).map(|(uid, number)| (uid.clone(), format!("<uid {number}>")));
        let mut names: Vec<(String, String)> = uids.collect();
        names.push((namespace.to_owned(), "<namespace>".to_owned()));
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self {
            ordinals,
            names,
            literal,
            time: Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap(),
            // After a colon, in brackets, or in an object that stands in the message as JSON.
            told_version: Regex::new(r#"(?i)(resource ?version(?:[a-z ]*(?:: |\()|\\?":\\?"))(\d+)( \((\d+)\))?"#)
                .unwrap(),
        }
    }

    fn value(&self, name: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(name, text)),
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(|item| self.value("", item)).collect();
                if name == "managedFields" {
                    items.sort_by_cached_key(|manager| {
                        ["operation", "manager", "apiVersion", "subresource"].map(|part| manager[part].to_string())
                    });
                }
                Value::Array(items)
            }
            Value::Object(fields) => {
                // Names of fields hold uids too: those of owners, in managedFields.
                let renamed = fields.iter().map(|(name, field)| (self.replace_names(name), self.value(name, field)));
                Value::Object(renamed.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn text(&self, name: &str, text: &str) -> String {
        let version = text.parse::<u64>();
        match (name, version) {
            ("resourceVersion", Ok(version)) => self.version(version),
            ("continue", _) if !text.is_empty() => "<continue>".to_owned(),
            _ if self.literal.contains(text) => text.to_owned(),
            _ => self.replace_times(&self.replace_versions(&self.replace_names(text))),
        }
    }

    /// The last write that is not after this version.
    fn version(&self, version: u64) -> String {
        let ordinal = self.ordinals.range(..=version).next_back().map_or(0, |(_, ordinal)| *ordinal);
        format!("<version {ordinal}>")
    }

    fn replace_names(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, replacement)| text.replace(name, replacement))
    }

    fn replace_times(&self, text: &str) -> String {
        let named = |parts: &Captures| {
            let kept = self.literal.contains(&parts[0]);
            let name = if parts.get(1).is_some() { "<time in microseconds>" } else { "<time>" };
            if kept { parts[0].to_owned() } else { name.to_owned() }
        };
        self.time.replace_all(text, named).into_owned()
    }

    /// Versions that a message tells.
    fn replace_versions(&self, text: &str) -> String {
        let number = |parts: &Captures, group: usize| parts.get(group)?.as_str().parse::<u64>().ok();
        let told = |parts: &Captures| {
            let first = number(parts, 2).map(|version| self.version(version)).unwrap_or_default();
            let second = number(parts, 4).map(|version| format!(" ({})", self.version(version))).unwrap_or_default();
            format!("{}{first}{second}", &parts[1])
        };
        self.told_version.replace_all(text, told).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const UID_A: &str = "0a1b2c3d-0000-4000-8000-00000000000a";
    const UID_B: &str = "0a1b2c3d-0000-4000-8000-00000000000b";

    fn body(value: Value) -> Answer {
        Answer { request: "GET /".to_owned(), status: 200, body: Some(value), text: None, events: None }
    }

    fn object(version: &str, uid: &str) -> Value {
        json!({ "metadata": { "resourceVersion": version, "uid": uid } })
    }

    fn bodies(answers: Vec<Answer>, literal: &str) -> Vec<Value> {
        normalise(answers, "script-a", literal).into_iter().map(|answer| answer.body.unwrap()).collect()
    }

    #[test]
    fn versions_keep_their_equality_and_their_order() {
        let answers = ["900", "1000", "900", "950"].map(|version| body(object(version, UID_A))).to_vec();
        let versions: Vec<Value> =
            bodies(answers, "").into_iter().map(|body| body["metadata"]["resourceVersion"].clone()).collect();
        assert_eq!(versions, ["<version 1>", "<version 3>", "<version 1>", "<version 2>"]);
    }

    #[test]
    fn a_list_has_the_version_of_the_last_write_that_is_in_it() {
        let list = |version: &str| json!({ "metadata": { "resourceVersion": version }, "items": [] });
        let answers = ["99", "100", "105", "110", "200"].map(|version| body(list(version)));
        let written = [body(object("100", UID_A)), body(object("110", UID_A))];
        let normalised = bodies(answers.into_iter().chain(written).collect(), "");
        let versions: Vec<&Value> = normalised.iter().map(|body| &body["metadata"]["resourceVersion"]).collect();
        let wanted = [0, 1, 1, 2, 2, 1, 2].map(|ordinal| format!("<version {ordinal}>"));
        assert_eq!(versions, wanted.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn a_bookmark_is_no_write_but_what_is_deleted_is() {
        let event = |kind: &str, version: &str| json!({ "type": kind, "object": object(version, UID_A) });
        let events = vec![event("ADDED", "5"), event("DELETED", "7"), event("BOOKMARK", "9"), event("BOOKMARK", "6")];
        let normalised = normalise(vec![Answer::of_events(String::new(), 200, events)], "script-a", "");
        let events = normalised[0].events.clone().unwrap();
        let versions: Vec<&Value> =
            events.iter().map(|event| &event["object"]["metadata"]["resourceVersion"]).collect();
        assert_eq!(versions, ["<version 1>", "<version 2>", "<version 2>", "<version 1>"]);
    }

    #[test]
    fn uids_are_renamed_wherever_they_stand() {
        let owned = json!({
            "metadata": {
                "uid": UID_B,
                "ownerReferences": [{ "uid": UID_A }],
                "managedFields": [{ "fieldsV1": { format!("k:{{\"uid\":\"{UID_A}\"}}"): {} } }],
            },
            "message": format!("UID in precondition: {UID_B}, UID in object meta: {UID_A}"),
        });
        let wanted = json!({
            "metadata": {
                "uid": "<uid 2>",
                "ownerReferences": [{ "uid": "<uid 1>" }],
                "managedFields": [{ "fieldsV1": { "k:{\"uid\":\"<uid 1>\"}": {} } }],
            },
            "message": "UID in precondition: <uid 2>, UID in object meta: <uid 1>",
        });
        let normalised = bodies(vec![body(object("1", UID_A)), body(owned)], "");
        assert_eq!(normalised[1], wanted);
    }

    #[test]
    fn what_the_script_wrote_stays() {
        let literal = format!("{{\"renewTime\":\"2026-03-04T03:35:00.000000Z\",\"uid\":\"{UID_A}\"}}");
        let value = json!({
            "renewTime": "2026-03-04T03:35:00.000000Z", "acquireTime": "2026-03-04T03:35:00.000001Z",
            "uid": UID_A, "creationTimestamp": "2026-11-25T10:25:37Z",
        });
        let wanted = json!({
            "renewTime": "2026-03-04T03:35:00.000000Z", "acquireTime": "<time in microseconds>",
            "uid": UID_A, "creationTimestamp": "<time>",
        });
        assert_eq!(bodies(vec![body(value)], &literal), [wanted]);
    }

    #[test]
    fn versions_in_messages_are_renamed_and_other_numbers_are_not() {
        let told = |message: &str| json!({ "message": message });
        let answers = vec![
            body(object("63", UID_A)),
            body(told("too old resource version: 1 (63)")),
            body(told("ResourceVersion in precondition: 5, ResourceVersion in object meta: 63")),
            body(told("must be no more than 63 characters")),
            body(told(
                "the ResourceVersion in the precondition (62) does not match the ResourceVersion in record (63).",
            )),
            body(told(
                r#"Invalid value: "{\"creationTimestamp\":\"2026-11-25T13:20:07Z\",\"resourceVersion\":\"63\"}""#,
            )),
            body(told("metadata.resourceVersion: Invalid value: 0: must be specified for an update")),
        ];
        let normalised = bodies(answers, "");
        assert_eq!(normalised[1]["message"], "too old resource version: <version 0> (<version 1>)");
        let precondition = "ResourceVersion in precondition: <version 0>, ResourceVersion in object meta: <version 1>";
        assert_eq!(normalised[2]["message"], precondition);
        assert_eq!(normalised[3]["message"], "must be no more than 63 characters");
        let record = "the ResourceVersion in the precondition (<version 0>) does not match the ResourceVersion in record (<version 1>).";
        assert_eq!(normalised[4]["message"], record);
        let object = r#"Invalid value: "{\"creationTimestamp\":\"<time>\",\"resourceVersion\":\"<version 1>\"}""#;
        assert_eq!(normalised[5]["message"], object);
        let told = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
        assert_eq!(normalised[6]["message"], told);
    }

    #[test]
    fn tokens_and_the_namespace_are_renamed() {
        let value = json!({
            "metadata": { "continue": "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ", "namespace": "script-a" },
            "message": "pods \"a\" not found in script-a",
        });
        let wanted = json!({
            "metadata": { "continue": "<continue>", "namespace": "<namespace>" },
            "message": "pods \"a\" not found in <namespace>",
        });
        assert_eq!(bodies(vec![body(value)], ""), [wanted]);
        assert_eq!(bodies(vec![body(json!({ "continue": "" }))], ""), [json!({ "continue": "" })]);
    }

    #[test]
    fn managers_stand_in_an_order_that_does_not_follow_the_clock() {
        let of = |manager: &str, operation: &str| json!({ "manager": manager, "operation": operation });
        let (a, b, c) = (of("b", "Apply"), of("a", "Update"), of("b", "Update"));
        let fields = |managers: Value| body(json!({ "metadata": { "managedFields": managers }, "list": [3, 1] }));
        let orders = vec![fields(json!([c, a, b])), fields(json!([b, c, a]))];
        let wanted = json!({ "metadata": { "managedFields": [a, b, c] }, "list": [3, 1] });
        assert_eq!(bodies(orders, ""), [wanted.clone(), wanted]);
    }

    #[test]
    fn everything_else_is_kept() {
        let value = json!({ "status": { "replicas": 3, "ready": true, "none": null, "share": 0.5, "at": "03:00" } });
        assert_eq!(bodies(vec![body(value.clone())], ""), [value]);
    }
}
