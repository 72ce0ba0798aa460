use std::sync::Arc;

use jiff::SignedDuration;
use phaseloop_core::{
    analysis::{
        AnalysisSettings, RunJudgement, judge_run,
        measurement::{
            ClientPace, CountedTwice, CrossCheck, DomainMeasurement, EngineFailure, EngineFailureClass, EngineOutcome,
            EngineView, LatencyBound, MeasurementSource, MemoryFault, RequestCounts,
        },
        sample::SampleSummary,
    },
    value::{Metric, Severity, SymptomKind, Verdict},
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    api::phase_run::{measured::kept_figure, status::DomainStatus},
    controllers::phase_run::{
        fixture::{at, ended_run, promotion, run_named},
        verdict::write_judgement,
    },
};

const NIGHT: SignedDuration = SignedDuration::from_hours(24);

fn settings() -> AnalysisSettings {
    AnalysisSettings::for_target("Deployment/llama")
}

/// Figures in thousandths: what a status keeps to the last bit.
fn figure(most: u32) -> impl Strategy<Value = f64> {
    (1..=most).prop_map(|thousandths| f64::from(thousandths) / 1000.0)
}

fn summary() -> impl Strategy<Value = SampleSummary> {
    (20_u64..400, prop::array::uniform9(figure(9_000_000))).prop_map(|(count, figures)| {
        let [mean, standard_deviation, median, median_absolute_deviation, minimum, maximum, p90, p95, p99] = figures;
        SampleSummary {
            count,
            mean,
            standard_deviation,
            median,
            median_absolute_deviation,
            minimum,
            maximum,
            p90,
            p95,
            p99,
        }
    })
}

fn failure() -> impl Strategy<Value = EngineFailure> {
    use EngineFailureClass as Class;
    let classes = [
        Class::OutOfMemory,
        Class::StartRefusedForMemory,
        Class::StartRefused,
        Class::Crash,
        Class::Timeout,
        Class::Infrastructure,
        Class::Unclassified,
    ];
    let memory = prop::option::of(prop::sample::select(vec![MemoryFault::Overcommitted, MemoryFault::Starved]));
    (prop::sample::select(classes.to_vec()), memory, prop::option::of(0..256), "[a-zé \"]{0,40}")
        .prop_map(|(class, memory, exit_code, message)| EngineFailure { class, memory, exit_code, message })
}

fn domain(name: &'static str) -> impl Strategy<Value = DomainMeasurement> {
    let counts = (200_u64..400, 0_u64..200, 0_u64..20, 0_u64..3, 0_u64..3);
    let engine = (prop::collection::vec(failure(), 0..2), 0_u64..2, prop::option::of(any::<bool>()));
    let view = prop::option::of((figure(9_000_000), prop::option::of(figure(9_000_000)), figure(1000)));
    let client = prop::option::of((figure(90_000), figure(900_000), prop::option::of(figure(900_000))));
    let metrics = prop::collection::btree_map(
        prop::sample::select(vec![
            Metric::TimeToFirstToken,
            Metric::EndToEndLatency,
            Metric::Throughput,
            Metric::OutputTokenThroughput,
        ]),
        summary(),
        0..4,
    );
    let bounds = prop::collection::btree_map(
        prop::sample::select(vec![Metric::TimeToFirstToken, Metric::EndToEndLatency]),
        (20_u64..400, 0_u64..20, figure(9_000_000), figure(900_000)),
        0..3,
    );
    (counts, engine, view, client, (metrics, bounds), prop::option::of(0_u64..200), 1..4_i32).prop_map(
        move |(counts, engine, view, client, (metrics, bounds), within_slo, weight)| {
            let (offered, completed, failed, flaky, skipped) = counts;
            let (failures, reported_oom_events, became_ready) = engine;
            DomainMeasurement {
                name: name.to_owned(),
                workload_hash: "w".to_owned(),
                weight: f64::from(weight),
                source: if flaky > 1 { MeasurementSource::Report } else { MeasurementSource::Serving },
                requests: RequestCounts { offered, completed, failed, flaky, skipped },
                metrics,
                latency_bounds: bounds
                    .into_iter()
                    .map(|(metric, (count, cut_off_count, ms_mean, ms_standard_deviation))| {
                        (metric, LatencyBound { count, cut_off_count, ms_mean, ms_standard_deviation })
                    })
                    .collect(),
                engine: EngineOutcome { failures, reported_oom_events, became_ready },
                engine_view: view.map(|(time_to_first_token, end_to_end, kv_cache)| EngineView {
                    time_to_first_token_ms_mean: Some(time_to_first_token),
                    end_to_end_latency_ms_mean: end_to_end,
                    kv_cache_usage_max: Some(kv_cache),
                    ..EngineView::default()
                }),
                cross_check: view.map(|(mean, _, _)| CrossCheck {
                    first_tokens: Some(CountedTwice {
                        engine_count: offered,
                        client_count: completed,
                        unsure_count: flaky,
                        client_ms_mean: Some(mean),
                    }),
                    answers: None,
                }),
                client: client.map(|(mean, p99, arrival_interval_ms_mean)| ClientPace {
                    schedule_delay_ms_mean: mean,
                    schedule_delay_ms_p99: p99,
                    arrival_interval_ms_mean,
                }),
                within_slo,
                notes: vec!["a note".to_owned()],
            }
        },
    )
}

fn runs() -> impl Strategy<Value = Vec<RunMeasurement>> {
    let healthy = |mut domain: DomainMeasurement, position: i32| {
        domain.engine.failures.clear();
        domain.engine.reported_oom_events = 0;
        domain.engine.became_ready = Some(true);
        domain.requests = RequestCounts { offered: 300, completed: 300, ..RequestCounts::default() };
        domain.client = None;
        domain.engine_view = None;
        domain.cross_check = None;
        domain.source = MeasurementSource::Serving;
        for summary in domain.metrics.values_mut() {
            summary.count = 300;
            summary.mean = 500.0 + f64::from(position);
        }
        domain
    };
    (prop::collection::vec((domain("chat"), domain("rag")), 5), domain("chat"), domain("rag")).prop_map(
        move |(earlier, chat, rag)| {
            let started = at("2026-03-01T03:00:00Z");
            let mut runs = Vec::new();
            for (position, (chat, rag)) in (0_i32..).zip(earlier) {
                let started_at = started + NIGHT * position;
                let domains = vec![healthy(chat, position), healthy(rag, position)];
                runs.push(run(&format!("n{position}"), started_at, domains));
            }
            runs.push(run("last", started + NIGHT * 5, vec![chat, rag]));
            runs
        },
    )
}

fn run(name: &str, started_at: Timestamp, domains: Vec<DomainMeasurement>) -> RunMeasurement {
    RunMeasurement {
        uid: Uid::new(format!("uid-{name}")),
        name: name.to_owned(),
        started_at,
        completed_at: started_at + SignedDuration::from_mins(20),
        environment: Environment {
            image: Some("vllm:1".to_owned()),
            model: Some("llama".to_owned()),
            gpu_count: Some(1),
            configuration: [("max-num-seqs".to_owned(), name.to_owned())].into(),
            template_hash: Some("t".to_owned()),
            ..Environment::default()
        },
        domains,
    }
}

/// Judges every run against those before it: as measured, or as stored on the API server and read back.
fn judge_all(runs: &[RunMeasurement], stored: bool) -> (Vec<RunJudgement>, Vec<PhaseRun>) {
    let mut history: Vec<JudgedRun> = Vec::new();
    let mut judgements = Vec::new();
    let mut objects = Vec::new();
    for run in runs {
        let judgement = if stored {
            let object = over_the_wire(&ended_run(run, &judge_run(run, &history, &settings())));
            let read = run_measurement(&object, run.completed_at).unwrap();
            let judgement = judge_run(&read, &history, &settings());
            let object = over_the_wire(&ended_run(&read, &judgement));
            history.push(judged_run(&object, []).unwrap());
            objects.push(object);
            judgement
        } else {
            let judgement = judge_run(run, &history, &settings());
            history.push(JudgedRun::new("Deployment/llama", run.clone(), &judgement, false));
            judgement
        };
        judgements.push(judgement);
    }
    (judgements, objects)
}

fn over_the_wire(run: &PhaseRun) -> PhaseRun {
    serde_json::from_str(&serde_json::to_string(run).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_that_was_stored_is_judged_as_it_was_measured(runs in runs()) {
        let (measured, _) = judge_all(&runs, false);
        let (stored, objects) = judge_all(&runs, true);
        prop_assert_eq!(&measured, &stored);
        for ((object, judgement), run) in objects.iter().zip(&measured).zip(&runs) {
            let templates = phaseloop_core::analysis::judgement::TemplateHashes {
                at_start: Some("t".to_owned()),
                at_end: None,
            };
            prop_assert_eq!(run_facts(object), Some(judgement.to_run_facts(run, true, templates)));
        }
    }

    #[test]
    fn a_kept_figure_is_read_back_to_the_same_bits(figure in prop::num::f64::NORMAL) {
        let kept = kept_figure(figure).unwrap();
        prop_assert_eq!(kept_figure(kept), Some(kept));
        prop_assert!(((kept - figure) / figure).abs() < 1e-11);
        if (1e-9..1e12).contains(&figure.abs()) {
            let read: f64 = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
            prop_assert_eq!(read.to_bits(), kept.to_bits());
        }
    }
}

#[test]
fn a_saturated_run_that_was_stored_is_degraded_by_its_lower_bound_and_says_so() {
    let summary = |mean| SampleSummary { count: 300, ..SampleSummary::of_single_figure(mean) };
    let mut domain = one_domain();
    domain.metrics.insert(Metric::EndToEndLatency, summary(100.0));
    let started = at("2026-03-01T03:00:00Z");
    let mut runs: Vec<RunMeasurement> =
        (0..4_i32).map(|night| run(&format!("n{night}"), started + NIGHT * night, vec![domain.clone()])).collect();
    domain.requests = RequestCounts { offered: 300, completed: 270, failed: 30, ..RequestCounts::default() };
    let bound = LatencyBound { count: 300, cut_off_count: 30, ms_mean: 900.0, ms_standard_deviation: 300.0 };
    domain.latency_bounds.insert(Metric::EndToEndLatency, bound);
    runs.push(run("last", started + NIGHT * 4, vec![domain]));
    let (judgements, objects) = judge_all(&runs, true);
    assert_eq!(judgements[4].verdict, Verdict::Degraded, "{:?}", judgements[4].reasons);
    let mut status = objects[4].status.clone().unwrap();
    write_judgement(&mut status, &judgements[4], "Deployment/llama");
    let row = &status.domains[0];
    let delta = row.deltas.iter().find(|delta| delta.metric == Metric::EndToEndLatency).unwrap();
    assert_eq!((delta.current, delta.cut_off, delta.severity), (900.0, Some(30), Some(Severity::Critical)));
    assert!(row.messages[0].contains("at least 900.0 ms (30 of 300 requests were cut off"), "{:?}", row.messages);
}

#[test]
fn what_is_no_number_is_not_kept() {
    assert_eq!(kept_figure(f64::NAN), None);
    let mut measured = one_domain();
    measured.metrics.insert(Metric::EndToEndLatency, SampleSummary::of_single_figure(f64::INFINITY));
    let bound = LatencyBound { count: 9, cut_off_count: 1, ms_mean: f64::NAN, ms_standard_deviation: 1.0 };
    measured.latency_bounds.insert(Metric::EndToEndLatency, bound);
    let kept = DomainStatus::of_measurement(&measured);
    assert!(kept.metrics.is_empty() && kept.measured.unwrap().latency_bounds.is_empty());
}

fn one_domain() -> DomainMeasurement {
    DomainMeasurement {
        name: "chat".to_owned(),
        workload_hash: "w".to_owned(),
        weight: 1.0,
        source: MeasurementSource::Serving,
        requests: RequestCounts { offered: 300, completed: 300, ..RequestCounts::default() },
        metrics: BTreeMap::new(),
        latency_bounds: BTreeMap::new(),
        engine: EngineOutcome { became_ready: Some(true), ..EngineOutcome::default() },
        engine_view: None,
        cross_check: None,
        client: None,
        within_slo: Some(290),
        notes: Vec::new(),
    }
}

fn judged(name: &str, started_at: &str) -> PhaseRun {
    let run = run(name, at(started_at), vec![one_domain()]);
    ended_run(&run, &judge_run(&run, &[], &settings()))
}

#[test]
fn a_run_without_a_verdict_is_no_fact_and_no_history() {
    let mut run = judged("n", "2026-03-01T03:00:00Z");
    assert!(run_facts(&run).is_some() && judged_run(&run, []).is_some());
    run.status.as_mut().unwrap().completed_at = None;
    assert_eq!((run_facts(&run), judged_run(&run, [])), (None, None));
    assert_eq!(run_facts(&run_named("new")), None);
}

#[test]
fn a_run_that_measured_nothing_is_a_fact_that_adds_nothing() {
    let mut run = judged("n", "2026-03-01T03:00:00Z");
    let status = run.status.as_mut().unwrap();
    status.verdict = Some(Verdict::Unknown);
    status.started_at = None;
    status.domains = vec![DomainStatus { valid: Some(false), ..DomainStatus::named("chat") }];
    let facts = run_facts(&run).unwrap();
    assert!(!facts.valid && facts.workloads.is_empty());
    assert_eq!(facts.started_at, facts.completed_at);
    assert_eq!(judged_run(&run, []), None);
}

#[test]
fn symptoms_and_opting_out_reach_the_counting() {
    let mut oom = one_domain();
    oom.engine.failures = vec![EngineFailure {
        class: EngineFailureClass::OutOfMemory,
        memory: None,
        exit_code: Some(1),
        message: "CUDA out of memory".to_owned(),
    }];
    let measured = run("n", at("2026-03-01T03:00:00Z"), vec![oom]);
    let mut run = ended_run(&measured, &judge_run(&measured, &[], &settings()));
    run.spec.counts = false;
    let facts = run_facts(&run).unwrap();
    assert!(!facts.counts && facts.valid);
    let kinds: Vec<(SymptomKind, Severity)> = facts.symptoms.iter().map(|s| (s.kind, s.severity)).collect();
    assert_eq!(kinds, [(SymptomKind::VllmOom, Severity::Critical)]);
}

#[test]
fn a_run_is_marked_only_while_a_promotion_that_is_not_validated_was_in_force() {
    // The run tests from 03:00 to 03:20.
    let run = judged("n", "2026-03-04T03:00:00Z");
    let record =
        |to: &str, at: &str| json!({ "sequence": 0, "at": at, "to": to, "reason": "X", "message": "", "hash": "h" });
    for (status, marked, what) in [
        (json!({ "phase": "Applied", "appliedAt": "2026-03-04T02:00:00Z" }), true, "in force"),
        (json!({ "phase": "Validated", "appliedAt": "2026-03-04T02:00:00Z" }), false, "validated"),
        (json!({ "phase": "Applied", "appliedAt": "2026-03-04T03:20:00Z" }), true, "written as it ended"),
        (json!({ "phase": "Applied", "appliedAt": "2026-03-04T03:20:01Z" }), false, "written later"),
        (json!({ "phase": "AwaitingReview" }), false, "not written"),
        (
            json!({ "phase": "Applying", "history": { "records": [record("Applying", "2026-03-04T02:59:00Z")] } }),
            true,
            "being written",
        ),
        (
            json!({ "phase": "RolledBack", "appliedAt": "2026-03-03T03:30:00Z", "rolledBackAt": "2026-03-04T03:00:00Z" }),
            false,
            "taken back before",
        ),
        (
            json!({ "phase": "RolledBack", "appliedAt": "2026-03-03T03:30:00Z", "rolledBackAt": "2026-03-04T03:00:01Z" }),
            true,
            "taken back meanwhile",
        ),
        (json!({ "phase": "RollingBack", "appliedAt": "2026-03-03T03:30:00Z" }), true, "being taken back"),
        (
            json!({
                "phase": "Conflict", "appliedAt": "2026-03-03T03:30:00Z",
                "history": { "records": [record("Conflict", "2026-03-03T12:00:00Z")] },
            }),
            false,
            "overwritten by somebody before",
        ),
    ] {
        let promotion = promotion(status);
        assert_eq!(judged_run(&run, [&promotion]).unwrap().under_unvalidated_promotion, marked, "{what}");
    }
}

#[test]
fn promotions_of_another_target_mark_nothing() {
    let run = judged("n", "2026-03-04T03:00:00Z");
    let mut other = promotion(json!({ "phase": "Applied", "appliedAt": "2026-03-04T02:00:00Z" }));
    other.spec.target_ref.name = "other".to_owned();
    assert!(!ran_under_unvalidated_promotion(&run, [&other]));
}

#[test]
fn engine_starts_are_those_that_were_seen() {
    let mut run = judged("n", "2026-03-04T03:00:00Z");
    assert!(engine_starts([&run]).is_empty());
    run.status.as_mut().unwrap().domains[0].engine_ready_after = Some(SignedDuration::from_millis(41_250).into());
    let starts = engine_starts([&over_the_wire(&run), &run_named("new")]);
    assert_eq!(starts, [SignedDuration::from_millis(41_250)]);
}

#[test]
fn healthy_runs_were_configured_as_the_newest_admitted_one() {
    let (old, new) = (judged("old", "2026-03-02T03:00:00Z"), judged("new", "2026-03-03T03:00:00Z"));
    let mut degraded = judged("degraded", "2026-03-04T03:00:00Z");
    degraded.status.as_mut().unwrap().admitted = Some(false);
    let runs = [new, degraded, old];
    let seqs = |promotions: &[Arc<Promotion>]| {
        healthy_configuration(&runs, promotions).and_then(|configuration| configuration.get("max-num-seqs").cloned())
    };
    assert_eq!(seqs(&[]).as_deref(), Some("new"));
    let promotion = promotion(json!({ "phase": "Applied", "appliedAt": "2026-03-02T12:00:00Z" }));
    assert_eq!(seqs(&[Arc::new(promotion)]).as_deref(), Some("old"));
    assert_eq!(healthy_configuration(&runs[1..2], &[]), None);
    let newest = newest_environment(&runs).unwrap();
    assert_eq!(newest.configuration.get("max-num-seqs").map(String::as_str), Some("degraded"));
}
