//! A value that lies in a ConfigMap: the ConfigMap goes before its target, in and back, and none is left behind.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    fact::{At, ChangeKind},
    registry::Invariant,
    value::{name, text, uid},
};

/// Ends of promotions after which nothing of theirs is in.
const ENDS_WITHOUT_A_TRACE: [&str; 4] = ["RolledBack", "Rejected", "Superseded", "Expired"];
const MARK: &str = "/metadata/annotations/phaseloop.dev~1promotion";

/// I27: a target bears the mark of a promotion by a ConfigMap only after the ConfigMap bears it, and loses it only after the
/// ConfigMap has lost it: else pods of the old template would start with the new value. A promotion that ends before it was
/// validated leaves no mark on the ConfigMap.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfigMapGoesFirst {
    /// The ConfigMap of each promotion that has one, by the promotion's uid.
    of: BTreeMap<String, String>,
    /// The mark of each ConfigMap.
    marks: BTreeMap<String, String>,
}

fn key(object: &Value, name: &str) -> String {
    format!("{}/{name}", text(object, "/metadata/namespace").unwrap_or_default())
}

fn mark(object: &Value) -> &str {
    text(object, MARK).unwrap_or_default()
}

impl ConfigMapGoesFirst {
    /// Whether the ConfigMap of a promotion bears its mark; `None` where it has no ConfigMap.
    fn is_marked(&self, promotion: &str) -> Option<bool> {
        let map = self.of.get(promotion)?;
        Some(self.marks.get(map).is_some_and(|mark| mark == promotion))
    }

    fn look_at_target(&self, before: &Value, object: &Value) -> Option<Result<(), String>> {
        let (old, new) = (mark(before), mark(object));
        if old == new {
            return None;
        }
        let too_early = |what: &str| Err(format!("{} {what} before its ConfigMap", name(object)));
        match (self.is_marked(old), self.is_marked(new)) {
            (Some(true), _) => Some(too_early("lost its mark")),
            (_, Some(false)) => Some(too_early("was marked")),
            (None, None) => None,
            _ => Some(Ok(())),
        }
    }
}

impl Invariant for ConfigMapGoesFirst {
    fn name(&self) -> &'static str {
        "i27_a_config_map_goes_before_its_target"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("ConfigMap") {
            let there = change.kind != ChangeKind::Deleted;
            let marked = if there { mark(change.object) } else { "" };
            self.marks.insert(key(change.object, name(change.object)), marked.to_owned());
            return None;
        }
        if let Some(change) = at.change_of("Promotion") {
            let map = text(change.object, "/spec/configMap/name")?;
            self.of.insert(uid(change.object).to_owned(), key(change.object, map));
            let phase = |object| text(object, "/status/phase").unwrap_or_default();
            let ended = ENDS_WITHOUT_A_TRACE.contains(&phase(change.object))
                && change.before.is_none_or(|before| phase(before) != phase(change.object));
            let left = || format!("{} ended, and its value is left in its ConfigMap", name(change.object));
            return ended.then(|| if self.is_marked(uid(change.object)) == Some(true) { Err(left()) } else { Ok(()) });
        }
        let change = at.change_of("Deployment").or_else(|| at.change_of("StatefulSet"))?;
        self.look_at_target(change.before?, change.object)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::{Fact, ObjectChange, Oracles};

    fn marked(of: &str, uid: Option<&str>) -> Value {
        let annotations = uid.map_or(json!({}), |uid| json!({"phaseloop.dev/promotion": uid}));
        json!({"metadata": {"name": of, "namespace": "n", "annotations": annotations}})
    }

    fn promotion(phase: &str) -> Value {
        json!({"metadata": {"name": "p", "uid": "p", "namespace": "n"},
               "spec": {"configMap": {"name": "map"}}, "status": {"phase": phase}})
    }

    /// What was violated when the ConfigMap's mark, the target's mark and the promotion's end came in this order.
    fn violations(steps: &[(&str, Option<&str>)]) -> u64 {
        let mut oracles = Oracles::of(vec![Box::<ConfigMapGoesFirst>::default()]);
        let mut see = |of, before: Option<&Value>, object: &Value| {
            let kind = if before.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
            oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(ObjectChange { kind, of, object, before, by: "" }));
        };
        let (mut map, mut target, mut last) = (marked("map", None), marked("t", None), promotion("Staged"));
        see("ConfigMap", None, &map);
        see("Deployment", None, &target);
        see("Promotion", None, &last);
        for (what, uid) in steps {
            match *what {
                "map" => {
                    let after = marked("map", *uid);
                    see("ConfigMap", Some(&map), &after);
                    map = after;
                }
                "target" => {
                    let after = marked("t", *uid);
                    see("Deployment", Some(&target), &after);
                    target = after;
                }
                phase => {
                    let after = promotion(phase);
                    see("Promotion", Some(&last), &after);
                    last = after;
                }
            }
        }
        oracles.figures().violations_total
    }

    #[test]
    fn the_target_before_its_config_map_is_found_in_either_direction() {
        let (map, target, no_map, no_target) =
            (("map", Some("p")), ("target", Some("p")), ("map", None), ("target", None));
        assert_eq!(violations(&[map, target, no_map, no_target, ("RolledBack", None)]), 0);
        assert_eq!(violations(&[target]), 1);
        assert_eq!(violations(&[map, target, no_target]), 1);
        assert_eq!(violations(&[("target", Some("another")), ("target", None)]), 0, "not of a ConfigMap");
    }

    #[test]
    fn a_value_that_an_end_leaves_in_the_config_map_is_found() {
        let map = ("map", Some("p"));
        for end in ["RolledBack", "Rejected", "Superseded", "Expired"] {
            assert_eq!(violations(&[map, (end, None)]), 1, "{end}");
            assert_eq!(violations(&[map, ("map", None), (end, None)]), 0, "{end}");
        }
        for end in ["Validated", "Conflict"] {
            assert_eq!(violations(&[map, (end, None)]), 0, "{end}");
        }
    }
}
