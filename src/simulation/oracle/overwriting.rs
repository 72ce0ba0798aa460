//! What somebody else has set stays theirs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    fact::{At, ChangeKind},
    isolation::OPERATOR,
    registry::Invariant,
    value::{name, text},
};
use crate::simulation::field::At as _;

/// Parts of objects of other people's that a promotion writes to.
const WRITTEN: [(&str, &str); 3] =
    [("Deployment", "/spec/template"), ("StatefulSet", "/spec/template"), ("ConfigMap", "/data")];

/// I28: what somebody else has set, or taken away, since the promotion was made is never put back by the operator. What stood
/// there before is what the promotion was made for, and what it wrote itself is its own.
#[derive(Debug, Clone, Default)]
pub(super) struct OthersAreNotOverwritten {
    theirs: BTreeMap<String, Theirs>,
}

/// What others did to one object.
#[derive(Debug, Clone, Default)]
struct Theirs {
    set: BTreeSet<String>,
    taken_away: BTreeSet<String>,
}

impl Theirs {
    /// Takes note of a change. What puts back what they themselves had changed leaves nothing of theirs.
    fn note(&mut self, set: &BTreeSet<String>, gone: &BTreeSet<String>) {
        let (was_set, was_taken) = (std::mem::take(&mut self.set), std::mem::take(&mut self.taken_away));
        self.set = was_set.difference(gone).chain(set.difference(&was_taken)).cloned().collect();
        self.taken_away = was_taken.difference(set).chain(gone.difference(&was_set)).cloned().collect();
    }
}

impl Invariant for OthersAreNotOverwritten {
    fn name(&self) -> &'static str {
        "i28_nobody_else_is_overwritten"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        if let Some(change) = at.change_of("Promotion").filter(|change| change.kind == ChangeKind::Added) {
            for pointer in ["/spec/targetRef/name", "/spec/configMap/name"] {
                self.theirs.remove(&key(change.object, text(change.object, pointer).unwrap_or_default()));
            }
            return None;
        }
        let (pointer, change) = WRITTEN.iter().find_map(|(of, pointer)| Some((pointer, at.change_of(of)?)))?;
        let (before, now) = (change.before?.at(pointer), change.object.at(pointer));
        if change.kind != ChangeKind::Modified || before == now {
            return None;
        }
        let (before, now) = (leaves(before), leaves(now));
        let set: BTreeSet<String> = now.difference(&before).cloned().collect();
        let gone: BTreeSet<String> = before.difference(&now).cloned().collect();
        let theirs = self.theirs.entry(key(change.object, name(change.object))).or_default();
        if !change.by.starts_with(OPERATOR) {
            theirs.note(&set, &gone);
            return None;
        }
        let overwritten = gone.intersection(&theirs.set).chain(set.intersection(&theirs.taken_away)).next();
        Some(match overwritten {
            Some(leaf) => Err(format!("of {} somebody else's change was undone: {leaf}", name(change.object))),
            None => Ok(()),
        })
    }
}

/// `namespace/name`. A target and a ConfigMap of one name are told apart by what stands in them.
fn key(object: &Value, name: &str) -> String {
    format!("{}/{name}", text(object, "/metadata/namespace").unwrap_or_default())
}

/// Every value with its place. Elements of a list stand under their name, or under what they say: another element before them
/// changes nothing of them.
fn leaves(value: Option<&Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    gather(value.unwrap_or(&Value::Null), "", &mut found);
    found
}

fn gather(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| gather(value, &format!("{place}/{key}"), found)),
        Value::Array(elements) => {
            for element in elements {
                let named = text(element, "/name").map(|name| format!("{place}/{name}"));
                gather(element, &named.unwrap_or_else(|| format!("{place}/-")), found);
            }
        }
        leaf => {
            found.insert(format!("{place} {leaf}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::simulation::oracle::{Fact, ObjectChange, Oracles};

    const US: &str = "system:serviceaccount:phaseloop-system:phaseloop-0";

    fn target(share: &str, image: &str) -> Value {
        let container = json!({"name": "vllm", "image": image, "args": ["serve", format!("--share={share}")]});
        json!({"metadata": {"name": "t", "namespace": "n"}, "spec": {"template": {"spec": {"containers": [container]}}}})
    }

    /// The story of a target: who made what of it; after the first step a promotion is made.
    fn violations(steps: &[(&str, Value)]) -> (u64, u64) {
        let mut oracles = Oracles::of(vec![Box::<OthersAreNotOverwritten>::default()]);
        let mut before = target("0.95", "a");
        for (place, (by, object)) in steps.iter().enumerate() {
            let change =
                ObjectChange { kind: ChangeKind::Modified, of: "Deployment", object, before: Some(&before), by };
            oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
            before = object.clone();
            if place == 0 {
                let object = json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"targetRef": {"name": "t"}}});
                let kind = ChangeKind::Added;
                let change = ObjectChange { kind, of: "Promotion", object: &object, before: None, by: US };
                oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
            }
        }
        (oracles.figures().violations_total, oracles.figures().evaluated["i28_nobody_else_is_overwritten"])
    }

    #[test]
    fn what_stood_there_before_the_promotion_may_be_changed_and_put_back() {
        let steps = [("jane", target("0.92", "a")), (US, target("0.75", "a")), (US, target("0.92", "a"))];
        assert_eq!(violations(&steps), (0, 2));
    }

    #[test]
    fn somebody_elses_value_that_is_overwritten_is_found_and_one_beside_it_is_not() {
        let begun = [("jane", target("0.92", "a")), (US, target("0.75", "a"))];
        let after = |steps: &[(&'static str, Value)]| violations(&[&begun[..], steps].concat()).0;
        for back in ["0.75", "0.92"] {
            assert_eq!(after(&[("jane", target("0.6", "a")), (US, target(back, "a"))]), 1, "{back}");
        }
        assert_eq!(after(&[("jane", target("0.75", "b")), (US, target("0.92", "b"))]), 0, "another field");
        let undone = [("jane", target("0.6", "a")), ("jane", target("0.75", "a")), (US, target("0.92", "a"))];
        assert_eq!(after(&undone), 0, "who undoes what they had set has set nothing any more");
    }
}
