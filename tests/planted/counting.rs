//! Bugs with what counts.

use serde_json::json;

use crate::{
    bug::Bug,
    gates::{arm, flag},
    hand::{ESCALATION, Hand, RUN, text},
    plot::Plot,
    saboteur::Moment,
};

/// I12, below the threshold.
pub(crate) const ARMED_BELOW_THE_THRESHOLD: Bug = Bug::new(
    "i12_an_armed_flag_was_counted",
    "arms a flag on one run where two are asked for",
    Moment::told("escalations"),
    |hand| flag(hand).filter(|flag| flag["count"] == 1).map(|flag| arm(hand, flag)),
)
.in_plot(Plot::Patient);

/// I12, of a run that was used up.
pub(crate) const CONSUMED_RUN_COUNTS_AGAIN: Bug = Bug::new(
    "i12_an_armed_flag_was_counted",
    "counts a run again that a tuning run has used up",
    Moment::told("escalations"),
    count_again,
);

fn count_again(hand: &Hand) -> Option<()> {
    let has_ended = !text(&hand.subject(ESCALATION), "/status/lastTuning/endedAt").is_empty();
    flag(hand).filter(|_| has_ended).map(|flag| arm(hand, flag))
}

/// I15.
pub(crate) const BAD_RUN_IN_THE_BASELINE: Bug = Bug::new(
    "i15_a_run_that_says_nothing_counts_nothing",
    "lets a degraded run into the baseline",
    Moment::told("phaseruns"),
    |hand| {
        let is_bad = text(&hand.subject(RUN), "/status/verdict") == "Degraded";
        is_bad.then(|| hand.tell(RUN, &hand.name, &json!({ "admitted": true })))
    },
);
