//! Bugs with canaries: what they are seen by, what ends them, and what is said of them.

use serde_json::{Value, json};

use crate::{
    bug::Bug,
    hand::{CANARY, Hand, NETWORK_POLICY, POD, copy, text},
    saboteur::{Moment, Times},
};

/// I16.
pub(crate) const POD_WITH_PRODUCTION_LABELS: Bug = Bug::new(
    "i16_no_production_selector_finds_a_test_pod",
    "lets a test pod bear the labels by which production is found",
    Moment::made("pods"),
    |hand| {
        let labels = json!({ "metadata": { "labels": { "app": "llama-13b" } } });
        hand.canary_pod().map(|pod| hand.merge(POD, text(&pod, "/metadata/name"), labels))
    },
);

/// I17.
pub(crate) const TARGET_IS_TOUCHED: Bug = Bug::new(
    "i17_production_is_left_alone",
    "changes the target in passing, without a mark of why",
    Moment::made("promotions"),
    |hand| {
        let fields = json!({ "spec": { "revisionHistoryLimit": 3 } });
        hand.merge(("apps/v1", "Deployment"), "llama-13b", fields);
        Some(())
    },
);

/// I36.
pub(crate) const POD_WITHOUT_NETWORK_POLICY: Bug = Bug::new(
    "i36_a_test_pod_has_its_network_policy",
    "makes the pod of a canary although its NetworkPolicy is not there",
    Moment::made("networkpolicies"),
    |hand| {
        let policies = hand.all(NETWORK_POLICY);
        let of_canary =
            policies.iter().find(|policy| text(policy, "/metadata/ownerReferences/0/kind") == "TuningCanary");
        of_canary.map(|policy| hand.take_away(NETWORK_POLICY, text(policy, "/metadata/name")))
    },
);

/// I18.
pub(crate) const ABORT_ENDS_NOTHING: Bug = Bug::new(
    "i18_an_abort_ends_within_15_seconds",
    "does not delete the pod of a canary that a person aborts",
    Moment::told("tuningcanaries"),
    |hand| is_starting(hand).then(|| abort(hand)),
)
.times(Times::OnceAndNoPodIsDeletedAgain);

fn is_starting(hand: &Hand) -> bool {
    let canary = hand.subject(CANARY);
    text(&canary, "/status/phase") == "Starting" && canary["spec"]["attempt"] == 1
}

fn abort(hand: &Hand) {
    hand.merge_as_person(CANARY, &hand.name, json!({ "spec": { "abort": true } }));
}

/// What a canary says that has passed, with half of its requests in time.
fn pass() -> Value {
    json!({
        "verdict": "Passed", "fitness": 0.5, "failure": null,
        "requests": { "offered": 2, "completed": 2, "failed": 0, "withinLimits": 1 },
    })
}

/// I19.
pub(crate) const ABORTED_CANARY_PASSES: Bug = Bug::new(
    "i19_an_aborted_canary_never_passes",
    "lets a canary pass that a person aborted before it was judged",
    Moment::before_told("tuningcanaries"),
    pass_an_aborted_one,
);

fn pass_an_aborted_one(hand: &Hand) -> Option<()> {
    let canary = hand.subject(CANARY);
    let has_measured = hand.all(POD).iter().any(|pod| {
        let phase = text(pod, "/status/phase");
        text(pod, "/metadata/ownerReferences/0/name") == hand.name && (phase == "Succeeded" || phase == "Failed")
    });
    if canary["spec"]["attempt"] != 1 || !has_measured || !text(&canary, "/status/verdict").is_empty() {
        return None;
    }
    abort(hand);
    let mut status = pass();
    status["effective"] = json!({ "configuration": canary["spec"]["parameters"] });
    hand.tell(CANARY, &hand.name, &status);
    Some(())
}

/// I20.
pub(crate) const DEAD_ENGINE_PASSES: Bug = Bug::new(
    "i20_what_passed_was_measured",
    "lets a canary pass whose engine died and was started again",
    Moment::told("tuningcanaries"),
    |hand| {
        let has_died = text(&hand.subject(CANARY), "/status/failure/class") == "OutOfMemory";
        has_died.then(|| hand.tell(CANARY, &hand.name, &pass()))
    },
);

/// I20, of a value.
pub(crate) const UNSEEN_VALUE_PASSES: Bug = Bug::new(
    "i20_what_passed_was_measured",
    "lets a canary pass whose engine reported another value than it was to be measured with",
    Moment::told("tuningcanaries"),
    |hand| {
        let other = json!({ "effective": { "configuration": { "gpu-memory-utilization": "0.92" } } });
        has_passed(hand).then(|| hand.tell(CANARY, &hand.name, &other))
    },
);

fn has_passed(hand: &Hand) -> bool {
    text(&hand.subject(CANARY), "/status/verdict") == "Passed"
}

/// I21.
pub(crate) const FITNESS_WITHOUT_EVIDENCE: Bug = Bug::new(
    "i21_fitness_rests_on_evidence",
    "gives a canary another fitness than the share of its requests that were within their limits",
    Moment::told("tuningcanaries"),
    |hand| has_passed(hand).then(|| hand.tell(CANARY, &hand.name, &json!({ "fitness": 0.625 }))),
);

/// I22.
pub(crate) const VALUE_THAT_NOBODY_LISTED: Bug = Bug::new(
    "i22_candidates_are_allowed",
    "tries a value that the Escalation does not list",
    Moment::made("promotions"),
    |hand| {
        hand.make_next_canary(|spec| spec["parameters"] = json!({ "gpu-memory-utilization": "0.99" }));
        Some(())
    },
);

/// I31.
pub(crate) const POLICY_WITHOUT_OWNER: Bug = Bug::new(
    "i31_nothing_is_orphaned",
    "makes a NetworkPolicy that belongs to nothing, so that nothing takes it away",
    Moment::made("networkpolicies"),
    |hand| {
        let mut policy = copy(hand.all(NETWORK_POLICY).first()?);
        policy["metadata"]["name"] = format!("{}-again", text(&policy, "/metadata/name")).into();
        policy["metadata"].as_object_mut()?.remove("ownerReferences");
        hand.make(&policy);
        Some(())
    },
);
