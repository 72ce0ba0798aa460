//! What the API server answers when it refuses: `Status` objects, worded as the real one words them.

use serde_json::{Map, Value, json};

use super::field_error::FieldError;

/// A refusal of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusError {
    /// HTTP status code.
    pub code: u16,
    /// One of the reasons of `metav1.Status`.
    pub reason: &'static str,
    /// What people read.
    pub message: String,
    /// `details`, where there are any.
    pub details: Option<Value>,
    /// `metadata.continue`, where a list can go on.
    pub(crate) continuation: Option<String>,
}

/// A resource as messages name it: `pods`, `deployments.apps`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) group: &'a str,
    pub(crate) name: &'a str,
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.group {
            "" => formatter.write_str(self.name),
            group => write!(formatter, "{}.{group}", self.name),
        }
    }
}

impl Named<'_> {
    fn details(&self, object: &str) -> Map<String, Value> {
        let mut details = Map::new();
        for (key, value) in [("name", object), ("group", self.group), ("kind", self.name)] {
            if !value.is_empty() {
                details.insert(key.to_owned(), value.into());
            }
        }
        details
    }
}

impl StatusError {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: None, continuation: None }
    }

    fn about(mut self, resource: Named<'_>, object: &str) -> Self {
        self.details = Some(resource.details(object).into());
        self
    }

    /// 404: there is no such object.
    pub(crate) fn not_found(resource: Named<'_>, object: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} {object:?} not found")).about(resource, object)
    }

    /// 409: there is such an object already.
    pub(crate) fn already_exists(resource: Named<'_>, object: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{resource} {object:?} already exists")).about(resource, object)
    }

    /// 409: a precondition does not hold.
    pub(crate) fn conflict(resource: Named<'_>, object: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {object:?}: {why}");
        Self::new(409, "Conflict", message).about(resource, object)
    }

    /// 409: others own fields that an apply would change.
    pub(crate) fn apply_conflict(message: String, causes: Vec<Value>) -> Self {
        let mut error = Self::new(409, "Conflict", message);
        error.details = Some(json!({ "causes": causes }));
        error
    }

    /// 403, by admission or authorization.
    pub(crate) fn forbidden(resource: Named<'_>, object: &str, why: &str) -> Self {
        let message = match object {
            "" => format!("{resource} is forbidden: {why}"),
            object => format!("{resource} {object:?} is forbidden: {why}"),
        };
        Self::new(403, "Forbidden", message).about(resource, object)
    }

    /// 422: fields do not fit. `kind` is the kind, not the resource.
    pub(crate) fn invalid(kind: Named<'_>, object: &str, errors: &[FieldError]) -> Self {
        let mut bodies: Vec<String> = Vec::new();
        for error in errors {
            let body = error.to_string();
            if !bodies.contains(&body) {
                bodies.push(body);
            }
        }
        let told = match bodies.as_slice() {
            [] => String::new(),
            [one] => format!(": {one}"),
            many => format!(": [{}]", many.join(", ")),
        };
        let mut error = Self::new(422, "Invalid", format!("{kind} {object:?} is invalid{told}")).about(kind, object);
        if let Some(details) = error.details.as_mut().and_then(Value::as_object_mut)
            && !errors.is_empty()
        {
            details.insert("causes".to_owned(), errors.iter().map(FieldError::cause).collect());
        }
        error
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    /// 410: what is asked for lies too far back.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message.into())
    }

    /// 405: the resource does not know the verb.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource".to_owned();
        let mut error = Self::new(405, "MethodNotAllowed", message);
        error.details = Some(json!({}));
        error
    }

    /// 415.
    pub(crate) fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 406.
    pub(crate) fn not_acceptable(accepted: &[&str]) -> Self {
        let message = format!("only the following media types are accepted: {}", accepted.join(", "));
        Self::new(406, "NotAcceptable", message)
    }

    /// 422 without details of its own: a JSON patch whose test fails, or that can't be carried out.
    pub(crate) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request".to_owned();
        let mut error = Self::new(422, "Invalid", message);
        error.details = Some(json!({}));
        error
    }

    /// 404 for a path that names nothing. The server says so in plain text.
    pub(crate) fn page_not_found() -> Self {
        Self::new(404, "", "404 page not found".to_owned())
    }

    /// 404 for a path below a built-in group that names nothing.
    pub(crate) fn resource_not_found() -> Self {
        let mut error = Self::new(404, "NotFound", "the server could not find the requested resource".to_owned());
        error.details = Some(json!({}));
        error
    }

    /// 415 as the router says it, before it knows the resource.
    pub(crate) fn unsupported_patch() -> Self {
        let mut error = Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type".to_owned());
        error.details = Some(json!({}));
        error
    }

    /// 413.
    pub(crate) fn too_large(what: &str) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: {what}"))
    }

    /// 500 for an error that the server gives no class.
    pub(crate) fn internal_without_reason(message: &str) -> Self {
        Self::new(500, "", message.to_owned())
    }

    /// 500.
    pub fn internal(what: &str) -> Self {
        let mut error = Self::new(500, "InternalError", format!("Internal error occurred: {what}"));
        error.details = Some(json!({ "causes": [{ "message": what }] }));
        error
    }

    /// 429 with the seconds after which to ask again.
    pub fn too_many_requests(message: &str, retry_after_seconds: u32) -> Self {
        let mut error = Self::new(429, "TooManyRequests", message.to_owned());
        error.details = Some(json!({ "retryAfterSeconds": retry_after_seconds }));
        error
    }

    /// 503.
    pub fn service_unavailable(message: &str) -> Self {
        Self::new(503, "ServiceUnavailable", message.to_owned())
    }

    /// 504: the outcome is unknown to the client.
    pub fn timeout(message: &str) -> Self {
        let mut error = Self::new(504, "Timeout", format!("Timeout: {message}"));
        error.details = Some(json!({}));
        error
    }

    /// 504 where a resourceVersion is asked for that is not there yet.
    pub(crate) fn from_the_future(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let mut error = Self::new(504, "Timeout", format!("Timeout: {message}"));
        let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
        error.details = Some(json!({ "causes": [cause], "retryAfterSeconds": 1 }));
        error
    }

    /// 403 as the authorizer says it.
    pub fn unauthorized_verb(user: &str, verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let scope = match namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let why = format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}");
        Self::forbidden(Named { group, name: resource }, name, &why)
    }

    /// The refusal that a `Status` tells.
    pub(crate) fn read(body: &Value) -> Self {
        const REASONS: [&str; 17] = [
            "NotFound",
            "AlreadyExists",
            "Conflict",
            "Forbidden",
            "Invalid",
            "BadRequest",
            "Expired",
            "MethodNotAllowed",
            "UnsupportedMediaType",
            "NotAcceptable",
            "RequestEntityTooLarge",
            "InternalError",
            "TooManyRequests",
            "ServiceUnavailable",
            "Timeout",
            "Unauthorized",
            "Gone",
        ];
        let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let code = body.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
        let reason = REASONS.into_iter().find(|reason| *reason == field("reason")).unwrap_or_default();
        let mut error = Self::new(code, reason, field("message").to_owned());
        error.details = body.get("details").cloned();
        error
    }

    /// The whole `Status`.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        let Some(fields) = body.as_object_mut() else { return body };
        if !self.reason.is_empty() {
            fields.insert("reason".to_owned(), self.reason.into());
        }
        if let Some(details) = &self.details {
            fields.insert("details".to_owned(), details.clone());
        }
        if let Some(token) = &self.continuation {
            fields.insert("metadata".to_owned(), json!({ "continue": token }));
        }
        body
    }
}

impl std::fmt::Display for StatusError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for StatusError {}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYMENTS: Named<'_> = Named { group: "apps", name: "deployments" };

    #[test]
    fn a_missing_object_is_named_with_its_group() {
        let body = StatusError::not_found(DEPLOYMENTS, "web").body();
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "deployments.apps \"web\" not found", "reason": "NotFound", "code": 404,
            "details": { "name": "web", "group": "apps", "kind": "deployments" },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn several_faults_stand_in_brackets_and_each_is_a_cause() {
        let errors = [FieldError::required("spec.a", ""), FieldError::invalid("spec.b", &json!(3), "too odd")];
        let error = StatusError::invalid(Named { group: "", name: "Pod" }, "web", &errors);
        assert_eq!(
            error.message,
            "Pod \"web\" is invalid: [spec.a: Required value, spec.b: Invalid value: 3: too odd]"
        );
        assert_eq!(error.details.unwrap()["causes"][1]["reason"], "FieldValueInvalid");
    }
}
