use proptest::prelude::*;

use super::*;
use crate::analysis::{
    baseline::BaselineRun,
    fixture::{domain, history_of, settings},
    history::JudgedRun,
    measurement::{EngineView, MeasurementSource},
};

fn findings_of(domain: &DomainMeasurement, history: &[JudgedRun]) -> Option<Finding> {
    let runs = history.iter().map(|run| BaselineRun { run, domain: &run.measurement.domains[0] }).collect();
    check_agreement(domain, &Baseline { runs, ..Baseline::default() }, &settings())
}

fn reasons_of(domain: &DomainMeasurement, history: &[JudgedRun]) -> Vec<AnalysisReason> {
    findings_of(domain, history).into_iter().map(|finding| finding.reason).collect()
}

fn message_of(domain: &DomainMeasurement, history: &[JudgedRun]) -> String {
    findings_of(domain, history).unwrap().message
}

fn viewed(client: f64, engine: f64) -> DomainMeasurement {
    let view = EngineView { end_to_end_latency_ms_mean: Some(engine), ..EngineView::default() };
    DomainMeasurement { engine_view: Some(view), ..domain(client, 30.0) }
}

#[test]
fn without_a_baseline_the_engine_must_confirm_half_of_what_the_client_saw() {
    assert!(reasons_of(&viewed(100.0, 50.0), &[]).is_empty());
    assert_eq!(reasons_of(&viewed(100.0, 49.9), &[]), [AnalysisReason::ClientEngineDisagree]);
    assert!(reasons_of(&viewed(100.0, 0.0), &[]).is_empty(), "an engine that answered nothing says nothing");
    assert!(reasons_of(&viewed(0.0, 50.0), &[]).is_empty());
    assert_eq!(TwoViews::of(&viewed(0.0, 50.0), Metric::EndToEndLatency), None);
    assert_eq!(TwoViews::of(&viewed(50.0, 0.0), Metric::EndToEndLatency), None);
    let two = history_of(&[100.0, 100.0]);
    assert_eq!(reasons_of(&viewed(100.0, 49.9), &two), [AnalysisReason::ClientEngineDisagree]);
}

#[test]
fn time_to_first_token_is_held_against_the_engine_as_well() {
    let mut domain = viewed(100.0, 95.0);
    let ttft = crate::analysis::fixture::latency(20.0);
    domain.metrics.insert(Metric::TimeToFirstToken, ttft);
    domain.engine_view = Some(EngineView {
        time_to_first_token_ms_mean: Some(9.0),
        end_to_end_latency_ms_mean: Some(95.0),
        ..EngineView::default()
    });
    assert_eq!(
        message_of(&domain, &[]),
        "TTFT: client 20.0 ms, engine 9.0 ms; the engine confirms 45% of it, at least 50% needed"
    );
}

#[test]
fn with_a_baseline_the_client_may_add_a_fifth_of_the_usual_latency() {
    // Usual: client 100, engine 95.
    let usual = history_of(&[100.0, 100.0, 100.0]);
    let disagree = vec![AnalysisReason::ClientEngineDisagree];
    for (client, engine, expected) in [
        (100.0, 95.0, vec![]),
        (120.0, 95.0, vec![]),
        (119.9, 94.9, vec![]),
        (121.0, 95.0, disagree),
        // All became slower, the client's part with it: a neighbour, or a slow engine.
        (300.0, 285.0, vec![]),
        (300.0, 260.0, vec![]),
        // The engine became faster, the client's part stayed: an improvement, however small its share.
        (8.0, 3.0, vec![]),
    ] {
        assert_eq!(reasons_of(&viewed(client, engine), &usual), expected, "{client} {engine}");
    }
}

#[test]
fn what_is_not_told_disagrees_with_nothing() {
    let mut domain = viewed(100.0, 10.0);
    domain.engine_view = Some(EngineView { inter_token_latency_ms_mean: Some(0.1), ..EngineView::default() });
    assert!(reasons_of(&domain, &[]).is_empty());
    domain.engine_view = None;
    assert!(reasons_of(&domain, &[]).is_empty());
    assert!(domain.is_unobserved());
    domain.source = MeasurementSource::Report;
    assert!(!domain.is_unobserved());
    assert!(!viewed(1.0, 1.0).is_unobserved());
}

/// A client that saw `client_count` whole answers of `client` ms in the mean, and an engine that counted its own.
fn counted(client: f64, engine: f64, client_count: u64, engine_count: u64, unsure_count: u64) -> DomainMeasurement {
    let answers = CountedTwice { engine_count, client_count, unsure_count, client_ms_mean: Some(client) };
    // What was due in the measurement waited longer than what happened in it.
    let mut domain = viewed(client * 3.0, engine);
    domain.cross_check = Some(CrossCheck { answers: Some(answers), ..CrossCheck::default() });
    domain
}

#[test]
fn client_and_engine_are_held_against_each_other_on_the_same_requests() {
    assert!(reasons_of(&counted(2_000.0, 1_990.0, 300, 300, 0), &[]).is_empty(), "the client's own mean is 6,000 ms");
    let usual = history_of(&[100.0, 100.0, 100.0]);
    assert!(reasons_of(&counted(2_000.0, 1_990.0, 300, 300, 0), &usual).is_empty());
    assert_eq!(reasons_of(&counted(2_000.0, 1_500.0, 300, 300, 0), &usual), [AnalysisReason::ClientEngineDisagree]);
    assert_eq!(reasons_of(&counted(100.0, 49.0, 300, 300, 0), &[]), [AnalysisReason::ClientEngineDisagree]);
}

#[test]
fn counts_may_be_a_twentieth_apart_or_two_and_what_the_client_is_not_sure_of() {
    for (client, engine, unsure, agree) in [
        (300, 315, 0, true),
        (300, 316, 0, false),
        (315, 300, 0, true),
        (316, 300, 0, false),
        (300, 320, 4, true),
        (300, 320, 3, false),
        (4, 6, 0, true),
        (4, 7, 0, false),
        (0, 0, 0, true),
        (300, 0, 0, false),
        (0, 300, 0, false),
    ] {
        let found = reasons_of(&counted(100.0, 95.0, client, engine, unsure), &[]);
        assert_eq!(found.is_empty(), agree, "{client} {engine} {unsure}");
    }
    assert_eq!(
        message_of(&counted(100.0, 95.0, 300, 600, 1), &[]),
        "E2E latency: the client counts 300 requests and the engine 600 over the same time, at most 31 apart allowed; \
         somebody else loads the engine, or its metrics are another engine's"
    );
    assert!(
        message_of(&counted(100.0, 95.0, 300, 10, 0), &[])
            .ends_with("its metrics are another engine's, or count something else")
    );
}

#[test]
fn an_engine_can_not_take_longer_than_its_client_waits() {
    assert!(reasons_of(&counted(100.0, 120.0, 300, 300, 0), &[]).is_empty());
    assert_eq!(
        message_of(&counted(100.0, 121.0, 300, 300, 0), &[]),
        "E2E latency: client 100.0 ms, engine 121.0 ms; the engine tells 21% more than its client can have waited (limit 20%)"
    );
    assert!(reasons_of(&viewed(100.0, 121.0), &[]).is_empty(), "of other requests it may");
}

#[test]
fn what_was_not_counted_agrees_with_nothing_and_disagrees_with_nothing() {
    let mut domain = counted(100.0, 10.0, 300, 300, 0);
    domain.cross_check = Some(CrossCheck::default());
    assert_eq!(TwoViews::of(&domain, Metric::EndToEndLatency), None, "never the mean of other requests");
    assert!(reasons_of(&domain, &[]).is_empty());
}

proptest! {
    #[test]
    fn no_growth_of_both_is_a_disagreement(
        engine in 1.0..1e6_f64, between in 0.0..5.0_f64, count in 30_u64..10_000, apart in 0_u64..500, more in any::<bool>(),
    ) {
        let usual = history_of(&[100.0, 100.0, 100.0]);
        let apart = apart.min(count / 20);
        let engine_count = if more { count + apart } else { count - apart };
        let domain = counted(engine + between, engine, count, engine_count, 0);
        prop_assert_eq!(reasons_of(&domain, &usual), []);
    }

    #[test]
    fn who_counts_a_tenth_more_than_the_other_counted_others(
        latency in 1.0..1e6_f64, count in 30_u64..10_000, percent in 10_u64..1_000, engine_more in any::<bool>(),
    ) {
        let more = count + count * percent / 100 + 1;
        let (client_count, engine_count) = if engine_more { (count, more) } else { (more, count) };
        let domain = counted(latency, latency * 0.95, client_count, engine_count, 0);
        prop_assert_eq!(reasons_of(&domain, &history_of(&[100.0, 100.0, 100.0])), [AnalysisReason::ClientEngineDisagree]);
    }
}
