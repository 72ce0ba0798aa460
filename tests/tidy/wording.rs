//! Nothing unfinished is committed: what is missing is said as a fact, or is not there.

use crate::tree::SourceFile;

/// Marks of unfinished work, as whole words in this spelling. Built, so that this file does not contain them.
const MARKS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("HA", "CK"),
    concat!("W", "IP"),
    concat!("T", "BD"),
];

/// Phrases of unfinished work, in any case.
const PHRASES: [&str; 6] = [
    concat!("for", " now"),
    concat!("place", "holder"),
    concat!("coming", " soon"),
    concat!("not yet", " implemented"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
];

/// Text of others, kept as it came: recordings of a real engine, the licence, names of packages.
const TEXT_OF_OTHERS: [&str; 4] = ["examples/recorded-nights/", "LICENSE", "Cargo.lock", "fuzz/Cargo.lock"];

/// Lines that speak of unfinished work.
pub(crate) fn check_wording(files: &[SourceFile]) -> Vec<String> {
    let ours = files.iter().filter(|file| !TEXT_OF_OTHERS.iter().any(|start| file.path.starts_with(start)));
    ours.flat_map(|file| {
        file.text.lines().enumerate().filter_map(|(index, line)| {
            let word = unfinished_word(line)?;
            Some(format!("{}:{}: `{word}`: finish it, or state the limit as a fact", file.path, index + 1))
        })
    })
    .collect()
}

fn unfinished_word(line: &str) -> Option<&'static str> {
    // A loop over instants is no promise.
    let lower = line.to_lowercase().replace(concat!("for", " now in "), "");
    let mark = MARKS.into_iter().find(|mark| contains_word(line, mark));
    mark.or_else(|| PHRASES.into_iter().find(|phrase| contains_word(&lower, phrase)))
}

/// Whether `wanted` occurs in `line` with no letter, digit or underscore before or after it.
fn contains_word(line: &str, wanted: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(wanted).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + wanted.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && (wanted.ends_with('(') || !after.is_some_and(is_word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    #[test]
    fn nothing_unfinished_is_committed() {
        assert_nothing_found(&check_wording(&repository().unwrap()));
    }

    #[test]
    fn each_mark_and_each_phrase_is_found() {
        for word in MARKS.into_iter().chain(PHRASES) {
            let file = SourceFile::invented("src/a.rs", &format!("//! a\n// {word} later\n"));
            let found = check_wording(&[file]);
            assert_eq!(found.len(), 1, "{word}");
            assert!(found.iter().all(|finding| finding.starts_with("src/a.rs:2: ")), "{found:?}");
        }
    }

    #[test]
    fn a_phrase_is_found_in_any_case() {
        let text = PHRASES.join("\n").to_uppercase();
        assert_eq!(check_wording(&[SourceFile::invented("docs/a.md", &text)]).len(), PHRASES.len());
    }

    #[test]
    fn longer_words_and_text_of_others_are_left_alone() {
        let mark = MARKS.concat();
        let inside = MARKS.iter().map(|mark| format!("{mark}S a{mark} {mark}_b")).collect::<Vec<_>>().join("\n");
        let files = [
            SourceFile::invented("src/a.rs", &format!("{mark}\n{inside}\n")),
            SourceFile::invented("src/b.rs", concat!("for", " now in [at(\"03:00\")] {\n")),
            SourceFile::invented("examples/recorded-nights/night14.log", &format!("{} it", MARKS.join(" "))),
        ];
        assert_nothing_found(&check_wording(&files));
    }
}
