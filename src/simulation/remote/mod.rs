//! A scenario on a real API server: the same world, whose requests are carried out there.
//!
//! **What lives here**: the connection, requests that go out and answers that come back with the scenario's time, the
//! mirror that watches keep, what must hold before a run, and the removal of what a run made.
//!
//! **What must not**: anything of the world's own (`world`, `cluster`, `operator`), which knows nothing of this.

mod ask;
mod check;
mod clear;
mod error;
mod forward;
mod install;
mod mirror;
mod network;
mod place;
mod stamp;
mod uid;

use std::{future::Future, path::Path, sync::Arc};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

pub use error::RemoteError;
pub use forward::Forward;

use self::{ask::text, mirror::Mirror, network::Network};
use super::{
    api_server::{ApiServer, kept_resources},
    virtual_clock::VirtualClock,
    world::{World, WorldSettings},
};

/// A connection to a real API server.
#[derive(Debug)]
pub struct Remote {
    network: Arc<Network>,
    server: String,
    version: String,
}

impl Remote {
    /// Connects to the API server of a kubeconfig's current context.
    ///
    /// # Errors
    /// Where the file can't be used, the API server can't be reached, or the user may not do everything.
    pub fn connect(file: &Path) -> Result<Self, RemoteError> {
        let name = file.display().to_string();
        let unusable = {
            let name = name.clone();
            move |problem: String| RemoteError::Kubeconfig { file: name.clone(), problem }
        };
        let kubeconfig = Kubeconfig::read_from(file).map_err(|error| unusable(error.to_string()))?;
        let server = address(&kubeconfig);
        let connect = move || async move {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            let mut config = config.map_err(|error| unusable(error.to_string()))?;
            // Each request is sent once, and a watch may be silent for as long as nothing happens.
            config.default_retry = false;
            config.read_timeout = None;
            Client::try_from(config).map_err(|error| unusable(error.to_string()))
        };
        let remote = Self::over(&server, connect)?;
        check::rights(&remote.network)?;
        Ok(remote)
    }

    /// Takes over a client, which is made on the connection's own thread. `server` is what messages call it.
    ///
    /// # Errors
    /// Where it can't be reached.
    pub fn over<C, F>(server: &str, connect: C) -> Result<Self, RemoteError>
    where
        C: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Client, RemoteError>>,
    {
        let network = Arc::new(Network::start(connect)?);
        let version = check::version(&network, server)?;
        Ok(Self { network, server: server.to_owned(), version })
    }

    /// The API server, as people call it.
    pub fn description(&self) -> String {
        format!("{} ({})", self.server, self.version)
    }

    /// Makes sure that nothing is here that a scenario in this namespace would meet. What earlier runs left is removed
    /// where `replaces` says so.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(&self, namespace: &str, replaces: bool) -> Result<(), RemoteError> {
        check::solitude(&self.network, namespace, replaces)
    }

    /// Makes sure that our definitions are here and the policy on decisions is in force. What is missing is made where
    /// `installs` says so.
    ///
    /// # Errors
    /// What is missing or differs.
    pub fn prepare(&self, installs: bool) -> Result<(), RemoteError> {
        install::definitions(&self.network, installs)?;
        install::policy(&self.network, installs)
    }

    /// A world at its beginning, whose requests are carried out here. It belongs to the runtime that it is made in.
    ///
    /// # Errors
    /// The API server's refusal of something that the settings say of the cluster.
    pub fn world(&self, settings: WorldSettings) -> Result<(World, Arc<Forward>), RemoteError> {
        let clock = Arc::new(VirtualClock::new(settings.start));
        let of_server = settings.of_server();
        let mut mirror = Mirror::new(kept_resources(&of_server.definitions));
        let nodes = self.network.read("/api/v1/nodes?limit=1")?.accepted("list nodes")?;
        mirror.follow_cluster(&self.network, text(&nodes, "/metadata/resourceVersion"))?;
        let forward = Arc::new(Forward::new(self.network.clone(), clock.clone(), mirror));
        let refused = |what: &str, error: &dyn std::fmt::Display| RemoteError::Refused {
            what: what.to_owned(),
            problem: error.to_string(),
        };
        let server = ApiServer::before(clock.clone(), of_server, &settings.namespace, forward.clone())
            .map_err(|error| refused("make the scenario's namespace", &error))?;
        let world = World::on(clock, server, settings).map_err(|error| refused("make the scenario's nodes", &error))?;
        Ok((world, forward))
    }

    /// Removes what runs made here, this one and earlier ones. Says how many objects went.
    ///
    /// # Errors
    /// Where something stays.
    pub fn clear(&self) -> Result<usize, RemoteError> {
        clear::clear(&self.network)
    }
}

/// The address in the current context; what it is called where it has none is for the client to say.
fn address(kubeconfig: &Kubeconfig) -> String {
    let context = kubeconfig.contexts.iter().find(|one| Some(&one.name) == kubeconfig.current_context.as_ref());
    let cluster = context.and_then(|one| one.context.as_ref()).map(|context| context.cluster.clone());
    let cluster = kubeconfig.clusters.iter().find(|one| Some(&one.name) == cluster.as_ref());
    cluster.and_then(|one| one.cluster.as_ref()?.server.clone()).unwrap_or_else(|| "the API server".to_owned())
}

#[cfg(test)]
mod tests;
