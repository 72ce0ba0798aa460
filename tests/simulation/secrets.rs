//! I34: what a target is told as a secret is written nowhere but where its own engine needs it.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
};

use phaseloop::cli::simulate_text;
use serde_json::Value;
use tracing::{
    Dispatch,
    subscriber::{NoSubscriber, with_default},
};

use crate::story::{Story, assert_kept, text};

/// What is planted: the engine's key, and a token of its environment.
const KEY: &str = "planted-key-7f3a91";
const TOKEN: &str = "planted-token-5c20de";

/// What nobody but the engine's container of a pod may say. Pods, and what makes them, hold a copy of the target's template.
const HOLD_TEMPLATES: [&str; 4] = ["pods", "deployments.apps", "replicasets.apps", "controllerrevisions.apps"];

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The four nights, with an engine that asks for a key and has a token.
fn four_nights_with_secrets() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/four-nights.yaml");
    let scenario = fs::read_to_string(path).unwrap();
    let arguments = "--max-model-len=2048]\n";
    assert_eq!(scenario.matches(arguments).count(), 1);
    let planted = format!(
        "--max-model-len=2048, --api-key={KEY}]\n          env:\n            - {{name: HF_TOKEN, value: {TOKEN}}}\n"
    );
    scenario.replace(arguments, &planted)
}

fn says_a_secret(text: &str) -> bool {
    [KEY, TOKEN].iter().any(|secret| text.contains(secret))
}

/// The same pod without the container that the target's engine runs in, and without the key that our probe needs to ask it.
fn without_its_engine(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for list in ["initContainers", "containers"] {
        let Some(containers) = pod["spec"][list].as_array_mut() else { continue };
        containers.retain(|container| text(container, "/name") != "vllm");
        for variables in containers.iter_mut().filter_map(|container| container["env"].as_array_mut()) {
            variables.retain(|variable| text(variable, "/name") != "PHASELOOP_ENGINE_KEY");
        }
    }
    pod
}

#[test]
fn a_planted_secret_is_in_no_status_event_record_log_or_timeline() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // While there is one subscriber alone, a callsite that another test's thread is the first to come to asks that thread's, which
    // has none, and is never heard again.
    let _second = Dispatch::new(NoSubscriber::new());
    let story = with_default(subscriber, || Story::of("four-nights with secrets", &four_nights_with_secrets()));
    assert_kept(&story, &["i20_"]);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.lines().count() > 100, "the operator was listened to: {log}");
    let leaking = log.lines().find(|line| says_a_secret(line));
    assert_eq!(leaking, None, "the log");
    let told = simulate_text(&story.answer);
    assert!(!says_a_secret(&told), "{told}");

    let (mut of_engines, mut others) = (0, 0);
    for (resource, object) in story.all_versions() {
        if resource == "pods" {
            of_engines += usize::from(says_a_secret(&object.to_string()));
            let rest = without_its_engine(&object);
            assert!(!says_a_secret(&rest.to_string()), "{rest:#}");
        } else if !HOLD_TEMPLATES.contains(&resource.as_str()) {
            others += 1;
            assert!(!says_a_secret(&object.to_string()), "{object:#}");
        }
    }
    assert!(of_engines > 10, "the secrets are there: {of_engines}");
    assert!(others > 100, "runs, canaries, events and the like were looked at: {others}");
}
