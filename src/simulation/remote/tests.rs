use std::sync::Arc;

use kube::Client;
use serde_json::Value;

use super::*;
use crate::simulation::{
    answer::{Answer, run_in, run_story},
    api_server::Settings,
    scenario::{DEFAULT_SCENARIO, DEFAULT_SCENARIO_FILE, prepare, read_scenario},
};

/// The user of a kubeconfig.
const USER: &str = "somebody";

/// A server that stands for the real one: in memory too, but with a clock that shows another year, and uids of its own.
fn other_server() -> ApiServer {
    let start: jiff::Timestamp = "2031-07-01T12:00:00Z".parse().unwrap();
    ApiServer::new(Arc::new(VirtualClock::new(start)), Settings { seed: 99, ..Settings::default() })
}

fn connect(server: &ApiServer) -> Remote {
    let service = server.service_for(USER);
    Remote::over("https://other", move || async move { Ok(Client::new(service, "default")) }).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// The default scenario's first night.
fn run(remote: Option<&Remote>) -> (Answer, Vec<String>) {
    let mut file = read_scenario(DEFAULT_SCENARIO_FILE, DEFAULT_SCENARIO).unwrap();
    file.scenario.spec.nights = 1;
    file.scenario.spec.nights_before = 0;
    let told = match remote {
        None => runtime().block_on(Box::pin(run_story(&file, |_, _| {}))),
        Some(remote) => {
            let prepared = prepare(&file).unwrap();
            // A replica's client belongs to the runtime that it was made in.
            runtime().block_on(Box::pin(async {
                let (world, _) = remote.world(prepared.settings.clone()).unwrap();
                run_in(world, &file, prepared, |_, _| {}).await
            }))
        }
    };
    let (answer, world) = told.unwrap();
    (answer, world.server.writes().iter().map(ToString::to_string).collect())
}

#[test]
fn a_story_on_another_api_server_is_the_same_write_by_write() {
    let other = other_server();
    let remote = connect(&other);
    remote.check("chat", false).unwrap();
    remote.prepare(false).unwrap();
    let (here, here_writes) = run(None);
    let (there, there_writes) = run(Some(&remote));
    for (index, (one, another)) in here_writes.iter().zip(&there_writes).enumerate() {
        assert_eq!(one, another, "write {index}");
    }
    assert_eq!(here_writes.len(), there_writes.len());
    assert_eq!(here, there);
    let is_there = |object: &Value| object["metadata"]["namespace"] == "chat";
    let objects: Vec<Value> = other.objects().into_iter().map(|(_, object)| object.value.clone()).collect();
    let runs = objects.iter().filter(|object| is_there(object) && object["kind"] == "PhaseRun");
    assert_eq!(runs.count(), 1, "they lie on the other server");
}
