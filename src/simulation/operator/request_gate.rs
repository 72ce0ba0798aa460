//! Every request of a replica waits until the loop lets it through, so that anything may happen between two of them; and
//! some requests meet with trouble.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use super::interruption::{Interrupter, Interruption};
use crate::{
    cluster::Clock,
    simulation::{
        api_server::{Gate, ReadScope, RequestDescription, RequestInterceptor, StatusError, Verb, Verdict},
        chance::Chance,
    },
};

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestTrouble {
    /// The server asks to be asked later (503). Nothing is carried out.
    Unavailable,
    /// The server has too much to do (429). Nothing is carried out.
    TooMany,
    /// The connection breaks before anything is carried out.
    Broken,
    /// It is carried out, and nobody learns of it.
    ReplyLost,
    /// It is carried out, and the answer says that the server does not know (504).
    OutcomeUnknown,
    /// No answer ever comes, and nothing is carried out.
    Hangs,
}

/// Trouble for requests of a kind, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFault {
    /// From this instant on.
    pub from: Timestamp,
    /// Before this instant.
    pub until: Timestamp,
    /// Whose requests; absent: those of every replica.
    pub user: Option<String>,
    /// Which verb; absent: every one.
    pub verb: Option<Verb>,
    /// Which resource, as in `pods`; absent: every one.
    pub resource: Option<String>,
    /// What goes wrong.
    pub trouble: RequestTrouble,
    /// How many of a hundred requests it happens to.
    pub percent: u64,
}

/// Stands between the replicas and the API server.
pub struct RequestGate {
    clock: Arc<dyn Clock>,
    state: Mutex<GateState>,
}

struct GateState {
    /// Requests, or answers, that wait, by user.
    waiting: BTreeMap<String, VecDeque<Gate>>,
    holds_replies: bool,
    faults: Vec<RequestFault>,
    chance: Chance,
    troubled: u64,
    interrupter: Interrupter,
    /// What the look of each user has read; `None` once it did something else.
    reads: BTreeMap<String, Option<Vec<ReadScope>>>,
}

impl RequestGate {
    /// A gate for nobody, without trouble.
    pub fn new(clock: Arc<dyn Clock>, chance: Chance) -> Self {
        let state = GateState {
            waiting: BTreeMap::new(),
            holds_replies: false,
            faults: Vec::new(),
            chance,
            troubled: 0,
            interrupter: Interrupter::default(),
            reads: BTreeMap::new(),
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// A gate that goes on from where this one stands, by another clock. Nothing waits at it.
    #[must_use]
    pub fn fork(&self, clock: Arc<dyn Clock>) -> Self {
        let state = self.with(|state| GateState {
            waiting: state.waiting.keys().map(|user| (user.clone(), VecDeque::new())).collect(),
            holds_replies: state.holds_replies,
            faults: state.faults.clone(),
            chance: state.chance.clone(),
            troubled: state.troubled,
            interrupter: state.interrupter.clone(),
            reads: BTreeMap::new(),
        });
        Self { clock, state: Mutex::new(state) }
    }

    /// Holds the requests of this user from here on.
    pub fn admit(&self, user: &str) {
        self.with(|state| drop(state.waiting.insert(user.to_owned(), VecDeque::new())));
    }

    /// Whether answers wait as well: then a replica can end between what it did and its knowing of it.
    pub fn hold_replies(&self, holds: bool) {
        self.with(|state| state.holds_replies = holds);
    }

    /// Adds trouble.
    pub fn add_fault(&self, fault: RequestFault) {
        self.with(|state| state.faults.push(fault));
    }

    /// Lets something befall whichever replica sends this write, counted from 0 over all replicas.
    pub fn interrupt_at_write(&self, write: u64, interruption: Interruption) {
        self.with(|state| state.interrupter.plan(write, interruption));
    }

    /// What befalls the replica whose request, or answer, has just come to wait.
    pub fn take_interruption(&self) -> Option<Interruption> {
        self.with(|state| state.interrupter.take())
    }

    /// The writes that the replicas have sent, in order.
    pub fn writes(&self) -> Vec<String> {
        self.with(|state| state.interrupter.writes())
    }

    /// How many requests met with trouble.
    pub fn troubled(&self) -> u64 {
        self.with(|state| state.troubled)
    }

    /// From here on it is noted what this user reads.
    pub fn begin_reading(&self, user: &str) {
        self.with(|state| drop(state.reads.insert(user.to_owned(), Some(Vec::new()))));
    }

    /// What this user has read since; `None` where it did anything else, or read what no change of an object tells.
    pub fn end_reading(&self, user: &str) -> Option<Vec<ReadScope>> {
        self.with(|state| state.reads.remove(user).flatten())
    }

    /// Whether something of this user waits here.
    pub fn holds(&self, user: &str) -> bool {
        self.with(|state| state.waiting.get(user).is_some_and(|waiting| !waiting.is_empty()))
    }

    /// Lets the first thing of this user through.
    pub fn let_through(&self, user: &str) {
        let gate = self.with(|state| state.waiting.get_mut(user).and_then(VecDeque::pop_front));
        if let Some(gate) = gate {
            gate.open();
        }
    }

    /// Forgets what waits: who asked is no more.
    pub fn forget(&self, user: &str) {
        self.with(|state| state.waiting.get_mut(user).map(VecDeque::clear));
    }

    fn with<R>(&self, act: impl FnOnce(&mut GateState) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RequestInterceptor for RequestGate {
    fn before(&self, request: &RequestDescription) -> Verdict {
        let now = self.clock.now();
        self.with(|state| {
            if !state.waiting.contains_key(&request.user) {
                return Verdict::Proceed;
            }
            state.interrupter.sent(request);
            state.note_read(request);
            match state.trouble_of(request, now, false) {
                Some(trouble) => verdict_of(trouble),
                None => state.hold(&request.user),
            }
        })
    }

    fn after(&self, request: &RequestDescription, _code: u16) -> Verdict {
        let now = self.clock.now();
        self.with(|state| {
            if !state.waiting.contains_key(&request.user) {
                return Verdict::Proceed;
            }
            match state.interrupter.carried_out(request) {
                Some(Interruption::ReplyLost) => return Verdict::LoseReply,
                Some(_) => return state.hold(&request.user),
                None => {}
            }
            match state.trouble_of(request, now, true) {
                Some(trouble) => verdict_of(trouble),
                None if state.holds_replies => state.hold(&request.user),
                None => Verdict::Proceed,
            }
        })
    }
}

impl GateState {
    fn hold(&mut self, user: &str) -> Verdict {
        let gate = Gate::new();
        self.waiting.entry(user.to_owned()).or_default().push_back(gate.clone());
        Verdict::Hold(gate)
    }

    fn note_read(&mut self, request: &RequestDescription) {
        let Some(noted) = self.reads.get_mut(&request.user) else { return };
        *noted = noted.take().zip(request.reads.clone()).map(|(mut reads, read)| {
            reads.push(read);
            reads
        });
    }

    fn trouble_of(
        &mut self,
        request: &RequestDescription,
        now: Timestamp,
        carried_out: bool,
    ) -> Option<RequestTrouble> {
        let Self { faults, chance, troubled, .. } = self;
        let concerned = faults.iter().filter(|fault| {
            (fault.from..fault.until).contains(&now)
                && (fault.trouble == RequestTrouble::OutcomeUnknown) == carried_out
                && fault.user.as_ref().is_none_or(|user| *user == request.user)
                && fault.verb.is_none_or(|verb| verb == request.verb)
                && fault.resource.as_ref().is_none_or(|resource| *resource == request.resource)
        });
        let trouble = concerned.into_iter().find(|fault| chance.happens(fault.percent)).map(|fault| fault.trouble);
        *troubled += u64::from(trouble.is_some());
        trouble
    }
}

fn verdict_of(trouble: RequestTrouble) -> Verdict {
    match trouble {
        RequestTrouble::Unavailable => Verdict::Answer(Box::new(StatusError::service_unavailable(
            "the server is currently unable to handle the request",
        ))),
        RequestTrouble::TooMany => Verdict::Answer(Box::new(StatusError::too_many_requests("too many requests", 1))),
        RequestTrouble::Broken => Verdict::Break,
        RequestTrouble::ReplyLost => Verdict::LoseReply,
        RequestTrouble::OutcomeUnknown => {
            Verdict::Answer(Box::new(StatusError::timeout("request did not complete within the allotted timeout")))
        }
        // A gate that nobody opens.
        RequestTrouble::Hangs => Verdict::Hold(Gate::new()),
    }
}

#[allow(clippy::missing_fields_in_debug, reason = "a clock has nothing to show")]
impl std::fmt::Debug for RequestGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting: Vec<(String, usize)> =
            self.with(|state| state.waiting.iter().map(|(user, waiting)| (user.clone(), waiting.len())).collect());
        f.debug_struct("RequestGate").field("waiting", &waiting).finish()
    }
}
