//! Any text is an engine's output: nothing panics, messages are short, and memory has a direction only where it failed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phaseloop_core::analysis::{
    engine_log::{classify_engine_end, read_engine_start},
    measurement::EngineFailureClass,
};

fuzz_target!(|input: (Option<i32>, Option<bool>, &str)| {
    let (exit_code, became_ready, output) = input;
    let failure = classify_engine_end(exit_code, None, became_ready, output);
    assert_eq!(failure.exit_code, exit_code);
    assert!(failure.message.chars().count() <= 300);
    let is_memory =
        matches!(failure.class, EngineFailureClass::OutOfMemory | EngineFailureClass::StartRefusedForMemory);
    assert!(is_memory || failure.memory.is_none());
    let start = read_engine_start(output);
    assert!(start.kv_cache_memory_gib.is_none_or(f64::is_finite));
});
