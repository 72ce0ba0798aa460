//! The network of test pods: each has a policy that holds for it, for as long as its owner lives.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    fact::{At, ChangeKind, ObjectChange},
    registry::Invariant,
    value::{is_ours, name, owner, text, texts, uid},
};
use crate::simulation::field::At as _;

/// Namespace and name.
type Place = (String, String);

/// I36: from its first version on a test pod is selected by a NetworkPolicy that lets nobody in and bounds what it reaches.
/// When its owner is gone, pod and policy are the garbage collector's, which takes them in any order.
#[derive(Debug, Clone, Default)]
pub(super) struct PodsHaveTheirNetworkPolicy {
    /// Selectors of the policies that let nobody in.
    policies: BTreeMap<Place, Map<String, Value>>,
    pods: BTreeMap<Place, TestPod>,
    /// Uids of the owners that are gone, or go once all that they own is gone.
    gone: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct TestPod {
    labels: Map<String, Value>,
    owner: Option<String>,
}

fn place(object: &Value) -> Place {
    (text(object, "/metadata/namespace").unwrap_or_default().to_owned(), name(object).to_owned())
}

fn map(object: &Value, pointer: &str) -> Map<String, Value> {
    object.at(pointer).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The selector of a policy that lets nobody in and has a word on what its pods reach; nothing where it is none of these, or
/// selects by more than labels.
fn sealing_selector(policy: &Value) -> Option<Map<String, Value>> {
    let types = texts(policy, "/spec/policyTypes");
    let lets_in = policy.at("/spec/ingress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    let is_plain = policy.at("/spec/podSelector/matchExpressions").is_none();
    let seals = types.contains(&"Ingress") && types.contains(&"Egress") && !lets_in && is_plain;
    seals.then(|| map(policy, "/spec/podSelector/matchLabels"))
}

impl PodsHaveTheirNetworkPolicy {
    fn note_pod(&mut self, change: ObjectChange<'_>) -> bool {
        let place = place(change.object);
        if change.kind == ChangeKind::Deleted {
            return self.pods.remove(&place).is_some();
        }
        if !is_ours(change.object) && !self.pods.contains_key(&place) {
            return false;
        }
        let owner = ["PhaseRun", "TuningCanary"].iter().find_map(|kind| owner(change.object, kind)).map(str::to_owned);
        self.pods.insert(place, TestPod { labels: map(change.object, "/metadata/labels"), owner });
        true
    }

    fn note_policy(&mut self, change: ObjectChange<'_>) {
        let place = place(change.object);
        match sealing_selector(change.object).filter(|_| change.kind != ChangeKind::Deleted) {
            Some(selector) => drop(self.policies.insert(place, selector)),
            None => drop(self.policies.remove(&place)),
        }
    }

    fn note_owner(&mut self, change: ObjectChange<'_>) {
        let waits_for_its_own = texts(change.object, "/metadata/finalizers").contains(&"foregroundDeletion");
        if change.kind == ChangeKind::Deleted || waits_for_its_own {
            self.gone.insert(uid(change.object).to_owned());
        }
    }

    /// A pod whose owner lives, and that no policy selects.
    fn open_pod(&self) -> Option<&Place> {
        let is_owned = |pod: &TestPod| pod.owner.as_ref().is_none_or(|owner| !self.gone.contains(owner));
        let is_sealed = |namespace: &str, pod: &TestPod| {
            self.policies.iter().any(|((own, _), selector)| {
                own == namespace && selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
            })
        };
        let mut living = self.pods.iter().filter(|(_, pod)| is_owned(pod));
        living.find(|(place, pod)| !is_sealed(&place.0, pod)).map(|(place, _)| place)
    }
}

impl Invariant for PodsHaveTheirNetworkPolicy {
    fn name(&self) -> &'static str {
        "i36_a_test_pod_has_its_network_policy"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        for kind in ["PhaseRun", "TuningCanary"] {
            if let Some(change) = at.change_of(kind) {
                self.note_owner(change);
                return None;
            }
        }
        if let Some(change) = at.change_of("NetworkPolicy") {
            self.note_policy(change);
        } else if !self.note_pod(at.change_of("Pod")?) {
            return None;
        }
        if self.pods.is_empty() {
            return None;
        }
        let open = self.open_pod();
        Some(open.map_or(Ok(()), |(_, pod)| Err(format!("no NetworkPolicy holds for the test pod {pod}"))))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::{Fact, Oracles};

    fn meta(name: &str) -> Value {
        let owner = json!([{"kind": "TuningCanary", "name": "c", "uid": "c-uid"}]);
        let labels = json!({"app.kubernetes.io/managed-by": "phaseloop", "phaseloop.dev/canary": "c"});
        json!({"namespace": "chat", "name": name, "labels": labels, "ownerReferences": owner})
    }

    fn pod() -> Value {
        json!({"metadata": meta("p")})
    }

    fn policy(spec: &Value) -> Value {
        let mut policy = json!({"metadata": meta("n"), "spec": {
            "podSelector": {"matchLabels": {"phaseloop.dev/canary": "c"}}, "policyTypes": ["Ingress", "Egress"],
        }});
        for (field, value) in spec.as_object().unwrap() {
            policy["spec"][field] = value.clone();
        }
        policy
    }

    fn violations(changes: &[(ChangeKind, &str, Value)]) -> u64 {
        let mut oracles = Oracles::of(vec![Box::<PodsHaveTheirNetworkPolicy>::default()]);
        for (kind, of, object) in changes {
            let change = ObjectChange { kind: *kind, of, object, before: None, by: "" };
            oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
        }
        oracles.figures().violations_total
    }

    #[test]
    fn a_pod_without_a_policy_that_seals_it_is_found() {
        let with = |spec: Value| {
            violations(&[(ChangeKind::Added, "NetworkPolicy", policy(&spec)), (ChangeKind::Added, "Pod", pod())])
        };
        assert_eq!(with(json!({})), 0);
        assert_eq!(with(json!({"egress": [{}]})), 0, "what it reaches is the administrator's choice");
        assert_eq!(with(json!({"ingress": [{}]})), 1, "somebody is let in");
        assert_eq!(with(json!({"policyTypes": ["Ingress"]})), 1, "what it reaches is not bounded");
        assert_eq!(with(json!({"policyTypes": ["Egress"]})), 1);
        assert_eq!(with(json!({"podSelector": {"matchLabels": {"phaseloop.dev/canary": "other"}}})), 1);
        assert_eq!(violations(&[(ChangeKind::Added, "Pod", pod())]), 1);
    }

    #[test]
    fn the_policy_comes_first_and_stays_for_as_long_as_the_owner() {
        let canary = json!({"metadata": {"namespace": "chat", "name": "c", "uid": "c-uid"}});
        let policy = || policy(&json!({}));
        let (added, deleted) = (ChangeKind::Added, ChangeKind::Deleted);
        let late = [(added, "Pod", pod()), (added, "NetworkPolicy", policy())];
        assert_eq!(violations(&late), 1);
        let begun = [(added, "NetworkPolicy", policy()), (added, "Pod", pod())];
        let taken = [&begun[..], &[(deleted, "NetworkPolicy", policy())]].concat();
        assert_eq!(violations(&taken), 1, "it was taken away");
        let after = [&begun[..], &[(deleted, "Pod", pod()), (deleted, "NetworkPolicy", policy())]].concat();
        assert_eq!(violations(&after), 0, "nothing is left to hold for");
        let collected =
            [&begun[..], &[(deleted, "TuningCanary", canary), (deleted, "NetworkPolicy", policy())]].concat();
        assert_eq!(violations(&collected), 0, "the garbage collector takes both, in any order");
    }
}
