//! From a result file to a measurement.

use super::{
    aggregated::read_aggregated,
    document::Document,
    error::BenchError,
    load::BenchLoad,
    request::{BenchRequest, BenchRequests, LatencyLimits, MS_PER_SECOND, read_requests},
};
use crate::{
    analysis::{
        measurement::{ClientPace, DomainMeasurement, EngineOutcome, MeasurementSource, RequestCounts},
        sample::SampleSummary,
        summary::{percentile, summarise_samples},
    },
    prelude::*,
    value::Metric,
};

/// What one result file says.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchResult {
    /// Served model as the client named it.
    pub model: Option<String>,
    /// When the result was written, as the file has it (`20261123-014717`, local time of the client).
    pub date: Option<String>,
    /// How long the measurement took, seconds; above 0.
    pub duration_seconds: f64,
    /// The offered load.
    pub load: BenchLoad,
    /// Requests by outcome.
    pub requests: RequestCounts,
    /// Summaries by metric.
    pub metrics: BTreeMap<Metric, SampleSummary>,
    /// How the client kept its schedule; absent where the file does not say.
    pub client: Option<ClientPace>,
    /// The completed requests one by one; absent where the file holds none (`--save-detailed`).
    #[serde(skip)]
    pub completed: Option<Vec<BenchRequest>>,
    /// What was noticed while reading.
    pub notes: Vec<String>,
}

/// Reads a result file of `vllm bench serve --save-result`, detailed or not. Latencies come from the lists where they
/// are there, else from the aggregated figures; failed requests are counted and enter no latency.
///
/// # Errors
/// [`BenchError`], with the field or place, for anything that is no such file or holds impossible values.
pub fn read_bench_result(bytes: &[u8]) -> Result<BenchResult, BenchError> {
    let document = Document::read(bytes)?;
    let offered = document.required_count("num_prompts")?;
    let completed = document.required_count("completed")?;
    if completed > offered {
        return Err(BenchError::ImpossibleValue {
            field: "completed".to_owned(),
            value: completed.to_string(),
            expected: "at most \"num_prompts\"",
        });
    }
    let duration_seconds = document.required_figure("duration")?;
    if duration_seconds <= 0.0 {
        return Err(BenchError::ImpossibleValue {
            field: "duration".to_owned(),
            value: duration_seconds.to_string(),
            expected: "above 0 seconds",
        });
    }
    let load = BenchLoad::read(&document, offered, completed)?;
    let detailed = read_requests(&document, offered)?;
    let mut notes = Vec::new();
    let requests = count_requests(&document, offered, completed, detailed.as_ref(), &mut notes)?;
    let mut metrics = read_latencies(&document, completed, detailed.as_ref(), &mut notes)?;
    read_throughputs(&document, completed, duration_seconds, &mut metrics)?;
    if completed == 0 {
        notes.push("no request completed: no latency, and the token lengths of the load are unknown".to_owned());
    }
    Ok(BenchResult {
        model: document.text("model_id")?.map(ToOwned::to_owned),
        date: document.text("date")?.map(ToOwned::to_owned),
        duration_seconds,
        client: read_pace(&document, load.request_rate_per_second)?,
        load,
        requests,
        metrics,
        completed: detailed.map(|requests| requests.completed),
        notes,
    })
}

impl BenchResult {
    /// The measurement of a domain. What the engine said of itself is not in the file: the caller adds it.
    pub fn measurement(&self, domain: &str, weight: f64) -> DomainMeasurement {
        let became_ready = (self.requests.completed > 0).then_some(true);
        DomainMeasurement {
            name: domain.to_owned(),
            workload_hash: self.load.workload_hash(),
            weight,
            source: MeasurementSource::Serving,
            requests: self.requests,
            metrics: self.metrics.clone(),
            latency_bounds: BTreeMap::new(),
            engine: EngineOutcome { became_ready, ..EngineOutcome::default() },
            engine_view: None,
            cross_check: None,
            client: self.client,
            within_slo: None,
            notes: self.notes.clone(),
        }
    }

    /// How many requests met every limit. `None` where the file holds no single requests, or not what a limit needs.
    pub fn requests_within(&self, limits: &LatencyLimits) -> Option<u64> {
        let verdicts = self.completed.as_ref()?.iter().map(|request| limits.are_met_by(request));
        let met = verdicts.collect::<Option<Vec<bool>>>()?;
        Some(met.into_iter().filter(|met| *met).count() as u64)
    }
}

fn count_requests(
    document: &Document,
    offered: u64,
    completed: u64,
    detailed: Option<&BenchRequests>,
    notes: &mut Vec<String>,
) -> Result<RequestCounts, BenchError> {
    let failed = match (document.count("failed")?, detailed) {
        (Some(failed), _) => failed,
        (None, Some(requests)) => requests.failed,
        (None, None) => {
            notes.push("no field \"failed\": every request that did not complete counts as failed".to_owned());
            offered - completed
        }
    };
    if failed > offered - completed {
        return Err(BenchError::ImpossibleValue {
            field: "failed".to_owned(),
            value: failed.to_string(),
            expected: "at most \"num_prompts\" - \"completed\"",
        });
    }
    if let Some(requests) = detailed
        && (requests.completed.len() as u64, requests.failed) != (completed, failed)
    {
        let (listed, listed_failed) = (requests.completed.len(), requests.failed);
        notes.push(format!(
            "the file counts {completed} completed and {failed} failed requests, its lists show {listed} and {listed_failed}"
        ));
    }
    Ok(RequestCounts { offered, completed, failed, flaky: 0, skipped: 0 })
}

fn read_latencies(
    document: &Document,
    completed: u64,
    detailed: Option<&BenchRequests>,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<Metric, SampleSummary>, BenchError> {
    type Read = fn(&BenchRequest) -> Option<f64>;
    let latencies: [(Metric, &str, Read); 3] = [
        (Metric::TimeToFirstToken, "ttft", |request| Some(request.time_to_first_token_ms)),
        (Metric::TimePerOutputToken, "tpot", |request| request.time_per_output_token_ms),
        (Metric::EndToEndLatency, "e2el", |request| request.end_to_end_latency_ms),
    ];
    let mut metrics = BTreeMap::new();
    for (metric, name, read) in latencies {
        let samples: Vec<f64> =
            detailed.iter().flat_map(|requests| requests.completed.iter().filter_map(read)).collect();
        if let Some(summary) = summarise_samples(&samples).summary {
            metrics.insert(metric, summary);
        } else if let Some(aggregated) = read_aggregated(document, name, completed)? {
            metrics.insert(metric, aggregated.summary);
            notes.push(aggregated.note);
        } else if completed > 0 {
            notes.push(format!("no {} in the file: save it with --save-detailed", metric.label()));
        }
    }
    Ok(metrics)
}

/// Requests and output tokens per second, as stated; where they are not, from counts and duration.
fn read_throughputs(
    document: &Document,
    completed: u64,
    duration_seconds: f64,
    metrics: &mut BTreeMap<Metric, SampleSummary>,
) -> Result<(), BenchError> {
    let tokens = document.count("total_output_tokens")?;
    let per_second = |count: u64| count as f64 / duration_seconds;
    let requests = document.figure("request_throughput")?.unwrap_or_else(|| per_second(completed));
    metrics.insert(Metric::Throughput, SampleSummary::of_single_figure(requests));
    if let Some(rate) = document.figure("output_throughput")?.or_else(|| tokens.map(per_second)) {
        metrics.insert(Metric::OutputTokenThroughput, SampleSummary::of_single_figure(rate));
    }
    Ok(())
}

/// The client's pace: `queue_times` holds, per request, how long after its scheduled instant it was really sent.
fn read_pace(document: &Document, rate_per_second: Option<f64>) -> Result<Option<ClientPace>, BenchError> {
    let delays_ms: Vec<f64> =
        document.figures("queue_times")?.unwrap_or_default().into_iter().map(|delay| delay * MS_PER_SECOND).collect();
    let mut ascending = delays_ms;
    ascending.sort_by(f64::total_cmp);
    let Some(p99) = percentile(&ascending, 0.99) else {
        return Ok(None);
    };
    Ok(Some(ClientPace {
        schedule_delay_ms_mean: ascending.iter().sum::<f64>() / ascending.len() as f64,
        schedule_delay_ms_p99: p99,
        arrival_interval_ms_mean: rate_per_second.map(|rate| MS_PER_SECOND / rate),
    }))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the tests expect exact figures")]
mod tests;
