//! Base64: `data` of Secrets has the usual letters and padding, continue tokens those of URLs and none.

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

/// The bytes as base64 for URLs, without padding.
pub(in super::super) fn encode_url(bytes: &[u8]) -> String {
    encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// The bytes that a text for URLs stands for, or the place of the first letter that is wrong.
pub(in super::super) fn decode_url(text: &str) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for (at, letter) in text.bytes().enumerate() {
        let plain = match letter {
            b'-' => b'+',
            b'_' => b'/',
            b'+' | b'/' => return Err(at),
            letter => letter,
        };
        let value = LETTERS.iter().position(|known| *known == plain).ok_or(at)?;
        bits = bits << 6 | u32::try_from(value).unwrap_or(0);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    // One letter alone is no byte.
    if text.len() % 4 == 1 { Err(text.len()) } else { Ok(bytes) }
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
            assert_eq!(decode_url(&encode_url(bytes.as_bytes())).unwrap(), bytes.as_bytes());
        }
        assert_eq!((fault("Y!=="), fault("YWI"), fault("Y===")), (Some(1), Some(3), Some(1)));
    }

    #[test]
    fn the_letters_of_urls_are_others() {
        let bytes = [0xfb, 0xef, 0xff];
        assert_eq!((encode(&bytes).as_str(), encode_url(&bytes).as_str()), ("++//", "--__"));
        assert_eq!(decode_url("--__").unwrap(), bytes);
        assert_eq!((decode_url("++__"), decode_url("abcde")), (Err(0), Err(5)));
    }
}
