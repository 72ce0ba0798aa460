//! The nearest known name to a word that is not one: what a misspelt field or flag was probably meant to be.

use crate::prelude::*;

/// Longest word that is compared; what is longer was not meant to be one of our names.
const WORD_LENGTH_MAX: usize = 64;
/// Characters of a word per permitted change: one slip in three letters still shows what was meant.
const LETTERS_PER_CHANGE: usize = 3;
/// Most changes permitted, however long the word.
const CHANGES_MAX: usize = 3;

/// The candidate that `word` was probably meant to be: the one with the fewest changes, the first of equals. `None`
/// where even the best needs more changes than a slip would make. Case, and `-` against `_`, are no change.
pub fn nearest_name<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word);
    if word.is_empty() || word.len() > WORD_LENGTH_MAX {
        return None;
    }
    let permitted = (word.len() / LETTERS_PER_CHANGE).clamp(1, CHANGES_MAX);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let folded = folded(candidate);
            let comparable = folded.len().abs_diff(word.len()) <= permitted;
            comparable.then(|| (edit_distance(&word, &folded), candidate))
        })
        .filter(|(distance, _)| *distance <= permitted)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Lower-case characters, with `_` for `-`.
fn folded(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).map(|letter| if letter == '-' { '_' } else { letter }).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that make `right` of `left` (optimal string alignment;
/// Damerau, CACM 7(3), 1964).
fn edit_distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut previous_letter = None;
    for (row, letter) in left.iter().enumerate() {
        let mut beside = row + 1;
        let mut current = vec![beside];
        for (column, (other, (up_left, up))) in right.iter().zip(above.iter().zip(above.iter().skip(1))).enumerate() {
            let replaced = up_left + usize::from(letter != other);
            let mut best = replaced.min(up + 1).min(beside + 1);
            let two_back = column.checked_sub(1);
            let swapped = two_back.is_some_and(|at| right.get(at) == Some(letter)) && previous_letter == Some(other);
            if let Some(cost) = two_back.filter(|_| swapped).and_then(|at| before.get(at)) {
                best = best.min(cost + 1);
            }
            beside = best;
            current.push(beside);
        }
        previous_letter = Some(letter);
        before = core::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIELDS: [&str; 5] = ["latency_ms", "throughput", "status", "domain", "test_id"];

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        for (word, meant) in [
            ("latency_ms", "latency_ms"),
            ("latencyms", "latency_ms"),
            ("latencu_ms", "latency_ms"),
            ("latnecy_ms", "latency_ms"),
            ("Latency-MS", "latency_ms"),
            ("throughpt", "throughput"),
            ("stauts", "status"),
            ("domian", "domain"),
            ("testid", "test_id"),
        ] {
            assert_eq!(nearest_name(word, FIELDS), Some(meant), "{word}");
        }
    }

    #[test]
    fn what_is_far_from_every_name_has_no_nearest() {
        for word in ["", "hostname", "x", "latency_in_milliseconds", &"t".repeat(65)] {
            assert_eq!(nearest_name(word, FIELDS), None, "{word}");
        }
        assert_eq!(nearest_name(&"t".repeat(64), ["t".repeat(64).as_str()]), Some("t".repeat(64).as_str()));
        assert_eq!(nearest_name(&"t".repeat(65), ["t".repeat(65).as_str()]), None);
    }

    #[test]
    fn short_words_permit_one_change_and_long_ones_three() {
        assert_eq!(nearest_name("abc", ["abd"]), Some("abd"));
        assert_eq!(nearest_name("abc", ["add"]), None);
        assert_eq!(nearest_name("a", ["b"]), Some("b"));
        assert_eq!(nearest_name("abcdef", ["abxyef"]), Some("abxyef"));
        assert_eq!(nearest_name("abcdef", ["axyzef"]), None);
        assert_eq!(nearest_name("abcdefghijkl", ["xyzdefghijkl"]), Some("xyzdefghijkl"));
        assert_eq!(nearest_name("abcdefghijkl", ["wxyzefghijkl"]), None);
    }

    #[test]
    fn the_closest_wins_and_of_equals_the_first() {
        assert_eq!(nearest_name("abcdef", ["abxdey", "abcdex"]), Some("abcdex"));
        assert_eq!(nearest_name("abcd", ["abcx", "abcy"]), Some("abcx"));
    }

    #[test]
    fn each_kind_of_change_costs_one() {
        let distance = |left: &str, right: &str| edit_distance(&folded(left), &folded(right));
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "abcd", 1),
            ("abcd", "acd", 1),
            ("abcd", "abxd", 1),
            ("abcd", "acbd", 1),
            ("abcd", "badc", 2),
            ("abc", "cab", 2),
            ("xa", "ay", 2),
            ("ab", "ca", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    proptest! {
        #[test]
        fn the_distance_is_the_same_both_ways_and_at_most_the_longer_word(left in "[a-d]{0,8}", right in "[a-d]{0,8}") {
            let (left, right) = (folded(&left), folded(&right));
            let distance = edit_distance(&left, &right);
            prop_assert_eq!(distance, edit_distance(&right, &left));
            prop_assert!(distance <= left.len().max(right.len()));
            prop_assert!(distance >= left.len().abs_diff(right.len()));
            prop_assert_eq!(distance == 0, left == right);
        }
    }
}
