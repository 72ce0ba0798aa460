//! What a kubelet says of a test pod that was measured and has ended: for tests in which nothing runs.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    analysis::{
        measurement::{ClientPace, RequestCounts},
        probe::{ProbeEnding, ProbeReport, ProbeTimes},
        sample::SampleSummary,
    },
    value::Metric,
};
use serde_json::{Value, json};

/// Bytes of the probe's message.
const MESSAGE_BYTES: usize = 4096;

/// A probe that measured 200 requests in the five minutes before `now`, with this mean E2E latency in milliseconds.
pub(crate) fn measured(now: Timestamp, latency: f64) -> ProbeReport {
    let summary =
        SampleSummary { count: 200, standard_deviation: latency / 10.0, ..SampleSummary::of_single_figure(latency) };
    let minutes_ago = |minutes| Some(now - SignedDuration::from_mins(minutes));
    ProbeReport {
        times: ProbeTimes {
            first_contact_at: minutes_ago(4),
            ready_at: minutes_ago(4),
            measure_started_at: minutes_ago(3),
            measure_ended_at: minutes_ago(1),
        },
        requests: Some(RequestCounts { offered: 200, completed: 200, ..RequestCounts::default() }),
        metrics: [(Metric::EndToEndLatency, summary.into())].into(),
        client: Some(ClientPace {
            schedule_delay_ms_mean: 0.5,
            schedule_delay_ms_p99: 2.0,
            arrival_interval_ms_mean: Some(250.0),
        }),
        ..ProbeReport::new(ProbeEnding::Measured, "")
    }
}

/// The status of a pod that ended at `end`, after five minutes, with this report of its probe.
pub(crate) fn ended_status(end: Timestamp, report: &ProbeReport) -> Value {
    let start = end - SignedDuration::from_mins(5);
    let container = |name: &str, message: &str| {
        json!({
            "name": name, "image": "i", "imageID": "i@sha256:abc", "ready": false, "restartCount": 0,
            "state": { "terminated": {
                "exitCode": 0, "reason": "Completed", "startedAt": start, "finishedAt": end, "message": message,
            } },
        })
    };
    json!({ "status": {
        "phase": "Succeeded", "startTime": start,
        "initContainerStatuses": [container("phaseloop-preflight", ""), container("vllm", "")],
        "containerStatuses": [container("phaseloop-probe", &report.write(MESSAGE_BYTES))],
    } })
}
