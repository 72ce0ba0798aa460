//! `phaseloop uninstall`.

use std::path::PathBuf;

use super::access::AccessArguments;
use crate::api::Duration;

/// `phaseloop uninstall`.
#[derive(Debug, Clone, clap::Args)]
pub struct UninstallArguments {
    /// Do it; without this, what would be done is told and nothing is changed
    #[arg(long)]
    pub yes: bool,
    /// The operator's Deployment, which is scaled to 0; NAMESPACE/NAME where it is not in the namespace that is left
    #[arg(long, env = "PHASELOOP_OPERATOR_DEPLOYMENT", hide_env = true, value_name = "NAME")]
    pub operator_deployment: Option<String>,
    /// How long all of it may take
    #[arg(long, value_name = "DURATION", default_value = "4m")]
    pub timeout: Duration,
    /// Append audit records to this file (cycles.jsonl) besides writing them to standard error
    #[arg(long, value_name = "FILE")]
    pub audit_file: Option<PathBuf>,
    /// Leave all namespaces
    #[arg(long, short = 'A', conflicts_with = "namespace", help_heading = "Cluster")]
    pub all_namespaces: bool,
    /// The cluster
    #[command(flatten)]
    pub cluster: AccessArguments,
}

pub(super) const UNINSTALL_HELP: &str = "\
Leaves a namespace as it was found, in this order, each step told as it is taken:
  1. suspends every PhaseSchedule and Escalation, and aborts runs and canaries that go on
  2. deletes promotions that are not validated, so that each target gets its earlier value back to the letter
  3. waits until that is done, test pods are gone and borrowed replicas given back
  4. scales the operator to 0, if its Deployment is named
  5. does in the operator's place what it has left, if it is gone
  6. takes phaseloop's finalizers off what remains, so that nothing hangs when objects or namespaces are deleted
It may be interrupted and run again. Promotions that are validated stay as they are. Objects stay too: they are the record of
what happened; `phaseloop crds | kubectl delete -f -` removes them and the definitions. The chart's pre-delete hook runs this.

Examples:
  phaseloop uninstall -n chat
  phaseloop uninstall --yes -n chat --operator-deployment phaseloop-system/phaseloop
  phaseloop uninstall --yes --all-namespaces --operator-deployment phaseloop-system/phaseloop --timeout 10m

Exit codes: 0 done, or told what would be done; 3 something was not put back, each of it named, or an error; 64 wrong usage.";
