//! A histogram with the bounds that vLLM gives it.

/// Bounds of counts of tokens in a request.
pub(crate) const REQUEST_TOKENS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
/// Bounds of tokens in a step.
pub(crate) const STEP_TOKENS: &[f64] =
    &[1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0];
/// Bounds of answers asked for in one request.
pub(crate) const ANSWERS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0];
/// Bounds of preemptions of a request.
pub(crate) const PREEMPTIONS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0];
/// Bounds of the time to the first token, seconds.
pub(crate) const FIRST_TOKEN: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
];
/// Bounds of the time between tokens, seconds.
pub(crate) const BETWEEN_TOKENS: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0];
/// Bounds of the parts of a request's life, seconds.
pub(crate) const REQUEST_TIME: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
];
/// Bounds of an answer's time over HTTP, all handlers together, seconds.
pub(crate) const HTTP_FINE: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 7.5, 10.0, 30.0, 60.0,
];
/// Bounds of an answer's time over HTTP, handler by handler, seconds.
pub(crate) const HTTP_COARSE: &[f64] = &[0.1, 0.5, 1.0];

/// Counts of observations by their upper bound, and their sum.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len()], count: 0, sum: 0.0 }
    }

    pub(crate) fn observe(&mut self, value: f64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.count += 1;
        self.sum += value;
    }

    /// Bounds with the count of what is not above them, the last one without bound.
    pub(crate) fn cumulated(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let bounded = self.bounds.iter().zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((Some(*bound), *sum))
        });
        bounded.chain([(None, self.count)])
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) const fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_a_bound_belongs_to_it_and_what_is_above_all_only_to_the_last() {
        let mut histogram = Histogram::new(HTTP_COARSE);
        for value in [0.1, 0.100_1, 0.5, 7.0] {
            histogram.observe(value);
        }
        let cumulated: Vec<_> = histogram.cumulated().collect();
        assert_eq!(cumulated, [(Some(0.1), 1), (Some(0.5), 3), (Some(1.0), 3), (None, 4)]);
        assert_eq!(histogram.count(), 4);
        assert!((histogram.sum() - 7.700_1).abs() < 1e-9);
    }
}
