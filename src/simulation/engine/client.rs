//! The load client: how well it keeps its schedule, and when it sees what the engine sent.

use super::{Noise, RequestSchedule, ScheduledRequest, units::Micros};

/// How the client fares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientCondition {
    /// Mean delay of a send behind its schedule, milliseconds; the delays are exponentially distributed.
    pub send_delay_ms_mean: f64,
    /// Times at which the client gets no processor.
    pub stall: Option<Stall>,
}

/// A client that is starved: of every period it loses the first part. What it should have sent or received then happens
/// at the end of that part, all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// Length of the period.
    pub every: Micros,
    /// Length of the part that it loses.
    pub lasting: Micros,
}

/// A request and when it leaves the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentRequest {
    /// The request.
    pub request: ScheduledRequest,
    /// When it is sent; in a closed loop, the earliest time.
    pub sent_at: Micros,
    /// How far behind the schedule that is.
    pub delay: Micros,
}

impl Default for ClientCondition {
    /// A client that has a processor of its own: it falls behind by a timer's tick at most.
    fn default() -> Self {
        Self { send_delay_ms_mean: 0.15, stall: None }
    }
}

impl ClientCondition {
    /// When a client that began at `beginning` acts on what happens at `at`.
    pub const fn acts_at(&self, beginning: Micros, at: Micros) -> Micros {
        let Some(Stall { every, lasting }) = self.stall else { return at };
        if every.0 == 0 {
            return at;
        }
        let within = at.since(beginning).0 % every.0;
        if within < lasting.0 { at.plus(Micros(lasting.0 - within)) } else { at }
    }

    /// When each request of the schedule is sent by a client that begins the load at `beginning`; in the order of sending.
    pub fn send(&self, schedule: &RequestSchedule, beginning: Micros, seed: u64) -> Vec<SentRequest> {
        let mut noise = Noise::new(seed, "send delays");
        let mut sent: Vec<SentRequest> = schedule
            .requests
            .iter()
            .map(|request| {
                let due = beginning.plus(request.due);
                let late = due.plus(Micros::from_ms(noise.exponential(self.send_delay_ms_mean)));
                let sent_at = self.acts_at(beginning, late);
                SentRequest { request: *request, sent_at, delay: sent_at.since(due) }
            })
            .collect();
        sent.sort_by_key(|sent| (sent.sent_at, sent.request.index));
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::workload, *};

    fn mean_delay_ms(condition: ClientCondition) -> f64 {
        let schedule = RequestSchedule::of(&workload(400, "25", 9, 9));
        let sent = condition.send(&schedule, Micros(5_000_000), 1);
        assert_eq!(sent.len(), 400);
        assert!(sent.is_sorted_by_key(|sent| sent.sent_at));
        assert!(sent.iter().all(|sent| sent.sent_at == Micros(5_000_000).plus(sent.request.due).plus(sent.delay)));
        sent.iter().map(|sent| sent.delay.ms()).sum::<f64>() / 400.0
    }

    #[test]
    fn a_client_with_a_processor_keeps_its_schedule() {
        let mean = mean_delay_ms(ClientCondition::default());
        assert!((0.1..0.2).contains(&mean), "{mean}");
    }

    #[test]
    fn a_starved_client_falls_behind_by_half_of_what_it_loses() {
        let stall = Some(Stall { every: Micros(2_000_000), lasting: Micros(1_000_000) });
        let mean = mean_delay_ms(ClientCondition { stall, ..ClientCondition::default() });
        assert!((200.0..300.0).contains(&mean), "half the time, 500 ms on average: {mean}");
    }

    #[test]
    fn what_happens_in_a_stall_is_seen_at_its_end() {
        let stall = Some(Stall { every: Micros(100), lasting: Micros(30) });
        let client = ClientCondition { stall, ..ClientCondition::default() };
        for (at, seen) in [(1000, 1030), (1029, 1030), (1030, 1030), (1099, 1099), (1110, 1130)] {
            assert_eq!(client.acts_at(Micros(1000), Micros(at)), Micros(seen), "{at}");
        }
        assert_eq!(ClientCondition::default().acts_at(Micros(0), Micros(5)), Micros(5));
    }
}
