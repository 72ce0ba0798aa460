//! `phaseloop audit`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{OutputFormat, access::AccessArguments};

/// `phaseloop audit`.
#[derive(Debug, Clone, clap::Args)]
pub struct AuditArguments {
    /// What to do with records
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What to do with records.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Take the records out of the cluster, one JSON object per line
    #[command(after_long_help = EXPORT_HELP)]
    Export(ExportArguments),
    /// Find records that were changed, removed, moved or doubled, and name them
    #[command(after_long_help = VERIFY_HELP)]
    Verify(VerifyArguments),
}

/// `phaseloop audit export`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArguments {
    /// Bring this file up to date instead of printing: records that it lacks are appended
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Of all namespaces
    #[arg(long, short = 'A', conflicts_with = "namespace", help_heading = "Cluster")]
    pub all_namespaces: bool,
    /// The cluster
    #[command(flatten)]
    pub cluster: AccessArguments,
}

/// `phaseloop audit verify`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("checked").args(["file", "in_cluster"]).required(true).multiple(true)))]
pub struct VerifyArguments {
    /// An export: cycles.jsonl
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Check what the objects in the cluster carry; with --file both against each other
    #[arg(long = "cluster")]
    pub in_cluster: bool,
    /// With --cluster: of all namespaces
    #[arg(long, short = 'A', requires = "in_cluster", conflicts_with = "namespace", help_heading = "Cluster")]
    pub all_namespaces: bool,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: OutputFormat,
    /// The cluster
    #[command(flatten)]
    pub cluster: AccessArguments,
}

pub(super) const AUDIT_HELP: &str = "\
Every transition of an object leaves a record that carries the hash of the one before it. PhaseRun, TuningCanary and Promotion
carry all of theirs in their status, PhaseSchedule and Escalation the newest 64; the operator writes the rest to its standard
output, and to a file where --audit-file names one. docs/reference/audit.md has the form, and how to check by hand.

Examples:
  phaseloop audit export -n chat --output cycles.jsonl
  phaseloop audit verify --file cycles.jsonl --cluster -n chat";

const EXPORT_HELP: &str = "\
Prints what the objects carry now. Of a PhaseSchedule or an Escalation that has had more than 64 transitions that is the end of
its chain: the operator's own export has the beginning, and --output adds to such a file what it lacks.

Examples:
  phaseloop audit export -n chat > chat.jsonl
  phaseloop audit export --all-namespaces --output cycles.jsonl

Exit codes: 0 exported; 3 error: nothing was written; 64 wrong usage.";

const VERIFY_HELP: &str = "\
A file alone is checked object by object from each first record; an end that was cut off is found only against the cluster.
What it finds: Changed, Missing, Reordered, Doubled, Broken; and between both Diverged, Gap, LiveBehindExport. Each is told
with its object and the number of its record.

Examples:
  phaseloop audit verify --file cycles.jsonl
  phaseloop audit verify --cluster -n chat
  phaseloop audit verify --file cycles.jsonl --cluster --all-namespaces --output json

Exit codes: 0 all of it is sound; 1 something is not; 3 it could not be read; 64 wrong usage.";
