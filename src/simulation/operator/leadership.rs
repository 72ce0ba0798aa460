//! Leadership as a switch.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::controllers::Leadership;

/// Whether a replica believes that it leads. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct LeadershipSwitch(Arc<AtomicBool>);

impl LeadershipSwitch {
    /// A switch in this position.
    pub fn new(leads: bool) -> Self {
        Self(Arc::new(AtomicBool::new(leads)))
    }

    /// Moves the switch.
    pub fn set(&self, leads: bool) {
        self.0.store(leads, Ordering::Relaxed);
    }
}

impl Leadership for LeadershipSwitch {
    fn is_leader(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
