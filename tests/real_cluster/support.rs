//! The cluster that a test works in, its namespace, and how it waits.

use std::{env, fmt::Debug, io::Write as _, path::PathBuf, sync::Once, time::Duration};

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ContainerStateTerminated, ContainerStatus, Namespace, Pod},
};
use kube::{
    Api, Client, Config, Resource, ResourceExt as _,
    api::{DeleteParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::await_condition,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Names the kubeconfig of an administrator of a cluster with a node.
const KUBECONFIG: &str = "PHASELOOP_TEST_KUBECONFIG";
/// Names the audit log of its API server, one JSON object a line.
const AUDIT_LOG: &str = "PHASELOOP_TEST_AUDIT_LOG";
/// The node's name.
pub(crate) const NODE: &str = "node-1";
/// A shell: busybox.
pub(crate) const SHELL: &str = "localhost/phaseloop-test/shell:1";
/// The resource that the node offers.
pub(crate) const GPU: &str = "nvidia.com/gpu";

/// Label of a test's namespace: the test binary, so that what a killed run left can be told from the work of others.
const LABEL_BINARY: &str = "phaseloop-test-binary";

/// What takes seconds may take minutes where others compile.
pub(crate) const DEADLINE: Duration = Duration::from_mins(5);

/// Between two looks at what can't be watched.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Said once, not by each test.
static SAID: Once = Once::new();

/// A namespace of one test.
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

#[allow(clippy::disallowed_methods, reason = "what the cluster consists of is told by the caller")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The audit log of the cluster.
pub(crate) fn audit_log() -> PathBuf {
    variable(AUDIT_LOG).expect("tests/cluster/with-cluster names the audit log in PHASELOOP_TEST_AUDIT_LOG").into()
}

/// Nothing, and a line that says so, where nobody brought a cluster up.
pub(crate) async fn cluster() -> Option<Client> {
    let Some(path) = variable(KUBECONFIG) else {
        // Written past the test runner, which keeps what a passing test prints to itself.
        let said = b"NOT RUN: a real cluster with real pods; tests/run cluster-test brings one up\n";
        SAID.call_once(|| std::io::stderr().write_all(said).unwrap());
        return None;
    };
    let kubeconfig = Kubeconfig::read_from(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Some(Client::try_from(config).unwrap())
}

impl Place {
    /// A new namespace; its name begins with `test`. It is as ready as a user's: it has its `ServiceAccount`.
    pub(crate) async fn new(client: Client, test: &str) -> Self {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let labels = json!({LABEL_BINARY: env!("CARGO_CRATE_NAME")});
        let wanted = object(json!({"metadata": {"generateName": format!("{test}-"), "labels": labels}}));
        let namespace = namespaces.create(&PostParams::default(), &wanted).await.unwrap().name_any();
        let place = Self { client, namespace };
        place.until::<k8s_openapi::api::core::v1::ServiceAccount>("default", "there", |_| true).await;
        place
    }

    /// The namespace goes; where a test failed it stays, to be looked at, until the cluster goes down.
    pub(crate) async fn leave(self) {
        let namespaces: Api<Namespace> = Api::all(self.client);
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
    }

    /// The objects of a kind in this namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an object from its JSON.
    pub(crate) async fn create<K>(&self, content: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
        K::DynamicType: Default,
    {
        self.api().create(&PostParams::default(), &object(content)).await.unwrap()
    }

    /// Waits until an object fulfils a condition; shows it as it was last where it does not.
    pub(crate) async fn until<K>(&self, name: &str, what: &str, fulfils: impl Fn(&K) -> bool) -> K
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + Send + Serialize + DeserializeOwned + 'static,
        K::DynamicType: Default,
    {
        let condition = |found: Option<&K>| found.is_some_and(&fulfils);
        let Ok(found) = timeout(DEADLINE, await_condition(self.api::<K>(), name, condition)).await else {
            let last = self.api::<K>().get_opt(name).await.unwrap();
            panic!("{name} was not {what} after {DEADLINE:?}: {}", serde_json::to_string_pretty(&last).unwrap());
        };
        found.unwrap().unwrap()
    }

    /// Waits until a pod has come to its end, and each of its containers with it.
    pub(crate) async fn until_ended(&self, pod: &str) -> Pod {
        self.until(pod, "at its end", |pod: &Pod| {
            matches!(phase(pod), "Succeeded" | "Failed") && statuses(pod).iter().all(|status| ended(status).is_some())
        })
        .await
    }
}

/// An object of a kind from its JSON.
pub(crate) fn object<K: DeserializeOwned>(content: Value) -> K {
    serde_json::from_value(content).unwrap()
}

/// A pod that runs one script in a shell.
pub(crate) fn shell_pod(name: &str, script: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "shell", "image": SHELL, "command": ["sh", "-c", script]}],
        },
    })
}

/// Phase of a pod, empty where it has none.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The statuses of every container of a pod, those of its init containers first.
pub(crate) fn statuses(pod: &Pod) -> Vec<&ContainerStatus> {
    let Some(status) = &pod.status else { return Vec::new() };
    status.init_container_statuses.iter().chain(&status.container_statuses).flatten().collect()
}

/// The status of one container.
pub(crate) fn status_of<'a>(pod: &'a Pod, container: &str) -> &'a ContainerStatus {
    statuses(pod).into_iter().find(|status| status.name == container).unwrap()
}

/// How a container ended, if it did.
pub(crate) fn ended(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.state.as_ref()?.terminated.as_ref()
}

/// The termination message of a container, empty where it left none.
pub(crate) fn message<'a>(pod: &'a Pod, container: &str) -> &'a str {
    ended(status_of(pod, container)).and_then(|end| end.message.as_deref()).unwrap_or_default()
}

/// Code and message of a refusal by the API server.
pub(crate) fn refusal<T: Debug>(answer: Result<T, kube::Error>) -> (u16, String) {
    match answer {
        Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
        other => panic!("not refused: {other:?}"),
    }
}
