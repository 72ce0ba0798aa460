//! The administrator's limits on an Escalation, and what of its spec this version can't do.

use super::SpecFault;
use crate::{
    administrator::{AdministratorPolicy, FleetLimits},
    api::{
        escalation::{Approval, EscalationSpec},
        workload::Placement,
    },
};

/// What of a spec is beyond the administrator's limits: each with the limit's name.
pub fn check_limits(spec: &EscalationSpec, administrator: Option<&AdministratorPolicy>, faults: &mut Vec<SpecFault>) {
    let Some(AdministratorPolicy { limits, .. }) = administrator else { return };
    let FleetLimits {
        max_test_pods: _,
        max_measure_budget,
        max_gpu_hold_budget,
        max_candidates,
        max_rate_runs,
        min_cooldown,
        max_run_timeout: _,
        allow_automatic_approval,
        allow_borrowing,
    } = limits;
    let safety = &spec.safety;
    let mut beyond = |path: &str, name: &str, problem: String| {
        let remedy = Some(format!("keep to the administrator's limit {name}"));
        faults.push(SpecFault::new(path, problem, remedy));
    };
    if let Some(limit) = max_measure_budget.filter(|limit| safety.measure_budget > *limit) {
        let problem = format!("{} is above {limit}", safety.measure_budget);
        beyond("spec.safety.measureBudget", "maxMeasureBudget", problem);
    }
    if let Some(limit) = max_gpu_hold_budget.filter(|limit| safety.gpu_hold_budget > *limit) {
        let problem = format!("{} is above {limit}", safety.gpu_hold_budget);
        beyond("spec.safety.gpuHoldBudget", "maxGPUHoldBudget", problem);
    }
    if let Some(limit) = max_candidates.filter(|limit| spec.search.max_candidates > *limit) {
        let problem = format!("{} is above {limit}", spec.search.max_candidates);
        beyond("spec.search.maxCandidates", "maxCandidates", problem);
    }
    if let Some(limit) = max_rate_runs.filter(|limit| safety.rate.runs > *limit) {
        beyond("spec.safety.rate.runs", "maxRateRuns", format!("{} is above {limit}", safety.rate.runs));
    }
    if let Some(limit) = min_cooldown.filter(|limit| safety.cooldown < *limit) {
        beyond("spec.safety.cooldown", "minCooldown", format!("{} is below {limit}", safety.cooldown));
    }
    if !allow_automatic_approval && spec.promotion.approval == Approval::Automatic {
        let problem = "approval Automatic is not allowed here".to_owned();
        beyond("spec.promotion.approval", "allowAutomaticApproval", problem);
    }
    if !allow_borrowing && spec.canary.placement == Placement::BorrowReplica {
        let problem = "placement BorrowReplica is not allowed here".to_owned();
        beyond("spec.canary.placement", "allowBorrowing", problem);
    }
}

/// What of a spec the schema allows and this version can't do.
pub fn check_supported(spec: &EscalationSpec, faults: &mut Vec<SpecFault>) {
    if spec.canary.repeats > 1 {
        let problem = format!("{} measurements per candidate can't be made in this version", spec.canary.repeats);
        let remedy = Some("set 1, and a longer measure where more requests are wanted".to_owned());
        faults.push(SpecFault::new("spec.canary.repeats", problem, remedy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::administrator::read_policy;

    fn spec(text: &str) -> EscalationSpec {
        let head = r#"{ "targetRef": { "kind": "Deployment", "name": "llama" }"#;
        serde_json::from_str(&format!("{head}{text} }}")).unwrap()
    }

    fn faults(text: &str) -> Vec<String> {
        let policy = "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\nlimits:\n  \
                      maxMeasureBudget: 60s\n  maxGPUHoldBudget: 900s\n  maxCandidates: 6\n  maxRateRuns: 3\n  \
                      minCooldown: 6h\n  allowAutomaticApproval: false\n  allowBorrowing: false\n";
        let policy = read_policy("policy.yaml", policy).unwrap();
        let mut faults = Vec::new();
        check_limits(&spec(text), Some(&policy), &mut faults);
        check_supported(&spec(text), &mut faults);
        faults.into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn what_is_at_a_limit_is_within_it() {
        assert_eq!(faults(""), Vec::<String>::new(), "the defaults");
    }

    #[test]
    fn each_limit_names_the_field_that_is_beyond_it() {
        for (text, path) in [
            (r#", "safety": { "measureBudget": "61s" }"#, "spec.safety.measureBudget"),
            (r#", "safety": { "gpuHoldBudget": "901s" }"#, "spec.safety.gpuHoldBudget"),
            (r#", "search": { "maxCandidates": 7 }"#, "spec.search.maxCandidates"),
            (r#", "safety": { "rate": { "runs": 4 } }"#, "spec.safety.rate.runs"),
            (r#", "safety": { "cooldown": "5h59m" }"#, "spec.safety.cooldown"),
            (r#", "promotion": { "approval": "Automatic" }"#, "spec.promotion.approval"),
            (r#", "canary": { "repeats": 2 }"#, "spec.canary.repeats"),
            (r#", "canary": { "placement": "BorrowReplica" }"#, "spec.canary.placement"),
        ] {
            assert_eq!(faults(text), [path]);
        }
    }
}
