use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    plan::{OwnKind, OwnObject, record::Selection},
    value::{Decimal, ParameterName, ParameterValue, SymptomKind},
};
use proptest::prelude::*;

use super::*;
use crate::api::{promotion::Promotion, reference::TargetKind};

fn field_value() -> impl Strategy<Value = FieldValue> {
    prop_oneof![Just(FieldValue::Absent), "[ -~]{0,12}".prop_map(FieldValue::Present)]
}

fn owned() -> impl Strategy<Value = OwnedField> {
    ("[a-z]{1,8}", "[ -~]{1,20}", field_value(), field_value()).prop_map(|(name, address, before, promoted)| {
        OwnedField { address: FieldAddress::new(address), parameter: ParameterName::new(&name), before, promoted }
    })
}

fn config_map() -> impl Strategy<Value = ConfigMapTerms> {
    let field = owned().prop_map(|field| OwnedField {
        address: FieldAddress::new(format!("configMaps[engine].data[{}]", field.parameter)),
        ..field
    });
    let fields = proptest::collection::vec(field, 1..3);
    (fields, proptest::option::of("[0-9a-f]{8}"), field_value(), "[0-9a-f]{16}").prop_map(
        |(owned_fields, earlier, from, to)| ConfigMapTerms {
            name: "engine".to_owned(),
            owned_fields,
            annotation_before: earlier.map(Uid::new),
            hash: FieldChange { address: hash_address(), from, to: FieldValue::Present(to) },
        },
    )
}

fn terms() -> impl Strategy<Value = PromotionTerms> {
    let who = ("[a-z0-9-]{1,20}", any::<bool>(), "[0-9a-f]{16}", proptest::option::of("[0-9a-f]{8}"));
    let what = (
        proptest::collection::vec(owned(), 1..4),
        proptest::option::of(config_map()),
        proptest::collection::btree_map("[a-z]{1,8}", "[0-9a-f]{8}", 1..4),
        proptest::sample::select(SymptomKind::ALL.to_vec()),
    );
    let how = (any::<[bool; 4]>(), 1_i64..100_000_000, 0_i64..4_000_000_000);
    (who, what, how).prop_map(
        |((name, set, hash, earlier), (fields, config_map, domains, symptom), (consents, milliseconds, by))| {
            let [git, manual, allow_managed, allow_downtime] = consents;
            PromotionTerms {
                target: TargetReference {
                    api_version: "apps/v1".to_owned(),
                    kind: if set { "StatefulSet" } else { "Deployment" }.to_owned(),
                    name,
                },
                target_uid: Uid::new(&hash),
                template_hash: hash,
                parameters: fields.iter().map(|field| (field.parameter.clone(), ParameterValue::from("64"))).collect(),
                owned_fields: fields,
                config_map,
                annotation_before: earlier.map(Uid::new),
                symptom,
                domains,
                delivery: if git { Delivery::Git } else { Delivery::Patch },
                approval: if manual { ApprovalMode::Manual } else { ApprovalMode::Automatic },
                allow_managed,
                allow_downtime,
                rollout_timeout: SignedDuration::from_millis(milliseconds),
                validate_by: Timestamp::from_second(by).unwrap(),
            }
        },
    )
}

fn spec_of(terms: PromotionTerms) -> PromotionSpec {
    let kind = if terms.target.kind == "StatefulSet" { TargetKind::StatefulSet } else { TargetKind::Deployment };
    let origin = PromotionOrigin {
        target_ref: TargetRef {
            api_version: crate::api::reference::TargetApiVersion::AppsV1,
            kind,
            name: terms.target.name.clone(),
            container: Some("vllm".to_owned()),
        },
        fitness: FitnessCount { met: 185, offered: 200 },
        windows: Vec::new(),
        git: None,
    };
    let own = |kind, name: &str| OwnObject::new(kind, name, Uid::new("u"));
    let new = NewPromotion {
        name: "llama-8b-x".to_owned(),
        escalation: own(OwnKind::Escalation, "llama-8b"),
        canary: own(OwnKind::TuningCanary, "llama-8b-3"),
        cycle: "c".to_owned(),
        fitness: Decimal::from_millionths(925_000),
        selection: Selection {
            reason: "BestFitness".to_owned(),
            message: "0.75 has fitness 0.925".to_owned(),
            search_ended: Some("Exhausted".to_owned()),
            candidates_tried: 5,
            untried: Vec::new(),
        },
        terms,
    };
    promotion_spec(&new, origin)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn terms_survive_the_spec_and_the_wire(terms in terms()) {
        let spec = spec_of(terms.clone());
        prop_assert_eq!(promotion_terms(&spec), terms.clone());
        let written = serde_json::to_string(&Promotion::new("x", spec)).unwrap();
        let read: Promotion = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(promotion_terms(&read.spec), terms);
        prop_assert_eq!(read.spec.decision, Decision::Pending);
    }
}
