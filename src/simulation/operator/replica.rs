//! One replica of the operator: its queue, what it has been told of, and the look that it is in the middle of.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::plan::{OwnKind, Wake};
use serde_json::Value;

use super::{
    idle::{Rest, Rests},
    item::WorkItem,
    leadership::LeadershipSwitch,
    look::look,
    request_gate::RequestGate,
};
use crate::{
    cluster::{CallTimeouts, Clock, Cluster, execute::AuditExport},
    controllers::{
        Backoff, Context, Leadership as _, ObjectKey, OperatorSettings, ReconcileError, Subject, Woken, WorkQueue,
        wake::ChangedObject, woken_by,
    },
    simulation::{
        api_server::{ApiServer, Change, ChangeKind},
        chance::Chance,
        field::At as _,
    },
};

/// Turns that the client's own task gets to send a request on. It needs four; what has not come after these waits for time
/// to pass.
const TURNS_MAX: u32 = 64;

/// After how long a replica that missed something lists everything again: a watch ends by itself after less than five
/// minutes, and what was missed is seen then.
const WATCH_TIMEOUT: SignedDuration = SignedDuration::from_secs(290);

/// What a replica is made of.
#[derive(Clone)]
pub struct ReplicaParts {
    /// The API server.
    pub server: ApiServer,
    /// Where its requests wait.
    pub gate: Arc<RequestGate>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where its audit records go.
    pub export: Arc<dyn AuditExport>,
    /// What it is told at its start.
    pub settings: Arc<OperatorSettings>,
}

/// How changes reach a replica.
#[derive(Debug, Clone)]
pub struct NoticeTerms {
    /// Longest delay of a notice; each draws its own.
    pub delay_max: SignedDuration,
    /// How many of a hundred notices are lost until the watch ends and everything is listed again.
    pub lost_percent: u64,
    /// What delays and losses are drawn from.
    pub chance: Chance,
}

/// Whether a replica works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaState {
    /// It works.
    Running,
    /// Its process is stopped, and will go on where it was.
    Paused,
    /// There is no such process.
    Down,
}

/// Where a replica is after a step.
#[derive(Debug)]
pub enum Progress {
    /// A request waits at the gate.
    AtRequest,
    /// It waits for time to pass: a call that nobody answers.
    Waiting,
    /// The look came to its end, good or bad.
    Done(WorkItem, Result<Wake, ReconcileError>),
}

/// A look that is going on.
struct InFlight {
    item: WorkItem,
    /// Where the history stood when it began.
    revision: u64,
    future: Pin<Box<dyn Future<Output = Result<Wake, ReconcileError>> + Send>>,
}

/// One replica of the operator.
pub struct Replica {
    name: String,
    user: String,
    parts: ReplicaParts,
    context: Context,
    leadership: LeadershipSwitch,
    notices: NoticeTerms,
    queue: WorkQueue<WorkItem, Timestamp>,
    backoff: Backoff<WorkItem>,
    /// What each object that it knows is about.
    known: BTreeMap<WorkItem, Subject>,
    cursor: u64,
    /// Objects whose next look would see nothing new.
    rests: Option<Rests>,
    /// When everything is listed again, because something was missed.
    relist_at: Option<Timestamp>,
    in_flight: Option<InFlight>,
    state: ReplicaState,
}

impl Replica {
    /// A replica that has just started: it has listed everything, and looks at everything.
    pub fn start(name: &str, parts: ReplicaParts, leads: bool, notices: NoticeTerms, skips_idle_looks: bool) -> Self {
        let user = format!("system:serviceaccount:phaseloop-system:{name}");
        parts.gate.admit(&user);
        let leadership = LeadershipSwitch::new(leads);
        let context = context_of(&parts, &user, &leadership);
        let mut replica = Self {
            name: name.to_owned(),
            user,
            parts,
            context,
            leadership,
            notices,
            queue: WorkQueue::default(),
            backoff: Backoff::default(),
            known: BTreeMap::new(),
            cursor: 0,
            rests: skips_idle_looks.then(Rests::default),
            relist_at: None,
            in_flight: None,
            state: ReplicaState::Running,
        };
        replica.relist();
        replica
    }

    /// A replica that goes on from where this one stands, in another world; `None` while it is in the middle of a look,
    /// which nobody can do twice.
    pub fn fork(&self, parts: ReplicaParts) -> Option<Self> {
        if self.in_flight.is_some() {
            return None;
        }
        let leadership = LeadershipSwitch::new(self.leadership.is_leader());
        Some(Self {
            name: self.name.clone(),
            user: self.user.clone(),
            context: context_of(&parts, &self.user, &leadership),
            parts,
            leadership,
            notices: self.notices.clone(),
            queue: self.queue.clone(),
            backoff: self.backoff.clone(),
            known: self.known.clone(),
            cursor: self.cursor,
            rests: self.rests.clone(),
            relist_at: self.relist_at,
            in_flight: None,
            state: self.state,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The user whose requests are its own.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether it works.
    pub const fn state(&self) -> ReplicaState {
        self.state
    }

    /// Its switch of leadership.
    pub const fn leadership(&self) -> &LeadershipSwitch {
        &self.leadership
    }

    /// Stops the process where it is.
    pub fn pause(&mut self) {
        if self.state == ReplicaState::Running {
            self.state = ReplicaState::Paused;
        }
    }

    /// Lets a stopped process go on.
    pub fn resume(&mut self) {
        if self.state == ReplicaState::Paused {
            self.state = ReplicaState::Running;
        }
    }

    /// Ends the process: what it was in the middle of, and what it knew, is gone. What it had sent may have been carried
    /// out.
    pub fn kill(&mut self) {
        self.state = ReplicaState::Down;
        self.in_flight = None;
        self.queue = WorkQueue::default();
        self.backoff = Backoff::default();
        self.relist_at = None;
        self.rests = self.rests.take().map(|_gone| Rests::default());
        self.known.clear();
        self.leadership.set(false);
        self.parts.gate.forget(&self.user);
    }

    /// Starts a new process in place of one that was ended. It does not lead.
    pub fn restart(&mut self) {
        self.kill();
        self.leadership = LeadershipSwitch::new(false);
        self.context = context_of(&self.parts, &self.user, &self.leadership);
        self.state = ReplicaState::Running;
        self.relist();
    }

    /// Lists every object of ours, and looks at all of them.
    pub fn relist(&mut self) {
        let now = self.parts.clock.now();
        self.cursor = self.parts.server.revision();
        self.relist_at = None;
        // Whoever lists everything anew may have missed something, or leads from now on.
        if let Some(rests) = &mut self.rests {
            rests.clear();
        }
        for (_, object) in self.parts.server.objects() {
            if let Some(item) = own_item(&object.value) {
                self.known.insert(item.clone(), subject_of(item.kind, &object.value));
                self.queue.add(item, now);
            }
        }
    }

    /// Takes notice of what changed since, and queues whom it wakes. A paused process takes notice when it goes on.
    pub fn take_notices(&mut self) {
        if self.state != ReplicaState::Running {
            return;
        }
        let changes = self.parts.server.changes_after(self.cursor);
        let Some(last) = changes.last() else { return };
        self.cursor = last.revision;
        for change in &changes {
            self.take_notice(change);
        }
    }

    fn take_notice(&mut self, change: &Change) {
        let object = &change.object.value;
        if self.notices.chance.happens(self.notices.lost_percent) {
            let at = phaseloop_core::schedule::later_by(self.parts.clock.now(), WATCH_TIMEOUT);
            self.relist_at.get_or_insert(at);
            return;
        }
        let item = own_item(object);
        let subject = item.as_ref().map(|item| subject_of(item.kind, object));
        let target = subject.as_ref().and_then(|subject| subject.target.clone());
        if let Some((item, subject)) = item.zip(subject) {
            match change.kind {
                ChangeKind::Deleted => self.known.remove(&item),
                ChangeKind::Added | ChangeKind::Modified => self.known.insert(item, subject),
            };
        }
        let at = self.heard_at();
        let label = |key: &str| Some(object.get("metadata")?.get("labels")?.get(key)?.as_str()?.to_owned());
        let text = |place: &str| object.at(place).and_then(Value::as_str).unwrap_or_default();
        let changed = ChangedObject {
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            target,
            label: &label,
        };
        for woken in woken_by(&changed) {
            self.wake(woken, at);
        }
    }

    fn heard_at(&mut self) -> Timestamp {
        let now = self.parts.clock.now();
        let most = u64::try_from(self.notices.delay_max.as_millis()).unwrap_or(0);
        let delay = if most == 0 { 0 } else { self.notices.chance.below(most + 1) };
        let delay = SignedDuration::from_millis(i64::try_from(delay).unwrap_or(0));
        phaseloop_core::schedule::later_by(now, delay)
    }

    fn wake(&mut self, woken: Woken, at: Timestamp) {
        let items: Vec<WorkItem> = match woken {
            Woken::One(kind, key) => vec![WorkItem { kind, key }],
            Woken::Concerned(kind, concern) => {
                let first = WorkItem { kind, key: ObjectKey::new(concern.namespace.clone(), "") };
                let of_kind = self.known.range(first..).take_while(|(item, _)| item.kind == kind);
                let of_namespace = of_kind.take_while(|(item, _)| item.key.namespace == concern.namespace);
                let concerned = of_namespace.filter(|(item, about)| concern.includes(&item.key.namespace, about));
                concerned.map(|(item, _)| item.clone()).collect()
            }
        };
        for item in items {
            self.queue.add(item, at);
        }
    }

    /// Queues the objects that rested until something changed just now.
    pub fn rouse(&mut self) {
        let Some(rests) = &mut self.rests else { return };
        for (item, at) in rests.rouse(&self.parts.server, self.parts.clock.now()) {
            self.queue.add(item, at);
        }
    }

    /// When it has something to do next; absent while it is in the middle of something, or does not work.
    pub fn next_at(&self) -> Option<Timestamp> {
        let idle = self.state == ReplicaState::Running && self.in_flight.is_none();
        if idle { self.queue.next_at().into_iter().chain(self.relist_at).min() } else { None }
    }

    /// Whether it is in the middle of a look.
    pub const fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Begins the next look that is due. Says what at.
    pub fn begin(&mut self) -> Option<WorkItem> {
        if self.state != ReplicaState::Running || self.in_flight.is_some() {
            return None;
        }
        let now = self.parts.clock.now();
        if self.relist_at.is_some_and(|at| at <= now) {
            self.relist();
        }
        while let Some(item) = self.queue.take_due(now) {
            let server = &self.parts.server;
            match self.rests.as_mut().and_then(|rests| rests.park(server, &item, now)) {
                Some(Wake::At(again_at)) => {
                    self.queue.add(item, again_at);
                    continue;
                }
                Some(Wake::OnChange) => continue,
                None => {}
            }
            let revision = server.revision();
            self.parts.gate.begin_reading(&self.user);
            let future = Box::pin(look(self.context.clone(), item.clone()));
            self.in_flight = Some(InFlight { item: item.clone(), revision, future });
            return Some(item);
        }
        None
    }

    /// Lets the request through that waits, if one does.
    pub fn proceed(&self) {
        self.parts.gate.let_through(&self.user);
    }

    /// Goes on with the look to its next request or to its end.
    pub async fn advance(&mut self) -> Progress {
        for _ in 0..TURNS_MAX {
            let Some(in_flight) = &mut self.in_flight else { return Progress::Waiting };
            if let Poll::Ready(result) = poll_once(&mut in_flight.future).await {
                let (item, revision) = (in_flight.item.clone(), in_flight.revision);
                self.in_flight = None;
                self.settle(&item, revision, &result);
                return Progress::Done(item, result);
            }
            if self.parts.gate.holds(&self.user) {
                return Progress::AtRequest;
            }
            tokio::task::yield_now().await;
        }
        Progress::Waiting
    }

    /// Queues an object again as its look's end says.
    fn settle(&mut self, item: &WorkItem, revision: u64, result: &Result<Wake, ReconcileError>) {
        let now = self.parts.clock.now();
        self.rest(item, revision, result);
        match result {
            Ok(wake) => {
                self.backoff.succeeded(item);
                if let Wake::At(again_at) = wake.capped(now) {
                    self.queue.add(item.clone(), again_at.max(now));
                }
            }
            Err(error) if error.is_retryable() => {
                tracing::debug!(object = %item.key, error = %error, "is looked at again");
                let delay = self.backoff.failed(item.clone());
                self.queue.add(item.clone(), phaseloop_core::schedule::later_by(now, delay));
            }
            Err(error) => tracing::warn!(object = %item.key, error = %error, "waits for a change of the object"),
        }
    }

    /// An object whose look changed nothing rests until what it read changes.
    fn rest(&mut self, item: &WorkItem, revision: u64, result: &Result<Wake, ReconcileError>) {
        let Some(rests) = &mut self.rests else { return };
        match (result, self.parts.gate.end_reading(&self.user)) {
            (Ok(due), Some(reads)) => {
                rests.remember(&self.parts.server, item.clone(), revision, Rest::new(reads, *due));
            }
            _ => rests.forget(item),
        }
    }
}

/// The context of a process: a client of its own, and the switch.
fn context_of(parts: &ReplicaParts, user: &str, leadership: &LeadershipSwitch) -> Context {
    let client = kube::Client::new(parts.server.service_for(user), "default");
    Context {
        cluster: Cluster::new(client, CallTimeouts::default()),
        clock: parts.clock.clone(),
        leadership: Arc::new(leadership.clone()),
        export: parts.export.clone(),
        settings: parts.settings.clone(),
    }
}

/// The work item of an object, if it is one of ours and has a controller.
fn own_item(object: &Value) -> Option<WorkItem> {
    let api_version = object.get("apiVersion")?.as_str()?;
    let name = object.get("kind")?.as_str()?;
    let kind = OwnKind::ALL.into_iter().find(|kind| kind.name() == name)?;
    if !api_version.starts_with(phaseloop_core::plan::label::GROUP) {
        return None;
    }
    let text = |field: &str| object.get("metadata")?.get(field)?.as_str();
    Some(WorkItem { kind, key: ObjectKey::new(text("namespace").unwrap_or_default(), text("name")?) })
}

/// What an object of ours is about.
fn subject_of(kind: OwnKind, object: &Value) -> Subject {
    let part = |name: &str| object.get(name).unwrap_or(&Value::Null);
    Subject::of(kind, part("spec"), part("status"))
}

/// Polls a future once, with the waker of whoever waits.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context: &mut TaskContext<'_>| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("name", &self.name)
            .field("state", &self.state)
            .field("queue", &self.queue)
            .field("busy_with", &self.in_flight.as_ref().map(|in_flight| &in_flight.item))
            .finish_non_exhaustive()
    }
}
