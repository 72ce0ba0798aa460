//! The program: from its configuration to its exit code.

use std::{sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    assembly::{Operator, OperatorParts},
    audit::AuditLog,
    configuration::OperatorConfiguration,
    connection::connect,
};
use crate::{
    cluster::{ProcessClock, SystemClock, lease::LeasePlace},
    controllers::OperatorSettings,
    exit::Exit,
    telemetry::{AdminServer, LogControl, Metrics},
};

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one; says which it was.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Runs the operator until it is told to end.
///
/// # Errors
/// What it can't start without: a way to the API server, its address, its audit file.
pub async fn run(configuration: OperatorConfiguration, log: LogControl) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let grace = configuration.shutdown_grace;
    let mut operator = start(configuration, log).await?;
    let exit = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, grace_seconds = grace.as_secs(), "ends: nothing more is begun");
            Exit::Success
        }
        failure = operator.failed() => {
            tracing::error!("ends, because a part of it did: {failure}");
            Exit::UnknownOrError
        }
    };
    Ok(end(operator, &mut signals, grace, exit).await)
}

async fn end(operator: Operator, signals: &mut Signals, grace: Duration, exit: Exit) -> Exit {
    tokio::select! {
        () = operator.stop() => {
            tracing::info!("ended in order");
            exit
        }
        signal = signals.next() => {
            tracing::error!(signal, "ends at once, at the second signal; the lease ends by itself");
            Exit::UnknownOrError
        }
        () = tokio::time::sleep(grace) => {
            tracing::error!(grace_seconds = grace.as_secs(), "did not end within its grace; the lease ends by itself");
            Exit::UnknownOrError
        }
    }
}

async fn start(configuration: OperatorConfiguration, log: LogControl) -> anyhow::Result<Operator> {
    let metrics = Metrics::default();
    let connection = connect(&configuration.access, &metrics).await?;
    let export = AuditLog::open(std::io::stdout(), configuration.audit_file.as_deref()).map_err(|error| {
        let file = configuration.audit_file.as_deref().unwrap_or_else(|| std::path::Path::new("")).display();
        anyhow::anyhow!(
            "--audit-file: {file} can't be used: {error}\n  remedy: name a file in a folder that it may write to"
        )
    })?;
    let listening = AdminServer::bind(configuration.address).await.map_err(|error| {
        let address = configuration.address;
        anyhow::anyhow!("--address: {address} can't be listened on: {error}\n  remedy: another port, or end who has it")
    })?;
    let scopes = configuration.namespaces.scopes(&connection.own_namespace);
    let lease = configuration.lease;
    let place = LeasePlace {
        namespace: lease.namespace.unwrap_or_else(|| connection.own_namespace.clone()),
        name: lease.name,
        identity: lease.identity,
    };
    let places: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), server = connection.server, address = %listening.address(),
        identity = place.identity, lease = format!("{}/{}", place.namespace, place.name), scopes = places.join(", "),
        "phaseloop operator"
    );
    let parts = OperatorParts {
        client: connection.client,
        server: connection.server,
        scopes,
        place,
        terms: lease.terms,
        settings: OperatorSettings { test_pods: configuration.test_pods },
        clock: Arc::new(SystemClock),
        monotonic: Arc::new(ProcessClock::start()),
        export: Arc::new(export),
        metrics,
        log: Some(log),
    };
    Ok(Operator::start(&parts, Some(listening)))
}
