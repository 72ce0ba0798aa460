//! Flags that are armed: one for a symptom of a target, and a cleared one only by news.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    fact::{At, ChangeKind},
    registry::Invariant,
    value::{instant, name, target_of, text, texts, uid},
};
use crate::simulation::field::At as _;

/// I13: at any version at most one flag of a target's symptom is armed, in whichever Escalation; and one that somebody cleared is
/// armed again only by a run that was judged after that. One that a tuning run used up is I12's.
#[derive(Debug, Clone, Default)]
pub(super) struct OneFlagIsArmed {
    /// Armed flags of each living Escalation, by its uid: target and symptom, and the uids of the runs that armed it.
    armed: BTreeMap<String, BTreeMap<Flag, BTreeSet<String>>>,
    cleared: BTreeMap<(String, Flag), Cleared>,
    /// Runs that tuning runs have used up.
    consumed: BTreeSet<String>,
}

/// Target and symptom.
type Flag = (String, String);

#[derive(Debug, Clone)]
struct Cleared {
    at: Timestamp,
    /// What had armed it.
    evidence: BTreeSet<String>,
}

fn flags(escalation: &Value) -> impl Iterator<Item = &Value> {
    escalation.at("/status/flags").and_then(Value::as_array).into_iter().flatten()
}

fn uids(flag: &Value) -> BTreeSet<String> {
    let runs = flag.at("/evidence").and_then(Value::as_array).into_iter().flatten();
    runs.filter_map(|run| text(run, "/uid")).map(str::to_owned).collect()
}

/// When the newest of the runs that are counted was judged.
fn newest(flag: &Value) -> Option<Timestamp> {
    let runs = flag.at("/counted").and_then(Value::as_array)?;
    runs.iter().filter_map(|run| instant(run, "/completedAt")).max()
}

impl OneFlagIsArmed {
    /// Takes the flags of an Escalation as they are now.
    fn take(&mut self, escalation: &Value, now: Timestamp) -> Result<(), String> {
        let (own, target) = (uid(escalation).to_owned(), target_of(escalation));
        let before = self.armed.remove(&own).unwrap_or_default();
        let mut armed = BTreeMap::new();
        let mut outcome = Ok(());
        for found in flags(escalation) {
            let flag = (target.clone(), text(found, "/symptom").unwrap_or_default().to_owned());
            match text(found, "/state") {
                Some("Armed") => {
                    if !before.contains_key(&flag) {
                        outcome = outcome.and(self.armed_anew(&own, &flag, found));
                    }
                    let is_second = armed.contains_key(&flag) || self.armed.values().any(|of| of.contains_key(&flag));
                    if is_second {
                        outcome = Err(format!("{} of {} is armed twice", flag.1, name(escalation)));
                    }
                    armed.insert(flag, uids(found));
                }
                Some("Cleared") => {
                    if let Some(evidence) = before.get(&flag) {
                        self.cleared.insert((own.clone(), flag), Cleared { at: now, evidence: evidence.clone() });
                    }
                }
                _ => {}
            }
        }
        self.armed.insert(own, armed);
        outcome
    }

    fn armed_anew(&mut self, escalation: &str, flag: &Flag, found: &Value) -> Result<(), String> {
        let Some(cleared) = self.cleared.remove(&(escalation.to_owned(), flag.clone())) else { return Ok(()) };
        let was_used = cleared.evidence.iter().any(|run| self.consumed.contains(run));
        if was_used || newest(found).is_some_and(|newest| newest > cleared.at) {
            return Ok(());
        }
        Err(format!("{} was cleared at {} and armed again by an older run", flag.1, cleared.at))
    }
}

impl Invariant for OneFlagIsArmed {
    fn name(&self) -> &'static str {
        "i13_one_flag_is_armed_and_only_by_news"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("TuningCanary") {
            self.consumed.extend(texts(change.object, "/spec/consumes").into_iter().map(String::from));
            return None;
        }
        let change = at.change_of("Escalation")?;
        if change.kind == ChangeKind::Deleted {
            self.armed.remove(uid(change.object));
            return None;
        }
        flags(change.object).next()?;
        Some(self.take(change.object, at.now))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::{Fact, ObjectChange, Oracles};

    const NOON: Timestamp = Timestamp::constant(1_772_539_200, 0);

    /// An Escalation with a flag in this state, whose newest run was judged so many minutes after noon.
    fn escalation(uid: &str, state: &str, run: &str, minutes: i64) -> (&'static str, Value) {
        let judged_at = (NOON + SignedDuration::from_mins(minutes)).to_string();
        let runs = json!([{ "name": run, "uid": run, "completedAt": judged_at }]);
        let flag = json!({"symptom": "vllm_oom", "state": state, "counted": runs, "evidence": runs});
        let object = json!({
            "metadata": {"namespace": "chat", "name": uid, "uid": uid},
            "spec": {"targetRef": {"name": "llama"}}, "status": {"flags": [flag]},
        });
        ("Escalation", object)
    }

    /// Violations of a history with a change a minute from noon on.
    fn violations(history: &[(&str, Value)]) -> u64 {
        let mut oracles = Oracles::of(vec![Box::<OneFlagIsArmed>::default()]);
        for (minute, (of, object)) in (0..).zip(history) {
            let change = ObjectChange { kind: ChangeKind::Modified, of, object, before: None, by: "" };
            oracles.see(NOON + SignedDuration::from_mins(minute), Fact::Object(change));
        }
        oracles.figures().violations_total
    }

    #[test]
    fn a_second_armed_flag_of_the_same_symptom_is_found() {
        let first = || escalation("a", "Armed", "r", 0);
        assert_eq!(violations(&[first(), first(), escalation("b", "Idle", "r", 0)]), 0);
        assert_eq!(violations(&[first(), escalation("b", "Armed", "r", 0)]), 1, "in two Escalations");
        assert_eq!(violations(&[first(), escalation("a", "Cleared", "r", 0), escalation("b", "Armed", "r", 0)]), 0);
        let (kind, mut twice) = first();
        let flag = twice["status"]["flags"][0].clone();
        twice["status"]["flags"].as_array_mut().unwrap().push(flag);
        assert_eq!(violations(&[(kind, twice)]), 1, "in one");
    }

    #[test]
    fn a_cleared_flag_that_is_armed_without_news_is_found() {
        let cleared = || vec![escalation("a", "Armed", "old", 0), escalation("a", "Cleared", "old", 0)];
        let then = |state: &str, run: &str, minutes: i64| {
            let mut history = cleared();
            history.push(escalation("a", state, run, minutes));
            violations(&history)
        };
        assert_eq!(then("Armed", "old", 0), 1);
        assert_eq!(then("Idle", "old", 0), 0);
        assert_eq!(then("Armed", "new", 2), 0, "it was judged after the flag had been cleared");
        let canary = ("TuningCanary", json!({"metadata": {}, "spec": {"consumes": ["old"]}}));
        let mut used = vec![canary];
        used.extend(cleared());
        used.push(escalation("a", "Armed", "old", 0));
        assert_eq!(violations(&used), 0, "that is another invariant's");
    }
}
