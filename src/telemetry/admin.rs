//! The server of probes, metrics and the log's filter: a few fixed pages over HTTP/1.1.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use super::{LogControl, level::FILTER_LENGTH_MAX, metrics::MetricsPage};

/// Connections at a time: a kubelet's two probes, two scrapers and a person leave most of them free. Each takes about
/// 16 KiB of buffers, so all of them together half a MiB.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long accepting rests after it failed: file descriptors that ran out do not come back at once.
const ACCEPT_REST: Duration = Duration::from_millis(200);

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What probes ask.
pub trait Health: Send + Sync {
    /// Whether queues and lease are at work; else what hangs.
    ///
    /// # Errors
    /// What hangs, as lines for people.
    fn alive(&self) -> Result<String, String>;

    /// Whether everything that it waits for at its start is there.
    ///
    /// # Errors
    /// What is waited for, as lines for people.
    fn ready(&self) -> Result<String, String>;
}

/// What is served.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "what answers probes has nothing to show")]
pub struct AdminPages {
    /// `/healthz` and `/readyz`.
    pub health: Arc<dyn Health>,
    /// `/metrics`.
    pub metrics: MetricsPage,
    /// `/loglevel`; absent where the process has no log of its own.
    pub log: Option<LogControl>,
}

/// A server that listens.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` comes.
    pub async fn serve(self, pages: AdminPages, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, places.clone()) => accepted,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer, place)) => {
                    connections.spawn(converse(stream, peer, pages.clone(), place));
                }
                Err(error) => {
                    tracing::debug!(error = %error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        connections.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    places: Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn converse(stream: TcpStream, peer: SocketAddr, pages: AdminPages, _place: OwnedSemaphorePermit) {
    let is_local = peer.ip().to_canonical().is_loopback();
    let service = service_fn(move |request: Request<Incoming>| {
        let pages = pages.clone();
        async move { Ok::<_, std::convert::Infallible>(answered(&pages, request, is_local).await) }
    });
    let mut settings = http1::Builder::new();
    settings.timer(TokioTimer::new()).header_read_timeout(SILENCE_MAX).max_buf_size(16 * 1024);
    if let Err(error) = settings.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%peer, error = %error, "a connection ended early");
    }
}

type Page = Response<Full<Bytes>>;

async fn answered(pages: &AdminPages, request: Request<Incoming>, is_local: bool) -> Page {
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(SILENCE_MAX, Limited::new(body, FILTER_LENGTH_MAX).collect()).await;
    match body {
        Ok(Ok(body)) => pages.answer(&parts.method, parts.uri.path(), &body.to_bytes(), is_local),
        Ok(Err(_too_long)) => text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n"),
        Err(_elapsed) => text(StatusCode::REQUEST_TIMEOUT, "the request did not come to its end\n"),
    }
}

impl AdminPages {
    /// What a request gets. `is_local`: it came from this machine, or this pod, itself.
    pub fn answer(&self, method: &Method, path: &str, body: &[u8], is_local: bool) -> Page {
        let reads = method == Method::GET || method == Method::HEAD;
        match path {
            "/healthz" if reads => probe(self.health.alive()),
            "/readyz" if reads => probe(self.health.ready()),
            "/metrics" if reads => match self.metrics.text() {
                Ok(page) => response(StatusCode::OK, page, OPEN_METRICS),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
            },
            "/loglevel" if reads => match &self.log {
                Some(log) => text(StatusCode::OK, &format!("{}\n", log.filter())),
                None => text(StatusCode::NOT_FOUND, "this process has no log of its own\n"),
            },
            "/loglevel" if method == Method::PUT => self.set_filter(body, is_local),
            "/healthz" | "/readyz" | "/metrics" | "/loglevel" => text(StatusCode::METHOD_NOT_ALLOWED, "GET it\n"),
            _ => text(StatusCode::NOT_FOUND, "/healthz /readyz /metrics /loglevel\n"),
        }
    }

    /// Whoever reaches the loopback of the pod may forward ports to it or run programs in it, by the rights of the cluster.
    fn set_filter(&self, body: &[u8], is_local: bool) -> Page {
        let Some(log) = self.log.as_ref().filter(|_| is_local) else {
            return text(
                StatusCode::FORBIDDEN,
                "only from the pod itself: kubectl port-forward POD 8080, then 127.0.0.1\n",
            );
        };
        let filter = std::str::from_utf8(body).map_err(|error| error.to_string());
        match filter.and_then(|filter| filter.parse::<super::LogFilter>().map_err(|error| error.to_string())) {
            Ok(filter) => match log.set(filter.clone()) {
                Ok(()) => {
                    tracing::info!(%filter, "the log's filter is another one from here on");
                    text(StatusCode::OK, &format!("{filter}\n"))
                }
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
            },
            Err(problem) => text(StatusCode::BAD_REQUEST, &format!("{problem}\n")),
        }
    }
}

fn probe(answer: Result<String, String>) -> Page {
    match answer {
        Ok(lines) => text(StatusCode::OK, &lines),
        Err(lines) => text(StatusCode::SERVICE_UNAVAILABLE, &lines),
    }
}

fn text(code: StatusCode, content: &str) -> Page {
    response(code, content.to_owned(), TEXT)
}

fn response(code: StatusCode, content: String, form: &'static str) -> Page {
    let mut response = Response::new(Full::new(Bytes::from(content)));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
