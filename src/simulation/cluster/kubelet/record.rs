//! What really ran on the nodes: the ground truth that no status and no report can alter.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// One run of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRecord {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Uid of the pod.
    pub pod_uid: String,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// The node.
    pub node: String,
    /// The container.
    pub container: String,
    /// Which run of it, from 0.
    pub run: u32,
    /// Whether it is the engine of a test.
    pub is_engine: bool,
    /// Whole GPUs that it held.
    pub gpus: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; absent while it runs.
    pub ended_at: Option<Timestamp>,
    /// Its exit code; absent while it runs.
    pub exit_code: Option<i32>,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerFate {
    /// It began.
    Started,
    /// Its program answered its health check for the first time.
    Ready,
    /// It ended.
    Ended,
}

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerEvent {
    /// When.
    pub at: Timestamp,
    /// Which run, as a place in [`ContainerLog::records`].
    pub record: usize,
    /// What.
    pub fate: ContainerFate,
}

/// Every run of every container, and what became of each, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerLog {
    records: Vec<ContainerRecord>,
    events: Vec<ContainerEvent>,
}

impl ContainerLog {
    /// The runs, in the order of starting.
    pub fn records(&self) -> &[ContainerRecord] {
        &self.records
    }

    /// What happened, in order.
    pub fn events(&self) -> &[ContainerEvent] {
        &self.events
    }

    pub(super) fn begin(&mut self, record: ContainerRecord) -> usize {
        let (at, place) = (record.started_at, self.records.len());
        self.records.push(record);
        self.events.push(ContainerEvent { at, record: place, fate: ContainerFate::Started });
        place
    }

    pub(super) fn ready(&mut self, place: usize, at: Timestamp) {
        self.events.push(ContainerEvent { at, record: place, fate: ContainerFate::Ready });
    }

    pub(super) fn end(&mut self, place: usize, at: Timestamp, exit_code: i32) {
        if let Some(record) = self.records.get_mut(place) {
            (record.ended_at, record.exit_code) = (Some(at), Some(exit_code));
            self.events.push(ContainerEvent { at, record: place, fate: ContainerFate::Ended });
        }
    }
}
