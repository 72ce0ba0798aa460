//! What became of each request, and what that adds up to.
//!
//! Latencies are taken from the real send, and the delay behind the schedule is told beside them. Which requests count is
//! decided by when they were due: the warm-up's do not, and neither do those that are due too late to be answered in time.

use std::collections::BTreeMap;

use phaseloop_core::{
    analysis::{
        bench::LatencyLimits,
        measurement::{ClientPace, LatencyBound, RequestCounts},
        sample::SampleSummary,
        summary::StreamingSummary,
    },
    value::Metric,
};

use crate::probe::load::{AnsweredRequests, ArrivalMode, Micros, RequestSchedule, client_pace};

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
    /// When its first text came, whatever became of it.
    first_at: Option<Micros>,
    outcome: Option<Outcome>,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Answered(Answer),
    /// When, where the engine had taken it: then it may have counted it.
    Failed(Option<Micros>),
}

/// What the client saw of a request that the engine counts as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// When.
    pub(super) at: Micros,
    /// How long after its send; absent where it did not come, while the engine may have counted it.
    pub(super) latency: Option<Micros>,
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
    /// What latencies came to at least, with the requests that were in flight at the end.
    pub(super) latency_bounds: BTreeMap<Metric, LatencyBound>,
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

    /// The first text of a request came.
    pub(super) fn first_text(&mut self, index: usize, at: Micros) {
        if let Some(record) = self.records.get_mut(index) {
            record.first_at = Some(at);
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

    /// A request failed; `taken_until` is when, where the engine had taken it.
    pub(super) fn failed(&mut self, index: usize, why: String, taken_until: Option<Micros>) {
        if let Some(record) = self.records.get_mut(index) {
            record.outcome = Some(Outcome::Failed(taken_until));
        }
        let is_known = self.failures.contains_key(&why) || self.failures.len() < FAILURE_KINDS_MAX;
        *self.failures.entry(if is_known { why } else { "another failure".to_owned() }).or_default() += 1;
        self.finished += 1;
    }

    /// Requests that were answered or failed.
    pub(super) const fn finished(&self) -> usize {
        self.finished
    }

    /// First texts of all requests, those of the warm-up and of answers that were never whole among them.
    pub(super) fn first_texts(&self) -> impl Iterator<Item = Seen> {
        self.records.iter().filter_map(|record| match (record.first_at, record.outcome) {
            (Some(at), _) => Some(Seen { at, latency: Some(at.since(record.sent_at?)) }),
            (None, Some(Outcome::Failed(Some(at)))) => Some(Seen { at, latency: None }),
            (None, _) => None,
        })
    }

    /// Whole answers of all requests, those of the warm-up among them.
    pub(super) fn answers(&self) -> impl Iterator<Item = Seen> {
        self.records.iter().filter_map(|record| match record.outcome? {
            Outcome::Answered(Answer { last, .. }) => {
                Some(Seen { at: last, latency: Some(last.since(record.sent_at?)) })
            }
            Outcome::Failed(at) => Some(Seen { at: at?, latency: None }),
        })
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
        let mut tally = Tally {
            requests: RequestCounts::default(),
            answered: AnsweredRequests::new(window.from),
            delays_ms: Vec::new(),
            met: Vec::new(),
        };
        for record in &self.records {
            let Some(due) = record.due.filter(|due| window.holds(*due)) else { continue };
            tally.take(record, due, limits, ended);
        }
        Some(tally.figures(self.interval_ms_mean, self.gaps.summary()))
    }
}

impl Window {
    fn holds(self, due: Micros) -> bool {
        self.from <= due && due < self.until
    }
}

/// The requests that count.
struct Tally {
    requests: RequestCounts,
    answered: AnsweredRequests,
    delays_ms: Vec<f64>,
    met: Vec<bool>,
}

impl Tally {
    fn take(&mut self, record: &Record, due: Micros, limits: &LatencyLimits, ended: Micros) {
        self.requests.offered += 1;
        let Some(sent_at) = record.sent_at else {
            self.met.push(false);
            return;
        };
        self.delays_ms.push(sent_at.since(due).ms());
        let Some(Outcome::Answered(answer)) = record.outcome else {
            // Failed, or cut off by the end of the load.
            if record.outcome.is_none() {
                self.answered.cut_off(sent_at, record.first_at, ended);
            }
            self.requests.failed += 1;
            self.met.push(false);
            return;
        };
        let request = self.answered.take(sent_at, answer.first, answer.last, answer.tokens);
        self.requests.completed += 1;
        self.met.push(limits.are_met_by(&request) == Some(true));
    }

    fn figures(self, interval_ms_mean: Option<f64>, inter_token_latency: Option<SampleSummary>) -> Figures {
        Figures {
            requests: self.requests,
            met: self.met,
            metrics: self.answered.metrics(),
            latency_bounds: self.answered.latency_bounds(),
            inter_token_latency,
            client: client_pace(self.delays_ms, interval_ms_mean),
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
