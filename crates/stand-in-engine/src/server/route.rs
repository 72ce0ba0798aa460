//! From a request to its answer.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Server,
    body::{Content, Counted, Counting, TokenStream},
    json::{Answer, DEAD, Form, bytes, error},
    request::{Asked, read, tokens_of},
};
use crate::{
    clock,
    metrics::Exchange,
    worker::{self, Event},
};

/// Larger bodies are no requests of a test.
const BODY_BYTES_MAX: usize = 16 << 20;
/// Handlers that `/metrics` does not count, as recorded.
const NOT_COUNTED: [&str; 5] = ["/health", "/load", "/metrics", "/ping", "/version"];
/// All handlers; the others are one, `none`.
const HANDLERS: [&str; 9] = [
    "/health",
    "/load",
    "/metrics",
    "/ping",
    "/tokenize",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/models",
    "/version",
];

/// What goes back.
struct Reply {
    status: u16,
    kind: &'static str,
    content: Content,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        Self { status, kind: "application/json", content: Content::Whole(Some(bytes(body))) }
    }

    fn empty(status: u16) -> Self {
        Self { status, kind: "", content: Content::Whole(Some(Bytes::new())) }
    }

    fn dead() -> Self {
        Self::json(500, &error(500, "InternalServerError", DEAD, None))
    }
}

/// Answers one request, counts it and lists it in the log.
pub(super) async fn answer(
    server: Arc<Server>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Counted>, Infallible> {
    server.load.fetch_add(1, Ordering::Relaxed);
    let began = Instant::now();
    let path = request.uri().path().to_owned();
    let handler = HANDLERS.into_iter().find(|handler| *handler == path).unwrap_or("none");
    let target = request.uri().path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let method = request.method().to_string();
    let stated = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let exchange = Exchange {
        handler: handler.to_owned(),
        method: method.clone(),
        status: 0,
        request_bytes: stated.unwrap_or_default(),
        response_bytes: 0,
        lasted: began.elapsed(),
    };
    let is_counted = !NOT_COUNTED.contains(&handler);
    // Counted also where the client goes away before there is an answer.
    let mut counting = Counting { server: Arc::clone(&server), exchange, began, is_counted };
    let Reply { status, kind, content } = reply(&server, handler, request, began).await;
    let status = StatusCode::from_u16(status).unwrap_or_default();
    if server.arguments.logs_access() {
        server.voice.access(&format!("{peer} - \"{method} {target} HTTP/1.1\" {status}"));
    }
    counting.exchange.status = status.as_u16();
    if let Content::Whole(Some(body)) = &content {
        counting.exchange.response_bytes = body.len() as u64;
    }
    let mut response = Response::new(Counted::new(content, counting));
    *response.status_mut() = status;
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("uvicorn"));
    if !kind.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    Ok(response)
}

async fn reply(server: &Arc<Server>, handler: &str, request: Request<Incoming>, began: Instant) -> Reply {
    if handler.starts_with("/v1") && !is_permitted(server, &request) {
        return Reply::json(401, &json!({"error": "Unauthorized"}));
    }
    let method = request.method().clone();
    match (handler, &method) {
        ("/health", &Method::GET) | ("/ping", &Method::GET | &Method::POST) => {
            Reply::empty(if server.is_dead() { 503 } else { 200 })
        }
        // The request that asks is one of them.
        ("/load", &Method::GET) => {
            Reply::json(200, &json!({"server_load": server.load.load(Ordering::Relaxed).saturating_sub(1)}))
        }
        ("/version", &Method::GET) => Reply::json(200, &json!({"version": "0.32.0"})),
        ("/metrics", &Method::GET) => Reply {
            status: 200,
            kind: "text/plain; version=0.0.4; charset=utf-8",
            content: Content::Whole(Some(Bytes::from(server.page()))),
        },
        ("/v1/models", &Method::GET) => Reply::json(200, &models(server)),
        ("/tokenize", &Method::POST) => match body_of(request).await {
            Ok(body) => tokenize(server, &body),
            Err(reply) => reply,
        },
        ("/v1/completions", &Method::POST) => ask(server, Form::Completion, request, began).await,
        ("/v1/chat/completions", &Method::POST) => ask(server, Form::Chat, request, began).await,
        ("none", _) => Reply::json(404, &json!({"detail": "Not Found"})),
        _ => Reply::json(405, &json!({"detail": "Method Not Allowed"})),
    }
}

fn is_permitted(server: &Server, request: &Request<Incoming>) -> bool {
    let keys = server.arguments.api_keys();
    let given =
        request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    keys.is_empty() || given.is_some_and(|given| keys.iter().any(|key| key == given))
}

async fn body_of(request: Request<Incoming>) -> Result<Bytes, Reply> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| {
        Reply::json(400, &super::json::error(400, "BadRequestError", &error.to_string(), None))
    };
    body.map(http_body_util::Collected::to_bytes).map_err(refused)
}

fn models(server: &Server) -> Value {
    let (length_max, root) = (server.arguments.length_max(), server.arguments.model());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds since 1970 are a whole number")]
    let created = server.fixed.created as u64;
    let model = |name: String| {
        json!({"id": name, "object": "model", "created": created, "owned_by": "vllm", "root": root, "parent": null,
            "max_model_len": length_max, "permission": []})
    };
    let models: Vec<Value> = server.arguments.served_names().into_iter().map(model).collect();
    json!({"object": "list", "data": models})
}

fn tokenize(server: &Server, body: &[u8]) -> Reply {
    let fields: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(count) = tokens_of(fields.get("prompt")) else {
        return Reply::json(400, &error(400, "BadRequestError", "Field required", Some("prompt")));
    };
    let tokens: Vec<u64> = (0..count).collect();
    Reply::json(
        200,
        &json!({"count": count, "max_model_len": server.arguments.length_max(), "tokens": tokens, "token_strs": null}),
    )
}

/// A request for an answer: refused, or sent to the engine.
async fn ask(server: &Arc<Server>, form: Form, request: Request<Incoming>, began: Instant) -> Reply {
    let body = match body_of(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let asked = match read(form, &body, &server.arguments.served_names(), server.arguments.length_max()) {
        Ok(asked) => asked,
        Err(refused) => return Reply::json(refused.status, &refused.body),
    };
    let number = server.next_number();
    if server.environment.unavailable.contains(&number) {
        server.board.lock().rejected += 1.0;
        let message = "The server is overloaded: too many requests are waiting.";
        return Reply::json(503, &error(503, "ServiceUnavailableError", message, None));
    }
    server.way().await;
    let (sender, events) = mpsc::unbounded_channel();
    let Asked { prompt_tokens, answer_tokens, tokens_max, streams, includes_usage, .. } = asked;
    let sent = server.engine.send(worker::Request {
        prompt_tokens,
        answer_tokens,
        asked_tokens: tokens_max,
        arrived: began,
        is_streamed: streams,
        events: sender,
    });
    if sent.is_err() || server.is_dead() {
        return Reply::dead();
    }
    let created = clock::since_epoch().as_secs();
    let answer = Answer { form, number, created, model: server.model_name().to_owned(), prompt_tokens };
    if streams {
        let stream = TokenStream { answer, events, includes_usage, answered: 0, is_over: false };
        return Reply { status: 200, kind: "text/event-stream; charset=utf-8", content: Content::Stream(stream) };
    }
    whole(&answer, events).await
}

async fn whole(answer: &Answer, mut events: mpsc::UnboundedReceiver<Event>) -> Reply {
    let mut answered = 0;
    while let Some(Event::Token(outcome)) = events.recv().await {
        answered += 1;
        if let Some(outcome) = outcome {
            return Reply::json(200, &answer.whole(answered, outcome));
        }
    }
    Reply::dead()
}
