//! The two budgets of a night, from the kubelet's log.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    fact::{At, ChangeKind, ContainerState, Fact},
    registry::Invariant,
    value::{duration, is_ours, name, owner, target_of, text, uid},
};

/// Tolerance between two clocks.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// What of a canary the budgets need.
#[derive(Debug, Clone)]
struct Canary {
    night: (String, String),
    measure_budget: Option<SignedDuration>,
    hold_budget: Option<SignedDuration>,
}

/// I1: what canary pods of a target really measured and held in a night stays within the budgets of its Escalation.
#[derive(Debug, Clone, Default)]
pub(super) struct BudgetsAreKept {
    budgets: BTreeMap<String, (Option<SignedDuration>, Option<SignedDuration>)>,
    canaries: BTreeMap<String, Canary>,
    pods: BTreeMap<String, String>,
    ready: BTreeMap<String, Timestamp>,
    started: BTreeMap<String, (Timestamp, u32)>,
    measured: BTreeMap<(String, String), SignedDuration>,
    held: BTreeMap<(String, String), SignedDuration>,
}

impl Invariant for BudgetsAreKept {
    fn name(&self) -> &'static str {
        "i1_budgets_are_kept"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        self.learn(at);
        let Fact::Container(change) = at.fact else { return None };
        let canary = self.canaries.get(self.pods.get(change.pod_uid)?)?.clone();
        let key = format!("{}/{}", change.pod_uid, change.container);
        match change.state {
            ContainerState::Started if change.is_engine => {
                self.started.entry(key).or_insert((at.now, change.gpus));
                None
            }
            ContainerState::Ready => {
                self.ready.insert(change.pod_uid.to_owned(), at.now);
                None
            }
            ContainerState::Ended { .. } if change.is_engine => {
                let (started, gpus) = self.started.remove(&key)?;
                let held = self.held.entry(canary.night.clone()).or_default();
                *held += at.now.duration_since(started) * i32::try_from(gpus).unwrap_or(1);
                let held = *held;
                // An engine that ends ends the measurement as well.
                let measured = self.measured(change.pod_uid, at.now, &canary);
                Some(within("held GPUs", held, canary.hold_budget).and(measured))
            }
            ContainerState::Ended { .. } => {
                self.ready.contains_key(change.pod_uid).then(|| self.measured(change.pod_uid, at.now, &canary))
            }
            ContainerState::Started => None,
        }
    }
}

impl BudgetsAreKept {
    fn measured(&mut self, pod: &str, now: Timestamp, canary: &Canary) -> Result<(), String> {
        let Some(ready) = self.ready.remove(pod) else { return Ok(()) };
        let measured = self.measured.entry(canary.night.clone()).or_default();
        *measured += now.duration_since(ready);
        within("measured", *measured, canary.measure_budget)
    }

    fn learn(&mut self, at: &At<'_>) {
        if let Some(change) = at.change_of("Escalation") {
            let budgets = (
                duration(change.object, "/spec/safety/measureBudget"),
                duration(change.object, "/spec/safety/gpuHoldBudget"),
            );
            self.budgets.insert(name(change.object).to_owned(), budgets);
        }
        if let Some(change) = at.change_of("TuningCanary").filter(|change| change.kind == ChangeKind::Added) {
            let night = text(change.object, "/spec/night").unwrap_or_default().to_owned();
            let escalation = text(change.object, "/spec/escalationName").unwrap_or_default();
            let (measure_budget, hold_budget) = self.budgets.get(escalation).copied().unwrap_or_default();
            let canary = Canary { night: (target_of(change.object), night), measure_budget, hold_budget };
            self.canaries.insert(uid(change.object).to_owned(), canary);
        }
        if let Some(change) = at.change_of("Pod").filter(|change| change.kind == ChangeKind::Added)
            && let Some(canary) = owner(change.object, "TuningCanary")
        {
            self.pods.insert(uid(change.object).to_owned(), canary.to_owned());
        }
    }
}

fn within(what: &str, used: SignedDuration, budget: Option<SignedDuration>) -> Result<(), String> {
    match budget {
        Some(budget) if used > budget + TOLERANCE => {
            Err(format!("canaries of one night {what} {} s of {} s", used.as_secs_f64(), budget.as_secs_f64()))
        }
        _ => Ok(()),
    }
}

/// I2: no test pod is made before the object that reserves for it.
#[derive(Debug, Clone, Default)]
pub(super) struct PodsArePreceded {
    owners: BTreeMap<String, bool>,
}

impl Invariant for PodsArePreceded {
    fn name(&self) -> &'static str {
        "i2_pods_are_preceded_by_their_reservation"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        for kind in ["TuningCanary", "PhaseRun"] {
            if let Some(change) = at.change_of(kind) {
                self.owners.insert(uid(change.object).to_owned(), change.kind != ChangeKind::Deleted);
            }
        }
        let change = at.change_of("Pod").filter(|change| change.kind == ChangeKind::Added && is_ours(change.object))?;
        let owner = owner(change.object, "TuningCanary").or_else(|| owner(change.object, "PhaseRun"));
        Some(match owner {
            Some(owner) if self.owners.get(owner) == Some(&true) => Ok(()),
            _ => Err(format!("pod {} was made without a living owner", name(change.object))),
        })
    }
}

/// I2: what is reserved in a night by canaries that are not settled, and what settled ones used, never exceeds a budget.
#[derive(Debug, Clone, Default)]
pub(super) struct ReservationsFit {
    budgets: BTreeMap<String, (Option<SignedDuration>, Option<SignedDuration>)>,
    charged: BTreeMap<(String, String), BTreeMap<String, (SignedDuration, SignedDuration)>>,
}

impl ReservationsFit {
    /// What a canary counts for: what it is known to have used once it is released, else its whole reservation.
    fn charge(canary: &Value) -> (SignedDuration, SignedDuration) {
        let known = text(canary, "/status/releasedAt").is_some();
        let part = |part: &str| {
            let used = known.then(|| duration(canary, &format!("/status/used/{part}"))).flatten();
            used.or_else(|| duration(canary, &format!("/spec/reserved/{part}"))).unwrap_or_default()
        };
        (part("measure"), part("hold"))
    }
}

impl Invariant for ReservationsFit {
    fn name(&self) -> &'static str {
        "i2_reservations_fit_the_budgets"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("Escalation") {
            let budgets = (
                duration(change.object, "/spec/safety/measureBudget"),
                duration(change.object, "/spec/safety/gpuHoldBudget"),
            );
            self.budgets.insert(name(change.object).to_owned(), budgets);
        }
        let change = at.change_of("TuningCanary")?;
        if change.kind == ChangeKind::Deleted {
            // What a canary used stays used.
            return None;
        }
        let night = (target_of(change.object), text(change.object, "/spec/night").unwrap_or_default().to_owned());
        let all = self.charged.entry(night).or_default();
        all.insert(uid(change.object).to_owned(), Self::charge(change.object));
        let (measure, hold) =
            all.values().fold((SignedDuration::ZERO, SignedDuration::ZERO), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let escalation = text(change.object, "/spec/escalationName").unwrap_or_default();
        let (measure_budget, hold_budget) = self.budgets.get(escalation).copied().unwrap_or_default();
        Some(within("reserved for measuring", measure, measure_budget).and(within(
            "reserved for holding GPUs",
            hold,
            hold_budget,
        )))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::{fact::ObjectChange, registry::Oracles};

    fn added<'a>(of: &'a str, object: &'a Value) -> Fact<'a> {
        Fact::Object(ObjectChange { kind: ChangeKind::Added, of, object, before: None, by: "" })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn escalation() -> Value {
        json!({"metadata": {"name": "e"}, "spec": {"safety": {"measureBudget": "10s", "gpuHoldBudget": "60s"}}})
    }

    fn canary(uid: &str, measure: &str) -> Value {
        json!({
            "metadata": {"name": uid, "uid": uid, "namespace": "n"},
            "spec": {"escalationName": "e", "night": "2026-03-04", "targetRef": {"name": "t"},
                     "reserved": {"measure": measure, "hold": "30s"}},
        })
    }

    fn pod(uid: &str, owner: &str) -> Value {
        json!({"metadata": {"name": uid, "uid": uid, "labels": {"app.kubernetes.io/managed-by": "phaseloop"},
                            "ownerReferences": [{"kind": "TuningCanary", "uid": owner}]}})
    }

    fn engine(pod_uid: &str, state: ContainerState) -> Fact<'_> {
        let change = crate::simulation::oracle::ContainerChange {
            pod_uid,
            container: "engine",
            is_engine: true,
            gpus: 1,
            state,
        };
        Fact::Container(change)
    }

    fn run(measured_seconds: i64, held_seconds: i64) -> u64 {
        let mut oracles = Oracles::of(vec![Box::<BudgetsAreKept>::default()]);
        oracles.see(at(0), added("Escalation", &escalation()));
        oracles.see(at(0), added("TuningCanary", &canary("c", "8s")));
        oracles.see(at(0), added("Pod", &pod("p", "c")));
        oracles.see(at(0), engine("p", ContainerState::Started));
        oracles.see(at(held_seconds - measured_seconds), engine("p", ContainerState::Ready));
        oracles.see(at(held_seconds), engine("p", ContainerState::Ended { exit_code: 0 }));
        assert_eq!(oracles.figures().evaluated["i1_budgets_are_kept"], 1);
        oracles.figures().violations_total
    }

    #[test]
    fn a_night_at_its_budgets_is_fine_and_beyond_either_is_not() {
        assert_eq!(run(10, 60), 0);
        assert_eq!(run(12, 60), 1, "measured too long");
        assert_eq!(run(5, 62), 1, "held too long");
    }

    #[test]
    fn a_pod_without_a_living_owner_is_found() {
        let mut oracles = Oracles::of(vec![Box::<PodsArePreceded>::default()]);
        oracles.see(at(0), added("Pod", &pod("p", "c")));
        assert_eq!(oracles.figures().violations_total, 1);
        oracles.see(at(1), added("TuningCanary", &canary("c", "8s")));
        oracles.see(at(1), added("Pod", &pod("q", "c")));
        assert_eq!(oracles.figures().violations_total, 1);
    }

    #[test]
    fn reservations_beyond_the_budget_are_found_and_settled_ones_count_what_they_used() {
        let mut oracles = Oracles::of(vec![Box::<ReservationsFit>::default()]);
        oracles.see(at(0), added("Escalation", &escalation()));
        let mut first = canary("c", "8s");
        oracles.see(at(0), added("TuningCanary", &first));
        first["status"] = json!({"releasedAt": "2026-03-04T03:00:00Z", "used": {"measure": "2s", "hold": "20s"}});
        oracles.see(at(0), added("TuningCanary", &first));
        oracles.see(at(0), added("TuningCanary", &canary("d", "8s")));
        assert_eq!(oracles.figures().violations_total, 0);
        oracles.see(at(0), added("TuningCanary", &canary("f", "2s")));
        assert_eq!(oracles.figures().violations_total, 1);
    }
}
