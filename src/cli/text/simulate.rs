//! A simulated story as text: a timeline that is read in a minute.

use jiff::{Timestamp, tz::TimeZone};
use phaseloop_core::value::metric::MetricFamily;

use super::{figure::with_unit, line};
use crate::{
    api::phase_run::{measured::fitness_text, status::Borrowed},
    simulation::answer::{Answer, CanaryLine, FlagLine, NightLine, PromotionLine},
};

/// Where what belongs to a night is indented to.
const INDENT: &str = "         ";
/// What stands before the reason of a refusal by an admission policy.
const DENIED: &str = " denied request: ";
/// Letters of a reason that stand on a line of a candidate.
const MESSAGE_LENGTH_MAX: usize = 72;
/// Letters of a change: two images with their registry and tag are told whole, as what differs stands at their ends.
const CHANGE_LENGTH_MAX: usize = 200;

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
    cut_to(MESSAGE_LENGTH_MAX, message)
}

fn cut_to(length_max: usize, message: &str) -> String {
    if message.chars().count() <= length_max {
        return message.to_owned();
    }
    message.chars().take(length_max).chain(['…']).collect()
}

/// The replica whose place the test took, and when it was given back.
fn borrowed_text(borrowed: &Borrowed, zone: &TimeZone) -> String {
    let end = match (&borrowed.conflict, borrowed.given_back_at) {
        (Some(conflict), _) => format!("not given back: {conflict}"),
        (None, Some(at)) => format!("given back {}", local(Some(at), zone, "%H:%M")),
        (None, None) => "not given back yet".to_owned(),
    };
    format!("{} -> {} replicas {} · {end}", borrowed.from, borrowed.to, local(Some(borrowed.since), zone, "%H:%M"))
}

fn tell_night(text: &mut String, answer: &Answer, night: &NightLine, zone: &TimeZone) {
    let verdict = night.verdict.map_or_else(|| "-".to_owned(), |verdict| verdict.to_string());
    let when = format!(
        "{}-{}",
        local(night.started_at, zone, "%a %d %b  PHASE %H:%M"),
        local(night.completed_at, zone, "%H:%M")
    );
    let symptoms = symptom_texts(night);
    let headline = if symptoms.is_empty() { cut(&night.why) } else { symptoms.join(" · ") };
    line(text, &format!("night {:<2} {when}   {verdict:<9} {headline}", night.night));
    let mut indented = |entry: String| line(text, &format!("{INDENT}{entry}"));
    if let Some(borrowed) = &night.borrowed {
        indented(format!("borrowed  {}", borrowed_text(borrowed, zone)));
    }
    if has_domains(night) {
        let of_domain = night.domains.iter().map(|domain| {
            let verdict = domain.verdict.map_or_else(|| "-".to_owned(), |verdict| verdict.to_string());
            format!("{} {verdict}", domain.name)
        });
        indented(format!("domains   {}", of_domain.collect::<Vec<_>>().join(" · ")));
    }
    if !night.symptoms.is_empty() && !night.changed.is_empty() {
        indented(format!("changed   {}", changes(night).join(" · ")));
    }
    for cause in causes(night) {
        indented(format!("points to {cause}"));
    }
    for flag in &night.flags {
        indented(format!("count     {}", flag_text(flag, night, zone)));
    }
    let armed = night.flags.iter().any(|flag| flag.states.iter().any(|state| state == "Armed"));
    if armed {
        for gate in &night.gates {
            let stands = if gate.open { "open  " } else { "closed" };
            indented(format!("gate      {stands} {}: {}", gate.name, gate.message));
        }
    }
    for (symptoms, expired) in expired_flags(night) {
        indented(format!("flag      {symptoms} {expired}"));
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
            causes.push(format!("{}: {}", symptom.diagnosis, cut(evidence)));
        }
    }
    causes
}

/// Whether a run has several domains, so that it matters which one showed something.
fn has_domains(night: &NightLine) -> bool {
    night.domains.len() > 1
}

/// The symptoms with their figures. Several figures in a row may show one kind: it is named once.
fn symptom_texts(night: &NightLine) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut previous = None;
    for symptom in &night.symptoms {
        let figure = |figure: f64| with_unit(symptom.metric, figure);
        let baseline = symptom.baseline.map_or_else(|| "none".to_owned(), figure);
        let is_one_of_several = matches!(symptom.metric.family(), MetricFamily::Latency | MetricFamily::Throughput);
        let metric = if is_one_of_several { format!("{} ", symptom.metric.label()) } else { String::new() };
        let place = if has_domains(night) { format!(" in {}", symptom.domain) } else { String::new() };
        let shown = format!("{metric}{}{place} (baseline {baseline}, {})", figure(symptom.current), symptom.severity);
        let named = if previous == Some(symptom.kind) { shown } else { format!("{} {shown}", symptom.kind) };
        previous = Some(symptom.kind);
        texts.push(named);
    }
    texts
}

/// The flags that expired unused, those together of which the same is to be told.
fn expired_flags(night: &NightLine) -> Vec<(String, &str)> {
    let mut told: Vec<(String, &str)> = Vec::new();
    for flag in &night.flags {
        let Some(expired) = flag.expired.as_deref() else { continue };
        match told.iter_mut().find(|(_, message)| *message == expired) {
            Some((symptoms, _)) => *symptoms = format!("{symptoms}, {}", flag.symptom),
            None => told.push((flag.symptom.to_string(), expired)),
        }
    }
    told
}

/// What changed, without the hashes of what is named beside them.
fn changes(night: &NightLine) -> Vec<String> {
    let is_hash = |change: &str| change.starts_with("image digest ") || change.starts_with("template hash ");
    let told = |change: &String| cut_to(CHANGE_LENGTH_MAX, change);
    let named: Vec<String> = night.changed.iter().filter(|change| !is_hash(change)).map(told).collect();
    if named.is_empty() { night.changed.iter().map(told).collect() } else { named }
}

fn flag_text(flag: &FlagLine, night: &NightLine, zone: &TimeZone) -> String {
    let mut text = format!("{} {} of {} in {}", flag.symptom, flag.count, flag.threshold, flag.window);
    if has_domains(night) && !flag.domains.is_empty() {
        let counts: Vec<String> = flag.domains.iter().map(|(domain, count)| format!("{domain} {count}")).collect();
        text = format!("{text} ({})", counts.join(", "));
    }
    match flag.state.as_str() {
        "Armed" => format!("{text} -> armed until {}", local(flag.expires_at, zone, "%a %H:%M")),
        "Idle" => text,
        "Cleared" if flag.count > 0 => {
            format!("{text} · flag cleared: a tuning run used up what armed it, and only new symptoms count")
        }
        other => format!("{text} · flag {}", other.to_lowercase()),
    }
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
    let fitness = canary.fitness.map_or_else(|| "no fitness".to_owned(), fitness_text);
    let p95 = canary.e2e_ms_p95.filter(|_| canary.fitness.is_some());
    let p95 = p95.map(|p95| format!("p95 {p95:.0}ms")).unwrap_or_default();
    let why =
        if canary.fitness.is_some() { String::new() } else { format!("{}: {}", canary.reason, cut(&canary.message)) };
    let best = if is_best { "best" } else { "" };
    let used = format!("{}/{}", canary.measured, canary.held);
    format!("{name:<28} {fitness:<10}  {used:<12} {p95:<12} {best}{why}")
}

fn tell_promotion(text: &mut String, promotion: &PromotionLine, zone: &TimeZone) {
    let applied = match promotion.applied_at {
        Some(_) => format!("applied {}", local(promotion.applied_at, zone, "%a %H:%M")),
        None => "not applied".to_owned(),
    };
    let rolled_out = match promotion.rolled_out_at {
        Some(_) => format!(" · rollout done {}", local(promotion.rolled_out_at, zone, "%H:%M")),
        None => String::new(),
    };
    let by = local(Some(promotion.validate_by), zone, "%a %d %b %H:%M");
    line(text, &format!("{INDENT}promotion {} {applied}{rolled_out} · must be validated by {by}", promotion.change));
    // How a person came to decide is told step by step; of what went by itself, the line above tells enough.
    if promotion.steps.iter().any(|step| step.what == "AwaitingReview") {
        for step in &promotion.steps {
            let at = local(Some(step.at), zone, "%a %H:%M");
            line(text, &format!("{INDENT}          {at}  {:<14} {}", step.what, step_text(&step.message)));
        }
    }
}

/// What happened, a refusal without the API server's own words around the reason.
fn step_text(message: &str) -> String {
    match (message.split_once(": "), message.split_once(DENIED)) {
        (Some((who, _)), Some((_, why))) => format!("{who}: {why}"),
        _ => message.to_owned(),
    }
}

/// Why nothing was promoted: what the last tuning run came to, else what became of the flags.
fn why_nothing(answer: &Answer) -> String {
    if let Some(tuning) = answer.nights.iter().rev().find_map(|night| night.tuning.as_ref()) {
        return format!("{}: {}", tuning.reason, tuning.message);
    }
    let nights = |state: &str| {
        let is_in = |flag: &FlagLine| flag.states.iter().any(|one| one == state);
        answer.nights.iter().filter(|night| night.flags.iter().any(is_in)).count()
    };
    let expired = answer.nights.iter().filter(|night| night.flags.iter().any(|flag| flag.expired.is_some())).count();
    match (nights("Armed"), expired) {
        (0, _) => "no flag was armed".to_owned(),
        (armed, 0) => format!("no tuning run began in {armed} nights with an armed flag"),
        (armed, expired) => format!("in {expired} of {armed} nights with an armed flag it expired unused"),
    }
}

fn end(text: &mut String, answer: &Answer) {
    line(text, "");
    let ends: Vec<String> = answer.promotions.iter().map(|one| format!("{} {}", one.change, one.phase)).collect();
    let ends = if ends.is_empty() { format!("nothing was promoted: {}", why_nothing(answer)) } else { ends.join(", ") };
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
