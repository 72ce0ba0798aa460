//! Base64 as `data` of Secrets uses it.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes as base64 with padding.
pub(in super::super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS.get((group >> (18 - 6 * place)) as usize & 63);
            text.push(if place <= chunk.len() { letter.map_or('=', |letter| char::from(*letter)) } else { '=' });
        }
    }
    text
}

/// The first byte that is wrong, as Go's decoder counts; `None` where the text is good.
pub(super) fn fault(text: &str) -> Option<usize> {
    let letters = text.trim_end_matches('=');
    let padding = text.len() - letters.len();
    let wrong = letters.bytes().position(|byte| !LETTERS.contains(&byte));
    wrong.or_else(|| (!text.len().is_multiple_of(4) || padding > 2).then_some(letters.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_with_their_padding() {
        for (bytes, text) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(fault(text), None, "{text}");
        }
        assert_eq!((fault("Y!=="), fault("YWI"), fault("Y===")), (Some(1), Some(3), Some(1)));
    }
}
