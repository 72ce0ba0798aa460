//! Escalations as the driver carries them out: what is written, told and recorded, and whom a fault concerns.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::SignedDuration;
use kube::ResourceExt;
use phaseloop::{
    api::{TuningCanary, condition::ConditionType},
    cluster::ClusterErrorKind,
    simulation::api_server::{
        AdmissionReview, ApiServer, Refusal, RequestDescription, RequestInterceptor, Settings, StatusError, Verb,
        Verdict,
    },
};
use serde_json::json;

use crate::{
    cluster::{NAMESPACE, OPERATOR, run},
    tuning::{CANARY, ESCALATION, PROMOTION, RUN, Tuning, chain, lenient},
};

/// Somebody writes to an object in the instant before the operator's own request arrives; once.
pub(crate) struct Meanwhile<F> {
    server: ApiServer,
    verb: Verb,
    resource: &'static str,
    subresource: &'static str,
    done: AtomicBool,
    act: F,
}

impl<F: Fn(&ApiServer, &RequestDescription) + Send + Sync + 'static> Meanwhile<F> {
    pub(crate) fn install(
        server: &ApiServer,
        (verb, resource, subresource): (Verb, &'static str, &'static str),
        act: F,
    ) -> Arc<Self> {
        let done = AtomicBool::new(false);
        let meanwhile = Arc::new(Self { server: server.clone(), verb, resource, subresource, done, act });
        server.set_interceptor(Some(meanwhile.clone()));
        meanwhile
    }

    pub(crate) fn has_happened(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}

impl<F: Fn(&ApiServer, &RequestDescription) + Send + Sync> RequestInterceptor for Meanwhile<F> {
    fn before(&self, request: &RequestDescription) -> Verdict {
        let meant = request.user == OPERATOR
            && !request.dry_run
            && (request.verb, request.resource.as_str(), request.subresource.as_str())
                == (self.verb, self.resource, self.subresource);
        if meant && !self.done.swap(true, Ordering::Relaxed) {
            (self.act)(&self.server, request);
        }
        Verdict::Proceed
    }
}

#[test]
fn the_armed_flag_and_the_beginning_are_written_before_the_canary() {
    run(async {
        let tuning = Tuning::new();
        tuning.look_at_escalation().await.unwrap();
        let expected = ["update escalations/status", "create tuningcanaries", "create events", "create events"];
        assert_eq!(tuning.written(), expected);
        let [canary] = tuning.canaries().try_into().unwrap_or_else(|_| panic!("one canary"));
        let canary: TuningCanary = canary;
        assert_eq!(canary.owner_references()[0].uid, tuning.escalation().uid().unwrap());
        assert_eq!(tuning.reason(), "MakingCanary");
    });
}

#[test]
fn a_status_that_says_nothing_new_is_not_written() {
    run(async {
        // Two bad nights: symptoms are counted. And a tuning run that waits for its canary.
        for nights in [2, 3] {
            let tuning = Tuning::with(Settings::default(), nights);
            tuning.settle().await;
            let writes = tuning.world.server.write_count();
            for _ in 0..12 {
                tuning.world.pass(SignedDuration::from_mins(5));
                tuning.look().await;
            }
            assert_eq!(tuning.world.server.write_count(), writes, "{nights}");
        }
    });
}

#[test]
fn events_are_told_once_per_transition() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        for _ in 0..3 {
            tuning.settle().await;
        }
        let expected = ["ThresholdReached", "MakingCanary", "MakingCanary", "MakingCanary", "RunEnded"];
        assert_eq!(tuning.told("Escalation"), expected);
    });
}

#[test]
fn each_change_of_state_is_a_record_in_the_chain_of_the_stored_status() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        let escalation = tuning.escalation();
        let history = escalation.status.clone().unwrap().history.unwrap();
        assert_eq!(chain("Escalation", &escalation, &history), ["Tuning", "Counting"]);
        let cycle = tuning.canaries()[0].spec.cycle.clone();
        assert!(history.records.iter().all(|record| record.cycle.as_ref() == Some(&cycle)));
        // Every change of the stored state has its record, in the same write.
        let versions = tuning.world.server.versions_of("escalations.phaseloop.dev", NAMESPACE, "llama");
        for version in &versions {
            let status = &version.object.value["status"];
            let last = status["history"]["records"].as_array().and_then(|records| records.last());
            assert_eq!(status["state"], last.map_or(json!(null), |record| record["to"].clone()));
        }
        assert!(versions.len() > 8, "{}", versions.len());
    });
}

#[test]
fn the_status_says_which_generation_it_is_of() {
    run(async {
        let tuning = Tuning::new();
        tuning.settle().await;
        assert_eq!(tuning.escalation().status.unwrap().observed_generation, Some(1));
        let patch = json!({ "spec": { "safety": { "cooldown": "7h" } } });
        tuning.world.person().merge(ESCALATION, NAMESPACE, "llama", "", patch).unwrap();
        assert_eq!(tuning.escalation().metadata.generation, Some(2));
        tuning.settle().await;
        let status = tuning.escalation().status.unwrap();
        assert_eq!(status.observed_generation, Some(2));
        assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(2)));
    });
}

#[test]
fn what_another_program_writes_into_the_conditions_stays() {
    run(async {
        let tuning = Tuning::new();
        tuning.settle().await;
        let foreign = json!({
            "type": "argocd.io/Synced", "status": "True", "reason": "Synced", "message": "",
            "lastTransitionTime": "2026-03-04T03:21:00Z",
        });
        let mut conditions = serde_json::to_value(tuning.escalation().status.unwrap().conditions).unwrap();
        conditions.as_array_mut().unwrap().push(foreign);
        tuning.set_status(ESCALATION, "llama", &json!({ "conditions": conditions }));
        tuning.finish(100);
        tuning.settle().await;
        let conditions = tuning.escalation().status.unwrap().conditions;
        let kept = conditions.iter().filter(|condition| matches!(condition.type_, ConditionType::Foreign(_)));
        assert_eq!((kept.count(), tuning.canaries().len()), (1, 2));
    });
}

#[test]
fn an_escalation_that_can_not_work_is_stalled_and_the_others_go_on() {
    run(async {
        let tuning = Tuning::new();
        let other = json!({ "targetRef": { "kind": "Deployment", "name": "qwen" }, "canary": { "repeats": 2 } });
        tuning.create_escalation("broken", &other);
        tuning.settle().await;
        assert_eq!((tuning.reason().as_str(), tuning.canaries().len()), ("Measuring", 1));
        let broken = tuning.world.person().get(ESCALATION, NAMESPACE, "broken").unwrap().value.clone();
        assert_eq!(broken["status"]["state"], "Stalled");
    });
}

#[test]
fn an_escalation_of_another_form_is_no_matter_of_the_others() {
    run(async {
        let tuning = Tuning::with(lenient("escalations"), 3);
        tuning.world.create(&json!({
            "apiVersion": ESCALATION.0, "kind": ESCALATION.1,
            "metadata": { "name": "future", "namespace": NAMESPACE },
            "spec": { "targetRef": { "kind": "Deployment", "name": "llama" }, "search": "quantum" },
        }));
        let answers = tuning.look().await;
        let (_, answer) = answers.iter().find(|(name, _)| name == "future").unwrap();
        let error = answer.as_ref().unwrap_err();
        assert!(!error.is_retryable(), "it waits for its next change: {error:?}");
        assert_eq!(error.call().unwrap().kind, ClusterErrorKind::Malformed);
        assert!(answers.iter().filter(|(name, _)| name == "llama").all(|(_, answer)| answer.is_ok()));
        assert_eq!(tuning.canaries().len(), 1);
        let future = tuning.world.person().get(ESCALATION, NAMESPACE, "future").unwrap();
        assert!(future.value["status"].is_null(), "nothing is written to what nobody understands");
    });
}

#[test]
fn objects_of_another_form_beside_it_hide_no_others() {
    run(async {
        for (plural, kind) in [("phaseruns", RUN), ("promotions", PROMOTION), ("tuningcanaries", CANARY)] {
            let tuning = Tuning::with(lenient(plural), 3);
            tuning.world.create(&json!({
                "apiVersion": kind.0, "kind": kind.1, "metadata": { "name": "future", "namespace": NAMESPACE },
                "spec": { "targetRef": "llama" },
            }));
            let answer = tuning.look_at_escalation().await;
            assert!(answer.is_ok(), "{plural}: {answer:?}");
            let made = tuning.written().iter().filter(|write| *write == "create tuningcanaries").count();
            assert_eq!(made, 1, "{plural}");
        }
    });
}

#[test]
fn a_status_that_somebody_wrote_meanwhile_is_a_conflict_and_the_next_look_goes_on() {
    run(async {
        let tuning = Tuning::new();
        let server = &tuning.world.server;
        let meanwhile = Meanwhile::install(server, (Verb::Update, "escalations", "status"), |server, _| {
            let patch = json!({ "metadata": { "labels": { "team": "chat" } } });
            server.actor("jane").merge(ESCALATION, NAMESPACE, "llama", "", patch).unwrap();
        });
        let error = tuning.look_at_escalation().await.unwrap_err();
        assert!(meanwhile.has_happened() && error.is_retryable());
        assert_eq!(error.call().unwrap().kind, ClusterErrorKind::Conflict);
        // The flag could not be remembered, so that nothing rests on it.
        assert_eq!((tuning.canaries().len(), tuning.escalation().status.is_none()), (0, true));
        tuning.settle().await;
        assert_eq!((tuning.canaries().len(), tuning.reason().as_str()), (1, "Measuring"));
        assert_eq!(tuning.escalation().labels()["team"], "chat");
    });
}

#[test]
fn the_name_that_another_leader_took_meanwhile_is_not_taken_twice() {
    run(async {
        let tuning = Tuning::new();
        // Another leader, which looked a minute later by its clock, reserves the same attempt.
        let other = Tuning::new();
        other.world.pass(SignedDuration::from_mins(1));
        other.look_at_escalation().await.unwrap();
        let rival = serde_json::to_value(&other.canaries()[0]).unwrap();
        let server = &tuning.world.server;
        Meanwhile::install(server, (Verb::Create, "tuningcanaries", ""), move |server, _| {
            let mut rival = rival.clone();
            rival["apiVersion"] = json!(CANARY.0);
            rival["kind"] = json!(CANARY.1);
            for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
                rival["metadata"].as_object_mut().unwrap().remove(field);
            }
            server.actor("other-leader").create(&rival).unwrap();
        });
        let error = tuning.look_at_escalation().await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert_eq!(error.call().unwrap().kind, ClusterErrorKind::NameTaken);
        tuning.settle().await;
        let [canary] = tuning.canaries().try_into().unwrap_or_else(|_| panic!("one canary"));
        let canary: TuningCanary = canary;
        assert_eq!(canary.spec.not_after, other.canaries()[0].spec.not_after, "that of the other stands");
        assert_eq!(tuning.reason(), "Measuring");
    });
}

#[test]
fn a_canary_that_a_quota_refuses_is_told_and_made_once_there_is_room() {
    run(async {
        let tuning = Tuning::new();
        let is_full = Arc::new(AtomicBool::new(true));
        let full = is_full.clone();
        tuning.world.server.add_admission_hook(move |review: &AdmissionReview<'_>| {
            let refused = review.resource == "tuningcanaries" && full.load(Ordering::Relaxed);
            let (group, resource) = (review.group, review.resource);
            let mut error = StatusError::unauthorized_verb(OPERATOR, "create", group, resource, NAMESPACE, review.name);
            error.message = "tuningcanaries is forbidden: exceeded quota: few, limited: 0".to_owned();
            if refused { Err(Refusal::Status(Box::new(error))) } else { Ok(()) }
        });
        tuning.look_at_escalation().await.unwrap();
        assert_eq!((tuning.reason().as_str(), tuning.canaries().len()), ("ObjectRefused", 0));
        let told = tuning.told("Escalation");
        assert!(!told.contains(&"MakingCanary".to_owned()), "{told:?}");
        is_full.store(false, Ordering::Relaxed);
        tuning.world.pass(SignedDuration::from_mins(1));
        tuning.settle().await;
        assert_eq!((tuning.reason().as_str(), tuning.canaries().len()), ("Measuring", 1));
    });
}

#[test]
fn a_replica_that_does_not_lead_begins_and_writes_nothing() {
    run(async {
        let tuning = Tuning::new();
        for _ in 0..3 {
            let answers = tuning.look_as(false).await;
            assert!(answers.iter().all(|(_, answer)| answer.is_ok()));
        }
        assert_eq!(tuning.written(), Vec::<String>::new());
        tuning.tune().await;
        let writes = tuning.written().len();
        tuning.decide("Approved");
        tuning.look_as(false).await;
        assert_eq!(tuning.written().len(), writes);
    });
}

#[test]
fn the_production_target_is_read_and_never_written_to_while_it_is_tuned() {
    run(async {
        let tuning = Tuning::new();
        let before = tuning.target();
        tuning.tune().await;
        assert_eq!(tuning.target(), before);
    });
}
