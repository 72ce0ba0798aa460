//! What a list held when it was last read: elements that stand there again, byte for byte, are neither looked for nor parsed.
//!
//! A list is asked for again after each change of one of its elements. The others follow each other as they did, so that
//! comparing them with the last answer finds them.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use serde_json::value::RawValue;

/// Text of lists that is held at most, in bytes: twice what a half of the parsed objects holds. When it is full all of it is
/// given up, and what is read on is known again from the next time on.
const BYTES_MAX: usize = 4 << 20;

/// Lists by the type of their elements, and by what was asked for.
#[derive(Default)]
pub(super) struct KnownPages(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// Each with its bytes.
    pages: BTreeMap<(TypeId, String), (Arc<dyn Any + Send + Sync>, usize)>,
    bytes: usize,
}

/// A list whose elements came each as a piece of its own.
struct PiecedPage<K>(Vec<(Bytes, K)>);

/// A list as it was answered.
struct Page<K> {
    /// Its elements, with the brackets around them.
    text: String,
    elements: Vec<Element<K>>,
}

struct Element<K> {
    place: Range<usize>,
    object: K,
}

impl KnownPages {
    /// What each element of a list says; `elements` is the JSON of the list, and `read` reads an element that does not stand
    /// where it stood in the last answer to the same question.
    ///
    /// # Errors
    /// A text that is no list.
    pub(super) fn read<K: Any + Clone + Send + Sync>(
        &self,
        question: &str,
        elements: &str,
        read: impl Fn(&str) -> K,
    ) -> Result<Vec<K>, serde_json::Error> {
        let key = (TypeId::of::<K>(), question.to_owned());
        let known = self.known::<Page<K>>(&key);
        if let Some(page) = &known
            && page.text == elements
        {
            return Ok(page.objects());
        }
        let page = Page::of(elements, known.as_deref(), read)?;
        let (objects, bytes) = (page.objects(), page.text.len());
        self.with(|held| held.keep(key, Arc::new(page), bytes));
        Ok(objects)
    }

    /// The same of a list whose elements came each as a piece of its own, with a comma as a piece between two of them. `None`
    /// where the pieces are no such list.
    ///
    /// A piece that is in memory the one of the last answer is not compared: nobody can change what a `Bytes` holds, and what is
    /// kept here is not freed, so that nothing else can stand in its place.
    ///
    /// A piece may end anywhere, and only one that is a whole element tells one. What could be read is whole.
    pub(super) fn read_pieces<T: Any + Clone + Send + Sync, E: Any + Clone + Send + Sync>(
        &self,
        question: &str,
        pieces: &[Bytes],
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Result<T, E>>> {
        if pieces.len().is_multiple_of(2) || pieces.iter().skip(1).step_by(2).any(|piece| **piece != *b",") {
            return None;
        }
        let key = (TypeId::of::<Result<T, E>>(), question.to_owned());
        let known = self.known::<PiecedPage<Result<T, E>>>(&key);
        let (mut elements, mut next_known) = (Vec::with_capacity(pieces.len().div_ceil(2)), 0);
        for piece in pieces.iter().step_by(2) {
            let again = [next_known, next_known + 1].into_iter().find_map(|index| {
                let (own, object) = known.as_ref()?.0.get(index)?;
                is_the_same(own, piece).then(|| (index, object.clone()))
            });
            let object = if let Some((index, object)) = again {
                next_known = index + 1;
                object
            } else {
                let text = std::str::from_utf8(piece).ok()?;
                let object = read(text);
                if object.is_err() {
                    serde_json::from_str::<&RawValue>(text).ok()?;
                }
                object
            };
            elements.push((piece.clone(), object));
        }
        let objects = elements.iter().map(|(_, object)| object.clone()).collect();
        let bytes = elements.iter().map(|(piece, _)| piece.len()).sum();
        self.with(|held| held.keep(key, Arc::new(PiecedPage(elements)), bytes));
        Some(objects)
    }

    fn known<P: Any + Send + Sync>(&self, key: &(TypeId, String)) -> Option<Arc<P>> {
        self.with(|held| held.pages.get(key).map(|(page, _)| page.clone()))?.downcast().ok()
    }

    fn with<R>(&self, act: impl FnOnce(&mut Held) -> R) -> R {
        // Whatever somebody left who panicked: what is there was parsed from its own text.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn keep(&mut self, key: (TypeId, String), page: Arc<dyn Any + Send + Sync>, bytes: usize) {
        if self.bytes + bytes > BYTES_MAX {
            *self = Self::default();
        }
        let before = self.pages.insert(key, (page, bytes)).map_or(0, |(_, bytes)| bytes);
        self.bytes = (self.bytes + bytes).saturating_sub(before);
    }
}

/// Whether both are one place in memory.
fn is_the_same(one: &Bytes, other: &Bytes) -> bool {
    one.as_ptr() == other.as_ptr() && one.len() == other.len()
}

impl<K: Clone> Page<K> {
    fn objects(&self) -> Vec<K> {
        self.elements.iter().map(|element| element.object.clone()).collect()
    }

    /// A list, read with the help of an earlier one.
    fn of(text: &str, known: Option<&Self>, read: impl Fn(&str) -> K) -> Result<Self, serde_json::Error> {
        let mut page = Self { text: text.to_owned(), elements: Vec::new() };
        if !page.follow(known, &read) {
            // Not written as the API server writes lists, but perhaps one.
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            let element = |element: &RawValue| Element { place: 0..0, object: read(element.get()) };
            page.elements = elements.into_iter().map(element).collect();
        }
        Ok(page)
    }

    /// Reads element after element of a list without white space; says `false` where it is none.
    fn follow(&mut self, known: Option<&Self>, read: impl Fn(&str) -> K) -> bool {
        let Self { text, elements } = self;
        if text == "[]" {
            return true;
        }
        let (mut begin, mut next_known) = (1, 0);
        if !text.starts_with('[') {
            return false;
        }
        loop {
            let Some(rest) = text.get(begin..) else { return false };
            // An element that was changed or taken away is passed over in the earlier list; one that is new stands before.
            let again = [next_known, next_known + 1].into_iter().find_map(|index| {
                let element = known?.elements.get(index)?;
                let own = known?.text.get(element.place.clone()).filter(|own| own.starts_with('{'))?;
                rest.starts_with(own).then(|| (index, own.len(), element.object.clone()))
            });
            let (length, object) = if let Some((index, length, object)) = again {
                next_known = index + 1;
                (length, object)
            } else {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
                let Some(Ok(element)) = values.next() else { return false };
                (element.get().len(), read(element.get()))
            };
            let end = begin + length;
            elements.push(Element { place: begin..end, object });
            match text.as_bytes().get(end) {
                Some(b',') => begin = end + 1,
                Some(b']') => return end + 1 == text.len(),
                _ => return false,
            }
        }
    }
}

impl fmt::Debug for KnownPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownPages").field("bytes", &self.with(|held| held.bytes)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Reads a list after another one: what its elements are, and which of them were looked at.
    fn read_after(before: &str, now: &str) -> (Vec<String>, Vec<String>) {
        let (pages, looked_at) = (KnownPages::default(), RefCell::new(Vec::new()));
        let read = |element: &str| {
            looked_at.borrow_mut().push(element.to_owned());
            element.to_owned()
        };
        pages.read("q", before, read).unwrap();
        looked_at.borrow_mut().clear();
        let objects = pages.read("q", now, read).unwrap();
        (objects, looked_at.into_inner())
    }

    #[test]
    fn only_what_does_not_stand_where_it_stood_is_looked_at() {
        let before = r#"[{"a":1},{"b":1},{"c":1}]"#;
        for (now, looked_at) in [
            (before, &[][..]),
            (r#"[{"a":1},{"b":2},{"c":1}]"#, &[r#"{"b":2}"#]),
            (r#"[{"a":1},{"c":1}]"#, &[]),
            (r#"[{"a":1},{"aa":1},{"b":1},{"c":1}]"#, &[r#"{"aa":1}"#]),
            (r#"[{"a":1},{"b":1},{"c":1},{"d":[{"e":"]}"}]}]"#, &[r#"{"d":[{"e":"]}"}]}"#]),
            ("[]", &[]),
        ] {
            let (objects, looked) = read_after(before, now);
            assert_eq!(looked, looked_at, "{now}");
            assert_eq!(format!("[{}]", objects.join(",")), now, "whatever was known");
        }
    }

    #[test]
    fn a_list_that_is_written_otherwise_is_read_as_well() {
        for (now, objects) in [(" [ {\"a\":1} , 7 ]", &["{\"a\":1}", "7"][..]), ("[1,2]", &["1", "2"]), ("[ ]", &[])] {
            assert_eq!(read_after("[1]", now).0, objects, "{now}");
        }
        let pages = KnownPages::default();
        for none in ["", "{}", "[1", "[1,]", "[1]]", "[{}{}]", "null"] {
            assert!(pages.read("q", none, str::to_owned).is_err(), "{none}");
        }
    }

    #[test]
    fn of_pieces_only_those_are_looked_at_that_did_not_come_before() {
        let piece = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let [comma, a, b, c, other_b] = [",", r#"{"a":1}"#, r#"{"b":1}"#, r#"{"c":1}"#, r#"{"b":2}"#].map(piece);
        let (pages, looked_at) = (KnownPages::default(), RefCell::new(Vec::new()));
        let read = |pieces: &[&Bytes]| {
            let pieces: Vec<Bytes> = pieces.iter().copied().cloned().collect();
            let objects = pages.read_pieces("q", &pieces, |element| {
                looked_at.borrow_mut().push(element.to_owned());
                let whole =
                    |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok() && !text.starts_with('7');
                if whole(element) { Ok(element.to_owned()) } else { Err(format!("no object: {element}")) }
            });
            let told = |object: Result<String, String>| object.unwrap_or_else(|problem| problem);
            let told = objects.map(|objects| objects.into_iter().map(told).collect::<Vec<_>>().join(","));
            (told, looked_at.take().join(","))
        };
        let told = |elements: &str, looked_at: &str| (Some(elements.to_owned()), looked_at.to_owned());
        let all = r#"{"a":1},{"b":1},{"c":1}"#;
        assert_eq!(read(&[&a, &comma, &b, &comma, &c]), told(all, all));
        assert_eq!(read(&[&a, &comma, &b, &comma, &c]), told(all, ""));
        assert_eq!(read(&[&a, &comma, &other_b, &comma, &c]), told(r#"{"a":1},{"b":2},{"c":1}"#, r#"{"b":2}"#));
        assert_eq!(read(&[&a, &comma, &c]), told(r#"{"a":1},{"c":1}"#, ""), "one is gone");
        assert_eq!(read(&[&b]), told(r#"{"b":1}"#, r#"{"b":1}"#));
        let malformed = piece("7");
        assert_eq!(read(&[&b, &comma, &malformed]), told(r#"{"b":1},no object: 7"#, "7"), "an element, if of no use");
        let (half, rest) = (piece(r#"{"a""#), piece(r":1}"));
        for none in [&[][..], &[&a, &comma], &[&a, &b, &c], &[&half], &[&half, &comma, &rest]] {
            assert_eq!(read(none).0, None, "{none:?}");
        }
    }

    #[test]
    fn each_question_is_known_by_itself_and_all_are_forgotten_when_there_are_too_many() {
        let (pages, looked_at) = (KnownPages::default(), RefCell::new(0));
        let read = |question: &str, list: &str| {
            let count = |_: &str| *looked_at.borrow_mut() += 1;
            pages.read(question, list, count).unwrap();
            looked_at.replace(0)
        };
        assert_eq!((read("a", "[1]"), read("b", "[1]"), read("a", "[1]")), (1, 1, 0));
        let long = format!("[\"{}\"]", "x".repeat(BYTES_MAX / 2));
        for round in 0..3 {
            assert_eq!(read(&format!("c{round}"), &long), 1);
            assert!(pages.with(|held| held.bytes) <= BYTES_MAX);
        }
        assert_eq!(read("a", "[1]"), 1);
    }
}
