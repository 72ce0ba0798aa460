use phaseloop_core::plan::{FieldAddress, FieldValue};

use super::*;
use crate::delivery::fixture::{field, parts, target, told};

#[allow(clippy::needless_pass_by_value, reason = "tests hand over what they wrote")]
fn edited(container: Value, fields: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let target = target(&container, None);
    let changes: Vec<FieldChange> = fields.iter().map(|(name, value)| field(&target, name, value).forward()).collect();
    let edit = edit_template(&parts(&target).1, &changes).unwrap();
    (told(&edit.tests), told(&edit.changes))
}

#[test]
fn every_spelling_is_changed_at_its_exact_place() {
    for (container, fields, tests, changes) in [
        (
            json!({ "args": ["m", "--max-num-seqs", "64", "--port", "1"] }),
            [("max-num-seqs", "32")],
            vec!["test ~/command null", r#"test ~/args ["m","--max-num-seqs","64","--port","1"]"#],
            vec![r#"replace ~/args/2 "32""#],
        ),
        (
            json!({ "command": ["vllm", "serve"], "args": ["--max_num_seqs=064"] }),
            [("max-num-seqs", "32")],
            vec![r#"test ~/command ["vllm","serve"]"#, r#"test ~/args ["--max_num_seqs=064"]"#],
            vec![r#"replace ~/args/0 "--max_num_seqs=32""#],
        ),
        (
            json!({ "command": ["vllm", "serve", "m"] }),
            [("max-num-seqs", "32")],
            vec![r#"test ~/command ["vllm","serve","m"]"#, "test ~/args null"],
            vec![r#"add ~/args ["--max-num-seqs=32"]"#],
        ),
        (
            json!({ "args": ["m"] }),
            [("max-num-seqs", "32")],
            vec!["test ~/command null", r#"test ~/args ["m"]"#],
            vec![r#"replace ~/args ["m","--max-num-seqs=32"]"#],
        ),
        (
            json!({ "command": ["sh", "-c", "exec vllm serve m --max-num-seqs 64 # all"] }),
            [("max-num-seqs", "32")],
            vec![r#"test ~/command ["sh","-c","exec vllm serve m --max-num-seqs 64 # all"]"#, "test ~/args null"],
            vec![r#"replace ~/command/2 "exec vllm serve m --max-num-seqs 32 # all""#],
        ),
        (
            json!({ "args": ["m"], "env": [{ "name": "A", "value": "1" }, { "name": "SEQS", "value": "64" }] }),
            [("SEQS", "32")],
            vec![r#"test ~/env/0/name "A""#, r#"test ~/env/1/name "SEQS""#, r#"test ~/env/1/value "64""#],
            vec![r#"replace ~/env/1/value "32""#],
        ),
        (
            json!({ "env": [{ "name": "SEQS" }] }),
            [("SEQS", "32")],
            vec![r#"test ~/env/0/name "SEQS""#, "test ~/env/0/value null"],
            vec![r#"add ~/env/0/value "32""#],
        ),
        (
            json!({ "env": [{ "name": "A", "value": "1" }] }),
            [("SEQS", "32")],
            vec![r#"test ~/env/0/name "A""#],
            vec![r#"add ~/env/- {"name":"SEQS","value":"32"}"#],
        ),
        (
            json!({ "args": ["m"] }),
            [("SEQS", "32")],
            vec!["test ~/env null"],
            vec![r#"add ~/env [{"name":"SEQS","value":"32"}]"#],
        ),
    ] {
        let (mut expected, told) = (vec![r#"test ~/name "vllm""#], edited(container.clone(), &fields));
        expected.extend(tests);
        assert_eq!(told.0, expected, "{container}");
        assert_eq!(told.1, changes, "{container}");
    }
}

#[test]
fn a_field_is_changed_at_its_pointer() {
    let place = "/spec/template/spec/terminationGracePeriodSeconds";
    let (tests, changes) = edited(json!({}), &[(place, "30")]);
    assert_eq!(tests, [format!("test {place} null")]);
    assert_eq!(changes, [format!("add {place} 30")]);
    let scheduler = "/spec/template/spec/schedulerName";
    let (tests, changes) = edited(json!({}), &[(scheduler, "other")]);
    assert_eq!(tests, [format!("test {scheduler} \"default-scheduler\"")]);
    assert_eq!(changes, [format!("replace {scheduler} \"other\"")]);
}

#[test]
fn several_fields_are_changed_together() {
    let (tests, changes) = edited(
        json!({ "args": ["m", "--max-num-seqs=64"] }),
        &[("max-num-seqs", "32"), ("gpu-memory-utilization", "0.8"), ("A", "1"), ("B", "2")],
    );
    let list = r#"["m","--max-num-seqs=32","--gpu-memory-utilization=0.8"]"#;
    assert_eq!(
        changes,
        [
            r#"add ~/env [{"name":"A","value":"1"}]"#,
            r#"add ~/env/- {"name":"B","value":"2"}"#,
            &format!("replace ~/args {list}"),
        ]
    );
    assert!(tests.contains(&r#"test ~/args ["m","--max-num-seqs=64"]"#.to_owned()), "{tests:?}");
}

#[test]
fn the_edited_template_is_what_the_operations_make() {
    let target = target(&json!({ "args": ["m", "--max-num-seqs=64"] }), None);
    let (_, template) = parts(&target);
    let edit = edit_template(&template, &[field(&target, "max-num-seqs", "32").forward()]).unwrap();
    let edited = edited_template(&template, &edit).unwrap();
    let args = edited.spec.unwrap().containers[1].args.clone().unwrap();
    assert_eq!(args, ["m", "--max-num-seqs=32"]);
}

#[test]
fn what_can_not_be_written_is_refused_with_its_reason() {
    let target = target(&json!({ "args": ["m", "--max-num-seqs=64"] }), None);
    let (_, template) = parts(&target);
    let change = |address: &str, from: &str| FieldChange {
        address: FieldAddress::new(address),
        from: FieldValue::present(from),
        to: FieldValue::present("32"),
    };
    for (change, reason) in [
        (change("nonsense", "64"), PromotionReason::FieldNotAllowed),
        (change("configMaps[chat].data[seqs]", "64"), PromotionReason::FieldNotWritable),
        (change("containers[vllm].args[--max-num-seqs]", "63"), PromotionReason::FieldNotWritable),
        (change("containers[gone].args[--max-num-seqs]", "64"), PromotionReason::FieldNotWritable),
        (change("containers[vllm].args[--trust-remote-code]", "64"), PromotionReason::FieldNotWritable),
    ] {
        let refused = edit_template(&template, std::slice::from_ref(&change)).unwrap_err();
        assert_eq!(refused.reason, reason, "{}", refused.message);
    }
}
