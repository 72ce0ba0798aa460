//! Requests on their way: by their times in an open loop, by turns in a closed one.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    super::{client::SentRequest, units::Micros},
    Load,
};

/// What has yet to reach the engine.
pub(super) struct Arrivals<'a> {
    load: Load<'a>,
    /// The next request of the list.
    next: usize,
    /// Where the list ends for this engine.
    end: usize,
    /// Turns of a closed loop: when each may send its next request.
    turns: BinaryHeap<Reverse<Micros>>,
}

impl<'a> Arrivals<'a> {
    /// What reaches an engine that serves from an instant until another.
    pub(super) fn new(load: Load<'a>, from: Micros, until: Micros) -> Self {
        let place = |instant: Micros| load.requests.partition_point(|sent| sent.sent_at < instant);
        match load.concurrency {
            None => Self { load, next: place(from), end: place(until), turns: BinaryHeap::new() },
            Some(concurrency) => {
                let turns = (0..concurrency).map(|_| Reverse(from)).collect();
                Self { load, next: 0, end: load.requests.len(), turns }
            }
        }
    }

    /// When the next request is sent, if there is one.
    pub(super) fn next_sent_at(&self) -> Option<Micros> {
        let sent = self.load.requests.get(self.next).filter(|_| self.next < self.end)?;
        match self.load.concurrency {
            None => Some(sent.sent_at),
            Some(_) => self.turns.peek().map(|Reverse(turn)| turn.max(&sent.sent_at).plus(sent.delay)),
        }
    }

    /// Takes the next request if it is sent by then, and when it is sent.
    pub(super) fn take_sent_by(&mut self, instant: Micros) -> Option<(SentRequest, Micros)> {
        let sent_at = self.next_sent_at().filter(|sent_at| *sent_at <= instant)?;
        let sent = *self.load.requests.get(self.next)?;
        self.next += 1;
        self.turns.pop();
        Some((sent, sent_at))
    }

    /// A request ended for the client: in a closed loop the next one takes its turn.
    pub(super) fn give_turn(&mut self, at: Micros) {
        if self.load.concurrency.is_some() {
            self.turns.push(Reverse(at));
        }
    }
}
