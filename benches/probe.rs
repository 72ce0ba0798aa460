//! What the load client of `phaseloop probe` takes: its own processor time at a given rate, against an engine that sends a
//! token each 10 ms. `cargo bench --bench probe`.
//!
//! The engine stands in this process and the probe is a process of its own, whose time the kernel counts. The limit is half
//! a core at 200 requests per second: what a client takes beyond its share it takes from the engine.

use std::{
    convert::Infallible,
    error::Error,
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use phaseloop_core::analysis::probe::ProbeReport;

const RATE: u32 = 200;
const SECONDS: u32 = 20;
const OUTPUT_TOKENS: usize = 64;
/// What the probe may take of a core.
const CORE_SHARE_MAX: f64 = 0.5;
/// The kernel counts processor time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// As vLLM streams a token.
const TOKEN: &str = "data: {\"id\":\"cmpl-0\",\"object\":\"text_completion\",\"created\":1,\"model\":\"tiny\",\"choices\":[{\"index\":0,\
    \"text\":\" word\",\"logprobs\":null,\"finish_reason\":null,\"stop_reason\":null,\"token_ids\":null}],\"usage\":null}\n\n";

const END: &str = "data: {\"choices\":[],\"usage\":{\"completion_tokens\":64}}\n\ndata: [DONE]\n\n";
/// Between two tokens: each comes alone, as from a real engine.
const TOKEN_INTERVAL: Duration = Duration::from_millis(10);

type Body = BoxBody<Bytes, Infallible>;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(connection);
        }
    });
    let message = std::env::temp_dir().join(format!("phaseloop-bench-{}", std::process::id()));
    let mut probe = Command::new(env!("CARGO_BIN_EXE_phaseloop"))
        .args(["probe", "--request", &request(address)])
        .env("PHASELOOP_TERMINATION_MESSAGE", &message)
        .stderr(Stdio::null())
        .spawn()?;
    let seconds = processor_seconds(&mut probe)?;
    let report = ProbeReport::read(&fs::read_to_string(&message)?)?;
    fs::remove_file(&message)?;
    let client = report.client.ok_or("the probe sent nothing")?;
    let share = seconds / f64::from(SECONDS);
    println!(
        "{RATE} requests/s of {OUTPUT_TOKENS} tokens for {SECONDS} s: {:.0} % of a core, {:?}, {:?}; {}",
        share * 100.0,
        report.requests.ok_or("no requests")?,
        client,
        report.detail
    );
    if share > CORE_SHARE_MAX {
        return Err(format!("more than {CORE_SHARE_MAX} of a core").into());
    }
    Ok(())
}

/// The processor time of a process until its end, as it was last seen.
fn processor_seconds(child: &mut Child) -> Result<f64, Box<dyn Error>> {
    let mut ticks = 0.0;
    while child.try_wait()?.is_none() {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
        // utime and stime are the 14th and 15th field, of which this begins with the third.
        if let Some([user, system]) = fields.get(11..13) {
            ticks = user.parse::<f64>().unwrap_or(ticks) + system.parse::<f64>().unwrap_or(0.0);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(ticks / TICKS_PER_SECOND)
}

fn request(address: SocketAddr) -> String {
    serde_json::json!({
        "version": 1,
        "mode": "Canary",
        "engineURL": format!("http://{address}"),
        "workload": {
            "requests": RATE * SECONDS,
            "arrival": { "rate": RATE },
            "inputTokens": { "fixed": 256 },
            "outputTokens": { "fixed": OUTPUT_TOKENS },
        },
        "seed": 1,
        "warmup": "1s",
        "measure": "60s",
        "readyTimeout": "60s",
        "endsBy": "2100-01-01T00:00:00Z",
        "notAfter": "2100-01-01T00:01:00Z",
        "messageBytes": 4096,
    })
    .to_string()
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let text = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes())).boxed();
    let body = match request.uri().path() {
        "/v1/models" => text("{\"data\":[{\"id\":\"tiny\"}]}"),
        "/tokenize" => text("{\"count\":20,\"tokens\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}"),
        "/v1/completions" => {
            let tokens = futures::stream::unfold(0, |sent| async move {
                tokio::time::sleep(TOKEN_INTERVAL).await;
                let text = match sent {
                    sent if sent < OUTPUT_TOKENS => TOKEN,
                    OUTPUT_TOKENS => END,
                    _ => return None,
                };
                Some((Ok(Frame::data(Bytes::from_static(text.as_bytes()))), sent + 1))
            });
            BoxBody::new(StreamBody::new(tokens))
        }
        _ => text(""),
    };
    Ok(Response::new(body))
}
