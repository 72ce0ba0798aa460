//! Requests of the simulation, carried out on a real API server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::{
    RemoteError,
    mirror::{Awaited, MARK, Mirror, awaited_by, may_be_gone},
    network::{Answer, Call, JSON, Network},
    place::{collection_path, query_text},
    stamp::StampBook,
    uid::UidBook,
};
use crate::{
    cluster::Clock,
    simulation::api_server::{PatchKind, Upstream, UpstreamAnswer, UpstreamRequest, Verb},
};

/// The form in which only metadata is told.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The controllers that a bare API server lacks and whose first act the simulation waits for.
const NODE_CONTROLLER: &str = "system:serviceaccount:kube-system:node-controller";
const ACCOUNT_CONTROLLER: &str = "system:serviceaccount:kube-system:service-account-controller";

/// Carries requests out on a real API server.
pub struct Forward {
    network: Arc<Network>,
    clock: Arc<dyn Clock>,
    state: Mutex<ForwardState>,
}

#[derive(Debug)]
struct ForwardState {
    mirror: Mirror,
    stamps: StampBook,
    uids: UidBook,
    requests: u64,
    failure: Option<RemoteError>,
}

impl Forward {
    pub(super) fn new(network: Arc<Network>, clock: Arc<dyn Clock>, mirror: Mirror) -> Self {
        let state =
            ForwardState { mirror, stamps: StampBook::default(), uids: UidBook::default(), requests: 0, failure: None };
        Self { network, clock, state: Mutex::new(state) }
    }

    /// How many requests were carried out.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    fn state(&self) -> MutexGuard<'_, ForwardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_carry_out(&self, request: &UpstreamRequest) -> Result<UpstreamAnswer, RemoteError> {
        let mut state = self.state();
        let now = self.clock.now();
        let body = state.outgoing_body(request);
        let mut answer = state.ask(&self.network, call_of(request, body), request.uid.as_deref())?;
        let mut awaited = Vec::new();
        if changes_something(request, answer.code) {
            awaited = state.await_write(&self.network, request, &answer)?;
            state.stand_in(&self.network, request, &mut answer, &mut awaited)?;
        }
        let ForwardState { mirror, uids, .. } = &mut *state;
        let mut changes = mirror.settle(&awaited, uids)?;
        for change in &mut changes {
            state.stamps.tell(&mut change.object, now);
            remove_owners(&mut change.object);
        }
        if let Ok(mut value) = serde_json::from_slice::<Value>(&answer.body) {
            match value.get_mut("items").and_then(Value::as_array_mut) {
                Some(items) => items.iter_mut().for_each(|item| state.stamps.tell(item, now)),
                None => state.stamps.tell(&mut value, now),
            }
            answer.body = serde_json::to_vec(&value).unwrap_or_default().into();
        }
        Ok(UpstreamAnswer { code: answer.code, body: answer.body, changes })
    }
}

impl Upstream for Forward {
    fn carry_out(&self, request: UpstreamRequest) -> UpstreamAnswer {
        let told = self.failure().map_or_else(
            || {
                self.try_carry_out(&request).map_err(|error| {
                    let told = error.to_string();
                    self.state().failure = Some(error);
                    told
                })
            },
            Err,
        );
        told.unwrap_or_else(|problem| {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "reason": "ServiceUnavailable", "code": 503, "message": problem,
            });
            UpstreamAnswer { code: 503, body: status.to_string().into(), changes: Vec::new() }
        })
    }

    fn failure(&self) -> Option<String> {
        self.state().failure.as_ref().map(ToString::to_string)
    }
}

impl ForwardState {
    /// Asks with uids as the API server has them, and takes the answer with uids as they are told. A new object is told
    /// under the uid that is given.
    fn ask(&mut self, network: &Network, mut call: Call, uid: Option<&str>) -> Result<Answer, RemoteError> {
        self.requests += 1;
        call.body = self.uids.restore(&call.body).into();
        call.path = String::from_utf8(self.uids.restore(call.path.as_bytes())).unwrap_or(call.path);
        let mut answer = network.ask(call)?;
        if let (Some(told), 201) = (uid, answer.code) {
            let made: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            self.uids.add(made.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default(), told);
        }
        answer.body = self.uids.tell(&answer.body).into();
        Ok(answer)
    }

    /// The content as it goes out: stamps as the API server made them, and a mark on what lies in no namespace.
    fn outgoing_body(&self, request: &UpstreamRequest) -> Bytes {
        let is_whole = matches!(request.verb, Verb::Create | Verb::Update) && request.subresource != "binding";
        let is_applied = request.patch == Some(PatchKind::Apply);
        if !is_whole && !is_applied {
            return request.body.clone();
        }
        // What can't be read goes out as it is: the API server says what is wrong with it.
        let Ok(mut object) = serde_json::from_slice::<Value>(&request.body) else { return request.body.clone() };
        if request.verb == Verb::Update {
            self.stamps.restore(&mut object);
        }
        if request.namespace.is_none() {
            mark(&mut object);
        }
        serde_json::to_vec(&object).unwrap_or_default().into()
    }

    /// What the watches have to tell of before this write counts as answered.
    fn await_write(
        &mut self,
        network: &Network,
        request: &UpstreamRequest,
        answer: &Answer,
    ) -> Result<Vec<Awaited>, RemoteError> {
        if !self.mirror.tells_of(&request.group, &request.plural, request.namespace.as_deref()) {
            return Ok(Vec::new());
        }
        let name = request.name.clone().unwrap_or_default();
        if request.subresource == "binding" {
            let namespace = request.namespace.clone().unwrap_or_default();
            return Ok(vec![Awaited::Bound { namespace, name }]);
        }
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if !may_be_gone(request.verb, &told) {
            return Ok(awaited_by(&told, Some(&told)).into_iter().collect());
        }
        let found = self.ask(network, Call::get(object_path(request, &name)), None)?;
        let there = (found.code == 200).then(|| serde_json::from_slice(&found.body).unwrap_or_default());
        Ok(awaited_by(&told, there.as_ref()).into_iter().collect())
    }

    /// What controllers of a cluster do at once and a bare API server waits for: a new node loses the taint that says
    /// that nobody has looked at it yet, a new namespace gets the account of its pods.
    fn stand_in(
        &mut self,
        network: &Network,
        request: &UpstreamRequest,
        answer: &mut Answer,
        awaited: &mut Vec<Awaited>,
    ) -> Result<(), RemoteError> {
        let made = answer.code == 201 && request.namespace.is_none() && request.subresource.is_empty();
        let object: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |place: &str| object.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let name = text("/metadata/name");
        match (made, request.group.as_str(), request.plural.as_str()) {
            (true, "", "nodes") if object.pointer("/spec/taints").is_some() => {
                let body = json!({ "spec": { "taints": null } });
                let path = format!("/api/v1/nodes/{name}");
                let untainted = self.act(network, (Method::PATCH, path), &body, NODE_CONTROLLER)?;
                awaited.clear();
                awaited.extend(awaited_by(&untainted, Some(&untainted)));
                answer.body = untainted.to_string().into();
            }
            (true, "", "namespaces") => {
                self.mirror.follow_namespace(network, name, text("/metadata/resourceVersion"))?;
                let body = json!({
                    "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default", "namespace": name },
                });
                let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
                let account = self.act(network, (Method::POST, path), &body, ACCOUNT_CONTROLLER)?;
                awaited.extend(awaited_by(&account, Some(&account)));
            }
            _ => {}
        }
        Ok(())
    }

    fn act(
        &mut self,
        network: &Network,
        (method, path): (Method, String),
        body: &Value,
        user: &str,
    ) -> Result<Value, RemoteError> {
        let mut call = Call::of(method, path, body.to_string().into());
        if call.method == Method::PATCH {
            call.content_type = patch_type(Some(PatchKind::Merge));
        }
        call.user = Some(user.to_owned());
        let what = call.to_string();
        let answer = self.ask(network, call, None)?;
        let told = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.code < 300 { Ok(told) } else { Err(RemoteError::Refused { what, problem: told.to_string() }) }
    }
}

fn changes_something(request: &UpstreamRequest, code: u16) -> bool {
    let is_dry = request.query.iter().any(|(name, value)| name == "dryRun" && !value.is_empty());
    let says_dry = request.verb == Verb::Delete
        && serde_json::from_slice::<Value>(&request.body).is_ok_and(|options| options.pointer("/dryRun/0").is_some());
    !request.verb.reads() && code < 300 && !is_dry && !says_dry
}

fn mark(object: &mut Value) {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let labels = metadata.map(|metadata| metadata.entry("labels").or_insert_with(|| json!({})));
    if let Some(labels) = labels.and_then(Value::as_object_mut) {
        labels.insert(MARK.0.to_owned(), MARK.1.into());
    }
}

/// The simulation keeps objects without the owners of their fields.
fn remove_owners(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

fn object_path(request: &UpstreamRequest, name: &str) -> String {
    let collection = collection_path(&request.group, &request.version, &request.plural, request.namespace.as_deref());
    format!("{collection}/{name}")
}

fn call_of(request: &UpstreamRequest, body: Bytes) -> Call {
    let mut path = collection_path(&request.group, &request.version, &request.plural, request.namespace.as_deref());
    for part in [request.name.as_deref().unwrap_or_default(), &request.subresource] {
        if !part.is_empty() {
            path = format!("{path}/{part}");
        }
    }
    Call {
        method: match request.verb {
            Verb::Get | Verb::List | Verb::Watch => Method::GET,
            Verb::Create => Method::POST,
            Verb::Update => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Delete | Verb::DeleteCollection => Method::DELETE,
        },
        path: format!("{path}{}", query_text(&request.query)),
        content_type: if request.verb == Verb::Patch { patch_type(request.patch) } else { JSON },
        accept: match (request.metadata_only, request.verb) {
            (true, Verb::List) => METADATA_LIST,
            (true, _) => METADATA,
            _ => JSON,
        },
        body,
        user: Some(request.user.clone()),
        agent: request.agent.clone(),
    }
}

fn patch_type(kind: Option<PatchKind>) -> &'static str {
    match kind {
        Some(PatchKind::Json) => "application/json-patch+json",
        Some(PatchKind::Merge) => "application/merge-patch+json",
        Some(PatchKind::Strategic) => "application/strategic-merge-patch+json",
        // What is none of these is refused by the API server in its own words.
        Some(PatchKind::Apply) => "application/apply-patch+yaml",
        None => JSON,
    }
}

impl std::fmt::Debug for Forward {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Forward").field("state", &*self.state()).finish_non_exhaustive()
    }
}
