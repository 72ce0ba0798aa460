//! JSON as Python writes it: `NaN`, `Infinity` and `-Infinity` stand bare, which JSON has no numbers for.

use crate::prelude::*;

/// What Python's `json.dumps` writes where a number is not finite; the longer first, so that the sign belongs to it.
const TOKENS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// The same text with each bare non-finite number in quotes, so that it parses and can be refused by its field's name.
/// `None` if there is none: the text is then broken in another way.
pub(crate) fn quote_non_finite(json: &[u8]) -> Option<Vec<u8>> {
    let mut quoted = Vec::with_capacity(json.len() + 16);
    let mut rest = json;
    let (mut in_text, mut escaped, mut found) = (false, false, false);
    while let Some((byte, after)) = rest.split_first() {
        if !in_text && let Some(token) = TOKENS.into_iter().find(|token| rest.starts_with(token)) {
            quoted.push(b'"');
            quoted.extend_from_slice(token);
            quoted.push(b'"');
            rest = rest.get(token.len()..).unwrap_or_default();
            found = true;
            continue;
        }
        quoted.push(*byte);
        match *byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ => {}
        }
        rest = after;
    }
    found.then_some(quoted)
}

/// Whether a text stands for a number that is not finite, in any of the spellings that Python's `float` prints or reads.
pub(crate) fn names_non_finite(text: &str) -> bool {
    let unsigned = text.trim().trim_start_matches(['-', '+']);
    ["nan", "inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(json: &str) -> Option<String> {
        quote_non_finite(json.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn bare_non_finite_numbers_are_put_in_quotes() {
        assert_eq!(
            quoted(r#"{"a":NaN,"b":[-Infinity,Infinity]}"#).unwrap(),
            r#"{"a":"NaN","b":["-Infinity","Infinity"]}"#
        );
    }

    #[test]
    fn what_stands_in_a_text_is_left_alone() {
        assert_eq!(quoted(r#"{"a":"NaN \" NaN","b":1}"#), None);
        assert_eq!(quoted(r#"{"a":"\\","b":NaN}"#).unwrap(), r#"{"a":"\\","b":"NaN"}"#);
        assert_eq!(quoted(r#"\"NaN""#), None, "outside of a text a backslash escapes nothing");
        assert_eq!(quoted(""), None);
    }

    #[test]
    fn every_spelling_of_a_number_that_is_none_is_known() {
        for text in ["NaN", "nan", "inf", "-inf", "+Infinity", " Infinity "] {
            assert!(names_non_finite(text), "{text}");
        }
        for text in ["", "info", "1", "n/a", "nano"] {
            assert!(!names_non_finite(text), "{text}");
        }
    }
}
