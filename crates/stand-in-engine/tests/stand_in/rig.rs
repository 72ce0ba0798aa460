//! A client, an engine with the recorded arguments, and the recordings.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1::handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use stand_in_engine::Running;
use tokio::{net::TcpStream, time::timeout};

/// What takes milliseconds may take a minute where others compile.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

/// The recorded arguments, besides the model and the address.
pub(crate) const RECORDED_FLAGS: [&str; 9] = [
    "--served-model-name",
    "tiny",
    "--max-model-len",
    "1024",
    "--gpu-memory-utilization",
    "0.2",
    "--max-num-seqs",
    "32",
    "--enforce-eager",
];

pub(crate) fn recorded(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests-data/vllm-0.32.0").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An engine with the recorded arguments, and its address.
pub(crate) async fn started(more_flags: &[&str], environment: &[(&str, &str)]) -> (Running, SocketAddr) {
    let flags = [RECORDED_FLAGS.as_slice(), more_flags].concat();
    let mut engine = Running::start("/models/tiny", &flags, environment);
    let address = within(engine.address()).await.expect("it starts");
    (engine, address)
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("nothing came within the deadline")
}

/// Exit code and output of an engine that is asked to end.
pub(crate) async fn stopped(mut engine: Running) -> (u8, String) {
    engine.stop();
    within(engine.ended()).await.unwrap()
}

/// Status and body; an error where the connection ended before.
pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<(u16, String), hyper::Error> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

fn request(method: &str, path: &str, key: Option<&str>, body: Vec<u8>) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "stand-in");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    request.body(Full::new(Bytes::from(body))).unwrap()
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    within(send(address, request("GET", path, None, Vec::new()))).await.unwrap()
}

pub(crate) async fn get_with_key(address: SocketAddr, path: &str, key: &str) -> u16 {
    within(send(address, request("GET", path, Some(key), Vec::new()))).await.unwrap().0
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: &Value) -> (u16, String) {
    within(send(address, request("POST", path, None, body.to_string().into_bytes()))).await.unwrap()
}

/// As [`post`], where the server may end before it answers.
pub(crate) async fn post_in_vain(address: SocketAddr, path: &str, body: Value) -> Result<(u16, String), hyper::Error> {
    send(address, request("POST", path, None, body.to_string().into_bytes())).await
}

/// A request for so many tokens, streamed, with its usage.
pub(crate) fn streaming(prompt_words: usize, tokens: u64) -> Value {
    json!({"model": "tiny", "prompt": "word ".repeat(prompt_words), "max_tokens": tokens, "ignore_eos": true,
        "stream": true, "stream_options": {"include_usage": true}})
}

/// The same as one body.
pub(crate) fn asking(prompt_words: usize, tokens: u64) -> Value {
    json!({"model": "tiny", "prompt": "word ".repeat(prompt_words), "max_tokens": tokens, "ignore_eos": true})
}

/// The events of a stream; the last one says that it is whole.
pub(crate) fn events(body: &str) -> Vec<Value> {
    let mut events: Vec<&str> = body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.pop(), Some("[DONE]"), "{body}");
    events.into_iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

/// The value of one series of a page.
pub(crate) fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}

/// Waits until `/health` answers this status.
pub(crate) async fn until_health(address: SocketAddr, status: u16) {
    within(async {
        while get(address, "/health").await.0 != status {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
