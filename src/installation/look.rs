//! Reading what an installation consists of. Nothing is written: the one POST asks what the operator may.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        apps::v1::Deployment,
        authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
        coordination::v1::Lease,
        scheduling::v1::PriorityClass,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, Resource, ResourceExt as _, api::PostParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Policy,
    rights::{Right, Rights, rights_of},
};
use crate::{api::crds::crd_values, cluster::CallTimeouts, workload::contract::PRIORITY_CLASS};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Namespace of the operator.
    pub namespace: String,
    /// Name of its Deployment.
    pub deployment: String,
    /// Rules that must be in force.
    pub policies: Vec<Policy>,
}

/// What was found. Absent is `None`.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The Deployment.
    pub deployment: Option<Deployment>,
    /// Our definitions, by name.
    pub definitions: BTreeMap<String, Option<Value>>,
    /// The class of test pods.
    pub priority_class: Option<PriorityClass>,
    /// Rules and their bindings, by name.
    pub policies: BTreeMap<String, (Option<ValidatingAdmissionPolicy>, Option<ValidatingAdmissionPolicyBinding>)>,
    /// The lease.
    pub lease: Option<Lease>,
    /// What the operator may not, with the namespace; `all namespaces` for all.
    pub refused: Vec<(String, Right)>,
    /// How many rights were asked for.
    pub asked: usize,
    /// What the operator may not do with its own kinds in namespaces that it doesn't work in.
    pub own_kinds_refused: Vec<Right>,
    /// How many of these rights were asked for: none where the chart does not give them.
    pub own_kinds_asked: usize,
}

/// Something could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {what}: {problem}\n  remedy: {remedy}")]
pub struct LookError {
    what: String,
    problem: String,
    remedy: &'static str,
}

impl LookError {
    fn of(what: &str, error: &kube::Error) -> Self {
        let (problem, remedy) = match error {
            kube::Error::Api(status) if status.code == 403 => {
                (status.message.clone(), "run it as a cluster administrator, or by `helm test`, whose account may")
            }
            kube::Error::Api(status) => (status.message.clone(), "try again"),
            error => (error.to_string(), "see that the API server can be reached"),
        };
        Self { what: what.to_owned(), problem, remedy }
    }
}

/// What the operator's Deployment says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// User name of its account.
    pub user: String,
    /// Namespaces that it works in; an empty name stands for all of them.
    pub namespaces: Vec<String>,
    /// Name of its lease.
    pub lease: String,
    /// Namespace of its lease.
    pub lease_namespace: String,
    /// Whether it has rights to its own kinds everywhere.
    pub own_kinds: OwnKindsEverywhere,
}

/// Whether the operator has rights to its own kinds in all namespaces, by what the chart was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnKindsEverywhere {
    /// It works in named namespaces, and is to have them.
    Given,
    /// It works in named namespaces, and `rights.ownKindsEverywhere` is off.
    SwitchedOff,
    /// It works in all namespaces, by a right that goes with none of them.
    NotNeeded,
}

/// The annotation of the operator's Deployment by which the chart says that `rights.ownKindsEverywhere` is off.
const OWN_KINDS_ANNOTATION: &str = "phaseloop.dev/own-kinds-everywhere";

/// What a Deployment tells by its account and its variables, as the chart sets them.
pub fn told_by(deployment: &Deployment) -> Told {
    let namespace = deployment.namespace().unwrap_or_default();
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let account = pod.and_then(|pod| pod.service_account_name.clone()).unwrap_or_else(|| "default".to_owned());
    let variables: BTreeMap<&str, &str> = pod
        .iter()
        .flat_map(|pod| &pod.containers)
        .flat_map(|container| container.env.iter().flatten())
        .filter_map(|variable| Some((variable.name.as_str(), variable.value.as_deref()?)))
        .collect();
    let variable = |name: &str| variables.get(name).filter(|value| !value.is_empty()).copied();
    let in_all = variable("PHASELOOP_ALL_NAMESPACES").is_some_and(|value| value == "true");
    let annotated = deployment.annotations().get(OWN_KINDS_ANNOTATION).map(String::as_str);
    let own_kinds = match (in_all, annotated) {
        (true, _) => OwnKindsEverywhere::NotNeeded,
        (false, Some("false")) => OwnKindsEverywhere::SwitchedOff,
        (false, _) => OwnKindsEverywhere::Given,
    };
    let namespaces = if in_all {
        vec![String::new()]
    } else {
        let named = variable("PHASELOOP_NAMESPACE").unwrap_or(&namespace);
        named.split(',').map(str::to_owned).collect()
    };
    Told {
        user: format!("system:serviceaccount:{namespace}:{account}"),
        namespaces,
        lease: variable("PHASELOOP_LEASE_NAME").unwrap_or("phaseloop").to_owned(),
        lease_namespace: variable("PHASELOOP_LEASE_NAMESPACE").unwrap_or(&namespace).to_owned(),
        own_kinds,
    }
}

/// Reads it all.
///
/// # Errors
/// [`LookError`] of the first thing that could not be read. What is not there is a fact.
pub async fn look(client: &Client, subject: &Subject, rights: &Rights) -> Result<Facts, LookError> {
    let in_namespace: Api<Deployment> = Api::namespaced(client.clone(), &subject.namespace);
    let mut facts = Facts { deployment: get(&in_namespace, &subject.deployment).await?, ..Facts::default() };
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for name in crd_values().iter().filter_map(|definition| definition.pointer("/metadata/name")?.as_str()) {
        let there = get(&definitions, name).await?;
        let value = there.map(|definition| serde_json::to_value(definition).unwrap_or_default());
        facts.definitions.insert(name.to_owned(), value);
    }
    facts.priority_class = get(&Api::all(client.clone()), PRIORITY_CLASS).await?;
    for policy in &subject.policies {
        let there =
            (get(&Api::all(client.clone()), policy.name).await?, get(&Api::all(client.clone()), policy.name).await?);
        facts.policies.insert(policy.name.to_owned(), there);
    }
    if let Some(deployment) = &facts.deployment {
        let told = told_by(deployment);
        facts.lease = get(&Api::namespaced(client.clone(), &told.lease_namespace), &told.lease).await?;
        let wanted = wanted_rights(&told, rights);
        (facts.refused, facts.asked) = (refused(client, &told.user, &wanted).await?, wanted.len());
        let wanted = wanted_of_own_kinds(told.own_kinds, rights);
        let not_given = refused(client, &told.user, &wanted).await?;
        facts.own_kinds_refused = not_given.into_iter().map(|(_everywhere, right)| right).collect();
        facts.own_kinds_asked = wanted.len();
    }
    Ok(facts)
}

async fn get<K>(api: &Api<K>, name: &str) -> Result<Option<K>, LookError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let what = format!("{} {name}", K::kind(&()));
    answered(&what, api.get_opt(name)).await
}

/// The rights that the operator must have, with the namespace; an empty one stands for all.
fn wanted_rights(told: &Told, rights: &Rights) -> Vec<(String, Right)> {
    let of_operator = rights_of(&rights.operator, "");
    let in_namespaces = told
        .namespaces
        .iter()
        .flat_map(|namespace| of_operator.iter().map(move |right| (namespace.clone(), right.clone())));
    let of_lease = rights_of(&rights.lease, &told.lease).into_iter();
    in_namespaces.chain(of_lease.map(|right| (told.lease_namespace.clone(), right))).collect()
}

/// The rights to our own kinds that it must have in all namespaces.
fn wanted_of_own_kinds(own_kinds: OwnKindsEverywhere, rights: &Rights) -> Vec<(String, Right)> {
    match own_kinds {
        OwnKindsEverywhere::Given => {
            rights_of(&rights.own_kinds, "").into_iter().map(|right| (String::new(), right)).collect()
        }
        OwnKindsEverywhere::SwitchedOff | OwnKindsEverywhere::NotNeeded => Vec::new(),
    }
}

/// Which of these rights the API server says no to, each with its place.
async fn refused(client: &Client, user: &str, wanted: &[(String, Right)]) -> Result<Vec<(String, Right)>, LookError> {
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let mut refused = Vec::new();
    for (namespace, right) in wanted {
        let review = review(user, namespace, right);
        let answer = answered("what the operator may", reviews.create(&PostParams::default(), &review)).await?;
        if !answer.status.is_some_and(|status| status.allowed) {
            let place = if namespace.is_empty() { "all namespaces" } else { namespace };
            refused.push((place.to_owned(), right.clone()));
        }
    }
    Ok(refused)
}

fn review(user: &str, namespace: &str, right: &Right) -> SubjectAccessReview {
    let (resource, subresource) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
    let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let of_account = user.split(':').nth(2).unwrap_or_default();
    let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{of_account}"), "system:authenticated"];
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(groups.map(str::to_owned).to_vec()),
            resource_attributes: Some(ResourceAttributes {
                group: filled(&right.group),
                resource: filled(resource),
                subresource: filled(subresource),
                verb: filled(&right.verb),
                name: filled(&right.name),
                namespace: filled(namespace),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}

async fn answered<T>(what: &str, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, LookError> {
    match tokio::time::timeout(CallTimeouts::default().single, call).await {
        Ok(answer) => answer.map_err(|error| LookError::of(what, &error)),
        Err(_elapsed) => Err(LookError {
            what: what.to_owned(),
            problem: "no answer in time".to_owned(),
            remedy: "see that the API server can be reached",
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(variables: &Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "name": "loop", "namespace": "ops" },
            "spec": {
                "selector": {},
                "template": { "spec": {
                    "serviceAccountName": "worker",
                    "containers": [{ "name": "operator", "env": variables }],
                } },
            },
        }))
        .unwrap()
    }

    #[test]
    fn the_deployment_tells_where_the_operator_works_and_as_whom() {
        let variable = |name: &str, value: &str| json!({ "name": name, "value": value });
        let told = told_by(&deployment(&json!([
            variable("PHASELOOP_NAMESPACE", "chat,rag"),
            variable("PHASELOOP_LEASE_NAME", "loop"),
        ])));
        assert_eq!(
            told,
            Told {
                user: "system:serviceaccount:ops:worker".into(),
                namespaces: vec!["chat".into(), "rag".into()],
                lease: "loop".into(),
                lease_namespace: "ops".into(),
                own_kinds: OwnKindsEverywhere::Given,
            }
        );
        assert_eq!(told_by(&deployment(&json!([]))).namespaces, ["ops"], "its own, where nothing is said");
        let all = told_by(&deployment(&json!([variable("PHASELOOP_ALL_NAMESPACES", "true")])));
        assert_eq!((all.namespaces, all.own_kinds), (vec![String::new()], OwnKindsEverywhere::NotNeeded));
        let annotated = |value: &str| {
            let mut deployment = deployment(&json!([]));
            deployment.metadata.annotations = Some([(OWN_KINDS_ANNOTATION.to_owned(), value.to_owned())].into());
            told_by(&deployment).own_kinds
        };
        assert_eq!(annotated("false"), OwnKindsEverywhere::SwitchedOff);
        assert_eq!(annotated("true"), OwnKindsEverywhere::Given);
    }

    #[test]
    fn the_operators_rights_are_asked_for_where_it_works_and_those_to_our_own_kinds_everywhere() {
        let rights = crate::installation::rights().unwrap();
        let variable = json!({ "name": "PHASELOOP_NAMESPACE", "value": "chat,rag" });
        let wanted = wanted_rights(&told_by(&deployment(&json!([variable]))), &rights);
        let count = |place: &str| wanted.iter().filter(|(namespace, _)| namespace == place).count();
        assert_eq!((count("chat"), count("rag")), (count("rag"), rights_of(&rights.operator, "").len()));
        assert_eq!((count("ops"), count("")), (rights_of(&rights.lease, "x").len(), 0));
        let everywhere = wanted_of_own_kinds(OwnKindsEverywhere::Given, &rights);
        assert!(everywhere.iter().all(|(namespace, _)| namespace.is_empty()));
        let told: Vec<String> = everywhere.iter().map(|(_, right)| right.to_string()).collect();
        assert!(told.contains(&"patch tuningcanaries of phaseloop.dev".to_owned()), "{told:?}");
        assert!(told.contains(&"get namespaces".to_owned()), "{told:?}");
        for none in [OwnKindsEverywhere::SwitchedOff, OwnKindsEverywhere::NotNeeded] {
            assert_eq!(wanted_of_own_kinds(none, &rights), []);
        }
    }

    #[test]
    fn a_right_is_asked_for_as_the_authorizer_names_it() {
        let right = Right {
            group: "phaseloop.dev".into(),
            resource: "promotions/status".into(),
            verb: "update".into(),
            name: String::new(),
        };
        let asked = serde_json::to_value(review("system:serviceaccount:ops:worker", "chat", &right)).unwrap();
        assert_eq!(
            asked["spec"]["resourceAttributes"],
            json!({
                "group": "phaseloop.dev", "resource": "promotions", "subresource": "status", "verb": "update",
                "namespace": "chat",
            })
        );
        assert_eq!(asked["spec"]["groups"][1], "system:serviceaccounts:ops");
    }
}
