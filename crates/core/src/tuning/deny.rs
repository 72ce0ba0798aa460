//! Candidates that already failed in production: promotions that were rolled back or rejected.

use crate::{
    prelude::*,
    value::{Environment, ParameterSet, digest::hex_digest},
};

/// Identity of a candidate in an environment: what must be equal for an old failure to count again. Arguments other
/// than the candidate's, the template and the engine's version (the image's digest says more) are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

/// A candidate that is not tried again in its environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeniedCandidate {
    /// Which one.
    pub fingerprint: Fingerprint,
    /// Why, with the name of the promotion that failed.
    pub reason: String,
}

/// The fingerprint of parameters in an environment. An unknown part of the environment equals only an unknown one.
pub fn fingerprint(parameters: &ParameterSet, environment: &Environment) -> Fingerprint {
    let known = [&environment.image_digest, &environment.model, &environment.gpu_product, &environment.driver_version];
    let mut parts: Vec<String> =
        known.iter().map(|part| part.as_ref().map_or_else(String::new, |text| format!("={text}"))).collect();
    for (name, value) in parameters {
        parts.push(name.to_string());
        parts.push(value.to_string());
    }
    Fingerprint(hex_digest(&parts.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// The entry that forbids these parameters in this environment.
pub fn is_denied<'a>(
    parameters: &ParameterSet,
    environment: &Environment,
    denied: &'a [DeniedCandidate],
) -> Option<&'a DeniedCandidate> {
    let fingerprint = fingerprint(parameters, environment);
    denied.iter().find(|entry| entry.fingerprint == fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{ParameterName, ParameterValue};

    fn environment() -> Environment {
        Environment {
            image_digest: Some("sha256:1".to_owned()),
            model: Some("tiny".to_owned()),
            gpu_product: Some("NVIDIA H200".to_owned()),
            driver_version: Some("570.1".to_owned()),
            ..Environment::default()
        }
    }

    fn set(value: &str) -> ParameterSet {
        [(ParameterName::new("max-num-seqs"), ParameterValue::from(value))].into()
    }

    #[test]
    fn a_failure_counts_again_only_in_the_same_environment() {
        let denied =
            [DeniedCandidate { fingerprint: fingerprint(&set("32"), &environment()), reason: "p-1".to_owned() }];
        assert_eq!(is_denied(&set("32"), &environment(), &denied), denied.first());
        assert_eq!(is_denied(&set("64"), &environment(), &denied), None);
        let other = |change: fn(&mut Environment)| {
            let mut changed = environment();
            change(&mut changed);
            is_denied(&set("32"), &changed, &denied).is_some()
        };
        assert!(!other(|environment| environment.image_digest = Some("sha256:2".to_owned())));
        assert!(!other(|environment| environment.model = None));
        assert!(!other(|environment| environment.gpu_product = Some("NVIDIA H100".to_owned())));
        assert!(!other(|environment| environment.driver_version = Some("580.2".to_owned())));
        assert!(other(|environment| environment.template_hash = Some("t2".to_owned())));
        assert!(other(|environment| environment.engine_version = Some("vllm 0.33.0".to_owned())));
    }

    #[test]
    fn an_unknown_part_equals_only_an_unknown_one() {
        let unknown = Environment::default();
        let empty = Environment { model: Some(String::new()), ..Environment::default() };
        assert_eq!(fingerprint(&set("1"), &unknown), fingerprint(&set("1"), &Environment::default()));
        assert_ne!(fingerprint(&set("1"), &unknown), fingerprint(&set("1"), &empty));
        assert_eq!(fingerprint(&set("1"), &unknown).0.len(), 64);
    }
}
