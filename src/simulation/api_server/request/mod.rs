//! A request as the server understands it.
//!
//! **What lives here**: paths, query parameters and headers, turned into a verb on a resource.
//!
//! **What must not**: what the request does.

mod options;
mod path;
mod query;
mod representation;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

pub(super) use options::{DeleteOptions, FieldValidation, Propagation, WriteOptions};
pub(super) use path::{Place, place_of};
pub(super) use query::Query;
pub(super) use representation::Representation;

use super::definition::ResourceDefinition;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read several.
    List,
    /// Follow changes.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object.
    Patch,
    /// Take an object away.
    Delete,
    /// Take several away.
    DeleteCollection,
}

impl Verb {
    /// The verb as authorization names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// Whether the verb changes nothing.
    pub fn reads(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// How the body of a patch changes an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own merge, with lists merged by key.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl PatchKind {
    /// The patch kind of a content type.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        Some(match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Self::Json,
            "application/merge-patch+json" => Self::Merge,
            "application/strategic-merge-patch+json" => Self::Strategic,
            "application/apply-patch+yaml" => Self::Apply,
            _ => return None,
        })
    }
}

/// The content of a request.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Bytes(Bytes),
    Object(Value),
}

impl Body {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }

    /// The content as JSON.
    ///
    /// # Errors
    /// What is wrong with it, as text.
    pub(super) fn json(self) -> Result<Value, String> {
        match self {
            Self::Object(value) => Ok(value),
            Self::Bytes(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        }
    }

    /// The content as JSON or YAML.
    ///
    /// # Errors
    /// What is wrong with it, as text.
    pub(super) fn yaml(self) -> Result<Value, String> {
        match self {
            Self::Object(value) => Ok(value),
            Self::Bytes(bytes) => serde_json::from_slice(&bytes).or_else(|_| {
                let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
                let documents = crate::yaml::read_documents("", text).map_err(|faults| faults.to_string())?;
                let mut documents = documents.into_iter();
                documents.next().map(|document| document.value).ok_or_else(|| "no document".to_owned())
            }),
        }
    }
}

/// A verb on a resource, with all that comes with it.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest {
    pub(super) verb: Verb,
    pub(super) definition: Arc<ResourceDefinition>,
    /// The namespace; `None` for objects of the whole cluster, and for lists over all namespaces.
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: String,
    pub(super) query: Query,
    pub(super) body: Body,
    pub(super) patch: Option<PatchKind>,
    pub(super) representation: Representation,
    pub(super) user: String,
    /// The first word of the client's own name: the owner of fields where no other is given.
    pub(super) user_agent: String,
}

impl ApiRequest {
    /// The namespace, empty where there is none.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// Whether nothing is to change.
    pub(super) fn dry_run(&self) -> bool {
        self.query.given("dryRun").is_some()
    }

    /// The content, which is read once.
    pub(super) fn take_body(&mut self) -> Body {
        std::mem::replace(&mut self.body, Body::Bytes(Bytes::new()))
    }

    /// The name, empty where there is none.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}
