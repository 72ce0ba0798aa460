//! What a failed call means: whether asking again can help, and which object it was about.

use std::fmt;

/// A call to the API server that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} {what}")]
pub struct ClusterError {
    /// What was tried: `read`, `create`, `write status of`.
    pub action: &'static str,
    /// The object: `Pod chat/llama-8b-canary`.
    pub what: String,
    /// What kind of failure.
    pub kind: ClusterErrorKind,
    /// The client's own error; absent where there was no answer at all.
    #[source]
    pub source: Option<Box<kube::Error>>,
}

/// Kinds of failure, by what follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClusterErrorKind {
    /// No answer within the call's time, or no connection: the request may have been carried out all the same.
    NoAnswer,
    /// The object is not there.
    NotFound,
    /// The name is taken, and by something else than what was to be made.
    NameTaken,
    /// The object was changed since it was read, or a tested value is no longer there: read again.
    Conflict,
    /// The API server refuses the content.
    Invalid,
    /// The operator lacks the right.
    Forbidden,
    /// A quota or an admission rule of the cluster refuses it, which is no lack of a right of ours.
    Refused,
    /// The API server asks to be asked later.
    Busy,
    /// The object is there, but it is not of the form that its kind has.
    Malformed,
    /// Anything else.
    Other,
}

impl ClusterErrorKind {
    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAnswer => "NoAnswer",
            Self::NotFound => "NotFound",
            Self::NameTaken => "NameTaken",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::Forbidden => "Forbidden",
            Self::Refused => "Refused",
            Self::Busy => "Busy",
            Self::Malformed => "Malformed",
            Self::Other => "Other",
        }
    }
}

impl fmt::Display for ClusterErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ClusterError {
    /// The error of a call that the API server answered, or that the client could not make.
    pub fn of_call(action: &'static str, what: impl Into<String>, source: kube::Error) -> Self {
        Self { action, what: what.into(), kind: kind_of(&source), source: Some(Box::new(source)) }
    }

    /// An error without an answer of the client behind it.
    pub fn without_source(action: &'static str, what: impl Into<String>, kind: ClusterErrorKind) -> Self {
        Self { action, what: what.into(), kind, source: None }
    }

    /// Whether asking again without a change of the object can help. A malformed object waits for its next change.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self.kind, ClusterErrorKind::Malformed)
    }

    /// Whether the API server does not serve the type at all, because its definition is missing: it answers with a page of text
    /// then, where of an object that is not there it says `NotFound`.
    pub fn is_unserved(&self) -> bool {
        matches!(self.source.as_deref(), Some(kube::Error::Api(status)) if status.code == 404 && !status.is_not_found())
    }

    /// Whether the API server makes no object of the type any more, because its definition is being deleted.
    pub fn is_definition_ending(&self) -> bool {
        matches!(self.source.as_deref(), Some(kube::Error::Api(status)) if status.message.contains(DEFINITION_ENDS))
    }

    /// The error with everything behind it, for a log line.
    pub fn chain(&self) -> String {
        self.source.as_ref().map_or_else(|| format!("{self} ({})", self.kind), |source| format!("{self}: {source}"))
    }
}

/// What the API server says to whoever makes an object of such a type, with the code of a missing right.
const DEFINITION_ENDS: &str = "create not allowed while custom resource definition is terminating";

fn kind_of(error: &kube::Error) -> ClusterErrorKind {
    match error {
        kube::Error::Api(status) if status.is_not_found() => ClusterErrorKind::NotFound,
        kube::Error::Api(status) if status.is_already_exists() => ClusterErrorKind::NameTaken,
        kube::Error::Api(status) if status.is_conflict() => ClusterErrorKind::Conflict,
        kube::Error::Api(status) if status.is_forbidden() && is_of_the_cluster(&status.message) => {
            ClusterErrorKind::Refused
        }
        kube::Error::Api(status) if status.is_forbidden() => ClusterErrorKind::Forbidden,
        kube::Error::Api(status) if status.code == 422 || status.code == 400 => ClusterErrorKind::Invalid,
        kube::Error::Api(status) if [429, 500, 502, 503, 504].contains(&status.code) => ClusterErrorKind::Busy,
        kube::Error::SerdeError(_) => ClusterErrorKind::Malformed,
        kube::Error::HyperError(_) | kube::Error::Service(_) => ClusterErrorKind::NoAnswer,
        _ => ClusterErrorKind::Other,
    }
}

/// Quota, pod security and admission policies answer 403 as the authorizer does, and mean something else: the cluster is
/// full or strict, the operator's rights are in order.
fn is_of_the_cluster(message: &str) -> bool {
    let parts = [
        "exceeded quota",
        "violates PodSecurity",
        "denied request",
        "is forbidden: maximum",
        "is forbidden: minimum",
        DEFINITION_ENDS,
    ];
    parts.iter().any(|part| message.contains(part))
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answered(code: u16, reason: &str, message: &str) -> ClusterErrorKind {
        let status = Status { code, reason: reason.to_owned(), message: message.to_owned(), ..Status::default() };
        kind_of(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn answers_are_told_apart_by_what_follows_from_them() {
        for (code, reason, message, kind) in [
            (404, "NotFound", "", ClusterErrorKind::NotFound),
            (409, "AlreadyExists", "", ClusterErrorKind::NameTaken),
            (409, "Conflict", "", ClusterErrorKind::Conflict),
            (422, "Invalid", "", ClusterErrorKind::Invalid),
            (400, "BadRequest", "", ClusterErrorKind::Invalid),
            (403, "Forbidden", "pods is forbidden: User \"x\" cannot create resource", ClusterErrorKind::Forbidden),
            (
                403,
                "Forbidden",
                "pods \"a\" is forbidden: exceeded quota: gpus, requested: 1",
                ClusterErrorKind::Refused,
            ),
            (
                403,
                "Forbidden",
                "pods \"a\" is forbidden: violates PodSecurity \"restricted\"",
                ClusterErrorKind::Refused,
            ),
            (
                403,
                "Forbidden",
                "tuningcanaries.phaseloop.dev \"a\" is forbidden: create not allowed while custom resource definition is \
                 terminating",
                ClusterErrorKind::Refused,
            ),
            (503, "ServiceUnavailable", "", ClusterErrorKind::Busy),
            (429, "TooManyRequests", "", ClusterErrorKind::Busy),
            (418, "", "", ClusterErrorKind::Other),
        ] {
            assert_eq!(answered(code, reason, message), kind, "{code} {reason} {message}");
        }
    }

    #[test]
    fn only_a_malformed_object_is_not_asked_for_again() {
        let error = |kind| ClusterError::without_source("read", "PhaseRun a/b", kind);
        assert!(!error(ClusterErrorKind::Malformed).is_retryable());
        assert!(error(ClusterErrorKind::Conflict).is_retryable());
        assert_eq!(error(ClusterErrorKind::NoAnswer).chain(), "failed to read PhaseRun a/b (NoAnswer)");
    }
}
