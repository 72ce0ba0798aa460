//! Hard gates: whether what a trial measured may be called a result at all.

use jiff::SignedDuration;

use super::{exact_test::MetRequests, fitness::Fitness};
use crate::{
    analysis::measurement::{EngineFailure, EngineFailureClass, MemoryFault, RequestCounts},
    policy::bound::{CANARY_REQUESTS_MIN_DEFAULT, FAILED_REQUESTS_PERCENT_MAX_DEFAULT},
    prelude::*,
    reasons,
    value::{Decimal, ParameterName, ParameterSet, ParameterValue, format_duration},
};

/// What one trial measured: the incumbent or a candidate, on its own engine. What was not seen is absent, and an absent
/// figure never passes a gate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrialMeasurement {
    /// What the engine was told to take over; empty for the incumbent.
    pub asked: ParameterSet,
    /// What the engine says of its own configuration, by canonical flag name.
    pub effective: Option<BTreeMap<String, String>>,
    /// Deaths and refusals of the engine; empty: none was seen.
    pub failures: Vec<EngineFailure>,
    /// OOM events that were counted otherwise.
    pub oom_events: Option<u64>,
    /// Restarts of the engine's container.
    pub restarts: Option<u64>,
    /// Whether the container ran from before the first request to after the last.
    pub ran_throughout: Option<bool>,
    /// Requests by outcome.
    pub requests: Option<RequestCounts>,
    /// Requests that met every limit.
    pub within_slo: Option<u64>,
    /// Whether the load client kept its schedule; the analysis judges that.
    pub client_kept_up: Option<bool>,
    /// Whether the trial was ended from outside: by hand, or because what permits it ended.
    pub aborted: bool,
    /// Whether the instant by which it had to end came before its measurement was whole.
    pub time_was_up: bool,
    /// Which requests met their limits.
    pub met: Option<MetRequests>,
    /// Completed requests per second.
    pub throughput: Option<f64>,
    /// 95th percentile of the end-to-end latency, milliseconds.
    pub latency_ms_p95: Option<f64>,
    /// Largest share of a card's memory in use, percent.
    pub gpu_memory_percent_max: Option<u32>,
}

/// Limits that make a trial's figures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrialLimits {
    /// Fewest completed requests.
    pub samples_min: u64,
    /// Largest share of offered requests that may fail, in percent.
    pub failed_requests_percent_max: Decimal,
    /// Longest 95th percentile of the end-to-end latency; absent: no limit.
    pub latency_p95_max: Option<SignedDuration>,
    /// Largest share of the card's memory in use, in percent; absent: no limit.
    pub gpu_memory_percent_max: Option<i64>,
}

impl Default for TrialLimits {
    /// The limits that an Escalation has unless told otherwise. A trial may lose as many requests as a run: failed ones
    /// count against its fitness all the same, and a stricter limit would refuse a candidate for what production endures.
    fn default() -> Self {
        Self {
            samples_min: CANARY_REQUESTS_MIN_DEFAULT.unsigned_abs(),
            failed_requests_percent_max: Decimal::from_integer(FAILED_REQUESTS_PERCENT_MAX_DEFAULT),
            latency_p95_max: None,
            gpu_memory_percent_max: None,
        }
    }
}

/// What a trial came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum TrialVerdict {
    /// Every gate passed: there is a fitness.
    Passed,
    /// It failed by its own configuration.
    Failed,
    /// The evidence is missing, or the cluster or the client was at fault.
    Inconclusive,
    /// It was ended from outside.
    Aborted,
}

impl TrialVerdict {
    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Failed => "Failed",
            Self::Inconclusive => "Inconclusive",
            Self::Aborted => "Aborted",
        }
    }
}

reasons! {
    /// Why a trial has no fitness.
    pub enum TrialReason {
        /// It was ended from outside: by hand, by a suspension, or with the window.
        EndedFromOutside,
        /// The engine ran out of memory, or an OOM event was counted.
        OutOfMemory,
        /// The engine refused to start for want of memory.
        StartRefusedForMemory,
        /// The engine refused to start because too little memory was left for its cache; more may do.
        TooLittleMemory,
        /// The engine refused to start for another stated reason.
        StartRefused,
        /// The engine died while it served.
        Crashed,
        /// The engine did not become ready, or did not end, in time.
        TimedOut,
        /// More requests failed than the limit allows.
        TooManyFailedRequests,
        /// A figure is above the limit that canary.limits sets for it.
        LimitExceeded,
        /// The card, the node or the cluster was at fault; it says nothing of the configuration.
        InfrastructureFault,
        /// The engine's container restarted or ended, and nothing says why.
        UnexplainedEnd,
        /// The instant by which it had to end, for its budget or its window, came before its measurement was whole.
        TimeWasUp,
        /// The container did not run for the whole measurement.
        NotRunningThroughout,
        /// The load client did not keep its schedule.
        ClientFellBehind,
        /// Too few requests were completed to say anything.
        TooFewSamples,
        /// The engine does not report a parameter that it was told to take over.
        ParameterUnseen,
        /// The engine reports another value than the one it was told to take over.
        ParameterDiffers,
        /// A figure that the verdict rests on is missing.
        EvidenceMissing,
    }
}

impl TrialReason {
    /// What a trial with this reason came to.
    pub const fn verdict(self) -> TrialVerdict {
        match self {
            Self::EndedFromOutside => TrialVerdict::Aborted,
            Self::OutOfMemory
            | Self::StartRefusedForMemory
            | Self::TooLittleMemory
            | Self::StartRefused
            | Self::Crashed
            | Self::TimedOut
            | Self::TooManyFailedRequests
            | Self::LimitExceeded => TrialVerdict::Failed,
            Self::InfrastructureFault
            | Self::UnexplainedEnd
            | Self::TimeWasUp
            | Self::NotRunningThroughout
            | Self::ClientFellBehind
            | Self::TooFewSamples
            | Self::ParameterUnseen
            | Self::ParameterDiffers
            | Self::EvidenceMissing => TrialVerdict::Inconclusive,
        }
    }
}

/// One gate that a trial did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialFinding {
    /// Which gate.
    pub reason: TrialReason,
    /// Figure and limit, in one line.
    pub message: String,
}

/// The judgement on a trial.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialJudgement {
    /// What it came to.
    pub verdict: TrialVerdict,
    /// The fitness; present exactly where the verdict is `Passed`.
    pub fitness: Option<Fitness>,
    /// The gates that were not passed, in the order in which they are looked at.
    pub findings: Vec<TrialFinding>,
}

impl TrialJudgement {
    /// Whether the cluster was at fault: counted apart from failures of candidates.
    pub fn is_infrastructure(&self) -> bool {
        self.verdict == TrialVerdict::Inconclusive
            && self.findings.iter().any(|finding| finding.reason == TrialReason::InfrastructureFault)
    }

    /// Whether it failed because the engine was given too little memory, and for no other reason of the engine's own: that
    /// speaks against no higher value.
    pub fn is_starved(&self) -> bool {
        let found = |wanted: &[TrialReason]| self.findings.iter().any(|finding| wanted.contains(&finding.reason));
        self.verdict == TrialVerdict::Failed && found(&[TrialReason::TooLittleMemory]) && !found(&OTHER_ENGINE_FAILURES)
    }
}

/// What an engine fails of besides too little memory.
const OTHER_ENGINE_FAILURES: [TrialReason; 5] = [
    TrialReason::OutOfMemory,
    TrialReason::StartRefusedForMemory,
    TrialReason::StartRefused,
    TrialReason::Crashed,
    TrialReason::TimedOut,
];

/// Judges a trial. Ended from outside comes before everything; a fault of card or cluster before the engine's own
/// failures, because it explains them; then the engine's own failures; then that its time was up, which explains requests
/// that failed; then what failed otherwise, and what is missing.
pub fn judge_trial(measurement: &TrialMeasurement, limits: &TrialLimits) -> TrialJudgement {
    let mut findings = Vec::new();
    let mut find = |reason, message| findings.push(TrialFinding { reason, message });
    if measurement.aborted {
        find(TrialReason::EndedFromOutside, "ended from outside before its measurement was whole".to_owned());
    }
    if measurement.time_was_up {
        find(TrialReason::TimeWasUp, "its time was up before its measurement was whole".to_owned());
    }
    check_engine(measurement, &mut find);
    check_container(measurement, &mut find);
    check_requests(measurement, limits, &mut find);
    check_limits(measurement, limits, &mut find);
    check_parameters(measurement, &mut find);
    let fitness = measurement
        .requests
        .zip(measurement.within_slo)
        .and_then(|(requests, within)| Fitness::new(within, requests.offered));
    if fitness.is_none() {
        find(
            TrialReason::EvidenceMissing,
            "it is not known how many of the offered requests met the limits".to_owned(),
        );
    }
    let verdict = verdict_of(&findings);
    TrialJudgement { verdict, fitness: fitness.filter(|_| verdict == TrialVerdict::Passed), findings }
}

fn verdict_of(findings: &[TrialFinding]) -> TrialVerdict {
    let any = |wanted: fn(TrialReason) -> bool| findings.iter().any(|finding| wanted(finding.reason));
    if any(|reason| reason.verdict() == TrialVerdict::Aborted) {
        TrialVerdict::Aborted
    } else if any(|reason| reason == TrialReason::InfrastructureFault) {
        TrialVerdict::Inconclusive
    } else if any(|reason| reason == TrialReason::TooLittleMemory || OTHER_ENGINE_FAILURES.contains(&reason)) {
        TrialVerdict::Failed
    } else if any(|reason| reason == TrialReason::TimeWasUp) {
        TrialVerdict::Inconclusive
    } else if any(|reason| reason.verdict() == TrialVerdict::Failed) {
        TrialVerdict::Failed
    } else if findings.is_empty() {
        TrialVerdict::Passed
    } else {
        TrialVerdict::Inconclusive
    }
}

fn check_engine(measurement: &TrialMeasurement, find: &mut impl FnMut(TrialReason, String)) {
    for failure in &measurement.failures {
        let reason = match failure.class {
            EngineFailureClass::OutOfMemory => TrialReason::OutOfMemory,
            EngineFailureClass::StartRefusedForMemory if failure.memory == Some(MemoryFault::Starved) => {
                TrialReason::TooLittleMemory
            }
            EngineFailureClass::StartRefusedForMemory => TrialReason::StartRefusedForMemory,
            EngineFailureClass::StartRefused => TrialReason::StartRefused,
            EngineFailureClass::Crash => TrialReason::Crashed,
            EngineFailureClass::Timeout => TrialReason::TimedOut,
            EngineFailureClass::Infrastructure => TrialReason::InfrastructureFault,
            EngineFailureClass::Unclassified => TrialReason::UnexplainedEnd,
        };
        let exit = failure.exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        let message = if failure.message.is_empty() { exit } else { format!("{exit}: {}", failure.message) };
        find(reason, message);
    }
    match measurement.oom_events {
        Some(0) => {}
        Some(events) => find(TrialReason::OutOfMemory, format!("{events} OOM events, limit 0")),
        None => find(TrialReason::EvidenceMissing, "nobody looked for OOM events".to_owned()),
    }
}

fn check_container(measurement: &TrialMeasurement, find: &mut impl FnMut(TrialReason, String)) {
    match measurement.restarts {
        Some(0) => {}
        Some(restarts) => find(TrialReason::UnexplainedEnd, format!("the engine restarted {restarts} times, limit 0")),
        None => find(TrialReason::EvidenceMissing, "nobody counted restarts of the engine".to_owned()),
    }
    match measurement.ran_throughout {
        Some(true) => {}
        Some(false) => {
            find(TrialReason::NotRunningThroughout, "the engine did not run for the whole measurement".to_owned());
        }
        None => find(TrialReason::EvidenceMissing, "it is not known whether the engine ran throughout".to_owned()),
    }
    match measurement.client_kept_up {
        Some(true) => {}
        Some(false) => find(TrialReason::ClientFellBehind, "the load client fell behind its schedule".to_owned()),
        None => find(TrialReason::EvidenceMissing, "it is not known whether the load client kept up".to_owned()),
    }
}

fn check_requests(measurement: &TrialMeasurement, limits: &TrialLimits, find: &mut impl FnMut(TrialReason, String)) {
    let Some(requests) = measurement.requests else {
        find(TrialReason::EvidenceMissing, "no requests were counted".to_owned());
        return;
    };
    let (failed, offered, limit) = (requests.failed, requests.offered, limits.failed_requests_percent_max);
    // failed / offered > limit / 100, without dividing.
    if i128::from(failed) * PERCENT_MILLIONTHS > i128::from(limit.millionths()) * i128::from(offered) {
        find(TrialReason::TooManyFailedRequests, format!("{failed} of {offered} requests failed, limit {limit}%"));
    }
    if requests.completed < limits.samples_min {
        let message = format!("{} requests completed, at least {} are needed", requests.completed, limits.samples_min);
        find(TrialReason::TooFewSamples, message);
    }
}

/// Limits that are set for figures besides those of the requests. A figure that nobody saw keeps no limit.
fn check_limits(measurement: &TrialMeasurement, limits: &TrialLimits, find: &mut impl FnMut(TrialReason, String)) {
    if let Some(longest) = limits.latency_p95_max {
        let limit = format_duration(longest);
        match measurement.latency_ms_p95 {
            Some(seen) if seen <= longest.as_millis_f64() => {}
            Some(seen) => {
                find(TrialReason::LimitExceeded, format!("p95 of the end-to-end latency {seen:.0}ms, limit {limit}"));
            }
            None => find(
                TrialReason::EvidenceMissing,
                format!("nobody saw the p95 of the end-to-end latency, limit {limit}"),
            ),
        }
    }
    if let Some(limit) = limits.gpu_memory_percent_max {
        match measurement.gpu_memory_percent_max {
            Some(seen) if i64::from(seen) <= limit => {}
            Some(seen) => {
                find(TrialReason::LimitExceeded, format!("{seen}% of a card's memory in use, limit {limit}%"));
            }
            None => find(
                TrialReason::EvidenceMissing,
                format!("nobody saw how much of the card's memory was used, limit {limit}%"),
            ),
        }
    }
}

/// A hundred percent in millionths of a percent.
const PERCENT_MILLIONTHS: i128 = 100 * 1_000_000;

fn check_parameters(measurement: &TrialMeasurement, find: &mut impl FnMut(TrialReason, String)) {
    for (name, asked) in &measurement.asked {
        let seen = measurement.effective.as_ref().and_then(|effective| effective.get(name.as_str()));
        match seen {
            None => find(TrialReason::ParameterUnseen, format!("the engine does not report {name}, asked for {asked}")),
            Some(seen) if same_value(name, asked, seen) => {}
            Some(seen) => {
                find(TrialReason::ParameterDiffers, format!("the engine reports {name} {seen}, asked for {asked}"));
            }
        }
    }
}

/// Whether the engine's text means the value that was asked for: `0.70` is `0.7`, `True` is `true`, `16K` is `16384`.
fn same_value(name: &ParameterName, asked: &ParameterValue, seen: &str) -> bool {
    match super::catalogue::find_actuator(name) {
        Some(actuator) => actuator.read_value(seen) == actuator.read_value(&asked.to_string()),
        None => ParameterValue::from(seen) == *asked,
    }
}

#[cfg(test)]
mod tests;
