//! What the operator is told at its start, as one value. The command line makes it, and has checked it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    cluster::lease::LeaseTerms,
    telemetry::{LogFilter, LogFormat},
    workload::TestPodSettings,
};

/// Most namespaces that one operator watches by name. Each costs nine watches, which the API server keeps open, and five
/// queues; whoever has more lets it watch all of them with nine watches together.
pub const NAMESPACES_MAX: usize = 64;

/// What the operator is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorConfiguration {
    /// Where it works.
    pub namespaces: Namespaces,
    /// How it finds the API server.
    pub access: Access,
    /// What test pods are made with: its own image, from which they take the `phaseloop` binary, and what belongs to it.
    pub test_pods: TestPodSettings,
    /// How one of several replicas comes to lead.
    pub lease: LeaseSettings,
    /// Where probes and metrics are served.
    pub address: SocketAddr,
    /// Form of the log.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_filter: LogFilter,
    /// Where audit records go besides standard output.
    pub audit_file: Option<PathBuf>,
    /// How long it may take to end.
    pub shutdown_grace: Duration,
}

/// Namespaces that the operator works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// The one that it runs in, or that its kubeconfig names.
    Own,
    /// These.
    Named(Vec<String>),
    /// All of them.
    All,
}

/// How the API server is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// A kubeconfig; absent: that of KUBECONFIG or of the home folder, else the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it other than its current one.
    pub context: Option<String>,
}

/// The lease of the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Its name.
    pub name: String,
    /// Its namespace; absent: the operator's own.
    pub namespace: Option<String>,
    /// The name of this replica in it.
    pub identity: String,
    /// Its times.
    pub terms: LeaseTerms,
}

/// Where a set of watches and queues works: one namespace, or all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One namespace.
    Namespace(String),
    /// All of them.
    All,
}

impl Scope {
    /// Its namespace, if it is one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Namespace(name) => Some(name),
            Self::All => None,
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::All => f.write_str("all namespaces"),
        }
    }
}

impl Namespaces {
    /// The scopes of these namespaces, where the operator's own is known.
    pub fn scopes(&self, own: &str) -> Vec<Scope> {
        match self {
            Self::Own => vec![Scope::Namespace(own.to_owned())],
            Self::Named(names) => names.iter().cloned().map(Scope::Namespace).collect(),
            Self::All => vec![Scope::All],
        }
    }
}
