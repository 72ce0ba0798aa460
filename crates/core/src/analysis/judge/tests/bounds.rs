//! What latencies came to at least, where too many requests failed to judge them.

use proptest::prelude::*;

use crate::{
    analysis::{
        fixture::{admitted, domain, latency, run_of, settings},
        history::JudgedRun,
        judge::judge_run,
        judgement::{Admission, MetricJudgement, MetricOutcome, RunJudgement},
        measurement::{ClientPace, DomainMeasurement, EngineView, LatencyBound, RequestCounts},
        reason::AnalysisReason,
    },
    prelude::*,
    value::{Metric, Severity, SymptomKind, Verdict},
};

const FIRST_TOKEN_MS: f64 = 20.0;
const WHOLE_MS: f64 = 100.0;

fn healthy() -> DomainMeasurement {
    let mut domain = domain(WHOLE_MS, 30.0);
    domain.metrics.insert(Metric::TimeToFirstToken, latency(FIRST_TOKEN_MS));
    domain
}

/// Seven runs that do not move at all.
fn quiet() -> Vec<JudgedRun> {
    (1..=7).map(|night| admitted(&format!("h{night}"), night * -24, healthy())).collect()
}

fn bound(count: u64, cut_off_count: u64, ms_mean: f64) -> LatencyBound {
    LatencyBound { count, cut_off_count, ms_mean, ms_standard_deviation: ms_mean / 2.0 }
}

/// A run of 300 requests of which so many were cut off, and others refused. Those that were answered took as long as ever; with
/// those that were cut off latencies came to at least so many times that.
fn cut_off(cut_off: u64, refused: u64, times: f64) -> DomainMeasurement {
    let failed = cut_off + refused;
    let mut domain = healthy();
    domain.requests = RequestCounts { offered: 300, completed: 300 - failed, failed, ..RequestCounts::default() };
    domain.latency_bounds = [
        (Metric::TimeToFirstToken, bound(300 - refused, cut_off.saturating_sub(1), FIRST_TOKEN_MS * times)),
        (Metric::EndToEndLatency, bound(300 - refused, cut_off, WHOLE_MS * times)),
    ]
    .into();
    domain
}

fn judged(domain: DomainMeasurement) -> RunJudgement {
    judge_run(&run_of("now", 0, domain), &quiet(), &settings())
}

fn kinds(judgement: &RunJudgement) -> Vec<(SymptomKind, Metric)> {
    judgement.symptoms.iter().map(|symptom| (symptom.kind, symptom.metric)).collect()
}

fn reasons(judgement: &RunJudgement) -> Vec<AnalysisReason> {
    judgement.reasons.iter().map(|finding| finding.reason).collect()
}

fn metric(judgement: &RunJudgement, metric: Metric) -> &MetricJudgement {
    judgement.domains[0].metrics.iter().find(|judged| judged.metric == metric).unwrap()
}

const BOTH: [(SymptomKind, Metric); 2] = [
    (SymptomKind::LatencyRegression, Metric::TimeToFirstToken),
    (SymptomKind::LatencyRegression, Metric::EndToEndLatency),
];

#[test]
fn a_saturated_run_of_which_a_tenth_was_cut_off_is_degraded_by_its_latency() {
    let judgement = judged(cut_off(30, 0, 10.0));
    assert_eq!((judgement.verdict, kinds(&judgement)), (Verdict::Degraded, BOTH.to_vec()));
    let first = AnalysisReason::LatencyRose;
    assert_eq!(reasons(&judgement), [first, first, AnalysisReason::TooManyFailedRequests]);
    assert_eq!(judgement.admission, Admission::NotAdmitted(first), "it serves in no baseline");
    assert_eq!(judgement.fitness, None);
    let whole = metric(&judgement, Metric::EndToEndLatency);
    assert_eq!((whole.outcome, whole.current, whole.samples), (MetricOutcome::Critical, 1_000.0, 300));
    assert_eq!((whole.cut_off, whole.tails), (Some(30), None));
    assert_eq!(metric(&judgement, Metric::Throughput).outcome, MetricOutcome::NotJudged);
    let symptom = &judgement.symptoms[1];
    assert_eq!((symptom.severity, symptom.current, symptom.baseline), (Severity::Critical, 1_000.0, Some(100.0)));
}

#[test]
fn the_message_says_at_least_how_much_and_of_which_requests() {
    let judgement = judged(cut_off(30, 3, 10.0));
    let starts = |position: usize, text: &str| {
        let message = &judgement.reasons[position].message;
        assert!(message.starts_with(text), "{message}");
    };
    starts(
        0,
        "TTFT at least 200.0 ms (29 of 297 requests were cut off before their first token), +900.0% on the baseline's \
         20.0 ms (critical beyond +50%), beyond the +",
    );
    starts(
        1,
        "E2E latency at least 1000.0 ms (30 of 297 requests were cut off before their end), +900.0% on the baseline's \
         100.0 ms (critical beyond +50%), beyond the +",
    );
    starts(2, "33 of 300 failed (11.0%, limit 5%)");
}

#[test]
fn a_lower_bound_within_the_limits_proves_nothing() {
    for times in [0.2, 1.0, 1.2] {
        let judgement = judged(cut_off(30, 0, times));
        assert_eq!((judgement.verdict, judgement.symptoms.len()), (Verdict::Unknown, 0), "{times}");
        assert_eq!(reasons(&judgement), [AnalysisReason::TooManyFailedRequests]);
        assert!(!judgement.domains[0].valid && judgement.fitness.is_none());
        let shown = metric(&judgement, Metric::EndToEndLatency);
        assert_eq!((shown.outcome, shown.current, shown.cut_off), (MetricOutcome::NotJudged, WHOLE_MS, None));
    }
}

#[test]
fn a_lower_bound_must_be_beyond_the_noise_as_well() {
    let mut restless = cut_off(30, 0, 1.3);
    for bound in restless.latency_bounds.values_mut() {
        bound.ms_standard_deviation = bound.ms_mean * 9.0;
    }
    assert_eq!(reasons(&judged(restless)), [AnalysisReason::TooManyFailedRequests]);
    assert_eq!(judged(cut_off(30, 0, 1.3)).verdict, Verdict::Degraded);
}

#[test]
fn where_more_were_cut_off_pass_rate_and_latency_are_both_told() {
    let judgement = judged(cut_off(120, 0, 10.0));
    let expected = [(SymptomKind::PassRateDrop, Metric::PassRate)].into_iter().chain(BOTH);
    assert_eq!(kinds(&judgement), expected.collect::<Vec<_>>());
    let judgement = judged(cut_off(120, 0, 1.0));
    assert_eq!(kinds(&judgement), [(SymptomKind::PassRateDrop, Metric::PassRate)]);
}

#[test]
fn an_engine_that_answered_nobody_is_degraded_by_what_they_waited() {
    let mut hung = cut_off(300, 0, 90.0);
    hung.metrics.clear();
    let judgement = judged(hung);
    let expected = [(SymptomKind::PassRateDrop, Metric::PassRate)].into_iter().chain(BOTH);
    assert_eq!(kinds(&judgement), expected.collect::<Vec<_>>());
}

#[test]
fn requests_that_were_refused_bound_no_latency() {
    let mut refused = cut_off(0, 30, 10.0);
    assert_eq!(reasons(&judged(refused.clone())), [AnalysisReason::TooManyFailedRequests], "nobody was cut off");
    refused.latency_bounds.clear();
    assert_eq!(reasons(&judged(refused)), [AnalysisReason::TooManyFailedRequests]);
    // 15 of 300 are 5 %: as many as ever may be missing from what is judged.
    assert_eq!(judged(cut_off(10, 15, 10.0)).verdict, Verdict::Degraded);
    assert_eq!(reasons(&judged(cut_off(10, 16, 10.0))), [AnalysisReason::TooManyFailedRequests]);
}

#[test]
fn where_latencies_can_be_judged_their_lower_bounds_are_not_looked_at() {
    let judgement = judged(cut_off(15, 0, 10.0));
    assert_eq!((judgement.verdict, judgement.admission), (Verdict::Healthy, Admission::Admitted));
    let whole = metric(&judgement, Metric::EndToEndLatency);
    assert_eq!((whole.outcome, whole.current, whole.cut_off), (MetricOutcome::WithinLimits, WHOLE_MS, None));
}

#[test]
fn a_lower_bound_serves_in_no_baseline() {
    let history: Vec<JudgedRun> =
        (1..=7).map(|night| admitted(&format!("h{night}"), night * -24, cut_off(15, 0, 10.0))).collect();
    let judgement = judge_run(&run_of("now", 0, cut_off(30, 0, 3.0)), &history, &settings());
    assert_eq!(metric(&judgement, Metric::EndToEndLatency).baseline, Some(WHOLE_MS));
    assert_eq!(judgement.verdict, Verdict::Degraded);
}

#[test]
fn a_measurement_that_is_invalid_otherwise_is_not_judged_by_a_lower_bound() {
    let invalid = |change: fn(&mut DomainMeasurement)| {
        let mut domain = cut_off(30, 0, 10.0);
        change(&mut domain);
        let judgement = judged(domain);
        assert_eq!(judgement.symptoms.len(), 0, "{:?}", judgement.reasons);
        judgement.reasons[0].reason
    };
    let stalled = invalid(|domain| {
        domain.client = domain.client.map(|pace| ClientPace { schedule_delay_ms_mean: 900.0, ..pace });
    });
    assert_eq!(stalled, AnalysisReason::ClientBehindSchedule);
    let unsent = invalid(|domain| domain.requests.offered = 400);
    assert_eq!(unsent, AnalysisReason::RequestsNotSent);
    let alone = invalid(|domain| {
        domain.metrics.insert(Metric::EndToEndLatency, latency(900.0));
        domain.engine_view = Some(EngineView { end_to_end_latency_ms_mean: Some(95.0), ..EngineView::default() });
    });
    assert_eq!(alone, AnalysisReason::ClientEngineDisagree);
}

#[test]
fn a_lower_bound_needs_a_baseline_and_as_many_samples_as_a_latency() {
    let judgement = judge_run(&run_of("now", 0, cut_off(30, 0, 10.0)), &quiet()[..2], &settings());
    assert_eq!(reasons(&judgement), [AnalysisReason::TooManyFailedRequests]);
    let mut few = cut_off(30, 0, 10.0);
    few.latency_bounds.values_mut().for_each(|bound| bound.count = 29);
    assert_eq!(reasons(&judged(few)), [AnalysisReason::TooManyFailedRequests]);
}

proptest! {
    #[test]
    fn lower_bounds_never_make_a_verdict_better(
        (cut, refused, times) in (0_u64..150, 0_u64..150, 0.0_f64..20.0),
        (broken, figure) in (any::<bool>(), prop::sample::select(vec![f64::NAN, f64::INFINITY, -1.0, 0.0])),
    ) {
        let mut bounded = cut_off(cut, refused, times);
        if broken {
            bounded.latency_bounds.values_mut().for_each(|bound| bound.ms_mean = figure);
        }
        let without = judged(DomainMeasurement { latency_bounds: BTreeMap::new(), ..bounded.clone() });
        let with = judged(bounded);
        let harm = |verdict| match verdict {
            Verdict::Healthy => 0,
            Verdict::Unknown | Verdict::Error => 1,
            Verdict::Degraded => 2,
        };
        prop_assert!(harm(with.verdict) >= harm(without.verdict));
        prop_assert!(with.admission == without.admission || with.verdict == Verdict::Degraded);
        prop_assert!(with.symptoms.len() >= without.symptoms.len());
        prop_assert!(with.symptoms.iter().all(|symptom| symptom.current.is_finite()));
        prop_assert!(with.fitness == without.fitness);
    }
}
