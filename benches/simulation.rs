//! Prints how fast the simulation is and how it grows: `cargo bench --bench simulation`. Numbers behind `--` are those of
//! targets; a thousand take minutes, so they are measured by `cargo bench --bench simulation -- 1000` only.
//!
//! Each line is measured in a process of its own, so that its peak memory is its own.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(missing_docs, reason = "a program, not an interface")]

use std::{env, error::Error, fmt::Write as _, fs, ops::Range, process::Command, time::Instant};

use mimalloc::MiMalloc;
use phaseloop::simulation::{
    answer::run_story,
    scenario::{DEFAULT_SCENARIO, DEFAULT_SCENARIO_FILE, ScenarioFile, read_scenario},
};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Numbers of targets that are measured where nobody names others.
const TARGETS: [usize; 3] = [1, 10, 100];
/// Nights of each: three without a baseline, and then healthy ones.
const NIGHTS: usize = 5;
/// Nights of one target that tell how many there are in a second: enough that the start of the process weighs little.
const NIGHTS_OF_ONE: usize = 30;
/// What the design wants of them.
const NIGHTS_PER_SECOND_WANTED: f64 = 100.0;
/// Targets that share a namespace, as those of a team do.
const TARGETS_PER_NAMESPACE: usize = 10;
/// Targets of one file: a file may have 1,024 documents.
const TARGETS_PER_FILE: usize = 100;
/// Nodes, each with as many cards as the scenario format allows.
const GPUS_PER_NODE: usize = 16;
/// Minutes of a day over which the schedules are spread.
const MINUTES: usize = 24 * 60;
/// Tells a process of this program which numbers of targets and nights it measures.
const MEASURES: &str = "--measures";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [flag, targets, nights] = words.as_slice()
        && flag == MEASURES
    {
        return measure(targets.parse()?, nights.parse()?);
    }
    let named: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    if named.is_empty() {
        story()?;
        measure_apart(1, NIGHTS_OF_ONE)?;
        println!("wanted: {NIGHTS_PER_SECOND_WANTED} nights/s of one target on one core");
    }
    for targets in if named.is_empty() { TARGETS.to_vec() } else { named } {
        measure_apart(targets, NIGHTS)?;
    }
    Ok(())
}

/// Measures in a process of its own.
fn measure_apart(targets: usize, nights: usize) -> Result<(), Box<dyn Error>> {
    let status =
        Command::new(env::current_exe()?).args([MEASURES, &targets.to_string(), &nights.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err(format!("measuring {targets} targets ended with {status}").into()) }
}

/// The four nights of the README, once the process is warm.
fn story() -> Result<(), Box<dyn Error>> {
    let file = read_scenario(DEFAULT_SCENARIO_FILE, DEFAULT_SCENARIO)?;
    run(&file)?;
    let (seconds, nights, events, writes) = run(&file)?;
    println!(
        "four-nights: {nights} nights in {seconds:.2} s, {:.1} nights/s, {events} events, {writes} writes",
        nights as f64 / seconds
    );
    Ok(())
}

fn measure(targets: usize, nights: usize) -> Result<(), Box<dyn Error>> {
    let file = scenario(targets, nights)?;
    let before = processor_seconds();
    let (seconds, nights, events, writes) = run(&file)?;
    let used = before.zip(processor_seconds()).map(|(before, after)| after - before);
    let of_target = (nights * targets) as f64;
    let rate = |seconds: f64| format!("{seconds:.2} s, {:.1} nights of a target/s", of_target / seconds);
    println!(
        "{targets} targets: {nights} nights in {}; of processor time {}; {events} events, {writes} writes, peak memory {} MiB",
        rate(seconds),
        used.map_or_else(|| "unknown".to_owned(), rate),
        peak_memory_mib().map_or_else(|| "unknown".to_owned(), |mib| mib.to_string())
    );
    Ok(())
}

/// Seconds, nights, events and writes of a scenario.
fn run(file: &ScenarioFile) -> Result<(f64, usize, u64, usize), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let began = Instant::now();
    let (answer, _world) = runtime.block_on(Box::pin(run_story(file, |_, _| {})))?;
    let seconds = began.elapsed().as_secs_f64();
    if let Some(violation) = answer.invariants.violations.first() {
        return Err(format!("{}: an invariant is violated: {violation:?}", file.name()).into());
    }
    let nights = usize::try_from(file.scenario.spec.nights + file.scenario.spec.nights_before)?;
    Ok((seconds, nights, answer.events, answer.writes))
}

/// Healthy targets, ten to a namespace, each with a schedule and an Escalation, their runs spread over the day.
fn scenario(targets: usize, nights: usize) -> Result<ScenarioFile, Box<dyn Error>> {
    let mut whole: Option<ScenarioFile> = None;
    for first in (0..targets).step_by(TARGETS_PER_FILE) {
        let own = first..targets.min(first + TARGETS_PER_FILE);
        let part = read_scenario("generated.yaml", &text(targets, nights, own))?;
        match &mut whole {
            Some(whole) => whole.manifests.extend(part.manifests),
            None => whole = Some(part),
        }
    }
    whole.ok_or_else(|| "no target is no scenario".into())
}

/// A file with some of the targets.
fn text(targets: usize, nights: usize, own: Range<usize>) -> String {
    let nodes = targets.div_ceil(GPUS_PER_NODE) + 1;
    let mut text = format!(
        "apiVersion: simulation.phaseloop.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: generated}}\nspec:\n  \
         description: many healthy targets\n  seed: 7\n  startDate: \"2026-03-02\"\n  nights: {nights}\n  \
         namespace: team-0\n  engine:\n    models: [llama-2-13b]\n    images: [{{image: 'vllm/vllm-openai:v0.32.0', \
         release: 0.32.0}}]\n  nodes:\n"
    );
    for node in 0..nodes {
        let _ = writeln!(text, "    - {{name: gpu-{node}, card: A100-40GB, gpus: {GPUS_PER_NODE}}}");
    }
    for namespace in own.start.div_ceil(TARGETS_PER_NAMESPACE).max(1)..own.end.div_ceil(TARGETS_PER_NAMESPACE) {
        let _ = write!(text, "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: team-{namespace}}}}}\n");
    }
    for target in own {
        let minute = target * MINUTES / targets;
        let _ = write!(
            text,
            "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: model-{target}, namespace: team-{namespace}}}
spec:
  selector: {{matchLabels: {{app: model-{target}}}}}
  template:
    metadata: {{labels: {{app: model-{target}}}}}
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.32.0
          command: [vllm, serve]
          args: [meta-llama/Llama-2-13b-chat-hf, --gpu-memory-utilization=0.92, --max-model-len=2048]
          readinessProbe: {{httpGet: {{path: /health, port: 8000}}}}
          resources: {{limits: {{nvidia.com/gpu: '1'}}}}
---
apiVersion: phaseloop.dev/v1alpha1
kind: PhaseSchedule
metadata: {{name: model-{target}, namespace: team-{namespace}}}
spec:
  schedule: {minute} {hour} * * *
  run:
    targetRef: {{kind: Deployment, name: model-{target}}}
    domains:
      - name: serving
        serving:
          workload:
            {{requests: 300, arrival: {{rate: 4}}, inputTokens: {{fixed: 128}}, outputTokens: {{fixed: 32}}, seed: 7}}
          slo: {{e2e: 2s}}
          warmup: 10s
          duration: 5m
---
apiVersion: phaseloop.dev/v1alpha1
kind: Escalation
metadata: {{name: model-{target}, namespace: team-{namespace}}}
spec:
  targetRef: {{kind: Deployment, name: model-{target}}}
  promotion: {{approval: Automatic}}
",
            namespace = target / TARGETS_PER_NAMESPACE,
            hour = minute / 60,
            minute = minute % 60,
        );
    }
    text
}

/// The most memory this process ever held, from the kernel; absent on other systems than Linux.
fn peak_memory_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

/// Processor time of this process so far, from the scheduler's account; absent on other systems than Linux.
fn processor_seconds() -> Option<f64> {
    let account = fs::read_to_string("/proc/self/schedstat").ok()?;
    account.split_ascii_whitespace().next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}
