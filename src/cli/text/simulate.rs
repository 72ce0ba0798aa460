//! A simulated story as text: a timeline that is read in a minute.

use jiff::{Timestamp, tz::TimeZone};

use super::line;
use crate::simulation::answer::{Answer, CanaryLine, NightLine, PromotionLine};

/// Where what belongs to a night is indented to.
const INDENT: &str = "         ";
/// Letters of a reason that stand on a line of a candidate.
const MESSAGE_LENGTH_MAX: usize = 72;

/// The whole story.
pub fn simulate_text(answer: &Answer) -> String {
    let mut text = String::new();
    let zone = TimeZone::get(&answer.time_zone).unwrap_or(TimeZone::UTC);
    let version = env!("CARGO_PKG_VERSION");
    line(
        &mut text,
        &format!("phaseloop {version} · scenario {} · seed {} · {}", answer.scenario, answer.seed, answer.description),
    );
    line(&mut text, &format!("target   {} · times in {}", answer.targets.join(", "), answer.time_zone));
    line(&mut text, "");
    let before = answer.nights.iter().filter(|night| night.night < 1).count();
    if before > 0 {
        line(&mut text, &history(answer, before));
    }
    for night in answer.nights.iter().filter(|night| night.night >= 1) {
        tell_night(&mut text, answer, night, &zone);
    }
    end(&mut text, answer);
    text
}

/// The nights before the story, in one line.
fn history(answer: &Answer, before: usize) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for night in answer.nights.iter().filter(|night| night.night < 1) {
        let verdict = night.verdict.map_or_else(|| "no verdict".to_owned(), |verdict| verdict.to_string());
        match kinds.iter_mut().find(|(kind, _)| *kind == verdict) {
            Some((_, count)) => *count += 1,
            None => kinds.push((verdict, 1)),
        }
    }
    let told: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!("before   {before} nights: {}", told.join(", "))
}

fn local(at: Option<Timestamp>, zone: &TimeZone, format: &str) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.to_zoned(zone.clone()).strftime(format).to_string())
}

fn cut(message: &str) -> String {
    if message.chars().count() <= MESSAGE_LENGTH_MAX {
        return message.to_owned();
    }
    message.chars().take(MESSAGE_LENGTH_MAX).chain(['…']).collect()
}

fn tell_night(text: &mut String, answer: &Answer, night: &NightLine, zone: &TimeZone) {
    let verdict = night.verdict.map_or_else(|| "-".to_owned(), |verdict| verdict.to_string());
    let when = format!(
        "{}-{}",
        local(night.started_at, zone, "%a %d %b  PHASE %H:%M"),
        local(night.completed_at, zone, "%H:%M")
    );
    let symptoms: Vec<String> = night
        .symptoms
        .iter()
        .map(|symptom| {
            let baseline = symptom.baseline.map_or_else(|| "none".to_owned(), |baseline| format!("{baseline:.4}"));
            let baseline = baseline.trim_end_matches('0').trim_end_matches('.');
            format!("{} {:.4} (baseline {baseline}, {})", symptom.kind, symptom.current, symptom.severity)
                .replace(".0000", "")
        })
        .collect();
    let headline = if symptoms.is_empty() { cut(&night.why) } else { symptoms.join(" · ") };
    line(text, &format!("night {:<2} {when}   {verdict:<9} {headline}", night.night));
    let mut indented = |entry: String| line(text, &format!("{INDENT}{entry}"));
    if !night.symptoms.is_empty() && !night.changed.is_empty() {
        indented(format!("changed   {}", night.changed.iter().map(|one| cut(one)).collect::<Vec<_>>().join(" · ")));
    }
    for cause in causes(night) {
        indented(format!("points to {cause}"));
    }
    for flag in &night.flags {
        let counted = format!("{} {} of {} in {}", flag.symptom, flag.count, flag.threshold, flag.window);
        let state = match flag.state.as_str() {
            "Armed" => format!(" -> armed until {}", local(flag.expires_at, zone, "%a %H:%M")),
            "Idle" => String::new(),
            "Cleared" if flag.count > 0 => {
                " · flag cleared: a tuning run used up what armed it, and only new symptoms count".to_owned()
            }
            other => format!(" · flag {}", other.to_lowercase()),
        };
        indented(format!("count     {counted}{state}"));
    }
    let armed = night.flags.iter().any(|flag| flag.states.iter().any(|state| state == "Armed"));
    if armed {
        for gate in &night.gates {
            let stands = if gate.open { "open  " } else { "closed" };
            indented(format!("gate      {stands} {}: {}", gate.name, gate.message));
        }
    }
    tell_tuning(text, answer, night);
    // A night may have several runs: a promotion is told where it was tuned.
    let here = |promotion: &&PromotionLine| promotion.night == night.night && night.tuning.is_some();
    for promotion in answer.promotions.iter().filter(here) {
        tell_promotion(text, promotion, zone);
    }
    for promotion in answer.promotions.iter().filter(|one| one.decided_by.as_ref() == Some(&night.run)) {
        line(text, &format!("{INDENT}promotion {} {}: {}", promotion.change, promotion.phase, promotion.message));
    }
    for denied in &night.denied {
        line(text, &format!("{INDENT}denied    {denied}"));
    }
}

/// Where the evidence of a night's symptoms points, each direction once.
fn causes(night: &NightLine) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for symptom in night.symptoms.iter().filter(|symptom| symptom.diagnosis != "Unexplained") {
        let is_told = causes.iter().any(|cause| cause.starts_with(&symptom.diagnosis));
        // Which way it points is told after what was found, and before what was changed.
        let points = |sentence: &&String| !sentence.starts_with("changed since the baseline");
        if let Some(evidence) = symptom.evidence.iter().rfind(points).filter(|_| !is_told) {
            causes.push(format!("{}: {evidence}", symptom.diagnosis));
        }
    }
    causes
}

fn tell_tuning(text: &mut String, answer: &Answer, night: &NightLine) {
    let canaries = answer.canaries.iter().filter(|canary| canary.run == night.run);
    let winner = night.tuning.as_ref().and_then(|tuning| tuning.winner.as_ref());
    for (index, canary) in canaries.enumerate() {
        let label = if index == 0 { "tuning" } else { "" };
        let is_best = winner == Some(&canary.parameters);
        line(text, &format!("{INDENT}{label:<9} {}", canary_text(canary, is_best)));
    }
    let Some(tuning) = &night.tuning else { return };
    for untried in &tuning.untried {
        line(text, &format!("{INDENT}          {untried}"));
    }
    line(text, &format!("{INDENT}result    {}: {}", tuning.reason, tuning.message));
    line(text, &format!("{INDENT}spent     {}", tuning.spent));
}

fn canary_text(canary: &CanaryLine, is_best: bool) -> String {
    let name = if canary.parameters.is_empty() { "incumbent" } else { &canary.parameters };
    let fitness = canary.fitness.map_or_else(|| "no fitness".to_owned(), three_digits);
    let p95 = canary.e2e_ms_p95.filter(|_| canary.fitness.is_some());
    let p95 = p95.map(|p95| format!("p95 {p95:.0}ms")).unwrap_or_default();
    let why =
        if canary.fitness.is_some() { String::new() } else { format!("{}: {}", canary.reason, cut(&canary.message)) };
    let best = if is_best { "best" } else { "" };
    let used = format!("{}/{}", canary.measured, canary.held);
    format!("{name:<28} {fitness:<10}  {used:<12} {p95:<12} {best}{why}")
}

/// A fitness is cut and not rounded, as in every other place; the status keeps twelve digits of it.
fn three_digits(fitness: f64) -> String {
    format!("{:.3}", (fitness.mul_add(1e3, 1e-6)).floor() / 1e3)
}

fn tell_promotion(text: &mut String, promotion: &PromotionLine, zone: &TimeZone) {
    let applied = match promotion.applied_at {
        Some(_) => format!("applied {}", local(promotion.applied_at, zone, "%H:%M")),
        None => "not applied".to_owned(),
    };
    let rolled_out = match promotion.rolled_out_at {
        Some(_) => format!(" · rollout done {}", local(promotion.rolled_out_at, zone, "%H:%M")),
        None => String::new(),
    };
    let by = local(Some(promotion.validate_by), zone, "%a %d %b %H:%M");
    line(text, &format!("{INDENT}promotion {} {applied}{rolled_out} · must be validated by {by}", promotion.change));
}

fn end(text: &mut String, answer: &Answer) {
    line(text, "");
    let ends: Vec<String> = answer.promotions.iter().map(|one| format!("{} {}", one.change, one.phase)).collect();
    let ends = if ends.is_empty() { "nothing was promoted".to_owned() } else { ends.join(", ") };
    line(text, &format!("In the end: {ends}."));
    let invariants = &answer.invariants;
    let asked = invariants.evaluated.values().filter(|count| **count > 0).count();
    line(
        text,
        &format!(
            "{} nights in {:.2} s · {} events, {} writes · {asked} of {} invariants put to the test, {} violations",
            answer.nights.len(),
            answer.wall_seconds,
            answer.events,
            answer.writes,
            invariants.evaluated.len(),
            invariants.violations_total
        ),
    );
    for violation in &invariants.violations {
        line(text, &format!("violated  {} at {}: {}", violation.invariant, violation.at, violation.message));
    }
    for unmet in &answer.unmet {
        line(text, &format!("unmet     {unmet}"));
    }
    line(text, "More: --output json, --events, --state FILE, phaseloop simulate --help");
}
