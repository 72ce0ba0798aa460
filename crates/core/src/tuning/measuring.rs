//! The parts of a measurement: what warms up, what counts, and what only keeps the load up at the end.
//!
//! A request that is due in the last moments can't be answered before the measurement ends, however good the engine is.
//! With an answer that takes a second and eight seconds of measuring, one request in eight would be cut off, and every
//! trial would fail for it. So those requests are sent and not counted: which ones follows from the load alone, so that
//! they are the same for every trial of a tuning run.

use jiff::SignedDuration;

use crate::policy::bound::SERVING_WARMUP_DEFAULT;

/// A canary warms up for the eighth part of its measuring: one second of the default eight.
const WARMUP_DIVISOR: i32 = 8;
/// At most a quarter of the measuring is left to the last answers: an engine whose answers take longer is measured too
/// briefly, and a limit of a minute must not leave nothing that counts.
const CLOSING_DIVISOR: i32 = 4;

/// The part of a canary's measuring that warms up: an eighth, and never more than a PHASE warms up.
pub fn canary_warmup(measure: SignedDuration) -> SignedDuration {
    measure.checked_div(WARMUP_DIVISOR).unwrap_or_default().min(SERVING_WARMUP_DEFAULT)
}

/// The part at the end of a measuring in which no request counts any more: as long as a good answer may take, and at most
/// a quarter of it. `answer_limit` is the limit of a whole answer; without one it is the quarter.
pub fn closing(measure: SignedDuration, answer_limit: Option<SignedDuration>) -> SignedDuration {
    let most = measure.checked_div(CLOSING_DIVISOR).unwrap_or_default();
    answer_limit.map_or(most, |limit| limit.min(most)).max(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_canary_warms_up_for_an_eighth_of_its_measuring_and_never_longer_than_a_run() {
        for (measure, warmup_ms) in [(8, 1_000), (60, 7_500), (300, 10_000)] {
            assert_eq!(canary_warmup(seconds(measure)), SignedDuration::from_millis(warmup_ms), "{measure} s");
        }
    }

    #[test]
    fn the_last_answers_get_the_time_that_the_limit_allows_and_a_quarter_at_most() {
        for (measure, limit, closes) in
            [(8, Some(1), 1), (8, Some(2), 2), (8, Some(3), 2), (8, None, 2), (300, Some(20), 20), (8, Some(-1), 0)]
        {
            assert_eq!(closing(seconds(measure), limit.map(seconds)), seconds(closes), "{measure} s, limit {limit:?}");
        }
    }
}
