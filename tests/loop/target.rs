//! Model servers that are tested, as a user deploys vLLM: the stand-in engine, and the real one.

use std::{
    env,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The image of the stand-in engine; its `vllm serve` takes vLLM's arguments.
pub(crate) const STAND_IN: &str = "localhost/phaseloop-test/vllm:1";
/// An image that holds nothing: the programs are those of the machine, mounted at their own paths.
const MACHINE: &str = "localhost/phaseloop-test/machine:1";
/// Names the folder of `tests/cluster/fetch-vllm`, and after it the folders of the machine that its Python needs.
const VLLM_FOLDERS: &str = "PHASELOOP_TEST_VLLM";

/// A ConfigMap that changes what engines do without a change of their template, as a bad driver or a bad node would.
pub(crate) const FAULTS: &str = "faults";

/// What serves.
pub(crate) enum Engine {
    /// The stand-in; variables of the ConfigMap [`FAULTS`], if there is one when a pod starts, switch faults on.
    StandIn,
    /// vLLM itself, on the CPU.
    Real {
        /// Where it lies, and what its Python needs.
        folders: Vec<PathBuf>,
        /// What it serves.
        model: Model,
    },
}

/// What a real vLLM serves: a model of `tests/cluster/vllm/make-model.py`, with the flags it is served with.
pub(crate) enum Model {
    /// Quick, and small beside any memory.
    Tiny,
    /// Takes three quarters of a MiB for each token that is read: with the flag's batches of 3,072 tokens 2.3 GiB, of the
    /// 6 GiB that its pod may have.
    Wide,
}

impl Model {
    /// Folder and flags.
    fn parts(&self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Tiny => ("model-tiny", &["--max-model-len=1024", "--gpu-memory-utilization=0.1"]),
            Self::Wide => ("model-wide", &["--max-model-len=2048", "--max-num-batched-tokens=3072"]),
        }
    }

    /// What the pod may take of the machine's memory. Of that, not of the machine's, the CPU engine takes its share.
    fn memory(&self) -> Option<&'static str> {
        matches!(self, Self::Wide).then_some("6Gi")
    }

    /// Variables of its own. The tiny one is computed in the engine's process, by one thread: with a process and two threads
    /// besides, as vLLM has it by itself, all of them wait for two cores by turning round, a token takes twice as long, and a
    /// start 44 s instead of 26. The wide one is left as it is: the kernel kills that process.
    fn variables(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Tiny => &[("VLLM_ENABLE_V1_MULTIPROCESSING", "0"), ("OMP_NUM_THREADS", "1")],
            Self::Wide => &[],
        }
    }
}

impl Engine {
    /// The real engine with this model; nothing, and a line that says so, where it was not fetched.
    #[allow(clippy::disallowed_methods, reason = "what the machine has is told by the caller")]
    pub(crate) fn real(model: Model) -> Option<Self> {
        let folders: Option<Vec<PathBuf>> =
            env::var_os(VLLM_FOLDERS).map(|folders| env::split_paths(&folders).collect());
        if folders.is_none() {
            // Written past the test runner, which keeps what a passing test prints to itself.
            std::io::stderr().write_all(b"NOT RUN: a real vLLM; tests/run loop fetches one\n").unwrap();
        }
        folders.map(|folders| Self::Real { folders, model })
    }

    /// A Deployment of one replica that serves, with these flags besides.
    pub(crate) fn deployment(&self, name: &str, flags: &[&str]) -> String {
        let container = match self {
            Self::StandIn => stand_in(flags),
            Self::Real { folders, model } => real(model, flags, folders),
        };
        format!(
            r"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {name}}}
  strategy:
    rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
{container}"
        )
    }
}

/// What both engines have in common: how they are started, asked whether they are ready, and bounded.
fn container(
    image: &str,
    command: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
    memory: Option<&str>,
) -> String {
    // Asked for is next to nothing: what is tested side by side must find its place on one small machine.
    let memory = memory.map_or_else(String::new, |most| format!(", memory: {most}"));
    let arguments: Vec<String> = arguments.iter().map(|argument| format!("{argument:?}")).collect();
    let variables: Vec<String> =
        variables.iter().map(|(name, value)| format!("{{name: {name}, value: {value:?}}}")).collect();
    format!(
        r#"      containers:
        - name: vllm
          image: {image}
          imagePullPolicy: Never
          command: [{command}, serve]
          args: [{arguments}]
          env: [{variables}]
          readinessProbe:
            httpGet: {{path: /health, port: 8000}}
            periodSeconds: 1
          resources:
            requests: {{cpu: 10m, memory: 64Mi}}
            limits: {{nvidia.com/gpu: "1"{memory}}}
"#,
        arguments = arguments.join(", "),
        variables = variables.join(", "),
    )
}

fn stand_in(flags: &[&str]) -> String {
    let text = container(STAND_IN, "vllm", &[&["tiny"], flags].concat(), &[], None);
    text + &format!("          envFrom: [{{configMapRef: {{name: {FAULTS}, optional: true}}}}]\n")
}

fn real(model: &Model, flags: &[&str], folders: &[PathBuf]) -> String {
    let [vllm, ..] = folders else { panic!("{VLLM_FOLDERS} names no folder") };
    let path = |part: &str| vllm.join(part).to_str().unwrap().to_owned();
    let (folder, its_flags) = model.parts();
    let (command, cache) = (path("venv/bin/vllm"), path("cache"));
    let every = [
        ("HF_HUB_OFFLINE", "1"),
        ("VLLM_NO_USAGE_STATS", "1"),
        ("HOME", "/dev/shm"),
        ("NUMBA_CACHE_DIR", "/dev/shm/numba"),
        ("VLLM_CACHE_ROOT", cache.as_str()),
    ];
    let (variables, memory) = ([&every, model.variables()].concat(), model.memory());
    let model = path(folder);
    let own = [model.as_str(), "--served-model-name=tiny", "--enforce-eager"];
    let mut text = container(MACHINE, &command, &[&own, its_flags, flags].concat(), &variables, memory);
    // The engine's processes share memory: as in vLLM's own manifests.
    let mut mounts =
        String::from("          volumeMounts:\n            - {name: shared-memory, mountPath: /dev/shm}\n");
    let mut volumes = String::from("      volumes:\n        - {name: shared-memory, emptyDir: {medium: Memory}}\n");
    for (number, folder) in folders.iter().enumerate() {
        let folder: &Path = folder;
        let at = folder.display();
        writeln!(mounts, "            - {{name: machine-{number}, mountPath: {at}, readOnly: true}}").unwrap();
        writeln!(volumes, "        - {{name: machine-{number}, hostPath: {{path: {at}, type: Directory}}}}").unwrap();
    }
    text.push_str(&mounts);
    text + &volumes
}
