//! Whether a scenario may run on an API server: a simulated cluster must be alone there.

use http::Method;
use serde_json::{Value, json};

use super::{
    RemoteError,
    ask::{is_marked, name_of, text},
    clear::{MarkedKind, clear},
    network::Network,
};
use crate::workload::contract::PRIORITY_CLASS;

/// The version of the API server.
///
/// # Errors
/// Where it can't be reached, or does not know who asks.
pub(super) fn version(network: &Network, server: &str) -> Result<String, RemoteError> {
    let told = network.read("/version").map_err(|error| match error {
        RemoteError::Request { problem, .. } => RemoteError::Unreachable { server: server.to_owned(), problem },
        other => other,
    })?;
    Ok(text(&told.accepted("tell its version")?, "/gitVersion").to_owned())
}

/// Whether the kubeconfig's user may do everything: the simulation acts as scheduler, kubelets, controllers and people.
///
/// # Errors
/// Where not.
pub(super) fn rights(network: &Network) -> Result<(), RemoteError> {
    let everything = json!({ "verb": "*", "group": "*", "resource": "*" });
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": everything },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = network.write(Method::POST, path, &review)?.accepted("say what the user may do")?;
    if answer.pointer("/status/allowed") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    Err(RemoteError::Unfit {
        problem: "the kubeconfig's user may not do everything: the simulation acts as scheduler, kubelets and people, \
                  and impersonates them"
            .to_owned(),
        remedy:
            "use the kubeconfig of an administrator (group system:masters, or ClusterRole cluster-admin) of a test \
                 API server"
                .to_owned(),
    })
}

/// Whether nothing is there that the scenario would meet. What an earlier run left is removed where that is wanted.
///
/// # Errors
/// What is there.
pub(super) fn solitude(network: &Network, namespace: &str, replace: bool) -> Result<(), RemoteError> {
    let mut left = Vec::new();
    for kind in MarkedKind::ALL {
        let marked = kind.marked(network)?;
        left.extend(marked.iter().map(|object| format!("{} {}", kind.name(), name_of(object))));
    }
    if !left.is_empty() {
        if !replace {
            return Err(RemoteError::Unfit {
                problem: format!("an earlier run of `phaseloop simulate` left {}", left.join(", ")),
                remedy: "--replace removes that first".to_owned(),
            });
        }
        clear(network)?;
    }
    let nodes = network.read("/api/v1/nodes")?.items("list nodes")?;
    if let Some(node) = nodes.iter().find(|node| !is_marked(node)) {
        return Err(RemoteError::Unfit {
            problem: format!("the API server has nodes, such as {}: a simulated cluster must be alone", name_of(node)),
            remedy: "use an API server without nodes and controllers, such as tests/cluster/with-control-plane starts"
                .to_owned(),
        });
    }
    if network.read(&format!("/api/v1/namespaces/{namespace}"))?.found("read namespaces")?.is_some() {
        return Err(RemoteError::Unfit {
            problem: format!("namespace {namespace} is there already, and what is in it belongs to others"),
            remedy: "name another one in the scenario's spec.namespace, or delete it".to_owned(),
        });
    }
    let class = format!("/apis/scheduling.k8s.io/v1/priorityclasses/{PRIORITY_CLASS}");
    if network.read(&class)?.found("read priority classes")?.is_some() {
        return Err(RemoteError::Unfit {
            problem: format!("PriorityClass {PRIORITY_CLASS} is there already: phaseloop is installed here"),
            remedy: "use an API server of its own, where no other operator acts on what the scenario makes".to_owned(),
        });
    }
    Ok(())
}
