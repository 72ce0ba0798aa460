//! Whether Argo CD, Flux or Helm manages an object: they would put an old value back, or call it drift.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phaseloop_core::promotion::observed::TargetManager;

/// Keys of labels or annotations by which a manager marks what it manages. Argo CD and Flux also deploy Helm charts, which
/// carry Helm's own marks, so they are asked first.
const MARKS: [(TargetManager, &[&str]); 3] = [
    (
        TargetManager::ArgoCD,
        &["argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance", "argocd.argoproj.io/installation-id"],
    ),
    (TargetManager::Flux, &["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"]),
    (TargetManager::Helm, &["meta.helm.sh/release-name", "meta.helm.sh/release-namespace"]),
];

/// The label that says which tool manages an object, and its value for Helm.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "Helm");

/// Names in managedFields under which managers write. Argo CD may track by a label that everybody uses
/// (`app.kubernetes.io/instance`); then this is all that shows it.
const FIELD_MANAGERS: [(&str, TargetManager); 5] = [
    ("argocd-controller", TargetManager::ArgoCD),
    ("kustomize-controller", TargetManager::Flux),
    ("helm-controller", TargetManager::Flux),
    ("helm", TargetManager::Helm),
    ("Helm", TargetManager::Helm),
];

/// Who manages the object, if anybody does.
pub fn manager_of(metadata: &ObjectMeta) -> Option<TargetManager> {
    let has = |key: &&str| -> bool {
        [&metadata.labels, &metadata.annotations].into_iter().flatten().any(|entries| entries.contains_key(*key))
    };
    let marked = MARKS.iter().find(|(_, keys)| keys.iter().any(has)).map(|(manager, _)| *manager);
    let said = || {
        let value = metadata.labels.as_ref()?.get(MANAGED_BY.0)?;
        (value == MANAGED_BY.1).then_some(TargetManager::Helm)
    };
    let written = || {
        let names = metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.as_deref());
        let known = names.filter_map(|name| FIELD_MANAGERS.iter().find(|(known, _)| *known == name));
        known.map(|(_, manager)| *manager).min()
    };
    // A chart that Argo CD or Flux deploys says Helm, and managedFields says who it was.
    match marked.or_else(said) {
        None | Some(TargetManager::Helm) => written().or_else(|| marked.or_else(said)),
        Some(manager) => Some(manager),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manager(metadata: &Value) -> Option<TargetManager> {
        manager_of(&serde_json::from_value(metadata.clone()).unwrap())
    }

    #[test]
    fn each_manager_is_known_by_its_marks() {
        let helm = json!({ "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "chat" });
        for (metadata, expected) in [
            (json!({}), None),
            (json!({ "labels": { "app": "llama", "app.kubernetes.io/instance": "chat" } }), None),
            (json!({ "labels": { "app.kubernetes.io/managed-by": "kustomize" } }), None),
            (json!({ "annotations": { "argocd.argoproj.io/tracking-id": "x" } }), Some(TargetManager::ArgoCD)),
            (json!({ "labels": { "argocd.argoproj.io/instance": "x" } }), Some(TargetManager::ArgoCD)),
            (json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "x" } }), Some(TargetManager::Flux)),
            (json!({ "labels": { "helm.toolkit.fluxcd.io/name": "x" } }), Some(TargetManager::Flux)),
            (json!({ "labels": helm }), Some(TargetManager::Helm)),
            (json!({ "annotations": { "meta.helm.sh/release-name": "x" } }), Some(TargetManager::Helm)),
            (
                json!({ "labels": helm, "annotations": { "argocd.argoproj.io/tracking-id": "x" } }),
                Some(TargetManager::ArgoCD),
            ),
        ] {
            assert_eq!(manager(&metadata), expected, "{metadata}");
        }
    }

    #[test]
    fn managed_fields_show_a_manager_that_leaves_no_mark() {
        let written = |names: &[&str], labels: Value| {
            let fields: Vec<Value> = names.iter().map(|name| json!({ "manager": name })).collect();
            manager(&json!({ "managedFields": fields, "labels": labels }))
        };
        assert_eq!(written(&["kubectl-client-side-apply", "kube-controller-manager"], json!({})), None);
        assert_eq!(written(&["kubectl", "argocd-controller"], json!({})), Some(TargetManager::ArgoCD));
        assert_eq!(written(&["helm"], json!({})), Some(TargetManager::Helm));
        let helm = json!({ "app.kubernetes.io/managed-by": "Helm" });
        assert_eq!(written(&["helm-controller"], helm.clone()), Some(TargetManager::Flux));
        assert_eq!(written(&["phaseloop"], helm), Some(TargetManager::Helm));
    }
}
