//! GET of several objects: lists, page by page, and watches.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::{
    continuation::Continuation,
    definition::ResourceDefinition,
    field_error::FieldError,
    object::{remove, set},
    reply::{Content, Reply, object_bytes},
    request::{ApiRequest, Representation},
    selector::{Selector, place},
    state::State,
    status_error::{Named, StatusError},
    version::ObjectVersion,
    watch::{Watch, WatchPlan},
};

pub(super) fn selector_of(request: &ApiRequest) -> Result<Selector, StatusError> {
    let query = &request.query;
    let read = Selector::read(&request.definition, query.text("labelSelector"), query.text("fieldSelector"));
    let selector = read.map_err(StatusError::bad_request)?;
    Ok(match &request.name {
        Some(name) => selector.with_name(name),
        None => selector,
    })
}

/// The objects that a request selects, as they are.
pub(super) fn selected(state: &State, request: &ApiRequest) -> Result<Vec<Arc<ObjectVersion>>, StatusError> {
    let selector = selector_of(request)?;
    let objects = state.store.list(&request.definition.storage, request.namespace.as_deref());
    Ok(objects.filter(|object| selector.matches(&object.value)).cloned().collect())
}

/// A list as a value.
pub(super) fn list_object(definition: &ResourceDefinition, revision: u64, objects: &[Arc<ObjectVersion>]) -> Value {
    let items = objects.iter().map(|object| {
        let mut whole = object.whole();
        if let (true, Some(fields)) = (definition.built_in().is_some(), whole.as_object_mut()) {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        whole
    });
    json!({
        "kind": definition.list_kind, "apiVersion": definition.api_version(),
        "metadata": list_metadata(definition, Representation::Full, revision), "items": items.collect::<Vec<_>>(),
    })
}

/// The metadata of a list. Lists of custom kinds say also that they do not go on.
fn list_metadata(definition: &ResourceDefinition, representation: Representation, revision: u64) -> Value {
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if definition.built_in().is_none() && representation == Representation::Full {
        set(&mut metadata, &["continue"], "");
    }
    metadata
}

fn check_options(request: &ApiRequest) -> Result<(), StatusError> {
    let query = &request.query;
    let (version, matching) = (query.text("resourceVersion"), query.text("resourceVersionMatch"));
    let continues = query.given("continue").is_some();
    let mut errors = Vec::new();
    let field = "resourceVersionMatch";
    if !matching.is_empty() {
        if version.is_empty() {
            let problem = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(field, problem));
        }
        if continues {
            let problem = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(field, problem));
        }
        if !["Exact", "NotOlderThan"].contains(&matching) {
            errors.push(FieldError::not_supported(field, &json!(matching), &["Exact", "NotOlderThan", ""]));
        }
        if matching == "Exact" && version == "0" {
            let problem = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(field, problem));
        }
    }
    if query.has("sendInitialEvents") {
        errors.push(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    refuse(&errors)
}

fn refuse(errors: &[FieldError]) -> Result<(), StatusError> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(StatusError::invalid(Named { group: "meta.k8s.io", name: "ListOptions" }, "", errors))
}

/// A resourceVersion, or why it is none.
fn revision_of(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        let problem = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        FieldError::invalid("resourceVersion", &json!(text), &problem).to_string()
    })
}

/// Reads several objects.
pub(in super::super) fn list(state: &mut State, request: &ApiRequest) -> Result<Reply, StatusError> {
    check_options(request)?;
    let selector = selector_of(request)?;
    let limit = request.query.integer("limit").map_err(StatusError::bad_request)?.filter(|limit| *limit > 0);
    let version = request.query.text("resourceVersion");
    let continuation = match request.query.given("continue") {
        None => None,
        Some(token) => {
            let invalid = |problem| StatusError::bad_request(format!("invalid continue token: {problem}"));
            Some(Continuation::read(token).map_err(invalid)?)
        }
    };
    if continuation.is_some() && !version.is_empty() && version != "0" {
        return Err(StatusError::bad_request("specifying resource version is not allowed when using continue"));
    }
    let revision = revision_to_serve(state, request, continuation.as_ref())?;
    let objects = state.snapshot(&request.definition.storage, request.namespace.as_deref(), revision);
    let chosen = objects.into_iter().filter(|object| {
        let told = continuation.as_ref().is_some_and(|continuation| {
            place(&object.value) <= (continuation.after.0.as_str(), continuation.after.1.as_str())
        });
        !told && selector.matches(&object.value)
    });
    let mut chosen: Vec<Arc<ObjectVersion>> = chosen.collect();
    let mut metadata = list_metadata(&request.definition, request.representation, revision);
    // A list of any version comes whole, whatever its limit.
    let limit = limit.filter(|_| version != "0").and_then(|limit| usize::try_from(limit).ok());
    if let Some(limit) = limit.filter(|limit| *limit < chosen.len()) {
        let left = chosen.len() - limit;
        chosen.truncate(limit);
        if let Some(last) = chosen.last() {
            let after = (last.namespace().to_owned(), last.name().to_owned());
            set(&mut metadata, &["continue"], Continuation { revision, after }.write());
        }
        if selector.is_everything() {
            set(&mut metadata, &["remainingItemCount"], left);
        }
    }
    Ok(Reply::new(200, Content::Pieces(write_list(request, &metadata, &chosen, !selector.is_everything()))))
}

/// The revision at which a list is served.
fn revision_to_serve(
    state: &State,
    request: &ApiRequest,
    continuation: Option<&Continuation>,
) -> Result<u64, StatusError> {
    let current = state.store.revision();
    if let Some(continuation) = continuation {
        if continuation.revision < state.store.history.floor() {
            let mut error = StatusError::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
            );
            let resumed = Continuation { revision: current, after: continuation.after.clone() };
            error.continuation = Some(resumed.write());
            return Err(error);
        }
        return Ok(continuation.revision);
    }
    let version = request.query.text("resourceVersion");
    if version.is_empty() {
        return Ok(current);
    }
    let invalid = |problem: String| StatusError::bad_request(format!("invalid resource version: {problem}"));
    let asked = revision_of(version).map_err(invalid)?;
    if asked > current {
        return Err(StatusError::from_the_future(asked, current));
    }
    if asked == 0 {
        return Ok(state.stale_revision(&request.user).unwrap_or(current));
    }
    if request.query.text("resourceVersionMatch") == "Exact" {
        if asked < state.store.history.floor() {
            return Err(StatusError::expired("The resourceVersion for the provided list is too old."));
        }
        return Ok(asked);
    }
    Ok(current)
}

/// What a list says of itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: &'a Value,
}

/// Writes a list around the bytes of its elements, which are kept and go out as they are: whoever is told an element again can
/// tell so by its place in memory.
fn write_list(request: &ApiRequest, metadata: &Value, objects: &[Arc<ObjectVersion>], selected: bool) -> Vec<Bytes> {
    let definition = &request.definition;
    let (kind, version) = match request.representation {
        Representation::Full => (definition.list_kind.clone(), definition.api_version()),
        Representation::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
    };
    let mut head = serde_json::to_vec(&Head { api_version: &version, kind: &kind, metadata }).unwrap_or_default();
    // What the list holds comes before its closing brace.
    head.pop();
    // Where a selector leaves nothing of a built-in kind, or of metadata, Go writes the list that was never made.
    // A list of the cache is one that was made.
    let made = request.query.given("resourceVersion").is_some();
    let in_go = definition.built_in().is_some() || request.representation == Representation::Metadata;
    if objects.is_empty() && selected && !made && in_go {
        head.extend_from_slice(b",\"items\":null}");
        return vec![head.into()];
    }
    let item = |object: &Arc<ObjectVersion>| -> Bytes {
        let same_version = super::super::object::text(&object.value, &["apiVersion"]) == Some(version.as_str());
        match request.representation {
            Representation::Full if definition.built_in().is_some() && same_version => object.item_json(),
            Representation::Full if definition.built_in().is_some() => {
                let mut item = super::super::conversion::to_version(object.whole(), definition);
                remove(&mut item, &["apiVersion"]);
                remove(&mut item, &["kind"]);
                item.to_string().into()
            }
            representation => object_bytes(object, definition, representation),
        }
    };
    head.extend_from_slice(b",\"items\":[");
    let mut pieces = Vec::with_capacity(2 + 2 * objects.len());
    pieces.push(head.into());
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            pieces.push(Bytes::from_static(b","));
        }
        pieces.push(item(object));
    }
    pieces.push(Bytes::from_static(b"]}"));
    pieces
}

/// Follows changes.
pub(in super::super) fn watch(state: &mut State, request: &ApiRequest) -> Result<Reply, StatusError> {
    let query = &request.query;
    let initial = query.flag("sendInitialEvents");
    let matching = query.text("resourceVersionMatch");
    let mut errors = Vec::new();
    let field = "resourceVersionMatch";
    if initial.is_some() && matching != "NotOlderThan" {
        let problem = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(FieldError::forbidden(field, problem));
    }
    if !matching.is_empty() && initial.is_none() {
        let problem = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        errors.push(FieldError::forbidden(field, problem));
    }
    if !matching.is_empty() && matching != "NotOlderThan" {
        errors.push(FieldError::not_supported(field, &json!(matching), &["NotOlderThan"]));
    }
    refuse(&errors)?;
    let selector = selector_of(request)?;
    let version = query.text("resourceVersion");
    let unreadable = |problem: String| StatusError::internal_without_reason(&problem);
    let asked = if version.is_empty() { 0 } else { revision_of(version).map_err(unreadable)? };
    let seconds = query.integer("timeoutSeconds").map_err(StatusError::bad_request)?.filter(|seconds| *seconds > 0);
    let plan = WatchPlan {
        definition: request.definition.clone(),
        namespace: request.namespace.clone(),
        selector,
        representation: request.representation,
        user: request.user.clone(),
        from: asked,
        // Without a version a watch begins with what there is.
        sends_initial: initial.unwrap_or(asked == 0),
        marks_end_of_initial: initial == Some(true),
        bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
        until: seconds
            .and_then(|seconds| state.clock.now().saturating_add(jiff::SignedDuration::from_secs(seconds)).ok()),
    };
    Ok(Reply::new(200, Content::Watch(Box::new(Watch::begun(plan, state)))))
}
