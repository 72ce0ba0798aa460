//! The sample of the administrator's policy is read, and shows every field.

use std::collections::BTreeSet;

use phaseloop::{
    administrator::{policy_schema, read_policy_document},
    yaml::read_documents,
};
use serde_json::Value;

use crate::{committed::read, definitions::walk, samples::paths};

const SAMPLE: &str = "manifests/samples/phaseloop-policy.yaml";

#[test]
fn the_sample_of_the_policy_is_read() {
    let text = read(SAMPLE);
    let documents = read_documents(SAMPLE, &text).unwrap();
    let policy = read_policy_document(&documents[0], &text).unwrap().unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(policy.parameters.len(), 3);
    assert_eq!(policy.limits.max_test_pods, Some(2));
    assert!(policy.git.admit("https://git.example.com/platform/chat"));
    assert!(!policy.images.admit("docker.io/vllm/vllm-openai:latest"));
}

#[test]
fn the_sample_of_the_policy_shows_every_field_and_the_schema_tells_and_bounds_it() {
    let documents = read_documents(SAMPLE, &read(SAMPLE)).unwrap();
    let inner = documents[0].value["data"]["policy.yaml"].as_str().unwrap().to_owned();
    let policy: Value = read_documents("policy.yaml", &inner).unwrap()[0].value.clone();
    let mut shown = BTreeSet::new();
    paths(&policy, "", &mut shown);
    walk(policy_schema(), "", &mut |path, node| {
        // Bindings exclude each other; the Escalation's samples show them.
        let alternative = path.starts_with("bindings[].binding.");
        assert!(shown.contains(path) || alternative, "{path} is not shown");
        assert!(node["description"].is_string() || path.ends_with("[]") || path.is_empty(), "{path} is not told");
    });
}
