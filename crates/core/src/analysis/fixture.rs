//! Measurements for tests: made by hand, and those of the 17 recorded nights.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    history::JudgedRun,
    judge::judge_run,
    judgement::{Admission, RunJudgement},
    measurement::{
        ClientPace, DomainMeasurement, EngineFailure, EngineFailureClass, EngineOutcome, EngineView, MeasurementSource,
        MemoryFault, RequestCounts, RunMeasurement,
    },
    sample::SampleSummary,
    settings::AnalysisSettings,
};
use crate::{
    prelude::*,
    value::{Environment, Metric, Uid, Verdict},
};

/// Start of night 0; night k starts k days later.
pub(crate) fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000 + hours)
}

/// A latency of 300 samples that scatter by a third.
pub(crate) fn latency(mean: f64) -> SampleSummary {
    SampleSummary {
        count: 300,
        standard_deviation: mean / 3.0,
        p95: mean * 2.0,
        p99: mean * 3.0,
        ..SampleSummary::of_single_figure(mean)
    }
}

/// A domain of 300 requests in which the engine confirms what the client saw.
pub(crate) fn domain(end_to_end_ms: f64, throughput: f64) -> DomainMeasurement {
    DomainMeasurement {
        name: "chat".to_owned(),
        workload_hash: "w".to_owned(),
        weight: 1.0,
        source: MeasurementSource::Serving,
        requests: RequestCounts { offered: 300, completed: 300, ..RequestCounts::default() },
        metrics: [
            (Metric::EndToEndLatency, latency(end_to_end_ms)),
            (Metric::Throughput, SampleSummary::of_single_figure(throughput)),
        ]
        .into_iter()
        .collect(),
        latency_bounds: BTreeMap::new(),
        engine: EngineOutcome { became_ready: Some(true), ..EngineOutcome::default() },
        engine_view: Some(EngineView {
            end_to_end_latency_ms_mean: Some(end_to_end_ms * 0.95),
            ..EngineView::default()
        }),
        cross_check: None,
        client: Some(ClientPace {
            schedule_delay_ms_mean: 0.1,
            schedule_delay_ms_p99: 1.0,
            arrival_interval_ms_mean: Some(33.3),
        }),
        within_slo: None,
        notes: Vec::new(),
    }
}

/// A run of one domain that starts at an hour and lasts half of one.
pub(crate) fn run_of(name: &str, hour: i64, domain: DomainMeasurement) -> RunMeasurement {
    RunMeasurement {
        uid: Uid::new(name),
        name: name.to_owned(),
        started_at: at(hour),
        completed_at: at(hour) + SignedDuration::from_mins(30),
        environment: Environment { model: Some("tiny".to_owned()), ..Environment::default() },
        domains: vec![domain],
    }
}

/// A healthy run of the history.
pub(crate) fn admitted(name: &str, hour: i64, domain: DomainMeasurement) -> JudgedRun {
    JudgedRun {
        target: "t".to_owned(),
        measurement: run_of(name, hour, domain),
        verdict: Verdict::Healthy,
        admission: Admission::Admitted,
        under_unvalidated_promotion: false,
    }
}

/// One admitted run a night with these end-to-end latencies, oldest first; the last one ran the night before hour 0.
pub(crate) fn history_of(latencies: &[f64]) -> Vec<JudgedRun> {
    let nights = i64::try_from(latencies.len()).unwrap();
    (0..nights)
        .zip(latencies)
        .map(|(night, latency)| admitted(&format!("h{night}"), (night - nights) * 24, domain(*latency, 30.0)))
        .collect()
}

pub(crate) fn settings() -> AnalysisSettings {
    AnalysisSettings::for_target("t")
}

pub(crate) fn failure(class: EngineFailureClass, memory: Option<MemoryFault>) -> EngineFailure {
    EngineFailure { class, memory, exit_code: Some(1), message: "the last line".to_owned() }
}

/// A recorded night with what was done to it.
pub(crate) struct Night {
    pub(crate) label: String,
    pub(crate) run: RunMeasurement,
}

/// The 17 recorded nights, summed up, with every latency (the client's and the engine's) multiplied by `factor`, and
/// the client's delays behind its schedule by `delay_factor`.
pub(crate) fn scaled_nights(factor: f64, delay_factor: f64) -> Vec<Night> {
    let nights: Vec<Value> = serde_json::from_str(include_str!("judge/nights.json")).unwrap();
    nights
        .iter()
        .map(|night| {
            let mut night = read_night(night, factor);
            if let Some(pace) = &mut night.run.domains[0].client {
                pace.schedule_delay_ms_mean *= delay_factor;
                pace.schedule_delay_ms_p99 *= delay_factor;
            }
            night
        })
        .collect()
}

/// The nights as they were recorded.
pub(crate) fn nights() -> Vec<Night> {
    scaled_nights(1.0, 1.0)
}

/// Judges nights one after the other, each against those before it.
pub(crate) fn judge_all(runs: &[RunMeasurement], settings: &AnalysisSettings) -> Vec<RunJudgement> {
    let mut history = Vec::new();
    let mut judgements = Vec::new();
    for run in runs {
        let judgement = judge_run(run, &history, settings);
        history.push(JudgedRun::new(settings.target.clone(), run.clone(), &judgement, false));
        judgements.push(judgement);
    }
    judgements
}

fn read_night(night: &Value, factor: f64) -> Night {
    let number = night["night"].as_i64().unwrap();
    let measured = night.get("engine").is_some();
    let mut domain = DomainMeasurement { name: "serving".to_owned(), ..domain(1.0, 1.0) };
    if measured {
        read_measured(night, factor, &mut domain);
    } else {
        domain.requests = RequestCounts { offered: 300, ..RequestCounts::default() };
        domain.metrics = BTreeMap::new();
        domain.engine_view = None;
        domain.client = None;
        domain.engine = EngineOutcome {
            failures: vec![failure(EngineFailureClass::StartRefusedForMemory, Some(MemoryFault::Starved))],
            became_ready: Some(false),
            ..EngineOutcome::default()
        };
    }
    let mut run = run_of(&format!("night{number:02}"), number * 24, domain);
    run.environment.engine_version = measured.then(|| "vllm 0.32.0".to_owned());
    run.environment.model = measured.then(|| "tiny".to_owned());
    run.environment.configuration = serde_json::from_value(night["configuration"].clone()).unwrap();
    Night { label: night["label"].as_str().unwrap().to_owned(), run }
}

fn read_measured(night: &Value, factor: f64, domain: &mut DomainMeasurement) {
    let latency = |name: &str| {
        let summary: SampleSummary = serde_json::from_value(night[name].clone()).unwrap();
        SampleSummary {
            count: summary.count,
            mean: summary.mean * factor,
            standard_deviation: summary.standard_deviation * factor,
            median: summary.median * factor,
            median_absolute_deviation: summary.median_absolute_deviation * factor,
            minimum: summary.minimum * factor,
            maximum: summary.maximum * factor,
            p90: summary.p90 * factor,
            p95: summary.p95 * factor,
            p99: summary.p99 * factor,
        }
    };
    let rate = |name: &str| SampleSummary::of_single_figure(night[name].as_f64().unwrap());
    domain.metrics = [
        (Metric::TimeToFirstToken, latency("timeToFirstToken")),
        (Metric::TimePerOutputToken, latency("timePerOutputToken")),
        (Metric::EndToEndLatency, latency("endToEndLatency")),
        (Metric::Throughput, rate("throughput")),
        (Metric::OutputTokenThroughput, rate("outputTokenThroughput")),
    ]
    .into_iter()
    .collect();
    domain.requests.completed = night["completed"].as_u64().unwrap();
    domain.requests.failed = night["failed"].as_u64().unwrap();
    let engine = |name: &str| night["engine"][name].as_f64().map(|mean| mean * factor);
    domain.engine_view = Some(EngineView {
        time_to_first_token_ms_mean: engine("timeToFirstToken"),
        inter_token_latency_ms_mean: engine("interTokenLatency"),
        end_to_end_latency_ms_mean: engine("endToEndLatency"),
        queue_time_ms_mean: engine("queueTime"),
        preemptions: night["engine"]["preemptions"].as_f64(),
        kv_cache_usage_max: None,
    });
    let delay = |name: &str| night["scheduleDelay"][name].as_f64().unwrap();
    domain.client = Some(ClientPace {
        schedule_delay_ms_mean: delay("mean"),
        schedule_delay_ms_p99: delay("p99"),
        arrival_interval_ms_mean: Some(1000.0 / 30.0),
    });
}
