//! A definition is deleted in the middle: what is tested ends, nothing stays stuck, and all goes on once it is there again.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
    runtime::wait::await_condition,
};
use phaseloop::api::{Escalation, TuningCanary};
use tokio::time::timeout;

use crate::{
    operator,
    story::{
        NAME, all, begin, end_of_tuning, long_search, over_commit, test_pods, told, until,
        until_a_candidate_is_measured,
    },
    support::{DEADLINE, Place},
};

const CANARIES: &str = "tuningcanaries.phaseloop.dev";

async fn until_gone(place: &Place, definition: &str) {
    let definitions: Api<CustomResourceDefinition> = Api::all(place.client.clone());
    let is_gone = |found: Option<&CustomResourceDefinition>| found.is_none();
    let waited = timeout(DEADLINE, await_condition(definitions.clone(), definition, is_gone)).await;
    let last = definitions.get_opt(definition).await.unwrap();
    assert!(waited.is_ok(), "{:?}", last.and_then(|definition| definition.status));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_is_deleted_in_the_middle_is_gone_and_the_loop_goes_on_once_it_is_back() {
    told("no-definition", async |place, person| {
        operator::installed(place).await;
        begin(place, person, &long_search()).await;
        over_commit(person);
        let night = person.begin_night(NAME);
        until_a_candidate_is_measured(place).await;
        night.forget();

        person.tell("somebody deletes the definition of canaries");
        let definitions: Api<CustomResourceDefinition> = Api::all(place.client.clone());
        definitions.delete(CANARIES, &DeleteParams::default()).await.unwrap();
        until_gone(place, CANARIES).await;
        until("no test pod is left", async || test_pods(place).await == 0).await;
        person.tell("it is gone, and no test pod is left");
        let is_over = |found: &Escalation| found.status.as_ref().is_some_and(|status| status.tuning.is_none());
        let escalation: Escalation = place.until(NAME, "done with its tuning", is_over).await;
        // Either by the canary that was tested, or by the one that it would have been compared with: the cluster deletes them in
        // its own order.
        let end = end_of_tuning(&escalation);
        assert!(matches!(end, Some("Aborted" | "IncumbentGone")), "{end:?}");

        operator::installed(place).await;
        person.tell("it is installed again");
        // For its first seconds the API server answers 429, "storage is (re)initializing".
        let canaries = place.api::<TuningCanary>();
        until("canaries can be listed", async || canaries.list(&ListParams::default()).await.is_ok()).await;
        assert_eq!(all::<TuningCanary>(place).await.len(), 0);
        // What the canaries had used and when tuning ended outlives them.
        assert_eq!(person.night(NAME), (1, "GatesClosed".to_owned()));
        person.look_around();
    })
    .await;
}
