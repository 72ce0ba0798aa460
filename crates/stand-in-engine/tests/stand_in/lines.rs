//! What it prints is what the recorded engine printed, but for numbers, times and processes; and the core reads both alike.

use std::net::SocketAddr;

use phaseloop_core::analysis::engine_log::{classify_engine_end, read_engine_start};
use phaseloop_core::analysis::measurement::{EngineFailureClass, MemoryFault};
use stand_in_engine::{Output, Setting, environment, live};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::rig::{RECORDED_FLAGS, get, post_in_vain, recorded, streaming, until_health, within};

/// An engine on all addresses, as recorded, so that also the line with its arguments is the same.
struct Engine {
    output: Output,
    ready: watch::Receiver<Option<SocketAddr>>,
    stop: oneshot::Sender<()>,
    life: JoinHandle<u8>,
}

impl Engine {
    fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let output = Output::keeping();
        let words = ["serve", "/models/tiny", "--port", "0"];
        let setting = Setting {
            arguments: words.iter().chain(flags).map(|word| (*word).to_owned()).collect(),
            environment: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            output: output.clone(),
        };
        let (sender, ready) = watch::channel(None);
        let (stop, stopped) = oneshot::channel::<()>();
        let life = tokio::spawn(live(setting, async { stopped.await.unwrap_or_default() }, sender));
        Self { output, ready, stop, life }
    }

    async fn address(&mut self) -> SocketAddr {
        let port = within(self.ready.wait_for(Option::is_some)).await.unwrap().unwrap().port();
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    async fn ended(self) -> (u8, String) {
        let code = within(self.life).await.unwrap();
        drop(self.stop);
        (code, self.output.kept())
    }

    async fn stopped(self) -> (u8, String) {
        self.stop.send(()).unwrap();
        (within(self.life).await.unwrap(), self.output.kept())
    }
}

/// Lines without what differs from run to run: numbers, the name of a meeting place, the order of a Python set, and what
/// tells of single requests that were answered.
fn normalised(output: &str) -> Vec<String> {
    let is_kept = |line: &&str| {
        let is_answer = line.starts_with("INFO:     127.0.0.1:") && !line.contains("\" 500 ");
        !is_answer && !line.contains("[loggers.py:")
    };
    output.lines().filter(is_kept).map(without_numbers).collect()
}

/// `1,978,368 tokens` becomes `# tokens`; the comma behind any number goes with it.
fn without_numbers(line: &str) -> String {
    let line = line.replace("HEAD, GET", "GET, HEAD");
    let line = match line.split_once("datalm_dist_") {
        Some((before, after)) => {
            format!("{before}NAME{}", after.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()))
        }
        None => line,
    };
    let mut made = String::new();
    for letter in line.chars() {
        let is_number = letter.is_ascii_digit() || (letter == ',' && made.ends_with('#'));
        match is_number {
            true if made.ends_with('#') => {}
            true => made.push('#'),
            false => made.push(letter),
        }
    }
    made
}

fn assert_same_lines(printed: &str, heard: &str) {
    let (printed, heard) = (normalised(printed), normalised(heard));
    for (number, (printed, heard)) in printed.iter().zip(&heard).enumerate() {
        assert_eq!(printed, heard, "line {}", number + 1);
    }
    let (more, less) = (printed.iter().skip(heard.len()), heard.iter().skip(printed.len()));
    assert_eq!((more.collect::<Vec<_>>(), less.collect::<Vec<_>>()), (Vec::<&String>::new(), Vec::<&String>::new()));
}

/// Class, memory and arguments, as the core reads them.
fn assert_read_alike(
    code: u8,
    became_ready: bool,
    printed: &str,
    heard: &str,
) -> (EngineFailureClass, Option<MemoryFault>) {
    let read = |output: &str| {
        let failure = classify_engine_end(Some(i32::from(code)), None, Some(became_ready), output);
        let mut start = read_engine_start(output);
        start.arguments.remove("port");
        (failure.class, failure.memory, start.arguments, start.engine_version, start.serving)
    };
    let printed = read(printed);
    assert_eq!(printed, read(heard));
    (printed.0, printed.1)
}

#[tokio::test]
async fn a_start_and_an_orderly_end_have_the_recorded_lines() {
    let mut engine = Engine::start(&RECORDED_FLAGS, &[]);
    let address = engine.address().await;
    assert_eq!(get(address, "/health").await.0, 200);
    let (code, printed) = engine.stopped().await;
    let heard = recorded("startup.log");
    assert_eq!(code, 0);
    assert_same_lines(&printed, &heard);
    assert_read_alike(code, true, &printed, &heard);
    let (start, heard) = (read_engine_start(&printed), read_engine_start(&heard));
    assert_eq!(start.kv_cache_memory_gib, heard.kv_cache_memory_gib);
    let (tokens, heard) = (start.kv_cache_tokens.unwrap() as f64, heard.kv_cache_tokens.unwrap() as f64);
    assert!((tokens / heard - 1.0).abs() < 0.002, "{tokens} beside {heard}");
}

#[tokio::test]
async fn a_start_without_memory_for_a_cache_is_refused_with_the_recorded_lines() {
    let flags = [RECORDED_FLAGS.as_slice(), &["--gpu-memory-utilization", "0.01"]].concat();
    let (code, printed) = Engine::start(&flags, &[]).ended().await;
    let heard = recorded("refused-memory.log");
    assert_eq!(code, 1);
    assert_same_lines(&printed, &heard);
    let read = assert_read_alike(code, false, &printed, &heard);
    assert_eq!(read, (EngineFailureClass::StartRefusedForMemory, Some(MemoryFault::Starved)));
}

#[tokio::test]
async fn a_start_with_too_few_blocks_is_refused_with_the_recorded_lines() {
    let flags = [RECORDED_FLAGS.as_slice(), &["--num-gpu-blocks-override", "4"]].concat();
    let (code, printed) = Engine::start(&flags, &[]).ended().await;
    let heard = recorded("refused-kv-too-small.log");
    assert_eq!(code, 1);
    assert_same_lines(&printed, &heard);
    let read = assert_read_alike(code, false, &printed, &heard);
    assert_eq!(read, (EngineFailureClass::StartRefusedForMemory, Some(MemoryFault::Starved)));
}

/// Eight streams were in flight when the recorded engine was killed, and one request came afterwards.
async fn death_of_eight(variable: (&str, &str)) -> (u8, String) {
    let mut engine = Engine::start(&RECORDED_FLAGS, &[variable, (environment::DEATH_LASTS_SECONDS, "2")]);
    let address = engine.address().await;
    let streams: Vec<_> =
        (0..8).map(|_| tokio::spawn(post_in_vain(address, "/v1/completions", streaming(64, 900)))).collect();
    until_health(address, 503).await;
    let (status, body) = within(post_in_vain(address, "/v1/completions", streaming(64, 4))).await.unwrap();
    assert_eq!(status, 500, "{body}");
    for stream in streams {
        // The head was sent before: the error is an event of the stream.
        let (status, body) = within(stream).await.unwrap().unwrap();
        assert!(
            status == 200 && body.contains("\"code\":500") && body.ends_with("data: [DONE]\n\n"),
            "{status} {body}"
        );
    }
    engine.ended().await
}

#[tokio::test]
async fn an_engine_that_is_killed_under_load_dies_with_the_recorded_lines_and_exit_code_zero() {
    let (code, printed) = death_of_eight((environment::DIES_AFTER_REQUESTS, "8")).await;
    let heard = recorded("engine-died-exit-0.log");
    assert_eq!(code, 0);
    assert_same_lines(&printed, &heard);
    assert_eq!(assert_read_alike(code, true, &printed, &heard), (EngineFailureClass::Crash, None));
}

#[tokio::test]
async fn a_death_by_lack_of_memory_names_its_cause_before_the_recorded_lines() {
    let (code, printed) = death_of_eight((environment::OUT_OF_MEMORY_AFTER_REQUESTS, "8")).await;
    let heard = recorded("engine-died-exit-0.log");
    assert_eq!(code, 0);
    let is_cause = |line: &&str| line.contains("[core.py:1520]");
    assert_eq!(printed.lines().filter(is_cause).count(), 7);
    let rest: Vec<&str> = printed.lines().filter(|line| !is_cause(line)).collect();
    assert_same_lines(&rest.join("\n"), &heard);
    let failure = classify_engine_end(Some(0), None, Some(true), &printed);
    assert_eq!((failure.class, failure.memory), (EngineFailureClass::OutOfMemory, Some(MemoryFault::Overcommitted)));
}
