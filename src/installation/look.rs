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
}

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
    let namespaces = if variable("PHASELOOP_ALL_NAMESPACES").is_some_and(|value| value == "true") {
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
        (facts.refused, facts.asked) = refused(client, &told, rights).await?;
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

/// Which of the operator's rights the API server says no to, and how many it was asked for.
async fn refused(client: &Client, told: &Told, rights: &Rights) -> Result<(Vec<(String, Right)>, usize), LookError> {
    let mut wanted: Vec<(&str, Right)> = Vec::new();
    for namespace in &told.namespaces {
        wanted.extend(rights_of(&rights.operator, "").into_iter().map(|right| (namespace.as_str(), right)));
    }
    let lease = rights_of(&rights.lease, &told.lease);
    wanted.extend(lease.into_iter().map(|right| (told.lease_namespace.as_str(), right)));
    let (asked, reviews) = (wanted.len(), Api::<SubjectAccessReview>::all(client.clone()));
    let mut refused = Vec::new();
    for (namespace, right) in wanted {
        let review = review(&told.user, namespace, &right);
        let answer = answered("what the operator may", reviews.create(&PostParams::default(), &review)).await?;
        if !answer.status.is_some_and(|status| status.allowed) {
            let place = if namespace.is_empty() { "all namespaces" } else { namespace };
            refused.push((place.to_owned(), right));
        }
    }
    Ok((refused, asked))
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
            }
        );
        assert_eq!(told_by(&deployment(&json!([]))).namespaces, ["ops"], "its own, where nothing is said");
        let all = told_by(&deployment(&json!([variable("PHASELOOP_ALL_NAMESPACES", "true")])));
        assert_eq!(all.namespaces, [""]);
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
