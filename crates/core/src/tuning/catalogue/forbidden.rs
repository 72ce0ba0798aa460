//! What is never tuned, and what no longer exists.

use crate::value::ParameterName;

/// A flag or variable that no candidate may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forbidden {
    /// Canonical flag name, or the variable's name.
    pub name: &'static str,
    /// Why.
    pub why: &'static str,
}

/// The entry of a flag that no candidate may set, in every way in which the engine's parser takes it: switched off
/// (`no-`), abbreviated to an unambiguous beginning, or with a part of a mapping behind a point. A tunable flag of exactly
/// that name is never meant.
pub fn find_forbidden(flag: &ParameterName) -> Option<&'static Forbidden> {
    let name = flag.as_str().split('.').next().unwrap_or_default();
    let positive = name.strip_prefix("no-").unwrap_or(name);
    if positive.is_empty() || super::find_actuator(&ParameterName::new(positive)).is_some() {
        return None;
    }
    FORBIDDEN.iter().find(|forbidden| forbidden.name.starts_with(positive) || forbidden.name == name)
}

/// A flag that the engine no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Canonical flag name.
    pub name: &'static str,
    /// What takes its place, as an advice.
    pub instead: &'static str,
}

const RUNS_CODE: &str = "it makes the engine run code from outside the image";
const IS_THE_SERVICE: &str = "another value is another service, which users would see";
const NEEDS_RESOURCES: &str = "it changes how many GPUs the engine needs, which a canary's budget doesn't hold";
const HOST_MEMORY: &str = "it takes memory of the host, which other pods count on";
const ENDPOINT: &str = "clients and probes find the engine by it";
const SECRET: &str = "it holds or guards a secret";
const DEBUGGING: &str = "it is a tool for debugging: a trial under it can't be compared with production";
const HIDES: &str = "it hides what a trial is judged by";
const EXPOSES: &str = "it opens what must stay closed in production";

const fn forbidden(name: &'static str, why: &'static str) -> Forbidden {
    Forbidden { name, why }
}

/// Flags that no candidate may set, whatever anybody permits.
pub const FORBIDDEN: &[Forbidden] = &[
    forbidden("trust-remote-code", RUNS_CODE),
    forbidden("middleware", RUNS_CODE),
    forbidden("logits-processors", RUNS_CODE),
    forbidden("tool-parser-plugin", RUNS_CODE),
    forbidden("reasoning-parser-plugin", RUNS_CODE),
    forbidden("worker-cls", RUNS_CODE),
    forbidden("worker-extension-cls", RUNS_CODE),
    forbidden("scheduler-cls", RUNS_CODE),
    forbidden("load-format", RUNS_CODE),
    forbidden("config", "the file it names can set every other flag"),
    forbidden("model", IS_THE_SERVICE),
    forbidden("tokenizer", IS_THE_SERVICE),
    forbidden("tokenizer-mode", IS_THE_SERVICE),
    forbidden("revision", IS_THE_SERVICE),
    forbidden("code-revision", RUNS_CODE),
    forbidden("served-model-name", IS_THE_SERVICE),
    forbidden("chat-template", IS_THE_SERVICE),
    forbidden("generation-config", IS_THE_SERVICE),
    forbidden("dtype", IS_THE_SERVICE),
    forbidden("quantization", IS_THE_SERVICE),
    forbidden("hf-overrides", IS_THE_SERVICE),
    forbidden("speculative-config", IS_THE_SERVICE),
    forbidden("enable-lora", IS_THE_SERVICE),
    forbidden("lora-modules", IS_THE_SERVICE),
    forbidden("seed", IS_THE_SERVICE),
    forbidden("tensor-parallel-size", NEEDS_RESOURCES),
    forbidden("pipeline-parallel-size", NEEDS_RESOURCES),
    forbidden("data-parallel-size", NEEDS_RESOURCES),
    forbidden("decode-context-parallel-size", NEEDS_RESOURCES),
    forbidden("enable-expert-parallel", NEEDS_RESOURCES),
    forbidden("distributed-executor-backend", NEEDS_RESOURCES),
    forbidden("cpu-offload-gb", HOST_MEMORY),
    forbidden("kv-offloading-size", HOST_MEMORY),
    forbidden("host", ENDPOINT),
    forbidden("port", ENDPOINT),
    forbidden("uds", ENDPOINT),
    forbidden("root-path", ENDPOINT),
    forbidden("api-key", SECRET),
    forbidden("hf-token", SECRET),
    forbidden("ssl-keyfile", SECRET),
    forbidden("ssl-certfile", SECRET),
    forbidden("ssl-ca-certs", SECRET),
    forbidden("allowed-origins", EXPOSES),
    forbidden("allowed-local-media-path", EXPOSES),
    forbidden("allowed-media-domains", EXPOSES),
    forbidden("enable-sleep-mode", EXPOSES),
    forbidden("enforce-eager", DEBUGGING),
    forbidden("num-gpu-blocks-override", DEBUGGING),
    forbidden("optimization-level", DEBUGGING),
    forbidden("compilation-config", DEBUGGING),
    forbidden("disable-log-stats", HIDES),
];

/// Environment variables that no binding may set.
pub const FORBIDDEN_ENVIRONMENT: &[Forbidden] = &[
    forbidden("VLLM_SERVER_DEV_MODE", EXPOSES),
    forbidden("VLLM_ALLOW_RUNTIME_LORA_UPDATING", EXPOSES),
    forbidden("VLLM_ALLOW_INSECURE_SERIALIZATION", RUNS_CODE),
    forbidden("VLLM_PLUGINS", RUNS_CODE),
    forbidden("VLLM_KEEP_ALIVE_ON_ENGINE_DEATH", HIDES),
    forbidden("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "it lets the engine promise lengths that the model was not made for"),
    forbidden("VLLM_API_KEY", SECRET),
    forbidden("HF_TOKEN", SECRET),
    forbidden("LD_PRELOAD", RUNS_CODE),
    forbidden("LD_LIBRARY_PATH", RUNS_CODE),
    forbidden("PYTHONPATH", RUNS_CODE),
    forbidden("PATH", RUNS_CODE),
    forbidden("CUDA_VISIBLE_DEVICES", NEEDS_RESOURCES),
    forbidden("NVIDIA_VISIBLE_DEVICES", NEEDS_RESOURCES),
];

/// Flags of older engines that those of the catalogue refuse to start with.
pub const REMOVED: &[Removed] = &[
    Removed {
        name: "swap-space",
        instead: "kv-offloading-size took its place, which takes memory of the host and is never tuned",
    },
    Removed { name: "num-scheduler-steps", instead: "the engine schedules every step by itself" },
    Removed { name: "max-num-partial-prefills", instead: "long-prefill-token-threshold decides how prompts are cut" },
    Removed { name: "max-long-partial-prefills", instead: "long-prefill-token-threshold decides how prompts are cut" },
    Removed {
        name: "max-seq-len-to-capture",
        instead: "compilation-config decides what is captured, and is never tuned",
    },
    Removed { name: "preemption-mode", instead: "the engine always computes evicted requests anew" },
    Removed { name: "use-v2-block-manager", instead: "there is only one block manager" },
];
