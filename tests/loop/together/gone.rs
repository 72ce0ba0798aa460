//! Something is deleted in the middle: what is tested ends, and nothing stays stuck.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{Api, api::DeleteParams};
use phaseloop::api::{Escalation, TuningCanary};

use crate::{
    person::Person,
    story::{NAME, all, begin, long_search, over_commit, test_pods, told, until, until_a_candidate_is_measured},
    support::{Place, cluster},
};

/// A candidate is loaded; the night is awaited by nobody.
async fn in_the_middle(place: &Place, person: &Person<'_>) {
    begin(place, person, &long_search()).await;
    over_commit(person);
    let night = person.begin_night(NAME);
    until_a_candidate_is_measured(place).await;
    night.forget();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_deleted_in_the_middle_leaves_no_test_pod() {
    told("no-target", async |place, person| {
        in_the_middle(place, person).await;
        person.tell("somebody deletes the target");
        place.api::<Deployment>().delete(NAME, &DeleteParams::default()).await.unwrap();
        until("no test pod is left", async || test_pods(place).await == 0).await;
        let is_over = |found: &Escalation| found.status.as_ref().is_some_and(|status| status.tuning.is_none());
        let found: Escalation = place.until(NAME, "done with its tuning", is_over).await;
        person.tell(&format!("{:?}", found.status.unwrap().last_tuning));
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escalation_that_is_deleted_in_the_middle_takes_its_canaries_along() {
    told("no-escalation", async |place, person| {
        in_the_middle(place, person).await;
        person.tell("somebody suspends the Escalation, without which a rule forbids it, and deletes it");
        let suspended = serde_json::json!({"spec": {"suspend": {"reason": "it goes"}}});
        person.patch(&format!("escalation/{NAME}"), &suspended);
        place.api::<Escalation>().delete(NAME, &DeleteParams::default()).await.unwrap();
        until("the Escalation is gone", async || place.api::<Escalation>().get_opt(NAME).await.unwrap().is_none())
            .await;
        until("no test pod is left", async || test_pods(place).await == 0).await;
        until("no canary is left", async || all::<TuningCanary>(place).await.is_empty()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_in_the_middle_is_gone() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "no-namespace").await;
    let person = Person::new(&place);
    in_the_middle(&place, &person).await;
    person.tell("somebody deletes the namespace");
    let namespaces: Api<Namespace> = Api::all(place.client.clone());
    namespaces.delete(&place.namespace, &DeleteParams::default()).await.unwrap();
    until("the namespace is gone", async || namespaces.get_opt(&place.namespace).await.unwrap().is_none()).await;
    person.tell("it is gone");
}
