//! A probe's life: it waits, measures, and reports, whatever comes.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use phaseloop_core::analysis::probe::{MESSAGE_BYTES_DEFAULT, ProbeEnding, ProbeReport, ReportedDeath};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    client::EngineClient,
    engine_totals::EngineTotals,
    journal::{Journal, Window},
    prompt::{Prompts, path_of},
    records::Records,
    report::Facts,
    sending::Load,
    waiting::Ready,
};
use crate::{
    exit::Exit,
    probe::{
        argument::RequestError,
        clock::PodClock,
        load::{Micros, RequestSchedule},
        message::leave_message,
        request::ProbeRequest,
        signal::{endings, listen},
    },
};

/// Between two lines that tell how far the load is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// How a probe's life ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) ending: ProbeEnding,
    pub(super) detail: String,
}

impl End {
    pub(super) fn new(ending: ProbeEnding, detail: impl Into<String>) -> Self {
        Self { ending, detail: detail.into() }
    }
}

/// When the load begins and when it ends at the latest, by the probe's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoadTimes {
    pub(super) beginning: Micros,
    pub(super) until: Micros,
    pub(super) window: Window,
}

/// Runs a probe. `request` may be one that could not be read: that is reported as well.
///
/// # Errors
/// The operating system refuses a handler of signals.
pub async fn probe(
    request: Result<ProbeRequest, RequestError>,
    key: Option<&str>,
    message_path: &Path,
) -> anyhow::Result<Exit> {
    let clock = PodClock::start();
    let mut signals = listen(&endings())?;
    let (report, message_bytes, exit) = match request {
        Err(error) => {
            let detail = format!("{error}; use one version of phaseloop for the operator and its test pods");
            (ProbeReport::new(ProbeEnding::Refused, detail), MESSAGE_BYTES_DEFAULT, Exit::Usage)
        }
        Ok(request) => {
            let report = match EngineClient::new(&request.engine_url, key) {
                Err(sentence) => ProbeReport::new(ProbeEnding::EngineUnusable, sentence),
                Ok(client) => {
                    raise_open_files();
                    let mut probe = Probe::new(&request, clock, client);
                    let ends_by = clock.micros_of(request.ends_by);
                    let end = tokio::select! {
                        end = probe.run() => end,
                        _ = signals.recv() => End::new(ProbeEnding::OutOfTime, "the probe was asked to end"),
                        () = sleep(clock.time_until(ends_by)) => probe.out_of_time(),
                    };
                    probe.report(end).await
                }
            };
            let exit = if report.ending == ProbeEnding::Measured { Exit::Success } else { Exit::UnknownOrError };
            (report, request.message_bytes, exit)
        }
    };
    eprintln!("{}: {}", report.ending, report.detail);
    leave_message(message_path, &report.write(message_bytes));
    Ok(exit)
}

/// A request has a connection of its own, and an engine that hangs keeps them all: as many as the container may have.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        eprintln!("the limit of open files stays {:?}: {error}", limit.current);
    }
}

/// A probe.
pub(super) struct Probe<'a> {
    pub(super) request: &'a ProbeRequest,
    pub(super) clock: PodClock,
    pub(super) client: EngineClient,
    pub(super) records: Option<Records>,
    pub(super) first_contact_at: Option<Micros>,
    pub(super) ready_at: Option<Micros>,
    pub(super) version: Option<String>,
    pub(super) model: Option<String>,
    pub(super) deaths: Vec<ReportedDeath>,
    pub(super) totals: EngineTotals,
    /// The engine's cache by flag, as its metrics state it.
    pub(super) cache_configuration: BTreeMap<String, String>,
    pub(super) load: Option<(LoadTimes, Arc<Load>)>,
    /// Whether the engine's present run has answered, and been ready.
    pub(super) present: PresentRun,
    /// Since when it is waited for.
    pub(super) waiting_since: Micros,
}

/// What is known of the engine's present run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PresentRun {
    pub(super) answered: bool,
    pub(super) was_ready: bool,
    /// Its death is told already, while its process has not ended.
    pub(super) death_told: bool,
}

impl<'a> Probe<'a> {
    fn new(request: &'a ProbeRequest, clock: PodClock, client: EngineClient) -> Self {
        Self {
            request,
            clock,
            client,
            records: request.guard_records.as_deref().map(|folder| Records::new(Path::new(folder))),
            first_contact_at: None,
            ready_at: None,
            version: None,
            model: None,
            deaths: Vec::new(),
            totals: EngineTotals::default(),
            cache_configuration: BTreeMap::new(),
            load: None,
            present: PresentRun::default(),
            waiting_since: Micros::ZERO,
        }
    }

    /// Waits, measures, and says how it ended.
    async fn run(&mut self) -> End {
        eprintln!("waiting for the engine at {}", self.request.engine_url);
        let ready = match self.wait_for_first_readiness().await {
            Ok(ready) => ready,
            Err(end) => return end,
        };
        let (times, load) = self.begin(ready);
        let (up, is_up) = watch::channel(true);
        let sending = match load.begin(&is_up) {
            Ok(sending) => sending,
            Err(error) => return End::new(ProbeEnding::Refused, format!("the load can't be sent: {error}")),
        };
        let time_left = self.clock.time_until(times.until);
        let end = tokio::select! {
            end = self.watch(&up) => end,
            () = load.all_finished.notified() => {
                let detail = format!("all {} requests were answered", load.journal().offered());
                End::new(ProbeEnding::Measured, detail)
            }
            () = sleep(time_left) => self.time_is_up(times),
            end = tell_progress(&load) => end,
        };
        drop(sending);
        if end.ending == ProbeEnding::Measured { self.look_once_more().await.err().unwrap_or(end) } else { end }
    }

    /// The load of a ready engine.
    fn begin(&mut self, ready: Ready) -> (LoadTimes, Arc<Load>) {
        let beginning = self.clock.elapsed();
        self.ready_at = Some(beginning);
        let mut workload = self.request.workload.clone();
        workload.seed = self.request.seed;
        let schedule = RequestSchedule::of(&workload);
        let length = |duration: jiff::SignedDuration| beginning.plus(Micros::from(duration));
        let from = length(self.request.warmup.0);
        let times = LoadTimes {
            beginning,
            until: length(self.request.measure.0).min(self.clock.micros_of(self.request.ends_by)),
            window: Window { from, until: length(self.request.counts_for()).max(from) },
        };
        let seed = self.request.seed.unsigned_abs();
        let prompts = Prompts::new(ready.form, workload.endpoint, seed, &ready.model, schedule.prefix_tokens);
        let load = Arc::new(Load {
            client: self.client.clone(),
            clock: self.clock,
            journal: Mutex::new(Journal::new(&schedule, beginning, times.window)),
            schedule,
            prompts,
            path: path_of(workload.endpoint),
            all_finished: tokio::sync::Notify::new(),
        });
        eprintln!("the engine is ready: {} requests begin, {}", load.schedule.requests.len(), ready.said);
        self.load = Some((times, Arc::clone(&load)));
        (times, load)
    }

    fn time_is_up(&self, times: LoadTimes) -> End {
        if times.until >= self.clock.micros_of(self.request.ends_by) {
            return self.out_of_time();
        }
        End::new(ProbeEnding::Measured, "its time was up")
    }

    #[allow(clippy::unused_self, reason = "it reads as what the probe says")]
    pub(super) fn out_of_time(&self) -> End {
        End::new(ProbeEnding::OutOfTime, "the instant by which the test must have ended came")
    }

    async fn report(&mut self, end: End) -> ProbeReport {
        let ended = self.clock.elapsed();
        let figures = self.load.as_ref().and_then(|(_, load)| {
            let limits = super::report::limits_of(self.request);
            load.journal().figures(ended, &limits)
        });
        let failures = self.load.as_ref().and_then(|(_, load)| load.journal().failures());
        if figures.is_some() {
            self.read_metrics_last().await;
        }
        Facts { probe: self, ended, figures, failures }.report(&end)
    }
}

/// Tells from time to time how far a load is.
async fn tell_progress(load: &Load) -> End {
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (finished, offered, failures) = {
            let journal = load.journal();
            (journal.finished(), journal.offered(), journal.failures())
        };
        eprintln!(
            "{finished} of {offered} requests are over{}",
            failures.map_or_else(String::new, |told| format!("; {told}"))
        );
    }
}
