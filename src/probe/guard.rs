//! The guard: what runs in the engine's container around the engine, passes signals and exit code through, watches the
//! GPU, keeps the engine's first and last output, and ends the engine at its latest instant.

use jiff::Timestamp;
use phaseloop_core::analysis::probe::ReportedGPU;
use serde::{Deserialize, Serialize};

use super::argument::{RequestError, Words, flag};
use crate::api::Duration;

/// Bytes that a guard keeps of the beginning, and again of the end, of an engine's output: vLLM states its effective
/// arguments once, at the start, and its last words at the end.
pub const GUARD_OUTPUT_BYTES: usize = 32 * 1_024;
/// Version of [`GuardRecord`]. A probe refuses another one.
pub const GUARD_RECORD_VERSION: u32 = 2;
/// The last line of a guard's termination message where it ended the engine because its latest instant had come.
pub const GUARD_STOP_MARK: &str = "phaseloop guard: the engine was ended at its latest instant";

/// What a guard is told: `phaseloop guard --not-after T --grace 5s --records DIR --message-bytes N -- COMMAND`.
///
/// It refuses to begin, with `REFUSED_EXIT_CODE`, from `not_after` less two graces on. At `not_after` less one grace it
/// sends SIGTERM, at `not_after` SIGKILL. Its termination message, at Kubernetes' default path, is the end of the engine's
/// output in at most `message_bytes` bytes, whatever the exit code: vLLM ends with 0 after its engine process has died. Of a
/// longer output the lines that tell why it ended go before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuardRequest {
    /// The instant by which every container of the pod must have ended.
    pub not_after: Timestamp,
    /// Grace of the pod's containers.
    pub grace: Duration,
    /// The folder into which it writes its records, readable for every user.
    pub records: String,
    /// Bytes of its termination message.
    pub message_bytes: usize,
    /// What it runs. In a pod the container's `args` follow.
    pub command: Vec<String>,
}

impl GuardRequest {
    /// The command's name.
    pub const COMMAND: &str = "guard";

    /// The words after the program.
    pub fn words(&self) -> Vec<String> {
        let flags = [
            flag("not-after", self.not_after),
            flag("grace", self.grace),
            flag("records", &self.records),
            flag("message-bytes", self.message_bytes),
        ];
        let own = [vec![Self::COMMAND.to_owned()], flags.concat(), vec!["--".to_owned()]].concat();
        [own, self.command.clone()].concat()
    }

    /// Reads the words after the program.
    ///
    /// # Errors
    /// They are not those of this command, or there is nothing to run.
    pub fn read(words: &[String]) -> Result<Self, RequestError> {
        let words = Words::read(Self::COMMAND, words, &["not-after", "grace", "records", "message-bytes"])?;
        if words.rest.is_empty() {
            let problem = "there is nothing to run after --".to_owned();
            return Err(RequestError { command: Self::COMMAND, problem });
        }
        Ok(Self {
            not_after: words.value("not-after")?,
            grace: words.value("grace")?,
            records: words.value("records")?,
            message_bytes: words.value("message-bytes")?,
            command: words.rest.to_vec(),
        })
    }
}

/// The file name of the record of the engine's start number `start`, from 0.
pub fn guard_record_name(start: u64) -> String {
    format!("start-{start}.json")
}

/// What a guard writes down of one start of the engine: one file per start, replaced as a whole whenever it changes, so
/// that a reader never sees half of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuardRecord {
    /// Always [`GUARD_RECORD_VERSION`].
    pub version: u32,
    /// When the engine was started.
    pub started_at: Timestamp,
    /// How it ended; left out while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<GuardEnd>,
    /// The GPUs that the container sees; left out where NVML could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<ReportedGPU>,
    /// Largest memory in use on any of these GPUs, MiB: totals, because processes of other pods are not told apart.
    #[serde(default, rename = "gpuMemoryUsedMiBMax", skip_serializing_if = "Option::is_none")]
    pub gpu_memory_used_mib_max: Option<u64>,
    /// The first [`GUARD_OUTPUT_BYTES`] of its output.
    pub head: String,
    /// The lines of its whole output that tell why it ended, in their order, in at most
    /// [`EVIDENCE_BYTES_MAX`](phaseloop_core::analysis::engine_log::EVIDENCE_BYTES_MAX) bytes: they may stand in neither of
    /// the other two. An engine with ten streams in flight prints 60 kB after the cause of its death.
    pub evidence: String,
    /// The last [`GUARD_OUTPUT_BYTES`] of its output beyond `head`.
    pub tail: String,
}

/// How an engine ended under its guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuardEnd {
    /// When.
    pub at: Timestamp,
    /// Its exit code; 128 + n after signal n.
    pub exit_code: i32,
    /// Whether the guard ended it because its latest instant had come.
    pub at_latest_instant: bool,
}
