//! An engine in a container, run by run: with its guard, if it has one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    analysis::measurement::{EngineFailure, EngineFailureClass},
    schedule::{earlier_by, later_by},
};

use super::timeline::TimeLine;
use crate::{
    probe::{GUARD_STOP_MARK, GuardRequest, REFUSED_EXIT_CODE, is_too_late, tail, too_late_message},
    simulation::{
        cluster::kubelet::{Ending, Life},
        engine::{
            Card, EngineLife, EngineLog, EngineRelease, EngineSettings, EngineSpec, GpuState, ModelShape, ServeOutcome,
            SettingsError, StartFacts, StartOutcome, derive_seed, refuse_flags, start, stop,
        },
    },
};

/// From SIGTERM to the end of an engine that is still starting.
const STARTING_STOP: SignedDuration = SignedDuration::from_millis(300);
/// Exit code of a process that SIGTERM ended.
const TERMINATED: i32 = 143;

/// An engine in a container.
#[derive(Debug, Clone)]
pub(super) struct EngineRunner {
    pub(super) spec: EngineSpec,
    pub(super) faulty: Option<SettingsError>,
    gpu: GpuState,
    pub(super) guard: Option<GuardRequest>,
    line: TimeLine,
    seed: u64,
    /// Its runs so far.
    pub(super) lives: Vec<EngineLife>,
    /// What was printed at the end of a run that was ended from outside.
    stopped: BTreeMap<usize, EngineLog>,
    ready: bool,
    /// Whether it was asked to end.
    pub(super) asked_to_end: bool,
}

impl EngineRunner {
    #[allow(clippy::too_many_arguments, reason = "each is one thing that an engine follows from")]
    pub(super) fn new(
        card: &Card,
        model: &ModelShape,
        release: &EngineRelease,
        configuration: &BTreeMap<String, String>,
        gpu: GpuState,
        guard: Option<GuardRequest>,
        line: TimeLine,
        seed: u64,
    ) -> Self {
        let read = EngineSettings::from_configuration(configuration);
        let faulty = read.as_ref().err().cloned();
        let settings =
            read.unwrap_or_else(|_| EngineSettings { arguments: configuration.clone(), ..EngineSettings::default() });
        let spec = EngineSpec { card: card.clone(), model: model.clone(), release: release.clone(), settings };
        Self {
            spec,
            faulty,
            gpu,
            guard,
            line,
            seed,
            lives: Vec::new(),
            stopped: BTreeMap::new(),
            ready: false,
            asked_to_end: false,
        }
    }

    /// Its container starts.
    pub(super) fn started(&mut self, at: Timestamp) -> Life {
        self.ready = false;
        if let Some(guard) = self.guard.as_ref().filter(|guard| is_too_late(at, guard.not_after, guard.grace.0)) {
            let message = too_late_message(guard.not_after);
            let at = later_by(at, SignedDuration::from_millis(50));
            return Life::ending(Ending { at, exit_code: REFUSED_EXIT_CODE, message: Some(message), reason: None });
        }
        let began = self.line.micros(at);
        let seed = self.seed_of(self.lives.len());
        let start = match &self.faulty {
            Some(error) => refuse_flags(&self.spec, error, began, seed),
            None => start(&self.spec, &self.gpu, began, seed),
        };
        self.lives.push(EngineLife { began, start, served: None });
        let life = match self.lives.last().map(|life| &life.start) {
            Some(StartOutcome::Refused { after, exit_code, .. }) => {
                let at = self.line.instant(began.plus(*after));
                Life::ending(Ending { at, exit_code: *exit_code, message: self.message(at), reason: None })
            }
            Some(StartOutcome::Ready { after, .. }) => {
                Life { ends: None, milestone: Some(self.line.instant(began.plus(*after))) }
            }
            None => Life::default(),
        };
        self.bounded(life)
    }

    /// It answers its health check.
    pub(super) const fn became_ready(&mut self) {
        self.ready = true;
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Its run is over.
    pub(super) const fn ended(&mut self) {
        self.ready = false;
    }

    /// What serving its present run needs to know; nothing where it is not ready.
    pub(super) fn facts(&self) -> Option<&StartFacts> {
        self.lives.last().filter(|_| self.ready).and_then(|life| life.start.facts())
    }

    /// The seed of its present run.
    pub(super) fn seed_now(&self) -> u64 {
        self.seed_of(self.lives.len().saturating_sub(1))
    }

    fn seed_of(&self, run: usize) -> u64 {
        derive_seed(self.seed, &["life", &run.to_string()])
    }

    /// What came of its serving is known: the rest of its life.
    pub(super) fn served(&mut self, outcome: ServeOutcome) -> Life {
        let death = outcome.death.clone();
        if let Some(life) = self.lives.last_mut() {
            life.served = Some(outcome);
        }
        let ends = death.map(|death| {
            let at = self.line.instant(death.exited_at);
            Ending { at, exit_code: death.exit_code, message: self.message(at), reason: None }
        });
        self.bounded(Life { ends, milestone: None })
    }

    /// A life that its guard ends at the latest instant, if nothing else does before.
    fn bounded(&self, life: Life) -> Life {
        let Some(guard) = &self.guard else { return life };
        let at = later_by(earlier_by(guard.not_after, guard.grace.0), STARTING_STOP);
        if life.ends.as_ref().is_some_and(|ending| ending.at <= at) {
            return life;
        }
        let marked = format!("{}\n{GUARD_STOP_MARK}", self.output_of(self.lives.len().saturating_sub(1), at));
        let message = Some(tail(&marked, guard.message_bytes).to_owned());
        let exit_code = if self.ready { 0 } else { TERMINATED };
        Life { ends: Some(Ending { at, exit_code, message, reason: None }), ..life }
    }

    /// It is asked to end.
    pub(super) fn signalled(&mut self, at: Timestamp) -> Ending {
        self.asked_to_end = true;
        let run = self.lives.len().saturating_sub(1);
        let stopped = self.facts().map(|facts| stop(facts, self.line.micros(at)));
        let (at, exit_code) = match &stopped {
            Some(stop) => (self.line.instant(stop.exited_at), stop.exit_code),
            None => (later_by(at, STARTING_STOP), TERMINATED),
        };
        if let Some(stop) = stopped {
            self.stopped.insert(run, stop.log);
        }
        Ending { at, exit_code, message: self.message(at), reason: None }
    }

    /// What its guard leaves as message: the end of its output.
    fn message(&self, at: Timestamp) -> Option<String> {
        let guard = self.guard.as_ref()?;
        Some(tail(&self.output_of(self.lives.len().saturating_sub(1), at), guard.message_bytes).to_owned())
    }

    /// What it has printed by an instant, in its present run or the one before.
    pub(super) fn output(&self, previous: bool, until: Timestamp) -> String {
        let Some(run) = self.lives.len().checked_sub(if previous { 2 } else { 1 }) else { return String::new() };
        self.output_of(run, until)
    }

    fn output_of(&self, run: usize, until: Timestamp) -> String {
        let Some(life) = self.lives.get(run) else { return String::new() };
        let mut log = life.start.log().clone();
        if let Some(death) = life.served.as_ref().and_then(|served| served.death.as_ref()) {
            log = log.then(death.log.clone());
        }
        if let Some(stopped) = self.stopped.get(&run) {
            log = log.then(stopped.clone());
        }
        log.until(self.line.micros(until)).text(self.line.beginning)
    }

    /// Why its present run ended, as the probe beside it can tell: from the guard's record, or not at all.
    pub(super) fn failure(&self, exit_code: i32) -> EngineFailure {
        let classified = self.guard.as_ref().and_then(|_| self.lives.last()?.failure());
        classified.unwrap_or(EngineFailure {
            class: EngineFailureClass::Unclassified,
            memory: None,
            exit_code: self.guard.is_some().then_some(exit_code),
            message: String::new(),
        })
    }
}
