//! What commands share that speak to an API server: the connection, and the one thread that they run on.

use std::{future::Future, time::Duration};

use crate::{
    args::AccessArguments,
    cluster::{CallTimeouts, Cluster, ClusterError, ClusterErrorKind},
    operator::connection::connect,
    telemetry::Metrics,
};

/// How long one object may take: from a workstation, over tunnels and with plugins that log in first.
const SINGLE_TIMEOUT: Duration = Duration::from_secs(15);

/// A cluster to work in.
pub(super) struct Connected {
    /// The API server.
    pub(super) cluster: Cluster,
    /// The namespace that was named, or that of the context.
    pub(super) namespace: String,
    /// The API server's address, for messages.
    pub(super) server: String,
}

/// Connects as the flags say. Nothing is asked of the API server yet.
///
/// # Errors
/// Nothing says where it is.
pub(super) async fn connected(arguments: &AccessArguments) -> anyhow::Result<Connected> {
    let connection = connect(&arguments.access(), &Metrics::default()).await?;
    let timeouts = CallTimeouts { single: SINGLE_TIMEOUT, ..CallTimeouts::default() };
    Ok(Connected {
        cluster: Cluster::new(connection.client, timeouts),
        namespace: arguments.namespace.clone().unwrap_or(connection.own_namespace),
        server: connection.server,
    })
}

/// Runs a command's work to its end.
///
/// # Errors
/// Those of the work, and of the system that has no thread for it.
pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// A failed call as a person is told of it: what failed, why, and what to do.
pub(super) fn told(error: &ClusterError, server: &str) -> anyhow::Error {
    let remedy = match error.kind {
        ClusterErrorKind::NoAnswer => {
            format!("check that {server} is reachable: kubectl version, with the same kubeconfig")
        }
        ClusterErrorKind::NotFound => {
            "install the definitions: phaseloop crds | kubectl apply --server-side -f -".to_owned()
        }
        ClusterErrorKind::Forbidden => {
            "ask for the right that the message names; docs/operating.md lists them".to_owned()
        }
        _ => "try again; phaseloop --help says what each command needs".to_owned(),
    };
    anyhow::anyhow!("{}\n  remedy: {remedy}", error.chain())
}
