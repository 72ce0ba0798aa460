//! What Kubernetes' own admission sets in a new pod: its account, its priority and the tolerations of a node that is lost for a while.

use serde_json::{Value, json};

use super::super::{
    object::{at, elements, integer, map_mut, meta, set, set_default, text},
    status_error::{Named, StatusError},
    store::Store,
};

/// How long a pod stays on a node that is not ready, in seconds.
const TOLERATION_SECONDS: i64 = 300;
/// The account that every namespace has.
const DEFAULT_ACCOUNT: &str = "default";
/// Classes that every cluster has.
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// Sets the account, the priority and the tolerations of a new pod.
///
/// # Errors
/// 403 where its account or its priority class is not there, or where the pod says another priority than its class.
pub(in super::super) fn complete_pod(store: &Store, pod: &mut Value) -> Result<(), StatusError> {
    let class = text(pod, &["spec", "priorityClassName"]).map(str::to_owned);
    let (priority, preemption) = match &class {
        None => default_class(store, pod),
        Some(name) => class_of(store, name).ok_or_else(|| {
            let pods = Named { group: "", name: "pods" };
            let name = format!("no PriorityClass with name {name} was found");
            StatusError::forbidden(pods, meta(pod, "name"), &name)
        })?,
    };
    if integer(pod, &["spec", "priority"]).is_some_and(|given| given != priority) {
        let why = format!(
            "the integer value of priority ({}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name",
            integer(pod, &["spec", "priority"]).unwrap_or_default()
        );
        let pods = Named { group: "", name: "pods" };
        return Err(StatusError::forbidden(pods, meta(pod, "name"), &why));
    }
    name_account(store, pod)?;
    set(pod, &["spec", "priority"], priority);
    set_default(pod, &["spec", "preemptionPolicy"], preemption);
    tolerate_lost_nodes(pod);
    Ok(())
}

/// The account of a pod that names none is `default`, which every namespace has.
fn name_account(store: &Store, pod: &mut Value) -> Result<(), StatusError> {
    let (namespace, name) = (meta(pod, "namespace").to_owned(), meta(pod, "name").to_owned());
    let account = text(pod, &["spec", "serviceAccountName"]).unwrap_or_default().to_owned();
    if account.is_empty() {
        set(pod, &["spec", "serviceAccountName"], DEFAULT_ACCOUNT);
        set(pod, &["spec", "serviceAccount"], DEFAULT_ACCOUNT);
    } else if account != DEFAULT_ACCOUNT && store.get("serviceaccounts", &namespace, &account).is_none() {
        let why =
            format!("error looking up service account {namespace}/{account}: serviceaccount {account:?} not found");
        return Err(StatusError::forbidden(Named { group: "", name: "pods" }, &name, &why));
    }
    Ok(())
}

fn class_of(store: &Store, name: &str) -> Option<(i64, String)> {
    if let Some((_, value)) = SYSTEM_CLASSES.into_iter().find(|(class, _)| *class == name) {
        return Some((value, "PreemptLowerPriority".to_owned()));
    }
    let class = store.get("priorityclasses.scheduling.k8s.io", "", name)?;
    Some(figures(&class.value))
}

fn figures(class: &Value) -> (i64, String) {
    let policy = text(class, &["preemptionPolicy"]).unwrap_or("PreemptLowerPriority");
    (integer(class, &["value"]).unwrap_or(0), policy.to_owned())
}

/// The class that holds where a pod names none: the global default, of several the one with the lowest value.
fn default_class(store: &Store, pod: &mut Value) -> (i64, String) {
    let classes = store.list("priorityclasses.scheduling.k8s.io", None);
    let defaults = classes.filter(|class| at(&class.value, &["globalDefault"]) == Some(&Value::Bool(true)));
    let Some(class) = defaults.min_by_key(|class| integer(&class.value, &["value"])) else {
        return (0, "PreemptLowerPriority".to_owned());
    };
    set(pod, &["spec", "priorityClassName"], class.name());
    figures(&class.value)
}

fn tolerate_lost_nodes(pod: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = elements(pod, &["spec", "tolerations"]).iter().any(|toleration| {
            let effect = text(toleration, &["effect"]).unwrap_or_default();
            let own = text(toleration, &["key"]).unwrap_or_default();
            (own == key || own.is_empty()) && ["NoExecute", ""].contains(&effect)
        });
        if tolerated {
            continue;
        }
        let Some(spec) = map_mut(pod, &["spec"]) else { return };
        let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
        if let Some(tolerations) = tolerations.as_array_mut() {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS,
            }));
        }
    }
}
