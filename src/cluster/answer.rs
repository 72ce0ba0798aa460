//! Asking, and the body of the answer in the pieces in which it came.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use kube::{Client, client::Body, core::Status};

/// The body of an answer. The client's own `request_text` makes one text of it and copies that; of a list most pieces are those
/// of the last time, where whoever answers lives in this process.
#[derive(Debug)]
pub(super) struct AnswerBody(Vec<Bytes>);

impl AnswerBody {
    /// Sends a request and takes its answer.
    ///
    /// # Errors
    /// Those of `request_text`, the API server's refusal among them.
    pub(super) async fn of(client: &Client, request: http::Request<Vec<u8>>) -> Result<Self, kube::Error> {
        let (head, mut body) = client.send(request.map(Body::from)).await?.into_parts();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            // What is no data is a trailer, and tells nothing.
            pieces.extend(frame?.into_data().ok());
        }
        let body = Self(pieces);
        if head.status.is_client_error() || head.status.is_server_error() {
            return Err(refusal(head.status, &body.into_text()?));
        }
        Ok(body)
    }

    /// Its pieces. Where a piece ends means nothing.
    pub(super) fn pieces(&self) -> &[Bytes] {
        &self.0
    }

    /// The whole.
    ///
    /// # Errors
    /// What is no text.
    pub(super) fn into_text(self) -> Result<String, kube::Error> {
        String::from_utf8(self.0.concat()).map_err(kube::Error::FromUtf8)
    }
}

/// A refusal as the client tells it. A page of text, as of a proxy or for a type that is not served, is told as it is.
fn refusal(code: StatusCode, text: &str) -> kube::Error {
    let status = serde_json::from_str(text).unwrap_or_else(|_no_status| {
        Status::failure(text.trim(), "Failed to parse error data").with_code(code.as_u16())
    });
    kube::Error::Api(status.boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an answer of this code and text.
    async fn answered(code: u16, text: &'static str) -> Result<String, kube::Error> {
        let answer = move |_request| async move {
            let body = Body::from(text.as_bytes().to_vec());
            http::Response::builder().status(code).body(body).map_err(tower::BoxError::from)
        };
        let client = Client::new(tower::service_fn(answer), "chat");
        AnswerBody::of(&client, http::Request::new(Vec::new())).await?.into_text()
    }

    #[tokio::test]
    async fn a_refusal_is_told_as_the_client_tells_it() {
        for (code, text) in [
            (404, r#"{"kind":"Status","status":"Failure","code":404,"reason":"NotFound","message":"no a"}"#),
            (404, "404 page not found\n"),
            (503, ""),
        ] {
            let answer = move |_request| async move {
                let body = Body::from(text.as_bytes().to_vec());
                http::Response::builder().status(code).body(body).map_err(tower::BoxError::from)
            };
            let client = Client::new(tower::service_fn(answer), "chat");
            let expected = client.request_text(http::Request::new(Vec::new())).await.unwrap_err();
            let (Err(kube::Error::Api(own)), kube::Error::Api(expected)) = (answered(code, text).await, expected)
            else {
                panic!("no refusal: {code} {text}");
            };
            assert_eq!(own, expected);
        }
        assert_eq!(answered(200, "{}").await.unwrap(), "{}");
    }
}
