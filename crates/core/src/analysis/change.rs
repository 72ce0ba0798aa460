//! What differs between a run and the runs it is compared with: told first, because it is the likeliest cause.

use core::fmt;

use crate::{prelude::*, value::Environment};

/// One difference in the environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentChange {
    /// What differs: a field of the environment, or the canonical name of an engine argument.
    pub field: String,
    /// The value in the newest run of the baseline that has one; absent where the argument was not set.
    pub from: Option<String>,
    /// The value in this run; absent where the argument is not set any more.
    pub to: Option<String>,
}

impl fmt::Display for EnvironmentChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".to_owned());
        write!(f, "{} {} -> {}", self.field, text(&self.from), text(&self.to))
    }
}

/// Fields in the order in which a person asks for them; arguments come before all of them.
fn fields(environment: &Environment) -> [(&'static str, Option<String>); 9] {
    [
        ("image", environment.image.clone()),
        ("image digest", environment.image_digest.clone()),
        ("engine version", environment.engine_version.clone()),
        ("model", environment.model.clone()),
        ("GPU product", environment.gpu_product.clone()),
        ("GPU count", environment.gpu_count.map(|count| count.to_string())),
        ("GPU sharing", environment.gpu_sharing.clone()),
        ("driver version", environment.driver_version.clone()),
        ("template hash", environment.template_hash.clone()),
    ]
}

/// What differs from the baseline's runs, given newest first. A field that this run did not see says nothing; a field
/// is compared with the newest run that has it. Arguments are compared where both sides know their arguments at all.
pub fn changes_since(baseline_newest_first: &[&Environment], current: &Environment) -> Vec<EnvironmentChange> {
    let mut changes = argument_changes(baseline_newest_first, current);
    for (position, (field, to)) in fields(current).into_iter().enumerate() {
        let from = baseline_newest_first
            .iter()
            .find_map(|environment| fields(environment).into_iter().nth(position).and_then(|(_, value)| value));
        if from.is_some() && to.is_some() && from != to {
            changes.push(EnvironmentChange { field: field.to_owned(), from, to });
        }
    }
    changes
}

fn argument_changes(baseline_newest_first: &[&Environment], current: &Environment) -> Vec<EnvironmentChange> {
    let known = |environment: &&&Environment| !environment.configuration.is_empty();
    let Some(before) = baseline_newest_first.iter().find(known) else { return Vec::new() };
    if current.configuration.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&String> = before.configuration.keys().chain(current.configuration.keys()).collect();
    names
        .into_iter()
        .map(|name| EnvironmentChange {
            field: name.clone(),
            from: before.configuration.get(name).cloned(),
            to: current.configuration.get(name).cloned(),
        })
        .filter(|change| change.from != change.to)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(arguments: &[(&str, &str)]) -> Environment {
        Environment {
            image: Some("vllm:1".to_owned()),
            configuration: arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Environment::default()
        }
    }

    fn told(baseline: &[&Environment], current: &Environment) -> Vec<String> {
        changes_since(baseline, current).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lowered_argument_is_told_with_both_values() {
        let before = environment(&[("max-num-seqs", "32"), ("max-model-len", "1024")]);
        let now = environment(&[("max-num-seqs", "2"), ("max-model-len", "1024")]);
        assert_eq!(told(&[&before], &now), ["max-num-seqs 32 -> 2"]);
        assert!(told(&[&before], &before).is_empty());
        assert!(told(&[], &now).is_empty());
    }

    #[test]
    fn an_argument_that_came_or_went_is_a_change() {
        let before = environment(&[("a", "1")]);
        let now = environment(&[("b", "2")]);
        assert_eq!(told(&[&before], &now), ["a 1 -> unset", "b unset -> 2"]);
    }

    #[test]
    fn unknown_arguments_are_no_change() {
        let known = environment(&[("a", "1")]);
        let unknown = environment(&[]);
        assert!(told(&[&known], &unknown).is_empty());
        assert!(told(&[&unknown], &known).is_empty());
        assert!(told(&[&unknown, &known], &known).is_empty());
        assert_eq!(told(&[&unknown, &known], &environment(&[("a", "2")])), ["a 1 -> 2"]);
    }

    #[test]
    fn every_field_is_compared_with_the_newest_run_that_has_it() {
        let text = |value: &str| Some(value.to_owned());
        let of = |value: &str, count| Environment {
            image: text(value),
            image_digest: text(value),
            engine_version: text(value),
            model: text(value),
            gpu_product: text(value),
            gpu_count: Some(count),
            gpu_sharing: text(value),
            driver_version: text(value),
            template_hash: text(value),
            ..Environment::default()
        };
        let (old, newer, now) = (of("old", 1), of("newer", 2), of("now", 3));
        let blank = Environment::default();
        let expected: Vec<String> = [
            "image",
            "image digest",
            "engine version",
            "model",
            "GPU product",
            "GPU count",
            "GPU sharing",
            "driver version",
            "template hash",
        ]
        .iter()
        .map(|field| if *field == "GPU count" { format!("{field} 2 -> 3") } else { format!("{field} newer -> now") })
        .collect();
        assert_eq!(told(&[&blank, &newer, &old], &now), expected);
        assert!(told(&[&newer], &blank).is_empty());
        assert!(told(&[&blank], &now).is_empty());
        assert!(told(&[&now], &now).is_empty());
    }
}
