//! Looks that would read what the last one read, before anything is due.
//!
//! In a cluster every object is looked at again after five minutes at the latest, and whenever something changes that may
//! concern it. Where nothing has changed of what the last look read, and nothing is due yet, deciding again changes
//! nothing: that is what a decision promises by its wake. The simulation, which alone can know what has changed, leaves such
//! looks out; a test runs whole stories with and without them, and both must write the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use phaseloop_core::plan::Wake;

use super::item::WorkItem;
use crate::simulation::api_server::{ApiServer, Change, ReadScope};

/// What is known of an object that rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// What its last look read.
    pub(super) reads: Vec<ReadScope>,
    /// When time alone changes what is decided.
    pub(super) due: Wake,
}

/// The objects that rest.
#[derive(Debug, Clone, Default)]
pub(super) struct Rests {
    /// By their namespace: a change concerns those of its own.
    resting: BTreeMap<String, BTreeMap<WorkItem, Rest>>,
    /// How much of the history was held against them.
    seen: u64,
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
    }

    /// Until when an object may go on resting, if it may: nothing that it read has changed, and nothing is due.
    pub(super) fn prolong(&mut self, server: &ApiServer, item: &WorkItem, now: Timestamp) -> Option<Wake> {
        self.follow(server);
        let rest = self.resting.get(&item.key.namespace)?.get(item)?;
        match rest.due {
            Wake::At(due) if due <= now => {
                self.forget(item);
                None
            }
            due => Some(due.capped(now)),
        }
    }

    fn follow(&mut self, server: &ApiServer) {
        let resting = &mut self.resting;
        self.seen = server.follow(self.seen, |change| match change.object.namespace() {
            "" => resting.values_mut().for_each(|resting| resting.retain(|_, rest| !is_changed(rest, change))),
            namespace => {
                if let Some(resting) = resting.get_mut(namespace) {
                    resting.retain(|_, rest| !is_changed(rest, change));
                }
            }
        });
    }
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
        Rest { reads: vec![ReadScope::of_object("configmaps", "default", "read")], due }
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
        assert_eq!(rests.prolong(&server, &item(), at(300)), None, "nothing is known of it");
        rests.remember(&server, item(), server.revision(), resting(Wake::At(at(1000))));
        assert_eq!(rests.prolong(&server, &item(), at(300)), Some(Wake::At(at(600))));
        assert_eq!(rests.prolong(&server, &item(), at(900)), Some(Wake::At(at(1000))), "no later than what is due");
        assert_eq!(rests.prolong(&server, &item(), at(1000)), None, "it is due");
        assert_eq!(rests.prolong(&server, &item(), at(300)), None, "a look followed, and it says when it rests again");
        rests.remember(&server, item(), server.revision(), resting(Wake::OnChange));
        assert_eq!(rests.prolong(&server, &item(), at(9000)), Some(Wake::OnChange), "nothing is ever due");
    }

    #[test]
    fn an_object_rests_until_something_changes_that_it_read() {
        let (server, mut rests) = (server(), Rests::default());
        rests.remember(&server, item(), server.revision(), resting(Wake::OnChange));
        write(&server, "other", "1");
        assert_eq!(rests.prolong(&server, &item(), at(1)), Some(Wake::OnChange), "it did not read that");
        write(&server, "read", "1");
        assert_eq!(rests.prolong(&server, &item(), at(1)), None);
    }

    #[test]
    fn what_changed_during_the_look_is_not_taken_for_read() {
        let (server, mut rests) = (server(), Rests::default());
        let began = server.revision();
        write(&server, "other", "1");
        rests.remember(&server, item(), began, resting(Wake::OnChange));
        assert_eq!(rests.prolong(&server, &item(), at(1)), Some(Wake::OnChange));
        write(&server, "read", "1");
        rests.remember(&server, item(), began, resting(Wake::OnChange));
        assert_eq!(rests.prolong(&server, &item(), at(1)), None);
    }

    #[test]
    fn who_forgets_looks_at_everything() {
        let (server, mut rests) = (server(), Rests::default());
        for forget in [Rests::clear, |rests: &mut Rests| rests.forget(&item())] {
            rests.remember(&server, item(), server.revision(), resting(Wake::OnChange));
            forget(&mut rests);
            assert_eq!(rests.prolong(&server, &item(), at(1)), None);
        }
    }
}
