//! A second server that goes on from where this one stands.

use std::sync::{Arc, Mutex, PoisonError};

use super::{ApiServer, Shared, watch_control::WatchControl};
use crate::cluster::clock::Clock;

impl ApiServer {
    /// A server that knows all that this one knows, and from here on goes its own way by another clock. Nobody is
    /// connected to it: no watch, no interceptor, no source of logs. Versions of objects are shared, for they never change.
    #[must_use]
    pub fn fork(&self, clock: Arc<dyn Clock>) -> Self {
        let mut state = self.with_state(|state| state.clone());
        state.clock = clock;
        state.log_source = None;
        state.watch_control = WatchControl::default();
        let arrived = *self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = Shared { state: Mutex::new(state), interceptor: Mutex::new(None), arrived: Mutex::new(arrived) };
        Self { shared: Arc::new(shared) }
    }
}
