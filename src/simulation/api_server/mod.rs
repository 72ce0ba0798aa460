//! An API server in memory that answers as kube-apiserver 1.34 does, behind `kube::Client` and beside it.
//!
//! **What lives here**: storage with one history, the verbs of the Kubernetes API with their rules and errors, watches,
//! admission, garbage collection as a step, and faults that tests ask for. What differs knowingly from the real server is
//! told in `docs/simulated-api-server.md`.
//!
//! **What must not**: controllers, a scheduler, a kubelet; the wall clock; anything that is random and not seeded.
#![allow(clippy::needless_pass_by_value, reason = "every verb takes its request whole, so that all have one shape")]
#![allow(
    clippy::unnecessary_wraps,
    reason = "every step of a request may refuse, and has the same shape as those that do"
)]
#![allow(clippy::match_same_arms, reason = "an arm per kind of value reads as the table that it is")]
#![allow(clippy::nonminimal_bool, reason = "the conditions are written as the API conventions state them")]
#![allow(clippy::format_push_string, reason = "paths of fields are short, and built only where something is refused")]

mod admission;
mod body;
mod builtin;
mod continuation;
mod conversion;
mod custom;
mod definition;
mod direct;
mod discovery;
mod doubtful;
mod field_error;
mod fork;
mod garbage;
mod history;
mod identity;
mod intercept;
mod kinds;
mod namespace_end;
mod object;
mod ownership;
mod packing;
mod patching;
mod read_scope;
mod registry;
mod reply;
mod request;
mod schema;
mod selector;
mod service;
mod settings;
mod state;
mod status_error;
mod store;
mod upstream;
mod verbs;
mod version;
mod watch;
mod watch_control;
mod write_log;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::json;

pub use admission::{AdmissionHook, AdmissionOperation, AdmissionReview, Refusal};
pub use direct::Actor;
pub use field_error::FieldError;
pub use history::{Change, ChangeKind};
pub use identity::IdentityRule;
pub use intercept::{Gate, RequestDescription, RequestInterceptor, Verdict};
pub use read_scope::ReadScope;
pub use request::{PatchKind, Verb};
pub(super) use selector::selects;
pub use service::{ConnectionBroken, UserService};
pub use settings::{LogSource, Settings};
pub use status_error::StatusError;
pub use upstream::{KeptResource, Upstream, UpstreamAnswer, UpstreamChange, UpstreamRequest, kept_resources};
pub use version::ObjectVersion;
pub use write_log::WriteRecord;

use self::{identity::IdentitySource, registry::Registry, state::State, store::Store, watch_control::WatchControl};
use crate::cluster::clock::Clock;

/// The name under which the server itself acts.
const SYSTEM: &str = "system:apiserver";

/// An API server. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    interceptor: Mutex<Option<Arc<dyn RequestInterceptor>>>,
    arrived: Mutex<u64>,
}

impl ApiServer {
    /// A server with the namespaces and definitions of the settings, and nothing else.
    pub fn new(clock: Arc<dyn Clock>, mut settings: Settings) -> Self {
        // From here on the store has them.
        let definitions = std::mem::take(&mut settings.definitions);
        let state = State {
            clock,
            registry: Registry::new(),
            store: Store::new(),
            identity: IdentitySource::new(settings.seed, settings.identities),
            hooks: Vec::new(),
            log_source: None,
            writes: Vec::new(),
            reads: BTreeMap::new(),
            watch_control: WatchControl::default(),
            stale: BTreeMap::new(),
            settings: settings.clone(),
            upstream: None,
        };
        let shared = Shared { state: Mutex::new(state), interceptor: Mutex::new(None), arrived: Mutex::new(0) };
        let server = Self { shared: Arc::new(shared) };
        let system = server.actor(SYSTEM);
        for name in &settings.namespaces {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            // A name that is none makes no namespace; whoever uses it learns that.
            drop(system.create(&namespace));
        }
        for definition in &definitions {
            drop(system.create(definition));
        }
        server.with_state(|state| state.writes.clear());
        server
    }

    /// A server of these settings that has every request carried out by another one, and keeps what follows as its
    /// history, which begins with this namespace. It generates the names that it would generate by itself.
    ///
    /// # Errors
    /// The other server's refusal of the namespace.
    pub fn before(
        clock: Arc<dyn Clock>,
        settings: Settings,
        namespace: &str,
        upstream: Arc<dyn Upstream>,
    ) -> Result<Self, StatusError> {
        let server = Self::new(clock, settings);
        let identity = server.with_state(|state| {
            state.upstream = Some(upstream);
            state.store = Store::mirror();
            state.identity.clone()
        });
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        server.actor(SYSTEM).create(&namespace)?;
        server.with_state(|state| {
            state.identity = identity;
            state.writes.clear();
        });
        Ok(server)
    }

    /// Why the server behind this one can carry out no more; absent while it can, and where there is none.
    pub fn failure(&self) -> Option<String> {
        self.with_state(|state| state.upstream.as_ref().and_then(|upstream| upstream.failure()))
    }

    /// A connection to the server as this user: what `kube::Client::new` takes. A request may name another user in
    /// `Impersonate-User`.
    pub fn service_for(&self, user: &str) -> UserService {
        UserService::new(self.clone(), user)
    }

    /// Access without HTTP as this user, with the same rules.
    pub fn actor(&self, user: &str) -> Actor {
        Actor::new(self.clone(), user)
    }

    /// Does something to the state, and wakes the watches that it concerns.
    fn with_state<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let (result, woken) = {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            let before = state.store.revision();
            let result = act(&mut state);
            let changed = state.store.history.resources_after(before);
            let woken = if changed.is_empty() { Vec::new() } else { state.watch_control.take(&changed) };
            (result, woken)
        };
        woken.into_iter().for_each(std::task::Waker::wake);
        result
    }

    /// Does something to the state, and wakes every watch.
    fn with_watches<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let (result, woken) = {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = act(&mut state);
            (result, state.watch_control.take_all())
        };
        woken.into_iter().for_each(std::task::Waker::wake);
        result
    }

    /// Adds a rule that every write is held against.
    pub fn add_admission_hook(&self, hook: impl AdmissionHook + 'static) {
        self.with_state(|state| state.hooks.push(Arc::new(hook)));
    }

    /// Says where `pods/log` comes from.
    pub fn set_log_source(&self, source: impl LogSource + 'static) {
        self.with_state(|state| state.log_source = Some(Arc::new(source)));
    }

    /// Decides about requests from now on; `None` lets everything through.
    pub fn set_interceptor(&self, interceptor: Option<Arc<dyn RequestInterceptor>>) {
        *self.shared.interceptor.lock().unwrap_or_else(PoisonError::into_inner) = interceptor;
    }

    /// Who decides about requests, so that somebody else can listen before it.
    pub fn interceptor(&self) -> Option<Arc<dyn RequestInterceptor>> {
        self.shared.interceptor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Switches the policy of `manifests/policies/promotion-decision.yaml` on or off.
    pub fn enforce_promotion_decisions(&self, enforced: bool) {
        self.with_state(|state| state.settings.enforces_promotion_decisions = enforced);
    }

    /// Switches the policy of `manifests/policies/escalation-deletion.yaml` on or off.
    pub fn enforce_escalation_deletion(&self, enforced: bool) {
        self.with_state(|state| state.settings.enforces_escalation_deletion = enforced);
    }

    /// The resourceVersion of the last change.
    pub fn revision(&self) -> u64 {
        self.with_state(|state| state.store.revision())
    }

    /// Shows every change after a revision, in order, and says where the history stands.
    pub fn follow(&self, revision: u64, mut see: impl FnMut(&Change)) -> u64 {
        self.with_state(|state| {
            state.store.history.after(revision).for_each(|change| see(&change));
            state.store.revision()
        })
    }

    /// Every change after a revision, in order.
    pub fn changes_after(&self, revision: u64) -> Vec<Change> {
        self.with_state(|state| state.store.history.after(revision).collect())
    }

    /// Every version that an object had, oldest first, as far as the history is kept.
    pub fn versions_of(&self, resource: &str, namespace: &str, name: &str) -> Vec<Change> {
        self.with_state(|state| state.store.history.of(resource, namespace, name).collect())
    }

    /// Every object as it is, with its resource, ordered by resource, namespace and name.
    pub fn objects(&self) -> Vec<(Arc<str>, Arc<ObjectVersion>)> {
        self.with_state(|state| {
            state.store.all().map(|(resource, object)| (resource.clone(), object.clone())).collect()
        })
    }

    /// The writes so far, refused ones included, in order.
    pub fn writes(&self) -> Vec<WriteRecord> {
        self.with_state(|state| state.writes.clone())
    }

    /// Who wrote a revision; `None` where nobody asked for it, as with what is collected.
    pub fn writer_of(&self, revision: u64) -> Option<String> {
        self.with_state(|state| {
            let newest_first = state.writes.iter().rev();
            let mut not_older =
                newest_first.take_while(|write| write.revision_after.is_none_or(|after| after >= revision));
            not_older.find(|write| write.revision_after == Some(revision)).map(|write| write.user.clone())
        })
    }

    /// How many writes there were: what to skip to see later ones only.
    pub fn write_count(&self) -> usize {
        self.with_state(|state| state.writes.len())
    }

    /// How many reads of each kind there were, by verb and resource.
    pub fn reads(&self) -> BTreeMap<(Verb, Arc<str>), u64> {
        self.with_state(|state| state.reads.clone())
    }

    /// Refuses watches and lists from before `revision` with 410, as after a compaction of etcd.
    pub fn compact(&self, revision: u64) {
        self.with_state(|state| state.store.history.compact(revision));
    }

    /// Forgets changes up to `revision`, to save memory: a compaction that also ends watches that are still there.
    pub fn forget_history(&self, revision: u64) {
        self.with_watches(|state| state.store.history.forget(revision));
    }

    /// Lets time pass for watches: those whose `timeoutSeconds` are over end.
    pub fn tick(&self) {
        self.with_watches(|_| ());
    }

    /// Sends a bookmark to every watch that wants them and has seen something that did not concern it.
    pub fn send_bookmarks(&self) {
        self.with_watches(|state| state.watch_control.bookmarks += 1);
    }

    /// Sends nothing to the watches of a user any more, until they are released.
    pub fn hold_watches(&self, user: &str) {
        self.with_watches(|state| state.watch_control.hold(user));
    }

    /// Sends the watches of a user what was held back.
    pub fn release_watches(&self, user: &str) {
        self.with_watches(|state| state.watch_control.release(user));
    }

    /// Ends the watches of a user, or of everyone, as a server does that is restarted.
    pub fn end_watches(&self, user: Option<&str>) {
        self.with_watches(|state| state.watch_control.end(user));
    }

    /// Serves a user's reads of any version (`resourceVersion=0`) as they were at a revision: a server that lags behind.
    /// `None` serves them as they are.
    pub fn serve_stale_reads(&self, user: &str, revision: Option<u64>) {
        self.with_state(|state| match revision {
            Some(revision) => drop(state.stale.insert(user.to_owned(), revision)),
            None => drop(state.stale.remove(user)),
        });
    }

    /// One pass of the garbage collector; says how many objects it changed or took away. Call it until it says 0.
    pub fn collect_garbage(&self) -> usize {
        self.with_state(garbage::collect)
    }

    /// One pass over namespaces that are going: their content is deleted, and they go when it is gone. Says how many
    /// objects it changed or took away.
    pub fn finish_namespaces(&self) -> usize {
        self.with_state(namespace_end::finish)
    }
}

#[cfg(test)]
mod tests;
