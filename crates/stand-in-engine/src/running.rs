//! An engine in the process of a test: no program to find, no port to choose.

use std::net::SocketAddr;

use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{
    life::{Setting, live},
    output::Output,
};

/// An engine that runs beside the test, on loopback, on a port that the kernel chooses. It ends when it is dropped.
#[derive(Debug)]
pub struct Running {
    output: Output,
    ready: watch::Receiver<Option<SocketAddr>>,
    stop: Option<oneshot::Sender<()>>,
    life: JoinHandle<u8>,
}

impl Running {
    /// Starts an engine in the current tokio runtime: `flags` are the words after `serve MODEL`, `environment` the
    /// variables of [`crate::environment`]. Host and port are set.
    pub fn start(model: &str, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let output = Output::keeping();
        let words = ["serve", model, "--host", "127.0.0.1", "--port", "0"];
        let setting = Setting {
            arguments: words.iter().chain(flags).map(|word| (*word).to_owned()).collect(),
            environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            output: output.clone(),
        };
        let (sender, ready) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let life = tokio::spawn(live(
            setting,
            async {
                // A dropped handle ends it as SIGTERM does.
                drop(stopped.await);
            },
            sender,
        ));
        Self { output, ready, stop: Some(stop), life }
    }

    /// The address, once it serves; `None` where it ended before.
    pub async fn address(&mut self) -> Option<SocketAddr> {
        self.ready.wait_for(Option::is_some).await.ok().and_then(|address| *address)
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        self.output.kept()
    }

    /// Ends it as SIGTERM does.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
    }

    /// Waits for its end: exit code and everything that it printed. `None` where its task was ended from outside.
    pub async fn ended(self) -> Option<(u8, String)> {
        let Self { output, life, stop, .. } = self;
        let code = life.await.ok()?;
        drop(stop);
        Some((code, output.kept()))
    }
}
