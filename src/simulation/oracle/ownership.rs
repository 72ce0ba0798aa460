//! What belongs to what: nothing of ours is left without an owner, and what is to go goes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    fact::{At, ChangeKind, Fact, ObjectChange},
    registry::Invariant,
    value::{is_ours, text, uid},
};
use crate::simulation::field::At as _;

/// What the operator makes for something else. Runs and promotions stay when what they came from goes: they are evidence.
const OWNED: [&str; 3] = ["Pod", "NetworkPolicy", "TuningCanary"];

/// Who can be an owner, or is to go within the bound.
const KINDS: [&str; 5] = ["PhaseSchedule", "PhaseRun", "Escalation", "TuningCanary", "Promotion"];

/// Longer than the longest that a test pod of any scenario takes to end, with its graces.
const GONE_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// I31: at the end of a history each of [`OWNED`] has an owner that lives; and at any time whatever is being deleted is gone within
/// [`GONE_WITHIN`], so that no finalizer of ours holds it for ever.
#[derive(Debug, Clone, Default)]
pub(super) struct NothingIsOrphaned {
    living: BTreeSet<String>,
    /// Who lived once.
    seen: BTreeSet<String>,
    /// Kind, name and the owners' uids, by uid.
    owned: BTreeMap<String, Owned>,
    /// What is being deleted: since when and what it is, by uid.
    going: BTreeMap<String, (Timestamp, String)>,
}

#[derive(Debug, Clone)]
struct Owned {
    what: String,
    owners: Vec<String>,
    /// A pod that never had one that lived is I2's.
    needs_owner: bool,
}

fn owners(object: &Value) -> Vec<String> {
    let owners = object.at("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    owners.filter_map(|owner| text(owner, "/uid")).map(str::to_owned).collect()
}

impl NothingIsOrphaned {
    fn note(&mut self, change: ObjectChange<'_>, now: Timestamp) {
        let (own, is_known) = (uid(change.object).to_owned(), KINDS.contains(&change.of));
        let is_owned = OWNED.contains(&change.of) && (is_known || is_ours(change.object));
        if change.kind == ChangeKind::Deleted {
            self.living.remove(&own);
            self.owned.remove(&own);
            self.going.remove(&own);
            return;
        }
        let what = format!("{} {}", change.of, text(change.object, "/metadata/name").unwrap_or_default());
        if is_known {
            self.living.insert(own.clone());
            self.seen.insert(own.clone());
        }
        let is_going = text(change.object, "/metadata/deletionTimestamp").is_some();
        if is_going && (is_known || is_owned) {
            self.going.entry(own.clone()).or_insert((now, what.clone()));
        }
        if is_owned {
            self.owned.insert(own, Owned { what, owners: owners(change.object), needs_owner: change.of != "Pod" });
        }
    }

    /// Told once of each.
    fn overdue(&mut self, now: Timestamp) -> Option<String> {
        let is_overdue = |since: Timestamp| now.duration_since(since) > GONE_WITHIN;
        let own = self.going.iter().find(|(_, (since, _))| is_overdue(*since))?.0.clone();
        let (since, what) = self.going.remove(&own)?;
        Some(format!("{what} is being deleted since {since}"))
    }

    fn orphan(&self) -> Option<String> {
        let lives = |owner: &String| self.living.contains(owner) || !self.seen.contains(owner);
        let is_orphan =
            |owned: &&Owned| (owned.needs_owner || !owned.owners.is_empty()) && !owned.owners.iter().any(lives);
        let orphan = self.owned.values().find(is_orphan)?;
        Some(format!("{} has no owner that lives", orphan.what))
    }
}

impl Invariant for NothingIsOrphaned {
    fn name(&self) -> &'static str {
        "i31_nothing_is_orphaned"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let found = match at.fact {
            Fact::Object(change) => {
                self.note(change, at.now);
                return None;
            }
            Fact::End => self.orphan().or_else(|| self.overdue(at.now)),
            Fact::Settled if !self.going.is_empty() => self.overdue(at.now),
            _ => return None,
        };
        Some(found.map_or(Ok(()), Err))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::Oracles;

    const NOON: Timestamp = Timestamp::constant(1_772_539_200, 0);

    fn canary() -> Value {
        let owner = json!([{"kind": "Escalation", "uid": "e"}]);
        json!({"metadata": {"name": "c", "uid": "c", "ownerReferences": owner}})
    }

    fn escalation() -> Value {
        json!({"metadata": {"name": "e", "uid": "e"}})
    }

    fn pod(owners: &[&str], is_ours: bool) -> Value {
        let owners: Vec<Value> = owners.iter().map(|uid| json!({"kind": "TuningCanary", "uid": uid})).collect();
        let labels = if is_ours { json!({"app.kubernetes.io/managed-by": "phaseloop"}) } else { json!({}) };
        json!({"metadata": {"name": "p", "uid": "p", "labels": labels, "ownerReferences": owners}})
    }

    /// Whether a history that ends so many minutes later violates it.
    fn is_violated(changes: &[(ChangeKind, &str, Value)], minutes: i64) -> bool {
        let mut oracles = Oracles::of(vec![Box::<NothingIsOrphaned>::default()]);
        for (kind, of, object) in changes {
            let change = ObjectChange { kind: *kind, of, object, before: None, by: "" };
            oracles.see(NOON, Fact::Object(change));
        }
        let end = NOON + SignedDuration::from_mins(minutes);
        oracles.see(end, Fact::Settled);
        oracles.see(end, Fact::End);
        oracles.figures().violations_total > 0
    }

    #[test]
    fn what_outlives_its_owner_at_the_end_is_found() {
        use ChangeKind::{Added, Deleted};
        let begun = |pod: Value| {
            vec![(Added, "Escalation", escalation()), (Added, "TuningCanary", canary()), (Added, "Pod", pod)]
        };
        assert!(!is_violated(&begun(pod(&["c"], true)), 60));
        assert!(!is_violated(&begun(pod(&["c", "e"], true)), 60), "one owner that lives is enough");
        assert!(!is_violated(&begun(pod(&["unheard of"], true)), 60), "that is another invariant's");
        assert!(!is_violated(&begun(pod(&[], true)), 60), "and so is that");
        assert!(is_violated(&[(Added, "NetworkPolicy", pod(&[], true))], 60), "of a policy it is this one's");
        assert!(!is_violated(&begun(pod(&[], false)), 60), "a pod of somebody else");
        let mut deleted = begun(pod(&["c"], true));
        deleted.push((Deleted, "TuningCanary", canary()));
        assert!(is_violated(&deleted, 60));
        deleted.push((Deleted, "Pod", pod(&["c"], true)));
        assert!(!is_violated(&deleted, 60));
        let mut abandoned = begun(pod(&["c"], true));
        abandoned.push((Deleted, "Escalation", escalation()));
        assert!(is_violated(&abandoned, 60), "the canary has outlived its Escalation");
    }

    #[test]
    fn what_is_being_deleted_for_ever_is_found() {
        let mut going = escalation();
        going["metadata"]["deletionTimestamp"] = "2026-03-03T12:00:00Z".into();
        let history = |then: Vec<(ChangeKind, &'static str, Value)>| {
            let mut changes = vec![(ChangeKind::Modified, "Escalation", going.clone())];
            changes.extend(then);
            changes
        };
        assert!(!is_violated(&history(Vec::new()), 29));
        assert!(is_violated(&history(Vec::new()), 31));
        assert!(!is_violated(&history(vec![(ChangeKind::Deleted, "Escalation", going.clone())]), 31));
    }
}
