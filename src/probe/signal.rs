//! Signals that end, or ask something of, a program in a test pod.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// The signals by which a kubelet, or a person, asks a program to end.
pub(super) fn endings() -> [SignalKind; 2] {
    [SignalKind::terminate(), SignalKind::interrupt()]
}

/// Receives the raw numbers of these signals from now on.
///
/// # Errors
/// The operating system refuses a handler.
pub(super) fn listen(kinds: &[SignalKind]) -> io::Result<UnboundedReceiver<i32>> {
    let (sender, receiver) = unbounded_channel();
    for kind in kinds {
        forward(*kind, sender.clone())?;
    }
    Ok(receiver)
}

fn forward(kind: SignalKind, sender: UnboundedSender<i32>) -> io::Result<()> {
    let mut stream = signal(kind)?;
    tokio::spawn(async move {
        while stream.recv().await.is_some() {
            if sender.send(kind.as_raw_value()).is_err() {
                return;
            }
        }
    });
    Ok(())
}
