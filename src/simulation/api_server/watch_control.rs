//! What happens to watches beside what the history says: who waits, whose watches are held back or ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Waker,
};

/// Waiting watches, and what is done to them.
#[derive(Debug, Clone, Default)]
pub(super) struct WatchControl {
    waiting: Vec<(Arc<str>, Waker)>,
    held: BTreeSet<String>,
    ends: BTreeMap<String, u64>,
    ends_of_all: u64,
    /// How many times bookmarks were sent.
    pub(super) bookmarks: u64,
}

impl WatchControl {
    /// Keeps a waker until something happens to the resource.
    pub(super) fn wait(&mut self, resource: &Arc<str>, waker: &Waker) {
        let known = self.waiting.iter().any(|(own, kept)| own == resource && kept.will_wake(waker));
        if !known {
            self.waiting.push((resource.clone(), waker.clone()));
        }
    }

    /// Takes the wakers of watches on these resources.
    pub(super) fn take(&mut self, resources: &BTreeSet<Arc<str>>) -> Vec<Waker> {
        let mut woken = Vec::new();
        self.waiting.retain(|(resource, waker)| {
            let concerned = resources.contains(resource);
            if concerned {
                woken.push(waker.clone());
            }
            !concerned
        });
        woken
    }

    /// Takes every waker.
    pub(super) fn take_all(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, waker)| waker).collect()
    }

    pub(super) fn holds(&self, user: &str) -> bool {
        self.held.contains(user)
    }

    pub(super) fn hold(&mut self, user: &str) {
        self.held.insert(user.to_owned());
    }

    pub(super) fn release(&mut self, user: &str) {
        self.held.remove(user);
    }

    pub(super) fn end(&mut self, user: Option<&str>) {
        match user {
            Some(user) => *self.ends.entry(user.to_owned()).or_default() += 1,
            None => self.ends_of_all += 1,
        }
    }

    pub(super) fn ends_of(&self, user: &str) -> u64 {
        self.ends.get(user).copied().unwrap_or_default() + self.ends_of_all
    }
}
