//! Bugs with promotions.

use serde_json::{Value, json};

use crate::{
    bug::Bug,
    hand::{CANARY, DEPLOYMENT, Hand, PROMOTION, RUN, copy, text},
    plot::Plot,
    saboteur::{Moment, Times},
};

fn is(hand: &Hand, phase: &str) -> bool {
    text(&hand.subject(PROMOTION), "/status/phase") == phase
}

/// Makes another promotion of what the only one promotes, resting on this canary where it is another one.
fn make_another(hand: &Hand, canary: Option<&Value>) {
    let mut promotion = copy(&hand.all(PROMOTION)[0]);
    promotion["metadata"]["name"] = format!("{}-again", text(&promotion, "/metadata/name")).into();
    if let Some(canary) = canary {
        promotion["spec"]["canaryName"] = canary["metadata"]["name"].clone();
    }
    hand.make(&promotion);
}

/// I23.
pub(crate) const UNTESTED_IS_PROMOTED: Bug = Bug::new(
    "i23_what_is_promoted_was_tested",
    "promotes a value on the word of a canary that failed and had another one",
    Moment::told("promotions"),
    |hand| {
        let canaries = hand.all(CANARY);
        let failed = canaries.iter().find(|canary| text(canary, "/status/verdict") == "Failed")?;
        is(hand, "Validated").then(|| make_another(hand, Some(failed)))
    },
)
.until(2);

/// I24.
pub(crate) const EDGE_THAT_IS_NOT_DRAWN: Bug = Bug::new(
    "i24_a_promotion_follows_the_edges",
    "lets a promotion expire whose value is in production",
    Moment::told("promotions"),
    |hand| is(hand, "Applied").then(|| hand.move_to(PROMOTION, &hand.name, "Expired", json!({}))),
);

/// I25.
pub(crate) const SECOND_OPEN_PROMOTION: Bug = Bug::new(
    "i25_one_open_promotion_per_target",
    "promotes the same winner twice",
    Moment::made("promotions"),
    |hand| {
        make_another(hand, None);
        Some(())
    },
);

/// I26.
pub(crate) const VALIDATED_BY_AN_EARLIER_RUN: Bug = Bug::new(
    "i26_validated_by_a_later_run",
    "takes a promotion for confirmed as soon as it is rolled out, by the run that armed the flag",
    Moment::told("promotions"),
    |hand| {
        let runs = hand.all(RUN);
        let run = &runs.last()?["metadata"];
        let validation = json!({ "phaseRun": run["name"], "phaseRunUid": run["uid"], "verdict": "Degraded" });
        let validation = json!({ "validation": validation });
        is(hand, "Applied").then(|| hand.move_to(PROMOTION, &hand.name, "Validated", validation))
    },
);

/// I27.
pub(crate) const VALUE_STAYS_IN: Bug = Bug::new(
    "i27_rolled_back_is_exact",
    "says that a promotion is rolled back, and leaves its value in production",
    Moment::told("promotions"),
    |hand| is(hand, "Applied").then(|| hand.move_to(PROMOTION, &hand.name, "RolledBack", json!({}))),
);

/// I27, of a ConfigMap.
pub(crate) const TARGET_GOES_BACK_FIRST: Bug = Bug::new(
    "i27_a_config_map_goes_before_its_target",
    "puts a target back while its ConfigMap still holds the value, so that pods of the old template start with it",
    Moment::told("promotions"),
    |hand| {
        let fields = json!({ "metadata": { "annotations": { "phaseloop.dev/promotion": null } } });
        is(hand, "Applied").then(|| hand.merge(("apps/v1", "Deployment"), "llama-13b", fields))
    },
)
.in_plot(Plot::Configured);

/// I28.
pub(crate) const SOMEBODY_IS_OVERWRITTEN: Bug = Bug::new(
    "i28_nobody_else_is_overwritten",
    "sets its value again where somebody else has set another one",
    Moment::told("promotions"),
    |hand| {
        let ours = hand.all(DEPLOYMENT)[0].pointer("/spec/template/spec/containers")?.clone();
        let theirs = serde_json::from_str(&ours.to_string().replace("utilization=0.7", "utilization=0.6")).unwrap();
        let set = |containers: &Value, fence: Option<&str>| {
            json!({
                "metadata": { "annotations": { "phaseloop.dev/fence": fence } },
                "spec": { "template": { "spec": { "containers": containers } } },
            })
        };
        is(hand, "Applied").then(|| {
            hand.merge_as_person(DEPLOYMENT, "llama-13b", set(&theirs, None));
            hand.merge(DEPLOYMENT, "llama-13b", set(&ours, Some("planted")));
        })
    },
);

/// I17, of a ConfigMap.
pub(crate) const CONFIG_MAP_IS_TOUCHED: Bug = Bug::new(
    "i17_production_is_left_alone",
    "changes a ConfigMap of the target in passing, without a mark of why",
    Moment::told("promotions"),
    |hand| {
        let fields = json!({ "data": { "greeting": "hello" } });
        is(hand, "Applied").then(|| hand.merge(("v1", "ConfigMap"), "llama-13b-engine", fields))
    },
)
.in_plot(Plot::Configured);

/// I31, of finalizers.
pub(crate) const NEVER_LET_GO: Bug = Bug::new(
    "i31_nothing_is_orphaned",
    "never takes its finalizer from a promotion that somebody deletes",
    Moment::told("promotions"),
    |hand| is(hand, "Applied").then(|| hand.take_away(PROMOTION, &hand.name)),
)
.times(Times::OnceAndNoPromotionIsLetGo);
