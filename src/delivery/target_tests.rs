use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    plan::OwnedField,
    promotion::{ApprovalMode, Delivery, observed::TargetManager},
    value::{SymptomKind, TargetReference},
};
use serde_json::{Value, json};

use super::*;
use crate::delivery::fixture::{PROMOTION, applied, field, forward, parts, target};

fn terms(fields: &[OwnedField], template_hash: &str) -> PromotionTerms {
    PromotionTerms {
        target: TargetReference { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "llama".into() },
        target_uid: Uid::new("u"),
        template_hash: template_hash.to_owned(),
        parameters: BTreeMap::new(),
        owned_fields: fields.to_vec(),
        config_map: None,
        annotation_before: None,
        symptom: SymptomKind::LatencyRegression,
        domains: BTreeMap::new(),
        delivery: Delivery::Patch,
        approval: ApprovalMode::Automatic,
        allow_managed: false,
        allow_downtime: false,
        rollout_timeout: SignedDuration::from_mins(30),
        validate_by: Timestamp::MAX,
    }
}

fn observed(object: &Value, fields: &[OwnedField]) -> ObservedTarget {
    let mut object = object.clone();
    object["spec"]["selector"] = json!({});
    object["metadata"]["generation"] = json!(7);
    let wire = wire::ObservedTarget::Deployment(serde_json::from_value(object).unwrap());
    let surroundings = TargetSurroundings { engine: Some("vllm"), newest_pods: &[], spare_gpu_seen: false };
    observe_target(&wire, &terms(fields, "h"), surroundings)
}

fn before() -> Value {
    target(&json!({ "args": ["m", "--max-num-seqs", "064"], "env": [{ "name": "SEQS", "value": "1" }] }), None)
}

fn fields() -> Vec<OwnedField> {
    ["max-num-seqs", "gpu-memory-utilization", "SEQS"].map(|name| field(&before(), name, "0.5")).into()
}

#[test]
fn owned_values_are_read_at_their_addresses_as_they_are_written() {
    let fields = fields();
    let seen = observed(&before(), &fields);
    let expected = fields.iter().map(|field| (field.address.clone(), field.before.clone())).collect();
    assert_eq!(seen.owned_values, expected);
    assert_eq!(fields[0].before, FieldValue::present("064"));
    assert_eq!((seen.uid.as_str(), seen.resource_version.as_str(), seen.generation), ("u", "5", 7));
}

#[test]
fn what_can_not_be_read_is_left_out() {
    let address = |text: &str| OwnedField { address: FieldAddress::new(text), ..fields()[0].clone() };
    let fields =
        [address("nonsense"), address("containers[gone].args[--max-num-seqs]"), address("configMaps[chat].data[seqs]")];
    assert_eq!(observed(&before(), &fields).owned_values, [].into(), "what lies in a ConfigMap is not in the target");
}

#[test]
fn the_hash_with_the_pre_image_is_that_of_the_template_before_as_long_as_nobody_else_changed_it() {
    let fields = fields();
    let before_hash = template_hash(&parts(&before()).1);
    let promoted = applied(&before(), &forward(&before(), &fields, None)).unwrap();
    let seen = observed(&promoted, &fields);
    assert_ne!(seen.template_hash, before_hash);
    assert_eq!(seen.template_hash_with_pre_image, before_hash);
    assert_eq!(seen.promotion_annotation, Some(Uid::new(PROMOTION)));
    assert_eq!(seen.owned_values.get(&fields[1].address), Some(&FieldValue::present("0.5")));
    let untouched = observed(&before(), &fields);
    assert_eq!((untouched.template_hash, untouched.template_hash_with_pre_image), (before_hash.clone(), before_hash));
    let mut other_image = promoted;
    other_image["spec"]["template"]["spec"]["containers"][1]["image"] = json!("vllm:2");
    assert_ne!(observed(&other_image, &fields).template_hash_with_pre_image, template_hash(&parts(&before()).1));
}

#[test]
fn marks_of_others_are_seen() {
    let annotations = json!({ "phaseloop.dev/give-back": "2", "argocd.argoproj.io/tracking-id": "x" });
    let seen = observed(&target(&json!({ "args": ["m"] }), Some(annotations)), &[]);
    assert!(seen.borrowed);
    assert_eq!(seen.managed_by, Some(TargetManager::ArgoCD));
    let plain = observed(&before(), &[]);
    assert_eq!((plain.borrowed, plain.managed_by, plain.promotion_annotation), (false, None, None));
}

#[test]
fn a_target_without_gpus_needs_no_spare_one() {
    assert!(observed(&before(), &[]).rollout.spare_gpu_seen);
    let with_gpu = target(&json!({ "resources": { "limits": { "nvidia.com/gpu": "1" } } }), None);
    assert!(!observed(&with_gpu, &[]).rollout.spare_gpu_seen);
}
