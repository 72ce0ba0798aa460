//! The scripts against any server, and where it answers otherwise than the real one did.

use kube::Client;

use crate::{
    compare::{Difference, compare},
    normalise::normalise,
    recording::{RecordedScript, Recording},
    run::run_script,
    script::{Objects, Script, objects, script_files},
};

/// Sends every script through the client and compares the answers with the recorded ones. The server needs phaseloop's
/// definitions and the policies of `manifests/policies`, both in force.
pub(crate) async fn replay_all(client: Client) -> Vec<Difference> {
    let objects = objects().unwrap();
    let mut found = Vec::new();
    for file in script_files().unwrap() {
        let recording = Recording::read(&file.name).unwrap();
        for recorded in &recording.scripts {
            let Some(script) = file.scripts.iter().find(|script| script.name == recorded.name) else { continue };
            let (now, stopped) = answers(&client, script, &objects).await;
            found.extend(compare(recorded, &now.answers, stopped.as_deref()));
        }
    }
    found
}

/// The normalised answers to one script, and why it stopped early if it did.
pub(crate) async fn answers(client: &Client, script: &Script, objects: &Objects) -> (RecordedScript, Option<String>) {
    let outcome = run_script(client, script, objects).await;
    let used = script.steps.iter().filter_map(|step| objects.get(step.object.as_ref()?));
    let literal = used.fold(script.text(), |literal, object| literal + &object.to_string());
    let recorded = RecordedScript {
        name: script.name.clone(),
        digest: script.digest(objects),
        answers: normalise(outcome.answers, &script.namespace(), &literal),
    };
    (recorded, outcome.stopped)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, convert::Infallible};

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_server_that_knows_nothing_differs_in_every_script() {
        let nothing = |_: Request<Body>| async {
            let body = Body::from(json!({ "kind": "Status", "code": 404 }).to_string().into_bytes());
            Ok::<_, Infallible>(Response::builder().status(404).body(body).unwrap())
        };
        let found = replay_all(Client::new(tower::service_fn(nothing), "default")).await;
        let differing: BTreeSet<&str> = found.iter().map(|difference| difference.script.as_str()).collect();
        let files = script_files().unwrap();
        let names = files.iter().flat_map(|file| &file.scripts).map(|script| script.name.as_str());
        assert_eq!(differing, names.collect());
    }
}
