//! Uids and generated names: drawn from a seed, so that one seed gives one history.

use std::collections::BTreeMap;

use phaseloop_core::value::digest::digest_parts;
use serde_json::Value;

use super::{
    definition::{BuiltIn, ResourceDefinition},
    object::text,
};

/// Letters of generated names: those of Kubernetes, without vowels.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Letters that a generated name gets.
const SUFFIX_LENGTH: usize = 5;
/// Longest prefix that a name is generated from: the rest is cut.
const PREFIX_LENGTH_MAX: usize = 58;

/// What a uid and a generated name follow from, besides the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdentityRule {
    /// The order in which they are asked for.
    #[default]
    InOrder,
    /// What is named: an object has the uid that the object of its name has in every other history. Histories that differ
    /// in one point only can be compared then.
    ByName,
}

/// A source of uids and names.
#[derive(Debug, Clone)]
pub(crate) struct IdentitySource {
    seed: u64,
    state: u64,
    rule: IdentityRule,
    /// How many uids were drawn beside the sequence.
    aside: u64,
    /// How many objects were made under a name, and how many names of a prefix.
    made: BTreeMap<String, u64>,
}

impl IdentitySource {
    pub(crate) fn new(seed: u64, rule: IdentityRule) -> Self {
        Self { seed, state: seed, rule, aside: 0, made: BTreeMap::new() }
    }

    /// The uid of the next object under a name, where names decide it.
    pub(crate) fn uid_by_name(&self, place: &str) -> Option<String> {
        if self.rule == IdentityRule::InOrder {
            return None;
        }
        let earlier = self.made.get(place).copied().unwrap_or(0);
        Some(Self::new(self.seed_of(place, earlier), self.rule).uid())
    }

    /// An object was made under a name.
    pub(crate) fn made(&mut self, place: String) {
        if self.rule == IdentityRule::ByName {
            *self.made.entry(place).or_default() += 1;
        }
    }

    fn seed_of(&self, text: &str, count: u64) -> u64 {
        let digest = digest_parts(&["identity", &self.seed.to_string(), text, &count.to_string()]);
        digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// The next number of the sequence (SplitMix64, Steele et al. 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A uid in the form of a random UUID.
    pub(crate) fn uid(&mut self) -> String {
        let bits = (u128::from(self.next()) << 64 | u128::from(self.next())) & !(0xf << 76) & !(0x3 << 62);
        let bits = bits | 0x4 << 76 | 0x2 << 62;
        let digits = format!("{bits:032x}");
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    /// The uid of a new object of a kind. What befalls a pod follows from its uid, and so from how many were drawn before: what
    /// only stands beside pods draws beside the sequence, so that a story goes as it goes without it.
    pub(crate) fn uid_for(&mut self, definition: &ResourceDefinition, object: &Value) -> String {
        const ASIDE: [BuiltIn; 3] =
            [BuiltIn::NetworkPolicy, BuiltIn::HorizontalPodAutoscaler, BuiltIn::PodDisruptionBudget];
        let is_aside = ASIDE.into_iter().any(|kind| definition.is(kind));
        if !is_aside && !(definition.is(BuiltIn::Event) && is_news_of_test(object)) {
            return self.uid();
        }
        self.aside += 1;
        Self::new(self.seed_of("aside", self.aside), self.rule).uid()
    }

    /// A name that begins with `prefix`.
    pub(crate) fn name(&mut self, prefix: &str) -> String {
        let mut name: String = prefix.chars().take(PREFIX_LENGTH_MAX).collect();
        let mut bits = match self.rule {
            IdentityRule::InOrder => self.next(),
            IdentityRule::ByName => {
                let count = self.made.entry(format!("{prefix}*")).or_default();
                *count += 1;
                let count = *count;
                self.seed_of(prefix, count)
            }
        };
        for _ in 0..SUFFIX_LENGTH {
            let count = LETTERS.len() as u64;
            let index = usize::try_from(bits % count).unwrap_or(0);
            name.push(LETTERS.get(index).map_or('b', |letter| char::from(*letter)));
            bits /= count;
        }
        name
    }
}

/// Whether an event tells how a run or a canary goes. The other events draw from the sequence, as they did before these were
/// told: so do those of a replica that a run borrows, which are part of how its story goes.
fn is_news_of_test(event: &Value) -> bool {
    let about = event.get("regarding").or_else(|| event.get("involvedObject"));
    let kind = about.and_then(|about| text(about, &["kind"])).unwrap_or_default();
    let reason = text(event, &["reason"]).unwrap_or_default();
    matches!(kind, "PhaseRun" | "TuningCanary")
        && !matches!(reason, "ReplicaBorrowed" | "ReplicaGivenBack" | "GiveBackConflict")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_uids_again_and_each_is_a_uuid() {
        let source = || IdentitySource::new(7, IdentityRule::InOrder);
        let (mut first, mut second) = (source(), source());
        let uid = first.uid();
        assert_eq!(uid, second.uid());
        assert_ne!(uid, first.uid());
        let parts: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&uid[14..15], "4");
        assert!("89ab".contains(&uid[19..20]), "{uid}");
        assert_eq!(first.name("web-").len(), 9);
        assert_eq!(first.uid_by_name("pods chat/a"), None);
    }

    #[test]
    fn what_only_stands_beside_pods_takes_no_uid_from_the_sequence_of_others() {
        let definitions = crate::simulation::api_server::builtin::definitions();
        let definition = |plural: &str| definitions.iter().find(|definition| definition.plural == plural).unwrap();
        let source = || IdentitySource::new(7, IdentityRule::InOrder);
        let (mut with, mut without) = (source(), source());
        let beside = ["networkpolicies", "networkpolicies", "horizontalpodautoscalers", "poddisruptionbudgets"];
        let none = Value::Null;
        let mut uids: BTreeSet<String> =
            beside.into_iter().map(|plural| with.uid_for(definition(plural), &none)).collect();
        let event = |kind: &str, reason: &str| json!({ "regarding": { "kind": kind }, "reason": reason });
        uids.insert(with.uid_for(definition("events"), &event("PhaseRun", "Judged")));
        assert_eq!(with.uid_for(definition("pods"), &none), without.uid_for(definition("pods"), &none));
        assert_eq!(uids.len(), beside.len() + 1);
        with.uid_for(definition("events"), &event("PhaseRun", "ReplicaBorrowed"));
        assert_ne!(with.uid_for(definition("pods"), &none), without.uid_for(definition("pods"), &none));
    }

    #[test]
    fn by_name_an_object_has_its_uid_whatever_was_made_before_and_the_next_one_of_its_name_has_another() {
        let source = || IdentitySource::new(7, IdentityRule::ByName);
        let (mut first, mut second) = (source(), source());
        for other in ["pods chat/b", "pods chat/c"] {
            first.made(other.to_owned());
        }
        let uid = |source: &IdentitySource| source.uid_by_name("pods chat/a").unwrap();
        assert_eq!(uid(&first), uid(&second));
        let earlier = uid(&second);
        second.made("pods chat/a".to_owned());
        assert_ne!(uid(&second), earlier);
        first.name("other-");
        assert_eq!(first.name("web-"), second.name("web-"));
        assert_ne!(first.name("web-"), source().name("web-"), "the second name of a prefix is another");
    }
}
