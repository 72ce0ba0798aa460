//! Bugs with what may begin, when, and beside what.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    bug::Bug,
    hand::{ESCALATION, Hand, PROMOTION, copy, text},
    plot::Plot,
    saboteur::Moment,
};

/// Makes a canary that begins another tuning run in the same night.
fn begin_another_run(hand: &Hand) {
    hand.make_next_canary(|spec| spec["cycle"] = format!("{}-again", text(spec, "/cycle")).into());
}

/// I4, of tuning runs.
pub(crate) const TWO_RUNS_AT_ONCE: Bug = Bug::new(
    "i4_one_tuning_run_per_target",
    "begins a second tuning run of the target while the first one's canary runs",
    Moment::made("pods"),
    |hand| hand.canary_pod().map(|_| begin_another_run(hand)),
);

/// I4, of engines.
pub(crate) const TWO_ENGINES_AT_ONCE: Bug = Bug::new(
    "i4_one_canary_engine_per_target",
    "tests the next canary beside the one before, so that two engines run at once",
    Moment::made("pods"),
    |hand| {
        hand.canary_pod()?;
        let canary = hand.make_next_canary(|_| {});
        hand.make_pod_like_the_last(|pod| {
            own(pod, &canary);
            pod["spec"].as_object_mut().unwrap().remove("nodeSelector");
        });
        Some(())
    },
)
.in_plot(Plot::Roomy);

/// Makes a pod that of a canary.
fn own(pod: &mut Value, canary: &Value) {
    let owner = &mut pod["metadata"]["ownerReferences"][0];
    let before = owner["name"].clone();
    owner["name"] = canary["metadata"]["name"].clone();
    owner["uid"] = canary["metadata"]["uid"].clone();
    for label in pod["metadata"]["labels"].as_object_mut().unwrap().values_mut().filter(|label| **label == before) {
        *label = canary["metadata"]["name"].clone();
    }
}

/// I5.
pub(crate) const SECOND_POD: Bug = Bug::new(
    "i5_one_pod_per_owner_and_part",
    "makes a second pod for a canary that has one",
    Moment::made("pods"),
    |hand| hand.canary_pod().map(|_| drop(hand.make_pod_like_the_last(|_| {}))),
);

/// I6.
pub(crate) const POD_AFTER_ITS_INSTANT: Bug = Bug::new(
    "i6_canaries_stay_before_their_not_after",
    "makes the pod of a canary whose window is over",
    Moment::made("promotions"),
    |hand| {
        let before = hand.now() - SignedDuration::from_mins(1);
        let canary = hand.make_next_canary(|spec| spec["notAfter"] = before.to_string().into());
        hand.make_pod_like_the_last(|pod| own(pod, &canary));
        Some(())
    },
);

/// I7.
pub(crate) const NO_COOLDOWN: Bug = Bug::new(
    "i7_the_cooldown_is_kept",
    "begins a tuning run right after the last one ended",
    Moment::made("promotions"),
    |hand| {
        begin_another_run(hand);
        Some(())
    },
);

/// I8.
pub(crate) const ONE_RUN_TOO_MANY: Bug = Bug::new(
    "i8_the_rate_is_kept",
    "begins a second tuning run on a day that allows one",
    Moment::told("promotions"),
    |hand| (text(&hand.subject(PROMOTION), "/status/phase") == "Applied").then(|| begin_another_run(hand)),
)
.in_plot(Plot::OnceADay);

/// I9.
pub(crate) const GAP_IN_THE_ATTEMPTS: Bug = Bug::new(
    "i9_attempts_are_dense_and_taken_once",
    "leaves an attempt of the night out",
    Moment::made("promotions"),
    |hand| {
        hand.make_next_canary(|spec| spec["attempt"] = (spec["attempt"].as_i64().unwrap() + 1).into());
        Some(())
    },
);

/// I13.
pub(crate) const ARMED_TWICE: Bug = Bug::new(
    "i13_one_flag_is_armed_and_only_by_news",
    "arms the flag of a second Escalation of the target, beside that of the one that rules it",
    Moment::told("escalations"),
    |hand| {
        let armed = flag(hand).filter(|flag| flag["state"] == "Armed")?;
        let mut second = copy(&hand.subject(ESCALATION));
        let name = format!("{}-again", hand.name);
        second["metadata"]["name"] = name.clone().into();
        hand.make(&second);
        hand.tell(ESCALATION, &name, &json!({ "flags": [armed] }));
        Some(())
    },
);

/// I14.
pub(crate) const BEGUN_WITHOUT_A_FLAG: Bug = Bug::new(
    "i14_an_expired_flag_starts_nothing",
    "begins a tuning run in the night after, when the flag is long used up and over",
    Moment::told("promotions"),
    begin_without_flag,
)
.until(2);

fn begin_without_flag(hand: &Hand) -> Option<()> {
    (text(&hand.subject(PROMOTION), "/status/phase") == "Validated").then(|| {
        hand.make_next_canary(|spec| {
            spec["night"] = "2026-03-03".into();
            spec["attempt"] = 0.into();
            spec["cycle"] = format!("{}-again", text(spec, "/cycle")).into();
        });
    })
}

/// The only flag of the Escalation that the operator's request is about.
pub(crate) fn flag(hand: &Hand) -> Option<Value> {
    hand.subject(ESCALATION).pointer("/status/flags/0").cloned()
}

/// Arms the only flag, for four hours from now.
pub(crate) fn arm(hand: &Hand, mut flag: Value) {
    flag["state"] = "Armed".into();
    flag["armedAt"] = hand.now().to_string().into();
    flag["expiresAt"] = (hand.now() + SignedDuration::from_hours(4)).to_string().into();
    hand.tell(ESCALATION, &hand.name, &json!({ "flags": [flag] }));
}
