//! What the engine says of itself over a measurement: differences of its own counters, over all its lives.

use phaseloop_core::analysis::measurement::EngineView;

use super::exposition::{EngineMetrics, TimeSum};

const MS_PER_SECOND: f64 = 1_000.0;

/// The engine's counters as they were read in the course of a measurement.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EngineTotals {
    /// When the measurement began, or the engine's present life.
    base: Option<EngineMetrics>,
    last: Option<EngineMetrics>,
    /// What earlier lives counted.
    carried: Counters,
    kv_cache_usage_max: Option<f64>,
}

/// Counters as differences.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counters {
    time_to_first_token: Option<TimeSum>,
    inter_token_latency: Option<TimeSum>,
    end_to_end_latency: Option<TimeSum>,
    queue_time: Option<TimeSum>,
    preemptions: Option<f64>,
}

impl EngineTotals {
    /// The measurement begins: what was counted before is the warm-up's.
    pub(super) fn begin(&mut self, metrics: EngineMetrics) {
        *self = Self { kv_cache_usage_max: metrics.kv_cache_usage, base: Some(metrics), ..Self::default() };
    }

    /// A later look. Where nothing was read when the measurement began, it begins here.
    pub(super) fn take(&mut self, metrics: EngineMetrics) {
        let Some(base) = &self.base else {
            self.begin(metrics);
            return;
        };
        self.kv_cache_usage_max = match (self.kv_cache_usage_max, metrics.kv_cache_usage) {
            (Some(most), Some(now)) => Some(most.max(now)),
            (most, now) => most.or(now),
        };
        let before = self.last.as_ref().unwrap_or(base);
        if has_begun_anew(before, &metrics) {
            self.carried = self.carried.plus(Counters::between(base, before));
            self.base = Some(zero_of(&metrics));
        }
        self.last = Some(metrics);
    }

    /// What the engine says; nothing where it was not read before and after.
    pub(super) fn view(&self) -> Option<EngineView> {
        let (base, last) = (self.base.as_ref()?, self.last.as_ref()?);
        let all = self.carried.plus(Counters::between(base, last));
        let mean = |sum: Option<TimeSum>| {
            sum.filter(|sum| sum.count > 0.0).map(|sum| sum.sum_seconds.max(0.0) / sum.count * MS_PER_SECOND)
        };
        Some(EngineView {
            time_to_first_token_ms_mean: mean(all.time_to_first_token),
            inter_token_latency_ms_mean: mean(all.inter_token_latency),
            end_to_end_latency_ms_mean: mean(all.end_to_end_latency),
            queue_time_ms_mean: mean(all.queue_time),
            preemptions: all.preemptions,
            kv_cache_usage_max: self.kv_cache_usage_max,
        })
    }
}

/// Counters never fall within one life.
fn has_begun_anew(before: &EngineMetrics, now: &EngineMetrics) -> bool {
    let counts = |metrics: &EngineMetrics| {
        let times = [metrics.time_to_first_token, metrics.inter_token_latency, metrics.end_to_end_latency];
        times.map(|sum| sum.map(|sum| sum.count))
    };
    counts(before).into_iter().zip(counts(now)).any(|(before, now)| before.zip(now).is_some_and(|(b, n)| n < b))
}

/// An engine of the same metrics that has counted nothing.
fn zero_of(metrics: &EngineMetrics) -> EngineMetrics {
    let zero = |sum: Option<TimeSum>| sum.map(|_| TimeSum::default());
    EngineMetrics {
        time_to_first_token: zero(metrics.time_to_first_token),
        inter_token_latency: zero(metrics.inter_token_latency),
        end_to_end_latency: zero(metrics.end_to_end_latency),
        queue_time: zero(metrics.queue_time),
        preemptions: metrics.preemptions.map(|_| 0.0),
        ..EngineMetrics::default()
    }
}

impl Counters {
    fn between(base: &EngineMetrics, last: &EngineMetrics) -> Self {
        let less = |base: Option<TimeSum>, last: Option<TimeSum>| {
            base.zip(last).map(|(base, last)| TimeSum {
                count: last.count - base.count,
                sum_seconds: last.sum_seconds - base.sum_seconds,
            })
        };
        Self {
            time_to_first_token: less(base.time_to_first_token, last.time_to_first_token),
            inter_token_latency: less(base.inter_token_latency, last.inter_token_latency),
            end_to_end_latency: less(base.end_to_end_latency, last.end_to_end_latency),
            queue_time: less(base.queue_time, last.queue_time),
            preemptions: base.preemptions.zip(last.preemptions).map(|(base, last)| last - base),
        }
    }

    fn plus(self, other: Self) -> Self {
        let add = |one: Option<TimeSum>, other: Option<TimeSum>| match (one, other) {
            (Some(one), Some(other)) => {
                Some(TimeSum { count: one.count + other.count, sum_seconds: one.sum_seconds + other.sum_seconds })
            }
            (one, other) => one.or(other),
        };
        Self {
            time_to_first_token: add(self.time_to_first_token, other.time_to_first_token),
            inter_token_latency: add(self.inter_token_latency, other.inter_token_latency),
            end_to_end_latency: add(self.end_to_end_latency, other.end_to_end_latency),
            queue_time: add(self.queue_time, other.queue_time),
            preemptions: match (self.preemptions, other.preemptions) {
                (Some(one), Some(other)) => Some(one + other),
                (one, other) => one.or(other),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the figures are exact")]
mod tests {
    use super::*;

    fn metrics(count: f64, seconds: f64, usage: f64) -> EngineMetrics {
        let sum = Some(TimeSum { count, sum_seconds: seconds });
        EngineMetrics {
            time_to_first_token: sum,
            end_to_end_latency: sum,
            preemptions: Some(count / 10.0),
            kv_cache_usage: Some(usage),
            ..EngineMetrics::default()
        }
    }

    fn view(looks: &[EngineMetrics]) -> Option<EngineView> {
        let mut totals = EngineTotals::default();
        for look in looks {
            totals.take(look.clone());
        }
        totals.view()
    }

    #[test]
    fn means_are_those_of_the_time_between_the_first_and_the_last_look() {
        let view = view(&[metrics(10.0, 5.0, 0.1), metrics(20.0, 5.5, 0.9), metrics(30.0, 7.0, 0.2)]).unwrap();
        assert_eq!(view.time_to_first_token_ms_mean, Some(100.0));
        assert_eq!((view.preemptions, view.kv_cache_usage_max), (Some(2.0), Some(0.9)));
        assert_eq!((view.queue_time_ms_mean, view.inter_token_latency_ms_mean), (None, None), "not told");
    }

    #[test]
    fn an_engine_that_began_anew_is_counted_over_both_lives() {
        let view =
            view(&[metrics(10.0, 1.0, 0.1), metrics(20.0, 2.0, 0.1), metrics(5.0, 4.0, 0.1), metrics(10.0, 5.0, 0.1)]);
        // 10 requests in 1 s before the death, 10 in 5 s after it.
        let view = view.unwrap();
        assert_eq!(view.end_to_end_latency_ms_mean, Some(300.0));
        assert_eq!(view.time_to_first_token_ms_mean, Some(300.0));
        assert_eq!(view.preemptions, Some(2.0));
    }

    #[test]
    fn what_was_not_read_twice_is_absent_and_what_did_not_happen_has_no_mean() {
        assert_eq!(view(&[]), None);
        assert_eq!(view(&[metrics(10.0, 1.0, 0.1)]), None);
        let idle = view(&[metrics(10.0, 1.0, 0.1), metrics(10.0, 1.0, 0.1)]).unwrap();
        assert_eq!((idle.time_to_first_token_ms_mean, idle.preemptions), (None, Some(0.0)));
    }

    #[test]
    fn the_warm_up_is_left_out() {
        let mut totals = EngineTotals::default();
        totals.take(metrics(1.0, 100.0, 1.0));
        totals.begin(metrics(10.0, 200.0, 0.5));
        totals.take(metrics(20.0, 201.0, 0.4));
        let view = totals.view().unwrap();
        assert_eq!((view.end_to_end_latency_ms_mean, view.kv_cache_usage_max), (Some(100.0), Some(0.5)));
    }
}
