//! Instants within texts: what a death delays, and what it must not delay by more.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use regex_lite::Regex;

/// By how much an instant may be earlier or later than in the undisturbed history: 15 s until a lease is free, as long as a
/// replica is stopped (45 s), and the 5 minutes after which everything is looked at again where nobody is woken.
pub const DELAY_MAX: SignedDuration = SignedDuration::from_secs(15 + 45 + 5 * 60);

/// A text without its instants, and the instants.
pub(super) fn take_instants(text: &str) -> (String, Vec<Timestamp>) {
    static INSTANT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").ok());
    let Some(pattern) = INSTANT.as_ref().filter(|_| text.len() >= 20) else { return (text.to_owned(), Vec::new()) };
    let instants = pattern.find_iter(text).filter_map(|found| found.as_str().parse().ok()).collect();
    (pattern.replace_all(text, "<instant>").into_owned(), instants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_taken_out_of_a_text_wherever_they_stand() {
        let (text, instants) = take_instants("cooldown ended 2026-03-04T08:11:22Z (6h after 2026-03-04T02:11:22.5Z)");
        assert_eq!(text, "cooldown ended <instant> (6h after <instant>)");
        assert_eq!(instants.len(), 2);
        assert_eq!(take_instants("2026-03-04").1, []);
    }
}
