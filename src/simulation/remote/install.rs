//! What a scenario needs of the API server: the definitions of our kinds, and the policy on decisions in force.

use std::{thread::sleep, time::Duration};

use http::Method;
use serde_json::{Value, json};

use super::{
    RemoteError,
    ask::{name_of, text},
    clear::clear_namespace,
    mirror::MARK,
    network::{Call, Network},
    place::collection_path,
};
use crate::{api::crds::crd_values, yaml::read_documents};

/// The policy that an API server in memory enforces as well.
const POLICY_FILE: &str = "manifests/policies/promotion-decision.yaml";
const POLICY: &str = include_str!("../../../manifests/policies/promotion-decision.yaml");
/// What the policy refuses, and in which words.
const PROMOTION: &str = include_str!("../../../manifests/samples/promotion-small.yaml");
const REFUSAL: &str = "approvedBy must be the user name of the requester";
/// The namespace in which that is tried, and the Promotion in it.
const TRIAL: &str = "phaseloop-simulate-trial";

/// How often it is looked whether something is in force, and the pause between: 30 s in all.
const LOOKS_MAX: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Checks that the definitions are there as this version has them, and makes those that are missing where that is wanted.
///
/// # Errors
/// What is missing or differs.
pub(super) fn definitions(network: &Network, installs: bool) -> Result<(), RemoteError> {
    for definition in crd_values() {
        let name = name_of(&definition).to_owned();
        match network.read(&format!("{DEFINITIONS}/{name}"))?.found("read definitions")? {
            Some(there) => compare(network, &definition, &there)?,
            None if installs => {
                network
                    .write(Method::POST, DEFINITIONS, &marked(definition.clone()))?
                    .accepted(&format!("make {name}"))?;
            }
            None => {
                return Err(RemoteError::Unfit {
                    problem: format!("the definition {name} is missing"),
                    remedy: "phaseloop crds | kubectl apply --server-side -f -, or --install for the time of the run"
                        .to_owned(),
                });
            }
        }
        await_served(network, &definition)?;
    }
    Ok(())
}

/// Whether applying the definition of this version would change nothing.
fn compare(network: &Network, definition: &Value, there: &Value) -> Result<(), RemoteError> {
    let name = name_of(definition);
    let path = format!("{DEFINITIONS}/{name}?fieldManager=phaseloop&force=true&dryRun=All");
    let mut call = Call::of(Method::PATCH, path, definition.to_string().into());
    call.content_type = "application/apply-patch+yaml";
    let applied = network.tell(call)?.accepted(&format!("try {name}"))?;
    if applied.get("spec") == there.get("spec") {
        return Ok(());
    }
    Err(RemoteError::Unfit {
        problem: format!("the definition {name} is that of another version of phaseloop"),
        remedy: "phaseloop crds | kubectl apply --server-side --force-conflicts -f -".to_owned(),
    })
}

fn await_served(network: &Network, definition: &Value) -> Result<(), RemoteError> {
    let (group, version) = (text(definition, "/spec/group"), text(definition, "/spec/versions/0/name"));
    let path = collection_path(group, version, text(definition, "/spec/names/plural"), None);
    for _ in 0..LOOKS_MAX {
        if network.read(&format!("{path}?limit=1"))?.code == 200 {
            return Ok(());
        }
        sleep(PAUSE);
    }
    Err(RemoteError::Refused { what: format!("serve {path}"), problem: "it knows no such resource".to_owned() })
}

/// Checks that the policy on decisions is in force, and puts it in force where that is wanted.
///
/// # Errors
/// Where it is not in force.
pub(super) fn policy(network: &Network, installs: bool) -> Result<(), RemoteError> {
    make_decided(network)?;
    let mut is_in_force = refuses(network)?;
    if installs && !is_in_force {
        for object in documents(POLICY_FILE, POLICY)? {
            let plural = match text(&object, "/kind") {
                "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
                _ => "validatingadmissionpolicybindings",
            };
            let path = collection_path("admissionregistration.k8s.io", "v1", plural, None);
            let told = network.write(Method::POST, &path, &marked(object.clone()))?;
            if told.code != 409 {
                told.accepted(&format!("make {} {}", text(&object, "/kind"), name_of(&object)))?;
            }
        }
        // It is taken up a moment after it is stored.
        for _ in 0..LOOKS_MAX {
            is_in_force = refuses(network)?;
            if is_in_force {
                break;
            }
            sleep(PAUSE);
        }
    }
    clear_namespace(network, TRIAL)?;
    if is_in_force {
        return Ok(());
    }
    Err(RemoteError::Unfit {
        problem: format!("the admission policy of {POLICY_FILE} is not in force"),
        remedy: format!("kubectl apply -f {POLICY_FILE}, or --install for the time of the run"),
    })
}

/// Makes a Promotion that waits for a decision, in a namespace of its own.
fn make_decided(network: &Network) -> Result<(), RemoteError> {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": TRIAL } });
    network.write(Method::POST, "/api/v1/namespaces", &marked(namespace))?.accepted("make a namespace")?;
    let mut promotion = documents("promotion-small.yaml", PROMOTION)?.into_iter().next().unwrap_or_default();
    if let Some(metadata) = promotion.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".to_owned(), TRIAL.into());
    }
    let path = collection_path(crate::api::GROUP, "v1alpha1", "promotions", Some(TRIAL));
    let mut made = network.write(Method::POST, &path, &promotion)?.accepted("make a Promotion")?;
    if let Some(fields) = made.as_object_mut() {
        fields.insert("status".to_owned(), json!({ "phase": "AwaitingReview" }));
    }
    let told = network.write(Method::PUT, &format!("{path}/{TRIAL}/status"), &made)?;
    told.accepted("write the status of a Promotion").map(drop)
}

/// Whether a decision is refused that names somebody else than the requester. It is a dry run.
fn refuses(network: &Network) -> Result<bool, RemoteError> {
    let path = collection_path(crate::api::GROUP, "v1alpha1", "promotions", Some(TRIAL));
    let decision = json!({ "spec": { "decision": "Approved", "approvedBy": "somebody-else" } });
    let mut call = Call::of(Method::PATCH, format!("{path}/{TRIAL}?dryRun=All"), decision.to_string().into());
    call.content_type = "application/merge-patch+json";
    call.user = Some("somebody".to_owned());
    let told = network.tell(call)?;
    Ok(told.code == 403 && text(&told.value, "/message").contains(REFUSAL))
}

fn documents(file: &str, text: &str) -> Result<Vec<Value>, RemoteError> {
    let read = read_documents(file, text);
    let read = read.map_err(|faults| RemoteError::Machine(format!("{file} of this program: {faults}")))?;
    Ok(read.into_iter().map(|document| document.value).collect())
}

/// The object with the mark by which it is found and removed again.
fn marked(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(MARK.0.to_owned(), MARK.1.into());
        }
    }
    object
}
