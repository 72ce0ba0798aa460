//! Which values of one parameter come into question, before they are ordered.

use super::{
    actuator::{ActuatorKind, Direction},
    bounds::Bounds,
    candidate::RequestedValues,
    error::TuningError,
    order::{OrderContext, order_values},
};
use crate::{
    prelude::*,
    value::{Decimal, ParameterValue},
};

/// Most values of one range: more than any budget could try, few enough to be listed.
pub(super) const RANGE_VALUES_MAX: usize = 128;

/// Values that come into question, and those that were asked for but are outside the bounds.
pub(super) struct ChosenValues {
    pub(super) allowed: Vec<ParameterValue>,
    pub(super) refused: Vec<(ParameterValue, TuningError)>,
}

/// The values of one parameter that come into question.
///
/// # Errors
/// A range that holds no value, or too many.
pub(super) fn choose_values(
    requested: &RequestedValues,
    bounds: &Bounds,
    context: &OrderContext,
    count_max: usize,
) -> Result<ChosenValues, TuningError> {
    let (asked, add_healthy) = match requested {
        RequestedValues::Listed(values) => (values.clone(), false),
        RequestedValues::Range { minimum, maximum, step } => (range(bounds, *minimum, *maximum, *step)?, false),
        RequestedValues::Catalogue => {
            // Of the ladder, what the bounds allow: a bound of the administrator is no fault of the catalogue's.
            (ladder(bounds, context, count_max), true)
        }
    };
    let mut chosen = ChosenValues { allowed: Vec::new(), refused: Vec::new() };
    let healthy = context.healthy.iter().filter(|_| add_healthy);
    for value in asked.iter().chain(healthy) {
        if chosen.allowed.contains(value) {
            continue;
        }
        match bounds.check(value) {
            Ok(()) => chosen.allowed.push(value.clone()),
            Err(refusal) => chosen.refused.push((value.clone(), refusal)),
        }
    }
    Ok(chosen)
}

/// The catalogue's own values: where higher can only fail, only the nearest below the incumbent, because the lowest of
/// them is tried first and a value far below would waste the card.
fn ladder(bounds: &Bounds, context: &OrderContext, count_max: usize) -> Vec<ParameterValue> {
    let actuator = bounds.actuator();
    let texts = if context.direction == Some(Direction::Lower) { actuator.ladder_down } else { actuator.ladder_up };
    let mut values: Vec<ParameterValue> = texts
        .iter()
        .map(|text| actuator.read_value(text))
        .filter(|value| bounds.check(value).is_ok() && is_favoured(value, context))
        .collect();
    if context.higher_can_only_fail {
        values = order_values(values, context);
        values.drain(..values.len().saturating_sub(count_max));
        // What healthy runs had will be added to these, and then needs a place.
        let healthy = context.healthy.as_ref().filter(|healthy| !context.is_hopeless(healthy));
        if healthy.is_some_and(|healthy| values.len() == count_max && !values.contains(healthy)) {
            values.remove(0);
        }
    }
    values
}

/// Whether the value lies the way that the diagnosis favours, as far as that can be said.
fn is_favoured(value: &ParameterValue, context: &OrderContext) -> bool {
    let known = value.as_number().zip(context.incumbent.as_ref().and_then(ParameterValue::as_number));
    match (context.direction, known) {
        (Some(Direction::Lower), Some((value, incumbent))) => value < incumbent,
        (Some(Direction::Raise), Some((value, incumbent))) => value > incumbent,
        (Some(_), _) => true,
        // No remedy: nothing of the ladder, only what healthy runs had.
        (None, _) => false,
    }
}

fn range(
    bounds: &Bounds,
    minimum: Decimal,
    maximum: Decimal,
    step: Decimal,
) -> Result<Vec<ParameterValue>, TuningError> {
    let name = bounds.actuator().parameter();
    let refuse = |fault| Err(TuningError::ImpossibleRange { name: name.clone(), minimum, maximum, step, fault });
    if !matches!(bounds.actuator().kind, ActuatorKind::Number { .. }) {
        return refuse("is given for a parameter that takes words; list its values");
    }
    if step <= Decimal::ZERO {
        return refuse("has a step that is not positive");
    }
    if minimum > maximum {
        return refuse("starts above its end");
    }
    let mut values = Vec::new();
    let mut value = minimum;
    while value <= maximum {
        if values.len() == RANGE_VALUES_MAX {
            return refuse("holds more than 128 values");
        }
        values.push(ParameterValue::Number(value));
        value = value.plus(step);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tuning::{bounds::bounds, version::EngineVersion},
        value::{Diagnosis, ParameterName},
    };

    fn context(
        direction: Option<Direction>,
        over: bool,
        incumbent: Option<&str>,
        healthy: Option<&str>,
    ) -> OrderContext {
        OrderContext {
            direction,
            diagnosis: Diagnosis::MemoryOvercommitted,
            higher_can_only_fail: over,
            incumbent: incumbent.map(ParameterValue::from),
            healthy: healthy.map(ParameterValue::from),
        }
    }

    fn limits(name: &str) -> Bounds {
        bounds(&ParameterName::new(name), EngineVersion::new(0, 32), None).unwrap()
    }

    fn catalogue(name: &str, context: &OrderContext, count_max: usize) -> String {
        let chosen = choose_values(&RequestedValues::Catalogue, &limits(name), context, count_max).unwrap();
        chosen.allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn over_committed_memory_takes_the_nearest_below_the_incumbent() {
        let over = |incumbent, healthy| context(Some(Direction::Lower), true, Some(incumbent), healthy);
        let seed = "0.7 0.72 0.75 0.77 0.8 0.82";
        assert_eq!(catalogue("gpu-memory-utilization", &over("0.92", None), 6), seed);
        assert_eq!(catalogue("gpu-memory-utilization", &over("0.82", None), 3), "0.75 0.77 0.8");
        assert_eq!(catalogue("gpu-memory-utilization", &over("0.92", Some("0.75")), 6), seed, "healthy is among them");
        assert_eq!(catalogue("gpu-memory-utilization", &over("0.92", Some("0.74")), 3), "0.8 0.82 0.74");
        assert_eq!(catalogue("gpu-memory-utilization", &over("0.92", Some("0.4")), 2), "0.82 0.4");
        assert_eq!(catalogue("gpu-memory-utilization", &over("0.5", Some("0.3")), 3), "0.4 0.45 0.3", "room is left");
        assert_eq!(
            catalogue("gpu-memory-utilization", &over("0.82", Some("0.9")), 2),
            "0.77 0.8 0.9",
            "filtered later"
        );
    }

    #[test]
    fn a_ladder_keeps_to_the_favoured_side() {
        let raise = context(Some(Direction::Raise), false, Some("64"), None);
        assert_eq!(catalogue("max-num-seqs", &raise, 6), "128 256 512 1024");
        let lower = context(Some(Direction::Lower), false, Some("64"), None);
        assert_eq!(catalogue("max-num-seqs", &lower, 6), "8 16 32");
        let either = context(Some(Direction::Either), false, Some("2048"), Some("4096"));
        assert_eq!(catalogue("max-num-batched-tokens", &either, 2), "512 1024 2048 4096 8192 16384 32768");
        let none = context(None, false, Some("2"), Some("32"));
        assert_eq!(catalogue("max-num-seqs", &none, 6), "32", "without a remedy only what healthy runs had");
    }

    #[test]
    fn listed_values_are_kept_once_and_those_outside_the_bounds_are_refused() {
        let listed = ["0.7", "0.70", "0.99"].map(ParameterValue::from).to_vec();
        let over = context(Some(Direction::Lower), true, Some("0.92"), Some("0.5"));
        let chosen =
            choose_values(&RequestedValues::Listed(listed), &limits("gpu-memory-utilization"), &over, 6).unwrap();
        assert_eq!(chosen.allowed, vec![ParameterValue::from("0.7")]);
        assert_eq!(chosen.refused.len(), 1);
        assert_eq!(chosen.refused[0].0, ParameterValue::from("0.99"));
    }

    #[test]
    fn a_range_holds_both_its_ends() {
        let number = |text: &str| text.parse::<Decimal>().unwrap();
        let limits = limits("gpu-memory-utilization");
        let values = |minimum: &str, maximum: &str, step: &str| {
            range(&limits, number(minimum), number(maximum), number(step))
                .map(|values| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
                .map_err(|refusal| refusal.to_string())
        };
        assert_eq!(values("0.7", "0.76", "0.02").unwrap(), "0.7 0.72 0.74 0.76");
        assert_eq!(values("0.7", "0.75", "0.02").unwrap(), "0.7 0.72 0.74");
        assert_eq!(values("0.7", "0.7", "0.02").unwrap(), "0.7");
        assert_eq!(
            values("0.71", "0.7", "0.02").unwrap_err(),
            "range 0.71 to 0.7 by 0.02 for gpu-memory-utilization starts above its end"
        );
        assert_eq!(
            values("0.7", "0.8", "0").unwrap_err(),
            "range 0.7 to 0.8 by 0 for gpu-memory-utilization has a step that is not positive"
        );
        assert!(values("0.7", "0.8", "-0.01").is_err());
        assert_eq!(values("1", "128", "1").unwrap().split(' ').count(), RANGE_VALUES_MAX);
        assert!(values("1", "129", "1").unwrap_err().ends_with("holds more than 128 values"));
    }

    #[test]
    fn a_range_of_words_is_refused() {
        let range = RequestedValues::Range {
            minimum: Decimal::from_integer(1),
            maximum: Decimal::from_integer(2),
            step: Decimal::from_integer(1),
        };
        let none = context(None, false, None, None);
        let refusal = choose_values(&range, &limits("performance-mode"), &none, 6).err().unwrap();
        assert_eq!(
            refusal.to_string(),
            "range 1 to 2 by 1 for performance-mode is given for a parameter that takes words; list its values"
        );
        assert_eq!(
            refusal.remedy(),
            "give a minimum at or below the maximum, and a positive step that makes few values"
        );
    }
}
