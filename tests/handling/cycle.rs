//! The four nights, awaited from the noon before: each ends with the exit code that its cycle has.

use jiff::{SignedDuration, Timestamp};
use phaseloop::{
    api::escalation::Suspend,
    handling::{
        cycle::{BeginError, CycleEndReason, CycleError, CycleOutcome, CycleTerms, Subject, follow_cycle},
        name::ObjectName,
        suspend::{Selected, Switch, switch},
    },
};
use phaseloop_core::plan::OwnKind;

use crate::living::{Kept, Living, NAMESPACE, TARGET, run, text};

fn terms(force: bool, timeout_hours: i64) -> CycleTerms {
    CycleTerms {
        namespace: NAMESPACE.to_owned(),
        subject: Subject::Schedule { name: None, force },
        timeout: SignedDuration::from_hours(timeout_hours),
    }
}

async fn follow(living: &mut Living, terms: &CycleTerms) -> (Result<CycleOutcome, CycleError>, Vec<String>) {
    let (cluster, mut told) = (living.cluster(), Vec::new());
    let outcome = follow_cycle(&cluster, &Kept::default(), terms, living, &mut |line| told.push(line.to_owned())).await;
    (outcome, told)
}

#[test]
fn each_of_the_four_nights_ends_with_its_exit_code() {
    run(async {
        for (noon, reason, code) in [
            // Three nights are needed for a baseline.
            (-4, CycleEndReason::Unknown, 3),
            (-1, CycleEndReason::Healthy, 0),
            (0, CycleEndReason::Counted, 1),
            (2, CycleEndReason::Promoted, 2),
            (3, CycleEndReason::Healthy, 0),
        ] {
            let mut living = Living::at_noon_after(noon).await;
            let (outcome, told) = follow(&mut living, &terms(false, 24)).await;
            let outcome = outcome.unwrap_or_else(|error| panic!("after night {noon}: {error}: {told:#?}"));
            assert_eq!((outcome.end.reason, outcome.exit_code), (reason, code), "after night {noon}: {outcome:?}");
            assert_eq!(told[0], "phaseschedule/llama-13b: waits for its next run");
            assert!(told.iter().any(|line| line.contains(" is Running")), "{told:#?}");
            let is_promoted = reason == CycleEndReason::Promoted;
            assert_eq!(outcome.promotion.is_some(), is_promoted);
            assert_eq!(told.iter().any(|line| line.starts_with("tuning for vllm_oom: ")), is_promoted, "{told:#?}");
            if is_promoted {
                assert!(living.value().ends_with("=0.75"), "the end is told once the value is in production");
            }
        }
    });
}

#[test]
fn a_cycle_that_has_ended_is_told_the_same_again() {
    run(async {
        let mut living = Living::at_noon_after(3).await;
        let names: Vec<String> =
            living.own("PhaseRun").iter().map(|run| text(run, "/metadata/name").to_owned()).collect();
        let mut codes = Vec::new();
        for name in &names {
            let terms = CycleTerms { subject: Subject::Run(name.clone()), ..terms(false, 1) };
            codes.push(follow(&mut living, &terms).await.0.unwrap().exit_code);
        }
        assert_eq!(codes, [3, 3, 3, 0, 0, 1, 1, 2]);
    });
}

#[test]
fn the_run_that_refutes_a_promotion_is_told_at_once_as_the_first_of_a_new_count() {
    run(async {
        let (file, text_of_file) = ("not-validated.yaml", include_str!("../../scenarios/not-validated.yaml"));
        let mut living = Living::begin_scenario(file, text_of_file).until_noon_after(2).await;
        let (outcome, told) = follow(&mut living, &terms(false, 24)).await;
        let outcome = outcome.unwrap();
        let run =
            living.own("PhaseRun").into_iter().find(|run| text(run, "/metadata/name") == outcome.phase_run).unwrap();
        assert_eq!((outcome.end.reason, outcome.exit_code), (CycleEndReason::Counted, 1), "{outcome:?}\n{told:#?}");
        assert!(outcome.end.message.ends_with("; vllm_oom 1 of 2 in 29h"), "{outcome:?}");
        let ended: Timestamp = text(&run, "/status/completedAt").parse().unwrap();
        let waited = living.now().duration_since(ended);
        assert!(waited < SignedDuration::from_secs(15), "told {waited:#} after the run's end: {told:#?}");
        // What armed the flag before is still told apart from what counts now.
        let escalation = living.own("Escalation").remove(0);
        let flags = escalation["status"]["flags"].as_array().unwrap();
        let flag = flags.iter().find(|flag| flag["symptom"] == "vllm_oom").unwrap();
        let names = |field: &str| -> Vec<String> {
            let runs = flag[field].as_array().unwrap().iter();
            runs.map(|run| text(run, "/name").to_owned()).collect()
        };
        assert_eq!(flag["state"], "Cleared");
        assert_eq!(names("counted"), [outcome.phase_run]);
        assert_eq!(names("evidence"), ["llama-13b-20260302-0200", "llama-13b-20260303-0200"]);
    });
}

#[test]
fn a_run_that_is_forced_counts_as_the_schedule_s_own_and_a_closed_window_ends_its_cycle() {
    run(async {
        let mut living = Living::at_noon_after(2).await;
        let (outcome, told) = follow(&mut living, &terms(true, 8)).await;
        let outcome = outcome.unwrap();
        // The third degraded run arms the flag, at noon: tuning waits for the window.
        assert_eq!((outcome.end.reason, outcome.exit_code), (CycleEndReason::GatesClosed, 1), "{outcome:?}\n{told:#?}");
        assert!(outcome.end.message.contains("vllm_oom 3 of 3"), "{outcome:?}");
        assert!(outcome.end.message.contains("OutsideWindow") || outcome.end.message.contains("Window"), "{outcome:?}");
        let runs = living.own("PhaseRun");
        let forced = runs.iter().find(|run| text(run, "/metadata/name") == outcome.phase_run).unwrap();
        let own = runs.iter().find(|run| text(run, "/metadata/name") != outcome.phase_run).unwrap();
        assert!(outcome.phase_run.starts_with("llama-13b-forced-"), "{}", outcome.phase_run);
        assert_eq!(forced["metadata"]["labels"], own["metadata"]["labels"]);
        assert_eq!(forced["spec"], own["spec"]);
    });
}

#[test]
fn a_run_that_goes_on_is_awaited_and_not_forced_beside() {
    run(async {
        let mut living = Living::at_noon_after(-1).await;
        living.run_until_it_holds("the run goes on", |living| !living.test_pods().is_empty()).await;
        let (refused, _) = follow(&mut living, &terms(true, 8)).await;
        assert!(matches!(refused, Err(CycleError::Begin(BeginError::RunGoesOn(_)))), "{refused:?}");
        let runs = living.own("PhaseRun").len();
        let (outcome, _) = follow(&mut living, &terms(false, 8)).await;
        assert_eq!(outcome.unwrap().end.reason, CycleEndReason::Healthy);
        assert_eq!(living.own("PhaseRun").len(), runs);
    });
}

#[test]
fn what_would_never_come_in_time_is_told_at_once_and_who_interrupts_is_told_how_to_go_on() {
    run(async {
        let mut living = Living::at_noon_after(0).await;
        let (late, _) = follow(&mut living, &terms(false, 1)).await;
        assert!(matches!(late, Err(CycleError::Begin(BeginError::TooLate { .. }))), "{late:?}");

        living.interrupt_after = Some(3);
        let (interrupted, _) = follow(&mut living, &terms(true, 8)).await;
        let told = interrupted.unwrap_err().to_string();
        assert!(told.starts_with("interrupted; phaserun/llama-13b-forced-"), "{told}");
        assert!(told.contains("remedy: phaseloop cycle phaserun/llama-13b-forced-"), "{told}");
        living.interrupt_after = None;
        living.run_for(SignedDuration::from_hours(1)).await;
        let run = living.own("PhaseRun").pop().unwrap();
        assert_eq!(text(&run, "/status/verdict"), "Healthy", "it went on without whoever waited");

        let suspend = Switch::Suspend(Suspend { reason: "x".to_owned(), until: None });
        let one = Selected::One(NAMESPACE.to_owned(), ObjectName::new(OwnKind::PhaseSchedule, TARGET));
        switch(&living.cluster(), &one, &suspend, &mut |_| {}).await.unwrap();
        let (suspended, _) = follow(&mut living, &terms(false, 24)).await;
        assert!(matches!(suspended, Err(CycleError::Begin(BeginError::Suspended(_)))), "{suspended:?}");
        let missing = CycleTerms { subject: Subject::Run("gone".to_owned()), ..terms(false, 1) };
        assert!(matches!(follow(&mut living, &missing).await.0, Err(CycleError::Begin(BeginError::NotThere(..)))));
    });
}
