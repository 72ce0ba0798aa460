//! The engine as a process: it leads a process group of its own, so that it can be ended with all that it started.

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, set_child_subreaper, wait,
};
use tokio::sync::mpsc::UnboundedSender;

use super::output::{KeptOutput, LineBuffer};

/// Exit codes of a shell for what can't be run: it is not there, or it is no program.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;
/// What shells add to a signal's number.
const SIGNAL_BASE: i32 = 128;
/// What is read of the engine's output at a time.
const PIECE_BYTES: usize = 16 * 1_024;

/// The output that is kept, shared by the two streams.
pub(super) type SharedOutput = Arc<Mutex<KeptOutput>>;

/// A running engine.
#[derive(Debug)]
pub(super) struct Engine {
    pid: Pid,
}

impl Engine {
    /// Starts the engine. Its output goes on to our own streams unchanged, and is kept; `over` hears once from each stream
    /// when it ends.
    ///
    /// # Errors
    /// It can't be started.
    pub(super) fn start(command: &[String], kept: &SharedOutput, over: &UnboundedSender<()>) -> io::Result<Self> {
        // What the engine leaves behind comes to us, also where we are not the container's first process.
        if let Err(error) = set_child_subreaper(Some(getpid())) {
            eprintln!("phaseloop guard: orphans of the engine are not ours to reap: {error}");
        }
        let (program, arguments) =
            command.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is nothing to run"))?;
        let mut child: Child = Command::new(program)
            .args(arguments)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = Pid::from_child(&child);
        if let Some(stream) = child.stdout.take() {
            copy_stream(stream, io::stdout(), Arc::clone(kept), over.clone())?;
        }
        if let Some(stream) = child.stderr.take() {
            copy_stream(stream, io::stderr(), Arc::clone(kept), over.clone())?;
        }
        Ok(Self { pid })
    }

    /// Sends a signal to the engine itself, as the kubelet would.
    pub(super) fn signal(&self, number: i32) {
        if let Some(signal) = Signal::from_named_raw(number) {
            // An engine that has ended meanwhile needs none.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Sends a signal to the engine and all that it started.
    pub(super) fn signal_all(&self, signal: Signal) {
        // A group that is gone needs none.
        let _ = kill_process_group(self.pid, signal);
    }

    /// Reaps every process that has ended, also orphans of the engine; the engine's exit code if it is among them.
    pub(super) fn reap(&self) -> Option<i32> {
        let mut engine = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == self.pid {
                engine = Some(exit_code(status));
            }
        }
        engine
    }
}

/// The exit code by which a shell would tell this end.
fn exit_code(status: WaitStatus) -> i32 {
    let by_signal = || status.terminating_signal().map(|signal| SIGNAL_BASE.saturating_add(signal));
    status.exit_status().or_else(by_signal).unwrap_or(SIGNAL_BASE)
}

/// The exit code for a command that can't be started.
pub(super) fn exit_code_of_refusal(error: &io::Error) -> i32 {
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}

/// Copies a stream until its end, in a thread of its own: writing may block, as it would for the engine without a guard.
fn copy_stream(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    kept: SharedOutput,
    over: UnboundedSender<()>,
) -> io::Result<()> {
    let copy = move || {
        let mut lines = LineBuffer::default();
        let mut piece = vec![0; PIECE_BYTES];
        let mut writable = true;
        loop {
            let read = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => piece.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_closed) => break,
            };
            // The engine must not hang because nobody reads its log any more.
            writable = writable && to.write_all(read).and_then(|()| to.flush()).is_ok();
            lines.push(read, &mut kept.lock().unwrap_or_else(PoisonError::into_inner));
        }
        lines.finish(&mut kept.lock().unwrap_or_else(PoisonError::into_inner));
        // Whoever waits for the end may have given up.
        let _ = over.send(());
    };
    thread::Builder::new().name("engine output".to_owned()).spawn(copy).map(|_| ())
}
