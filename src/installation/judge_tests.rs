use serde_json::{Value, json};

use super::*;
use crate::installation::{POLICIES, rights::Right};

fn subject() -> Subject {
    Subject { namespace: "ops".into(), deployment: "phaseloop".into(), policies: POLICIES.to_vec() }
}

/// An installation at which nothing is wrong.
fn installed() -> Facts {
    let definition = |mut value: Value| {
        let name = value["metadata"]["name"].as_str().unwrap().to_owned();
        value["spec"]["conversion"] = json!({ "strategy": "None" });
        value["status"] = json!({ "conditions": [{ "type": "Established", "status": "True" }] });
        (name, Some(value))
    };
    let policies = POLICIES.iter().map(|policy| {
        let (object, binding) = committed(policy);
        (policy.name.to_owned(), (serde_json::from_value(object).ok(), serde_json::from_value(binding).ok()))
    });
    Facts {
        deployment: serde_json::from_value(json!({
            "metadata": { "name": "phaseloop", "namespace": "ops", "generation": 3 },
            "spec": { "replicas": 2, "selector": {}, "template": {} },
            "status": { "observedGeneration": 3, "readyReplicas": 2, "updatedReplicas": 2 },
        }))
        .unwrap(),
        definitions: crd_values().into_iter().map(definition).collect(),
        priority_class: serde_json::from_value(json!({
            "metadata": { "name": PRIORITY_CLASS }, "value": -100, "preemptionPolicy": "Never",
        }))
        .unwrap(),
        policies: policies.collect(),
        lease: serde_json::from_value(json!({
            "metadata": { "name": "phaseloop", "resourceVersion": "8" }, "spec": { "holderIdentity": "phaseloop-a" },
        }))
        .unwrap(),
        refused: Vec::new(),
        asked: 44,
        own_kinds_refused: Vec::new(),
        own_kinds_asked: 26,
    }
}

/// What is wrong, a line each.
fn complaints(facts: &Facts) -> Vec<String> {
    let findings = judge(facts, &subject(), Some("7"));
    findings
        .into_iter()
        .filter(|finding| finding.remedy().is_some())
        .map(|one| format!("{}: {}", one.what, one.told))
        .collect()
}

#[test]
fn nothing_is_wrong_with_what_the_chart_makes() {
    assert_eq!(complaints(&installed()), [""; 0]);
    assert_eq!(judge(&installed(), &subject(), Some("7")).len(), 5 + 1 + 2 + 4);
}

/// One thing of an installation broken, and the one complaint that follows.
type Breakage = (&'static str, fn(&mut Facts), &'static str);

const BREAKAGES: [Breakage; 15] = [
    (
        "a definition is gone",
        |facts| drop(facts.definitions.insert("escalations.phaseloop.dev".into(), None)),
        "CustomResourceDefinition escalations.phaseloop.dev: it is not there",
    ),
    (
        "a definition is not served",
        |facts| definition(facts)["status"] = json!({}),
        "CustomResourceDefinition escalations.phaseloop.dev: the API server has not taken it up",
    ),
    (
        "a definition lacks a field",
        |facts| drop(properties(facts).remove("suspend")),
        "CustomResourceDefinition escalations.phaseloop.dev: it is of another version: \
         spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.suspend differs",
    ),
    ("no class", |facts| facts.priority_class = None, "PriorityClass phaseloop-test: it is not there"),
    (
        "a class that preempts",
        |facts| facts.priority_class.as_mut().unwrap().preemption_policy = None,
        "PriorityClass phaseloop-test: value -100 and preemptionPolicy PreemptLowerPriority",
    ),
    (
        "a policy without its binding",
        |facts| facts.policies.get_mut("promotion-decision.phaseloop.dev").unwrap().1 = None,
        "ValidatingAdmissionPolicy promotion-decision.phaseloop.dev: it has no binding, so it is not in force",
    ),
    (
        "a binding that only warns",
        |facts| {
            let (_, binding) = facts.policies.get_mut("promotion-decision.phaseloop.dev").unwrap();
            binding.as_mut().unwrap().spec.as_mut().unwrap().validation_actions = Some(vec!["Warn".into()]);
        },
        "ValidatingAdmissionPolicy promotion-decision.phaseloop.dev: its binding is another one: \
         spec.validationActions[0] differs",
    ),
    (
        "a policy with a rule less",
        |facts| {
            let (policy, _) = facts.policies.get_mut("promotion-decision.phaseloop.dev").unwrap();
            policy.as_mut().unwrap().spec.as_mut().unwrap().validations.as_mut().unwrap().pop();
        },
        "ValidatingAdmissionPolicy promotion-decision.phaseloop.dev: it is of another version: spec.validations differs",
    ),
    (
        "a right is missing",
        |facts| {
            let right = Right { resource: "pods".into(), verb: "create".into(), ..Right::default() };
            facts.refused = vec![("chat".into(), right.clone()), ("rag".into(), right)];
        },
        "Rights of the operator: in chat it may not create pods, and 1 more of 44",
    ),
    (
        "a right to our own kinds is missing",
        |facts| {
            let right = |verb: &str| Right {
                group: "phaseloop.dev".into(),
                resource: "promotions".into(),
                verb: verb.into(),
                ..Right::default()
            };
            facts.own_kinds_refused = vec![right("get"), right("patch")];
        },
        "Rights to its own kinds in all namespaces: it may not get promotions of phaseloop.dev, and 1 more of 26: a \
         namespace that is deleted and loses its RoleBinding first hangs on phaseloop.dev/cleanup until somebody takes that \
         off (docs/installing.md)",
    ),
    ("no lease", |facts| facts.lease = None, "Lease ops/phaseloop: it is not there: no replica has ever led"),
    (
        "a lease that was given back",
        |facts| facts.lease.as_mut().unwrap().spec.as_mut().unwrap().holder_identity = Some(String::new()),
        "Lease ops/phaseloop: nobody holds it",
    ),
    (
        "a lease of somebody who is dead",
        |facts| facts.lease.as_mut().unwrap().metadata.resource_version = Some("7".into()),
        "Lease ops/phaseloop: phaseloop-a stands in it, and was not seen to renew it",
    ),
    (
        "a replica that is not ready",
        |facts| facts.deployment.as_mut().unwrap().status.as_mut().unwrap().ready_replicas = Some(1),
        "Deployment ops/phaseloop: 1 of 2 replicas are ready, 2 of them of this version",
    ),
    (
        "a Deployment that nobody has looked at",
        |facts| facts.deployment.as_mut().unwrap().metadata.generation = Some(4),
        "Deployment ops/phaseloop: 2 of 2 replicas are ready, 2 of them of this version",
    ),
];

fn definition(facts: &mut Facts) -> &mut Value {
    facts.definitions.get_mut("escalations.phaseloop.dev").unwrap().as_mut().unwrap()
}

fn properties(facts: &mut Facts) -> &mut serde_json::Map<String, Value> {
    let place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    definition(facts).pointer_mut(place).unwrap().as_object_mut().unwrap()
}

#[test]
fn each_thing_that_is_broken_is_named_alone_and_with_what_is_wrong() {
    for (what, breaks, told) in BREAKAGES {
        let mut facts = installed();
        breaks(&mut facts);
        assert_eq!(complaints(&facts), [told], "{what}");
    }
}

/// What is said of the rights to our own kinds where the Deployment is like this.
fn told_of_own_kinds(change: fn(&mut Deployment)) -> Option<(String, Standing)> {
    let mut facts = installed();
    (facts.own_kinds_refused, facts.own_kinds_asked) = (Vec::new(), 0);
    change(facts.deployment.as_mut().unwrap());
    assert_eq!(complaints(&facts), [""; 0], "nothing is wrong with a choice");
    let findings = judge(&facts, &subject(), Some("7")).into_iter();
    let mut of_own_kinds = findings.filter(|finding| finding.what == "Rights to its own kinds in all namespaces");
    of_own_kinds.next().map(|finding| (finding.told, finding.standing))
}

#[test]
fn rights_to_our_own_kinds_that_were_switched_off_are_a_choice_with_its_price() {
    let (told, standing) = told_of_own_kinds(|deployment| {
        let key = "phaseloop.dev/own-kinds-everywhere".to_owned();
        deployment.metadata.annotations = Some([(key, "false".to_owned())].into());
    })
    .unwrap();
    assert_eq!(standing, Standing::Chosen);
    assert!(told.starts_with("rights.ownKindsEverywhere is off: a namespace that is deleted"), "{told}");
}

#[test]
fn an_operator_of_all_namespaces_needs_no_further_rights_to_our_own_kinds() {
    let told = told_of_own_kinds(|deployment| {
        let pod = json!({ "containers": [{
            "name": "operator", "env": [{ "name": "PHASELOOP_ALL_NAMESPACES", "value": "true" }],
        }] });
        deployment.spec.as_mut().unwrap().template.spec = serde_json::from_value(pod).unwrap();
    });
    assert_eq!(told, None);
}

#[test]
fn without_the_deployment_its_name_is_asked_for_and_nothing_is_said_of_what_follows_from_it() {
    let facts = Facts { deployment: None, ..installed() };
    assert_eq!(complaints(&facts), ["Deployment ops/phaseloop: it is not there"]);
}

#[test]
fn the_first_look_does_not_take_a_lease_for_held() {
    let findings = judge(&installed(), &subject(), None);
    assert!(findings.iter().any(|finding| finding.what.starts_with("Lease") && finding.remedy().is_some()));
}
