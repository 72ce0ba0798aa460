//! What was read before, byte for byte, is not parsed again.
//!
//! Reads are live: the API server is asked every time, and what it answers decides. Most of its answer is what it answered
//! the last time, and turning that into objects is most of the work of a look. Where an element of a list has changed, the
//! others are still known.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Text that each of the two halves holds at most, in bytes. Runs with their statuses take up to 16 KiB: two halves hold
/// about 250 of them, a week of eight targets, and as objects they take about four times their text, so all of it stays below
/// 20 MiB. Lists are held in as much again (`pages`), and share the objects of their elements.
const HALF_BYTES_MAX: usize = 2 << 20;

/// Parsed objects by their type and their text.
#[derive(Default)]
pub(super) struct ParsedObjects(Mutex<Halves>);

/// What was used lately, and what was used before that: when the first is full it takes the place of the second, and
/// what nobody asks for any more is gone with it.
#[derive(Default)]
struct Halves {
    recent: Half,
    older: Half,
}

#[derive(Default)]
struct Half {
    objects: BTreeMap<(TypeId, usize), Vec<Known>>,
    bytes: usize,
}

/// One of the texts of a type and a length: texts that have both in common mostly differ within their first half, where
/// resourceVersion stands, so that looking for one compares few bytes.
struct Known {
    text: Box<str>,
    object: Arc<dyn Any + Send + Sync>,
}

impl ParsedObjects {
    /// The object that a text says, parsed now where it was not before.
    ///
    /// # Errors
    /// A text that is no such object.
    pub(super) fn read<T>(
        &self,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, serde_json::Error>,
    ) -> Result<Arc<T>, serde_json::Error>
    where
        T: Any + Send + Sync,
    {
        if let Some(known) = self.with(|halves| halves.find(TypeId::of::<T>(), text))
            && let Ok(object) = known.downcast::<T>()
        {
            return Ok(object);
        }
        let object = Arc::new(parse(text)?);
        self.with(|halves| halves.keep(TypeId::of::<T>(), text.into(), object.clone()));
        Ok(object)
    }

    fn with<R>(&self, act: impl FnOnce(&mut Halves) -> R) -> R {
        // Whatever somebody left who panicked: what is there was parsed from its own text.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Halves {
    fn find(&mut self, of: TypeId, text: &str) -> Option<Arc<dyn Any + Send + Sync>> {
        let key = (of, text.len());
        let is_it = |known: &Known| *known.text == *text;
        if let Some(known) = self.recent.objects.get(&key).and_then(|known| known.iter().rev().find(|one| is_it(one))) {
            return Some(known.object.clone());
        }
        let older = self.older.objects.get_mut(&key)?;
        let Known { text, object } = older.swap_remove(older.iter().position(is_it)?);
        self.keep(of, text, object.clone());
        Some(object)
    }

    fn keep(&mut self, of: TypeId, text: Box<str>, object: Arc<dyn Any + Send + Sync>) {
        if self.recent.bytes + text.len() > HALF_BYTES_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.bytes += text.len();
        self.recent.objects.entry((of, text.len())).or_default().push(Known { text, object });
    }
}

impl fmt::Debug for ParsedObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.with(|halves| [halves.recent.bytes, halves.older.bytes]);
        f.debug_struct("ParsedObjects").field("bytes", &bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn read(objects: &ParsedObjects, parsed: &Cell<usize>, text: &str) -> Result<Arc<u64>, serde_json::Error> {
        objects.read(text, |text| {
            parsed.set(parsed.get() + 1);
            serde_json::from_str::<u64>(text)
        })
    }

    #[test]
    fn a_text_is_parsed_once_and_another_text_or_type_by_itself() {
        let (objects, parsed) = (ParsedObjects::default(), Cell::new(0));
        for (text, value, so_far) in [("1", 1, 1), ("1", 1, 1), ("2", 2, 2), ("1", 1, 2)] {
            assert_eq!((*read(&objects, &parsed, text).unwrap(), parsed.get()), (value, so_far), "{text}");
        }
        let as_text = objects.read("1", |text| serde_json::from_str::<String>(text));
        assert!(as_text.unwrap_err().to_string().contains("expected a string"));
        assert_eq!(*objects.read("1", |text| serde_json::from_str::<i8>(text)).unwrap(), 1);
    }

    #[test]
    fn what_can_t_be_parsed_is_tried_each_time() {
        let (objects, parsed) = (ParsedObjects::default(), Cell::new(0));
        for _ in 0..2 {
            assert!(read(&objects, &parsed, "x").is_err());
        }
        assert_eq!(parsed.get(), 2);
    }

    #[test]
    fn what_is_not_asked_for_any_more_goes_and_what_is_stays() {
        let (objects, parsed) = (ParsedObjects::default(), Cell::new(0));
        let text = |number: usize| format!("{number}{}", " ".repeat(HALF_BYTES_MAX / 4));
        for number in 0..40 {
            read(&objects, &parsed, "7").unwrap();
            read(&objects, &parsed, &text(number)).unwrap();
        }
        assert_eq!(parsed.get(), 41, "the one that is asked for again and again was parsed once");
        let bytes = objects.with(|halves| halves.recent.bytes + halves.older.bytes);
        assert!(bytes <= 2 * HALF_BYTES_MAX, "{bytes}");
        read(&objects, &parsed, &text(0)).unwrap();
        assert_eq!(parsed.get(), 42, "the first one was forgotten");
    }
}
