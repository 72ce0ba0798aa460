//! Chance of the cluster around the engines: lots, delays, drops. Drawn from a seed, so that a seed is a history.

/// A stream of numbers (SplitMix64, Steele, Lea and Flood, OOPSLA 2014).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The stream of a seed for one purpose: what is drawn for another purpose changes nothing in it.
    pub fn of(seed: u64, purpose: &str) -> Self {
        let digest = phaseloop_core::value::digest::digest_parts(&["simulation", &seed.to_string(), purpose]);
        Self::new(digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number below `end`, each equally likely; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.draw()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Whether something happens that happens so often in a hundred times.
    pub fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_function_of_seed_and_purpose() {
        let drawn = |seed, purpose| Chance::of(seed, purpose).draw();
        assert_eq!(drawn(1, "a"), drawn(1, "a"));
        assert_ne!(drawn(1, "a"), drawn(1, "b"));
        assert_ne!(drawn(1, "a"), drawn(2, "a"));
    }

    #[test]
    fn numbers_stay_below_their_end_and_reach_every_one() {
        let mut chance = Chance::new(3);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| chance.below(4)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(chance.below(0), 0);
    }

    #[test]
    fn what_happens_in_a_fifth_of_the_cases_does() {
        let mut chance = Chance::new(5);
        let count = (0..10_000).filter(|_| chance.happens(20)).count();
        assert!((1_900..2_100).contains(&count), "{count}");
        assert!((0..100).all(|_| !chance.happens(0)));
    }
}
