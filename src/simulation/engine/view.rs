//! What the engine counts of itself: the sums behind its own metrics.

use phaseloop_core::analysis::measurement::EngineView;

use super::units::Micros;

/// How often something took time, and how long altogether: what an engine's histograms add up. Whole numbers, so that no
/// order of adding changes a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeSum {
    /// How often.
    pub count: u64,
    /// How long altogether.
    pub sum: Micros,
}

/// Counters of one life of an engine; they begin anew with each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EngineCounters {
    /// From a request's arrival to its first token.
    pub time_to_first_token: TimeSum,
    /// Between two tokens of one request.
    pub inter_token_latency: TimeSum,
    /// From a request's arrival to its last token.
    pub end_to_end_latency: TimeSum,
    /// From a request's arrival to its admission.
    pub queue_time: TimeSum,
    /// Requests whose blocks were taken from them.
    pub preemptions: u64,
    /// Largest share of the cache in use, 0 to 1.
    pub cache_usage_max: f64,
    /// Most requests in one step.
    pub running_max: u64,
    /// Steps.
    pub steps: u64,
    /// Largest share of the memory left for steps that a step took, 0 to 1; above 1 the engine died of it.
    pub memory_pressure_max: f64,
}

impl TimeSum {
    /// Adds one.
    pub(super) const fn push(&mut self, time: Micros) {
        self.count += 1;
        self.sum = self.sum.plus(time);
    }

    /// Adds another's.
    const fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.plus(other.sum);
    }

    /// The mean, milliseconds; absent where there was nothing.
    pub const fn mean_ms(self) -> Option<f64> {
        if self.count == 0 { None } else { Some(self.sum.ms() / self.count as f64) }
    }
}

impl EngineCounters {
    /// Adds another life's counters.
    pub fn merge(&mut self, other: &Self) {
        self.time_to_first_token.merge(other.time_to_first_token);
        self.inter_token_latency.merge(other.inter_token_latency);
        self.end_to_end_latency.merge(other.end_to_end_latency);
        self.queue_time.merge(other.queue_time);
        self.preemptions += other.preemptions;
        self.cache_usage_max = self.cache_usage_max.max(other.cache_usage_max);
        self.running_max = self.running_max.max(other.running_max);
        self.steps += other.steps;
        self.memory_pressure_max = self.memory_pressure_max.max(other.memory_pressure_max);
    }

    /// What a client reads from the engine's metrics. A mean of nothing is absent.
    pub fn view(&self) -> EngineView {
        EngineView {
            time_to_first_token_ms_mean: self.time_to_first_token.mean_ms(),
            inter_token_latency_ms_mean: self.inter_token_latency.mean_ms(),
            end_to_end_latency_ms_mean: self.end_to_end_latency.mean_ms(),
            queue_time_ms_mean: self.queue_time.mean_ms(),
            preemptions: Some(self.preemptions as f64),
            kv_cache_usage_max: Some(self.cache_usage_max),
        }
    }
}
