//! The server as a tower service: what stands in for the network below `kube::Client`.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;

use super::{
    ApiServer,
    body::ReplyBody,
    discovery,
    intercept::{RequestDescription, RequestInterceptor, Verdict},
    read_scope::ReadScope,
    reply::{Content, Reply},
    request::{ApiRequest, Body as RequestBody, PatchKind, Place, Query, Representation, Verb, place_of},
    status_error::StatusError,
};

/// The connection broke: nobody knows what became of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the simulated API server broke")]
pub struct ConnectionBroken;

impl From<Infallible> for ConnectionBroken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A connection of one user to an [`ApiServer`].
#[derive(Clone)]
pub struct UserService {
    server: ApiServer,
    user: Arc<str>,
}

impl UserService {
    pub(super) fn new(server: ApiServer, user: &str) -> Self {
        Self { server, user: user.into() }
    }
}

impl tower::Service<Request<Body>> for UserService {
    type Response = Response<ReplyBody>;
    type Error = ConnectionBroken;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (server, user) = (self.server.clone(), self.user.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|_| ConnectionBroken)?.to_bytes();
            server.answer(&parts, body, &user).await
        })
    }
}

fn text_of(headers: &HeaderMap, name: impl header::AsHeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl ApiServer {
    async fn answer(
        &self,
        parts: &http::request::Parts,
        body: Bytes,
        user: &str,
    ) -> Result<Response<ReplyBody>, ConnectionBroken> {
        let request = match self.understand(parts, body, user) {
            Ok(request) => request,
            Err(reply) => return Ok(self.respond(*reply, Representation::Full)),
        };
        let representation = request.representation;
        let interceptor = self.shared.interceptor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(interceptor) = interceptor else {
            let reply = self.with_state(|state| state.handle(request));
            return Ok(self.respond(reply, representation));
        };
        let reply = self.intercepted(request, &*interceptor).await?;
        Ok(self.respond(reply, representation))
    }

    /// Carries a request out as an interceptor wants it.
    async fn intercepted(
        &self,
        request: ApiRequest,
        interceptor: &dyn RequestInterceptor,
    ) -> Result<Reply, ConnectionBroken> {
        let description = self.describe(&request);
        let mut loses_reply = false;
        match interceptor.before(&description) {
            Verdict::Proceed => {}
            Verdict::Answer(error) => return Ok(Reply::error(&error)),
            Verdict::Break => return Err(ConnectionBroken),
            Verdict::LoseReply => loses_reply = true,
            Verdict::Hold(gate) => gate.passed().await,
        }
        let reply = self.with_state(|state| state.handle(request));
        if loses_reply {
            return Err(ConnectionBroken);
        }
        match interceptor.after(&description, reply.code) {
            Verdict::Proceed => Ok(reply),
            Verdict::Answer(error) => Ok(Reply::error(&error)),
            Verdict::Break | Verdict::LoseReply => Err(ConnectionBroken),
            Verdict::Hold(gate) => {
                gate.passed().await;
                Ok(reply)
            }
        }
    }

    fn describe(&self, request: &ApiRequest) -> RequestDescription {
        let sequence = {
            let mut arrived = self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            *arrived += 1;
            *arrived - 1
        };
        RequestDescription {
            sequence,
            verb: request.verb,
            patch: request.patch,
            group: request.definition.group.clone(),
            resource: request.definition.plural.clone(),
            namespace: request.namespace().to_owned(),
            name: name_for_authorization(request),
            subresource: request.subresource.clone(),
            user: request.user.clone(),
            field_manager: request.query.given("fieldManager").unwrap_or(&request.user_agent).to_owned(),
            dry_run: request.dry_run(),
            reads: ReadScope::of(request),
        }
    }

    /// The request, or the answer to what is none.
    fn understand(&self, parts: &http::request::Parts, body: Bytes, user: &str) -> Result<ApiRequest, Box<Reply>> {
        let not_found = || Box::new(Reply::new(404, Content::Text("404 page not found\n".to_owned())));
        let place = place_of(parts.uri.path()).ok_or_else(not_found)?;
        let Place::Resource { group, version, plural, namespace, name, subresource } = place else {
            let answered = self.with_state(|state| discovery::answer(&state.registry, &place));
            return Err(answered.map_or_else(not_found, Box::new));
        };
        let found = self.with_state(|state| state.registry.find(&group, &version, &plural).cloned());
        let Some(definition) = found else {
            // The groups of the server itself know that there is no such resource; of others nobody knows.
            let is_own = self.with_state(|state| state.registry.serves_built_in(&group, &version));
            return Err(if is_own { Box::new(Reply::error(&StatusError::resource_not_found())) } else { not_found() });
        };
        if definition.namespaced != namespace.is_some() && !(definition.namespaced && name.is_none()) {
            return Err(not_found());
        }
        let query = Query::read(parts.uri.query().unwrap_or_default());
        let refused = |error: StatusError| Box::new(Reply::error(&error));
        let is_log = subresource == "log";
        let representation = if is_log {
            Representation::Full
        } else {
            Representation::read(text_of(&parts.headers, header::ACCEPT)).map_err(refused)?
        };
        let content_type = text_of(&parts.headers, header::CONTENT_TYPE);
        let verb = verb_of(&parts.method, name.is_some(), &query).map_err(refused)?;
        let writes_json = matches!(verb, Verb::Create | Verb::Update) && !body.is_empty();
        if writes_json && !content_type.is_empty() && !content_type.starts_with("application/json") {
            return Err(refused(StatusError::unsupported_media_type(&["application/json", "application/yaml"])));
        }
        let impersonated = text_of(&parts.headers, "impersonate-user");
        let agent = text_of(&parts.headers, header::USER_AGENT);
        Ok(ApiRequest {
            verb,
            definition,
            namespace,
            name,
            subresource,
            query,
            body: RequestBody::Bytes(body),
            patch: if verb == Verb::Patch { PatchKind::of(content_type) } else { None },
            representation,
            user: if impersonated.is_empty() { user } else { impersonated }.to_owned(),
            user_agent: agent.split('/').next().unwrap_or_default().to_owned(),
        })
    }

    fn respond(&self, reply: Reply, representation: Representation) -> Response<ReplyBody> {
        let content_type = reply.content_type();
        let body = match reply.content {
            Content::Watch(watch) => ReplyBody::watch(self.clone(), *watch),
            content => ReplyBody::whole(content.into_pieces(representation)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(reply.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
        for warning in &reply.warnings {
            if let Ok(value) = header::HeaderValue::from_str(&format!("299 - {warning:?}")) {
                headers.append(header::WARNING, value);
            }
        }
        response
    }
}

/// A list or watch of one name counts as of that object, so that a rule may be bound to it.
fn name_for_authorization(request: &ApiRequest) -> String {
    if !matches!(request.verb, Verb::List | Verb::Watch) {
        return request.name().to_owned();
    }
    let selector = request.query.given("fieldSelector").unwrap_or_default();
    selector.strip_prefix("metadata.name=").unwrap_or_default().to_owned()
}

fn verb_of(method: &Method, named: bool, query: &Query) -> Result<Verb, StatusError> {
    let watches = query.flag("watch").unwrap_or(false);
    Ok(match (method.as_str(), named) {
        ("GET", _) if watches => Verb::Watch,
        ("GET", true) => Verb::Get,
        ("GET", false) => Verb::List,
        ("POST", _) => Verb::Create,
        ("PUT", true) => Verb::Update,
        ("PATCH", true) => Verb::Patch,
        ("DELETE", true) => Verb::Delete,
        ("DELETE", false) => Verb::DeleteCollection,
        _ => return Err(StatusError::method_not_allowed()),
    })
}
