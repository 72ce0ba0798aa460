//! The ledger of an Escalation: what it has spent never becomes less.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    fact::{At, ChangeKind},
    registry::Invariant,
    value::{name, text},
};
use crate::simulation::field::At as _;

/// I3: a night's folded use never shrinks, no attempt leaves it, and no consumed run comes back while its night is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct LedgerOnlyGrows;

/// The attempts that each night of a ledger has taken up.
fn folded(escalation: &Value) -> BTreeMap<&str, BTreeSet<String>> {
    let nights = escalation.at("/status/ledger/nights").and_then(Value::as_array);
    let attempts = |night: &Value| {
        let list = night.at("/folded").or_else(|| night.at("/foldedAttempts")).and_then(Value::as_array);
        // An attempt is a number, or an object that names its number.
        let number = |entry: &Value| entry.at("/attempt").unwrap_or(entry).to_string();
        list.map(|list| list.iter().map(number).collect()).unwrap_or_default()
    };
    let nights = nights.map(Vec::as_slice).unwrap_or_default();
    nights.iter().filter_map(|night| Some((text(night, "/night")?, attempts(night)))).collect()
}

impl Invariant for LedgerOnlyGrows {
    fn name(&self) -> &'static str {
        "i3_the_ledger_only_grows"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let change = at.change_of("Escalation").filter(|change| change.kind == ChangeKind::Modified)?;
        let before = folded(change.before?);
        if before.is_empty() {
            return None;
        }
        let after = folded(change.object);
        let lost =
            before.iter().find(|(night, attempts)| after.get(*night).is_some_and(|now| !attempts.is_subset(now)));
        Some(lost.map_or(Ok(()), |(night, _)| {
            Err(format!("the ledger of {} lost an attempt of the night {night}", name(change.object)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::{Fact, ObjectChange, Oracles};

    #[test]
    fn an_attempt_that_leaves_the_ledger_is_found() {
        let ledger = |attempts: &[i64]| {
            let nights = json!([{"night": "2026-03-04", "foldedAttempts": attempts}]);
            json!({"metadata": {"name": "e"}, "status": {"ledger": {"nights": nights}}})
        };
        let mut oracles = Oracles::of(vec![Box::new(LedgerOnlyGrows)]);
        let (one, two) = (ledger(&[0]), ledger(&[0, 1]));
        let mut change = |before, object| {
            let change =
                ObjectChange { kind: ChangeKind::Modified, of: "Escalation", object, before: Some(before), by: "" };
            oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
            oracles.figures().violations_total
        };
        assert_eq!(change(&one, &two), 0);
        assert_eq!(change(&two, &one), 1);
    }
}
