//! The images that are packed here run in real pods: phaseloop's as its user with a read-only root, the stand-in engine's
//! as an image of vLLM.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use serde_json::{Value, json};

use crate::support::{Place, SHELL, cluster, ended, message, phase, status_of};

const PHASELOOP: &str = "localhost/phaseloop-test/phaseloop:1";
const ENGINE: &str = "localhost/phaseloop-test/vllm:1";

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Packs a program and takes it to the node.
fn load(name: &str, program: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.tar", std::process::id()));
    run(Command::new(root.join("tests/cluster/make-program-image")).arg(name).arg(program).arg(&file));
    run(Command::new(root.join("tests/cluster/cluster")).arg("load").arg(&file));
    fs::remove_file(&file).unwrap();
}

/// The stand-in engine, built with the profile of this test: it is another package's program.
fn stand_in() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_phaseloop")).parent().unwrap();
    let program = folder.join("stand-in-engine");
    assert!(program.is_file(), "{} is not there; cargo build -p stand-in-engine", program.display());
    program
}

/// What a restricted namespace asks of a container; who runs it is the image's.
fn restricted() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

#[tokio::test]
async fn phaseloops_image_runs_as_its_user_with_a_read_only_root() {
    let Some(client) = cluster().await else { return };
    load("phaseloop", Path::new(env!("CARGO_BIN_EXE_phaseloop")));
    let place = Place::new(client, "image").await;
    let mounts = json!([{"name": "out", "mountPath": "/out"}]);
    let program = |name: &str, words: &[&str]| {
        json!({"name": name, "image": PHASELOOP, "imagePullPolicy": "Never", "args": words, "volumeMounts": mounts,
            "securityContext": restricted()})
    };
    let whose = "stat -c %u /out/state > /dev/termination-log";
    place
        .create::<Pod>(json!({
            "metadata": {"name": "image"},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "initContainers": [
                    program("version", &["--version"]),
                    program("simulate", &["simulate", "--state", "/out/state"]),
                ],
                "containers": [
                    {"name": "shell", "image": SHELL, "command": ["sh", "-c", whose], "volumeMounts": mounts},
                ],
                "volumes": [{"name": "out", "emptyDir": {}}],
            },
        }))
        .await;
    let pod = place.until_ended("image").await;
    assert_eq!(phase(&pod), "Succeeded", "{:?}", pod.status);
    let of_version = LogParams { container: Some("version".to_owned()), ..LogParams::default() };
    let said = place.api::<Pod>().logs("image", &of_version).await.unwrap();
    assert_eq!(said, format!("phaseloop {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(message(&pod, "shell"), "65532\n", "the user that owns what it wrote");
    place.leave().await;
}

#[tokio::test]
async fn the_stand_in_serves_in_a_pod_as_an_image_of_vllm_and_ends_when_it_is_told_to() {
    let Some(client) = cluster().await else { return };
    load("vllm", &stand_in());
    let place = Place::new(client, "engine").await;
    let ask = r#"until wget -qO- http://127.0.0.1:8000/health; do sleep 0.1; done
wget -qO- --post-data '{"model": "tiny", "prompt": "a b c", "max_tokens": 3, "ignore_eos": true}' \
    http://127.0.0.1:8000/v1/completions > /dev/termination-log"#;
    place
        .create::<Pod>(json!({
            "metadata": {"name": "engine"},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "initContainers": [{
                    "name": "engine", "image": ENGINE, "imagePullPolicy": "Never", "restartPolicy": "Always",
                    "command": ["vllm", "serve"],
                    "args": ["/models/tiny", "--served-model-name", "tiny", "--gpu-memory-utilization=0.2"],
                    "env": [{"name": "STAND_IN_START_SECONDS", "value": "0.5"}],
                    "securityContext": restricted(),
                }],
                "containers": [{"name": "shell", "image": SHELL, "command": ["sh", "-c", ask]}],
            },
        }))
        .await;
    let pod = place.until_ended("engine").await;
    assert_eq!(phase(&pod), "Succeeded", "{:?}", pod.status);
    let answer: Value = serde_json::from_str(message(&pod, "shell")).unwrap();
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6, "prompt_tokens_details": null})
    );
    let engine = status_of(&pod, "engine");
    assert_eq!((ended(engine).unwrap().exit_code, engine.restart_count), (0, 0), "{engine:?}");
    let of_engine = LogParams { container: Some("engine".to_owned()), ..LogParams::default() };
    let said = place.api::<Pod>().logs("engine", &of_engine).await.unwrap();
    assert!(said.contains("'served_model_name': ['tiny'], 'gpu_memory_utilization': 0.2}"), "{said}");
    assert!(said.contains("[shutdown] API server: shutdown triggered"), "{said}");
    place.leave().await;
}
