//! What a scenario needs of the API server: the definitions of our kinds, and the policy on decisions in force.

use std::{thread::sleep, time::Duration};

use http::Method;
use serde_json::{Value, json};

use super::{
    RemoteError,
    ask::{name_of, text},
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
const REFUSAL: &str = "decision is Pending when a Promotion is made";

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
    if is_in_force(network)? {
        return Ok(());
    }
    if installs {
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
            if is_in_force(network)? {
                return Ok(());
            }
            sleep(PAUSE);
        }
    }
    Err(RemoteError::Unfit {
        problem: format!("the admission policy of {POLICY_FILE} is not in force"),
        remedy: format!("kubectl apply -f {POLICY_FILE}, or --install for the time of the run"),
    })
}

/// Whether a Promotion is refused that is approved as it is made. It is a dry run.
fn is_in_force(network: &Network) -> Result<bool, RemoteError> {
    let mut promotion = documents("promotion-small.yaml", PROMOTION)?.into_iter().next().unwrap_or_default();
    if let Some(spec) = promotion.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("decision".to_owned(), "Approved".into());
        spec.insert("approvedBy".to_owned(), "somebody".into());
    }
    let path = collection_path(crate::api::GROUP, "v1alpha1", "promotions", Some("default"));
    let told = network.write(Method::POST, &format!("{path}?dryRun=All"), &promotion)?;
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
