//! Promotions as the driver carries them out: what is written, told and recorded, and whom a fault concerns.

use jiff::SignedDuration;
use kube::ResourceExt;
use phaseloop::{
    api::condition::{ConditionStatus, ConditionType},
    cluster::ClusterErrorKind,
    controllers::{reconcile, tuning_canary::TuningCanaries},
    simulation::api_server::{AdmissionReview, Refusal, Settings, StatusError, Verb},
};
use serde_json::{Value, json};

use crate::{
    cluster::{NAMESPACE, OPERATOR, at, key, run},
    escalation::Meanwhile,
    tuning::{DEPLOYMENT, ESCALATION, PROMOTION, Tuning, chain, lenient},
};

fn stood(phase: &str, reason: &str) -> (String, String) {
    (phase.to_owned(), reason.to_owned())
}

/// What the engine was started with before anything was promoted.
const BEFORE: [&str; 2] = ["m", "--max-num-seqs=32"];

#[test]
fn a_life_from_the_approval_to_the_run_that_validates_it() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        assert_eq!(tuning.arguments(), BEFORE);
        tuning.apply().await;
        assert_eq!(tuning.arguments(), ["m", "--max-num-seqs=32", "--gpu-memory-utilization=0.72"]);
        tuning.next_night("Healthy");
        tuning.settle().await;
        assert_eq!(tuning.stands(), stood("Validated", "Improved"));
        let promotion = tuning.promotion();
        let history = promotion.status.clone().unwrap().history.unwrap();
        let phases = ["Staged", "AwaitingReview", "Applying", "Applied", "Validated"];
        assert_eq!(chain("Promotion", &promotion, &history), phases);
        assert_eq!(promotion.finalizers(), [] as [String; 0]);
        let exported = tuning.world.export.0.lock().unwrap();
        assert_eq!(exported.iter().map(|record| record.to.as_str()).collect::<Vec<_>>(), phases);
    });
}

#[test]
fn a_life_that_ends_where_it_began() {
    run(async {
        let tuning = Tuning::new();
        let template = tuning.target()["spec"]["template"].clone();
        tuning.tune().await;
        tuning.apply().await;
        tuning.next_night("Degraded");
        tuning.settle().await;
        assert_eq!(tuning.stands(), stood("RolledBack", "SymptomPersists"));
        let target = tuning.target();
        assert_eq!(target["spec"]["template"], template, "to the letter");
        assert_eq!(target["metadata"]["annotations"]["phaseloop.dev/promotion"], Value::Null);
        // It is denied from then on, and the night's symptom counts.
        let status = tuning.escalation().status.unwrap();
        assert_eq!(status.denied[0].promotion_name, Some(tuning.promotion().name_any()));
        assert_eq!(status.flags[0].count, 1);
    });
}

#[test]
fn a_status_that_says_nothing_new_is_not_written_and_asking_for_the_policy_changes_nothing() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        let changes = |tuning: &Tuning| tuning.written().len();
        let rests = async |tuning: &Tuning| {
            let before = changes(tuning);
            for _ in 0..6 {
                tuning.world.pass(SignedDuration::from_secs(20));
                tuning.look().await;
            }
            assert_eq!(changes(tuning), before, "{:?}", tuning.stands());
        };
        rests(&tuning).await;
        tuning.decide("Approved");
        tuning.settle().await;
        rests(&tuning).await;
        tuning.roll_out();
        tuning.settle().await;
        rests(&tuning).await;
        tuning.next_night("Healthy");
        tuning.settle().await;
        rests(&tuning).await;
    });
}

#[test]
fn events_are_told_once_per_transition() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        tuning.apply().await;
        tuning.next_night("Healthy");
        for _ in 0..3 {
            tuning.settle().await;
        }
        let expected = ["AwaitingApproval", "Patching", "AwaitingValidation", "Improved"];
        assert_eq!(tuning.told("Promotion"), expected);
    });
}

#[test]
fn every_change_of_phase_has_its_record_in_the_same_write() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        tuning.apply().await;
        tuning.next_night("Degraded");
        tuning.settle().await;
        let name = tuning.promotion().name_any();
        let versions = tuning.world.server.versions_of("promotions.phaseloop.dev", NAMESPACE, &name);
        let (mut records_before, mut phase_before) = (0, Value::Null);
        for version in &versions {
            let status = &version.object.value["status"];
            let records = status["history"]["records"].as_array().cloned().unwrap_or_default();
            let moved = status["phase"] != phase_before;
            assert_eq!(records.len(), records_before + usize::from(moved), "{status}");
            assert_eq!(status["phase"], records.last().map_or(Value::Null, |record| record["to"].clone()));
            (records_before, phase_before) = (records.len(), status["phase"].clone());
        }
        assert_eq!(records_before, 6);
    });
}

#[test]
fn the_status_says_which_generation_it_is_of() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        assert_eq!(tuning.promotion().status.unwrap().observed_generation, Some(1));
        tuning.decide("Approved");
        tuning.settle().await;
        let promotion = tuning.promotion();
        assert_eq!((promotion.metadata.generation, promotion.status.unwrap().observed_generation), (Some(2), Some(2)));
    });
}

#[test]
fn nobody_decides_in_the_name_of_another_and_the_operator_finds_that_nobody_can() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        let name = tuning.promotion().name_any();
        let patch = json!({ "spec": { "decision": "Approved", "approvedBy": "jane" } });
        let refused = tuning.world.server.actor("eve").merge(PROMOTION, NAMESPACE, &name, "", patch);
        assert!(refused.is_err());
        assert_eq!(tuning.promotion().status.unwrap().approval_guarded, Some(true));
        // The dry run that asks is refused each time, and nothing is written by it.
        let asked = tuning.world.server.writes().into_iter().filter(|write| write.dry_run).collect::<Vec<_>>();
        assert!(!asked.is_empty() && asked.iter().all(|write| write.code == 403 && !write.changed()), "{asked:?}");
    });
}

#[test]
fn without_the_policy_an_approval_is_worth_nothing_and_the_condition_says_so() {
    run(async {
        let settings = Settings { enforces_promotion_decisions: false, ..Settings::default() };
        let tuning = Tuning::with(settings, 3);
        tuning.settle().await;
        for within in [100, 120, 190] {
            tuning.finish(within);
            tuning.settle().await;
        }
        assert_eq!(tuning.stands(), stood("AwaitingReview", "ApprovalUnprotected"));
        tuning.decide("Approved");
        tuning.settle().await;
        assert_eq!(
            (tuning.stands(), tuning.arguments()),
            (stood("AwaitingReview", "ApprovalUnprotected"), BEFORE.map(str::to_owned).into())
        );
        let conditions = tuning.promotion().status.unwrap().conditions;
        let approved = conditions.iter().find(|condition| condition.type_ == ConditionType::Approved).unwrap();
        assert_eq!((approved.status, approved.reason.as_str()), (ConditionStatus::False, "ApprovalUnprotected"));
    });
}

#[test]
fn a_status_that_somebody_wrote_meanwhile_is_a_conflict_and_the_patch_rests_on_nothing() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        tuning.decide("Approved");
        let server = &tuning.world.server;
        let meanwhile = Meanwhile::install(server, (Verb::Update, "promotions", "status"), |server, request| {
            let patch = json!({ "metadata": { "labels": { "team": "chat" } } });
            server.actor("jane").merge(PROMOTION, NAMESPACE, &request.name, "", patch).unwrap();
        });
        let error = tuning.look_at_promotion().await.unwrap_err();
        assert!(meanwhile.has_happened() && error.is_retryable());
        assert_eq!(error.call().unwrap().kind, ClusterErrorKind::Conflict);
        assert_eq!(tuning.arguments(), BEFORE, "the attempt was not remembered, so nothing was sent");
        tuning.settle().await;
        assert_eq!(tuning.stands(), stood("Applying", "RollingOut"));
    });
}

#[test]
fn a_target_that_somebody_wrote_to_meanwhile_is_read_again_before_it_is_patched() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        tuning.decide("Approved");
        let server = &tuning.world.server;
        Meanwhile::install(server, (Verb::Patch, "deployments", ""), |server, _| {
            let patch = json!({ "metadata": { "labels": { "team": "chat" } } });
            server.actor("jane").merge(DEPLOYMENT, NAMESPACE, "llama", "", patch).unwrap();
        });
        let error = tuning.look_at_promotion().await.unwrap_err();
        assert_eq!(error.call().unwrap().kind, ClusterErrorKind::Conflict, "{error:?}");
        assert_eq!(
            (tuning.stands(), tuning.arguments()),
            (stood("Applying", "Patching"), BEFORE.map(str::to_owned).into())
        );
        tuning.settle().await;
        assert_eq!(tuning.stands(), stood("Applying", "RollingOut"));
        assert_eq!(tuning.target()["metadata"]["labels"]["team"], "chat");
    });
}

#[test]
fn a_value_that_somebody_set_meanwhile_is_left_alone() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        tuning.decide("Approved");
        let server = &tuning.world.server;
        Meanwhile::install(server, (Verb::Patch, "deployments", ""), |server, _| {
            let engine = json!([{
                "name": "vllm", "image": "vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve"],
                "args": ["m", "--gpu-memory-utilization=0.5"],
            }]);
            let patch = json!({ "spec": { "template": { "spec": { "containers": engine } } } });
            server.actor("jane").merge(DEPLOYMENT, NAMESPACE, "llama", "", patch).unwrap();
        });
        assert!(tuning.look_at_promotion().await.is_err());
        tuning.settle().await;
        assert_eq!(tuning.stands(), stood("Superseded", "OwnedFieldChanged"));
        assert_eq!(tuning.arguments(), ["m", "--gpu-memory-utilization=0.5"]);
    });
}

#[test]
fn a_patch_that_a_rule_of_the_cluster_refuses_is_told_and_tried_again() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        let until = at("2026-03-04T03:30:00Z");
        let clock = tuning.world.clock.clone();
        tuning.world.server.add_admission_hook(move |review: &AdmissionReview<'_>| {
            use phaseloop::cluster::Clock;
            let ours = review.user == OPERATOR && review.resource == "deployments";
            let refused = ours && clock.now() < until;
            let mut error =
                StatusError::unauthorized_verb(OPERATOR, "patch", "apps", "deployments", NAMESPACE, "llama");
            error.message = "admission webhook \"freeze.example.com\" denied request: change freeze".to_owned();
            if refused { Err(Refusal::Status(Box::new(error))) } else { Ok(()) }
        });
        tuning.decide("Approved");
        assert!(tuning.look_at_promotion().await.is_ok(), "people are told; nothing of ours has failed");
        assert_eq!(tuning.stands(), stood("Applying", "PatchRefused"));
        assert!(tuning.promotion().status.unwrap().message.unwrap().contains("change freeze"));
        tuning.world.clock.move_to(until);
        tuning.settle().await;
        assert_eq!(tuning.stands(), stood("Applying", "RollingOut"));
    });
}

#[test]
fn a_promotion_that_is_deleted_unvalidated_stays_until_its_value_is_out() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        tuning.apply().await;
        let name = tuning.promotion().name_any();
        tuning.world.person().delete(PROMOTION, NAMESPACE, &name, None).unwrap();
        assert_eq!(tuning.promotions().len(), 1, "its finalizer holds it");
        tuning.look_at_promotion().await.unwrap();
        assert_eq!(tuning.stands(), stood("RollingBack", "DeletionRequested"));
        tuning.world.pass(SignedDuration::from_secs(10));
        tuning.settle().await;
        assert_eq!((tuning.promotions().len(), tuning.arguments()), (0, BEFORE.map(str::to_owned).into()));
        let exported = tuning.world.export.0.lock().unwrap();
        assert_eq!(exported.last().unwrap().to, "RolledBack");
    });
}

#[test]
fn a_promotion_of_another_form_is_no_matter_of_the_others() {
    run(async {
        let tuning = Tuning::with(lenient("promotions"), 3);
        tuning.tune().await;
        tuning.world.create(&json!({
            "apiVersion": PROMOTION.0, "kind": PROMOTION.1, "metadata": { "name": "future", "namespace": NAMESPACE },
            "spec": { "delivery": "Teleport" },
        }));
        let answers = tuning.look().await;
        let (_, answer) = answers.iter().find(|(name, _)| name == "future").unwrap();
        let error = answer.as_ref().unwrap_err();
        assert!(!error.is_retryable());
        assert_eq!(error.call().unwrap().kind, ClusterErrorKind::Malformed);
        assert!(answers.iter().filter(|(name, _)| name != "future").all(|(_, answer)| answer.is_ok()));
        let future = tuning.world.person().get(PROMOTION, NAMESPACE, "future").unwrap();
        assert!(future.value["status"].is_null());
    });
}

#[test]
fn a_promotion_that_can_not_be_delivered_holds_itself_and_nobody_else() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        // One of another target, whose windows name no zone that there is.
        let mut other = serde_json::to_value(tuning.promotion()).unwrap();
        other["apiVersion"] = json!(PROMOTION.0);
        other["kind"] = json!(PROMOTION.1);
        other["metadata"] = json!({ "name": "other", "namespace": NAMESPACE });
        other.as_object_mut().unwrap().remove("status");
        other["spec"]["targetRef"]["name"] = json!("qwen");
        tuning.world.create(&other);
        tuning.decide_on("llama", "Approved");
        tuning.settle().await;
        let stands: Vec<(String, String)> = tuning
            .promotions()
            .into_iter()
            .map(|promotion| {
                (promotion.spec.target_ref.name, format!("{:?}", promotion.status.unwrap().phase.unwrap()))
            })
            .collect();
        assert!(stands.contains(&("llama".to_owned(), "Applying".to_owned())), "{stands:?}");
        assert!(stands.contains(&("qwen".to_owned(), "Superseded".to_owned())), "{stands:?}");
    });
}

/// The Escalation is deleted, and with it what belongs to it.
async fn delete_escalation(tuning: &Tuning) {
    tuning.world.person().delete(ESCALATION, NAMESPACE, "llama", None).unwrap();
    for _ in 0..4 {
        while tuning.world.server.collect_garbage() > 0 {}
        for canary in tuning.canaries() {
            reconcile::<TuningCanaries>(&tuning.world.context(true), &key(&canary)).await.unwrap();
        }
    }
    assert_eq!(tuning.canaries().len(), 0);
}

#[test]
fn what_was_rolled_back_stays_denied_when_its_escalation_was_deleted_and_made_again() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        tuning.apply().await;
        tuning.next_night("Degraded");
        tuning.settle().await;
        let name = tuning.promotion().name_any();
        delete_escalation(&tuning).await;
        tuning.create_escalation("llama", &json!({}));
        tuning.settle().await;
        let denied = tuning.escalation().status.unwrap().denied;
        assert_eq!(denied.iter().map(|entry| entry.promotion_name.as_ref()).collect::<Vec<_>>(), [Some(&name)]);
    });
}

#[test]
fn a_value_that_is_in_is_validated_or_taken_back_without_its_escalation_and_one_that_is_not_stays_out() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        delete_escalation(&tuning).await;
        tuning.decide("Approved");
        tuning.settle().await;
        assert_eq!(tuning.stands(), stood("Staged", "EvidenceMissing"));
        assert_eq!(tuning.arguments(), BEFORE);
        for (verdict, phase) in [("Healthy", "Validated"), ("Degraded", "RolledBack")] {
            let tuning = Tuning::new();
            tuning.tune().await;
            tuning.apply().await;
            delete_escalation(&tuning).await;
            tuning.next_night(verdict);
            tuning.settle().await;
            assert_eq!(tuning.stands().0, phase);
        }
    });
}
