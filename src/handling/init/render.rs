//! The draft as text.

use phaseloop_core::value::{TargetReference, format_duration};

use super::{
    choice::Choice,
    draft::{InitOptions, is_patched, name},
    lines::{Lines, one_line, scalar},
    parameter::ParameterReading,
    reading::EngineReading,
};
use crate::api::reference::TargetKind;

/// Characters of the list of arguments.
const ARGUMENTS_LENGTH_MAX: usize = 300;

/// Writes both objects.
pub(super) fn render(
    options: &InitOptions,
    reading: &EngineReading,
    choice: &Choice,
    parameters: &[ParameterReading],
    warnings: &[String],
) -> String {
    let mut lines = Lines::default();
    head(&mut lines, options, reading, choice, warnings);
    schedule(&mut lines, options, reading, choice);
    lines.end_document();
    escalation(&mut lines, options, reading, choice, parameters);
    lines.into_text()
}

fn head(lines: &mut Lines, options: &InitOptions, reading: &EngineReading, choice: &Choice, warnings: &[String]) {
    let target = TargetReference::from(&options.target_ref);
    let model = reading.model().unwrap_or("not named by its arguments; read from the engine when it runs");
    let image = reading.engine.image.as_deref().unwrap_or("none");
    let version =
        reading.version.map_or_else(|| "version read when it runs".to_owned(), |version| format!("vLLM {version}"));
    lines.comment(0, "Drafted by `phaseloop init`. It applies as it is; what to look at first is marked LOOK.");
    lines.comment(0, "");
    lines.comment(0, &format!("Read of {target} in namespace {}:", options.namespace));
    lines.row(0, &format!("model      {model}"));
    lines.row(0, &format!("image      {image} ({version})"));
    lines.row(
        0,
        &format!(
            "engine     container {}, {} per replica, {}",
            reading.engine.name,
            gpus(reading.gpus),
            replicas(reading.replicas)
        ),
    );
    lines.row(0, &format!("arguments  {}", arguments(reading)));
    let manager =
        choice.manager.map_or_else(|| "nobody but kubectl and its like".to_owned(), |manager| manager.to_string());
    lines.row(0, &format!("managed by {manager}"));
    for note in &reading.notes {
        lines.row(0, &format!("note       {note}"));
    }
    for warning in warnings {
        lines.comment(0, &format!("WARNING: {warning}."));
    }
}

fn gpus(count: u32) -> String {
    if count == 1 { "1 GPU".to_owned() } else { format!("{count} GPUs") }
}

fn replicas(count: i32) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

fn arguments(reading: &EngineReading) -> String {
    let told: Vec<String> = reading
        .configuration
        .iter()
        .filter(|(flag, _)| *flag != "model")
        .map(|(flag, value)| if value.is_empty() { flag.clone() } else { format!("{flag}={value}") })
        .collect();
    let told = if told.is_empty() { "none that can be read".to_owned() } else { told.join(" ") };
    told.chars().take(ARGUMENTS_LENGTH_MAX).collect()
}

fn object(lines: &mut Lines, options: &InitOptions, kind: &str) {
    lines.line(0, "apiVersion: phaseloop.dev/v1alpha1");
    lines.line(0, &format!("kind: {kind}"));
    lines.line(0, "metadata:");
    lines.line(1, &format!("name: {}", scalar(name(options))));
    lines.line(1, &format!("namespace: {}", scalar(&options.namespace)));
    lines.line(0, "spec:");
}

fn target(lines: &mut Lines, depth: usize, options: &InitOptions, reading: &EngineReading) {
    let kind = match options.target_ref.kind {
        TargetKind::Deployment => "Deployment",
        TargetKind::StatefulSet => "StatefulSet",
    };
    lines.line(depth, "targetRef:");
    lines.line(depth + 1, &format!("kind: {kind}"));
    lines.line(depth + 1, &format!("name: {}", scalar(&options.target_ref.name)));
    if reading.names_container {
        lines.line(
            depth + 1,
            &format!("container: {} # the engine, as --container named it", scalar(&reading.engine.name)),
        );
    }
}

fn schedule(lines: &mut Lines, options: &InitOptions, reading: &EngineReading, choice: &Choice) {
    let schedule = &options.schedule;
    object(lines, options, "PhaseSchedule");
    lines.comment(
        1,
        "LOOK: when a test runs. It measures a replica of its own, so choose an hour in which GPUs are spare.",
    );
    lines.line(1, &format!("schedule: {}", serde_json::Value::from(one_line(schedule.cron.as_str()))));
    lines.line(1, &format!("timeZone: {}", scalar(schedule.zone.name())));
    lines.comment(
        1,
        "What each night runs: one test pod, made of the target's own template. Production is not touched.",
    );
    lines.line(1, "run:");
    target(lines, 2, options, reading);
    lines.line(2, "domains:");
    lines.line(3, "- name: serving");
    lines.line(4, "serving:");
    lines.comment(
        5,
        "LOOK: the load. Nothing tells here what your users send: set what one replica gets at its peak. Runs are \
                      compared only under the same load, so changing it later begins a new baseline of three nights.",
    );
    lines.line(5, "workload:");
    lines.line(6, &format!("requests: {} # about a minute of load at this rate", choice.requests));
    lines.line(6, "arrival:");
    lines.line(
        7,
        &format!("rate: {} # requests per second, sent whether or not the engine keeps up (--rate)", choice.rate),
    );
    lines.line(6, "inputTokens:");
    lines.line(7, &format!("fixed: {}", choice.input_tokens));
    lines.line(6, "outputTokens:");
    lines.line(7, &format!("fixed: {}", choice.output_tokens));
    if let Some(most) = reading.tokens_max() {
        lines.comment(6, &format!("Both together fit the engine's max-model-len {most}."));
    }
    lines.comment(5, "LOOK: what you promise. A request is good if it meets all three; the share of good ones is the fitness by \
                      which candidates are compared. Chosen: an answer begins within a second, and comes as fast as it is read.");
    lines.line(5, "slo:");
    lines.line(6, &format!("ttft: {}", format_duration(choice.ttft)));
    lines.line(6, &format!("tpot: {}", format_duration(choice.tpot)));
    lines.line(6, &format!("e2e: {} # ttft + {} tokens x tpot", format_duration(choice.e2e), choice.output_tokens));
    lines.comment(2, &format!(
        "SpareGPU waits for {} that nobody uses, and takes none from production; without one the night is Unknown/NoSpareGPU. \
         BorrowReplica takes the place of one of its replicas instead, and gives it back.",
        gpus(reading.gpus)
    ));
    lines.line(2, "placement: SpareGPU");
    lines.comment(2, &format!(
        "Longest run: the wait for a GPU (15m), up to four starts of the engine of {}, and the load; an hour at least. What \
         is shorter than the window below leaves time to act in the same night.",
        format_duration(choice.start_timeout)
    ));
    lines.line(2, &format!("timeout: {}", format_duration(choice.run_timeout)));
}

fn escalation(
    lines: &mut Lines,
    options: &InitOptions,
    reading: &EngineReading,
    choice: &Choice,
    parameters: &[ParameterReading],
) {
    lines.comment(
        0,
        "Three nights with the same symptom permit tuning: the defaults of rules, search and cooldown are left out.",
    );
    object(lines, options, "Escalation");
    target(lines, 1, options, reading);
    tuned(lines, parameters);
    if choice.candidates != phaseloop_core::policy::bound::CANDIDATES_MAX_DEFAULT {
        lines.line(1, "search:");
        lines.line(2, &format!("maxCandidates: {} # the administrator's limit", choice.candidates));
    }
    lines.comment(
        1,
        "Each candidate is one isolated pod with the load and the limits of the domain that raised the symptom.",
    );
    lines.line(1, "canary:");
    lines.comment(2, &format!(
        "At {} requests per second 50 requests count in this time: an eighth warms up, a quarter is left to the last answers.",
        choice.rate
    ));
    lines.line(2, &format!("measure: {}", format_duration(choice.measure)));
    match reading.startup_allowed {
        Some(allowed) if allowed == choice.start_timeout => {
            lines.comment(2, "Longest start of the engine: what the target's own startup probe allows.");
        }
        _ => lines.comment(2, "LOOK: longest start of the engine. Large models take longer than two minutes to load."),
    }
    lines.line(2, &format!("startTimeout: {}", format_duration(choice.start_timeout)));
    safety(lines, options, reading, choice);
    promotion(lines, choice);
}

/// The parameters: left out where all can be set, so that whatever somebody changed is among them as well.
fn tuned(lines: &mut Lines, parameters: &[ParameterReading]) {
    let width = parameters.iter().map(|parameter| parameter.name.as_str().len()).max().unwrap_or_default();
    lines.comment(1, "What may be tuned, with its value now and the values that may be tried:");
    for ParameterReading { name, now, tunable, .. } in parameters.iter().filter(|parameter| parameter.tunable.is_ok()) {
        let tried = tunable.as_deref().unwrap_or_default();
        lines.row(1, &format!("{:width$}  now {now}; may be {tried}", name.as_str()));
    }
    let fixed: Vec<&ParameterReading> = parameters.iter().filter(|parameter| parameter.tunable.is_err()).collect();
    if fixed.is_empty() {
        lines.comment(1, "`parameters` is left out: all of these, and whatever differs from the nights before.");
        return;
    }
    for ParameterReading { name, tunable, .. } in fixed {
        let why = tunable.as_ref().err().map(String::as_str).unwrap_or_default();
        lines.row(1, &format!("{:width$}  not here: {why}", name.as_str()));
    }
    lines.line(1, "parameters:");
    for ParameterReading { name, summary, .. } in parameters.iter().filter(|parameter| parameter.tunable.is_ok()) {
        lines.line(2, &format!("- name: {} # {}", scalar(name.as_str()), one_line(summary)));
    }
}

fn safety(lines: &mut Lines, options: &InitOptions, reading: &EngineReading, choice: &Choice) {
    let (start, end) = &choice.window;
    lines.line(1, "safety:");
    lines.comment(
        2,
        "LOOK: when tuning and rollouts may happen. It opens with the test, so that what it finds is acted on at once.",
    );
    lines.line(2, "windows:");
    lines.line(3, &format!("- start: \"{start}\""));
    lines.line(4, &format!("end: \"{end}\""));
    lines.line(4, &format!("timeZone: {}", scalar(options.schedule.zone.name())));
    lines.comment(
        2,
        &format!(
            "Measuring per night: production's value and {} candidates of {}.",
            choice.candidates,
            format_duration(choice.measure)
        ),
    );
    lines.line(2, &format!("measureBudget: {}", format_duration(choice.measure_budget)));
    lines.comment(2, &format!(
        "GPU time per night, engine starts included, times {} per test. It holds at least production's value and one candidate \
         where every start takes the whole startTimeout.",
        gpus(reading.gpus)
    ));
    lines.line(2, &format!("gpuHoldBudget: {}", format_duration(choice.hold_budget)));
    if let Some(cooldown) = choice.cooldown {
        lines.line(2, &format!("cooldown: {} # the administrator's least", format_duration(cooldown)));
    }
}

fn promotion(lines: &mut Lines, choice: &Choice) {
    lines.line(1, "promotion:");
    if is_patched(choice) {
        lines.comment(
            2,
            "Nobody else manages the target, so the winner is written to it: one patch that tests the old value first.",
        );
        if choice.surges {
            lines.comment(
                2,
                "Its rollout starts a new pod before an old one ends, so it needs a spare GPU as the tests do.",
            );
        }
        lines.line(2, "delivery: Patch");
    } else {
        let manager = choice.manager.map(|manager| manager.to_string()).unwrap_or_default();
        lines.comment(2, &format!(
            "{manager} manages the target and would put the old value back: the winner is only named. Write Git with `git: \
             {{repository, base, path, secretName}}` for a pull request, or Patch with `allowManaged: true`."
        ));
        lines.line(2, "delivery: None");
    }
    lines.comment(
        2,
        "A person approves each promotion: kubectl get tprom, then set spec.decision. Automatic needs nobody.",
    );
    lines.line(2, "approval: Manual");
}
