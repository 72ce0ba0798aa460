//! Which places a promotion may write to. A promotion's spec is written by the operator, but whoever may create promotions
//! can write one too; so its fields are held against the same rules as an Escalation's bindings.

use k8s_openapi::api::core::v1::{ConfigMap, PodTemplateSpec};
use phaseloop_core::{
    plan::{FieldValue, OwnedField},
    promotion::{ConfigMapTerms, PromotionReason, PromotionTerms, Undeliverable},
    tuning::Binding,
    value::{ParameterValue, TargetReference},
};

use super::{FieldPlace, config_map::check_mutable, field_place};
use crate::{
    administrator::AdministratorPolicy,
    workload::{engine_container, place_of, refers_to_config_map},
};

/// Whether every field may be written: its text is its parameter's value, and it stands in the engine, as the flag of the
/// parameter's own name or where the administrator's policy puts the parameter. `named` is the engine's container as the
/// promotion names it.
///
/// # Errors
/// The first field that may not.
pub fn check_fields(
    terms: &PromotionTerms,
    template: &PodTemplateSpec,
    named: Option<&str>,
    policy: Option<&AdministratorPolicy>,
) -> Result<(), Undeliverable> {
    let engine = engine_container(template, named, policy)
        .map_err(|refusal| Undeliverable { reason: PromotionReason::FieldNotAllowed, message: refusal.to_string() })?;
    for field in terms.all_fields() {
        check_value(terms, field)?;
        let place = field_place(&field.address).ok_or_else(|| forbid(field, "it is no address of a field"))?;
        if place.container.as_ref().is_some_and(|container| *container != engine.name) {
            return Err(forbid(field, &format!("the engine is the container {}", engine.name)));
        }
        if !is_placed(field, &place, &terms.target.name, policy) {
            let why = format!(
                "only the flag --{} is free to use; the administrator's policy may name another place",
                field.parameter
            );
            return Err(forbid(field, &why));
        }
    }
    Ok(())
}

/// Whether the ConfigMap that values lie in may be written to: the target reads it, and nobody else does. `users` are the other
/// Deployments and StatefulSets that refer to it.
///
/// # Errors
/// It may not.
pub fn check_config_map(
    terms: &ConfigMapTerms,
    map: Option<&ConfigMap>,
    template: &PodTemplateSpec,
    users: &[TargetReference],
) -> Result<(), Undeliverable> {
    let refuse = |reason, message| Err(Undeliverable { reason, message });
    let name = terms.reference();
    if !refers_to_config_map(template, &terms.name) {
        let message = format!("the target's pod template does not refer to {name}, so a value in it would do nothing");
        return refuse(PromotionReason::ConfigMapNotUsed, message);
    }
    if let Some(user) = users.first() {
        let message = format!("{user} refers to {name} too; give the target a ConfigMap of its own");
        return refuse(PromotionReason::ConfigMapShared, message);
    }
    map.map_or(Ok(()), check_mutable)
}

fn forbid(field: &OwnedField, why: &str) -> Undeliverable {
    let message = format!("{} may not be written: {why}", field.address);
    Undeliverable { reason: PromotionReason::FieldNotAllowed, message }
}

/// The promoted text must be the value that a canary was measured with.
fn check_value(terms: &PromotionTerms, field: &OwnedField) -> Result<(), Undeliverable> {
    let measured = terms.parameters.get(&field.parameter);
    let promoted = match &field.promoted {
        FieldValue::Present(text) => Some(ParameterValue::from(text.as_str())),
        FieldValue::Absent => None,
    };
    if measured.is_some() && promoted.as_ref() == measured {
        return Ok(());
    }
    let measured = measured.map_or_else(|| "no value".to_owned(), ToString::to_string);
    Err(forbid(field, &format!("{} of {} is promoted, and {measured} is its value", field.promoted, field.parameter)))
}

fn is_placed(field: &OwnedField, place: &FieldPlace, target: &str, policy: Option<&AdministratorPolicy>) -> bool {
    if place.binding == Binding::of_parameter(&field.parameter) {
        return true;
    }
    let rules = policy.iter().flat_map(|policy| &policy.bindings);
    rules.filter(|rule| rule.parameter == field.parameter).any(|rule| {
        let (binding, config_map) = place_of(&field.parameter, Some(&rule.binding));
        let concerns = rule.targets.is_empty() || rule.targets.iter().any(|name| name == target);
        concerns && binding == place.binding && config_map == place.config_map
    })
}

#[cfg(test)]
#[path = "permission_tests.rs"]
mod tests;
