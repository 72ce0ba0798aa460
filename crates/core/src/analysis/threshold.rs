//! How far a metric may move: the threshold table.

use crate::{
    policy::bound,
    value::{Severity, metric::MetricFamily},
};

/// The two limits of one row, in percent of the baseline, in the direction in which the metric gets worse.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Worse by more than this is a warning.
    pub warning_percent: f64,
    /// Worse by more than this is critical.
    pub critical_percent: f64,
}

impl Limits {
    /// How grave a change is that is worse by `worse_percent`; exactly at a limit is within it.
    pub fn severity(self, worse_percent: f64) -> Option<Severity> {
        if worse_percent > self.critical_percent {
            Some(Severity::Critical)
        } else if worse_percent > self.warning_percent {
            Some(Severity::Warning)
        } else {
            None
        }
    }
}

/// A latency is worse when it rises.
pub const LATENCY_LIMITS: Limits = Limits {
    warning_percent: bound::LATENCY_WARNING_PERCENT_DEFAULT as f64,
    critical_percent: bound::LATENCY_CRITICAL_PERCENT_DEFAULT as f64,
};
/// A throughput is worse when it falls.
pub const THROUGHPUT_LIMITS: Limits = Limits {
    warning_percent: bound::DROP_WARNING_PERCENT_DEFAULT as f64,
    critical_percent: bound::DROP_CRITICAL_PERCENT_DEFAULT as f64,
};
/// A pass rate is worse when it falls, by the same rows as throughput: both count what came out right.
pub const PASS_RATE_LIMITS: Limits = THROUGHPUT_LIMITS;

/// The threshold table of a domain.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// OOM events above a non-zero baseline, percent; beyond it is a warning.
    pub oom_events_warning_percent: f64,
    /// Latencies, rising.
    pub latency: Limits,
    /// Throughputs, falling.
    pub throughput: Limits,
    /// Pass rate, falling.
    pub pass_rate: Limits,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            oom_events_warning_percent: bound::OOM_WARNING_PERCENT_DEFAULT as f64,
            latency: LATENCY_LIMITS,
            throughput: THROUGHPUT_LIMITS,
            pass_rate: PASS_RATE_LIMITS,
        }
    }
}

impl Thresholds {
    /// The row of a family that is judged in percent; absent for counted events, which have rules of their own.
    pub const fn limits(&self, family: MetricFamily) -> Option<Limits> {
        match family {
            MetricFamily::Latency => Some(self.latency),
            MetricFamily::Throughput => Some(self.throughput),
            MetricFamily::PassRate => Some(self.pass_rate),
            MetricFamily::OomEvents | MetricFamily::EngineCrashes => None,
        }
    }

    /// How grave `current` OOM events are against a baseline's mean of them.
    pub fn oom_severity(&self, current: u64, baseline: f64) -> Option<Severity> {
        if current == 0 {
            None
        } else if baseline <= 0.0 {
            Some(Severity::Critical)
        } else if change_percent(current as f64, baseline) > self.oom_events_warning_percent {
            Some(Severity::Warning)
        } else {
            None
        }
    }
}

/// Percentages are compared to nine decimals, so that 255 passes of 300 are 15 % below all, not a rounding error more.
const STEPS_PER_PERCENT: f64 = 1e9;

/// Change of `current` against `baseline` in percent, signed.
pub fn change_percent(current: f64, baseline: f64) -> f64 {
    let percent = (current - baseline) / baseline * 100.0;
    libm::round(percent * STEPS_PER_PERCENT) / STEPS_PER_PERCENT
}

/// The same change, positive where the metric got worse: latencies get worse upwards, all others downwards.
pub fn worse_percent(family: MetricFamily, change_percent: f64) -> f64 {
    match family {
        MetricFamily::Throughput | MetricFamily::PassRate => -change_percent,
        MetricFamily::Latency | MetricFamily::OomEvents | MetricFamily::EngineCrashes => change_percent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table_is_that_of_the_design() {
        let table = Thresholds::default();
        let row = |family| table.limits(family).map(|limits| (limits.warning_percent, limits.critical_percent));
        assert_eq!(row(MetricFamily::Latency), Some((20.0, 50.0)));
        assert_eq!(row(MetricFamily::Throughput), Some((15.0, 30.0)));
        assert_eq!(row(MetricFamily::PassRate), Some((15.0, 30.0)));
        assert_eq!(row(MetricFamily::OomEvents), None);
        assert_eq!(row(MetricFamily::EngineCrashes), None);
        assert_eq!(table.oom_events_warning_percent, 50.0);
    }

    #[test]
    fn a_change_exactly_at_a_limit_is_within_it() {
        let limits = Limits { warning_percent: 20.0, critical_percent: 50.0 };
        for (worse, severity) in [
            (-60.0, None),
            (0.0, None),
            (20.0, None),
            (20.01, Some(Severity::Warning)),
            (50.0, Some(Severity::Warning)),
            (50.01, Some(Severity::Critical)),
        ] {
            assert_eq!(limits.severity(worse), severity, "{worse}");
        }
    }

    #[test]
    fn any_oom_event_is_critical_where_the_baseline_has_none() {
        let table = Thresholds::default();
        for (current, baseline, severity) in [
            (0, 0.0, None),
            (1, 0.0, Some(Severity::Critical)),
            (0, 2.0, None),
            (2, 2.0, None),
            (3, 2.0, None),
            (4, 2.0, Some(Severity::Warning)),
            (400, 2.0, Some(Severity::Warning)),
            (1, 2.0, None),
        ] {
            assert_eq!(table.oom_severity(current, baseline), severity, "{current} against {baseline}");
        }
    }

    #[test]
    fn a_change_is_counted_in_the_direction_in_which_the_metric_gets_worse() {
        assert_eq!(change_percent(120.0, 100.0), 20.0);
        assert_eq!(change_percent(85.0, 100.0), -15.0);
        assert_eq!(change_percent(0.85, 1.0), -15.0);
        assert!(change_percent(0.849_999, 1.0) < -15.0);
        for (family, change, worse) in [
            (MetricFamily::Latency, 20.0, 20.0),
            (MetricFamily::Latency, -20.0, -20.0),
            (MetricFamily::Throughput, -15.0, 15.0),
            (MetricFamily::PassRate, -15.0, 15.0),
            (MetricFamily::OomEvents, 50.0, 50.0),
            (MetricFamily::EngineCrashes, 50.0, 50.0),
        ] {
            assert_eq!(worse_percent(family, change), worse, "{family:?}");
        }
    }
}
