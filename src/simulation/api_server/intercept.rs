//! Faults on the way to the server and back: what a test wants to happen to a request.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{
    read_scope::ReadScope,
    request::{PatchKind, Verb},
    status_error::StatusError,
};

/// What an interceptor is told of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestDescription {
    /// Its place in the order in which requests arrived, from 0.
    pub sequence: u64,
    /// What it wants.
    pub verb: Verb,
    /// How, for patches.
    pub patch: Option<PatchKind>,
    /// The group of the resource.
    pub group: String,
    /// The resource, as in `deployments`.
    pub resource: String,
    /// The namespace; empty for the whole cluster.
    pub namespace: String,
    /// The name; of a list or a watch the one that its field selector demands, as authorization has it; else empty.
    pub name: String,
    /// The subresource; empty for the object itself.
    pub subresource: String,
    /// Who asks.
    pub user: String,
    /// As whose fields.
    pub field_manager: String,
    /// Whether nothing is to change.
    pub dry_run: bool,
    /// What its answer rests on; absent for writes, and where that is more than objects.
    pub reads: Option<ReadScope>,
}

/// What happens to a request, or to its answer.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It goes on.
    Proceed,
    /// The server answers with this instead. Before: nothing is carried out. After: it was carried out.
    Answer(Box<StatusError>),
    /// The connection breaks. Before: nothing is carried out. After: it was, and nobody learns of it.
    Break,
    /// It is carried out, and the connection breaks before the answer. After: the same as [`Verdict::Break`].
    LoseReply,
    /// It waits until the gate is opened, then it goes on.
    Hold(Gate),
}

/// Decides about requests. It is asked twice for each: before it is carried out, and after.
pub trait RequestInterceptor: Send + Sync {
    /// What happens to a request that arrived.
    fn before(&self, _request: &RequestDescription) -> Verdict {
        Verdict::Proceed
    }

    /// What happens to the answer, which has this status code.
    fn after(&self, _request: &RequestDescription, _code: u16) -> Verdict {
        Verdict::Proceed
    }
}

/// Holds requests until it is opened. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<GateState>>);

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everything through that waits, and all that comes.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.open = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether something waits at the gate.
    pub fn holds_something(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.is_empty()
    }

    /// Is done when the gate is open.
    pub(super) fn passed(&self) -> Passed {
        Passed(self.clone())
    }
}

/// The wait at a gate.
pub(super) struct Passed(Gate);

impl Future for Passed {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}
