//! The loop: the next thing happens, whatever it is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::schedule::later_by;

use super::World;
use crate::{
    cluster::Clock as _,
    simulation::operator::{Progress, ReplicaState},
};

/// How long a replica that waits for an answer is left alone before it is asked again.
const PATIENCE: SignedDuration = SignedDuration::from_millis(500);
/// Things that may happen within one simulated second. A night has some thousands in all: more than this in a second is a
/// loop that never ends.
const EVENTS_PER_SECOND_MAX: u64 = 100_000;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorldEvent {
    /// A replica begins its next look.
    Look(usize),
    /// A replica's request is let through, or its wait is looked at.
    Proceed(usize),
    /// A replica takes notice of what changed.
    Notices(usize),
    /// The cluster's own controllers do what is to be done.
    Cluster,
    /// Somebody does something, or something goes wrong.
    Act(usize),
}

/// Why a world does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldFailure {
    /// Things keep happening and time stands still: two controllers undo each other's work.
    #[error(
        "time stands still at {at}: more than {EVENTS_PER_SECOND_MAX} events in a second; the last writes: {writes}"
    )]
    NoProgress {
        /// Where.
        at: Timestamp,
        /// The last writes.
        writes: String,
    },
}

impl World {
    /// Lets everything happen until `end`, and moves the clock there.
    ///
    /// # Errors
    /// [`WorldFailure`].
    pub async fn run_until(&mut self, end: Timestamp) -> Result<(), WorldFailure> {
        let (mut second, mut count) = (self.clock.now().as_second(), 0_u64);
        self.observe();
        self.plan();
        while let Some(at) = self.agenda.next_at().filter(|at| *at <= end) {
            self.move_to(at).await;
            let Some((place, event)) = self.agenda.pop() else { break };
            if at.as_second() != second {
                (second, count) = (at.as_second(), 0);
            }
            count += 1;
            if count > EVENTS_PER_SECOND_MAX {
                return Err(WorldFailure::NoProgress { at, writes: self.last_writes() });
            }
            self.events += 1;
            self.forget(&place, event);
            self.happen(event).await;
            self.observe();
            self.plan();
        }
        self.move_to(end).await;
        Ok(())
    }

    fn last_writes(&self) -> String {
        let writes = self.server.writes();
        let last = writes.iter().rev().take(6).map(ToString::to_string);
        last.collect::<Vec<_>>().join("; ")
    }

    /// Moves both clocks: ours, and the one by which calls time out.
    async fn move_to(&mut self, at: Timestamp) {
        let now = self.clock.now();
        if at <= now {
            return;
        }
        self.settled();
        let step = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        self.clock.move_to(at);
        tokio::time::advance(step).await;
    }

    /// The entry is no longer planned.
    fn forget(&mut self, place: &crate::simulation::agenda::Place, event: WorldEvent) {
        match event {
            WorldEvent::Cluster if self.planned.cluster.as_ref() == Some(place) => self.planned.cluster = None,
            WorldEvent::Look(index) => {
                if let Some(look) = self.planned.looks.get_mut(index) {
                    *look = None;
                }
            }
            WorldEvent::Notices(index) => {
                if let Some(notices) = self.planned.notices.get_mut(index) {
                    *notices = false;
                }
            }
            _ => {}
        }
    }

    async fn happen(&mut self, event: WorldEvent) {
        let now = self.clock.now();
        match event {
            WorldEvent::Cluster => drop(self.controllers.step(&self.server, now)),
            WorldEvent::Notices(index) => {
                if let Some(replica) = self.replicas.get_mut(index) {
                    replica.take_notices();
                }
            }
            WorldEvent::Look(index) => {
                let began = self.replicas.get_mut(index).and_then(crate::simulation::operator::Replica::begin);
                if let Some(item) = began {
                    tracing::trace!(%item, at = %now, "look");
                    self.go_on(index).await;
                }
            }
            WorldEvent::Proceed(index) => {
                let state = self.replicas.get(index).map(|replica| (replica.state(), replica.is_busy()));
                match state {
                    Some((ReplicaState::Running, true)) => {
                        if let Some(replica) = self.replicas.get(index) {
                            replica.proceed();
                        }
                        self.go_on(index).await;
                    }
                    // A stopped process is looked at again; one that is gone, or has nothing to do, is not.
                    Some((ReplicaState::Paused, true)) => {
                        self.agenda.add(later_by(now, PATIENCE), WorldEvent::Proceed(index));
                    }
                    _ => {}
                }
            }
            WorldEvent::Act(index) => self.act(index),
        }
    }

    /// Goes on with a replica's look to its next request.
    async fn go_on(&mut self, index: usize) {
        let now = self.clock.now();
        let Some(replica) = self.replicas.get_mut(index) else { return };
        match replica.advance().await {
            Progress::AtRequest => {
                if let Some(interruption) = self.gate.take_interruption() {
                    self.interrupt(index, interruption);
                }
                self.agenda.add(now, WorldEvent::Proceed(index));
            }
            Progress::Waiting => drop(self.agenda.add(later_by(now, PATIENCE), WorldEvent::Proceed(index))),
            Progress::Done(item, Ok(wake)) => tracing::trace!(%item, ?wake, "done"),
            Progress::Done(item, Err(error)) => {
                let call = error.call().map(crate::cluster::ClusterError::chain).unwrap_or_default();
                tracing::debug!(%item, at = %now, %error, call, "a look failed");
            }
        }
    }

    /// Enters what follows from what has just happened.
    pub(super) fn plan(&mut self) {
        let now = self.clock.now();
        let revision = self.server.revision();
        let changed = revision != self.planned.revision;
        self.planned.revision = revision;
        let cluster_at = if changed { Some(now) } else { self.controllers.next_at().map(|at| at.max(now)) };
        if let Some(at) = cluster_at {
            self.plan_cluster(at);
        }
        for index in 0..self.replicas.len() {
            if changed {
                self.plan_notices(index, now);
                if let Some(replica) = self.replicas.get_mut(index) {
                    replica.rouse();
                }
            }
            self.plan_look(index, now);
        }
    }

    pub(super) fn plan_cluster(&mut self, at: Timestamp) {
        if let Some(place) = self.planned.cluster {
            if place.at <= at {
                return;
            }
            self.agenda.remove(&place);
        }
        self.planned.cluster = Some(self.agenda.add(at, WorldEvent::Cluster));
    }

    pub(super) fn plan_notices(&mut self, index: usize, now: Timestamp) {
        if let Some(planned) = self.planned.notices.get_mut(index)
            && !*planned
        {
            *planned = true;
            self.agenda.add(now, WorldEvent::Notices(index));
        }
    }

    fn plan_look(&mut self, index: usize, now: Timestamp) {
        let Some(at) = self.replicas.get(index).and_then(crate::simulation::operator::Replica::next_at) else { return };
        let at = at.max(now);
        let Some(planned) = self.planned.looks.get_mut(index) else { return };
        if let Some(place) = planned {
            if place.at <= at {
                return;
            }
            self.agenda.remove(place);
        }
        *planned = Some(self.agenda.add(at, WorldEvent::Look(index)));
    }
}
