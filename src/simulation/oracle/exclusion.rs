//! One at a time: tuning runs, test pods, pods per owner, attempts per night.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fact::{At, ChangeKind, ContainerState, Fact},
    registry::Invariant,
    value::{is_ours, name, owner, target_of, text, uid},
};
use crate::simulation::field::At as _;

/// I4: a target never has canaries of two tuning runs that are not released.
#[derive(Debug, Clone, Default)]
pub(super) struct OneTuningRunPerTarget {
    open: BTreeMap<String, BTreeMap<String, String>>,
}

impl Invariant for OneTuningRunPerTarget {
    fn name(&self) -> &'static str {
        "i4_one_tuning_run_per_target"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("TuningCanary")?;
        let target = target_of(change.object);
        let open = self.open.entry(target.clone()).or_default();
        let ended = change.kind == ChangeKind::Deleted || text(change.object, "/status/releasedAt").is_some();
        if ended {
            open.remove(uid(change.object));
            return None;
        }
        let cycle = text(change.object, "/spec/cycle").unwrap_or_default();
        open.insert(uid(change.object).to_owned(), cycle.to_owned());
        let cycles: BTreeSet<&String> = open.values().collect();
        Some(if cycles.len() > 1 { Err(format!("{target} is tuned by {cycles:?} at once")) } else { Ok(()) })
    }
}

/// I4: engines of canaries of one target never run at the same time.
#[derive(Debug, Clone, Default)]
pub(super) struct OneTestPodPerTarget {
    canaries: BTreeMap<String, String>,
    pods: BTreeMap<String, String>,
    running: BTreeMap<String, BTreeSet<String>>,
}

impl Invariant for OneTestPodPerTarget {
    fn name(&self) -> &'static str {
        "i4_one_canary_engine_per_target"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("TuningCanary") {
            self.canaries.insert(uid(change.object).to_owned(), target_of(change.object));
        }
        if let Some(change) = at.change_of("Pod")
            && let Some(target) = owner(change.object, "TuningCanary").and_then(|owner| self.canaries.get(owner))
        {
            self.pods.insert(uid(change.object).to_owned(), target.clone());
        }
        let Fact::Container(change) = at.fact else { return None };
        let target = self.pods.get(change.pod_uid).filter(|_| change.is_engine)?;
        let running = self.running.entry(target.clone()).or_default();
        match change.state {
            ContainerState::Started => {
                running.insert(change.pod_uid.to_owned());
                let many = running.len();
                Some(if many > 1 { Err(format!("{many} canary engines of {target} run at once")) } else { Ok(()) })
            }
            ContainerState::Ended { .. } => {
                running.remove(change.pod_uid);
                None
            }
            ContainerState::Ready => None,
        }
    }
}

/// I5: a canary, and a domain of a run, has at most one pod, ever.
#[derive(Debug, Clone, Default)]
pub(super) struct OnePodPerOwner {
    pods: BTreeMap<(String, String), String>,
}

impl Invariant for OnePodPerOwner {
    fn name(&self) -> &'static str {
        "i5_one_pod_per_owner_and_part"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("Pod").filter(|change| change.kind == ChangeKind::Added && is_ours(change.object))?;
        let of = owner(change.object, "TuningCanary").or_else(|| owner(change.object, "PhaseRun"))?;
        // The name holds the part: a run has one pod per domain.
        let (of, pod) = (of.to_owned(), name(change.object).to_owned());
        let is_canary = owner(change.object, "TuningCanary").is_some();
        let part = if is_canary { "canary".to_owned() } else { pod.clone() };
        let earlier = self.pods.insert((of, part), uid(change.object).to_owned());
        Some(earlier.map_or(Ok(()), |earlier| Err(format!("pod {pod} was made again after {earlier}"))))
    }
}

/// I9: attempts of a night are dense: nobody makes one without all below it.
#[derive(Debug, Clone, Default)]
pub(super) struct AttemptsAreDense {
    made: BTreeMap<(String, String), BTreeSet<i64>>,
}

impl Invariant for AttemptsAreDense {
    fn name(&self) -> &'static str {
        "i9_attempts_are_dense_and_taken_once"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("TuningCanary").filter(|change| change.kind == ChangeKind::Added)?;
        let night = text(change.object, "/spec/night").unwrap_or_default().to_owned();
        let attempt = change.object.at("/spec/attempt").and_then(serde_json::Value::as_i64)?;
        let made = self.made.entry((target_of(change.object), night.clone())).or_default();
        let dense = (0..attempt).all(|below| made.contains(&below));
        let fresh = made.insert(attempt);
        Some(match (dense, fresh) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("attempt {attempt} of {night} was made before one below it")),
            (_, false) => Err(format!("attempt {attempt} of {night} was made twice")),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::simulation::oracle::{ContainerChange, ObjectChange, Oracles};

    fn see(oracles: &mut Oracles, kind: ChangeKind, of: &str, object: &Value) -> u64 {
        oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(ObjectChange { kind, of, object, before: None, by: "" }));
        oracles.figures().violations_total
    }

    fn canary(uid: &str, cycle: &str, attempt: i64) -> Value {
        json!({"metadata": {"uid": uid, "namespace": "n"},
               "spec": {"cycle": cycle, "night": "2026-03-04", "attempt": attempt, "targetRef": {"name": "t"}}})
    }

    fn pod(uid: &str, owner: &str) -> Value {
        json!({"metadata": {"name": uid, "uid": uid, "labels": {"app.kubernetes.io/managed-by": "phaseloop"},
                            "ownerReferences": [{"kind": "TuningCanary", "uid": owner}]}})
    }

    #[test]
    fn two_tuning_runs_at_once_are_found_and_one_after_the_other_is_fine() {
        let mut oracles = Oracles::of(vec![Box::<OneTuningRunPerTarget>::default()]);
        let mut first = canary("a", "c1", 0);
        assert_eq!(see(&mut oracles, ChangeKind::Added, "TuningCanary", &first), 0);
        first["status"] = json!({"releasedAt": "2026-03-04T03:00:00Z"});
        see(&mut oracles, ChangeKind::Modified, "TuningCanary", &first);
        assert_eq!(see(&mut oracles, ChangeKind::Added, "TuningCanary", &canary("b", "c2", 1)), 0);
        assert_eq!(see(&mut oracles, ChangeKind::Added, "TuningCanary", &canary("d", "c3", 2)), 1);
    }

    #[test]
    fn two_engines_at_once_are_found() {
        let mut oracles = Oracles::of(vec![Box::<OneTestPodPerTarget>::default()]);
        for name in ["a", "b"] {
            see(&mut oracles, ChangeKind::Added, "TuningCanary", &canary(name, "c1", 0));
            see(&mut oracles, ChangeKind::Added, "Pod", &pod(&format!("p{name}"), name));
        }
        let mut engine = |pod_uid, state| {
            let change = ContainerChange { pod_uid, container: "engine", is_engine: true, gpus: 1, state };
            oracles.see(Timestamp::UNIX_EPOCH, Fact::Container(change));
            oracles.figures().violations_total
        };
        assert_eq!(engine("pa", ContainerState::Started), 0);
        assert_eq!(engine("pa", ContainerState::Ended { exit_code: 0 }), 0);
        assert_eq!(engine("pb", ContainerState::Started), 0);
        assert_eq!(engine("pa", ContainerState::Started), 1);
    }

    #[test]
    fn a_second_pod_of_a_canary_is_found() {
        let mut oracles = Oracles::of(vec![Box::<OnePodPerOwner>::default()]);
        assert_eq!(see(&mut oracles, ChangeKind::Added, "Pod", &pod("p", "c")), 0);
        assert_eq!(see(&mut oracles, ChangeKind::Added, "Pod", &pod("q", "c")), 1);
    }

    #[test]
    fn a_gap_and_a_repetition_in_the_attempts_are_found() {
        for (attempts, violations) in [(&[0, 1, 2][..], 0), (&[1], 1), (&[0, 2], 1), (&[0, 0], 1)] {
            let mut oracles = Oracles::of(vec![Box::<AttemptsAreDense>::default()]);
            for (index, attempt) in attempts.iter().enumerate() {
                let object = canary(&format!("u{index}"), "c", *attempt);
                see(&mut oracles, ChangeKind::Added, "TuningCanary", &object);
            }
            assert_eq!(oracles.figures().violations_total, violations, "{attempts:?}");
        }
    }
}
