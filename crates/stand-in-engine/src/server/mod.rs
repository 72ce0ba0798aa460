//! The HTTP server.
//!
//! **What lives here**: connections, routes, reading of requests, and bodies as vLLM answers them.
//!
//! **What must not**: the queue and its time; a request is sent to the engine and its tokens come back one by one.

mod body;
mod json;
mod request;
mod route;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    clock,
    command_line::Arguments,
    environment::Environment,
    metrics::{Exchange, Fixed, HttpFigures, Page},
    text::Voice,
    worker::{Board, Death, Request},
};

/// What the way through the server takes before a request reaches the engine.
const WAY: Duration = Duration::from_micros(1_800);
/// How long no connection is accepted after one could not be, as when the process has too many files open.
const AFTER_REFUSED_CONNECTION: Duration = Duration::from_millis(50);

/// What all requests share.
pub(crate) struct Server {
    arguments: Arguments,
    environment: Environment,
    voice: Voice,
    board: Board,
    fixed: Fixed,
    engine: mpsc::UnboundedSender<Request>,
    death: watch::Receiver<Option<Death>>,
    exchanges: Mutex<HttpFigures>,
    /// Requests for answers so far.
    asked: AtomicU64,
    /// Requests in flight.
    load: AtomicU64,
}

impl Server {
    pub(crate) fn new(
        arguments: Arguments,
        environment: &Environment,
        voice: Voice,
        board: Board,
        fixed: Fixed,
        engine: mpsc::UnboundedSender<Request>,
        death: watch::Receiver<Option<Death>>,
    ) -> Self {
        Self {
            arguments,
            environment: environment.clone(),
            voice,
            board,
            fixed,
            engine,
            death,
            exchanges: Mutex::new(HttpFigures::new()),
            asked: AtomicU64::new(0),
            load: AtomicU64::new(0),
        }
    }

    fn is_dead(&self) -> bool {
        self.death.borrow().is_some()
    }

    /// The name under which answers go out.
    fn model_name(&self) -> &str {
        &self.fixed.model_name
    }

    /// The number of a request for an answer, the first being 0.
    fn next_number(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed)
    }

    async fn way(&self) {
        sleep(WAY.mul_f64(self.environment.step_factor)).await;
    }

    fn count(&self, exchange: &Exchange) {
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        exchanges.answered(exchange, clock::epoch_seconds());
    }

    /// The page of `/metrics`.
    fn page(&self) -> String {
        let mut page = Page::new(self.fixed.created);
        self.board.lock().write(&mut page, &self.fixed);
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).write(&mut page);
        page.into_text()
    }
}

/// Accepts connections for ever. Those that are open when this is dropped are cut.
pub(crate) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&server)));
                }
                Err(_) => sleep(AFTER_REFUSED_CONNECTION).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>) {
    // Without it a token waits for the acknowledgement of the one before.
    let (Ok(()), Ok(peer)) = (stream.set_nodelay(true), stream.peer_addr()) else { return };
    let service = service_fn(|request| route::answer(Arc::clone(&server), peer, request));
    // A client that goes away in the middle is no event of its own: its request is aborted.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}
