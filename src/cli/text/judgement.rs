//! A judgement as text.

use phaseloop_core::{
    analysis::{
        history::JudgedRun,
        judgement::{DomainJudgement, MetricJudgement, MetricOutcome, RunJudgement},
    },
    value::Metric,
};

use super::{
    figure::{percent, with_unit},
    line,
};

/// The verdict of a run, per domain, with every metric.
pub(in crate::cli) fn judgement_text(judgement: &RunJudgement, history: &[JudgedRun]) -> String {
    let mut text = String::new();
    let earlier = history.len().saturating_sub(1);
    line(&mut text, &format!("{}  {}  judged against {earlier} earlier runs", judgement.name, judgement.verdict));
    if !judgement.changed_since_baseline.is_empty() {
        let changes: Vec<String> = judgement.changed_since_baseline.iter().map(ToString::to_string).collect();
        line(&mut text, &format!("  changed since the baseline: {}", changes.join(" · ")));
    }
    for domain in &judgement.domains {
        domain_text(&mut text, domain);
    }
    if judgement.domains.is_empty() {
        for reason in &judgement.reasons {
            line(&mut text, &format!("  {}: {}", reason.reason, reason.message));
        }
    }
    text
}

fn domain_text(text: &mut String, domain: &DomainJudgement) {
    let runs: Vec<&str> = domain.baseline.runs.iter().map(|run| run.name.as_str()).collect();
    let baseline = if runs.is_empty() { "no baseline".to_owned() } else { format!("baseline {}", runs.join(", ")) };
    line(text, &format!("  domain {}  {}  {baseline}", domain.name, domain.verdict));
    for reason in &domain.reasons {
        line(text, &format!("    {}: {}", reason.reason, reason.message));
    }
    for metric in &domain.metrics {
        line(text, &format!("    {}", metric_line(metric)));
    }
    for symptom in &domain.symptoms {
        line(text, &format!("    symptom {} ({}, {})", symptom.kind, symptom.severity, symptom.diagnosis));
        for evidence in &symptom.evidence {
            line(text, &format!("      {evidence}"));
        }
    }
    for left_out in &domain.baseline.left_out {
        line(text, &format!("    left out of the baseline: {}, {}", left_out.run.name, left_out.message));
    }
}

/// One metric in one line: figure, baseline, change, limit, outcome.
pub(super) fn metric_line(metric: &MetricJudgement) -> String {
    let least = metric.cut_off.map_or("", |_| ">= ");
    let figure = format!("{least}{}", with_unit(metric.metric, metric.current));
    let against = match (metric.baseline, metric.delta_percent) {
        (Some(baseline), Some(delta)) => {
            format!("baseline {} {}", with_unit(metric.metric, baseline), percent(delta))
        }
        (Some(baseline), None) => format!("baseline {}", with_unit(metric.metric, baseline)),
        (None, _) => "no baseline".to_owned(),
    };
    format!("{:<14}{figure:>10}  {against:<28} {}", metric.metric.label(), outcome(metric))
}

fn outcome(metric: &MetricJudgement) -> String {
    let limit = limit_text(metric);
    let noise = metric.significance.map_or_else(String::new, |figures| {
        format!(", noise {:.0} % over {} runs", figures.noise_percent, figures.runs)
    });
    let cut_off = metric.cut_off.map_or_else(String::new, |count| format!(", {count} of {} cut off", metric.samples));
    match metric.outcome {
        MetricOutcome::WithinLimits => "within limits".to_owned(),
        MetricOutcome::NotSignificant => format!("not significant ({limit}{noise})"),
        MetricOutcome::Warning => format!("warning ({limit}{noise}{cut_off})"),
        MetricOutcome::Critical => format!("critical ({limit}{noise}{cut_off})"),
        MetricOutcome::NoBaseline => "nothing to compare with".to_owned(),
        MetricOutcome::TooFewSamples => format!("too few samples ({})", metric.samples),
        MetricOutcome::NotJudged => "shown, not judged".to_owned(),
    }
}

fn limit_text(metric: &MetricJudgement) -> String {
    let limit = match metric.outcome {
        MetricOutcome::Critical => metric.critical_percent,
        _ => metric.warning_percent,
    };
    match (metric.metric, limit) {
        (Metric::OomEvents, _) | (_, None) => "any is critical where the baseline has none".to_owned(),
        (_, Some(limit)) => format!("limit {limit:.0} %"),
    }
}
