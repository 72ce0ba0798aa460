//! Fitness: the share of offered requests that met every latency limit, kept as two counts so that comparing is exact.

use core::{cmp::Ordering, fmt};

use crate::value::Decimal;

/// Most requests one measurement can have offered. Far above any load, and low enough that products of two counts and
/// a million never leave 128 bits.
pub const OFFERED_MAX: u64 = 1 << 40;

/// Digits after the point with which a fitness is printed.
const PRINTED_STEPS: u64 = 1_000;

/// SLO attainment: requests within every limit, of those offered. `185 of 200` prints as `0.925`.
///
/// `1 of 2` and `100 of 200` are equal: how sure either is, is for the ranking to say.
#[derive(Debug, Clone, Copy)]
pub struct Fitness {
    met: u64,
    offered: u64,
}

impl Fitness {
    /// The fitness of these counts; none where nothing was offered, or more was met than offered.
    pub const fn new(met: u64, offered: u64) -> Option<Self> {
        if offered == 0 || offered > OFFERED_MAX || met > offered { None } else { Some(Self { met, offered }) }
    }

    /// Requests within every limit.
    pub const fn met(self) -> u64 {
        self.met
    }

    /// Requests that the workload demanded.
    pub const fn offered(self) -> u64 {
        self.offered
    }

    /// Whether this is at least the share.
    pub fn is_at_least(self, share: Decimal) -> bool {
        i128::from(self.met) * MILLION >= i128::from(share.millionths()) * i128::from(self.offered)
    }

    /// Whether this is better than the other, and by at least the gain.
    pub fn beats_by(self, other: Self, gain: Decimal) -> bool {
        let difference =
            i128::from(self.met) * i128::from(other.offered) - i128::from(other.met) * i128::from(self.offered);
        let wanted = i128::from(gain.millionths()) * i128::from(self.offered) * i128::from(other.offered);
        difference > 0 && difference * MILLION >= wanted
    }
}

const MILLION: i128 = 1_000_000;

impl PartialEq for Fitness {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fitness {}

impl PartialOrd for Fitness {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fitness {
    fn cmp(&self, other: &Self) -> Ordering {
        let this = u128::from(self.met) * u128::from(other.offered);
        this.cmp(&(u128::from(other.met) * u128::from(self.offered)))
    }
}

impl fmt::Display for Fitness {
    /// Three digits after the point, cut and not rounded: 1.000 means that every request met its limits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.met * PRINTED_STEPS / self.offered;
        write!(f, "{}.{:03}", steps / PRINTED_STEPS, steps % PRINTED_STEPS)
    }
}

impl serde::Serialize for Fitness {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fitness(met: u64, offered: u64) -> Fitness {
        Fitness::new(met, offered).unwrap()
    }

    #[test]
    fn counts_that_make_no_share_make_no_fitness() {
        for (met, offered, exists) in [
            (0, 0, false),
            (0, 1, true),
            (1, 1, true),
            (2, 1, false),
            (0, OFFERED_MAX, true),
            (0, OFFERED_MAX + 1, false),
        ] {
            assert_eq!(Fitness::new(met, offered).is_some(), exists, "{met} of {offered}");
        }
        assert_eq!(OFFERED_MAX, 1_099_511_627_776);
    }

    #[test]
    fn a_fitness_prints_as_its_share_cut_after_three_digits() {
        for (met, offered, text) in
            [(185, 200, "0.925"), (200, 200, "1.000"), (1999, 2000, "0.999"), (0, 7, "0.000"), (1, 3, "0.333")]
        {
            assert_eq!(fitness(met, offered).to_string(), text);
            assert_eq!(serde_json::to_value(fitness(met, offered)).unwrap(), text);
        }
        assert_eq!((fitness(185, 200).met(), fitness(185, 200).offered()), (185, 200));
    }

    #[test]
    fn equal_shares_are_equal_whatever_was_offered() {
        assert_eq!(fitness(1, 2), fitness(100, 200));
        assert!(fitness(101, 200) > fitness(1, 2));
        assert!(fitness(99, 200) < fitness(1, 2));
        assert_eq!(fitness(1, 2).partial_cmp(&fitness(1, 3)), Some(Ordering::Greater));
    }

    #[test]
    fn the_gain_itself_is_enough_and_one_request_less_is_not() {
        let gain: Decimal = "0.02".parse().unwrap();
        assert!(fitness(185, 200).beats_by(fitness(181, 200), gain));
        assert!(!fitness(184, 200).beats_by(fitness(181, 200), gain));
        assert!(fitness(186, 200).beats_by(fitness(181, 200), gain));
        assert!(!fitness(181, 200).beats_by(fitness(181, 200), Decimal::ZERO), "an equal beats nothing");
        assert!(fitness(182, 200).beats_by(fitness(181, 200), Decimal::ZERO));
        assert!(fitness(92, 100).beats_by(fitness(180, 200), gain), "other counts, same rule");
    }

    #[test]
    fn the_least_share_itself_is_enough() {
        let half: Decimal = "0.5".parse().unwrap();
        assert!(fitness(100, 200).is_at_least(half));
        assert!(!fitness(99, 200).is_at_least(half));
        assert!(fitness(101, 200).is_at_least(half));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_shares(one in 0_u64..=1000, other in 0_u64..=1000) {
            let (left, right) = (fitness(one, 1000), fitness(other * 3, 3000));
            prop_assert_eq!(left.cmp(&right), one.cmp(&other));
            prop_assert_eq!(left.beats_by(right, Decimal::from_millionths(1)), one > other);
        }
    }
}
