//! phaseloop is taken away while something is owed and its operator is dead, and comes back.

use k8s_openapi::api::apps::v1::Deployment;
use phaseloop::api::{Escalation, PhaseRun, Promotion, TuningCanary};
use serde_json::json;

use crate::{
    operator,
    story::{
        NAME, OVER_COMMITTED, all, arguments, begin, is_rolled_out, of_people, over_commit, phases_of_promotions, told,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn uninstalling_beside_a_dead_operator_gives_everything_back_and_a_new_installation_goes_on() {
    told("leaving", async |place, person| {
        operator::installed(place).await;
        begin(place, person, &json!({})).await;
        let before: Deployment = place.api().get(NAME).await.unwrap();
        over_commit(person);
        assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
        let promoted = place.until(NAME, "rolled out", is_rolled_out).await;
        assert!(!arguments(&promoted).contains(&OVER_COMMITTED.to_owned()), "{:?}", arguments(&promoted));

        operator::scale(place, 0).await;
        person.tell("the operator is dead; somebody uninstalls");
        operator::uninstall();
        person.tell("it is uninstalled");
        let after = place.until(NAME, "rolled out", is_rolled_out).await;
        assert_eq!(of_people(&after), of_people(&before), "what was not validated is taken back to the letter");
        // A promotion is rolled back by deleting it: it is gone when nothing is owed for it any more.
        assert_eq!(phases_of_promotions(place).await, []);
        let promotions = all::<Promotion>(place).await.into_iter().map(|it| it.metadata);
        let canaries = all::<TuningCanary>(place).await.into_iter().map(|it| it.metadata);
        let escalations = all::<Escalation>(place).await.into_iter().map(|it| it.metadata);
        for metadata in promotions.chain(canaries).chain(escalations) {
            assert_eq!(metadata.finalizers.unwrap_or_default(), Vec::<String>::new(), "{:?} is held", metadata.name);
        }
        assert_eq!(all::<PhaseRun>(place).await.len(), 1, "evidence stays");

        operator::installed(place).await;
        person.tell("it is installed again");
        let said = person.phaseloop(&["resume", "--all"]);
        assert_eq!(said.code, 0, "{said:?}");
        let (code, reason) = person.night(NAME);
        assert_eq!(code, 1, "the symptom is found again: {reason}");
        assert_eq!(all::<PhaseRun>(place).await.len(), 2);
        person.look_around();
    })
    .await;
}
