//! Defaults of structs of the built-in kinds, by the struct's name: Kubernetes' `SetDefaults_*`.

use serde_json::{Map, Value, json};

use super::super::schema::encode_base64;

type Fields = Map<String, Value>;

/// Sets the defaults of a struct.
pub(in super::super) fn set_defaults(name: &str, fields: &mut Fields) {
    match name {
        "core/v1.PodSpec" => pod_spec(fields),
        "core/v1.Pod" => pod(fields),
        "core/v1.Container" | "core/v1.EphemeralContainer" => container(fields),
        "core/v1.Probe" => {
            for (field, value) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                default(fields, field, value);
            }
        }
        "core/v1.HTTPGetAction" => {
            default(fields, "path", "/");
            default(fields, "scheme", "HTTP");
        }
        "core/v1.Volume" if fields.len() <= 1 => {
            fields.insert("emptyDir".to_owned(), json!({}));
        }
        "core/v1.SecretVolumeSource"
        | "core/v1.ConfigMapVolumeSource"
        | "core/v1.DownwardAPIVolumeSource"
        | "core/v1.ProjectedVolumeSource" => default(fields, "defaultMode", 0o644),
        "core/v1.ServiceAccountTokenProjection" => default(fields, "expirationSeconds", 3600),
        "core/v1.HostPathVolumeSource" => default(fields, "type", ""),
        "core/v1.ObjectFieldSelector" => default(fields, "apiVersion", "v1"),
        "core/v1.Secret" => secret(fields),
        "core/v1.Service" => service(fields),
        "core/v1.PersistentVolumeClaimSpec" => default(fields, "volumeMode", "Filesystem"),
        "core/v1.PersistentVolumeClaimStatus" => default(fields, "phase", "Pending"),
        "core/v1.NamespaceStatus" => default(fields, "phase", "Active"),
        "core/v1.Namespace" => namespace(fields),
        "core/v1.NodeStatus" => {
            if let Some(capacity) = fields.get("capacity").cloned() {
                default(fields, "allocatable", capacity);
            }
        }
        "apps/v1.Deployment" => deployment(fields),
        "apps/v1.StatefulSet" => stateful_set(fields),
        "apps/v1.ReplicaSet" => below(fields, "spec", |spec| default(spec, "replicas", 1)),
        "autoscaling/v2.HorizontalPodAutoscaler" => autoscaler(fields),
        "scheduling/v1.PriorityClass" => default(fields, "preemptionPolicy", "PreemptLowerPriority"),
        "discovery/v1.EndpointPort" => {
            default(fields, "name", "");
            default(fields, "protocol", "TCP");
        }
        "networking/v1.NetworkPolicyPort" => default(fields, "protocol", "TCP"),
        "networking/v1.NetworkPolicy" => below(fields, "spec", network_policy_types),
        "admissionregistration/v1.ValidatingAdmissionPolicySpec" => default(fields, "failurePolicy", "Fail"),
        "admissionregistration/v1.MatchResources" => {
            default(fields, "matchPolicy", "Equivalent");
            default(fields, "namespaceSelector", json!({}));
            default(fields, "objectSelector", json!({}));
        }
        "admissionregistration/v1.NamedRuleWithOperations" => default(fields, "scope", "*"),
        _ => {}
    }
}

/// Sets a field that is absent, null or empty.
fn default(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    let absent = fields.get(name).is_none_or(Value::is_null);
    if absent {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Changes a field that is an object.
fn below(fields: &mut Fields, name: &str, change: impl FnOnce(&mut Fields)) {
    if let Some(below) = fields.get_mut(name).and_then(Value::as_object_mut) {
        change(below);
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn pod_spec(spec: &mut Fields) {
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "restartPolicy", "Always");
    default(spec, "securityContext", json!({}));
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "schedulerName", "default-scheduler");
    // The older name of the field is written too.
    let account = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned();
    if let Some(account) = account {
        spec.insert("serviceAccountName".to_owned(), account.clone());
        spec.insert("serviceAccount".to_owned(), account);
    }
}

fn pod(pod: &mut Fields) {
    below(pod, "spec", |spec| {
        default(spec, "enableServiceLinks", true);
        let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let Some(container) = container.as_object_mut() else { continue };
                below(container, "resources", requests_from_limits);
                for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                    let number = port.get("containerPort").cloned();
                    if let (true, Some(port), Some(number)) = (host_network, port.as_object_mut(), number) {
                        default(port, "hostPort", number);
                    }
                }
            }
        }
    });
}

fn requests_from_limits(resources: &mut Fields) {
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    for (name, amount) in limits {
        if let Some(requests) = requests.as_object_mut() {
            requests.entry(name).or_insert(amount);
        }
    }
}

fn container(container: &mut Fields) {
    let image = text(container, "image");
    let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
    default(container, "imagePullPolicy", policy);
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
}

/// Whether an image names no version: no digest, and no tag but `latest`.
fn is_latest(image: &str) -> bool {
    if image.is_empty() || image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// `stringData` is written and never read: it becomes `data`.
fn secret(secret: &mut Fields) {
    default(secret, "type", "Opaque");
    let Some(Value::Object(texts)) = secret.remove("stringData") else { return };
    let data = secret.entry("data").or_insert_with(|| json!({}));
    for (key, text) in texts {
        let text = encode_base64(text.as_str().unwrap_or_default().as_bytes());
        if let Some(data) = data.as_object_mut() {
            data.insert(key, text.into());
        }
    }
}

fn service(service: &mut Fields) {
    below(service, "spec", |spec| {
        default(spec, "sessionAffinity", "None");
        default(spec, "type", "ClusterIP");
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(port) = port.as_object_mut() else { continue };
            let target = port.get("targetPort");
            if target.is_none_or(|target| *target == json!(0) || *target == json!("")) {
                let number = port.get("port").cloned().unwrap_or_default();
                port.insert("targetPort".to_owned(), number);
            }
        }
        let kind = text(spec, "type").to_owned();
        if ["NodePort", "LoadBalancer"].contains(&kind.as_str()) {
            default(spec, "externalTrafficPolicy", "Cluster");
        }
        if kind != "ExternalName" {
            default(spec, "internalTrafficPolicy", "Cluster");
        }
        if kind == "LoadBalancer" {
            default(spec, "allocateLoadBalancerNodePorts", true);
        }
    });
}

fn namespace(namespace: &mut Fields) {
    below(namespace, "metadata", |metadata| {
        let Some(name) = metadata.get("name").cloned() else { return };
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert("kubernetes.io/metadata.name".to_owned(), name);
        }
    });
}

fn deployment(deployment: &mut Fields) {
    below(deployment, "spec", |spec| {
        default(spec, "replicas", 1);
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "progressDeadlineSeconds", 600);
        below(spec, "strategy", |strategy| {
            default(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                default(strategy, "rollingUpdate", json!({}));
                below(strategy, "rollingUpdate", |rolling| {
                    default(rolling, "maxUnavailable", "25%");
                    default(rolling, "maxSurge", "25%");
                });
            }
        });
    });
}

fn stateful_set(set: &mut Fields) {
    below(set, "spec", |spec| {
        default(spec, "replicas", 1);
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "podManagementPolicy", "OrderedReady");
        default(
            spec,
            "persistentVolumeClaimRetentionPolicy",
            json!({ "whenDeleted": "Retain", "whenScaled": "Retain" }),
        );
        below(spec, "updateStrategy", |strategy| {
            if text(strategy, "type").is_empty() {
                default(strategy, "type", "RollingUpdate");
                default(strategy, "rollingUpdate", json!({}));
            }
            if text(strategy, "type") == "RollingUpdate" {
                below(strategy, "rollingUpdate", |rolling| default(rolling, "partition", 0));
            }
        });
    });
}

/// A policy that does not say what it is about is about who reaches its pods, and about what they reach where it has rules for
/// that.
fn network_policy_types(spec: &mut Fields) {
    let has_any = |name: &str| spec.get(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if !has_any("policyTypes") {
        let types = if has_any("egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".to_owned(), types);
    }
}

fn autoscaler(autoscaler: &mut Fields) {
    const PERCENT_PER_15_SECONDS: i32 = 100;
    below(autoscaler, "spec", |spec| {
        default(spec, "minReplicas", 1);
        default(
            spec,
            "metrics",
            json!([{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }]),
        );
        let percent = json!({ "type": "Percent", "value": PERCENT_PER_15_SECONDS, "periodSeconds": 15 });
        let pods = json!({ "type": "Pods", "value": 4, "periodSeconds": 15 });
        below(spec, "behavior", |behavior| {
            for (direction, policies) in [("scaleUp", json!([pods, percent])), ("scaleDown", json!([percent]))] {
                default(behavior, direction, json!({}));
                below(behavior, direction, |rules| {
                    default(rules, "selectPolicy", "Max");
                    default(rules, "policies", policies);
                    if direction == "scaleUp" {
                        default(rules, "stabilizationWindowSeconds", 0);
                    }
                });
            }
        });
    });
}
