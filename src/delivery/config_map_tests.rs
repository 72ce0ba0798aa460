use phaseloop_core::{
    tuning::{Binding, ConfigMapFormat},
    value::{ParameterName, ParameterValue},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::delivery::{
    FieldPlace,
    fixture::{PROMOTION, applied, told, write_to},
    owned_field,
    template_hash::hash_operations,
};

/// The key that holds a file of flags; any other holds one value.
const FILE: &str = "engine.yaml";

fn wire(map: &Value) -> ConfigMap {
    serde_json::from_value(map.clone()).unwrap()
}

fn config_map(data: &Value) -> Value {
    json!({ "metadata": { "name": "engine", "uid": "u", "resourceVersion": "5" }, "data": data })
}

fn template(hash: Option<&str>) -> PodTemplateSpec {
    let annotations = hash.map(|hash| json!({ "phaseloop.dev/configuration-hash": hash }));
    serde_json::from_value(json!({ "metadata": { "annotations": annotations }, "spec": { "containers": [] } })).unwrap()
}

/// The field of a promotion at a key.
fn field(map: &Value, name: &str, key: &str, parameter: &str, value: &str) -> Result<OwnedField, BindingError> {
    let parameter = ParameterName::new(parameter);
    let format =
        if key == FILE { ConfigMapFormat::EngineConfig { flag: parameter.clone() } } else { ConfigMapFormat::Plain };
    let place = FieldPlace::new("vllm", Some(name), Binding::ConfigMapKey { key: key.to_owned(), format });
    let data = wire(map).data.unwrap_or_default();
    owned_field(&view(&data), &place, &parameter, &ParameterValue::from(value))
}

fn terms_of(map: &Value, fields: Vec<OwnedField>, hash: Option<&str>) -> ConfigMapTerms {
    let maps = [("engine".to_owned(), wire(map))].into();
    split_fields(fields, &template(hash), &maps).unwrap().1.unwrap()
}

fn write(
    map: &Value,
    changes: Vec<FieldChange>,
    from: Option<&str>,
    to: Option<&str>,
    terms: &ConfigMapTerms,
) -> TargetWrite {
    write_to(terms.reference(), map, changes, from, to)
}

fn forward(map: &Value, terms: &ConfigMapTerms) -> Result<Patch, Undeliverable> {
    let changes = terms.owned_fields.iter().map(OwnedField::forward).collect();
    config_map_patch(&wire(map), &write(map, changes, None, Some(PROMOTION), terms))
}

fn backward(map: &Value, terms: &ConfigMapTerms) -> Result<Patch, Undeliverable> {
    let changes = terms.owned_fields.iter().map(OwnedField::backward).collect();
    config_map_patch(&wire(map), &write(map, changes, Some(PROMOTION), None, terms))
}

#[test]
fn the_patch_tests_version_old_text_and_old_mark_and_changes_that_key_alone() {
    let map = config_map(&json!({ "share": "0.92\n", "other": "x" }));
    let terms = terms_of(&map, vec![field(&map, "engine", "share", "gpu-memory-utilization", "0.84").unwrap()], None);
    assert_eq!(
        told(&forward(&map, &terms).unwrap().0),
        [
            r#"test /metadata/uid "u""#,
            r#"test /metadata/resourceVersion "5""#,
            r#"test /data/share "0.92\n""#,
            "test /metadata/annotations null",
            r#"replace /data/share "0.84\n""#,
            &format!(r#"add /metadata/annotations {{"phaseloop.dev/promotion":"{PROMOTION}"}}"#),
        ]
    );
}

#[test]
fn what_was_not_there_is_not_there_again() {
    for (data, changes) in [
        (Value::Null, vec!["test /data null", r#"add /data {"share":"0.84"}"#]),
        (json!({ "other": "x" }), vec!["test /data/share null", r#"add /data/share "0.84""#]),
    ] {
        let map = config_map(&data);
        let field = field(&map, "engine", "share", "gpu-memory-utilization", "0.84").unwrap();
        let terms = terms_of(&map, vec![field], None);
        let patch = forward(&map, &terms).unwrap();
        let told = told(&patch.0);
        assert_eq!([told[2].as_str(), told[4].as_str()].as_slice(), changes);
        let promoted = applied(&map, &patch).unwrap();
        let restored = applied(&promoted, &backward(&promoted, &terms).unwrap()).unwrap();
        assert_eq!(wire(&restored), wire(&map), "{data}");
    }
}

#[test]
fn two_flags_of_one_file_and_a_key_beside_it_go_in_and_back_in_one_patch() {
    let map = config_map(&json!({ "engine.yaml": "# ours\nmax-num-seqs: 064\nblock-size: 16\n", "share": "0.92" }));
    let fields = vec![
        field(&map, "engine", "engine.yaml", "max-num-seqs", "32").unwrap(),
        field(&map, "engine", "engine.yaml", "block-size", "32").unwrap(),
        field(&map, "engine", "share", "gpu-memory-utilization", "0.84").unwrap(),
    ];
    let terms = terms_of(&map, fields, None);
    let promoted = applied(&map, &forward(&map, &terms).unwrap()).unwrap();
    assert_eq!(promoted["data"]["engine.yaml"], "# ours\nmax-num-seqs: 32\nblock-size: 32\n");
    let seen = observe_config_map(&wire(&promoted), &terms);
    assert_eq!(seen.promotion_annotation, Some(Uid::new(PROMOTION)));
    assert_eq!(seen.hash_with_promoted.as_deref(), terms.promoted_hash());
    let restored = applied(&promoted, &backward(&promoted, &terms).unwrap()).unwrap();
    assert_eq!(wire(&restored), wire(&map));
}

#[test]
fn an_immutable_config_map_is_not_written() {
    let mut map = config_map(&json!({ "share": "0.92" }));
    let terms = terms_of(&map, vec![field(&map, "engine", "share", "gpu-memory-utilization", "0.84").unwrap()], None);
    map["immutable"] = json!(true);
    assert_eq!(forward(&map, &terms).unwrap_err().reason, PromotionReason::ConfigMapImmutable);
}

#[test]
fn the_hash_tells_other_data_and_is_another_than_the_one_that_stands_there() {
    let map = config_map(&json!({ "share": "0.92", "other": "x" }));
    let fields = || vec![field(&map, "engine", "share", "gpu-memory-utilization", "0.84").unwrap()];
    let terms = terms_of(&map, fields(), None);
    let seen = |map: &Value| observe_config_map(&wire(map), &terms).hash_with_promoted;
    assert_eq!(seen(&map).as_deref(), terms.promoted_hash(), "before the value is in");
    let changed = |change: fn(&mut Value)| {
        let mut changed = map.clone();
        change(&mut changed);
        seen(&changed)
    };
    assert_ne!(changed(|map| map["data"]["other"] = json!("y")), seen(&map));
    assert_ne!(changed(|map| map["data"]["more"] = json!("")), seen(&map));
    assert_ne!(changed(|map| map["binaryData"] = json!({ "b": "AA==" })), seen(&map));
    assert_eq!(changed(|map| map["metadata"]["labels"] = json!({ "a": "b" })), seen(&map), "no data");
    let again = terms_of(&map, fields(), terms.promoted_hash());
    assert_ne!(again.promoted_hash(), terms.promoted_hash(), "the same data twice roll out twice");
}

#[test]
fn values_in_two_config_maps_are_not_promoted_together() {
    let map = config_map(&json!({ "share": "0.92", "seqs": "64" }));
    let fields = vec![
        field(&map, "engine", "share", "gpu-memory-utilization", "0.84").unwrap(),
        field(&map, "another", "seqs", "max-num-seqs", "32").unwrap(),
    ];
    let maps = [("engine".to_owned(), wire(&map)), ("another".to_owned(), wire(&map))].into();
    let refused = split_fields(fields, &template(None), &maps).unwrap_err();
    assert_eq!(refused.reason, BindingReason::SeveralConfigMaps);
    assert!(refused.message.contains("another") && refused.message.contains("engine"), "{refused}");
}

#[test]
fn the_hash_of_a_template_comes_and_goes_without_a_trace() {
    for before in [None, Some("earlier")] {
        for metadata in [json!({ "labels": { "a": "b" } }), json!({}), Value::Null] {
            let mut target = json!({ "spec": { "template": { "metadata": metadata, "spec": { "containers": [] } } } });
            if metadata.is_null() {
                target["spec"]["template"].as_object_mut().unwrap().remove("metadata");
            }
            if let Some(before) = before {
                target["spec"]["template"]["metadata"]["annotations"] =
                    json!({ "phaseloop.dev/configuration-hash": before });
            }
            let template = |target: &Value| -> PodTemplateSpec {
                serde_json::from_value(target["spec"]["template"].clone()).unwrap()
            };
            let change = FieldChange {
                address: hash_address(),
                from: stated_hash(&template(&target)),
                to: FieldValue::present("new"),
            };
            let patched = |target: &Value, change: &FieldChange| {
                let (test, operation) = hash_operations(&template(target), change).unwrap();
                applied(target, &Patch([test].into_iter().chain(operation).collect())).unwrap()
            };
            let promoted = patched(&target, &change);
            assert_eq!(stated_hash(&template(&promoted)), FieldValue::present("new"));
            let restored = patched(&promoted, &change.reversed());
            let empty = |template: PodTemplateSpec| (template.metadata.unwrap_or_default(), template.spec);
            assert_eq!(empty(template(&restored)), empty(template(&target)), "{metadata} {before:?}");
            assert!(hash_operations(&template(&promoted), &change).is_err(), "something else stands there");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_can_be_promoted_is_taken_back_byte_for_byte(
        share in "[ \n]{0,2}[0-9.a-z\"]{0,4}[ \n]{0,2}",
        file in "(#[ a-z]{0,6}\n){0,2}(max-num-seqs: ?[0-9\"]{0,4}\n)?(port: 1\n)?(block-size: 8)?",
        absent in any::<[bool; 2]>(),
        marked in any::<bool>(),
    ) {
        let mut map = config_map(&json!({ "share": share, "engine.yaml": file, "other": "x" }));
        for (key, absent) in ["share", "engine.yaml"].into_iter().zip(absent) {
            if absent {
                map["data"].as_object_mut().unwrap().remove(key);
            }
        }
        if marked {
            map["metadata"]["annotations"] = json!({ "example.com/a": "b" });
        }
        let fields: Vec<OwnedField> = [
            field(&map, "engine", "share", "gpu-memory-utilization", "0.84"),
            field(&map, "engine", "engine.yaml", "max-num-seqs", "32"),
            field(&map, "engine", "engine.yaml", "block-size", "16"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let maps = [("engine".to_owned(), wire(&map))].into();
        // What could not be put back is not promoted.
        if let Ok((_, Some(terms))) = split_fields(fields, &template(None), &maps) {
            let promoted = applied(&map, &forward(&map, &terms).unwrap()).unwrap();
            let seen = observe_config_map(&wire(&promoted), &terms);
            let wanted = terms.owned_fields.iter().map(|field| (field.address.clone(), field.promoted.clone())).collect();
            prop_assert_eq!(seen.owned_values, wanted);
            prop_assert_eq!(seen.hash_with_promoted.as_deref(), terms.promoted_hash());
            let restored = applied(&promoted, &backward(&promoted, &terms).unwrap()).unwrap();
            prop_assert_eq!(wire(&restored), wire(&map));
        }
    }
}
