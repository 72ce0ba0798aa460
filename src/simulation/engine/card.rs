//! The card, and the machine around it.

/// A card as the figures that decide over memory and speed. Presets with their sources are in [`preset`](super::preset).
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Product as the driver names it: `NVIDIA L40S`.
    pub product: String,
    /// Memory as CUDA reports it to a process: what the driver and error correction keep is already gone.
    pub memory_bytes: u64,
    /// Memory that a process's CUDA context takes, outside of what vLLM claims.
    pub context_bytes: u64,
    /// Memory bandwidth by the data sheet, bytes per second.
    pub bandwidth_bytes_per_second: f64,
    /// Dense 16-bit arithmetic by the data sheet, floating-point operations per second.
    pub compute_flops_per_second: f64,
    /// Share of the bandwidth that the engine's kernels reach, 0 to 1.
    pub bandwidth_efficiency: f64,
    /// Share of the arithmetic that the engine's kernels reach, 0 to 1.
    pub compute_efficiency: f64,
    /// Driver version.
    pub driver_version: String,
    /// Standard deviation of the logarithm by which whole runs differ in speed.
    pub run_spread: f64,
    /// Standard deviation of the logarithm by which single steps differ in length.
    pub step_spread: f64,
    /// The machine around it.
    pub host: Host,
}

/// What the machine around the card adds to each step, request and start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Host {
    /// Scheduling and launching of one step, seconds.
    pub step_seconds: f64,
    /// Preparing and sampling for one request of a step, seconds.
    pub sequence_seconds: f64,
    /// What a request that comes takes from the step loop, admitted or not, seconds: receiving it, cutting its text into
    /// tokens, handing it over. Nothing where the server has processors of its own.
    pub arrival_seconds: f64,
    /// Launching the kernels of one layer where no CUDA graph does it, seconds.
    pub eager_layer_seconds: f64,
    /// Way of a request from client to scheduler, and of a token back, seconds each.
    pub path_seconds: f64,
    /// Processes, imports and the configuration of an engine, seconds.
    pub boot_seconds: f64,
    /// Speed at which weights come from disk or page cache, bytes per second.
    pub load_bytes_per_second: f64,
}

impl Card {
    /// Whether vLLM takes its larger defaults on this card: 70 GiB or more, and not an A100
    /// (`EngineArgs.get_batch_defaults` of vLLM 0.33).
    pub fn has_large_defaults(&self) -> bool {
        const LARGE_BYTES: u64 = 70 << 30;
        self.memory_bytes >= LARGE_BYTES && !self.product.contains("A100")
    }
}
