//! Prints the figures that `docs/performance.md` quotes: `cargo bench --bench foundation`.
//!
//! Each figure is the median of several runs of one process, on whatever machine this is; compare figures of one run.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(missing_docs, reason = "a program, not an interface")]

use std::{
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use phaseloop::replay::ReplaySettings;
use phaseloop_core::{
    analysis::{
        history::JudgedRun,
        judge::judge_run,
        judgement::TemplateHashes,
        measurement::RunMeasurement,
        report::{ReportReader, ReportSettings, synthetic::synthetic_report},
    },
    cycle::{CycleFacts, decide_cycle},
    policy::{Ledger, TargetClaims},
    value::{Environment, RunFacts, Uid},
};

/// Rows of the report: what the design allows ten seconds for.
const REPORT_ROWS: u64 = 100_000;
/// Kept runs: a full history.
const HISTORY_RUNS: u32 = 32;
/// Runs of each measurement.
const REPETITIONS: usize = 15;
/// What the shell reads at a time.
const CHUNK_BYTES: usize = 64 * 1024;

fn main() {
    let report = synthetic_report(1, REPORT_ROWS);
    let resident_before = peak_memory_kib();
    let took = median(REPETITIONS, || drop(black_box(run_from_report(&report, 0))));
    let rows_per_second = REPORT_ROWS as f64 / took.as_secs_f64();
    println!("read and judge a report of {REPORT_ROWS} rows: {:.1} ms, {rows_per_second:.0} rows/s", ms(took));
    println!(
        "  report {:.1} MB; peak memory before {} MiB, after {} MiB",
        report.len() as f64 / 1e6,
        mib(resident_before),
        mib(peak_memory_kib())
    );

    let history = history(&report);
    let newest = run_from_report(&report, HISTORY_RUNS);
    let Ok(settings) = ReplaySettings::defaults() else { return };
    let judge = median(REPETITIONS * 20, || drop(black_box(judge_run(&newest, &history, &settings.analysis))));
    println!("judge a run against {HISTORY_RUNS} runs: {:.0} µs", us(judge));

    let runs: Vec<RunFacts> = history
        .iter()
        .map(|judged| {
            let judgement = judge_run(&judged.measurement, &[], &settings.analysis);
            judgement.to_run_facts(&judged.measurement, true, TemplateHashes::default())
        })
        .collect();
    let (ledger, claims, environment) = (Ledger::default(), TargetClaims::default(), Environment::default());
    let facts = CycleFacts {
        runs: &runs,
        flags_before: &[],
        ledger: &ledger,
        canaries: &[],
        claims: &claims,
        suspension: None,
        environment: &environment,
        healthy: None,
        denied: &[],
        engine_starts: &[],
        current: None,
    };
    let decide =
        median(REPETITIONS * 20, || drop(black_box(decide_cycle(&settings.policy, &facts, newest.completed_at))));
    println!("decide a cycle (counts, flags, gates) with {HISTORY_RUNS} runs: {:.0} µs", us(decide));

    let binary = Path::new(env!("CARGO_BIN_EXE_phaseloop"));
    if let Ok(binary) = fs::metadata(binary) {
        println!("binary: {:.1} MB", binary.len() as f64 / 1e6);
    }
}

/// Reads a report in the shell's pieces, as night `night`.
fn run_from_report(report: &[u8], night: u32) -> RunMeasurement {
    let mut reader = ReportReader::new(ReportSettings::default());
    for chunk in report.chunks(CHUNK_BYTES) {
        reader.push(chunk);
    }
    let started_at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * i64::from(night));
    RunMeasurement {
        uid: Uid::new(format!("run-{night}")),
        name: format!("run-{night}"),
        started_at,
        completed_at: started_at + SignedDuration::from_mins(20),
        environment: Environment::default(),
        domains: reader.finish().measurements(),
    }
}

fn history(report: &[u8]) -> Vec<JudgedRun> {
    let settings = phaseloop_core::analysis::settings::AnalysisSettings::default();
    let mut history = Vec::new();
    for night in 0..HISTORY_RUNS {
        let run = run_from_report(report, night);
        let judgement = judge_run(&run, &history, &settings);
        history.push(JudgedRun::new(settings.target.clone(), run, &judgement, false));
    }
    history
}

fn median(repetitions: usize, mut measured: impl FnMut()) -> Duration {
    measured();
    let mut took: Vec<Duration> = (0..repetitions)
        .map(|_| {
            let began = Instant::now();
            measured();
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took.get(repetitions / 2).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn mib(kib: Option<u64>) -> String {
    kib.map_or_else(|| "unknown".to_owned(), |kib| (kib / 1024).to_string())
}

/// The most memory this process ever held, from the kernel; absent on other systems than Linux.
fn peak_memory_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}
