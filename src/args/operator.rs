//! `phaseloop operator`: its flags, the variables behind them, and the configuration that they make together.

use std::{net::SocketAddr, path::PathBuf};

use super::test_pod::TestPodArguments;
use crate::{
    api::duration::Duration,
    cluster::lease::{LeaseTerms, LeaseTermsError},
    operator::configuration::{Access, LeaseSettings, NAMESPACES_MAX, Namespaces, OperatorConfiguration},
    telemetry::{LogFilter, LogFormat},
};

/// Characters of a Kubernetes name that is a DNS label, as namespaces are.
const LABEL_LENGTH_MAX: usize = 63;
/// Characters of a Kubernetes name that is a DNS subdomain, as leases are.
const NAME_LENGTH_MAX: usize = 253;
/// Longest identity: the API server sets no limit of its own, and pod names keep to this one.
const IDENTITY_LENGTH_MAX: usize = NAME_LENGTH_MAX;
/// Shortest and longest time to end in.
const GRACE_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;
/// Where Linux tells the name of the machine; in a pod that is the pod's.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// `phaseloop operator`. The values of variables are hidden from `--help`, which is pasted into issues. Each flag can be set by the variable in brackets instead; the flag wins.
#[derive(Debug, Clone, clap::Args)]
pub struct OperatorArguments {
    /// Namespace to work in; repeat it, or separate several by commas. Left out: the operator's own
    #[arg(
        long = "namespace", env = "PHASELOOP_NAMESPACE", hide_env_values = true, value_name = "NAME", value_delimiter = ',',
        value_parser = label, conflicts_with = "all_namespaces", help_heading = "Where it works"
    )]
    pub namespaces: Vec<String>,
    /// Work in all namespaces; needs a ClusterRoleBinding instead of a RoleBinding per namespace
    #[arg(long, env = "PHASELOOP_ALL_NAMESPACES", hide_env_values = true, help_heading = "Where it works")]
    pub all_namespaces: bool,
    /// Kubeconfig; left out: that of KUBECONFIG or of the home folder, else the account of the pod
    #[arg(
        long,
        env = "PHASELOOP_KUBECONFIG",
        hide_env_values = true,
        value_name = "FILE",
        help_heading = "Where it works"
    )]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig other than its current one
    #[arg(
        long,
        env = "PHASELOOP_CONTEXT",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "Where it works"
    )]
    pub context: Option<String>,
    /// What test pods are made with
    #[command(flatten)]
    pub test_pods: TestPodArguments,
    /// Name of this replica in the lease; in a pod its name (fieldRef metadata.name). Left out: the machine's name
    #[arg(long, env = "PHASELOOP_IDENTITY", hide_env_values = true, value_name = "NAME", value_parser = identity, help_heading = "Leadership")]
    pub identity: Option<String>,
    /// Lease of the leader; replicas of one installation share it
    #[arg(
        long, env = "PHASELOOP_LEASE_NAME", hide_env_values = true, value_name = "NAME", default_value = "phaseloop", value_parser = name,
        help_heading = "Leadership"
    )]
    pub lease_name: String,
    /// Namespace of the lease; left out: the operator's own
    #[arg(long, env = "PHASELOOP_LEASE_NAMESPACE", hide_env_values = true, value_name = "NAME", value_parser = label, help_heading = "Leadership")]
    pub lease_namespace: Option<String>,
    /// How long a lease holds after its last renewal: so long nobody leads after a leader was killed
    #[arg(
        long,
        env = "PHASELOOP_LEASE_DURATION",
        hide_env_values = true,
        value_name = "DURATION",
        default_value = "15s",
        help_heading = "Leadership"
    )]
    pub lease_duration: Duration,
    /// How long a leader leads after its last renewal; at least 3s less than the lease holds
    #[arg(
        long,
        env = "PHASELOOP_LEASE_RENEW_DEADLINE",
        hide_env_values = true,
        value_name = "DURATION",
        default_value = "10s",
        help_heading = "Leadership"
    )]
    pub lease_renew_deadline: Duration,
    /// How often the lease is asked for and renewed
    #[arg(
        long,
        env = "PHASELOOP_LEASE_RETRY_PERIOD",
        hide_env_values = true,
        value_name = "DURATION",
        default_value = "2s",
        help_heading = "Leadership"
    )]
    pub lease_retry_period: Duration,
    /// Where /healthz, /readyz, /metrics and /loglevel are served
    #[arg(
        long,
        env = "PHASELOOP_ADDRESS",
        hide_env_values = true,
        value_name = "IP:PORT",
        default_value = "0.0.0.0:8080",
        help_heading = "Observing it"
    )]
    pub address: SocketAddr,
    /// Form of the log, which goes to standard error
    #[arg(
        long,
        env = "PHASELOOP_LOG_FORMAT",
        hide_env_values = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Observing it"
    )]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace; or by target, as in info,kube=debug
    #[arg(
        long,
        env = "PHASELOOP_LOG_LEVEL",
        hide_env_values = true,
        value_name = "FILTER",
        default_value = "info",
        help_heading = "Observing it"
    )]
    pub log_level: LogFilter,
    /// Append audit records to this file (cycles.jsonl) besides writing them to standard output
    #[arg(
        long,
        env = "PHASELOOP_AUDIT_FILE",
        hide_env_values = true,
        value_name = "FILE",
        help_heading = "Observing it"
    )]
    pub audit_file: Option<PathBuf>,
    /// How long it may take to end after SIGTERM; a few seconds less than terminationGracePeriodSeconds
    #[arg(
        long,
        env = "PHASELOOP_SHUTDOWN_GRACE",
        hide_env_values = true,
        value_name = "DURATION",
        default_value = "25s",
        help_heading = "Ending it"
    )]
    pub shutdown_grace: Duration,
}

/// Flags that do not go together, or a value that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: {problem}\n  remedy: {remedy}")]
pub struct ConfigurationError {
    /// The flag.
    pub flag: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}

impl OperatorArguments {
    /// The configuration that the flags make.
    ///
    /// # Errors
    /// [`ConfigurationError`] for flags that do not go together.
    pub fn configuration(&self) -> Result<OperatorConfiguration, ConfigurationError> {
        let terms = LeaseTerms {
            duration: positive(self.lease_duration),
            renew_deadline: positive(self.lease_renew_deadline),
            retry_period: positive(self.lease_retry_period),
        };
        terms.check().map_err(|error| refused_terms(self, error))?;
        Ok(OperatorConfiguration {
            namespaces: self.namespaces()?,
            access: Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() },
            test_pods: self.test_pods.settings(),
            lease: LeaseSettings {
                name: self.lease_name.clone(),
                namespace: self.lease_namespace.clone(),
                identity: self.identity.clone().map_or_else(machine_name, Ok)?,
                terms,
            },
            address: self.address,
            log_format: self.log_format,
            log_filter: self.log_level.clone(),
            audit_file: self.audit_file.clone(),
            shutdown_grace: grace(self.shutdown_grace)?,
        })
    }

    fn namespaces(&self) -> Result<Namespaces, ConfigurationError> {
        if self.all_namespaces {
            return Ok(Namespaces::All);
        }
        let mut names = self.namespaces.clone();
        names.sort();
        names.dedup();
        if names.len() > NAMESPACES_MAX {
            return Err(ConfigurationError {
                flag: "--namespace",
                problem: format!("{} namespaces, {NAMESPACES_MAX} at most", names.len()),
                remedy: "--all-namespaces, or several installations with a lease each",
            });
        }
        Ok(if names.is_empty() { Namespaces::Own } else { Namespaces::Named(names) })
    }
}

/// A duration of the machine's clock; what is negative is no time at all, which every check refuses.
fn positive(duration: Duration) -> std::time::Duration {
    std::time::Duration::try_from(duration.0).unwrap_or_default()
}

fn grace(duration: Duration) -> Result<std::time::Duration, ConfigurationError> {
    let grace = positive(duration);
    if GRACE_SECONDS.contains(&grace.as_secs()) {
        return Ok(grace);
    }
    Err(ConfigurationError {
        flag: "--shutdown-grace",
        problem: format!("{duration} is not within 1s and 1h"),
        remedy: "a few seconds less than terminationGracePeriodSeconds of the pod, which is 30 unless it is set",
    })
}

fn refused_terms(arguments: &OperatorArguments, error: LeaseTermsError) -> ConfigurationError {
    let (flag, value) = match error {
        LeaseTermsError::Duration => ("--lease-duration", arguments.lease_duration),
        LeaseTermsError::RenewDeadline { .. } => ("--lease-renew-deadline", arguments.lease_renew_deadline),
        LeaseTermsError::RetryPeriod => ("--lease-retry-period", arguments.lease_retry_period),
    };
    let remedy = "leave the three of them out for 15s, 10s and 2s, which suit most clusters";
    ConfigurationError { flag, problem: format!("{value}: {error}"), remedy }
}

fn machine_name() -> Result<String, ConfigurationError> {
    let told = std::fs::read_to_string(HOST_NAME_FILE).map_err(|error| error.to_string());
    let checked = told.and_then(|name| identity(name.trim()));
    checked.map_err(|problem| ConfigurationError {
        flag: "--identity",
        problem: format!("the machine's name can't serve: {problem}"),
        remedy: "name this replica; no other one of the installation may bear the name",
    })
}

pub(super) fn label(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !text.is_empty() && text.len() <= LABEL_LENGTH_MAX && text.bytes().all(allowed);
    if fits && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text.to_owned());
    }
    Err(format!("not the name of a namespace: at most {LABEL_LENGTH_MAX} of a-z, 0-9 and -, as in chat"))
}

pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = text.len() <= NAME_LENGTH_MAX && text.split('.').all(|part| label(part).is_ok());
    if fits { Ok(text.to_owned()) } else { Err("not a Kubernetes name: a-z, 0-9, - and ., as in phaseloop".to_owned()) }
}

fn identity(text: &str) -> Result<String, String> {
    let fits =
        !text.is_empty() && text.len() <= IDENTITY_LENGTH_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err(format!("1 to {IDENTITY_LENGTH_MAX} visible ASCII characters")) }
}

pub(super) const OPERATOR_HELP: &str = "\
The operator needs no command line in a pod: the chart sets the variables. From a workstation it uses the kubeconfig's user,
and works as a further replica of the installation whose lease it shares.

What it needs of the cluster: the five definitions (phaseloop crds | kubectl apply --server-side -f -) and the rights of its
role. What is missing is named in its log and by /readyz, and waited for. One replica leads: it alone begins something. Every
replica ends test pods that are over.

  /healthz    200 while queues and lease are at work       /readyz     200 once every kind is watched; says what is not
  /metrics    OpenMetrics                                  /loglevel   PUT a filter, from the pod's own loopback only

Exit codes: 0 ended in order after SIGTERM or SIGINT; 3 it could not start, a part of it failed, it did not end within its
grace, or a second signal ended it at once; 64 wrong usage.

Examples:
  phaseloop operator --image registry.example.org/phaseloop:0.1 --namespace chat --log-format text
  phaseloop operator --image registry.example.org/phaseloop:0.1 --all-namespaces --audit-file /var/lib/phaseloop/cycles.jsonl
  curl -X PUT --data debug http://127.0.0.1:8080/loglevel";

#[cfg(test)]
#[path = "operator_tests.rs"]
mod tests;
