//! What people are told of a run: that it begins, that it waits for what a person can change, and how it ended. Each is told
//! with the look whose report is the first to say it, so that no later look tells it again.

use phaseloop_core::{
    analysis::Admission,
    plan::{
        Intent,
        pod::{NewTestPod, TestPodPurpose},
        record::{Notice, NoticeSeverity},
    },
    policy::AdministrationReason,
    schedule::RunReason,
    value::Verdict,
};

use super::{
    ValidPhaseRun,
    decide::RunPlan,
    facts::{has_ended, phase_has_ended, target_of},
};
use crate::{
    api::{PhaseRunStatus, condition::ConditionType, phase_run::status::PhaseRunPhase},
    controllers::{Report, notice::listed},
};

/// Waits that end sooner if a person does something. The others are the course of things, or too short to be news.
const WAITS_TOLD: [&str; 6] = [
    RunReason::AwaitingGPU.name(),
    RunReason::NetworkUnknown.name(),
    RunReason::PodRefused.name(),
    RunReason::NetworkPolicyRefused.name(),
    RunReason::BorrowRefused.name(),
    AdministrationReason::PolicyInvalid.name(),
];

/// The plan, and after all that it does what is told of it.
pub(super) fn with_news(valid: &ValidPhaseRun, mut plan: RunPlan) -> RunPlan {
    if !has_ended(&valid.object) {
        let news = [begins(valid, &plan.intents), waits(valid, &plan.report), ended(valid, &plan.report)];
        plan.intents.extend(news.into_iter().flatten().map(Intent::RecordEvent));
    }
    plan
}

fn notice(
    valid: &ValidPhaseRun,
    severity: NoticeSeverity,
    reason: &'static str,
    note: String,
    identity: String,
) -> Notice {
    Notice { object: valid.identity(), severity, reason, note, identity }
}

/// The first pod of the run is made. One that is asked for again, because nobody knows whether it was made, is told under
/// the same identity.
fn begins(valid: &ValidPhaseRun, intents: &[Intent]) -> Option<Notice> {
    let rows = valid.object.status.iter().flat_map(|status| &status.domains);
    if rows.into_iter().any(|row| row.pod_uid.is_some() || row.ended_at.is_some()) {
        return None;
    }
    let made = |intent: &Intent| match intent {
        Intent::CreateTestPod(pod) => Some(begins_with(pod, &target_of(&valid.object).to_string())),
        _ => None,
    };
    let note = intents.iter().find_map(made)?;
    let reason = RunReason::AwaitingNode.name();
    Some(notice(valid, NoticeSeverity::Normal, reason, note, "begins".to_owned()))
}

fn begins_with(pod: &NewTestPod, target: &str) -> String {
    let name = &pod.name;
    match &pod.purpose {
        TestPodPurpose::Domain(domain) => {
            format!("the test of {target} begins: pod {name} was asked for, domain {domain}")
        }
        TestPodPurpose::Canary => format!("the test of {target} begins: pod {name} was asked for"),
    }
}

/// The run waits, and did not wait for this before.
fn waits(valid: &ValidPhaseRun, report: &Report<PhaseRunStatus>) -> Option<Notice> {
    let reason = WAITS_TOLD.into_iter().find(|name| *name == report.reason)?;
    if is_over(&report.status) || valid.object.status.as_ref().and_then(ready_reason) == Some(reason) {
        return None;
    }
    // Whoever has borrowed a replica waits for its GPU until its pod has ended: that comes by itself.
    let has_borrowed = report.status.borrowed.as_ref().is_some_and(|borrowed| !borrowed.is_settled());
    if has_borrowed && reason == RunReason::AwaitingGPU.name() {
        return None;
    }
    // Each domain may wait for the same, and is told once however often it waits.
    let ended = report.status.domains.iter().filter(|row| row.ended_at.is_some()).count();
    Some(notice(valid, NoticeSeverity::Warning, reason, report.message.clone(), format!("waits after {ended} domains")))
}

/// The run has ended.
fn ended(valid: &ValidPhaseRun, report: &Report<PhaseRunStatus>) -> Option<Notice> {
    let status = &report.status;
    if !is_over(status) {
        return None;
    }
    // Until there is a baseline no run can be more than unknown, and no person can change that.
    let is_expected = status.phase == Some(PhaseRunPhase::Aborted)
        || status.verdict == Some(Verdict::Healthy)
        || (status.verdict == Some(Verdict::Unknown) && status.admission() == Admission::Seed);
    let severity = if is_expected { NoticeSeverity::Normal } else { NoticeSeverity::Warning };
    let reason = listed(&report.reason, &[RunReason::ALL])?;
    Some(notice(valid, severity, reason, verdict_told(status, &report.message), "ended".to_owned()))
}

/// The verdict with its symptoms and its fitness, and then why.
fn verdict_told(status: &PhaseRunStatus, message: &str) -> String {
    let verdict = status.verdict.map_or("Unknown", Verdict::name);
    if status.phase != Some(PhaseRunPhase::Completed) {
        return format!("{verdict}: {message}");
    }
    let why = message.strip_prefix(verdict).unwrap_or_default();
    let summary = status.summary.as_ref();
    let symptoms = summary.and_then(|summary| summary.symptoms.as_ref());
    let symptoms = symptoms.map(|kinds| format!(": {}", kinds.replace(',', ", "))).unwrap_or_default();
    let fitness = summary.and_then(|summary| summary.fitness.as_ref());
    let fitness = fitness.map(|fitness| format!("; fitness {fitness}")).unwrap_or_default();
    format!("{verdict}{symptoms}{fitness}{why}")
}

fn is_over(status: &PhaseRunStatus) -> bool {
    status.phase.is_some_and(phase_has_ended)
}

fn ready_reason(status: &PhaseRunStatus) -> Option<&str> {
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready);
    ready.map(|condition| condition.reason.as_str())
}
