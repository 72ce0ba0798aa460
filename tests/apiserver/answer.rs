//! What a server answered to one request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One answer. Of its headers nothing is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// The request as its script has it.
    pub(crate) request: String,
    /// HTTP status; that of a watch is 200, and 0 stands for events of a watch that was open already.
    pub(crate) status: u16,
    /// The body, where it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
    /// The body, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// The events of a watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) events: Option<Vec<Value>>,
}

impl Answer {
    /// An answer of one document.
    pub(crate) fn of_document(request: String, status: u16, bytes: &[u8]) -> Self {
        let json: Option<Value> = serde_json::from_slice(bytes).ok();
        let text = json.is_none().then(|| String::from_utf8_lossy(bytes).into_owned());
        Self { request, status, body: json, text, events: None }
    }

    /// Events of a watch.
    pub(crate) fn of_events(request: String, status: u16, events: Vec<Value>) -> Self {
        Self { request, status, body: None, text: None, events: Some(events) }
    }

    /// The document that steps capture from: the body, or the list of events.
    pub(crate) fn document(&self) -> Value {
        let events = self.events.clone().map(Value::Array);
        self.body.clone().or(events).unwrap_or_default()
    }

    /// Every JSON value in it.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.body.iter().chain(self.events.iter().flatten())
    }

    /// Every JSON value in it, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.body.iter_mut().chain(self.events.iter_mut().flatten())
    }
}
