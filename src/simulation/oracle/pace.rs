//! When tuning happens: inside its window, after its cooldown, at its rate.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    fact::{At, ChangeKind, ContainerState, Fact},
    registry::Invariant,
    value::{duration, instant, name, owner, target_of, text, uid},
};
use crate::simulation::field::At as _;

/// Tolerance between two clocks.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// I6: no container of a canary runs after the instant that its reservation names, and no pod is made after it.
#[derive(Debug, Clone, Default)]
pub(super) struct PodsStayInTheirWindow {
    not_after: BTreeMap<String, Timestamp>,
    pods: BTreeMap<String, Timestamp>,
}

impl Invariant for PodsStayInTheirWindow {
    fn name(&self) -> &'static str {
        "i6_canaries_stay_before_their_not_after"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("TuningCanary")
            && let Some(not_after) = instant(change.object, "/spec/notAfter")
        {
            self.not_after.insert(uid(change.object).to_owned(), not_after);
        }
        if let Some(change) = at.change_of("Pod").filter(|change| change.kind == ChangeKind::Added) {
            let not_after = *self.not_after.get(owner(change.object, "TuningCanary")?)?;
            self.pods.insert(uid(change.object).to_owned(), not_after);
            let late = at.now > not_after;
            return Some(if late { Err(format!("pod made after {not_after}")) } else { Ok(()) });
        }
        let Fact::Container(change) = at.fact else { return None };
        let not_after = *self.pods.get(change.pod_uid)?;
        let ContainerState::Ended { .. } = change.state else { return None };
        let late = at.now > not_after + TOLERANCE;
        Some(if late { Err(format!("{} ended after {not_after}", change.container)) } else { Ok(()) })
    }
}

/// What an Escalation allows: cooldown, and how many runs per which period.
type Safety = (Option<SignedDuration>, Option<i64>, Option<SignedDuration>);

/// What is known of the tuning runs of a target.
#[derive(Debug, Clone, Default)]
struct TuningRuns {
    /// By cycle: when it began, and when its last canary was released.
    runs: BTreeMap<String, (Timestamp, Option<Timestamp>)>,
    escalations: BTreeMap<String, Safety>,
}

impl TuningRuns {
    /// Learns from a fact. Says of a canary that begins a tuning run: its cycle and its Escalation.
    fn learn(&mut self, at: &At<'_>) -> Option<(String, String)> {
        if let Some(change) = at.change_of("Escalation") {
            let safety = (
                duration(change.object, "/spec/safety/cooldown"),
                change.object.at("/spec/safety/rate/runs").and_then(serde_json::Value::as_i64),
                duration(change.object, "/spec/safety/rate/per"),
            );
            self.escalations.insert(name(change.object).to_owned(), safety);
        }
        let change = at.change_of("TuningCanary")?;
        let key = format!("{} {}", target_of(change.object), text(change.object, "/spec/cycle").unwrap_or_default());
        if let (Some(released), Some(run)) = (instant(change.object, "/status/releasedAt"), self.runs.get_mut(&key)) {
            run.1 = run.1.max(Some(released));
        }
        if change.kind != ChangeKind::Added || self.runs.contains_key(&key) {
            return None;
        }
        self.runs.insert(key.clone(), (at.now, None));
        let escalation = text(change.object, "/spec/escalationName").unwrap_or_default();
        Some((key, escalation.to_owned()))
    }

    /// The runs of the same target, without this one.
    fn others<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a (Timestamp, Option<Timestamp>)> {
        let target = key.split(' ').next().unwrap_or_default().to_owned() + " ";
        self.runs.iter().filter(move |(other, _)| *other != key && other.starts_with(&target)).map(|(_, run)| run)
    }
}

/// I7: a tuning run begins no sooner than the cooldown after the end of the one before.
#[derive(Debug, Clone, Default)]
pub(super) struct CooldownIsKept(TuningRuns);

impl Invariant for CooldownIsKept {
    fn name(&self) -> &'static str {
        "i7_the_cooldown_is_kept"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let (key, escalation) = self.0.learn(at)?;
        let cooldown = self.0.escalations.get(&escalation)?.0?;
        let last_end = self.0.others(&key).filter_map(|run| run.1).max();
        Some(match last_end {
            Some(end) if at.now < end + cooldown => Err(format!("{key} began although the last one ended at {end}")),
            _ => Ok(()),
        })
    }
}

/// I8: no more tuning runs of a target begin within the rate's period than the rate allows.
#[derive(Debug, Clone, Default)]
pub(super) struct RateIsKept(TuningRuns);

impl Invariant for RateIsKept {
    fn name(&self) -> &'static str {
        "i8_the_rate_is_kept"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let (key, escalation) = self.0.learn(at)?;
        let (_, runs, period) = *self.0.escalations.get(&escalation)?;
        let (runs, period) = (runs?, period?);
        let lately = self.0.others(&key).filter(|run| run.0 > at.now - period).count() + 1;
        let within = i64::try_from(lately).is_ok_and(|lately| lately <= runs);
        Some(if within { Ok(()) } else { Err(format!("{lately} tuning runs within {} h", period.as_hours())) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::simulation::oracle::{ContainerChange, Invariant, ObjectChange, Oracles};

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3600).unwrap()
    }

    fn begin(invariant: Box<dyn Invariant>, hours: &[i64]) -> u64 {
        let mut oracles = Oracles::of(vec![invariant]);
        let safety = json!({"cooldown": "6h", "rate": {"runs": 2, "per": "24h"}});
        let escalation = json!({"metadata": {"name": "e"}, "spec": {"safety": safety}});
        let mut see = |now, of, object: &Value| {
            oracles.see(now, Fact::Object(ObjectChange { kind: ChangeKind::Added, of, object, before: None, by: "" }));
        };
        see(at(0), "Escalation", &escalation);
        for hour in hours {
            let mut canary = json!({"metadata": {"uid": hour.to_string(), "namespace": "n"},
                "spec": {"escalationName": "e", "cycle": hour.to_string(), "targetRef": {"name": "t"}}});
            see(at(*hour), "TuningCanary", &canary);
            canary["status"] = json!({"releasedAt": at(*hour).to_string()});
            see(at(*hour), "TuningCanary", &canary);
        }
        oracles.figures().violations_total
    }

    #[test]
    fn a_run_within_the_cooldown_is_found() {
        assert_eq!(begin(Box::<CooldownIsKept>::default(), &[1, 7, 13]), 0);
        assert_eq!(begin(Box::<CooldownIsKept>::default(), &[1, 6]), 1);
    }

    #[test]
    fn a_run_beyond_the_rate_is_found() {
        assert_eq!(begin(Box::<RateIsKept>::default(), &[1, 12, 25]), 0);
        assert_eq!(begin(Box::<RateIsKept>::default(), &[1, 12, 24]), 1);
    }

    #[test]
    fn a_container_beyond_its_instant_is_found() {
        let mut oracles = Oracles::of(vec![Box::<PodsStayInTheirWindow>::default()]);
        let canary = json!({"metadata": {"uid": "c"}, "spec": {"notAfter": at(2).to_string()}});
        let pod = json!({"metadata": {"uid": "p", "ownerReferences": [{"kind": "TuningCanary", "uid": "c"}]}});
        for (of, object) in [("TuningCanary", &canary), ("Pod", &pod)] {
            oracles
                .see(at(1), Fact::Object(ObjectChange { kind: ChangeKind::Added, of, object, before: None, by: "" }));
        }
        let mut ended = |now| {
            let state = ContainerState::Ended { exit_code: 0 };
            let change = ContainerChange { pod_uid: "p", container: "engine", is_engine: true, gpus: 1, state };
            oracles.see(now, Fact::Container(change));
            oracles.figures().violations_total
        };
        assert_eq!(ended(at(2)), 0);
        assert_eq!(ended(at(3)), 1);
    }
}
