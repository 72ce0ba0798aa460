//! What the engine says of itself over a measurement: differences of its own counters, over all its lives.

use phaseloop_core::analysis::measurement::{CountedTwice, CrossCheck, EngineView};

use super::{
    exposition::{EngineMetrics, TimeSum},
    journal::{Journal, Seen},
    look::{Look, Span},
};
use crate::probe::load::{Micros, whole};

const MS_PER_SECOND: f64 = 1_000.0;

/// The engine's counters as they were read in the course of a measurement.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EngineTotals {
    /// When the measurement began, or the engine's present life.
    base: Option<(Look, EngineMetrics)>,
    last: Option<(Look, EngineMetrics)>,
    /// What earlier lives counted, and from when to when.
    carried: Counters,
    carried_spans: Vec<Span>,
    /// When the engine was last seen to die.
    died_at: Option<Micros>,
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
    pub(super) fn begin(&mut self, look: Look, metrics: EngineMetrics) {
        *self = Self { kv_cache_usage_max: metrics.kv_cache_usage, base: Some((look, metrics)), ..Self::default() };
    }

    /// A later look. Where nothing was read when the measurement began, it begins here.
    pub(super) fn take(&mut self, look: Look, metrics: EngineMetrics) {
        let Some((base_look, base)) = &self.base else {
            self.begin(look, metrics);
            return;
        };
        self.kv_cache_usage_max = match (self.kv_cache_usage_max, metrics.kv_cache_usage) {
            (Some(most), Some(now)) => Some(most.max(now)),
            (most, now) => most.or(now),
        };
        let (before_look, before) = self.last.as_ref().map_or((base_look, base), |(look, metrics)| (look, metrics));
        if has_begun_anew(before, &metrics) {
            self.carried = self.carried.plus(Counters::between(base, before));
            self.carried_spans.push(Span { from: *base_look, to: *before_look });
            // What came between the last look and the death is counted nowhere, and between two lives nothing comes.
            let begun = match self.died_at {
                Some(at) if at > before_look.answered => Look { asked: at, answered: at },
                _ => Look { asked: before_look.answered, answered: look.asked },
            };
            self.base = Some((begun, zero_of(&metrics)));
        }
        self.last = Some((look, metrics));
    }

    /// The engine was seen to die.
    pub(super) const fn died(&mut self, at: Micros) {
        self.died_at = Some(at);
    }

    /// What the engine counted, and what its client saw in the same time; nothing where there were no two looks.
    pub(super) fn cross_check(&self, journal: &Journal) -> Option<CrossCheck> {
        let ((from, base), (to, last)) = (self.base.as_ref()?, self.last.as_ref()?);
        let all = self.carried.plus(Counters::between(base, last));
        let spans: Vec<Span> = self.carried_spans.iter().copied().chain([Span { from: *from, to: *to }]).collect();
        let counted = |engine: Option<TimeSum>, seen: &mut dyn Iterator<Item = Seen>| {
            engine.map(|engine| counted_twice(whole(engine.count), &spans, seen))
        };
        Some(CrossCheck {
            first_tokens: counted(all.time_to_first_token, &mut journal.first_texts()),
            answers: counted(all.end_to_end_latency, &mut journal.answers()),
        })
    }

    /// What the engine says; nothing where it was not read before and after.
    pub(super) fn view(&self) -> Option<EngineView> {
        let ((_, base), (_, last)) = (self.base.as_ref()?, self.last.as_ref()?);
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

/// Holds what the client saw against the engine's count over the same spans of time.
fn counted_twice(engine_count: u64, spans: &[Span], seen: &mut dyn Iterator<Item = Seen>) -> CountedTwice {
    let mut counted = CountedTwice { engine_count, ..CountedTwice::default() };
    let mut sum_ms = 0.0;
    for Seen { at, latency } in seen {
        let is_within = spans.iter().any(|span| span.holds(at));
        if let Some(latency) = latency.filter(|_| is_within) {
            counted.client_count += 1;
            sum_ms += latency.ms();
        }
        let may_be_counted = is_within && latency.is_none();
        counted.unsure_count += u64::from(may_be_counted || spans.iter().any(|span| span.is_near_an_end(at)));
    }
    counted.client_ms_mean = (counted.client_count > 0).then(|| sum_ms / counted.client_count as f64);
    counted
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
#[path = "engine_totals_tests.rs"]
mod tests;
