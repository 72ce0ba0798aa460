//! Colours of the words that say how things stand. Whether any reach the reader is the output's matter: only a terminal
//! shows them, and not where `NO_COLOR` is set.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Color, Style};

/// Words for what is well, what is not, and what is open.
const WORDS: [(AnsiColor, &[&str]); 3] = [
    (AnsiColor::Green, &["Healthy", "Validated", "best", "open", "cleared", "validated"]),
    (AnsiColor::Red, &["Degraded", "Failed", "RolledBack", "Rejected", "violated", "unmet", "OutOfMemory"]),
    (AnsiColor::Yellow, &["Unknown", "closed", "armed", "expired", "AwaitingApproval", "Superseded"]),
];

/// The same text, its words of standing coloured.
pub(in crate::cli) fn coloured(text: &str) -> String {
    let mut painted = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphabetic()) {
        let (before, from_word) = rest.split_at(start);
        let end = from_word.find(|letter: char| !is_of_word(letter)).unwrap_or(from_word.len());
        let (word, after) = from_word.split_at(end);
        painted.push_str(before);
        match colour_of(word).filter(|_| !before.ends_with(is_of_word)) {
            Some(colour) => {
                let style = Style::new().fg_color(Some(Color::Ansi(colour)));
                // Writing to a String can't fail.
                let _ = write!(painted, "{style}{word}{style:#}");
            }
            None => painted.push_str(word),
        }
        rest = after;
    }
    painted.push_str(rest);
    painted
}

/// Letters, and what ties words to a name: `armed-until` and `v0.open` are no words of ours.
const fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/')
}

fn colour_of(word: &str) -> Option<AnsiColor> {
    WORDS.iter().find(|(_, words)| words.contains(&word)).map(|(colour, _)| *colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_standing_are_coloured_and_nothing_else_changes() {
        let text = "night 1  Healthy · Degraded (Unknown), openly best-effort 3.open\n";
        let painted = coloured(text);
        assert_eq!(
            painted,
            "night 1  \u{1b}[32mHealthy\u{1b}[0m · \u{1b}[31mDegraded\u{1b}[0m (\u{1b}[33mUnknown\u{1b}[0m), openly \
             best-effort 3.open\n"
        );
        let plain: String = anstream::adapter::strip_str(&painted).to_string();
        assert_eq!(plain, text);
    }

    #[test]
    fn a_text_without_such_words_stays_as_it_is() {
        for text in ["", "\n", "12 · 3", "a", "ä open-ended"] {
            assert_eq!(coloured(text), text);
        }
    }
}
