//! Who is told to look again: one bounded queue of names per kind.

use std::{collections::BTreeMap, fmt, sync::Arc};

use phaseloop_core::plan::OwnKind;
use tokio::sync::mpsc;

use crate::controllers::{Concern, ObjectKey, Woken};

/// Names that wait between a watch and the queue of a kind. The queue takes them at once and keeps each name one time, so
/// this bounds only how far a watch runs ahead of it; a watch that finds it full waits, and the API server with it.
/// 5 kinds x 256 names of about 100 bytes: 128 KiB per scope.
const NAMES_MAX: usize = 256;

/// Objects of a kind that are known: those that something concerns, or all.
type Known = Box<dyn Fn(Option<&Concern>) -> Vec<ObjectKey> + Send + Sync>;

struct Bell {
    names: mpsc::Sender<ObjectKey>,
    known: Known,
}

/// The bells of a scope, one per kind. Clones are the same bells.
#[derive(Clone, Default)]
pub struct Bells(Arc<BTreeMap<OwnKind, Bell>>);

/// Bells that are being hung.
#[derive(Default)]
#[allow(missing_debug_implementations, reason = "functions have nothing to show")]
pub struct BellsBuilder(BTreeMap<OwnKind, Bell>);

impl BellsBuilder {
    /// Hangs the bell of a kind; `known` tells which objects of it there are. What is rung arrives at the receiver.
    pub fn hang(
        &mut self,
        kind: OwnKind,
        known: impl Fn(Option<&Concern>) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> mpsc::Receiver<ObjectKey> {
        let (names, receiver) = mpsc::channel(NAMES_MAX);
        self.0.insert(kind, Bell { names, known: Box::new(known) });
        receiver
    }

    /// The bells.
    pub fn build(self) -> Bells {
        Bells(Arc::new(self.0))
    }
}

impl Bells {
    /// Tells whoever is woken.
    pub async fn ring(&self, woken: Woken) {
        match woken {
            Woken::One(kind, key) => self.tell(kind, vec![key]).await,
            Woken::Concerned(kind, concern) => self.tell(kind, self.known(kind, Some(&concern))).await,
        }
    }

    /// Tells every object of a kind.
    pub async fn ring_all(&self, kind: OwnKind) {
        self.tell(kind, self.known(kind, None)).await;
    }

    fn known(&self, kind: OwnKind, concern: Option<&Concern>) -> Vec<ObjectKey> {
        self.0.get(&kind).map(|bell| (bell.known)(concern)).unwrap_or_default()
    }

    async fn tell(&self, kind: OwnKind, keys: Vec<ObjectKey>) {
        let Some(bell) = self.0.get(&kind) else { return };
        for key in keys {
            // Nobody listens any more where the operator ends: then nothing more is to be looked at.
            if bell.names.send(key).await.is_err() {
                return;
            }
        }
    }
}

impl fmt::Debug for Bells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
