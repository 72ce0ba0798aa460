//! What people are told of a canary: that it waits for what a person can change, that it measures, what it came to, and that its
//! containers did not end in time. Each is told with the look whose report is the first to say it, so that no later look tells
//! it again.

use phaseloop_core::{
    plan::{
        Intent,
        record::{Notice, NoticeSeverity},
    },
    tuning::{CanaryReason, outcome::TrialReason},
};

use super::{
    ValidTuningCanary,
    decide::CanaryPlan,
    facts::{holds_on, is_frozen},
};
use crate::{
    api::{
        TuningCanaryStatus,
        condition::ConditionType,
        phase_run::measured::fitness_text,
        tuning_canary::{
            CanaryRole,
            status::{CanaryPhase, CanaryVerdict},
        },
        workload::Placement,
    },
    controllers::{Report, notice::listed},
};

/// Waits that end sooner if a person does something. The others are the course of things, or too short to be news.
const WAITS_TOLD: [&str; 3] =
    [CanaryReason::AwaitingGPU.name(), CanaryReason::NetworkUnknown.name(), CanaryReason::PolicyInvalid.name()];

/// The plan, and after all that it does what is told of it.
pub(super) fn with_news(valid: &ValidTuningCanary, mut plan: CanaryPlan) -> CanaryPlan {
    let report = &plan.report;
    let news = [waits(valid, report), measures(valid, report), judged(valid, report), stays(valid, report)];
    plan.intents.extend(news.into_iter().flatten().map(Intent::RecordEvent));
    plan
}

/// A canary waits for the same once, measures once, is judged once and fails to end once: the identity says which of them is
/// told.
fn notice(
    valid: &ValidTuningCanary,
    severity: NoticeSeverity,
    reason: &'static str,
    note: String,
    identity: &str,
) -> Notice {
    Notice { object: valid.identity(), severity, reason, note, identity: identity.to_owned() }
}

/// It waits, and did not wait for this before.
fn waits(valid: &ValidTuningCanary, report: &Report<TuningCanaryStatus>) -> Option<Notice> {
    let reason = WAITS_TOLD.into_iter().find(|name| *name == report.reason)?;
    let status = valid.object.status.as_ref();
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == ConditionType::Ready);
    if report.status.verdict.is_some() || ready.is_some_and(|ready| ready.reason == reason) {
        return None;
    }
    // The replica that its Escalation has borrowed frees a GPU by itself.
    if valid.object.spec.placement == Placement::BorrowReplica && reason == CanaryReason::AwaitingGPU.name() {
        return None;
    }
    let note = format!("{}: {}", subject(valid), report.message);
    Some(notice(valid, NoticeSeverity::Warning, reason, note, &format!("waits: {reason}")))
}

/// Its engine is warmed up and measured.
fn measures(valid: &ValidTuningCanary, report: &Report<TuningCanaryStatus>) -> Option<Notice> {
    let phase_before = valid.object.status.as_ref().and_then(|status| status.phase);
    if report.status.phase != Some(CanaryPhase::Measuring) || phase_before == Some(CanaryPhase::Measuring) {
        return None;
    }
    let pod = report.status.pod_name.as_deref()?;
    let note = format!("pod {pod} measures {}", subject(valid));
    Some(notice(valid, NoticeSeverity::Normal, CanaryReason::Measuring.name(), note, "measures"))
}

/// It was judged.
fn judged(valid: &ValidTuningCanary, report: &Report<TuningCanaryStatus>) -> Option<Notice> {
    let was_judged = valid.object.status.as_ref().is_some_and(|status| status.verdict.is_some());
    let verdict = report.status.verdict.filter(|_| !was_judged)?;
    let is_incumbent = valid.object.spec.role == CanaryRole::Incumbent;
    // A candidate may fail, that is what canaries are for. What production runs should not.
    let severity = match verdict {
        CanaryVerdict::Failed if is_incumbent => NoticeSeverity::Warning,
        CanaryVerdict::Inconclusive => NoticeSeverity::Warning,
        CanaryVerdict::Passed | CanaryVerdict::Failed | CanaryVerdict::Aborted => NoticeSeverity::Normal,
    };
    let name = name_of(verdict);
    let reason = listed(&report.reason, &[CanaryReason::ALL, TrialReason::ALL]).unwrap_or(name);
    Some(notice(valid, severity, reason, verdict_told(valid, report, name), "judged"))
}

/// What was tested, the verdict with the class of a failure, why, and the fitness beside the incumbent's.
fn verdict_told(valid: &ValidTuningCanary, report: &Report<TuningCanaryStatus>, verdict: &str) -> String {
    let status = &report.status;
    let class = status.failure.as_ref().map(|failure| format!(" ({:?})", failure.class)).unwrap_or_default();
    // The event carries the reason already: of the sentences that one is told which says more than its name.
    let why = status.messages.iter().find(|message| **message != report.reason).unwrap_or(&report.reason);
    let fitness = status.fitness.map(|fitness| format!("; fitness {}", fitness_text(fitness))).unwrap_or_default();
    let compared = status.incumbent.as_ref().and_then(|incumbent| incumbent.fitness).map(fitness_text);
    let compared = compared.map(|fitness| format!(", the incumbent's {fitness}")).unwrap_or_default();
    format!("{}: {verdict}{class}: {why}{fitness}{compared}", subject(valid))
}

/// Its containers did not end in time: the target is frozen until somebody has looked.
fn stays(valid: &ValidTuningCanary, report: &Report<TuningCanaryStatus>) -> Option<Notice> {
    if !holds_on(&report.status) || is_frozen(&valid.object) {
        return None;
    }
    let restored = report.status.conditions.iter().find(|condition| condition.type_ == ConditionType::Restored)?;
    let reason = CanaryReason::RestoreFailed.name();
    Some(notice(valid, NoticeSeverity::Warning, reason, restored.message.clone(), "stays"))
}

/// What the canary tests.
fn subject(valid: &ValidTuningCanary) -> String {
    let spec = &valid.object.spec;
    if spec.role == CanaryRole::Incumbent {
        return "the incumbent".to_owned();
    }
    let values: Vec<String> = spec.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    values.join(", ")
}

const fn name_of(verdict: CanaryVerdict) -> &'static str {
    match verdict {
        CanaryVerdict::Passed => "Passed",
        CanaryVerdict::Failed => "Failed",
        CanaryVerdict::Inconclusive => "Inconclusive",
        CanaryVerdict::Aborted => "Aborted",
    }
}
