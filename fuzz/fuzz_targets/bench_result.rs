//! Any bytes are a result file: nothing panics, and what is accepted adds up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phaseloop_core::analysis::bench::{LatencyLimits, read_bench_result};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(result) = read_bench_result(bytes) {
        assert!(result.requests.completed + result.requests.failed <= result.requests.offered);
        let measurement = result.measurement("serving", 1.0);
        for summary in measurement.metrics.values() {
            assert!(summary.count > 0 && summary.mean.is_finite() && summary.standard_deviation.is_finite());
            assert!(summary.minimum <= summary.maximum);
        }
        if let Some(within) = result.requests_within(&LatencyLimits::default()) {
            assert!(within <= result.requests.offered);
        }
    }
});
