//! Symptoms and flags, counted again from the runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    fact::{At, ChangeKind},
    registry::Invariant,
    value::{duration, instant, name, target_of, text, texts, uid},
};
use crate::simulation::field::At as _;

/// A run as the count sees it.
#[derive(Debug, Clone)]
struct CountedRun {
    target: String,
    completed_at: Timestamp,
    symptoms: BTreeSet<String>,
}

/// I11 and I12: at the version at which a flag becomes armed, at least `threshold` different runs of its target showed
/// the symptom within the longest window that may count, none of them consumed before.
#[derive(Debug, Clone, Default)]
pub(super) struct ArmedIsCounted {
    runs: BTreeMap<String, CountedRun>,
    consumed: BTreeSet<String>,
}

/// The state of each flag, and what it rests on.
fn flags(escalation: &Value) -> BTreeMap<String, (String, i64, Option<SignedDuration>)> {
    let flags = escalation.at("/status/flags").and_then(Value::as_array);
    let flag = |flag: &Value| {
        let state = text(flag, "/state").unwrap_or_default().to_owned();
        let threshold = flag.at("/threshold").and_then(Value::as_i64).unwrap_or(i64::MAX);
        Some((text(flag, "/symptom")?.to_owned(), (state, threshold, duration(flag, "/window"))))
    };
    flags.map(|flags| flags.iter().filter_map(flag).collect()).unwrap_or_default()
}

/// Reaches further back than any window that a scenario can have: an old run that counts twice is found all the same.
const REACH: SignedDuration = SignedDuration::from_hours(24 * 30);

impl Invariant for ArmedIsCounted {
    fn name(&self) -> &'static str {
        "i12_an_armed_flag_was_counted"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("PhaseRun")
            && let Some(completed_at) = instant(change.object, "/status/completedAt")
        {
            let symptoms = change.object.at("/status/symptoms").and_then(Value::as_array);
            let kinds = |symptoms: &Vec<Value>| {
                symptoms.iter().filter_map(|one| text(one, "/kind")).map(String::from).collect()
            };
            let counts = change.object.at("/spec/counts").and_then(Value::as_bool) != Some(false);
            let symptoms = symptoms.filter(|_| counts).map(kinds).unwrap_or_default();
            let run = CountedRun { target: target_of(change.object), completed_at, symptoms };
            self.runs.insert(uid(change.object).to_owned(), run);
        }
        if let Some(change) = at.change_of("TuningCanary")
            && matches!(text(change.object, "/status/verdict"), Some("Passed" | "Failed"))
        {
            self.consumed.extend(texts(change.object, "/spec/consumes").into_iter().map(String::from));
        }
        let change = at.change_of("Escalation").filter(|change| change.kind == ChangeKind::Modified)?;
        let before = change.before.map(flags).unwrap_or_default();
        let newly = flags(change.object).into_iter().find(|(symptom, (state, ..))| {
            state == "Armed" && before.get(symptom).is_none_or(|(state, ..)| state != "Armed")
        });
        let (symptom, (_, threshold, window)) = newly?;
        let target = target_of(change.object);
        let since = at.now - window.unwrap_or(REACH);
        let seen = self.runs.iter().filter(|(run_uid, run)| {
            let fresh = run.completed_at > since && run.completed_at <= at.now;
            fresh && run.target == target && run.symptoms.contains(&symptom) && !self.consumed.contains(*run_uid)
        });
        let seen = i64::try_from(seen.count()).unwrap_or(i64::MAX);
        Some(if seen >= threshold {
            Ok(())
        } else {
            Err(format!("{symptom} of {} armed on {seen} runs of {threshold}", name(change.object)))
        })
    }
}

/// I14: no canary is made for a symptom whose flag has expired, or was never armed; and an expired flag is armed again only
/// by a run that was judged after it had expired.
#[derive(Debug, Clone, Default)]
pub(super) struct ExpiredStartsNothing {
    armed_until: BTreeMap<(String, String), Timestamp>,
    /// Flags that no tuning run has used up, as far as is known.
    unused: BTreeSet<(String, String)>,
    begun: BTreeSet<String>,
}

impl ExpiredStartsNothing {
    /// Notes a flag. Where it has expired and is armed again: whether by a run that was judged later.
    fn take(&mut self, escalation: &str, flag: &Value, now: Timestamp) -> Option<Result<(), String>> {
        let symptom = text(flag, "/symptom").unwrap_or_default().to_owned();
        let (key, expires_at) = ((escalation.to_owned(), symptom.clone()), instant(flag, "/expiresAt")?);
        let before = self.armed_until.insert(key.clone(), expires_at).filter(|before| *before < expires_at);
        let was_used = !self.unused.contains(&key);
        if matches!(text(flag, "/state"), Some("Armed" | "Expired")) {
            self.unused.insert(key);
        } else {
            self.unused.remove(&key);
        }
        let expired = before.filter(|before| *before <= now && !was_used)?;
        Some(match instant(flag, "/armedAt") {
            Some(armed_at) if armed_at > expired => Ok(()),
            _ => Err(format!("{symptom} expired at {expired} and was armed again by an older run")),
        })
    }
}

impl Invariant for ExpiredStartsNothing {
    fn name(&self) -> &'static str {
        "i14_an_expired_flag_starts_nothing"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("Escalation") {
            let flags = change.object.at("/status/flags").and_then(Value::as_array);
            let flags = flags.map(Vec::as_slice).unwrap_or_default();
            let rearmed: Vec<Result<(), String>> =
                flags.iter().filter_map(|flag| self.take(name(change.object), flag, at.now)).collect();
            return rearmed.into_iter().reduce(Result::and);
        }
        let change = at.change_of("TuningCanary").filter(|change| change.kind == ChangeKind::Added)?;
        // A flag permits a beginning; a tuning run that has begun goes on within its window.
        let cycle = text(change.object, "/spec/cycle").unwrap_or_default();
        if !self.begun.insert(format!("{} {cycle}", target_of(change.object))) {
            return None;
        }
        let escalation = text(change.object, "/spec/escalationName").unwrap_or_default().to_owned();
        let symptom = text(change.object, "/spec/symptom").unwrap_or_default().to_owned();
        let until = self.armed_until.get(&(escalation, symptom.clone()));
        Some(match until {
            Some(until) if at.now < *until => Ok(()),
            Some(until) => Err(format!("tuning for {symptom} began after its flag expired at {until}")),
            None => Err(format!("tuning for {symptom} began without a flag")),
        })
    }
}

/// I15: a run that says nothing adds no symptom, and enters no baseline unless it is a seed.
#[derive(Debug, Clone, Default)]
pub(super) struct UnknownCountsNothing;

impl Invariant for UnknownCountsNothing {
    fn name(&self) -> &'static str {
        "i15_a_run_that_says_nothing_counts_nothing"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("PhaseRun").filter(|change| change.kind != ChangeKind::Deleted)?;
        let verdict = text(change.object, "/status/verdict")?;
        let symptoms = change.object.at("/status/symptoms").and_then(Value::as_array).map_or(0, Vec::len);
        let admitted = change.object.at("/status/admitted").and_then(Value::as_bool) == Some(true);
        let is_seed = texts(change.object, "/status/reasons").contains(&"BaselineSeeding");
        let says_nothing = verdict == "Unknown" || verdict == "Error";
        let wrong = says_nothing && (symptoms > 0 || (admitted && !is_seed)) || verdict == "Degraded" && admitted;
        Some(if wrong {
            Err(format!("{} is {verdict}, with {symptoms} symptoms, admitted {admitted}", name(change.object)))
        } else {
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::{Fact, ObjectChange, Oracles};

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3600).unwrap()
    }

    fn see(oracles: &mut Oracles, now: i64, of: &str, object: &Value) -> u64 {
        let before = json!({});
        let (kind, before) =
            if of == "Escalation" { (ChangeKind::Modified, Some(&before)) } else { (ChangeKind::Added, None) };
        oracles.see(at(now), Fact::Object(ObjectChange { kind, of, object, before, by: "" }));
        oracles.figures().violations_total
    }

    fn run(uid: &str, hours: i64) -> Value {
        json!({"metadata": {"uid": uid, "namespace": "n"}, "spec": {"targetRef": {"name": "t"}},
               "status": {"completedAt": at(hours).to_string(), "symptoms": [{"kind": "vllm_oom"}]}})
    }

    fn armed_until(until: i64) -> Value {
        let flag = json!({"symptom": "vllm_oom", "state": "Armed", "threshold": 2, "window": "53h",
                          "expiresAt": at(until).to_string()});
        json!({"metadata": {"name": "e", "namespace": "n"}, "spec": {"targetRef": {"name": "t"}},
               "status": {"flags": [flag]}})
    }

    fn canary(uid: &str, consumes: &[&str], verdict: &str) -> Value {
        json!({"metadata": {"uid": uid, "namespace": "n"}, "status": {"verdict": verdict},
               "spec": {"escalationName": "e", "symptom": "vllm_oom", "cycle": uid, "consumes": consumes,
                        "targetRef": {"name": "t"}}})
    }

    #[test]
    fn a_flag_armed_on_too_few_old_or_consumed_runs_is_found() {
        for (runs, consumed, violations) in [
            (vec![("a", 1), ("b", 25)], vec![], 0),
            (vec![("a", 25)], vec![], 1),
            (vec![("a", -60), ("b", 25)], vec![], 1),
            (vec![("a", 1), ("b", 25)], vec!["a"], 1),
        ] {
            let mut oracles = Oracles::of(vec![Box::<ArmedIsCounted>::default()]);
            for (uid, hours) in &runs {
                see(&mut oracles, 26, "PhaseRun", &run(uid, *hours));
            }
            see(&mut oracles, 26, "TuningCanary", &canary("c", &consumed, "Passed"));
            assert_eq!(see(&mut oracles, 26, "Escalation", &armed_until(30)), violations, "{runs:?} {consumed:?}");
        }
    }

    #[test]
    fn tuning_under_an_expired_flag_or_none_is_found_and_a_run_that_began_may_go_on() {
        let mut oracles = Oracles::of(vec![Box::<ExpiredStartsNothing>::default()]);
        assert_eq!(see(&mut oracles, 1, "TuningCanary", &canary("x", &[], "")), 1);
        see(&mut oracles, 1, "Escalation", &armed_until(4));
        assert_eq!(see(&mut oracles, 3, "TuningCanary", &canary("y", &[], "")), 1);
        assert_eq!(see(&mut oracles, 5, "TuningCanary", &canary("y", &[], "")), 1, "the same cycle goes on");
        assert_eq!(see(&mut oracles, 5, "TuningCanary", &canary("z", &[], "")), 2);
    }

    #[test]
    fn a_flag_that_expired_and_is_armed_again_by_an_older_run_is_found() {
        let flag = |state: &str, armed: i64, until: i64| {
            let mut escalation = armed_until(until);
            escalation["status"]["flags"][0]["state"] = state.into();
            escalation["status"]["flags"][0]["armedAt"] = at(armed).to_string().into();
            escalation
        };
        for (state, armed, violations, evaluated) in
            [("Expired", 25, 0, 1), ("Armed", 25, 0, 1), ("Expired", 3, 1, 1), ("Cleared", 3, 0, 0)]
        {
            let mut oracles = Oracles::of(vec![Box::<ExpiredStartsNothing>::default()]);
            see(&mut oracles, 1, "Escalation", &flag("Armed", 1, 5));
            see(&mut oracles, 6, "Escalation", &flag(state, 1, 5));
            let found = see(&mut oracles, 26, "Escalation", &flag("Armed", armed, 29));
            assert_eq!(found, violations, "{state} {armed}");
            assert_eq!(oracles.figures().evaluated["i14_an_expired_flag_starts_nothing"], evaluated, "{state} {armed}");
        }
    }

    #[test]
    fn an_unknown_run_with_a_symptom_or_in_a_baseline_is_found() {
        for (status, violations) in [
            (json!({"verdict": "Unknown"}), 0),
            (json!({"verdict": "Unknown", "admitted": true, "reasons": ["BaselineSeeding"]}), 0),
            (json!({"verdict": "Unknown", "admitted": true, "reasons": ["TooFewSamples"]}), 1),
            (json!({"verdict": "Unknown", "symptoms": [{"kind": "vllm_oom"}]}), 1),
            (json!({"verdict": "Degraded", "admitted": true}), 1),
            (json!({"verdict": "Degraded", "symptoms": [{"kind": "vllm_oom"}]}), 0),
        ] {
            let mut oracles = Oracles::of(vec![Box::<UnknownCountsNothing>::default()]);
            let run = json!({"metadata": {"name": "r"}, "status": status});
            assert_eq!(see(&mut oracles, 1, "PhaseRun", &run), violations, "{status}");
        }
    }
}
