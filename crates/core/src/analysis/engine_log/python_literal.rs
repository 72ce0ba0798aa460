//! The dictionary that vLLM prints of its arguments, as Python's `repr` writes it.

use crate::prelude::*;

/// Lists within lists that are unfolded; deeper ones keep Python's spelling.
const UNFOLDED_DEPTH_MAX: usize = 3;

/// The entries of a dictionary, in text form: texts without quotes, `true`, `false` and `none` in small letters, lists
/// with commas between, everything else as Python spells it. Entries after a cut are lost, those before it are kept.
/// `None` if the text does not begin with a dictionary.
pub(super) fn read_dictionary(text: &str) -> Option<Vec<(String, String)>> {
    let inner = text.trim_start().strip_prefix('{')?;
    let entry = |item: &str| {
        let (key, rest) = split_quoted(item.trim_start())?;
        let value = rest.trim_start().strip_prefix(':')?;
        Some((key, value_text(value.trim(), 0)))
    };
    Some(split_items(inner).into_iter().filter_map(entry).collect())
}

/// The items of a bracketed list up to its closing bracket. An item that a cut left open is dropped.
fn split_items(inner: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    let mut begin = 0;
    // Python writes a line break within a text as an escape: a real one is the end of the log line.
    for (place, letter) in inner.char_indices().take_while(|(_, letter)| *letter != '\n') {
        if let Some(open) = quote {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if letter == open => quote = None,
                _ => {}
            }
            continue;
        }
        match letter {
            '\'' | '"' => quote = Some(letter),
            '[' | '(' | '{' | '<' => depth += 1,
            ']' | ')' | '}' | '>' if depth > 0 => depth -= 1,
            ']' | ')' | '}' => {
                items.extend(inner.get(begin..place));
                return items;
            }
            ',' if depth == 0 => {
                items.extend(inner.get(begin..place));
                begin = place + 1;
            }
            _ => {}
        }
    }
    items
}

/// A quoted text at the beginning, without quotes and escapes, and what follows it.
fn split_quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
    let mut content = String::new();
    let mut escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => {
                content.push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if letter == quote => return Some((content, text.get(place + 1..).unwrap_or_default())),
            _ => content.push(letter),
        }
    }
    None
}

fn value_text(value: &str, depth: usize) -> String {
    if let Some((content, "")) = split_quoted(value) {
        return content;
    }
    if let Some(inner) = value.strip_prefix(['[', '(']).filter(|_| depth < UNFOLDED_DEPTH_MAX) {
        let items = split_items(inner).into_iter().map(str::trim).filter(|item| !item.is_empty());
        return items.map(|item| value_text(item, depth + 1)).collect::<Vec<_>>().join(",");
    }
    match value {
        "True" => "true".to_owned(),
        "False" => "false".to_owned(),
        "None" => "none".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(text: &str) -> Vec<(String, String)> {
        read_dictionary(text).unwrap()
    }

    fn value(text: &str) -> String {
        let entries = entries(&format!("{{'a': {text}, 'b': 1}}"));
        assert_eq!(entries.len(), 2, "{text}");
        assert_eq!(entries[1], ("b".to_owned(), "1".to_owned()));
        entries[0].1.clone()
    }

    #[test]
    fn every_kind_of_value_becomes_text() {
        for (python, text) in [
            ("'/models/tiny'", "/models/tiny"),
            ("\"it's\"", "it's"),
            (r"'it\'s'", "it's"),
            (r"'a\\'", r"a\"),
            ("'a, {b}: [c]'", "a, {b}: [c]"),
            ("1024", "1024"),
            ("0.2", "0.2"),
            ("-1", "-1"),
            ("True", "true"),
            ("False", "false"),
            ("None", "none"),
            ("['tiny']", "tiny"),
            ("['a', 'b']", "a,b"),
            ("(1, 2,)", "1,2"),
            ("[]", ""),
            ("[[1, 2], [3]]", "1,2,3"),
            ("[[[[1], 2]]]", "[1],2"),
            ("{'level': 3, 'x': {'y': 1}}", "{'level': 3, 'x': {'y': 1}}"),
            ("<Mode.NONE: 0>", "<Mode.NONE: 0>"),
            ("Config(a=1, b='x,y')", "Config(a=1, b='x,y')"),
            ("''", ""),
            ("'a' 'b'", "'a' 'b'"),
        ] {
            assert_eq!(value(python), text, "{python}");
        }
    }

    #[test]
    fn what_was_cut_off_is_dropped_and_the_rest_kept() {
        let whole = "{'port': 8011, 'model': '/models/tiny', 'max_num_seqs': 32}";
        assert_eq!(entries(whole).len(), 3);
        assert_eq!(entries(&whole[..whole.len() - 2]).len(), 2, "32 might have been 320");
        assert_eq!(entries(&whole[..30]).len(), 1);
        assert_eq!(entries("{"), []);
        assert_eq!(entries("{}"), []);
        assert_eq!(entries("{'a': 1, 'b\n': 2}").len(), 1);
        assert_eq!(entries("{'a': [1\n, 'b': 2}").len(), 0);
    }

    #[test]
    fn what_is_no_entry_is_left_out() {
        assert_eq!(entries("{1: 2, 'a': 3, 'b', 'c' 4}"), [("a".to_owned(), "3".to_owned())]);
        assert_eq!(read_dictionary("Namespace(a=1)"), None);
        assert_eq!(read_dictionary(""), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\{\\[\\('\"a\\\\:, \\)\\]\\}<>ä\n]{0,40}") {
            let _ = read_dictionary(&format!("{{{text}"));
        }
    }
}
