//! Leaving: in the middle of a tuning run, with an unvalidated value in production, with a dead operator.

use jiff::SignedDuration;
use phaseloop::{
    cluster::Cluster,
    handling::uninstall::{Leaving, UninstallTerms, uninstall},
};
use serde_json::json;

use crate::living::{Kept, Living, NAMESPACE, TARGET, export, run, text};

const BEFORE: &str = "--gpu-memory-utilization=0.92";
const PROMOTED: &str = "--gpu-memory-utilization=0.75";

fn terms(operator: Option<(String, String)>) -> UninstallTerms {
    UninstallTerms { namespace: Some(NAMESPACE.to_owned()), operator, timeout: SignedDuration::from_mins(4) }
}

async fn leave(living: &mut Living, terms: &UninstallTerms) -> (Leaving, Vec<String>) {
    let cluster: Cluster = living.cluster();
    let mut told = Vec::new();
    let left = uninstall(&cluster, terms, &export(), living, &mut |line| told.push(line.to_owned())).await;
    (left.unwrap(), told)
}

/// The third night, with a candidate's pod at work.
async fn in_the_middle_of_tuning() -> Living {
    let mut living = Living::at_noon_after(2).await;
    living
        .run_until_it_holds("a candidate is measured", |living| {
            living.own("TuningCanary").len() >= 3 && !living.test_pods().is_empty()
        })
        .await;
    living
}

fn done() -> Leaving {
    Leaving::default()
}

#[test]
fn in_the_middle_of_a_tuning_run_no_pod_no_finalizer_and_no_change_is_left() {
    run(async {
        let mut living = in_the_middle_of_tuning().await;
        assert!(!living.finalizers().is_empty(), "something is owed");
        let began = living.now();
        let (left, told) = leave(&mut living, &terms(None)).await;
        assert_eq!(left, done(), "{told:#?}");
        assert!(living.now().duration_since(began) < SignedDuration::from_mins(2), "{told:#?}");
        assert_eq!(living.test_pods().len(), 0);
        assert_eq!(living.finalizers(), [] as [&str; 0]);
        assert_eq!(living.value(), BEFORE);
        assert_eq!(living.own("Promotion").len(), 0);
        let aborted = living.own("TuningCanary");
        assert_eq!(text(aborted.last().unwrap(), "/status/verdict"), "Aborted");
        // Nothing begins any more, however long the operator goes on.
        let (runs, canaries) = (living.own("PhaseRun").len(), aborted.len());
        living.run_for(SignedDuration::from_hours(48)).await;
        assert_eq!((living.own("PhaseRun").len(), living.own("TuningCanary").len()), (runs, canaries));
    });
}

#[test]
fn an_unvalidated_value_is_taken_back_to_the_letter_and_leaving_twice_is_leaving_once() {
    run(async {
        let mut living = Living::at_noon_after(3).await;
        assert_eq!(living.value(), PROMOTED);
        let before = living.objects(("apps/v1", "Deployment")).remove(0);
        assert!(before.pointer("/metadata/annotations/phaseloop.dev~1promotion").is_some());
        let (left, told) = leave(&mut living, &terms(None)).await;
        assert_eq!(left, done(), "{told:#?}");
        assert_eq!(living.value(), BEFORE);
        let after = living.objects(("apps/v1", "Deployment")).remove(0);
        assert!(after.pointer("/metadata/annotations/phaseloop.dev~1promotion").is_none());
        assert_eq!(living.own("Promotion").len(), 0);
        assert_eq!(living.finalizers(), [] as [&str; 0]);
        assert!(told.iter().any(|line| line.contains("deleted, so that it is rolled back")), "{told:#?}");

        let (left, told) = leave(&mut living, &terms(None)).await;
        assert_eq!((left, told), (done(), Vec::new()));
    });
}

#[test]
fn a_validated_value_stays() {
    run(async {
        let mut living = Living::at_noon_after(4).await;
        let (left, _) = leave(&mut living, &terms(None)).await;
        assert_eq!(left, done());
        assert_eq!(living.value(), PROMOTED);
        assert_eq!(text(&living.own("Promotion")[0], "/status/phase"), "Validated");
    });
}

#[test]
fn in_the_place_of_a_dead_operator_the_value_is_put_back_and_the_pods_end() {
    run(async {
        let mut living = Living::at_noon_after(3).await;
        living.create_operator_deployment(0);
        living.kill_operator().await;
        let kept = std::sync::Arc::new(Kept::default());
        let export: std::sync::Arc<dyn phaseloop::cluster::execute::AuditExport> = kept.clone();
        let (cluster, mut told) = (living.cluster(), Vec::new());
        let terms = terms(Some(Living::operator_deployment()));
        let left = uninstall(&cluster, &terms, &export, &mut living, &mut |line| told.push(line.to_owned())).await;
        assert_eq!(left.unwrap(), done(), "{told:#?}");
        assert_eq!(living.value(), BEFORE);
        assert_eq!(living.finalizers(), [] as [&str; 0]);
        assert!(told[0].starts_with("the operator does not run"), "{told:#?}");
        let ends: Vec<String> = kept.0.lock().unwrap().iter().map(|record| record.to.clone()).collect();
        assert!(ends.contains(&"RolledBack".to_owned()), "its record is kept before it goes: {ends:?}");

        let mut living = in_the_middle_of_tuning().await;
        living.create_operator_deployment(0);
        living.kill_operator().await;
        let (left, told) = leave(&mut living, &terms).await;
        assert_eq!(left, done(), "{told:#?}");
        assert_eq!((living.test_pods().len(), living.finalizers().len()), (0, 0));
    });
}

#[test]
fn a_dead_operator_that_nobody_names_leaves_nothing_stuck_and_what_was_not_put_back_is_named() {
    run(async {
        let mut living = Living::at_noon_after(3).await;
        living.kill_operator().await;
        let (left, told) = leave(&mut living, &terms(None)).await;
        assert_eq!(living.finalizers(), [] as [&str; 0], "{told:#?}");
        assert_eq!(living.value(), PROMOTED);
        assert_eq!(left.left.len(), 2, "{:#?}", left.left);
        assert_eq!(living.own("Promotion").len(), 0, "it is gone, since it was deleted");
        assert!(left.left[0].contains("is not rolled back"), "{:#?}", left.left);
        assert!(left.left[1].contains("kubectl rollout undo deployment/llama-13b -n chat"), "{:#?}", left.left);
        assert!(told.contains(&"the deadline has passed".to_owned()), "{told:#?}");
    });
}

#[test]
fn our_finalizer_is_taken_off_every_kind_and_those_of_others_stay() {
    const KINDS: [&str; 5] = ["PhaseSchedule", "PhaseRun", "Escalation", "TuningCanary", "Promotion"];
    run(async {
        let mut living = Living::at_noon_after(4).await;
        living.kill_operator().await;
        for kind in KINDS {
            for object in living.own(kind) {
                let finalizers = json!(["example.org/other", "phaseloop.dev/cleanup"]);
                let fields = json!({ "metadata": { "finalizers": finalizers } });
                living.merge(("phaseloop.dev/v1alpha1", kind), text(&object, "/metadata/name"), fields);
            }
        }
        let (left, told) = leave(&mut living, &terms(None)).await;
        assert_eq!(left, done(), "{told:#?}");
        for kind in KINDS {
            assert!(!living.own(kind).is_empty(), "{kind}");
            for object in living.own(kind) {
                assert_eq!(object["metadata"]["finalizers"], json!(["example.org/other"]), "{kind}");
            }
        }
    });
}

#[test]
fn a_borrowed_replica_that_nobody_gives_back_is_named_with_the_way_to_do_it() {
    run(async {
        let mut living = Living::at_noon_after(4).await;
        living.kill_operator().await;
        let borrower = json!({ "kind": "PhaseRun", "name": "gone", "uid": "u" });
        let mark = json!({ "borrower": borrower, "from": 2, "to": 1, "since": "2026-03-04T02:00:00Z" }).to_string();
        let fields = json!({ "metadata": { "annotations": { "phaseloop.dev/give-back": mark } } });
        living.merge(("apps/v1", "Deployment"), TARGET, fields);
        let (left, told) = leave(&mut living, &terms(None)).await;
        let expected = "Deployment llama-13b in chat has a borrowed replica to get back: kubectl scale deployment/llama-13b -n chat \
                        --replicas=2, then kubectl annotate deployment/llama-13b -n chat phaseloop.dev/give-back-";
        assert_eq!(left.left, [expected], "{told:#?}");
    });
}

#[test]
fn an_operator_that_works_is_scaled_to_zero_once_it_has_done_its_part() {
    run(async {
        let mut living = Living::at_noon_after(3).await;
        living.create_operator_deployment(1);
        living.run_for(SignedDuration::from_mins(5)).await;
        let (left, told) = leave(&mut living, &terms(Some(Living::operator_deployment()))).await;
        assert_eq!(left, done(), "{told:#?}");
        assert_eq!(living.operator_replicas(), 0);
        let position =
            |part: &str| told.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{told:#?}"));
        assert!(position("is not rolled back") < position("scaled from 1 to 0"), "{told:#?}");
        assert_eq!(living.value(), BEFORE);
    });
}

#[test]
fn who_interrupts_it_may_go_on_later() {
    run(async {
        let mut living = in_the_middle_of_tuning().await;
        living.interrupt_after = Some(0);
        let (left, _) = leave(&mut living, &terms(None)).await;
        assert!(left.interrupted && !left.left.is_empty(), "{left:?}");
        living.interrupt_after = None;
        let (left, told) = leave(&mut living, &terms(None)).await;
        assert_eq!(left, done(), "{told:#?}");
        assert_eq!((living.test_pods().len(), living.finalizers().len()), (0, 0));
    });
}
