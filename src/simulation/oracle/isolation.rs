//! Isolation: no test pod is found by production, and production is not touched.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    fact::{At, ChangeKind},
    registry::Invariant,
    value::{is_ours, name, text},
};
use crate::simulation::field::At as _;

/// I16: no Service and no workload selects a test pod.
#[derive(Debug, Clone, Default)]
pub(super) struct PodsAreIsolated {
    selectors: BTreeMap<String, Map<String, Value>>,
    pods: BTreeMap<String, Map<String, Value>>,
}

/// What selects pods, and where its selector stands.
const SELECTING: [(&str, &str); 4] = [
    ("Service", "/spec/selector"),
    ("Deployment", "/spec/selector/matchLabels"),
    ("StatefulSet", "/spec/selector/matchLabels"),
    ("ReplicaSet", "/spec/selector/matchLabels"),
];

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
        let selection = SELECTING.iter().find_map(|(of, pointer)| Some((of, pointer, at.change_of(of)?)));
        let found = if let Some((of, pointer, change)) = selection {
            let key = format!("{of} {}", name(change.object));
            let selector = map(change.object, pointer);
            if !keep(&mut self.selectors, &key, change.kind, &selector) || self.pods.is_empty() {
                return None;
            }
            let pod = self.pods.iter().find(|(_, labels)| selects(&selector, labels));
            pod.map(|(pod, _)| (key, pod.clone()))
        } else {
            let change = at.change_of("Pod").filter(|change| is_ours(change.object))?;
            let (pod, labels) = (name(change.object).to_owned(), map(change.object, "/metadata/labels"));
            if !keep(&mut self.pods, &pod, change.kind, &labels) {
                return None;
            }
            let owner = self.selectors.iter().find(|(_, selector)| selects(selector, &labels));
            owner.map(|(owner, _)| (owner.clone(), pod))
        };
        Some(found.map_or(Ok(()), |(owner, pod)| Err(format!("{owner} selects the test pod {pod}"))))
    }
}

fn map(object: &Value, pointer: &str) -> Map<String, Value> {
    object.at(pointer).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Keeps what a change says. Whether there is anything new to compare: only that is, so that a world of a thousand targets is
/// not compared with itself at every status.
fn keep(
    known: &mut BTreeMap<String, Map<String, Value>>,
    key: &str,
    kind: ChangeKind,
    said: &Map<String, Value>,
) -> bool {
    match kind {
        ChangeKind::Deleted => {
            known.remove(key);
            false
        }
        ChangeKind::Added | ChangeKind::Modified => {
            let is_new = known.get(key) != Some(said);
            if is_new {
                known.insert(key.to_owned(), said.clone());
            }
            is_new
        }
    }
}

/// I17: the operator changes no target, and no ConfigMap, but by promoting, undoing, fencing or borrowing, each of which leaves its
/// annotation or takes it away. Borrowing changes the number of replicas and nothing else.
#[derive(Debug, Clone, Default)]
pub(super) struct TargetIsLeftAlone;

/// What the names of the operator's users begin with.
pub(super) const OPERATOR: &str = "system:serviceaccount:phaseloop-system:";

impl Invariant for TargetIsLeftAlone {
    fn name(&self) -> &'static str {
        "i17_production_is_left_alone"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at
            .change_of("Deployment")
            .or_else(|| at.change_of("StatefulSet"))
            .or_else(|| at.change_of("ConfigMap"))
            .filter(|change| change.kind == ChangeKind::Modified)?;
        let before = change.before?;
        let content = ["/spec", "/data", "/binaryData"];
        let unchanged = content.iter().all(|part| before.at(part) == change.object.at(part));
        if unchanged || !change.by.starts_with(OPERATOR) {
            return None;
        }
        let annotation = |object: &Value, key: &str| {
            text(object, &format!("/metadata/annotations/phaseloop.dev~1{key}")).map(String::from)
        };
        let is_marked = |key: &str| annotation(before, key) != annotation(change.object, key);
        Some(if is_marked("promotion") || is_marked("fence") {
            Ok(())
        } else if !is_marked("give-back") {
            Err(format!("{} was changed without a mark", name(change.object)))
        } else if beside_replicas(before) == beside_replicas(change.object) {
            Ok(())
        } else {
            Err(format!("of {} more than the replicas was changed to borrow", name(change.object)))
        })
    }
}

/// What a target says, but for how many replicas it has.
fn beside_replicas(target: &Value) -> Option<Map<String, Value>> {
    let mut spec = target.at("/spec")?.as_object()?.clone();
    spec.remove("replicas");
    Some(spec)
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
    fn a_label_that_a_test_pod_is_given_later_is_found_and_a_pod_that_is_gone_is_not() {
        let pod = |label: &str| json!({"metadata": {"name": "p", "labels": {"app.kubernetes.io/managed-by": "phaseloop", "app": label}}});
        let service = json!({"metadata": {"name": "s"}, "spec": {"selector": {"app": "web"}}});
        let (isolated, found) = (pod("test"), pod("web"));
        for (later, violations) in [((ChangeKind::Modified, &found), 1), ((ChangeKind::Deleted, &isolated), 0)] {
            let mut oracles = Oracles::of(vec![Box::<PodsAreIsolated>::default()]);
            let selecting = json!({"metadata": {"name": "late"}, "spec": {"selector": {"app": "test"}}});
            let changes = [
                (ChangeKind::Added, "Service", &service),
                (ChangeKind::Added, "Pod", &isolated),
                (later.0, "Pod", later.1),
                (ChangeKind::Added, "Service", &selecting),
            ];
            for (kind, of, object) in changes {
                let change = ObjectChange { kind, of, object, before: None, by: "" };
                oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
            }
            assert_eq!(oracles.figures().violations_total, violations);
        }
    }

    #[test]
    fn an_unmarked_change_of_a_config_map_by_us_is_found() {
        let map = |value: &str, mark: Option<&str>| {
            let annotations = mark.map_or(json!({}), |mark| json!({"phaseloop.dev/promotion": mark}));
            json!({"metadata": {"name": "m", "annotations": annotations}, "data": {"x": value}})
        };
        let operator = "system:serviceaccount:phaseloop-system:phaseloop-0";
        for (mark, by, violations) in [(Some("u"), operator, 0), (None, operator, 1), (None, "jane", 0)] {
            let mut oracles = Oracles::of(vec![Box::new(TargetIsLeftAlone)]);
            let (before, object) = (map("1", None), map("2", mark));
            let (kind, before) = (ChangeKind::Modified, Some(&before));
            let change = ObjectChange { kind, of: "ConfigMap", object: &object, before, by };
            oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
            assert_eq!(oracles.figures().violations_total, violations, "{mark:?} {by}");
        }
    }

    #[test]
    fn borrowing_may_change_the_replicas_and_nothing_else() {
        let target = |replicas: i64, image: &str, mark: Option<&str>| {
            let annotations = mark.map_or(json!({}), |mark| json!({"phaseloop.dev/give-back": mark}));
            let metadata = json!({"name": "t", "annotations": annotations});
            json!({"metadata": metadata, "spec": {"replicas": replicas, "template": image}})
        };
        let (whole, lent) = (target(2, "a", None), target(1, "a", Some("u")));
        let (unmarked, more) = (target(1, "a", None), target(1, "b", Some("u")));
        for (before, object, violations) in
            [(&whole, &lent, 0), (&lent, &whole, 0), (&whole, &unmarked, 1), (&whole, &more, 1), (&more, &whole, 1)]
        {
            let mut oracles = Oracles::of(vec![Box::new(TargetIsLeftAlone)]);
            let by = "system:serviceaccount:phaseloop-system:phaseloop-0";
            let (kind, of, before) = (ChangeKind::Modified, "StatefulSet", Some(before));
            oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(ObjectChange { kind, of, object, before, by }));
            assert_eq!(oracles.figures().violations_total, violations, "{object}");
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
