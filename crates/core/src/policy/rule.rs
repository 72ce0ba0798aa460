//! The rules of an Escalation, and the check that they can ever arm a flag.

use jiff::SignedDuration;

use super::{
    bound::{FLAG_TTL_DEFAULT, SYMPTOM_THRESHOLD_DEFAULT, SYMPTOM_THRESHOLD_MAX},
    counting::{CountingRule, derived_counting_window, least_holding_window},
    finding::{FindingReason, PolicyFinding},
};
use crate::{
    prelude::*,
    schedule::SchedulePeriod,
    value::{Severity, SymptomKind, format_duration},
};

/// One entry of `spec.rules`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EscalationRule {
    /// The symptom that is counted.
    pub symptom: SymptomKind,
    /// How many make a pattern.
    pub threshold: i64,
    /// How far back they count; absent: what the schedule needs.
    pub window: Option<SignedDuration>,
    /// The least severity that counts.
    pub minimum_severity: Severity,
    /// How long an armed flag permits tuning.
    #[serde(rename = "flagTTL")]
    pub flag_ttl: SignedDuration,
    /// Whether an armed flag lives at least to the end of the maintenance window that opens next.
    pub valid_through_next_window: bool,
}

impl EscalationRule {
    /// The rule of a symptom with every default.
    pub const fn default_for(symptom: SymptomKind) -> Self {
        Self {
            symptom,
            threshold: SYMPTOM_THRESHOLD_DEFAULT,
            window: None,
            minimum_severity: Severity::Warning,
            flag_ttl: FLAG_TTL_DEFAULT,
            valid_through_next_window: false,
        }
    }

    /// What is counted, with the window that holds where none is named.
    pub fn counting_rule(&self, period: SchedulePeriod, run_timeout: SignedDuration) -> CountingRule {
        CountingRule {
            symptom: self.symptom,
            threshold: self.threshold,
            window: self.window.unwrap_or_else(|| derived_counting_window(self.threshold, period, run_timeout)),
            minimum_severity: self.minimum_severity,
        }
    }
}

/// Checks the rules of an Escalation against the schedule of its target's runs.
pub fn check_rules(
    rules: &[EscalationRule],
    schedule_text: &str,
    period: SchedulePeriod,
    run_timeout: SignedDuration,
) -> Vec<PolicyFinding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let field = |name: &str| format!("rules[{index}].{name}");
        if !seen.insert(rule.symptom) {
            let message = format!("{} already has a rule above; keep one of them", rule.symptom);
            findings.push(PolicyFinding::refuses(FindingReason::DuplicateRule, field("symptom"), message));
        }
        if !(1..=SYMPTOM_THRESHOLD_MAX).contains(&rule.threshold) {
            let message = format!("threshold {} is outside 1-{SYMPTOM_THRESHOLD_MAX}", rule.threshold);
            findings.push(PolicyFinding::refuses(FindingReason::ThresholdOutOfBounds, field("threshold"), message));
        } else if let Some(window) = rule.window {
            let finding = check_window(rule.threshold, window, schedule_text, period, run_timeout, field("window"));
            findings.extend(finding);
        }
        if rule.flag_ttl <= SignedDuration::ZERO {
            let message = format!("flag TTL {} is not longer than zero", format_duration(rule.flag_ttl));
            findings.push(PolicyFinding::refuses(FindingReason::FlagTtlEmpty, field("flagTTL"), message));
        }
    }
    findings
}

/// Whether an explicit window can hold as many runs as the threshold asks for.
fn check_window(
    threshold: i64,
    window: SignedDuration,
    schedule_text: &str,
    period: SchedulePeriod,
    run_timeout: SignedDuration,
    field: String,
) -> Option<PolicyFinding> {
    if window <= SignedDuration::ZERO {
        let message = format!("counting window {} is not longer than zero", format_duration(window));
        return Some(PolicyFinding::refuses(FindingReason::CountingWindowEmpty, field, message));
    }
    let least = least_holding_window(threshold, period, run_timeout);
    let (window_text, least_text) = (format_duration(window), format_duration(least));
    let runs_at_most = runs_within(window, period.shortest);
    if runs_at_most < threshold {
        let message = format!(
            "threshold {threshold} needs {threshold} runs, but schedule {schedule_text:?} makes at most {runs_at_most} \
             within {window_text}; set window to at least {least_text} or threshold to {runs_at_most}"
        );
        return Some(PolicyFinding::refuses(FindingReason::WindowCannotHoldThreshold, field, message));
    }
    (window < least).then(|| {
        let message = format!(
            "within {window_text} schedule {schedule_text:?} does not always make {threshold} runs: a run may take up \
             to {}; {least_text} always holds them",
            format_duration(run_timeout)
        );
        PolicyFinding::advises(FindingReason::WindowMayMissRuns, field, message)
    })
}

/// The most firings that a window can hold, its far end excluded, if they are at least `shortest` apart.
fn runs_within(window: SignedDuration, shortest: SignedDuration) -> i64 {
    let (window, shortest) = (window.as_nanos(), shortest.as_nanos().max(1));
    i64::try_from((window + shortest - 1) / shortest).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
