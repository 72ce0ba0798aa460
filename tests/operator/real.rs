//! Two replicas on a real API server: `tests/run api` starts one and runs this.
//!
//! There are no controllers and no kubelet: the test makes what they would make, and says of a pod what a kubelet would.

use std::{env, io::Write as _, path::PathBuf, time::Duration};

use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use phaseloop::{
    api::{PhaseRun, crds::crd_values},
    cluster::{Clock as _, SystemClock},
};
use serde_json::{Value, json};

use crate::{
    cluster::{NAMESPACE, OPERATORS, deployment, run},
    measured_pod::{ended_status, measured},
    process::{Process, until},
};

const KUBECONFIG: &str = "PHASELOOP_TEST_KUBECONFIG";

#[allow(clippy::disallowed_methods, reason = "whether there is a control plane is told by the caller")]
fn kubeconfig() -> Option<PathBuf> {
    let path = env::var(KUBECONFIG).ok().filter(|value| !value.is_empty());
    if path.is_none() {
        // Written past the test runner, which keeps what a passing test prints to itself.
        let said = b"NOT RUN: two replicas on a real API server; tests/run api starts one\n";
        std::io::stderr().write_all(said).unwrap();
    }
    path.map(PathBuf::from)
}

/// An administrator of the API server.
struct Administrator {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Administrator {
    fn connect(file: &PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(file).unwrap();
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        Self { runtime, client }
    }

    fn create(&self, object: &Value) {
        let text = |place: &str| object.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        self.runtime.block_on(api.create(&PostParams::default(), &object)).unwrap();
    }

    fn pods(&self) -> Vec<Pod> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        self.runtime.block_on(api.list(&kube::api::ListParams::default())).unwrap().items
    }

    /// The pod of a run.
    fn pod_of(&self, run: &str) -> Option<Pod> {
        self.pods().into_iter().find(|pod| pod.labels().get("phaseloop.dev/phase-run").is_some_and(|name| name == run))
    }

    fn run(&self, name: &str) -> PhaseRun {
        let api: Api<PhaseRun> = Api::namespaced(self.client.clone(), NAMESPACE);
        self.runtime.block_on(api.get(name)).unwrap()
    }

    fn holder(&self) -> Option<String> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), OPERATORS);
        self.runtime.block_on(api.get_opt("phaseloop")).unwrap()?.spec?.holder_identity
    }

    /// The kubelet: this pod was measured and has ended.
    fn end_pod(&self, pod: &Pod) {
        let end = SystemClock.now();
        let status = ended_status(end, &measured(end, 120.0));
        let api: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let (name, parameters, patch) = (pod.name_any(), PatchParams::default(), Patch::Merge(&status));
        self.runtime.block_on(api.patch_status(&name, &parameters, &patch)).unwrap();
    }

    /// What controllers of a cluster make, and what is tested.
    fn prepare(&self) {
        for name in [NAMESPACE, OPERATORS] {
            self.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }));
        }
        self.create(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default", "namespace": NAMESPACE },
        }));
        self.create(&json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "phaseloop-test" },
            "value": -100, "preemptionPolicy": "Never",
        }));
        for name in ["llama", "qwen"] {
            self.create(&deployment(name));
        }
    }
}

/// One test, since what happens follows on one another.
#[test]
fn one_of_two_replicas_is_killed_and_the_other_goes_on_where_it_was() {
    let Some(file) = kubeconfig() else { return };
    let administrator = Administrator::connect(&file);
    administrator.prepare();
    let start = |identity: &str| {
        let file = file.to_str().unwrap();
        let of =
            ["--kubeconfig", file, "--namespace", NAMESPACE, "--lease-namespace", OPERATORS, "--identity", identity];
        Process::start(&of)
    };

    let mut one = start("one");
    let missing = "CustomResourceDefinition phaseruns.phaseloop.dev is missing; remedy: phaseloop crds | ";
    one.until("it names what is missing", |one| one.get("/readyz").1.contains(missing).then_some(()));
    assert!(one.said(missing) == 1 && !one.is_ready(), "told once, and waited for");
    for definition in crd_values() {
        administrator.create(&definition);
    }
    one.until("it is ready", |one| one.is_ready().then_some(()));
    until("it leads", || administrator.holder().as_deref() == Some("one"));
    let mut two = start("two");
    two.until("it follows", |two| two.get("/readyz").1.contains("follows one\n").then_some(()));

    administrator.create(&run("first", "llama"));
    until("the run's pod is made", || administrator.pod_of("first").is_some());
    one.until("it tells so", |one| {
        let page = one.get("/metrics").1;
        page.contains("phaseloop_api_requests_total{verb=\"create\",kind=\"pods\",code=\"201\"} 1").then_some(())
    });
    assert!(two.get("/metrics").1.contains("\nphaseloop_leader 0.0\n"));
    assert!(two.get("/metrics").1.contains("\nphaseloop_phase_runs{verdict=\"None\"} 1.0\n"), "a follower watches too");
    let told = one
        .until("its beginning is logged", |one| one.log().into_iter().find(|line| line["effect"] == "CreateTestPod"));
    assert_eq!((&told["span"]["kind"], &told["span"]["object"]), (&json!("PhaseRun"), &json!("first")), "{told}");
    assert!(told["span"]["reconcile_id"].as_u64().is_some(), "{told}");

    one.signal("KILL");
    let (status, _) = one.ended();
    assert_eq!(status.code(), None, "it was killed");
    let pod = administrator.pod_of("first").unwrap();
    administrator.end_pod(&pod);
    administrator.create(&run("second", "qwen"));
    let took = until("the other one leads", || administrator.holder().as_deref() == Some("two"));
    assert!(took > Duration::from_secs(5) && took < Duration::from_mins(1), "{took:?}");
    until("it reads the pod that the first one made", || {
        administrator.run("first").status.is_some_and(|status| status.verdict.is_some())
    });
    until("it begins the next run", || administrator.pod_of("second").is_some());
    assert_eq!(two.said("\"effect\":\"CreateTestPod\""), 1, "the first run was not begun again");
    two.until("it counts what it reads", |two| {
        two.get("/metrics").1.contains("\nphaseloop_leader 1.0\n").then_some(())
    });

    two.signal("TERM");
    let (status, log) = two.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("given back") && log.contains("ended in order"), "{log}");
    assert_eq!(administrator.holder().as_deref(), Some(""), "nobody need wait for it");
}
