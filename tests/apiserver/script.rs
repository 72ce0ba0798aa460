//! Scripts: short named sequences of requests, written in YAML.
//!
//! Each script runs in a namespace of its own, `${namespace}`, and in no other. In paths, queries and bodies `${name}`
//! stands for what an earlier step captured, and for a few paths that every script needs (see `variable.rs`).

use std::{collections::BTreeMap, fs, path::PathBuf};

use phaseloop_core::value::digest::hex_digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest name of a script that still fits into a namespace's name.
const NAME_BYTES_MAX: usize = 55;

/// The scripts of one file.
pub(crate) struct ScriptFile {
    /// Name of the file without its ending.
    pub(crate) name: String,
    pub(crate) scripts: Vec<Script>,
}

/// One sequence of requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// What it shows, as a sentence.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// One request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) verb: Verb,
    /// Path on the server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// Parameters; they are encoded when they are sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) query: BTreeMap<String, String>,
    /// `merge`, `json`, `apply`, `strategic` for the four kinds of patch, or a media type. JSON where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// `metadata` for metadata alone, or a media type. JSON where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accept: Option<String>,
    /// The user in whose name it is sent; he may do everything.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// The body: an object of `objects.yaml`, or one that an earlier step captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// Merge patch on `object`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) change: Value,
    /// The body in full, in place of `object`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) body: Value,
    /// Variables to take from the answer: name and JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) capture: BTreeMap<String, String>,
    /// The request is sent again until the answer is like this. Only the last answer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Until>,
    /// WATCH, COLLECT: how many events are awaited.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) events: usize,
    /// WATCH: the name under which the watch stays open. COLLECT: the watch that is read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) watch: Option<String>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    /// GET with `watch=true`, and the events that follow.
    Watch,
    /// More events of a watch that is open.
    Collect,
}

impl Verb {
    /// As it is written in scripts and recordings.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Watch => "WATCH",
            Self::Collect => "COLLECT",
        }
    }
}

/// An answer that is awaited: some of a server's parts follow what it stored a moment later.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Until {
    pub(crate) status: u16,
    /// What the message holds; empty where it does not matter.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Script {
    /// The namespace it runs in.
    pub(crate) fn namespace(&self) -> String {
        let words = self.name.split(|character: char| !character.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        format!("script-{}", words.join("-").to_lowercase())
    }

    /// Changes with every change of the script, so that a recording that is behind is found.
    pub(crate) fn digest(&self, objects: &Objects) -> String {
        let used = self.steps.iter().filter_map(|step| objects.get(step.object.as_ref()?));
        let used: Vec<String> = used.map(Value::to_string).collect();
        let whole = self.text() + &used.concat();
        hex_digest(&[&whole]).get(..16).unwrap_or_default().to_owned()
    }

    /// The script as text: what it holds literally stays literal in a recording.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Step {
    /// What a reader of a recording sees of the request.
    pub(crate) fn line(&self) -> String {
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut line = self.verb.text().to_owned();
        let kind = self.content_type.as_ref().filter(|_| self.verb == Verb::Patch);
        for part in [kind, Some(&self.path), self.watch.as_ref()].into_iter().flatten() {
            if !part.is_empty() {
                line = format!("{line} {part}");
            }
        }
        if query.is_empty() { line } else { format!("{line}?{}", query.join("&")) }
    }
}

/// Objects by name, from which scripts start.
pub(crate) type Objects = BTreeMap<String, Value>;

/// A path below this folder.
pub(crate) fn folder(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "apiserver", path].iter().collect()
}

/// The objects of `objects.yaml`.
pub(crate) fn objects() -> Result<Objects, String> {
    let [objects] = documents("objects.yaml")?
        .try_into()
        .map_err(|documents: Vec<Value>| format!("objects.yaml: one document is wanted, not {}", documents.len()))?;
    serde_json::from_value(objects).map_err(|error| format!("objects.yaml: {error}"))
}

/// Every script, by file, in the order of the files' names.
pub(crate) fn script_files() -> Result<Vec<ScriptFile>, String> {
    let listed = fs::read_dir(folder("scripts")).map_err(|error| format!("scripts: {error}"))?;
    let mut names: Vec<String> =
        listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".yaml").map(str::to_owned)).collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let scripts = scripts(&format!("scripts/{name}.yaml"))?;
            Ok(ScriptFile { name, scripts })
        })
        .collect()
}

/// The scripts of a file below this folder.
pub(crate) fn scripts(path: &str) -> Result<Vec<Script>, String> {
    let mut scripts = Vec::new();
    for document in documents(path)? {
        let read: Vec<Script> =
            serde_path_to_error::deserialize(document).map_err(|error| format!("{path}: {error}"))?;
        scripts.extend(read);
    }
    for script in &scripts {
        check(script).map_err(|problem| format!("{path}: {:?}: {problem}", script.name))?;
    }
    Ok(scripts)
}

fn documents(path: &str) -> Result<Vec<Value>, String> {
    let text = fs::read_to_string(folder(path)).map_err(|error| format!("{path}: {error}"))?;
    let documents = phaseloop::yaml::read_documents(path, &text).map_err(|faults| faults.to_string())?;
    Ok(documents.into_iter().map(|document| document.value).collect())
}

/// What the types can't say.
fn check(script: &Script) -> Result<(), String> {
    if script.name.len() > NAME_BYTES_MAX {
        return Err(format!("its name is longer than {NAME_BYTES_MAX} bytes and fits no namespace"));
    }
    for (number, step) in script.steps.iter().enumerate() {
        let problem = check_step(step);
        if let Some(problem) = problem {
            return Err(format!("step {}: {problem}", number + 1));
        }
    }
    Ok(())
}

fn check_step(step: &Step) -> Option<&'static str> {
    let reads_events = matches!(step.verb, Verb::Watch | Verb::Collect);
    let has_body = step.object.is_some() || !step.body.is_null();
    match step.verb {
        Verb::Collect if step.watch.is_none() || step.events == 0 => Some("COLLECT needs `watch` and `events`"),
        Verb::Collect if !step.path.is_empty() => Some("COLLECT goes on with an open watch and has no path"),
        Verb::Watch if step.watch.is_none() && step.events == 0 => {
            Some("WATCH needs `events`, or `watch` to stay open")
        }
        Verb::Patch if step.content_type.is_none() => Some("PATCH needs a contentType"),
        Verb::Post | Verb::Put | Verb::Patch if !has_body => Some("it needs `object` or `body`"),
        _ if !reads_events && (step.events > 0 || step.watch.is_some()) => {
            Some("`events` and `watch` belong to WATCH and COLLECT")
        }
        _ if step.object.is_some() && !step.body.is_null() => Some("give `object` or `body`, not both"),
        _ if step.object.is_none() && !step.change.is_null() => Some("`change` changes an `object`"),
        _ if step.verb != Verb::Collect && !step.path.starts_with(['/', '$']) => Some("a path begins with /"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(value: Value) -> Step {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_step_that_cannot_be_sent_is_refused() {
        for (value, problem) in [
            (json!({ "verb": "POST", "path": "/a" }), Some("it needs `object` or `body`")),
            (json!({ "verb": "PATCH", "path": "/a", "body": {} }), Some("PATCH needs a contentType")),
            (json!({ "verb": "GET", "path": "a" }), Some("a path begins with /")),
            (json!({ "verb": "GET", "path": "/a", "events": 1 }), Some("`events` and `watch` belong to")),
            (json!({ "verb": "WATCH", "path": "/a" }), Some("WATCH needs `events`")),
            (json!({ "verb": "COLLECT", "events": 1 }), Some("COLLECT needs `watch`")),
            (json!({ "verb": "COLLECT", "watch": "w", "events": 1, "path": "/a" }), Some("COLLECT goes on")),
            (json!({ "verb": "PUT", "path": "/a", "object": "a", "body": {} }), Some("not both")),
            (json!({ "verb": "PUT", "path": "/a", "body": {}, "change": {} }), Some("`change` changes")),
            (json!({ "verb": "GET", "path": "${core}/a" }), None),
            (json!({ "verb": "COLLECT", "watch": "w", "events": 1 }), None),
            (json!({ "verb": "WATCH", "path": "/a", "watch": "w" }), None),
            (json!({ "verb": "DELETE", "path": "/a" }), None),
        ] {
            let found = check_step(&step(value.clone()));
            assert_eq!(found.is_some(), problem.is_some(), "{value}: {found:?}");
            assert!(
                problem.is_none_or(|problem| found.is_some_and(|found| found.contains(problem))),
                "{value}: {found:?}"
            );
        }
    }

    #[test]
    fn an_unknown_field_of_a_step_is_refused() {
        let read = serde_json::from_value::<Step>(json!({ "verb": "GET", "path": "/a", "accepts": "metadata" }));
        assert!(read.unwrap_err().to_string().contains("accepts"));
    }

    #[test]
    fn a_script_runs_in_a_namespace_of_its_name() {
        let script = Script { name: "A pod's end: 0 s".to_owned(), steps: Vec::new() };
        assert_eq!(script.namespace(), "script-a-pod-s-end-0-s");
        let long = Script { name: "a".repeat(NAME_BYTES_MAX + 1), steps: Vec::new() };
        assert!(check(&long).is_err());
        assert!("script-".len() + NAME_BYTES_MAX <= 63);
    }

    #[test]
    fn the_digest_follows_the_steps_and_the_objects_they_use() {
        let get = |path: &str| step(json!({ "verb": "PUT", "path": path, "object": "a" }));
        let script = |path: &str| Script { name: "a".to_owned(), steps: vec![get(path)] };
        let objects = |value: u8| Objects::from([("a".to_owned(), json!(value)), ("b".to_owned(), json!(value + 7))]);
        let digest = script("/a").digest(&objects(1));
        assert_eq!(digest.len(), 16);
        assert_eq!(digest, script("/a").digest(&objects(1)));
        assert_ne!(digest, script("/b").digest(&objects(1)));
        assert_ne!(digest, script("/a").digest(&objects(2)));
        let with_other = Objects::from([("a".to_owned(), json!(1))]);
        assert_eq!(digest, script("/a").digest(&with_other));
    }

    #[test]
    fn a_request_line_names_what_is_asked() {
        let patch = json!({
            "verb": "PATCH", "path": "${core}/pods/a", "contentType": "apply", "body": {},
            "query": { "force": "true", "fieldManager": "a" },
        });
        assert_eq!(step(patch).line(), "PATCH apply ${core}/pods/a?fieldManager=a&force=true");
        assert_eq!(step(json!({ "verb": "COLLECT", "watch": "w", "events": 1 })).line(), "COLLECT w");
    }
}
