//! What a release of the engine does to memory and to starts.

/// A release of vLLM, as far as it differs from others here. Presets are in [`preset`](super::preset).
///
/// What the engine uses while it serves is more than what it measured at its start, and how much more is a property of
/// the release. The figures of the presets are invented: no measurement says them of a real release.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineRelease {
    /// Version, as `0.32.0`.
    pub version: String,
    /// Libraries' workspaces that exist at the start already and are counted into the claimed share, bytes.
    pub profiled_runtime_bytes: u64,
    /// One CUDA graph of one layer, bytes.
    pub graph_layer_bytes: u64,
    /// Workspaces that appear with the first request, bytes.
    pub unprofiled_bytes: u64,
    /// What each request in a step takes that the start did not measure, bytes.
    pub unprofiled_sequence_bytes: u64,
    /// What fragmentation adds to a step's activations, as a share of them.
    pub activation_fragmentation: f64,
    /// Workspace of attention beside the cache, as a share of the cache's blocks that hold tokens.
    pub cache_workspace_share: f64,
    /// Standard deviation of the logarithm by which all of that differs between starts.
    pub memory_spread: f64,
    /// Seconds to compile one layer with a warm cache of compiled code.
    pub compile_layer_seconds: f64,
    /// Seconds to capture one CUDA graph of one layer.
    pub capture_layer_seconds: f64,
}

impl EngineRelease {
    /// How many CUDA graphs an engine with that many requests at a time captures: batches of 1, 2, 4, then every 8th size
    /// to 256 and every 16th to 512, up to twice the requests (`VllmConfig._set_cudagraph_sizes` of vLLM 0.33).
    pub fn graphs(max_num_seqs: u64) -> u64 {
        let largest = (2 * max_num_seqs).min(512);
        let small = [1, 2, 4].into_iter().filter(|size| *size <= largest).count() as u64;
        small + largest.min(256) / 8 + largest.saturating_sub(256) / 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_are_captured_for_the_sizes_that_the_engine_lists() {
        for (sequences, graphs) in [(1, 2), (2, 3), (4, 4), (16, 7), (128, 35), (256, 51), (1024, 51)] {
            assert_eq!(EngineRelease::graphs(sequences), graphs, "{sequences}");
        }
    }
}
