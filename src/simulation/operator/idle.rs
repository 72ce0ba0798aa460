//! Looks that are there only in case a notice was lost, and would see nothing new.
//!
//! In a cluster every object is looked at again after five minutes at the latest. Where nothing that a look can read has
//! changed since the last one began, and nothing is due yet, deciding again changes nothing: that is what a decision
//! promises by its wake. The simulation, which alone can know that nothing has changed, leaves such looks out; a test runs
//! whole stories with and without them, and both must write the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use phaseloop_core::plan::Wake;

use super::queue::WorkItem;

/// What is known of an object that rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// The last change of anything in its namespace, when its last look began.
    pub(super) revision: u64,
    /// When time alone changes what is decided.
    pub(super) due: Timestamp,
}

/// The objects that rest.
#[derive(Debug, Clone, Default)]
pub(super) struct Rests(BTreeMap<WorkItem, Rest>);

impl Rests {
    /// An object rests from here on.
    pub(super) fn remember(&mut self, item: WorkItem, rest: Rest) {
        self.0.insert(item, rest);
    }

    /// An object is to be looked at for a cause.
    pub(super) fn forget(&mut self, item: &WorkItem) {
        self.0.remove(item);
    }

    /// Until when an object may go on resting, if it may: nothing has changed since, and nothing is due.
    pub(super) fn prolong(&mut self, item: &WorkItem, revision: u64, now: Timestamp) -> Option<Timestamp> {
        let rest = self.0.get(item)?;
        if rest.revision == revision
            && rest.due > now
            && let Wake::At(again_at) = Wake::At(rest.due).capped(now)
        {
            return Some(again_at);
        }
        self.0.remove(item);
        None
    }
}

#[cfg(test)]
mod tests {
    use phaseloop_core::plan::OwnKind;

    use super::*;
    use crate::controllers::ObjectKey;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_object_rests_until_something_changes_or_is_due() {
        let item = WorkItem { kind: OwnKind::Escalation, key: ObjectKey::new("chat", "a") };
        let rest = Rest { revision: 7, due: at(1000) };
        let mut rests = Rests::default();
        assert_eq!(rests.prolong(&item, 7, at(300)), None, "nothing is known of it");
        rests.remember(item.clone(), rest);
        assert_eq!(rests.prolong(&item, 7, at(300)), Some(at(600)));
        assert_eq!(rests.prolong(&item, 7, at(900)), Some(at(1000)), "no later than what is due");
        assert_eq!(rests.prolong(&item, 7, at(1000)), None, "it is due");
        rests.remember(item.clone(), rest);
        assert_eq!(rests.prolong(&item, 8, at(300)), None, "something changed");
        assert_eq!(rests.prolong(&item, 7, at(300)), None, "a look followed, and it says when it rests again");
        rests.remember(item.clone(), rest);
        rests.forget(&item);
        assert_eq!(rests.prolong(&item, 7, at(300)), None, "it was asked for");
    }
}
