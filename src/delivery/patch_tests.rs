use phaseloop_core::{
    plan::{OwnedField, target::TargetVersion},
    value::{TargetReference, Uid},
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::delivery::{
    edit::put,
    fixture::{PROMOTION, applied, backward, field, forward, parts, target, told},
};

const MARK: &str = "/metadata/annotations/phaseloop.dev~1promotion";

fn seqs() -> Value {
    json!({ "args": ["m", "--max-num-seqs", "64"] })
}

#[test]
fn a_patch_tests_everything_first_and_then_changes_value_and_mark_together() {
    let target = target(&seqs(), Some(json!({ "a": "b" })));
    let patch = forward(&target, &[field(&target, "max-num-seqs", "32")], None);
    assert_eq!(
        told(&patch.0),
        [
            r#"test /metadata/uid "u""#,
            r#"test /metadata/resourceVersion "5""#,
            r#"test ~/name "vllm""#,
            "test ~/command null",
            r#"test ~/args ["m","--max-num-seqs","64"]"#,
            "test /metadata/annotations/phaseloop.dev~1promotion null",
            r#"replace ~/args/2 "32""#,
            r#"add /metadata/annotations/phaseloop.dev~1promotion "uid-of-the-promotion""#,
        ]
    );
}

#[test]
fn the_mark_of_an_earlier_promotion_is_tested_and_put_back() {
    let before = target(&seqs(), Some(json!({ "phaseloop.dev/promotion": "earlier" })));
    let fields = [field(&before, "max-num-seqs", "32")];
    let promoted = applied(&before, &forward(&before, &fields, Some("earlier"))).unwrap();
    assert_eq!(promoted.pointer(MARK), Some(&Value::from(PROMOTION)));
    assert_eq!(applied(&promoted, &backward(&promoted, &fields, Some("earlier"))), Some(before.clone()));
    assert_eq!(applied(&before, &forward(&before, &fields, None)), None, "another mark stands there");
}

#[test]
fn a_target_without_annotations_has_none_afterwards() {
    let before = target(&seqs(), None);
    let fields = [field(&before, "max-num-seqs", "32")];
    let promoted = applied(&before, &forward(&before, &fields, None)).unwrap();
    assert_eq!(promoted.pointer("/metadata/annotations"), Some(&json!({ "phaseloop.dev/promotion": PROMOTION })));
    assert_eq!(applied(&promoted, &backward(&promoted, &fields, None)), Some(before));
}

#[test]
fn no_two_fences_write_the_same_and_none_touches_the_spec() {
    let fence = |version: &str| {
        let object = target(&seqs(), Some(json!({ "a": "b" })));
        let (metadata, _) = parts(&object);
        let reference = TargetReference { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "l".into() };
        let version = TargetVersion { reference, uid: Uid::new("u"), resource_version: version.to_owned() };
        let fence = TargetFence { target: version, promotion: Uid::new("p") };
        told(&fence_patch(&metadata, &fence).0)
    };
    let told = fence("5");
    assert_eq!(told[..2], [r#"test /metadata/uid "u""#, r#"test /metadata/resourceVersion "5""#]);
    assert_eq!(told[2..], [r#"add /metadata/annotations/phaseloop.dev~1fence "p@5""#]);
    assert_ne!(told[2], fence("6")[2]);
}

/// How an engine is given its flags.
fn container() -> impl Strategy<Value = Value> {
    let seqs = prop_oneof![
        Just(vec![]),
        Just(vec!["--max-num-seqs".to_owned(), "064".to_owned()]),
        Just(vec!["--max_num_seqs=64".to_owned()]),
        Just(vec!["--max-num-seqs=8".to_owned(), "--max-num-seqs".to_owned(), "64".to_owned()]),
    ];
    let memory = prop_oneof![Just(vec![]), Just(vec!["--gpu-memory-utilization=0.90".to_owned()])];
    let caching = prop_oneof![
        Just(vec![]),
        Just(vec!["--enable-prefix-caching".to_owned()]),
        Just(vec!["--no-enable-prefix-caching".to_owned()]),
    ];
    let env = proptest::collection::vec(
        prop_oneof![
            Just(json!({ "name": "OTHER", "value": "1" })),
            Just(json!({ "name": "EMPTY" })),
            Just(json!({ "name": "SECRET", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } })),
            Just(json!({ "name": "SEQS", "value": "64" })),
            Just(json!({ "name": "SEQS" })),
        ],
        0..4,
    );
    (0..4_u8, seqs, memory, caching, env).prop_map(|(form, seqs, memory, caching, env)| {
        let flags: Vec<String> = [seqs, vec!["--port".to_owned(), "8000".to_owned()], memory, caching].concat();
        let after = |head: &[&str]| -> Vec<String> {
            head.iter().map(|word| (*word).to_owned()).chain(flags.iter().cloned()).collect()
        };
        let mut container = match form {
            0 => json!({ "args": after(&["m"]) }),
            1 => json!({ "command": after(&["vllm", "serve", "m"]) }),
            2 => json!({ "command": ["vllm", "serve"], "args": after(&["m"]) }),
            _ => json!({ "command": ["sh", "-c"], "args": [format!("exec vllm serve m {} > /log 2>&1", flags.join(" "))] }),
        };
        if !env.is_empty() {
            container["env"] = Value::Array(env);
        }
        container
    })
}

/// What is promoted: names of places with their values, each place once.
fn promotions() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let all = vec![
        ("max-num-seqs", "32"),
        ("gpu-memory-utilization", "0.8"),
        ("enable-prefix-caching", "false"),
        ("SEQS", "16"),
        ("EMPTY", "x"),
        ("/spec/template/spec/schedulerName", "other"),
        ("/spec/template/spec/priority", "7"),
    ];
    proptest::sample::subsequence(all, 1..=7).prop_shuffle()
}

fn annotations() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        Just(Some(json!({ "a/b": "c" }))),
        Just(Some(json!({ "phaseloop.dev/promotion": "earlier" }))),
        Just(Some(json!({ "a": "b", "phaseloop.dev/promotion": "earlier" }))),
    ]
}

/// A target with the fields that are promoted in it.
fn case() -> impl Strategy<Value = (Value, Vec<OwnedField>, Option<&'static str>)> {
    (container(), promotions(), annotations()).prop_map(|(container, promotions, annotations)| {
        let mark = annotations.as_ref().is_some_and(|all| all.get(ANNOTATION_PROMOTION).is_some());
        let target = target(&container, annotations);
        let fields = promotions.iter().map(|(name, value)| field(&target, name, value)).collect();
        (target, fields, mark.then_some("earlier"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_promoted_and_taken_back_is_as_it_was_byte_for_byte((before, fields, mark) in case()) {
        let promoted = applied(&before, &forward(&before, &fields, mark)).unwrap();
        prop_assert_eq!(promoted.pointer(MARK), Some(&Value::from(PROMOTION)));
        let (_, template) = parts(&promoted);
        for field in &fields {
            let view = crate::delivery::fixture::engine_view(&promoted);
            let place = crate::delivery::field_place(&field.address).unwrap();
            prop_assert_eq!(&crate::delivery::read_field(&view, &place).unwrap(), &field.promoted);
        }
        prop_assert!(template.spec.is_some());
        let restored = applied(&promoted, &backward(&promoted, &fields, mark)).unwrap();
        prop_assert_eq!(serde_json::to_string(&restored).unwrap(), serde_json::to_string(&before).unwrap());
    }

    #[test]
    fn nothing_else_is_changed((before, fields, mark) in case()) {
        let mut promoted = applied(&before, &forward(&before, &fields, mark)).unwrap();
        // What a promotion may change, taken out of both, leaves the same.
        let mut before = before;
        for object in [&mut before, &mut promoted] {
            let metadata = object["metadata"].as_object_mut().unwrap();
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove(ANNOTATION_PROMOTION);
                if annotations.is_empty() {
                    metadata.remove("annotations");
                }
            }
            let spec = object.pointer_mut("/spec/template/spec").unwrap().as_object_mut().unwrap();
            spec.remove("schedulerName");
            spec.remove("priority");
            let engine = spec["containers"][1].as_object_mut().unwrap();
            engine.remove("args");
            engine.remove("command");
            engine.remove("env");
        }
        prop_assert_eq!(before, promoted);
    }

    #[test]
    fn a_patch_fails_where_anything_that_it_tests_has_changed((before, fields, mark) in case()) {
        let patch = forward(&before, &fields, mark);
        for operation in &patch.0 {
            let PatchOperation::Test(test) = operation else { continue };
            let mut changed = before.clone();
            let other = json!("somebody else's");
            match test.path.resolve(&changed) {
                Ok(_) => drop(test.path.assign(&mut changed, other)),
                Err(_) => json_patch::patch(&mut changed, &[put(test.path.clone(), None, other)]).unwrap(),
            }
            prop_assert_eq!(applied(&changed, &patch), None, "{}", test.path);
        }
    }
}
