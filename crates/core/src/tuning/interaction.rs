//! Rules between flags: combinations that the engine refuses, or in which a candidate would change nothing.

use super::{actuator::Actuator, catalogue::find_actuator};
use crate::{
    prelude::*,
    reasons,
    value::{Decimal, ParameterName, ParameterSet, ParameterValue},
};

reasons! {
    /// Why a combination of flags is not tried.
    pub enum Conflict {
        /// kv-cache-memory-bytes is set, which overrides gpu-memory-utilization: the candidate would change nothing.
        OverriddenByKvCacheMemory,
        /// max-num-batched-tokens is below max-model-len while chunked prefill is off: the engine refuses to start.
        BatchedTokensBelowModelLength,
        /// max-num-batched-tokens is below max-num-seqs: the engine refuses to start.
        BatchedTokensBelowSequences,
        /// max-num-active-seqs is above max-num-seqs: the engine refuses to start.
        ActiveAboveSequences,
        /// long-prefill-token-threshold is above max-model-len: the engine refuses to start.
        PrefillThresholdAboveModelLength,
    }
}

/// A conflict with its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// Which rule.
    pub conflict: Conflict,
    /// The figures, in one sentence.
    pub message: String,
}

/// The configuration as it would be under a candidate.
struct Combined<'a> {
    configuration: &'a BTreeMap<String, String>,
    candidate: &'a ParameterSet,
}

impl Combined<'_> {
    fn value(&self, name: &str) -> Option<ParameterValue> {
        let parameter = ParameterName::new(name);
        let actuator: &Actuator = find_actuator(&parameter)?;
        self.candidate.get(&parameter).cloned().or_else(|| actuator.value_in(self.configuration))
    }

    fn number(&self, name: &str) -> Option<Decimal> {
        self.value(name)?.as_number()
    }

    fn sets(&self, name: &str) -> bool {
        self.candidate.contains_key(&ParameterName::new(name))
    }

    /// The message where the first number is above the second; nothing where either is unknown.
    fn above(&self, high: &str, low: &str) -> Option<String> {
        let (upper, lower) = (self.number(high)?, self.number(low)?);
        (upper > lower).then(|| format!("{high} {upper} is above {low} {lower}"))
    }
}

/// The first rule that the incumbent's configuration breaks under the candidate. What is not known breaks no rule: the
/// engine itself is the last judge.
pub fn check_interactions(configuration: &BTreeMap<String, String>, candidate: &ParameterSet) -> Option<Interaction> {
    let combined = Combined { configuration, candidate };
    [
        (Conflict::OverriddenByKvCacheMemory, overridden(&combined)),
        (Conflict::BatchedTokensBelowModelLength, batched_below_model_length(&combined)),
        (Conflict::BatchedTokensBelowSequences, combined.above("max-num-seqs", "max-num-batched-tokens")),
        (Conflict::ActiveAboveSequences, combined.above("max-num-active-seqs", "max-num-seqs")),
        (
            Conflict::PrefillThresholdAboveModelLength,
            // -1 and auto leave the length to the engine: nothing to compare with.
            combined.above("long-prefill-token-threshold", "max-model-len").filter(|_| has_length(&combined)),
        ),
    ]
    .into_iter()
    .find_map(|(conflict, message)| message.map(|message| Interaction { conflict, message }))
}

fn has_length(combined: &Combined<'_>) -> bool {
    combined.number("max-model-len") > Some(Decimal::ZERO)
}

fn overridden(combined: &Combined<'_>) -> Option<String> {
    let bytes = combined.number("kv-cache-memory-bytes")?;
    combined
        .sets("gpu-memory-utilization")
        .then(|| format!("kv-cache-memory-bytes {bytes} overrides gpu-memory-utilization"))
}

fn batched_below_model_length(combined: &Combined<'_>) -> Option<String> {
    let chunked = combined.value("enable-chunked-prefill")?;
    (chunked == ParameterValue::from("false"))
        .then(|| combined.above("max-model-len", "max-num-batched-tokens"))
        .flatten()
        .map(|figures| format!("{figures} while chunked prefill is off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(configuration: &[(&str, &str)], candidate: &[(&str, &str)]) -> Option<(Conflict, String)> {
        let configuration =
            configuration.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let candidate =
            candidate.iter().map(|(name, value)| (ParameterName::new(name), ParameterValue::from(*value))).collect();
        check_interactions(&configuration, &candidate).map(|found| (found.conflict, found.message))
    }

    #[test]
    fn a_share_that_the_cache_size_overrides_is_not_tried() {
        assert_eq!(
            conflict(&[("kv-cache-memory-bytes", "2G")], &[("gpu-memory-utilization", "0.7")]),
            Some((
                Conflict::OverriddenByKvCacheMemory,
                "kv-cache-memory-bytes 2147483648 overrides gpu-memory-utilization".to_owned()
            ))
        );
        assert_eq!(conflict(&[("kv-cache-memory-bytes", "2G")], &[("max-num-seqs", "8")]), None);
        assert_eq!(conflict(&[], &[("gpu-memory-utilization", "0.7")]), None);
        let both = [("kv-cache-memory-bytes", "1073741824"), ("gpu-memory-utilization", "0.7")];
        assert!(conflict(&[], &both).is_some());
    }

    #[test]
    fn a_batch_must_hold_the_longest_prompt_where_prompts_are_not_cut() {
        let off = [("max-model-len", "4096"), ("enable-chunked-prefill", "False")];
        assert_eq!(conflict(&off, &[("max-num-batched-tokens", "4096")]), None);
        assert_eq!(
            conflict(&off, &[("max-num-batched-tokens", "4095")]),
            Some((
                Conflict::BatchedTokensBelowModelLength,
                "max-model-len 4096 is above max-num-batched-tokens 4095 while chunked prefill is off".to_owned()
            ))
        );
        assert_eq!(conflict(&[("max-model-len", "4096")], &[("max-num-batched-tokens", "512")]), None, "on by default");
    }

    #[test]
    fn a_batch_must_hold_one_token_of_every_request() {
        assert_eq!(conflict(&[("max-num-batched-tokens", "512")], &[("max-num-seqs", "512")]), None);
        assert_eq!(
            conflict(&[("max-num-batched-tokens", "512")], &[("max-num-seqs", "513")]),
            Some((
                Conflict::BatchedTokensBelowSequences,
                "max-num-seqs 513 is above max-num-batched-tokens 512".to_owned()
            ))
        );
    }

    #[test]
    fn no_more_requests_run_than_there_are_places() {
        assert_eq!(conflict(&[("max-num-seqs", "32")], &[("max-num-active-seqs", "32")]), None);
        assert_eq!(
            conflict(&[("max-num-seqs", "32")], &[("max-num-active-seqs", "33")]).map(|(conflict, _)| conflict),
            Some(Conflict::ActiveAboveSequences)
        );
        assert_eq!(conflict(&[], &[("max-num-active-seqs", "33")]), None, "what is not known breaks no rule");
    }

    #[test]
    fn a_long_prompt_is_no_longer_than_any_prompt_may_be() {
        let threshold = [("long-prefill-token-threshold", "1024")];
        assert_eq!(conflict(&[("max-model-len", "1024")], &threshold), None);
        assert_eq!(
            conflict(&[("max-model-len", "1023")], &threshold).map(|(conflict, _)| conflict),
            Some(Conflict::PrefillThresholdAboveModelLength)
        );
        for unbounded in ["-1", "auto", "0"] {
            assert_eq!(conflict(&[("max-model-len", unbounded)], &threshold), None, "{unbounded}");
        }
    }

    #[test]
    fn the_candidate_counts_and_not_what_it_replaces() {
        assert_eq!(
            conflict(&[("max-num-batched-tokens", "8"), ("max-num-seqs", "2")], &[("max-num-batched-tokens", "2048")]),
            None
        );
    }
}
