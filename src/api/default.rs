//! Defaults of the wire types. Each is a constant of `phaseloop_core::policy::bound`, so that a number stands in one
//! place; the schemas are generated from these functions.

use phaseloop_core::{
    policy::bound,
    value::{Decimal, Severity},
};

use super::{
    duration::Duration,
    window::{MaintenanceWindow, TimeZoneName},
};

/// Group and version of Kubernetes' own workloads.
pub(super) const APPS_V1: &str = "apps/v1";

/// Defines functions that give constants their wire type.
macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)+) => {
        $(pub(super) fn $name() -> $type { ($value).into() })+
    };
}

defaults! {
    schedule: String = bound::SCHEDULE_DEFAULT;
    starting_deadline: Duration = bound::STARTING_DEADLINE_DEFAULT;
    history_limit: i64 = bound::HISTORY_LIMIT_DEFAULT;
    run_timeout: Duration = bound::RUN_TIMEOUT_DEFAULT;
    gpu_wait_timeout: Duration = bound::GPU_WAIT_TIMEOUT_DEFAULT;
    run_memory: String = bound::RUN_MEMORY_DEFAULT;
    run_cpu: String = bound::RUN_CPU_DEFAULT;
    baseline_window: Duration = bound::BASELINE_WINDOW_DEFAULT;
    baseline_runs: i64 = bound::BASELINE_RUNS_MIN_DEFAULT;
    confidence: Decimal = bound::SIGNIFICANCE_CONFIDENCE_DEFAULT;
    latency_warning_percent: i64 = bound::LATENCY_WARNING_PERCENT_DEFAULT;
    latency_critical_percent: i64 = bound::LATENCY_CRITICAL_PERCENT_DEFAULT;
    drop_warning_percent: i64 = bound::DROP_WARNING_PERCENT_DEFAULT;
    drop_critical_percent: i64 = bound::DROP_CRITICAL_PERCENT_DEFAULT;
    oom_warning_percent: i64 = bound::OOM_WARNING_PERCENT_DEFAULT;
    workload_requests: i64 = bound::WORKLOAD_REQUESTS_DEFAULT;
    serving_warmup: Duration = bound::SERVING_WARMUP_DEFAULT;
    serving_duration: Duration = bound::SERVING_DURATION_DEFAULT;
    failed_requests_percent: Decimal = Decimal::from_integer(bound::FAILED_REQUESTS_PERCENT_MAX_DEFAULT);
    canary_requests: i64 = bound::CANARY_REQUESTS_MIN_DEFAULT;
    threshold: i64 = bound::SYMPTOM_THRESHOLD_DEFAULT;
    severity: Severity = Severity::Warning;
    flag_ttl: Duration = bound::FLAG_TTL_DEFAULT;
    measure_budget: Duration = bound::MEASURE_BUDGET_DEFAULT;
    gpu_hold_budget: Duration = bound::GPU_HOLD_BUDGET_DEFAULT;
    cooldown: Duration = bound::COOLDOWN_DEFAULT;
    rate_runs: i64 = bound::RATE_RUNS_DEFAULT;
    rate_period: Duration = bound::RATE_PERIOD_DEFAULT;
    restore_sla: Duration = bound::RESTORE_SLA_DEFAULT;
    candidates: i64 = bound::CANDIDATES_MAX_DEFAULT;
    stop_after_failures: i64 = bound::STOP_AFTER_FAILURES_DEFAULT;
    minimum_gain: Decimal = bound::MINIMUM_GAIN_DEFAULT;
    minimum_fitness: Decimal = bound::MINIMUM_FITNESS_DEFAULT;
    canary_measure: Duration = bound::CANARY_MEASURE_DEFAULT;
    canary_start_timeout: Duration = bound::CANARY_START_TIMEOUT_DEFAULT;
    canary_grace: Duration = bound::CANARY_GRACE_DEFAULT;
    canary_repeats: i64 = bound::CANARY_REPEATS_DEFAULT;
    rollout_timeout: Duration = bound::ROLLOUT_TIMEOUT_DEFAULT;
    validate_within: Duration = bound::VALIDATE_WITHIN_DEFAULT;
}

/// True.
pub(super) const fn yes() -> bool {
    true
}

/// One.
pub(super) const fn one() -> i64 {
    1
}

/// The one default window.
pub(super) fn windows() -> Vec<MaintenanceWindow> {
    vec![MaintenanceWindow {
        days: Vec::new(),
        start: bound::WINDOW_START_DEFAULT.to_owned(),
        end: bound::WINDOW_END_DEFAULT.to_owned(),
        time_zone: TimeZoneName::default(),
    }]
}
