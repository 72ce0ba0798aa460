//! The operator may do what it does, and nothing that nobody has answered for.

use std::collections::{BTreeMap, BTreeSet};

use phaseloop::{
    installation::{Right, Rights, Rule, rights},
    yaml::read_documents,
};
use serde::Deserialize;

use crate::{
    committed::{read, same_as_committed},
    replica::{LEASE, OPERATORS, asked_by_a_replica},
    story::{Asked, asked_in},
};

/// Stories that are listened to: the four nights, a person who decides, and a value in a ConfigMap that is promoted and taken
/// back.
const SCENARIOS: [&str; 3] = ["four-nights", "approval", "config-map"];
/// What is allowed and never asked for in them, with the reason for each.
const UNASKED: &str = "tests/chart/unasked.yaml";

/// Whether a rule allows it, as the authorizer decides.
fn allows(rule: &Rule, chart_name: &str, asked: &Right) -> bool {
    let is_named = match &rule.resource_names {
        None => true,
        Some(names) if names.is_empty() => asked.name == chart_name,
        Some(names) => names.contains(&asked.name),
    };
    is_named
        && rule.api_groups.contains(&asked.group)
        && rule.resources.contains(&asked.resource)
        && rule.verbs.contains(&asked.verb)
}

fn asked() -> Asked {
    let mut asked = asked_by_a_replica();
    for scenario in SCENARIOS {
        asked.extend(asked_in(scenario));
    }
    asked
}

/// What of the requests no rule of the operator's roles allows.
fn refused(asked: &Asked, rights: &Rights) -> Vec<String> {
    let is_allowed = |namespace: &str, right: &Right| {
        let in_own = namespace == OPERATORS;
        rights.operator.iter().any(|rule| !in_own && allows(rule, LEASE, right))
            || rights.lease.iter().any(|rule| in_own && allows(rule, LEASE, right))
    };
    let refused = asked.iter().filter(|(namespace, right)| !is_allowed(namespace, right));
    refused.map(|(namespace, right)| format!("{right}, in {namespace}")).collect()
}

/// The rights of the operator that no request needed, as texts.
fn unasked(asked: &Asked, rights: &Rights) -> BTreeSet<String> {
    let mut unasked = BTreeSet::new();
    for rule in rights.operator.iter().chain(&rights.lease) {
        for right in rule.rights(LEASE) {
            let one = Rule {
                resource_names: rule.resource_names.clone(),
                api_groups: vec![right.group.clone()],
                resources: vec![right.resource.clone()],
                verbs: vec![right.verb.clone()],
                why: String::new(),
            };
            if !asked.iter().any(|(_, asked)| allows(&one, LEASE, asked)) {
                unasked.insert(right.to_string());
            }
        }
    }
    unasked
}

#[derive(Deserialize)]
struct Entry {
    right: String,
    why: String,
}

/// The committed list, a new right under the reason that nobody has written yet.
fn committed_list(unasked: &BTreeSet<String>) -> String {
    let text = read(UNASKED);
    let documents = read_documents(UNASKED, &text).unwrap();
    let entries: Vec<Entry> = serde_json::from_value(documents[0].value.clone()).unwrap();
    let reasons: BTreeMap<String, String> = entries.into_iter().map(|entry| (entry.right, entry.why)).collect();
    let head: String = text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let entry = |right: &String| {
        let why = reasons.get(right).map_or("", String::as_str);
        format!("- right: {right}\n  why: {}\n", serde_json::to_string(why).unwrap())
    };
    head + &unasked.iter().map(entry).collect::<String>()
}

#[test]
fn whatever_the_operator_asks_for_is_allowed_and_what_it_never_asks_for_is_answered_for() {
    let (asked, rights) = (asked(), rights().unwrap());
    assert!(asked.len() > 60, "hardly anything was heard: {asked:?}");
    let verbs: BTreeSet<&str> = asked.iter().map(|(_, right)| right.verb.as_str()).collect();
    assert_eq!(verbs, ["create", "delete", "get", "list", "patch", "update", "watch"].into());
    assert_eq!(refused(&asked, &rights), [""; 0], "no role allows this: add it to charts/phaseloop/files/rights.yaml");
    let unasked = unasked(&asked, &rights);
    same_as_committed(UNASKED, &committed_list(&unasked));
    let documents = read_documents(UNASKED, &read(UNASKED)).unwrap();
    let entries: Vec<Entry> = serde_json::from_value(documents[0].value.clone()).unwrap();
    let silent: Vec<&str> = entries.iter().filter(|entry| entry.why.is_empty()).map(|entry| &*entry.right).collect();
    assert_eq!(silent, [""; 0], "say in {UNASKED} why the operator may do this, or take it away");
}

#[test]
fn a_request_that_no_rule_allows_and_a_right_that_nobody_uses_are_found() {
    let rights = rights().unwrap();
    let secret = Right { resource: "secrets".into(), verb: "list".into(), ..Right::default() };
    let other_map =
        Right { resource: "configmaps".into(), verb: "list".into(), name: "other".into(), ..Right::default() };
    let asked: Asked = [("chat".to_owned(), secret), ("chat".to_owned(), other_map)].into();
    let found = refused(&asked, &rights);
    assert_eq!(found, ["list configmaps named other, in chat", "list secrets, in chat"]);
    let all = unasked(&asked, &rights);
    assert!(all.contains("create pods") && all.contains("update leases of coordination.k8s.io named phaseloop"));
}

#[test]
fn no_role_has_a_wildcard_a_secret_a_way_into_pods_or_roles() {
    let rights = rights().unwrap();
    let all = [&rights.operator, &rights.lease, &rights.own_kinds, &rights.leaving, &rights.leaving_operator];
    for right in all.into_iter().flatten().flat_map(|rule| rule.rights("x")) {
        let words = [right.group.as_str(), right.resource.as_str(), right.verb.as_str()];
        assert!(!words.contains(&"*"), "{right}");
        let forbidden = ["secrets", "pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token"];
        assert!(!forbidden.contains(&right.resource.as_str()), "{right}");
        assert!(
            !right.group.contains("rbac") && !["escalate", "bind", "impersonate"].contains(&&*right.verb),
            "{right}"
        );
    }
    let others = |right: &Right| right.group != "phaseloop.dev";
    let elsewhere: Vec<Right> = rights.own_kinds.iter().flat_map(|rule| rule.rights("x")).filter(others).collect();
    let told: Vec<String> = elsewhere.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["get namespaces"], "in all namespaces it reaches its own kinds, and sees which of them end");
}
