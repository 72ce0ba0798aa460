//! Counting requests to the API server, below the client: verb, kind and code, never a name.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use kube::client::Body;

use super::Metrics;

/// Resources that phaseloop asks for; a path with anything else in it is counted as `other`.
const RESOURCES: [&str; 21] = [
    "phaseschedules",
    "phaseruns",
    "escalations",
    "tuningcanaries",
    "promotions",
    "pods",
    "deployments",
    "statefulsets",
    "replicasets",
    "configmaps",
    "leases",
    "events",
    "nodes",
    "services",
    "namespaces",
    "poddisruptionbudgets",
    "horizontalpodautoscalers",
    "networkpolicies",
    "persistentvolumeclaims",
    "podtemplates",
    "customresourcedefinitions",
];

/// A client's network whose requests are counted.
#[derive(Debug, Clone)]
pub struct CountedService<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> CountedService<S> {
    /// Counts what goes through.
    pub const fn new(inner: S, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }
}

impl<S, B> tower::Service<Request<Body>> for CountedService<S>
where
    S: tower::Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (verb, kind) = named(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
        let mut pending = Pending { verb, kind, metrics: Some(self.metrics.clone()) };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or_else(|_| NO_CODE.to_owned(), |reply| reply.status().as_u16().to_string());
            pending.count(&code);
            answer
        })
    }
}

/// The code of a request that nobody answered.
const NO_CODE: &str = "none";

/// A request that is under way. One that is given up is counted where it is dropped.
struct Pending {
    verb: &'static str,
    kind: &'static str,
    metrics: Option<Metrics>,
}

impl Pending {
    fn count(&mut self, code: &str) {
        if let Some(metrics) = self.metrics.take() {
            metrics.requested(self.verb, self.kind, code);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.count(NO_CODE);
    }
}

/// Verb and resource of a request.
fn named(method: &Method, path: &str, query: &str) -> (&'static str, &'static str) {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    // `/api/v1/...` and `/apis/GROUP/VERSION/...`; anything else is no resource.
    let skipped = match parts.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return (verb_of(method, query, true), "other"),
    };
    let mut rest: Vec<&str> = parts.skip(skipped).collect();
    if rest.len() > 2 && rest.first() == Some(&"namespaces") {
        rest.drain(..2);
    }
    let plural = rest.first().copied().unwrap_or_default();
    let kind = RESOURCES.into_iter().find(|known| *known == plural).unwrap_or("other");
    (verb_of(method, query, rest.len() > 1), kind)
}

fn verb_of(method: &Method, query: &str, is_one: bool) -> &'static str {
    let is_watch = query.split('&').any(|part| part == "watch=true" || part == "watch=1");
    match method.as_str() {
        "GET" if is_watch => "watch",
        "GET" if is_one => "get",
        "GET" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_operator_may_ask_for_is_counted_by_its_name() {
        let rights = crate::installation::rights().unwrap();
        let rules = [rights.operator, rights.lease, rights.own_kinds].concat();
        for resource in rules.iter().flat_map(|rule| &rule.resources) {
            let resource = resource.split('/').next().unwrap();
            assert!(RESOURCES.contains(&resource), "{resource} is counted as other");
        }
    }

    #[test]
    fn a_request_is_known_by_verb_and_resource_and_never_by_name() {
        let runs = "/apis/phaseloop.dev/v1alpha1/namespaces/chat/phaseruns";
        for (method, target, verb, kind) in [
            ("GET", format!("{runs}?limit=5"), "list", "phaseruns"),
            ("GET", format!("{runs}?limit=5&watch=true"), "watch", "phaseruns"),
            ("GET", format!("{runs}/nightly"), "get", "phaseruns"),
            ("PUT", format!("{runs}/nightly/status"), "update", "phaseruns"),
            ("POST", "/api/v1/namespaces/chat/pods".to_owned(), "create", "pods"),
            ("DELETE", "/api/v1/namespaces/chat/pods/pods".to_owned(), "delete", "pods"),
            ("GET", "/apis/phaseloop.dev/v1alpha1/phaseruns".to_owned(), "list", "phaseruns"),
            ("PATCH", "/apis/apps/v1/namespaces/chat/deployments/llama".to_owned(), "patch", "deployments"),
            ("GET", "/api/v1/nodes/gpu-a".to_owned(), "get", "nodes"),
            ("GET", "/api/v1/namespaces/chat".to_owned(), "get", "namespaces"),
            ("GET", "/api/v1/secrets".to_owned(), "list", "other"),
            ("GET", "/version".to_owned(), "get", "other"),
            ("OPTIONS", "/api/v1/pods".to_owned(), "other", "pods"),
        ] {
            let uri: http::Uri = target.parse().unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(named(&method, uri.path(), uri.query().unwrap_or_default()), (verb, kind), "{method} {target}");
        }
    }
}
