//! In which order the values of one parameter are tried.

use core::cmp::Ordering;

use super::actuator::{Actuator, Direction};
use crate::{
    prelude::*,
    value::{Decimal, Diagnosis, ParameterValue},
};

/// What the order of a parameter's values is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderContext {
    /// Which way the values must move; absent where the catalogue has no remedy of this parameter for the cause.
    pub direction: Option<Direction>,
    /// The cause that the direction answers.
    pub diagnosis: Diagnosis,
    /// Whether memory is over-committed and the parameter takes memory: a value that fails rules out all above it.
    pub higher_can_only_fail: bool,
    /// The incumbent's value, where known.
    pub incumbent: Option<ParameterValue>,
    /// The value of healthy runs, where it is another than the incumbent's.
    pub healthy: Option<ParameterValue>,
}

impl OrderContext {
    /// The context of an actuator under a remedy.
    pub fn new(
        actuator: &Actuator,
        remedy: Option<(Direction, Diagnosis)>,
        incumbent: Option<ParameterValue>,
        healthy: Option<ParameterValue>,
    ) -> Self {
        let diagnosis = remedy.map_or(Diagnosis::Unexplained, |(_, diagnosis)| diagnosis);
        let higher_can_only_fail = actuator.grows_memory && diagnosis == Diagnosis::MemoryOvercommitted;
        Self { direction: remedy.map(|(direction, _)| direction), diagnosis, higher_can_only_fail, incumbent, healthy }
    }

    /// Whether the value lies at or above the incumbent's where higher can only fail.
    pub fn is_hopeless(&self, value: &ParameterValue) -> bool {
        let both = value.as_number().zip(self.incumbent.as_ref().and_then(ParameterValue::as_number));
        self.higher_can_only_fail && both.is_some_and(|(value, incumbent)| value >= incumbent)
    }

    /// Why the value is tried, in one line.
    pub fn why(&self, parameter: &str, value: &ParameterValue) -> String {
        let was = self.incumbent.as_ref().map_or_else(|| "the engine's default".to_owned(), ToString::to_string);
        if self.healthy.as_ref() == Some(value) {
            return format!("healthy runs had {parameter} {value}, now it is {was}");
        }
        let Some(direction) = self.direction else {
            return format!("listed for {parameter}, now {was}");
        };
        let both = value.as_number().zip(self.incumbent.as_ref().and_then(ParameterValue::as_number));
        let place = match both.map(|(value, incumbent)| value.cmp(&incumbent)) {
            Some(Ordering::Less) => format!("lower than {was}"),
            Some(Ordering::Greater) => format!("higher than {was}"),
            Some(Ordering::Equal) | None => format!("instead of {was}"),
        };
        format!("{place}: {}", reasoning(self.diagnosis, direction))
    }
}

const fn reasoning(diagnosis: Diagnosis, direction: Direction) -> &'static str {
    match (diagnosis, direction) {
        (Diagnosis::MemoryOvercommitted, _) => "the card's memory is over-committed, lowest first",
        (Diagnosis::MemoryStarved, _) => "the KV cache is starved, nearest sufficient first",
        (Diagnosis::AdmissionLimited, _) => "requests wait to be admitted, nearest first",
        (Diagnosis::CachePressure, Direction::Lower) => "the KV cache overflows, admit fewer, nearest first",
        (Diagnosis::CachePressure, _) => "the KV cache overflows, give it more, nearest first",
        (Diagnosis::ComputeBound, _) => "the work itself is slow, nearest first",
        (Diagnosis::Unexplained, _) => "nothing says which way helps, nearest first",
    }
}

/// Orders distinct values for trying.
///
/// - Over-committed memory, and the parameter takes memory: lowest first, and nothing at or above the incumbent.
/// - Otherwise the value of healthy runs first. From there on (or from the incumbent, where healthy runs don't lie the
///   right way) onward in the direction of the diagnosis, nearest first; then back towards the incumbent; then beyond
///   the incumbent, in the direction that the diagnosis does not favour.
/// - Without a direction, and for words: as listed.
pub fn order_values(values: Vec<ParameterValue>, context: &OrderContext) -> Vec<ParameterValue> {
    let mut values = values;
    values.retain(|value| context.incumbent.as_ref() != Some(value) && !context.is_hopeless(value));
    let keys: BTreeMap<ParameterValue, Rank> =
        values.iter().filter_map(|value| Some((value.clone(), rank(value, context)?))).collect();
    values.sort_by_key(|value| keys.get(value).copied().unwrap_or(UNRANKED));
    values
}

/// Group, then distance within the group. The sort is stable, so equals stay as listed.
type Rank = (u8, Decimal);

const HEALTHY: Rank = (0, Decimal::ZERO);
const UNRANKED: Rank = (2, Decimal::ZERO);

fn rank(value: &ParameterValue, context: &OrderContext) -> Option<Rank> {
    if context.higher_can_only_fail {
        return value.as_number().map(|number| (1, number));
    }
    if context.healthy.as_ref() == Some(value) {
        return Some(HEALTHY);
    }
    let number = value.as_number()?;
    let incumbent = context.incumbent.as_ref().and_then(ParameterValue::as_number);
    let healthy = context.healthy.as_ref().and_then(ParameterValue::as_number);
    match context.direction? {
        Direction::Raise => Some(rank_onward(number, incumbent, healthy, |number| number)),
        Direction::Lower => Some(rank_onward(number, incumbent, healthy, |number| Decimal::ZERO.minus(number))),
        Direction::Either => Some((1, distance(number, healthy.or(incumbent)?))),
    }
}

/// `forward` makes the favoured direction the growing one, so that one rule serves both.
fn rank_onward(
    number: Decimal,
    incumbent: Option<Decimal>,
    healthy: Option<Decimal>,
    forward: fn(Decimal) -> Decimal,
) -> Rank {
    let (number, incumbent, healthy) = (forward(number), incumbent.map(forward), healthy.map(forward));
    let Some(incumbent) = incumbent else {
        // Nothing to measure nearness from but healthy runs; without them, the mildest value first.
        let from = healthy.unwrap_or(number);
        return if number >= from { (1, number) } else { (2, distance(number, from)) };
    };
    let reference = healthy.filter(|healthy| *healthy > incumbent).unwrap_or(incumbent);
    if number > reference {
        (1, distance(number, reference))
    } else if number > incumbent {
        (2, distance(number, reference))
    } else {
        (3, distance(number, incumbent))
    }
}

fn distance(one: Decimal, other: Decimal) -> Decimal {
    if one > other { one.minus(other) } else { other.minus(one) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(
        direction: Option<Direction>,
        higher_can_only_fail: bool,
        incumbent: Option<&str>,
        healthy: Option<&str>,
    ) -> OrderContext {
        OrderContext {
            direction,
            diagnosis: Diagnosis::AdmissionLimited,
            higher_can_only_fail,
            incumbent: incumbent.map(ParameterValue::from),
            healthy: healthy.map(ParameterValue::from),
        }
    }

    fn ordered(values: &str, context: &OrderContext) -> String {
        let values = values.split(' ').map(ParameterValue::from).collect();
        order_values(values, context).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn over_committed_memory_is_tried_lowest_first_and_never_at_or_above_the_incumbent() {
        let over = context(Some(Direction::Lower), true, Some("0.92"), Some("0.77"));
        assert_eq!(ordered("0.82 0.7 0.95 0.92 0.77 0.91", &over), "0.7 0.77 0.82 0.91");
        assert!(over.is_hopeless(&ParameterValue::from("0.92")));
        assert!(!over.is_hopeless(&ParameterValue::from("0.91")));
        assert!(!over.is_hopeless(&ParameterValue::from("auto")));
        let unknown = context(Some(Direction::Lower), true, None, None);
        assert_eq!(ordered("0.82 0.7 0.95", &unknown), "0.7 0.82 0.95");
    }

    #[test]
    fn what_healthy_runs_had_comes_first_then_onward_then_back() {
        let lowered = context(Some(Direction::Raise), false, Some("2"), Some("32"));
        assert_eq!(ordered("1 2 4 8 16 32 64 128", &lowered), "32 64 128 16 8 4 1");
        let raised = context(Some(Direction::Lower), false, Some("256"), Some("32"));
        assert_eq!(ordered("8 16 32 64 128 256 512", &raised), "32 16 8 64 128 512");
    }

    #[test]
    fn healthy_runs_on_the_other_side_come_first_but_are_no_place_to_go_on_from() {
        let context = context(Some(Direction::Raise), false, Some("32"), Some("16"));
        assert_eq!(ordered("8 16 32 64 128", &context), "16 64 128 8");
    }

    #[test]
    fn without_healthy_runs_the_nearest_in_the_favoured_direction_leads() {
        assert_eq!(ordered("8 16 32 64", &context(Some(Direction::Raise), false, Some("16"), None)), "32 64 8");
        assert_eq!(ordered("8 16 32 64", &context(Some(Direction::Lower), false, Some("32"), None)), "16 8 64");
        assert_eq!(ordered("10 18 30", &context(Some(Direction::Either), false, Some("20"), None)), "18 10 30");
        assert_eq!(ordered("30 10 18", &context(Some(Direction::Either), false, Some("20"), Some("18"))), "18 10 30");
    }

    #[test]
    fn an_unknown_incumbent_leaves_the_mildest_value_first() {
        assert_eq!(ordered("64 8 16", &context(Some(Direction::Raise), false, None, None)), "8 16 64");
        assert_eq!(ordered("8 64 16", &context(Some(Direction::Lower), false, None, None)), "64 16 8");
        assert_eq!(ordered("8 64 16 32", &context(Some(Direction::Raise), false, None, Some("16"))), "16 32 64 8");
        assert_eq!(ordered("8 64 16", &context(Some(Direction::Either), false, None, None)), "8 64 16");
    }

    #[test]
    fn words_and_parameters_without_a_direction_stay_as_listed() {
        assert_eq!(ordered("b a c", &context(Some(Direction::Either), false, Some("a"), None)), "b c");
        assert_eq!(ordered("b a c", &context(None, false, None, Some("c"))), "c b a");
        assert_eq!(ordered("64 8 16", &context(None, false, Some("8"), None)), "64 16");
        assert_eq!(ordered("auto 64", &context(Some(Direction::Raise), false, Some("8"), None)), "64 auto");
    }

    #[test]
    fn each_value_says_why_it_is_tried() {
        let why = |context: &OrderContext, value: &str| context.why("max-num-seqs", &ParameterValue::from(value));
        let lowered = context(Some(Direction::Raise), false, Some("2"), Some("32"));
        assert_eq!(why(&lowered, "32"), "healthy runs had max-num-seqs 32, now it is 2");
        assert_eq!(why(&lowered, "64"), "higher than 2: requests wait to be admitted, nearest first");
        assert_eq!(why(&lowered, "1"), "lower than 2: requests wait to be admitted, nearest first");
        assert_eq!(why(&lowered, "2"), "instead of 2: requests wait to be admitted, nearest first");
        let unknown = context(Some(Direction::Raise), false, None, None);
        assert_eq!(why(&unknown, "64"), "instead of the engine's default: requests wait to be admitted, nearest first");
        assert_eq!(why(&context(None, false, Some("2"), None), "8"), "listed for max-num-seqs, now 2");
    }

    #[test]
    fn the_reasoning_names_the_diagnosis() {
        let reasonings: BTreeSet<&str> =
            Diagnosis::ALL.iter().map(|diagnosis| reasoning(*diagnosis, Direction::Raise)).collect();
        assert_eq!(reasonings.len(), Diagnosis::ALL.len());
        assert_eq!(
            reasoning(Diagnosis::CachePressure, Direction::Lower),
            "the KV cache overflows, admit fewer, nearest first"
        );
    }

    #[test]
    fn only_over_commitment_of_what_takes_memory_rules_out_all_above() {
        let find =
            |name: &str| super::super::catalogue::find_actuator(&crate::value::ParameterName::new(name)).unwrap();
        let rules_out = |name: &str, diagnosis| {
            OrderContext::new(find(name), Some((Direction::Lower, diagnosis)), None, None).higher_can_only_fail
        };
        assert!(rules_out("gpu-memory-utilization", Diagnosis::MemoryOvercommitted));
        assert!(!rules_out("gpu-memory-utilization", Diagnosis::MemoryStarved));
        assert!(!rules_out("watermark", Diagnosis::MemoryOvercommitted));
        assert_eq!(OrderContext::new(find("watermark"), None, None, None).diagnosis, Diagnosis::Unexplained);
    }
}
