//! Sending the load: each request at its time in an open loop, each at the end of another in a closed one.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{
    client::{EngineClient, refusal},
    event::{Event, EventReader},
    journal::{Answer, Journal},
    prompt::Prompts,
};
use crate::probe::{
    clock::PodClock,
    load::{ArrivalMode, Micros, RequestSchedule, ScheduledRequest},
};

/// Texts of one answer for whose gaps room is made at once; longer answers get it as they come.
const TEXTS_AT_ONCE: u64 = 4_096;

/// A load and what it is sent by.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) client: EngineClient,
    pub(super) clock: PodClock,
    pub(super) schedule: RequestSchedule,
    pub(super) prompts: Prompts,
    pub(super) path: &'static str,
    pub(super) journal: Mutex<Journal>,
    /// Every request was answered, or failed.
    pub(super) all_finished: Notify,
}

/// A load that is being sent. Dropped, nothing more is sent, and a closed loop's answers are not waited for.
#[derive(Debug)]
pub(super) struct Sending {
    _open: Option<mpsc::Sender<()>>,
    _closed: JoinSet<()>,
}

impl Load {
    /// Begins to send. `up` says whether the engine is there: a closed loop waits while it is not.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn begin(self: &Arc<Self>, up: &watch::Receiver<bool>) -> std::io::Result<Sending> {
        match self.schedule.mode {
            ArrivalMode::Open { .. } => {
                // A thread of its own sleeps to the microsecond; timers of the runtime know milliseconds.
                let (stop, stopped) = mpsc::channel();
                let (load, runtime) = (Arc::clone(self), Handle::current());
                let send = move || load.send_at_their_times(&runtime, &stopped);
                thread::Builder::new().name("arrivals".to_owned()).spawn(send)?;
                Ok(Sending { _open: Some(stop), _closed: JoinSet::new() })
            }
            ArrivalMode::Closed { concurrency } => {
                let next = Arc::new(Mutex::new(0_usize));
                let mut loops = JoinSet::new();
                for _ in 0..concurrency {
                    loops.spawn(Arc::clone(self).send_one_after_another(Arc::clone(&next), up.clone()));
                }
                Ok(Sending { _open: None, _closed: loops })
            }
        }
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_at_their_times(self: &Arc<Self>, runtime: &Handle, stopped: &mpsc::Receiver<()>) {
        for request in &self.schedule.requests {
            let Some(due) = self.journal().due(request.index) else { return };
            // Made beforehand, so that its making delays nothing.
            let body = self.prompts.body(request);
            let wait = self.clock.time_until(due);
            if !wait.is_zero() && stopped.recv_timeout(wait) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            if wait.is_zero() && stopped.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
                return;
            }
            runtime.spawn(Arc::clone(self).send(*request, body, due));
        }
    }

    async fn send_one_after_another(self: Arc<Self>, next: Arc<Mutex<usize>>, mut up: watch::Receiver<bool>) {
        loop {
            if up.wait_for(|up| *up).await.is_err() {
                return;
            }
            let index = {
                let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                let index = *next;
                *next += 1;
                index
            };
            let Some(request) = self.schedule.requests.get(index).copied() else { return };
            let due = self.clock.elapsed();
            let body = self.prompts.body(&request);
            let gone = Arc::clone(&self).send(request, body, due).await;
            if gone {
                // Whoever watches the engine sees it within moments; until then requests would only be wasted.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Sends a request and takes its answer down; `true` where nobody listened.
    async fn send(self: Arc<Self>, request: ScheduledRequest, body: Bytes, due: Micros) -> bool {
        let sent_at = self.clock.elapsed();
        self.journal().sent(request.index, due, sent_at);
        let room = usize::try_from(request.output_tokens.min(TEXTS_AT_ONCE)).unwrap_or_default();
        let mut answering = Answering { gaps: Vec::with_capacity(room), ..Answering::default() };
        let outcome = self.exchange(request.index, body, &mut answering).await;
        let gone = outcome.as_ref().is_err_and(|failure| failure.nobody_listens);
        let mut journal = self.journal();
        match outcome {
            Ok(answer) => journal.answered(request.index, answer, &answering.gaps),
            Err(Failure { why, was_taken, .. }) => {
                journal.failed(request.index, why, was_taken.then(|| self.clock.elapsed()));
            }
        }
        if journal.finished() == journal.offered() {
            self.all_finished.notify_one();
        }
        gone
    }

    async fn exchange(&self, index: usize, body: Bytes, answering: &mut Answering) -> Result<Answer, Failure> {
        let response = self.client.open(Method::POST, self.path, body).await?;
        let status = response.status();
        let mut body = response.into_body();
        if status != StatusCode::OK {
            let text = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            return Err(Failure::of(refusal(status, &text)));
        }
        let mut events = EventReader::default();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { break };
            let Some(data) = frame.data_ref() else { continue };
            let now = self.clock.elapsed();
            let had_text = answering.first.is_some();
            events.push(data, |event| answering.take(event, now));
            if let Some(first) = answering.first.filter(|_| !had_text) {
                self.journal().first_text(index, first);
            }
        }
        answering.answer()
    }
}

/// How long a closed loop pauses where nobody listens.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    why: String,
    nobody_listens: bool,
    /// The engine had begun to answer.
    was_taken: bool,
}

impl Failure {
    const fn of(why: String) -> Self {
        Self { why, nobody_listens: false, was_taken: false }
    }

    const fn midway(why: String) -> Self {
        Self { why, nobody_listens: false, was_taken: true }
    }
}

impl From<super::client::Problem> for Failure {
    fn from(problem: super::client::Problem) -> Self {
        let nobody_listens = problem == super::client::Problem::Unreachable;
        Self { why: problem.to_string(), nobody_listens, was_taken: false }
    }
}

/// An answer as it comes.
#[derive(Debug, Default)]
struct Answering {
    first: Option<Micros>,
    last: Option<Micros>,
    gaps: Vec<Micros>,
    tokens: Option<u64>,
    done: bool,
    error: Option<String>,
}

impl Answering {
    fn take(&mut self, event: Event, now: Micros) {
        match event {
            Event::Chunk { has_content, completion_tokens } => {
                self.tokens = completion_tokens.or(self.tokens);
                if !has_content {
                    return;
                }
                self.gaps.extend(self.last.map(|last| now.since(last)));
                self.first = self.first.or(Some(now));
                self.last = Some(now);
            }
            Event::Done => self.done = true,
            Event::Error(message) => self.error = self.error.take().or(Some(format!("engine: {message}"))),
            Event::Unreadable => self.error = self.error.take().or_else(|| Some("no event of an answer".to_owned())),
        }
    }

    /// The answer, if it is whole.
    fn answer(&mut self) -> Result<Answer, Failure> {
        if let Some(error) = self.error.take() {
            return Err(Failure::midway(error));
        }
        if !self.done {
            return Err(Failure::midway("cut off".to_owned()));
        }
        match (self.first, self.last) {
            (Some(first), Some(last)) => Ok(Answer { first, last, tokens: self.tokens }),
            _ => Err(Failure::midway("an answer without text".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tokens: Option<u64>) -> Event {
        Event::Chunk { has_content: true, completion_tokens: tokens }
    }

    fn silence(tokens: Option<u64>) -> Event {
        Event::Chunk { has_content: false, completion_tokens: tokens }
    }

    fn answer(events: &[(u64, Event)]) -> (Result<Answer, Failure>, Vec<Micros>) {
        let mut answering = Answering::default();
        for (at, event) in events {
            answering.take(event.clone(), Micros(*at));
        }
        (answering.answer(), answering.gaps)
    }

    #[test]
    fn the_first_text_counts_and_not_the_first_event() {
        let events =
            [(5, silence(None)), (10, text(None)), (17, text(None)), (20, silence(Some(3))), (21, Event::Done)];
        let (answer, gaps) = answer(&events);
        assert_eq!(answer, Ok(Answer { first: Micros(10), last: Micros(17), tokens: Some(3) }));
        assert_eq!(gaps, [Micros(7)]);
    }

    #[test]
    fn an_answer_that_is_not_whole_failed() {
        for (events, why) in [
            (vec![(1, text(None))], "cut off"),
            (vec![], "cut off"),
            (vec![(1, silence(Some(3))), (2, Event::Done)], "an answer without text"),
            (vec![(1, text(None)), (2, Event::Error("dead".to_owned())), (3, Event::Done)], "engine: dead"),
            (vec![(1, text(None)), (2, Event::Unreadable), (3, Event::Done)], "no event of an answer"),
        ] {
            assert_eq!(answer(&events).0, Err(Failure::midway(why.to_owned())));
        }
    }
}
