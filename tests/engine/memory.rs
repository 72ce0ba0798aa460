//! The account of a card's memory adds up, whatever the card, the model and the arguments.

use phaseloop::simulation::engine::{
    Card, EngineRelease, EngineSpec, GIB, MemoryPlan, MemoryRefusal, ModelShape, preset, start,
};
use proptest::prelude::*;

use crate::rig::{arguments, engine, plan, plan_beside, roomy, terms, with};

fn any_card() -> impl Strategy<Value = Card> {
    prop::sample::select(vec![preset::l4_24gb(), preset::l40s_48gb(), preset::a100_40gb(), preset::h100_80gb()])
}

fn any_model() -> impl Strategy<Value = ModelShape> {
    prop::sample::select(vec![
        preset::llama_3_1_8b(),
        preset::llama_2_13b(),
        preset::code_llama_34b(),
        preset::llama_2_70b_awq(),
    ])
}

fn any_release() -> impl Strategy<Value = EngineRelease> {
    prop::sample::select(vec![preset::release_0_32(), preset::release_0_33()])
}

prop_compose! {
    /// An engine that may or may not fit its card.
    fn any_engine()(
        card in any_card(),
        model in any_model(),
        release in any_release(),
        utilization in 300_u32..=980,
        sequences in 1_u32..=512,
        tokens in 512_u32..=16_384,
        length in 16_u32..=4096,
        eager in any::<bool>(),
    ) -> EngineSpec {
        engine(card, model, release, &[
            ("gpu-memory-utilization", &format!("0.{utilization:03}")),
            ("max-num-seqs", &sequences.to_string()),
            ("max-num-batched-tokens", &tokens.to_string()),
            ("max-model-len", &length.to_string()),
            ("enforce-eager", if eager { "true" } else { "false" }),
        ])
    }
}

/// What the engine takes of its card as a share in millionths, by hand.
fn share(spec: &EngineSpec) -> u64 {
    let millionths = u128::from(spec.settings.gpu_memory_utilization.millionths().unsigned_abs());
    u64::try_from(u128::from(spec.card.memory_bytes) * millionths / 1_000_000).unwrap()
}

/// The engine with another share of its card, in thousandths.
fn claiming(spec: &EngineSpec, thousandths: u32) -> EngineSpec {
    with(spec, &[("gpu-memory-utilization", &format!("0.{thousandths:03}"))])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_claimed_is_weights_and_profile_and_graphs_and_cache_to_the_byte(spec in any_engine()) {
        if let Ok(plan) = plan(&spec) {
            let profiled = plan.weight_bytes + plan.runtime_bytes + plan.activation_bytes + plan.graph_bytes;
            prop_assert_eq!(profiled + plan.cache_granted_bytes, share(&spec));
            let cache = plan.blocks * plan.block_bytes;
            prop_assert!(cache <= plan.cache_granted_bytes && plan.cache_granted_bytes < cache + plan.block_bytes);
            let resident = plan.weight_bytes + plan.runtime_bytes + plan.graph_bytes + cache;
            prop_assert_eq!(resident + plan.left_bytes, plan.free_at_start_bytes);
            prop_assert_eq!(plan.free_at_start_bytes + spec.card.context_bytes, plan.total_bytes);
        }
    }

    #[test]
    fn an_engine_that_starts_can_serve_its_longest_sequence(spec in any_engine()) {
        if let Ok(plan) = plan(&spec) {
            prop_assert!(plan.max_model_len <= plan.cache_tokens());
            prop_assert!(plan.blocks > 1 && plan.left_bytes > 0);
        }
    }

    #[test]
    fn a_larger_share_gives_more_blocks_and_leaves_less(
        spec in any_engine(),
        one in 300_u32..=980,
        other in 300_u32..=980,
    ) {
        let (less, more) = (one.min(other), one.max(other));
        if let (Ok(small), Ok(large)) = (plan(&claiming(&spec, less)), plan(&claiming(&spec, more))) {
            prop_assert!(small.blocks <= large.blocks && small.left_bytes >= large.left_bytes);
            let moved = (large.blocks - small.blocks) * large.block_bytes;
            prop_assert_eq!(small.left_bytes - large.left_bytes, moved, "what one gets is what the other loses");
            if share(&claiming(&spec, more)) - share(&claiming(&spec, less)) >= large.block_bytes {
                prop_assert!(small.blocks < large.blocks);
            }
        }
    }

    #[test]
    fn a_share_that_is_too_small_for_an_engine_is_too_small_at_less_as_well(
        spec in any_engine(),
        one in 300_u32..=980,
        other in 300_u32..=980,
    ) {
        let starved = |thousandths| matches!(
            plan(&claiming(&spec, thousandths)),
            Err(MemoryRefusal::NoCacheBlocks { .. } | MemoryRefusal::ModelLength { .. })
        );
        if starved(one.max(other)) {
            prop_assert!(starved(one.min(other)));
        }
    }

    #[test]
    fn more_tokens_or_requests_of_a_step_take_from_the_cache(
        spec in any_engine(),
        tokens in 512_u32..=16_384,
        sequences in 1_u32..=512,
    ) {
        for (flag, value) in [("max-num-batched-tokens", tokens), ("max-num-seqs", sequences)] {
            let other = with(&spec, &[(flag, &value.to_string())]);
            let resolved = |spec: &EngineSpec| spec.settings.resolve(&spec.card, &spec.model).unwrap();
            let size = |spec: &EngineSpec| (resolved(spec).max_num_batched_tokens, resolved(spec).max_num_seqs);
            let (small, large) = if size(&spec) <= size(&other) { (&spec, &other) } else { (&other, &spec) };
            if let (Ok(small), Ok(large)) = (plan(small), plan(large)) {
                prop_assert!(small.blocks >= large.blocks, "{flag}");
                prop_assert!(small.activation_bytes <= large.activation_bytes);
            }
        }
    }

    #[test]
    fn what_others_hold_of_the_card_comes_from_what_is_left_and_not_from_the_cache(
        spec in any_engine(),
        used in 0_u64..4 * GIB,
    ) {
        if let (Ok(alone), Ok(beside)) = (plan(&spec), plan_beside(&spec, used)) {
            prop_assert_eq!(alone.blocks, beside.blocks);
            prop_assert_eq!(alone.left_bytes - beside.left_bytes, used);
        }
    }

    #[test]
    fn a_cache_given_in_bytes_is_that_whatever_the_share(
        one in 500_u32..=980,
        other in 500_u32..=980,
        mib in 1024_u64..8192,
    ) {
        let bytes = (mib << 20).to_string();
        let given = with(&roomy(&[("max-model-len", "2048")]), &[("kv-cache-memory-bytes", &bytes)]);
        let (one, other) = (plan(&claiming(&given, one)).unwrap(), plan(&claiming(&given, other)).unwrap());
        prop_assert_eq!(one, other);
        prop_assert_eq!(one.cache_granted_bytes, mib << 20);
    }
}

#[test]
fn the_cache_of_a_known_engine_is_what_can_be_reckoned_by_hand() {
    let spec = roomy(&[("gpu-memory-utilization", "0.9"), ("max-model-len", "8192"), ("max-num-seqs", "64")]);
    let plan = plan(&spec).unwrap();
    // Keys and values, 32 layers, 8 heads of 128, two bytes: 128 KiB a token, 2 MiB a block of 16.
    assert_eq!(plan.block_bytes, 2 << 20);
    // 2,048 tokens x (2 x 4,096 + 3 x 14,336) x 2 bytes, and 64 x 128,256 logits of 4 bytes twice.
    assert_eq!(plan.activation_bytes, 2048 * 51_200 * 2 + 64 * 128_256 * 8);
    // Batches of 1, 2, 4 and every 8th to 128: 19 graphs of 32 layers, 256 KiB each.
    assert_eq!(plan.graph_bytes, 19 * 32 * (256 << 10));
    let wanted = 45_469 * (1 << 20) * 9 / 10;
    let taken = 16_060_000_000 + (256 << 20) + plan.activation_bytes + plan.graph_bytes;
    assert_eq!(plan.cache_granted_bytes, wanted - taken);
    assert_eq!(plan.blocks, (wanted - taken) / (2 << 20));
}

#[test]
fn a_smaller_number_format_holds_more_tokens_in_the_same_bytes() {
    let tokens = |format| {
        let spec = roomy(&[("max-model-len", "8192"), ("kv-cache-dtype", format)]);
        let plan: MemoryPlan = plan(&spec).unwrap();
        (plan.cache_granted_bytes, plan.cache_tokens())
    };
    let ((of_16, sixteen), (of_8, eight)) = (tokens("auto"), tokens("fp8"));
    assert_eq!(of_16, of_8);
    assert!(eight.abs_diff(2 * sixteen) <= 16, "{eight} {sixteen}");
}

#[test]
fn a_start_says_what_it_was_granted() {
    let spec = roomy(&[("gpu-memory-utilization", "0.9"), ("max-model-len", "8192")]);
    let plan = plan(&spec).unwrap();
    let started = start(&spec, &terms(1).gpu, terms(1).began, 1);
    let text = started.log().text(jiff::Timestamp::UNIX_EPOCH);
    let granted = format!("Available KV cache memory: {:.2} GiB", plan.cache_granted_bytes as f64 / GIB as f64);
    let tokens = plan.cache_tokens();
    let cache = format!("GPU KV cache size: {},{:03} tokens", tokens / 1000, tokens % 1000);
    assert!(text.contains(&granted) && text.contains(&cache), "{granted} {cache}\n{text}");
    assert!(
        text.contains(&format!("Maximum concurrency for 8,192 tokens per request: {:.2}x", tokens as f64 / 8192.0))
    );
    assert_eq!(spec.settings.arguments, arguments(&[("gpu-memory-utilization", "0.9"), ("max-model-len", "8192")]));
}
