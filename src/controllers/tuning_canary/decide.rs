//! What a canary does at an instant.
//!
//! A result is stored in one look and its pod deleted in a later one that sees it stored: replicas that do not lead may
//! delete pods, and must never delete one whose result nobody has. What is ended from outside leaves no result, so its pod
//! goes at once.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    plan::{Intent, Plan, Wake},
    tuning::CanaryReason,
};

use super::{
    ValidTuningCanary,
    progress::{CanaryEnding, CanaryStep, step},
    release::{late_at, releases, settle_release},
    score::record_ending,
    settle::{release_finalizer, settle},
    status,
    tell::with_news,
};
use crate::{
    api::{TuningCanaryStatus, tuning_canary::status::FailureClass},
    cluster::{ClusterError, ClusterErrorKind, Effect},
    controllers::Report,
    workload::{ValidTestPod, reading::PodFaultReason, reading::fault_of_create},
};

/// How soon what waits for others, or has not ended yet, is looked at again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// How soon containers that are to be gone are looked at again.
const LOOK_AT_RELEASE: SignedDuration = SignedDuration::from_secs(5);

pub(super) type CanaryPlan = Plan<Report<TuningCanaryStatus>>;

/// Decides, and tells people of it.
pub(super) fn decide(valid: &ValidTuningCanary, now: Timestamp) -> CanaryPlan {
    with_news(valid, next(valid, now))
}

/// What is to be done, and what is reported.
fn next(valid: &ValidTuningCanary, now: Timestamp) -> CanaryPlan {
    let before = valid.status();
    if before.verdict.is_none() {
        return undecided(valid, opened(valid, before), now);
    }
    if before.released_at.is_none() {
        return releasing(valid, before, now);
    }
    let (owed, wake) = settle(valid, now);
    let intents = releases(valid, now).into_iter().chain(owed).collect();
    Plan { remember: None, intents, report: status::done(valid, before), wake }
}

/// The status with what is seen of the pod. A pod that is there although nobody remembers having asked for it (a status
/// was lost) is taken over.
fn opened(valid: &ValidTuningCanary, mut status: TuningCanaryStatus) -> TuningCanaryStatus {
    if let Some(pod) = &valid.pod {
        status.begun_at.get_or_insert_with(|| valid.created_at());
        status.pod_name = Some(pod.name.clone());
        status.pod_uid = Some(pod.uid.to_string());
        status.node_name.clone_from(&pod.node);
        status.started_at = pod.times.first_started_at;
    }
    status
}

fn undecided(valid: &ValidTuningCanary, status: TuningCanaryStatus, now: Timestamp) -> CanaryPlan {
    match step(valid, &status, now) {
        CanaryStep::Create(pod) => begin(valid, status, &pod, now),
        CanaryStep::Wait { reason, message, until } => {
            let polled =
                matches!(reason, CanaryReason::TargetBusy | CanaryReason::PolicyInvalid | CanaryReason::NetworkUnknown);
            let wake = if polled { Wake::At(until).sooner(Wake::after(now, LOOK_AGAIN)) } else { Wake::At(until) };
            Plan::report_only(status::going_on(valid, status, reason, &message), wake)
        }
        CanaryStep::End(ending) => end(valid, status, &ending, now),
    }
}

/// The pod is made; that it was asked for is remembered before.
fn begin(valid: &ValidTuningCanary, mut status: TuningCanaryStatus, pod: &ValidTestPod, now: Timestamp) -> CanaryPlan {
    let is_new = status.begun_at.is_none();
    status.begun_at.get_or_insert(now);
    status.pod_name = Some(pod.name().to_owned());
    let message = format!("pod {} is asked for", pod.name());
    let report = status::going_on(valid, status, CanaryReason::Reserved, &message);
    Plan {
        remember: is_new.then(|| report.clone()),
        intents: vec![Intent::CreateTestPod(Box::new(pod.intent()))],
        report,
        wake: Wake::after(now, LOOK_AGAIN),
    }
}

/// The canary is judged. What is stored lets the next look delete its pod; a canary that was ended from outside has nothing
/// to lose, and its pod goes with this look.
fn end(valid: &ValidTuningCanary, mut status: TuningCanaryStatus, ending: &CanaryEnding, now: Timestamp) -> CanaryPlan {
    let (reason, message) = record_ending(valid, &mut status, ending);
    let restored = settle_release(valid, &mut status, now);
    let report = status::judged(valid, status, (&reason, &message), &restored);
    let intents = releases(valid, now);
    let remember = (!intents.is_empty()).then(|| report.clone());
    Plan { remember, intents, report, wake: Wake::At(now) }
}

/// The canary was judged, and not everything is given back. Where its Escalation is gone nothing is owed to anybody: it
/// goes as soon as its containers have had their time.
fn releasing(valid: &ValidTuningCanary, mut status: TuningCanaryStatus, now: Timestamp) -> CanaryPlan {
    let restored = settle_release(valid, &mut status, now);
    let first = |texts: &[String]| texts.first().cloned().unwrap_or_default();
    let (reason, message) = (first(&status.reasons), first(&status.messages));
    let mut intents = releases(valid, now);
    if valid.escalation.is_none() && restored.0 == CanaryReason::RestoreFailed {
        intents.extend(release_finalizer(valid));
    }
    let is_done = status.released_at.is_some();
    let wake = if is_done {
        Wake::At(now)
    } else if restored.0 == CanaryReason::RestoreFailed {
        Wake::after(now, LOOK_AGAIN)
    } else {
        Wake::At(late_at(valid, now)).sooner(Wake::after(now, LOOK_AT_RELEASE))
    };
    Plan { remember: None, intents, report: status::judged(valid, status, (&reason, &message), &restored), wake }
}

/// What follows where the cluster refuses the pod, or the NetworkPolicy before it: by a rule of its own it ends the canary, with nothing spent; a missing
/// right of ours is told and tried again.
pub(super) fn decide_refused(
    valid: &ValidTuningCanary,
    effect: &Effect,
    error: &ClusterError,
    now: Timestamp,
) -> Option<CanaryPlan> {
    let reasons = match effect {
        Effect::CreateTestPod { .. } => POD_REFUSALS,
        Effect::CreateNetworkPolicy(_) => NETWORK_REFUSALS,
        _ => return None,
    };
    let CanaryStep::Create(pod) = step(valid, &valid.status(), now) else { return None };
    let mut status = valid.status();
    status.begun_at.get_or_insert(now);
    status.pod_name = Some(pod.name().to_owned());
    let Some((reason, class, message)) = refusal_of(error, reasons) else {
        let report = status::going_on(valid, status, reasons.refused, &error.chain());
        return Some(Plan::report_only(report, Wake::after(now, LOOK_AGAIN)));
    };
    let ending = CanaryEnding::Unmeasured { reason, class, message, ended_by: None };
    Some(with_news(valid, Plan { remember: None, intents: Vec::new(), ..end(valid, status, &ending, now) }))
}

/// What a refusal is called, by what was refused.
#[derive(Debug, Clone, Copy)]
struct Refusals {
    taken: CanaryReason,
    refused: CanaryReason,
    over_quota: CanaryReason,
}

const POD_REFUSALS: Refusals = Refusals {
    taken: CanaryReason::PodNameTaken,
    refused: CanaryReason::PodRefused,
    over_quota: CanaryReason::QuotaExceeded,
};
const NETWORK_REFUSALS: Refusals = Refusals {
    taken: CanaryReason::NetworkPolicyTaken,
    refused: CanaryReason::NetworkPolicyRefused,
    over_quota: CanaryReason::NetworkPolicyRefused,
};

fn refusal_of(error: &ClusterError, reasons: Refusals) -> Option<(CanaryReason, FailureClass, String)> {
    if error.kind == ClusterErrorKind::NameTaken {
        return Some((reasons.taken, FailureClass::Infrastructure, error.chain()));
    }
    let Some(kube::Error::Api(answer)) = error.source.as_deref() else { return None };
    let fault = fault_of_create(answer.code, &answer.message)?;
    let message = format!("{}: {}", fault.reason, fault.message);
    Some(match fault.reason {
        PodFaultReason::QuotaExceeded => (reasons.over_quota, FailureClass::Infrastructure, message),
        _ => (reasons.refused, FailureClass::Policy, message),
    })
}

#[cfg(test)]
#[path = "decide_tests/mod.rs"]
mod tests;
