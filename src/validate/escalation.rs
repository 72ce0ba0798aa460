//! Escalations: the policy of one target.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use phaseloop_core::{
    cycle::{CanaryLoad, CyclePolicy},
    policy::{CanaryRequest, EscalationRule, FindingSeverity, SafetySettings, Spend},
    schedule::Schedule,
    tuning::{
        AdminBounds, RequestedParameter, RequestedValues, Strategy, TuningError, bounds, catalogue::CATALOGUE_VERSIONS,
        find_actuator,
    },
    value::{ParameterName, ParameterValue},
};

use super::{SpecFault, admin_bounds, window::maintenance_windows};
use crate::{
    administrator::AdministratorPolicy,
    api::{
        escalation::{self as wire, EscalationSpec},
        parameter::{Binding, TunableParameter},
    },
};

/// What an Escalation needs to know of its target's schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleContext {
    /// When runs start.
    pub schedule: Schedule,
    /// How long a run may take.
    pub run_timeout: SignedDuration,
}

/// The policy that an Escalation amounts to. What can't work at all is added to `faults`.
pub fn cycle_policy(
    spec: &EscalationSpec,
    context: ScheduleContext,
    administrator: Option<&AdministratorPolicy>,
    faults: &mut Vec<SpecFault>,
) -> CyclePolicy {
    let admin = administrator.map(admin_bounds).unwrap_or_default();
    check_bindings(spec, administrator, faults);
    let defaults = CyclePolicy::with_defaults(context.schedule);
    let rules = if spec.rules.is_empty() { CyclePolicy::default_rules() } else { rules(&spec.rules) };
    let policy = CyclePolicy {
        run_timeout: context.run_timeout,
        rules,
        rule_parameters: spec.rules.iter().map(|rule| (rule.symptom, rule.parameters.clone())).collect(),
        parameters: parameters(&spec.parameters, &admin, faults),
        strategy: strategy(spec.search.strategy),
        max_candidates: usize::try_from(spec.search.max_candidates).unwrap_or(usize::MAX),
        admin,
        safety: SafetySettings {
            windows: maintenance_windows(&spec.safety.windows, "spec.safety.windows", faults),
            budget: Spend { measure: spec.safety.measure_budget.into(), hold: spec.safety.gpu_hold_budget.into() },
            cooldown: spec.safety.cooldown.into(),
            rate_runs: spec.safety.rate.runs,
            rate_period: spec.safety.rate.per.into(),
        },
        canary: CanaryRequest {
            start_timeout: spec.canary.start_timeout.into(),
            measure: spec.canary.measure.into(),
            grace: spec.canary.grace.into(),
            ..defaults.canary
        },
        load: canary_load(&spec.canary),
        ..defaults
    };
    if faults.is_empty() {
        let refused = policy.findings().into_iter().filter(|finding| finding.severity == FindingSeverity::Refuses);
        faults.extend(refused.map(|finding| {
            SpecFault::new(format!("spec.{}", finding.field), format!("{}: {}", finding.reason, finding.message), None)
        }));
    }
    policy
}

fn canary_load(canary: &wire::CanaryPolicy) -> CanaryLoad {
    let workload = canary.workload.as_ref();
    CanaryLoad {
        rate_per_second: workload.and_then(|workload| workload.arrival.rate),
        answer_limit: canary.slo.as_ref().and_then(|slo| slo.e2e).map(Into::into),
        requests_max: workload.and_then(|workload| u64::try_from(workload.requests).ok()),
        samples_min: u64::try_from(canary.limits.minimum_requests).unwrap_or(u64::MAX),
    }
}

fn rules(rules: &[wire::SymptomRule]) -> Vec<EscalationRule> {
    let valid = |rule: &wire::SymptomRule| EscalationRule {
        symptom: rule.symptom,
        threshold: rule.threshold,
        window: rule.window.map(Into::into),
        minimum_severity: rule.min_severity,
        flag_ttl: rule.flag_ttl.into(),
        valid_through_next_window: rule.valid_through_next_window,
    };
    rules.iter().map(valid).collect()
}

const fn strategy(strategy: wire::Strategy) -> Strategy {
    match strategy {
        wire::Strategy::List => Strategy::List,
        wire::Strategy::Grid => Strategy::Grid,
        wire::Strategy::Bisection => Strategy::Bisection,
    }
}

/// A parameter is set by the flag of its own name; any other place must be one that the administrator names for it, or
/// a harmless name could be bound to a flag that runs code.
fn check_bindings(spec: &EscalationSpec, administrator: Option<&AdministratorPolicy>, faults: &mut Vec<SpecFault>) {
    for (index, parameter) in spec.parameters.iter().enumerate() {
        let Some(binding) = &parameter.binding else { continue };
        let is_own_flag = |flag: &str| ParameterName::new(flag) == parameter.name;
        let own = binding.arg.as_ref().is_some_and(|argument| is_own_flag(&argument.flag));
        let target = &spec.target_ref.name;
        let named = administrator.is_some_and(|policy| {
            policy.bindings.iter().any(|rule| {
                rule.parameter == parameter.name
                    && is_same_place(&rule.binding, binding)
                    && (rule.targets.is_empty() || rule.targets.contains(target))
            })
        });
        if !own && !named {
            let problem = format!("{} may not be set at this place", parameter.name);
            let remedy = format!(
                "leave out the binding to set the flag --{}, or have the administrator name the place in phaseloop-policy",
                parameter.name
            );
            faults.push(SpecFault::new(format!("spec.parameters[{index}].binding"), problem, Some(remedy)));
        }
    }
}

/// Whether two bindings mean one place; a flag is the same in every spelling.
fn is_same_place(one: &Binding, other: &Binding) -> bool {
    match (&one.arg, &other.arg) {
        (Some(one), Some(other)) => ParameterName::new(&one.flag) == ParameterName::new(&other.flag),
        _ => one == other,
    }
}

/// The parameters with their values, each checked against the catalogue's bounds over all engine versions it knows and
/// against the administrator's. What holds for the engine that really runs is checked again when candidates are planned.
fn parameters(
    parameters: &[TunableParameter],
    admin: &BTreeMap<ParameterName, AdminBounds>,
    faults: &mut Vec<SpecFault>,
) -> Vec<RequestedParameter> {
    let mut requested = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let path = format!("spec.parameters[{index}]");
        check_parameter(parameter, &path, admin.get(&parameter.name), faults);
        let values = match &parameter.range {
            Some(range) => RequestedValues::Range { minimum: range.min, maximum: range.max, step: range.step },
            None if parameter.values.is_empty() => RequestedValues::Catalogue,
            None => RequestedValues::Listed(parameter.values.clone()),
        };
        requested.push(RequestedParameter { name: parameter.name.clone(), values });
    }
    requested
}

fn check_parameter(parameter: &TunableParameter, path: &str, admin: Option<&AdminBounds>, faults: &mut Vec<SpecFault>) {
    let newest = CATALOGUE_VERSIONS.last;
    let version = find_actuator(&parameter.name).map_or(newest, |actuator| actuator.versions.last);
    let limits = match bounds(&parameter.name, version, admin) {
        Ok(limits) => limits,
        Err(error) => return faults.push(refusal(format!("{path}.name"), &error)),
    };
    for (index, value) in parameter.values.iter().enumerate() {
        faults.extend(limits.check(value).err().map(|error| refusal(format!("{path}.values[{index}]"), &error)));
    }
    let Some(range) = &parameter.range else { return };
    for (field, end) in [("min", range.min), ("max", range.max)] {
        let checked = limits.check(&ParameterValue::Number(end));
        faults.extend(checked.err().map(|error| refusal(format!("{path}.range.{field}"), &error)));
    }
    if range.min > range.max {
        let problem = format!("min {} is above max {}", range.min, range.max);
        faults.push(SpecFault::new(format!("{path}.range"), problem, Some("swap the two".to_owned())));
    }
}

fn refusal(path: String, error: &TuningError) -> SpecFault {
    SpecFault::new(path, error.to_string(), Some(error.remedy()))
}
