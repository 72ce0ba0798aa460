//! The administrator's bounds.

use std::collections::{BTreeMap, BTreeSet};

use phaseloop_core::{tuning::AdminBounds, value::ParameterName};

use crate::administrator::AdministratorPolicy;

/// The bounds of a policy by parameter. A parameter that is forbidden keeps no value at all.
pub fn admin_bounds(policy: &AdministratorPolicy) -> BTreeMap<ParameterName, AdminBounds> {
    let bounds = policy.parameters.iter().map(|parameter| {
        let listed = (!parameter.values.is_empty()).then(|| parameter.values.iter().cloned().collect());
        let values = if parameter.permitted == Some(false) { Some(BTreeSet::new()) } else { listed };
        let permitted = parameter.permitted == Some(true);
        let bounds = AdminBounds { minimum: parameter.minimum, maximum: parameter.maximum, values, permitted };
        (parameter.name.clone(), bounds)
    });
    bounds.collect()
}
