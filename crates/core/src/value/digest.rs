//! Fingerprints: SHA-256 over unambiguous input, as hexadecimal, and a short form for object names.

use sha2::{Digest as _, Sha256};

use crate::prelude::*;

/// Characters of a short digest: 10 of base 32 are 50 bits, so among the thousands of objects of one namespace a
/// collision stays below one in a million (birthday bound: n² / 2^51), and names keep room for what a person reads.
pub const SHORT_DIGEST_LENGTH: usize = 10;

/// Lower-case letters and digits without vowels and look-alikes, so that no name spells a word by chance.
const NAME_ALPHABET: &[u8; 32] = b"bcdfghjklmnpqrstvwxz0123456789yu";

/// SHA-256 over the parts, each preceded by its length, so that `["ab","c"]` and `["a","bc"]` differ.
pub fn digest_parts(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// SHA-256 of the text's bytes and nothing else, as 64 hexadecimal characters: what `sha256sum` prints, so that people
/// can check it by hand.
pub fn hex_sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// [`digest_parts`] as 64 hexadecimal characters.
pub fn hex_digest(parts: &[&str]) -> String {
    hex(&digest_parts(parts))
}

fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.filter_map(|half| char::from_digit(u32::from(half), 16)).collect()
}

/// The first [`SHORT_DIGEST_LENGTH`] characters of [`digest_parts`] in an alphabet that object names allow.
pub fn short_digest(parts: &[&str]) -> String {
    let digest = digest_parts(parts);
    let head = digest.iter().take(8).fold(0_u64, |head, byte| (head << 8) | u64::from(*byte));
    (0..SHORT_DIGEST_LENGTH)
        .filter_map(|position| NAME_ALPHABET.get(((head >> (59 - 5 * position)) & 31) as usize))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_standard() {
        // SHA-256 of eight zero bytes, computed with another implementation (sha256sum).
        assert_eq!(hex_digest(&[""]), "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    }

    #[test]
    fn the_plain_digest_is_that_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(hex_sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn where_a_part_ends_changes_the_digest() {
        assert_ne!(hex_digest(&["ab", "c"]), hex_digest(&["a", "bc"]));
        assert_ne!(short_digest(&["ab", "c"]), short_digest(&["a", "bc"]));
    }

    #[test]
    fn a_short_digest_fits_an_object_name() {
        let short = short_digest(&["chat", "llama-8b"]);
        assert_eq!(short.len(), SHORT_DIGEST_LENGTH);
        assert!(short.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{short}");
        assert_eq!(short, short_digest(&["chat", "llama-8b"]));
    }
}
