//! The way to a real API server: a thread of its own, whose time is the machine's. Whoever asks waits for the answer, so
//! virtual time stands still meanwhile, and one request follows the other.

use std::{future::Future, sync::mpsc, thread, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use tokio::sync::mpsc as jobs;

use super::RemoteError;

/// Longest wait for an answer. The API server itself gives up after a minute.
const ANSWER_MAX: Duration = Duration::from_secs(90);
/// How long a watch is asked for: longer than any run.
const WATCH_SECONDS: u32 = 7 * 24 * 3600;
/// The group whose members may do everything.
const MASTERS: &str = "system:masters";

/// A request as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// The method.
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    /// The type of the content.
    pub(super) content_type: &'static str,
    /// The type of the answer.
    pub(super) accept: &'static str,
    /// The content.
    pub(super) body: Bytes,
    /// In whose name, with every right; absent: in that of the kubeconfig.
    pub(super) user: Option<String>,
    /// The client's own name.
    pub(super) agent: String,
}

/// JSON, which everything is but patches.
pub(super) const JSON: &str = "application/json";

impl Call {
    /// A read in the name of the kubeconfig.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::of(Method::GET, path, Bytes::new())
    }

    /// A request in the name of the kubeconfig.
    pub(super) fn of(method: Method, path: impl Into<String>, body: Bytes) -> Self {
        Self {
            method,
            path: path.into(),
            content_type: JSON,
            accept: JSON,
            body,
            user: None,
            agent: "phaseloop-simulate".to_owned(),
        }
    }

    fn request(&self) -> Result<Request<Body>, RemoteError> {
        let told = |problem: String| RemoteError::Request { what: self.to_string(), problem };
        let uri: Uri = self.path.parse().map_err(|error| told(format!("{error}")))?;
        let mut request = Request::new(Body::from(self.body.to_vec()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(self.accept));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| told(format!("{text:?}: {error}")));
        headers.insert(header::USER_AGENT, value(&self.agent)?);
        if let Some(user) = &self.user {
            act_as(headers, value(user)?);
        }
        Ok(request)
    }
}

fn act_as(headers: &mut HeaderMap, user: HeaderValue) {
    headers.insert("impersonate-user", user);
    headers.insert("impersonate-group", HeaderValue::from_static(MASTERS));
}

impl std::fmt::Display for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// HTTP status code.
    pub(super) code: u16,
    /// The content.
    pub(super) body: Bytes,
}

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WatchLine {
    /// The number of the watch.
    pub(super) watch: usize,
    /// One event, or why there are no more.
    pub(super) event: Result<Bytes, String>,
}

enum Job {
    Ask(Box<Call>, mpsc::Sender<Result<Answer, RemoteError>>),
    Watch(Box<Call>, usize, mpsc::Sender<WatchLine>),
}

/// A connection. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Network {
    jobs: jobs::UnboundedSender<Job>,
}

impl Network {
    /// Connects; `connect` is run on the connection's own thread.
    ///
    /// # Errors
    /// What `connect` says.
    pub(super) fn start<C, F>(connect: C) -> Result<Self, RemoteError>
    where
        C: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Client, RemoteError>>,
    {
        let (jobs, arriving) = jobs::unbounded_channel();
        let (told, ready) = mpsc::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(async {
                    let client = connect().await;
                    let is_connected = client.is_ok();
                    // Nobody waits any more only where the program ends.
                    let _ = told.send(client.as_ref().map(drop).map_err(Clone::clone));
                    if let (Ok(client), true) = (client, is_connected) {
                        serve(client, arriving).await;
                    }
                }),
                Err(error) => drop(told.send(Err(RemoteError::Machine(error.to_string())))),
            }
        };
        let spawned = thread::Builder::new().name("api-server".to_owned()).spawn(serve);
        spawned.map_err(|error| RemoteError::Machine(error.to_string()))?;
        ready.recv().map_err(|error| RemoteError::Machine(error.to_string()))??;
        Ok(Self { jobs })
    }

    /// Sends a request and waits for the answer, whatever it says.
    ///
    /// # Errors
    /// Where there is no answer.
    pub(super) fn ask(&self, call: Call) -> Result<Answer, RemoteError> {
        let what = call.to_string();
        let (sender, answer) = mpsc::channel();
        let lost = |problem: String| RemoteError::Request { what: what.clone(), problem };
        self.jobs.send(Job::Ask(Box::new(call), sender)).map_err(|error| lost(error.to_string()))?;
        answer.recv().map_err(|error| lost(error.to_string()))?
    }

    /// Follows what happens after `version`, line by line.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub(super) fn watch(
        &self,
        path: &str,
        version: &str,
        number: usize,
        lines: mpsc::Sender<WatchLine>,
    ) -> Result<(), RemoteError> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{joint}watch=true&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}");
        let call = Box::new(Call::get(path));
        let what = call.to_string();
        let sent = self.jobs.send(Job::Watch(call, number, lines));
        sent.map_err(|error| RemoteError::Request { what, problem: error.to_string() })
    }
}

async fn serve(client: Client, mut arriving: jobs::UnboundedReceiver<Job>) {
    while let Some(job) = arriving.recv().await {
        let client = client.clone();
        match job {
            Job::Ask(call, answer) => drop(tokio::spawn(async move {
                let _ = answer.send(ask(client, &call).await);
            })),
            Job::Watch(call, watch, lines) => drop(tokio::spawn(async move {
                let ended = follow(client, &call, watch, &lines).await;
                let why = ended.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
                let _ = lines.send(WatchLine { watch, event: Err(format!("{call}: {why}")) });
            })),
        }
    }
}

async fn ask(client: Client, call: &Call) -> Result<Answer, RemoteError> {
    let failed = |problem: String| RemoteError::Request { what: call.to_string(), problem };
    let request = call.request()?;
    let exchange = async {
        let response = client.send(request).await.map_err(|error| failed(chain(&error)))?;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| failed(chain(&error)))?.to_bytes();
        Ok(Answer { code, body })
    };
    let limited = tokio::time::timeout(ANSWER_MAX, exchange).await;
    limited.unwrap_or_else(|_| Err(failed(format!("no answer within {} s", ANSWER_MAX.as_secs()))))
}

async fn follow(client: Client, call: &Call, watch: usize, lines: &mpsc::Sender<WatchLine>) -> Result<(), RemoteError> {
    let failed = |problem: String| RemoteError::Request { what: call.to_string(), problem };
    let response = client.send(call.request()?).await.map_err(|error| failed(chain(&error)))?;
    let code = response.status().as_u16();
    let mut body = response.into_body();
    if code != 200 {
        let told = body.collect().await.map_err(|error| failed(chain(&error)))?.to_bytes();
        return Err(failed(format!("{code} {}", String::from_utf8_lossy(&told))));
    }
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(chain(&error)))?;
        rest.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if lines.send(WatchLine { watch, event: Ok(line.into()) }).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// An error with everything behind it: the client's own message alone is often `client error`.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        source = cause.source();
    }
    told
}
