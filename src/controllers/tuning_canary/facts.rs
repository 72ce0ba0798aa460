//! Canaries as others read them: from stored statuses to what the ledger, the search and the ranking see. Every kind that
//! reads canaries reads them here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    policy::{self as policy, CanaryConclusion, CanaryFacts, Spend},
    schedule::Zone,
    tuning::{
        Fitness, TrialJudgement, TrialResult, TrialVerdict, change_size,
        exact_test::MetRequests,
        outcome::{TrialFinding, TrialReason},
    },
    value::{Metric, TargetReference, Uid},
};

use crate::api::{
    TuningCanary, TuningCanaryStatus,
    condition::{ConditionStatus, ConditionType},
    escalation::ledger::night_id,
    tuning_canary::{
        CanaryRole,
        status::{CanaryVerdict, FailureClass, MetRequestsRecord},
    },
};

/// The target of a canary.
pub fn target_of(canary: &TuningCanary) -> TargetReference {
    TargetReference::from(&canary.spec.target_ref)
}

/// Whether what a canary showed is known.
pub fn is_judged(canary: &TuningCanary) -> bool {
    canary.status.as_ref().is_some_and(|status| status.verdict.is_some())
}

/// Whether everything that a canary took is given back, or was given up.
pub fn is_released(canary: &TuningCanary) -> bool {
    canary.status.as_ref().is_some_and(|status| status.verdict.is_some() && status.released_at.is_some())
}

/// Whether a canary's containers were not seen to end within the restore SLA, and nobody has given them up.
pub fn is_frozen(canary: &TuningCanary) -> bool {
    canary.status.as_ref().is_some_and(holds_on)
}

/// The same of a status.
pub(super) fn holds_on(status: &TuningCanaryStatus) -> bool {
    use phaseloop_core::tuning::CanaryReason;
    let failed = status.conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Restored
            && condition.status == ConditionStatus::False
            && condition.reason == CanaryReason::RestoreFailed.name()
    });
    failed && status.released_at.is_none()
}

/// When a canary was made.
pub fn created_at(canary: &TuningCanary) -> Timestamp {
    canary.creation_timestamp().map_or(Timestamp::MIN, |time| time.0)
}

/// A canary as the ledger reckons with it, its night in the zone of the windows; `None` where its night is no date.
pub fn canary_facts(canary: &TuningCanary, zone: &Zone) -> Option<CanaryFacts> {
    let spec = &canary.spec;
    let status = canary.status.as_ref();
    let used = status.and_then(|status| status.used.as_ref());
    Some(CanaryFacts {
        night: night_id(&spec.night, zone)?,
        attempt: u32::try_from(spec.attempt).ok()?,
        cycle: spec.cycle.clone(),
        role: match spec.role {
            CanaryRole::Incumbent => policy::CanaryRole::Incumbent,
            CanaryRole::Candidate => policy::CanaryRole::Candidate,
        },
        created_at: created_at(canary),
        released_at: status.filter(|_| is_released(canary)).and_then(|status| status.released_at),
        reserved: Spend { measure: spec.reserved.measure.into(), hold: spec.reserved.hold.into() },
        // What of it is not proven stands there as reserved.
        proven: used.map(|used| Spend { measure: used.measure.into(), hold: used.hold.into() }),
        conclusion: status.and_then(conclusion),
        consumes: consumes(canary),
    })
}

/// Uids of the runs that a canary consumes.
pub fn consumes(canary: &TuningCanary) -> BTreeSet<Uid> {
    canary.spec.consumes.iter().map(|uid| Uid::new(uid.clone())).collect()
}

fn conclusion(status: &TuningCanaryStatus) -> Option<CanaryConclusion> {
    let class = status.failure.as_ref().map(|failure| failure.class);
    Some(match (status.verdict?, class) {
        (CanaryVerdict::Passed, _) => CanaryConclusion::Passed,
        (CanaryVerdict::Failed, _) => CanaryConclusion::Failed,
        (CanaryVerdict::Aborted, _) => CanaryConclusion::Aborted,
        (CanaryVerdict::Inconclusive, Some(FailureClass::Infrastructure | FailureClass::Policy)) => {
            CanaryConclusion::Infrastructure
        }
        (CanaryVerdict::Inconclusive, _) => CanaryConclusion::Inconclusive,
    })
}

/// What a canary came to, as the ranking takes it; `None` until it was judged. `configuration` is that of the incumbent.
pub fn trial_result(canary: &TuningCanary, configuration: &BTreeMap<String, String>) -> Option<TrialResult> {
    let status = canary.status.as_ref()?;
    let metric = |wanted: Metric| status.metrics.iter().find(|metric| metric.metric == wanted);
    Some(TrialResult {
        parameters: canary.spec.parameters.clone(),
        judgement: trial_judgement(status)?,
        met: status.met.as_ref().and_then(met_requests),
        throughput: metric(Metric::Throughput).map(|metric| metric.mean),
        latency_ms_p95: metric(Metric::EndToEndLatency).map(|metric| metric.p95),
        change: change_size(&canary.spec.parameters, configuration),
        at_edge: false,
    })
}

/// The judgement that a status keeps. A fitness is there exactly where the verdict is Passed.
fn trial_judgement(status: &TuningCanaryStatus) -> Option<TrialJudgement> {
    let verdict = match status.verdict? {
        CanaryVerdict::Passed => TrialVerdict::Passed,
        CanaryVerdict::Failed => TrialVerdict::Failed,
        CanaryVerdict::Inconclusive => TrialVerdict::Inconclusive,
        CanaryVerdict::Aborted => TrialVerdict::Aborted,
    };
    let counted = status
        .requests
        .and_then(|requests| Fitness::new(requests.within_limits.unsigned_abs(), requests.offered.unsigned_abs()));
    let mut findings: Vec<TrialFinding> = Vec::new();
    for (position, name) in status.reasons.iter().enumerate() {
        if let Ok(reason) = serde_json::from_value::<TrialReason>(name.clone().into()) {
            let message = status.messages.get(position).cloned().unwrap_or_default();
            findings.push(TrialFinding { reason, message });
        }
    }
    let by_cluster = status.failure.as_ref().filter(|failure| failure.class == FailureClass::Infrastructure);
    if let Some(failure) = by_cluster
        && findings.iter().all(|finding| finding.reason != TrialReason::InfrastructureFault)
    {
        findings.push(TrialFinding { reason: TrialReason::InfrastructureFault, message: failure.message.clone() });
    }
    Some(TrialJudgement { verdict, fitness: counted.filter(|_| verdict == TrialVerdict::Passed), findings })
}

fn met_requests(record: &MetRequestsRecord) -> Option<MetRequests> {
    MetRequests::from_hex(&record.schedule, &record.bits, usize::try_from(record.count).ok()?)
}

/// Which requests met their limits, as a status keeps it; `None` where it would not fit.
pub(super) fn met_record(met: &MetRequests) -> Option<MetRequestsRecord> {
    /// Characters that the schema takes.
    const BITS_MAX: usize = 4096;
    let bits = met.to_hex();
    let count = i64::try_from(met.met.len()).ok()?;
    (bits.len() <= BITS_MAX).then(|| MetRequestsRecord { schedule: met.schedule.clone(), count, bits })
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
