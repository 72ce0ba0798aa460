//! Removing what a scenario made. A bare API server has no controller that empties namespaces: it is done here.

use http::Method;
use serde_json::{Value, json};

use super::{
    RemoteError,
    ask::{name_of, text},
    mirror::MARK,
    network::{Call, Network},
};

/// In whose name namespaces are emptied: policies that guard objects let it through.
const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";
/// How often it is looked whether something is gone, and the pause between: 30 s in all.
const LOOKS_MAX: u32 = 300;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Kinds of the whole cluster of which a scenario makes objects, in the order in which they are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MarkedKind {
    name: &'static str,
    path: &'static str,
}

impl MarkedKind {
    const NAMESPACE: Self = Self { name: "namespace", path: "/api/v1/namespaces" };

    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::NAMESPACE,
        Self { name: "node", path: "/api/v1/nodes" },
        Self { name: "priority class", path: "/apis/scheduling.k8s.io/v1/priorityclasses" },
        Self {
            name: "policy binding",
            path: "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
        },
        Self { name: "policy", path: "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies" },
        Self { name: "definition", path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions" },
    ];

    /// As people call it.
    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// Its objects that a scenario made.
    ///
    /// # Errors
    /// Where they can't be listed.
    pub(super) fn marked(self, network: &Network) -> Result<Vec<Value>, RemoteError> {
        let path = format!("{}?labelSelector={}%3D{}", self.path, MARK.0, MARK.1);
        network.read(&path)?.items(&format!("list each {}", self.name))
    }
}

/// Removes everything that bears the mark, with all that is in namespaces that bear it. Says how many objects went.
///
/// # Errors
/// Where something stays.
pub(super) fn clear(network: &Network) -> Result<usize, RemoteError> {
    let mut removed = 0;
    for kind in MarkedKind::ALL {
        for object in kind.marked(network)? {
            if kind == MarkedKind::NAMESPACE {
                removed += clear_namespace(network, name_of(&object))?;
            } else {
                let path = format!("{}/{}", kind.path, name_of(&object));
                delete(network, &path)?;
                await_end(network, &path)?;
            }
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes a namespace with all that is in it. Says how many objects it held.
///
/// # Errors
/// Where something stays.
pub(super) fn clear_namespace(network: &Network, name: &str) -> Result<usize, RemoteError> {
    let path = format!("{}/{name}", MarkedKind::NAMESPACE.path);
    let held = empty(network, name)?;
    delete(network, &path)?;
    let_go(network, &path)?;
    await_end(network, &path)?;
    Ok(held)
}

/// Removes everything in a namespace, whoever made it.
fn empty(network: &Network, namespace: &str) -> Result<usize, RemoteError> {
    let mut removed = 0;
    for resource in resources(network)? {
        let root = resource.root.trim_start_matches('/');
        let collection = format!("/{root}/namespaces/{namespace}/{}", resource.plural);
        for object in network.read(&collection)?.items(&format!("list {collection}"))? {
            let path = format!("{collection}/{}", name_of(&object));
            if object.pointer("/metadata/finalizers").is_some() {
                let free = json!({ "metadata": { "finalizers": null } });
                let mut call = Call::of(Method::PATCH, path.clone(), free.to_string().into());
                call.content_type = "application/merge-patch+json";
                network.tell(call)?.found(&format!("free {path}"))?;
            }
            delete(network, &path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn delete(network: &Network, path: &str) -> Result<(), RemoteError> {
    let options = json!({ "gracePeriodSeconds": 0, "propagationPolicy": "Background" });
    let mut call = Call::of(Method::DELETE, path, options.to_string().into());
    call.user = Some(NAMESPACE_CONTROLLER.to_owned());
    network.tell(call)?.found(&format!("delete {path}")).map(drop)
}

/// Takes the finalizer of the API server itself from a namespace that is empty.
fn let_go(network: &Network, path: &str) -> Result<(), RemoteError> {
    let Some(mut namespace) = network.read(path)?.found(&format!("read {path}"))? else { return Ok(()) };
    if let Some(spec) = namespace.get_mut("spec") {
        *spec = json!({ "finalizers": [] });
    }
    network.write(Method::PUT, &format!("{path}/finalize"), &namespace)?.found(&format!("let go {path}")).map(drop)
}

/// Waits until an object is gone: the API server takes its time for a definition.
fn await_end(network: &Network, path: &str) -> Result<(), RemoteError> {
    for _ in 0..LOOKS_MAX {
        if network.read(path)?.found(&format!("read {path}"))?.is_none() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(RemoteError::Refused { what: format!("delete {path}"), problem: "it is still there".to_owned() })
}

/// A resource of namespaces.
struct Namespaced {
    root: String,
    plural: String,
}

/// Every resource of namespaces that the API server lists and deletes.
fn resources(network: &Network) -> Result<Vec<Namespaced>, RemoteError> {
    let groups = network.read("/apis")?.accepted("list what it serves")?;
    let groups = groups.get("groups").and_then(Value::as_array).cloned().unwrap_or_default();
    let named = groups.iter().map(|group| format!("/apis/{}", text(group, "/preferredVersion/groupVersion")));
    let mut found = Vec::new();
    for root in ["/api/v1".to_owned()].into_iter().chain(named) {
        let served = network.read(&root)?.accepted("list what it serves")?;
        for resource in served.get("resources").and_then(Value::as_array).into_iter().flatten() {
            let verbs = resource.get("verbs").and_then(Value::as_array).cloned().unwrap_or_default();
            let has = |verb: &str| verbs.iter().any(|own| own == verb);
            let plural = text(resource, "/name");
            let is_namespaced = resource.get("namespaced") == Some(&Value::Bool(true));
            if is_namespaced && !plural.contains('/') && has("list") && has("delete") {
                found.push(Namespaced { root: root.clone(), plural: plural.to_owned() });
            }
        }
    }
    Ok(found)
}
