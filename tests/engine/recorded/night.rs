//! One recorded night, and the same night served by the model.

use phaseloop::simulation::engine::{EngineSpec, GpuState, Micros, RequestSchedule, RunTerms, run_lives};
use phaseloop_core::value::Metric;
use serde_json::Value;

use super::{
    file,
    machine::{Constants, machine_with},
};
use crate::rig::{arriving, figures, terms};

/// What is compared, means unless said otherwise; milliseconds, but for the throughput.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Figures {
    /// TTFT of the client.
    pub(crate) first_token: f64,
    /// TTFT of the engine.
    pub(crate) first_token_in_engine: f64,
    /// Time per output token of the client.
    pub(crate) per_token: f64,
    /// Its 90th percentile over requests.
    pub(crate) per_token_p90: f64,
    /// End-to-end latency of the client.
    pub(crate) whole: f64,
    /// Its 99th percentile over requests.
    pub(crate) whole_p99: f64,
    /// Median of all times between two tokens.
    pub(crate) gap_median: f64,
    /// 95th percentile of these.
    pub(crate) gap_p95: f64,
    /// Time that a request waited to be admitted, as the engine says.
    pub(crate) queue: f64,
    /// Completed requests per second.
    pub(crate) throughput: f64,
}

/// One night of `vllm bench serve` against a real engine.
#[derive(Debug, Clone)]
pub(crate) struct RecordedNight {
    /// Its number.
    pub(crate) number: u32,
    /// What was done to it.
    pub(crate) label: String,
    /// Requests of a step.
    pub(crate) sequences: String,
    /// What was recorded.
    pub(crate) figures: Figures,
    /// When each request was sent, from the first on.
    sent: Vec<Micros>,
    prompt_tokens: u64,
    output_tokens: u64,
}

fn number(object: &Value, name: &str) -> f64 {
    object[name].as_f64().unwrap_or_else(|| panic!("{name}: {}", object[name]))
}

impl RecordedNight {
    /// Reads a night; nothing where its engine refused to start.
    pub(crate) fn read(number_of_night: u32, label: &str) -> Option<Self> {
        let read = |kind: &str| {
            let text = file(&format!("examples/recorded-nights/night{number_of_night:02}.{kind}.json"));
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let engine = read("engine");
        engine["ready_seconds"].as_f64()?;
        let bench = read("bench");
        let arguments: Vec<&str> =
            engine["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()).collect();
        let place = arguments.iter().position(|argument| *argument == "--max-num-seqs").unwrap();
        let mut sent: Vec<f64> =
            bench["start_times"].as_array().unwrap().iter().map(|at| at.as_f64().unwrap()).collect();
        sent.sort_by(f64::total_cmp);
        let requests = number(&bench, "completed");
        let (of_bench, of_engine) = (|name| number(&bench, name), |name| number(&engine, name));
        Some(Self {
            number: number_of_night,
            label: label.to_owned(),
            sequences: arguments[place + 1].to_owned(),
            figures: Figures {
                first_token: of_bench("mean_ttft_ms"),
                first_token_in_engine: of_engine("server_time_to_first_token_mean_ms"),
                per_token: of_bench("mean_tpot_ms"),
                per_token_p90: of_bench("p90_tpot_ms"),
                whole: of_bench("mean_e2el_ms"),
                whole_p99: of_bench("p99_e2el_ms"),
                gap_median: of_bench("median_itl_ms"),
                gap_p95: of_bench("p95_itl_ms"),
                queue: of_engine("server_request_queue_time_mean_ms"),
                throughput: of_bench("request_throughput"),
            },
            prompt_tokens: whole(number(&bench, "total_input_tokens") / requests),
            output_tokens: whole(number(&bench, "total_output_tokens") / requests),
            sent: sent.iter().map(|at| Micros::from_seconds(at - sent[0])).collect(),
        })
    }

    /// The night's engine in the model.
    fn engine(&self, constants: &Constants) -> EngineSpec {
        machine_with(constants, &[("max-num-seqs", &self.sequences)])
    }

    /// The night's requests at the very times at which they were sent.
    fn schedule(&self) -> RequestSchedule {
        arriving(self.sent.iter().copied(), self.prompt_tokens, self.output_tokens)
    }

    /// The same night served by the model, with steps that take so many times as long, by the mean of these seeds.
    pub(crate) fn modelled(&self, constants: &Constants, pace: f64, seeds: std::ops::Range<u64>) -> Figures {
        let (spec, schedule) = (self.engine(constants), self.schedule());
        let gpu = GpuState { used_by_others_bytes: 0, slowdown: pace };
        let all: Vec<Figures> = seeds.map(|seed| serve(&spec, &schedule, &RunTerms { gpu, ..terms(seed) })).collect();
        Figures::mean(&all)
    }

    /// How many times as long steps took that night as the constants say: where the model's time per token is the recorded
    /// one.
    pub(crate) fn pace(&self, constants: &Constants, seeds: std::ops::Range<u64>) -> f64 {
        let (mut slow, mut fast) = (4.0, 0.25);
        for _ in 0..10 {
            let middle = f64::midpoint(slow, fast);
            if self.modelled(constants, middle, seeds.clone()).per_token > self.figures.per_token {
                slow = middle;
            } else {
                fast = middle;
            }
        }
        f64::midpoint(slow, fast)
    }
}

fn whole(figure: f64) -> u64 {
    format!("{figure:.0}").parse().unwrap()
}

fn serve(spec: &EngineSpec, schedule: &RequestSchedule, terms: &RunTerms) -> Figures {
    let run = run_lives(spec, schedule, terms);
    let seen = figures(schedule, &run, terms);
    let (first, each) = (seen.metrics[&Metric::TimeToFirstToken], seen.metrics[&Metric::TimePerOutputToken]);
    let (whole, gaps) = (seen.metrics[&Metric::EndToEndLatency], seen.inter_token_latency.unwrap());
    Figures {
        first_token: first.mean,
        first_token_in_engine: seen.engine_view.time_to_first_token_ms_mean.unwrap(),
        per_token: each.mean,
        per_token_p90: each.p90,
        whole: whole.mean,
        whole_p99: whole.p99,
        gap_median: gaps.median,
        gap_p95: gaps.p95,
        queue: seen.engine_view.queue_time_ms_mean.unwrap(),
        throughput: seen.metrics[&Metric::Throughput].mean,
    }
}

impl Figures {
    /// The mean of several, figure by figure.
    pub(crate) fn mean(all: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| all.iter().map(figure).sum::<f64>() / all.len() as f64;
        Self {
            first_token: of(|figures| figures.first_token),
            first_token_in_engine: of(|figures| figures.first_token_in_engine),
            per_token: of(|figures| figures.per_token),
            per_token_p90: of(|figures| figures.per_token_p90),
            whole: of(|figures| figures.whole),
            whole_p99: of(|figures| figures.whole_p99),
            gap_median: of(|figures| figures.gap_median),
            gap_p95: of(|figures| figures.gap_p95),
            queue: of(|figures| figures.queue),
            throughput: of(|figures| figures.throughput),
        }
    }
}
