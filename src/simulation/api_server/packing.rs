//! Objects as bytes that take a fifth of their room: versions that something newer has taken the place of.
//!
//! Nothing is lost: what is unpacked is what was packed, to the bit. Names of fields, which are most of an object, are kept
//! once.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Number, Value};

/// What a value begins with.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const WHOLE: u8 = 3;
    pub(super) const NEGATIVE: u8 = 4;
    pub(super) const FRACTION: u8 = 5;
    pub(super) const TEXT: u8 = 6;
    pub(super) const LIST: u8 = 7;
    pub(super) const OBJECT: u8 = 8;
}

/// Bits of a number that one byte holds; the eighth says that the number goes on.
const BITS: u32 = 7;
const GOES_ON: u8 = 1 << BITS;
const MASK: u64 = (1 << BITS) - 1;

/// Names of fields, each with its number.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    numbers: BTreeMap<Arc<str>, u64>,
    known: Vec<Arc<str>>,
    /// Numbers of names that were asked for lately, each in the place that its length and its ends give it.
    lately: Vec<usize>,
}

/// Places of names that were asked for lately: an object has some hundred different ones.
const LATELY: usize = 1024;

impl Names {
    fn number(&mut self, name: &str) -> u64 {
        let place = place_of(name);
        let lately = self.lately.get(place).copied();
        if let Some(number) = lately
            && self.known.get(number).is_some_and(|own| **own == *name)
        {
            return number as u64;
        }
        let number = self.numbers.get(name).copied();
        let number = number.unwrap_or_else(|| {
            let (number, name) = (self.known.len() as u64, Arc::<str>::from(name));
            self.numbers.insert(name.clone(), number);
            self.known.push(name);
            number
        });
        self.lately.resize(LATELY, 0);
        if let (Some(lately), Ok(number)) = (self.lately.get_mut(place), usize::try_from(number)) {
            *lately = number;
        }
        number
    }

    /// The value as bytes.
    pub(super) fn pack(&mut self, value: &Value) -> Box<[u8]> {
        let mut packed = Vec::new();
        self.write(value, &mut packed);
        packed.into()
    }

    fn write(&mut self, value: &Value, packed: &mut Vec<u8>) {
        match value {
            Value::Null => packed.push(tag::NULL),
            Value::Bool(value) => packed.push(if *value { tag::TRUE } else { tag::FALSE }),
            Value::Number(number) => write_number(number, packed),
            Value::String(text) => {
                packed.push(tag::TEXT);
                write_whole(text.len() as u64, packed);
                packed.extend_from_slice(text.as_bytes());
            }
            Value::Array(elements) => {
                packed.push(tag::LIST);
                write_whole(elements.len() as u64, packed);
                for element in elements {
                    self.write(element, packed);
                }
            }
            Value::Object(fields) => {
                packed.push(tag::OBJECT);
                write_whole(fields.len() as u64, packed);
                for (name, value) in fields {
                    let number = self.number(name);
                    write_whole(number, packed);
                    self.write(value, packed);
                }
            }
        }
    }

    /// The value that was packed; nothing for bytes that no packing made.
    pub(super) fn unpack(&self, packed: &[u8]) -> Option<Value> {
        Unpacking { names: &self.known, rest: packed }.value()
    }
}

/// Where a name stands among those that were asked for lately.
fn place_of(name: &str) -> usize {
    let bytes = name.as_bytes();
    let [first, middle, last] =
        [bytes.first(), bytes.get(bytes.len() / 2), bytes.last()].map(|byte| usize::from(byte.copied().unwrap_or(0)));
    (bytes.len() + first * 7 + middle * 31 + last * 127) % LATELY
}

fn write_number(number: &Number, packed: &mut Vec<u8>) {
    if let Some(whole) = number.as_u64() {
        packed.push(tag::WHOLE);
        write_whole(whole, packed);
    } else if let Some(negative) = number.as_i64() {
        packed.push(tag::NEGATIVE);
        write_whole(negative.unsigned_abs(), packed);
    } else {
        packed.push(tag::FRACTION);
        packed.extend_from_slice(&number.as_f64().unwrap_or_default().to_le_bytes());
    }
}

/// Seven bits a byte, the lowest first.
fn write_whole(mut number: u64, packed: &mut Vec<u8>) {
    while number > MASK {
        packed.push(low_byte(number) | GOES_ON);
        number >>= BITS;
    }
    packed.push(low_byte(number));
}

fn low_byte(number: u64) -> u8 {
    let [low, ..] = (number & MASK).to_le_bytes();
    low
}

struct Unpacking<'a> {
    names: &'a [Arc<str>],
    rest: &'a [u8],
}

impl Unpacking<'_> {
    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            tag::NULL => Value::Null,
            tag::FALSE => false.into(),
            tag::TRUE => true.into(),
            tag::WHOLE => self.whole()?.into(),
            tag::NEGATIVE => 0_i64.checked_sub_unsigned(self.whole()?)?.into(),
            tag::FRACTION => {
                let (bytes, rest) = self.rest.split_first_chunk()?;
                self.rest = rest;
                Number::from_f64(f64::from_le_bytes(*bytes))?.into()
            }
            tag::TEXT => self.text()?.into(),
            tag::LIST => {
                let length = self.whole()?;
                (0..length).map(|_| self.value()).collect::<Option<Vec<Value>>>()?.into()
            }
            tag::OBJECT => {
                let length = self.whole()?;
                let fields = (0..length).map(|_| {
                    let number = usize::try_from(self.whole()?).ok()?;
                    Some((self.names.get(number)?.to_string(), self.value()?))
                });
                fields.collect::<Option<Map<String, Value>>>()?.into()
            }
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn whole(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            number |= (u64::from(byte) & MASK).checked_shl(shift)?;
            if byte & GOES_ON == 0 {
                return Some(number);
            }
            shift += BITS;
        }
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.whole()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_unpacked_is_what_was_packed_to_the_bit() {
        let mut names = Names::default();
        for value in [
            json!({ "a": null, "b": [true, false, []], "c": { "a": { "b": "é\u{0}" } }, "": "" }),
            json!([0, 127, 128, u64::MAX, -1, i64::MIN, i64::MAX]),
            json!([0.1, -0.0, 1.0, f64::MAX, f64::MIN_POSITIVE, 0.123_456_789_012_345_67]),
        ] {
            let packed = names.pack(&value);
            let unpacked = names.unpack(&packed).unwrap();
            assert_eq!(unpacked, value);
            assert_eq!(unpacked.to_string(), value.to_string(), "the sign of zero and the kind of a number as well");
        }
    }

    #[test]
    fn a_name_is_kept_once() {
        let mut names = Names::default();
        let value = json!({ "lastTransitionTime": { "lastTransitionTime": [{ "lastTransitionTime": 1 }] } });
        names.pack(&value);
        assert_eq!(names.pack(&value).len(), 3 * 3 + 2 + 2, "three objects, a list and a number");
        assert_eq!(names.known.len(), 1);
    }

    #[test]
    fn bytes_that_no_packing_made_are_no_value() {
        let mut names = Names::default();
        let packed = names.pack(&json!({ "a": [1, "text", 0.5] }));
        for end in 0..packed.len() {
            assert_eq!(names.unpack(&packed[..end]), None, "{end}");
        }
        assert_eq!(names.unpack(&[9]), None);
        assert_eq!(Names::default().unpack(&packed), None, "names that are not known");
    }
}
