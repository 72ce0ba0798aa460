//! The server's state, and what every verb needs of it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde_json::Value;

use super::{
    admission::{AdmissionHook, AdmissionReview, Refusal, check_decision, check_deletion, check_namespace},
    definition::{BuiltIn, ResourceDefinition},
    field_error::FieldError,
    identity::IdentitySource,
    ownership::Owners,
    registry::Registry,
    reply::{Content, Reply},
    request::{ApiRequest, DeleteOptions, Verb},
    settings::{LogSource, Settings},
    status_error::StatusError,
    store::Store,
    upstream::{self, Upstream},
    verbs,
    version::ObjectVersion,
    watch_control::WatchControl,
    write_log::WriteRecord,
};
use crate::cluster::clock::Clock;

/// The definitions' own resource.
const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Everything that the server knows.
#[derive(Clone)]
pub(super) struct State {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) registry: Registry,
    pub(super) store: Store,
    pub(super) identity: IdentitySource,
    pub(super) settings: Settings,
    /// Where requests are carried out instead.
    pub(super) upstream: Option<Arc<dyn Upstream>>,
    pub(super) hooks: Vec<Arc<dyn AdmissionHook>>,
    pub(super) log_source: Option<Arc<dyn LogSource>>,
    pub(super) writes: Vec<WriteRecord>,
    pub(super) reads: BTreeMap<(Verb, Arc<str>), u64>,
    pub(super) watch_control: WatchControl,
    /// Users whose reads of any version are served from an earlier revision.
    pub(super) stale: BTreeMap<String, u64>,
}

/// An instant as objects have it: with whole seconds.
pub(super) fn written(instant: Timestamp) -> String {
    DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&instant)
}

impl State {
    pub(super) fn now_text(&self) -> String {
        written(self.clock.now())
    }

    /// Carries a request out, and notes it.
    pub(super) fn handle(&mut self, request: ApiRequest) -> Reply {
        if let Some(upstream) = self.upstream.clone() {
            return upstream::handle(self, request, &*upstream);
        }
        if request.verb.reads() {
            *self.reads.entry((request.verb, request.definition.storage.clone())).or_default() += 1;
            let result = match request.verb {
                Verb::Get => verbs::get(self, &request),
                Verb::List => verbs::list(self, &request),
                _ => verbs::watch(self, &request),
            };
            return result.unwrap_or_else(|error| answer(&error));
        }
        let mut record = self.record_of(&request);
        let definition = request.definition.clone();
        let namespace = request.namespace().to_owned();
        let result = match request.verb {
            Verb::Create => verbs::create(self, request),
            Verb::Update => verbs::replace(self, request),
            Verb::Patch => verbs::patch(self, request),
            Verb::Delete => verbs::delete(self, &request),
            _ => verbs::delete_collection(self, &request),
        };
        let reply = result.unwrap_or_else(|error| {
            error.reason.clone_into(&mut record.reason);
            answer(&error)
        });
        self.note(record, &definition, &namespace, &reply);
        reply
    }

    /// Notes what came of a write.
    pub(super) fn note(
        &mut self,
        mut record: WriteRecord,
        definition: &ResourceDefinition,
        namespace: &str,
        reply: &Reply,
    ) {
        if let Content::Object(object, _) = &reply.content {
            object.name().clone_into(&mut record.name);
        }
        record.code = reply.code;
        let after = self.store.get(&definition.storage, namespace, &record.name);
        record.revision_after = after.map(|object| object.revision);
        record.sequence = self.writes.len() as u64;
        self.writes.push(record);
    }

    /// A write as it is asked for.
    pub(super) fn record_of(&self, request: &ApiRequest) -> WriteRecord {
        let definition = &request.definition;
        let before = self.store.get(&definition.storage, request.namespace(), request.name());
        let deletes = matches!(request.verb, Verb::Delete | Verb::DeleteCollection);
        let manager = request.query.given("fieldManager").unwrap_or(&request.user_agent);
        WriteRecord {
            sequence: 0,
            at: self.clock.now(),
            user: request.user.clone(),
            field_manager: if deletes { String::new() } else { manager.to_owned() },
            verb: request.verb,
            patch: request.patch,
            group: definition.group.clone(),
            resource: definition.plural.clone(),
            namespace: request.namespace().to_owned(),
            name: request.name().to_owned(),
            subresource: request.subresource.clone(),
            dry_run: if deletes {
                DeleteOptions::read(request).is_ok_and(|options| options.dry_run)
            } else {
                request.dry_run()
            },
            code: 0,
            reason: String::new(),
            revision_before: before.map(|object| object.revision),
            revision_after: None,
        }
    }

    /// Notes a step of the garbage collector or of a namespace's end.
    pub(super) fn note_step(
        &mut self,
        definition: &ResourceDefinition,
        object: &ObjectVersion,
        user: &str,
        error: Option<&StatusError>,
    ) {
        let after = self.store.get(&definition.storage, object.namespace(), object.name());
        let record = WriteRecord {
            sequence: self.writes.len() as u64,
            at: self.clock.now(),
            user: user.to_owned(),
            field_manager: String::new(),
            verb: if after.is_some() { Verb::Patch } else { Verb::Delete },
            patch: None,
            group: definition.group.clone(),
            resource: definition.plural.clone(),
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
            subresource: String::new(),
            dry_run: false,
            code: error.map_or(200, |error| error.code),
            reason: error.map_or_else(String::new, |error| error.reason.to_owned()),
            revision_before: Some(object.revision),
            revision_after: after.map(|object| object.revision),
        };
        self.writes.push(record);
    }

    /// The object that a request names, as its user sees it.
    pub(super) fn read(&self, request: &ApiRequest) -> Option<Arc<ObjectVersion>> {
        let resource = &request.definition.storage;
        if let Some(revision) = self.stale_revision(&request.user)
            && request.query.text("resourceVersion") == "0"
        {
            let then = self.snapshot(resource, request.namespace.as_deref(), revision);
            return then.into_iter().find(|object| object.name() == request.name());
        }
        self.store.get(resource, request.namespace(), request.name()).cloned()
    }

    /// The revision from which reads of any version are served to a user who talks to a server that lags behind.
    pub(super) fn stale_revision(&self, user: &str) -> Option<u64> {
        self.stale.get(user).copied().map(|revision| revision.min(self.store.revision()))
    }

    /// The objects of a resource as they were at a revision.
    pub(super) fn snapshot(&self, resource: &str, namespace: Option<&str>, revision: u64) -> Vec<Arc<ObjectVersion>> {
        if revision >= self.store.revision() {
            return self.store.list(resource, namespace).cloned().collect();
        }
        let mut then: BTreeMap<(String, String), Arc<ObjectVersion>> = BTreeMap::new();
        let key = |object: &ObjectVersion| (object.namespace().to_owned(), object.name().to_owned());
        for object in self.store.list(resource, namespace) {
            then.insert(key(object), object.clone());
        }
        let later: Vec<_> = self.store.history.after(revision).filter(|change| &*change.resource == resource).collect();
        for change in later.into_iter().rev() {
            if namespace.is_some_and(|namespace| namespace != change.object.namespace()) {
                continue;
            }
            match &change.before {
                Some(before) => drop(then.insert(key(before), before.clone())),
                None => drop(then.remove(&key(&change.object))),
            }
        }
        then.into_values().collect()
    }

    /// Stores a version of an object. A definition is served from then on.
    pub(super) fn put(
        &mut self,
        definition: &ResourceDefinition,
        object: Value,
        owners: Arc<Owners>,
    ) -> Arc<ObjectVersion> {
        let stored = self.store.put(&definition.storage, object, owners);
        if &*definition.storage == DEFINITIONS {
            self.registry.install(&stored.value, stored.revision);
        }
        stored
    }

    /// Takes an object out of the store. A definition takes its objects with it.
    pub(super) fn delete(
        &mut self,
        definition: &ResourceDefinition,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<ObjectVersion>> {
        let gone = self.store.delete(&definition.storage, namespace, name)?;
        if &*definition.storage == DEFINITIONS {
            let resource: Arc<str> = name.into();
            let objects: Vec<_> = self.store.list(&resource, None).cloned().collect();
            for object in objects {
                self.store.delete(&resource, object.namespace(), object.name());
            }
            self.registry.uninstall(&gone.value);
        }
        Some(gone)
    }

    /// What the hooks find wrong with fields.
    pub(super) fn ask_hooks(&self, review: &AdmissionReview<'_>) -> Result<Vec<FieldError>, StatusError> {
        let mut errors = Vec::new();
        for hook in &self.hooks {
            match hook.review(review) {
                Ok(()) => {}
                Err(Refusal::Fields(found)) => errors.extend(found),
                Err(Refusal::Status(status)) => return Err(*status),
            }
        }
        Ok(errors)
    }

    /// Adds what the hooks find wrong with fields to what the kind itself found. Rules of a custom kind are evaluated beside
    /// such errors as leave its form intact; after others it is said that they were not.
    ///
    /// # Errors
    /// A hook's refusal of the request as a whole, where the fields are good.
    pub(super) fn check_rules(
        &self,
        review: &AdmissionReview<'_>,
        definition: &ResourceDefinition,
        errors: &mut Vec<FieldError>,
    ) -> Result<(), StatusError> {
        let is_custom = definition.built_in().is_none();
        if let Some(unchecked) = FieldError::rules_unchecked(errors).filter(|_| is_custom) {
            errors.push(unchecked);
            return Ok(());
        }
        if !errors.is_empty() && !is_custom {
            return Ok(());
        }
        match self.ask_hooks(review) {
            Ok(found) => errors.extend(found),
            Err(refusal) if errors.is_empty() => return Err(refusal),
            Err(_) => {}
        }
        Ok(())
    }

    /// Asks the policies that may refuse a request.
    pub(super) fn admit(&self, review: &AdmissionReview<'_>) -> Result<(), StatusError> {
        if self.settings.enforces_promotion_decisions {
            check_decision(review)?;
        }
        if self.settings.enforces_escalation_deletion {
            check_deletion(review)?;
        }
        Ok(())
    }

    pub(super) fn check_namespace(
        &self,
        definition: &ResourceDefinition,
        namespace: &str,
        name: &str,
    ) -> Result<(), StatusError> {
        check_namespace(&self.store, definition, namespace, name, true)
    }

    pub(super) fn check_deletable(&self, definition: &ResourceDefinition, name: &str) -> Result<(), StatusError> {
        check_namespace(&self.store, definition, "", name, false)
    }

    /// The log of a container.
    pub(super) fn log_of(&self, request: &ApiRequest) -> Result<Reply, StatusError> {
        let definition = &request.definition;
        let pod = self.store.get(&definition.storage, request.namespace(), request.name());
        let pod = pod.filter(|_| definition.is(BuiltIn::Pod));
        let pod = pod.ok_or_else(|| StatusError::not_found(definition.resource(), request.name()))?;
        let Some(source) = &self.log_source else { return Ok(Reply::new(200, Content::Text(String::new()))) };
        let tail = request.query.integer("tailLines").map_err(StatusError::bad_request)?;
        let tail = tail.and_then(|lines| usize::try_from(lines).ok());
        let previous = request.query.flag("previous").unwrap_or(false);
        let limit = request.query.integer("limitBytes").map_err(StatusError::bad_request)?;
        let log = source.log(&pod.value, request.query.text("container"), previous)?;
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        let skipped = tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        let mut told: String = lines.into_iter().skip(skipped).collect();
        if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) {
            let end = (0..=limit.min(told.len())).rev().find(|end| told.is_char_boundary(*end));
            told.truncate(end.unwrap_or(0));
        }
        Ok(Reply::new(200, Content::Text(told)))
    }
}

fn answer(error: &StatusError) -> Reply {
    match (error.code, error.reason) {
        (404, "") => Reply::new(404, Content::Text(format!("{}\n", error.message))),
        _ => Reply::error(error),
    }
}
