//! What an oracle sees.

use jiff::Timestamp;
use serde_json::Value;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was made.
    Added,
    /// It was changed.
    Modified,
    /// It was taken away.
    Deleted,
}

/// One committed change of one object.
#[derive(Debug, Clone, Copy)]
pub struct ObjectChange<'a> {
    /// What happened.
    pub kind: ChangeKind,
    /// The kind of the object: `Pod`, `TuningCanary`.
    pub of: &'a str,
    /// The object after the change; for a deletion as it was last.
    pub object: &'a Value,
    /// The object before.
    pub before: Option<&'a Value>,
    /// The user who wrote it; empty where nobody asked for it.
    pub by: &'a str,
}

/// What became of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Its process began.
    Started,
    /// The engine in it answered its health check for the first time since it started.
    Ready,
    /// Its process ended.
    Ended {
        /// With this code.
        exit_code: i32,
    },
}

/// One line of the kubelet's log: the ground truth of what ran.
#[derive(Debug, Clone, Copy)]
pub struct ContainerChange<'a> {
    /// Uid of the pod.
    pub pod_uid: &'a str,
    /// The container.
    pub container: &'a str,
    /// Whether it is the engine.
    pub is_engine: bool,
    /// GPUs that it holds.
    pub gpus: u32,
    /// What happened.
    pub state: ContainerState,
}

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    /// An object changed.
    Object(ObjectChange<'a>),
    /// A container changed.
    Container(ContainerChange<'a>),
    /// Nothing but time: everything that was due at this instant has happened.
    Settled,
    /// The history is over, and nothing is due any more.
    End,
}

/// A fact with its instant.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// When.
    pub now: Timestamp,
    /// What.
    pub fact: Fact<'a>,
}

impl<'a> At<'a> {
    /// The change, where it is one of an object of this kind.
    pub(super) fn change_of(&self, kind: &str) -> Option<ObjectChange<'a>> {
        match self.fact {
            Fact::Object(change) if change.of == kind => Some(change),
            _ => None,
        }
    }
}
