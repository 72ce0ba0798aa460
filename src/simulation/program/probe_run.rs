//! The probe beside an engine under test: when it begins, what it sends, and when it ends.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    analysis::probe::{ProbeEnding, ReportedDeath},
    schedule::later_by,
};

use super::{engine_run::EngineRunner, report::Reporting, timeline::TimeLine};
use crate::{
    probe::ProbeRequest,
    simulation::{
        cluster::kubelet::{Ending, Life},
        engine::{
            ArrivalMode, ClientCondition, Load, Micros, RequestEnd, RequestSchedule, SentRequest, ServeOutcome, serve,
        },
    },
};

/// From what the probe sees to its end: it writes its report.
const WRITING: SignedDuration = SignedDuration::from_millis(100);
/// How soon the probe sees that the engine is gone.
const NOTICING: SignedDuration = SignedDuration::from_millis(250);

/// The probe.
#[derive(Debug, Clone)]
pub(super) struct ProbeRunner {
    pub(super) request: ProbeRequest,
    pub(super) client: ClientCondition,
    pub(super) schedule: RequestSchedule,
    pub(super) line: TimeLine,
    seed: u64,
    started_at: Option<Timestamp>,
    over: bool,
    /// When the load began, and when it ends at the latest.
    pub(super) load: Option<LoadTimes>,
    pub(super) sent: Vec<SentRequest>,
    pub(super) deaths: Vec<ReportedDeath>,
    /// Requests that the engine's earlier runs took, in a closed loop.
    taken: usize,
}

/// When the load begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoadTimes {
    pub(super) beginning: Micros,
    pub(super) until: Micros,
}

impl ProbeRunner {
    pub(super) fn new(request: ProbeRequest, client: ClientCondition, line: TimeLine, seed: u64) -> Self {
        let mut workload = request.workload.clone();
        workload.seed = request.seed;
        Self {
            schedule: RequestSchedule::of(&workload),
            request,
            client,
            line,
            seed,
            started_at: None,
            over: false,
            load: None,
            sent: Vec::new(),
            deaths: Vec::new(),
            taken: 0,
        }
    }

    /// Whether it runs and waits for what happens to the engine.
    pub(super) const fn is_watching(&self) -> bool {
        self.started_at.is_some() && !self.over
    }

    /// Its container has ended.
    pub(super) const fn ended(&mut self) {
        self.over = true;
    }

    /// Its container starts: it waits for the engine.
    pub(super) fn started(&mut self, at: Timestamp, engine: &EngineRunner) -> Life {
        self.started_at = Some(at);
        self.waits(at, engine)
    }

    /// It waits for the engine from `at` on, and gives up when the engine has taken too long.
    fn waits(&self, at: Timestamp, engine: &EngineRunner) -> Life {
        let gives_up_at = later_by(at, self.request.ready_timeout.0);
        let until = self.load.map(|load| self.line.instant(load.until));
        let (ends_at, ending, detail) = match until {
            Some(until) if until <= gives_up_at => (until, ProbeEnding::Measured, "its time was up".to_owned()),
            _ if self.request.ends_by <= gives_up_at => (
                self.request.ends_by,
                ProbeEnding::OutOfTime,
                "the instant by which the test must have ended came".to_owned(),
            ),
            _ => {
                let detail = format!("the engine was not ready within {}", self.request.ready_timeout);
                (gives_up_at, ProbeEnding::EngineNeverReady, detail)
            }
        };
        Life::ending(self.ending(ends_at, ending, &detail, engine))
    }

    /// The engine is ready: its load begins, or goes on. What becomes of the engine, and when the probe ends.
    pub(super) fn serves(&mut self, at: Timestamp, engine: &mut EngineRunner) -> (Life, Life) {
        let load = *self.load.get_or_insert_with(|| {
            let beginning = self.line.micros(at);
            let until = beginning.plus(Micros::from(self.request.measure.0));
            LoadTimes { beginning, until: until.min(self.line.micros(self.request.ends_by)) }
        });
        if self.sent.is_empty() {
            self.sent = self.client.send(&self.schedule, load.beginning, self.seed);
        }
        let Some(outcome) = self.outcome(engine, load.until) else { return (Life::default(), Life::default()) };
        let life = engine.served(outcome);
        let probe = match engine.lives.last().and_then(|life| life.served.as_ref()) {
            Some(outcome) if outcome.death.is_none() => self.finishes(outcome, load, engine),
            _ => self.stays_until(load, engine),
        };
        (life, probe)
    }

    /// What the engine's present run makes of what it is still to be sent.
    fn outcome(&self, engine: &EngineRunner, until: Micros) -> Option<ServeOutcome> {
        let facts = engine.facts()?;
        let (concurrency, skipped) = match self.schedule.mode {
            ArrivalMode::Open { .. } => (None, 0),
            ArrivalMode::Closed { concurrency } => (Some(concurrency), self.taken),
        };
        let left: Vec<SentRequest> = self.sent.iter().skip(skipped).copied().collect();
        let load = Load { requests: &left, concurrency, prefix_tokens: self.schedule.prefix_tokens };
        let from = self.load.map_or(facts.ready_at, |load| load.beginning.max(facts.ready_at));
        Some(serve(&engine.spec, facts, &load, from, until, engine.seed_now()))
    }

    /// The engine will die: until the probe sees that, it stays for its time.
    fn stays_until(&self, load: LoadTimes, engine: &EngineRunner) -> Life {
        Life::ending(self.ending(self.line.instant(load.until), ProbeEnding::Measured, "its time was up", engine))
    }

    /// The engine lives on: the probe ends when every request is answered, or its time is up.
    fn finishes(&self, outcome: &ServeOutcome, load: LoadTimes, engine: &EngineRunner) -> Life {
        let offered = self.schedule.requests.len();
        let answered = outcome.requests.iter().filter(|request| request.end != RequestEnd::CutOff).count() + self.taken;
        let last = outcome.requests.iter().map(|request| request.ended_at).max().unwrap_or(load.until);
        let all = outcome.requests.iter().all(|request| request.end != RequestEnd::CutOff);
        let everything_sent = self.sent.iter().all(|sent| sent.sent_at <= load.until) && answered > 0;
        if all && everything_sent && last <= load.until {
            let detail = format!("all {offered} requests were answered");
            return Life::ending(self.ending(self.line.instant(last), ProbeEnding::Measured, &detail, engine));
        }
        let ends_by = self.line.micros(self.request.ends_by);
        let (ending, detail) = if load.until >= ends_by {
            (ProbeEnding::OutOfTime, "the instant by which the test must have ended came")
        } else {
            (ProbeEnding::Measured, "its time was up")
        };
        Life::ending(self.ending(self.line.instant(load.until), ending, detail, engine))
    }

    /// The engine has died, or refused to start. Whether the probe endures that, and until when.
    pub(super) fn saw_death(&mut self, at: Timestamp, exit_code: i32, engine: &EngineRunner) -> Life {
        self.taken +=
            engine.lives.last().and_then(|life| life.served.as_ref()).map_or(0, |served| served.requests.len());
        self.deaths.push(ReportedDeath { at, failure: engine.failure(exit_code) });
        let seen_at = later_by(at, NOTICING);
        let endured = self.request.mode.engine_restarts_max();
        if self.deaths.len() as u64 > endured {
            let detail = match endured {
                0 => "the engine died, and the test endures no death".to_owned(),
                most => format!("the engine died more than {most} times"),
            };
            return Life::ending(self.ending(seen_at, ProbeEnding::EngineDied, &detail, engine));
        }
        self.waits(seen_at, engine)
    }

    /// It is asked to end: it reports what it has.
    pub(super) fn signalled(&mut self, at: Timestamp, engine: &mut EngineRunner) -> Ending {
        if let Some(load) = &mut self.load {
            load.until = load.until.min(self.line.micros(at));
            let until = load.until;
            if let Some(outcome) = self.outcome(engine, until) {
                engine.served(outcome);
            }
        }
        self.ending(at, ProbeEnding::OutOfTime, "the probe was asked to end", engine)
    }

    /// The end of the probe that sees its end at `at`.
    fn ending(&self, at: Timestamp, ending: ProbeEnding, detail: &str, engine: &EngineRunner) -> Ending {
        let report = Reporting { probe: self, engine, at }.report(ending, detail);
        let message = Some(report.write(self.request.message_bytes));
        Ending { at: later_by(at, WRITING), exit_code: 0, message, reason: None }
    }
}
