//! How a canary goes on that was not judged: its pod is made, waited for, or at its end.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    plan::pod::TestPodEnd,
    policy::{bound::GPU_WAIT_TIMEOUT_DEFAULT, reservation::GRACES_PER_POD},
    schedule::{earlier_by, later_by},
    tuning::CanaryReason,
};

use super::{ValidTuningCanary, pod::plan_pod, release::abort_cause};
use crate::{
    api::{TuningCanaryStatus, tuning_canary::status::FailureClass},
    workload::{
        TestPodReading, ValidTestPod,
        reading::{Lacking, TestPodPhase},
    },
};

/// What becomes of a canary that was not judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CanaryStep {
    /// Its pod is made, or found made.
    Create(Box<ValidTestPod>),
    /// It goes on.
    Wait {
        /// Why nothing else is done.
        reason: CanaryReason,
        /// The same in words.
        message: String,
        /// When the answer changes by time alone.
        until: Timestamp,
    },
    /// It is at its end, and is judged.
    End(CanaryEnding),
}

/// How a canary comes to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CanaryEnding {
    /// By what its pod shows. Where the operator ends the pod: why.
    Shown {
        /// Why the pod is ended, where it has not ended.
        ended_by: Option<TestPodEnd>,
    },
    /// From outside: nothing is concluded from it.
    Aborted {
        /// By what.
        reason: CanaryReason,
        /// The same in words.
        message: String,
        /// Why its pod is deleted.
        ended_by: TestPodEnd,
    },
    /// Without a measurement, by no fault of its values.
    Unmeasured {
        /// Why.
        reason: CanaryReason,
        /// Whose fault it was.
        class: FailureClass,
        /// The same in words.
        message: String,
        /// Why its pod is deleted, where it has not ended.
        ended_by: Option<TestPodEnd>,
    },
}

impl CanaryEnding {
    fn unmeasured(reason: CanaryReason, class: FailureClass, message: impl Into<String>) -> CanaryStep {
        CanaryStep::End(Self::Unmeasured { reason, class, message: message.into(), ended_by: None })
    }
}

/// The instant from which on any replica ends the pod: a normal end within its grace is left alone.
pub(super) fn expiry(valid: &ValidTuningCanary) -> Timestamp {
    later_by(valid.object.spec.not_after, valid.object.spec.grace.into())
}

/// Looks at a canary that was not judged. `status` knows whether its pod was asked for and seen.
pub(super) fn step(valid: &ValidTuningCanary, status: &TuningCanaryStatus, now: Timestamp) -> CanaryStep {
    if let Some((reason, message, ended_by)) = abort_cause(valid, now) {
        return CanaryStep::End(CanaryEnding::Aborted { reason, message, ended_by });
    }
    match &valid.pod {
        Some(pod) => with_pod(valid, pod, status, now),
        None => without_pod(valid, status, now),
    }
}

fn with_pod(
    valid: &ValidTuningCanary,
    pod: &TestPodReading,
    status: &TuningCanaryStatus,
    now: Timestamp,
) -> CanaryStep {
    let shown = |ended_by: Option<TestPodEnd>| CanaryStep::End(CanaryEnding::Shown { ended_by });
    let wait = |reason: CanaryReason, message: String, until: Timestamp| CanaryStep::Wait { reason, message, until };
    if let TestPodPhase::Ended { .. } = pod.phase {
        return shown(None);
    }
    if now >= expiry(valid) {
        if pod.phase == TestPodPhase::Lost {
            let message = format!("the node of pod {} does not report", pod.name);
            return CanaryEnding::unmeasured(CanaryReason::PodLost, FailureClass::Infrastructure, message);
        }
        return shown(Some(TestPodEnd::PastNotAfter));
    }
    if let Some(restarted_at) = restarted_at(pod) {
        // The probe ends the pod by itself where it sees the death, and then knows more of it than the kubelet.
        let until = later_by(restarted_at.unwrap_or(Timestamp::MIN), valid.object.spec.grace.into());
        let message = format!("the engine of pod {} has ended; its probe has until {until} to report it", pod.name);
        return if now < until {
            wait(CanaryReason::Measuring, message, until)
        } else {
            shown(Some(TestPodEnd::EngineRestarted))
        };
    }
    let begun_at = status.begun_at.unwrap_or_else(|| valid.created_at());
    let patience = later_by(begun_at, GPU_WAIT_TIMEOUT_DEFAULT).min(expiry(valid));
    let is_overdue = now >= patience;
    match &pod.phase {
        TestPodPhase::NotScheduled { message, .. } => {
            let lacking = Lacking::of(message);
            let (waits, ends) = match lacking {
                Lacking::GPU => (CanaryReason::AwaitingGPU, TestPodEnd::NoSpareGPU),
                _ => (CanaryReason::AwaitingNode, TestPodEnd::Unschedulable),
            };
            if is_overdue {
                return shown(Some(ends));
            }
            let told = if message.is_empty() { "the scheduler has not placed it" } else { message };
            wait(waits, format!("pod {} waits for {lacking}: {told}; given up at {patience}", pod.name), patience)
        }
        TestPodPhase::Preparing { .. } | TestPodPhase::EngineStarting { .. } if is_overdue => {
            let told = pod.fault.as_ref().map_or_else(
                || "its probe was not started in time".to_owned(),
                |fault| format!("{}: {}", fault.reason, fault.message),
            );
            CanaryStep::End(CanaryEnding::Unmeasured {
                reason: CanaryReason::StartTimedOut,
                class: FailureClass::Infrastructure,
                message: format!("pod {} was not begun by {patience}: {told}", pod.name),
                ended_by: Some(TestPodEnd::StartTimedOut),
            })
        }
        TestPodPhase::Preparing { .. } => {
            wait(CanaryReason::PodPreparing, format!("pod {} is prepared on its node", pod.name), patience)
        }
        TestPodPhase::EngineStarting { .. } => {
            wait(CanaryReason::EngineStarting, format!("the engine in pod {} starts", pod.name), patience)
        }
        TestPodPhase::Running { .. } | TestPodPhase::Ended { .. } => {
            wait(CanaryReason::Measuring, format!("pod {} measures", pod.name), expiry(valid))
        }
        TestPodPhase::Lost => {
            wait(CanaryReason::PodLost, format!("the node of pod {} does not report", pod.name), expiry(valid))
        }
    }
}

/// When the engine of a pod that has not ended died; `Some(None)` where it died and nobody knows when.
#[allow(clippy::option_option, reason = "that it died and when it died are two things, and only one may be known")]
fn restarted_at(pod: &TestPodReading) -> Option<Option<Timestamp>> {
    let engine = pod.engine.as_ref()?;
    let died = engine.restarts.is_some_and(|restarts| restarts > 0) || !engine.deaths.is_empty();
    died.then(|| engine.deaths.iter().filter_map(|death| death.at).max().or(engine.finished_at))
}

fn without_pod(valid: &ValidTuningCanary, status: &TuningCanaryStatus, now: Timestamp) -> CanaryStep {
    let spec = &valid.object.spec;
    let world = &valid.world;
    if status.pod_uid.is_some() {
        let name = status.pod_name.as_deref().unwrap_or_default();
        let message = format!("pod {name} went before its result was read");
        return CanaryEnding::unmeasured(CanaryReason::PodLost, FailureClass::Infrastructure, message);
    }
    let least: SignedDuration = spec.measure.0.saturating_add(spec.grace.0.saturating_mul(GRACES_PER_POD));
    let latest = earlier_by(spec.not_after, least);
    if now >= latest {
        let message = format!("its pod had to begin before {latest} to measure anything by {}", spec.not_after);
        return CanaryEnding::unmeasured(CanaryReason::PastNotAfter, FailureClass::Infrastructure, message);
    }
    if !valid.is_reservation() {
        let reason = CanaryReason::NotReserved;
        return CanaryEnding::unmeasured(reason, FailureClass::Policy, reason.meaning());
    }
    let Some(template) = &world.template else {
        return CanaryEnding::unmeasured(CanaryReason::TargetChanged, FailureClass::Infrastructure, &world.changed);
    };
    let wait = |reason: CanaryReason, told: &str| CanaryStep::Wait {
        reason,
        message: format!("{told}; given up at {latest}"),
        until: latest,
    };
    if let Some(faults) = world.policy.faults() {
        return wait(CanaryReason::PolicyInvalid, faults);
    }
    if let Some(unknown) = &world.network_unknown {
        return wait(CanaryReason::NetworkUnknown, unknown);
    }
    match (plan_pod(valid, template), &world.busy) {
        (Err(refusal), _) => {
            let message = format!("{}: {}", refusal.reason, refusal.message);
            CanaryEnding::unmeasured(CanaryReason::TemplateRefused, FailureClass::Policy, message)
        }
        (Ok(_), Some(busy)) => wait(CanaryReason::TargetBusy, busy),
        (Ok(pod), None) => CanaryStep::Create(Box::new(pod)),
    }
}
