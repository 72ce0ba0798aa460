//! What a run does at an instant.
//!
//! A result is stored in one look and its pod deleted in a later one that sees it stored: replicas that do not lead may
//! delete pods, and must never delete one whose result nobody has.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    plan::{
        Intent, Plan, Wake,
        name::cycle_name,
        record::{Notice, NoticeSeverity},
        target::ReplicaBorrow,
    },
    policy::AdministrationReason,
    schedule::{RunReason, later_by},
};

use super::{
    ValidPhaseRun,
    borrow::{BeforePod, before_pod, settle},
    domain::{DomainOutcome, DomainStep, Unmeasured, domain_of, plan_pod, refused, step},
    facts::has_ended,
    judge::judge,
    record::record_outcome,
    release::{is_released, releases},
    status,
    tell::with_news,
};
use crate::{
    api::{
        PhaseRunStatus,
        phase_run::{
            Domain,
            status::{Borrowed, DomainStatus},
        },
    },
    cluster::{ClusterError, ClusterErrorKind, Effect},
    controllers::{Report, lending::asked},
    workload::{ValidTestPod, reading::PodFaultReason, reading::fault_of_create},
};

/// How soon what the cluster refused, or what has not ended yet, is looked at again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);

pub(super) type RunPlan = Plan<Report<PhaseRunStatus>>;

/// Decides, and tells people of it.
pub(super) fn decide(valid: &ValidPhaseRun, now: Timestamp) -> RunPlan {
    with_news(valid, next(valid, now))
}

/// What is to be done, and what is reported.
fn next(valid: &ValidPhaseRun, now: Timestamp) -> RunPlan {
    let mut before = valid.status();
    let mut intents = releases(valid, now);
    let settling = settle(valid, now);
    before.borrowed = settling.borrowed;
    intents.extend(settling.intents);
    if has_ended(&valid.object) {
        let is_over = is_released(valid) && before.borrowed.as_ref().is_none_or(Borrowed::is_settled);
        let wake = if is_over { Wake::OnChange } else { Wake::after(now, LOOK_AGAIN) };
        return Plan { remember: None, intents, report: status::ended(valid, before), wake };
    }
    if valid.object.metadata.deletion_timestamp.is_some() {
        return Plan { remember: None, intents, report: status::unchanged(before), wake: Wake::OnChange };
    }
    let status = opened(valid, before, now);
    if valid.object.spec.abort {
        let report = status::aborted(valid, status, now);
        return Plan { remember: None, intents, report, wake: Wake::after(now, LOOK_AGAIN) };
    }
    Progress { valid, now, status, intents, waits: Vec::new() }.decide()
}

/// The status with a row for every domain of the spec, in its order. A pod that is there although nobody remembers having
/// asked for it (a status was lost) is taken over.
fn opened(valid: &ValidPhaseRun, before: PhaseRunStatus, now: Timestamp) -> PhaseRunStatus {
    let identity = valid.identity();
    let mut status = before;
    let rows = valid.object.spec.domains.iter().map(|domain| {
        let mut row = domain_of(&status, &domain.name).cloned().unwrap_or_else(|| DomainStatus::named(&domain.name));
        if let Some(pod) = valid.pod_of(&domain.name).filter(|_| row.ended_at.is_none()) {
            row.begun_at.get_or_insert(now);
            row.pod_name = Some(pod.name.clone());
            row.pod_uid = Some(pod.uid.to_string());
        }
        row
    });
    status.domains = rows.collect();
    status.started_at = status.started_at.or_else(|| status.domains.iter().filter_map(|row| row.begun_at).min());
    status.cycle = Some(cycle_name(&identity.name, &identity.uid));
    status
}

/// Why nothing else is done now, and until when.
struct Waiting {
    reason: &'static str,
    message: String,
    until: Timestamp,
}

/// What follows for the next domain.
enum Beginning {
    /// Its pod is asked for.
    Pod(Box<ValidTestPod>),
    /// Our finalizer is put on the run before it borrows.
    Finalizer,
    /// A replica is asked for.
    Borrow(Box<ReplicaBorrow>),
    /// It waits.
    Wait(Waiting),
    /// It can't be tested.
    Refused(Unmeasured),
}

/// One look at a run that has not ended.
struct Progress<'a> {
    valid: &'a ValidPhaseRun,
    now: Timestamp,
    status: PhaseRunStatus,
    intents: Vec<Intent>,
    waits: Vec<Waiting>,
}

impl<'a> Progress<'a> {
    fn decide(mut self) -> RunPlan {
        if !self.valid.world.faults.is_empty() {
            return self.refuse_spec();
        }
        let domains: &'a [Domain] = &self.valid.object.spec.domains;
        let mut ended = false;
        for domain in domains {
            ended |= self.look_at(domain);
        }
        if ended {
            return self.stored();
        }
        let running = self.rows(|row| row.begun_at.is_some() && row.ended_at.is_none());
        let next = domains.iter().find(|domain| {
            domain_of(&self.status, &domain.name).is_none_or(|row| row.begun_at.is_none() && row.ended_at.is_none())
        });
        match next {
            Some(domain) if i64::try_from(running).unwrap_or(i64::MAX) < self.valid.object.spec.parallelism => {
                self.begin_next(domain)
            }
            None if running == 0 => {
                let report = judge(self.valid, self.status, self.now);
                Plan { remember: None, intents: self.intents, report, wake: Wake::after(self.now, LOOK_AGAIN) }
            }
            Some(_) | None => self.wait(None),
        }
    }

    fn rows(&self, wanted: impl Fn(&&DomainStatus) -> bool) -> usize {
        self.status.domains.iter().filter(wanted).count()
    }

    /// Looks at a domain that has begun; says whether it has ended with this look.
    fn look_at(&mut self, domain: &Domain) -> bool {
        let Some(row) = domain_of(&self.status, &domain.name).filter(|row| row.ended_at.is_none()) else {
            return false;
        };
        let Some(begun_at) = row.begun_at else { return false };
        match step(self.valid, domain, row, begun_at, self.now) {
            DomainStep::End(outcome) => {
                self.end(domain, &outcome);
                true
            }
            DomainStep::Wait { reason, message, until } => {
                self.waits.push(Waiting { reason: reason.name(), message, until });
                false
            }
            DomainStep::Create => match self.pod_for(domain, begun_at) {
                Ok(_) if self.valid.world.network_unknown.is_some() => {
                    self.waits.extend(self.network_wait());
                    false
                }
                Ok(pod) => {
                    self.intents.push(Intent::CreateTestPod(Box::new(pod.intent())));
                    self.waits.push(self.asked_for(&pod));
                    false
                }
                Err(unmeasured) => {
                    self.end(domain, &DomainOutcome::Unmeasured(unmeasured));
                    true
                }
            },
        }
    }

    fn end(&mut self, domain: &Domain, outcome: &DomainOutcome) {
        record_outcome(&mut self.status, &domain.name, outcome, self.now);
    }

    /// A result is stored; what follows from it, the next look does.
    fn stored(self) -> RunPlan {
        let is_last = self.status.domains.iter().all(|row| row.ended_at.is_some());
        let reason = if is_last { RunReason::Judging } else { RunReason::DomainEnded };
        let ended = self.rows(|row| row.ended_at.is_some());
        let message = format!("{ended} of {} domains have ended", self.status.domains.len());
        let report = status::going_on(self.valid, self.status, reason.name(), &message);
        Plan { remember: None, intents: self.intents, report, wake: Wake::At(self.now) }
    }

    /// The spec can't be run: no domain of it begins.
    fn refuse_spec(mut self) -> RunPlan {
        let message = crate::validate::faults_text(&self.valid.world.faults);
        for domain in &self.valid.object.spec.domains {
            if domain_of(&self.status, &domain.name).is_some_and(|row| row.ended_at.is_none()) {
                let unmeasured = Unmeasured::error(RunReason::InvalidSpec, message.clone());
                self.end(domain, &DomainOutcome::Unmeasured(unmeasured));
            }
        }
        let report = judge(self.valid, self.status, self.now);
        Plan { remember: None, intents: self.intents, report, wake: Wake::OnChange }
    }

    fn begin_next(mut self, domain: &Domain) -> RunPlan {
        match self.beginning(domain) {
            Beginning::Wait(waiting) => self.wait(Some(waiting)),
            Beginning::Refused(unmeasured) => {
                self.end(domain, &DomainOutcome::Unmeasured(unmeasured));
                self.stored()
            }
            Beginning::Finalizer => {
                let mut intents = self.intents;
                intents.push(Intent::AddFinalizer(self.valid.identity()));
                let report = borrowing(self.valid, self.status);
                Plan { remember: None, intents, report, wake: Wake::At(self.now) }
            }
            Beginning::Borrow(borrow) => self.borrow(borrow),
            Beginning::Pod(pod) => {
                let Waiting { reason, message, until } = self.asked_for(&pod);
                let begun = begin(self.valid, self.status, domain, pod.name(), self.now);
                let report = status::going_on(self.valid, begun, reason, &message);
                let mut intents = self.intents;
                intents.push(Intent::CreateTestPod(Box::new(pod.intent())));
                Plan { remember: Some(report.clone()), intents, report, wake: Wake::At(until) }
            }
        }
    }

    /// A replica is asked for; that it is to be given back is durable before.
    fn borrow(mut self, borrow: Box<ReplicaBorrow>) -> RunPlan {
        self.status.borrowed = Some(asked(&borrow));
        let (reason, target) = (RunReason::ReplicaBorrowed.name(), &borrow.target.reference);
        let note = format!("{target} goes from {} replicas to {}", borrow.note.from, borrow.note.to);
        let report = borrowing(self.valid, self.status);
        let identity = format!("{} {}", borrow.note.since, borrow.target.resource_version);
        let (object, severity) = (self.valid.identity(), NoticeSeverity::Normal);
        let mut intents = self.intents;
        intents.push(Intent::ScaleTargetForBorrow(borrow));
        intents.push(Intent::RecordEvent(Notice { object, severity, reason, note, identity }));
        Plan { remember: Some(report.clone()), intents, report, wake: Wake::At(self.now) }
    }

    /// What comes of a pod that may begin: the replica whose place it takes comes first.
    fn begin_with(&self, pod: ValidTestPod) -> Beginning {
        let before = if pod.gpus() > 0 { before_pod(self.valid, &self.status, self.now) } else { BeforePod::Nothing };
        match before {
            BeforePod::Nothing => Beginning::Pod(Box::new(pod)),
            BeforePod::Finalizer => Beginning::Finalizer,
            BeforePod::Ask(borrow) => Beginning::Borrow(borrow),
            BeforePod::Wait(objection, until) => {
                let message = format!("{}; given up at {until}", objection.message);
                // Nobody is woken when budgets and readiness change.
                let until = later_by(self.now, LOOK_AGAIN).min(until);
                Beginning::Wait(Waiting { reason: objection.reason.name(), message, until })
            }
            BeforePod::Refused(unmeasured) => Beginning::Refused(unmeasured),
        }
    }

    /// Whether the next domain may begin. The checks stand in the order in which they are told.
    fn beginning(&self, domain: &Domain) -> Beginning {
        let world = &self.valid.world;
        let deadline = self.valid.deadline();
        let is_over = self.now >= deadline;
        let wait = |reason: &'static str, message: String| {
            Beginning::Wait(Waiting { reason, message: format!("{message}; given up at {deadline}"), until: deadline })
        };
        if let Some(faults) = world.policy.faults() {
            let reason = AdministrationReason::PolicyInvalid.name();
            return if is_over {
                Beginning::Refused(Unmeasured::unknown(RunReason::TimedOut, format!("{reason}: {faults}")))
            } else {
                wait(reason, faults.to_owned())
            };
        }
        if let Some(waiting) = self.network_wait() {
            return if is_over {
                let message = format!("{}: {}", waiting.reason, waiting.message);
                Beginning::Refused(Unmeasured::unknown(RunReason::TimedOut, message))
            } else {
                Beginning::Wait(waiting)
            };
        }
        let Some(facts) = world.templates.get(&domain.name) else {
            return Beginning::Refused(missing(self.valid, domain));
        };
        if !world.target_found {
            return Beginning::Refused(missing(self.valid, &Domain { pod_template_name: None, ..domain.clone() }));
        }
        let planned = plan_pod(self.valid, domain, facts, self.now);
        match planned {
            Err(refusal) => Beginning::Refused(refused(&refusal, self.status.started_at.is_some())),
            Ok(pod) => match world.busy.as_ref().filter(|_| pod.gpus() > 0) {
                Some(busy) if is_over => Beginning::Refused(Unmeasured::unknown(RunReason::TargetBusy, busy.clone())),
                Some(busy) => wait(RunReason::TargetBusy.name(), busy.clone()),
                None => self.begin_with(pod),
            },
        }
    }

    /// The wait for what bounds the target's pods, where nobody knows it. Nobody is woken when that changes.
    fn network_wait(&self) -> Option<Waiting> {
        let unknown = self.valid.world.network_unknown.as_ref()?;
        let deadline = self.valid.deadline();
        Some(Waiting {
            reason: RunReason::NetworkUnknown.name(),
            message: format!("{unknown}; given up at {deadline}"),
            until: later_by(self.now, LOOK_AGAIN).min(deadline.max(self.now)),
        })
    }

    /// The pod of a domain that began earlier, once more.
    fn pod_for(&self, domain: &Domain, begun_at: Timestamp) -> Result<ValidTestPod, Unmeasured> {
        let facts = self.valid.world.templates.get(&domain.name).ok_or_else(|| missing(self.valid, domain))?;
        plan_pod(self.valid, domain, facts, begun_at).map_err(|refusal| refused(&refusal, true))
    }

    fn asked_for(&self, pod: &ValidTestPod) -> Waiting {
        let wait: SignedDuration = self.valid.object.spec.gpu_wait_timeout.into();
        let message = format!("pod {} was asked for", pod.name());
        Waiting { reason: RunReason::AwaitingNode.name(), message, until: later_by(self.now, wait.max(LOOK_AGAIN)) }
    }

    /// Nothing is done but to say what is waited for: by the domain that runs, else by the one that is next.
    fn wait(self, next: Option<Waiting>) -> RunPlan {
        let until = self.waits.iter().chain(&next).map(|wait| wait.until).min();
        let wake = until.map_or_else(|| Wake::after(self.now, LOOK_AGAIN), Wake::At);
        let told = self.waits.into_iter().chain(next).next();
        let (reason, message) = told.map_or_else(
            || (RunReason::Testing.name(), RunReason::Testing.meaning().to_owned()),
            |wait| (wait.reason, wait.message),
        );
        let report = status::going_on(self.valid, self.status, reason, &message);
        Plan { remember: None, intents: self.intents, report, wake }
    }
}

/// A replica is about to be borrowed: the same is told with each look until it was.
fn borrowing(valid: &ValidPhaseRun, status: PhaseRunStatus) -> Report<PhaseRunStatus> {
    let reason = RunReason::BorrowingReplica;
    status::going_on(valid, status, reason.name(), reason.meaning())
}

/// What is not there that a domain is made of.
fn missing(valid: &ValidPhaseRun, domain: &Domain) -> Unmeasured {
    if let Some(name) = &domain.pod_template_name {
        Unmeasured::error(RunReason::PodTemplateNotFound, format!("there is no PodTemplate {name}"))
    } else {
        let target = super::facts::target_of(&valid.object);
        Unmeasured::error(RunReason::TargetNotFound, format!("there is no {target}"))
    }
}

/// A domain begins: what the making of its pod rests on.
fn begin(
    valid: &ValidPhaseRun,
    mut status: PhaseRunStatus,
    domain: &Domain,
    pod_name: &str,
    now: Timestamp,
) -> PhaseRunStatus {
    status.started_at.get_or_insert(now);
    let environment = status.environment.get_or_insert_default();
    if environment.template_hash.is_none() {
        environment.template_hash.clone_from(&valid.world.template_hash);
    }
    for row in status.domains.iter_mut().filter(|row| row.name == domain.name) {
        row.begun_at = Some(now);
        row.pod_name = Some(pod_name.to_owned());
    }
    status
}

/// What follows where the cluster refuses that a replica is borrowed: it is told, and tried as long as a GPU is waited for.
fn refused_borrow(valid: &ValidPhaseRun, plan: RunPlan, error: &ClusterError, now: Timestamp) -> Option<RunPlan> {
    plan.intents.iter().find(|intent| matches!(intent, Intent::ScaleTargetForBorrow(_)))?;
    let reason = RunReason::BorrowRefused;
    let mut status = plan.remember?.status;
    let wait: SignedDuration = valid.object.spec.gpu_wait_timeout.into();
    if now < later_by(valid.created_at(), wait) {
        let report = status::going_on(valid, status, reason.name(), &error.chain());
        return Some(Plan::report_only(report, Wake::after(now, LOOK_AGAIN)));
    }
    let next = status.domains.iter().find(|row| row.begun_at.is_none() && row.ended_at.is_none())?.name.clone();
    let unmeasured = Unmeasured::unknown(reason, error.chain());
    record_outcome(&mut status, &next, &DomainOutcome::Unmeasured(unmeasured), now);
    let message = format!("no replica could be borrowed for domain {next}");
    let report = status::going_on(valid, status, RunReason::DomainEnded.name(), &message);
    Some(Plan::report_only(report, Wake::At(now)))
}

/// What follows where the cluster refuses a pod, or the NetworkPolicy before it: what it will not take by a rule of its own ends
/// the domain; a missing right of ours is told and tried again.
pub(super) fn decide_refused(
    valid: &ValidPhaseRun,
    effect: &Effect,
    error: &ClusterError,
    now: Timestamp,
) -> Option<RunPlan> {
    refusal_plan(valid, effect, error, now).map(|plan| with_news(valid, plan))
}

fn refusal_plan(valid: &ValidPhaseRun, effect: &Effect, error: &ClusterError, now: Timestamp) -> Option<RunPlan> {
    let plan = next(valid, now);
    let asked_for = |name: Option<&str>| {
        let new = plan.intents.iter().filter_map(|intent| match intent {
            Intent::CreateTestPod(new) => Some(new),
            _ => None,
        });
        new.into_iter().find(|new| name.is_none_or(|name| name == new.name)).map(|new| new.name.clone())
    };
    if matches!(effect, Effect::PatchTarget { .. }) {
        return refused_borrow(valid, plan, error, now);
    }
    let (pod_name, reasons) = match effect {
        Effect::CreateTestPod { pod, .. } => (asked_for(pod.metadata.name.as_deref())?, POD_REFUSALS),
        // All pods of a run share it, so it is the first of them that was not made.
        Effect::CreateNetworkPolicy(_) => (asked_for(None)?, NETWORK_REFUSALS),
        _ => return None,
    };
    let mut status = plan.remember.map_or(plan.report.status, |remembered| remembered.status);
    let domain = status.domains.iter().find(|row| row.pod_name.as_ref() == Some(&pod_name))?.name.clone();
    let Some(unmeasured) = refusal_of(error, reasons) else {
        let report = status::going_on(valid, status, reasons.refused.name(), &error.chain());
        return Some(Plan::report_only(report, Wake::after(now, LOOK_AGAIN)));
    };
    record_outcome(&mut status, &domain, &DomainOutcome::Unmeasured(unmeasured), now);
    let message = format!("the pod of domain {domain} was refused");
    let report = status::going_on(valid, status, RunReason::DomainEnded.name(), &message);
    Some(Plan::report_only(report, Wake::At(now)))
}

/// What a refusal is called, by what was refused.
#[derive(Debug, Clone, Copy)]
struct Refusals {
    taken: RunReason,
    refused: RunReason,
    over_quota: RunReason,
}

const POD_REFUSALS: Refusals =
    Refusals { taken: RunReason::PodNameTaken, refused: RunReason::PodRefused, over_quota: RunReason::QuotaExceeded };
const NETWORK_REFUSALS: Refusals = Refusals {
    taken: RunReason::NetworkPolicyTaken,
    refused: RunReason::NetworkPolicyRefused,
    over_quota: RunReason::NetworkPolicyRefused,
};

fn refusal_of(error: &ClusterError, reasons: Refusals) -> Option<Unmeasured> {
    let answer = match error.source.as_deref() {
        Some(kube::Error::Api(status)) => Some((status.code, status.message.as_str())),
        _ => None,
    };
    if error.kind == ClusterErrorKind::NameTaken {
        return Some(Unmeasured::unknown(reasons.taken, error.chain()));
    }
    let fault = answer.and_then(|(code, message)| fault_of_create(code, message))?;
    let reason = match fault.reason {
        PodFaultReason::QuotaExceeded => reasons.over_quota,
        _ => reasons.refused,
    };
    Some(Unmeasured::unknown(reason, format!("{}: {}", fault.reason, fault.message)))
}

#[cfg(test)]
#[path = "decide_tests/mod.rs"]
mod tests;
