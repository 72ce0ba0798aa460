//! The scripts against a real API server: `tests/run api` starts one and runs this.

use std::{env, fs, io::Write as _, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    recording::{COMMAND, Recording},
    replay::{answers, replay_all},
    run::{document, request, run_script, send},
    script::{Objects, objects, script_files, scripts},
};

/// Names the kubeconfig of an API server that is fresh and may be written to.
const KUBECONFIG: &str = "PHASELOOP_TEST_KUBECONFIG";

/// How often a definition is looked for, and the pause between: 30 s.
const TRIES_MAX: u32 = 300;
const TRY_PAUSE: Duration = Duration::from_millis(100);

#[allow(clippy::disallowed_methods, reason = "whether there is a control plane, and what to do, is told by the caller")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[tokio::test]
async fn the_recorded_answers_are_those_of_a_real_api_server() {
    let Some(path) = variable(KUBECONFIG) else {
        // Written past the test runner, which keeps what a passing test prints to itself.
        let said = b"NOT RUN: recorded answers against a real API server; tests/run api starts one\n";
        std::io::stderr().write_all(said).unwrap();
        return;
    };
    let client = connect(&path).await.unwrap();
    let objects = objects().unwrap();
    install(&client, &objects).await.unwrap();
    let version = ask(&client, "GET", "/version", None).await.unwrap().1;
    let server = format!("kube-apiserver {}", version["gitVersion"].as_str().unwrap());
    let problems = if variable("UPDATE").is_some_and(|value| value == "1") {
        record_all(&client, &objects, &server).await
    } else {
        let recorded_from = script_files().unwrap().into_iter().map(|file| Recording::read(&file.name).unwrap().server);
        let others = recorded_from.filter(|recorded| *recorded != server);
        let others = others.map(|recorded| format!("recorded from {recorded}, this is {server}"));
        others.chain(replay_all(client.clone()).await.iter().map(ToString::to_string)).collect()
    };
    assert!(problems.is_empty(), "{} differ from the recordings:\n{}", problems.len(), problems.join("\n"));
}

/// A client that sends each request once: what is compared is the first answer.
async fn connect(path: &str) -> Result<Client, String> {
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| format!("{path}: {error}"))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| format!("{path}: {error}"))?;
    config.default_retry = false;
    Client::try_from(config).map_err(|error| format!("{path}: {error}"))
}

/// Writes every recording anew. Answers what kept a script from its end; then nothing is written.
async fn record_all(client: &Client, objects: &Objects, server: &str) -> Vec<String> {
    let mut recordings = Vec::new();
    let mut problems = Vec::new();
    for file in script_files().unwrap() {
        let mut recording =
            Recording { server: server.to_owned(), written_by: COMMAND.to_owned(), scripts: Vec::new() };
        for script in &file.scripts {
            let (recorded, stopped) = answers(client, script, objects).await;
            if let Some(problem) = stopped {
                let last = recorded.answers.last().map(|answer| answer.document().to_string()).unwrap_or_default();
                problems.push(format!("{}: {}: {problem}\n  last answer: {last}", file.name, script.name));
            }
            recording.scripts.push(recorded);
        }
        recordings.push((file.name, recording));
    }
    if problems.is_empty() {
        for (name, recording) in &recordings {
            recording.write(name).unwrap();
        }
    }
    problems
}

/// phaseloop's definitions and policies, and the wait until both are in force.
async fn install(client: &Client, objects: &Objects) -> Result<(), String> {
    for (folder, wanted) in [("crds", "CustomResourceDefinition"), ("manifests/policies", "ValidatingAdmissionPolicy")]
    {
        for object in manifests(folder)? {
            let kind = object["kind"].as_str().unwrap_or_default();
            if !kind.starts_with(wanted) {
                return Err(format!("{folder}: {kind} is not installed by this test"));
            }
            let path = match kind {
                "CustomResourceDefinition" => "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                "ValidatingAdmissionPolicy" => "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
                _ => "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
            };
            let (status, answer) = ask(client, "POST", path, Some(&object)).await?;
            if status != 201 {
                return Err(format!("failed to make {kind} {}: {answer}", object["metadata"]["name"]));
            }
            if kind == "CustomResourceDefinition" {
                await_served(client, &object).await?;
            }
        }
    }
    // Policies are taken up a moment after they are stored. These scripts end when they refuse.
    for script in scripts("in-force.yaml")? {
        let outcome = run_script(client, &script, objects).await;
        let last = outcome.answers.last().and_then(|answer| answer.body.clone()).unwrap_or_default();
        let until = script.steps.last().and_then(|step| step.until.as_ref()).map(|until| u64::from(until.status));
        if outcome.stopped.is_some() || last["code"].as_u64() != until {
            return Err(format!("{}: {:?} {last}", script.name, outcome.stopped));
        }
    }
    Ok(())
}

async fn await_served(client: &Client, definition: &Value) -> Result<(), String> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let path = format!("/apis/{group}/{}/{plural}", text(&spec["versions"][0]["name"]));
    for _ in 0..TRIES_MAX {
        if ask(client, "GET", &path, None).await?.0 == 200 {
            return Ok(());
        }
        sleep(TRY_PAUSE).await;
    }
    Err(format!("{path} is not served"))
}

fn manifests(folder: &str) -> Result<Vec<Value>, String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let listed = fs::read_dir(&path).map_err(|error| format!("{folder}: {error}"))?;
    let mut files: Vec<_> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut objects = Vec::new();
    for file in files {
        let name = file.to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).map_err(|error| format!("{name}: {error}"))?;
        let documents = phaseloop::yaml::read_documents(&name, &text).map_err(|faults| faults.to_string())?;
        objects.extend(documents.into_iter().map(|document| document.value));
    }
    Ok(objects)
}

/// Status and JSON of an answer.
async fn ask(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
    let (status, bytes) = document(send(client, request(method, path, None, None, None, body)?).await?).await?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
}
