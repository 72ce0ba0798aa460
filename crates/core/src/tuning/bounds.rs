//! Which values of a parameter may be tried: the catalogue's bounds, narrowed by the administrator, never widened.

use super::{
    actuator::{Actuator, ActuatorKind},
    catalogue::actuator_for,
    error::TuningError,
    version::EngineVersion,
};
use crate::{
    prelude::*,
    value::{Decimal, ParameterName, ParameterValue},
};

/// What the administrator's policy says of one parameter. The empty one says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdminBounds {
    /// Smallest number.
    pub minimum: Option<Decimal>,
    /// Largest number.
    pub maximum: Option<Decimal>,
    /// The only values allowed; absent: no such list. Applies to numbers and words alike.
    pub values: Option<BTreeSet<ParameterValue>>,
    /// Whether a parameter that needs the administrator may be tuned.
    pub permitted: bool,
}

/// The values of one parameter that may be tried on one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    actuator: &'static Actuator,
    minimum: Option<(Decimal, &'static str)>,
    maximum: Option<(Decimal, &'static str)>,
    values: Option<BTreeSet<ParameterValue>>,
}

const CATALOGUE: &str = "catalogue's";
const ADMINISTRATOR: &str = "administrator's";

/// The bounds of a parameter on an engine.
///
/// # Errors
/// The parameter may not be tuned on this engine, needs a permission that is not given, or the administrator's bounds
/// leave nothing.
pub fn bounds(
    name: &ParameterName,
    version: EngineVersion,
    admin: Option<&AdminBounds>,
) -> Result<Bounds, TuningError> {
    let actuator = actuator_for(name, version)?;
    let permitted = admin.is_some_and(|admin| admin.permitted);
    if let (Some(why), false) = (actuator.administrator, permitted) {
        return Err(TuningError::NeedsAdministrator { name: name.clone(), why });
    }
    let (mut minimum, mut maximum) = match actuator.kind {
        ActuatorKind::Number { minimum, maximum, .. } => (Some((minimum, CATALOGUE)), Some((maximum, CATALOGUE))),
        ActuatorKind::Choice(_) | ActuatorKind::Flag => (None, None),
    };
    let mut values = None;
    if let Some(admin) = admin {
        let by_admin = |bound: Option<Decimal>| bound.map(|bound| (bound, ADMINISTRATOR));
        if admin.minimum > minimum.map(|(bound, _)| bound) {
            minimum = by_admin(admin.minimum);
        }
        if maximum.is_none_or(|(bound, _)| admin.maximum.is_some_and(|narrower| narrower < bound)) {
            maximum = by_admin(admin.maximum);
        }
        values.clone_from(&admin.values);
    }
    let bounds = Bounds { actuator, minimum, maximum, values };
    if bounds.is_empty() {
        return Err(TuningError::NothingLeft { name: name.clone(), versions: actuator.versions });
    }
    Ok(bounds)
}

impl Bounds {
    /// The actuator whose bounds these are.
    pub const fn actuator(&self) -> &'static Actuator {
        self.actuator
    }

    /// Smallest number; absent for words.
    pub fn minimum(&self) -> Option<Decimal> {
        self.minimum.map(|(bound, _)| bound)
    }

    /// Largest number; absent for words.
    pub fn maximum(&self) -> Option<Decimal> {
        self.maximum.map(|(bound, _)| bound)
    }

    /// Whether the value may be tried.
    ///
    /// # Errors
    /// It may not, and why.
    pub fn check(&self, value: &ParameterValue) -> Result<(), TuningError> {
        if self.values.as_ref().is_some_and(|values| !values.contains(value)) {
            return Err(self.not_allowed(value));
        }
        if self.is_special(value) {
            return Ok(());
        }
        match (self.actuator.kind, value) {
            (ActuatorKind::Number { minimum, step, .. }, ParameterValue::Number(number)) => {
                self.check_number(*number, minimum, step)
            }
            (ActuatorKind::Choice(choices), value) if choices.contains(&value.to_string().as_str()) => {
                value.as_number().map_or(Ok(()), |number| self.check_range(number))
            }
            (ActuatorKind::Flag, ParameterValue::Text(text)) if text == "true" || text == "false" => Ok(()),
            _ => Err(self.not_allowed(value)),
        }
    }

    /// What may be tried, for messages and the reference.
    pub fn describe(&self) -> String {
        if let Some(values) = &self.values {
            return joined(values.iter().map(ToString::to_string));
        }
        let special = self.actuator.special.iter().map(ToString::to_string);
        match (self.actuator.kind, self.minimum(), self.maximum()) {
            (ActuatorKind::Number { .. }, Some(minimum), Some(maximum)) => {
                joined([format!("{minimum}-{maximum}")].into_iter().chain(special))
            }
            (ActuatorKind::Choice(choices), ..) => joined(choices.iter().map(ToString::to_string).chain(special)),
            _ => joined(["true".to_owned(), "false".to_owned()].into_iter()),
        }
    }

    fn is_special(&self, value: &ParameterValue) -> bool {
        self.actuator.special.contains(&value.to_string().as_str())
    }

    fn check_number(&self, value: Decimal, origin: Decimal, step: Decimal) -> Result<(), TuningError> {
        self.check_range(value)?;
        if !value.is_on_step(origin, step) {
            let (name, versions) = (self.actuator.parameter(), self.actuator.versions);
            return Err(TuningError::OffStep { name, value, origin, step, versions });
        }
        Ok(())
    }

    fn check_range(&self, value: Decimal) -> Result<(), TuningError> {
        let (name, versions) = (self.actuator.parameter(), self.actuator.versions);
        if let Some((minimum, whose)) = self.minimum.filter(|(minimum, _)| value < *minimum) {
            return Err(TuningError::BelowMinimum { name, value, whose, minimum, versions });
        }
        if let Some((maximum, whose)) = self.maximum.filter(|(maximum, _)| value > *maximum) {
            return Err(TuningError::AboveMaximum { name, value, whose, maximum, versions });
        }
        Ok(())
    }

    fn not_allowed(&self, value: &ParameterValue) -> TuningError {
        TuningError::NotAllowed {
            name: self.actuator.parameter(),
            value: value.clone(),
            allowed: self.describe(),
            versions: self.actuator.versions,
        }
    }

    fn is_empty(&self) -> bool {
        let crossed = matches!((self.minimum(), self.maximum()), (Some(minimum), Some(maximum)) if minimum > maximum);
        let none_listed =
            self.values.as_ref().is_some_and(|values| values.iter().all(|value| self.check(value).is_err()));
        crossed || none_listed
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: EngineVersion = EngineVersion::new(0, 32);

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn check(name: &str, value: &str, admin: Option<&AdminBounds>) -> Result<(), String> {
        let limits = bounds(&ParameterName::new(name), VERSION, admin).map_err(|refusal| refusal.to_string())?;
        limits.check(&ParameterValue::from(value)).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_bound_itself_is_allowed_and_one_step_beyond_is_not() {
        let above = "0.99 is above the catalogue's maximum 0.98 for gpu-memory-utilization (vLLM 0.30-0.33)";
        let below = "0.09 is below the catalogue's minimum 0.1 for gpu-memory-utilization (vLLM 0.30-0.33)";
        for (value, result) in
            [("0.98", Ok(())), ("0.99", Err(above.to_owned())), ("0.10", Ok(())), ("0.09", Err(below.to_owned()))]
        {
            assert_eq!(check("gpu-memory-utilization", value, None), result);
        }
        assert_eq!(check("max-num-seqs", "1", None), Ok(()));
        assert!(check("max-num-seqs", "0", None).is_err());
        assert_eq!(check("max-num-seqs", "2048", None), Ok(()));
        assert!(check("max-num-seqs", "2049", None).is_err());
    }

    #[test]
    fn a_value_between_two_steps_is_refused() {
        assert_eq!(
            check("gpu-memory-utilization", "0.705", None).unwrap_err(),
            "0.705 is not a whole number of steps of 0.01 above 0.1 for gpu-memory-utilization (vLLM 0.30-0.33)"
        );
        assert!(check("max-num-seqs", "1.5", None).is_err());
    }

    #[test]
    fn special_values_are_allowed_where_they_mean_something() {
        let permitted = AdminBounds { permitted: true, ..AdminBounds::default() };
        for value in ["-1", "auto", "4096"] {
            assert_eq!(check("max-model-len", value, Some(&permitted)), Ok(()));
        }
        assert!(check("max-model-len", "-2", Some(&permitted)).is_err());
        assert_eq!(check("kv-cache-dtype", "auto", Some(&permitted)), Ok(()));
        assert!(check("max-num-seqs", "-1", None).is_err());
        assert_eq!(
            check("max-num-seqs", "auto", None).unwrap_err(),
            "auto is no value of max-num-seqs (vLLM 0.30-0.33); allowed: 1-2048"
        );
    }

    #[test]
    fn words_and_switches_take_only_what_is_listed() {
        let permitted = AdminBounds { permitted: true, ..AdminBounds::default() };
        assert_eq!(check("performance-mode", "throughput", None), Ok(()));
        assert_eq!(
            check("performance-mode", "fast", None).unwrap_err(),
            "fast is no value of performance-mode (vLLM 0.30-0.33); allowed: balanced, interactivity, throughput"
        );
        assert_eq!(check("enable-prefix-caching", "true", Some(&permitted)), Ok(()));
        assert_eq!(check("enable-prefix-caching", "false", Some(&permitted)), Ok(()));
        assert_eq!(
            check("enable-prefix-caching", "off", Some(&permitted)).unwrap_err(),
            "off is no value of enable-prefix-caching (vLLM 0.30-0.33); allowed: true, false"
        );
        assert_eq!(check("block-size", "32", None), Ok(()));
        assert!(check("block-size", "33", None).is_err());
        let narrow = AdminBounds { maximum: Some(decimal("16")), ..AdminBounds::default() };
        assert_eq!(check("block-size", "16", Some(&narrow)), Ok(()));
        assert!(check("block-size", "32", Some(&narrow)).is_err());
    }

    #[test]
    fn the_administrator_narrows_and_never_widens() {
        let admin = |minimum: &str, maximum: &str| AdminBounds {
            minimum: Some(decimal(minimum)),
            maximum: Some(decimal(maximum)),
            ..AdminBounds::default()
        };
        let narrow = admin("0.7", "0.9");
        for (value, allowed) in [("0.69", false), ("0.7", true), ("0.9", true), ("0.91", false)] {
            assert_eq!(check("gpu-memory-utilization", value, Some(&narrow)).is_ok(), allowed, "{value}");
        }
        assert_eq!(
            check("gpu-memory-utilization", "0.91", Some(&narrow)).unwrap_err(),
            "0.91 is above the administrator's maximum 0.9 for gpu-memory-utilization (vLLM 0.30-0.33)"
        );
        assert_eq!(
            check("gpu-memory-utilization", "0.69", Some(&narrow)).unwrap_err(),
            "0.69 is below the administrator's minimum 0.7 for gpu-memory-utilization (vLLM 0.30-0.33)"
        );
        let wide = bounds(&ParameterName::new("gpu-memory-utilization"), VERSION, Some(&admin("0.01", "1"))).unwrap();
        assert_eq!((wide.minimum(), wide.maximum()), (Some(decimal("0.1")), Some(decimal("0.98"))));
        assert!(
            check("gpu-memory-utilization", "0.99", Some(&admin("0.01", "1"))).unwrap_err().contains("catalogue's")
        );
        let silent = bounds(&ParameterName::new("max-num-seqs"), VERSION, Some(&AdminBounds::default())).unwrap();
        assert_eq!((silent.minimum(), silent.maximum()), (Some(decimal("1")), Some(decimal("2048"))));
    }

    #[test]
    fn a_list_of_the_administrator_is_the_only_choice() {
        let list = |values: &[&str]| AdminBounds {
            values: Some(values.iter().map(|value| ParameterValue::from(*value)).collect()),
            ..AdminBounds::default()
        };
        assert_eq!(check("max-num-seqs", "32", Some(&list(&["16", "32"]))), Ok(()));
        assert_eq!(
            check("max-num-seqs", "64", Some(&list(&["16", "32"]))).unwrap_err(),
            "64 is no value of max-num-seqs (vLLM 0.30-0.33); allowed: 16, 32"
        );
        assert!(check("max-num-seqs", "4096", Some(&list(&["32", "4096"]))).unwrap_err().contains("catalogue's"));
    }

    #[test]
    fn bounds_that_leave_nothing_are_said_to() {
        let message =
            "the administrator's bounds for max-num-seqs leave none of the catalogue's values (vLLM 0.30-0.33)";
        let crossed =
            AdminBounds { minimum: Some(decimal("9")), maximum: Some(decimal("8")), ..AdminBounds::default() };
        assert_eq!(check("max-num-seqs", "8", Some(&crossed)).unwrap_err(), message);
        let beyond = AdminBounds { values: Some([ParameterValue::from("4096")].into()), ..AdminBounds::default() };
        assert_eq!(check("max-num-seqs", "8", Some(&beyond)).unwrap_err(), message);
        let one = AdminBounds { minimum: Some(decimal("8")), maximum: Some(decimal("8")), ..AdminBounds::default() };
        assert_eq!(check("max-num-seqs", "8", Some(&one)), Ok(()));
    }

    #[test]
    fn a_parameter_that_changes_the_service_needs_the_administrator() {
        let said_nothing = AdminBounds::default();
        for admin in [None, Some(&said_nothing)] {
            let refusal = bounds(&ParameterName::new("kv-cache-dtype"), VERSION, admin).unwrap_err();
            assert_eq!(
                refusal.to_string(),
                "kv-cache-dtype needs the administrator's permission: it changes the quality of answers, which no canary measures"
            );
            assert_eq!(
                refusal.remedy(),
                "have the administrator permit kv-cache-dtype in the ConfigMap phaseloop-policy"
            );
        }
        let permitted = AdminBounds { permitted: true, ..AdminBounds::default() };
        assert_eq!(check("kv-cache-dtype", "fp8", Some(&permitted)), Ok(()));
    }

    #[test]
    fn each_refusal_says_what_helps() {
        let remedy = |name: &str, value: &str| {
            let limits = bounds(&ParameterName::new(name), VERSION, None).unwrap();
            limits.check(&ParameterValue::from(value)).unwrap_err().remedy()
        };
        assert_eq!(remedy("gpu-memory-utilization", "0.99"), "keep values at or below 0.98, or remove the value");
        assert_eq!(remedy("gpu-memory-utilization", "0.01"), "keep values at or above 0.1, or remove the value");
        assert_eq!(remedy("gpu-memory-utilization", "0.705"), "use 0.1 plus a whole number of steps of 0.01");
        assert_eq!(remedy("performance-mode", "fast"), "use one of balanced, interactivity, throughput");
    }
}
