//! An engine that does not come up says why, in a real one's words, and the core reads the right lesson from them.

use phaseloop::simulation::engine::{EngineSettings, Micros, RequestSchedule};
use phaseloop::simulation::engine::{EngineSpec, GpuState, MemoryRefusal, RunTerms, preset, refuse_flags, run_lives};
use phaseloop_core::analysis::measurement::{EngineFailure, EngineFailureClass, MemoryFault};

use crate::{
    recorded,
    rig::{arguments, engine, fixed, load, plan, plan_beside, roomy, terms, with},
};

const GIB: u64 = 1 << 30;

/// How a start beside other processes came out: the failure as the core tells it, and everything that was printed.
fn refusal(spec: &EngineSpec, used_by_others_bytes: u64) -> (EngineFailure, String) {
    let gpu = GpuState { used_by_others_bytes, slowdown: 1.0 };
    let schedule = RequestSchedule::of(&load(10, "10", fixed(10), fixed(10)));
    let run = run_lives(spec, &schedule, &RunTerms { gpu, ..terms(1) });
    assert_eq!((run.lives.len(), run.beginning), (1, None), "it never answered");
    let life = &run.lives[0];
    let output = life.start.log().text(jiff::Timestamp::UNIX_EPOCH);
    (life.failure().unwrap_or_else(|| panic!("it started: {output}")), output)
}

/// A message without its figures.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for letter in line.chars() {
        let is_figure = letter.is_ascii_digit() || (matches!(letter, '.' | ',' | '-') && shape.ends_with('#'));
        match (is_figure, shape.ends_with('#')) {
            (true, true) => {}
            (true, false) => shape.push('#'),
            (false, _) => shape.push(letter),
        }
    }
    shape
}

#[test]
fn a_share_that_is_not_free_is_refused_and_points_down() {
    let spec = roomy(&[("gpu-memory-utilization", "0.92"), ("max-model-len", "8192")]);
    assert!(plan(&spec).is_ok());
    let (failure, output) = refusal(&spec, 8 * GIB);
    assert_eq!(failure.class, EngineFailureClass::StartRefusedForMemory);
    assert_eq!((failure.memory, failure.exit_code), (Some(MemoryFault::Overcommitted), Some(1)));
    // 45,469 MiB less 512 of context and 8,192 of others; 92 % of it all.
    let line = "ValueError: Free memory on device cuda:0 (35.9/44.4 GiB) on startup is less than desired GPU memory utilization (0.92, 40.85 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.";
    assert!(output.contains(line), "{output}");
    assert!(plan_beside(&with(&spec, &[("gpu-memory-utilization", "0.8")]), 8 * GIB).is_ok(), "less is the way out");
}

#[test]
fn weights_that_leave_nothing_of_the_share_are_refused_and_point_up() {
    let spec = roomy(&[("gpu-memory-utilization", "0.35"), ("max-model-len", "8192")]);
    let (failure, output) = refusal(&spec, 0);
    assert_eq!(failure.class, EngineFailureClass::StartRefusedForMemory);
    assert_eq!((failure.memory, failure.exit_code), (Some(MemoryFault::Starved), Some(1)));
    assert!(
        output
            .contains("ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`")
    );
    let lacking = plan(&spec).unwrap_err();
    assert!(matches!(lacking, MemoryRefusal::NoCacheBlocks { available_bytes } if available_bytes < 0), "{lacking:?}");
}

#[test]
fn weights_that_do_not_fit_the_card_run_out_of_memory_while_they_load() {
    let spec = engine(
        preset::l40s_48gb(),
        preset::code_llama_34b(),
        preset::release_0_32(),
        &[("gpu-memory-utilization", "0.95"), ("max-model-len", "2048")],
    );
    let (failure, output) = refusal(&spec, 0);
    assert_eq!(failure.exit_code, Some(1));
    assert!(output.contains("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 64361.57 MiB."), "{output}");
    assert!(output.contains("Starting to load model") && !output.contains("Loading weights took"), "{output}");
}

#[test]
fn a_sequence_that_does_not_fit_the_cache_is_refused_with_the_length_that_would() {
    let starved = [("gpu-memory-utilization", "0.45"), ("max-num-seqs", "16")];
    let spec = roomy(&starved);
    let (failure, output) = refusal(&spec, 0);
    assert_eq!(failure.class, EngineFailureClass::StartRefusedForMemory);
    assert_eq!((failure.memory, failure.exit_code), (Some(MemoryFault::Starved), Some(1)));
    let Err(MemoryRefusal::ModelLength { max_model_len, fitting_tokens, .. }) = plan(&spec) else { panic!("{output}") };
    assert_eq!(max_model_len, 131_072);
    assert!(output.contains(&format!("the estimated maximum model length is {fitting_tokens}.")), "{output}");
    let shortened = with(&spec, &[("max-model-len", &fitting_tokens.to_string())]);
    assert_eq!(plan(&shortened).unwrap().max_model_len, fitting_tokens, "the estimate holds");
    let longer = with(&spec, &[("max-model-len", &(fitting_tokens + 1).to_string())]);
    assert!(plan(&longer).is_err(), "and is no token too short");
    let by_memory = with(&spec, &[("max-model-len", "-1")]);
    assert_eq!(plan(&by_memory).unwrap().max_model_len, fitting_tokens, "what an engine settles on by itself");
}

#[test]
fn the_refusal_of_a_sequence_is_that_of_a_recorded_engine() {
    let spec = recorded::machine(&[("kv-cache-memory-bytes", "524288")]);
    let (_, output) = refusal(&spec, 0);
    let of = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("ValueError: To serve at least one request"));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let (said, heard) = (of(&output), of(&recorded::file("crates/core/tests-data/engine/refused-kv-too-small.log")));
    assert!(heard.contains("maximum model length is 384.") && said.contains("maximum model length is 384."), "{said}");
    assert!(heard.starts_with(&said), "to the letter, but for the recorded link at the end:\n{said}\n{heard}");
}

#[test]
fn a_sampler_that_finds_too_little_left_names_its_requests() {
    let spec = engine(
        preset::h100_80gb(),
        preset::llama_3_1_8b(),
        preset::release_0_32(),
        &[("gpu-memory-utilization", "0.98"), ("max-model-len", "8192"), ("max-num-seqs", "1024")],
    );
    let (failure, output) = refusal(&spec, 0);
    assert_eq!((failure.class, failure.memory), (EngineFailureClass::OutOfMemory, Some(MemoryFault::Overcommitted)));
    let words = "CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization`";
    assert!(output.contains(words), "{output}");
    assert!(plan(&with(&spec, &[("max-num-seqs", "256")])).is_ok(), "the first way out");
    assert!(plan(&with(&spec, &[("gpu-memory-utilization", "0.9")])).is_ok(), "the second");
}

#[test]
fn arguments_that_no_engine_takes_end_it_before_it_has_a_card() {
    for (pairs, code, words) in [
        ([("max-num-seqs", "many")], 2, "vllm serve: error: argument --max-num-seqs: invalid value: 'many'"),
        ([("gpu-memory-utilization", "1.5")], 1, "gpu_memory_utilization must be in (0, 1], got 1.5"),
    ] {
        let error = EngineSettings::from_configuration(&arguments(&pairs)).unwrap_err();
        let refused = refuse_flags(&roomy(&[]), &error, Micros::ZERO, 1);
        let phaseloop::simulation::engine::StartOutcome::Refused { after, exit_code, log } = refused else { panic!() };
        assert_eq!(exit_code, code);
        assert!(after < Micros(15_000_000), "no weights were loaded: {after:?}");
        let output = log.text(jiff::Timestamp::UNIX_EPOCH);
        assert!(output.contains(words), "{output}");
    }
}

#[test]
fn what_a_start_prints_has_the_places_and_the_words_of_a_recorded_one() {
    let spec = recorded::machine(&[("max-num-seqs", "32"), ("gpu-memory-utilization", "0.2")]);
    let started = phaseloop::simulation::engine::start(&spec, &terms(1).gpu, terms(1).began, 1);
    let said = started.log().text(jiff::Timestamp::UNIX_EPOCH);
    // One of them kept what is said of the cache, the other what is said before.
    let recordings = ["crates/core/tests-data/engine/startup.log", "examples/recorded-nights/night14.log"];
    let recording = recordings.map(recorded::file).concat();
    for place in ["model.py:733", "model.py:2152", "vllm.py:1703", "kv_cache_utils.py:2327", "entry.py:140"] {
        let mark = format!("[{place}] ");
        let messages = |text: &str| -> Vec<String> {
            text.lines().filter_map(|line| Some(shape(line.split_once(&mark)?.1))).collect()
        };
        // The recorded engine ran without a GPU.
        let message = messages(&said)[0].replace("GPU KV cache", "CPU KV cache");
        assert!(messages(&recording).contains(&message), "{place}: {message} instead of {:?}", messages(&recording));
    }
    let ready = "INFO:     Application startup complete.";
    assert!(said.contains(ready) && recording.contains(ready));
}
