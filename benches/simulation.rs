//! Prints how fast the simulation is and how it grows: `cargo bench --bench simulation`, or with a list of numbers of
//! targets behind `--`.
//!
//! Each number of targets runs in a process of its own, so that its peak memory is its own.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(missing_docs, reason = "a program, not an interface")]

use std::{env, error::Error, fmt::Write as _, fs, process::Command, time::Instant};

use mimalloc::MiMalloc;
use phaseloop::simulation::{
    answer::run_story,
    scenario::{DEFAULT_SCENARIO, DEFAULT_SCENARIO_FILE, read_scenario},
};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Numbers of targets that are measured where nobody names others.
const TARGETS: [usize; 4] = [1, 10, 100, 1000];
/// Nights of each: three without a baseline, and then healthy ones.
const NIGHTS: usize = 5;
/// Targets that share a namespace, as those of a team do.
const TARGETS_PER_NAMESPACE: usize = 10;
/// Nodes, each with as many cards as the scenario format allows.
const GPUS_PER_NODE: usize = 16;
/// Minutes of a day over which the schedules are spread.
const MINUTES: usize = 24 * 60;
/// Tells a process of this program which number of targets it measures.
const MEASURES: &str = "--measures";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [flag, targets] = words.as_slice()
        && flag == MEASURES
    {
        return measure(targets.parse()?);
    }
    let named: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    story()?;
    for targets in if named.is_empty() { TARGETS.to_vec() } else { named } {
        let status = Command::new(env::current_exe()?).args([MEASURES, &targets.to_string()]).status()?;
        if !status.success() {
            return Err(format!("the process that measures {targets} targets ended with {status}").into());
        }
    }
    Ok(())
}

/// The four nights of the README, once the process is warm.
fn story() -> Result<(), Box<dyn Error>> {
    run(DEFAULT_SCENARIO_FILE, DEFAULT_SCENARIO)?;
    let (seconds, nights, events, writes) = run(DEFAULT_SCENARIO_FILE, DEFAULT_SCENARIO)?;
    println!(
        "four-nights: {nights} nights in {seconds:.2} s, {:.1} nights/s, {events} events, {writes} writes",
        nights as f64 / seconds
    );
    Ok(())
}

fn measure(targets: usize) -> Result<(), Box<dyn Error>> {
    let (seconds, nights, events, writes) = run("generated.yaml", &scenario(targets))?;
    let rate = nights as f64 / seconds;
    println!(
        "{targets} targets: {nights} nights in {seconds:.2} s, {rate:.1} nights/s, {:.1} nights of a target/s, {events} \
         events, {writes} writes, peak memory {} MiB",
        rate * targets as f64,
        peak_memory_mib().map_or_else(|| "unknown".to_owned(), |mib| mib.to_string())
    );
    Ok(())
}

/// Seconds, nights, events and writes of a scenario.
fn run(name: &str, text: &str) -> Result<(f64, usize, u64, usize), Box<dyn Error>> {
    let file = read_scenario(name, text)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let began = Instant::now();
    let (answer, _world) = runtime.block_on(Box::pin(run_story(&file, |_, _| {})))?;
    let seconds = began.elapsed().as_secs_f64();
    if let Some(violation) = answer.invariants.violations.first() {
        return Err(format!("{name}: an invariant is violated: {violation:?}").into());
    }
    let nights = usize::try_from(file.scenario.spec.nights + file.scenario.spec.nights_before)?;
    Ok((seconds, nights, answer.events, answer.writes))
}

/// Healthy targets, ten to a namespace, each with a schedule and an Escalation, their runs spread over the day.
fn scenario(targets: usize) -> String {
    let nodes = targets.div_ceil(GPUS_PER_NODE) + 1;
    let mut text = format!(
        "apiVersion: simulation.phaseloop.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: generated}}\nspec:\n  \
         description: many healthy targets\n  seed: 7\n  startDate: \"2026-03-02\"\n  nights: {NIGHTS}\n  \
         namespace: team-0\n  engine:\n    models: [llama-2-13b]\n    images: [{{image: 'vllm/vllm-openai:v0.32.0', \
         release: 0.32.0}}]\n  nodes:\n"
    );
    for node in 0..nodes {
        let _ = writeln!(text, "    - {{name: gpu-{node}, card: A100-40GB, gpus: {GPUS_PER_NODE}}}");
    }
    for namespace in 1..targets.div_ceil(TARGETS_PER_NAMESPACE) {
        let _ = write!(text, "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: team-{namespace}}}}}\n");
    }
    for target in 0..targets {
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
