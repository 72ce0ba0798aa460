#![allow(clippy::float_cmp, reason = "the tests expect exact figures")]

use super::*;
use crate::probe::load::fixture::workload;

const BEGINNING: Micros = Micros(1_000_000);

fn ms(milliseconds: u64) -> Micros {
    Micros(milliseconds * 1_000)
}

/// Requests that are due each 100 ms from the beginning of the load on, of which those of the second after the first 200 ms
/// count.
fn journal(requests: usize, mode: ArrivalMode) -> Journal {
    let mut schedule = RequestSchedule::of(&workload(i64::try_from(requests).unwrap(), "10", 5, 5));
    schedule.mode = mode;
    for (index, request) in schedule.requests.iter_mut().enumerate() {
        request.due = ms(100 * index as u64);
    }
    let window = Window { from: BEGINNING.plus(ms(200)), until: BEGINNING.plus(ms(1_200)) };
    Journal::new(&schedule, BEGINNING, window)
}

fn open(requests: usize) -> Journal {
    journal(requests, ArrivalMode::Open { interval_ms_mean: 100.0 })
}

/// Sends a request `delay` after it is due, and answers it with its first text 10 ms and its last 50 ms after the send.
fn answer(journal: &mut Journal, index: usize, delay: u64, tokens: Option<u64>) {
    let due = journal.due(index).unwrap();
    let sent_at = due.plus(ms(delay));
    journal.sent(index, due, sent_at);
    let answer = Answer { first: sent_at.plus(ms(10)), last: sent_at.plus(ms(50)), tokens };
    journal.answered(index, answer, &[ms(15), ms(25)]);
}

fn no_limits() -> LatencyLimits {
    LatencyLimits::default()
}

const LATE: Micros = Micros(60_000_000);

#[test]
fn latencies_run_from_the_real_send_and_the_delay_is_told_beside_them() {
    let mut journal = open(4);
    answer(&mut journal, 2, 4, Some(5));
    answer(&mut journal, 3, 0, Some(5));
    let figures = journal.figures(LATE, &no_limits()).unwrap();
    assert_eq!(figures.metrics[&Metric::TimeToFirstToken].mean, 10.0);
    assert_eq!(figures.metrics[&Metric::EndToEndLatency].mean, 50.0);
    assert_eq!(figures.metrics[&Metric::TimePerOutputToken].mean, 10.0, "40 ms after the first of 5 tokens");
    let client = figures.client.unwrap();
    assert_eq!((client.schedule_delay_ms_mean, client.arrival_interval_ms_mean), (2.0, Some(100.0)));
    // From the end of the warm-up to the last answer: 150 ms.
    assert!((figures.metrics[&Metric::Throughput].mean - 2.0 / 0.15).abs() < 1e-9);
    assert!((figures.metrics[&Metric::OutputTokenThroughput].mean - 10.0 / 0.15).abs() < 1e-9);
    assert_eq!(figures.inter_token_latency.unwrap().count, 4);
}

#[test]
fn the_warm_up_and_what_is_due_too_late_do_not_count() {
    let mut journal = open(16);
    for index in 0..16 {
        answer(&mut journal, index, 0, Some(5));
    }
    let figures = journal.figures(LATE, &no_limits()).unwrap();
    assert_eq!((figures.requests.offered, figures.requests.completed), (10, 10), "those due from 200 to 1,200 ms");
    assert_eq!(figures.inter_token_latency.unwrap().count, 20);
    assert_eq!(journal.finished(), 16);
}

#[test]
fn what_failed_was_cut_off_or_never_sent_is_told_apart_and_meets_nothing() {
    let mut journal = open(8);
    answer(&mut journal, 2, 0, Some(5));
    let sent =
        |journal: &mut Journal, index| journal.sent(index, journal.due(index).unwrap(), journal.due(index).unwrap());
    sent(&mut journal, 3);
    journal.failed(3, "http 500".to_owned(), None);
    sent(&mut journal, 4);
    let figures = journal.figures(LATE, &no_limits()).unwrap();
    let RequestCounts { offered, completed, failed, .. } = figures.requests;
    assert_eq!((offered, completed, failed), (6, 1, 2), "one failed, one cut off, three never sent");
    assert_eq!(figures.met, [true, false, false, false, false, false]);
    assert_eq!(journal.failures().as_deref(), Some("failed: 1 x http 500"));
}

#[test]
fn who_was_cut_off_had_waited_from_the_real_send_to_the_end_and_is_in_a_lower_bound() {
    let mut journal = open(8);
    answer(&mut journal, 2, 0, Some(5));
    let send_late = |journal: &mut Journal, index, late| {
        let due = journal.due(index).unwrap();
        journal.sent(index, due, due.plus(ms(late)));
    };
    // Sent at 304 ms, and without any text; sent at 400 ms, with its first text at 430 ms.
    send_late(&mut journal, 3, 4);
    send_late(&mut journal, 4, 0);
    journal.first_text(4, BEGINNING.plus(ms(430)));
    // Broken off with its first text; refused; never sent.
    send_late(&mut journal, 5, 0);
    journal.first_text(5, BEGINNING.plus(ms(510)));
    journal.failed(5, "cut off".to_owned(), Some(BEGINNING.plus(ms(600))));
    send_late(&mut journal, 6, 0);
    journal.failed(6, "http 503".to_owned(), None);
    let figures = journal.figures(BEGINNING.plus(ms(1_000)), &no_limits()).unwrap();
    let close = |figure: f64, expected: f64| assert!((figure - expected).abs() < 1e-9, "{figure} {expected}");
    let first = figures.latency_bounds[&Metric::TimeToFirstToken];
    assert_eq!((first.count, first.cut_off_count), (3, 1));
    close(first.ms_mean, (10.0 + 30.0 + 696.0) / 3.0);
    let whole = figures.latency_bounds[&Metric::EndToEndLatency];
    assert_eq!((whole.count, whole.cut_off_count), (3, 2));
    let mean = (50.0 + 696.0 + 600.0) / 3.0;
    close(whole.ms_mean, mean);
    let squares: f64 = [50.0_f64, 696.0, 600.0].iter().map(|waited| (waited - mean).powi(2)).sum();
    close(whole.ms_standard_deviation, (squares / 2.0).sqrt());
    assert_eq!(figures.metrics[&Metric::EndToEndLatency].mean, 50.0, "it is in no latency");
    assert_eq!(figures.latency_bounds.len(), 2);
}

#[test]
fn where_nobody_was_cut_off_there_is_no_lower_bound() {
    let mut journal = open(8);
    answer(&mut journal, 2, 0, Some(5));
    let due = journal.due(3).unwrap();
    journal.sent(3, due, due);
    journal.failed(3, "http 503".to_owned(), None);
    // In flight as well, but due before the measurement.
    let due = journal.due(1).unwrap();
    journal.sent(1, due, due);
    let figures = journal.figures(LATE, &no_limits()).unwrap();
    assert_eq!((figures.requests.failed, figures.latency_bounds.len()), (1, 0));
}

#[test]
fn each_limit_decides_by_the_place_in_the_schedule() {
    let mut journal = open(4);
    answer(&mut journal, 2, 0, Some(5));
    answer(&mut journal, 3, 0, Some(3));
    let limits = |first, per_token, whole| LatencyLimits {
        time_to_first_token_ms: first,
        time_per_output_token_ms: per_token,
        end_to_end_latency_ms: whole,
    };
    for (limits, met) in [
        (limits(Some(10.0), None, None), [true, true]),
        (limits(Some(9.9), None, None), [false, false]),
        (limits(None, Some(10.0), None), [true, false]),
        (limits(None, None, Some(50.0)), [true, true]),
        (limits(None, None, Some(49.9)), [false, false]),
    ] {
        assert_eq!(journal.figures(LATE, &limits).unwrap().met, met, "{limits:?}");
    }
}

#[test]
fn a_load_that_ended_early_counts_what_was_due_by_then() {
    let mut journal = open(8);
    answer(&mut journal, 2, 0, Some(5));
    let figures = journal.figures(BEGINNING.plus(ms(301)), &no_limits()).unwrap();
    assert_eq!(figures.requests.offered, 2);
    assert_eq!(journal.figures(BEGINNING.plus(ms(200)), &no_limits()), None, "the warm-up had just ended");
}

#[test]
fn in_a_closed_loop_what_had_its_turn_counts() {
    let mut journal = journal(8, ArrivalMode::Closed { concurrency: 2 });
    let at = BEGINNING.plus(ms(300));
    journal.sent(5, at, at);
    journal.answered(5, Answer { first: at.plus(ms(1)), last: at.plus(ms(2)), tokens: Some(1) }, &[]);
    let figures = journal.figures(LATE, &no_limits()).unwrap();
    assert_eq!((figures.requests.offered, figures.requests.completed), (1, 1));
    assert!(!figures.metrics.contains_key(&Metric::TimePerOutputToken), "of one token there is none");
    assert_eq!(figures.client.unwrap().arrival_interval_ms_mean, None);
}

#[test]
fn tokens_that_one_answer_did_not_tell_make_no_throughput_of_tokens() {
    for order in [[Some(5), None], [None, Some(5)]] {
        let mut journal = open(4);
        answer(&mut journal, 2, 0, order[0]);
        answer(&mut journal, 3, 0, order[1]);
        let figures = journal.figures(LATE, &no_limits()).unwrap();
        assert!(figures.metrics.contains_key(&Metric::Throughput));
        assert!(!figures.metrics.contains_key(&Metric::OutputTokenThroughput), "{order:?}");
        assert_eq!(figures.metrics[&Metric::TimePerOutputToken].count, 1);
    }
}

#[test]
fn the_most_frequent_failures_are_told_first() {
    let mut journal = open(60);
    for index in 0..60 {
        let why = if index % 2 == 0 { "cut off".to_owned() } else { format!("http {index}") };
        journal.failed(index, why, None);
    }
    let told = journal.failures().unwrap();
    assert!(told.starts_with("failed: 30 x cut off, 15 x another failure, 1 x http "), "{told}");
}
