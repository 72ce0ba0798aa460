//! What the chart renders to: a table of values, snapshots of few, rules that hold for each, and what is made of it for those
//! who have no helm.

use std::{collections::BTreeSet, process::Command};

use phaseloop::{
    installation::{Rule, rights},
    yaml::read_documents,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    committed::{read, repository, same_as_committed},
    helm::{Helm, IMAGE, NAMESPACE, object, objects, text, variable},
};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    bare: bool,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    further: Vec<String>,
    refused: Option<String>,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    lacks_text: Vec<String>,
    #[serde(default)]
    snapshot: bool,
}

fn cases() -> Vec<Case> {
    let documents = read_documents("tests/chart/cases.yaml", &read("tests/chart/cases.yaml")).unwrap();
    serde_json::from_value(documents[0].value.clone()).unwrap()
}

fn rendered(helm: &Helm, case: &Case) -> Result<String, String> {
    let (key, repository) = IMAGE.split_once('=').unwrap();
    let mut values = Vec::new();
    if !case.bare {
        values.extend([format!("{key}=\"{repository}\""), "definitions.create=false".to_owned()]);
    }
    values.extend(case.values.clone());
    let further: Vec<&str> = case.further.iter().map(String::as_str).collect();
    helm.render(&values, &further)
}

/// Without a space at the end of a line, without what helm says of its files, and without the empty lines that some of its
/// releases leave at the end of a document.
fn tidied(rendering: &str) -> String {
    let lines = rendering.lines().filter(|line| !line.starts_with("# Source: "));
    let mut tidied = lines.map(|line| format!("{}\n", line.trim_end())).collect::<String>();
    while tidied.contains("\n\n---\n") {
        tidied = tidied.replace("\n\n---\n", "\n---\n");
    }
    tidied.trim_end().to_owned() + "\n"
}

#[test]
fn the_chart_passes_helm_s_own_strict_lint() {
    let Some(helm) = Helm::brought() else { return };
    helm.run(&["lint", "--strict", "charts/phaseloop", "--set", IMAGE]).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn each_case_of_values_renders_or_is_refused_as_the_table_says() {
    let Some(helm) = Helm::brought() else { return };
    for case in cases() {
        let came = rendered(&helm, &case);
        let name = &case.name;
        if let Some(refused) = &case.refused {
            let complaint = came.expect_err(name);
            assert!(complaint.contains(refused), "{name}: {complaint}");
            continue;
        }
        let rendering = came.unwrap_or_else(|complaint| panic!("{name}: {complaint}"));
        let there: BTreeSet<String> = objects(name, &rendering)
            .iter()
            .map(|object| format!("{} {}", text(object, "/kind"), text(object, "/metadata/name")))
            .collect();
        for wanted in &case.has {
            assert!(there.contains(wanted), "{name} has no {wanted}: {there:?}");
        }
        for unwanted in &case.lacks {
            assert!(!there.contains(unwanted), "{name} has {unwanted}");
        }
        for wanted in &case.says {
            assert!(rendering.contains(wanted), "{name} does not say {wanted}");
        }
        for unwanted in &case.lacks_text {
            assert!(!rendering.contains(unwanted), "{name} says {unwanted}");
        }
        if case.snapshot {
            same_as_committed(&format!("tests/snapshots/chart/{name}.yaml"), &tidied(&rendering));
        }
        assert_eq!(faults(&objects(name, &rendering)), [""; 0], "{name}");
    }
}

/// Pod specifications of an object, with the place of each.
fn pod_of(object: &Value) -> Option<&Value> {
    match text(object, "/kind") {
        "Deployment" | "Job" => object.pointer("/spec/template/spec"),
        "Pod" => object.pointer("/spec"),
        _ => None,
    }
}

/// What each rendering must keep to and does not.
fn faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let accounts: BTreeSet<&str> = objects
        .iter()
        .filter(|object| text(object, "/kind") == "ServiceAccount")
        .map(|object| text(object, "/metadata/name"))
        .collect();
    for object in objects {
        let name = format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"));
        let is_of_cluster = matches!(
            text(object, "/kind"),
            "ClusterRole"
                | "ClusterRoleBinding"
                | "CustomResourceDefinition"
                | "PriorityClass"
                | "ValidatingAdmissionPolicy"
                | "ValidatingAdmissionPolicyBinding"
        );
        if text(object, "/metadata/namespace").is_empty() != is_of_cluster {
            faults.push(format!("{name}: its namespace is {:?}", text(object, "/metadata/namespace")));
        }
        if let Some(pod) = pod_of(object) {
            faults.extend(pod_faults(pod).map(|fault| format!("{name}: {fault}")));
            if !accounts.contains(text(pod, "/serviceAccountName")) {
                faults.push(format!("{name}: nobody makes its account {}", text(pod, "/serviceAccountName")));
            }
        }
        let rules = object["rules"].as_array().into_iter().flatten();
        let words = rules.flat_map(|rule| ["apiGroups", "resources", "verbs"].map(|part| rule[part].clone()));
        if words.flat_map(|words| words.as_array().cloned().unwrap_or_default()).any(|word| word == "*") {
            faults.push(format!("{name}: has a wildcard"));
        }
    }
    faults
}

/// What the `restricted` level of pod security wants, and what we add.
fn pod_faults(pod: &Value) -> impl Iterator<Item = String> {
    let container = &pod["containers"][0];
    let wanted = [
        (pod, "/securityContext/runAsNonRoot", json!(true)),
        (pod, "/securityContext/runAsUser", json!(65532)),
        (pod, "/securityContext/seccompProfile/type", json!("RuntimeDefault")),
        (container, "/securityContext/allowPrivilegeEscalation", json!(false)),
        (container, "/securityContext/readOnlyRootFilesystem", json!(true)),
        (container, "/securityContext/capabilities/drop", json!(["ALL"])),
        (container, "/resources/limits/memory", json!("256Mi")),
    ];
    let faults: Vec<String> = wanted
        .into_iter()
        .filter(|(of, place, value)| of.pointer(place) != Some(value))
        .map(|(_, place, value)| format!("{place} is not {value}"))
        .collect();
    faults.into_iter()
}

#[test]
fn an_unsafe_pod_a_wildcard_and_an_object_without_its_namespace_are_found() {
    let pod = json!({ "kind": "Pod", "metadata": { "name": "p", "namespace": "n" }, "spec": {
        "serviceAccountName": "nobody", "containers": [{}] } });
    assert_eq!(faults(&[pod]).len(), 7 + 1);
    let role = json!({ "kind": "Role", "metadata": { "name": "r" }, "rules": [{ "verbs": ["*"] }] });
    assert_eq!(faults(&[role]), ["Role r: its namespace is \"\"", "Role r: has a wildcard"]);
}

/// The rules of a role as the table of rights has them.
fn in_role(rules: &[Rule], chart_name: &str) -> Value {
    let rule = |rule: &Rule| {
        let mut value = json!({ "apiGroups": rule.api_groups, "resources": rule.resources, "verbs": rule.verbs });
        if let Some(names) = &rule.resource_names {
            value["resourceNames"] = if names.is_empty() { json!([chart_name]) } else { json!(names) };
        }
        value
    };
    rules.iter().map(rule).collect()
}

#[test]
fn the_committed_renderings_hold_the_table_of_rights_and_nothing_else() {
    let rights = rights().unwrap();
    for (file, operator, leaving) in [
        ("defaults", "Role", "Role"),
        ("named-namespaces", "Role", "Role"),
        ("all-namespaces", "ClusterRole", "ClusterRole"),
    ] {
        let objects = objects(file, &read(&format!("tests/snapshots/chart/{file}.yaml")));
        for (kind, name, rules) in [
            (operator, "phaseloop-operator", &rights.operator),
            ("Role", "phaseloop-lease", &rights.lease),
            ("ClusterRole", "phaseloop-own-kinds", &rights.own_kinds),
            (leaving, "phaseloop-uninstall", &rights.leaving),
            ("Role", "phaseloop-uninstall-operator", &rights.leaving_operator),
        ] {
            let is_it = |object: &&Value| text(object, "/kind") == kind && text(object, "/metadata/name") == name;
            let roles: Vec<&Value> = objects.iter().filter(is_it).collect();
            let expected = match (file, name) {
                ("all-namespaces", "phaseloop-own-kinds") => 0,
                ("named-namespaces", "phaseloop-operator" | "phaseloop-uninstall") => 2,
                _ => 1,
            };
            assert_eq!(roles.len(), expected, "{file}: {kind} {name}");
            for role in roles {
                assert_eq!(role["rules"], in_role(rules, "phaseloop"), "{file}: {kind} {name}");
            }
        }
    }
}

#[test]
fn every_role_that_is_bound_is_there_and_binds_an_account_of_the_release() {
    for file in ["defaults", "named-namespaces", "all-namespaces"] {
        let objects = objects(file, &read(&format!("tests/snapshots/chart/{file}.yaml")));
        for binding in objects.iter().filter(|object| text(object, "/kind").ends_with("RoleBinding")) {
            let (kind, name) = (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
            let is_role = |object: &&Value| {
                text(object, "/kind") == kind
                    && text(object, "/metadata/name") == name
                    && (kind == "ClusterRole" || object["metadata"]["namespace"] == binding["metadata"]["namespace"])
            };
            assert!(objects.iter().any(|object| is_role(&object)), "{file}: {kind} {name} is bound and not there");
            assert_eq!(text(binding, "/subjects/0/namespace"), NAMESPACE);
        }
    }
}

const INSTALL_HEAD: &str = "\
# phaseloop in all namespaces, for those who have no helm. Generated from charts/phaseloop: `UPDATE=1 tests/run chart`.
# Name your image in both places: sed 's|registry.example.org/phaseloop:VERSION|YOUR/IMAGE:TAG|' manifests/install.yaml \\
#   | kubectl apply --server-side -f -
# For fewer namespaces, and for leaving in order, take the chart: docs/installing.md.
apiVersion: v1
kind: Namespace
metadata:
  name: phaseloop-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
";

/// What `kubectl apply` makes is not Helm's.
fn without_helm(rendering: &str) -> String {
    let is_helms = |line: &str| {
        let line = line.trim();
        line == "app.kubernetes.io/managed-by: Helm" || line.starts_with("helm.sh/chart:")
    };
    let mut text = String::new();
    let mut lines = rendering.lines().filter(|line| !is_helms(line)).peekable();
    while let Some(line) = lines.next() {
        // The one annotation of a definition is for Helm.
        if line.trim() == "annotations:" && lines.peek().is_some_and(|next| next.contains("helm.sh/resource-policy")) {
            lines.next();
            continue;
        }
        text += line;
        text.push('\n');
    }
    text
}

#[test]
fn the_committed_plain_manifest_is_what_the_chart_renders_to() {
    let Some(helm) = Helm::brought() else { return };
    let (key, repository) = IMAGE.split_once('=').unwrap();
    let values = [format!("{key}=\"{repository}\""), "scope.allNamespaces=true".to_owned()];
    let rendering = helm.render(&values, &["--no-hooks"]).unwrap_or_else(|complaint| panic!("{complaint}"));
    let head = INSTALL_HEAD.replace("VERSION", env!("CARGO_PKG_VERSION"));
    same_as_committed("manifests/install.yaml", &(head + &without_helm(&tidied(&rendering))));
}

#[test]
fn the_plain_manifest_has_the_operator_and_what_it_needs_and_no_trace_of_helm() {
    let manifest = read("manifests/install.yaml");
    assert!(!manifest.contains("managed-by: Helm") && !manifest.contains("helm.sh/"));
    let objects = objects("manifests/install.yaml", &manifest);
    let count = |kind: &str| objects.iter().filter(|object| text(object, "/kind") == kind).count();
    assert_eq!((count("CustomResourceDefinition"), count("Deployment"), count("Job")), (5, 1, 0));
    assert_eq!(count("ValidatingAdmissionPolicy"), 3);
    let without_namespace: Vec<Value> = objects.into_iter().filter(|object| object["kind"] != "Namespace").collect();
    assert_eq!(faults(&without_namespace), [""; 0]);
}

#[test]
fn an_overlay_names_the_image_once_and_the_operator_is_told_the_same() {
    let Some(kubectl) = variable("PHASELOOP_TEST_KUBECTL") else { return };
    let mut command = Command::new(kubectl);
    let output = command.args(["kustomize", "examples/kustomize"]).current_dir(repository("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects = objects("overlay", &String::from_utf8(output.stdout).unwrap());
    let deployment = object(&objects, "Deployment", "phaseloop");
    let container = deployment.pointer("/spec/template/spec/containers/0").unwrap();
    let image = "registry.example.com/team/phaseloop:0.1.0";
    assert_eq!(container["image"], image);
    let variables = container["env"].as_array().unwrap();
    let told = variables.iter().find(|variable| variable["name"] == "PHASELOOP_IMAGE").unwrap();
    assert_eq!(told["value"], image);
}
