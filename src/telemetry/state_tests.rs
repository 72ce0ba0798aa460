use super::*;
use crate::telemetry::{
    Metrics,
    definition::{ALL, MetricForm, PREFIX},
    facts::BudgetLeft,
    page::exposed_name,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn escalation(
    gates: &[(&'static str, bool)],
    armed: &[(SymptomKind, Option<Timestamp>)],
    left: [i64; 2],
) -> ObjectFacts {
    let [measure, hold] = left.map(SignedDuration::from_secs);
    ObjectFacts {
        state: Some("Armed"),
        gates: gates.to_vec(),
        armed: armed.to_vec(),
        budget_left: Some(BudgetLeft { measure, hold }),
        ..ObjectFacts::default()
    }
}

fn full() -> LoopState {
    let of = |kind, state| (kind, ObjectFacts { state, ..ObjectFacts::default() });
    LoopState {
        leads: true,
        ready_gates: [("APIServer".to_owned(), true), ("PhaseRun".to_owned(), false)].into(),
        objects: vec![
            (
                OwnKind::Escalation,
                escalation(&[("WindowOpen", true)], &[(SymptomKind::VllmOom, Some(at(900)))], [60, 900]),
            ),
            (
                OwnKind::Escalation,
                escalation(&[("WindowOpen", false)], &[(SymptomKind::VllmOom, Some(at(700)))], [10, 950]),
            ),
            of(OwnKind::PhaseRun, Some("Healthy")),
            of(OwnKind::PhaseRun, Some("Healthy")),
            of(OwnKind::PhaseRun, None),
            (
                OwnKind::TuningCanary,
                ObjectFacts { state: Some("Passed"), restore_failed: true, ..ObjectFacts::default() },
            ),
            of(OwnKind::Promotion, Some("Applied")),
            of(OwnKind::PhaseSchedule, None),
            (OwnKind::PhaseSchedule, ObjectFacts { missed_starts: 2, ..ObjectFacts::default() }),
            (OwnKind::PhaseSchedule, ObjectFacts { missed_starts: 3, ..ObjectFacts::default() }),
        ],
    }
}

fn rows(state: &LoopState, definition: &MetricDefinition) -> Vec<(String, f64)> {
    let gauge = gauges(state).into_iter().find(|gauge| gauge.definition == definition).unwrap();
    gauge.rows.into_iter().map(|(labels, figure)| (labels.join(" "), figure)).collect()
}

#[test]
fn gauges_are_what_the_objects_say() {
    let state = full();
    for (definition, expected) in [
        (&LEADER, vec![("", 1.0)]),
        (&READY_GATE, vec![("APIServer", 1.0), ("PhaseRun", 0.0)]),
        (&GATES, vec![("WindowOpen closed", 1.0), ("WindowOpen open", 1.0)]),
        (&ESCALATIONS, vec![("Armed", 2.0)]),
        (&FLAG_EXPIRY, vec![("vllm_oom", 700.0)]),
        (&BUDGET_LEFT, vec![("hold", 900.0), ("measure", 10.0)]),
        (&PHASE_RUNS, vec![("Healthy", 2.0), ("None", 1.0)]),
        (&CANARIES, vec![("Passed", 1.0)]),
        (&UNRESTORED, vec![("", 1.0)]),
        (&MISSED_STARTS, vec![("", 5.0)]),
        (&PROMOTIONS, vec![("Applied", 1.0)]),
    ] {
        let expected: Vec<(String, f64)> =
            expected.into_iter().map(|(labels, figure)| (labels.to_owned(), figure)).collect();
        assert_eq!(rows(&state, definition), expected, "{}", definition.name);
    }
    let armed = rows(&state, &FLAGS_ARMED);
    assert_eq!(armed.len(), SymptomKind::ALL.len(), "a symptom without a flag shows a zero and no gap");
    assert!(armed.contains(&("vllm_oom".to_owned(), 2.0)));
}

struct Fixed(LoopState);

impl StateSource for Fixed {
    fn state(&self) -> LoopState {
        self.0.clone()
    }
}

/// The page after one of everything happened.
fn page() -> String {
    let metrics = Metrics::default();
    metrics.reconciled("PhaseRun", std::time::Duration::from_millis(30), Some("Conflict"));
    metrics.watch_restarted("Pod");
    metrics.watch_failed("Pod");
    metrics.requested("get", "phaseruns", "200");
    metrics.restored(std::time::Duration::from_secs(4));
    metrics.page(Arc::new(Fixed(full()))).text().unwrap()
}

#[test]
fn the_page_shows_every_metric_of_the_reference_with_its_labels_and_nothing_else() {
    let page = page();
    for metric in ALL {
        let name = exposed_name(metric);
        let base = format!("{PREFIX}_{}", metric.name);
        assert!(
            page.contains(&format!("# TYPE {base} {}\n", metric.form.name())),
            "{base} is no {}",
            metric.form.name()
        );
        assert!(page.contains(&format!("# HELP {base} {}.\n", metric.help)), "{base}: another meaning");
        let sample = if metric.form == MetricForm::Histogram { format!("{base}_bucket{{") } else { name };
        let row =
            page.lines().find(|line| line.starts_with(&sample)).unwrap_or_else(|| panic!("no {sample} in {page}"));
        for label in metric.labels {
            assert!(row.contains(&format!("{}=\"", label.name)), "{row} lacks {}", label.name);
        }
    }
    let told = page.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(told, ALL.len(), "something stands there that the reference lacks: {page}");
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn what_happens_is_counted_once_and_by_its_cause() {
    let page = page();
    for line in [
        "phaseloop_reconcile_errors_total{kind=\"PhaseRun\",reason=\"Conflict\"} 1",
        "phaseloop_reconcile_duration_seconds_count{kind=\"PhaseRun\"} 1",
        "phaseloop_reconcile_duration_seconds_bucket{le=\"0.025\",kind=\"PhaseRun\"} 0",
        "phaseloop_reconcile_duration_seconds_bucket{le=\"0.05\",kind=\"PhaseRun\"} 1",
        "phaseloop_watch_restarts_total{kind=\"Pod\"} 1",
        "phaseloop_api_requests_total{verb=\"get\",kind=\"phaseruns\",code=\"200\"} 1",
        "phaseloop_restore_seconds_bucket{le=\"3.0\"} 0",
        "phaseloop_restore_seconds_bucket{le=\"5.0\"} 1",
        "phaseloop_leader 1.0",
    ] {
        assert!(page.lines().any(|one| one == line), "no {line} in {page}");
    }
}
