//! Queue and batches: what a request waits for and how long its tokens take.

use phaseloop::simulation::engine::{
    Batch, EngineRun, EngineSpec, MeasureWindow, Micros, ProbeFigures, RequestEnd, RequestFailure, RequestOutcome,
    RequestSchedule, RunTerms, measure, run_lives, step_seconds,
};
use phaseloop_core::value::Metric;
use proptest::prelude::*;

use crate::rig::{NO_LIMITS, arriving, between, figures, fixed, load, roomy, run, terms, with, without_chance};

/// An 8B model on an L40S without chance.
fn calm(pairs: &[(&str, &str)]) -> EngineSpec {
    let usual = roomy(&[("gpu-memory-utilization", "0.9"), ("max-model-len", "8192"), ("max-num-seqs", "64")]);
    without_chance(with(&usual, pairs))
}

fn mean(figures: &ProbeFigures, metric: Metric) -> f64 {
    figures.metrics[&metric].mean
}

fn requests(run: &EngineRun) -> &[RequestOutcome] {
    &run.lives[0].served.as_ref().unwrap().requests
}

fn step(spec: &EngineSpec, batch: &Batch) -> Micros {
    Micros::from_seconds(step_seconds(spec, batch))
}

/// Mean time from the send to what is looked for, or to the end of the run where that came first.
fn mean_wait(run: &EngineRun, looked_for: fn(&RequestOutcome) -> Option<Micros>) -> f64 {
    let waits = requests(run).iter().map(|request| {
        let came = looked_for(request).filter(|came| *came <= run.until);
        came.unwrap_or(run.until).since(request.sent_at).ms()
    });
    waits.sum::<f64>() / requests(run).len() as f64
}

/// The same requests, so many times as fast.
fn faster(schedule: &RequestSchedule, times: u64) -> RequestSchedule {
    let mut faster = schedule.clone();
    faster.requests.iter_mut().for_each(|request| request.due = Micros(request.due.0 / times));
    faster
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_whole_answer_takes_its_first_token_and_one_time_per_token_after_it(
        rate in 1_u32..40,
        prompt in 1_i64..600,
        answer in 2_i64..64,
        seed in any::<u64>(),
    ) {
        let spec = roomy(&[("gpu-memory-utilization", "0.9"), ("max-model-len", "8192"), ("max-num-seqs", "32")]);
        let schedule = RequestSchedule::of(&load(40, &rate.to_string(), between(1, prompt), fixed(answer)));
        let (run, figures) = run(&spec, &schedule, seed);
        let (first, each) = (mean(&figures, Metric::TimeToFirstToken), mean(&figures, Metric::TimePerOutputToken));
        let whole = mean(&figures, Metric::EndToEndLatency);
        prop_assert!((first + (answer - 1) as f64 * each - whole).abs() < 1e-6, "{first} {each} {whole}");
        for request in requests(&run) {
            prop_assert_eq!(request.token_times.len(), usize::try_from(answer).unwrap());
            prop_assert!(request.token_times.windows(2).all(|pair| pair[0] < pair[1]), "tokens come one by one");
            prop_assert_eq!(request.token_times.last(), Some(&request.ended_at));
            let admitted = request.admitted_at.unwrap();
            prop_assert!(request.sent_at < admitted && admitted < request.token_times[0]);
        }
    }

    #[test]
    fn every_request_that_fits_is_answered_in_full_and_every_other_is_refused(
        longest in 32_u32..400,
        sequences in 1_u32..24,
        tokens in 64_u32..600,
        seed in any::<u64>(),
    ) {
        let spec = roomy(&[
            ("max-model-len", &longest.to_string()),
            ("max-num-seqs", &sequences.to_string()),
            ("max-num-batched-tokens", &tokens.to_string()),
        ]);
        let schedule = RequestSchedule::of(&load(50, "60", between(1, 300), between(1, 100)));
        let (run, figures) = run(&spec, &schedule, seed);
        for (request, outcome) in schedule.requests.iter().zip(requests(&run)) {
            let fits = request.prompt_tokens + request.output_tokens <= u64::from(longest);
            let (end, answered) = if fits {
                (RequestEnd::Finished, request.output_tokens)
            } else {
                (RequestEnd::Failed(RequestFailure::TooLong), 0)
            };
            prop_assert_eq!((outcome.end, outcome.token_times.len() as u64), (end, answered));
        }
        let counts = figures.requests;
        prop_assert_eq!(counts.completed + counts.failed, 50);
        let counters = run.served()[0].counters;
        prop_assert!(counters.running_max <= u64::from(sequences) && counters.cache_usage_max <= 1.0);
    }

    #[test]
    fn more_load_never_shortens_anything(rate in 1_u32..12, prompt in 16_i64..800, answer in 8_i64..96) {
        let spec = calm(&[]);
        let slow = RequestSchedule::of(&load(60, &rate.to_string(), between(16, prompt), fixed(answer)));
        let (at_ease, pressed) = (run(&spec, &slow, 1).1, run(&spec, &faster(&slow, 4), 1).1);
        // Requests come at other points of a step, so that the wait for its end comes out otherwise.
        let one_step = step(&spec, &Batch { tokens: 1, sequences: 1, ..Batch::default() }).ms();
        for metric in [Metric::TimeToFirstToken, Metric::TimePerOutputToken, Metric::EndToEndLatency] {
            let (at_ease, pressed) = (mean(&at_ease, metric), mean(&pressed, metric));
            let by_chance = if metric == Metric::TimePerOutputToken { one_step / 100.0 } else { one_step / 4.0 };
            prop_assert!(pressed + by_chance >= at_ease, "{metric:?}: {at_ease} -> {pressed}");
        }
    }

    #[test]
    fn fewer_places_mean_a_longer_wait_and_faster_tokens(
        few in 1_u32..16,
        more in 1_u32..16,
        rate in 2_u32..30,
        prompt in 16_i64..400,
    ) {
        let schedule = RequestSchedule::of(&load(60, &rate.to_string(), between(16, prompt), fixed(32)));
        let with_places = |places: u32| run(&calm(&[("max-num-seqs", &places.to_string())]), &schedule, 1).1;
        let (narrow, wide) = (with_places(few), with_places(few + more));
        let waits = |figures: &ProbeFigures| figures.engine_view.queue_time_ms_mean.unwrap();
        prop_assert!(waits(&narrow) >= waits(&wide) * 0.98);
        let (first, each) = (Metric::TimeToFirstToken, Metric::TimePerOutputToken);
        prop_assert!(mean(&narrow, first) >= mean(&wide, first) * 0.95);
        prop_assert!(mean(&narrow, each) <= mean(&wide, each) * 1.02);
    }

    #[test]
    fn nobody_is_preempted_where_the_cache_holds_all_who_may_run(
        sequences in 1_u64..20,
        prompt in 1_i64..300,
        answer in 1_i64..100,
        spare in 1_u64..20,
    ) {
        let longest = u64::try_from(prompt + answer).unwrap();
        let blocks = sequences * longest.div_ceil(16) + spare;
        let spec = calm(&[
            ("max-num-seqs", &sequences.to_string()),
            ("max-model-len", &longest.to_string()),
            ("kv-cache-memory-bytes", &(blocks << 21).to_string()),
        ]);
        let schedule = RequestSchedule::of(&load(40, "200", between(1, prompt), between(1, answer)));
        let (_, figures) = run(&spec, &schedule, 1);
        prop_assert_eq!((figures.engine_view.preemptions, figures.requests.completed), (Some(0.0), 40));
    }
}

#[test]
fn one_request_by_itself_takes_what_the_formula_says_to_the_microsecond() {
    let spec = calm(&[]);
    let (run, _) = run(&spec, &arriving([Micros::ZERO], 2000, 20), 1);
    let request = &requests(&run)[0];
    let path = Micros::from_seconds(spec.card.host.path_seconds);
    let mut now = request.sent_at.plus(path);
    let mut expected = Vec::new();
    for token in 0..20 {
        let batch = if token == 0 {
            Batch { tokens: 2000, sequences: 1, attended: 2000 * 2001 / 2, context_tokens: 2000, arrivals: 1 }
        } else {
            Batch { tokens: 1, sequences: 1, attended: 2000 + token, context_tokens: 2000 + token, arrivals: 0 }
        };
        now = now.plus(step(&spec, &batch));
        expected.push(now.plus(path));
    }
    assert_eq!(request.token_times, expected);
    // 16.06 GB of weights and 128 KiB a token, at 80 % of 864 GB/s; the rest is the host's.
    let by_hand = (16.06e9 + 119.0 * 131_072.0) / (0.8 * 864e9) + 0.002 + 0.000_012;
    let batch = Batch { tokens: 1, sequences: 1, attended: 119, context_tokens: 119, arrivals: 0 };
    assert!((step_seconds(&spec, &batch) - by_hand).abs() < 1e-9);
    // 2 operations per parameter and token and 4 per layer, head element and pair, at 55 % of 362 TFLOPS.
    let batch = Batch { tokens: 2000, sequences: 1, attended: 2_001_000, context_tokens: 2000, arrivals: 0 };
    let by_hand = (2.0 * 8.03e9 * 2000.0 + 4.0 * 32.0 * 4096.0 * 2_001_000.0) / (0.55 * 362e12) + 0.002 + 0.000_012;
    assert!((step_seconds(&spec, &batch) - by_hand).abs() < 1e-9);
}

#[test]
fn behind_one_place_requests_queue_from_the_instant_at_which_they_come_faster_than_they_are_served() {
    let spec = calm(&[("max-num-seqs", "1")]);
    let alone = run(&spec, &arriving([Micros::ZERO], 64, 32), 1).0;
    let request = &requests(&alone)[0];
    let path = Micros::from_seconds(spec.card.host.path_seconds);
    let service = request.ended_at.since(request.sent_at).since(path).since(path);
    let first_token = request.token_times[0].since(request.sent_at);
    for (interval, wait_grows_by) in [
        (service.plus(Micros(1)), 0),
        (service, 0),
        (Micros(service.0 - 1_000), 1_000),
        (Micros(service.0 / 2), service.0 - service.0 / 2),
    ] {
        let schedule = arriving((0..50).map(|place| Micros(place * interval.0)), 64, 32);
        let (run, _) = run(&spec, &schedule, 1);
        for (place, request) in (0_u64..).zip(requests(&run)) {
            let waited = request.token_times[0].since(request.sent_at).since(first_token);
            assert_eq!(waited, Micros(place * wait_grows_by), "request {place}, one every {interval:?}");
        }
    }
}

#[test]
fn of_a_saturated_engine_the_wait_of_those_that_were_cut_off_is_in_a_lower_bound() {
    let spec = calm(&[("max-num-seqs", "1")]);
    let alone = run(&spec, &arriving([Micros::ZERO], 64, 32), 1).0;
    let service = requests(&alone)[0].ended_at.since(requests(&alone)[0].sent_at);
    // Twice as many as can be served, until the last has been sent.
    let schedule = arriving((0..40).map(|place| Micros(place * service.0 / 2)), 64, 32);
    let terms = RunTerms { lasting: schedule.last_due().plus(Micros(100_000)), ..terms(1) };
    let run = run_lives(&spec, &schedule, &terms);
    let figures = figures(&schedule, &run, &terms);
    let counts = figures.requests;
    assert_eq!(counts.offered, 40);
    assert!((15..25).contains(&counts.failed), "{counts:?}");
    let by_hand = [
        mean_wait(&run, |request| request.token_times.first().copied()),
        mean_wait(&run, |request| (request.end == RequestEnd::Finished).then_some(request.ended_at)),
    ];
    for (metric, by_hand) in [Metric::TimeToFirstToken, Metric::EndToEndLatency].into_iter().zip(by_hand) {
        let bound = figures.latency_bounds[&metric];
        assert_eq!(bound.count, 40, "{metric}");
        assert!((bound.ms_mean - by_hand).abs() < 1e-6, "{metric}: {bound:?}, {by_hand} by hand");
        assert!((1..=counts.failed).contains(&bound.cut_off_count), "{metric}: {bound:?}");
    }
    assert_eq!(figures.latency_bounds[&Metric::EndToEndLatency].cut_off_count, counts.failed);
}

#[test]
fn a_prompt_longer_than_a_step_takes_as_many_steps_as_it_needs() {
    for (tokens, steps) in [("100", 10), ("250", 4), ("999", 2), ("1000", 1), ("8192", 1)] {
        let spec = calm(&[("max-num-batched-tokens", tokens), ("max-num-seqs", "8")]);
        let (run, _) = run(&spec, &arriving([Micros::ZERO], 1000, 1), 1);
        assert_eq!(run.served()[0].counters.steps, steps, "{tokens}");
    }
}

#[test]
fn a_long_prompt_holds_up_the_answers_in_progress_and_smaller_steps_hold_them_up_less() {
    let longest_gap = |tokens| {
        let spec = calm(&[("max-num-batched-tokens", tokens), ("max-num-seqs", "8")]);
        let mut schedule = arriving([Micros::ZERO, Micros(200_000)], 32, 64);
        schedule.requests[1].prompt_tokens = 6000;
        let (run, figures) = run(&spec, &schedule, 1);
        (figures.inter_token_latency.unwrap().maximum, requests(&run)[1].token_times[0])
    };
    let ((small_gap, small_first), (large_gap, large_first)) = (longest_gap("512"), longest_gap("8192"));
    assert!(large_gap > 4.0 * small_gap, "{large_gap} {small_gap}");
    assert!(large_first < small_first, "the prompt itself is read faster at once");
}

#[test]
fn a_cache_that_two_answers_outgrow_puts_the_later_one_back_and_both_are_answered() {
    // Prompts of 10 blocks, answers of 20: both are admitted, and both together need 60.
    let with_blocks = |blocks: u64| {
        let bytes = (blocks << 21).to_string();
        let spec = calm(&[("kv-cache-memory-bytes", &bytes), ("max-model-len", "512")]);
        run(&spec, &arriving([Micros::ZERO, Micros::ZERO], 160, 320), 1)
    };
    let ((starved, figures), (roomy, of_roomy)) = (with_blocks(41), with_blocks(60));
    assert_eq!((figures.requests.completed, of_roomy.requests.completed), (2, 2));
    assert_eq!(of_roomy.engine_view.preemptions, Some(0.0));
    let put_back: Vec<u64> = requests(&starved).iter().map(|request| request.preemptions).collect();
    assert_eq!(put_back, [0, 1], "the one that was admitted last");
    assert!(starved.served()[0].counters.cache_usage_max >= 1.0, "the cache was full");
    let ends = |run: &EngineRun| requests(run).iter().map(|request| request.ended_at).collect::<Vec<_>>();
    assert!(ends(&starved)[0] < ends(&roomy)[0], "the first has the card for itself for a while");
    assert!(ends(&starved)[1] > ends(&roomy)[1]);
    let computed_again = requests(&starved)[1].token_times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap();
    assert!(computed_again > Micros(1_000_000), "it waits until the first is done: {computed_again:?}");
}

#[test]
fn a_beginning_that_all_prompts_share_is_computed_once() {
    let run_with = |caching| {
        let mut workload = load(30, "4", fixed(32), fixed(16));
        workload.shared_prefix_tokens = 2000;
        run(&calm(&[("enable-prefix-caching", caching)]), &RequestSchedule::of(&workload), 1)
    };
    let ((cached, with), (anew, without)) = (run_with("true"), run_with("false"));
    let first = |figures: &ProbeFigures| mean(figures, Metric::TimeToFirstToken);
    assert!(first(&without) > 4.0 * first(&with), "{} {}", first(&without), first(&with));
    let first_of_all = |run: &EngineRun| requests(run)[0].token_times[0];
    assert_eq!(first_of_all(&cached), first_of_all(&anew), "somebody has to compute it");
    assert!(cached.served()[0].counters.cache_usage_max < anew.served()[0].counters.cache_usage_max);
}

#[test]
fn a_request_that_comes_costs_the_step_loop_even_where_it_has_to_wait() {
    let mut spec = calm(&[("max-num-seqs", "1")]);
    let answered_at = |spec: &EngineSpec, others: u64| {
        let due = core::iter::once(Micros::ZERO).chain((0..others).map(|place| Micros(50_000 + place)));
        requests(&run(spec, &arriving(due, 64, 32), 1).0)[0].ended_at
    };
    assert_eq!(answered_at(&spec, 0), answered_at(&spec, 5), "a server with processors of its own for it");
    spec.card.host.arrival_seconds = 0.003;
    let (alone, disturbed) = (answered_at(&spec, 0), answered_at(&spec, 5));
    assert!(disturbed.since(alone).0.abs_diff(15_000) <= 2, "five times 3 ms: {alone:?} {disturbed:?}");
}

#[test]
fn a_closed_loop_has_never_more_in_flight_than_it_may() {
    let mut workload = load(60, "1", between(16, 400), between(4, 64));
    workload.arrival.rate = None;
    workload.arrival.concurrency = Some(7);
    let (run, figures) = run(&calm(&[]), &RequestSchedule::of(&workload), 1);
    assert_eq!(figures.requests.completed, 60);
    for request in requests(&run) {
        let at = request.sent_at;
        let in_flight = requests(&run).iter().filter(|other| other.sent_at <= at && at < other.ended_at).count();
        assert!(in_flight <= 7, "{in_flight} at {at:?}");
    }
}

#[test]
fn a_closed_loop_with_a_warm_up_counts_what_had_its_turn_after_it() {
    let mut workload = load(60, "1", fixed(64), fixed(32));
    workload.arrival.rate = None;
    workload.arrival.concurrency = Some(3);
    let (schedule, terms) = (RequestSchedule::of(&workload), terms(1));
    let run = run_lives(&calm(&[]), &schedule, &terms);
    let ends: Vec<Micros> = requests(&run).iter().map(|request| request.ended_at).collect();
    let (from, until) = (ends[20], ends[40]);
    let figures = measure(&schedule, &run, &terms.client, &NO_LIMITS, MeasureWindow { from, until });
    let due = requests(&run).iter().filter(|request| (from..until).contains(&request.sent_at)).count();
    assert!((18..=24).contains(&due), "{due}: one turn for each answer");
    assert_eq!((figures.requests.offered, figures.requests.completed), (due as u64, due as u64));
}
