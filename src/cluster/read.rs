//! Reading, live: no decision rests on a cache.

use std::fmt::Debug;

use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, ObjectList, Patch, PatchParams},
    core::{ApiResource, DynamicObject, NamespaceResourceScope},
};
use phaseloop_core::plan::label::FIELD_MANAGER;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cluster, ClusterError, ClusterErrorKind};

/// Objects on one page. The API server splits a long list, and each page has its own time.
const PAGE_OBJECTS_MAX: u32 = 500;

/// What a kind must be to be read by the operator.
pub trait Readable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + Sync
{
}

impl<K> Readable for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + Sync
{
}

/// The reading half of a connection: all that an `observe` step gets.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    cluster: &'a Cluster,
}

/// A list, with the names of objects that are not of the form that their kind has: one malformed object must not hide
/// all others.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<K> {
    /// What could be read, in the order of the API server: by name.
    pub items: Vec<K>,
    /// Names of what could not.
    pub malformed: Vec<String>,
}

impl Cluster {
    /// Its reading half.
    pub const fn reader(&self) -> Reader<'_> {
        Reader { cluster: self }
    }
}

impl Reader<'_> {
    /// One object; `None` where there is none of that name.
    ///
    /// # Errors
    /// [`ClusterError`] where it could not be read, or is malformed.
    pub async fn get<K: Readable>(&self, namespace: &str, name: &str) -> Result<Option<K>, ClusterError> {
        let api: Api<K> = Api::namespaced(self.cluster.client.clone(), namespace);
        let what = describe::<K>(namespace, name);
        self.cluster.call("read", &what, self.cluster.timeouts.single, api.get_opt(name)).await
    }

    /// The objects of a namespace that carry the labels, in Kubernetes' selector syntax; an empty selector takes all.
    ///
    /// # Errors
    /// [`ClusterError`] where the list could not be read.
    pub async fn list<K: Readable>(&self, namespace: &str, selector: &str) -> Result<Listed<K>, ClusterError> {
        let mut listed = Listed { items: Vec::new(), malformed: Vec::new() };
        let mut parameters = ListParams::default().labels(selector).limit(PAGE_OBJECTS_MAX);
        loop {
            let (page, next) = self.page::<K>(namespace, &parameters).await?;
            listed.items.extend(page.items);
            listed.malformed.extend(page.malformed);
            match next.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(listed),
            }
        }
    }

    /// Asks what would come of a merge patch, and changes nothing: a dry run. It tells whether a rule is in force.
    ///
    /// # Errors
    /// [`ClusterError`] where the patch would be refused, or was not answered.
    pub async fn try_patch<K: Readable>(&self, namespace: &str, name: &str, patch: &Value) -> Result<(), ClusterError> {
        let api: Api<K> = Api::namespaced(self.cluster.client.clone(), namespace);
        let what = describe::<K>(namespace, name);
        let parameters =
            PatchParams { dry_run: true, field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        let call = api.patch(name, &parameters, &patch);
        self.cluster.call("try a patch of", &what, self.cluster.timeouts.single, call).await.map(drop)
    }

    async fn page<K: Readable>(
        &self,
        namespace: &str,
        parameters: &ListParams,
    ) -> Result<(Listed<K>, Option<String>), ClusterError> {
        let api: Api<K> = Api::namespaced(self.cluster.client.clone(), namespace);
        let what = format!("{}s of {namespace}", K::kind(&()));
        match self.cluster.call("list", &what, self.cluster.timeouts.list, api.list(parameters)).await {
            Ok(ObjectList { metadata, items, .. }) => Ok((Listed { items, malformed: Vec::new() }, metadata.continue_)),
            Err(error) if error.kind == ClusterErrorKind::Malformed => self.page_by_object(namespace, parameters).await,
            Err(error) => Err(error),
        }
    }

    /// The same page, each object read by itself.
    async fn page_by_object<K: Readable>(
        &self,
        namespace: &str,
        parameters: &ListParams,
    ) -> Result<(Listed<K>, Option<String>), ClusterError> {
        let resource = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.cluster.client.clone(), namespace, &resource);
        let what = format!("{}s of {namespace}", K::kind(&()));
        let page = self.cluster.call("list", &what, self.cluster.timeouts.list, api.list(parameters)).await?;
        let mut listed = Listed { items: Vec::new(), malformed: Vec::new() };
        for object in page.items {
            let name = object.name_any();
            match object.try_parse::<K>() {
                Ok(object) => listed.items.push(object),
                Err(_not_of_its_kind) => listed.malformed.push(name),
            }
        }
        Ok((listed, page.metadata.continue_))
    }
}

/// An object as messages name it: `Pod chat/llama-8b`.
pub(super) fn describe<K: Resource<DynamicType = ()>>(namespace: &str, name: &str) -> String {
    format!("{} {namespace}/{name}", K::kind(&()))
}
