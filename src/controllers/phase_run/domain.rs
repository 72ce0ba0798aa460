//! One domain of a run: its bounds on time, its pod, and what becomes of it.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    analysis::measurement::DomainMeasurement,
    plan::pod::{TestPodEnd, TestPodPurpose},
    policy::bound::CANARY_GRACE_DEFAULT,
    schedule::{RunReason, later_by},
    value::{Environment, Verdict},
};

use super::{ValidPhaseRun, facts::target_of};
use crate::{
    api::phase_run::{
        Domain,
        status::{DomainStatus, PhaseRunStatus},
    },
    workload::{
        Refusal, RefusalReason, ServingLoad, TemplateFacts, TestKind, TestPodReading, TestPodRequest, TestPodTimes,
        TestSide, ValidTestPod, plan_test_pod,
        reading::{Lacking, PodFaultReason, TestPodPhase, domain_measurement},
    },
};

/// How long a pod may stay without any word of the scheduler or the kubelet, however short `gpuWaitTimeout` is.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);
/// From the instant by which a pod must have ended to the instant at which nobody waits for it any more: the grace, and
/// what kubelets take to report.
const REPORT_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// What becomes of a domain that has begun.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DomainStep {
    /// Its pod was not made, or nobody knows: it is made, or found made.
    Create,
    /// It goes on.
    Wait {
        /// Why nothing else is done.
        reason: RunReason,
        /// The same in words.
        message: String,
        /// When the answer changes by time alone.
        until: Timestamp,
    },
    /// It has ended.
    End(Box<DomainOutcome>),
}

/// How a domain ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DomainOutcome {
    /// With a measurement, whatever it says.
    Measured(Box<MeasuredOutcome>),
    /// Without any.
    Unmeasured(Unmeasured),
}

/// What a pod left.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MeasuredOutcome {
    /// The measurement.
    pub(super) measurement: DomainMeasurement,
    /// What it ran on and with.
    pub(super) environment: Environment,
    /// How long the engine took to become ready.
    pub(super) engine_ready_after: Option<SignedDuration>,
}

/// Why there is no measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmeasured {
    /// `Error` where the spec can't be run, `Unknown` where the cluster did not let it.
    pub(super) verdict: Verdict,
    /// Which reason.
    pub(super) reason: RunReason,
    /// The same with names, limits and instants.
    pub(super) message: String,
}

impl Unmeasured {
    pub(super) fn unknown(reason: RunReason, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, reason, message: message.into() }
    }

    pub(super) fn error(reason: RunReason, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Error, reason, message: message.into() }
    }

    fn boxed(self) -> DomainStep {
        DomainStep::End(Box::new(DomainOutcome::Unmeasured(self)))
    }
}

/// The bounds of a domain's pod, if it is asked for at `begun_at`. The pod ends by itself within them.
pub(super) fn times_of(valid: &ValidPhaseRun, domain: &Domain, begun_at: Timestamp) -> TestPodTimes {
    let spec = &valid.object.spec;
    let started_at = valid.object.status.as_ref().and_then(|status| status.started_at).unwrap_or(begun_at);
    let deadline = later_by(started_at, spec.timeout.into());
    let left = deadline.duration_since(begun_at).max(SignedDuration::ZERO);
    let budget = domain.timeout.map_or(left, |timeout| timeout.0.min(left));
    let both_graces = CANARY_GRACE_DEFAULT.saturating_mul(2);
    TestPodTimes {
        not_after: later_by(later_by(begun_at, spec.gpu_wait_timeout.into()), budget).min(deadline),
        active_deadline: budget.saturating_sub(both_graces).max(SignedDuration::ZERO),
        grace: CANARY_GRACE_DEFAULT,
    }
}

/// Plans the pod of a domain that begins, or began, at `begun_at`.
///
/// # Errors
/// Why none can be made of the template.
pub(super) fn plan_pod(
    valid: &ValidPhaseRun,
    domain: &Domain,
    facts: &TemplateFacts,
    begun_at: Timestamp,
) -> Result<ValidTestPod, Refusal> {
    let times = times_of(valid, domain, begun_at);
    let test = domain.serving.as_ref().map_or(TestKind::Report, |serving| {
        let measure = serving.warmup.0.saturating_add(serving.duration.0);
        let ready_timeout = times.active_deadline.saturating_sub(measure).max(SignedDuration::ZERO);
        TestKind::Serving(Box::new(ServingLoad::of_domain(serving, ready_timeout)))
    });
    let request = TestPodRequest {
        namespace: valid.object.metadata.namespace.clone().unwrap_or_default(),
        owner: valid.identity(),
        purpose: TestPodPurpose::Domain(domain.name.clone()),
        target: target_of(&valid.object),
        escalation: None,
        test,
        parameters: Vec::new(),
        times,
        test_side: Some(TestSide::of_one_pod(&valid.object.spec.resources, valid.object.spec.parallelism)),
    };
    plan_test_pod(&request, facts, valid.world.policy.policy(), &valid.world.pod_settings)
}

/// What a refused template means for its domain. What may be otherwise tomorrow is no fault of the spec.
pub(super) fn refused(refusal: &Refusal, has_started: bool) -> Unmeasured {
    let message = format!("{}: {}", refusal.reason, refusal.message);
    match refusal.reason {
        RefusalReason::NoTimeLeft if has_started => Unmeasured::unknown(RunReason::TimedOut, refusal.message.clone()),
        RefusalReason::NoTimeLeft => Unmeasured::error(RunReason::InvalidSpec, refusal.message.clone()),
        RefusalReason::ClaimInUse => Unmeasured::unknown(RunReason::TemplateRefused, message),
        _ => Unmeasured::error(RunReason::TemplateRefused, message),
    }
}

/// Looks at a domain that has begun and not ended.
pub(super) fn step(
    valid: &ValidPhaseRun,
    domain: &Domain,
    status: &DomainStatus,
    begun_at: Timestamp,
    now: Timestamp,
) -> DomainStep {
    let times = times_of(valid, domain, begun_at);
    let given_up_at = later_by(times.not_after, REPORT_PATIENCE);
    let timed_out = || {
        let message = format!("the test had to end by {} and had not", times.not_after);
        Unmeasured::unknown(RunReason::TimedOut, message).boxed()
    };
    let Some(pod) = valid.pod_of(&domain.name) else {
        return match &status.pod_uid {
            _ if now >= times.not_after => timed_out(),
            Some(_) => {
                let name = status.pod_name.as_deref().unwrap_or_default();
                Unmeasured::unknown(RunReason::PodLost, format!("pod {name} went before its result was read")).boxed()
            }
            None => DomainStep::Create,
        };
    };
    if let TestPodPhase::Ended { .. } = pod.phase {
        return DomainStep::End(Box::new(DomainOutcome::Measured(Box::new(measured(domain, pod)))));
    }
    if now >= given_up_at {
        return if pod.phase == TestPodPhase::Lost {
            Unmeasured::unknown(RunReason::PodLost, format!("the node of pod {} is lost", pod.name)).boxed()
        } else {
            timed_out()
        };
    }
    waiting(valid, pod, begun_at, now).unwrap_or_else(|(reason, message)| {
        let until = if now < expiry(times) { expiry(times) } else { given_up_at };
        DomainStep::Wait { reason, message, until }
    })
}

/// From when on any replica ends the pod: a normal end within its grace is left alone.
pub(super) fn expiry(times: TestPodTimes) -> Timestamp {
    later_by(times.not_after, times.grace)
}

/// The waits that have a deadline of their own; `Err` for those that last as long as the pod may.
fn waiting(
    valid: &ValidPhaseRun,
    pod: &TestPodReading,
    begun_at: Timestamp,
    now: Timestamp,
) -> Result<DomainStep, (RunReason, String)> {
    let gpu_wait: SignedDuration = valid.object.spec.gpu_wait_timeout.into();
    let patient = |since: Timestamp| later_by(since, gpu_wait.max(PATIENCE));
    let wait_or_end = |until: Timestamp, reason, waits: String, ended: Unmeasured| {
        if now < until {
            DomainStep::Wait { reason, message: format!("{waits}; given up at {until}"), until }
        } else {
            ended.boxed()
        }
    };
    match &pod.phase {
        TestPodPhase::NotScheduled { reason, message, .. } => {
            let told = if message.is_empty() { "the scheduler has not placed it".to_owned() } else { message.clone() };
            let lacking = Lacking::of(message);
            // A volume of the pod's own is made after the scheduler has first looked.
            let is_begun = reason.is_empty() || lacking == Lacking::Volume;
            let until = if is_begun { patient(begun_at) } else { later_by(begun_at, gpu_wait) };
            let (waits, ends) = match lacking {
                Lacking::GPU => (RunReason::AwaitingGPU, RunReason::NoSpareGPU),
                Lacking::Resources(_) | Lacking::Volume | Lacking::Node => {
                    (RunReason::AwaitingNode, RunReason::Unschedulable)
                }
            };
            let ended = Unmeasured::unknown(ends, format!("not scheduled for lack of {lacking} until {until}: {told}"));
            Ok(wait_or_end(until, waits, format!("pod {} waits for {lacking}: {told}", pod.name), ended))
        }
        TestPodPhase::Preparing { since, .. } => {
            let reason = match pod.fault.as_ref().map(|fault| fault.reason) {
                Some(PodFaultReason::ImageNotPulled) => RunReason::ImagePullFailed,
                Some(PodFaultReason::ContainerNotCreated) => RunReason::ContainerNotCreated,
                _ => return Err((RunReason::PodPreparing, format!("pod {} is prepared on its node", pod.name))),
            };
            let told = pod.fault.as_ref().map(|fault| fault.message.clone()).unwrap_or_default();
            let until = patient(since.map_or(begun_at, |since| since.max(begun_at)));
            Ok(wait_or_end(until, RunReason::PodPreparing, told.clone(), Unmeasured::unknown(reason, told)))
        }
        TestPodPhase::EngineStarting { .. } => {
            Err((RunReason::EngineStarting, format!("the engine in pod {} starts", pod.name)))
        }
        TestPodPhase::Running { .. } => Err((RunReason::Testing, format!("pod {} tests", pod.name))),
        TestPodPhase::Lost => Err((RunReason::PodLost, format!("the node of pod {} does not report", pod.name))),
        TestPodPhase::Ended { .. } => Err((RunReason::DomainEnded, format!("pod {} has ended", pod.name))),
    }
}

fn measured(domain: &Domain, pod: &TestPodReading) -> MeasuredOutcome {
    let report = pod.report.probe();
    let ready_at = report.and_then(|report| report.times.ready_at);
    let start = ready_at.zip(pod.times.engine_started_at);
    let engine_ready_after = start.map(|(ready, started)| ready.duration_since(started).max(SignedDuration::ZERO));
    let restarted = pod.engine.as_ref().is_some_and(|engine| engine.restarts != Some(0));
    let mut measurement = domain_measurement(pod, domain.weight as f64);
    measurement.name.clone_from(&domain.name);
    MeasuredOutcome {
        measurement,
        environment: pod.environment.clone(),
        // After a restart nobody knows which start the probe saw become ready.
        engine_ready_after: engine_ready_after.filter(|_| !restarted),
    }
}

/// Why the pod of a domain that has ended is deleted.
pub(super) fn end_cause(status: &DomainStatus) -> TestPodEnd {
    let is = |reason: RunReason| status.reasons.first().is_some_and(|name| name == reason.name());
    if is(RunReason::NoSpareGPU) {
        TestPodEnd::NoSpareGPU
    } else if is(RunReason::Unschedulable) {
        TestPodEnd::Unschedulable
    } else if is(RunReason::TimedOut) {
        TestPodEnd::PastNotAfter
    } else {
        TestPodEnd::ResultStored
    }
}

/// The domain of a status, by name.
pub(super) fn domain_of<'a>(status: &'a PhaseRunStatus, name: &str) -> Option<&'a DomainStatus> {
    status.domains.iter().find(|domain| domain.name == name)
}
