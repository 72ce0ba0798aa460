//! Which cluster and namespace a command works in: the same flags in every command that speaks to an API server.

use std::path::PathBuf;

use crate::operator::configuration::Access;

/// The cluster.
#[derive(Debug, Clone, clap::Args)]
pub struct AccessArguments {
    /// Kubeconfig; left out: that of KUBECONFIG or of the home folder, else the account of the pod
    #[arg(long, env = "PHASELOOP_KUBECONFIG", hide_env = true, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig other than its current one
    #[arg(long, env = "PHASELOOP_CONTEXT", hide_env = true, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,
    /// Namespace; left out: that of the context, or of the pod
    #[arg(long, short, value_name = "NAME", value_parser = super::operator::label, help_heading = "Cluster")]
    pub namespace: Option<String>,
}

impl AccessArguments {
    /// How the API server is found.
    pub fn access(&self) -> Access {
        Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}
