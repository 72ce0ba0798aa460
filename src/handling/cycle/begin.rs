//! Which run a cycle is about: the one that is named, one that is made now, one that goes on, or the next.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::plan::{label::LABEL_SCHEDULE, name::phase_run_name};

use crate::{
    api::{PhaseRun, PhaseSchedule},
    cluster::{Cluster, ClusterError, Effect, Reader, execute, execute::AuditExport},
    controllers::{phase_run::facts::has_ended, phase_schedule::run_of_schedule},
};

/// What stands between a schedule's name and the instant, in the name of a run that a person asked for: the schedule's own
/// runs never bear it.
const FORCED: &str = "forced";

/// What a cycle begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// This run.
    Run(String),
    /// A run of a schedule; the namespace's only one where none is named.
    Schedule {
        /// Its name.
        name: Option<String>,
        /// Whether a run is made now.
        force: bool,
    },
}

/// Why there is no run to await.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// A call failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What was named is not there.
    #[error("there is no {0}\n  remedy: kubectl get phaseschedules,phaseruns -n {1}")]
    NotThere(String, String),
    /// Several schedules, and none was named.
    #[error("namespace {namespace} has several schedules\n  remedy: name one of {names}")]
    Several {
        /// Where.
        namespace: String,
        /// Which.
        names: String,
    },
    /// A run goes on, and a schedule's runs do not overlap.
    #[error(
        "phaserun/{0} goes on, and runs of a schedule do not overlap\n  remedy: leave --force out to await it, or end it with phaseloop abort phaserun/{0}"
    )]
    RunGoesOn(String),
    /// Nothing would come.
    #[error(
        "phaseschedule/{0} is suspended: no run will start\n  remedy: --force makes one now, phaseloop resume phaseschedule/{0} lets it go on"
    )]
    Suspended(String),
    /// The next run starts too late.
    #[error(
        "the next run of phaseschedule/{name} starts at {at}, after the deadline {deadline}\n  remedy: --force makes one now, --timeout waits for longer"
    )]
    TooLate {
        /// The schedule.
        name: String,
        /// When its next run starts.
        at: Timestamp,
        /// Until when would be waited.
        deadline: Timestamp,
    },
}

/// Where a run is looked for.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// This one.
    Run(String),
    /// None yet: the next one of this schedule, besides those that were there.
    Next {
        /// The schedule.
        schedule: String,
        /// Its runs so far.
        known: BTreeSet<String>,
    },
}

/// Finds or makes the run.
pub(super) async fn begin(
    cluster: &Cluster,
    export: &dyn AuditExport,
    namespace: &str,
    subject: &Subject,
    now: Timestamp,
    deadline: Timestamp,
) -> Result<Found, BeginError> {
    let reader = cluster.reader();
    let (name, force) = match subject {
        Subject::Run(name) => {
            let run: Option<PhaseRun> = reader.get(namespace, name).await?;
            let missing = || BeginError::NotThere(format!("phaserun/{name}"), namespace.to_owned());
            return run.map(|_there| Found::Run(name.clone())).ok_or_else(missing);
        }
        Subject::Schedule { name, force } => (name, *force),
    };
    let schedule = schedule_of(reader, namespace, name.as_deref()).await?;
    let runs = runs_of(reader, namespace, &schedule.name_any()).await?;
    let active = runs.iter().find(|run| !has_ended(run)).map(ResourceExt::name_any);
    match (active, force) {
        (Some(active), true) => Err(BeginError::RunGoesOn(active)),
        (Some(active), false) => Ok(Found::Run(active)),
        (None, true) => {
            let name = forced_name(&schedule.name_any(), now);
            let effect = Effect::CreatePhaseRun(Box::new(run_of_schedule(&schedule, &name)));
            execute(cluster, export, namespace, &effect).await?;
            Ok(Found::Run(name))
        }
        (None, false) => next_run(&schedule, &runs, deadline),
    }
}

/// The name of a run that is made now: to the second, so that asking again at once makes no second one.
fn forced_name(schedule: &str, now: Timestamp) -> String {
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    phase_run_name(&format!("{schedule}-{FORCED}"), second)
}

fn next_run(schedule: &PhaseSchedule, runs: &[PhaseRun], deadline: Timestamp) -> Result<Found, BeginError> {
    let name = schedule.name_any();
    if schedule.spec.suspend {
        return Err(BeginError::Suspended(name));
    }
    let next = schedule.status.as_ref().and_then(|status| status.next_schedule_time);
    match next.filter(|at| *at > deadline) {
        Some(at) => Err(BeginError::TooLate { name, at, deadline }),
        None => Ok(Found::Next { schedule: name, known: runs.iter().map(ResourceExt::name_any).collect() }),
    }
}

async fn schedule_of(reader: Reader<'_>, namespace: &str, name: Option<&str>) -> Result<PhaseSchedule, BeginError> {
    if let Some(name) = name {
        let schedule: Option<PhaseSchedule> = reader.get(namespace, name).await?;
        return schedule.ok_or_else(|| BeginError::NotThere(format!("phaseschedule/{name}"), namespace.to_owned()));
    }
    let mut schedules = reader.list::<PhaseSchedule>(namespace, "").await?.into_owned();
    if schedules.len() > 1 {
        let names: Vec<String> = schedules.iter().map(ResourceExt::name_any).collect();
        return Err(BeginError::Several { namespace: namespace.to_owned(), names: names.join(", ") });
    }
    schedules.pop().ok_or_else(|| BeginError::NotThere("PhaseSchedule here".to_owned(), namespace.to_owned()))
}

/// The runs of a schedule, whoever asked for them.
pub(super) async fn runs_of(
    reader: Reader<'_>,
    namespace: &str,
    schedule: &str,
) -> Result<Vec<PhaseRun>, ClusterError> {
    Ok(reader.list::<PhaseRun>(namespace, &format!("{LABEL_SCHEDULE}={schedule}")).await?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_asked_for_has_a_name_of_its_own_and_the_same_within_a_second() {
        let name = |instant: &str| forced_name("llama-8b", instant.parse().unwrap());
        assert_eq!(name("2026-03-04T03:00:07.2Z"), "llama-8b-forced-20260304-0300-07-0");
        assert_eq!(name("2026-03-04T03:00:07.9Z"), name("2026-03-04T03:00:07Z"));
        assert_ne!(name("2026-03-04T03:00:08Z"), name("2026-03-04T03:00:07Z"));
        assert_ne!(name("2026-03-04T03:00:00Z"), phase_run_name("llama-8b", "2026-03-04T03:00:00Z".parse().unwrap()));
    }
}
