//! The commands as processes on a real API server: `tests/run api` starts one and runs this.
//!
//! There is no operator and no controller: what waits for them says so, and what must not, does not.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use kube::{
    Api, Client, Config,
    api::{DynamicObject, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use phaseloop::{api::crds::crd_values, yaml::read_documents};
use serde_json::{Value, json};

const KUBECONFIG: &str = "PHASELOOP_TEST_KUBECONFIG";
/// A namespace of this test alone.
const PLACE: &str = "handling";

#[allow(clippy::disallowed_methods, reason = "whether there is a control plane is told by the caller")]
fn kubeconfig() -> Option<PathBuf> {
    let path = env::var(KUBECONFIG).ok().filter(|value| !value.is_empty());
    if path.is_none() {
        // Written past the test runner, which keeps what a passing test prints to itself.
        let said = b"NOT RUN: the commands on a real API server; tests/run api starts one\n";
        std::io::stderr().write_all(said).unwrap();
    }
    path.map(PathBuf::from)
}

/// An administrator of the API server.
struct Administrator {
    runtime: tokio::runtime::Runtime,
    client: Client,
    file: PathBuf,
}

impl Administrator {
    fn connect(file: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(file).unwrap();
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        Self { runtime, client, file: file.to_owned() }
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let text = |place: &str| object.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
        match text("/metadata/namespace") {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }

    /// Makes an object; one that is there is left as it is.
    fn create(&self, object: &Value) {
        let made: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        match self.runtime.block_on(self.api(object).create(&PostParams::default(), &made)) {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => panic!("{error}: {object}"),
        }
    }

    fn get(&self, object: &Value) -> Value {
        let name = object["metadata"]["name"].as_str().unwrap();
        serde_json::to_value(self.runtime.block_on(self.api(object).get(name)).unwrap()).unwrap()
    }

    /// Makes the definitions, and waits until the API server serves them.
    fn install_definitions(&self) {
        for definition in crd_values() {
            self.create(&definition);
        }
        let began = tokio::time::Instant::now();
        while self.phaseloop(&["audit", "verify", "--cluster"]).0 != 0 {
            assert!(began.elapsed().as_secs() < 120, "{:?}", self.phaseloop(&["audit", "verify", "--cluster"]));
        }
    }

    /// Runs a command: its exit code, what it answered, what it told on the way.
    fn phaseloop(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_phaseloop"))
            .args(arguments)
            .args(["-n", PLACE, "--kubeconfig", self.file.to_str().unwrap()])
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "llama", "namespace": PLACE },
        "spec": {
            "selector": { "matchLabels": { "app": "llama" } },
            "template": { "metadata": { "labels": { "app": "llama" } }, "spec": { "containers": [{
                "name": "vllm", "image": "vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve"],
                "args": ["m", "--max-num-seqs=32"], "resources": { "limits": { "nvidia.com/gpu": "1" } },
            }] } },
        },
    })
}

/// A canary that owes something.
fn canary() -> Value {
    let file = "manifests/samples/tuningcanary-small.yaml";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut object = read_documents(file, &std::fs::read_to_string(path).unwrap()).unwrap().remove(0).value;
    object["metadata"]["namespace"] = PLACE.into();
    object["metadata"]["finalizers"] = json!(["phaseloop.dev/cleanup"]);
    object
}

/// One test, since what happens follows on one another.
#[test]
fn the_commands_do_on_a_real_api_server_what_they_say() {
    let Some(file) = kubeconfig() else { return };
    let administrator = Administrator::connect(&file);
    administrator.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": PLACE } }));
    administrator.create(&deployment());

    let (code, _, told) = administrator.phaseloop(&["init", "deployment/gone"]);
    assert_eq!((code, told.contains("there is no Deployment gone in namespace handling")), (3, true), "{told}");
    let (code, bare, told) = administrator.phaseloop(&["init", "deployment/llama"]);
    assert_eq!(code, 0, "{told}");
    if told.contains("definitions are not installed") {
        assert!(bare.contains("# WARNING: phaseloop's definitions are not installed"), "{bare}");
    }
    administrator.install_definitions();
    let (code, drafted, told) = administrator.phaseloop(&["init", "deployment/llama"]);
    assert_eq!((code, told.as_str()), (0, ""));
    let documents = read_documents("draft", &drafted).unwrap();
    for document in &documents {
        administrator.create(&document.value);
    }
    let [schedule, escalation] = documents.as_slice() else { panic!("{drafted}") };

    let (code, answer, told) = administrator.phaseloop(&["suspend", "--all", "--reason", "incident", "--until", "12h"]);
    assert_eq!((code, answer.lines().count()), (0, 2), "{answer}{told}");
    assert_eq!(administrator.get(&schedule.value)["spec"]["suspend"], true);
    assert_eq!(administrator.get(&escalation.value)["spec"]["suspend"]["reason"], "incident");
    let (code, _, told) = administrator.phaseloop(&["cycle", "--timeout", "2s"]);
    assert_eq!((code, told.contains("phaseloop resume phaseschedule/llama")), (3, true), "{told}");
    assert_eq!(administrator.phaseloop(&["resume", "--all"]).0, 0);
    assert_eq!(administrator.get(&escalation.value)["spec"]["suspend"], Value::Null);

    // Nobody runs it: the end is not seen, and how to await it is told.
    let (code, answer, told) = administrator.phaseloop(&["cycle", "--force", "--timeout", "2s"]);
    assert_eq!((code, answer.as_str()), (3, ""), "{told}");
    let name = told.split("phaseloop cycle phaserun/").nth(1).and_then(|rest| rest.split(' ').next());
    let name = name.unwrap_or_else(|| panic!("{told}"));
    assert!(name.starts_with("llama-forced-"), "{told}");
    let (code, _, told) = administrator.phaseloop(&["cycle", "--force"]);
    assert_eq!((code, told.contains("runs of a schedule do not overlap")), (3, true), "{told}");
    assert_eq!(administrator.phaseloop(&["abort", &format!("phaserun/{name}")]).0, 0);
    assert_eq!(administrator.phaseloop(&["audit", "export"]).0, 0);

    administrator.create(&canary());
    let (code, would, told) = administrator.phaseloop(&["uninstall"]);
    assert_eq!((code, would.contains("would suspend escalation/llama")), (0, true), "{would}{told}");
    assert_eq!(administrator.get(&schedule.value)["spec"]["suspend"], false, "nothing was changed");
    let (code, answer, told) = administrator.phaseloop(&["uninstall", "--yes", "--timeout", "3s"]);
    assert_eq!(code, 0, "no one else's thing is owed: {answer}{told}");
    assert!(told.contains("TuningCanary/llama-8b-20260304-0 in handling: our finalizer is taken off"), "{told}");
    assert_eq!(administrator.get(&schedule.value)["spec"]["suspend"], true);
    assert_eq!(administrator.get(&canary())["metadata"]["finalizers"], Value::Null);
    let (code, answer, told) = administrator.phaseloop(&["audit", "verify", "--cluster", "--output", "json"]);
    assert_eq!((code, answer.contains("\"findings\": []")), (0, true), "{answer}{told}");
}
