//! Chance by seed: the same numbers on every machine and in every release.
//!
//! The generator is ChaCha8, whose stream is fixed by its definition; logarithms and cosines come from `libm`, which is
//! the same code everywhere, and not from the platform.

use phaseloop_core::value::digest::digest_parts;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

/// One stream of chance.
#[derive(Debug, Clone)]
pub struct Noise {
    generator: ChaCha8Rng,
    /// The second of the two normal figures that are made at a time.
    spare: Option<f64>,
}

/// A seed for a part of something that has a seed: for one pod of a night, say. Equal parts give equal seeds.
pub fn derive_seed(seed: u64, parts: &[&str]) -> u64 {
    let seed = seed.to_string();
    let parts: Vec<&str> = core::iter::once(seed.as_str()).chain(parts.iter().copied()).collect();
    digest_parts(&parts).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Noise {
    /// The stream of a seed for one purpose. Streams of different purposes have nothing to do with each other, so that a
    /// figure more in one changes nothing in the others.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let key = digest_parts(&["engine noise", &seed.to_string(), purpose]);
        Self { generator: ChaCha8Rng::from_seed(key), spare: None }
    }

    /// Above 0 and below 1, each figure equally likely (53 bits).
    pub fn uniform(&mut self) -> f64 {
        ((self.generator.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// A whole number from `least` to `most`, both included, each equally likely.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        let count = most.saturating_sub(least).saturating_add(1);
        let product = u128::from(self.generator.next_u64()) * u128::from(count);
        least.saturating_add(u64::try_from(product >> 64).unwrap_or(0))
    }

    /// Exponentially distributed with that mean: the time between two events that know nothing of each other.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.uniform())
    }

    /// Normally distributed with mean 0 and standard deviation 1 (G. Box, M. Muller, Annals of Mathematical Statistics
    /// 29, 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        let angle = 2.0 * core::f64::consts::PI * self.uniform();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// A factor around 1 whose logarithm is normal with that standard deviation; 1 where it is 0.
    pub fn factor(&mut self, spread: f64) -> f64 {
        libm::exp(spread * self.normal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_deviation(figures: &[f64]) -> (f64, f64) {
        let mean = figures.iter().sum::<f64>() / figures.len() as f64;
        let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
        (mean, (squares / figures.len() as f64).sqrt())
    }

    #[test]
    fn a_seed_is_a_history_that_no_release_changes() {
        let mut noise = Noise::new(7, "test");
        let drawn: Vec<u64> = (0..4).map(|_| noise.between(0, 999_999)).collect();
        assert_eq!(drawn, [712_320, 624_101, 953_161, 632_244]);
        assert_eq!(derive_seed(7, &["canary", "0.75"]), 15_778_033_435_737_040_383);
    }

    #[test]
    fn purposes_and_seeds_have_streams_of_their_own() {
        let first = |seed, purpose| Noise::new(seed, purpose).between(0, u64::MAX);
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_ne!(derive_seed(1, &["a", "b"]), derive_seed(1, &["ab"]));
    }

    #[test]
    fn each_distribution_has_its_mean_and_its_spread() {
        let mut noise = Noise::new(1, "distributions");
        let mut draw = |figure: fn(&mut Noise) -> f64| (0..20_000).map(|_| figure(&mut noise)).collect::<Vec<_>>();
        let close = |(mean, deviation): (f64, f64), expected_mean: f64, expected_deviation: f64| {
            assert!((mean - expected_mean).abs() < 0.03, "{mean} {expected_mean}");
            assert!((deviation - expected_deviation).abs() < 0.03, "{deviation} {expected_deviation}");
        };
        close(mean_and_deviation(&draw(Noise::normal)), 0.0, 1.0);
        close(mean_and_deviation(&draw(|noise| noise.exponential(2.0) / 2.0)), 1.0, 1.0);
        close(mean_and_deviation(&draw(Noise::uniform)), 0.5, (1.0_f64 / 12.0).sqrt());
        close(mean_and_deviation(&draw(|noise| libm::log(noise.factor(0.2)))), 0.0, 0.2);
        close(mean_and_deviation(&draw(|noise| noise.between(0, 1) as f64)), 0.5, 0.5);
    }

    #[test]
    fn whole_numbers_stay_within_their_bounds_and_reach_both() {
        let mut noise = Noise::new(3, "bounds");
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| noise.between(3, 6)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(noise.between(5, 5), 5);
        assert!((Noise::new(1, "x").factor(0.0) - 1.0).abs() < f64::EPSILON);
    }
}
