//! HTTP to the engine: short questions, and requests whose answers are streams.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;

/// Connections are kept for less than vLLM keeps them (5 s): one that it is about to close is not used again.
const IDLE: Duration = Duration::from_secs(2);
/// Longest answer to a question. `/metrics` of a busy engine has some hundred KiB.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Characters that are told of an answer that refuses.
const REFUSAL_LENGTH_MAX: usize = 160;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// Nobody listens.
    #[error("connection refused")]
    Unreachable,
    /// The connection ended, or what came is no HTTP.
    #[error("cut off")]
    Broken,
    /// It took too long.
    #[error("no answer in time")]
    Late,
}

/// A client of one engine. Clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct EngineClient {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    authorization: Option<HeaderValue>,
}

impl EngineClient {
    /// A client of the engine at a URL, with the key that it asks for.
    ///
    /// # Errors
    /// A sentence that says why there can be none.
    pub(super) fn new(url: &str, key: Option<&str>) -> Result<Self, String> {
        let base = url.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|error| format!("the engine's URL {url} is none: {error}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("the engine answers at {url}, and the probe speaks HTTP without TLS within its pod"));
        }
        let authorization = key.map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| "the engine's key has letters that no header can carry".to_owned())?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        });
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, base: base.to_owned(), authorization: authorization.transpose()? })
    }

    /// Asks a question.
    pub(super) async fn get(&self, path: &str, patience: Duration) -> Result<(StatusCode, Bytes), Problem> {
        self.whole(Method::GET, path, Bytes::new(), patience).await
    }

    /// Asks a question with a JSON body.
    pub(super) async fn post(
        &self,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), Problem> {
        self.whole(Method::POST, path, body, patience).await
    }

    async fn whole(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), Problem> {
        let exchange = async {
            let response = self.open(method, path, body).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|_| Problem::Broken)?.to_bytes()))
        };
        timeout(patience, exchange).await.unwrap_or(Err(Problem::Late))
    }

    /// Sends a request, and comes back with the beginning of its answer.
    pub(super) async fn open(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Problem> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.base).parse().map_err(|_| Problem::Broken)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        self.client
            .request(request)
            .await
            .map_err(|error| if error.is_connect() { Problem::Unreachable } else { Problem::Broken })
    }
}

/// What a refusing answer says, in one short phrase.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told: String = text.chars().take(REFUSAL_LENGTH_MAX).collect();
    if told.is_empty() { format!("http {}", status.as_u16()) } else { format!("http {}: {told}", status.as_u16()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_can_not_be_spoken_to_is_refused_with_a_sentence() {
        assert!(EngineClient::new("http://127.0.0.1:8000/", Some("key")).is_ok());
        for (url, key, told) in [
            ("https://127.0.0.1:8000", None, "without TLS"),
            ("127.0.0.1", None, "without TLS"),
            ("http://[", None, "is none"),
            ("http://127.0.0.1:8000", Some("a\nb"), "no header can carry"),
        ] {
            let error = EngineClient::new(url, key).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let client = EngineClient::new("http://127.0.0.1:8000", Some("hush")).unwrap();
        assert!(!format!("{client:?}").contains("hush"));
    }

    #[test]
    fn a_refusal_is_one_line() {
        assert_eq!(
            refusal(StatusCode::UNAUTHORIZED, b"{\n \"error\": \"Unauthorized\"}"),
            "http 401: { \"error\": \"Unauthorized\"}"
        );
        assert_eq!(refusal(StatusCode::SERVICE_UNAVAILABLE, b""), "http 503");
    }
}
