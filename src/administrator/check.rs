//! What a schema can't say of a policy.

use super::policy::{AdministratorPolicy, BindingRule, EgressMode, ParameterBounds};
use crate::yaml::{Document, FileFault};

/// Every contradiction in a policy, with its place.
pub(super) fn contradictions(policy: &AdministratorPolicy, document: &Document) -> Vec<FileFault> {
    let mut faults = Vec::new();
    for (index, bounds) in policy.parameters.iter().enumerate() {
        check_bounds(bounds, &format!("parameters[{index}]"), document, &mut faults);
    }
    for (index, rule) in policy.bindings.iter().enumerate() {
        check_binding(rule, &format!("bindings[{index}].binding"), document, &mut faults);
    }
    let listed = policy.egress.mode == EgressMode::Listed;
    if listed && policy.egress.allow.is_empty() {
        let remedy = Some("name the addresses in egress.allow, or use mode None".to_owned());
        faults.push(document.fault("egress.mode", "mode Listed allows nothing: egress.allow is missing", remedy));
    }
    if !listed && !policy.egress.allow.is_empty() {
        let remedy = Some("set egress.mode to Listed, or remove egress.allow".to_owned());
        faults.push(document.fault("egress.allow", "it is read with mode Listed only", remedy));
    }
    faults
}

fn check_bounds(bounds: &ParameterBounds, path: &str, document: &Document, faults: &mut Vec<FileFault>) {
    let ParameterBounds { name, minimum, maximum, values, permitted } = bounds;
    if let (Some(minimum), Some(maximum)) = (minimum, maximum)
        && minimum > maximum
    {
        let problem = format!("minimum {minimum} is above maximum {maximum} for {name}");
        faults.push(document.fault(&format!("{path}.minimum"), problem, None));
    }
    let bounded = minimum.is_some() || maximum.is_some();
    for (index, value) in values.iter().enumerate() {
        let path = format!("{path}.values[{index}]");
        let Some(number) = value.as_number() else {
            if bounded {
                let problem = format!("{value} is no number, and {name} has a minimum or maximum");
                faults.push(document.fault(&path, problem, Some("remove the bounds, or the value".to_owned())));
            }
            continue;
        };
        if minimum.is_some_and(|minimum| number < minimum) || maximum.is_some_and(|maximum| number > maximum) {
            let problem = format!("{number} is outside the minimum and maximum given for {name}");
            faults.push(document.fault(&path, problem, Some("widen the bounds, or remove the value".to_owned())));
        }
    }
    if *permitted == Some(false) && (bounded || !values.is_empty()) {
        let problem = format!("{name} is forbidden, and has bounds all the same");
        let remedy = Some("remove permitted: false, or the bounds".to_owned());
        faults.push(document.fault(&format!("{path}.permitted"), problem, remedy));
    }
    if permitted.is_none() && !bounded && values.is_empty() {
        let remedy = Some("give minimum, maximum, values or permitted, or remove the entry".to_owned());
        faults.push(document.fault(path, format!("it says nothing about {name}"), remedy));
    }
}

fn check_binding(rule: &BindingRule, path: &str, document: &Document, faults: &mut Vec<FileFault>) {
    let binding = &rule.binding;
    let places =
        [binding.arg.is_some(), binding.env.is_some(), binding.config_map_key.is_some(), binding.field_path.is_some()];
    if places.iter().filter(|given| **given).count() != 1 {
        let problem = "give exactly one of arg, env, configMapKey and fieldPath";
        faults.push(document.fault(path, problem, None));
    }
}
