//! The load that the client offered: what must be equal for two results to be compared.

use super::{document::Document, error::BenchError};
use crate::{prelude::*, value::digest::short_digest};

/// Steps of the length scale per doubling. With two, neighbouring classes differ by 41 %: coarse enough that the same
/// workload drawn from another seed stays in its class, fine enough that 64 and 96 tokens are told apart.
const LENGTH_CLASSES_PER_DOUBLING: f64 = 2.0;
/// Where the length scale's class limits lie, in doublings: at 2^0.1865 and every half doubling from there (73, 103, 146
/// tokens ...). This offset keeps the lengths that people configure (2^k, 3*2^k, 100, 150, 200, 300, 500, 1000, 1500,
/// ...) at least 3 % away from any limit, ten times what another seed moves the mean.
const LENGTH_CLASS_OFFSET: f64 = 0.1865;

/// The offered load.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchLoad {
    /// Kind of endpoint, as `openai` or `openai-chat`.
    pub endpoint: String,
    /// Requests that were to be sent.
    pub requests: u64,
    /// Mean arrivals per second; absent where all requests are sent at once (`inf`).
    pub request_rate_per_second: Option<f64>,
    /// Shape of the arrival intervals: 1 is Poisson; absent where the file does not say or says `inf`.
    pub burstiness: Option<f64>,
    /// Most requests in flight; absent where unlimited.
    pub concurrency_max: Option<u64>,
    /// How the rate rises over the run, as `linear 1 to 10`; absent where it does not.
    pub ramp_up: Option<String>,
    /// Mean input tokens of a completed request; absent where none completed or the file does not say.
    pub input_tokens_mean: Option<f64>,
    /// Mean output tokens of a completed request; absent where none completed or the file does not say.
    pub output_tokens_mean: Option<f64>,
}

impl BenchLoad {
    pub(super) fn read(document: &Document, requests: u64, completed: u64) -> Result<Self, BenchError> {
        let mean = |total: Option<u64>| total.filter(|_| completed > 0).map(|total| total as f64 / completed as f64);
        let endpoint = document.text("endpoint_type")?.or(document.text("backend")?).unwrap_or_default();
        let ramp_up = match document.text("ramp_up_strategy")? {
            Some(strategy) => {
                let start = document.required_figure("ramp_up_start_rps")?;
                let end = document.required_figure("ramp_up_end_rps")?;
                Some(format!("{strategy} {start} to {end}"))
            }
            None => None,
        };
        Ok(Self {
            endpoint: endpoint.to_owned(),
            requests,
            request_rate_per_second: document.rate("request_rate")?,
            burstiness: document.rate("burstiness")?,
            concurrency_max: document.count("max_concurrency")?,
            ramp_up,
            input_tokens_mean: mean(document.count("total_input_tokens")?),
            output_tokens_mean: mean(document.count("total_output_tokens")?),
        })
    }

    /// Hash of the load, equal for results of the same workload under different seeds: token lengths enter as a class of
    /// a coarse scale. Where no request completed the lengths are unknown, and the hash is that of an unknown length: use
    /// [`is_same_load`](Self::is_same_load) to find the hash of a run that can be compared.
    pub fn workload_hash(&self) -> String {
        let number = |figure: Option<f64>| figure.map_or_else(String::new, |figure| figure.to_string());
        let class = |mean: Option<f64>| mean.map_or_else(String::new, |mean| length_class(mean).to_string());
        short_digest(&[
            "vllm bench serve",
            &self.endpoint,
            &self.requests.to_string(),
            &number(self.request_rate_per_second),
            &number(self.burstiness),
            &self.concurrency_max.map_or_else(String::new, |limit| limit.to_string()),
            self.ramp_up.as_deref().unwrap_or_default(),
            &class(self.input_tokens_mean),
            &class(self.output_tokens_mean),
        ])
    }

    /// Whether two results were offered the same load. Lengths that one of them could not see count as equal.
    pub fn is_same_load(&self, other: &Self) -> bool {
        let lengths = |mean: Option<f64>, reference: Option<f64>| mean.and(reference);
        let seen = |load: &Self, reference: &Self| Self {
            input_tokens_mean: lengths(load.input_tokens_mean, reference.input_tokens_mean),
            output_tokens_mean: lengths(load.output_tokens_mean, reference.output_tokens_mean),
            ..load.clone()
        };
        seen(self, other).workload_hash() == seen(other, self).workload_hash()
    }
}

/// The class of a mean length on a scale that doubles every [`LENGTH_CLASSES_PER_DOUBLING`] classes. Below one token
/// there is one class only.
#[allow(clippy::cast_possible_truncation, reason = "at most 100, for a length below 1e15")]
fn length_class(mean: f64) -> i64 {
    libm::floor((libm::log2(mean.max(1.0)) - LENGTH_CLASS_OFFSET) * LENGTH_CLASSES_PER_DOUBLING) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> BenchLoad {
        BenchLoad {
            endpoint: "openai".to_owned(),
            requests: 300,
            request_rate_per_second: Some(30.0),
            burstiness: Some(1.0),
            concurrency_max: None,
            ramp_up: None,
            input_tokens_mean: Some(64.9),
            output_tokens_mean: Some(32.0),
        }
    }

    #[test]
    fn another_seed_is_the_same_load() {
        let hash = load().workload_hash();
        for mean in [64.0, 64.5, 65.0, 65.5, 62.1, 67.0] {
            assert_eq!(BenchLoad { input_tokens_mean: Some(mean), ..load() }.workload_hash(), hash, "{mean}");
        }
    }

    #[test]
    fn whatever_defines_the_load_changes_the_hash() {
        let others = [
            BenchLoad { endpoint: "openai-chat".to_owned(), ..load() },
            BenchLoad { requests: 301, ..load() },
            BenchLoad { request_rate_per_second: Some(31.0), ..load() },
            BenchLoad { request_rate_per_second: None, ..load() },
            BenchLoad { burstiness: Some(0.5), ..load() },
            BenchLoad { concurrency_max: Some(16), ..load() },
            BenchLoad { ramp_up: Some("linear 1 to 10".to_owned()), ..load() },
            BenchLoad { input_tokens_mean: Some(96.0), ..load() },
            BenchLoad { input_tokens_mean: None, ..load() },
            BenchLoad { output_tokens_mean: Some(64.0), ..load() },
            BenchLoad { output_tokens_mean: None, ..load() },
        ];
        let hashes: BTreeSet<String> = others.iter().chain([&load()]).map(BenchLoad::workload_hash).collect();
        assert_eq!(hashes.len(), others.len() + 1);
    }

    #[test]
    fn configured_lengths_are_three_percent_away_from_every_class_limit() {
        for length in [
            16.0, 20.0, 24.0, 32.0, 48.0, 50.0, 64.0, 96.0, 100.0, 128.0, 150.0, 192.0, 200.0, 256.0, 300.0, 384.0,
            400.0, 500.0, 512.0, 600.0, 750.0, 768.0, 800.0, 1000.0, 1024.0, 1200.0, 1500.0, 2000.0, 2048.0, 3000.0,
            4000.0, 4096.0, 5000.0, 8000.0, 8192.0,
        ] {
            assert_eq!(length_class(length * 0.972), length_class(length * 1.028), "{length}");
        }
    }

    #[test]
    fn class_limits_lie_half_a_doubling_apart() {
        assert_eq!(
            (length_class(72.0), length_class(73.5), length_class(102.5), length_class(103.5)),
            (11, 12, 12, 13)
        );
        assert_eq!((length_class(0.0), length_class(1.0), length_class(1.13), length_class(1.15)), (-1, -1, -1, 0));
    }

    #[test]
    fn lengths_that_were_not_seen_do_not_make_another_load() {
        let blind = BenchLoad { input_tokens_mean: None, output_tokens_mean: None, ..load() };
        assert!(blind.is_same_load(&load()) && load().is_same_load(&blind) && load().is_same_load(&load()));
        assert!(!BenchLoad { requests: 299, ..blind }.is_same_load(&load()));
        assert!(!BenchLoad { input_tokens_mean: Some(128.0), ..load() }.is_same_load(&load()));
        assert!(!BenchLoad { output_tokens_mean: Some(128.0), ..load() }.is_same_load(&load()));
    }
}
