//! The way to the API server: from a kubeconfig, or from the account of the pod.

use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::layer::layer_fn;

use super::configuration::Access;
use crate::telemetry::{CountedService, Metrics};

/// A client, and what it is a client of.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "a client has nothing to show")]
pub struct Connection {
    /// The client. Its requests are counted, sent once, and have no time limit of the client's own.
    pub client: Client,
    /// The namespace that the operator runs in, or that the kubeconfig's context names.
    pub own_namespace: String,
    /// The address of the API server.
    pub server: String,
}

/// Nothing says where the API server is, or what does can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: no way to an API server: {problem}\n  remedy: {remedy}")]
pub struct ConnectError {
    flag: &'static str,
    problem: String,
    remedy: &'static str,
}

/// Finds the API server and makes a client of it. Nothing is asked of it yet.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(access: &Access, metrics: &Metrics) -> Result<Connection, ConnectError> {
    let mut config = configuration(access).await?;
    // Only the driver tries again, and each of its calls has a time of its own; a watch may be silent for minutes.
    config.default_retry = false;
    config.read_timeout = None;
    let (own_namespace, server) = (config.default_namespace.clone(), config.cluster_url.to_string());
    let counted = layer_fn(|inner| CountedService::new(inner, metrics.clone()));
    let builder = ClientBuilder::try_from(config).map_err(|error| ConnectError {
        flag: flag_of(access),
        problem: error.to_string(),
        remedy: "check certificates and credentials of the context",
    })?;
    Ok(Connection { client: builder.with_layer(&counted).build(), own_namespace, server })
}

async fn configuration(access: &Access) -> Result<Config, ConnectError> {
    let flag = flag_of(access);
    let unusable = |error: kube::config::KubeconfigError| ConnectError {
        flag,
        problem: chain(&error),
        remedy: "kubectl config view, with the same file and context, must show a cluster and a user",
    };
    let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    match (&access.kubeconfig, &access.context) {
        (Some(file), _) => {
            let kubeconfig = Kubeconfig::read_from(file).map_err(unusable)?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(unusable)
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await.map_err(unusable),
        (None, None) => Config::infer().await.map_err(|error| ConnectError {
            flag,
            problem: chain(&error),
            remedy: "name a kubeconfig, set KUBECONFIG, or run it in a pod with automountServiceAccountToken",
        }),
    }
}

const fn flag_of(access: &Access) -> &'static str {
    if access.kubeconfig.is_none() && access.context.is_some() { "--context" } else { "--kubeconfig" }
}

/// An error with everything behind it that it does not say itself.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_told = cause.to_string();
        if !told.contains(&cause_told) {
            told = format!("{told}: {cause_told}");
        }
        source = cause.source();
    }
    told
}
