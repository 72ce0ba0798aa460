//! A replay as text: a few lines a night.

use phaseloop_core::{
    analysis::{judgement::MetricJudgement, reason::AnalysisReason},
    policy::FlagState,
    value::{ParameterSet, Verdict, format_duration, metric::MetricFamily},
};

use super::{
    figure::{percent, with_unit},
    judgement::metric_line,
    line,
};
use crate::replay::{FlagView, Replay, ReplaySettings, ReplayedNight};

/// Where what belongs to a night is indented to.
const INDENT: &str = "         ";
/// Figures beside a healthy verdict: what fits a line.
const HEADLINE_FIGURES_MAX: usize = 4;

/// A replay, night by night, and what it comes to. `verbose` shows every metric and every gate of every night.
pub(in crate::cli) fn replay_text(replay: &Replay, settings: &ReplaySettings, verbose: bool) -> String {
    let mut text = String::new();
    head(&mut text, replay, settings);
    for night in &replay.nights {
        night_text(&mut text, night, settings, verbose);
    }
    end(&mut text, replay);
    text
}

fn head(text: &mut String, replay: &Replay, settings: &ReplaySettings) {
    let nights = replay.nights.len();
    line(text, &format!("phaseloop {} · replay of {nights} nights · {}", env!("CARGO_PKG_VERSION"), replay.target));
    let policy = &settings.policy;
    let budget = policy.safety.budget;
    line(
        text,
        &format!(
            "policy   {} · schedule {:?} {} · window {} · a night may measure {} and hold GPUs {}",
            replay.policy,
            replay.schedule,
            replay.time_zone,
            policy.safety.windows,
            format_duration(budget.measure),
            format_duration(budget.hold)
        ),
    );
    for file in &replay.ignored_files {
        line(text, &format!("ignored  {}: no recording", file.display()));
    }
    line(text, "");
}

fn night_text(text: &mut String, night: &ReplayedNight, settings: &ReplaySettings, verbose: bool) {
    let (start, end) = (settings.local(night.started_at), settings.local(night.completed_at));
    let when = format!("{}-{}", start.strftime("%a %d %b  %H:%M"), end.strftime("%H:%M"));
    line(text, &format!("{:<8} {when}   {:<9} {}", night.run, night.verdict.name(), headline(night)));
    let mut indented = |entry: String| line(text, &format!("{INDENT}{entry}"));
    if !night.changed_since_baseline.is_empty() {
        let changes: Vec<String> = night.changed_since_baseline.iter().map(ToString::to_string).collect();
        indented(format!("changed   {}", changes.join(" · ")));
    }
    for reason in reasons_below(night, verbose) {
        indented(format!("because   {reason}"));
    }
    for metric in night.domains.iter().flat_map(|domain| &domain.metrics).filter(|_| verbose) {
        indented(format!("metric    {}", metric_line(metric)));
    }
    for left_out in night.domains.iter().flat_map(|domain| &domain.baseline.left_out).filter(|_| verbose) {
        indented(format!("left out  {}: {}", left_out.run.name, left_out.message));
    }
    for flag in night.flags.iter().filter(|flag| tells_something(flag)) {
        indented(format!("count     {}", flag_line(flag, settings)));
    }
    if verbose || night.armed().next().is_some() {
        for gate in &night.gates {
            let state = if gate.open { "open  " } else { "closed" };
            indented(format!("gate      {state} {}: {}", gate.name, gate.message));
        }
    } else {
        indented(format!("gates     {}", gates_line(night)));
    }
    candidates_text(&mut indented, night);
    for note in night.notes.iter().chain(night.findings.iter().map(|finding| &finding.message)) {
        indented(format!("note      {note}"));
    }
}

/// What stands beside the verdict: for a healthy night its figures, else the first reason.
fn headline(night: &ReplayedNight) -> String {
    if night.verdict != Verdict::Healthy {
        return night.reasons.first().cloned().unwrap_or_default();
    }
    let measured =
        |metric: &&MetricJudgement| matches!(metric.metric.family(), MetricFamily::Latency | MetricFamily::Throughput);
    let metrics = night.domains.iter().flat_map(|domain| &domain.metrics).filter(measured);
    let figures = metrics.filter_map(|metric| {
        let delta = metric.delta_percent?;
        Some(format!("{} {} ({})", metric.metric.label(), with_unit(metric.metric, metric.current), percent(delta)))
    });
    figures.take(HEADLINE_FIGURES_MAX).collect::<Vec<_>>().join(" · ")
}

/// The reasons that do not stand beside the verdict. That a healthy night is within its limits goes without saying.
fn reasons_below(night: &ReplayedNight, verbose: bool) -> impl Iterator<Item = &String> {
    let shown_beside = usize::from(night.verdict != Verdict::Healthy);
    let goes_without_saying = AnalysisReason::WithinLimits.name();
    night.reasons.iter().skip(shown_beside).filter(move |reason| verbose || !reason.starts_with(goes_without_saying))
}

fn tells_something(flag: &FlagView) -> bool {
    flag.count > 0 || flag.state != flag.state_before
}

fn flag_line(flag: &FlagView, settings: &ReplaySettings) -> String {
    let counted = format!("{} {} of {} in {}", flag.symptom, flag.count, flag.threshold, flag.window);
    let until =
        flag.expires_at.map_or_else(String::new, |at| settings.local(at).strftime("%a %d %b %H:%M").to_string());
    match (flag.state_before, flag.state) {
        (_, FlagState::Armed) => format!("{counted} -> flag armed until {until}"),
        (FlagState::Armed, FlagState::Expired) => {
            format!("{counted} · the flag expired unused at {until}: a replay can't tune")
        }
        _ => counted,
    }
}

fn gates_line(night: &ReplayedNight) -> String {
    let closed: Vec<String> =
        night.gates.iter().filter(|gate| !gate.open).map(|gate| format!("{}: {}", gate.name, gate.message)).collect();
    match closed.as_slice() {
        [] => format!("all {} open; no flag is armed, so nothing starts", night.gates.len()),
        closed => format!("closed: {}", closed.join(" · ")),
    }
}

fn candidates_text(indented: &mut impl FnMut(String), night: &ReplayedNight) {
    if let Some(why) = &night.nothing_to_try {
        indented(format!("tuning    nothing to try: {why}"));
    }
    if !night.candidates.is_empty() {
        indented("tuning    would measure the incumbent again, then test, in this order:".to_owned());
    }
    for candidate in &night.candidates {
        indented(format!("          {}. {:<36} {}", candidate.order, parameters(&candidate.parameters), candidate.why));
    }
    if let Some(prediction) = &night.budget_prediction {
        indented(format!("          {prediction}"));
    }
    for refused in &night.refused_candidates {
        indented(format!("          not tried: {}", refused.message));
    }
}

fn parameters(parameters: &ParameterSet) -> String {
    parameters.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

fn end(text: &mut String, replay: &Replay) {
    let verdicts = [Verdict::Healthy, Verdict::Degraded, Verdict::Unknown, Verdict::Error];
    let counted: Vec<String> = verdicts
        .into_iter()
        .map(|verdict| (verdict, replay.count(verdict)))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    let armed: Vec<String> = replay
        .nights
        .iter()
        .flat_map(|night| night.armed().map(move |flag| format!("{} in {}", flag.symptom, night.run)))
        .collect();
    let armed = if armed.is_empty() { "no flag armed".to_owned() } else { format!("armed: {}", armed.join(", ")) };
    line(text, "");
    line(
        text,
        &format!(
            "{} nights: {} · {armed} · nothing was changed: a replay only tells",
            replay.nights.len(),
            counted.join(", ")
        ),
    );
    line(text, "More: --verbose, --output json, phaseloop replay --help");
}
