//! Whether two histories left the same behind.

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;

use super::{
    outcome::Outcome,
    time::{DELAY_MAX, take_instants},
};

/// Letters of a value that are shown of a difference.
const SHOWN_LENGTH_MAX: usize = 160;

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Where.
    pub place: String,
    /// What the undisturbed history left.
    pub wanted: String,
    /// What the other one left.
    pub came: String,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// What differs.
    pub differences: Vec<Difference>,
    /// By how much the instant that is ahead by the most is earlier: zero or negative.
    pub earliest: SignedDuration,
    /// By how much the instant that lags behind by the most is later: zero or positive.
    pub latest: SignedDuration,
}

/// Holds what a history left against what the undisturbed one left. Instants may differ by [`DELAY_MAX`].
pub fn compare(wanted: &Outcome, came: &Outcome) -> Comparison {
    let mut comparison = Comparison::default();
    let places = wanted.0.keys().chain(came.0.keys().filter(|place| !wanted.0.contains_key(*place)));
    for place in places {
        match (wanted.0.get(place), came.0.get(place)) {
            (Some(wanted), Some(came)) if place.starts_with("told ") => comparison.told(place, wanted, came),
            (Some(wanted), Some(came)) => comparison.values(place, wanted, came),
            // News that nobody lived to tell are told by the status.
            (Some(_), None) if place.starts_with("told ") => {}
            (wanted, came) => comparison.differ(place, wanted, came),
        }
    }
    comparison
}

impl Comparison {
    fn values(&mut self, place: &str, wanted: &Value, came: &Value) {
        match (wanted, came) {
            (Value::Object(wanted), Value::Object(came)) => {
                let names = wanted.keys().chain(came.keys().filter(|name| !wanted.contains_key(*name)));
                for name in names {
                    let place = format!("{place}/{name}");
                    match (wanted.get(name), came.get(name)) {
                        (Some(wanted), Some(came)) if place.ends_with("/status/history/records") => {
                            self.records(&place, wanted, came);
                        }
                        (Some(wanted), Some(came)) => self.values(&place, wanted, came),
                        (wanted, came) => self.differ(&place, wanted, came),
                    }
                }
            }
            (Value::Array(wanted), Value::Array(came)) if wanted.len() == came.len() => {
                for (index, (wanted, came)) in wanted.iter().zip(came).enumerate() {
                    self.values(&format!("{place}/{index}"), wanted, came);
                }
            }
            (Value::String(wanted), Value::String(came)) => self.texts(place, wanted, came),
            _ if wanted == came => {}
            _ => self.differ(place, Some(wanted), Some(came)),
        }
    }

    fn texts(&mut self, place: &str, wanted: &str, came: &str) {
        if wanted == came || (is_hold(place) && is_rounded(wanted, came)) {
            return;
        }
        let ((text, instants), (other, others)) = (take_instants(wanted), take_instants(came));
        let mut same = text == other && instants.len() == others.len();
        for (instant, other) in instants.iter().zip(&others) {
            let delay = other.duration_since(*instant);
            same &= delay.abs() <= DELAY_MAX;
            self.earliest = self.earliest.min(delay);
            self.latest = self.latest.max(delay);
        }
        if !same {
            self.differ(place, Some(&wanted.into()), Some(&came.into()));
        }
    }

    /// Nothing is told that the other history did not tell, and nothing more often.
    fn told(&mut self, place: &str, wanted: &Value, came: &Value) {
        let mut left: Vec<&Value> = wanted.as_array().into_iter().flatten().collect();
        for note in came.as_array().into_iter().flatten() {
            match left.iter().position(|other| *other == note) {
                Some(index) => drop(left.remove(index)),
                None => self.differ(place, None, Some(note)),
            }
        }
    }

    /// A phase that went by while nobody looked is not recorded. Every other record is there, once, and in order.
    fn records(&mut self, place: &str, wanted: &Value, came: &Value) {
        let of = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (wanted, came) = (of(wanted), of(came));
        let to = |record: &Value| record.get("to").cloned();
        let mut left = wanted.iter();
        for record in &came {
            match left.find(|other| to(other) == to(record)) {
                Some(other) => {
                    for field in ["reason", "message", "at"] {
                        let (wanted, came) = (other.get(field), record.get(field));
                        if let (Some(wanted), Some(came)) = (wanted, came) {
                            self.values(&format!("{place}/{field}"), wanted, came);
                        }
                    }
                }
                None => self.differ(place, None, Some(record)),
            }
        }
        if wanted.last().and_then(to) != came.last().and_then(to) {
            self.differ(place, wanted.last(), came.last());
        }
    }

    fn differ(&mut self, place: &str, wanted: Option<&Value>, came: Option<&Value>) {
        let shown = |value: Option<&Value>| {
            let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            text.chars().take(SHOWN_LENGTH_MAX).collect()
        };
        self.differences.push(Difference { place: place.to_owned(), wanted: shown(wanted), came: shown(came) });
    }
}

/// Whether a field says how long a GPU was held.
fn is_hold(place: &str) -> bool {
    place.ends_with("/used/hold") || place.ends_with("/status/summary/used")
}

/// Whether two texts are the same but for a second of the duration at their end. The kubelet tells starts and ends in whole
/// seconds: a pod that starts at another fraction of a second holds one more or one less.
fn is_rounded(wanted: &str, came: &str) -> bool {
    let split = |text: &str| {
        let (before, hold) = text.rsplit_once('/').unwrap_or(("", text));
        Some((before.to_owned(), phaseloop_core::value::parse_duration(hold).ok()?))
    };
    let (Some((wanted, hold)), Some((came, other))) = (split(wanted), split(came)) else { return false };
    wanted == came && (hold - other).abs() <= SignedDuration::from_secs(1)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
