//! A judgement as status.

use std::collections::BTreeSet;

use phaseloop_core::{
    analysis::{
        RunJudgement,
        baseline::BaselineKey,
        judgement::{DomainJudgement, MetricJudgement},
        reason::Finding,
    },
    value::{Environment, Severity, Symptom, SymptomKind, Uid},
};

use crate::api::phase_run::{
    measured::{cut, kept_figure, wire_count},
    status::{
        BaselineChange, BaselineReference, DomainStatus, MetricDelta, PhaseRunStatus, RunEnvironment, SymptomReport,
    },
};

/// Reasons that a run or a domain lists.
const REASONS_MAX: usize = 16;
/// Sentences that a domain lists.
const MESSAGES_MAX: usize = 8;
/// Characters of one of them.
const MESSAGE_LENGTH_MAX: usize = 512;
/// Runs that a domain names of its baseline, and again of those that were left out.
const BASELINE_RUNS_MAX: usize = 32;
/// Symptoms that a run lists.
const SYMPTOMS_MAX: usize = 64;
/// Changes that a run lists.
const CHANGES_MAX: usize = 64;
/// Characters of a changed value.
const CHANGE_LENGTH_MAX: usize = 256;

/// Writes a judgement into the status of its run, whose rows keep what was measured.
pub(super) fn write_judgement(status: &mut PhaseRunStatus, judgement: &RunJudgement, target: &str) {
    status.verdict = Some(judgement.verdict);
    status.reasons = reason_names(&judgement.reasons);
    status.fitness = judgement.fitness.and_then(kept_figure);
    status.baseline_key = Some(BaselineKey::new(target, "", "", &judgement.environment).fingerprint());
    status.set_admission(judgement.admission);
    status.symptoms = kept_symptoms(&judgement.symptoms);
    let short = |text: &String| cut(text, CHANGE_LENGTH_MAX);
    let changes = judgement.changed_since_baseline.iter().take(CHANGES_MAX).map(|change| BaselineChange {
        field: short(&change.field),
        from: change.from.as_ref().map(short),
        to: change.to.as_ref().map(short),
    });
    status.changed_since_baseline = changes.collect();
    write_environment(status, &judgement.environment);
    for row in status.domains.iter_mut().filter(|row| row.measured.is_some()) {
        if let Some(domain) = judgement.domains.iter().find(|domain| domain.name == row.name) {
            write_domain(row, domain);
        } else {
            row.verdict = Some(judgement.verdict);
            row.valid = Some(false);
        }
    }
}

/// The environment as judged, with the hashes that only the run knows.
fn write_environment(status: &mut PhaseRunStatus, judged: &Environment) {
    let known = status.environment.take().unwrap_or_default();
    let template_hash_at_end = known.template_hash_at_end;
    status.environment = Some(RunEnvironment { template_hash_at_end, ..judged.into() });
}

fn write_domain(row: &mut DomainStatus, judged: &DomainJudgement) {
    row.verdict = Some(judged.verdict);
    row.valid = Some(judged.valid);
    row.reasons = reason_names(&judged.reasons);
    let messages = judged.reasons.iter().take(MESSAGES_MAX);
    row.messages = messages.map(|finding| cut(&finding.message, MESSAGE_LENGTH_MAX)).collect();
    row.baseline_key = Some(judged.baseline_key.fingerprint());
    row.fitness = judged.fitness.and_then(kept_figure);
    row.deltas = judged.metrics.iter().filter_map(delta).collect();
    let left_out = judged.baseline.left_out.iter().take(BASELINE_RUNS_MAX).map(|left_out| {
        cut(&format!("{}: {}: {}", left_out.run.name, left_out.reason, left_out.message), MESSAGE_LENGTH_MAX)
    });
    row.baseline = Some(BaselineReference {
        runs: judged.baseline.runs.iter().take(BASELINE_RUNS_MAX).map(|run| run.name.clone()).collect(),
        left_out: left_out.collect(),
        reached_back: judged.baseline.reached_back,
    });
}

fn delta(judged: &MetricJudgement) -> Option<MetricDelta> {
    Some(MetricDelta {
        metric: judged.metric,
        current: kept_figure(judged.current)?,
        cut_off: judged.cut_off.map(wire_count),
        baseline: judged.baseline.and_then(kept_figure),
        delta_percent: judged.delta_percent.and_then(kept_figure),
        significant: judged.significance.map(|figures| figures.significant),
        severity: judged.outcome.severity(),
    })
}

/// The names of reasons, each once.
fn reason_names(findings: &[Finding]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for finding in findings {
        if names.len() < REASONS_MAX && !names.iter().any(|name| name == finding.reason.name()) {
            names.push(finding.reason.name().to_owned());
        }
    }
    names
}

/// The symptoms that a status has room for. Where they are too many, one of each kind and domain, the gravest, comes
/// first: more of a kind counts no more than one.
fn kept_symptoms(symptoms: &[Symptom]) -> Vec<SymptomReport> {
    if symptoms.len() <= SYMPTOMS_MAX {
        return symptoms.iter().map(SymptomReport::from).collect();
    }
    let mut ordered: Vec<&Symptom> = symptoms.iter().collect();
    ordered.sort_by_key(|symptom| std::cmp::Reverse(symptom.severity));
    let mut seen: BTreeSet<(SymptomKind, Severity)> = BTreeSet::new();
    let (first, others): (Vec<&Symptom>, Vec<&Symptom>) =
        ordered.into_iter().partition(|symptom| seen.insert((symptom.kind, symptom.severity)));
    first.into_iter().chain(others).take(SYMPTOMS_MAX).map(SymptomReport::from).collect()
}

/// The runs that served as baseline of any domain, each once, by uid and name.
pub(super) fn baseline_runs(judgement: &RunJudgement) -> impl Iterator<Item = (Uid, String)> {
    let mut seen: BTreeSet<Uid> = BTreeSet::new();
    let runs = judgement.domains.iter().flat_map(|domain| &domain.baseline.runs);
    let once: Vec<(Uid, String)> =
        runs.filter(|run| seen.insert(run.uid.clone())).map(|run| (run.uid.clone(), run.name.clone())).collect();
    once.into_iter()
}
