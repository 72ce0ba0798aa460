//! Synthetic reports: as many rows as wanted, the same for the same seed. For measurements of speed and memory.

use crate::prelude::*;

/// Domains of a synthetic report.
const DOMAINS: [&str; 4] = ["gpu-serving", "chat", "rag", "tools"];
/// First second of a synthetic report: 2026-01-01T00:00:00Z.
const START_SECONDS: u64 = 1_767_225_600;
/// Of this many tests one fails, one is flaky, one is skipped.
const TESTS_PER_EXCEPTION: u64 = 200;

/// Rows of a synthetic report, one after the other, each with its line break.
#[derive(Debug, Clone)]
pub struct SyntheticRows {
    state: u64,
    next: u64,
    rows: u64,
}

impl SyntheticRows {
    /// Rows of a report that depend on nothing but the seed.
    pub const fn new(seed: u64, rows: u64) -> Self {
        Self { state: seed, next: 0, rows }
    }

    /// The next number of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), which needs no crate.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A share from 0 (included) to 1 (excluded).
    fn share(&mut self) -> f64 {
        (self.random() >> 11) as f64 / 9_007_199_254_740_992.0
    }
}

impl Iterator for SyntheticRows {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.next >= self.rows {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let status = match self.random() % TESTS_PER_EXCEPTION {
            0 => "fail",
            1 => "flake",
            2 => "skip",
            _ => "pass",
        };
        // An exponential tail above a floor: what latencies of a lightly loaded server look like.
        let latency = 80.0 - 25.0 * libm::log(1.0 - self.share());
        let throughput = 900.0 + 100.0 * self.share();
        let (cpu, memory) = (40.0 + 40.0 * self.share(), 2_000.0 + 500.0 * self.share());
        let domain = usize::try_from(number).ok().and_then(|number| DOMAINS.get(number % DOMAINS.len()))?;
        let start = START_SECONDS + number / 50;
        Some(format!(
            "{{\"epoch_id\":\"e1\",\"run_id\":\"synthetic\",\"test_id\":\"t{number}\",\"domain\":\"{domain}\",\
             \"status\":\"{status}\",\"latency_ms\":{latency:.3},\"throughput\":{throughput:.2},\"oom_events\":0,\
             \"cpu_pct\":{cpu:.1},\"memory_mb\":{memory:.0},\"start_time\":{start},\"end_time\":{},\
             \"params\":{{\"input_tokens\":64,\"output_tokens\":32}}}}\n",
            start + 1
        ))
    }
}

/// A whole synthetic report in memory.
pub fn synthetic_report(seed: u64, rows: u64) -> Vec<u8> {
    SyntheticRows::new(seed, rows).flat_map(String::into_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::{ReportSettings, read_report};

    #[test]
    fn the_same_seed_gives_the_same_report() {
        assert_eq!(synthetic_report(1, 50), synthetic_report(1, 50));
        assert_ne!(synthetic_report(1, 50), synthetic_report(2, 50));
        assert_eq!(synthetic_report(1, 0), b"");
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // First output of SplitMix64 with seed 1234567, as in its authors' reference implementation.
        assert_eq!(SyntheticRows::new(1_234_567, 1).random(), 6_457_827_717_110_365_317);
    }

    #[test]
    fn every_row_is_accepted_and_looks_like_a_test() {
        let summary = read_report(&synthetic_report(7, 4_000), ReportSettings::default());
        assert_eq!((summary.rows_accepted, summary.rows_rejected(), summary.domains.len()), (4_000, 0, 4));
        assert_eq!(summary.notes(), Vec::<String>::new());
        let measurements = summary.measurements();
        let offered: u64 = measurements.iter().map(|domain| domain.requests.offered).sum();
        assert!((3_950..3_999).contains(&offered), "{offered}");
        for domain in measurements {
            let latency = domain.metrics[&crate::value::Metric::Latency];
            assert!(latency.minimum >= 80.0 && (100.0..110.0).contains(&latency.mean), "{latency:?}");
            let throughput = domain.metrics[&crate::value::Metric::Throughput];
            assert!(throughput.minimum >= 900.0 && throughput.maximum < 1_000.0, "{throughput:?}");
        }
    }
}
