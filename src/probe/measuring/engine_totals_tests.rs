#![allow(clippy::float_cmp, reason = "the figures are exact")]

use phaseloop_core::{
    analysis::{
        baseline::Baseline,
        bench::LatencyLimits,
        measurement::{DomainMeasurement, EngineOutcome, MeasurementSource, RequestCounts},
        reason::AnalysisReason,
        settings::AnalysisSettings,
        validity::check_measurement,
    },
    value::Metric,
};
use proptest::prelude::*;

use super::*;
use crate::probe::{
    load::{ArrivalMode, RequestSchedule, fixture::workload},
    measuring::journal::{Answer, Window},
};

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

const fn ms(milliseconds: u64) -> Micros {
    Micros(milliseconds * 1_000)
}

/// A look that is answered at once.
const fn look_at(at: Micros) -> Look {
    Look { asked: at, answered: at }
}

/// Looks at the end of each second.
fn totals(looks: &[EngineMetrics]) -> EngineTotals {
    let mut totals = EngineTotals::default();
    for (second, metrics) in (1..).zip(looks) {
        totals.take(look_at(ms(1_000 * second)), metrics.clone());
    }
    totals
}

fn view(looks: &[EngineMetrics]) -> Option<EngineView> {
    totals(looks).view()
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
    totals.take(look_at(ms(1)), metrics(1.0, 100.0, 1.0));
    totals.begin(look_at(ms(2)), metrics(10.0, 200.0, 0.5));
    totals.take(look_at(ms(3)), metrics(20.0, 201.0, 0.4));
    let view = totals.view().unwrap();
    assert_eq!((view.end_to_end_latency_ms_mean, view.kv_cache_usage_max), (Some(100.0), Some(0.5)));
}

/// A journal of requests that are due each `interval`, and count from a second after its beginning at 0 to 20 s.
fn journal(requests: usize, interval: Micros) -> Journal {
    let mut schedule = RequestSchedule::of(&workload(i64::try_from(requests).unwrap(), "10", 5, 5));
    schedule.mode = ArrivalMode::Open { interval_ms_mean: interval.ms() };
    for request in &mut schedule.requests {
        request.due = Micros(interval.0 * request.index as u64);
    }
    Journal::new(&schedule, Micros::ZERO, Window { from: ms(1_000), until: ms(15_000) })
}

/// A request that was sent when it was due.
fn sent(journal: &mut Journal, index: usize) -> Micros {
    let due = journal.due(index).unwrap();
    journal.sent(index, due, due);
    due
}

fn text(journal: &mut Journal, index: usize, at: Micros) {
    sent(journal, index);
    journal.first_text(index, at);
}

#[test]
fn what_the_client_saw_between_the_looks_is_counted_whenever_it_was_sent() {
    let mut journal = journal(5, ms(100));
    text(&mut journal, 0, ms(900));
    text(&mut journal, 1, ms(1_500));
    text(&mut journal, 2, ms(2_500));
    sent(&mut journal, 3);
    journal.failed(4, "never sent".to_owned(), None);
    let check = totals(&[metrics(10.0, 5.0, 0.1), metrics(11.0, 6.4, 0.1)]).cross_check(&journal).unwrap();
    let expected = CountedTwice { engine_count: 1, client_count: 1, unsure_count: 1, client_ms_mean: Some(1_400.0) };
    assert_eq!(check.first_tokens, Some(expected), "the first came near the look");
    let nothing = CountedTwice { engine_count: 1, ..CountedTwice::default() };
    assert_eq!(check.answers, Some(nothing), "no answer was whole");
}

#[test]
fn what_failed_after_the_engine_had_taken_it_may_be_counted() {
    let mut journal = journal(3, ms(100));
    for (index, taken_until) in [(0, Some(ms(1_500))), (1, None), (2, Some(ms(5_000)))] {
        sent(&mut journal, index);
        journal.failed(index, "an answer without text".to_owned(), taken_until);
    }
    let check = totals(&[metrics(10.0, 5.0, 0.1), metrics(11.0, 6.4, 0.1)]).cross_check(&journal).unwrap();
    let unsure = CountedTwice { engine_count: 1, unsure_count: 1, ..CountedTwice::default() };
    assert_eq!((check.first_tokens, check.answers), (Some(unsure), Some(unsure)));
}

#[test]
fn what_a_dying_engine_took_along_is_counted_by_neither() {
    let mut journal = journal(5, ms(100));
    for (index, at) in [(0, 1_500), (1, 2_500), (2, 3_500), (3, 4_500)] {
        text(&mut journal, index, ms(at));
    }
    let mut totals = totals(&[metrics(10.0, 1.0, 0.1), metrics(11.0, 2.5, 0.1)]);
    // The second came after the last look at the first life, the third when it was dead.
    totals.died(ms(3_000));
    totals.take(look_at(ms(4_000)), metrics(1.0, 3.3, 0.1));
    totals.take(look_at(ms(5_000)), metrics(2.0, 7.5, 0.1));
    let counted = totals.cross_check(&journal).unwrap().first_tokens.unwrap();
    assert_eq!((counted.engine_count, counted.client_count, counted.unsure_count), (3, 3, 0));
}

#[test]
fn an_engine_that_does_not_count_is_held_against_nothing() {
    assert_eq!(totals(&[]).cross_check(&journal(1, ms(100))), None);
    assert_eq!(totals(&[metrics(1.0, 1.0, 0.1)]).cross_check(&journal(1, ms(100))), None);
    let silent = totals(&[EngineMetrics::default(), EngineMetrics::default()]);
    assert_eq!(silent.cross_check(&journal(1, ms(100))), Some(CrossCheck::default()));
}

/// A load on an engine that serves one request after the other, and when its metrics are looked at.
#[derive(Debug, Clone, Copy)]
struct Queue {
    interval: Micros,
    service: Micros,
    /// From the engine to the client, and as much there.
    path: Micros,
    /// How long a look takes, and after how much of it the engine counts.
    look: Micros,
    counts_after: Micros,
    /// The end of the measurement.
    ends: Micros,
    /// Requests of somebody else for each hundred of the client's.
    others_percent: u64,
}

/// What became of a load: the client's journal and the engine's own counters.
struct Outcome {
    journal: Journal,
    totals: EngineTotals,
}

impl Queue {
    fn run(self) -> Outcome {
        let requests = usize::try_from(self.ends.0 / self.interval.0).unwrap();
        let mut journal = journal(requests, self.interval);
        let (mut free, mut served, mut debt) = (Micros::ZERO, Vec::new(), 0);
        for index in 0..requests {
            let sent_at = sent(&mut journal, index);
            let arrived = sent_at.plus(self.path);
            debt += self.others_percent;
            for own in [true].into_iter().chain((0..debt / 100).map(|_| false)) {
                let first = free.max(arrived).plus(self.service);
                free = first;
                served.push((first, first.since(arrived)));
                let seen = first.plus(self.path);
                if own && seen <= self.ends.plus(self.look) {
                    journal.first_text(index, seen);
                    journal.answered(index, Answer { first: seen, last: seen, tokens: None }, &[]);
                }
            }
            debt %= 100;
        }
        let mut totals = EngineTotals::default();
        for asked in [ms(1_000), self.ends] {
            let counted = served.iter().filter(|(at, _)| *at <= asked.plus(self.counts_after));
            let (count, seconds) =
                counted.fold((0.0, 0.0), |(count, sum), (_, wait)| (count + 1.0, sum + wait.seconds()));
            totals.take(Look { asked, answered: asked.plus(self.look) }, metrics(count, seconds, 0.1));
        }
        Outcome { journal, totals }
    }
}

impl Outcome {
    fn judged(&self, ends: Micros) -> Vec<AnalysisReason> {
        let figures = self.journal.figures(ends, &LatencyLimits::default()).unwrap();
        let measurement = DomainMeasurement {
            name: "chat".to_owned(),
            workload_hash: "w".to_owned(),
            weight: 1.0,
            source: MeasurementSource::Serving,
            requests: RequestCounts { offered: 100, completed: 100, ..RequestCounts::default() },
            metrics: figures.metrics,
            latency_bounds: figures.latency_bounds,
            engine: EngineOutcome::default(),
            engine_view: self.totals.view(),
            cross_check: self.totals.cross_check(&self.journal),
            client: None,
            within_slo: None,
            notes: Vec::new(),
        };
        let findings = check_measurement(&measurement, &Baseline::default(), &AnalysisSettings::for_target("t"));
        findings.into_iter().map(|finding| finding.reason).collect()
    }
}

/// As it was seen on a real engine: 30 requests per second for 20 s, of which it can serve 15.
const SATURATED: Queue = Queue {
    interval: ms(33),
    service: ms(66),
    path: ms(1),
    look: ms(20),
    counts_after: ms(10),
    ends: ms(20_000),
    others_percent: 0,
};

#[test]
fn of_a_saturated_engine_those_that_were_due_waited_longer_than_those_that_were_answered() {
    let outcome = SATURATED.run();
    let due = outcome.journal.figures(ms(20_000), &LatencyLimits::default()).unwrap();
    let engine = outcome.totals.view().unwrap().time_to_first_token_ms_mean.unwrap();
    let client = due.metrics[&Metric::TimeToFirstToken].mean;
    assert!(client > engine * 1.05, "due {client}, happened {engine}: figures of different requests");
    let seen = outcome.totals.cross_check(&outcome.journal).unwrap().first_tokens.unwrap().client_ms_mean.unwrap();
    assert!((seen / engine - 1.0).abs() < 0.01, "seen {seen}, happened {engine}");
    assert_eq!(outcome.judged(ms(20_000)), []);
}

#[test]
fn an_engine_that_serves_somebody_else_as_well_is_not_the_one_that_was_measured() {
    let shared = Queue { service: ms(10), others_percent: 15, ..SATURATED };
    assert_eq!(shared.run().judged(ms(20_000)), [AnalysisReason::ClientEngineDisagree]);
    assert_eq!(Queue { others_percent: 0, ..shared }.run().judged(ms(20_000)), []);
}

#[test]
fn metrics_of_another_engine_are_not_those_of_the_one_that_was_measured() {
    for (service, others_percent) in [(20, 100), (150, 0), (500, 0)] {
        let other = Queue { service: ms(service), others_percent, ..SATURATED }.run();
        let mixed = Outcome { journal: Queue { service: ms(20), ..SATURATED }.run().journal, ..other };
        assert_eq!(mixed.judged(ms(20_000)), [AnalysisReason::ClientEngineDisagree], "{service} {others_percent}");
    }
    let idle = totals(&[metrics(0.0, 0.0, 0.1), metrics(0.0, 0.0, 0.1)]);
    let unused = Outcome { journal: SATURATED.run().journal, totals: idle };
    assert_eq!(unused.judged(ms(20_000)), [AnalysisReason::ClientEngineDisagree]);
}

prop_compose! {
    fn queue()(
        interval in 10_u64..60, service in 5_u64..200, path in 0_u64..2, look in 1_u64..300, counts_after in 0.0..1.0_f64,
        ends in 8_u64..25,
    ) -> Queue {
        Queue {
            interval: ms(interval), service: ms(service), path: ms(path), look: ms(look),
            counts_after: Micros::from_ms(look as f64 * counts_after), ends: ms(ends * 1_000), others_percent: 0,
        }
    }
}

proptest! {
    #[test]
    fn no_queue_however_long_makes_client_and_engine_disagree(queue in queue()) {
        let outcome = queue.run();
        let counted = outcome.totals.cross_check(&outcome.journal).unwrap().first_tokens.unwrap();
        prop_assert!(counted.engine_count.abs_diff(counted.client_count) <= counted.unsure_count, "{counted:?}");
        let engine = outcome.totals.view().unwrap().time_to_first_token_ms_mean.unwrap();
        let client = counted.client_ms_mean.unwrap();
        let added = 2.0 * queue.path.ms();
        prop_assert!((client - engine - added).abs() <= 0.1 * engine, "client {client}, engine {engine}, {counted:?}");
        prop_assert_eq!(outcome.judged(queue.ends), []);
    }

    #[test]
    fn a_tenth_and_more_of_others_is_seen_by_an_engine_that_keeps_up(
        others_percent in 12_u64..400, interval in 20_u64..60, ends in 8_u64..25,
    ) {
        let queue = Queue { interval: ms(interval), service: ms(4), ends: ms(ends * 1_000), others_percent, ..SATURATED };
        prop_assert_eq!(queue.run().judged(queue.ends), [AnalysisReason::ClientEngineDisagree]);
    }
}
