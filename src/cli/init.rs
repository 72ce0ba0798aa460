//! `phaseloop init`.

use phaseloop_core::schedule::Schedule;

use super::{
    cluster::{block_on, connected, told},
    output::print_text,
};
use crate::{
    api::reference::{TargetApiVersion, TargetRef},
    args::InitArguments,
    cluster::{Clock as _, SystemClock},
    exit::Exit,
    handling::init::{InitOptions, draft, observe_target},
};

pub(super) fn run(arguments: &InitArguments) -> anyhow::Result<Exit> {
    let drafted = block_on(async {
        let connected = connected(&arguments.cluster).await?;
        let target_ref = TargetRef {
            api_version: TargetApiVersion::AppsV1,
            kind: arguments.target.kind,
            name: arguments.target.name.clone(),
            container: arguments.container.clone(),
        };
        let read = observe_target(connected.cluster.reader(), &connected.namespace, &target_ref).await;
        let Some(facts) = read.map_err(|error| told(&error, &connected.server))? else {
            anyhow::bail!(
                "there is no {:?} {} in namespace {}\n  remedy: kubectl get deployments,statefulsets -A shows all of them",
                target_ref.kind,
                target_ref.name,
                connected.namespace
            );
        };
        let options = InitOptions {
            namespace: connected.namespace,
            target_ref,
            schedule: Schedule { cron: arguments.schedule.clone(), zone: arguments.time_zone.clone() },
            rate: arguments.rate,
        };
        Ok(draft(&facts, &options, SystemClock.now())?)
    })?;
    for warning in &drafted.warnings {
        eprintln!("warning: {warning}");
    }
    print_text(&drafted.yaml)?;
    Ok(Exit::Success)
}
