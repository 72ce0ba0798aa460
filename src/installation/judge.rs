//! Whether what was found is an installation of this version that works: one finding per thing, good or bad.

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::Deployment,
};
use kube::ResourceExt as _;
use serde_json::Value;

use super::{
    Policy,
    look::{Facts, OwnKindsEverywhere, Subject, told_by},
};
use crate::{
    api::crds::crd_values,
    workload::contract::{PRIORITY_CLASS, PRIORITY_VALUE},
    yaml::read_documents,
};

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The thing.
    pub what: String,
    /// How it is: as it should be, or what is wrong.
    pub told: String,
    /// How grave that is.
    pub standing: Standing,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is as it should be.
    Sound,
    /// Somebody chose it so: what follows from that is told, and nothing is wrong.
    Chosen,
    /// Something is wrong.
    Wrong {
        /// What to do.
        remedy: &'static str,
    },
}

impl Finding {
    /// What to do; `None` where nothing is wrong.
    pub const fn remedy(&self) -> Option<&'static str> {
        match self.standing {
            Standing::Wrong { remedy } => Some(remedy),
            Standing::Sound | Standing::Chosen => None,
        }
    }
}

const APPLY_DEFINITIONS: &str = "helm upgrade, or phaseloop crds | kubectl apply --server-side --force-conflicts -f -";
const UPGRADE: &str = "helm upgrade with the chart of this version";

fn sound(what: impl Into<String>, told: impl Into<String>) -> Finding {
    Finding { what: what.into(), told: told.into(), standing: Standing::Sound }
}

fn chosen(what: impl Into<String>, told: impl Into<String>) -> Finding {
    Finding { what: what.into(), told: told.into(), standing: Standing::Chosen }
}

fn wrong(what: impl Into<String>, told: impl Into<String>, remedy: &'static str) -> Finding {
    Finding { what: what.into(), told: told.into(), standing: Standing::Wrong { remedy } }
}

/// Judges an installation. `lease_before` is the resourceVersion of the lease at an earlier look: a lease that nobody
/// renews is held by nobody, whatever it says.
pub fn judge(facts: &Facts, subject: &Subject, lease_before: Option<&str>) -> Vec<Finding> {
    let mut findings = definitions(facts);
    findings.push(priority_class(facts));
    findings.extend(subject.policies.iter().map(|policy| of_policy(facts, policy)));
    let name = format!("Deployment {}/{}", subject.namespace, subject.deployment);
    let Some(deployment) = &facts.deployment else {
        findings.push(wrong(name, "it is not there", "name it by --deployment and --namespace, or install the chart"));
        return findings;
    };
    findings.push(rights(facts));
    findings.extend(own_kinds(facts, deployment));
    findings.push(lease(facts, deployment, lease_before));
    findings.push(replicas(name, deployment));
    findings
}

fn definitions(facts: &Facts) -> Vec<Finding> {
    let of = |wanted: &Value| {
        let name = wanted.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let what = format!("CustomResourceDefinition {name}");
        match facts.definitions.get(name).and_then(Option::as_ref) {
            None => wrong(what, "it is not there", APPLY_DEFINITIONS),
            Some(there) if !is_established(there) => {
                wrong(what, "the API server has not taken it up", "kubectl describe it: a condition says why")
            }
            Some(there) => match first_difference(spec_in(wanted), spec_in(there), "spec") {
                Some(place) => wrong(what, format!("it is of another version: {place} differs"), APPLY_DEFINITIONS),
                None => sound(what, "of this version"),
            },
        }
    };
    crd_values().iter().map(of).collect()
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

/// The first place at which `there` lacks something of `wanted` or has it otherwise. What the API server adds is no
/// difference.
fn first_difference(wanted: &Value, there: &Value, place: &str) -> Option<String> {
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(there)) => wanted.iter().find_map(|(key, value)| {
            let place = format!("{place}.{key}");
            there.get(key).map_or_else(|| Some(place.clone()), |other| first_difference(value, other, &place))
        }),
        (Value::Array(wanted), Value::Array(there)) if wanted.len() == there.len() => {
            let both = wanted.iter().zip(there).enumerate();
            both.into_iter()
                .find_map(|(index, (wanted, there))| first_difference(wanted, there, &format!("{place}[{index}]")))
        }
        // 1 and 1.0 are the same number.
        (Value::Number(wanted), Value::Number(there)) if wanted.as_f64() == there.as_f64() => None,
        _ => (wanted != there).then(|| place.to_owned()),
    }
}

fn priority_class(facts: &Facts) -> Finding {
    let what = format!("PriorityClass {PRIORITY_CLASS}");
    let remedy = "helm upgrade with priorityClass.create, or make it: value -100, preemptionPolicy Never";
    let Some(class) = &facts.priority_class else { return wrong(what, "it is not there", remedy) };
    if class.value == PRIORITY_VALUE && class.preemption_policy.as_deref() == Some("Never") {
        return sound(what, format!("value {}, preempts nobody", class.value));
    }
    let preempts = class.preemption_policy.as_deref().unwrap_or("PreemptLowerPriority");
    wrong(what, format!("value {} and preemptionPolicy {preempts}", class.value), remedy)
}

fn of_policy(facts: &Facts, policy: &Policy) -> Finding {
    let what = format!("ValidatingAdmissionPolicy {}", policy.name);
    let Some((there, binding)) = facts.policies.get(policy.name) else {
        return wrong(what, "it is not there", UPGRADE);
    };
    let Some(there) = there else { return wrong(what, "it is not there", UPGRADE) };
    let (wanted, wanted_binding) = committed(policy);
    if let Some(place) = first_difference(spec_in(&wanted), &spec_of(there), "spec") {
        return wrong(what, format!("it is of another version: {place} differs"), UPGRADE);
    }
    let warnings = there.status.iter().filter_map(|status| status.type_checking.as_ref());
    let warning = warnings.flat_map(|checking| checking.expression_warnings.iter().flatten()).next();
    if let Some(warning) = warning {
        return wrong(what, format!("{}: {}", warning.field_ref, warning.warning), APPLY_DEFINITIONS);
    }
    let Some(binding) = binding else { return wrong(what, "it has no binding, so it is not in force", UPGRADE) };
    match first_difference(spec_in(&wanted_binding), &spec_of_binding(binding), "spec") {
        Some(place) => wrong(what, format!("its binding is another one: {place} differs"), UPGRADE),
        None => sound(what, "of this version, and bound"),
    }
}

fn spec_in(object: &Value) -> &Value {
    object.get("spec").unwrap_or(&Value::Null)
}

fn spec_of(policy: &ValidatingAdmissionPolicy) -> Value {
    serde_json::to_value(&policy.spec).unwrap_or_default()
}

fn spec_of_binding(binding: &ValidatingAdmissionPolicyBinding) -> Value {
    serde_json::to_value(&binding.spec).unwrap_or_default()
}

/// A policy and its binding as they are committed.
fn committed(policy: &Policy) -> (Value, Value) {
    let documents = read_documents(policy.name, policy.text).unwrap_or_default();
    let mut values = documents.into_iter().map(|document| document.value);
    (values.next().unwrap_or_default(), values.next().unwrap_or_default())
}

fn rights(facts: &Facts) -> Finding {
    let what = "Rights of the operator";
    let [first, rest @ ..] = facts.refused.as_slice() else {
        return sound(what, format!("all {} of them", facts.asked));
    };
    let (namespace, right) = first;
    let more = and_more(rest.len(), facts.asked);
    wrong(what, format!("in {namespace} it may not {right}{more}"), "helm upgrade; docs/reference/rights.md lists them")
}

fn and_more(more: usize, asked: usize) -> String {
    if more == 0 { String::new() } else { format!(", and {more} more of {asked}") }
}

/// What follows where the operator lacks rights to its own kinds in a namespace that lost its RoleBinding.
const NAMESPACE_HANGS: &str = "a namespace that is deleted and loses its RoleBinding first hangs on phaseloop.dev/cleanup \
                               until somebody takes that off (docs/installing.md)";

/// Rights to our own kinds in all namespaces; nothing is said where the operator works in all of them anyway.
fn own_kinds(facts: &Facts, deployment: &Deployment) -> Option<Finding> {
    let what = "Rights to its own kinds in all namespaces";
    match (told_by(deployment).own_kinds, facts.own_kinds_refused.as_slice()) {
        (OwnKindsEverywhere::NotNeeded, _) => None,
        (OwnKindsEverywhere::SwitchedOff, _) => {
            Some(chosen(what, format!("rights.ownKindsEverywhere is off: {NAMESPACE_HANGS}")))
        }
        (OwnKindsEverywhere::Given, []) => Some(sound(what, format!("all {} of them", facts.own_kinds_asked))),
        (OwnKindsEverywhere::Given, [first, rest @ ..]) => {
            let more = and_more(rest.len(), facts.own_kinds_asked);
            let remedy = "helm upgrade; or set rights.ownKindsEverywhere to false if that is meant";
            Some(wrong(what, format!("it may not {first}{more}: {NAMESPACE_HANGS}"), remedy))
        }
    }
}

fn lease(facts: &Facts, deployment: &Deployment, before: Option<&str>) -> Finding {
    let told = told_by(deployment);
    let what = format!("Lease {}/{}", told.lease_namespace, told.lease);
    let remedy = "see the operator's log: kubectl logs -l app.kubernetes.io/name=phaseloop --all-pods";
    let Some(lease) = &facts.lease else { return wrong(what, "it is not there: no replica has ever led", remedy) };
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).filter(|name| !name.is_empty());
    let Some(holder) = holder else { return wrong(what, "nobody holds it", remedy) };
    let is_renewed = before.is_some_and(|before| lease.resource_version().as_deref() != Some(before));
    if is_renewed {
        sound(what, format!("held by {holder}, who renews it"))
    } else {
        wrong(what, format!("{holder} stands in it, and was not seen to renew it"), remedy)
    }
}

fn replicas(what: String, deployment: &Deployment) -> Finding {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.as_ref();
    let is_seen = status.and_then(|status| status.observed_generation) >= deployment.metadata.generation;
    let updated = status.and_then(|status| status.updated_replicas).unwrap_or(0);
    let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
    let remedy = "kubectl describe its pods, and ask one: kubectl port-forward POD 8080, curl 127.0.0.1:8080/readyz";
    if wanted == 0 {
        return wrong(what, "it is scaled to 0", "kubectl scale it to 2");
    }
    if is_seen && ready >= wanted && updated >= wanted {
        sound(what, format!("{ready} of {wanted} replicas are ready"))
    } else {
        wrong(what, format!("{ready} of {wanted} replicas are ready, {updated} of them of this version"), remedy)
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
