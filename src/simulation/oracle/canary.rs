//! Canaries: what may be tried, what counts as passed, and how they end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    fact::{At, ChangeKind, ContainerState, Fact},
    registry::Invariant,
    value::{name, owner, text, texts, uid},
};
use crate::simulation::field::At as _;

/// In which everything must be gone and given back.
const RESTORE: SignedDuration = SignedDuration::from_secs(15);

/// I18: the containers of an aborted canary are gone within 15 s, or the canary says that they are not.
#[derive(Debug, Clone, Default)]
pub(super) struct AbortIsQuick {
    aborted: BTreeMap<String, Timestamp>,
    pods: BTreeMap<String, String>,
}

impl Invariant for AbortIsQuick {
    fn name(&self) -> &'static str {
        "i18_an_abort_ends_within_15_seconds"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("TuningCanary")
            && change.object.at("/spec/abort").and_then(Value::as_bool) == Some(true)
        {
            self.aborted.entry(uid(change.object).to_owned()).or_insert(at.now);
        }
        if let Some(change) = at.change_of("Pod")
            && let Some(canary) = owner(change.object, "TuningCanary")
        {
            self.pods.insert(uid(change.object).to_owned(), canary.to_owned());
        }
        let Fact::Container(change) = at.fact else { return None };
        let aborted = *self.aborted.get(self.pods.get(change.pod_uid)?)?;
        let ContainerState::Ended { .. } = change.state else { return None };
        let took = at.now.duration_since(aborted);
        Some(if took > RESTORE {
            Err(format!("{} ended {} s after the abort", change.container, took.as_secs()))
        } else {
            Ok(())
        })
    }
}

/// I19: an aborted canary never passes.
#[derive(Debug, Clone, Default)]
pub(super) struct AbortWins;

impl Invariant for AbortWins {
    fn name(&self) -> &'static str {
        "i19_an_aborted_canary_never_passes"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("TuningCanary")?;
        let aborted = change.object.at("/spec/abort").and_then(Value::as_bool) == Some(true);
        let before = change.before.and_then(|before| text(before, "/status/verdict"));
        let passes = text(change.object, "/status/verdict") == Some("Passed") && before.is_none();
        aborted.then(|| if passes { Err(format!("{} passed after its abort", name(change.object))) } else { Ok(()) })
    }
}

/// What the kubelet's log says of a canary's engine.
#[derive(Debug, Clone, Copy, Default)]
struct EngineLog {
    starts: u32,
    was_ready: bool,
}

/// I20: a canary that passed had one engine, which became ready once, and the engine reported each value as asked.
#[derive(Debug, Clone, Default)]
pub(super) struct PassedWasMeasured {
    pods: BTreeMap<String, String>,
    engines: BTreeMap<String, EngineLog>,
}

impl Invariant for PassedWasMeasured {
    fn name(&self) -> &'static str {
        "i20_what_passed_was_measured"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("Pod")
            && let Some(canary) = owner(change.object, "TuningCanary")
        {
            self.pods.insert(uid(change.object).to_owned(), canary.to_owned());
        }
        if let Fact::Container(change) = at.fact
            && change.is_engine
            && let Some(canary) = self.pods.get(change.pod_uid)
        {
            let engine = self.engines.entry(canary.clone()).or_default();
            match change.state {
                ContainerState::Started => engine.starts += 1,
                ContainerState::Ready => engine.was_ready = true,
                ContainerState::Ended { .. } => {}
            }
        }
        let change = at.change_of("TuningCanary").filter(|change| change.kind != ChangeKind::Deleted)?;
        if text(change.object, "/status/verdict") != Some("Passed") {
            return None;
        }
        let engine = self.engines.get(uid(change.object)).copied().unwrap_or_default();
        let asked = change.object.at("/spec/parameters").and_then(Value::as_object).cloned().unwrap_or_default();
        let seen = |parameter: &str| {
            let pointer = format!("/status/effective/configuration/{parameter}");
            text(change.object, &pointer).map(String::from)
        };
        let unseen = asked.iter().find(|(parameter, value)| !same(value, seen(parameter).as_deref()));
        Some(match (engine, unseen) {
            (EngineLog { starts: 1, was_ready: true }, None) => Ok(()),
            (EngineLog { starts: 1, was_ready: true }, Some((parameter, value))) => {
                Err(format!("{} passed, but its engine does not report {parameter} {value}", name(change.object)))
            }
            (EngineLog { starts, was_ready }, _) => {
                Err(format!("{} passed with {starts} engine starts, ready {was_ready}", name(change.object)))
            }
        })
    }
}

/// Whether what the engine reports means the value that was asked for.
fn same(asked: &Value, seen: Option<&str>) -> bool {
    let (asked, Some(seen)) = (asked.as_str().map_or_else(|| asked.to_string(), String::from), seen) else {
        return false;
    };
    asked == seen
        || matches!((asked.parse::<f64>(), seen.parse::<f64>()), (Ok(one), Ok(other)) if (one - other).abs() < 1e-9)
}

/// I21: there is a fitness exactly where a canary passed, and it is the share of offered requests within their limits.
#[derive(Debug, Clone, Default)]
pub(super) struct FitnessRestsOnEvidence;

impl Invariant for FitnessRestsOnEvidence {
    fn name(&self) -> &'static str {
        "i21_fitness_rests_on_evidence"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("TuningCanary").filter(|change| change.kind != ChangeKind::Deleted)?;
        let verdict = text(change.object, "/status/verdict")?;
        let number = |pointer: &str| change.object.at(pointer).and_then(Value::as_f64);
        let share = number("/status/requests/withinLimits").zip(number("/status/requests/offered"));
        let share = share.map(|(within, offered)| within / offered);
        let fitness = number("/status/fitness");
        let sound = match (verdict == "Passed", fitness, share) {
            (false, None, _) => true,
            (true, Some(fitness), Some(share)) => (fitness - share).abs() < 5e-4,
            _ => false,
        };
        Some(if sound {
            Ok(())
        } else {
            Err(format!("{} is {verdict}, fitness {fitness:?}, requests {share:?}", name(change.object)))
        })
    }
}

/// I22: a candidate sets only what its Escalation lists, where it lists anything.
#[derive(Debug, Clone, Default)]
pub(super) struct CandidatesAreAllowed {
    listed: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Invariant for CandidatesAreAllowed {
    fn name(&self) -> &'static str {
        "i22_candidates_are_allowed"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("Escalation") {
            let parameters = change.object.at("/spec/parameters").and_then(Value::as_array);
            let listed = |parameter: &Value| {
                let numbers = parameter.at("/values").and_then(Value::as_array).cloned().unwrap_or_default();
                let mut values: BTreeSet<String> = numbers.iter().map(ToString::to_string).collect();
                values.extend(texts(parameter, "/values").into_iter().map(String::from));
                Some((text(parameter, "/name")?.to_owned(), values))
            };
            let listed = parameters.map(|all| all.iter().filter_map(listed).collect()).unwrap_or_default();
            self.listed.insert(name(change.object).to_owned(), listed);
        }
        let change = at.change_of("TuningCanary").filter(|change| change.kind == ChangeKind::Added)?;
        let listed =
            self.listed.get(text(change.object, "/spec/escalationName")?).filter(|listed| !listed.is_empty())?;
        let parameters = change.object.at("/spec/parameters").and_then(Value::as_object)?;
        let strange = parameters.iter().find(|(parameter, value)| {
            let Some(values) = listed.get(*parameter) else { return true };
            !values.is_empty() && !values.iter().any(|listed| same(value, Some(listed)))
        });
        Some(strange.map_or(Ok(()), |(parameter, value)| Err(format!("{parameter} {value} is not listed"))))
    }
}

#[cfg(test)]
#[path = "canary_tests.rs"]
mod tests;
