//! Each fault does what its variable says, and nothing without it.

use std::time::Duration;

use phaseloop_core::analysis::{engine_log::classify_engine_end, measurement::EngineFailureClass};
use stand_in_engine::{
    Running,
    environment::{
        DEATH_LASTS_SECONDS, DIES_AFTER_REQUESTS, HANGS_AFTER_REQUESTS, IGNORES_SIGTERM, KEEP_ALIVE,
        OUT_OF_MEMORY_ABOVE_UTILIZATION, OUT_OF_MEMORY_SEQUENCES, START_HANGS, START_SECONDS, UNAVAILABLE_REQUESTS,
    },
};
use tokio::time::Instant;

use crate::rig::{asking, get, post, post_in_vain, started, stopped, streaming, until_health, value, within};

/// Four long streams at once at this share of memory: the exit code and output if it died of them.
async fn under_load(share: &str) -> Option<(u8, String)> {
    let edge = [(OUT_OF_MEMORY_ABOVE_UTILIZATION, "0.75"), (OUT_OF_MEMORY_SEQUENCES, "2")];
    let (engine, address) = started(&["--gpu-memory-utilization", share], &edge).await;
    // One alone is no load.
    assert_eq!(post(address, "/v1/completions", &asking(8, 4)).await.0, 200);
    let streams: Vec<_> =
        (0..4).map(|_| tokio::spawn(post_in_vain(address, "/v1/completions", streaming(8, 200)))).collect();
    let mut all_served = true;
    for stream in streams {
        all_served &= within(stream).await.unwrap().is_ok_and(|(_, body)| body.contains("\"completion_tokens\":200"));
    }
    if all_served {
        stopped(engine).await;
        return None;
    }
    within(engine.ended()).await
}

#[tokio::test]
async fn above_the_edge_it_runs_out_of_memory_under_load_and_at_the_edge_it_does_not() {
    assert_eq!(under_load("0.75").await, None);
    let (code, printed) = under_load("0.76").await.expect("it dies");
    assert_eq!(code, 0);
    let failure = classify_engine_end(Some(0), None, Some(true), &printed);
    assert_eq!(failure.class, EngineFailureClass::OutOfMemory);
    assert!(failure.message.starts_with("torch.OutOfMemoryError: CUDA out of memory."), "{}", failure.message);
}

#[tokio::test]
async fn a_dead_engines_server_may_be_kept_up() {
    let (engine, address) =
        started(&[], &[(DIES_AFTER_REQUESTS, "1"), (KEEP_ALIVE, "1"), (DEATH_LASTS_SECONDS, "0")]).await;
    assert_eq!(post(address, "/v1/completions", &asking(8, 4)).await.0, 500);
    until_health(address, 503).await;
    assert_eq!(get(address, "/metrics").await.0, 200);
    let (code, printed) = stopped(engine).await;
    assert!(code == 0 && printed.contains("[shutdown] API server: shutdown triggered"));
}

#[tokio::test]
async fn a_storm_of_503_has_its_beginning_and_its_end() {
    let (engine, address) = started(&[], &[(UNAVAILABLE_REQUESTS, "1..3")]).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(post(address, "/v1/completions", &asking(8, 1)).await.0);
    }
    assert_eq!(statuses, [200, 503, 503, 200]);
    let page = get(address, "/metrics").await.1;
    let rejected = value(&page, "vllm:admission_rejections_total{model_name=\"tiny\",reason=\"max_num_queued_reqs\"}");
    assert!((rejected - 2.0).abs() < 1e-6);
    assert_eq!(get(address, "/health").await.0, 200);
    stopped(engine).await;
}

#[tokio::test]
async fn an_engine_that_hangs_under_load_answers_nobody_and_still_says_that_it_is_healthy() {
    let (engine, address) = started(&[], &[(HANGS_AFTER_REQUESTS, "2")]).await;
    assert_eq!(post(address, "/v1/completions", &asking(8, 1)).await.0, 200);
    let waiting = tokio::spawn(post_in_vain(address, "/v1/completions", asking(8, 1)));
    within(async { while !get(address, "/load").await.1.contains(":1") {} }).await;
    assert_eq!(get(address, "/health").await.0, 200);
    assert!(!waiting.is_finished());
    assert_eq!(stopped(engine).await.0, 0);
    assert!(within(waiting).await.unwrap().is_err(), "it was cut, not answered");
}

#[tokio::test]
async fn a_start_that_hangs_says_nothing_after_its_first_lines() {
    let mut engine = Running::start("m", &[], &[(START_HANGS, "1")]);
    within(async {
        while !engine.output().contains("Using LBHNC KV cache layout.") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    engine.stop();
    let (code, printed) = within(engine.ended()).await.unwrap();
    assert_eq!(code, 143);
    assert!(!printed.contains("Starting vLLM server"));
    let failure = classify_engine_end(Some(143), None, Some(false), &printed);
    assert_eq!(failure.class, EngineFailureClass::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_start_takes_as_long_as_it_is_told_to() {
    let begun = Instant::now();
    let mut engine = Running::start("m", &[], &[(START_SECONDS, "600")]);
    assert!(engine.address().await.is_some());
    let lasted = begun.elapsed();
    assert!((Duration::from_mins(10)..Duration::from_secs(601)).contains(&lasted), "{lasted:?}");
}

#[tokio::test]
async fn who_ignores_sigterm_goes_on_serving() {
    let (mut engine, address) = started(&[], &[(IGNORES_SIGTERM, "1")]).await;
    engine.stop();
    assert_eq!(post(address, "/v1/completions", &asking(8, 4)).await.0, 200);
    assert!(!engine.output().contains("[shutdown]"));
}

#[tokio::test]
async fn a_wrong_variable_and_a_wrong_flag_end_it_before_it_says_anything_else() {
    let (code, printed) = within(Running::start("m", &[], &[("STAND_IN_DIES", "1")]).ended()).await.unwrap();
    assert_eq!((code, printed.as_str()), (64, "stand-in: STAND_IN_DIES is no variable of the stand-in\n"));
    let (code, printed) = within(Running::start("m", &["--fast"], &[]).ended()).await.unwrap();
    assert_eq!(code, 2);
    let failure = classify_engine_end(Some(2), None, Some(false), &printed);
    assert_eq!(failure.class, EngineFailureClass::StartRefused, "{printed}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let (engine, address) = started(&[], &[]).await;
    let port = address.port().to_string();
    let (code, printed) = within(Running::start("m", &["--port", &port], &[]).ended()).await.unwrap();
    assert_eq!(code, 1);
    assert!(printed.contains("Address already in use") && printed.contains(&port), "{printed}");
    stopped(engine).await;
}
