//! What the operator asked of the API server, read from its audit log.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
};

use serde_json::Value;

use crate::support::audit_log;

/// Whom the chart's rights are given to.
const OPERATOR: &str = "system:serviceaccount:phaseloop-system:phaseloop";
/// Under this name the authorizer notes what it said.
const DECISION: &str = "authorization.k8s.io/decision";

/// One request of the operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asking {
    pub(crate) verb: String,
    /// With its subresource, as in a Role.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) is_refused: bool,
}

impl Asking {
    fn of(event: &Value) -> Self {
        let text = |field: &str| event["objectRef"][field].as_str().unwrap_or_default().to_owned();
        let parts = [text("resource"), text("subresource")];
        let resource = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("/");
        Self {
            verb: event["verb"].as_str().unwrap_or_default().to_owned(),
            resource,
            namespace: text("namespace"),
            name: text("name"),
            is_refused: event["annotations"][DECISION] == "forbid",
        }
    }

    /// Whether something was to be changed. A lease is renewed whether there is work or not.
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && self.resource != "leases"
    }
}

/// The operator's requests of a kind, in their order.
pub(crate) fn requests(is_wanted: impl Fn(&Asking) -> bool) -> Vec<Asking> {
    let lines = BufReader::new(File::open(audit_log()).unwrap()).lines();
    let of_operator = lines.map(Result::unwrap).filter(|line| line.contains(OPERATOR));
    // Its last line may be half written.
    let events = of_operator.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let own = events.filter(|event| event["user"]["username"] == OPERATOR);
    own.map(|event| Asking::of(&event)).filter(is_wanted).collect()
}
