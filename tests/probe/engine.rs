//! An engine beside a test: the stand-in for vLLM, in the test's own process.

use std::net::{SocketAddr, TcpListener};

use stand_in_engine::Running;
use tokio::runtime::{Builder, Runtime};

/// A running engine; it ends when it is dropped.
pub(crate) struct Engine {
    runtime: Runtime,
    running: Option<Running>,
    pub(crate) address: SocketAddr,
}

impl Engine {
    /// Starts one, and waits until it serves.
    pub(crate) fn start(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (running, address) = start_on(&runtime, flags, environment);
        Self { runtime, running: Some(running), address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for its end: exit code and everything that it printed.
    pub(crate) fn ended(&mut self) -> (u8, String) {
        self.runtime.block_on(self.running.take().unwrap().ended()).unwrap()
    }

    /// Starts another run at the same address, as a kubelet restarts a container.
    pub(crate) fn restart(&mut self, flags: &[&str], environment: &[(&str, &str)]) {
        let port = self.address.port().to_string();
        let flags = [&["--port", &port], flags].concat();
        let (running, address) = start_on(&self.runtime, &flags, environment);
        assert_eq!(address, self.address);
        self.running = Some(running);
    }
}

fn start_on(runtime: &Runtime, flags: &[&str], environment: &[(&str, &str)]) -> (Running, SocketAddr) {
    runtime.block_on(async {
        let mut running = Running::start("tiny", flags, environment);
        let address = running.address().await.unwrap_or_else(|| panic!("no engine: {}", running.output()));
        (running, address)
    })
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
