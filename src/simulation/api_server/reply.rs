//! What the server answers.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    definition::ResourceDefinition,
    object::{set, text},
    request::Representation,
    status_error::StatusError,
    version::ObjectVersion,
    watch::WatchPlan,
};

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) content: Content,
    /// Texts of `Warning` headers.
    pub(super) warnings: Vec<String>,
}

/// The content of an answer.
#[derive(Debug)]
pub(super) enum Content {
    /// An object in the version in which it is asked for.
    Object(Arc<ObjectVersion>, Arc<ResourceDefinition>),
    Json(Value),
    Bytes(Bytes),
    Text(String),
    Watch(Box<WatchPlan>),
}

impl Reply {
    pub(super) fn new(code: u16, content: Content) -> Self {
        Self { code, content, warnings: Vec::new() }
    }

    pub(super) fn object(code: u16, object: Arc<ObjectVersion>, definition: &Arc<ResourceDefinition>) -> Self {
        Self::new(code, Content::Object(object, definition.clone()))
    }

    pub(super) fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }

    pub(super) fn error(error: &StatusError) -> Self {
        Self::new(error.code, Content::Json(error.body()))
    }

    /// The content as bytes; none for a watch.
    pub(super) fn bytes(&self, representation: Representation) -> Bytes {
        match &self.content {
            Content::Object(object, definition) => object_bytes(object, definition, representation),
            Content::Json(value) => serde_json::to_vec(value).unwrap_or_default().into(),
            Content::Bytes(bytes) => bytes.clone(),
            Content::Text(text) => text.clone().into(),
            Content::Watch(_) => Bytes::new(),
        }
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.content {
            Content::Text(_) => "text/plain; charset=utf-8",
            _ => "application/json",
        }
    }
}

/// An object in the form that is asked for, in the version of the definition.
pub(super) fn object_bytes(
    object: &ObjectVersion,
    definition: &ResourceDefinition,
    representation: Representation,
) -> Bytes {
    match representation {
        Representation::Metadata => serde_json::to_vec(&partial(object)).unwrap_or_default().into(),
        Representation::Full if text(&object.value, &["apiVersion"]) == Some(definition.api_version().as_str()) => {
            object.json()
        }
        Representation::Full => {
            let converted = super::conversion::to_version(object.whole(), definition);
            serde_json::to_vec(&converted).unwrap_or_default().into()
        }
    }
}

/// The metadata of an object as an object of its own.
pub(super) fn partial(object: &ObjectVersion) -> Value {
    let mut partial = json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1" });
    let mut metadata = json!({ "metadata": object.value.get("metadata") });
    object.owners.write_into(&mut metadata);
    set(&mut partial, &["metadata"], metadata.get("metadata").cloned().unwrap_or_default());
    partial
}
