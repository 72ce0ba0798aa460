//! Promotions: what they rest on, how they live, and how they end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    fact::{At, ChangeKind},
    registry::Invariant,
    value::{instant, name, target_of, text, uid},
};
use crate::simulation::field::At as _;

/// Phases after which nothing changes any more.
const ENDS: [&str; 6] = ["Validated", "RolledBack", "Rejected", "Superseded", "Expired", "Conflict"];

/// From where to where a promotion may go, as the design draws it.
const EDGES: [(&str, &[&str]); 5] = [
    ("Staged", &["AwaitingReview", "Applying", "Rejected", "Superseded", "Expired", "Conflict"]),
    ("AwaitingReview", &["Staged", "Applying", "Rejected", "Superseded", "Expired", "Conflict"]),
    (
        "Applying",
        &[
            "Staged",
            "AwaitingReview",
            "Rejected",
            "Superseded",
            "Expired",
            "Applied",
            "RollingBack",
            "RolledBack",
            "Conflict",
        ],
    ),
    ("Applied", &["Validated", "RollingBack", "RolledBack", "Superseded", "Conflict"]),
    ("RollingBack", &["RolledBack", "Superseded", "Conflict"]),
];

fn phase(object: &Value) -> Option<&str> {
    text(object, "/status/phase")
}

fn has_ended(object: &Value) -> bool {
    phase(object).is_some_and(|phase| ENDS.contains(&phase))
}

/// I23: what is promoted is what a canary with verdict Passed set, on the same target.
#[derive(Debug, Clone, Default)]
pub(super) struct PromotedWasTested {
    canaries: BTreeMap<String, Value>,
}

impl Invariant for PromotedWasTested {
    fn name(&self) -> &'static str {
        "i23_what_is_promoted_was_tested"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("TuningCanary") {
            self.canaries.insert(name(change.object).to_owned(), change.object.clone());
        }
        let change = at.change_of("Promotion").filter(|change| change.kind == ChangeKind::Added)?;
        let canary = self.canaries.get(text(change.object, "/spec/canaryName").unwrap_or_default());
        let equal = |canary: &Value, pointer: &str| canary.at(pointer) == change.object.at(pointer);
        let sound = canary.is_some_and(|canary| {
            text(canary, "/status/verdict") == Some("Passed")
                && ["/spec/parameters", "/spec/targetUID", "/spec/templateHash", "/spec/targetRef/name"]
                    .iter()
                    .all(|pointer| equal(canary, pointer))
        });
        Some(if sound { Ok(()) } else { Err(format!("{} rests on no canary that passed", name(change.object))) })
    }
}

/// I24: a promotion goes only where an edge is drawn, and an end is an end.
#[derive(Debug, Clone, Default)]
pub(super) struct LifeFollowsTheEdges;

impl Invariant for LifeFollowsTheEdges {
    fn name(&self) -> &'static str {
        "i24_a_promotion_follows_the_edges"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("Promotion").filter(|change| change.kind == ChangeKind::Modified)?;
        let (from, to) = (phase(change.before?)?, phase(change.object)?);
        if from == to {
            return None;
        }
        let drawn = EDGES.iter().any(|(phase, next)| *phase == from && next.contains(&to));
        Some(if drawn { Ok(()) } else { Err(format!("{} went from {from} to {to}", name(change.object))) })
    }
}

/// I25: a target has at most one promotion that has not ended.
#[derive(Debug, Clone, Default)]
pub(super) struct OneOpenPromotion {
    open: BTreeMap<String, String>,
}

impl Invariant for OneOpenPromotion {
    fn name(&self) -> &'static str {
        "i25_one_open_promotion_per_target"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("Promotion")?;
        let target = target_of(change.object);
        let (name, uid) = (name(change.object), uid(change.object));
        if change.kind == ChangeKind::Deleted || has_ended(change.object) {
            if self.open.get(&target).is_some_and(|open| open == uid) {
                self.open.remove(&target);
            }
            return None;
        }
        let open = self.open.entry(target.clone()).or_insert_with(|| uid.to_owned());
        Some(if open == uid { Ok(()) } else { Err(format!("{name} is open beside another promotion of {target}")) })
    }
}

/// I26: a promotion is validated by a run that started after its rollout was finished, and judged before its deadline.
#[derive(Debug, Clone, Default)]
pub(super) struct ValidatedByALaterRun {
    runs: BTreeMap<String, (Option<Timestamp>, Option<Timestamp>, String)>,
}

impl Invariant for ValidatedByALaterRun {
    fn name(&self) -> &'static str {
        "i26_validated_by_a_later_run"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("PhaseRun") {
            let started = instant(change.object, "/status/startedAt");
            let completed = instant(change.object, "/status/completedAt");
            let verdict = text(change.object, "/status/verdict").unwrap_or_default().to_owned();
            self.runs.insert(name(change.object).to_owned(), (started, completed, verdict));
        }
        let change = at.change_of("Promotion").filter(|change| phase(change.object) == Some("Validated"))?;
        let rolled_out = instant(change.object, "/status/rolledOutAt");
        let by = instant(change.object, "/spec/validateBy");
        let run = self.runs.get(text(change.object, "/status/validation/phaseRun").unwrap_or_default());
        let sound = run.is_some_and(|(started, completed, verdict)| {
            verdict == "Healthy"
                && *started > rolled_out
                && rolled_out.is_some()
                && completed.is_some()
                && *completed <= by
        });
        Some(if sound { Ok(()) } else { Err(format!("{} was validated by {run:?}", name(change.object))) })
    }
}

/// I27: when a promotion is rolled back, its target's pod template is what it was before the promotion, and so are the data of
/// the ConfigMap that its value lay in; neither bears a mark of it.
#[derive(Debug, Clone, Default)]
pub(super) struct RolledBackIsExact {
    targets: BTreeMap<String, Value>,
    config_maps: BTreeMap<String, Value>,
    before: BTreeMap<String, (Value, Value)>,
}

/// The data of a ConfigMap.
fn data(map: &Value) -> Value {
    map.at("/data").cloned().unwrap_or_default()
}

/// `namespace/name`.
fn key(object: &Value, name: &str) -> String {
    format!("{}/{name}", text(object, "/metadata/namespace").unwrap_or_default())
}

fn is_marked(object: &Value, promotion: &Value) -> bool {
    text(object, "/metadata/annotations/phaseloop.dev~1promotion") == Some(uid(promotion))
}

/// The part of a target that a promotion can change, without our own annotations.
fn template(target: &Value) -> Value {
    target.at("/spec/template").cloned().unwrap_or_default()
}

impl Invariant for RolledBackIsExact {
    fn name(&self) -> &'static str {
        "i27_rolled_back_is_exact"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        for kind in ["Deployment", "StatefulSet"] {
            if let Some(change) = at.change_of(kind) {
                self.targets.insert(key(change.object, name(change.object)), change.object.clone());
            }
        }
        if let Some(change) = at.change_of("ConfigMap") {
            self.config_maps.insert(key(change.object, name(change.object)), change.object.clone());
        }
        let change = at.change_of("Promotion")?;
        let target = self.targets.get(&target_of(change.object))?;
        let map = text(change.object, "/spec/configMap/name")
            .and_then(|name| self.config_maps.get(&key(change.object, name)))
            .unwrap_or(&Value::Null);
        if change.kind == ChangeKind::Added {
            self.before.insert(uid(change.object).to_owned(), (template(target), data(map)));
            return None;
        }
        let newly = phase(change.object) == Some("RolledBack") && change.before.and_then(phase) != Some("RolledBack");
        if !newly {
            return None;
        }
        let marked = [target, map].into_iter().any(|object| is_marked(object, change.object));
        let exact = self.before.get(uid(change.object)) == Some(&(template(target), data(map)));
        Some(match (exact, marked) {
            (true, false) => Ok(()),
            (_, true) => Err(format!("{} is rolled back, but its mark is still there", name(change.object))),
            (false, _) => {
                Err(format!("{} is rolled back, but template or ConfigMap is not what it was", name(change.object)))
            }
        })
    }
}

#[cfg(test)]
#[path = "promotion_tests.rs"]
mod tests;
