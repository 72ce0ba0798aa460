//! Bugs with the audit.

use serde_json::{Value, json};

use crate::{
    bug::Bug,
    hand::{CANARY, Hand, RUN, text},
    saboteur::Moment,
};

/// The records of a status, where there are more than one.
fn records(object: &Value) -> Option<Vec<Value>> {
    object.pointer("/status/history/records")?.as_array().filter(|records| records.len() > 1).cloned()
}

fn rewrite(hand: &Hand, kind: (&str, &str), records: &[Value]) {
    let head = records.last().map(|last| last["hash"].clone());
    hand.tell(kind, &hand.name, &json!({ "history": { "head": head, "records": records } }));
}

/// I30, of a changed record.
pub(crate) const RECORD_IS_CHANGED: Bug = Bug::new(
    "i30_the_audit_is_whole",
    "puts a record of a run into other words afterwards",
    Moment::told("phaseruns"),
    |hand| {
        let mut records = records(&hand.subject(RUN))?;
        records[0]["message"] = "in other words".into();
        rewrite(hand, RUN, &records);
        Some(())
    },
);

/// I30, of a missing record.
pub(crate) const RECORD_IS_DROPPED: Bug = Bug::new(
    "i30_the_audit_is_whole",
    "takes the newest record of a canary away again",
    Moment::told("tuningcanaries"),
    |hand| {
        let mut records = records(&hand.subject(CANARY))?;
        records.pop();
        rewrite(hand, CANARY, &records);
        Some(())
    },
);

/// I30, of a change that nobody recorded.
pub(crate) const NOT_RECORDED: Bug = Bug::new(
    "i30_the_audit_is_whole",
    "moves a canary to its next phase without a record of it",
    Moment::told("tuningcanaries"),
    |hand| {
        let is_starting = text(&hand.subject(CANARY), "/status/phase") == "Starting";
        is_starting.then(|| hand.tell(CANARY, &hand.name, &json!({ "phase": "Measuring" })))
    },
);
