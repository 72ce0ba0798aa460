//! The 17 recorded nights, and what must hold of them.

use proptest::prelude::*;

use crate::{
    analysis::{
        RunJudgement,
        fixture::{Night, judge_all, nights, scaled_nights, settings},
        judgement::{Admission, MetricOutcome},
        measurement::RunMeasurement,
        reason::AnalysisReason,
    },
    prelude::*,
    value::{Diagnosis, Metric, Severity, SymptomKind, Verdict},
};

fn judged(nights: &[Night]) -> Vec<RunJudgement> {
    let runs: Vec<RunMeasurement> = nights.iter().map(|night| night.run.clone()).collect();
    judge_all(&runs, &settings())
}

/// What the night is called, and why: the first reason.
fn outcome(judgement: &RunJudgement) -> (Verdict, AnalysisReason) {
    (judgement.verdict, judgement.reasons[0].reason)
}

#[test]
fn every_recorded_night_gets_the_verdict_that_was_done_to_it() {
    use AnalysisReason::{BaselineSeeding, ClientBehindSchedule, LatencyRose, OomEventsSeen, WithinLimits};
    let expected = [
        ("night01", "healthy", Verdict::Unknown, BaselineSeeding),
        ("night02", "healthy", Verdict::Unknown, BaselineSeeding),
        ("night03", "neighbour", Verdict::Unknown, BaselineSeeding),
        ("night04", "client_stalled", Verdict::Unknown, ClientBehindSchedule),
        ("night05", "healthy", Verdict::Unknown, BaselineSeeding),
        ("night06", "healthy", Verdict::Healthy, WithinLimits),
        ("night07", "healthy", Verdict::Healthy, WithinLimits),
        ("night08", "client_stalled", Verdict::Unknown, ClientBehindSchedule),
        ("night09", "healthy", Verdict::Healthy, WithinLimits),
        ("night10", "healthy", Verdict::Healthy, WithinLimits),
        ("night11", "seqs_lowered", Verdict::Degraded, LatencyRose),
        ("night12", "seqs_lowered", Verdict::Degraded, LatencyRose),
        ("night13", "seqs_lowered", Verdict::Degraded, LatencyRose),
        ("night14", "start_refused", Verdict::Degraded, OomEventsSeen),
        ("night15", "healthy", Verdict::Healthy, WithinLimits),
        ("night16", "healthy", Verdict::Healthy, WithinLimits),
        ("night17", "healthy", Verdict::Healthy, WithinLimits),
    ];
    let nights = nights();
    for ((night, judgement), (name, label, verdict, reason)) in nights.iter().zip(judged(&nights)).zip(expected) {
        assert_eq!((judgement.name.as_str(), night.label.as_str()), (name, label));
        assert_eq!(outcome(&judgement), (verdict, reason), "{name} {label}: {:?}", judgement.reasons);
    }
}

#[test]
fn a_lowered_limit_is_found_named_and_explained() {
    let judgement = &judged(&nights())[10];
    assert_eq!(judgement.changed_since_baseline.len(), 1);
    assert_eq!(judgement.changed_since_baseline[0].to_string(), "max-num-seqs 32 -> 2");
    let found: Vec<(SymptomKind, Metric, Severity, Diagnosis)> = judgement
        .symptoms
        .iter()
        .map(|symptom| (symptom.kind, symptom.metric, symptom.severity, symptom.diagnosis))
        .collect();
    let limited = Diagnosis::AdmissionLimited;
    assert_eq!(
        found,
        [
            (SymptomKind::LatencyRegression, Metric::TimeToFirstToken, Severity::Critical, limited),
            (SymptomKind::LatencyRegression, Metric::EndToEndLatency, Severity::Critical, limited),
            (SymptomKind::ThroughputDrop, Metric::Throughput, Severity::Warning, limited),
            (SymptomKind::ThroughputDrop, Metric::OutputTokenThroughput, Severity::Warning, limited),
        ]
    );
    assert!(judgement.symptoms[0].evidence.contains(&"changed since the baseline: max-num-seqs 32 -> 2".to_owned()));
}

#[test]
fn a_refused_start_is_a_critical_memory_symptom_without_any_sample() {
    let judgement = &judged(&nights())[13];
    let [symptom] = &judgement.symptoms[..] else { panic!("{:?}", judgement.symptoms) };
    assert_eq!((symptom.kind, symptom.severity), (SymptomKind::VllmOom, Severity::Critical));
    assert_eq!((symptom.current, symptom.baseline, symptom.delta_percent), (1.0, Some(0.0), None));
    assert_eq!(symptom.diagnosis, Diagnosis::MemoryStarved);
    assert_eq!(judgement.changed_since_baseline[0].to_string(), "gpu-memory-utilization 0.2 -> 0.01");
    assert_eq!(judgement.environment.inferred, ["engineVersion", "model"]);
    assert_eq!(judgement.reasons.last().map(|finding| finding.reason), Some(AnalysisReason::EnvironmentInferred));
    assert!(judgement.reasons.iter().all(|finding| finding.reason != AnalysisReason::NoData));
}

#[test]
fn stalled_clients_degraded_nights_and_the_neighbour_serve_as_no_baseline() {
    let nights = nights();
    let judgements = judged(&nights);
    for (position, judgement) in judgements.iter().enumerate() {
        let served = &judgement.domains[0].baseline.runs;
        for run in served {
            let night = nights[..position].iter().find(|night| night.run.uid == run.uid).unwrap();
            assert_eq!(night.label, "healthy", "{} serves {}", run.name, judgement.name);
        }
    }
    assert_eq!(judgements[3].admission, Admission::NotAdmitted(AnalysisReason::ClientBehindSchedule));
    assert!(judgements[3].symptoms.is_empty() && judgements[7].symptoms.is_empty());
}

#[test]
fn the_neighbour_shifts_no_later_judgement() {
    let all = nights();
    let with = judged(&all);
    let without: Vec<Night> = nights().into_iter().filter(|night| night.label != "neighbour").collect();
    for judgement in judged(&without) {
        let same = with.iter().find(|other| other.name == judgement.name).unwrap();
        assert_eq!(outcome(same), outcome(&judgement), "{}", judgement.name);
        assert_eq!(same.domains[0].metrics, judgement.domains[0].metrics, "{}", judgement.name);
    }
}

#[test]
fn one_neighbour_in_a_full_baseline_is_one_degraded_or_unknown_night() {
    let mut nights = nights();
    let mut late = nights.remove(2);
    late.run.started_at = nights[15].run.started_at + jiff::SignedDuration::from_hours(24);
    late.run.completed_at = late.run.started_at + jiff::SignedDuration::from_mins(30);
    nights.push(late);
    let judgement = judged(&nights).pop().unwrap();
    assert_ne!(judgement.verdict, Verdict::Healthy);
    assert!(!judgement.admission.may_serve());
}

#[test]
fn a_stall_of_the_client_is_found_without_its_schedule() {
    let mut nights = nights();
    for night in &mut nights {
        night.run.domains[0].client = None;
    }
    let judgements = judged(&nights);
    for position in [3, 7] {
        let unknown = (Verdict::Unknown, AnalysisReason::ClientEngineDisagree);
        assert_eq!(outcome(&judgements[position]), unknown, "{}", judgements[position].name);
    }
}

#[test]
fn no_healthy_night_degrades_in_whatever_order_the_nights_come() {
    // Sorted by latency, both ways, and rotated: the slow drift of the machine is then as bad as it can be.
    let healthy: Vec<RunMeasurement> =
        nights().into_iter().filter(|night| night.label == "healthy").map(|night| night.run).collect();
    let latency = |run: &RunMeasurement| run.domains[0].metrics[&Metric::EndToEndLatency].mean;
    let mut rising = healthy.clone();
    rising.sort_by(|a, b| latency(a).total_cmp(&latency(b)));
    let mut falling = rising.clone();
    falling.reverse();
    let mut orders = vec![rising, falling];
    orders.extend((0..healthy.len()).map(|turn| {
        let mut rotated = healthy.clone();
        rotated.rotate_left(turn);
        rotated
    }));
    for mut order in orders {
        for (night, run) in (1_i64..).zip(&mut order) {
            run.started_at = crate::analysis::fixture::at(night * 24);
            run.completed_at = run.started_at + jiff::SignedDuration::from_mins(30);
        }
        for judgement in judge_all(&order, &settings()) {
            assert_ne!(judgement.verdict, Verdict::Degraded, "{}: {:?}", judgement.name, judgement.reasons);
        }
    }
}

#[test]
fn tails_are_shown_beside_the_mean() {
    let judgement = &judged(&nights())[5];
    let metric = |metric| judgement.domains[0].metrics.iter().find(|judged| judged.metric == metric).unwrap();
    let tails = metric(Metric::TimeToFirstToken).tails.unwrap();
    assert!(tails.p95 > metric(Metric::TimeToFirstToken).current && tails.p99 > tails.p95);
    assert!(tails.baseline_p95.unwrap() > 0.0 && tails.baseline_p99 > tails.baseline_p95);
    assert_eq!(metric(Metric::Throughput).tails, None);
    assert_eq!(metric(Metric::Throughput).outcome, MetricOutcome::WithinLimits);
}

/// The night's row in the document: number, label, TTFT, whole latency, throughput, verdict, reason.
fn row(night: &Night, judgement: &RunJudgement) -> String {
    let figure = |metric| {
        night.run.domains[0]
            .metrics
            .get(&metric)
            .map_or_else(|| "-".to_owned(), |summary| format!("{:.1}", summary.mean))
    };
    let [ttft, whole, rate] = [Metric::TimeToFirstToken, Metric::EndToEndLatency, Metric::Throughput].map(figure);
    let (verdict, reason) = outcome(judgement);
    format!("| {} | {} | {ttft} | {whole} | {rate} | {verdict} | {reason} |", judgement.name, night.label)
}

#[test]
fn the_document_shows_the_nights_as_they_are_judged() {
    let document = include_str!("../../../../../../docs/how-it-judges.md");
    let nights = nights();
    let rows: Vec<String> =
        nights.iter().zip(judged(&nights)).map(|(night, judgement)| row(night, &judgement)).collect();
    let table = rows.join("\n");
    assert!(document.contains(&table), "docs/how-it-judges.md must hold:\n{table}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn multiplying_every_latency_changes_no_judgement(
        (factor, delay_factor) in prop_oneof![Just((7.0, 7.0)), (0.001_f64..1000.0).prop_map(|factor| (factor, 1.0))],
    ) {
        let (plain, scaled) = (judged(&nights()), judged(&scaled_nights(factor, delay_factor)));
        for (plain, scaled) in plain.iter().zip(&scaled) {
            prop_assert_eq!(plain.verdict, scaled.verdict, "{}", plain.name);
            prop_assert_eq!(&plain.admission, &scaled.admission, "{}", plain.name);
            let outcomes = |judgement: &RunJudgement| -> Vec<(Metric, MetricOutcome)> {
                judgement.domains[0].metrics.iter().map(|metric| (metric.metric, metric.outcome)).collect()
            };
            prop_assert_eq!(outcomes(plain), outcomes(scaled), "{}", &plain.name);
            prop_assert_eq!(&plain.domains[0].baseline, &scaled.domains[0].baseline, "{}", &plain.name);
            let symptoms = |judgement: &RunJudgement| -> Vec<(SymptomKind, Severity, Diagnosis)> {
                judgement.symptoms.iter().map(|symptom| (symptom.kind, symptom.severity, symptom.diagnosis)).collect()
            };
            prop_assert_eq!(symptoms(plain), symptoms(scaled), "{}", &plain.name);
        }
    }
}
