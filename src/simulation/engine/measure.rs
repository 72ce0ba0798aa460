//! What a load client reports of a run.

use std::collections::BTreeMap;

use phaseloop_core::{
    analysis::{
        bench::LatencyLimits,
        measurement::{
            ClientPace, CountedTwice, CrossCheck, DomainMeasurement, EngineFailure, EngineOutcome, EngineView,
            LatencyBound, MeasurementSource, RequestCounts,
        },
        sample::SampleSummary,
        summary::summarise_samples,
    },
    tuning::{exact_test::MetRequests, outcome::TrialMeasurement},
    value::Metric,
};

use super::{
    ArrivalMode, RequestSchedule,
    client::{ClientCondition, SentRequest},
    lives::EngineRun,
    serve::{RequestEnd, RequestOutcome, ServeOutcome},
    units::Micros,
    view::{EngineCounters, TimeSum},
};
use crate::{
    api::workload::Slo,
    probe::load::{AnsweredRequests, client_pace},
};

/// Which requests count: those due from an instant to another. What is due before warms the engine up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasureWindow {
    /// The first instant that counts.
    pub from: Micros,
    /// What is due from here on is not part of the measurement.
    pub until: Micros,
}

/// What a load client reports.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeFigures {
    /// Requests by outcome. What was refused, cut off or broken off has failed.
    pub requests: RequestCounts,
    /// Summaries of what was completed, by metric.
    pub metrics: BTreeMap<Metric, SampleSummary>,
    /// What TTFT and E2E came to at least, with the requests that were in flight when the client went.
    pub latency_bounds: BTreeMap<Metric, LatencyBound>,
    /// Time between two tokens of a request, all gaps pooled, milliseconds.
    pub inter_token_latency: Option<SampleSummary>,
    /// Requests that met every limit.
    pub within_slo: u64,
    /// Which ones.
    pub met: MetRequests,
    /// What the engine says of itself, over all its lives and with the warm-up.
    pub engine_view: EngineView,
    /// What client and engine counted over all of that.
    pub cross_check: CrossCheck,
    /// How well the client kept its schedule.
    pub client: ClientPace,
    /// From the window's beginning to the last answer.
    pub measured: Micros,
}

/// The limits of an SLO in milliseconds.
pub fn latency_limits(slo: &Slo) -> LatencyLimits {
    let limit = |duration: Option<crate::api::duration::Duration>| duration.map(|limit| limit.0.as_secs_f64() * 1e3);
    LatencyLimits {
        time_to_first_token_ms: limit(slo.ttft),
        time_per_output_token_ms: limit(slo.tpot),
        end_to_end_latency_ms: limit(slo.e2e),
    }
}

/// What a client reports that sent this schedule to a run of an engine. Latencies are taken from the real send, and the
/// delay behind the schedule is told beside them.
pub fn measure(
    schedule: &RequestSchedule,
    run: &EngineRun,
    client: &ClientCondition,
    limits: &LatencyLimits,
    window: MeasureWindow,
) -> ProbeFigures {
    let outcomes = outcomes_by_request(schedule, &run.served());
    let tokens = outcomes.iter().flatten().map(|outcome| outcome.token_times.len()).sum();
    let mut tally = Tally::new(*limits, window.from, schedule.requests.len(), tokens);
    let sent = sent_by_request(schedule, &run.sent);
    let beginning = run.beginning.unwrap_or(window.from);
    let seen = |at: Micros| client.acts_at(beginning, at);
    for ((request, outcome), sent) in schedule.requests.iter().zip(&outcomes).zip(&sent) {
        let due = match (&schedule.mode, outcome) {
            (ArrivalMode::Open { .. }, _) => beginning.plus(request.due),
            // In a closed loop it is due when its turn comes. One whose turn never came was not asked for.
            (ArrivalMode::Closed { .. }, Some(outcome)) => outcome.sent_at.since(outcome.delay),
            (ArrivalMode::Closed { .. }, None) => continue,
        };
        if due < window.from || due >= window.until {
            continue;
        }
        match (outcome, sent) {
            (Some(outcome), _) => tally.take(outcome, request.output_tokens, seen, run.until),
            (None, Some(sent)) if sent.sent_at < window.until => {
                // Nobody listened.
                tally.fail(sent.delay);
            }
            _ => tally.miss(),
        }
    }
    let mut counters = EngineCounters::default();
    run.served().iter().for_each(|served| counters.merge(&served.counters));
    let check = cross_check(&run.served(), &counters, client, beginning);
    tally.figures(schedule, counters.view(), check)
}

/// What the client saw of all that the engine counted, the warm-up and answers that were cut off among it.
fn cross_check(
    served: &[&ServeOutcome],
    counters: &EngineCounters,
    client: &ClientCondition,
    beginning: Micros,
) -> CrossCheck {
    let (mut first_tokens, mut answers) = (TimeSum::default(), TimeSum::default());
    for outcome in served.iter().flat_map(|served| &served.requests) {
        let latency = |at: &Micros| client.acts_at(beginning, *at).since(outcome.sent_at);
        if let Some(first) = outcome.token_times.first() {
            first_tokens.push(latency(first));
        }
        if let (RequestEnd::Finished, Some(last)) = (outcome.end, outcome.token_times.last()) {
            answers.push(latency(last));
        }
    }
    let counted = |engine: TimeSum, client: TimeSum| {
        Some(CountedTwice {
            engine_count: engine.count,
            client_count: client.count,
            unsure_count: 0,
            client_ms_mean: client.mean_ms(),
        })
    };
    CrossCheck {
        first_tokens: counted(counters.time_to_first_token, first_tokens),
        answers: counted(counters.end_to_end_latency, answers),
    }
}

fn outcomes_by_request<'a>(schedule: &RequestSchedule, served: &[&'a ServeOutcome]) -> Vec<Option<&'a RequestOutcome>> {
    let mut outcomes = vec![None; schedule.requests.len()];
    for outcome in served.iter().flat_map(|served| &served.requests) {
        if let Some(place) = outcomes.get_mut(outcome.index) {
            *place = Some(outcome);
        }
    }
    outcomes
}

fn sent_by_request(schedule: &RequestSchedule, sent: &[SentRequest]) -> Vec<Option<SentRequest>> {
    let mut by_request = vec![None; schedule.requests.len()];
    for each in sent {
        if let Some(place) = by_request.get_mut(each.request.index) {
            *place = Some(*each);
        }
    }
    by_request
}

/// The requests that count.
struct Tally {
    limits: LatencyLimits,
    requests: RequestCounts,
    answered: AnsweredRequests,
    gaps: Vec<Micros>,
    delays_ms: Vec<f64>,
    met: Vec<bool>,
}

impl Default for MeasureWindow {
    /// Everything.
    fn default() -> Self {
        Self { from: Micros::ZERO, until: Micros::MAX }
    }
}

impl Tally {
    /// A tally of as many requests and tokens at most: lists that grow step by step cost more than what they hold.
    fn new(limits: LatencyLimits, from: Micros, requests: usize, tokens: usize) -> Self {
        Self {
            limits,
            requests: RequestCounts::default(),
            answered: AnsweredRequests::new(from),
            gaps: Vec::with_capacity(tokens),
            delays_ms: Vec::with_capacity(requests),
            met: Vec::with_capacity(requests),
        }
    }

    /// `seen` is when the client saw what came at an instant, `until` when it went.
    fn take(&mut self, outcome: &RequestOutcome, tokens: u64, seen: impl Fn(Micros) -> Micros, until: Micros) {
        if outcome.end != RequestEnd::Finished {
            if outcome.end == RequestEnd::CutOff {
                let first = outcome.token_times.first().map(|at| seen(*at));
                self.answered.cut_off(outcome.sent_at, first, until);
            }
            self.fail(outcome.delay);
            return;
        }
        let seen: Vec<Micros> = outcome.token_times.iter().map(|at| seen(*at)).collect();
        let (Some(first), Some(last)) = (seen.first().copied(), seen.last().copied()) else {
            self.fail(outcome.delay);
            return;
        };
        let request = self.answered.take(outcome.sent_at, first, last, Some(tokens));
        self.gaps.extend(seen.iter().zip(seen.iter().skip(1)).map(|(earlier, later)| later.since(*earlier)));
        self.delays_ms.push(outcome.delay.ms());
        self.requests.offered += 1;
        self.requests.completed += 1;
        self.met.push(self.limits.are_met_by(&request) == Some(true));
    }

    fn fail(&mut self, delay: Micros) {
        self.requests.offered += 1;
        self.requests.failed += 1;
        self.delays_ms.push(delay.ms());
        self.met.push(false);
    }

    fn miss(&mut self) {
        self.requests.offered += 1;
        self.met.push(false);
    }

    fn figures(mut self, schedule: &RequestSchedule, engine_view: EngineView, cross_check: CrossCheck) -> ProbeFigures {
        // Whole numbers sort faster than floats, and these are most of a measurement's samples.
        self.gaps.sort_unstable();
        // In the same memory: a number takes the place of a number.
        let gaps_ms: Vec<f64> = self.gaps.into_iter().map(Micros::ms).collect();
        let arrival_interval_ms_mean = match schedule.mode {
            ArrivalMode::Open { interval_ms_mean } => Some(interval_ms_mean),
            ArrivalMode::Closed { .. } => None,
        };
        let nothing_sent =
            ClientPace { schedule_delay_ms_mean: 0.0, schedule_delay_ms_p99: 0.0, arrival_interval_ms_mean };
        ProbeFigures {
            requests: self.requests,
            metrics: self.answered.metrics(),
            latency_bounds: self.answered.latency_bounds(),
            inter_token_latency: summarise_samples(&gaps_ms).summary,
            within_slo: self.met.iter().filter(|met| **met).count() as u64,
            met: MetRequests { schedule: schedule.hash.clone(), met: self.met },
            engine_view,
            cross_check,
            client: client_pace(self.delays_ms, arrival_interval_ms_mean).unwrap_or(nothing_sent),
            measured: self.answered.measured(),
        }
    }
}

impl ProbeFigures {
    /// The measurement of a PHASE's domain, with weight 1.
    pub fn domain(&self, name: &str, workload_hash: &str, engine: EngineOutcome) -> DomainMeasurement {
        DomainMeasurement {
            name: name.to_owned(),
            workload_hash: workload_hash.to_owned(),
            weight: 1.0,
            source: MeasurementSource::Serving,
            requests: self.requests,
            metrics: self.metrics.clone(),
            latency_bounds: self.latency_bounds.clone(),
            engine,
            engine_view: Some(self.engine_view),
            cross_check: Some(self.cross_check),
            client: Some(self.client),
            within_slo: Some(self.within_slo),
            notes: Vec::new(),
        }
    }

    /// The measurement of a trial in which the client kept up and nothing was asked of the engine but to serve: what is
    /// known of parameters is added by whoever asked for them.
    pub fn trial(&self, failures: Vec<EngineFailure>) -> TrialMeasurement {
        let summary = |metric| self.metrics.get(&metric);
        TrialMeasurement {
            oom_events: Some(0),
            restarts: Some(failures.len() as u64),
            ran_throughout: Some(failures.is_empty()),
            failures,
            requests: Some(self.requests),
            within_slo: Some(self.within_slo),
            client_kept_up: Some(true),
            met: Some(self.met.clone()),
            throughput: summary(Metric::Throughput).map(|summary| summary.mean),
            latency_ms_p95: summary(Metric::EndToEndLatency).map(|summary| summary.p95),
            ..TrialMeasurement::default()
        }
    }
}
