//! Cards, models and releases that scenarios and tests begin with. All of it is data: any other card is as good.

use super::{
    card::{Card, Host},
    model::ModelShape,
    release::EngineRelease,
};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Bytes and operations in the data sheets' units.
const GIGA: f64 = 1e9;
const TERA: f64 = 1e12;

/// A GPU server of these years. Its figures are estimates: vLLM's scheduler and model runner take 1 to 3 ms per step on
/// such machines, some 10 µs per request, and 5 µs per launched kernel with about eight per layer.
const SERVER: Host = Host {
    step_seconds: 0.002,
    sequence_seconds: 0.000_012,
    arrival_seconds: 0.0,
    eager_layer_seconds: 0.000_040,
    path_seconds: 0.000_6,
    boot_seconds: 9.0,
    load_bytes_per_second: 2.0 * GIGA,
};

/// What dense kernels reach of the data sheet: an estimate from published serving benchmarks, which lie between 40 % and
/// 65 % of the arithmetic for prompts and between 70 % and 85 % of the bandwidth for answers.
const COMPUTE_EFFICIENCY: f64 = 0.55;
const BANDWIDTH_EFFICIENCY: f64 = 0.80;
/// How much whole runs and single steps differ on a machine of one's own.
const RUN_SPREAD: f64 = 0.015;
const STEP_SPREAD: f64 = 0.02;
/// A CUDA context of such a card: what nvidia-smi shows of a process that has allocated nothing.
const CONTEXT_BYTES: u64 = 512 * MIB;
const DRIVER: &str = "580.95.05";

fn card(product: &str, memory_mib: u64, bandwidth_giga: f64, compute_tera: f64) -> Card {
    Card {
        product: product.to_owned(),
        memory_bytes: memory_mib * MIB,
        context_bytes: CONTEXT_BYTES,
        bandwidth_bytes_per_second: bandwidth_giga * GIGA,
        compute_flops_per_second: compute_tera * TERA,
        bandwidth_efficiency: BANDWIDTH_EFFICIENCY,
        compute_efficiency: COMPUTE_EFFICIENCY,
        driver_version: DRIVER.to_owned(),
        run_spread: RUN_SPREAD,
        step_spread: STEP_SPREAD,
        host: SERVER,
    }
}

/// NVIDIA A100 40 GB SXM: 1,555 GB/s, 312 TFLOPS dense BF16 (NVIDIA A100 Tensor Core GPU data sheet); CUDA reports
/// 39.4 GiB.
pub fn a100_40gb() -> Card {
    card("NVIDIA A100-SXM4-40GB", 40_339, 1_555.0, 312.0)
}

/// NVIDIA L40S 48 GB: 864 GB/s, 362 TFLOPS dense BF16 (NVIDIA L40S data sheet); CUDA reports 44.4 GiB with error
/// correction on.
pub fn l40s_48gb() -> Card {
    card("NVIDIA L40S", 45_469, 864.0, 362.0)
}

/// NVIDIA H100 80 GB SXM: 3,350 GB/s, 989 TFLOPS dense BF16 (NVIDIA H100 Tensor Core GPU data sheet); CUDA reports
/// 79.2 GiB.
pub fn h100_80gb() -> Card {
    card("NVIDIA H100 80GB HBM3", 81_089, 3_350.0, 989.0)
}

/// NVIDIA L4 24 GB: 300 GB/s, 121 TFLOPS dense BF16 (NVIDIA L4 data sheet); CUDA reports 22.0 GiB.
pub fn l4_24gb() -> Card {
    card("NVIDIA L4", 22_565, 300.0, 121.0)
}

/// Llama 3.1 8B (config.json of the published model), weights in BF16.
pub fn llama_3_1_8b() -> ModelShape {
    ModelShape {
        name: "meta-llama/Llama-3.1-8B-Instruct".to_owned(),
        architecture: "LlamaForCausalLM".to_owned(),
        parameters: 8_030_000_000,
        weight_bytes: 16_060_000_000,
        layers: 32,
        hidden_size: 4096,
        intermediate_size: 14_336,
        attention_heads: 32,
        kv_heads: 8,
        head_size: 128,
        vocabulary: 128_256,
        max_length_tokens: 131_072,
    }
}

/// Llama 2 13B (config.json of the published model), weights in FP16. Every head keeps its keys and values: 800 KiB per
/// token.
pub fn llama_2_13b() -> ModelShape {
    ModelShape {
        name: "meta-llama/Llama-2-13b-chat-hf".to_owned(),
        architecture: "LlamaForCausalLM".to_owned(),
        parameters: 13_016_000_000,
        weight_bytes: 26_032_000_000,
        layers: 40,
        hidden_size: 5120,
        intermediate_size: 13_824,
        attention_heads: 40,
        kv_heads: 40,
        head_size: 128,
        vocabulary: 32_000,
        max_length_tokens: 4096,
    }
}

/// Code Llama 34B (config.json of the published model), weights in BF16.
pub fn code_llama_34b() -> ModelShape {
    ModelShape {
        name: "codellama/CodeLlama-34b-Instruct-hf".to_owned(),
        architecture: "LlamaForCausalLM".to_owned(),
        parameters: 33_744_000_000,
        weight_bytes: 67_488_000_000,
        layers: 48,
        hidden_size: 8192,
        intermediate_size: 22_016,
        attention_heads: 64,
        kv_heads: 8,
        head_size: 128,
        vocabulary: 32_000,
        max_length_tokens: 16_384,
    }
}

/// Llama 2 70B (config.json of the published model), weights in 4 bits by AWQ: 36.6 GB with scales and the parts that stay
/// in 16 bits (size of a published file).
pub fn llama_2_70b_awq() -> ModelShape {
    ModelShape {
        name: "TheBloke/Llama-2-70B-Chat-AWQ".to_owned(),
        architecture: "LlamaForCausalLM".to_owned(),
        parameters: 68_977_000_000,
        weight_bytes: 36_610_000_000,
        layers: 80,
        hidden_size: 8192,
        intermediate_size: 28_672,
        attention_heads: 64,
        kv_heads: 8,
        head_size: 128,
        vocabulary: 32_000,
        max_length_tokens: 4096,
    }
}

/// A release whose serving stays near to what its start measured. The figures are invented, in the range of what is seen
/// of vLLM.
pub fn release_0_32() -> EngineRelease {
    EngineRelease {
        version: "0.32.0".to_owned(),
        profiled_runtime_bytes: 256 * MIB,
        graph_layer_bytes: MIB / 4,
        unprofiled_bytes: 192 * MIB,
        unprofiled_sequence_bytes: 2 * MIB,
        activation_fragmentation: 0.20,
        cache_workspace_share: 0.0,
        memory_spread: 0.02,
        compile_layer_seconds: 0.25,
        capture_layer_seconds: 0.002,
    }
}

/// The story's faulty release: attention keeps a workspace beside the cache that grows with the tokens in it, and the
/// start does not see it. Invented: the real vLLM 0.33 is not known to do so.
pub fn release_0_33() -> EngineRelease {
    EngineRelease {
        version: "0.33.0".to_owned(),
        unprofiled_bytes: 3 * GIB / 2,
        activation_fragmentation: 0.35,
        cache_workspace_share: 1.5,
        ..release_0_32()
    }
}
