//! Bugs with the two budgets and the ledger.

use serde_json::{Value, json};

use crate::{
    bug::Bug,
    hand::{CANARY, ESCALATION, Hand, text},
    plot::Plot,
    saboteur::{Moment, Times},
};

/// I1.
pub(crate) const USE_IS_UNDERSTATED: Bug = Bug::new(
    "i1_budgets_are_kept",
    "says of each canary that it used next to nothing, so that more of them are measured than the night allows",
    Moment::told("tuningcanaries"),
    understate,
)
.in_plot(Plot::Tight)
.times(Times::Always);

fn understate(hand: &Hand) -> Option<()> {
    let canary = hand.subject(CANARY);
    let used = canary.pointer("/status/used")?;
    let little = json!({ "measure": "1ms", "hold": "1s" });
    (*used != little).then(|| hand.tell(CANARY, &hand.name, &json!({ "used": little })))
}

/// I2, of pods.
pub(crate) const POD_WITHOUT_RESERVATION: Bug = Bug::new(
    "i2_pods_are_preceded_by_their_reservation",
    "makes a test pod that no canary and no run stands for",
    Moment::made("pods"),
    make_pod_of_nobody,
);

fn make_pod_of_nobody(hand: &Hand) -> Option<()> {
    hand.canary_pod().map(|_| {
        hand.make_pod_like_the_last(|pod| drop(pod["metadata"].as_object_mut().unwrap().remove("ownerReferences")));
    })
}

/// I2, of canaries.
pub(crate) const RESERVATION_BEYOND_THE_BUDGET: Bug = Bug::new(
    "i2_reservations_fit_the_budgets",
    "reserves for one more canary when the night has no budget left for it",
    Moment::made("promotions"),
    |hand| {
        hand.make_next_canary(|spec| spec["reserved"] = json!({ "measure": "8s", "hold": "14m59s" }));
        Some(())
    },
);

/// I3.
pub(crate) const LEDGER_FORGETS: Bug = Bug::new(
    "i3_the_ledger_only_grows",
    "drops an attempt from the ledger of the night",
    Moment::told("escalations"),
    forget_attempt,
);

fn forget_attempt(hand: &Hand) -> Option<()> {
    let escalation = hand.subject(ESCALATION);
    let mut nights = escalation.pointer("/status/ledger/nights").and_then(Value::as_array)?.clone();
    let folded = nights.first_mut()?.get_mut("folded")?.as_array_mut()?;
    if folded.len() < 3 || text(&escalation, "/status/state") != "Counting" {
        return None;
    }
    folded.pop();
    hand.tell(ESCALATION, &hand.name, &json!({ "ledger": { "nights": nights } }));
    Some(())
}
