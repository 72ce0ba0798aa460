//! What a read is about: whether a change could have changed its answer.

use std::sync::Arc;

use super::{
    history::Change,
    request::{ApiRequest, Verb},
    selector::Selector,
};

/// What a read is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadScope {
    resource: Arc<str>,
    /// Absent: of all namespaces.
    namespace: Option<String>,
    choice: Choice,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    Name(String),
    Selector(Selector),
}

impl ReadScope {
    /// The scope of a request that changes nothing; absent where its answer rests on more than objects, as with logs, and
    /// for writes.
    pub(super) fn of(request: &ApiRequest) -> Option<Self> {
        let tries = request.verb == Verb::Patch && request.dry_run();
        if !(request.verb.reads() || tries) || request.subresource == "log" {
            return None;
        }
        let choice = if let Some(name) = &request.name {
            Choice::Name(name.clone())
        } else {
            let (labels, fields) = (request.query.text("labelSelector"), request.query.text("fieldSelector"));
            Choice::Selector(Selector::read(&request.definition, labels, fields).ok()?)
        };
        let (resource, namespace) = (request.definition.storage.clone(), request.namespace.clone());
        Some(Self { resource, namespace, choice })
    }

    /// The scope of reading one object.
    #[cfg(test)]
    pub(crate) fn of_object(resource: &str, namespace: &str, name: &str) -> Self {
        let (resource, namespace) = (resource.into(), Some(namespace.to_owned()));
        Self { resource, namespace, choice: Choice::Name(name.to_owned()) }
    }

    /// Whether the answer may be another one after the change.
    pub fn is_changed_by(&self, change: &Change) -> bool {
        let object = &change.object;
        if change.resource != self.resource
            || self.namespace.as_deref().is_some_and(|namespace| namespace != object.namespace())
        {
            return false;
        }
        match &self.choice {
            Choice::Name(name) => name == object.name(),
            Choice::Selector(selector) => {
                selector.matches(&object.value)
                    || change.before.as_ref().is_some_and(|before| selector.matches(&before.value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::simulation::api_server::{
        definition::ResourceDefinition,
        history::ChangeKind,
        registry::Registry,
        request::{Body, Query, Representation},
        version::ObjectVersion,
    };

    fn pods() -> Arc<ResourceDefinition> {
        Registry::new().of_kind("v1", "Pod").unwrap().clone()
    }

    fn scope(verb: Verb, name: Option<&str>, query: &[(&str, &str)], subresource: &str) -> Option<ReadScope> {
        ReadScope::of(&ApiRequest {
            verb,
            definition: pods(),
            namespace: Some("chat".to_owned()),
            name: name.map(str::to_owned),
            subresource: subresource.to_owned(),
            query: Query::of(query),
            body: Body::Object(Value::Null),
            patch: None,
            representation: Representation::Full,
            user: String::new(),
            user_agent: String::new(),
        })
    }

    fn change(resource: &str, namespace: &str, name: &str, labels: [Option<&str>; 2]) -> Change {
        let [before, after] = labels.map(|app| {
            let metadata = json!({ "namespace": namespace, "name": name, "labels": { "app": app } });
            Arc::new(ObjectVersion::new(json!({ "metadata": metadata }), 7, Arc::default()))
        });
        Change {
            revision: 7,
            kind: ChangeKind::Modified,
            resource: resource.into(),
            object: after,
            before: Some(before),
        }
    }

    #[test]
    fn an_object_is_read_anew_after_its_own_changes_only() {
        let read = scope(Verb::Get, Some("a"), &[], "").unwrap();
        assert!(read.is_changed_by(&change("pods", "chat", "a", [None, None])));
        for other in [("pods", "chat", "b"), ("pods", "mail", "a"), ("configmaps", "chat", "a")] {
            assert!(!read.is_changed_by(&change(other.0, other.1, other.2, [None, None])), "{other:?}");
        }
    }

    #[test]
    fn a_list_is_another_one_where_an_object_is_or_was_selected() {
        let read = scope(Verb::List, None, &[("labelSelector", "app=x")], "").unwrap();
        for (labels, changes) in [
            ([Some("x"), Some("x")], true),
            ([Some("x"), Some("y")], true),
            ([Some("y"), Some("x")], true),
            ([Some("y"), None], false),
        ] {
            assert_eq!(read.is_changed_by(&change("pods", "chat", "a", labels)), changes, "{labels:?}");
        }
    }

    #[test]
    fn a_write_and_a_log_have_no_scope_and_a_trial_has() {
        assert_eq!(scope(Verb::Get, Some("a"), &[], "log"), None);
        assert_eq!(scope(Verb::Patch, Some("a"), &[], ""), None);
        assert!(scope(Verb::Patch, Some("a"), &[("dryRun", "All")], "").is_some());
        assert_eq!(scope(Verb::List, None, &[("labelSelector", "=")], ""), None, "it is refused");
    }
}
