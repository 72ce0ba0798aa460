//! Exact tests of whether two shares differ: paired where the same requests were sent to both, unpaired where not.
//!
//! Paired: McNemar's test in its exact form (Q. McNemar, Psychometrika 12, 1947; exact: A. Agresti, Categorical Data
//! Analysis, 10.1): of the requests in which the two differ, either side has each with probability one half.
//! Unpaired: R. A. Fisher's exact test on the table of met and not met (Statistical Methods for Research Workers,
//! 1934). It is conservative, and without pairs that is what is wanted: it finds fewer differences, never more.

use crate::prelude::*;

/// At or above this probability a difference counts as noise: the convention of one false alarm in twenty.
pub const NOISE_PROBABILITY_MIN: f64 = 0.05;

/// Tables whose probabilities differ by less than this share are equally likely: rounding, not evidence.
const EQUALLY_LIKELY: f64 = 1e-7;

/// Two-sided probability of a split at least this uneven, of requests of which one side alone met its limits `only_one`
/// times and the other side alone `only_other` times. 1 where they differ in none.
pub fn mcnemar_exact(only_one: u64, only_other: u64) -> f64 {
    let (discordant, rarer) = (only_one + only_other, only_one.min(only_other));
    let tail: f64 = (0..=rarer)
        .map(|count| libm::exp(log_choose(discordant, count) - discordant as f64 * core::f64::consts::LN_2))
        .sum();
    (2.0 * tail).min(1.0)
}

/// Two-sided probability, by Fisher's exact test, of a table at least as unlikely as `met_one` of `offered_one` against
/// `met_other` of `offered_other`, if both shares were the same.
pub fn fisher_exact(met_one: u64, offered_one: u64, met_other: u64, offered_other: u64) -> f64 {
    let (all, met) = (offered_one + offered_other, met_one + met_other);
    let log_probability = |met_here: u64| {
        log_choose(offered_one, met_here) + log_choose(offered_other, met - met_here) - log_choose(all, met)
    };
    let seen = log_probability(met_one) + EQUALLY_LIKELY;
    let possible = met.saturating_sub(offered_other)..=met.min(offered_one);
    let sum: f64 = possible.map(log_probability).filter(|log| *log <= seen).map(libm::exp).sum();
    sum.min(1.0)
}

/// Natural logarithm of the number of ways to choose `part` of `whole`; `part` is at most `whole`.
fn log_choose(whole: u64, part: u64) -> f64 {
    let log_factorial = |number: u64| libm::lgamma(number as f64 + 1.0);
    log_factorial(whole) - log_factorial(part) - log_factorial(whole.saturating_sub(part))
}

/// Which requests of one schedule met every limit, in the order of the schedule. Two are comparable pair by pair only
/// where schedule and length are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetRequests {
    /// Hash of the request schedule: workload and seed.
    pub schedule: String,
    /// For each request, whether it met every limit. A failed or unsent request did not.
    pub met: Vec<bool>,
}

impl MetRequests {
    /// How often this side alone and the other side alone met the limits; nothing where the schedules differ.
    pub fn discordant(&self, other: &Self) -> Option<(u64, u64)> {
        if self.schedule != other.schedule || self.met.len() != other.met.len() {
            return None;
        }
        let pairs = || self.met.iter().zip(&other.met);
        let gained = pairs().filter(|(here, there)| **here && !**there).count() as u64;
        let lost = pairs().filter(|(here, there)| !**here && **there).count() as u64;
        Some((gained, lost))
    }

    /// The answers as hexadecimal digits, four requests each, the first request in the highest bit: how a trial's
    /// result carries them within its few kilobytes.
    pub fn to_hex(&self) -> String {
        self.met.chunks(4).map(|four| format!("{:x}", nibble(four))).collect()
    }

    /// Reads [`Self::to_hex`] back; nothing where the digits don't fit the count.
    pub fn from_hex(schedule: &str, hex: &str, count: usize) -> Option<Self> {
        let mut met = Vec::new();
        for digit in hex.chars() {
            let four = digit.to_digit(16)?;
            met.extend([8, 4, 2, 1].map(|bit| four & bit != 0));
        }
        let padding = met.get(count..)?;
        if padding.len() >= 4 || padding.contains(&true) {
            return None;
        }
        met.truncate(count);
        Some(Self { schedule: schedule.to_owned(), met })
    }
}

fn nibble(four: &[bool]) -> u32 {
    four.iter().zip([8, 4, 2, 1]).filter(|(met, _)| **met).map(|(_, bit)| bit).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(figure: f64, expected: f64) -> bool {
        (figure - expected).abs() < 1e-6
    }

    #[test]
    fn the_paired_test_gives_the_binomial_figures() {
        // By hand: 2 x sum of C(n, i) / 2^n.
        for (one, other, probability) in [
            (0, 0, 1.0),
            (1, 0, 1.0),
            (5, 0, 0.0625),
            (6, 0, 0.03125),
            (0, 6, 0.03125),
            (5, 5, 1.0),
            (1, 8, 2.0 * 10.0 / 512.0),
            (10, 2, 2.0 * 79.0 / 4096.0),
        ] {
            assert!(close(mcnemar_exact(one, other), probability), "{one} {other}: {}", mcnemar_exact(one, other));
        }
        assert!(mcnemar_exact(2000, 1000) < 1e-9, "no underflow to nonsense");
        assert!(mcnemar_exact(1500, 1500) > 0.99);
    }

    #[test]
    fn the_unpaired_test_gives_fishers_figures() {
        // The lady tasting tea: 3 of 4 against 1 of 4 is 34/70; 4 of 4 against 0 of 4 is 2/70.
        assert!(close(fisher_exact(3, 4, 1, 4), 34.0 / 70.0));
        assert!(close(fisher_exact(4, 4, 0, 4), 2.0 / 70.0));
        assert!(close(fisher_exact(0, 4, 4, 4), 2.0 / 70.0));
        assert!(close(fisher_exact(2, 4, 2, 4), 1.0));
        // Counted out over the C(15, 9) tables with whole numbers, by another program.
        assert!(close(fisher_exact(8, 10, 1, 5), 445.0 / 5005.0));
        assert!(close(fisher_exact(185, 200, 181, 200), 0.591_250_929));
        assert!(close(fisher_exact(0, 10, 0, 10), 1.0));
        assert!(close(fisher_exact(10, 10, 10, 10), 1.0));
    }

    fn requests(schedule: &str, met: &str) -> MetRequests {
        MetRequests { schedule: schedule.to_owned(), met: met.bytes().map(|byte| byte == b'1').collect() }
    }

    #[test]
    fn pairs_are_counted_only_within_one_schedule() {
        assert_eq!(requests("a", "110010").discordant(&requests("a", "100111")), Some((1, 2)));
        assert_eq!(requests("a", "11").discordant(&requests("b", "11")), None);
        assert_eq!(requests("a", "11").discordant(&requests("a", "110")), None);
    }

    #[test]
    fn answers_travel_as_hexadecimal_digits() {
        let sent = requests("a", "110010101");
        assert_eq!(sent.to_hex(), "ca8");
        assert_eq!(MetRequests::from_hex("a", "ca8", 9), Some(sent));
        for (hex, count) in [("ca8", 8), ("ca8", 13), ("ca", 9), ("cg8", 9), ("ca8", 4), ("8", 0)] {
            assert_eq!(MetRequests::from_hex("a", hex, count), None, "{hex} {count}");
        }
        assert!(MetRequests::from_hex("a", "c0", 4).is_none(), "a digit too many");
    }

    proptest! {
        #[test]
        fn answers_read_back_as_they_were_sent(met in proptest::collection::vec(any::<bool>(), 0..40)) {
            let sent = MetRequests { schedule: "s".to_owned(), met };
            prop_assert_eq!(MetRequests::from_hex("s", &sent.to_hex(), sent.met.len()), Some(sent.clone()));
        }

        #[test]
        fn a_probability_is_one_and_the_same_from_both_sides(one in 0_u64..300, other in 0_u64..300) {
            let probability = mcnemar_exact(one, other);
            prop_assert!((0.0..=1.0).contains(&probability));
            prop_assert!(close(probability, mcnemar_exact(other, one)));
            let unpaired = fisher_exact(one, 300, other, 300);
            prop_assert!((0.0..=1.0).contains(&unpaired));
            prop_assert!(close(unpaired, fisher_exact(other, 300, one, 300)));
        }
    }
}
