//! How a command waits: between two looks, by whoever's time it is, until somebody interrupts it.

use std::{future::Future, time::Duration};

use jiff::Timestamp;

use crate::cluster::{Clock as _, SystemClock};

/// What came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// The time passed.
    Passed,
    /// Somebody wants the command to end.
    Interrupted,
}

/// The time of a command.
pub trait Pace {
    /// The instant.
    fn now(&self) -> Timestamp;

    /// Lets time pass.
    fn pause(&mut self, duration: Duration) -> impl Future<Output = Pause>;
}

/// The machine's time; Ctrl-C and SIGTERM interrupt it.
#[derive(Debug, Default)]
pub struct MachinePace;

impl Pace for MachinePace {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn pause(&mut self, duration: Duration) -> Pause {
        let terminated = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => drop(signal.recv().await),
                // Without a handler the signal ends the process by itself.
                Err(_none) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(duration) => Pause::Passed,
            _ = tokio::signal::ctrl_c() => Pause::Interrupted,
            () = terminated => Pause::Interrupted,
        }
    }
}
