//! The reference of the catalogue, as the Markdown that `docs/reference/actuators.md` holds.

use super::{
    actuator::{Actuator, ActuatorKind, Direction, Remedy},
    catalogue::{ACTUATORS, CATALOGUE_VERSIONS, FORBIDDEN, FORBIDDEN_ENVIRONMENT, REMOVED},
    interaction::Conflict,
};
use crate::prelude::*;

/// The page of the catalogue. A test of the project compares it with the committed file.
pub fn actuators_markdown() -> String {
    let mut page = format!(
        "# Actuators\n\n\
         Generated from the catalogue in `crates/core/src/tuning/catalogue`; change it there.\n\n\
         Flags of vLLM that may be tuned, for {CATALOGUE_VERSIONS}. Engines outside this range are measured and judged, \
         but nothing is tuned on them. An administrator may narrow bounds in the ConfigMap `phaseloop-policy`; nobody \
         can widen them.\n\n## Tunable\n\n\
         | flag | values | step | engine default | what it does |\n| --- | --- | --- | --- | --- |\n"
    );
    for actuator in ACTUATORS {
        page.push_str(&tunable_row(actuator));
    }
    page.push_str(
        "\n## What each is tried for\n\nThe ladder is what is tried where the user names no values, and only on the side \
         of the incumbent that the diagnosis favours. What healthy runs had comes first wherever it was changed; over-committed memory is tried lowest first.\n\n\
         | flag | symptoms | diagnosis | direction | ladder |\n| --- | --- | --- | --- | --- |\n",
    );
    for actuator in ACTUATORS {
        page.push_str(&remedy_rows(actuator));
    }
    page.push_str("\n## Only with the administrator's permission\n\n| flag | why |\n| --- | --- |\n");
    let needs_permission = ACTUATORS.iter().filter_map(|actuator| Some((actuator.name, actuator.administrator?)));
    page.push_str(&rows(needs_permission));
    page.push_str("\n## Combinations that are refused\n\n| reason | meaning |\n| --- | --- |\n");
    page.push_str(&rows(Conflict::ALL.iter().map(|entry| (entry.name, entry.meaning))));
    page.push_str("\n## Never tuned\n\n| flag | why |\n| --- | --- |\n");
    page.push_str(&rows(FORBIDDEN.iter().map(|forbidden| (forbidden.name, forbidden.why))));
    page.push_str("\nEnvironment variables that no binding may set:\n\n| variable | why |\n| --- | --- |\n");
    page.push_str(&rows(FORBIDDEN_ENVIRONMENT.iter().map(|forbidden| (forbidden.name, forbidden.why))));
    page.push_str("\n## Removed from the engine\n\n| flag | instead |\n| --- | --- |\n");
    page.push_str(&rows(REMOVED.iter().map(|removed| (removed.name, removed.instead))));
    page
}

fn tunable_row(actuator: &Actuator) -> String {
    let (mut values, step) = match actuator.kind {
        ActuatorKind::Number { minimum, maximum, step } => (format!("{minimum} to {maximum}"), step.to_string()),
        ActuatorKind::Choice(choices) => (code_list(choices), String::new()),
        ActuatorKind::Flag => ("on, off".to_owned(), String::new()),
    };
    if !actuator.special.is_empty() {
        values = format!("{values}, {}", code_list(actuator.special));
    }
    let default = actuator.engine_default.unwrap_or("depends on card or model");
    format!("| `{}` | {values} | {step} | {default} | {} |\n", actuator.name, actuator.summary)
}

/// One row for the symptoms that share diagnosis and direction, which stand next to each other.
fn remedy_rows(actuator: &Actuator) -> String {
    let row = |remedies: &[Remedy]| {
        let Some(Remedy { diagnosis, direction, .. }) = remedies.first() else {
            return String::new();
        };
        let ladder = match direction {
            Direction::Lower => actuator.ladder_down,
            Direction::Raise | Direction::Either => actuator.ladder_up,
        };
        let symptoms: Vec<&str> = remedies.iter().map(|remedy| remedy.symptom.name()).collect();
        let (name, symptoms, way, ladder) = (actuator.name, code_list(&symptoms), direction.word(), ladder.join(" "));
        format!("| `{name}` | {symptoms} | {diagnosis} | {way} | {ladder} |\n")
    };
    let same = |one: &Remedy, other: &Remedy| (one.diagnosis, one.direction) == (other.diagnosis, other.direction);
    actuator.remedies.chunk_by(same).map(row).collect()
}

fn rows(entries: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    entries.map(|(name, sentence)| format!("| `{name}` | {sentence} |\n")).collect()
}

fn code_list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_everything_the_catalogue_says() {
        let page = actuators_markdown();
        for line in [
            "| `gpu-memory-utilization` | 0.1 to 0.98 | 0.01 | 0.92 | ",
            "| `kv-cache-dtype` | `bfloat16`, `fp8`, `fp8_e4m3`, `fp8_e5m2`, `auto` |  | auto | ",
            "| `max-model-len` | 256 to 10485760, `-1`, `auto` | 1 | depends on card or model | ",
            "| `enable-prefix-caching` | on, off |  | true | ",
            "| `gpu-memory-utilization` | `vllm_oom` | MemoryOvercommitted | lower | 0.40 0.45 ",
            "| `gpu-memory-utilization` | `vllm_oom` | MemoryStarved | higher | 0.20 0.30 ",
            "| `max-num-batched-tokens` | `latency_regression`, `throughput_drop`, `pass_rate_drop` | ComputeBound | either way | 512 ",
            "| `max-model-len` | it is the contract with the users",
            "| `ActiveAboveSequences` | max-num-active-seqs is above max-num-seqs: the engine refuses to start. |",
            "| `host` | clients and probes find the engine by it |",
            "| `VLLM_SERVER_DEV_MODE` | it opens what must stay closed in production |",
            "| `swap-space` | kv-offloading-size took its place",
        ] {
            assert!(page.lines().any(|row| row.starts_with(line)), "{line}");
        }
        assert!(page.lines().all(|row| !row.contains("| |")), "no empty reason");
    }
}
