use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    plan::FieldAddress,
    promotion::{ApprovalMode, Delivery},
    value::{ParameterName, SymptomKind, TargetReference, Uid},
};
use serde_json::json;

use super::*;
use crate::{
    administrator::read_policy,
    delivery::fixture::{parts, target},
};

fn terms(parameter: &str, address: &str, promoted: FieldValue) -> PromotionTerms {
    let parameter = ParameterName::new(parameter);
    PromotionTerms {
        target: TargetReference { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "llama".into() },
        target_uid: Uid::new("u"),
        template_hash: "h".into(),
        parameters: [(parameter.clone(), ParameterValue::from("32"))].into(),
        config_map: None,
        owned_fields: vec![OwnedField {
            address: FieldAddress::new(address),
            parameter,
            before: FieldValue::Absent,
            promoted,
        }],
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

const POLICY: &str = "apiVersion: policy.phaseloop.dev/v1alpha1
kind: AdministratorPolicy
bindings:
  - parameter: max-num-seqs
    targets: [llama]
    binding: {env: {name: SEQS}}
  - parameter: max-num-seqs
    targets: [other]
    binding: {env: {name: OTHER_SEQS}}
  - parameter: max-num-seqs
    targets: [llama]
    binding: {configMapKey: {name: chat, key: seqs}}
  - parameter: max-num-seqs
    binding: {fieldPath: {path: /spec/template/spec/priority}}
";

fn refusal(parameter: &str, address: &str, promoted: &str) -> Option<PromotionReason> {
    let policy = read_policy("policy.yaml", POLICY).unwrap();
    let (_, template) = parts(&target(&json!({ "args": ["m"] }), None));
    let terms = terms(parameter, address, FieldValue::present(promoted));
    check_fields(&terms, &template, Some("vllm"), Some(&policy)).err().map(|refused| {
        assert!(refused.message.contains(address), "{}", refused.message);
        refused.reason
    })
}

#[test]
fn only_the_parameters_own_flag_and_places_of_the_policy_may_be_written() {
    let seqs = "max-num-seqs";
    for (address, expected) in [
        ("containers[vllm].args[--max-num-seqs]", None),
        ("containers[vllm].env[SEQS]", None),
        ("/spec/template/spec/priority", None),
        ("containers[side].args[--max-num-seqs]", Some(PromotionReason::FieldNotAllowed)),
        ("containers[vllm].args[--max-model-len]", Some(PromotionReason::FieldNotAllowed)),
        ("containers[vllm].env[OTHER_SEQS]", Some(PromotionReason::FieldNotAllowed)),
        ("containers[vllm].env[LD_PRELOAD]", Some(PromotionReason::FieldNotAllowed)),
        ("/spec/template/spec/serviceAccountName", Some(PromotionReason::FieldNotAllowed)),
        ("configMaps[chat].data[seqs]", None),
        ("configMaps[chat].data[other]", Some(PromotionReason::FieldNotAllowed)),
        ("configMaps[other].data[seqs]", Some(PromotionReason::FieldNotAllowed)),
        ("nonsense", Some(PromotionReason::FieldNotAllowed)),
    ] {
        assert_eq!(refusal(seqs, address, "32"), expected, "{address}");
    }
}

#[test]
fn only_the_value_that_was_measured_may_be_written() {
    let address = "containers[vllm].args[--max-num-seqs]";
    assert_eq!(refusal("max-num-seqs", address, "32.0"), None, "the same number");
    assert_eq!(refusal("max-num-seqs", address, "33"), Some(PromotionReason::FieldNotAllowed));
    let (_, template) = parts(&target(&json!({ "args": ["m"] }), None));
    let taken_away = terms("max-num-seqs", address, FieldValue::Absent);
    assert!(check_fields(&taken_away, &template, Some("vllm"), None).is_err());
}

#[test]
fn a_template_whose_engine_is_not_known_is_not_written() {
    let (_, template) = parts(&target(&json!({ "args": ["m"] }), None));
    let terms = terms("max-num-seqs", "containers[vllm].args[--max-num-seqs]", FieldValue::present("32"));
    assert_eq!(check_fields(&terms, &template, None, None), Ok(()), "the one named vllm");
    let refused = check_fields(&terms, &template, Some("gone"), None).unwrap_err();
    assert_eq!(refused.reason, PromotionReason::FieldNotAllowed);
}
