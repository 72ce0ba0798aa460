//! A run's end: what its stored measurements say against the history of its target.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    analysis::{Admission, judge_run, measurement::RunMeasurement, reason::AnalysisReason},
    audit::EvidenceReference,
    schedule::RunReason,
    value::{Environment, Uid, Verdict},
};

use super::{
    ValidPhaseRun, status,
    verdict::{baseline_runs, write_judgement},
};
use crate::{
    api::phase_run::{
        measured::{cut, fitness_text},
        status::{PhaseRunPhase, PhaseRunStatus, PhaseRunSummary},
    },
    controllers::Report,
};

/// Baseline runs that the record of the judgement names.
const EVIDENCE_MAX: usize = 8;

/// Judges what was measured, adds what could not be, and ends the run.
pub(super) fn judge(valid: &ValidPhaseRun, mut status: PhaseRunStatus, now: Timestamp) -> Report<PhaseRunStatus> {
    if let Some(environment) = &mut status.environment {
        environment.template_hash_at_end.clone_from(&valid.world.template_hash);
    }
    status.completed_at = Some(now);
    let unmeasured = Unmeasured::of(&status);
    let Some(run) = measurement(valid, &status, now) else {
        return without_measurement(valid, status, unmeasured);
    };
    let judgement = judge_run(&run, &valid.history(), &valid.world.settings);
    write_judgement(&mut status, &judgement, &valid.world.settings.target);
    if let Some(worst) = unmeasured.verdict {
        status.verdict = Some(worse(judgement.verdict, worst));
        status.fitness = None;
        if judgement.admission.may_serve() {
            status.set_admission(Admission::NotAdmitted(AnalysisReason::NoData));
        }
        let at = if judgement.verdict == Verdict::Degraded { status.reasons.len() } else { 0 };
        status.reasons.splice(at..at, unmeasured.reasons.clone());
    }
    let why = if judgement.verdict == Verdict::Degraded || unmeasured.verdict.is_none() {
        judgement.reasons.first().map(|finding| format!("{}: {}", finding.reason, finding.message))
    } else {
        unmeasured.why
    };
    summarise(&mut status, why);
    let message = told(&status);
    let mut report = status::finished(valid, status, PhaseRunPhase::Completed, RunReason::Judged, &message);
    report.evidence = baseline_runs(&judgement).take(EVIDENCE_MAX).map(evidence).collect();
    report
}

/// A run of which nothing was measured.
fn without_measurement(
    valid: &ValidPhaseRun,
    mut status: PhaseRunStatus,
    unmeasured: Unmeasured,
) -> Report<PhaseRunStatus> {
    status.verdict = Some(unmeasured.verdict.unwrap_or(Verdict::Unknown));
    status.reasons = unmeasured.reasons;
    status.set_admission(Admission::NotAdmitted(AnalysisReason::NoData));
    let reason = unmeasured.reason.unwrap_or(RunReason::PodLost);
    let message = unmeasured.message;
    summarise(&mut status, unmeasured.why);
    status::finished(valid, status, PhaseRunPhase::Failed, reason, &message)
}

/// What the rows of a status keep of measurements.
fn measurement(valid: &ValidPhaseRun, status: &PhaseRunStatus, now: Timestamp) -> Option<RunMeasurement> {
    let domains: Vec<_> =
        status.domains.iter().filter_map(crate::api::phase_run::status::DomainStatus::to_measurement).collect();
    if domains.is_empty() {
        return None;
    }
    Some(RunMeasurement {
        uid: Uid::new(valid.object.uid().unwrap_or_default()),
        name: valid.object.name_any(),
        started_at: status.started_at.unwrap_or(now),
        completed_at: status.domains.iter().filter_map(|row| row.ended_at).max().unwrap_or(now),
        environment: status.environment.as_ref().map(Environment::from).unwrap_or_default(),
        domains,
    })
}

/// What the domains without a measurement say together.
#[derive(Default)]
struct Unmeasured {
    verdict: Option<Verdict>,
    reasons: Vec<String>,
    reason: Option<RunReason>,
    message: String,
    why: Option<String>,
}

impl Unmeasured {
    fn of(status: &PhaseRunStatus) -> Self {
        let mut all = Self::default();
        for row in status.domains.iter().filter(|row| row.measured.is_none()) {
            let verdict = row.verdict.unwrap_or(Verdict::Unknown);
            let is_first = all.verdict.is_none();
            all.verdict = Some(all.verdict.map_or(verdict, |so_far| worse(so_far, verdict)));
            let names = row.reasons.iter().filter(|name| !all.reasons.contains(name)).cloned();
            let names: Vec<String> = names.collect();
            all.reasons.extend(names);
            if is_first {
                let name = row.reasons.first().map(String::as_str).unwrap_or_default();
                all.reason = serde_json::from_value(name.into()).ok();
                all.message = row.messages.first().cloned().unwrap_or_default();
                all.why = Some(format!("{name}: {}", all.message));
            }
        }
        all
    }
}

/// The verdict of two parts: what degraded is told whatever else is unknown.
fn worse(one: Verdict, other: Verdict) -> Verdict {
    let order = [Verdict::Degraded, Verdict::Error, Verdict::Unknown, Verdict::Healthy];
    order.into_iter().find(|verdict| [one, other].contains(verdict)).unwrap_or(one)
}

fn summarise(status: &mut PhaseRunStatus, why: Option<String>) {
    let mut kinds: Vec<&str> = Vec::new();
    for symptom in &status.symptoms {
        if !kinds.contains(&symptom.kind.name()) {
            kinds.push(symptom.kind.name());
        }
    }
    let changed = status.changed_since_baseline.first().map(|change| {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".to_owned());
        format!("{} {} -> {}", change.field, text(&change.from), text(&change.to))
    });
    let length_max = crate::api::schema::VALUE_LENGTH_MAX as usize;
    let short = |text: String| cut(&text, length_max);
    let symptoms = (!kinds.is_empty()).then(|| short(kinds.join(",")));
    let fitness = status.fitness.map(fitness_text);
    status.summary = Some(PhaseRunSummary { fitness, symptoms, why: why.map(short), changed: changed.map(short) });
}

/// The verdict in one sentence, with what changed before anything else.
fn told(status: &PhaseRunStatus) -> String {
    let verdict = status.verdict.map_or("Unknown", Verdict::name);
    let summary = status.summary.as_ref();
    let part = |text: Option<&String>, before: &str| text.map(|text| format!("{before}{text}")).unwrap_or_default();
    let changed = part(summary.and_then(|summary| summary.changed.as_ref()), "; changed since the baseline: ");
    let why = part(summary.and_then(|summary| summary.why.as_ref()), "; ");
    format!("{verdict}{changed}{why}")
}

fn evidence(run: (Uid, String)) -> EvidenceReference {
    let (uid, name) = run;
    EvidenceReference { kind: "PhaseRun".to_owned(), name, uid: Some(uid) }
}
