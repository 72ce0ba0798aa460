//! Policies and their faults.

use super::*;

const HEAD: &str = "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\n";

fn read(body: &str) -> Result<AdministratorPolicy, String> {
    read_policy("policy.yaml", &format!("{HEAD}{body}")).map_err(|faults| faults.to_string())
}

#[test]
fn a_policy_that_says_nothing_forbids_nothing_but_git() {
    let policy = read("").unwrap();
    assert!(policy.parameters.is_empty() && policy.images.admit("anything"));
    assert!(policy.limits.allow_automatic_approval && policy.limits.allow_borrowing);
    assert!(!policy.git.admit("https://git.example.com/a/b"));
}

#[test]
fn each_contradiction_is_told_with_its_place() {
    for (body, told) in [
        (
            "parameters:\n  - {name: max-num-seqs, minimum: 9, maximum: 8}\n",
            "policy.yaml:4:26: parameters[0].minimum: minimum 9 is above maximum 8 for max-num-seqs",
        ),
        (
            "parameters:\n  - name: max-num-seqs\n    maximum: 8\n    values: ['8', '9']\n",
            "policy.yaml:6:19: parameters[0].values[1]: 9 is outside the minimum and maximum given for max-num-seqs",
        ),
        (
            "parameters:\n  - name: max-num-seqs\n    minimum: 8\n    values: ['7', '8']\n",
            "policy.yaml:6:14: parameters[0].values[0]: 7 is outside the minimum and maximum given for max-num-seqs",
        ),
        (
            "parameters:\n  - {name: kv-cache-dtype, minimum: 1, values: [auto]}\n",
            "policy.yaml:4:49: parameters[0].values[0]: auto is no number, and kv-cache-dtype has a minimum or maximum",
        ),
        (
            "parameters:\n  - {name: max-num-seqs, permitted: false, maximum: 8}\n",
            "policy.yaml:4:26: parameters[0].permitted: max-num-seqs is forbidden, and has bounds all the same",
        ),
        ("parameters:\n  - name: max-num-seqs\n", "policy.yaml:4:5: parameters[0]: it says nothing about max-num-seqs"),
        (
            "bindings:\n  - parameter: max-num-seqs\n    binding: {}\n",
            "policy.yaml:5:5: bindings[0].binding: give exactly one of arg, env, configMapKey and fieldPath",
        ),
        (
            "bindings:\n  - parameter: a\n    binding: {env: {name: A}, fieldPath: {path: /spec/template/x}}\n",
            "policy.yaml:5:5: bindings[0].binding: give exactly one of arg, env, configMapKey and fieldPath",
        ),
        (
            "egress:\n  mode: Listed\n",
            "policy.yaml:4:3: egress.mode: mode Listed allows nothing: egress.allow is missing",
        ),
        ("egress:\n  allow: [{cidr: 10.0.0.0/8}]\n", "policy.yaml:4:3: egress.allow: it is read with mode Listed only"),
    ] {
        let faults = read(body).unwrap_err();
        assert_eq!(faults.lines().next(), Some(told), "{faults}");
        assert!(faults.lines().count() <= 2, "{faults}");
    }
}

#[test]
fn bounds_that_agree_are_read() {
    for body in [
        "parameters:\n  - {name: max-num-seqs, minimum: 8, maximum: 8, values: [8]}\n",
        "parameters:\n  - {name: kv-cache-dtype, permitted: true, values: [auto, fp8]}\n",
        "parameters:\n  - {name: max-num-seqs, permitted: false}\n",
        "parameters:\n  - {name: max-num-seqs, maximum: 8}\n",
        "egress:\n  mode: Listed\n  allow: [{cidr: 10.0.0.0/8, ports: [443]}]\n",
        "bindings:\n  - {parameter: a, binding: {env: {name: A}}}\n",
    ] {
        assert!(read(body).is_ok(), "{body}: {:?}", read(body));
    }
}

#[test]
fn faults_inside_a_config_map_stand_where_the_file_has_them() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: phaseloop-policy\ndata:\n  policy.yaml: |\n    apiVersion: policy.phaseloop.dev/v1alpha1\n    kind: AdministratorPolicy\n    limits:\n      maxTestPod: 2\n";
    let documents = read_documents("all.yaml", text).unwrap();
    let faults = read_policy_document(&documents[0], text).unwrap().unwrap_err();
    assert_eq!(
        faults.to_string(),
        "all.yaml:10:7: limits.maxTestPod: unknown field\n  remedy: did you mean maxTestPods?"
    );
    let quoted = "kind: ConfigMap\nmetadata: {name: phaseloop-policy}\ndata:\n  policy.yaml: \"kind: Other\"\n";
    let documents = read_documents("all.yaml", quoted).unwrap();
    let faults = read_policy_document(&documents[0], quoted).unwrap().unwrap_err();
    assert!(faults.0.iter().all(|fault| fault.position == Some(Position { line: 4, column: 3 })), "{faults}");
}

#[test]
fn a_config_map_without_the_key_is_told_so_and_another_document_is_left_alone() {
    for (text, told) in [
        (
            "kind: ConfigMap\nmetadata: {name: phaseloop-policy}\ndata: {policy: x}\n",
            Some(
                "a.yaml:3:1: data: there is no text under policy.yaml\n  remedy: put the policy under the key policy.yaml",
            ),
        ),
        ("kind: ConfigMap\nmetadata: {name: other}\n", None),
        ("kind: Escalation\nmetadata: {name: phaseloop-policy}\n", None),
    ] {
        let documents = read_documents("a.yaml", text).unwrap();
        let result = read_policy_document(&documents[0], text);
        assert_eq!(result.map(|result| result.unwrap_err().to_string()).as_deref(), told, "{text}");
    }
}

#[test]
fn another_version_and_two_documents_are_refused() {
    let faults = read_policy("p.yaml", "apiVersion: policy.phaseloop.dev/v2\nkind: AdministratorPolicy\n").unwrap_err();
    assert!(faults.to_string().contains("is none of policy.phaseloop.dev/v1alpha1"), "{faults}");
    let faults = read_policy("p.yaml", &format!("{HEAD}---\n{HEAD}")).unwrap_err();
    assert_eq!(faults.to_string(), "p.yaml: 2 documents, and one is wanted");
}
