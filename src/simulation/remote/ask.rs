//! Questions in the name of the kubeconfig, for what comes before a scenario and after it.

use http::Method;
use serde_json::Value;

use super::{
    RemoteError,
    mirror::MARK,
    network::{Call, Network},
};

/// An answer, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) code: u16,
    pub(super) value: Value,
}

impl Told {
    /// The object, or nothing where there is none.
    ///
    /// # Errors
    /// Any other refusal.
    pub(super) fn found(self, what: &str) -> Result<Option<Value>, RemoteError> {
        if self.code == 404 { Ok(None) } else { self.accepted(what).map(Some) }
    }

    /// What the API server did.
    ///
    /// # Errors
    /// Its refusal.
    pub(super) fn accepted(self, what: &str) -> Result<Value, RemoteError> {
        if self.code < 300 {
            return Ok(self.value);
        }
        let problem = match text(&self.value, "/message") {
            "" => format!("{} {}", self.code, self.value),
            message => format!("{} {message}", self.code),
        };
        Err(RemoteError::Refused { what: what.to_owned(), problem })
    }

    /// The elements of a list.
    ///
    /// # Errors
    /// Its refusal.
    pub(super) fn items(self, what: &str) -> Result<Vec<Value>, RemoteError> {
        let list = self.accepted(what)?;
        Ok(list.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
    }
}

impl Network {
    /// Reads a path.
    ///
    /// # Errors
    /// Where there is no answer.
    pub(super) fn read(&self, path: &str) -> Result<Told, RemoteError> {
        self.tell(Call::get(path))
    }

    /// Sends a body.
    ///
    /// # Errors
    /// Where there is no answer.
    pub(super) fn write(&self, method: Method, path: &str, body: &Value) -> Result<Told, RemoteError> {
        self.tell(Call::of(method, path, body.to_string().into()))
    }

    /// Sends a request and reads what comes back; text that is no JSON is told as text.
    ///
    /// # Errors
    /// Where there is no answer.
    pub(super) fn tell(&self, call: Call) -> Result<Told, RemoteError> {
        let answer = self.ask(call)?;
        let value = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.body).into_owned()));
        Ok(Told { code: answer.code, value })
    }
}

/// A text of an object; empty where it is not there.
pub(super) fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// The name of an object.
pub(super) fn name_of(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// Whether a scenario made it.
pub(super) fn is_marked(object: &Value) -> bool {
    object.pointer("/metadata/labels").and_then(|labels| labels.get(MARK.0)).and_then(Value::as_str) == Some(MARK.1)
}
