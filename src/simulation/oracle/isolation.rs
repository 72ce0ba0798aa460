//! Isolation: no test pod is found by production, and production is not touched.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    fact::{At, ChangeKind},
    registry::Invariant,
    value::{is_ours, name, text},
};

/// I16: no Service and no workload selects a test pod.
#[derive(Debug, Clone, Default)]
pub(super) struct PodsAreIsolated {
    selectors: BTreeMap<String, Map<String, Value>>,
    pods: BTreeMap<String, Map<String, Value>>,
}

/// Whether every label of a selector stands among these. A selector that asks for nothing selects nothing here: a
/// Service without one has no pods.
fn selects(selector: &Map<String, Value>, labels: &Map<String, Value>) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

impl Invariant for PodsAreIsolated {
    fn name(&self) -> &'static str {
        "i16_no_production_selector_finds_a_test_pod"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let map = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_object).cloned();
        for (of, pointer) in [
            ("Service", "/spec/selector"),
            ("Deployment", "/spec/selector/matchLabels"),
            ("StatefulSet", "/spec/selector/matchLabels"),
            ("ReplicaSet", "/spec/selector/matchLabels"),
        ] {
            if let Some(change) = at.change_of(of) {
                let key = format!("{of} {}", name(change.object));
                self.selectors.insert(key, map(change.object, pointer).unwrap_or_default());
            }
        }
        if let Some(change) = at.change_of("Pod").filter(|change| is_ours(change.object)) {
            let labels = map(change.object, "/metadata/labels").unwrap_or_default();
            self.pods.insert(name(change.object).to_owned(), labels);
        } else if !["Service", "Deployment", "StatefulSet", "ReplicaSet"].iter().any(|of| at.change_of(of).is_some()) {
            return None;
        }
        if self.pods.is_empty() {
            return None;
        }
        let found = self.selectors.iter().find_map(|(owner, selector)| {
            let pod = self.pods.iter().find(|(_, labels)| selects(selector, labels))?;
            Some(format!("{owner} selects the test pod {}", pod.0))
        });
        Some(found.map_or(Ok(()), Err))
    }
}

/// I17: the operator changes no target but by promoting, undoing, fencing or borrowing, each of which leaves its
/// annotation or takes it away.
#[derive(Debug, Clone, Default)]
pub(super) struct TargetIsLeftAlone;

/// What the names of the operator's users begin with.
const OPERATOR: &str = "system:serviceaccount:phaseloop-system:";

impl Invariant for TargetIsLeftAlone {
    fn name(&self) -> &'static str {
        "i17_production_is_left_alone"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at
            .change_of("Deployment")
            .or_else(|| at.change_of("StatefulSet"))
            .filter(|change| change.kind == ChangeKind::Modified)?;
        let before = change.before?;
        if before.pointer("/spec") == change.object.pointer("/spec") || !change.by.starts_with(OPERATOR) {
            return None;
        }
        let annotation = |object: &Value, key: &str| {
            text(object, &format!("/metadata/annotations/phaseloop.dev~1{key}")).map(String::from)
        };
        let marked = ["promotion", "give-back", "fence"]
            .iter()
            .any(|key| annotation(before, key) != annotation(change.object, key));
        Some(if marked { Ok(()) } else { Err(format!("{} was changed without a mark", name(change.object))) })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::{Fact, ObjectChange, Oracles};

    #[test]
    fn a_selector_that_matches_a_test_pod_is_found_whichever_came_first() {
        let service = |labels: Value| json!({"metadata": {"name": "s"}, "spec": {"selector": labels}});
        let pod = json!({"metadata": {"name": "p", "labels": {"app.kubernetes.io/managed-by": "phaseloop", "a": "b"}}});
        for (selector, violations) in [(json!({"app": "llama"}), 0), (json!({"a": "b"}), 1), (json!({}), 0)] {
            for pod_first in [true, false] {
                let mut oracles = Oracles::of(vec![Box::<PodsAreIsolated>::default()]);
                let service = service(selector.clone());
                let mut both = [("Service", &service), ("Pod", &pod)];
                if pod_first {
                    both.reverse();
                }
                for (of, object) in both {
                    let change = ObjectChange { kind: ChangeKind::Added, of, object, before: None, by: "" };
                    oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
                }
                assert_eq!(oracles.figures().violations_total, violations, "{selector} {pod_first}");
            }
        }
    }

    #[test]
    fn an_unmarked_change_of_a_target_by_us_is_found_and_one_by_others_is_theirs() {
        let target = |value: i64, mark: Option<&str>| {
            let annotations = mark.map_or(json!({}), |mark| json!({"phaseloop.dev/promotion": mark}));
            json!({"metadata": {"name": "t", "annotations": annotations}, "spec": {"x": value}})
        };
        let operator = "system:serviceaccount:phaseloop-system:phaseloop-0";
        for (mark, by, violations) in [(Some("u"), operator, 0), (None, operator, 1), (None, "jane", 0)] {
            let mut oracles = Oracles::of(vec![Box::new(TargetIsLeftAlone)]);
            let (before, object) = (target(1, None), target(2, mark));
            let change = ObjectChange {
                kind: ChangeKind::Modified,
                of: "Deployment",
                object: &object,
                before: Some(&before),
                by,
            };
            oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
            assert_eq!(oracles.figures().violations_total, violations, "{mark:?} {by}");
        }
    }
}
