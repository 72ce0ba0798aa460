//! Which parameters of the catalogue could be tuned in this target, and which not, with the reason.

use phaseloop_core::{
    plan::FieldValue,
    tuning::{
        Actuator, ActuatorKind,
        bounds::bounds,
        catalogue::{ACTUATORS, CATALOGUE_VERSIONS},
    },
    value::{ParameterName, ParameterValue},
};

use super::{
    draft::InitOptions,
    observe::InitFacts,
    reading::{EngineReading, plan_canary},
};
use crate::{
    delivery::{FieldPlace, owned_field, read_field},
    validate::admin_bounds,
    workload::{BoundParameter, place_of, target_view},
};

/// A parameter of the catalogue, as it stands in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParameterReading {
    /// Its name.
    pub(super) name: ParameterName,
    /// What it does.
    pub(super) summary: &'static str,
    /// Its value now, in words.
    pub(super) now: String,
    /// Which values may be tried, or why none may.
    pub(super) tunable: Result<String, String>,
}

/// Every parameter of the catalogue that the catalogue would propose for this target by itself, in its order.
pub(super) fn parameters(facts: &InitFacts, reading: &EngineReading, options: &InitOptions) -> Vec<ParameterReading> {
    let policy = facts.policy.policy();
    let admin = policy.map(admin_bounds).unwrap_or_default();
    let proposed = |actuator: &&Actuator| {
        let permitted = admin.get(&actuator.parameter()).is_some_and(|admin| admin.permitted);
        let is_set = reading.configuration.contains_key(actuator.name);
        (actuator.administrator.is_none() || permitted) && (is_set || !actuator.only_where_set)
    };
    let read = |actuator: &Actuator| {
        let name = actuator.parameter();
        let version = reading.version.filter(|version| CATALOGUE_VERSIONS.contains(*version));
        let version = version.unwrap_or(actuator.versions.last);
        let allowed = bounds(&name, version, admin.get(&name)).map_err(|error| error.to_string());
        let tunable = allowed.and_then(|bounds| {
            try_out(facts, reading, options, actuator)?;
            Ok(bounds.describe())
        });
        ParameterReading { summary: actuator.summary, now: now(reading, actuator), tunable, name }
    };
    ACTUATORS.iter().filter(proposed).map(read).collect()
}

fn now(reading: &EngineReading, actuator: &Actuator) -> String {
    let stated = reading.configuration.get(actuator.name);
    let default = actuator.engine_default.map(|default| format!("unset ({default} by vLLM's default)"));
    stated.cloned().or(default).unwrap_or_else(|| "unset (vLLM chooses by card and model)".to_owned())
}

/// Whether a value can be put in and put back to the letter, in a canary and in the target.
fn try_out(
    facts: &InitFacts,
    reading: &EngineReading,
    options: &InitOptions,
    actuator: &Actuator,
) -> Result<(), String> {
    let name = actuator.parameter();
    let (binding, config_map) = place_of(&name, None);
    let place = FieldPlace::new(&reading.engine.name, config_map.as_deref(), binding.clone());
    let view = target_view(&reading.facts.template, &reading.engine, None);
    let before = read_field(&view, &place).map_err(|error| error.to_string())?;
    let value = another_value(actuator, &before);
    owned_field(&view, &place, &name, &value).map_err(|error| error.to_string())?;
    let bound = BoundParameter { name, value, binding, config_map };
    plan_canary(facts, reading, options, vec![bound]).map(drop).map_err(|refusal| refusal.message)
}

/// A value that may be tried and does not stand there now.
fn another_value(actuator: &Actuator, before: &FieldValue) -> ParameterValue {
    let now = match before {
        FieldValue::Present(text) => Some(actuator.read_value(text)),
        FieldValue::Absent => None,
    };
    let words: &[&str] = match actuator.kind {
        ActuatorKind::Choice(words) => words,
        ActuatorKind::Flag => &["true", "false"],
        ActuatorKind::Number { .. } => &[],
    };
    let ladders = actuator.ladder_down.iter().chain(actuator.ladder_up).chain(words);
    let values = ladders.map(|text| actuator.read_value(text));
    let other = values.into_iter().find(|value| Some(value) != now.as_ref());
    other.unwrap_or_else(|| ParameterValue::from("1"))
}
