//! Helm, where somebody brought it: `tests/run chart` builds it and names it in `PHASELOOP_TEST_HELM`.

use std::{env, io::Write as _, path::PathBuf, process::Command, sync::Once};

use phaseloop::yaml::read_documents;
use serde_json::Value;

use crate::committed::repository;

const PROGRAM: &str = "PHASELOOP_TEST_HELM";
/// The image of every rendering.
pub(crate) const IMAGE: &str = "image.repository=registry.example.org/phaseloop";
/// The namespace of every release.
pub(crate) const NAMESPACE: &str = "phaseloop-system";
/// Kubernetes of renderings that meet no API server.
const KUBERNETES: &str = "v1.34.0";

/// Said once, not by each test.
static SAID: Once = Once::new();

#[allow(clippy::disallowed_methods, reason = "what was brought is told by the caller")]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Helm; nothing, and a line that says so, where nobody brought it.
pub(crate) struct Helm {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    pub(crate) fn brought() -> Option<Self> {
        let Some(program) = variable(PROGRAM) else {
            // Written past the test runner, which keeps what a passing test prints to itself.
            let said = b"NOT RUN: what needs helm; tests/run chart builds it\n";
            SAID.call_once(|| std::io::stderr().write_all(said).unwrap());
            return None;
        };
        Some(Self { program: program.into(), kubeconfig: None })
    }

    /// The same, at an API server.
    pub(crate) fn at(self, kubeconfig: PathBuf) -> Self {
        Self { kubeconfig: Some(kubeconfig), ..self }
    }

    /// Runs it. What it says on standard output, or what it complains of.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let own: PathBuf = [env!("CARGO_TARGET_TMPDIR"), "helm"].iter().collect();
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(repository("")).env_remove("KUBECONFIG");
        for (name, folder) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
        {
            command.env(name, own.join(folder));
        }
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// What a release renders to with these values.
    pub(crate) fn render(&self, values: &[String], further: &[&str]) -> Result<String, String> {
        let mut arguments = vec!["template", "phaseloop", "charts/phaseloop", "--namespace", NAMESPACE];
        arguments.extend(["--kube-version", KUBERNETES]);
        arguments.extend(further);
        for value in values {
            arguments.extend(["--set-json", value]);
        }
        self.run(&arguments)
    }
}

/// The objects of a rendering, without their comments.
pub(crate) fn objects(name: &str, text: &str) -> Vec<Value> {
    let documents = read_documents(name, text).unwrap_or_else(|faults| panic!("{faults}"));
    documents.into_iter().map(|document| document.value).filter(|value| !value.is_null()).collect()
}

/// The text at a place of an object.
pub(crate) fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// The one object of a kind and name.
pub(crate) fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| text(object, "/kind") == kind && text(object, "/metadata/name") == name;
    objects.iter().find(is_it).unwrap_or_else(|| panic!("there is no {kind} {name}"))
}
