//! What the engine counts of itself: the sums behind its own metrics.

use phaseloop_core::analysis::{measurement::EngineView, summary::Moments};

/// Counters of one life of an engine; they begin anew with each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EngineCounters {
    /// From a request's arrival to its first token, milliseconds.
    pub time_to_first_token_ms: Moments,
    /// Between two tokens of one request, milliseconds.
    pub inter_token_latency_ms: Moments,
    /// From a request's arrival to its last token, milliseconds.
    pub end_to_end_latency_ms: Moments,
    /// From a request's arrival to its admission, milliseconds.
    pub queue_time_ms: Moments,
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

impl EngineCounters {
    /// Adds another life's counters.
    pub fn merge(&mut self, other: &Self) {
        self.time_to_first_token_ms.merge(&other.time_to_first_token_ms);
        self.inter_token_latency_ms.merge(&other.inter_token_latency_ms);
        self.end_to_end_latency_ms.merge(&other.end_to_end_latency_ms);
        self.queue_time_ms.merge(&other.queue_time_ms);
        self.preemptions += other.preemptions;
        self.cache_usage_max = self.cache_usage_max.max(other.cache_usage_max);
        self.running_max = self.running_max.max(other.running_max);
        self.steps += other.steps;
        self.memory_pressure_max = self.memory_pressure_max.max(other.memory_pressure_max);
    }

    /// What a client reads from the engine's metrics. A mean of nothing is absent.
    pub fn view(&self) -> EngineView {
        let mean = |moments: &Moments| (moments.count > 0).then_some(moments.mean);
        EngineView {
            time_to_first_token_ms_mean: mean(&self.time_to_first_token_ms),
            inter_token_latency_ms_mean: mean(&self.inter_token_latency_ms),
            end_to_end_latency_ms_mean: mean(&self.end_to_end_latency_ms),
            queue_time_ms_mean: mean(&self.queue_time_ms),
            preemptions: Some(self.preemptions as f64),
            kv_cache_usage_max: Some(self.cache_usage_max),
        }
    }
}
