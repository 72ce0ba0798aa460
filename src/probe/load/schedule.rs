//! The requests of a workload: when each is due and how long it is.
//!
//! They follow from the workload and its seed alone, so that every candidate of a night is offered the same ones.

use phaseloop_core::value::digest::hex_digest;

use super::{
    micros::{Micros, whole},
    noise::Noise,
};
use crate::api::workload::{TokenLength, Workload};

/// One request of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScheduledRequest {
    /// Its place in the schedule, from 0.
    pub index: usize,
    /// When it is due, from the beginning of the load. In a closed loop all are due at once, and wait for their turn.
    pub due: Micros,
    /// Tokens of the prompt, the shared prefix included.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// What decides when the next request comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArrivalMode {
    /// Its time, whether or not the engine keeps up.
    Open {
        /// Mean time between two requests, milliseconds.
        interval_ms_mean: f64,
    },
    /// The end of another one: so many are in flight at any time.
    Closed {
        /// Requests in flight.
        concurrency: usize,
    },
}

/// All requests of a workload, in the order in which they are due.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestSchedule {
    /// The requests.
    pub requests: Vec<ScheduledRequest>,
    /// What decides when they come.
    pub mode: ArrivalMode,
    /// Tokens that all prompts begin with.
    pub prefix_tokens: u64,
    /// Fingerprint of all of the above: results with equal ones can be held against each other request by request.
    pub hash: String,
}

impl RequestSchedule {
    /// The requests of a workload. Where a workload leaves out what its schema demands (a rate or a concurrency, one of
    /// the kinds of length), there is one request at a time, of one token.
    pub fn of(workload: &Workload) -> Self {
        let seed = workload.seed.unsigned_abs();
        let mode = arrival_mode(workload);
        let prefix_tokens = workload.shared_prefix_tokens.unsigned_abs();
        let mut intervals = Noise::new(seed, "arrivals");
        let mut prompts = Noise::new(seed, "prompt lengths");
        let mut answers = Noise::new(seed, "answer lengths");
        let mut due_ms = 0.0;
        let count = usize::try_from(workload.requests).unwrap_or(0);
        let requests: Vec<ScheduledRequest> = (0..count)
            .map(|index| {
                if let ArrivalMode::Open { interval_ms_mean } = mode {
                    due_ms += intervals.exponential(interval_ms_mean);
                }
                ScheduledRequest {
                    index,
                    due: Micros::from_ms(due_ms),
                    prompt_tokens: prefix_tokens + draw_length(&workload.input_tokens, &mut prompts),
                    output_tokens: draw_length(&workload.output_tokens, &mut answers),
                }
            })
            .collect();
        let hash = fingerprint(&requests, mode, prefix_tokens);
        Self { requests, mode, prefix_tokens, hash }
    }

    /// When the last request is due.
    pub fn last_due(&self) -> Micros {
        self.requests.last().map_or(Micros::ZERO, |request| request.due)
    }
}

fn arrival_mode(workload: &Workload) -> ArrivalMode {
    match (workload.arrival.rate, workload.arrival.concurrency) {
        (Some(rate), _) if rate.millionths() > 0 => ArrivalMode::Open { interval_ms_mean: 1_000.0 / rate.to_f64() },
        (_, Some(concurrency)) => ArrivalMode::Closed { concurrency: usize::try_from(concurrency).unwrap_or(1).max(1) },
        _ => ArrivalMode::Closed { concurrency: 1 },
    }
}

fn draw_length(length: &TokenLength, noise: &mut Noise) -> u64 {
    let tokens = match (length.fixed, &length.uniform, &length.normal) {
        (Some(fixed), _, _) => fixed.unsigned_abs(),
        (None, Some(uniform), _) => noise.between(uniform.min.unsigned_abs(), uniform.max.unsigned_abs()),
        (None, None, Some(normal)) => whole(normal.mean as f64 + normal.standard_deviation as f64 * noise.normal()),
        (None, None, None) => 1,
    };
    tokens.max(1)
}

fn fingerprint(requests: &[ScheduledRequest], mode: ArrivalMode, prefix_tokens: u64) -> String {
    let concurrency = match mode {
        ArrivalMode::Open { .. } => 0,
        ArrivalMode::Closed { concurrency } => concurrency,
    };
    let list: String = requests
        .iter()
        .map(|request| format!("{} {} {};", request.due.0, request.prompt_tokens, request.output_tokens))
        .collect();
    hex_digest(&["request schedule", &concurrency.to_string(), &prefix_tokens.to_string(), &list])
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::workload, *};
    use crate::api::workload::{NormalLength, UniformLength};

    #[test]
    fn equal_workloads_make_equal_requests_and_another_seed_makes_others() {
        let schedule = RequestSchedule::of(&workload(200, "25", 250, 18));
        assert_eq!(schedule, RequestSchedule::of(&workload(200, "25", 250, 18)));
        let mut other = workload(200, "25", 250, 18);
        other.seed += 1;
        assert_ne!(schedule.hash, RequestSchedule::of(&other).hash);
        assert_eq!(schedule.hash.len(), 64);
    }

    #[test]
    fn requests_of_an_open_loop_come_at_the_rate_on_average() {
        let schedule = RequestSchedule::of(&workload(4000, "25", 1, 1));
        let seconds = schedule.last_due().seconds();
        assert!((seconds / 160.0 - 1.0).abs() < 0.05, "{seconds}");
        assert!(schedule.requests.is_sorted_by_key(|request| request.due));
        assert_eq!(schedule.mode, ArrivalMode::Open { interval_ms_mean: 40.0 });
    }

    #[test]
    fn twice_the_rate_is_the_same_load_in_half_the_time() {
        let (slow, fast) =
            (RequestSchedule::of(&workload(50, "10", 9, 9)), RequestSchedule::of(&workload(50, "20", 9, 9)));
        for (one, other) in slow.requests.iter().zip(&fast.requests) {
            assert!(one.due.0.abs_diff(2 * other.due.0) <= 2, "{one:?} {other:?}");
        }
    }

    #[test]
    fn lengths_keep_to_their_distribution() {
        let mut spread = workload(2000, "25", 1, 1);
        spread.input_tokens =
            TokenLength { fixed: None, uniform: Some(UniformLength { min: 10, max: 20 }), normal: None };
        spread.output_tokens =
            TokenLength { fixed: None, uniform: None, normal: Some(NormalLength { mean: 4, standard_deviation: 8 }) };
        spread.shared_prefix_tokens = 100;
        let requests = RequestSchedule::of(&spread).requests;
        assert!(requests.iter().all(|request| (110..=120).contains(&request.prompt_tokens)));
        assert!(requests.iter().any(|request| request.prompt_tokens == 110));
        assert!(requests.iter().any(|request| request.prompt_tokens == 120));
        assert!(requests.iter().all(|request| request.output_tokens >= 1), "cut off at one token");
        assert!(requests.iter().any(|request| request.output_tokens > 20));
    }

    #[test]
    fn a_closed_loop_has_all_requests_due_at_once() {
        let mut closed = workload(10, "1", 5, 5);
        closed.arrival.rate = None;
        closed.arrival.concurrency = Some(4);
        let schedule = RequestSchedule::of(&closed);
        assert_eq!(schedule.mode, ArrivalMode::Closed { concurrency: 4 });
        assert!(schedule.requests.iter().all(|request| request.due == Micros::ZERO));
    }
}
