//! The termination message: what the kubelet keeps of a container that has ended.

use std::{fs::OpenOptions, io::Write as _, path::Path};

/// Writes a container's termination message. In a pod the file is a mount of its own: it can be written anew, and not be
/// replaced. A message that can't be written is told on standard error, because nothing else is left that could tell it.
pub(crate) fn leave_message(path: &Path, text: &str) {
    let written = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        eprintln!(
            "error: the termination message {} can't be written: {error}\n  remedy: leave terminationMessagePath at its \
             default\n{text}",
            path.display()
        );
    }
}

/// The end of a text in at most `limit` bytes, without the rest of a letter that was cut.
pub(crate) fn tail(text: &str, limit: usize) -> &str {
    let from = text.len().saturating_sub(limit);
    (from..=text.len()).find_map(|from| text.get(from..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_never_longer_than_its_limit_and_cuts_no_letter() {
        for (text, limit, expected) in [
            ("abc", 5, "abc"),
            ("abc", 3, "abc"),
            ("abc", 2, "bc"),
            ("abc", 0, ""),
            ("aöb", 2, "b"),
            ("aé", 1, ""),
            ("aöb", 3, "öb"),
        ] {
            assert_eq!(tail(text, limit), expected, "{text} {limit}");
        }
    }
}
