//! What makes two runs comparable.

use crate::{
    prelude::*,
    value::{Environment, digest::hex_digest},
};

/// What two runs must have in common. Image, engine version, arguments, driver and template are left out on purpose: a
/// lowered flag, an upgrade and our own promotion are what must be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaselineKey {
    /// The target under test.
    pub target: String,
    /// The domain.
    pub domain: String,
    /// Hash of the domain's workload.
    pub workload_hash: String,
    /// Served model.
    pub model: Option<String>,
    /// GPU product.
    pub gpu_product: Option<String>,
    /// GPUs of the engine.
    pub gpu_count: Option<i64>,
    /// How the GPU is shared.
    pub gpu_sharing: Option<String>,
}

impl BaselineKey {
    /// The key of one domain of a run.
    pub fn new(target: &str, domain: &str, workload_hash: &str, environment: &Environment) -> Self {
        Self {
            target: target.to_owned(),
            domain: domain.to_owned(),
            workload_hash: workload_hash.to_owned(),
            model: environment.model.clone(),
            gpu_product: environment.gpu_product.clone(),
            gpu_count: environment.gpu_count,
            gpu_sharing: environment.gpu_sharing.clone(),
        }
    }

    /// The first part in which another key differs: its name, this key's value and the other's.
    pub fn first_difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        self.parts().into_iter().zip(other.parts()).find_map(|((name, ours), (_, theirs))| {
            let text = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
            (ours != theirs).then(|| (name, text(ours), text(theirs)))
        })
    }

    /// A fingerprint for the status.
    pub fn fingerprint(&self) -> String {
        let parts: Vec<String> = self
            .parts()
            .into_iter()
            .map(|(_, value)| value.map_or_else(|| "-".to_owned(), |value| format!("={value}")))
            .collect();
        hex_digest(&parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn parts(&self) -> [(&'static str, Option<String>); 7] {
        [
            ("target", Some(self.target.clone())),
            ("domain", Some(self.domain.clone())),
            ("workload", Some(self.workload_hash.clone())),
            ("model", self.model.clone()),
            ("GPU product", self.gpu_product.clone()),
            ("GPU count", self.gpu_count.map(|count| count.to_string())),
            ("GPU sharing", self.gpu_sharing.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            model: Some("llama".to_owned()),
            gpu_product: Some("H100".to_owned()),
            gpu_count: Some(2),
            gpu_sharing: Some("none".to_owned()),
            ..Environment::default()
        }
    }

    fn key(environment: &Environment) -> BaselineKey {
        BaselineKey::new("t", "d", "w", environment)
    }

    #[test]
    fn image_version_arguments_driver_and_template_keep_runs_comparable() {
        let mut changed = environment();
        changed.image = Some("vllm:2".to_owned());
        changed.image_digest = Some("sha256:1".to_owned());
        changed.engine_version = Some("vllm 2".to_owned());
        changed.driver_version = Some("600".to_owned());
        changed.template_hash = Some("h".to_owned());
        changed.configuration.insert("max-num-seqs".to_owned(), "2".to_owned());
        assert_eq!(key(&environment()), key(&changed));
        assert_eq!(key(&environment()).first_difference(&key(&changed)), None);
        assert_eq!(key(&environment()).fingerprint(), key(&changed).fingerprint());
    }

    #[test]
    fn each_part_of_the_key_tells_runs_apart_and_is_named() {
        let base = key(&environment());
        let text = |value: &str| Some(value.to_owned());
        let others = [
            ("target", BaselineKey { target: "x".to_owned(), ..base.clone() }, "t", "x"),
            ("domain", BaselineKey { domain: "x".to_owned(), ..base.clone() }, "d", "x"),
            ("workload", BaselineKey { workload_hash: "x".to_owned(), ..base.clone() }, "w", "x"),
            ("model", BaselineKey { model: text("x"), ..base.clone() }, "llama", "x"),
            ("GPU product", BaselineKey { gpu_product: None, ..base.clone() }, "H100", "unknown"),
            ("GPU count", BaselineKey { gpu_count: Some(4), ..base.clone() }, "2", "4"),
            ("GPU sharing", BaselineKey { gpu_sharing: text("mig"), ..base.clone() }, "none", "mig"),
        ];
        for (name, other, ours, theirs) in others {
            assert_eq!(base.first_difference(&other), Some((name, ours.to_owned(), theirs.to_owned())));
            assert_ne!(base.fingerprint(), other.fingerprint(), "{name}");
        }
        assert_eq!(base.fingerprint().len(), 64);
    }
}
