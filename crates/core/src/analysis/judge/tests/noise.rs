//! How often noise alone degrades a run, and how often a regression is found: the figures of docs/how-it-judges.md.

use core::f64::consts::TAU;

use crate::{
    analysis::{
        fixture::{at, domain, history_of, nights, run_of, settings},
        history::JudgedRun,
        judge::judge_run,
        measurement::RunMeasurement,
        reason::AnalysisReason,
    },
    prelude::*,
    value::{Verdict, metric::MetricFamily},
};

/// Numbers without a pattern (SplitMix64, Steele, Lea and Flood 2014), the same in every run.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// A latency of 100 ms with log-normal noise (Box and Muller 1958).
    fn latency(&mut self, noise: f64) -> f64 {
        let normal = libm::sqrt(-2.0 * libm::log(self.uniform())) * libm::cos(TAU * self.uniform());
        100.0 * libm::exp(noise * normal)
    }
}

/// Shares of degraded verdicts, in percent: without a change, at +40 % and at +60 %.
fn shares(noise: f64, runs: usize, nights: usize) -> [f64; 3] {
    let mut draws = Draws(u64::try_from(runs).unwrap() * 1_000_003 + noise.to_bits());
    let mut found = [0_usize; 3];
    for _ in 0..nights {
        let history: Vec<f64> = (0..runs).map(|_| draws.latency(noise)).collect();
        let history = history_of(&history);
        let latency = draws.latency(noise);
        for (found, factor) in found.iter_mut().zip([1.0, 1.4, 1.6]) {
            let run = run_of("now", 0, domain(latency * factor, 30.0));
            *found += usize::from(judge_run(&run, &history, &settings()).verdict == Verdict::Degraded);
        }
    }
    found.map(|count| count as f64 / nights as f64 * 100.0)
}

#[test]
fn noise_alone_seldom_degrades_a_run_and_a_regression_is_found_where_noise_permits() {
    // Noise, most false alarms in percent, least share of +60 % found with 7 runs in percent.
    for (noise, false_alarms_max, found_min) in [(0.05, 0.0, 97.0), (0.10, 0.5, 65.0), (0.20, 2.5, 25.0)] {
        for runs in [3, 5, 7] {
            let [none, _, sixty] = shares(noise, runs, 200);
            assert!(none <= false_alarms_max, "noise {noise}, {runs} runs: {none}% false alarms");
            assert!(runs < 7 || sixty >= found_min, "noise {noise}, {runs} runs: {sixty}% of +60% found");
        }
    }
}

/// Prints the table of docs/how-it-judges.md: `cargo test -p phaseloop-core --lib -- --ignored --nocapture
/// error_rates`.
#[test]
#[ignore = "prints a table; takes a minute"]
fn print_error_rates() {
    println!("| noise | runs | false alarms | +40 % found | +60 % found |\n| --- | --- | --- | --- | --- |");
    for noise in [0.05, 0.10, 0.15, 0.20] {
        for runs in [3, 4, 5, 7] {
            let [none, forty, sixty] = shares(noise, runs, 5_000);
            println!("| {:.0} % | {runs} | {none:.2} % | {forty:.0} % | {sixty:.0} % |", noise * 100.0);
        }
    }
}

/// The healthy recorded nights in an order drawn anew, a day apart.
fn shuffled(draws: &mut Draws) -> Vec<RunMeasurement> {
    let mut runs: Vec<(f64, RunMeasurement)> = nights()
        .into_iter()
        .filter(|night| night.label == "healthy")
        .map(|night| (draws.uniform(), night.run))
        .collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    (1_i64..)
        .zip(runs)
        .map(|(night, (_, run))| RunMeasurement {
            started_at: at(night * 24),
            completed_at: at(night * 24) + jiff::SignedDuration::from_mins(30),
            ..run
        })
        .collect()
}

/// A run with every latency multiplied.
fn slower(run: &RunMeasurement, factor: f64) -> RunMeasurement {
    let mut run = run.clone();
    for (metric, summary) in &mut run.domains[0].metrics {
        if metric.family() == MetricFamily::Latency {
            summary.mean *= factor;
            summary.standard_deviation *= factor;
        }
    }
    if let Some(view) = &mut run.domains[0].engine_view {
        view.time_to_first_token_ms_mean = view.time_to_first_token_ms_mean.map(|mean| mean * factor);
        view.end_to_end_latency_ms_mean = view.end_to_end_latency_ms_mean.map(|mean| mean * factor);
    }
    run
}

/// Prints how the recorded healthy nights fare in random order: `... -- --ignored --nocapture recorded_noise`.
#[test]
#[ignore = "prints figures; takes a minute"]
fn print_recorded_noise() {
    let mut draws = Draws(17);
    let factors = [1.0, 1.4, 1.6, 2.0];
    let (mut judged, mut found, mut orders_with_alarm) = (0_usize, [0_usize; 4], 0_usize);
    let orders = 1_000;
    for _ in 0..orders {
        let mut history = Vec::new();
        let mut alarm = false;
        for run in shuffled(&mut draws) {
            let judgement = judge_run(&run, &history, &settings());
            if judgement.reasons[0].reason != AnalysisReason::BaselineSeeding {
                judged += 1;
                alarm |= judgement.verdict == Verdict::Degraded;
                for (found, factor) in found.iter_mut().zip(factors) {
                    let verdict = judge_run(&slower(&run, factor), &history, &settings()).verdict;
                    *found += usize::from(verdict == Verdict::Degraded);
                }
            }
            history.push(JudgedRun::new("t", run, &judgement, false));
        }
        orders_with_alarm += usize::from(alarm);
    }
    let share = |count: usize, whole: usize| count as f64 / whole as f64 * 100.0;
    println!("{judged} nights judged, orders with a false alarm {:.1} %", share(orders_with_alarm, orders));
    for (found, factor) in found.into_iter().zip(factors) {
        println!("latencies x{factor}: {:.2} % degraded", share(found, judged));
    }
}
