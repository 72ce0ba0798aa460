//! What became of each request, and what that adds up to.
//!
//! Latencies are taken from the real send, and the delay behind the schedule is told beside them. Which requests count is
//! decided by when they were due: the warm-up's do not, and neither do those that are due too late to be answered in time.

use std::collections::BTreeMap;

use phaseloop_core::{
    analysis::{
        bench::{BenchRequest, LatencyLimits},
        measurement::{ClientPace, RequestCounts},
        sample::SampleSummary,
        summary::{StreamingSummary, percentile, summarise_samples},
    },
    value::Metric,
};

use crate::probe::load::{ArrivalMode, Micros, RequestSchedule};

/// Kinds of failures that are told apart. More are one kind: what fails in so many ways is told by its first ones.
const FAILURE_KINDS_MAX: usize = 16;
/// Failures that are named in one phrase.
const FAILURES_TOLD: usize = 3;

/// From when to when requests must be due to count, by the probe's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Micros,
    pub(super) until: Micros,
}

/// A whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// When its first text came.
    pub(super) first: Micros,
    /// When its last text came.
    pub(super) last: Micros,
    /// Its tokens by the engine's own count; absent where it does not tell.
    pub(super) tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    /// When it was due; in a closed loop, when its turn came.
    due: Option<Micros>,
    sent_at: Option<Micros>,
    outcome: Option<Outcome>,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Answered(Answer),
    Failed,
}

/// The requests of one load.
#[derive(Debug)]
pub(super) struct Journal {
    records: Vec<Record>,
    window: Window,
    /// Mean time between arrivals that the workload demands; absent in a closed loop.
    interval_ms_mean: Option<f64>,
    /// Gaps between texts of one answer, milliseconds. There are as many as tokens, so that they are summed up at once.
    gaps: StreamingSummary,
    failures: BTreeMap<String, u64>,
    finished: usize,
}

/// What a load adds up to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figures {
    pub(super) requests: RequestCounts,
    /// Which requests met every limit, in the order of the schedule.
    pub(super) met: Vec<bool>,
    pub(super) metrics: BTreeMap<Metric, SampleSummary>,
    pub(super) inter_token_latency: Option<SampleSummary>,
    pub(super) client: Option<ClientPace>,
}

impl Journal {
    /// A load that begins at `beginning`.
    pub(super) fn new(schedule: &RequestSchedule, beginning: Micros, window: Window) -> Self {
        let interval_ms_mean = match schedule.mode {
            ArrivalMode::Open { interval_ms_mean } => Some(interval_ms_mean),
            ArrivalMode::Closed { .. } => None,
        };
        let due = |due: Micros| interval_ms_mean.map(|_| beginning.plus(due));
        let records = schedule.requests.iter().map(|request| Record { due: due(request.due), ..Record::default() });
        Self {
            records: records.collect(),
            window,
            interval_ms_mean,
            gaps: StreamingSummary::default(),
            failures: BTreeMap::new(),
            finished: 0,
        }
    }

    /// When a request is due; `None` in a closed loop.
    pub(super) fn due(&self, index: usize) -> Option<Micros> {
        self.records.get(index)?.due
    }

    /// A request is sent; `due` is when its turn came.
    pub(super) fn sent(&mut self, index: usize, due: Micros, at: Micros) {
        if let Some(record) = self.records.get_mut(index) {
            (record.due, record.sent_at) = (Some(due), Some(at));
        }
    }

    /// A request was answered; `gaps` lie between its texts.
    pub(super) fn answered(&mut self, index: usize, answer: Answer, gaps: &[Micros]) {
        let window = self.window;
        if let Some(record) = self.records.get_mut(index) {
            record.outcome = Some(Outcome::Answered(answer));
            if record.due.is_some_and(|due| window.holds(due)) {
                for gap in gaps {
                    self.gaps.push(gap.ms());
                }
            }
        }
        self.finished += 1;
    }

    /// A request failed.
    pub(super) fn failed(&mut self, index: usize, why: String) {
        if let Some(record) = self.records.get_mut(index) {
            record.outcome = Some(Outcome::Failed);
        }
        let is_known = self.failures.contains_key(&why) || self.failures.len() < FAILURE_KINDS_MAX;
        *self.failures.entry(if is_known { why } else { "another failure".to_owned() }).or_default() += 1;
        self.finished += 1;
    }

    /// Requests that were answered or failed.
    pub(super) const fn finished(&self) -> usize {
        self.finished
    }

    /// Requests of the whole load.
    pub(super) const fn offered(&self) -> usize {
        self.records.len()
    }

    /// The most frequent failures in one phrase; nothing where none failed.
    pub(super) fn failures(&self) -> Option<String> {
        let mut failures: Vec<(&String, &u64)> = self.failures.iter().collect();
        failures.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let told: Vec<String> =
            failures.iter().take(FAILURES_TOLD).map(|(why, count)| format!("{count} x {why}")).collect();
        (!told.is_empty()).then(|| format!("failed: {}", told.join(", ")))
    }

    /// What counts of a load that ended at `ended`; nothing where its warm-up had not ended.
    pub(super) fn figures(&self, ended: Micros, limits: &LatencyLimits) -> Option<Figures> {
        let window = Window { until: self.window.until.min(ended), ..self.window };
        if window.from >= window.until {
            return None;
        }
        let mut tally = Tally { last_answer: window.from, ..Tally::default() };
        for record in &self.records {
            let Some(due) = record.due.filter(|due| window.holds(*due)) else { continue };
            tally.take(record, due, limits);
        }
        Some(tally.figures(window.from, self.interval_ms_mean, self.gaps.summary()))
    }
}

impl Window {
    fn holds(self, due: Micros) -> bool {
        self.from <= due && due < self.until
    }
}

/// Samples of the requests that count.
#[derive(Default)]
struct Tally {
    requests: RequestCounts,
    first_tokens_ms: Vec<f64>,
    per_token_ms: Vec<f64>,
    end_to_end_ms: Vec<f64>,
    delays_ms: Vec<f64>,
    /// `None` once an answer did not tell its tokens.
    output_tokens: Option<u64>,
    met: Vec<bool>,
    last_answer: Micros,
}

impl Tally {
    fn take(&mut self, record: &Record, due: Micros, limits: &LatencyLimits) {
        self.requests.offered += 1;
        let Some(sent_at) = record.sent_at else {
            self.met.push(false);
            return;
        };
        self.delays_ms.push(sent_at.since(due).ms());
        let Some(Outcome::Answered(answer)) = record.outcome else {
            // Failed, or cut off by the end of the load.
            self.requests.failed += 1;
            self.met.push(false);
            return;
        };
        let request = latencies(sent_at, &answer);
        let tokens_before = if self.requests.completed == 0 { Some(0) } else { self.output_tokens };
        self.output_tokens = tokens_before.zip(answer.tokens).map(|(before, tokens)| before + tokens);
        self.requests.completed += 1;
        self.first_tokens_ms.push(request.time_to_first_token_ms);
        self.end_to_end_ms.extend(request.end_to_end_latency_ms);
        self.per_token_ms.extend(request.time_per_output_token_ms);
        self.last_answer = self.last_answer.max(answer.last);
        self.met.push(limits.are_met_by(&request) == Some(true));
    }

    fn figures(
        mut self,
        from: Micros,
        interval_ms_mean: Option<f64>,
        inter_token_latency: Option<SampleSummary>,
    ) -> Figures {
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
        let seconds = self.last_answer.since(from).seconds();
        if seconds > 0.0 && self.requests.completed > 0 {
            let per_second = |count: u64| SampleSummary::of_single_figure(count as f64 / seconds);
            metrics.insert(Metric::Throughput, per_second(self.requests.completed));
            if let Some(tokens) = self.output_tokens {
                metrics.insert(Metric::OutputTokenThroughput, per_second(tokens));
            }
        }
        self.delays_ms.sort_by(f64::total_cmp);
        let client = percentile(&self.delays_ms, 0.99).map(|p99| ClientPace {
            schedule_delay_ms_mean: self.delays_ms.iter().sum::<f64>() / self.delays_ms.len() as f64,
            schedule_delay_ms_p99: p99,
            arrival_interval_ms_mean: interval_ms_mean,
        });
        Figures { requests: self.requests, met: self.met, metrics, inter_token_latency, client }
    }
}

/// TTFT = first text - send, E2E = last text - send, TPOT = (last - first) / (tokens - 1).
fn latencies(sent_at: Micros, answer: &Answer) -> BenchRequest {
    let after_first = |tokens: u64| answer.last.since(answer.first).ms() / (tokens - 1) as f64;
    BenchRequest {
        time_to_first_token_ms: answer.first.since(sent_at).ms(),
        end_to_end_latency_ms: Some(answer.last.since(sent_at).ms()),
        time_per_output_token_ms: answer.tokens.filter(|tokens| *tokens > 1).map(after_first),
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
