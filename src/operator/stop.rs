//! A signal to end, to many.

use tokio::sync::watch;

/// Ends whoever listens to its signals.
#[derive(Debug, Default)]
pub struct Stop(watch::Sender<bool>);

/// Comes once.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl Stop {
    /// A signal that comes with [`send`](Self::send), or when this is dropped.
    pub fn signal(&self) -> StopSignal {
        StopSignal(self.0.subscribe())
    }

    /// Lets it come.
    pub fn send(&self) {
        self.0.send_replace(true);
    }
}

impl StopSignal {
    /// Waits for it.
    pub async fn came(mut self) {
        // An error means that nobody is left who could send it: that is an end too.
        let _ = self.0.wait_for(|came| *came).await;
    }
}
