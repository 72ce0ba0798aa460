//! A target of which every replica holds a GPU lends one, and gets it back.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, policy::v1::PodDisruptionBudget,
};
use kube::{ResourceExt, api::DeleteParams};
use phaseloop::api::{Escalation, PhaseRun};
use phaseloop_core::plan::OwnKind;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    person::Person,
    story::{
        NAME, OVER_COMMITTED, all, begin_with, is_given_back, is_rolled_out, lent, long_search, of_people,
        of_two_replicas, over_commit, told, until_a_candidate_is_measured,
    },
    support::Place,
    target::Engine,
};

/// The bound within which whatever was borrowed must be given back.
const RESTORE: Duration = Duration::from_secs(15);

/// A target of two replicas, whose runs and searches borrow one.
async fn begin(place: &Place, person: &Person<'_>) {
    let target = of_two_replicas(&Engine::StandIn.deployment(NAME, &[OVER_COMMITTED]));
    let mut changed = long_search();
    changed["canary"]["placement"] = json!("BorrowReplica");
    begin_with(place, person, &target, &changed).await;
    let run = json!({"spec": {"run": {"placement": "BorrowReplica"}}});
    person.patch(&format!("phaseschedule/{NAME}"), &run);
}

async fn target(place: &Place) -> Deployment {
    place.api().get(NAME).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_and_a_search_take_the_place_of_a_replica_and_an_abort_gives_it_back_within_15_s() {
    told("borrow", async |place, person| {
        begin(place, person).await;
        let before = target(place).await;
        over_commit(person);
        let night = person.begin_night(NAME);
        let canary = until_a_candidate_is_measured(place).await.name_any();
        let (replicas, whose) = lent(&target(place).await);
        assert_eq!((replicas, whose.map(|borrower| borrower.kind)), (Some(1), Some(OwnKind::Escalation)));
        let run = all::<PhaseRun>(place).await.remove(0);
        let borrowed = run.status.unwrap().borrowed.unwrap();
        assert_eq!((borrowed.from, borrowed.to), (2, 1));
        person.tell(&format!(
            "the run borrowed a replica at {}, and gave it back at {:?}",
            borrowed.since, borrowed.given_back_at
        ));
        assert!(borrowed.given_back_at.is_some() && run.metadata.finalizers.is_none());

        person.tell("somebody aborts the candidate");
        let began = Instant::now();
        let said = person.phaseloop(&["abort", &format!("tuningcanary/{canary}")]);
        assert_eq!(said.code, 0, "{said:?}");
        place.until(NAME, "given back", is_given_back).await;
        person.tell(&format!("the replica was given back {:?} after that", began.elapsed()));
        assert!(began.elapsed() < RESTORE, "{:?}", began.elapsed());
        assert_eq!(person.end(night), (1, "NothingPromoted".to_owned()));
        let healed = place.until(NAME, "rolled out", is_rolled_out).await;
        assert_eq!(of_people(&healed), of_people(&before), "to the letter");
        let settled = |found: &Escalation| found.metadata.finalizers.is_none();
        place.until(NAME, "owing nothing", settled).await;
        person.look_around();
    })
    .await;
}

/// Something that speaks against borrowing.
fn guard(kind: &str, version: &str, spec: &Value) -> String {
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": NAME}, "spec": spec}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_autoscaler_or_a_disruption_budget_holds_is_not_borrowed() {
    told("not-lent", async |place, person| {
        begin(place, person).await;
        let scaled = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "minReplicas": 2, "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
            }}],
        });
        person.apply(&guard("HorizontalPodAutoscaler", "autoscaling/v2", &scaled));
        let (code, reason) = person.night(NAME);
        assert_eq!((code, reason.as_str()), (3, "Unknown"));
        let run = all::<PhaseRun>(place).await.remove(0);
        let row = &run.status.as_ref().unwrap().domains[0];
        assert_eq!(row.reasons, ["BorrowRefused"]);
        assert!(row.messages[0].starts_with("ReplicasAutoscaled: HorizontalPodAutoscaler chat"), "{:?}", row.messages);
        place.api::<HorizontalPodAutoscaler>().delete(NAME, &DeleteParams::default()).await.unwrap();

        let budget = json!({"minAvailable": 2, "selector": {"matchLabels": {"app": NAME}}});
        person.apply(&guard("PodDisruptionBudget", "policy/v1", &budget));
        let is_told = |budget: &PodDisruptionBudget| {
            budget.status.as_ref().is_some_and(|status| status.disruptions_allowed == 0 && status.expected_pods == 2)
        };
        place.until(NAME, "told what it allows", is_told).await;
        let night = person.begin_night(NAME);
        let waits = |found: &PhaseRun| {
            let conditions = found.status.iter().flat_map(|status| &status.conditions);
            conditions.into_iter().any(|condition| condition.reason == "NoDisruptionAllowed")
        };
        let newest = until_second_run(place).await;
        place.until(&newest, "waiting for the budget", waits).await;
        assert!(is_given_back(&target(place).await));
        person.patch(&format!("poddisruptionbudget/{NAME}"), &json!({"spec": {"minAvailable": 1}}));
        person.tell("the budget allows one disruption");
        assert_eq!(person.end(night), (3, "Unknown".to_owned()), "nothing can be said yet of its first run");
        let run: PhaseRun = place.api().get(&newest).await.unwrap();
        assert!(run.status.unwrap().borrowed.is_some_and(|borrowed| borrowed.given_back_at.is_some()));
        assert!(is_given_back(&target(place).await));
        person.look_around();
    })
    .await;
}

/// Name of the run that was made last, once there are two.
async fn until_second_run(place: &Place) -> String {
    let began = Instant::now();
    loop {
        let mut runs = all::<PhaseRun>(place).await;
        if runs.len() == 2 {
            runs.sort_by_key(|run| run.creation_timestamp().map(|time| time.0));
            return runs.pop().unwrap().name_any();
        }
        assert!(began.elapsed() < crate::support::DEADLINE, "no second run was made");
        tokio::time::sleep(crate::support::PAUSE).await;
    }
}
