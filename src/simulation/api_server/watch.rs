//! The stream of a watch: it reads the history from where it stands, and waits where the history ends.

use std::{collections::VecDeque, sync::Arc, task::Waker};

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use serde_json::json;

use super::{
    builtin::type_name,
    definition::ResourceDefinition,
    history::{Change, ChangeKind},
    object::set,
    reply::object_bytes,
    request::Representation,
    schema::empty_object,
    selector::Selector,
    state::State,
    status_error::StatusError,
    version::ObjectVersion,
};

/// What a watch is about.
#[derive(Debug, Clone)]
pub(super) struct WatchPlan {
    pub(super) definition: Arc<ResourceDefinition>,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    pub(super) representation: Representation,
    pub(super) user: String,
    /// The revision after which it begins; 0 for any.
    pub(super) from: u64,
    /// Whether it begins with what there is.
    pub(super) sends_initial: bool,
    /// Whether a bookmark says where what there was ends.
    pub(super) marks_end_of_initial: bool,
    pub(super) bookmarks: bool,
    /// When it ends by itself.
    pub(super) until: Option<Timestamp>,
}

/// A watch that runs.
#[derive(Debug)]
pub(super) struct Watch {
    plan: WatchPlan,
    /// The last revision that it has seen.
    seen: u64,
    /// The revision of the last thing that it sent.
    told: u64,
    ready: VecDeque<Bytes>,
    ended: bool,
    /// How many times bookmarks had been sent when it last looked.
    bookmarks_seen: u64,
    /// How often watches of its user had been ended when it began.
    ends_seen: u64,
}

/// What a watch has next.
pub(super) enum Next {
    Event(Bytes),
    Nothing,
    End,
}

impl Watch {
    /// A watch that begins where the server stands now, whenever it is read.
    pub(super) fn begun(plan: WatchPlan, state: &State) -> Self {
        let mut watch = Self {
            seen: plan.from,
            told: plan.from,
            ready: VecDeque::new(),
            ended: false,
            bookmarks_seen: state.watch_control.bookmarks,
            ends_seen: state.watch_control.ends_of(&plan.user),
            plan,
        };
        watch.begin(state);
        watch
    }

    /// The next event. Where there is none, the waker is kept until there may be one.
    pub(super) fn next(&mut self, state: &mut State, waker: &Waker) -> Next {
        if state.watch_control.ends_of(&self.plan.user) > self.ends_seen {
            return Next::End;
        }
        if state.watch_control.holds(&self.plan.user) {
            state.watch_control.wait(&self.plan.definition.storage, waker);
            return Next::Nothing;
        }
        if let Some(event) = self.ready.pop_front() {
            return Next::Event(event);
        }
        if self.ended {
            return Next::End;
        }
        if let Some(event) = self.advance(state) {
            return Next::Event(event);
        }
        if self.plan.until.is_some_and(|until| until <= state.clock.now()) {
            return Next::End;
        }
        if state.watch_control.bookmarks > self.bookmarks_seen {
            self.bookmarks_seen = state.watch_control.bookmarks;
            if self.plan.bookmarks && self.seen > self.told {
                self.told = self.seen;
                return Next::Event(self.bookmark(false));
            }
        }
        state.watch_control.wait(&self.plan.definition.storage, waker);
        Next::Nothing
    }

    fn begin(&mut self, state: &State) {
        let current = state.store.revision();
        // Of a custom kind nothing is known from before its definition.
        let floor = state.store.history.floor().max(self.plan.definition.since);
        if self.plan.from > 0 && !self.plan.sends_initial && self.plan.from < floor {
            let told = format!("too old resource version: {} ({floor})", self.plan.from);
            return self.fail(&StatusError::expired(told));
        }
        if self.plan.from > current {
            return self.fail(&StatusError::from_the_future(self.plan.from, current));
        }
        let start = if self.plan.sends_initial || self.plan.from == 0 {
            state.stale_revision(&self.plan.user).filter(|_| self.plan.from == 0).unwrap_or(current)
        } else {
            self.plan.from
        };
        (self.seen, self.told) = (start, start);
        if !self.plan.sends_initial {
            return;
        }
        let objects = state.snapshot(&self.plan.definition.storage, self.plan.namespace.as_deref(), start);
        for object in objects.iter().filter(|object| self.plan.selector.matches(&object.value)) {
            let event = self.event("ADDED", object);
            self.ready.push_back(event);
        }
        if self.plan.marks_end_of_initial && self.plan.bookmarks {
            let event = self.bookmark(true);
            self.ready.push_back(event);
        }
    }

    fn fail(&mut self, error: &StatusError) {
        self.ready.push_back(line("ERROR", error.body().to_string().as_bytes()));
        self.ended = true;
    }

    /// Goes on in the history to the next change that concerns the watch.
    fn advance(&mut self, state: &State) -> Option<Bytes> {
        if self.seen < state.store.history.forgotten() {
            let told = format!("too old resource version: {} ({})", self.seen, state.store.history.floor());
            self.ended = true;
            return Some(line("ERROR", StatusError::expired(told).body().to_string().as_bytes()));
        }
        let mut found = None;
        for change in state.store.history.after(self.seen) {
            self.seen = change.revision;
            found = self.event_of(&change);
            if found.is_some() {
                self.told = self.seen;
                break;
            }
        }
        found
    }

    fn event_of(&self, change: &Change) -> Option<Bytes> {
        let plan = &self.plan;
        if change.resource != plan.definition.storage {
            return None;
        }
        if plan.namespace.as_deref().is_some_and(|namespace| namespace != change.object.namespace()) {
            return None;
        }
        let now = change.kind != ChangeKind::Deleted && plan.selector.matches(&change.object.value);
        let before = change.before.as_ref().is_some_and(|before| plan.selector.matches(&before.value));
        match (before, now) {
            (true, true) => Some(self.event("MODIFIED", &change.object)),
            (false, true) => Some(self.event("ADDED", &change.object)),
            (true, false) if change.kind == ChangeKind::Deleted => Some(self.event("DELETED", &change.object)),
            (true, false) => {
                // It is told as it was when it was last meant, at the revision at which it ceased to be.
                let before = change.before.as_ref()?;
                let mut value = before.value.clone();
                set(&mut value, &["metadata", "resourceVersion"], change.revision.to_string());
                let last = ObjectVersion::new(value, change.revision, before.owners.clone());
                Some(self.event("DELETED", &last))
            }
            (false, false) => None,
        }
    }

    fn event(&self, kind: &str, object: &ObjectVersion) -> Bytes {
        line(kind, &object_bytes(object, &self.plan.definition, self.plan.representation))
    }

    fn bookmark(&self, ends_initial: bool) -> Bytes {
        let definition = &self.plan.definition;
        let name = type_name(&definition.group, &definition.version, &definition.kind);
        let mut object = match (self.plan.representation, empty_object(&name)) {
            (Representation::Full, Some(empty)) if definition.built_in().is_some() => empty.clone(),
            _ => json!({}),
        };
        let (kind, version) = match self.plan.representation {
            Representation::Full => (definition.kind.clone(), definition.api_version()),
            Representation::Metadata => ("PartialObjectMetadata".to_owned(), "meta.k8s.io/v1".to_owned()),
        };
        set(&mut object, &["kind"], kind);
        set(&mut object, &["apiVersion"], version);
        set(&mut object, &["metadata", "resourceVersion"], self.seen.to_string());
        if ends_initial {
            set(&mut object, &["metadata", "annotations"], json!({ "k8s.io/initial-events-end": "true" }));
        }
        line("BOOKMARK", object.to_string().as_bytes())
    }
}

/// One line of the stream.
fn line(kind: &str, object: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(object.len() + 40);
    line.put_slice(b"{\"type\":\"");
    line.put_slice(kind.as_bytes());
    line.put_slice(b"\",\"object\":");
    line.put_slice(object);
    line.put_slice(b"}\n");
    line.freeze()
}
