//! Several lives of one engine under one load: a container that is started again after each end.

use phaseloop_core::analysis::{
    engine_log::classify_engine_end,
    measurement::{EngineFailure, EngineFailureClass, EngineOutcome},
};

use super::{
    ArrivalMode, RequestSchedule,
    client::{ClientCondition, SentRequest},
    derive_seed,
    serve::{Load, ServeOutcome, serve},
    spec::{EngineSpec, GpuState},
    start::{StartOutcome, start},
    units::Micros,
};

/// When a container that ended is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// From the first end to the next start, from the second, and so on; after as many ends as there are entries, none.
    pub delays: Vec<Micros>,
}

/// What a run of one engine is told of.
#[derive(Debug, Clone, PartialEq)]
pub struct RunTerms {
    /// What else there is on the card.
    pub gpu: GpuState,
    /// How the client fares.
    pub client: ClientCondition,
    /// When the container is started again.
    pub restarts: RestartPolicy,
    /// When the container starts first.
    pub began: Micros,
    /// How long the client stays after the engine was ready first; then the container is stopped.
    pub lasting: Micros,
    /// Longest time that the client waits for the engine to be ready.
    pub start_timeout: Micros,
    /// Seed of all chance but the schedule's.
    pub seed: u64,
}

/// One life: from a container's start to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineLife {
    /// When the container started.
    pub began: Micros,
    /// How its start came out.
    pub start: StartOutcome,
    /// What it served; nothing where it was refused.
    pub served: Option<ServeOutcome>,
}

/// All lives of an engine in one test.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineRun {
    /// The lives, in order; at least one.
    pub lives: Vec<EngineLife>,
    /// What the client sent or would have sent; empty where no engine became ready.
    pub sent: Vec<SentRequest>,
    /// When the load began: the first engine was ready.
    pub beginning: Option<Micros>,
    /// When the client went.
    pub until: Micros,
}

impl RestartPolicy {
    /// None: the first end is the last.
    pub const fn never() -> Self {
        Self { delays: Vec::new() }
    }

    /// As a kubelet does it: at once after the first end, then with a delay of 10 s that doubles; at most so often.
    pub fn of_kubelet(most: u32) -> Self {
        const FIRST_SECONDS: u64 = 10;
        const DELAY_SECONDS_MAX: u64 = 300;
        let delay = |restart: u32| match restart.checked_sub(1) {
            None => 1,
            Some(doubled) => FIRST_SECONDS.saturating_mul(1_u64 << doubled.min(8)).min(DELAY_SECONDS_MAX),
        };
        Self { delays: (0..most).map(|restart| Micros(delay(restart) * 1_000_000)).collect() }
    }
}

/// Runs an engine through all its lives under one load. The client begins when the engine is ready first, keeps to its
/// schedule whatever happens, and goes after its time, or with the last death.
pub fn run_lives(spec: &EngineSpec, schedule: &RequestSchedule, terms: &RunTerms) -> EngineRun {
    let mut run = EngineRun {
        lives: Vec::new(),
        sent: Vec::new(),
        beginning: None,
        until: terms.began.plus(terms.start_timeout),
    };
    let mut began = terms.began;
    let mut delays = terms.restarts.delays.iter();
    loop {
        let seed = derive_seed(terms.seed, &["life", &run.lives.len().to_string()]);
        let start = start(spec, &terms.gpu, began, seed);
        if run.beginning.is_none()
            && let Some(facts) = start.facts().filter(|facts| facts.ready_at <= run.until)
        {
            run.beginning = Some(facts.ready_at);
            run.until = facts.ready_at.plus(terms.lasting);
            run.sent = terms.client.send(schedule, facts.ready_at, terms.seed);
        }
        let served = start.facts().filter(|facts| facts.ready_at < run.until).map(|facts| {
            let left = run.left(schedule.mode);
            let concurrency = match schedule.mode {
                ArrivalMode::Open { .. } => None,
                ArrivalMode::Closed { concurrency } => Some(concurrency),
            };
            let load = Load { requests: &left, concurrency, prefix_tokens: schedule.prefix_tokens };
            serve(spec, facts, &load, facts.ready_at, run.until, seed)
        });
        let life = EngineLife { began, start, served };
        let ended_at = life.ended_at();
        run.lives.push(life);
        let Some(ended_at) = ended_at else { return run };
        match delays.next() {
            Some(delay) if ended_at.plus(*delay) < run.until => began = ended_at.plus(*delay),
            Some(_) => return run,
            None => {
                // Nobody starts it again: the client sees that and goes.
                run.until = run.until.min(ended_at);
                return run;
            }
        }
    }
}

impl EngineLife {
    /// When the container ended by itself; nothing where it was stopped.
    pub fn ended_at(&self) -> Option<Micros> {
        match &self.start {
            StartOutcome::Refused { after, .. } => Some(self.began.plus(*after)),
            StartOutcome::Ready { .. } => self.served.as_ref()?.death.as_ref().map(|death| death.exited_at),
        }
    }

    /// Its failure, as whoever reads its exit code and its output tells it.
    pub fn failure(&self) -> Option<EngineFailure> {
        match &self.start {
            StartOutcome::Refused { exit_code, log, .. } => {
                let output = log.text(jiff::Timestamp::UNIX_EPOCH);
                Some(classify_engine_end(Some(*exit_code), None, Some(false), &output))
            }
            StartOutcome::Ready { log, .. } => {
                let death = self.served.as_ref()?.death.as_ref()?;
                let output = log.clone().then(death.log.clone()).text(jiff::Timestamp::UNIX_EPOCH);
                Some(classify_engine_end(Some(death.exit_code), None, Some(true), &output))
            }
        }
    }
}

impl EngineRun {
    /// How the engine fared, in the terms of the core.
    pub fn outcome(&self) -> EngineOutcome {
        EngineOutcome {
            failures: self.lives.iter().filter_map(EngineLife::failure).collect(),
            reported_oom_events: 0,
            became_ready: Some(self.beginning.is_some()),
        }
    }

    /// Deaths out of memory, and starts refused for want of it.
    pub fn oom_events(&self) -> usize {
        let counts = [EngineFailureClass::OutOfMemory, EngineFailureClass::StartRefusedForMemory];
        self.outcome().failures.iter().filter(|failure| counts.contains(&failure.class)).count()
    }

    /// Everything that was served, life by life.
    pub fn served(&self) -> Vec<&ServeOutcome> {
        self.lives.iter().filter_map(|life| life.served.as_ref()).collect()
    }

    /// What the next life may be sent: in an open loop the schedule decides, in a closed one what is left.
    fn left(&self, mode: ArrivalMode) -> Vec<SentRequest> {
        match mode {
            ArrivalMode::Open { .. } => self.sent.clone(),
            ArrivalMode::Closed { .. } => {
                let done: usize = self.served().iter().map(|served| served.requests.len()).sum();
                self.sent.iter().skip(done).copied().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_waits_longer_from_end_to_end() {
        let seconds: Vec<u64> = RestartPolicy::of_kubelet(7).delays.iter().map(|delay| delay.0 / 1_000_000).collect();
        assert_eq!(seconds, [1, 10, 20, 40, 80, 160, 300]);
        assert!(RestartPolicy::never().delays.is_empty());
    }
}
