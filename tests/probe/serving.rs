//! `phaseloop probe` against an engine: what it measures, and how it ends.

use std::{fs, process::Child};

use phaseloop::{
    api::workload::{Arrival, Endpoint, Slo, TokenLength, Workload},
    probe::{
        GUARD_RECORD_VERSION, GuardEnd, GuardRecord, GuardRequest, PROBE_REQUEST_VERSION, ProbeMode, ProbeRequest,
        guard_record_name,
        load::{Micros, RequestSchedule},
    },
};
use phaseloop_core::{
    analysis::{
        engine_log::EvidenceLines,
        measurement::{EngineFailureClass, MemoryFault},
        probe::{ProbeEnding, ProbeReport},
    },
    value::Metric,
};
use rustix::process::Signal;

use crate::{
    engine::{Engine, nobody},
    support::{Folder, ended, now, seconds_from_now, send, wait_until},
};

fn fixed(tokens: i64) -> TokenLength {
    TokenLength { fixed: Some(tokens), uniform: None, normal: None }
}

fn open_loop(requests: i64, rate: &str) -> Workload {
    Workload {
        requests,
        arrival: Arrival { rate: Some(rate.parse().unwrap()), concurrency: None },
        input_tokens: fixed(24),
        output_tokens: fixed(6),
        shared_prefix_tokens: 8,
        seed: 1,
        endpoint: Endpoint::Completions,
    }
}

/// A request with generous times: a loaded machine must not decide.
fn request(url: &str, workload: Workload) -> ProbeRequest {
    ProbeRequest {
        version: PROBE_REQUEST_VERSION,
        mode: ProbeMode::Canary,
        engine_url: url.to_owned(),
        model: None,
        workload,
        slo: Some(Slo {
            ttft: None,
            tpot: None,
            e2e: Some("60s".parse().unwrap()),
            max_failed_requests_percent: "5".parse().unwrap(),
        }),
        seed: 7,
        warmup: "300ms".parse().unwrap(),
        measure: "240s".parse().unwrap(),
        ready_timeout: "120s".parse().unwrap(),
        ends_by: seconds_from_now(600),
        not_after: seconds_from_now(605),
        message_bytes: 4_096,
        guard_records: None,
    }
}

fn start(folder: &Folder, request: &ProbeRequest) -> Child {
    folder.program(&request.words()).spawn().unwrap()
}

fn report_of(folder: &Folder, child: Child) -> (i32, ProbeReport) {
    let (code, _, errors) = ended(child);
    let message = folder.message();
    (code, ProbeReport::read(&message).unwrap_or_else(|error| panic!("{error}: {message} {errors}")))
}

fn run(request: &ProbeRequest) -> (i32, ProbeReport) {
    let folder = Folder::new();
    report_of(&folder, start(&folder, request))
}

/// Requests of the schedule that are due after the warm-up.
fn counted(request: &ProbeRequest) -> u64 {
    let mut workload = request.workload.clone();
    workload.seed = request.seed;
    let from = Micros::from(request.warmup.0);
    RequestSchedule::of(&workload).requests.iter().filter(|request| request.due >= from).count() as u64
}

#[test]
fn an_open_load_is_measured_and_every_figure_told() {
    let engine = Engine::start(&[], &[]);
    let request = request(&engine.url(), open_loop(60, "30"));
    let (code, report) = run(&request);
    assert_eq!((code, report.ending), (0, ProbeEnding::Measured), "{}", report.detail);
    assert_eq!(report.detail, "all 60 requests were answered");
    let requests = report.requests.unwrap();
    assert_eq!((requests.offered, requests.completed, requests.failed), (counted(&request), counted(&request), 0));
    for metric in [Metric::TimeToFirstToken, Metric::TimePerOutputToken, Metric::EndToEndLatency] {
        assert_eq!(report.metrics[&metric].count, requests.offered, "{metric:?}");
        assert!(report.metrics[&metric].spread.is_some());
    }
    let mean = |metric: Metric| report.metrics[&metric].mean;
    assert!(mean(Metric::TimeToFirstToken) < mean(Metric::EndToEndLatency));
    let tokens_per_request = mean(Metric::OutputTokenThroughput) / mean(Metric::Throughput);
    assert!((tokens_per_request - 6.0).abs() < 0.01, "{tokens_per_request}");
    assert_eq!(report.inter_token_latency.unwrap().count, 5 * requests.offered);
    let met = report.met.unwrap();
    assert_eq!((met.schedule.as_str(), met.met.len() as u64), (request.schedule_hash().as_str(), requests.offered));
    assert_eq!(report.within_slo, Some(requests.offered));
    let view = report.engine_view.unwrap();
    assert!(view.time_to_first_token_ms_mean.unwrap() > 0.0 && view.kv_cache_usage_max.is_some(), "{view:?}");
    assert!(view.end_to_end_latency_ms_mean.unwrap() <= mean(Metric::EndToEndLatency) * 1.5, "{view:?}");
    let check = report.cross_check.unwrap();
    for counted in [check.first_tokens.unwrap(), check.answers.unwrap()] {
        assert!(counted.engine_count.abs_diff(counted.client_count) <= 2 + counted.unsure_count, "{counted:?}");
        assert!(counted.client_count >= requests.offered - 2, "{counted:?}");
    }
    let client = report.client.unwrap();
    assert!((client.arrival_interval_ms_mean.unwrap() - 1_000.0 / 30.0).abs() < 0.01, "{client:?}");
    let told = report.engine.unwrap();
    assert_eq!((told.version.as_deref(), told.model.as_deref()), (Some("vllm 0.32.0"), Some("tiny")));
    assert_eq!(told.configuration["block-size"], "128");
    let times = report.times;
    let order = [times.first_contact_at, times.ready_at, times.measure_started_at, times.measure_ended_at];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?}");
    assert!((report.deaths.len(), report.gpu) == (0, None), "nobody saw a GPU");
}

#[test]
fn of_a_saturated_engine_the_client_tells_what_the_engine_tells() {
    // Two at a time, and each step ten times as slow: about 8 requests in a second, of 40 that are due.
    let engine = Engine::start(&["--max-num-seqs", "2"], &[("STAND_IN_STEP_FACTOR", "10")]);
    let mut request = request(&engine.url(), open_loop(400, "40"));
    (request.warmup, request.measure) = ("1s".parse().unwrap(), "6s".parse().unwrap());
    let (code, report) = run(&request);
    assert_eq!((code, report.ending), (0, ProbeEnding::Measured), "{}", report.detail);
    let counted = report.cross_check.unwrap().first_tokens.unwrap();
    assert!(counted.engine_count.abs_diff(counted.client_count) <= 2 + counted.unsure_count, "{counted:?}");
    let engine_ms = report.engine_view.unwrap().time_to_first_token_ms_mean.unwrap();
    let client_ms = counted.client_ms_mean.unwrap();
    assert!((client_ms / engine_ms - 1.0).abs() < 0.15, "client {client_ms} ms, engine {engine_ms} ms");
    let due_ms = report.metrics.get(&Metric::TimeToFirstToken).map(|metric| metric.mean);
    assert!(
        due_ms.is_none_or(|due| due > client_ms * 1.1),
        "those that were due waited longer: {due_ms:?}, {client_ms}"
    );
    // Nobody is refused: who failed was still waiting when the time was up.
    let requests = report.requests.unwrap();
    let [first, whole] =
        [Metric::TimeToFirstToken, Metric::EndToEndLatency].map(|metric| report.latency_bounds[&metric]);
    for bound in [first, whole] {
        assert_eq!(bound.count, requests.completed + requests.failed, "{requests:?} {bound:?}");
    }
    assert_eq!(whole.cut_off_count, requests.failed, "{requests:?}");
    assert!((1..=whole.cut_off_count).contains(&first.cut_off_count), "{first:?} {whole:?}");
    // They are due over five seconds, the last of them a little before the end, and the queue is longer than that.
    assert!(first.ms_mean > 1_000.0 && first.ms_mean < 5_500.0, "{first:?}");
    assert!(first.ms_mean <= whole.ms_mean, "{first:?} {whole:?}");
}

#[test]
fn a_closed_loop_of_chats_keeps_its_requests_in_flight() {
    let engine = Engine::start(&[], &[]);
    let mut workload = open_loop(40, "1");
    workload.arrival = Arrival { rate: None, concurrency: Some(4) };
    workload.endpoint = Endpoint::Chat;
    let mut request = request(&engine.url(), workload);
    request.warmup = "0s".parse().unwrap();
    let (code, report) = run(&request);
    assert_eq!((code, report.ending), (0, ProbeEnding::Measured), "{}", report.detail);
    let requests = report.requests.unwrap();
    assert_eq!((requests.offered, requests.completed), (40, 40));
    assert_eq!(report.client.unwrap().arrival_interval_ms_mean, None);
}

#[test]
fn what_the_engine_refuses_is_counted_apart() {
    // The first request is the one that asks whether requests are answered at all.
    let engine = Engine::start(&[], &[("STAND_IN_UNAVAILABLE_REQUESTS", "31..36")]);
    let mut request = request(&engine.url(), open_loop(60, "60"));
    request.warmup = "0s".parse().unwrap();
    let (code, report) = run(&request);
    assert_eq!((code, report.ending), (0, ProbeEnding::Measured));
    let requests = report.requests.unwrap();
    assert_eq!((requests.offered, requests.completed, requests.failed), (60, 55, 5));
    assert_eq!(report.within_slo, Some(55));
    assert_eq!(report.metrics[&Metric::EndToEndLatency].count, 55);
    assert!(report.detail.contains("failed: 5 x http 503"), "{}", report.detail);
    assert!(report.latency_bounds.is_empty(), "a refusal says nothing of a wait");
}

#[test]
fn a_canary_ends_at_the_first_death() {
    let engine = Engine::start(&[], &[("STAND_IN_DIES_AFTER_REQUESTS", "20")]);
    // One after another: however slow the machine, those before the death are answered.
    let mut workload = open_loop(100_000, "1");
    workload.arrival = Arrival { rate: None, concurrency: Some(1) };
    let mut request = request(&engine.url(), workload);
    request.warmup = "0s".parse().unwrap();
    let (code, report) = run(&request);
    assert_eq!((code, report.ending), (3, ProbeEnding::EngineDied), "{}", report.detail);
    let [death] = report.deaths.as_slice() else { panic!("{:?}", report.deaths) };
    assert_eq!((death.failure.class, death.failure.exit_code), (EngineFailureClass::Unclassified, None), "no guard");
    let requests = report.requests.unwrap();
    assert!(requests.completed > 0 && requests.completed < requests.offered, "{requests:?} {}", report.detail);
    assert!(report.times.measure_ended_at.unwrap() >= death.at);
    assert!(report.latency_bounds.is_empty(), "what broke off with the engine waited for nothing");
}

#[test]
fn a_death_that_takes_the_whole_load_with_it_is_seen() {
    // All are in flight when it dies, and are answered with an error before anybody asks how the engine is.
    let engine = Engine::start(&[], &[("STAND_IN_DIES_AFTER_REQUESTS", "21")]);
    let mut workload = open_loop(20, "1");
    workload.arrival = Arrival { rate: None, concurrency: Some(20) };
    workload.output_tokens = fixed(2_000);
    let mut request = request(&engine.url(), workload);
    request.warmup = "0s".parse().unwrap();
    let (code, report) = run(&request);
    assert_eq!((code, report.ending, report.deaths.len()), (3, ProbeEnding::EngineDied, 1), "{}", report.detail);
    assert_eq!(report.requests.unwrap().failed, 20);
}

#[test]
fn the_guards_record_says_why_an_engine_died() {
    let folder = Folder::new();
    let mut engine = Engine::start(&[], &[("STAND_IN_OUT_OF_MEMORY_AFTER_REQUESTS", "20")]);
    let mut request = request(&engine.url(), open_loop(100_000, "50"));
    request.guard_records = Some(folder.itself());
    let probe = start(&folder, &request);
    let started_at = now();
    let (exit_code, output) = engine.ended();
    let mut evidence = EvidenceLines::default();
    output.lines().for_each(|line| evidence.take(line));
    let record = GuardRecord {
        version: GUARD_RECORD_VERSION,
        started_at,
        end: Some(GuardEnd { at: now(), exit_code: i32::from(exit_code), at_latest_instant: false }),
        gpu: None,
        gpu_memory_used_mib_max: None,
        evidence: evidence.text().to_owned(),
        head: output,
        tail: String::new(),
    };
    let partial = folder.path("partial");
    fs::write(&partial, serde_json::to_string(&record).unwrap()).unwrap();
    fs::rename(&partial, folder.path(&guard_record_name(0))).unwrap();
    let (code, report) = report_of(&folder, probe);
    assert_eq!((code, report.ending), (3, ProbeEnding::EngineDied));
    let [death] = report.deaths.as_slice() else { panic!("{:?}", report.deaths) };
    assert_eq!(death.failure.class, EngineFailureClass::OutOfMemory, "{death:?}");
    assert_eq!(
        (death.failure.exit_code, death.at.as_millisecond()),
        (Some(0), record.end.unwrap().at.as_millisecond())
    );
    let told = report.engine.unwrap();
    assert_eq!(told.configuration["model"], "tiny", "an argument that the engine printed");
}

#[test]
fn the_cause_of_a_death_is_found_among_the_tracebacks_of_many_streams() {
    const STREAMS: i64 = 24;
    let (folder, guarded) = (Folder::new(), Folder::new());
    let mut engine = Engine::start(&[], &[("STAND_IN_OUT_OF_MEMORY_AFTER_REQUESTS", "40")]);
    let mut workload = open_loop(100_000, "1");
    workload.arrival = Arrival { rate: None, concurrency: Some(STREAMS) };
    let mut request = request(&engine.url(), workload);
    (request.warmup, request.guard_records) = ("0s".parse().unwrap(), Some(guarded.itself()));
    let probe = start(&folder, &request);
    let (exit_code, output) = engine.ended();
    // The guard hears an engine that had served for long, so that the cause stands in neither end of its output.
    fs::write(guarded.path("output"), output).unwrap();
    let served =
        "i=0; while [ $i -lt 1000 ]; do echo 'INFO:     127.0.0.1:1 - \"POST /v1/completions\" 200'; i=$((i+1)); done";
    let script = format!("{served}; cat {}; exit {exit_code}", guarded.path("output").display());
    let words = GuardRequest {
        not_after: seconds_from_now(600),
        grace: "5s".parse().unwrap(),
        records: guarded.itself(),
        message_bytes: 4_096,
        command: vec!["sh".to_owned(), "-c".to_owned(), script],
    };
    assert_eq!(ended(guarded.program(&words.words()).spawn().unwrap()).0, i32::from(exit_code));
    let record: GuardRecord = serde_json::from_str(&guarded.text(&guard_record_name(0))).unwrap();
    assert!(!record.head.contains("OutOfMemory") && !record.tail.contains("OutOfMemory"), "{}", record.tail.len());
    let (code, report) = report_of(&folder, probe);
    assert_eq!((code, report.ending), (3, ProbeEnding::EngineDied));
    let [death] = report.deaths.as_slice() else { panic!("{:?}", report.deaths) };
    assert_eq!(
        (death.failure.class, death.failure.memory),
        (EngineFailureClass::OutOfMemory, Some(MemoryFault::Overcommitted))
    );
    assert!(death.failure.message.starts_with("torch.OutOfMemoryError: CUDA out of memory"), "{death:?}");
    // What the kubelet keeps tells it as well, should the probe die too.
    assert!(guarded.message().contains("torch.OutOfMemoryError: CUDA out of memory"), "{}", guarded.message());
}

#[test]
fn a_phase_waits_for_the_engine_to_come_back_and_goes_on() {
    let folder = Folder::new();
    let mut engine = Engine::start(&[], &[("STAND_IN_DIES_AFTER_REQUESTS", "20")]);
    // Until the probe knows that the engine is gone its requests fail at once; on a busy machine these are dozens.
    let mut workload = open_loop(400, "1");
    workload.arrival = Arrival { rate: None, concurrency: Some(2) };
    let mut request = request(&engine.url(), workload);
    (request.mode, request.warmup) = (ProbeMode::Phase, "0s".parse().unwrap());
    let errors = fs::File::create(folder.path("errors")).unwrap();
    let probe = folder.program(&request.words()).stderr(errors).spawn().unwrap();
    assert_eq!(engine.ended().0, 0);
    // A kubelet takes longer to restart a container than the probe takes to see that it is gone.
    wait_until("the probe's word on the death", || folder.text("errors").contains("the engine died"));
    engine.restart(&[], &[]);
    let (code, report) = report_of(&folder, probe);
    assert_eq!((code, report.ending), (0, ProbeEnding::Measured), "{}", report.detail);
    assert_eq!(report.deaths.len(), 1);
    let requests = report.requests.unwrap();
    assert_eq!(requests.completed + requests.failed, 400);
    assert!(requests.failed > 0 && requests.completed > 30, "{requests:?}");
}

#[test]
fn an_engine_that_is_not_ready_in_time_is_told_as_that() {
    let mut request = request(&format!("http://{}", nobody()), open_loop(10, "10"));
    request.ready_timeout = "1s".parse().unwrap();
    let (code, report) = run(&request);
    assert_eq!((code, report.ending), (3, ProbeEnding::EngineNeverReady));
    assert_eq!(report.detail, "the engine was not ready within 1s");
    assert_eq!((report.requests, report.times.first_contact_at), (None, None));
}

#[test]
fn at_its_latest_instant_a_probe_reports_what_it_has() {
    let engine = Engine::start(&[], &[]);
    let mut request = request(&engine.url(), open_loop(100_000, "20"));
    (request.warmup, request.ends_by) = ("0s".parse().unwrap(), seconds_from_now(8));
    let (code, report) = run(&request);
    assert!(now() >= request.ends_by, "not before");
    assert_eq!((code, report.ending), (3, ProbeEnding::OutOfTime));
    assert!(report.requests.is_none_or(|requests| requests.offered > 0));
}

#[test]
fn a_probe_that_is_told_to_end_reports_what_it_has() {
    let folder = Folder::new();
    let engine = Engine::start(&[], &[]);
    let mut request = request(&engine.url(), open_loop(100_000, "50"));
    request.warmup = "0s".parse().unwrap();
    let errors = fs::File::create(folder.path("errors")).unwrap();
    let probe = folder.program(&request.words()).stderr(errors).spawn().unwrap();
    wait_until("the load", || folder.text("errors").contains("requests begin"));
    wait_until("some answers", || engine_requests(&engine) > 20.0);
    send(&probe, Signal::TERM);
    let (code, report) = report_of(&folder, probe);
    assert_eq!((code, report.ending), (3, ProbeEnding::OutOfTime));
    assert_eq!(report.detail.split(';').next(), Some("the probe was asked to end"));
    let requests = report.requests.unwrap();
    assert!(requests.completed > 0 && requests.offered < 100_000, "{requests:?}");
}

/// Requests that an engine has answered, by its own count.
fn engine_requests(engine: &Engine) -> f64 {
    let page = crate::support::get(engine.address, "/metrics");
    let counts = page.lines().filter(|line| line.starts_with("vllm:request_success_total"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn a_measurement_that_is_over_ends_though_the_engine_hangs() {
    let engine = Engine::start(&[], &[("STAND_IN_HANGS_AFTER_REQUESTS", "10")]);
    let mut request = request(&engine.url(), open_loop(100_000, "20"));
    (request.warmup, request.measure) = ("0s".parse().unwrap(), "6s".parse().unwrap());
    let (code, report) = run(&request);
    assert_eq!((code, report.ending), (0, ProbeEnding::Measured), "{}", report.detail);
    assert_eq!(report.detail.split(';').next(), Some("its time was up"));
    let requests = report.requests.unwrap();
    assert!(requests.failed > requests.completed && report.deaths.is_empty(), "{requests:?}");
    let whole = report.latency_bounds[&Metric::EndToEndLatency];
    assert!(whole.cut_off_count > whole.count / 2 && whole.ms_mean > 500.0, "{whole:?}");
}

#[test]
fn an_engine_that_can_not_be_measured_is_told_as_that() {
    let engine = Engine::start(&["--api-key", "hush"], &[]);
    let refused = |change: &dyn Fn(&mut ProbeRequest), told: &str| {
        let mut request = request(&engine.url(), open_loop(10, "10"));
        change(&mut request);
        let (code, report) = run(&request);
        assert_eq!((code, report.ending), (3, ProbeEnding::EngineUnusable), "{}", report.detail);
        assert!(report.detail.contains(told), "{}", report.detail);
    };
    refused(&|_| {}, "/v1/models refuses: http 401");
    refused(&|request| request.engine_url = request.engine_url.replace("http:", "https:"), "without TLS");

    let open = Engine::start(&[], &[]);
    refused(
        &|request| (request.engine_url, request.model) = (open.url(), Some("other".to_owned())),
        "the engine does not serve other, only: tiny",
    );
}

#[test]
fn the_engines_key_is_used_and_told_nobody() {
    let engine = Engine::start(&["--api-key", "hush"], &[]);
    let folder = Folder::new();
    let request = request(&engine.url(), open_loop(10, "20"));
    let child = folder.program(&request.words()).env("PHASELOOP_ENGINE_KEY", "hush").spawn().unwrap();
    let (code, _, errors) = ended(child);
    assert_eq!(code, 0, "{errors}");
    assert!(!errors.contains("hush") && !folder.message().contains("hush"));
}

#[test]
fn a_request_that_can_not_be_read_is_reported_as_refused() {
    let folder = Folder::new();
    let words = ["probe", "--request", "{\"version\":9}"].map(str::to_owned);
    let (code, report) = report_of(&folder, folder.program(&words).spawn().unwrap());
    assert_eq!((code, report.ending), (64, ProbeEnding::Refused));
}
