//! What each container of ours is told. All of it stands in the pod, so a pod can be read like a protocol of its test.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    analysis::probe::MESSAGE_BYTES_DEFAULT, policy::bound::PHASE_ENGINE_RESTARTS_MAX, schedule::earlier_by,
    tuning::measuring::closing, value::digest::short_digest,
};
use serde::{Deserialize, Serialize};

use super::argument::{RequestError, Words, flag};
use crate::api::{
    Duration,
    workload::{Slo, Workload},
};

/// Version of [`ProbeRequest`]. A probe refuses another one.
pub const PROBE_REQUEST_VERSION: u32 = 1;
/// Exit code of a `preflight` or a `guard` that refuses to begin: too late. The engine never starts then.
pub const REFUSED_EXIT_CODE: i32 = 7;
/// Bytes that the kubelet keeps of the termination messages of a whole pod.
const POD_MESSAGE_BYTES: usize = 12_288;

/// Bytes that each container of a pod may write as its termination message, so that the kubelet keeps all of them.
pub const fn message_bytes_max(containers: usize) -> usize {
    let share = match POD_MESSAGE_BYTES.checked_div(containers) {
        Some(share) => share,
        None => POD_MESSAGE_BYTES,
    };
    if share < MESSAGE_BYTES_DEFAULT { share } else { MESSAGE_BYTES_DEFAULT }
}

/// From this instant on nothing of a test may begin any more: two graces before the latest one.
pub fn is_too_late(at: Timestamp, not_after: Timestamp, grace: SignedDuration) -> bool {
    at >= earlier_by(not_after, grace.saturating_mul(2))
}

/// What a preflight or a guard says that refuses to begin.
pub fn too_late_message(not_after: Timestamp) -> String {
    format!("nothing may begin any more: everything must have ended by {not_after}")
}

/// What the probe does when the engine dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProbeMode {
    /// A PHASE: it waits for the engine to come back, up to three times, counts, and goes on.
    Phase,
    /// A canary: it ends at the first death.
    Canary,
}

impl ProbeMode {
    /// Restarts of the engine that the test endures.
    pub const fn engine_restarts_max(self) -> u64 {
        match self {
            Self::Phase => PHASE_ENGINE_RESTARTS_MAX.unsigned_abs(),
            Self::Canary => 0,
        }
    }
}

/// What the probe is told: `phaseloop probe --request JSON`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeRequest {
    /// Always [`PROBE_REQUEST_VERSION`].
    pub version: u32,
    /// What to do when the engine dies.
    pub mode: ProbeMode,
    /// Where the engine answers, as `http://127.0.0.1:8000`.
    #[serde(rename = "engineURL")]
    pub engine_url: String,
    /// The model to ask for; left out, the only one that the engine serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The load.
    pub workload: Workload,
    /// Limits by which a request is good; left out, none are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    /// Seed of arrivals, lengths and contents; it stands above that of the workload.
    pub seed: i64,
    /// Load before anything is measured: the first part of `measure`.
    pub warmup: Duration,
    /// Longest time from the engine's being ready to the end of the measurement, warm-up included. It ends earlier when
    /// every request is answered.
    pub measure: Duration,
    /// Longest start of the engine, from the probe's own start, or from a death that is endured.
    pub ready_timeout: Duration,
    /// The instant at which the probe ends by its own clock, whatever it has: a grace before `notAfter`.
    pub ends_by: Timestamp,
    /// The instant by which every container of the pod must have ended.
    pub not_after: Timestamp,
    /// Bytes of the report.
    pub message_bytes: usize,
    /// Folder of the guard's records; left out where the engine runs without a guard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard_records: Option<String>,
}

impl ProbeRequest {
    /// The command's name.
    pub const COMMAND: &str = "probe";

    /// From the engine's being ready on, how long requests must be due to count: what is due later is sent, so that the
    /// load stays what it was, but may not be answered before `measure` is over.
    pub fn counts_for(&self) -> SignedDuration {
        let answer_limit = self.slo.as_ref().and_then(|slo| slo.e2e);
        self.measure.0.saturating_sub(closing(self.measure.0, answer_limit.map(|limit| limit.0)))
    }

    /// Hash of the request schedule: probes with equal ones count equal requests, which can be compared one by one.
    pub fn schedule_hash(&self) -> String {
        let load = (&self.workload, self.seed, self.warmup, self.measure, Duration(self.counts_for()));
        short_digest(&["schedule", &serde_json::to_string(&load).unwrap_or_default()])
    }

    /// The words after the program.
    pub fn words(&self) -> Vec<String> {
        let json = serde_json::to_string(self).unwrap_or_default();
        [vec![Self::COMMAND.to_owned()], flag("request", json).into()].concat()
    }

    /// Reads the words after the program.
    ///
    /// # Errors
    /// They are not those of this command, the JSON is broken or has unknown fields, or its version is another one.
    pub fn read(words: &[String]) -> Result<Self, RequestError> {
        let words = Words::read(Self::COMMAND, words, &["request"])?;
        words.end()?;
        Self::read_json(&words.value::<String>("request")?)
    }

    /// Reads the value of `--request`.
    ///
    /// # Errors
    /// The JSON is broken or has unknown fields, or its version is another one.
    pub fn read_json(json: &str) -> Result<Self, RequestError> {
        let error = |problem: String| RequestError { command: Self::COMMAND, problem };
        let request: Self = serde_json::from_str(json).map_err(|broken| error(format!("--request: {broken}")))?;
        if request.version == PROBE_REQUEST_VERSION {
            return Ok(request);
        }
        Err(error(format!("--request has version {}, expected {PROBE_REQUEST_VERSION}", request.version)))
    }
}

/// What the first container of a pod is told: `phaseloop preflight --not-after T --grace 5s --copy-to DIR`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PreflightRequest {
    /// The instant by which every container of the pod must have ended.
    pub not_after: Timestamp,
    /// Grace of the pod's containers. From `not_after` less two graces on nothing may begin any more, and it refuses with
    /// [`REFUSED_EXIT_CODE`].
    pub grace: Duration,
    /// The folder into which it copies the program, executable for every user; left out where nobody needs it.
    pub copy_to: Option<String>,
}

impl PreflightRequest {
    /// The command's name.
    pub const COMMAND: &str = "preflight";

    /// The words after the program.
    pub fn words(&self) -> Vec<String> {
        let copy = self.copy_to.iter().flat_map(|folder| flag("copy-to", folder));
        let limits = [flag("not-after", self.not_after), flag("grace", self.grace)].concat();
        [vec![Self::COMMAND.to_owned()], limits, copy.collect()].concat()
    }

    /// Reads the words after the program.
    ///
    /// # Errors
    /// They are not those of this command.
    pub fn read(words: &[String]) -> Result<Self, RequestError> {
        let words = Words::read(Self::COMMAND, words, &["not-after", "grace", "copy-to"])?;
        words.end()?;
        Ok(Self {
            not_after: words.value("not-after")?,
            grace: words.value("grace")?,
            copy_to: words.optional("copy-to")?,
        })
    }
}

/// What the collector of a custom domain is told: `phaseloop collect --report FILE --message-bytes N`. It runs as native
/// sidecar beside the test: it reads the report while it grows, and when the kubelet asks it to end, because every test
/// container has ended or the deadline has come, it writes its summary (the core's `CollectorSummary`) and ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CollectRequest {
    /// The PHASE report.
    pub report: String,
    /// Bytes of its summary.
    pub message_bytes: usize,
}

impl CollectRequest {
    /// The command's name.
    pub const COMMAND: &str = "collect";

    /// The words after the program.
    pub fn words(&self) -> Vec<String> {
        let flags = [flag("report", &self.report), flag("message-bytes", self.message_bytes)];
        [vec![Self::COMMAND.to_owned()], flags.concat()].concat()
    }

    /// Reads the words after the program.
    ///
    /// # Errors
    /// They are not those of this command.
    pub fn read(words: &[String]) -> Result<Self, RequestError> {
        let words = Words::read(Self::COMMAND, words, &["report", "message-bytes"])?;
        words.end()?;
        Ok(Self { report: words.value("report")?, message_bytes: words.value("message-bytes")? })
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
