//! `phaseloop cycle`.

use phaseloop_core::audit::AuditRecord;

use super::{
    cluster::{Connected, block_on, connected, told},
    output::print,
};
use crate::{
    args::CycleArguments,
    cluster::execute::AuditExport,
    exit::Exit,
    handling::{
        cycle::{BeginError, CycleError, CycleOutcome, CycleTerms, follow_cycle},
        pace::MachinePace,
    },
};

/// Nothing that a cycle is begun with exports records.
struct NoExport;

impl AuditExport for NoExport {
    fn export(&self, _records: &[AuditRecord]) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn run(arguments: &CycleArguments) -> anyhow::Result<Exit> {
    let subject = match arguments.subject() {
        Ok(subject) => subject,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Ok(Exit::Usage);
        }
    };
    block_on(async {
        let Connected { cluster, namespace, server } = connected(&arguments.cluster).await?;
        let terms = CycleTerms { namespace, subject, timeout: arguments.timeout.into() };
        let mut say = |line: &str| eprintln!("{line}");
        let outcome = follow_cycle(&cluster, &NoExport, &terms, &mut MachinePace, &mut say).await;
        let outcome = outcome.map_err(|error| match error {
            CycleError::Cluster(error) | CycleError::Begin(BeginError::Cluster(error)) => told(&error, &server),
            other => other.into(),
        })?;
        print(&outcome, text, arguments.output)?;
        Ok(outcome.end.reason.exit())
    })
}

/// A cycle's end for people.
fn text(outcome: &CycleOutcome) -> String {
    let CycleOutcome { cycle, namespace, end, .. } = outcome;
    format!("{}: {}\ncycle {cycle} in namespace {namespace}\n", end.reason, end.message)
}
