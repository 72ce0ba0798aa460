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
    watch::Watch,
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
    /// One after the other.
    Pieces(Vec<Bytes>),
    Text(String),
    Watch(Box<Watch>),
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

    pub(super) fn content_type(&self) -> &'static str {
        match self.content {
            Content::Text(_) => "text/plain; charset=utf-8",
            _ => "application/json",
        }
    }
}

impl Content {
    /// The content as bytes; none for a watch.
    pub(super) fn into_pieces(self, representation: Representation) -> Vec<Bytes> {
        match self {
            Self::Object(object, definition) => vec![object_bytes(&object, &definition, representation)],
            Self::Json(value) => vec![serde_json::to_vec(&value).unwrap_or_default().into()],
            Self::Bytes(bytes) => vec![bytes],
            Self::Pieces(pieces) => pieces,
            Self::Text(text) => vec![text.into()],
            Self::Watch(_) => Vec::new(),
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
        Representation::Full if text(&object.value, &["apiVersion"]).is_some_and(|own| definition.is_in(own)) => {
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
