//! What an Escalation allows, validated, with the schedule of its target's runs.

use core::num::NonZeroU32;

use jiff::SignedDuration;

use crate::{
    policy::{
        CanaryRequest, EscalationRule, PolicyFinding, SafetySettings,
        bound::{
            CANARY_GRACE_DEFAULT, CANARY_MEASURE_DEFAULT, CANARY_REQUESTS_MIN_DEFAULT, CANARY_START_TIMEOUT_DEFAULT,
            CANDIDATES_MAX_DEFAULT, GPU_WAIT_TIMEOUT_DEFAULT, RUN_TIMEOUT_DEFAULT,
        },
        check_rules, check_safety,
    },
    prelude::*,
    schedule::Schedule,
    tuning::{AdminBounds, RequestedParameter, Strategy},
    value::{Decimal, ParameterName, SymptomKind},
};

/// The policy of one target, with the schedule of its runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CyclePolicy {
    /// When runs start.
    pub schedule: Schedule,
    /// How long a run may take.
    pub run_timeout: SignedDuration,
    /// When a symptom is a pattern.
    pub rules: Vec<EscalationRule>,
    /// Per symptom, the names of the parameters that may be tuned for it; a symptom that is not listed may use all.
    pub rule_parameters: BTreeMap<SymptomKind, Vec<ParameterName>>,
    /// What may be tuned; empty: what the catalogue has for the cause.
    pub parameters: Vec<RequestedParameter>,
    /// How candidates are searched.
    pub strategy: Strategy,
    /// Most candidates of a tuning run.
    pub max_candidates: usize,
    /// The administrator's bounds.
    pub admin: BTreeMap<ParameterName, AdminBounds>,
    /// Windows, budgets, cooldown, rate.
    pub safety: SafetySettings,
    /// What one canary asks for.
    pub canary: CanaryRequest,
    /// What one canary's load offers.
    pub load: CanaryLoad,
}

/// What the load of one canary offers, as far as a prediction asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CanaryLoad {
    /// Requests per second; absent for a closed loop, or where the load is that of the domain that raised the symptom.
    pub rate_per_second: Option<Decimal>,
    /// Requests offered at most; absent where only time ends the measurement.
    pub requests_max: Option<u64>,
    /// Longest time of an answer that is good; absent where nothing limits it, or as above.
    pub answer_limit: Option<SignedDuration>,
    /// Fewest completed requests that make a canary count.
    pub samples_min: u64,
}

impl CyclePolicy {
    /// The policy of an Escalation that names its target and nothing else: every symptom that tuning can help, with
    /// every default.
    pub fn with_defaults(schedule: Schedule) -> Self {
        Self {
            schedule,
            run_timeout: RUN_TIMEOUT_DEFAULT,
            rules: Self::default_rules(),
            rule_parameters: BTreeMap::new(),
            parameters: Vec::new(),
            strategy: Strategy::default(),
            max_candidates: usize::try_from(CANDIDATES_MAX_DEFAULT).unwrap_or(usize::MAX),
            admin: BTreeMap::new(),
            safety: SafetySettings::default(),
            canary: CanaryRequest {
                start_timeout: CANARY_START_TIMEOUT_DEFAULT,
                start_expected: SignedDuration::ZERO,
                measure: CANARY_MEASURE_DEFAULT,
                grace: CANARY_GRACE_DEFAULT,
                gpu_wait: GPU_WAIT_TIMEOUT_DEFAULT,
                gpus: NonZeroU32::MIN,
            },
            load: CanaryLoad {
                rate_per_second: None,
                requests_max: None,
                answer_limit: None,
                samples_min: u64::try_from(CANARY_REQUESTS_MIN_DEFAULT).unwrap_or(u64::MAX),
            },
        }
    }

    /// A rule with every default for each kind of symptom, also for those that nothing is tuned for: people see them
    /// counted.
    pub fn default_rules() -> Vec<EscalationRule> {
        SymptomKind::ALL.into_iter().map(EscalationRule::default_for).collect()
    }

    /// What is wrong with the policy under its own schedule.
    pub fn findings(&self) -> Vec<PolicyFinding> {
        let period = self.schedule.period();
        let mut findings = check_rules(&self.rules, self.schedule.cron.as_str(), period, self.run_timeout);
        findings.extend(check_safety(&self.safety));
        findings
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
