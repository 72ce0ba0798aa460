//! The lines that tell why an engine failed.

use crate::{analysis::measurement::MemoryFault, value::Decimal};

/// What one line is evidence of. The order is that in which evidence decides: what makes every other line doubtful (a
/// faulty card) goes first, causes go before their consequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cue {
    /// The card or a link between cards is faulty.
    HardwareFault,
    /// The engine found before it served that memory does not suffice.
    MemoryRefusal(Option<MemoryFault>),
    /// An allocation on the card failed.
    CardOutOfMemory,
    /// An allocation in main memory failed.
    HostOutOfMemory,
    /// The node or the cluster: no card, no driver, no disk space, no network, a neighbour on the card.
    ClusterFault,
    /// The engine itself gave up waiting for its start.
    StartTimeout,
    /// A flag that this engine does not know or accept.
    BadFlag,
    /// The start failed; the cause stands elsewhere.
    StartFailed,
    /// The engine died; the cause stands elsewhere.
    EngineDeath,
}

/// Lines by the parts that all must occur. Texts of vLLM 0.32 and 0.33, PyTorch, CUDA and the NVIDIA driver.
const SIGNATURES: &[(&[&str], Cue)] = &[
    (&["uncorrectable ECC"], Cue::HardwareFault),
    (&["double bit ECC"], Cue::HardwareFault),
    (&["uncorrectable NVLink"], Cue::HardwareFault),
    (&["has fallen off the bus"], Cue::HardwareFault),
    (&["GPU is lost"], Cue::HardwareFault),
    // The cache gets what utilization grants less what the engine itself needs: nothing left, or too little.
    (&["No available memory for the cache blocks"], Cue::MemoryRefusal(Some(MemoryFault::Starved))),
    (
        &["KV cache is needed, which is larger than the available KV cache memory"],
        Cue::MemoryRefusal(Some(MemoryFault::Starved)),
    ),
    (
        &["is larger than the maximum number of tokens that can be stored in KV cache"],
        Cue::MemoryRefusal(Some(MemoryFault::Starved)),
    ),
    // The engine asks for a share of the whole card, and less than that is free.
    (
        &["Free memory on device", "is less than desired GPU memory utilization"],
        Cue::MemoryRefusal(Some(MemoryFault::Overcommitted)),
    ),
    (
        &["vailable memory on node", "is less than desired CPU memory utilization"],
        Cue::MemoryRefusal(Some(MemoryFault::Overcommitted)),
    ),
    (&["OutOfMemoryError"], Cue::CardOutOfMemory),
    (&["CUDA out of memory"], Cue::CardOutOfMemory),
    (&["HIP out of memory"], Cue::CardOutOfMemory),
    (&["CUDA error: out of memory"], Cue::CardOutOfMemory),
    (&["CUBLAS_STATUS_ALLOC_FAILED"], Cue::CardOutOfMemory),
    (&["cudaErrorMemoryAllocation"], Cue::CardOutOfMemory),
    (&["std::bad_alloc"], Cue::HostOutOfMemory),
    (&["can't allocate memory"], Cue::HostOutOfMemory),
    (&["Cannot allocate memory"], Cue::HostOutOfMemory),
    // Our own guard's word, which counts what the kernel does in the engine's container.
    (&["phaseloop guard: the kernel killed"], Cue::HostOutOfMemory),
    // Another process gave memory of the card back while this one measured it.
    (&["Error in memory profiling. Initial free memory"], Cue::ClusterFault),
    (&["devices are busy or unavailable"], Cue::ClusterFault),
    (&["no CUDA-capable device is detected"], Cue::ClusterFault),
    (&["No CUDA GPUs are available"], Cue::ClusterFault),
    (&["CUDA driver version is insufficient"], Cue::ClusterFault),
    (&["Failed to infer device type"], Cue::ClusterFault),
    (&["libcuda.so.1: cannot open shared object file"], Cue::ClusterFault),
    (&["No space left on device"], Cue::ClusterFault),
    (&["Temporary failure in name resolution"], Cue::ClusterFault),
    (&["Max retries exceeded with url"], Cue::ClusterFault),
    (&["Timed out waiting for engine core"], Cue::StartTimeout),
    (&["error: unrecognized arguments"], Cue::BadFlag),
    (&["error: argument -"], Cue::BadFlag),
    (&["error: the following arguments are required"], Cue::BadFlag),
    (&["EngineCore failed to start"], Cue::StartFailed),
    (&["Engine core initialization failed"], Cue::StartFailed),
    (&["EngineDeadError"], Cue::EngineDeath),
    (&["EngineCore encountered a fatal error"], Cue::EngineDeath),
    (&["engine core exited unexpectedly"], Cue::EngineDeath),
    (&["Engine core proc", "died unexpectedly"], Cue::EngineDeath),
    (&["Worker proc", "died unexpectedly"], Cue::EngineDeath),
    (&["CUDA error: "], Cue::EngineDeath),
    (&["Fatal Python error"], Cue::EngineDeath),
    (&["Segmentation fault"], Cue::EngineDeath),
];

/// What stands before the memory that the CPU engine wants for its cache.
const KV_REQUEST: &str = "is less than requested memory for kv (";

/// Xid codes that NVIDIA's catalogue puts down to the application (its action: restart the application). Every other
/// code asks for the card or the node to be looked at.
const APPLICATION_XIDS: [u32; 5] = [8, 11, 13, 31, 43];
/// Xid that states which recovery the driver wants for a card.
const RECOVERY_XID: u32 = 154;

/// What a line is evidence of; `None` for most lines.
pub(super) fn cue_of(line: &str) -> Option<Cue> {
    if let Some(cue) = xid_cue(line).or_else(|| kv_request_cue(line)) {
        return Some(cue);
    }
    let occurs = |parts: &[&str]| parts.iter().all(|part| line.contains(part));
    SIGNATURES.iter().filter(|(parts, _)| occurs(parts)).map(|(_, cue)| *cue).min()
}

/// A line of the kernel log as the NVIDIA driver writes it: `NVRM: Xid (PCI:0000:3b:00): 79, pid=7, ...`.
fn xid_cue(line: &str) -> Option<Cue> {
    let (_, rest) = line.split_once("Xid (")?;
    let (_, rest) = rest.split_once("): ")?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    let code: u32 = digits.parse().ok()?;
    if APPLICATION_XIDS.contains(&code) {
        return Some(Cue::EngineDeath);
    }
    let nothing_wanted = code == RECOVERY_XID && rest.trim_end().ends_with("(None)");
    (!nothing_wanted).then_some(Cue::HardwareFault)
}

/// The CPU engine's refusal: `Available memory on node 0 (12.8/14.6 GiB) on kv cache allocation is less than requested
/// memory for kv (-0.88/0.15 GiB)`. It raises this in two cases: what utilization grants is less than what the engine
/// already uses, so that the request is zero or negative (starved), or the request exceeds what the node has free
/// (over-committed).
fn kv_request_cue(line: &str) -> Option<Cue> {
    let (_, rest) = line.split_once(KV_REQUEST)?;
    let requested = rest.split(['/', ' ', ')']).next().and_then(|text| text.parse::<Decimal>().ok());
    let fault = requested
        .map(|requested| if requested > Decimal::ZERO { MemoryFault::Overcommitted } else { MemoryFault::Starved });
    Some(Cue::MemoryRefusal(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARVED: Cue = Cue::MemoryRefusal(Some(MemoryFault::Starved));
    const OVERCOMMITTED: Cue = Cue::MemoryRefusal(Some(MemoryFault::Overcommitted));

    #[test]
    fn the_lines_of_known_failures_are_known() {
        for (line, expected) in [
            ("ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`", STARVED),
            ("(1.0 GiB KV cache is needed, which is larger than the available KV cache memory (0.5 GiB).", STARVED),
            (
                "The model's max seq len (8192) is larger than the maximum number of tokens that can be stored in KV cache (4096).",
                STARVED,
            ),
            (
                "ValueError: Free memory on device cuda:0 (27.28/31.86 GiB) on startup is less than desired GPU memory utilization (0.97, 30.9 GiB).",
                OVERCOMMITTED,
            ),
            (
                "ValueError: Available memory on node 0 (2.5/7.77 GiB) on startup is less than desired CPU memory utilization (0.9, 7 GiB).",
                OVERCOMMITTED,
            ),
            ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", Cue::CardOutOfMemory),
            (
                "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests.",
                Cue::CardOutOfMemory,
            ),
            ("torch.cuda.OutOfMemoryError: HIP out of memory.", Cue::CardOutOfMemory),
            ("HIP out of memory.", Cue::CardOutOfMemory),
            ("RuntimeError: CUDA error: out of memory", Cue::CardOutOfMemory),
            ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", Cue::CardOutOfMemory),
            ("cudaErrorMemoryAllocation", Cue::CardOutOfMemory),
            ("terminate called after throwing an instance of 'std::bad_alloc'", Cue::HostOutOfMemory),
            (
                "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.",
                Cue::HostOutOfMemory,
            ),
            ("OSError: [Errno 12] Cannot allocate memory", Cue::HostOutOfMemory),
            ("phaseloop guard: the kernel killed 1 of the engine's processes for memory", Cue::HostOutOfMemory),
            ("RuntimeError: CUDA error: uncorrectable ECC error encountered", Cue::HardwareFault),
            ("a double bit ECC error", Cue::HardwareFault),
            ("CUDA error: uncorrectable NVLink error detected", Cue::HardwareFault),
            ("NVRM: GPU at PCI:0000:3b:00 has fallen off the bus.", Cue::HardwareFault),
            ("Unable to determine the device handle: GPU is lost.", Cue::HardwareFault),
            ("AssertionError: Error in memory profiling. Initial free memory 58 GiB", Cue::ClusterFault),
            ("CUDA error: all CUDA-capable devices are busy or unavailable", Cue::ClusterFault),
            ("CUDA error: no CUDA-capable device is detected", Cue::ClusterFault),
            ("RuntimeError: No CUDA GPUs are available", Cue::ClusterFault),
            ("CUDA driver version is insufficient for CUDA runtime version", Cue::ClusterFault),
            ("RuntimeError: Failed to infer device type", Cue::ClusterFault),
            ("ImportError: libcuda.so.1: cannot open shared object file", Cue::ClusterFault),
            ("OSError: [Errno 28] No space left on device", Cue::ClusterFault),
            ("socket.gaierror: Temporary failure in name resolution", Cue::ClusterFault),
            ("Max retries exceeded with url: /model", Cue::ClusterFault),
            ("TimeoutError: Timed out waiting for engine core processes to start.", Cue::StartTimeout),
            ("vllm: error: unrecognized arguments: --max-num-sqs 32", Cue::BadFlag),
            ("vllm serve: error: argument --max-num-seqs: expected one argument", Cue::BadFlag),
            ("vllm: error: the following arguments are required: command", Cue::BadFlag),
            ("EngineCore failed to start.", Cue::StartFailed),
            ("RuntimeError: Engine core initialization failed. See root cause above.", Cue::StartFailed),
            ("vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.", Cue::EngineDeath),
            ("EngineCore encountered a fatal error.", Cue::EngineDeath),
            ("[shutdown] MPClient: engine core exited unexpectedly; starting cleanup", Cue::EngineDeath),
            ("Engine core proc EngineCore_0 died unexpectedly, shutting down client.", Cue::EngineDeath),
            ("Worker proc VllmWorker-0 died unexpectedly (exit code: None), shutting down executor.", Cue::EngineDeath),
            ("RuntimeError: CUDA error: an illegal memory access was encountered", Cue::EngineDeath),
            ("Fatal Python error: Aborted", Cue::EngineDeath),
            ("Segmentation fault (core dumped)", Cue::EngineDeath),
        ] {
            assert_eq!(cue_of(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn half_of_a_signature_is_none() {
        for line in [
            "",
            "Free memory on device cuda:0",
            "Worker proc VllmWorker-0 ready",
            "a child died unexpectedly",
            "CUDA is fine",
        ] {
            assert_eq!(cue_of(line), None, "{line}");
        }
    }

    #[test]
    fn the_sign_of_the_requested_cache_tells_which_way_memory_was_wrong() {
        let refusal = |request: &str| {
            cue_of(&format!(
                "Available memory on node 0 (2.5/7.77 GiB) on kv cache allocation is less than requested memory for kv ({request}). Reduce"
            ))
        };
        assert_eq!(refusal("-0.88/0.15 GiB"), Some(STARVED));
        assert_eq!(refusal("0.0/0.15 GiB"), Some(STARVED));
        assert_eq!(refusal("0.01/9.0 GiB"), Some(OVERCOMMITTED));
        assert_eq!(refusal("12.0 GiB"), Some(OVERCOMMITTED));
        assert_eq!(refusal("4"), Some(OVERCOMMITTED));
        assert_eq!(refusal("much"), Some(Cue::MemoryRefusal(None)));
    }

    #[test]
    fn an_xid_is_hardware_unless_the_application_is_to_be_restarted() {
        let xid = |rest: &str| cue_of(&format!("[123.4] NVRM: Xid (PCI:0000:3b:00): {rest}"));
        for code in [48, 63, 64, 74, 79, 94, 95, 119, 120, 9, 12, 14, 30, 32, 42, 44] {
            assert_eq!(xid(&format!("{code}, pid=7, x")), Some(Cue::HardwareFault), "{code}");
        }
        for code in APPLICATION_XIDS {
            assert_eq!(xid(&format!("{code}, pid=7, x")), Some(Cue::EngineDeath), "{code}");
        }
        assert_eq!(
            xid("154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"),
            Some(Cue::HardwareFault)
        );
        assert_eq!(xid("154, GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)"), None);
        assert_eq!(xid("79, then (None)"), Some(Cue::HardwareFault));
        assert_eq!(xid("none"), None);
        assert_eq!(cue_of("Xid (PCI"), None);
    }
}
