//! The API server draws uids by chance, and names and orders follow from them: they are told as a run in memory has them,
//! so that one seed gives one history, and go back as the API server made them.

use std::collections::BTreeMap;

/// Bytes of a uid: 32 digits and four dashes.
const LENGTH: usize = 36;
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The uids that differ, both ways.
#[derive(Debug, Default)]
pub(super) struct UidBook {
    told: BTreeMap<Vec<u8>, Vec<u8>>,
    real: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl UidBook {
    /// Tells an object that the API server has just made under another uid from now on.
    pub(super) fn add(&mut self, real: &str, told: &str) {
        if real.len() == LENGTH && told.len() == LENGTH {
            self.told.insert(real.into(), told.into());
            self.real.insert(told.into(), real.into());
        }
    }

    /// The uids of a text as they are told.
    pub(super) fn tell(&self, text: &[u8]) -> Vec<u8> {
        replaced(text, &self.told)
    }

    /// The uids of a text as the API server has them.
    pub(super) fn restore(&self, text: &[u8]) -> Vec<u8> {
        replaced(text, &self.real)
    }
}

/// Uids stand anywhere: in references, in annotations, in the names of owned fields, in messages.
fn replaced(text: &[u8], by: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, later)) = rest.split_first() {
        let found = rest.get(..LENGTH).filter(|word| DASHES.iter().all(|dash| word.get(*dash) == Some(&b'-')));
        if let Some(other) = found.and_then(|word| by.get(word)) {
            written.extend_from_slice(other);
            rest = rest.get(LENGTH..).unwrap_or_default();
        } else {
            written.push(*first);
            rest = later;
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_replaced_wherever_they_stand_and_come_back() {
        let (real, told) = ("0f6f7c1e-6d7c-4f5c-9a53-0d8f6f3f1c11", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
        let mut book = UidBook::default();
        book.add(real, told);
        book.add("short", told);
        let other = "11111111-6d7c-4f5c-9a53-0d8f6f3f1c11";
        let text = format!("x{real}-{real}\u{fc}{other}{{\"k:{{{real}}}\":1}}{}", &real[..20]);
        let translated = String::from_utf8(book.tell(text.as_bytes())).unwrap();
        assert_eq!(translated, text.replace(real, told));
        assert_eq!(book.restore(translated.as_bytes()), text.as_bytes());
    }
}
