//! Looks that would read what the last one read, before anything is due.
//!
//! In a cluster every object is looked at again after five minutes at the latest, and whenever something changes that may
//! concern it. Where nothing has changed of what the last look read, and nothing is due yet, deciding again changes
//! nothing: that is what a decision promises by its wake. The simulation, which alone can know what has changed, leaves such
//! looks out; a test runs whole stories with and without them, and both must write the same. Nor does it come by every five
//! minutes to see that nothing changed: an object is parked, and a change of what it read brings it back to the look that it
//! would have had next.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{plan::Wake, policy::bound::WAKE_MAX, schedule::later_by};

use super::item::WorkItem;
use crate::simulation::api_server::{ApiServer, Change, ReadScope};

/// What is known of an object that rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// What its last look read.
    reads: Vec<ReadScope>,
    /// When time alone changes what is decided.
    due: Wake,
    /// Since when no look is queued for it until shortly before it is due.
    parked: Option<Parked>,
}

/// When an object was seen to rest, and as the how manyth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Parked {
    place: u64,
    at: Timestamp,
}

impl Rest {
    /// What a look read, and until when time alone changes nothing.
    pub(super) const fn new(reads: Vec<ReadScope>, due: Wake) -> Self {
        Self { reads, due, parked: None }
    }
}

/// The objects that rest.
#[derive(Debug, Clone, Default)]
pub(super) struct Rests {
    /// By their namespace: a change concerns those of its own.
    resting: BTreeMap<String, BTreeMap<WorkItem, Rest>>,
    /// How much of the history was held against them.
    seen: u64,
    /// How many were parked so far.
    parked: u64,
    /// Objects that were parked and rest no more.
    roused: Vec<(Parked, WorkItem)>,
}

impl Rests {
    /// An object rests from here on, unless what its look read has changed since the look began.
    pub(super) fn remember(&mut self, server: &ApiServer, item: WorkItem, began: u64, rest: Rest) {
        self.follow(server);
        let mut is_stale = false;
        server.follow(began, |change| is_stale |= is_changed(&rest, change));
        if is_stale {
            self.forget(&item);
        } else {
            self.resting.entry(item.key.namespace.clone()).or_default().insert(item, rest);
        }
    }

    /// Nothing is known of an object any more.
    pub(super) fn forget(&mut self, item: &WorkItem) {
        if let Some(resting) = self.resting.get_mut(&item.key.namespace) {
            resting.remove(item);
        }
    }

    /// Nothing is known of any object any more.
    pub(super) fn clear(&mut self) {
        self.resting.clear();
        self.roused.clear();
    }

    /// Parks an object whose turn it is, if it may go on resting: nothing that it read has changed, and nothing is due. Says
    /// when to park it again, or look at it: of what is due at one instant, each keeps the place that it has among the others
    /// by coming every [`WAKE_MAX`], so the last time before it is due is not left out.
    pub(super) fn park(&mut self, server: &ApiServer, item: &WorkItem, now: Timestamp) -> Option<Wake> {
        self.follow(server);
        let rest = self.resting.get_mut(&item.key.namespace)?.get_mut(item)?;
        match rest.due {
            Wake::At(due) if due <= now => {
                self.forget(item);
                None
            }
            Wake::At(due) => {
                rest.parked = Some(Parked { place: self.parked, at: now });
                self.parked += 1;
                let last = turns_before(now, due);
                Some(Wake::At(if last == 0 { due } else { turn(now, last) }))
            }
            Wake::OnChange => Some(Wake::OnChange),
        }
    }

    /// The parked objects of which something that they read has changed, each with the instant of its next turn: it would have
    /// come every [`WAKE_MAX`].
    pub(super) fn rouse(&mut self, server: &ApiServer, now: Timestamp) -> Vec<(WorkItem, Timestamp)> {
        self.follow(server);
        self.roused.sort_unstable();
        let next = |parked: Parked| turn(parked.at, now.duration_since(parked.at).as_secs().div_euclid(PERIOD) + 1);
        self.roused.drain(..).map(|(parked, item)| (item, next(parked))).collect()
    }

    fn follow(&mut self, server: &ApiServer) {
        let (resting, roused) = (&mut self.resting, &mut self.roused);
        self.seen = server.follow(self.seen, |change| match change.object.namespace() {
            "" => resting.values_mut().for_each(|resting| drop_changed(resting, change, roused)),
            namespace => {
                if let Some(resting) = resting.get_mut(namespace) {
                    drop_changed(resting, change, roused);
                }
            }
        });
    }
}

fn drop_changed(resting: &mut BTreeMap<WorkItem, Rest>, change: &Change, roused: &mut Vec<(Parked, WorkItem)>) {
    resting.retain(|item, rest| {
        let is_changed = is_changed(rest, change);
        if is_changed && let Some(parked) = rest.parked {
            roused.push((parked, item.clone()));
        }
        !is_changed
    });
}

/// Seconds of [`WAKE_MAX`].
const PERIOD: i64 = WAKE_MAX.as_secs();

/// How many turns there are after `parked` and before `due`.
fn turns_before(parked: Timestamp, due: Timestamp) -> i64 {
    (due.duration_since(parked) - SignedDuration::from_nanos(1)).as_secs().div_euclid(PERIOD)
}

/// The turn of this number since `parked`.
fn turn(parked: Timestamp, number: i64) -> Timestamp {
    later_by(parked, SignedDuration::from_secs(number.saturating_mul(PERIOD)))
}

fn is_changed(rest: &Rest, change: &Change) -> bool {
    rest.reads.iter().any(|read| read.is_changed_by(change))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use phaseloop_core::plan::OwnKind;
    use serde_json::json;

    use super::*;
    use crate::{
        controllers::ObjectKey,
        simulation::{api_server::Settings, virtual_clock::VirtualClock},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn item() -> WorkItem {
        WorkItem { kind: OwnKind::Escalation, key: ObjectKey::new("default", "a") }
    }

    fn resting(due: Wake) -> Rest {
        Rest::new(vec![ReadScope::of_object("configmaps", "default", "read")], due)
    }

    fn server() -> ApiServer {
        ApiServer::new(Arc::new(VirtualClock::new(at(0))), Settings::default())
    }

    fn write(server: &ApiServer, name: &str, value: &str) {
        let metadata = json!({ "namespace": "default", "name": name });
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "a": value } });
        server.actor("anna").apply(&object).unwrap();
    }

    #[test]
    fn an_object_rests_until_it_is_due() {
        let (server, mut rests) = (server(), Rests::default());
        assert_eq!(rests.park(&server, &item(), at(300)), None, "nothing is known of it");
        rests.remember(&server, item(), server.revision(), resting(Wake::At(at(1000))));
        assert_eq!(rests.park(&server, &item(), at(100)), Some(Wake::At(at(700))), "its last turn before it is due");
        assert_eq!(rests.park(&server, &item(), at(700)), Some(Wake::At(at(1000))));
        assert_eq!(rests.park(&server, &item(), at(1000)), None, "it is due");
        assert_eq!(rests.park(&server, &item(), at(300)), None, "a look followed, and it says when it rests again");
        rests.remember(&server, item(), server.revision(), resting(Wake::OnChange));
        assert_eq!(rests.park(&server, &item(), at(9000)), Some(Wake::OnChange), "nothing is ever due");
    }

    #[test]
    fn an_object_rests_until_something_changes_that_it_read() {
        let (server, mut rests) = (server(), Rests::default());
        rests.remember(&server, item(), server.revision(), resting(Wake::OnChange));
        write(&server, "other", "1");
        assert_eq!(rests.park(&server, &item(), at(1)), Some(Wake::OnChange), "it did not read that");
        write(&server, "read", "1");
        assert_eq!(rests.park(&server, &item(), at(1)), None);
    }

    #[test]
    fn a_parked_object_comes_back_to_the_look_that_it_would_have_had_next() {
        let (server, mut rests) = (server(), Rests::default());
        let park = |rests: &mut Rests| {
            rests.remember(&server, item(), server.revision(), resting(Wake::At(at(100_000))));
            rests.park(&server, &item(), at(17))
        };
        for (changed, back) in [(18, 317), (316, 317), (317, 617), (9000, 9017)] {
            assert_eq!(park(&mut rests), Some(Wake::At(at(99_917))));
            write(&server, "other", &changed.to_string());
            assert_eq!(rests.rouse(&server, at(changed)), [], "it did not read that");
            write(&server, "read", &changed.to_string());
            assert_eq!(rests.rouse(&server, at(changed)), [(item(), at(back))]);
            assert_eq!(rests.rouse(&server, at(changed)), [], "once");
        }
        rests.remember(&server, item(), server.revision(), resting(Wake::OnChange));
        assert_eq!(rests.park(&server, &item(), at(17)), Some(Wake::OnChange));
        write(&server, "read", "once more");
        assert_eq!(rests.rouse(&server, at(18)), [], "what waits for a notice alone has no next look");
    }

    #[test]
    fn what_changed_during_the_look_is_not_taken_for_read() {
        let (server, mut rests) = (server(), Rests::default());
        let began = server.revision();
        write(&server, "other", "1");
        rests.remember(&server, item(), began, resting(Wake::OnChange));
        assert_eq!(rests.park(&server, &item(), at(1)), Some(Wake::OnChange));
        write(&server, "read", "1");
        rests.remember(&server, item(), began, resting(Wake::OnChange));
        assert_eq!(rests.park(&server, &item(), at(1)), None);
    }

    #[test]
    fn who_forgets_looks_at_everything() {
        let (server, mut rests) = (server(), Rests::default());
        for forget in [Rests::clear, |rests: &mut Rests| rests.forget(&item())] {
            rests.remember(&server, item(), server.revision(), resting(Wake::OnChange));
            forget(&mut rests);
            assert_eq!(rests.park(&server, &item(), at(1)), None);
        }
    }
}
