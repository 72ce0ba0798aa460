//! How runs end: what they measured, judged against the history of their target.

use std::sync::Arc;

use phaseloop_core::{
    analysis::{
        figure::COMPARED_METRICS,
        measurement::{EngineFailure, EngineFailureClass},
        probe::{ProbeEnding, ProbeReport, ReportedDeath},
        sample::SampleSummary,
    },
    value::{Metric, Severity, SymptomKind, Verdict},
};
use serde_json::json;

use super::{
    super::*,
    world::{START, World, ended_after, measured, measured_too_little, running},
};
use crate::{
    api::{
        PhaseRun,
        condition::{ConditionStatus, ConditionType},
        crds::schema_of,
        phase_run::{
            measured::MeasuredFailure,
            status::{MetricSummary, PhaseRunPhase},
        },
    },
    controllers::phase_run::{
        facts::{engine_starts, judged_run, run_facts},
        fit::STATUS_BYTES_MAX,
        fixture::{at, run_named},
    },
    structural::admit,
};

/// A healthy run of one domain, so many nights before.
fn night_before(nights: i64, latency: f64) -> PhaseRun {
    let mut world = World::of_one_domain();
    world.run = run_named(&format!("night-{nights}"));
    world.run.spec.domains.truncate(1);
    world.now = at(START) - SignedDuration::from_hours(24 * nights);
    world.test_domain(|now| measured(now, latency));
    world.settle();
    let status = world.run.status.as_mut().unwrap();
    status.verdict = Some(Verdict::Healthy);
    status.admitted = Some(true);
    status.admission_reason = Some("WithinLimits".to_owned());
    world.run
}

pub(super) fn with_history() -> World {
    let mut world = World::of_one_domain();
    world.around.runs = (1..=7).map(|night| night_before(night, 100.0)).map(Arc::new).collect();
    world
}

#[test]
fn a_first_run_is_judged_as_a_seed() {
    let mut world = World::new();
    world.test_domain(|now| measured(now, 100.0));
    world.test_domain(|now| measured(now, 100.0));
    assert_eq!(world.status().phase, Some(PhaseRunPhase::Analyzing));
    let plan = world.settle();
    let status = world.status();
    assert_eq!((status.phase, status.verdict), (Some(PhaseRunPhase::Completed), Some(Verdict::Unknown)));
    assert_eq!(status.reasons, ["BaselineSeeding"]);
    assert_eq!((status.admitted, status.admission_reason.as_deref()), (Some(true), Some("BaselineSeeding")));
    assert_eq!(status.fitness, Some(0.95));
    assert_eq!(status.summary.as_ref().unwrap().fitness.as_deref(), Some("0.950"));
    assert_eq!(status.completed_at, Some(world.now));
    let environment = status.environment.as_ref().unwrap();
    assert_eq!(environment.image.as_deref(), Some("vllm/vllm-openai:v0.33.0"));
    assert_eq!(environment.image_digest.as_deref(), Some("sha256:abc"));
    assert_eq!((environment.model.as_deref(), environment.gpu_count), (Some("m"), Some(1)));
    assert_eq!(environment.configuration["max-num-seqs"], "32");
    assert!(environment.template_hash.is_some());
    assert_eq!(environment.template_hash, environment.template_hash_at_end);
    assert_eq!(world.condition(&ConditionType::Ready).unwrap().status, ConditionStatus::True);
    assert_eq!(world.condition(&ConditionType::Restored).unwrap().status, ConditionStatus::True);
    assert_eq!((world.pods.len(), plan.wake), (0, Wake::OnChange));
    let phases: Vec<&str> = status.history.as_ref().unwrap().records.iter().map(|record| record.to.as_str()).collect();
    assert_eq!(phases, ["Running", "Analyzing", "Completed"]);
    // One minute from the engine's start to its being ready, in both domains.
    assert_eq!(engine_starts([&world.run]), [SignedDuration::from_mins(1); 2]);
}

#[test]
fn a_run_like_those_before_it_is_healthy_and_names_them() {
    let mut world = with_history();
    world.test_domain(|now| measured(now, 101.0));
    world.settle();
    assert_eq!(world.status().verdict, Some(Verdict::Healthy));
    let baseline = world.row("chat").baseline.clone().unwrap();
    assert_eq!(baseline.runs, (1..=7).map(|night| format!("night-{night}")).collect::<Vec<_>>());
    let records = &world.status().history.as_ref().unwrap().records;
    assert_eq!(records.last().unwrap().evidence.len(), 7);
    let delta = world.row("chat").deltas.iter().find(|delta| delta.metric == Metric::EndToEndLatency).unwrap();
    assert_eq!((delta.baseline, delta.delta_percent, delta.severity), (Some(100.0), Some(1.0), None));
}

#[test]
fn a_slower_run_is_degraded_and_says_why_and_what_changed() {
    let mut world = with_history();
    let Some(crate::controllers::ObservedTarget::Deployment(deployment)) = &mut world.around.target else { panic!() };
    let spec = deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    spec.containers[0].args = Some(vec!["m".to_owned(), "--max-num-seqs=2".to_owned()]);
    world.test_domain(|now| measured(now, 300.0));
    world.settle();
    let status = world.status();
    assert_eq!((status.verdict, status.admitted), (Some(Verdict::Degraded), Some(false)));
    let kinds: Vec<(SymptomKind, Severity)> = status.symptoms.iter().map(|s| (s.kind, s.severity)).collect();
    assert!(kinds.contains(&(SymptomKind::LatencyRegression, Severity::Critical)), "{kinds:?}");
    let summary = status.summary.as_ref().unwrap();
    assert_eq!(summary.symptoms.as_deref(), Some("latency_regression"));
    assert_eq!(summary.changed.as_deref(), Some("max-num-seqs 32 -> 2"));
    let message = &world.condition(&ConditionType::Ready).unwrap().message;
    assert!(
        message.starts_with("Degraded; changed since the baseline: max-num-seqs 32 -> 2; LatencyRose: "),
        "{message}"
    );
}

fn died(now: Timestamp, deaths: usize) -> ProbeReport {
    let death = ReportedDeath {
        at: now - SignedDuration::from_mins(2),
        failure: EngineFailure {
            class: EngineFailureClass::OutOfMemory,
            memory: None,
            exit_code: Some(1),
            message: "torch.OutOfMemoryError: CUDA out of memory".to_owned(),
        },
    };
    ProbeReport { deaths: vec![death; deaths], ..measured(now, 100.0) }
}

#[test]
fn deaths_of_the_engine_are_endured_and_counted() {
    let mut world = World::of_one_domain();
    world.settle();
    let last = json!({ "exitCode": 1, "reason": "Error", "startedAt": START, "finishedAt": START });
    world.set_pod_status(Some("n1"), running(world.now, 2, last.clone()));
    let plan = world.settle();
    assert_eq!((plan.report.reason.as_str(), plan.intents.len()), ("Testing", 0), "a PHASE endures restarts");
    world.pass(SignedDuration::from_mins(5));
    let status = ended_after(world.now, &died(world.now, 2).write(4096), 2, last);
    world.set_pod_status(Some("n1"), status);
    world.settle();
    let facts = run_facts(&world.run).unwrap();
    assert_eq!(facts.verdict, Verdict::Degraded);
    let oom = facts.symptoms.iter().find(|symptom| symptom.kind == SymptomKind::VllmOom).unwrap();
    assert_eq!((oom.current, oom.severity), (2.0, Severity::Critical));
    assert_eq!(engine_starts([&world.run]), [], "after a restart nobody knows which start was seen");
}

#[test]
fn a_measurement_that_says_nothing_is_unknown_and_adds_no_symptom() {
    let mut world = with_history();
    world.test_domain(measured_too_little);
    world.settle();
    let facts = run_facts(&world.run).unwrap();
    assert!(!facts.valid && facts.symptoms.is_empty());
    assert_eq!(world.status().reasons[0], "TooFewSamples");
    assert!(!judged_run(&world.run, []).unwrap().admission.may_serve());
}

#[test]
fn an_engine_that_never_became_ready_is_judged_by_its_end() {
    let mut world = World::of_one_domain();
    world.test_domain(|_| ProbeReport::new(ProbeEnding::EngineNeverReady, "not ready after 300s"));
    world.settle();
    assert_eq!(
        (world.status().phase, world.status().verdict),
        (Some(PhaseRunPhase::Completed), Some(Verdict::Unknown))
    );
    assert_eq!(world.status().reasons, ["EngineTimedOut"]);
}

#[test]
fn one_domain_without_a_measurement_makes_the_run_unknown_but_hides_no_degradation() {
    for (deaths, verdict, reasons) in [
        (0, Verdict::Unknown, vec!["PodLost", "BaselineSeeding"]),
        (1, Verdict::Degraded, vec!["OomEventsSeen", "PodLost"]),
    ] {
        let mut world = World::new();
        world.test_domain(|now| died(now, deaths));
        world.settle();
        world.pods.clear();
        world.settle();
        assert_eq!(world.status().verdict, Some(verdict));
        assert_eq!(world.status().reasons, reasons);
        assert_eq!((world.status().phase, world.status().admitted), (Some(PhaseRunPhase::Completed), Some(false)));
        assert_eq!((world.row("rag").valid, world.status().fitness), (Some(false), None));
    }
}

#[test]
fn the_hash_at_the_end_is_that_of_the_target_as_it_then_stands() {
    let mut world = World::of_one_domain();
    world.test_domain(|now| measured(now, 100.0));
    let Some(crate::controllers::ObservedTarget::Deployment(deployment)) = &mut world.around.target else { panic!() };
    deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers[0].image = Some("other".to_owned());
    world.settle();
    let facts = run_facts(&world.run).unwrap();
    assert!(facts.template_hash_at_start.is_some() && facts.template_hash_at_end.is_some());
    assert_ne!(facts.template_hash_at_start, facts.template_hash_at_end);
}

#[test]
fn a_pod_that_is_left_after_the_end_goes() {
    let mut world = World::of_one_domain();
    world.test_domain(|now| measured(now, 100.0));
    let pods = world.pods.clone();
    world.settle();
    world.deleted.clear();
    world.pods = pods;
    world.look();
    assert_eq!(world.deleted.len(), 1);
    assert_eq!(world.status().phase, Some(PhaseRunPhase::Completed));
}

/// A run of 16 domains, each with as much to say as there can be.
fn largest() -> PhaseRunStatus {
    let mut world = with_history();
    let domain = world.run.spec.domains[0].clone();
    let names: Vec<String> = (0..16).map(|n| format!("{n:02}-{}", "d".repeat(60))).collect();
    world.run.spec.domains = names.iter().map(|name| Domain { name: name.clone(), ..domain.clone() }).collect();
    for run in world.around.runs.iter_mut().map(Arc::make_mut) {
        let row = run.status.as_ref().unwrap().domains[0].clone();
        run.metadata.name = Some(format!("{}-{}", "r".repeat(50), run.metadata.name.as_ref().unwrap()));
        let rows = names.iter().map(|name| DomainStatus { name: name.clone(), ..row.clone() });
        run.status.as_mut().unwrap().domains = rows.collect();
        let environment = run.status.as_mut().unwrap().environment.as_mut().unwrap();
        environment.configuration =
            (0..64).map(|n| (format!("flag-{n}-{}", "f".repeat(40)), "é".repeat(120))).collect();
    }
    for _ in &names {
        world.test_domain(|now| died(now, 4));
        let rows = &mut world.run.status.as_mut().unwrap().domains;
        let row = rows.iter_mut().rev().find(|row| row.measured.is_some()).unwrap();
        let summary = SampleSummary { count: 200, ..SampleSummary::of_single_figure(333.333_333_333) };
        row.metrics = COMPARED_METRICS
            .iter()
            .filter(|metric| **metric != Metric::PassRate)
            .filter_map(|metric| MetricSummary::of(*metric, &summary))
            .collect();
        let measured = row.measured.as_mut().unwrap();
        let failure = MeasuredFailure { message: "é".repeat(300), ..measured.engine.failures[0].clone() };
        measured.engine.failures = vec![failure; 8];
        measured.notes = vec!["é".repeat(256); 8];
    }
    let environment = world.run.status.as_mut().unwrap().environment.as_mut().unwrap();
    environment.configuration = (0..64).map(|n| (format!("flag-{n}-{}", "f".repeat(40)), "ü".repeat(120))).collect();
    world.settle();
    world.run.status.unwrap()
}

#[test]
fn no_run_has_a_status_above_100_kb_and_the_largest_fits_its_schema() {
    let status = largest();
    let bytes = serde_json::to_vec(&status).unwrap().len();
    assert!(bytes < 100_000, "{bytes}");
    assert!(bytes > STATUS_BYTES_MAX / 2, "the case is large enough to mean something: {bytes}");
    assert_eq!(status.domains.len(), 16);
    assert!(status.domains.iter().all(|row| row.measured.is_some() && row.metrics.len() == 6));
    assert!(status.domains.iter().all(|row| row.measured.as_ref().unwrap().engine.failures.len() == 8));
    assert_eq!(status.verdict, Some(Verdict::Degraded));
    let object = json!({ "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseRun", "status": status });
    let schema = schema_of("PhaseRun").unwrap();
    let of_status = json!({ "type": "object", "properties": { "status": schema["properties"]["status"] } });
    admit(json!({ "status": object["status"] }), &of_status).unwrap();
}
