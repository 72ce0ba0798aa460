//! The machine that the recordings were made on, as constants of the model.

use phaseloop::simulation::engine::{Card, EngineRelease, EngineSpec, Host, ModelShape, preset};

use crate::rig::{engine, with};

/// What is not known of the machine but by its recordings: seconds, and a spread. A test holds each to where it deviates
/// least from the nights that it was found on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Constants {
    /// Scheduling and launching of one step.
    pub(crate) step: f64,
    /// One request of a step.
    pub(crate) sequence: f64,
    /// One token of a prompt.
    pub(crate) prompt_token: f64,
    /// A request that comes.
    pub(crate) arrival: f64,
    /// Way of a request from client to server, and of a token back, each.
    pub(crate) path: f64,
    /// Standard deviation of the logarithm by which steps differ.
    pub(crate) step_spread: f64,
}

/// Found by a random search over the nights of [`super::CALIBRATING`] and [`super::CALIBRATING_FEW`], rounded to two digits.
pub(crate) const MACHINE: Constants = Constants {
    step: 0.001_8,
    sequence: 0.000_12,
    prompt_token: 0.000_016,
    arrival: 0.002_8,
    path: 0.001_8,
    step_spread: 0.38,
};

/// Memory that its engine saw, and what of it was no cache, in hundredths of a GiB, as it printed them.
const TOTAL_GIB_HUNDREDTHS: u64 = 1459;
const NOT_CACHE_GIB_HUNDREDTHS: u64 = 103;

const fn gib_hundredths(hundredths: u64) -> u64 {
    (hundredths << 30) / 100
}

/// The model that it served: hidden size, layers and vocabulary are recorded, heads follow from the bytes of its cache, the
/// rest is as in any small Llama.
fn tiny_llama() -> ModelShape {
    let (layers, hidden, intermediate, vocabulary) = (2, 128, 512, 512);
    let parameters = layers * (4 * hidden * hidden + 3 * hidden * intermediate) + 2 * vocabulary * hidden;
    ModelShape {
        name: "tiny".to_owned(),
        architecture: "LlamaForCausalLM".to_owned(),
        parameters,
        weight_bytes: 2 * parameters,
        layers,
        hidden_size: hidden,
        intermediate_size: intermediate,
        attention_heads: 2,
        kv_heads: 2,
        head_size: 64,
        vocabulary,
        max_length_tokens: 1024,
    }
}

fn processor(constants: &Constants, model: &ModelShape) -> Card {
    Card {
        product: "2 CPU cores".to_owned(),
        memory_bytes: gib_hundredths(TOTAL_GIB_HUNDREDTHS),
        context_bytes: 0,
        // So much that reading the weights of such a model takes no time that could be seen.
        bandwidth_bytes_per_second: 1e12,
        compute_flops_per_second: model.step_flops(1, 0) / constants.prompt_token,
        bandwidth_efficiency: 1.0,
        compute_efficiency: 1.0,
        driver_version: "none".to_owned(),
        run_spread: 0.0,
        step_spread: constants.step_spread,
        host: Host {
            step_seconds: constants.step,
            sequence_seconds: constants.sequence,
            arrival_seconds: constants.arrival,
            path_seconds: constants.path,
            ..preset::l4_24gb().host
        },
    }
}

/// The recorded engine on a machine with these constants.
pub(crate) fn machine_with(constants: &Constants, pairs: &[(&str, &str)]) -> EngineSpec {
    let model = tiny_llama();
    let card = processor(constants, &model);
    let always = [
        ("block-size", "128"),
        ("enforce-eager", "true"),
        ("gpu-memory-utilization", "0.2"),
        ("max-model-len", "1024"),
        ("max-num-seqs", "32"),
    ];
    let mut spec = with(&engine(card, model, preset::release_0_32(), &always), pairs);
    let resolved = spec.settings.resolve(&spec.card, &spec.model).unwrap();
    let activations = spec.model.activation_bytes(resolved.max_num_batched_tokens, resolved.max_num_seqs);
    spec.release = EngineRelease {
        profiled_runtime_bytes: gib_hundredths(NOT_CACHE_GIB_HUNDREDTHS) - spec.model.weight_bytes - activations,
        ..spec.release
    };
    // No kernel of an eager engine on a processor is launched apart: the step's constant has it.
    spec.card.host.eager_layer_seconds = 0.0;
    spec
}

/// The recorded engine on its machine, with these arguments set otherwise.
pub(crate) fn machine(pairs: &[(&str, &str)]) -> EngineSpec {
    machine_with(&MACHINE, pairs)
}
