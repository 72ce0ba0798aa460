//! The resources that Kubernetes itself defines, as a table.

use std::sync::Arc;

use super::{
    definition::{BuiltIn, ResourceDefinition, Rules, ScalePaths},
    schema::{Type, builtin_type},
};

/// One row: group, version, plural, singular, kind, short names, flags, rules, form.
///
/// Flags: `n` namespaced, `s` status, `c` scale, `a` in the category `all`.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str, BuiltIn);

const ROWS: [Row; 25] = [
    ("", "v1", "namespaces", "namespace", "Namespace", "ns", "s", BuiltIn::Namespace),
    ("", "v1", "pods", "pod", "Pod", "po", "nsa", BuiltIn::Pod),
    ("", "v1", "nodes", "node", "Node", "no", "s", BuiltIn::Node),
    ("", "v1", "configmaps", "configmap", "ConfigMap", "cm", "n", BuiltIn::ConfigMap),
    ("", "v1", "secrets", "secret", "Secret", "", "n", BuiltIn::Secret),
    ("", "v1", "services", "service", "Service", "svc", "nsa", BuiltIn::Service),
    ("", "v1", "endpoints", "endpoints", "Endpoints", "ep", "n", BuiltIn::Endpoints),
    ("", "v1", "events", "event", "Event", "ev", "n", BuiltIn::Event),
    ("", "v1", "podtemplates", "podtemplate", "PodTemplate", "", "n", BuiltIn::PodTemplate),
    ("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", "sa", "n", BuiltIn::ServiceAccount),
    (
        "",
        "v1",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        "PersistentVolumeClaim",
        "pvc",
        "ns",
        BuiltIn::PersistentVolumeClaim,
    ),
    ("", "v1", "resourcequotas", "resourcequota", "ResourceQuota", "quota", "ns", BuiltIn::ResourceQuota),
    ("apps", "v1", "deployments", "deployment", "Deployment", "deploy", "nsca", BuiltIn::Deployment),
    ("apps", "v1", "statefulsets", "statefulset", "StatefulSet", "sts", "nsca", BuiltIn::StatefulSet),
    ("apps", "v1", "replicasets", "replicaset", "ReplicaSet", "rs", "nsca", BuiltIn::ReplicaSet),
    ("coordination.k8s.io", "v1", "leases", "lease", "Lease", "", "n", BuiltIn::Lease),
    ("discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice", "", "n", BuiltIn::EndpointSlice),
    (
        "policy",
        "v1",
        "poddisruptionbudgets",
        "poddisruptionbudget",
        "PodDisruptionBudget",
        "pdb",
        "ns",
        BuiltIn::PodDisruptionBudget,
    ),
    (
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "networkpolicy",
        "NetworkPolicy",
        "netpol",
        "n",
        BuiltIn::NetworkPolicy,
    ),
    ("scheduling.k8s.io", "v1", "priorityclasses", "priorityclass", "PriorityClass", "pc", "", BuiltIn::PriorityClass),
    (
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        "HorizontalPodAutoscaler",
        "hpa",
        "nsa",
        BuiltIn::HorizontalPodAutoscaler,
    ),
    ("events.k8s.io", "v1", "events", "event", "Event", "ev", "n", BuiltIn::Event),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicies",
        "validatingadmissionpolicy",
        "ValidatingAdmissionPolicy",
        "",
        "s",
        BuiltIn::AdmissionPolicy,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
        "validatingadmissionpolicybinding",
        "ValidatingAdmissionPolicyBinding",
        "",
        "",
        BuiltIn::AdmissionPolicyBinding,
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "customresourcedefinition",
        "CustomResourceDefinition",
        "crd",
        "s",
        BuiltIn::CustomResourceDefinition,
    ),
];

/// Every built-in resource.
pub(super) fn definitions() -> Vec<ResourceDefinition> {
    ROWS.into_iter().map(definition).collect()
}

fn definition(row: Row) -> ResourceDefinition {
    let (group, version, plural, singular, kind, short_name, flags, rules) = row;
    // Events of both groups are the same objects, stored once.
    let storage = match (group, plural) {
        (_, "events") | ("", _) => plural.to_owned(),
        (group, plural) => format!("{plural}.{group}"),
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    ResourceDefinition {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: singular.to_owned(),
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        short_names: words(short_name),
        categories: words(if flags.contains('a') { "all" } else { "" }),
        namespaced: flags.contains('n'),
        has_status: flags.contains('s'),
        scale: flags.contains('c').then(|| ScalePaths {
            spec_replicas: vec!["spec".to_owned(), "replicas".to_owned()],
            status_replicas: vec!["status".to_owned(), "replicas".to_owned()],
            selector: None,
        }),
        storage: storage.into(),
        since: 0,
        defined_at: 0,
        form: builtin_type(&type_name(group, version, kind)).unwrap_or_else(|| Arc::new(Type::Any)),
        rules: Rules::BuiltIn(rules),
    }
}

/// The name of a kind's struct, as in `core/v1.Pod`.
pub(super) fn type_name(group: &str, version: &str, kind: &str) -> String {
    let package = match group {
        "" => "core",
        group => group.split('.').next().unwrap_or_default(),
    };
    format!("{package}/{version}.{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_kind_has_a_form() {
        for definition in definitions() {
            let name = type_name(&definition.group, &definition.version, &definition.kind);
            assert!(matches!(&*definition.form, Type::Map(map) if map.name == name), "{name}");
        }
    }
}
