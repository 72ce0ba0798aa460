//! What `phaseloop operator` is told of the test pods that it makes.

use std::fmt;

use crate::workload::TestPodSettings;

/// Longest image reference.
const IMAGE_LENGTH_MAX: usize = 512;
/// Digits of a quantity before its point, and behind it.
const WHOLE_DIGITS_MAX: usize = 15;
const FRACTION_DIGITS_MAX: usize = 9;
/// Endings of a quantity; it may have none.
const QUANTITY_SUFFIXES: [&str; 13] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "m", "k", "M", "G", "T", "P", "E"];

/// What test pods are made with.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Test pods")]
pub struct TestPodArguments {
    /// The operator's own image: test pods take the phaseloop binary from it
    #[arg(long, env = "PHASELOOP_IMAGE", hide_env_values = true, value_name = "IMAGE", value_parser = image)]
    pub image: String,
    /// How the nodes of test pods pull that image; left out: as Kubernetes does by its tag
    #[arg(long, env = "PHASELOOP_TEST_POD_PULL_POLICY", hide_env_values = true, value_enum, value_name = "POLICY")]
    pub test_pod_pull_policy: Option<PullPolicy>,
    /// Pull secret for that image, in the namespace of each target; besides those of the target's own pods
    #[arg(long, env = "PHASELOOP_TEST_POD_PULL_SECRET", hide_env_values = true, value_name = "NAME", value_parser = super::operator::name)]
    pub test_pod_pull_secret: Option<String>,
    /// CPU that a probe has for itself; with less than it needs it falls behind its schedule, and its measurement is void
    #[arg(long, env = "PHASELOOP_PROBE_CPU", hide_env_values = true, value_name = "QUANTITY", default_value = "1", value_parser = quantity)]
    pub probe_cpu: String,
    /// Memory of a probe
    #[arg(long, env = "PHASELOOP_PROBE_MEMORY", hide_env_values = true, value_name = "QUANTITY", default_value = "1Gi", value_parser = quantity)]
    pub probe_memory: String,
}

impl TestPodArguments {
    /// The settings that they make.
    pub fn settings(&self) -> TestPodSettings {
        TestPodSettings {
            image_pull_policy: self.test_pod_pull_policy.map(|policy| policy.to_string()),
            image_pull_secret: self.test_pod_pull_secret.clone(),
            probe_cpu: self.probe_cpu.clone(),
            probe_memory: self.probe_memory.clone(),
            ..TestPodSettings::for_image(&self.image)
        }
    }
}

/// How an image is pulled, in Kubernetes' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Where it is not there
    IfNotPresent,
    /// At each start
    Always,
    /// Not at all: it must be there
    Never,
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn image(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.len() <= IMAGE_LENGTH_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("not an image reference, as in registry.example.org/phaseloop:0.1".into())
    }
}

/// A quantity above zero, as the kinds have it.
fn quantity(text: &str) -> Result<String, String> {
    let number = QUANTITY_SUFFIXES.iter().find_map(|suffix| text.strip_suffix(suffix)).unwrap_or(text);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let are_digits = |digits: &str, most: usize| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_number = are_digits(whole, WHOLE_DIGITS_MAX) && are_digits(fraction, FRACTION_DIGITS_MAX);
    if is_number && number.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        Ok(text.to_owned())
    } else {
        Err("not a quantity above zero, as in 500m or 1Gi".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_a_number_above_zero_with_a_suffix_of_kubernetes() {
        for text in ["1", "500m", "0.5", "1Gi", "1.5G"] {
            assert_eq!(quantity(text), Ok(text.to_owned()));
        }
        for text in ["", "0", "0m", "-1", "1e3", "1gi", "Gi", "1.", "1 Gi", "1000000000000000000"] {
            assert!(quantity(text).is_err(), "{text}");
        }
    }
}
