//! Every case of `tests/api-cases/`, and that no CEL rule is without one.

use std::{collections::BTreeSet, fs};

use phaseloop::{api::crds::schema_of, yaml::read_documents};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    case::{Case, Expectation, Refusal, merge, request, sample},
    committed::{read, repository},
    definitions::{schemas, walk},
    samples::{KINDS, paths},
};

/// A rule that many fields share, and a value that breaks it. It is tried at every place that has the rule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SharedRule {
    /// The rule, as the definitions state it.
    rule: String,
    /// A value that keeps the rule; without one, the sample keeps it.
    #[serde(default)]
    good: Option<Value>,
    /// A value that breaks it.
    bad: Value,
    /// Whether the values are those of the field around the place, because the place excludes others beside it.
    #[serde(default)]
    around: bool,
    /// The message that must appear.
    message: String,
}

/// Fields of a kind that can't be changed, each with another value that would be valid.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FrozenFields {
    /// The sample.
    from: String,
    /// The message that must appear.
    message: String,
    /// Merge patch of the spec, one field at a time.
    changes: serde_json::Map<String, Value>,
}

fn load<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let path = format!("tests/api-cases/{file}");
    let documents = read_documents(&path, &read(&path)).unwrap_or_else(|faults| panic!("{faults}"));
    serde_json::from_value(documents[0].value.clone()).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn case_files() -> Vec<String> {
    let entries = fs::read_dir(repository("tests/api-cases")).unwrap();
    let mut files: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|file| !["shared-rules.yaml", "frozen-fields.yaml"].contains(&file.as_str()));
    files.sort();
    files
}

/// A CEL rule at its place: kind, path with `[]` for any element, the rule.
type RulePlace = (String, String, String);

/// A path with `[]` in place of every index.
fn without_indices(path: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => (inside, kept) = (true, kept + "["),
            ']' => (inside, kept) = (false, kept + "]"),
            _ if inside => {}
            _ => kept.push(letter),
        }
    }
    kept
}

/// Every rule of the definitions, with the path that its refusals carry, and the path of its node.
fn rules() -> Vec<(RulePlace, String)> {
    let mut rules = Vec::new();
    for (kind, schema) in schemas() {
        walk(schema, "", &mut |path, node| {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let field = rule["fieldPath"].as_str().unwrap_or_default();
                let told = format!("{path}{field}").trim_start_matches('.').to_owned();
                rules.push(((kind.clone(), told, rule["rule"].as_str().unwrap().to_owned()), path.to_owned()));
            }
        });
    }
    rules
}

/// Places of the object at which the schema's path is found, as concrete paths of steps.
fn concrete(value: &Value, path: &[&str], at: Vec<Step>) -> Option<Vec<Step>> {
    let Some((first, rest)) = path.split_first() else { return Some(at) };
    let (name, elements) = first.split_once("[]").map_or((*first, false), |(name, _)| (name, true));
    let child = value.get(name)?;
    let mut at = at;
    at.push(Step::Field(name.to_owned()));
    if !elements {
        return concrete(child, rest, at);
    }
    child.as_array()?.iter().enumerate().find_map(|(index, element)| {
        let mut at = at.clone();
        at.push(Step::Element(index));
        concrete(element, rest, at)
    })
}

#[derive(Debug, Clone)]
enum Step {
    Field(String),
    Element(usize),
}

fn set(value: &mut Value, path: &[Step], new: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = new.clone();
        return;
    };
    let child = match first {
        Step::Field(name) => value.as_object_mut().unwrap().entry(name.clone()).or_insert(Value::Null),
        Step::Element(index) => &mut value.as_array_mut().unwrap()[*index],
    };
    set(child, rest, new);
}

/// The samples of a kind as the API server stores them.
fn stored_samples(kind: &str) -> Vec<Value> {
    let (_, file) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    ["full", "small"].map(|size| request(&sample(&format!("{file}-{size}.yaml")), None).unwrap()).to_vec()
}

/// What has been seen of the rules.
#[derive(Default)]
struct Seen {
    refused: BTreeSet<RulePlace>,
    /// Kind and path of nodes in accepted objects; with `true` where there was an old one too.
    accepted: BTreeSet<(String, String, bool)>,
}

impl Seen {
    fn refusals(&mut self, kind: &str, refusals: &[Refusal]) {
        for refusal in refusals {
            if let Some(rule) = &refusal.rule {
                self.refused.insert((kind.to_owned(), without_indices(&refusal.path), rule.clone()));
            }
        }
    }

    fn acceptance(&mut self, object: &Value, old: Option<&Value>) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let mut found = BTreeSet::new();
        paths(object, "", &mut found);
        let mut before = BTreeSet::new();
        if let Some(old) = old {
            paths(old, "", &mut before);
        }
        for path in found {
            let with_old = before.contains(&path);
            self.accepted.insert((kind.clone(), path.clone(), false));
            if with_old {
                self.accepted.insert((kind.clone(), path, true));
            }
        }
    }
}

fn check_case(case: &Case, seen: &mut Seen) {
    let outcome = case.run();
    match (&outcome.result, case.expect) {
        (Ok(object), Expectation::Accept) => seen.acceptance(object, outcome.old.as_ref()),
        (Ok(_), Expectation::Reject) => panic!("{}: it is accepted", case.name),
        (Err(refusals), Expectation::Accept) => panic!("{}: it is refused: {refusals:#?}", case.name),
        (Err(refusals), Expectation::Reject) => {
            let fits = |refusal: &Refusal| {
                Some(&refusal.cause) == case.cause.as_ref()
                    && case.path.as_ref().is_none_or(|path| *path == refusal.path)
                    && case.message.as_ref().is_none_or(|message| refusal.message.contains(message.as_str()))
            };
            assert!(refusals.iter().any(fits), "{}: refused otherwise: {refusals:#?}", case.name);
            seen.refusals(sample(&case.from)["kind"].as_str().unwrap(), refusals);
        }
    }
}

fn check_shared(shared: &SharedRule, seen: &mut Seen) {
    let mut places = 0;
    for ((kind, _, rule), path) in rules() {
        if rule != shared.rule {
            continue;
        }
        places += 1;
        let mut steps: Vec<&str> = path.split('.').collect();
        if shared.around {
            steps.pop();
        }
        let found = stored_samples(&kind).into_iter().find_map(|object| {
            let at = concrete(&object, &steps, Vec::new())?;
            Some((object, at))
        });
        let (object, at) = found.unwrap_or_else(|| panic!("no sample of {kind} has {path}"));
        let mut good = object.clone();
        if let Some(value) = &shared.good {
            set(&mut good, &at, value);
        }
        let stored = request(&good, None).unwrap_or_else(|refusals| panic!("{kind} {path}: {refusals:#?}"));
        seen.acceptance(&stored, None);
        let mut bad = object;
        set(&mut bad, &at, &shared.bad);
        let refusals = request(&bad, None).expect_err(&format!("{kind} {path}: {} is accepted", shared.bad));
        let told = refusals.iter().any(|refusal| {
            refusal.rule.as_ref() == Some(&shared.rule) && refusal.message.contains(shared.message.as_str())
        });
        assert!(told, "{kind} {path}: {refusals:#?}");
        seen.refusals(&kind, &refusals);
    }
    assert!(places > 0, "no definition has the rule {}", shared.rule);
}

fn check_frozen(frozen: &FrozenFields, seen: &mut Seen) {
    let old = request(&sample(&frozen.from), None).unwrap();
    let kind = old["kind"].as_str().unwrap();
    let again = request(&old, Some(&old)).unwrap_or_else(|refusals| panic!("{kind}: {refusals:#?}"));
    seen.acceptance(&again, Some(&old));
    for (field, change) in &frozen.changes {
        let mut new = old.clone();
        merge(&mut new["spec"], &json!({ field: change }));
        let refusals = request(&new, Some(&old)).expect_err(&format!("{kind} spec.{field} can be changed"));
        let told = refusals.iter().any(|refusal| {
            let here = refusal.path == format!("spec.{field}") || (change.is_null() && refusal.path == "spec");
            here && refusal.cause == "CEL" && refusal.message.contains(frozen.message.as_str())
        });
        assert!(told, "{kind} spec.{field}: {refusals:#?}");
        seen.refusals(kind, &refusals);
    }
}

fn check_all() -> Seen {
    let mut seen = Seen::default();
    for file in case_files() {
        for case in load::<Case>(&file) {
            check_case(&case, &mut seen);
        }
    }
    for shared in load::<SharedRule>("shared-rules.yaml") {
        check_shared(&shared, &mut seen);
    }
    for frozen in load::<FrozenFields>("frozen-fields.yaml") {
        check_frozen(&frozen, &mut seen);
    }
    seen
}

#[test]
fn every_case_ends_as_it_says_and_every_rule_has_a_refusal_and_an_acceptance() {
    let seen = check_all();
    let (mut without_refusal, mut without_acceptance) = (Vec::new(), Vec::new());
    for (place, node) in rules() {
        let with_old = place.2.contains("oldSelf");
        if !seen.accepted.contains(&(place.0.clone(), node.clone(), with_old)) {
            without_acceptance.push(place.clone());
        }
        if !seen.refused.contains(&place) {
            without_refusal.push(place);
        }
    }
    assert_eq!(without_refusal, Vec::new(), "rules that no case breaks");
    assert_eq!(without_acceptance, Vec::new(), "rules that no case keeps");
}

#[test]
fn case_names_are_sentences_and_unique() {
    let mut names = BTreeSet::new();
    for file in case_files() {
        for case in load::<Case>(&file) {
            assert!(case.name.split(' ').count() >= 3, "{}", case.name);
            assert!(names.insert(case.name.clone()), "{} is there twice", case.name);
            let told = case.cause.is_some() && case.path.is_some();
            assert!(told || case.expect == Expectation::Accept, "{}: say why and where it is refused", case.name);
        }
    }
    assert!(names.len() >= 60, "{} cases", names.len());
}

#[test]
fn rules_are_written_for_the_variables_that_a_definition_has() {
    use kube::core::cel::{ScopeContext, check_rule_scope};
    for ((kind, path, rule), _) in rules() {
        // The analysis takes the variable of a comprehension, as in `all(d, ...)`, for a free one.
        let bound = |message: &str| {
            let variable = message.split('\'').nth(1).unwrap_or_default();
            rule.contains(&format!("({variable}, "))
        };
        let mut warnings = check_rule_scope(&rule, ScopeContext::CrdValidation);
        warnings.retain(|warning| !bound(&warning.message));
        assert_eq!(warnings, Vec::new(), "{kind} {path}");
    }
}

#[test]
fn every_rule_says_what_to_do() {
    for (kind, schema) in schemas() {
        walk(schema, "", &mut |path, node| {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                assert!(rule["message"].as_str().is_some_and(|message| message.len() > 10), "{kind} {path}: {rule}");
            }
        });
    }
    assert!(schema_of("Nothing").is_none());
}
