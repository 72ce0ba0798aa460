//! Where a list goes on: what a client hands back to get the next page.

use serde_json::{Value, json};

use super::{
    object::{integer, text},
    schema::{decode_base64_url, encode_base64_url},
};

/// The version of the token's form.
const VERSION: &str = "meta.k8s.io/v1";

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Continuation {
    /// The revision at which the list is read.
    pub(super) revision: u64,
    /// Namespace and name of the last object that was told.
    pub(super) after: (String, String),
}

impl Continuation {
    pub(super) fn write(&self) -> String {
        let start = format!("{}/{}\u{0}", self.after.0, self.after.1);
        let token = json!({ "v": VERSION, "rv": self.revision, "start": start });
        encode_base64_url(token.to_string().as_bytes())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the API server.
    pub(super) fn read(token: &str) -> Result<Self, String> {
        const INVALID: &str = "continue key is not valid";
        let bytes =
            decode_base64_url(token).map_err(|at| format!("{INVALID}: illegal base64 data at input byte {at}"))?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| {
            let first = bytes.first().map_or('\u{0}', |byte| char::from(*byte));
            let shown = if first.is_control() { format!("\\u{:04x}", u32::from(first)) } else { first.to_string() };
            format!("{INVALID}: invalid character '{shown}' looking for beginning of value")
        })?;
        let version = text(&token, &["v"]).unwrap_or_default();
        if version != VERSION {
            return Err(format!("server does not recognize this encoded version {version}"));
        }
        let revision = integer(&token, &["rv"]).and_then(|revision| u64::try_from(revision).ok());
        let start = text(&token, &["start"]).unwrap_or_default().trim_end_matches('\u{0}');
        let (namespace, name) = start.split_once('/').ok_or_else(|| format!("{INVALID}: {start}"))?;
        Ok(Self { revision: revision.unwrap_or(0), after: (namespace.to_owned(), name.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_where_a_list_goes_on() {
        let continuation = Continuation { revision: 17, after: ("default".to_owned(), "llama-8b".to_owned()) };
        assert_eq!(Continuation::read(&continuation.write()).unwrap(), continuation);
        let everywhere = Continuation { revision: 2, after: (String::new(), "a".to_owned()) };
        assert_eq!(Continuation::read(&everywhere.write()).unwrap(), everywhere);
    }

    #[test]
    fn what_is_no_token_is_refused_with_what_is_wrong() {
        for (token, problem) in [
            ("nothing", "continue key is not valid: invalid character '\\u009e' looking for beginning of value"),
            ("a!", "continue key is not valid: illegal base64 data at input byte 1"),
            ("eyJ2IjoiYiJ9", "server does not recognize this encoded version b"),
        ] {
            assert_eq!(Continuation::read(token).unwrap_err(), problem);
        }
    }
}
