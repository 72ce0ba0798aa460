//! Access without HTTP: how the simulated kubelet, scheduler and controllers act, each under its own name.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    ApiServer,
    definition::ResourceDefinition,
    object::{meta, text},
    reply::{Content, Reply},
    request::{ApiRequest, Body, PatchKind, Query, Representation, Verb},
    status_error::StatusError,
    version::ObjectVersion,
};

/// A user of the server who needs no client. The same rules hold for what it does, and it is noted in the same log.
///
/// Resources are named by kind, as in `("apps/v1", "Deployment")`, or taken from the object.
#[derive(Clone)]
pub struct Actor {
    server: ApiServer,
    user: String,
}

impl Actor {
    pub(super) fn new(server: ApiServer, user: &str) -> Self {
        Self { server, user: user.to_owned() }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// 404 where there is none, or no such kind.
    pub fn get(&self, kind: (&str, &str), namespace: &str, name: &str) -> Result<Arc<ObjectVersion>, StatusError> {
        let definition = self.definition(kind)?;
        let found = self.server.with_state(|state| state.store.get(&definition.storage, namespace, name).cloned());
        found.ok_or_else(|| StatusError::not_found(definition.resource(), name))
    }

    /// Reads the objects of a kind, of one namespace or of all, by namespace and name. An unknown kind has none.
    pub fn list(&self, kind: (&str, &str), namespace: Option<&str>) -> Vec<Arc<ObjectVersion>> {
        let Ok(definition) = self.definition(kind) else { return Vec::new() };
        self.server.with_state(|state| state.store.list(&definition.storage, namespace).cloned().collect())
    }

    /// Makes an object.
    ///
    /// # Errors
    /// What the server answers.
    pub fn create<T: Serialize>(&self, object: &T) -> Result<Arc<ObjectVersion>, StatusError> {
        self.write(Verb::Create, object, "", &[])
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// What the server answers.
    pub fn update<T: Serialize>(&self, object: &T) -> Result<Arc<ObjectVersion>, StatusError> {
        self.write(Verb::Update, object, "", &[])
    }

    /// Replaces the status of an object.
    ///
    /// # Errors
    /// What the server answers.
    pub fn update_status<T: Serialize>(&self, object: &T) -> Result<Arc<ObjectVersion>, StatusError> {
        self.write(Verb::Update, object, "status", &[])
    }

    /// Merges a patch into an object, or into its status where `subresource` is `status`.
    ///
    /// # Errors
    /// What the server answers.
    pub fn merge(
        &self,
        kind: (&str, &str),
        namespace: &str,
        name: &str,
        subresource: &str,
        patch: Value,
    ) -> Result<Arc<ObjectVersion>, StatusError> {
        let definition = self.definition(kind)?;
        let mut request = self.request(Verb::Patch, definition, namespace, Some(name), Body::Object(patch), &[]);
        request.patch = Some(PatchKind::Merge);
        subresource.clone_into(&mut request.subresource);
        self.object_of(request)
    }

    /// Applies an object, taking fields from whoever owns them.
    ///
    /// # Errors
    /// What the server answers.
    pub fn apply<T: Serialize>(&self, object: &T) -> Result<Arc<ObjectVersion>, StatusError> {
        let query = [("fieldManager", self.user.as_str()), ("force", "true")];
        self.write(Verb::Patch, object, "", &query)
    }

    /// Deletes an object; `grace_period_seconds` as in `DeleteOptions`.
    ///
    /// # Errors
    /// What the server answers.
    pub fn delete(
        &self,
        kind: (&str, &str),
        namespace: &str,
        name: &str,
        grace_period_seconds: Option<i64>,
    ) -> Result<(), StatusError> {
        let definition = self.definition(kind)?;
        let options = match grace_period_seconds {
            Some(seconds) => serde_json::json!({ "gracePeriodSeconds": seconds }),
            None => serde_json::json!({}),
        };
        let request = self.request(Verb::Delete, definition, namespace, Some(name), Body::Object(options), &[]);
        self.reply(request).map(drop)
    }

    /// Gives a pod a node.
    ///
    /// # Errors
    /// What the server answers: 409 where the pod has one.
    pub fn bind(&self, namespace: &str, pod: &str, node: &str) -> Result<(), StatusError> {
        let definition = self.definition(("v1", "Pod"))?;
        let binding = serde_json::json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod, "namespace": namespace },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let mut request = self.request(Verb::Create, definition, namespace, Some(pod), Body::Object(binding), &[]);
        "binding".clone_into(&mut request.subresource);
        self.reply(request).map(drop)
    }

    fn definition(&self, (api_version, kind): (&str, &str)) -> Result<Arc<ResourceDefinition>, StatusError> {
        let found = self.server.with_state(|state| state.registry.of_kind(api_version, kind).cloned());
        found.ok_or_else(StatusError::page_not_found)
    }

    fn request(
        &self,
        verb: Verb,
        definition: Arc<ResourceDefinition>,
        namespace: &str,
        name: Option<&str>,
        body: Body,
        query: &[(&str, &str)],
    ) -> ApiRequest {
        ApiRequest {
            verb,
            namespace: definition.namespaced.then(|| namespace.to_owned()),
            definition,
            name: name.map(str::to_owned),
            subresource: String::new(),
            query: Query::of(query),
            body,
            patch: None,
            representation: Representation::Full,
            user: self.user.clone(),
            user_agent: self.user.clone(),
        }
    }

    fn write<T: Serialize>(
        &self,
        verb: Verb,
        object: &T,
        subresource: &str,
        query: &[(&str, &str)],
    ) -> Result<Arc<ObjectVersion>, StatusError> {
        let object = serde_json::to_value(object).map_err(|error| StatusError::bad_request(error.to_string()))?;
        let kind = |field: &str| text(&object, &[field]).unwrap_or_default().to_owned();
        let definition = self.definition((&kind("apiVersion"), &kind("kind")))?;
        let (namespace, name) = (meta(&object, "namespace").to_owned(), meta(&object, "name").to_owned());
        let named = (verb != Verb::Create).then_some(name.as_str());
        let mut request = self.request(verb, definition, &namespace, named, Body::Object(object), query);
        subresource.clone_into(&mut request.subresource);
        request.patch = (verb == Verb::Patch).then_some(PatchKind::Apply);
        self.object_of(request)
    }

    fn reply(&self, request: ApiRequest) -> Result<Reply, StatusError> {
        let reply = self.server.with_state(|state| state.handle(request));
        if reply.code < 300 {
            return Ok(reply);
        }
        Err(error_of(&reply))
    }

    fn object_of(&self, request: ApiRequest) -> Result<Arc<ObjectVersion>, StatusError> {
        match self.reply(request)?.content {
            Content::Object(object, _) => Ok(object),
            _ => Err(StatusError::internal("the answer is no object")),
        }
    }
}

/// The refusal that an answer holds.
fn error_of(reply: &Reply) -> StatusError {
    match &reply.content {
        Content::Json(body) => StatusError::read(body),
        _ => StatusError::page_not_found(),
    }
}

impl ObjectVersion {
    /// The object as a type of the Kubernetes API.
    ///
    /// # Errors
    /// Where the object has not the form of the type.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.value)
    }
}
