//! One thing that befalls a replica at one of its writes.

use crate::simulation::api_server::RequestDescription;

/// What befalls a replica at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interruption {
    /// Its process ends, and the write never arrives.
    KilledBefore,
    /// The write is carried out, and its process ends before it learns of that.
    KilledAfter,
    /// The write is carried out, the connection breaks before the answer, and the process lives on.
    ReplyLost,
    /// Its process stands still with the write on its lips: it arrives when the process goes on.
    Paused,
}

/// Counts the writes of all replicas, and notices the one at which something is to befall whoever sends it.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupter {
    /// What was written, in the order in which it was sent.
    sent: Vec<String>,
    planned: Option<(u64, Interruption)>,
    /// The place of the request among all requests, once it is the one.
    met: Option<u64>,
    due: Option<Interruption>,
}

impl Interrupter {
    pub(super) fn plan(&mut self, write: u64, interruption: Interruption) {
        self.planned = Some((write, interruption));
    }

    pub(super) fn writes(&self) -> Vec<String> {
        self.sent.clone()
    }

    /// A request was sent, and is not carried out yet.
    pub(super) fn sent(&mut self, request: &RequestDescription) {
        if request.verb.reads() || request.dry_run {
            return;
        }
        if let Some((write, interruption)) = self.planned
            && write == self.sent.len() as u64
        {
            self.met = Some(request.sequence);
            if matches!(interruption, Interruption::KilledBefore | Interruption::Paused) {
                self.due = Some(interruption);
            }
        }
        self.sent.push(told(request));
    }

    /// A request was carried out, and is not answered yet.
    pub(super) fn carried_out(&mut self, request: &RequestDescription) -> Option<Interruption> {
        if self.met != Some(request.sequence) {
            return None;
        }
        let (_, interruption) = self.planned?;
        match interruption {
            Interruption::KilledBefore | Interruption::Paused => return None,
            Interruption::KilledAfter => self.due = Some(interruption),
            Interruption::ReplyLost => {}
        }
        Some(interruption)
    }

    pub(super) fn take(&mut self) -> Option<Interruption> {
        self.due.take()
    }
}

/// A write as reports name it: `update phaseruns/status chat/nightly`; the name of what is to be made is not told.
fn told(request: &RequestDescription) -> String {
    let RequestDescription { verb, resource, namespace, name, subresource, .. } = request;
    let part = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
    let name = if name.is_empty() { namespace.clone() } else { format!("{namespace}/{name}") };
    format!("{} {resource}{part} {name}", verb.name())
}
