//! Arguments of `phaseloop check`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::api::duration::Duration;

/// `phaseloop check`.
#[derive(Debug, clap::Args)]
pub struct CheckArguments {
    /// What is checked
    #[command(subcommand)]
    pub subject: CheckSubject,
}

/// What is checked.
#[derive(Debug, Subcommand)]
pub enum CheckSubject {
    /// Is phaseloop installed as this version needs it: definitions, rights, class, policies, lease, replicas
    #[command(after_long_help = INSTALLATION_HELP)]
    Installation(InstallationArguments),
}

/// `phaseloop check installation`.
#[derive(Debug, clap::Args)]
pub struct InstallationArguments {
    /// Namespace of the operator; left out: the pod's own, or that of the kubeconfig's context
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Deployment of the operator
    #[arg(long, value_name = "NAME", default_value = "phaseloop")]
    pub deployment: String,
    /// How long all of it may take to be as it should
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub timeout: Duration,
    /// A policy that was switched off in the chart: promotion-decision or escalation-deletion
    #[arg(long = "without-policy", value_name = "NAME", value_parser = ["promotion-decision", "escalation-deletion"])]
    pub without_policies: Vec<String>,
    /// Kubeconfig; left out: that of KUBECONFIG or of the home folder, else the account of the pod
    #[arg(long, env = "PHASELOOP_KUBECONFIG", hide_env_values = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig other than its current one
    #[arg(long, env = "PHASELOOP_CONTEXT", hide_env_values = true, value_name = "NAME")]
    pub context: Option<String>,
}

pub(super) const CHECK_HELP: &str = "\
Examples:
  phaseloop check installation -n phaseloop-system";

const INSTALLATION_HELP: &str = "\
Reads, and asks the API server what the operator's account may; writes nothing. `helm test` runs it in the cluster. It looks
every 2 s until nothing is wrong or its time is over; a lease must be seen to be renewed, so it takes 2 s at least.

What was switched off in the chart and has a price is a note, and nothing wrong.

Exit codes: 0 nothing is wrong; 1 something is, and is named with its remedy; 3 it could not be looked at; 64 wrong usage.

Examples:
  phaseloop check installation -n phaseloop-system
  helm test phaseloop -n phaseloop-system --logs";
