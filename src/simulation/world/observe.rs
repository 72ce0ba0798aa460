//! What the oracles are shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::World;
use crate::{
    cluster::Clock as _,
    simulation::{
        api_server::{Change, ChangeKind},
        cluster::kubelet::{ContainerEvent, ContainerFate, ContainerRecord},
        oracle::{self, ContainerChange, ContainerState, Fact, ObjectChange},
    },
};

/// When each revision of the API server's history was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instants(BTreeMap<u64, Timestamp>);

impl Instants {
    /// When the revision was made.
    pub fn of(&self, revision: u64) -> Option<Timestamp> {
        self.0.range(revision..).next().map(|(_, at)| *at)
    }

    fn note(&mut self, revision: u64, at: Timestamp) {
        // Revisions of one instant follow each other: the last of them stands for all.
        if let Some((last, instant)) = self.0.last_key_value()
            && *instant == at
        {
            let last = *last;
            self.0.remove(&last);
        }
        self.0.insert(revision, at);
    }

    fn last(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(revision, _)| *revision)
    }
}

impl World {
    /// Shows the oracles what has happened since, and lets people see it.
    pub(super) fn observe(&mut self) {
        let now = self.clock.now();
        self.show_containers();
        let changes = self.server.changes_after(self.instants.last());
        let Some(last) = changes.last() else { return };
        self.instants.note(last.revision, now);
        for change in &changes {
            let by = self.server.writer_of(change.revision).unwrap_or_default();
            self.oracles.see(now, object_fact(change, &by));
            if let Some((after, action)) = self.decisions.after(change) {
                self.add_action(phaseloop_core::schedule::later_by(now, after), action);
            }
        }
    }

    fn show_containers(&mut self) {
        let log = self.controllers.kubelets.log();
        for event in log.events().iter().skip(self.seen_container_events) {
            if let Some(record) = log.records().get(event.record) {
                self.oracles.see(event.at, container_fact(event, record));
            }
        }
        self.seen_container_events = log.events().len();
    }

    /// Tells the oracles that everything that was due at this instant has happened.
    pub(super) fn settled(&mut self) {
        self.oracles.see(self.clock.now(), Fact::Settled);
    }

    /// Tells the oracles that the history is over.
    pub fn end(&mut self) {
        self.oracles.see(self.clock.now(), Fact::End);
    }
}

fn object_fact<'a>(change: &'a Change, by: &'a str) -> Fact<'a> {
    let kind = match change.kind {
        ChangeKind::Added => oracle::ChangeKind::Added,
        ChangeKind::Modified => oracle::ChangeKind::Modified,
        ChangeKind::Deleted => oracle::ChangeKind::Deleted,
    };
    let of = change.object.value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let before = change.before.as_ref().map(|before| &before.value);
    Fact::Object(ObjectChange { kind, of, object: &change.object.value, before, by })
}

fn container_fact<'a>(event: &ContainerEvent, record: &'a ContainerRecord) -> Fact<'a> {
    let state = match event.fate {
        ContainerFate::Started => ContainerState::Started,
        ContainerFate::Ready => ContainerState::Ready,
        ContainerFate::Ended => ContainerState::Ended { exit_code: record.exit_code.unwrap_or_default() },
    };
    Fact::Container(ContainerChange {
        pod_uid: &record.pod_uid,
        container: &record.container,
        is_engine: record.is_engine,
        gpus: record.gpus,
        state,
    })
}
