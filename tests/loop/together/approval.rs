//! A person decides on a promotion: in their own name, and only where they may.

use k8s_openapi::api::apps::v1::Deployment;
use phaseloop::api::{
    Promotion,
    promotion::{Decision, status::PromotionPhase},
};
use serde_json::json;

use crate::{
    person::{Person, Said},
    story::{NAME, OVER_COMMITTED, all, arguments, begin, is_rolled_out, over_commit, phases_of_promotions, told},
};

/// Who may decide: the chart's role for it is bound to her.
const ANNA: &str = "anna";
/// Who may look, and no more.
const MALLORY: &str = "mallory";

/// `kubectl patch --as USER` of a decision.
fn decide(person: &Person<'_>, user: &str, promotion: &str, decision: &str, in_name_of: &str) -> Said {
    let patch = json!({"spec": {"decision": decision, "approvedBy": in_name_of}}).to_string();
    let object = format!("promotions.phaseloop.dev/{promotion}");
    person.kubectl(&["patch", &object, "--as", user, "--type", "merge", "--patch", &patch], "")
}

fn bind(person: &Person<'_>, user: &str, role: &str) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": format!("{user}-{role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    person.apply(&binding.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_waits_for_one_who_may_decide_and_takes_no_word_in_anothers_name() {
    told("approval", async |place, person| {
        bind(person, ANNA, "phaseloop-approver");
        bind(person, MALLORY, "phaseloop-viewer");
        begin(place, person, &json!({"promotion": {"approval": "Manual"}})).await;
        over_commit(person);
        assert_eq!(person.night(NAME), (2, "AwaitingReview".to_owned()));
        let waiting = all::<Promotion>(place).await;
        assert_eq!(waiting.iter().map(|found| found.spec.decision).collect::<Vec<_>>(), [Decision::Pending]);
        let promotion = waiting[0].metadata.name.clone().unwrap();

        let said = decide(person, MALLORY, &promotion, "Approved", MALLORY);
        person.tell(&format!("mallory: {}", said.err.trim()));
        assert!(
            said.code != 0 && said.err.contains("cannot patch resource"),
            "who may only look can't decide: {said:?}"
        );
        let said = decide(person, ANNA, &promotion, "Approved", "bert");
        person.tell(&format!("anna, in bert's name: {}", said.err.trim()));
        assert!(said.code != 0 && said.err.contains("approvedBy must be the user name of the requester"), "{said:?}");
        let target: Deployment = place.api().get(NAME).await.unwrap();
        assert!(arguments(&target).contains(&OVER_COMMITTED.to_owned()), "{:?}", arguments(&target));

        let said = decide(person, ANNA, &promotion, "Approved", ANNA);
        assert_eq!(said.code, 0, "{said:?}");
        let is_applied = |found: &Promotion| {
            let status = found.status.as_ref();
            status.is_some_and(|status| status.phase == Some(PromotionPhase::Applied) && status.rolled_out_at.is_some())
        };
        place.until(&promotion, "applied", is_applied).await;
        let healed: Deployment = place.until(NAME, "rolled out", is_rolled_out).await;
        assert!(!arguments(&healed).contains(&OVER_COMMITTED.to_owned()), "{:?}", arguments(&healed));
        assert_eq!(phases_of_promotions(place).await, [PromotionPhase::Applied]);
        let said = decide(person, ANNA, &promotion, "Rejected", ANNA);
        assert!(said.code != 0, "a decision stands: {said:?}");
        person.look_around();
    })
    .await;
}
