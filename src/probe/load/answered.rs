//! What the answered requests of a load add up to: each metric is defined here once, for the probe, which measures, and for the
//! simulation's model of it.

use std::collections::BTreeMap;

use phaseloop_core::{
    analysis::{
        bench::BenchRequest,
        measurement::{ClientPace, LatencyBound},
        sample::SampleSummary,
        summary::{Moments, percentile, summarise_samples},
    },
    value::Metric,
};

use super::Micros;

/// Samples of the requests that were answered, and of those that were cut off while they waited, milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AnsweredRequests {
    from: Micros,
    last: Micros,
    count: u64,
    /// `None` once an answer did not tell its tokens.
    output_tokens: Option<u64>,
    first_tokens_ms: Vec<f64>,
    per_token_ms: Vec<f64>,
    end_to_end_ms: Vec<f64>,
    cut_off: CutOffRequests,
}

/// Requests that were cut off because the measurement was over, milliseconds.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_field_names, reason = "the unit stands last in a name")]
struct CutOffRequests {
    /// TTFT of those that had their first text.
    first_tokens_ms: Vec<f64>,
    /// What the others had waited for theirs.
    without_first_ms: Vec<f64>,
    /// What all of them had waited for their end.
    without_end_ms: Vec<f64>,
}

impl AnsweredRequests {
    /// None yet, of a measurement that begins at `from`.
    pub(crate) const fn new(from: Micros) -> Self {
        Self {
            from,
            last: from,
            count: 0,
            output_tokens: Some(0),
            first_tokens_ms: Vec::new(),
            per_token_ms: Vec::new(),
            end_to_end_ms: Vec::new(),
            cut_off: CutOffRequests {
                first_tokens_ms: Vec::new(),
                without_first_ms: Vec::new(),
                without_end_ms: Vec::new(),
            },
        }
    }

    /// Takes an answer, and says its latencies: TTFT = first text - send, E2E = last text - send,
    /// TPOT = (last - first) / (tokens - 1), which one token alone does not have.
    pub(crate) fn take(&mut self, sent_at: Micros, first: Micros, last: Micros, tokens: Option<u64>) -> BenchRequest {
        let after_first = |tokens: u64| last.since(first).ms() / (tokens - 1) as f64;
        let request = BenchRequest {
            time_to_first_token_ms: first.since(sent_at).ms(),
            end_to_end_latency_ms: Some(last.since(sent_at).ms()),
            time_per_output_token_ms: tokens.filter(|tokens| *tokens > 1).map(after_first),
        };
        self.first_tokens_ms.push(request.time_to_first_token_ms);
        self.end_to_end_ms.extend(request.end_to_end_latency_ms);
        self.per_token_ms.extend(request.time_per_output_token_ms);
        self.output_tokens = self.output_tokens.zip(tokens).map(|(before, tokens)| before + tokens);
        self.count += 1;
        self.last = self.last.max(last);
        request
    }

    /// Takes a request that was in flight at `until`, the measurement's end; `first` is when its first text came, if it came.
    /// It has waited from its real send on, as the others did: what it was late by is the client's.
    pub(crate) fn cut_off(&mut self, sent_at: Micros, first: Option<Micros>, until: Micros) {
        let waited_ms = until.since(sent_at).ms();
        match first.filter(|first| *first <= until) {
            Some(first) => self.cut_off.first_tokens_ms.push(first.since(sent_at).ms()),
            None => self.cut_off.without_first_ms.push(waited_ms),
        }
        self.cut_off.without_end_ms.push(waited_ms);
    }

    /// What TTFT and E2E came to at least, of all that were answered or cut off; nothing where none was cut off.
    pub(crate) fn latency_bounds(&self) -> BTreeMap<Metric, LatencyBound> {
        let cut_off = &self.cut_off;
        if cut_off.without_end_ms.is_empty() {
            return BTreeMap::new();
        }
        let first = bound([&self.first_tokens_ms, &cut_off.first_tokens_ms], &cut_off.without_first_ms);
        let whole = bound([&self.end_to_end_ms, &[]], &cut_off.without_end_ms);
        [(Metric::TimeToFirstToken, first), (Metric::EndToEndLatency, whole)].into()
    }

    /// From the measurement's beginning to the last answer.
    pub(crate) const fn measured(&self) -> Micros {
        self.last.since(self.from)
    }

    /// The metrics, latencies in milliseconds, throughputs per second of [`Self::measured`]. What has no sample is absent.
    pub(crate) fn metrics(&self) -> BTreeMap<Metric, SampleSummary> {
        let mut metrics = BTreeMap::new();
        for (metric, samples) in [
            (Metric::TimeToFirstToken, &self.first_tokens_ms),
            (Metric::TimePerOutputToken, &self.per_token_ms),
            (Metric::EndToEndLatency, &self.end_to_end_ms),
        ] {
            if let Some(summary) = summarise_samples(samples).summary {
                metrics.insert(metric, summary);
            }
        }
        let seconds = self.measured().seconds();
        if seconds > 0.0 && self.count > 0 {
            let per_second = |count: u64| SampleSummary::of_single_figure(count as f64 / seconds);
            metrics.insert(Metric::Throughput, per_second(self.count));
            if let Some(tokens) = self.output_tokens {
                metrics.insert(Metric::OutputTokenThroughput, per_second(tokens));
            }
        }
        metrics
    }
}

fn bound(known_ms: [&[f64]; 2], cut_off_ms: &[f64]) -> LatencyBound {
    let mut moments = Moments::default();
    let samples = known_ms.into_iter().chain([cut_off_ms]).flatten().copied();
    samples.filter(|sample| Moments::accepts(*sample)).for_each(|sample| moments.push(sample));
    LatencyBound {
        count: moments.count,
        cut_off_count: cut_off_ms.len() as u64,
        ms_mean: moments.mean,
        ms_standard_deviation: moments.standard_deviation(),
    }
}

/// How well a client kept its schedule, from how late each request was, milliseconds; `None` where none was sent.
pub(crate) fn client_pace(mut delays_ms: Vec<f64>, arrival_interval_ms_mean: Option<f64>) -> Option<ClientPace> {
    delays_ms.sort_by(f64::total_cmp);
    let schedule_delay_ms_p99 = percentile(&delays_ms, 0.99)?;
    let schedule_delay_ms_mean = delays_ms.iter().sum::<f64>() / delays_ms.len() as f64;
    Some(ClientPace { schedule_delay_ms_mean, schedule_delay_ms_p99, arrival_interval_ms_mean })
}
