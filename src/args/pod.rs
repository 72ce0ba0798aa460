//! The commands that run in test pods: their words are read by the requests that the builder of pods writes.

use std::path::PathBuf;

use crate::workload::contract::MESSAGE_PATH;

/// A command of a test pod. What it is told is read by its request, so that both sides know one form.
#[derive(Debug, Clone, clap::Args)]
pub struct PodArguments {
    /// Where the termination message is left
    #[arg(long, env = "PHASELOOP_TERMINATION_MESSAGE", value_name = "FILE", default_value = MESSAGE_PATH, hide = true)]
    pub message: PathBuf,
    /// The words of the request
    #[arg(value_name = "WORDS", trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub words: Vec<String>,
}

/// `phaseloop probe`.
#[derive(Clone, clap::Args)]
pub struct ProbeArguments {
    /// What every command of a test pod has.
    #[command(flatten)]
    pub pod: PodArguments,
    /// The key that the engine asks its clients for
    #[arg(long, env = "PHASELOOP_ENGINE_KEY", hide_env_values = true, value_name = "KEY", hide = true)]
    pub engine_key: Option<String>,
}

impl std::fmt::Debug for ProbeArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.engine_key.as_ref().map(|_| "redacted");
        f.debug_struct("ProbeArguments").field("pod", &self.pod).field("engine_key", &key).finish()
    }
}

impl PodArguments {
    /// The words as the builder of pods writes them: the command's name, then what it is told.
    pub fn request(&self, command: &str) -> Vec<String> {
        [&[command.to_owned()], self.words.as_slice()].concat()
    }
}

/// Help of `phaseloop preflight`.
pub(super) const PREFLIGHT_HELP: &str = "\
phaseloop preflight --not-after TIME --grace DURATION [--copy-to FOLDER]

Exit codes: 0 the test may begin; 7 too late: nothing may begin from two graces before --not-after on; 3 error; 64 wrong
usage. The termination message says why.";

/// Help of `phaseloop guard`.
pub(super) const GUARD_HELP: &str = "\
phaseloop guard --not-after TIME --grace DURATION --records FOLDER --message-bytes N -- COMMAND

Exit codes: that of COMMAND, 128 + n after signal n; 126 and 127 it can't be started; 7 too late to begin. The termination
message is the end of COMMAND's output.";

/// Help of `phaseloop collect`.
pub(super) const COLLECT_HELP: &str = "\
phaseloop collect --report FILE --message-bytes N

Ends on SIGTERM. Exit codes: 0 the summary was left, whatever it says; 3 error; 64 wrong usage.";

/// Help of `phaseloop probe`.
pub(super) const PROBE_HELP: &str = "\
phaseloop probe --request JSON

Exit codes: 0 measured; 3 the report says why not; 64 wrong usage. The report is the termination message in every case.";
