use serde_json::json;

use super::*;
use crate::workload::fixture::{bound, canary, facts};

fn bind(parameters: Vec<BoundParameter>, facts: &TemplateFacts) -> Result<BoundTemplate, Refusal> {
    bind_parameters(&TestPodRequest { parameters, ..canary() }, facts, None)
}

fn engine(bound: &BoundTemplate) -> Value {
    serde_json::to_value(&bound.template.spec.as_ref().unwrap().containers[0]).unwrap()
}

fn config_map(name: &str, key: &str, text: &str) -> (String, ConfigMap) {
    let map = json!({"metadata": {"name": name, "uid": "u"}, "data": {key: text, "other": "x"}});
    (name.to_owned(), serde_json::from_value(map).unwrap())
}

#[test]
fn without_parameters_the_template_stays_as_it_is() {
    let facts = facts(|_| {});
    let bound = bind(Vec::new(), &facts).unwrap();
    assert_eq!(bound.template, facts.template);
    assert!(bound.copies.is_empty());
}

#[test]
fn a_flag_is_set_where_it_stands_and_nothing_else_changes() {
    let facts = facts(|_| {});
    let bound = bind(vec![bound("gpu-memory-utilization", "0.75", Value::Null)], &facts).unwrap();
    let mut expected = facts.template.clone();
    expected.spec.as_mut().unwrap().containers[0].args.as_mut().unwrap()[1] =
        "--gpu-memory-utilization=0.75".to_owned();
    assert_eq!(bound.template, expected);
}

#[test]
fn several_parameters_are_set_one_after_the_other() {
    let two = vec![bound("gpu-memory-utilization", "0.75", Value::Null), bound("max-num-seqs", "32", Value::Null)];
    let bound = bind(two, &facts(|_| {})).unwrap();
    assert_eq!(
        engine(&bound)["args"],
        json!(["m", "--gpu-memory-utilization=0.75", "--port", "8000", "--max-num-seqs=32"])
    );
}

#[test]
fn a_variable_is_changed_in_its_place_or_added_at_the_end() {
    let with_env = facts(|template| {
        template["spec"]["containers"][0]["env"] = json!([{"name": "SEQS", "value": "8"}, {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    });
    let set = |facts: &TemplateFacts| {
        bind(vec![bound("max-num-seqs", "32", json!({"env": {"name": "SEQS"}}))], facts).unwrap()
    };
    let changed = set(&with_env);
    assert_eq!(engine(&changed)["env"][0], json!({"name": "SEQS", "value": "32"}));
    assert_eq!(engine(&changed)["env"][1]["valueFrom"]["secretKeyRef"]["name"], "s");
    assert_eq!(engine(&set(&facts(|_| {})))["env"], json!([{"name": "SEQS", "value": "32"}]));
}

#[test]
fn a_field_of_the_template_is_set() {
    let facts = facts(|template| template["metadata"]["annotations"] = json!({"example.com/seqs": "8"}));
    let place = json!({"fieldPath": {"path": "/spec/template/metadata/annotations/example.com~1seqs"}});
    let bound = bind(vec![bound("max-num-seqs", "32", place)], &facts).unwrap();
    let annotations = bound.template.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations["example.com/seqs"], "32");
}

/// A template that uses the ConfigMap `engine` at every place at which one can be named.
fn using_config_map() -> TemplateFacts {
    let mut facts = facts(|template| {
        let spec = &mut template["spec"];
        spec["volumes"] = json!([
            {"name": "v", "configMap": {"name": "engine"}},
            {"name": "w", "projected": {"sources": [{"configMap": {"name": "engine"}}, {"secret": {"name": "engine"}}]}},
            {"name": "x", "configMap": {"name": "other"}},
        ]);
        spec["initContainers"] = json!([{"name": "first", "envFrom": [{"configMapRef": {"name": "engine"}}]}]);
        spec["containers"][0]["env"] =
            json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "engine", "key": "seqs"}}}]);
    });
    facts.config_maps = [config_map("engine", "seqs", "8\n")].into();
    facts
}

#[test]
fn a_config_map_is_copied_and_the_template_refers_to_the_copy_everywhere() {
    let place = json!({"configMapKey": {"name": "engine", "key": "seqs"}});
    let facts = using_config_map();
    let bound = bind(vec![bound("max-num-seqs", "32", place)], &facts).unwrap();
    let [copy] = &bound.copies[..] else { panic!("one copy") };
    let name = copy.metadata.name.clone().unwrap();
    assert!(name.starts_with("llama-8b-0-config-engine-") && name.len() <= 63, "{name}");
    assert_eq!(copy.data.as_ref().unwrap()["seqs"], "32\n");
    assert_eq!(copy.data.as_ref().unwrap()["other"], "x");
    assert_eq!((copy.immutable, &copy.metadata.uid), (Some(true), &None));
    let text = serde_json::to_string(&bound.template).unwrap();
    assert_eq!(text.matches(&name).count(), 4, "{text}");
    assert_eq!(text.matches("\"name\":\"engine\"").count(), 1, "the Secret of the same name stays: {text}");
    assert!(text.contains("\"secret\":{\"name\":\"engine\"}"), "{text}");
    assert_eq!(facts.config_maps["engine"].data.as_ref().unwrap()["seqs"], "8\n", "the original stays");
}

#[test]
fn two_parameters_in_one_config_map_share_its_copy() {
    let mut facts = using_config_map();
    facts.config_maps = [config_map("engine", "engine.yaml", "max-num-seqs: 8\nblock-size: 16\n")].into();
    let place = json!({"configMapKey": {"name": "engine", "key": "engine.yaml", "format": "Yaml"}});
    let two = vec![bound("max-num-seqs", "32", place.clone()), bound("block-size", "32", place)];
    let bound = bind(two, &facts).unwrap();
    let [copy] = &bound.copies[..] else { panic!("one copy") };
    assert_eq!(copy.data.as_ref().unwrap()["engine.yaml"], "max-num-seqs: 32\nblock-size: 32\n");
}

#[test]
fn what_cannot_be_set_is_refused_with_the_cores_reason() {
    let flag = |name: &str| bound(name, "1", Value::Null);
    let no_args = facts(|template| {
        template["spec"]["containers"][0]["args"] = json!([]);
        template["spec"]["containers"][0]["command"] = json!([]);
    });
    let unused = TemplateFacts { config_maps: [config_map("engine", "k", "1")].into(), ..facts(|_| {}) };
    let in_map = bound("max-num-seqs", "1", json!({"configMapKey": {"name": "engine", "key": "k"}}));
    let into_list = bound("max-num-seqs", "1", json!({"fieldPath": {"path": "/spec/template/spec/containers"}}));
    let not_a_template = bound("max-num-seqs", "1", json!({"fieldPath": {"path": "/spec/template/spec/hostNetwork"}}));
    for (parameter, facts, reason, told) in [
        (flag("max-num-seqs"), &no_args, RefusalReason::ParameterNotSettable, "ImageDecides"),
        (flag("trust-remote-code"), &facts(|_| {}), RefusalReason::ParameterNotSettable, "ForbiddenFlag"),
        (into_list, &facts(|_| {}), RefusalReason::ParameterNotSettable, "NotAScalar"),
        (not_a_template, &facts(|_| {}), RefusalReason::ParameterNotSettable, "max-num-seqs=1 can't be set"),
        (in_map.clone(), &facts(|_| {}), RefusalReason::ConfigMapNotUsed, "engine was not found"),
        (in_map, &unused, RefusalReason::ConfigMapNotUsed, "does not use the ConfigMap engine"),
    ] {
        let refusal = bind(vec![parameter], facts).unwrap_err();
        assert_eq!(refusal.reason, reason, "{refusal}");
        assert!(refusal.message.contains(told), "{refusal}");
    }
}

#[test]
fn places_are_read_from_the_form_of_our_kinds() {
    let place = |binding: Value| {
        let parameter = bound("max-num-seqs", "1", binding);
        (parameter.binding, parameter.config_map)
    };
    let flag = |flag: &str| Binding::Argument { flag: ParameterName::new(flag) };
    assert_eq!(place(Value::Null), (flag("max-num-seqs"), None));
    assert_eq!(place(json!({"arg": {"flag": "--max_num_seqs"}})), (flag("max-num-seqs"), None));
    assert_eq!(place(json!({"env": {"name": "A"}})), (Binding::Environment { variable: "A".to_owned() }, None));
    assert_eq!(
        place(json!({"fieldPath": {"path": "/spec/template/x"}})),
        (Binding::FieldPath { pointer: "/spec/template/x".to_owned() }, None)
    );
    let in_map =
        |format: ConfigMapFormat| (Binding::ConfigMapKey { key: "k".to_owned(), format }, Some("m".to_owned()));
    assert_eq!(place(json!({"configMapKey": {"name": "m", "key": "k"}})), in_map(ConfigMapFormat::Plain));
    let engine_file = ConfigMapFormat::EngineConfig { flag: ParameterName::new("max-num-seqs") };
    assert_eq!(place(json!({"configMapKey": {"name": "m", "key": "k", "format": "Yaml"}})), in_map(engine_file));
}
