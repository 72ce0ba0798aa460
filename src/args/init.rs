//! `phaseloop init`.

use std::str::FromStr;

use phaseloop_core::{
    schedule::{CronExpression, Zone},
    value::Decimal,
};

use super::access::AccessArguments;
use crate::api::reference::TargetKind;

/// `phaseloop init`.
#[derive(Debug, Clone, clap::Args)]
pub struct InitArguments {
    /// The model server: deployment/NAME or statefulset/NAME
    #[arg(value_name = "TARGET")]
    pub target: TargetName,
    /// When tests run: minute, hour, day of month, month, day of week
    #[arg(long, value_name = "CRON", default_value = "0 3 * * *", value_parser = cron)]
    pub schedule: CronExpression,
    /// IANA time zone of the schedule and of the maintenance window
    #[arg(long, value_name = "ZONE", default_value = "Etc/UTC", value_parser = zone)]
    pub time_zone: Zone,
    /// Requests per second that one replica is measured under: what it gets at its peak
    #[arg(long, value_name = "PER_SECOND", default_value = "10", value_parser = rate)]
    pub rate: Decimal,
    /// The engine's container, where the pod has several and none is named vllm
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// The cluster
    #[command(flatten)]
    pub cluster: AccessArguments,
}

/// A target as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetName {
    /// Its kind.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
}

impl FromStr for TargetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || "a target is deployment/NAME or statefulset/NAME".to_owned();
        let (kind, name) = text.split_once('/').ok_or_else(refused)?;
        let kind = match kind.to_ascii_lowercase().as_str() {
            "deployment" | "deployments" | "deploy" | "deployment.apps" | "deployments.apps" => TargetKind::Deployment,
            "statefulset" | "statefulsets" | "sts" | "statefulset.apps" | "statefulsets.apps" => {
                TargetKind::StatefulSet
            }
            _ => return Err(refused()),
        };
        let name = super::operator::name(name)?;
        Ok(Self { kind, name })
    }
}

fn cron(text: &str) -> Result<CronExpression, String> {
    text.parse().map_err(|error: phaseloop_core::schedule::CronError| error.to_string())
}

fn zone(text: &str) -> Result<Zone, String> {
    Zone::named(text).map_err(|error| error.to_string())
}

fn rate(text: &str) -> Result<Decimal, String> {
    let rate: Result<Decimal, _> = text.parse();
    match rate {
        Ok(rate) if rate.millionths() > 0 && rate <= Decimal::from_integer(10_000) => Ok(rate),
        _ => Err("a number above 0 and at most 10000, as in 4 or 0.5".to_owned()),
    }
}

pub(super) const INIT_HELP: &str = "\
Reads the target, and what its pod template names; changes nothing. The text says of each line why it is there, and what to
look at before it is applied: load, limits and times are guesses that you know better. What is in the way of measuring the
target at all (no GPU, a shared one, a volume that no second pod can mount) ends it with an error instead.

A target that Argo CD, Flux or Helm manages gets `delivery: None`: a winner is only named, because the next sync would put the
old value back. The text has the ways on.

Examples:
  phaseloop init deployment/llama-8b -n chat > llama-8b.yaml
  phaseloop init deployment/llama-8b -n chat --rate 4 --schedule '0 2 * * *' --time-zone Europe/Berlin
  phaseloop init sts/llama-70b -n chat | kubectl apply -f -

Exit codes: 0 printed; 3 the target is not there, or can't be measured; 64 wrong usage.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_named_as_kubectl_names_it() {
        for (text, kind, name) in [
            ("deployment/llama-8b", TargetKind::Deployment, "llama-8b"),
            ("deploy/a", TargetKind::Deployment, "a"),
            ("Deployment.apps/a.b", TargetKind::Deployment, "a.b"),
            ("sts/a", TargetKind::StatefulSet, "a"),
        ] {
            assert_eq!(text.parse(), Ok(TargetName { kind, name: name.to_owned() }), "{text}");
        }
        for text in ["llama-8b", "daemonset/a", "deployment/", "deployment/A b", "/a", "deployment/a/b"] {
            assert!(text.parse::<TargetName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_a_number_above_zero() {
        assert_eq!(rate("0.5"), Ok("0.5".parse().unwrap()));
        for text in ["0", "-1", "x", "10001"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
