//! What a survey of crashes found, as text.

use phaseloop_core::value::format_duration;

use super::line;
use crate::simulation::crash::{CrashReport, Disturbance, Finding};

/// Points that are told in words; after these the first ones say what is wrong.
const FINDINGS_MAX: usize = 20;
/// Differences that are told of a point.
const DIFFERENCES_MAX: usize = 5;

/// The whole report.
pub(in crate::cli) fn crashes_text(report: &CrashReport) -> String {
    let mut text = String::new();
    let version = env!("CARGO_PKG_VERSION");
    line(&mut text, &format!("phaseloop {version} · crashes of scenario {} · seed {}", report.scenario, report.seed));
    let count = |disturbance| report.histories.get(&disturbance).copied().unwrap_or(0);
    let deaths = count(Disturbance::KilledBefore) + count(Disturbance::KilledAfter);
    let every = if report.stride > 1 { format!(" · every {}. point", report.stride) } else { String::new() };
    line(
        &mut text,
        &format!("writes     {} of one operator, {} of two replicas{every}", report.writes, report.writes_of_two),
    );
    line(
        &mut text,
        &format!(
            "histories  {deaths} deaths (before the write, after it) · {} lost replies · {} takeovers",
            count(Disturbance::ReplyLost),
            count(Disturbance::Takeover)
        ),
    );
    let asked = report.evaluated.values().filter(|count| **count > 0).count();
    let times: u64 = report.evaluated.values().sum();
    line(&mut text, &format!("invariants {asked} of {} put to the test, {times} times", report.evaluated.len()));
    line(
        &mut text,
        &format!(
            "instants   {} behind the undisturbed history at most, {} ahead of it",
            format_duration(report.latest.0),
            format_duration(report.earliest.0.abs())
        ),
    );
    for finding in report.findings.iter().take(FINDINGS_MAX) {
        tell(&mut text, finding);
    }
    if report.findings.len() > FINDINGS_MAX {
        line(&mut text, &format!("... and at {} more points (--output json)", report.findings.len() - FINDINGS_MAX));
    }
    let all: usize = report.histories.values().sum();
    line(&mut text, "");
    line(
        &mut text,
        &format!(
            "{}: {all} histories in {:.0} s: {} differ, {} violations",
            report.scenario, report.wall_seconds, report.differ, report.violations
        ),
    );
    text
}

fn tell(text: &mut String, finding: &Finding) {
    line(text, "");
    line(text, &format!("--crash-at {}   {}", finding.point, finding.write));
    for difference in finding.differences.iter().take(DIFFERENCES_MAX) {
        line(text, &format!("  differs   {}", difference.place));
        line(text, &format!("            undisturbed {}", difference.wanted));
        line(text, &format!("            came        {}", difference.came));
    }
    if finding.differences.len() > DIFFERENCES_MAX {
        line(text, &format!("            and {} more", finding.differences.len() - DIFFERENCES_MAX));
    }
    for violation in &finding.violations {
        line(text, &format!("  violated  {} at {}: {}", violation.invariant, violation.at, violation.message));
    }
    for unmet in &finding.unmet {
        line(text, &format!("  unmet     {unmet}"));
    }
    if let Some(failure) = &finding.failure {
        line(text, &format!("  failed    {failure}"));
    }
}
