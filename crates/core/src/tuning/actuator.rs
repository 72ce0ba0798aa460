//! What the catalogue says of one tunable flag.

use super::version::VersionRange;
use crate::{
    prelude::*,
    value::{Decimal, Diagnosis, ParameterName, ParameterValue, Symptom, SymptomKind},
};

/// One tunable flag of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actuator {
    /// Canonical flag name, without dashes in front.
    pub name: &'static str,
    /// One sentence: what it does.
    pub summary: &'static str,
    /// Which values it takes.
    pub kind: ActuatorKind,
    /// Values outside `kind` that the engine gives a meaning of their own, as `-1` or `auto`.
    pub special: &'static [&'static str],
    /// The engine's default where it is the same everywhere; absent where it depends on the card or the model.
    pub engine_default: Option<&'static str>,
    /// Values tried when the user names none and lower is wanted; ascending.
    pub ladder_down: &'static [&'static str],
    /// Values tried when the user names none and higher is wanted; ascending.
    pub ladder_up: &'static [&'static str],
    /// What it can help against, and which way it must move.
    pub remedies: &'static [Remedy],
    /// Whether more of it asks more of the card's memory. Then a value that runs out of memory rules out all above it.
    pub grows_memory: bool,
    /// Proposed by itself only where the target already sets it: its engine default switches it off.
    pub only_where_set: bool,
    /// Why only an administrator may release it for tuning; absent where anybody may tune it.
    pub administrator: Option<&'static str>,
    /// For which engines this entry holds.
    pub versions: VersionRange,
}

/// Which values an actuator takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActuatorKind {
    /// A number between two bounds, both included, at whole steps from the minimum.
    Number {
        /// Smallest value.
        minimum: Decimal,
        /// Largest value.
        maximum: Decimal,
        /// Distance of neighbouring values.
        step: Decimal,
    },
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// On (`true`) or off (`false`); set as `--name` or `--no-name`.
    Flag,
}

/// Against which symptom of which cause an actuator can help, and which way it must move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// The symptom.
    pub symptom: SymptomKind,
    /// Its diagnosis.
    pub diagnosis: Diagnosis,
    /// Which way.
    pub direction: Direction,
}

/// What a run found, as far as it concerns the choice of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The symptom.
    pub symptom: SymptomKind,
    /// What the evidence says of its cause.
    pub diagnosis: Diagnosis,
}

impl From<&Symptom> for Cause {
    fn from(symptom: &Symptom) -> Self {
        Self { symptom: symptom.kind, diagnosis: symptom.diagnosis }
    }
}

/// Which way a value must move from the incumbent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Direction {
    /// Less of it.
    Lower,
    /// More of it.
    Raise,
    /// Either way may help.
    Either,
}

impl Direction {
    /// The word in sentences.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Raise => "higher",
            Self::Either => "either way",
        }
    }
}

/// Suffixes of numbers that vLLM reads: small letters are powers of ten, capitals powers of two
/// (`human_readable_int` of its argument parser).
const SIZE_SUFFIXES: [(char, i64); 8] = [
    ('k', 1_000),
    ('m', 1_000_000),
    ('g', 1_000_000_000),
    ('t', 1_000_000_000_000),
    ('K', 1 << 10),
    ('M', 1 << 20),
    ('G', 1 << 30),
    ('T', 1 << 40),
];

impl Actuator {
    /// Its name as a parameter.
    pub fn parameter(&self) -> ParameterName {
        ParameterName::new(self.name)
    }

    /// Reads a value as the engine would: `16K` is 16384, `True` is `true`.
    pub fn read_value(&self, text: &str) -> ParameterValue {
        match self.kind {
            ActuatorKind::Number { .. } => {
                size_in_units(text).map_or_else(|| ParameterValue::from(text), ParameterValue::Number)
            }
            ActuatorKind::Flag => ParameterValue::Text(text.to_ascii_lowercase()),
            ActuatorKind::Choice(_) => ParameterValue::from(text),
        }
    }

    /// The value in the incumbent's configuration, or the engine's own default where that is known.
    pub fn value_in(&self, configuration: &BTreeMap<String, String>) -> Option<ParameterValue> {
        configuration.get(self.name).map(String::as_str).or(self.engine_default).map(|text| self.read_value(text))
    }

    /// The first of the causes that it can help against, and which way it must move.
    pub fn remedy_for(&self, causes: &[Cause]) -> Option<Remedy> {
        causes.iter().find_map(|cause| {
            let fits = |remedy: &&Remedy| remedy.symptom == cause.symptom && remedy.diagnosis == cause.diagnosis;
            self.remedies.iter().find(fits).copied()
        })
    }
}

/// `25.6k` as 25600; nothing where there is no size suffix or no number before it.
fn size_in_units(text: &str) -> Option<Decimal> {
    let suffix = text.chars().last()?;
    let (_, units) = SIZE_SUFFIXES.iter().find(|(letter, _)| *letter == suffix)?;
    let number: Decimal = text.strip_suffix(suffix)?.parse().ok()?;
    number.millionths().checked_mul(*units).map(Decimal::from_millionths)
}

#[cfg(test)]
mod tests {
    use super::{super::catalogue::find_actuator, *};

    fn actuator(name: &str) -> &'static Actuator {
        find_actuator(&ParameterName::new(name)).unwrap()
    }

    #[test]
    fn sizes_are_read_as_the_engine_reads_them() {
        let tokens = actuator("max-num-batched-tokens");
        for (text, number) in [("16K", 16_384), ("16k", 16_000), ("2M", 2_097_152), ("1m", 1_000_000), ("8192", 8_192)]
        {
            assert_eq!(tokens.read_value(text), ParameterValue::Number(Decimal::from_integer(number)), "{text}");
        }
        assert_eq!(tokens.read_value("25.6k"), ParameterValue::from("25600"));
        assert_eq!(tokens.read_value("K"), ParameterValue::Text("K".to_owned()));
        assert_eq!(tokens.read_value(""), ParameterValue::Text(String::new()));
        let bytes = actuator("kv-cache-memory-bytes");
        assert_eq!(bytes.read_value("2G"), ParameterValue::from("2147483648"));
        assert_eq!(bytes.read_value("3g"), ParameterValue::from("3000000000"));
        assert_eq!(size_in_units("1t"), Some(Decimal::from_integer(1_000_000_000_000)));
        assert_eq!(size_in_units("1T"), Some(Decimal::from_integer(1_099_511_627_776)));
        assert_eq!(size_in_units("99T"), None, "more than a decimal can hold");
    }

    #[test]
    fn switches_are_read_whatever_their_letters() {
        assert_eq!(actuator("enable-prefix-caching").read_value("True"), ParameterValue::from("true"));
        assert_eq!(actuator("kv-cache-dtype").read_value("fp8"), ParameterValue::from("fp8"));
    }

    #[test]
    fn a_value_that_is_not_set_is_the_engines_default_where_that_is_known() {
        let mut configuration = BTreeMap::new();
        assert_eq!(actuator("gpu-memory-utilization").value_in(&configuration), Some(ParameterValue::from("0.92")));
        assert_eq!(actuator("max-num-seqs").value_in(&configuration), None, "it depends on the card");
        configuration.insert("max-num-seqs".to_owned(), "2".to_owned());
        assert_eq!(actuator("max-num-seqs").value_in(&configuration), Some(ParameterValue::from("2")));
    }

    #[test]
    fn the_diagnosis_decides_the_direction() {
        let memory = actuator("gpu-memory-utilization");
        let direction = |causes: &[Cause]| memory.remedy_for(causes).map(|remedy| remedy.direction);
        let oom = |diagnosis| Cause { symptom: SymptomKind::VllmOom, diagnosis };
        assert_eq!(direction(&[oom(Diagnosis::MemoryOvercommitted)]), Some(Direction::Lower));
        assert_eq!(direction(&[oom(Diagnosis::MemoryStarved)]), Some(Direction::Raise));
        assert_eq!(direction(&[oom(Diagnosis::ComputeBound)]), None);
        let crash = Cause { symptom: SymptomKind::EngineCrash, diagnosis: Diagnosis::MemoryStarved };
        assert_eq!(direction(&[crash]), None, "the symptom must fit as well");
        let several = [crash, oom(Diagnosis::MemoryStarved), oom(Diagnosis::MemoryOvercommitted)];
        assert_eq!(direction(&several), Some(Direction::Raise), "the first cause that it helps decides");
        let words = [Direction::Lower, Direction::Raise, Direction::Either].map(Direction::word);
        assert_eq!(words, ["lower", "higher", "either way"]);
    }
}
