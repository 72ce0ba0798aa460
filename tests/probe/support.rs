//! Running a program of a test pod: a folder in place of its mounts, signals in place of the kubelet.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal, kill_process};

/// How long a condition is waited for: on a loaded machine a process may be long in coming.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// A folder of this test's own, removed when it is dropped.
pub(crate) struct Folder(PathBuf);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Folder {
    pub(crate) fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("phaseloop-pod-{}-{number}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn message(&self) -> String {
        self.text("message")
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    pub(crate) fn itself(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }

    /// A program of a test pod that leaves its termination message in this folder.
    pub(crate) fn program(&self, words: &[String]) -> Command {
        self.program_of(Path::new(env!("CARGO_BIN_EXE_phaseloop")), words)
    }

    pub(crate) fn program_of(&self, binary: &Path, words: &[String]) -> Command {
        let mut command = Command::new(binary);
        command.args(words).env("PHASELOOP_TERMINATION_MESSAGE", self.path("message"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Whether a process has its own handlers for SIGTERM and SIGINT, as the kernel tells.
pub(crate) fn catches_endings(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    let mask = u64::from_str_radix(caught.trim(), 16).unwrap_or_default();
    [Signal::TERM, Signal::INT].iter().all(|signal| mask & (1 << (signal.as_raw() - 1)) != 0)
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = began();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        thread::sleep(LOOK);
    }
}

#[allow(clippy::disallowed_methods, reason = "a bound of how long a test waits for a real process")]
fn began() -> Instant {
    Instant::now()
}

/// Exit code and what was printed, of a process that ends by itself.
pub(crate) fn ended(child: Child) -> (i32, String, String) {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().expect("no signal ended it"), text(stdout), text(stderr))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the programs read the machine's clock, so what they are told rests on it"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn seconds_from_now(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// The body of an HTTP answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
