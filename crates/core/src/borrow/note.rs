//! The note on a target that lends a replica: an annotation that is written with `replicas` in one request, and taken off
//! with it. It tells whoever finds it, also a person, what is to be given back and to whom.

use jiff::Timestamp;

use crate::{plan::OwnObject, prelude::*};

/// What was taken from a target, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GiveBackNote {
    /// The run or the Escalation that borrows.
    pub borrower: OwnObject,
    /// `replicas` before.
    pub from: i64,
    /// `replicas` while it is borrowed.
    pub to: i64,
    /// When it was asked for.
    pub since: Timestamp,
}

impl GiveBackNote {
    /// The annotation's text.
    pub fn text(&self) -> String {
        // Texts and numbers always have a JSON form; the empty text would be a note that nobody can read.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The note of an annotation; `None` where it is none of ours.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::borrow::fixture::note;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let text = note().text();
        assert_eq!(GiveBackNote::read(&text), Some(note()));
        let expected = r#"{"borrower":{"kind":"PhaseRun","name":"nightly","uid":"uid-nightly"},"from":2,"to":1,"since":"2026-03-04T03:00:00Z"}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn another_text_is_no_note() {
        for text in ["", "2", "{}", r#"{"from":2,"to":1}"#] {
            assert_eq!(GiveBackNote::read(text), None, "{text}");
        }
    }
}
