//! Another API server behind this one: requests are carried out there, and what follows is kept here as history.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    definition::{BuiltIn, ResourceDefinition},
    object::{meta, set, text},
    ownership::Owners,
    registry::Registry,
    reply::{Content, Reply},
    request::{ApiRequest, Body, PatchKind, Propagation, Query, Representation, Verb},
    state::State,
    status_error::StatusError,
    verbs,
    version::ObjectVersion,
};

/// An API server that carries requests out in place of this one.
pub trait Upstream: Send + Sync {
    /// Carries a request out, and tells everything that has changed since the last one.
    fn carry_out(&self, request: UpstreamRequest) -> UpstreamAnswer;

    /// Why it can carry out no more; absent while it can.
    fn failure(&self) -> Option<String>;
}

/// A request as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamRequest {
    /// What it wants.
    pub verb: Verb,
    /// How, for patches.
    pub patch: Option<PatchKind>,
    /// Group of the resource.
    pub group: String,
    /// Its version.
    pub version: String,
    /// The resource, as in `deployments`.
    pub plural: String,
    /// The namespace; absent for the whole cluster.
    pub namespace: Option<String>,
    /// The name; absent for lists and creates.
    pub name: Option<String>,
    /// The subresource; empty for the object itself.
    pub subresource: String,
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// Whether only metadata is wanted.
    pub metadata_only: bool,
    /// The content; empty where there is none.
    pub body: Bytes,
    /// The uid that a new object is to be told under; absent where none is made.
    pub uid: Option<String>,
    /// Who asks.
    pub user: String,
    /// The first word of the client's own name.
    pub agent: String,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub struct UpstreamAnswer {
    /// HTTP status code.
    pub code: u16,
    /// The content.
    pub body: Bytes,
    /// What has changed, in order.
    pub changes: Vec<UpstreamChange>,
}

/// A change of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamChange {
    /// The resource, as in `deployments.apps`.
    pub resource: Arc<str>,
    /// Whether the object is gone.
    pub is_gone: bool,
    /// The object after the change.
    pub object: Value,
}

/// A resource whose objects are kept as history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResource {
    /// As in `deployments.apps`.
    pub storage: Arc<str>,
    /// Group.
    pub group: String,
    /// Version.
    pub version: String,
    /// As in URLs.
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// The resources whose objects are kept as history, each once: those of namespaces, and what a cluster is made of.
pub fn kept_resources(definitions: &[Value]) -> Vec<KeptResource> {
    let mut registry = Registry::new();
    for definition in definitions {
        registry.install(definition, 0);
    }
    let mut kept: Vec<KeptResource> = Vec::new();
    for definition in registry.all() {
        let is_of_cluster = [BuiltIn::Namespace, BuiltIn::Node, BuiltIn::PriorityClass].map(|kind| definition.is(kind));
        if (definition.namespaced || is_of_cluster.contains(&true))
            && !kept.iter().any(|other| other.storage == definition.storage)
        {
            kept.push(KeptResource {
                storage: definition.storage.clone(),
                group: definition.group.clone(),
                version: definition.version.clone(),
                plural: definition.plural.clone(),
                namespaced: definition.namespaced,
            });
        }
    }
    kept
}

/// Carries a request out upstream.
pub(super) fn handle(state: &mut State, mut request: ApiRequest, upstream: &dyn Upstream) -> Reply {
    if request.subresource == "log" && request.definition.is(BuiltIn::Pod) {
        // No kubelet stands behind that API server: the one of the simulation is asked.
        return verbs::get(state, &request).unwrap_or_else(|error| Reply::error(&error));
    }
    if matches!(request.verb, Verb::Watch | Verb::DeleteCollection) {
        return Reply::error(&StatusError::method_not_allowed());
    }
    let (mut record, mut uid) = (None, None);
    if request.verb.reads() {
        *state.reads.entry((request.verb, request.definition.storage.clone())).or_default() += 1;
    } else {
        record = Some(state.record_of(&request));
        uid = draw_identity(state, &mut request);
    }
    let answer = upstream.carry_out(outgoing(&request, uid));
    for change in answer.changes {
        take(state, change);
    }
    let reply = reply_of(&request.definition, answer.code, answer.body);
    if let Some(mut record) = record {
        if let Content::Json(status) = &reply.content
            && reply.code >= 300
        {
            text(status, &["reason"]).unwrap_or_default().clone_into(&mut record.reason);
        }
        state.note(record, &request.definition, request.namespace(), &reply);
    }
    reply
}

/// The uid and the name that this server would give a new object, drawn as it draws them: one seed gives one history.
fn draw_identity(state: &mut State, request: &mut ApiRequest) -> Option<String> {
    let is_new = match request.verb {
        Verb::Create => request.subresource.is_empty(),
        Verb::Patch => request.patch == Some(PatchKind::Apply) && state.read(request).is_none(),
        _ => false,
    };
    if !is_new {
        return None;
    }
    let object = request.body.clone().json().ok();
    let uid = state.identity.uid_for(&request.definition, object.as_ref().unwrap_or(&Value::Null));
    // What is no JSON goes out as it is: the API server says what is wrong with it.
    let Some(mut object) = object else { return Some(uid) };
    let prefix = meta(&object, "generateName").to_owned();
    if !prefix.is_empty() && meta(&object, "name").is_empty() {
        set(&mut object, &["metadata", "name"], state.identity.name(&prefix));
        request.body = Body::Object(object);
    }
    Some(uid)
}

fn outgoing(request: &ApiRequest, uid: Option<String>) -> UpstreamRequest {
    let definition = &request.definition;
    UpstreamRequest {
        verb: request.verb,
        patch: request.patch,
        group: definition.group.clone(),
        version: definition.version.clone(),
        plural: definition.plural.clone(),
        namespace: request.namespace.clone(),
        name: request.name.clone(),
        subresource: request.subresource.clone(),
        query: request.query.pairs().to_vec(),
        metadata_only: request.representation == Representation::Metadata,
        body: match &request.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::Object(object) => serde_json::to_vec(object).unwrap_or_default().into(),
        },
        uid,
        user: request.user.clone(),
        agent: request.user_agent.clone(),
    }
}

fn take(state: &mut State, change: UpstreamChange) {
    let (namespace, name) = (meta(&change.object, "namespace").to_owned(), meta(&change.object, "name").to_owned());
    if change.is_gone {
        state.store.delete(&change.resource, &namespace, &name);
    } else {
        state.store.put(&change.resource, change.object, Arc::new(Owners::default()));
    }
}

/// The answer; an object is told in the bytes in which it came.
fn reply_of(definition: &Arc<ResourceDefinition>, code: u16, body: Bytes) -> Reply {
    let Ok(value) = serde_json::from_slice::<Value>(&body) else {
        return Reply::new(code, Content::Text(String::from_utf8_lossy(&body).into_owned()));
    };
    if text(&value, &["kind"]) == Some(definition.kind.as_str()) {
        return Reply::object(code, Arc::new(ObjectVersion::told(value, body)), definition);
    }
    let is_whole = text(&value, &["kind"]) == Some("Status");
    Reply::new(code, if is_whole { Content::Json(value) } else { Content::Bytes(body) })
}

/// A request of a controller that is part of the server here, and of none there. Says whether it was accepted.
fn ask(
    state: &mut State,
    verb: Verb,
    (definition, object): (&Arc<ResourceDefinition>, &ObjectVersion),
    subresource: &str,
    body: Value,
    user: &str,
) -> bool {
    let request = ApiRequest {
        verb,
        definition: definition.clone(),
        namespace: definition.namespaced.then(|| object.namespace().to_owned()),
        name: Some(object.name().to_owned()),
        subresource: subresource.to_owned(),
        query: Query::default(),
        body: Body::Object(body),
        patch: (verb == Verb::Patch).then_some(PatchKind::Merge),
        representation: Representation::Full,
        user: user.to_owned(),
        user_agent: user.to_owned(),
    };
    state.handle(request).code < 300
}

/// Deletes an object in a controller's name.
pub(super) fn delete(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    object: &ObjectVersion,
    propagation: Propagation,
    user: &str,
) -> bool {
    let policy = match propagation {
        Propagation::Orphan => "Orphan",
        Propagation::Background => "Background",
        Propagation::Foreground => "Foreground",
    };
    let options = json!({ "propagationPolicy": policy, "preconditions": { "uid": object.uid() } });
    ask(state, Verb::Delete, (definition, object), "", options, user)
}

/// Sets a list of an object's metadata in a controller's name.
pub(super) fn set_metadata(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    object: &ObjectVersion,
    field: &str,
    kept: Value,
    user: &str,
) -> bool {
    let version = text(&object.value, &["metadata", "resourceVersion"]).unwrap_or_default();
    let mut patch = json!({ "metadata": { "uid": object.uid(), "resourceVersion": version } });
    set(&mut patch, &["metadata", field], kept);
    ask(state, Verb::Patch, (definition, object), "", patch, user)
}

/// Lets a namespace go whose content is gone.
pub(super) fn finalize(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    namespace: &ObjectVersion,
    kept: Vec<String>,
    user: &str,
) -> bool {
    let mut object = namespace.value.clone();
    set(&mut object, &["spec", "finalizers"], kept);
    ask(state, Verb::Update, (definition, namespace), "finalize", object, user)
}
