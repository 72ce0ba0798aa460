//! The resources that are served at the moment.

use std::sync::Arc;

use serde_json::Value;

use super::{builtin, custom, definition::ResourceDefinition, object::text};

/// The resources that are served: the built-in ones first, then the custom ones in the order in which they came.
#[derive(Debug, Clone)]
pub(super) struct Registry(Vec<Arc<ResourceDefinition>>);

impl Registry {
    pub(super) fn new() -> Self {
        Self(builtin::definitions().into_iter().map(Arc::new).collect())
    }

    /// The resource that a URL names.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<ResourceDefinition>> {
        let fits = |definition: &&Arc<ResourceDefinition>| {
            definition.plural == plural && definition.group == group && definition.version == version
        };
        self.0.iter().find(fits)
    }

    /// Whether built-in kinds are served in a version of a group.
    pub(super) fn serves_built_in(&self, group: &str, version: &str) -> bool {
        let fits = |definition: &Arc<ResourceDefinition>| definition.group == group && definition.version == version;
        self.0.iter().any(|definition| definition.built_in().is_some() && fits(definition))
    }

    /// The resource of a kind, in the version that is asked for.
    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<ResourceDefinition>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.0
            .iter()
            .find(|definition| definition.kind == kind && definition.group == group && definition.version == version)
    }

    /// The resource as which objects are stored.
    pub(super) fn stored_as(&self, storage: &str) -> Option<&Arc<ResourceDefinition>> {
        self.0.iter().find(|definition| &*definition.storage == storage)
    }

    pub(super) fn all(&self) -> &[Arc<ResourceDefinition>] {
        &self.0
    }

    /// Serves what a CustomResourceDefinition of this revision defines, in place of what it defined before.
    pub(super) fn install(&mut self, crd: &Value, revision: u64) {
        let storage = custom::storage_of(crd);
        let before = storage.as_deref().and_then(|storage| self.stored_as(storage)).map(|before| before.since);
        self.uninstall(crd);
        self.0.extend(custom::definitions_of(crd, before.unwrap_or(revision), revision).into_iter().map(Arc::new));
    }

    /// Serves no more what a CustomResourceDefinition defines.
    pub(super) fn uninstall(&mut self, crd: &Value) {
        let (group, plural) = (text(crd, &["spec", "group"]), text(crd, &["spec", "names", "plural"]));
        self.0.retain(|definition| {
            definition.built_in().is_some()
                || group != Some(definition.group.as_str())
                || plural != Some(definition.plural.as_str())
        });
    }
}
