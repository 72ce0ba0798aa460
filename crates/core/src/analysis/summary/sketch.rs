//! The quantile sketch: quantiles of any number of samples in bounded memory, mergeable, with a stated error.

use core::{fmt, fmt::Write as _, str::FromStr};

use super::moments::SAMPLE_MAGNITUDE_MAX;
use crate::prelude::*;

/// Relative accuracy of a sketch that was never coarsened: a quantile is within 0.5 % of a sample of that rank.
pub const SKETCH_RELATIVE_ACCURACY: f64 = 0.005;
/// Bins of a sketch. At 0.5 % they reach over a factor of 8 * 10^8 (0.001 ms to 8 * 10^5 ms); samples that spread wider
/// coarsen it. About 40 KiB per sketch at most.
pub const SKETCH_BINS_MAX: usize = 2_048;
/// Samples below this count as zero: a millionth of a microsecond in milliseconds, and nothing that we measure.
const SAMPLE_INDEXED_MIN: f64 = 1e-9;
/// Coarsest level that a text may state: there every possible sample lies in one of a handful of bins.
const LEVEL_MAX: u32 = 12;

/// Counts of non-negative samples in bins whose limits grow by a constant factor (DDSketch; Masson, Rim and Lee, PVLDB
/// 12(12), 2019). Beyond [`SKETCH_BINS_MAX`] bins, all neighbouring pairs are joined, which squares the factor and keeps
/// one error for all quantiles (the uniform collapse of UDDSketch; Epicoco, Melle, Cafaro, Pulimeno and Cafaro, IEEE
/// Access 8, 2020). Each joining is one level; the outcome does not depend on the order of the samples.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuantileSketch {
    level: u32,
    zeros: u64,
    bins: BTreeMap<i32, u64>,
    count: u64,
}

impl QuantileSketch {
    /// Samples so far.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The relative accuracy now: 0.5 % at level 0, about twice as much per level.
    pub fn relative_accuracy(&self) -> f64 {
        let growth = libm::exp(log_growth(self.level));
        (growth - 1.0) / (growth + 1.0)
    }

    /// Takes a sample; `false` if it is not one that the sketch can hold: negative, not finite, or above 1e15.
    pub fn push(&mut self, sample: f64) -> bool {
        if !(0.0..=SAMPLE_MAGNITUDE_MAX).contains(&sample) {
            return false;
        }
        self.count += 1;
        if sample < SAMPLE_INDEXED_MIN {
            self.zeros += 1;
        } else {
            *self.bins.entry(index_of(sample, self.level)).or_default() += 1;
            self.coarsen_until_bounded();
        }
        true
    }

    /// Takes over all samples of another.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.level < other.level {
            self.coarsen();
        }
        while other.level < self.level {
            other.coarsen();
        }
        self.count += other.count;
        self.zeros += other.zeros;
        for (index, count) in other.bins {
            *self.bins.entry(index).or_default() += count;
        }
        self.coarsen_until_bounded();
    }

    /// Joins neighbouring bins: half as many, each sample off by about twice as much.
    pub fn coarsen(&mut self) {
        let mut joined: BTreeMap<i32, u64> = BTreeMap::new();
        for (index, count) in core::mem::take(&mut self.bins) {
            *joined.entry((index + 1).div_euclid(2)).or_default() += count;
        }
        self.bins = joined;
        self.level += 1;
    }

    /// The value at rank `quantile * (n - 1)`, rounded down, within the relative accuracy. `None` without samples.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = rank_of(quantile, self.count)?;
        let mut below = self.zeros;
        if rank < below {
            return Some(0.0);
        }
        self.bins.iter().find_map(|(index, count)| {
            below += count;
            (rank < below).then(|| self.value_of(*index))
        })
    }

    /// Median of the absolute deviations from `center`. Each deviation is off by at most the accuracy times the sample it
    /// belongs to, so that the result is off by at most accuracy * (center + result), beside the error of `center`
    /// itself: with a spread below 1 % of the median it is a bound, not a measurement. `None` without samples.
    pub fn median_absolute_deviation(&self, center: f64) -> Option<f64> {
        let rank = rank_of(0.5, self.count)?;
        let binned = self.bins.iter().map(|(index, count)| ((self.value_of(*index) - center).abs(), *count));
        let mut deviations: Vec<(f64, u64)> = binned.chain([(center.abs(), self.zeros)]).collect();
        deviations.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mut below = 0;
        deviations.into_iter().find_map(|(deviation, count)| {
            below += count;
            (rank < below).then_some(deviation)
        })
    }

    fn coarsen_until_bounded(&mut self) {
        while self.bins.len() > SKETCH_BINS_MAX {
            self.coarsen();
        }
    }

    /// The value that is within the relative accuracy of everything in its bin.
    fn value_of(&self, index: i32) -> f64 {
        let log_growth = log_growth(self.level);
        2.0 * libm::exp(log_growth * f64::from(index)) / (libm::exp(log_growth) + 1.0)
    }
}

/// Logarithm of the factor by which bin limits grow: (1 + a) / (1 - a), squared with each level.
fn log_growth(level: u32) -> f64 {
    let base = libm::log((1.0 + SKETCH_RELATIVE_ACCURACY) / (1.0 - SKETCH_RELATIVE_ACCURACY));
    libm::scalbn(base, i32::try_from(level).unwrap_or(i32::MAX))
}

/// The bin (growth^(i-1), growth^i] that holds a sample.
#[allow(clippy::cast_possible_truncation, reason = "between -2073 and 3454, for samples from 1e-9 to 1e15")]
fn index_of(sample: f64, level: u32) -> i32 {
    libm::ceil(libm::log(sample) / log_growth(level)) as i32
}

/// Rank, from 0, of a quantile.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a count")]
fn rank_of(quantile: f64, count: u64) -> Option<u64> {
    let last = count.checked_sub(1)?;
    Some(libm::floor(quantile.clamp(0.0, 1.0) * last as f64) as u64)
}

/// The text is no sketch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantile sketch")]
pub struct SketchError(pub String);

/// `level:zeros:first:counts`: the first bin's index, then the counts of consecutive bins in base 36 with `.` between;
/// `~n` skips n empty bins.
impl fmt::Display for QuantileSketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.bins.first_key_value().map_or(0, |(index, _)| *index);
        write!(f, "{}:{}:{first}:", self.level, self.zeros)?;
        let mut next = first;
        for (position, (index, count)) in self.bins.iter().enumerate() {
            if position > 0 {
                f.write_char('.')?;
            }
            if *index > next {
                write!(f, "~{}.", Base36(u64::from(index.abs_diff(next))))?;
            }
            write!(f, "{}", Base36(*count))?;
            next = index + 1;
        }
        Ok(())
    }
}

impl FromStr for QuantileSketch {
    type Err = SketchError;

    fn from_str(text: &str) -> Result<Self, SketchError> {
        let refuse = || SketchError(text.chars().take(40).collect());
        parse_sketch(text).ok_or_else(refuse)
    }
}

fn parse_sketch(text: &str) -> Option<QuantileSketch> {
    let mut parts = text.splitn(4, ':');
    let level: u32 = parts.next()?.parse().ok().filter(|level| *level <= LEVEL_MAX)?;
    let zeros: u64 = parts.next()?.parse().ok()?;
    let mut next: i32 = parts.next()?.parse().ok()?;
    let counts = parts.next()?;
    let (lowest, highest) = (index_of(SAMPLE_INDEXED_MIN, level), index_of(SAMPLE_MAGNITUDE_MAX, level));
    let mut sketch = QuantileSketch { level, zeros, count: zeros, ..QuantileSketch::default() };
    for item in counts.split('.').filter(|_| !counts.is_empty()) {
        if let Some(skipped) = item.strip_prefix('~') {
            next = next.checked_add(i32::from_str_radix(skipped, 36).ok().filter(|skipped| *skipped > 0)?)?;
            continue;
        }
        let count = u64::from_str_radix(item, 36).ok().filter(|count| *count > 0)?;
        if !(lowest..=highest).contains(&next) {
            return None;
        }
        sketch.bins.insert(next, count);
        sketch.count = sketch.count.checked_add(count)?;
        next += 1;
    }
    (sketch.bins.len() <= SKETCH_BINS_MAX).then_some(sketch)
}

/// A number in base 36.
struct Base36(u64);

impl fmt::Display for Base36 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut digits = Vec::new();
        loop {
            let digit = u32::try_from(rest % 36).unwrap_or_default();
            digits.extend(char::from_digit(digit, 36));
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        digits.into_iter().rev().try_for_each(|digit| f.write_char(digit))
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the tests expect exact figures")]
mod tests;
