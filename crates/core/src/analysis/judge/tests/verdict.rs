//! The verdict of a domain and of a run.

use proptest::prelude::*;

use crate::{
    analysis::{
        fixture::{admitted, at, domain, failure, history_of, latency, run_of, settings},
        history::JudgedRun,
        judge::judge_run,
        judgement::{Admission, MetricOutcome, RunJudgement, TemplateHashes},
        measurement::{
            CountedTwice, CrossCheck, DomainMeasurement, EngineFailureClass, EngineView, MeasurementSource,
            RequestCounts,
        },
        reason::AnalysisReason,
        sample::SampleSummary,
        settings::AnalysisSettings,
    },
    prelude::*,
    value::{Metric, Severity, SymptomKind, Verdict},
};

/// Seven runs that move by one per cent.
fn quiet() -> Vec<JudgedRun> {
    history_of(&[99.0, 100.0, 101.0, 100.0, 99.0, 101.0, 100.0])
}

fn judged(domain: DomainMeasurement, history: &[JudgedRun]) -> RunJudgement {
    judge_run(&run_of("now", 0, domain), history, &settings())
}

fn outcome_of(judgement: &RunJudgement, metric: Metric) -> MetricOutcome {
    judgement.domains[0].metrics.iter().find(|judged| judged.metric == metric).unwrap().outcome
}

fn reasons_of(judgement: &RunJudgement) -> Vec<AnalysisReason> {
    judgement.reasons.iter().map(|finding| finding.reason).collect()
}

/// Settings under which noise explains nothing, so that the table alone speaks.
fn without_noise() -> AnalysisSettings {
    let mut settings = settings();
    settings.significance.latency_spread_prior = 1e-9;
    settings.significance.throughput_spread_prior = 1e-9;
    settings.significance.pass_rate_spread_prior = 1e-9;
    settings
}

fn exact(end_to_end_ms: f64, throughput: f64) -> DomainMeasurement {
    let mut domain = domain(end_to_end_ms, throughput);
    let summary = SampleSummary { standard_deviation: 0.0, ..latency(end_to_end_ms) };
    domain.metrics.insert(Metric::EndToEndLatency, summary);
    domain
}

#[test]
fn the_table_decides_where_noise_explains_nothing() {
    let history: Vec<JudgedRun> =
        (1..=5).map(|night| admitted(&format!("h{night}"), night * -24, exact(100.0, 40.0))).collect();
    for (latency, throughput, latency_outcome, throughput_outcome) in [
        (100.0, 40.0, MetricOutcome::WithinLimits, MetricOutcome::WithinLimits),
        (120.0, 34.0, MetricOutcome::WithinLimits, MetricOutcome::WithinLimits),
        (120.1, 33.9, MetricOutcome::Warning, MetricOutcome::Warning),
        (150.0, 28.0, MetricOutcome::Warning, MetricOutcome::Warning),
        (150.1, 27.9, MetricOutcome::Critical, MetricOutcome::Critical),
        (50.0, 80.0, MetricOutcome::WithinLimits, MetricOutcome::WithinLimits),
    ] {
        let judgement = judge_run(&run_of("now", 0, exact(latency, throughput)), &history, &without_noise());
        assert_eq!(outcome_of(&judgement, Metric::EndToEndLatency), latency_outcome, "{latency}");
        assert_eq!(outcome_of(&judgement, Metric::Throughput), throughput_outcome, "{throughput}");
        let worse = [latency_outcome, throughput_outcome].iter().filter(|outcome| outcome.severity().is_some()).count();
        assert_eq!(judgement.symptoms.len(), worse);
        let verdict = if worse > 0 { Verdict::Degraded } else { Verdict::Healthy };
        assert_eq!(judgement.verdict, verdict);
    }
}

#[test]
fn a_change_must_be_significant_as_well() {
    // Seven restless runs; the limit that noise sets is in the figures.
    let restless = history_of(&[88.0, 95.0, 100.0, 106.0, 113.0, 100.0, 98.0]);
    let limit = judged(domain(100.0, 30.0), &restless).domains[0].metrics[3].significance.unwrap().limit;
    assert!((125.0..145.0).contains(&limit), "{limit}");
    let within = judged(domain(limit * 0.999, 30.0), &restless);
    assert_eq!(outcome_of(&within, Metric::EndToEndLatency), MetricOutcome::NotSignificant);
    assert_eq!(within.verdict, Verdict::Healthy);
    assert_eq!(reasons_of(&within), [AnalysisReason::WithinLimits, AnalysisReason::ChangeNotSignificant]);
    assert_eq!(within.admission, Admission::Admitted);
    let beyond = judged(domain(limit * 1.001, 30.0), &restless);
    assert_eq!(outcome_of(&beyond, Metric::EndToEndLatency), MetricOutcome::Warning);
    assert_eq!(reasons_of(&beyond), [AnalysisReason::LatencyRose]);
    assert_eq!(beyond.admission, Admission::NotAdmitted(AnalysisReason::LatencyRose));
}

#[test]
fn on_a_steady_machine_the_table_is_what_decides() {
    assert_eq!(judged(domain(119.0, 30.0), &quiet()).verdict, Verdict::Healthy);
    assert_eq!(outcome_of(&judged(domain(125.0, 30.0), &quiet()), Metric::EndToEndLatency), MetricOutcome::Warning);
}

#[test]
fn the_message_carries_figure_limit_and_noise() {
    let judgement = judged(domain(250.0, 20.0), &quiet());
    let significance = |metric| {
        judgement.domains[0].metrics.iter().find(|judged| judged.metric == metric).unwrap().significance.unwrap()
    };
    let (latency, throughput) = (significance(Metric::EndToEndLatency), significance(Metric::Throughput));
    let messages: Vec<&str> = judgement.reasons.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            format!(
                "E2E latency 250.0 ms, +150.0% on the baseline's 100.0 ms (critical beyond +50%), beyond the +{:.1}% \
                 that noise explains (7 runs, confidence 99.5%)",
                latency.limit - 100.0
            ),
            format!(
                "throughput 20.0/s, -33.3% on the baseline's 30.0/s (critical beyond -30%), beyond the -{:.1}% that \
                 noise explains (7 runs, confidence 99.5%)",
                (30.0 - throughput.limit) / 0.3
            ),
        ]
    );
    assert_eq!(latency.runs, 7);
    assert_eq!(latency.confidence, 0.995);
    assert!((latency.noise_percent - (latency.limit - 100.0)).abs() < 1e-9);
    assert!((8.8..8.9).contains(&latency.spread_percent), "{}", latency.spread_percent);
    assert_eq!(judgement.reasons[0].domain.as_deref(), Some("chat"));
    let symptom = &judgement.symptoms[0];
    assert_eq!((symptom.current, symptom.baseline, symptom.delta_percent), (250.0, Some(100.0), Some(150.0)));
}

#[test]
fn a_healthy_verdict_says_what_it_was_held_against() {
    let judgement = judged(domain(110.0, 29.0), &quiet());
    assert_eq!(judgement.verdict, Verdict::Healthy);
    assert_eq!(
        judgement.reasons[0].message,
        "3 metrics compared with 7 runs; nearest to its limit: E2E latency +10.0% (warning beyond +20%)"
    );
    // 9 % of 15 % is nearer than 10 % of 20 %.
    let falling = judged(domain(110.0, 27.3), &quiet());
    assert_eq!(
        falling.reasons[0].message,
        "3 metrics compared with 7 runs; nearest to its limit: throughput -9.0% (warning beyond -15%)"
    );
}

#[test]
fn a_valid_run_that_lacks_a_baseline_is_a_seed() {
    for runs in 0..3 {
        let history = history_of(&[100.0, 100.0, 100.0][..runs]);
        let judgement = judged(domain(100.0, 30.0), &history);
        assert_eq!((judgement.verdict, judgement.admission), (Verdict::Unknown, Admission::Seed), "{runs}");
        assert_eq!(reasons_of(&judgement), [AnalysisReason::BaselineSeeding]);
        assert!(judgement.domains[0].valid && judgement.symptoms.is_empty());
        assert_eq!(outcome_of(&judgement, Metric::EndToEndLatency), MetricOutcome::NoBaseline);
    }
    let judgement = judged(domain(100.0, 30.0), &history_of(&[100.0, 100.0, 100.0]));
    assert_eq!((judgement.verdict, judgement.admission), (Verdict::Healthy, Admission::Admitted));
}

#[test]
fn a_seeding_baseline_shows_what_it_has() {
    let judgement = judged(domain(120.0, 30.0), &history_of(&[100.0, 100.0]));
    let metric = &judgement.domains[0].metrics[3];
    assert_eq!((metric.metric, metric.baseline), (Metric::EndToEndLatency, Some(100.0)));
    assert_eq!((metric.delta_percent, metric.significance), (Some(20.0), None));
    assert_eq!(
        judgement.reasons[0].message,
        "2 of 3 comparable runs needed within 672h; this one is valid and within its absolute limits, so it is taken as a \
         seed"
    );
}

#[test]
fn a_baseline_that_reached_back_or_left_a_run_out_says_so() {
    let mut history = history_of(&[100.0, 100.0]);
    history.push(admitted("old", -300, domain(100.0, 30.0)));
    let judgement = judged(domain(100.0, 30.0), &history);
    assert_eq!(reasons_of(&judgement), [AnalysisReason::WithinLimits, AnalysisReason::BaselineReachedBack]);
    assert_eq!(
        judgement.reasons[1].message,
        "fewer than 3 runs within 168h; the newest older ones serve, up to 672h back"
    );
    let mut history = quiet();
    history[3] = admitted("loud", -96, domain(900.0, 30.0));
    let judgement = judged(domain(100.0, 30.0), &history);
    assert_eq!(reasons_of(&judgement), [AnalysisReason::WithinLimits, AnalysisReason::BaselineRunLeftOut]);
    assert_eq!(judgement.reasons[1].message, "loud: E2E latency +800.0% from the median of the other 6 runs");
}

fn failing(failed: u64) -> DomainMeasurement {
    let requests = RequestCounts { offered: 300, completed: 300 - failed, failed, ..RequestCounts::default() };
    DomainMeasurement { requests, ..domain(100.0, 30.0) }
}

#[test]
fn failed_requests_are_a_pass_rate_drop_where_it_shows_and_invalid_below_that() {
    // 5 % of 300 are 15; 15 % are 45; 30 % are 90.
    for (failed, verdict, reason) in [
        (15, Verdict::Healthy, AnalysisReason::WithinLimits),
        (16, Verdict::Unknown, AnalysisReason::TooManyFailedRequests),
        (45, Verdict::Unknown, AnalysisReason::TooManyFailedRequests),
        (46, Verdict::Degraded, AnalysisReason::PassRateFell),
        (200, Verdict::Degraded, AnalysisReason::PassRateFell),
    ] {
        let judgement = judged(failing(failed), &quiet());
        assert_eq!((judgement.verdict, judgement.reasons[0].reason), (verdict, reason), "{failed}");
        assert_eq!(judgement.admission.may_serve(), failed <= 15, "{failed}");
    }
    let message = &judged(failing(16), &quiet()).reasons[0].message;
    assert_eq!(message, "16 of 300 failed (5.3%, limit 5%)");
}

#[test]
fn latencies_of_survivors_are_shown_and_not_judged() {
    let mut slow = failing(91);
    slow.metrics.insert(Metric::EndToEndLatency, latency(500.0));
    let view = EngineView { end_to_end_latency_ms_mean: Some(475.0), ..EngineView::default() };
    slow.engine_view = Some(view);
    let judgement = judged(slow, &quiet());
    let [symptom] = &judgement.symptoms[..] else { panic!("{:?}", judgement.symptoms) };
    assert_eq!((symptom.kind, symptom.severity), (SymptomKind::PassRateDrop, Severity::Critical));
    assert_eq!(outcome_of(&judgement, Metric::EndToEndLatency), MetricOutcome::NotJudged);
    assert_eq!(judgement.domains[0].metrics[3].baseline, Some(100.0));
    let text = "pass rate 69.7%, -30.3% on the baseline's 100.0% (critical beyond -30%)";
    assert!(judgement.reasons[0].message.starts_with(text), "{}", judgement.reasons[0].message);
}

#[test]
fn too_many_failures_make_no_seed() {
    let judgement = judged(failing(16), &[]);
    assert_eq!(judgement.admission, Admission::NotAdmitted(AnalysisReason::TooManyFailedRequests));
    let report = DomainMeasurement { source: MeasurementSource::Report, engine_view: None, ..failing(90) };
    assert_eq!(judged(report, &[]).admission, Admission::Seed);
    let report = DomainMeasurement { source: MeasurementSource::Report, engine_view: None, ..failing(91) };
    assert_eq!(judged(report, &[]).verdict, Verdict::Unknown);
}

/// An engine of which requests wait longer and longer: those that were due waited three times as long in the mean as those
/// that were answered in the same time.
fn saturated(engine_count: u64) -> DomainMeasurement {
    let answers = CountedTwice { engine_count, client_count: 180, unsure_count: 2, client_ms_mean: Some(2_000.0) };
    let mut domain = domain(6_000.0, 9.0);
    domain.engine_view = Some(EngineView { end_to_end_latency_ms_mean: Some(1_990.0), ..EngineView::default() });
    domain.cross_check = Some(CrossCheck { answers: Some(answers), ..CrossCheck::default() });
    domain
}

#[test]
fn a_saturated_engine_is_degraded_and_one_that_serves_others_is_unknown() {
    let judgement = judged(saturated(180), &quiet());
    assert_eq!(judgement.verdict, Verdict::Degraded, "{:?}", judgement.reasons);
    let kinds: Vec<SymptomKind> = judgement.symptoms.iter().map(|symptom| symptom.kind).collect();
    assert_eq!(kinds, [SymptomKind::LatencyRegression, SymptomKind::ThroughputDrop]);
    let judgement = judged(saturated(900), &quiet());
    assert_eq!((judgement.verdict, judgement.symptoms.len()), (Verdict::Unknown, 0));
    assert_eq!(reasons_of(&judgement), [AnalysisReason::ClientEngineDisagree]);
}

#[test]
fn an_invalid_measurement_adds_no_symptom() {
    let mut stalled = domain(900.0, 10.0);
    stalled.engine_view = Some(EngineView { end_to_end_latency_ms_mean: Some(95.0), ..EngineView::default() });
    let judgement = judged(stalled, &quiet());
    assert_eq!((judgement.verdict, judgement.symptoms.len()), (Verdict::Unknown, 0));
    assert_eq!(reasons_of(&judgement), [AnalysisReason::ClientEngineDisagree]);
    assert_eq!(outcome_of(&judgement, Metric::EndToEndLatency), MetricOutcome::NotJudged);
    assert_eq!(outcome_of(&judgement, Metric::PassRate), MetricOutcome::NotJudged);
    assert!(!judgement.domains[0].valid);
    assert_eq!(judgement.domains[0].fitness, None);
}

#[test]
fn a_metric_that_the_baseline_has_and_the_run_lacks_is_no_pass() {
    let mut lacking = domain(100.0, 30.0);
    lacking.metrics.remove(&Metric::Throughput);
    let judgement = judged(lacking.clone(), &quiet());
    assert_eq!((judgement.verdict, judgement.reasons[0].reason), (Verdict::Unknown, AnalysisReason::MetricMissing));
    assert_eq!(
        judgement.reasons[0].message,
        "throughput is missing, or has fewer than 30 samples; 7 runs of the baseline have it"
    );
    let mut few = domain(100.0, 30.0);
    few.metrics.insert(Metric::EndToEndLatency, SampleSummary { count: 29, ..latency(100.0) });
    assert_eq!(judged(few.clone(), &quiet()).reasons[0].reason, AnalysisReason::MetricMissing);
    let mut history = history_of(&[100.0, 100.0, 100.0]);
    history[0].measurement.domains[0].metrics.clear();
    history[1].measurement.domains[0].metrics.clear();
    assert_eq!(judged(lacking, &history).verdict, Verdict::Healthy, "one run of three is no baseline of a metric");
    let judgement = judged(few, &history);
    assert_eq!(outcome_of(&judgement, Metric::EndToEndLatency), MetricOutcome::TooFewSamples);
    assert_eq!(judgement.verdict, Verdict::Healthy);
}

#[test]
fn a_throughput_of_zero_is_a_critical_drop() {
    let judgement = judged(domain(100.0, 0.0), &quiet());
    assert_eq!(outcome_of(&judgement, Metric::Throughput), MetricOutcome::Critical);
    assert_eq!(judgement.symptoms[0].delta_percent, Some(-100.0));
}

#[test]
fn an_engine_that_was_not_observed_is_said_and_decides_nothing() {
    let mut unobserved = domain(100.0, 30.0);
    unobserved.engine_view = None;
    let judgement = judged(unobserved, &quiet());
    assert_eq!(reasons_of(&judgement), [AnalysisReason::WithinLimits, AnalysisReason::EngineUnobserved]);
}

#[test]
fn nothing_measured_is_unknown() {
    let mut empty = domain(100.0, 30.0);
    empty.requests = RequestCounts::default();
    empty.metrics.clear();
    let judgement = judged(empty, &quiet());
    assert_eq!((judgement.verdict, reasons_of(&judgement)), (Verdict::Unknown, vec![AnalysisReason::NoData]));
    assert_eq!(judgement.admission, Admission::NotAdmitted(AnalysisReason::NoData));
    let mut run = run_of("now", 0, domain(100.0, 30.0));
    run.domains.clear();
    let judgement = judge_run(&run, &quiet(), &settings());
    assert_eq!((judgement.verdict, reasons_of(&judgement)), (Verdict::Unknown, vec![AnalysisReason::NoData]));
    assert_eq!((judgement.fitness, judgement.admission), (None, Admission::NotAdmitted(AnalysisReason::NoData)));
}

#[test]
fn a_measurement_that_contradicts_itself_is_an_error() {
    let error_of = |change: fn(&mut crate::analysis::measurement::RunMeasurement)| {
        let mut run = run_of("now", 0, domain(100.0, 30.0));
        change(&mut run);
        let judgement = judge_run(&run, &quiet(), &settings());
        (judgement.verdict == Verdict::Error).then(|| judgement.reasons[0].message.clone())
    };
    assert_eq!(error_of(|_| ()), None);
    assert_eq!(error_of(|run| run.completed_at = run.started_at), None);
    assert!(error_of(|run| run.completed_at = at(-1)).unwrap().starts_with("it ended at "));
    let doubled = error_of(|run| run.domains.push(run.domains[0].clone()));
    assert_eq!(doubled.as_deref(), Some("domain \"chat\" appears twice"));
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut run = run_of("now", 0, domain(100.0, 30.0));
        run.domains[0].weight = weight;
        assert_eq!(judge_run(&run, &[], &settings()).verdict, Verdict::Error, "{weight}");
    }
    let more = error_of(|run| run.domains[0].requests.failed = 1);
    assert_eq!(more.as_deref(), Some("domain \"chat\" answered 301 of 300 requests"));
}

fn named(name: &str, weight: f64, domain: DomainMeasurement) -> DomainMeasurement {
    DomainMeasurement { name: name.to_owned(), weight, ..domain }
}

/// Runs of two domains: `chat` as given, `rag` always the same.
fn two_domains(chat: DomainMeasurement) -> (crate::analysis::measurement::RunMeasurement, Vec<JudgedRun>) {
    let rag = || named("rag", 3.0, domain(50.0, 10.0));
    let mut run = run_of("now", 0, chat);
    run.domains.push(rag());
    let mut history = quiet();
    for earlier in &mut history {
        earlier.measurement.domains.push(rag());
    }
    (run, history)
}

#[test]
fn a_run_is_as_bad_as_its_worst_domain() {
    let mut stalled = domain(100.0, 30.0);
    stalled.requests = RequestCounts { offered: 10, completed: 10, ..RequestCounts::default() };
    for (chat, verdict, valid, covered) in [
        (domain(100.0, 30.0), Verdict::Healthy, true, vec!["chat", "rag"]),
        (domain(300.0, 30.0), Verdict::Degraded, true, vec!["chat", "rag"]),
        (stalled, Verdict::Unknown, true, vec!["rag"]),
    ] {
        let (run, history) = two_domains(chat);
        let judgement = judge_run(&run, &history, &settings());
        assert_eq!(judgement.verdict, verdict);
        assert_eq!(judgement.domains[1].verdict, Verdict::Healthy);
        let facts = judgement.to_run_facts(&run, true, TemplateHashes::default());
        assert_eq!((facts.verdict, facts.valid), (verdict, valid));
        assert_eq!(facts.workloads.keys().map(String::as_str).collect::<Vec<_>>(), covered);
        assert_eq!(judgement.admission.may_serve(), verdict == Verdict::Healthy);
    }
}

#[test]
fn degraded_outweighs_unknown_and_its_reasons_come_first() {
    let mut stalled = domain(100.0, 30.0);
    stalled.requests = RequestCounts { offered: 10, completed: 10, ..RequestCounts::default() };
    let (mut run, history) = two_domains(stalled);
    run.domains[1].metrics.insert(Metric::EndToEndLatency, latency(500.0));
    run.domains[1].engine_view = Some(EngineView { end_to_end_latency_ms_mean: Some(480.0), ..EngineView::default() });
    let judgement = judge_run(&run, &history, &settings());
    assert_eq!(judgement.verdict, Verdict::Degraded);
    assert_eq!(reasons_of(&judgement), [AnalysisReason::LatencyRose, AnalysisReason::TooFewSamples]);
    assert_eq!(judgement.symptoms[0].domain, "rag");
    assert_eq!(judgement.admission, Admission::NotAdmitted(AnalysisReason::TooFewSamples));
    let (mut run, history) = two_domains(domain(100.0, 30.0));
    run.domains[1].requests = RequestCounts { offered: 10, completed: 10, ..RequestCounts::default() };
    let judgement = judge_run(&run, &history, &settings());
    assert_eq!(reasons_of(&judgement), [AnalysisReason::TooFewSamples, AnalysisReason::WithinLimits]);
    assert_eq!(judgement.admission, Admission::NotAdmitted(AnalysisReason::TooFewSamples));
}

#[test]
fn a_new_domain_seeds_while_the_others_are_judged() {
    for swapped in [false, true] {
        let (mut run, history) = two_domains(domain(100.0, 30.0));
        run.domains.push(named("new", 1.0, domain(10.0, 1.0)));
        if swapped {
            run.domains.reverse();
        }
        let judgement = judge_run(&run, &history, &settings());
        assert_eq!((judgement.verdict, judgement.admission), (Verdict::Unknown, Admission::Seed));
    }
}

fn within(domain: DomainMeasurement, within: u64) -> DomainMeasurement {
    DomainMeasurement { within_slo: Some(within), ..domain }
}

#[test]
fn fitness_is_the_weighted_share_of_requests_within_the_slo() {
    let (mut run, history) = two_domains(within(domain(100.0, 30.0), 150));
    assert_eq!(judge_run(&run, &history, &settings()).fitness, None, "one domain has no SLO");
    run.domains[1].within_slo = Some(300);
    let judgement = judge_run(&run, &history, &settings());
    assert_eq!(judgement.domains[0].fitness, Some(0.5));
    assert_eq!(judgement.fitness, Some((0.5 + 3.0) / 4.0));
}

#[test]
fn what_fails_a_hard_gate_has_no_fitness() {
    let fitness = |domain: DomainMeasurement| judged(within(domain, 200), &quiet()).fitness;
    assert_eq!(fitness(failing(15)), Some(200.0 / 300.0));
    assert_eq!(fitness(failing(16)), None);
    assert_eq!(fitness(failing(100)), None);
    assert_eq!(fitness(domain(300.0, 30.0)), Some(200.0 / 300.0), "a slow run has the fitness it has");
    let mut died = domain(100.0, 30.0);
    died.engine.failures = vec![failure(EngineFailureClass::Crash, None)];
    assert_eq!(fitness(died), None);
    let mut oom = domain(100.0, 30.0);
    oom.engine.reported_oom_events = 1;
    assert_eq!(fitness(oom), None);
    let mut few = domain(100.0, 30.0);
    few.requests = RequestCounts { offered: 10, completed: 10, ..RequestCounts::default() };
    assert_eq!(fitness(few), None);
    let mut none = domain(100.0, 30.0);
    none.requests = RequestCounts::default();
    none.engine.failures = vec![failure(EngineFailureClass::StartRefused, None)];
    assert_eq!(fitness(none), None);
}

#[test]
fn facts_carry_what_counting_needs() {
    let run = run_of("now", 0, domain(300.0, 30.0));
    let judgement = judge_run(&run, &quiet(), &settings());
    let templates = TemplateHashes { at_start: Some("a".to_owned()), at_end: Some("b".to_owned()) };
    let facts = judgement.to_run_facts(&run, false, templates);
    assert_eq!((facts.uid.as_str(), facts.name.as_str()), ("now", "now"));
    assert_eq!((facts.started_at, facts.completed_at), (run.started_at, run.completed_at));
    assert_eq!((facts.verdict, facts.valid, facts.counts), (Verdict::Degraded, true, false));
    assert_eq!(facts.symptoms, judgement.symptoms);
    assert_eq!(facts.workloads.get("chat").map(String::as_str), Some("w"));
    assert_eq!(facts.template_hash_at_start.as_deref(), Some("a"));
    assert_eq!(facts.template_hash_at_end.as_deref(), Some("b"));
    let mut few = domain(300.0, 30.0);
    few.requests = RequestCounts { offered: 10, completed: 10, ..RequestCounts::default() };
    let run = run_of("now", 0, few);
    let facts = judge_run(&run, &quiet(), &settings()).to_run_facts(&run, true, TemplateHashes::default());
    assert!(!facts.valid && facts.counts && facts.workloads.is_empty());
}

#[test]
fn what_changed_is_compared_with_the_newest_run_of_the_baseline() {
    let mut history = quiet();
    for (position, earlier) in history.iter_mut().enumerate() {
        let value = if position == 6 { "64" } else { "32" };
        earlier.measurement.environment.configuration.insert("max-num-seqs".to_owned(), value.to_owned());
    }
    let mut run = run_of("now", 0, domain(100.0, 30.0));
    run.environment.configuration.insert("max-num-seqs".to_owned(), "2".to_owned());
    let judgement = judge_run(&run, &history, &settings());
    assert_eq!(judgement.changed_since_baseline[0].to_string(), "max-num-seqs 64 -> 2");
    history.reverse();
    assert_eq!(judge_run(&run, &history, &settings()).changed_since_baseline, judgement.changed_since_baseline);
}

#[test]
fn the_history_keeps_the_environment_as_judged() {
    let run = run_of("now", 0, domain(100.0, 30.0));
    let mut judgement = judge_run(&run, &quiet(), &settings());
    judgement.environment.driver_version = Some("570".to_owned());
    let kept = JudgedRun::new("t", run.clone(), &judgement, true);
    assert_eq!(kept.measurement.environment.driver_version.as_deref(), Some("570"));
    assert_eq!(kept.measurement.domains, run.domains);
    assert_eq!((kept.target.as_str(), kept.verdict), ("t", Verdict::Healthy));
    assert_eq!((kept.admission, kept.under_unvalidated_promotion), (Admission::Admitted, true));
}

#[test]
fn a_judgement_prints_as_json_with_names() {
    let judgement = judged(domain(300.0, 30.0), &quiet());
    let json = serde_json::to_value(&judgement).unwrap();
    assert_eq!(json["verdict"], "Degraded");
    assert_eq!(json["reasons"][0]["reason"], "LatencyRose");
    assert_eq!(json["admission"]["NotAdmitted"], "LatencyRose");
    assert_eq!(json["domains"][0]["baseline"]["runs"][0]["name"], "h6");
    assert_eq!(json["domains"][0]["metrics"][3]["outcome"], "Critical");
    assert_eq!(json["symptoms"][0]["kind"], "latency_regression");
}

fn any_figure() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::MIN_POSITIVE),
        Just(f64::MAX),
        1e-3_f64..1e6
    ]
}

proptest! {
    #[test]
    fn no_figure_makes_a_judgement_fail_or_a_symptom_without_cause(
        latencies in proptest::collection::vec((any_figure(), any_figure()), 0..8),
        (latency_ms, rate) in (any_figure(), any_figure()),
        (completed, failed, offered) in (0_u64..400, 0_u64..400, 0_u64..800),
    ) {
        let history: Vec<JudgedRun> = (1..).zip(&latencies)
            .map(|(night, (latency, rate))| admitted(&format!("h{night}"), night * -24, domain(*latency, *rate)))
            .collect();
        let mut measured = domain(latency_ms, rate);
        measured.requests = RequestCounts { offered, completed, failed, ..RequestCounts::default() };
        let judgement = judged(measured, &history);
        prop_assert!(!judgement.reasons.is_empty());
        prop_assert_eq!(judgement.symptoms.is_empty(), judgement.verdict != Verdict::Degraded);
        prop_assert!(judgement.symptoms.iter().all(|symptom| symptom.current.is_finite()));
        prop_assert_eq!(judgement.admission == Admission::Admitted, judgement.verdict == Verdict::Healthy);
    }

    #[test]
    fn a_better_latency_never_degrades(
        history in proptest::collection::vec(50.0_f64..200.0, 3..10),
        share in 0.01_f64..1.0,
    ) {
        let best = history.iter().copied().fold(f64::INFINITY, f64::min);
        let judgement = judged(domain(best * share, 30.0), &history_of(&history));
        prop_assert_ne!(judgement.verdict, Verdict::Degraded);
    }
}
