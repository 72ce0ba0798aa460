//! The command line: the only place that reads it. Everything behind it gets a validated value.

mod access;
mod audit;
mod check;
mod cycle;
mod init;
mod operator;
mod pod;
mod suspend;
mod test_pod;
mod uninstall;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

use crate::simulation::crash::Point;

use crate::exit::Exit;

use audit::AUDIT_HELP;
use check::CHECK_HELP;
use cycle::CYCLE_HELP;
use init::INIT_HELP;
use operator::OPERATOR_HELP;
use pod::{COLLECT_HELP, GUARD_HELP, PREFLIGHT_HELP, PROBE_HELP};
use suspend::{ABORT_HELP, RESUME_HELP, RETRY_HELP, SUSPEND_HELP};
use uninstall::UNINSTALL_HELP;

pub use access::AccessArguments;
pub use audit::{AuditArguments, AuditCommand, ExportArguments, VerifyArguments};
pub use check::{CheckArguments, CheckSubject, InstallationArguments};
pub use cycle::{CycleArguments, CycleSubject};
pub use init::{InitArguments, TargetName};
pub use operator::{ConfigurationError, OperatorArguments};
pub use pod::{PodArguments, ProbeArguments};
pub use suspend::{AbortArguments, ResumeArguments, RetryArguments, SelectionArguments, SuspendArguments, When};
pub use uninstall::UninstallArguments;

/// Keeps vLLM inference healthy: finds a regression, counts it until it is a pattern, tunes in isolation, promotes, validates.
#[derive(Debug, Parser)]
#[command(
    name = "phaseloop",
    version,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = FIRST_HELP
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the whole loop close on a simulated cluster: the real operator, an in-memory Kubernetes, a modelled engine
    #[command(after_long_help = SIMULATE_HELP)]
    Simulate(SimulateArguments),
    /// Run the loop in a cluster: watch, decide, act; one of several replicas leads
    #[command(after_long_help = OPERATOR_HELP)]
    Operator(Box<OperatorArguments>),
    /// Take recorded nights through the whole decision and tell what the loop would have done, and why
    #[command(after_long_help = REPLAY_HELP)]
    Replay(ReplayArguments),
    /// Judge one run against the runs before it; the verdict is the exit code
    #[command(after_long_help = ANALYZE_HELP)]
    Analyze(AnalyzeArguments),
    /// Check an installation: what is missing or of another version is named with its remedy
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArguments),
    /// Print the CustomResourceDefinitions
    #[command(after_long_help = CRDS_HELP)]
    Crds(CrdsArguments),
    /// In a test pod: refuse what is too late, copy the program
    #[command(hide = true, after_long_help = PREFLIGHT_HELP)]
    Preflight(PodArguments),
    /// In a test pod: run the engine, keep what it says, watch its GPU, end it in time
    #[command(hide = true, after_long_help = GUARD_HELP)]
    Guard(PodArguments),
    /// In a test pod: summarise the PHASE report of a custom test
    #[command(hide = true, after_long_help = COLLECT_HELP)]
    Collect(PodArguments),
    /// In a test pod: wait for the engine, load it, report what was measured
    #[command(hide = true, after_long_help = PROBE_HELP)]
    Probe(ProbeArguments),
    /// Draft a PhaseSchedule and an Escalation for a model server, with the reason for each line
    #[command(after_long_help = INIT_HELP)]
    Init(InitArguments),
    /// Begin or await one cycle: a run and all that follows from it; the exit code says how it ended
    #[command(after_long_help = CYCLE_HELP)]
    Cycle(CycleArguments),
    /// Stop everything that could begin, for one Escalation or schedule or for all
    #[command(after_long_help = SUSPEND_HELP)]
    Suspend(SuspendArguments),
    /// Let what was suspended go on
    #[command(after_long_help = RESUME_HELP)]
    Resume(ResumeArguments),
    /// End a run or a canary that goes on; nothing is concluded from it
    #[command(after_long_help = ABORT_HELP)]
    Abort(AbortArguments),
    /// Say that somebody has looked: a target whose test pod was not seen to end may be used again
    #[command(after_long_help = RETRY_HELP)]
    Retry(RetryArguments),
    /// Leave: end tests, roll back what is not validated, stop the operator, take finalizers off
    #[command(after_long_help = UNINSTALL_HELP)]
    Uninstall(UninstallArguments),
    /// Take the records of transitions out of the cluster, or check them
    #[command(after_long_help = AUDIT_HELP)]
    Audit(AuditArguments),
}

/// `phaseloop simulate`.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SimulateArguments {
    /// Scenario to run; left out, the four nights of the seed
    #[arg(value_name = "SCENARIO.yaml")]
    pub scenario: Option<PathBuf>,
    /// Draw all chance from this number instead of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Tell this many nights instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=400))]
    pub nights: Option<u16>,
    /// Kill the operator before and after each of its writes, lose each answer, pause it at each write while another
    /// replica takes over: one history each; say which of them ended otherwise
    #[arg(long, conflicts_with_all = ["events", "state", "crash_at", "kubeconfig"])]
    pub crashes: bool,
    /// With --crashes: only every N-th write
    #[arg(long, value_name = "N", requires = "crashes", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// Tell the history of one of those, as in 212:killed-before, killed-after, reply-lost or takeover
    #[arg(long, value_name = "WRITE:WHAT", conflicts_with = "kubeconfig")]
    pub crash_at: Option<Point>,
    /// Print every write that the API server was asked for
    #[arg(long)]
    pub events: bool,
    /// Write all objects as they stand at the end to this file, as one YAML List
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Run on the API server of this kubeconfig's current context instead of the one in memory
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Make our definitions and the policy on decisions where they are missing, for the time of the run
    #[arg(long, requires = "kubeconfig")]
    pub install: bool,
    /// Remove first what an earlier run left there
    #[arg(long, requires = "kubeconfig")]
    pub replace: bool,
    /// Leave there what the run made
    #[arg(long, requires = "kubeconfig")]
    pub keep: bool,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `phaseloop replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArguments {
    /// Folder of recorded nights; the order of names is the order of nights
    #[arg(long, value_name = "DIR")]
    pub runs: PathBuf,
    /// YAML file with one Escalation, and if you like a PhaseSchedule and the ConfigMap phaseloop-policy
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: OutputFormat,
    /// Print every metric and every gate of every night
    #[arg(long, short)]
    pub verbose: bool,
}

/// `phaseloop analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArguments {
    /// Measurements in the order of time: the last run is judged, those before it are its history
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// YAML file with a PhaseSchedule, for thresholds and significance other than the defaults
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// `phaseloop crds`.
#[derive(Debug, clap::Args)]
pub struct CrdsArguments {
    /// Print only this kind, as in `Escalation`
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
}

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// One YAML document.
    Yaml,
}

/// The command line asked for nothing that can be run: a wrong flag, or `--help`.
#[derive(Debug)]
pub struct Refusal(clap::Error);

impl Refusal {
    /// Prints the message, or the help that was asked for.
    pub fn print(self) -> ExitCode {
        let exit = if self.0.use_stderr() { Exit::Usage } else { Exit::Success };
        match self.0.print() {
            Ok(()) => exit.into(),
            Err(_closed_output) => Exit::UnknownOrError.into(),
        }
    }
}

/// Reads a command line.
///
/// # Errors
/// [`Refusal`] for a line that names no command, or names one wrongly, and for `--help` and `--version`.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    Arguments::try_parse_from(words).map(|arguments| arguments.command).map_err(Refusal)
}

const FIRST_HELP: &str = "\
Begin here:
  phaseloop simulate                           # the whole loop, night by night; no cluster, no GPU
  phaseloop init deployment/NAME -n NAMESPACE  # what a model server of yours needs, each line with its reason
  phaseloop COMMAND --help                     # what it does, with examples

Exit codes: 0 done, or healthy; 1 degraded; 2 degraded and fixed; 3 unknown, or an error; 64 wrong usage.";

const SIMULATE_HELP: &str = "\
Needs no cluster and no GPU, and changes nothing but the file of --state. One seed gives one history, byte for byte; only
`wallSeconds` differs between two runs. A scenario with `expect:` is a test: exit code 0 if all of it came, else 1.

With --kubeconfig the same scenario runs on a real API server, and its objects lie there. Operator, scheduler, kubelets,
controllers and people stay simulated, and so does the time: what the API server stamps by its own clock (creation,
deletion, managedFields, the binding of a pod) is told as of the scenario's instant. It must be a test API server without
nodes and controllers (etcd and kube-apiserver are enough), and the user one who may do everything. The run makes the
scenario's namespace, which must not be there, nodes and a PriorityClass, and removes them at the end.

Examples:
  phaseloop simulate
  phaseloop simulate --seed 8 --nights 6
  phaseloop simulate scenarios/four-nights.yaml --output json | jq '.promotions'
  phaseloop simulate --state objects.yaml --events
  phaseloop simulate --kubeconfig test.kubeconfig --install
  phaseloop simulate --crashes --every 10
  phaseloop simulate --crash-at 212:killed-before --events

With --crashes and --crash-at uids, names and chance follow from what they are of, so that two histories can be compared:
the story differs in its figures from the one that is told without.

Exit codes: 0 it ran, and came as expected; 1 it did not come as expected, a history ended otherwise, or an invariant was
violated; 3 error; 64 wrong usage.";

const REPLAY_HELP: &str = "\
What a folder may hold, by name; NIGHT is any stem, and one night may have several files:
  NIGHT.bench.json    result of `vllm bench serve --save-result --save-detailed`
  NIGHT.engine.json   what the engine said of itself: args, ready_seconds, exit_code, server_..._mean_ms, preemptions
  NIGHT.log           the engine's output: tells why it refused or died
  NIGHT.jsonl         PHASE report, one JSON object per test
Run k in the order of names is night k of the schedule. Other files are named and left alone.

Without --policy: threshold 3, schedule `0 3 * * *` in Etc/UTC, every other value at its default.

Examples:
  phaseloop replay --runs examples/recorded-nights
  phaseloop replay --runs examples/recorded-nights --policy manifests/samples/escalation-small.yaml
  phaseloop replay --runs nights/ --output json | jq '.nights[] | {run, verdict, reasons}'";

const ANALYZE_HELP: &str = "\
Formats: results of `vllm bench serve --save-result` (NIGHT.bench.json), and PHASE reports (NIGHT.jsonl: one JSON
object per test with domain, test_id, status pass|fail|flake|skip, latency_ms, throughput, oom_events).
NIGHT.engine.json and NIGHT.log beside a file belong to the same run and are read with it.

Exit codes: 0 healthy, 1 degraded, 3 unknown or error, 64 wrong usage.

Examples:
  phaseloop analyze nights/night0?.bench.json tonight.bench.json
  phaseloop analyze report.jsonl --output json";

const CRDS_HELP: &str = "\
Examples:
  phaseloop crds | kubectl apply --server-side -f -
  phaseloop crds Escalation";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse_line(line: &str) -> Result<Command, Refusal> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_misspelt_flag_is_refused_as_wrong_usage() {
        let refusal = parse_line("phaseloop replay --run x").unwrap_err();
        assert!(refusal.0.to_string().contains("--runs"), "{}", refusal.0);
        assert_eq!(refusal.print(), Exit::Usage.into());
    }

    #[test]
    fn help_is_no_error() {
        assert_eq!(parse_line("phaseloop replay --help").unwrap_err().print(), Exit::Success.into());
        assert_eq!(parse_line("phaseloop --version").unwrap_err().print(), Exit::Success.into());
    }

    #[test]
    fn a_line_without_a_command_is_wrong_usage() {
        assert_eq!(parse_line("phaseloop").unwrap_err().print(), Exit::Usage.into());
        assert_eq!(parse_line("phaseloop analyze").unwrap_err().print(), Exit::Usage.into());
    }
}
