//! A guard's life: from the engine's start to its end.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use phaseloop_core::schedule::earlier_by;
use rustix::process::Signal;
use tokio::{
    signal::unix::{Signal as SignalStream, SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    child::{Engine, SharedOutput, exit_code_of_refusal},
    gpu::{SeenGPUs, watch_gpus},
    kills::KernelKills,
    output::KeptOutput,
    record::RecordFile,
};
use crate::{
    exit::Exit,
    probe::{
        clock::PodClock,
        guard::{GUARD_RECORD_VERSION, GUARD_STOP_MARK, GuardEnd, GuardRecord, GuardRequest},
        message::{leave_message, tail},
        request::{is_too_late, too_late_message},
        signal::listen,
    },
};

/// Between two looks at what has changed since the record was written.
const RECORD_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last words of an engine's streams are waited for: a process that left the engine's group may hold them open.
const STREAMS_END: Duration = Duration::from_secs(1);
/// How long after SIGKILL an engine may take to end before the guard goes without it: the kernel may hold a process that
/// waits for a device.
const KILL_PATIENCE: Duration = Duration::from_secs(1);
/// The part of a message that is left for evidence, one in so many: the rest shows people how it ended.
const EVIDENCE_SHARE: usize = 2;
/// Exit code where the engine outlasts SIGKILL.
const KILLED: i32 = 137;

/// The signals that are passed on to the engine.
fn passed_on() -> [SignalKind; 7] {
    [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
        SignalKind::quit(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::window_change(),
    ]
}

/// Runs the engine under its guard.
///
/// # Errors
/// The guard itself can't work: the operating system refuses it handlers of signals.
pub async fn guard(request: &GuardRequest, message_path: &Path) -> anyhow::Result<Exit> {
    let clock = PodClock::start();
    if is_too_late(clock.now(), request.not_after, request.grace.0) {
        let message = too_late_message(request.not_after);
        eprintln!("phaseloop guard: {message}");
        leave_message(message_path, &message);
        return Ok(Exit::TooLate);
    }
    let signals = listen(&passed_on())?;
    let ended = signal(SignalKind::child())?;
    let mut watch = Watch::begin(request, clock)?;
    let end = watch.run(request, signals, ended).await;
    watch.finish(request, end, message_path);
    Ok(Exit::OfEngine(u8::try_from(end.exit_code).unwrap_or(u8::MAX)))
}

/// What a guard knows of its engine.
struct Watch {
    clock: PodClock,
    started_at: Timestamp,
    output: SharedOutput,
    gpus: Arc<Mutex<SeenGPUs>>,
    kills: KernelKills,
    record: Option<RecordFile>,
}

impl Watch {
    fn begin(request: &GuardRequest, clock: PodClock) -> anyhow::Result<Self> {
        let mut watch = Self {
            clock,
            started_at: clock.now(),
            output: Arc::new(Mutex::new(KeptOutput::default())),
            gpus: watch_gpus()?,
            kills: KernelKills::begin(),
            record: None,
        };
        watch.record = match RecordFile::take(Path::new(&request.records), &watch.record_now(None)) {
            Ok(record) => Some(record),
            Err(error) => {
                // The engine's test goes on: its death is then explained by what the kubelet keeps of its output.
                eprintln!("phaseloop guard: no record can be written in {}: {error}", request.records);
                None
            }
        };
        Ok(watch)
    }

    /// Starts the engine and stays until it has ended.
    async fn run(
        &mut self,
        request: &GuardRequest,
        mut signals: UnboundedReceiver<i32>,
        mut ended: SignalStream,
    ) -> GuardEnd {
        let (over, mut streams) = unbounded_channel();
        let engine = match Engine::start(&request.command, &self.output, &over) {
            Ok(engine) => engine,
            Err(error) => return self.refuse(request, &error),
        };
        drop(over);
        let (stop_at, kill_at) = (earlier_by(request.not_after, request.grace.0), request.not_after);
        let mut stop = std::pin::pin!(sleep(self.time_until(stop_at)));
        let mut kill = std::pin::pin!(sleep(self.time_until(kill_at)));
        let mut give_up = std::pin::pin!(sleep(self.time_until(kill_at).saturating_add(KILL_PATIENCE)));
        let mut ticks = interval(RECORD_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stopped, mut killed) = (false, false);
        let exit_code = loop {
            tokio::select! {
                _ = ended.recv() => if let Some(code) = engine.reap() { break code },
                Some(number) = signals.recv() => engine.signal(number),
                () = &mut stop, if !stopped => {
                    eprintln!("phaseloop guard: the engine's latest instant has come: SIGTERM");
                    stopped = true;
                    engine.signal_all(Signal::TERM);
                }
                () = &mut kill, if !killed => {
                    eprintln!("phaseloop guard: the engine outlasts its grace: SIGKILL");
                    killed = true;
                    engine.signal_all(Signal::KILL);
                }
                () = &mut give_up => break KILLED,
                _ = ticks.tick() => self.write(None),
            }
        };
        let end = GuardEnd { at: self.clock.now(), exit_code, at_latest_instant: stopped };
        // What the end of a container's first process does to the others.
        engine.signal_all(Signal::KILL);
        let all_said = async { while streams.recv().await.is_some() {} };
        if timeout(STREAMS_END, all_said).await.is_err() {
            eprintln!("phaseloop guard: a process that outlives the engine holds its output open");
        }
        engine.reap();
        end
    }

    /// The command can't be started: that is the engine's end and its last word.
    fn refuse(&self, request: &GuardRequest, error: &std::io::Error) -> GuardEnd {
        let program = request.command.first().map_or("", String::as_str);
        let sentence = format!("phaseloop guard: {program} can't be started: {error}\n");
        self.say(&sentence);
        GuardEnd { at: self.clock.now(), exit_code: exit_code_of_refusal(error), at_latest_instant: false }
    }

    /// A line of our own in the engine's output.
    fn say(&self, line: &str) {
        eprint!("{line}");
        self.output.lock().unwrap_or_else(PoisonError::into_inner).push_line(line);
    }

    fn time_until(&self, at: Timestamp) -> Duration {
        self.clock.time_until(self.clock.micros_of(at))
    }

    fn record_now(&self, end: Option<GuardEnd>) -> GuardRecord {
        let seen = self.gpus.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        GuardRecord {
            version: GUARD_RECORD_VERSION,
            started_at: self.started_at,
            end,
            gpu: seen.gpu,
            gpu_memory_used_mib_max: seen.memory_used_mib_max,
            head: output.head(),
            evidence: output.evidence().to_owned(),
            tail: output.tail(),
        }
    }

    fn write(&mut self, end: Option<GuardEnd>) {
        if let Some(line) = self.kills.told_once() {
            self.say(&line);
        }
        let record = self.record_now(end);
        if let Some(Err(error)) = self.record.as_mut().map(|file| file.write(&record)) {
            eprintln!("phaseloop guard: the engine's record can't be written: {error}");
        }
    }

    /// Writes down the engine's end, and leaves the container's message.
    fn finish(&mut self, request: &GuardRequest, end: GuardEnd, message_path: &Path) {
        self.write(Some(end));
        leave_message(message_path, &message(&self.record_now(Some(end)), request.message_bytes));
    }
}

/// A termination message: the end of the output, after the lines that tell why the engine ended if they would not fit.
fn message(record: &GuardRecord, bytes_max: usize) -> String {
    let at_latest_instant = record.end.is_some_and(|end| end.at_latest_instant);
    let mark = if at_latest_instant { format!("\n{GUARD_STOP_MARK}") } else { String::new() };
    let room = bytes_max.saturating_sub(mark.len());
    let output = format!("{}{}", record.head, record.tail);
    let output = output.trim_end();
    let evidence = if output.len() <= room { "" } else { tail(&record.evidence, room / EVIDENCE_SHARE) };
    format!("{evidence}{}{mark}", tail(output, room.saturating_sub(evidence.len())))
}
