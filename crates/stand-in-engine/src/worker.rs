//! The engine at work: takes requests, runs the queue's steps in real time, gives out tokens, and dies if it must.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use crate::{
    environment::Environment,
    metrics::{EngineFigures, Journey, Outcome},
    queue::{Limits, Queue, Sequence, Step},
};

/// How far behind its own clock the engine may fall and still catch up: the coarseness of timers, and not more, so that a
/// busy machine makes it slower instead of making it hurry afterwards.
const CATCHES_UP: Duration = Duration::from_millis(5);

/// What a request is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// One token more, and how the answer ended where it was the last.
    Token(Option<Outcome>),
    /// The engine died.
    Died,
}

/// A request on its way to the engine.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) prompt_tokens: u64,
    /// Tokens of the answer.
    pub(crate) answer_tokens: u64,
    /// Tokens of the answer that were asked for at most.
    pub(crate) asked_tokens: u64,
    /// When it arrived at the server.
    pub(crate) arrived: Instant,
    /// Whether its answer is streamed.
    pub(crate) is_streamed: bool,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

/// Why an engine died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An allocation failed.
    OutOfMemory,
    /// Somebody killed it.
    Killed,
}

/// An engine's death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) cause: Cause,
    /// Streamed requests that were in flight.
    pub(crate) streams: usize,
}

/// Figures of the engine, which it and the pages share.
#[derive(Debug, Clone)]
pub(crate) struct Board(Arc<Mutex<EngineFigures>>);

impl Board {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(EngineFigures::new())))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, EngineFigures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the queue keeps with a request.
#[derive(Debug)]
struct Kept {
    request: Request,
    journey: Journey,
}

impl Kept {
    fn outcome(&self) -> Outcome {
        let is_cut = self.request.answer_tokens >= self.request.asked_tokens;
        if is_cut { Outcome::Length } else { Outcome::Stop }
    }
}

/// The engine.
pub(crate) struct Worker {
    queue: Queue<Kept>,
    requests: mpsc::UnboundedReceiver<Request>,
    board: Board,
    environment: Environment,
    utilization: f64,
    arrived: u64,
}

impl Worker {
    pub(crate) fn new(
        limits: Limits,
        utilization: f64,
        environment: Environment,
        requests: mpsc::UnboundedReceiver<Request>,
        board: Board,
    ) -> Self {
        Self { queue: Queue::new(limits), requests, board, environment, utilization, arrived: 0 }
    }

    /// Works until nobody can send requests any more, or until it dies, which `death` then tells.
    pub(crate) async fn work(mut self, death: watch::Sender<Option<Death>>) {
        let mut due = Instant::now();
        loop {
            if self.queue.is_idle() {
                let Some(request) = self.requests.recv().await else { return };
                self.take(request);
                due = Instant::now();
            }
            while let Ok(request) = self.requests.try_recv() {
                self.take(request);
            }
            if self.environment.hangs_after.is_some_and(|after| self.arrived >= after) {
                std::future::pending::<()>().await;
            }
            let step = self.begin_step();
            if let Some(cause) = self.cause_of_death(&step) {
                let streams = self.die();
                death.send_replace(Some(Death { cause, streams }));
                return;
            }
            let earliest = Instant::now().checked_sub(CATCHES_UP).unwrap_or(due);
            due = due.max(earliest) + step.lasts;
            sleep_until(due).await;
            self.end_step(&step);
        }
    }

    fn take(&mut self, request: Request) {
        self.arrived += 1;
        let journey = Journey { queued: request.arrived.elapsed(), ..Journey::default() };
        let (prompt, answer) = (request.prompt_tokens, request.answer_tokens);
        self.queue.push(Sequence::new(prompt, answer, Kept { request, journey }));
    }

    fn begin_step(&mut self) -> Step {
        let gone = self.queue.remove(|kept| kept.request.events.is_closed());
        let step = self.queue.begin_step();
        let mut figures = self.board.lock();
        for sequence in gone {
            let Kept { request, journey } = &sequence.kept;
            let (answered, asked) = (sequence.answered(), request.asked_tokens);
            figures.ended(Outcome::Abort, journey, request.prompt_tokens, answered, asked);
        }
        self.queue.admitted(step.admitted, |kept| kept.journey.scheduled = kept.request.arrived.elapsed());
        figures.running = self.queue.running().len() as f64;
        figures.waiting = self.queue.waiting() as f64;
        figures.cache_share = self.queue.cache_share();
        step
    }

    fn end_step(&mut self, step: &Step) {
        let mut figures = self.board.lock();
        figures.step(step.tokens);
        self.queue.end_step(|sequence| {
            let is_first = sequence.answered() == 1;
            let prompt_tokens = sequence.prompt_tokens;
            let ends = sequence.is_finished().then(|| sequence.kept.outcome());
            let Kept { request, journey } = &mut sequence.kept;
            let now = request.arrived.elapsed();
            figures.token(journey, now, is_first, prompt_tokens);
            if is_first {
                journey.first_token = now;
            }
            journey.last_token = now;
            // Whoever went away is taken out before the next step.
            let _ = request.events.send(Event::Token(ends));
        });
        for sequence in self.queue.finished() {
            let outcome = sequence.kept.outcome();
            let Kept { request, journey } = &sequence.kept;
            figures.ended(outcome, journey, sequence.prompt_tokens, sequence.answered(), request.asked_tokens);
        }
        figures.running = self.queue.running().len() as f64;
        figures.cache_share = self.queue.cache_share();
    }

    fn cause_of_death(&self, step: &Step) -> Option<Cause> {
        let Environment { out_of_memory_above, out_of_memory_sequences, out_of_memory_after, dies_after, .. } =
            self.environment;
        let over = out_of_memory_above.is_some_and(|edge| self.utilization > edge);
        let has_arrived = |count: Option<u64>| count.is_some_and(|count| self.arrived >= count);
        if (over && step.sequences >= out_of_memory_sequences) || has_arrived(out_of_memory_after) {
            return Some(Cause::OutOfMemory);
        }
        has_arrived(dies_after).then_some(Cause::Killed)
    }

    /// Tells everyone in flight; how many of them were streamed.
    fn die(&mut self) -> usize {
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            self.take(request);
        }
        let lost = self.queue.drain();
        for sequence in &lost {
            let _ = sequence.kept.request.events.send(Event::Died);
        }
        lost.iter().filter(|sequence| sequence.kept.request.is_streamed).count()
    }
}
