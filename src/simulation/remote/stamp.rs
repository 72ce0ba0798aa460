//! The API server's own clock is the machine's, and the scenario's is not: what the API server stamps is told as of the
//! scenario's instant at which it happened, and goes back as the API server made it.
//!
//! It stamps `creationTimestamp`, `deletionTimestamp`, the times of `managedFields`, and the `PodScheduled` condition of a
//! pod that was bound. Every other time in an object was written by somebody who goes by the scenario's clock.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, fmt::temporal::DateTimePrinter};
use phaseloop_core::schedule::later_by;
use serde_json::Value;

/// A time as the API server has it, and as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    real: String,
    told: String,
}

/// The stamps of one object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stamps {
    created: Option<Stamp>,
    /// With the grace period that it was reckoned from.
    deleted: Option<(Stamp, i64)>,
    bound: Option<Stamp>,
    /// By owner; with the fields that are owned, because one second may see several changes.
    owners: BTreeMap<String, (Stamp, String)>,
}

/// The stamps of all objects that were seen, by uid.
#[derive(Debug, Default)]
pub(super) struct StampBook(BTreeMap<String, Stamps>);

fn whole_seconds(instant: Timestamp) -> String {
    DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&instant)
}

impl StampBook {
    /// Tells an object as of the scenario's time. What is seen for the first time was stamped now.
    pub(super) fn tell(&mut self, object: &mut Value, now: Timestamp) {
        let Some(uid) = uid_of(object) else { return };
        let stamps = self.0.entry(uid).or_default();
        let now_text = whole_seconds(now);
        stamps.tell_conditions(object, &now_text);
        let Some(metadata) = object.get_mut("metadata") else { return };
        if let Some(Value::String(text)) = metadata.get_mut("creationTimestamp") {
            let made = || Stamp { real: text.clone(), told: now_text.clone() };
            let told = stamps.created.get_or_insert_with(made).told.clone();
            *text = told;
        }
        stamps.tell_deletion(metadata, now);
        let owners = metadata.get_mut("managedFields").and_then(Value::as_array_mut);
        for owner in owners.into_iter().flatten() {
            stamps.tell_owner(owner, &now_text);
        }
    }

    /// Gives an object back its stamps as the API server made them. It keeps the owners of fields itself.
    pub(super) fn restore(&self, object: &mut Value) {
        let stamps = uid_of(object).and_then(|uid| self.0.get(&uid));
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let Some(stamps) = stamps else { return };
        restore_one(object.pointer_mut("/metadata/creationTimestamp"), stamps.created.as_ref());
        restore_one(object.pointer_mut("/metadata/deletionTimestamp"), stamps.deleted.as_ref().map(|(stamp, _)| stamp));
    }
}

fn uid_of(object: &Value) -> Option<String> {
    object.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned)
}

fn restore_one(field: Option<&mut Value>, stamp: Option<&Stamp>) {
    if let (Some(field), Some(stamp)) = (field, stamp) {
        *field = stamp.real.clone().into();
    }
}

impl Stamps {
    /// A deletion is stamped with the end of its grace period, and anew where a later request shortens that.
    fn tell_deletion(&mut self, metadata: &mut Value, now: Timestamp) {
        let grace = metadata.get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        let Some(Value::String(text)) = metadata.get_mut("deletionTimestamp") else { return };
        let is_known = self.deleted.as_ref().is_some_and(|(stamp, own)| stamp.real == *text && *own == grace);
        if !is_known {
            let told = whole_seconds(later_by(now, SignedDuration::from_secs(grace)));
            self.deleted = Some((Stamp { real: text.clone(), told }, grace));
        }
        if let Some((stamp, _)) = &self.deleted {
            stamp.told.clone_into(text);
        }
    }

    /// Binding a pod is what the API server notes in its status.
    fn tell_conditions(&mut self, object: &mut Value, now: &str) {
        let is_bound = object.pointer("/spec/nodeName").is_some();
        let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten() {
            let field = |name: &str| condition.get(name).and_then(Value::as_str);
            if !is_bound || field("type") != Some("PodScheduled") || field("status") != Some("True") {
                continue;
            }
            let Some(Value::String(text)) = condition.get_mut("lastTransitionTime") else { continue };
            let stamp = self.bound.get_or_insert_with(|| Stamp { real: text.clone(), told: now.to_owned() });
            // Who has been told of it may have written it again since, as it was told.
            if stamp.real == *text {
                stamp.told.clone_into(text);
            }
        }
    }

    fn tell_owner(&mut self, owner: &mut Value, now: &str) {
        let field = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
        let key = ["manager", "operation", "apiVersion", "subresource"].map(field).join("\n");
        let fields = owner.get("fieldsV1").map(ToString::to_string).unwrap_or_default();
        let Some(Value::String(text)) = owner.get_mut("time") else { return };
        let is_known = self.owners.get(&key).is_some_and(|(stamp, own)| stamp.real == *text && *own == fields);
        if !is_known {
            self.owners.insert(key.clone(), (Stamp { real: text.clone(), told: now.to_owned() }, fields));
        }
        if let Some((stamp, _)) = self.owners.get(&key) {
            stamp.told.clone_into(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn told(book: &mut StampBook, mut object: Value, now: &str) -> Value {
        book.tell(&mut object, at(now));
        object
    }

    #[test]
    fn an_object_was_made_when_it_was_first_seen_and_goes_back_as_it_came() {
        let mut book = StampBook::default();
        let object = json!({ "metadata": { "uid": "u", "creationTimestamp": "2031-01-01T00:00:00Z" } });
        for now in ["2026-03-04T03:00:00.7Z", "2026-03-05T03:00:00Z"] {
            let told = told(&mut book, object.clone(), now);
            assert_eq!(told["metadata"]["creationTimestamp"], "2026-03-04T03:00:00Z");
            let mut back = told;
            book.restore(&mut back);
            assert_eq!(back, object);
        }
        let other = json!({ "metadata": { "name": "a status has no uid", "creationTimestamp": null } });
        assert_eq!(told(&mut book, other.clone(), "2026-03-05T03:00:00Z"), other);
    }

    #[test]
    fn a_deletion_is_due_after_its_grace_period_and_again_where_that_is_shortened() {
        let mut book = StampBook::default();
        let going = |grace: i64| {
            json!({ "metadata": {
                "uid": "u", "deletionTimestamp": "2031-01-01T00:00:30Z", "deletionGracePeriodSeconds": grace,
            } })
        };
        let deletion = |told: Value| told["metadata"]["deletionTimestamp"].clone();
        assert_eq!(deletion(told(&mut book, going(30), "2026-03-04T03:00:00Z")), "2026-03-04T03:00:30Z");
        assert_eq!(deletion(told(&mut book, going(30), "2026-03-04T03:00:09Z")), "2026-03-04T03:00:30Z");
        assert_eq!(deletion(told(&mut book, going(1), "2026-03-04T03:00:09Z")), "2026-03-04T03:00:10Z");
    }

    #[test]
    fn an_owner_of_fields_is_told_with_the_instant_of_its_last_change() {
        let mut book = StampBook::default();
        let owned = |field: &str| {
            let fields = json!({ field: {} });
            let owner =
                json!({ "manager": "m", "operation": "Update", "time": "2031-01-01T00:00:00Z", "fieldsV1": fields });
            json!({ "metadata": { "uid": "u", "managedFields": [owner] } })
        };
        let time = |told: &Value| told["metadata"]["managedFields"][0]["time"].clone();
        assert_eq!(time(&told(&mut book, owned("a"), "2026-03-04T03:00:00Z")), "2026-03-04T03:00:00Z");
        assert_eq!(time(&told(&mut book, owned("a"), "2026-03-04T04:00:00Z")), "2026-03-04T03:00:00Z");
        let mut changed = told(&mut book, owned("b"), "2026-03-04T05:00:00Z");
        assert_eq!(time(&changed), "2026-03-04T05:00:00Z", "hours of a scenario may pass within a second");
        book.restore(&mut changed);
        assert_eq!(changed["metadata"].get("managedFields"), None);
    }

    #[test]
    fn the_binding_of_a_pod_is_told_and_what_a_kubelet_writes_stands() {
        let mut book = StampBook::default();
        let pod = |status: &str, time: &str, node: Value| {
            let condition = json!({ "type": "PodScheduled", "status": status, "lastTransitionTime": time });
            json!({ "metadata": { "uid": "u" }, "spec": { "nodeName": node }, "status": { "conditions": [condition] } })
        };
        let time = |told: Value| told["status"]["conditions"][0]["lastTransitionTime"].clone();
        let waiting = pod("False", "2026-03-04T02:00:00Z", json!("n"));
        assert_eq!(time(told(&mut book, waiting, "2026-03-04T02:30:00Z")), "2026-03-04T02:00:00Z");
        let bound = pod("True", "2031-01-01T00:00:00Z", json!("n"));
        for now in ["2026-03-04T03:00:00Z", "2026-03-04T04:00:00Z"] {
            assert_eq!(time(told(&mut book, bound.clone(), now)), "2026-03-04T03:00:00Z");
        }
        let rewritten = pod("True", "2026-03-04T03:30:00Z", json!("n"));
        assert_eq!(time(told(&mut book, rewritten, "2026-03-04T04:00:00Z")), "2026-03-04T03:30:00Z");
    }
}
