//! Workloads for tests.

use crate::api::workload::{Arrival, Endpoint, TokenLength, Workload};

/// A fixed length.
fn fixed(tokens: i64) -> TokenLength {
    TokenLength { fixed: Some(tokens), uniform: None, normal: None }
}

/// An open loop of requests of one length.
pub(crate) fn workload(requests: i64, rate: &str, input: i64, output: i64) -> Workload {
    Workload {
        requests,
        arrival: Arrival { rate: Some(rate.parse().unwrap()), concurrency: None },
        input_tokens: fixed(input),
        output_tokens: fixed(output),
        shared_prefix_tokens: 0,
        seed: 1,
        endpoint: Endpoint::Completions,
    }
}
