//! `phaseloop audit`.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use anyhow::Context as _;
use phaseloop_core::audit::{AuditRecord, parse_export};

use super::{
    cluster::{Connected, block_on, connected, told},
    input::read_text,
    output::{print, print_text},
};
use crate::{
    args::{AccessArguments, AuditArguments, AuditCommand, ExportArguments, VerifyArguments},
    exit::Exit,
    handling::audit::{AuditReport, LiveChain, merged, read_chains, verify_cluster, verify_file},
};

pub(super) fn run(arguments: &AuditArguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        AuditCommand::Export(arguments) => export(arguments),
        AuditCommand::Verify(arguments) => verify(arguments),
    }
}

fn export(arguments: &ExportArguments) -> anyhow::Result<Exit> {
    let live = chains(&arguments.cluster, arguments.all_namespaces)?;
    let exported = match &arguments.output {
        Some(path) if path.exists() => read_export(path)?,
        _ => Vec::new(),
    };
    let lacking = merged(&exported, &live);
    let lines: String = lacking.iter().map(|record| format!("{}\n", record.line())).collect();
    let Some(path) = &arguments.output else {
        print_text(&lines)?;
        return Ok(Exit::Success);
    };
    let name = path.display();
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).with_context(|| format!("{name} can't be written"))?;
    let before = file.metadata()?.len();
    // Half a line would spoil what is appended later.
    file.write_all(lines.as_bytes()).inspect_err(|_| drop(file.set_len(before)))?;
    file.sync_data()?;
    print_text(&format!("{name}: {} records appended, {} were there\n", lacking.len(), exported.len()))?;
    Ok(Exit::Success)
}

fn verify(arguments: &VerifyArguments) -> anyhow::Result<Exit> {
    let exported = arguments.file.as_deref().map(read_export).transpose()?;
    let report = if arguments.in_cluster {
        let live = chains(&arguments.cluster, arguments.all_namespaces)?;
        verify_cluster(&live, exported.as_deref())
    } else {
        verify_file(&exported.unwrap_or_default())
    };
    print(&report, text, arguments.output)?;
    Ok(if report.findings.is_empty() { Exit::Success } else { Exit::Degraded })
}

fn text(report: &AuditReport) -> String {
    let AuditReport { objects, records, findings } = report;
    let sound = if findings.is_empty() { "all of them are sound" } else { "not all of them are sound" };
    let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    format!("{lines}{records} records of {objects} objects: {sound}\n")
}

fn chains(cluster: &AccessArguments, all_namespaces: bool) -> anyhow::Result<Vec<LiveChain>> {
    block_on(async {
        let Connected { cluster, namespace, server } = connected(cluster).await?;
        let scope = (!all_namespaces).then_some(namespace);
        read_chains(cluster.reader(), scope.as_deref()).await.map_err(|error| told(&error, &server))
    })
}

fn read_export(path: &Path) -> anyhow::Result<Vec<AuditRecord>> {
    let name = path.display();
    let text = read_text(path)?;
    parse_export(&text).with_context(|| format!("{name}"))
}
