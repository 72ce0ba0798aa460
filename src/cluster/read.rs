//! Reading, live: no decision rests on a cache, but for what a pod that is gone has said last.

use std::{fmt::Debug, sync::Arc, time::Duration};

use bytes::Bytes;
use k8s_openapi::{
    api::core::v1::{Namespace, Pod},
    apimachinery::pkg::apis::meta::v1::ListMeta,
};
use kube::{
    Api, Resource,
    api::{GetParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::{NamespaceResourceScope, Request, request::Error as RequestError},
};
use phaseloop_core::plan::label::{FIELD_MANAGER, GROUP};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{Cluster, ClusterError, ClusterErrorKind, answer::AnswerBody};
use crate::api::OfTarget;

/// Objects on one page. The API server splits a long list, and each page has its own time.
const PAGE_OBJECTS_MAX: u32 = 500;

/// What stands between a page's own fields and its elements.
const ELEMENTS: &str = ",\"items\":";

/// What stands before the managers of an object.
const OWNERS: &str = "\"managedFields\":";

/// How the API server says that a definition has no such selectable field.
const UNKNOWN_FIELD: &str = "field label not supported";

/// What a kind must be to be read by the operator.
pub trait Readable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + Sync + 'static
{
}

impl<K> Readable for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// The reading half of a connection: all that an `observe` step gets.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    cluster: &'a Cluster,
    namespace_ends: bool,
}

/// A list, with the names of objects that are not of the form that their kind has: one malformed object must not hide
/// all others.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<K> {
    /// What could be read, in the order of the API server: by name. What was read before is the same object.
    pub items: Vec<Arc<K>>,
    /// Names of what could not.
    pub malformed: Vec<String>,
}

impl<K> Listed<K> {
    /// What the elements of a list are: objects, or names of what is none.
    fn of(elements: impl IntoIterator<Item = Result<Arc<K>, String>>) -> Self {
        let mut listed = Self { items: Vec::new(), malformed: Vec::new() };
        for element in elements {
            match element {
                Ok(object) => listed.items.push(object),
                Err(name) => listed.malformed.push(name),
            }
        }
        listed
    }
}

impl<K: Clone> Listed<K> {
    /// A copy of each of its objects.
    pub fn into_owned(self) -> Vec<K> {
        self.items.into_iter().map(Arc::unwrap_or_clone).collect()
    }
}

impl Cluster {
    /// Its reading half.
    pub const fn reader(&self) -> Reader<'_> {
        Reader { cluster: self, namespace_ends: false }
    }
}

impl Reader<'_> {
    /// The same in a namespace that is being deleted: what may not be read there is taken for gone. The rights that a
    /// namespace holds go with it, in any order.
    #[must_use]
    pub const fn in_ending_namespace(self) -> Self {
        Self { cluster: self.cluster, namespace_ends: true }
    }

    /// Whether what may not be read is taken for gone.
    pub const fn namespace_ends(&self) -> bool {
        self.namespace_ends
    }

    /// Whether a namespace is being deleted, which nobody can take back.
    ///
    /// # Errors
    /// [`ClusterError`] where it could not be read.
    pub async fn is_ending(&self, namespace: &str) -> Result<bool, ClusterError> {
        let api: Api<Namespace> = Api::all(self.cluster.client.clone());
        let what = format!("Namespace {namespace}");
        let there = self.cluster.call("read", &what, self.cluster.timeouts.single, api.get_opt(namespace)).await?;
        Ok(there.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some()))
    }

    /// Whether the definition of an object's kind is being deleted. Definitions may be read by those who look after the whole
    /// cluster; but of such a kind the API server makes nothing any more. So this is a dry run of making what is there already:
    /// the answer is that the name is taken, or that the definition ends. Any other answer says nothing, and is a no.
    pub async fn is_definition_ending<K: Readable + Serialize>(&self, namespace: &str, object: &K) -> bool {
        let api: Api<K> = Api::namespaced(self.cluster.client.clone(), namespace);
        let what = describe::<K>(namespace, object.meta().name.as_deref().unwrap_or_default());
        let mut same = object.clone();
        *same.meta_mut() = ObjectMeta { name: object.meta().name.clone(), ..ObjectMeta::default() };
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let made = api.create(&parameters, &same);
        let answer = self.cluster.call("try to make", &what, self.cluster.timeouts.single, made).await;
        answer.is_err_and(|error| error.is_definition_ending())
    }

    /// Whether a failed read says that there is nothing.
    fn tells_absence(&self, error: &ClusterError) -> bool {
        error.kind == ClusterErrorKind::NotFound || (self.namespace_ends && error.kind == ClusterErrorKind::Forbidden)
    }

    /// One object; `None` where there is none of that name.
    ///
    /// # Errors
    /// [`ClusterError`] where it could not be read, or is malformed.
    pub async fn get<K: Readable>(&self, namespace: &str, name: &str) -> Result<Option<K>, ClusterError> {
        let what = describe::<K>(namespace, name);
        let request = Request::new(K::url_path(&(), Some(namespace))).get(name, &GetParams::default());
        match self.text("read", &what, self.cluster.timeouts.single, request).await {
            Ok(text) => {
                let object = self.cluster.parsed.read(&text, object_of::<K>);
                let malformed = |error| ClusterError::of_call("read", &what, kube::Error::SerdeError(error));
                object.map(|object| Some(K::clone(&object))).map_err(malformed)
            }
            Err(error) if self.tells_absence(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How a pod was at its end that is gone; `None` where nobody saw it. It is the one thing that is read from what a watch
    /// told: the API server itself has forgotten it.
    pub async fn last_words(&self, uid: &str) -> Option<Arc<Pod>> {
        self.cluster.last_words.of(uid).await
    }

    /// The objects of a namespace that carry the labels, in Kubernetes' selector syntax; an empty selector takes all.
    ///
    /// # Errors
    /// [`ClusterError`] where the list could not be read.
    pub async fn list<K: Readable>(&self, namespace: &str, selector: &str) -> Result<Listed<K>, ClusterError> {
        self.list_in(Some(namespace), selector).await
    }

    /// The objects of a namespace that are about a target of this name, of whichever kind it is. The API server chooses them:
    /// with hundreds of targets in a namespace, reading what concerns the others would be most of the work of a look.
    ///
    /// # Errors
    /// [`ClusterError`] where the list could not be read.
    pub async fn list_of_target<K: Readable + OfTarget>(
        &self,
        namespace: &str,
        target: &str,
    ) -> Result<Listed<K>, ClusterError> {
        let choice = ListParams::default().fields(&format!("{}={target}", K::TARGET_NAME));
        let mut listed = self.list_chosen(Some(namespace), choice).await;
        if let Err(error) = &mut listed
            && error.chain().contains(UNKNOWN_FIELD)
        {
            error.what += " by their target, as their CustomResourceDefinition is older than this version; remedy: phaseloop crds | \
                           kubectl apply --server-side -f -";
        }
        listed
    }

    /// The objects that carry the labels, of one namespace or of all of them.
    ///
    /// # Errors
    /// [`ClusterError`] where the list could not be read.
    pub async fn list_in<K: Readable>(
        &self,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Listed<K>, ClusterError> {
        self.list_chosen(namespace, ListParams::default().labels(selector)).await
    }

    async fn list_chosen<K: Readable>(
        &self,
        namespace: Option<&str>,
        choice: ListParams,
    ) -> Result<Listed<K>, ClusterError> {
        let mut listed = Listed { items: Vec::new(), malformed: Vec::new() };
        let mut parameters = choice.limit(PAGE_OBJECTS_MAX);
        loop {
            let (page, next) = match self.page::<K>(namespace, &parameters).await {
                Err(error) if self.tells_absence(&error) => return Ok(listed),
                answer => answer?,
            };
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

    /// One page of a list. An object that is not of its kind's form is told by its name.
    async fn page<K: Readable>(
        &self,
        namespace: Option<&str>,
        parameters: &ListParams,
    ) -> Result<(Listed<K>, Option<String>), ClusterError> {
        let what = format!("{}s of {}", K::kind(&()), namespace.unwrap_or("all namespaces"));
        let request = Request::new(K::url_path(&(), namespace)).list(parameters);
        let question = request.as_ref().map(|request| request.uri().to_string()).unwrap_or_default();
        let body = self.body("list", &what, self.cluster.timeouts.list, request).await?;
        if let Some((metadata, listed)) = self.page_in_pieces(&question, body.pieces()) {
            return Ok((listed, metadata.continue_));
        }
        let text = body.into_text().map_err(|error| ClusterError::of_call("list", &what, error))?;
        if let Some((metadata, listed)) = self.known_page(&question, &text) {
            return Ok((listed, metadata.continue_));
        }
        let malformed = |error| ClusterError::of_call("list", &what, kube::Error::SerdeError(error));
        let page: Page<'_> = serde_json::from_str(&text).map_err(malformed)?;
        let elements = page.items.unwrap_or_default().into_iter().map(|element| self.element(element.get()));
        Ok((Listed::of(elements), page.metadata.continue_))
    }

    /// A page of which each element came as a piece of its own, as the simulated API server sends lists.
    fn page_in_pieces<K: Readable>(self, question: &str, pieces: &[Bytes]) -> Option<(ListMeta, Listed<K>)> {
        let [head, elements @ .., end] = pieces else { return None };
        let head = std::str::from_utf8(head).ok()?.strip_suffix('[')?.strip_suffix(ELEMENTS)?;
        if **end != *b"]}" {
            return None;
        }
        let head = format!("{head}}}");
        let head: Page<'_> = serde_json::from_str(&head).ok()?;
        let elements = self.cluster.pages.read_pieces(question, elements, |element| self.element(element))?;
        Some((head.metadata, Listed::of(elements)))
    }

    /// A page of which only the elements come after its own metadata, as the API server writes most lists: most elements are
    /// those of the last time.
    fn known_page<K: Readable>(self, question: &str, text: &str) -> Option<(ListMeta, Listed<K>)> {
        let (head, elements) = text.split_once(ELEMENTS)?;
        let head = format!("{head}}}");
        let head: Page<'_> = serde_json::from_str(&head).ok()?;
        // It ends with the list and its closing brace, or it is no such page.
        let elements = elements.strip_suffix('}')?;
        let elements = self.cluster.pages.read(question, elements, |element| self.element(element)).ok()?;
        Some((head.metadata, Listed::of(elements)))
    }

    /// An element of a list as an object, or the name of what is none.
    fn element<K: Readable>(self, element: &str) -> Result<Arc<K>, String> {
        self.cluster.parsed.read(element, of_list::<K>).map_err(|_not_of_its_kind| name_in(element))
    }

    /// The text of an answer.
    pub(super) async fn text(
        &self,
        action: &'static str,
        what: &str,
        timeout: Duration,
        request: Result<http::Request<Vec<u8>>, RequestError>,
    ) -> Result<String, ClusterError> {
        let body = self.body(action, what, timeout, request).await?;
        body.into_text().map_err(|error| ClusterError::of_call(action, what, error))
    }

    async fn body(
        &self,
        action: &'static str,
        what: &str,
        timeout: Duration,
        request: Result<http::Request<Vec<u8>>, RequestError>,
    ) -> Result<AnswerBody, ClusterError> {
        let request = request.map_err(kube::Error::BuildRequest);
        let call = async { AnswerBody::of(&self.cluster.client, request?).await };
        self.cluster.call(action, what, timeout, call).await
    }
}

/// A list as the API server answers it, its objects as they came.
#[derive(Deserialize)]
struct Page<'a> {
    metadata: ListMeta,
    /// Absent where the API server answers `null`: its way to say that a list of a built-in kind is empty.
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// An object that was read by itself. What managers wrote it matters of targets, and of nothing of ours.
pub(super) fn object_of<K: Readable>(text: &str) -> Result<K, serde_json::Error> {
    if K::group(&()) == GROUP { of_list(text) } else { serde_json::from_str(text) }
}

/// An object of a list. What managers wrote it is left out: only a target's matters, and that is read by itself.
fn of_list<K: Readable>(text: &str) -> Result<K, serde_json::Error> {
    let mut object: K = match without_owners(text) {
        Some(shorter) => serde_json::from_str(&shorter)?,
        None => serde_json::from_str(text)?,
    };
    object.meta_mut().managed_fields = None;
    Ok(object)
}

/// The text of an object without the first field that is called `managedFields`: a third of the text, and more than a third of
/// the parsing. `None` where there is none to be taken out; parsing tells then what is wrong.
fn without_owners(text: &str) -> Option<String> {
    let (before, after) = text.split_once(OWNERS).filter(|(_, after)| after.starts_with('['))?;
    let mut values = serde_json::Deserializer::from_str(after).into_iter::<&RawValue>();
    let owners = values.next()?.ok()?;
    let after = after.get(owners.get().len()..)?;
    // A quote within a text is an escaped one, so that what follows a comma or a brace is the name of a field.
    let shorter = match (before.strip_suffix(','), after.strip_prefix(',')) {
        (Some(before), _) => [before, after].concat(),
        (None, rest) if before.ends_with('{') => [before, rest.unwrap_or(after)].concat(),
        (None, _) => return None,
    };
    Some(shorter)
}

/// The name of an object of which nothing else is known.
fn name_in(text: &str) -> String {
    let object: Value = serde_json::from_str(text).unwrap_or_default();
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// An object as messages name it: `Pod chat/llama-8b`.
pub(super) fn describe<K: Resource<DynamicType = ()>>(namespace: &str, name: &str) -> String {
    format!("{} {namespace}/{name}", K::kind(&()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_managers_of_an_object_are_left_out_wherever_they_stand_and_nothing_else_is() {
        let managers = r#""managedFields":[{"fieldsV1":{"f:a":{".":{},"k:{\"name\":\"]\"}":{}}}}]"#;
        for (fields, left) in [
            (format!("{managers},\"name\":\"a\""), json!({ "name": "a" })),
            (format!("\"name\":\"a\",{managers}"), json!({ "name": "a" })),
            (format!("\"name\":\"a\",{managers},\"uid\":\"u\""), json!({ "name": "a", "uid": "u" })),
            (managers.to_owned(), json!({})),
        ] {
            let shorter = without_owners(&format!("{{\"metadata\":{{{fields}}},\"spec\":1}}")).unwrap();
            let object: Value = serde_json::from_str(&shorter).unwrap();
            assert_eq!(object, json!({ "metadata": left, "spec": 1 }), "{fields}");
        }
    }

    #[tokio::test]
    async fn a_definition_that_is_too_old_to_select_by_target_is_named_with_its_remedy() {
        let refuse = |_request| async {
            let message = "field label not supported: spec.targetRef.name";
            let status = json!({ "kind": "Status", "status": "Failure", "code": 400, "reason": "BadRequest", "message": message });
            let answer =
                http::Response::builder().status(400).body(kube::client::Body::from(status.to_string().into_bytes()));
            answer.map_err(tower::BoxError::from)
        };
        let client = kube::Client::new(tower::service_fn(refuse), "chat");
        let cluster = Cluster::new(client, crate::cluster::CallTimeouts::default());
        let listed = cluster.reader().list_of_target::<crate::api::PhaseRun>("chat", "llama").await;
        let told = listed.unwrap_err().chain();
        assert!(
            told.contains("PhaseRuns of chat by their target, as their CustomResourceDefinition is older"),
            "{told}"
        );
        assert!(told.contains("remedy: phaseloop crds | kubectl apply --server-side -f -"), "{told}");
    }

    #[test]
    fn a_text_that_only_speaks_of_managers_stays_as_it_is() {
        for object in [
            json!({ "metadata": { "annotations": { "last": "{\"managedFields\":[1]}" } } }),
            json!({ "metadata": { "annotations": { "a,\"managedFields": [1] } } }),
            json!({ "metadata": { "managedFields": null } }),
            json!({}),
        ] {
            assert_eq!(without_owners(&object.to_string()), None, "{object}");
        }
        assert_eq!(without_owners("{\"managedFields\":[1"), None, "it is no object");
    }
}
