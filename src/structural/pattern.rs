//! Patterns, compiled once per thread: a schema has few, and every object is held against them.

use std::{cell::RefCell, collections::BTreeMap};

use regex_lite::Regex;

thread_local! {
    static COMPILED: RefCell<BTreeMap<String, Option<Regex>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Whether a text has the form. A pattern that can't be compiled fits nothing.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    COMPILED.with_borrow_mut(|compiled| {
        if !compiled.contains_key(pattern) {
            compiled.insert(pattern.to_owned(), Regex::new(pattern).ok());
        }
        compiled.get(pattern).is_some_and(|regex| regex.as_ref().is_some_and(|regex| regex.is_match(text)))
    })
}
