//! Hashes by which templates, workloads and test pods are told apart. All are of typed values, whose maps are ordered:
//! the order in which anybody wrote a map changes none of them.

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use phaseloop_core::{
    plan::label::{ANNOTATION_CONFIGURATION_HASH, ANNOTATION_SPEC_DIGEST, GROUP},
    value::digest::hex_digest,
};
use serde::Serialize;

use crate::api::workload::{Slo, Workload};

/// Hash of a target's pod template. Our own labels and annotations are left out: they say who promoted a value, which is
/// no change of the target. The hash of a ConfigMap's data stays in: with other data, the target is another. A field that the Kubernetes version of this build does not know is not seen.
pub fn template_hash(template: &PodTemplateSpec) -> String {
    let mut template = template.clone();
    if let Some(metadata) = &mut template.metadata {
        let foreign = |key: &String| key == ANNOTATION_CONFIGURATION_HASH || key.split('/').next() != Some(GROUP);
        for map in [&mut metadata.annotations, &mut metadata.labels] {
            *map = map.take().map(|entries| entries.into_iter().filter(|(key, _)| foreign(key)).collect());
            *map = map.take().filter(|entries: &std::collections::BTreeMap<_, _>| !entries.is_empty());
        }
    }
    if template.metadata == Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta::default()) {
        template.metadata = None;
    }
    hash("PodTemplate", &template)
}

/// Hash of a workload: part of the key by which runs are comparable.
pub fn workload_hash(workload: &Workload) -> String {
    hash("Workload", workload)
}

/// Hash of the limits: fitness is compared only under the same one.
pub fn slo_hash(slo: &Slo) -> String {
    hash("SLO", slo)
}

/// Digest of all that shapes a test pod, the digest's own annotation left out.
pub(super) fn spec_digest(pod: &Pod) -> String {
    let mut pod = pod.clone();
    if let Some(annotations) = &mut pod.metadata.annotations {
        annotations.remove(ANNOTATION_SPEC_DIGEST);
    }
    hash("TestPod", &pod)
}

fn hash(what: &str, value: &impl Serialize) -> String {
    // Values of these types always have a JSON form; the empty text would only make two faults equal.
    hex_digest(&[what, &serde_json::to_string(value).unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn template(metadata: &Value, image: &str) -> PodTemplateSpec {
        serde_json::from_value(json!({
            "metadata": metadata,
            "spec": {"containers": [{"name": "vllm", "image": image}], "nodeSelector": {"a": "1", "b": "2"}},
        }))
        .unwrap()
    }

    #[test]
    fn the_order_of_a_map_and_our_own_annotations_change_no_template() {
        let plain = template_hash(&template(&json!({"labels": {"app": "a"}}), "i"));
        let reordered = r#"{"spec": {"nodeSelector": {"b": "2", "a": "1"}, "containers": [{"image": "i", "name": "vllm"}]},
                            "metadata": {"labels": {"app": "a"}, "creationTimestamp": null}}"#;
        assert_eq!(template_hash(&serde_json::from_str(reordered).unwrap()), plain);
        let ours = json!({
            "labels": {"app": "a", "phaseloop.dev/x": "1"},
            "annotations": {"phaseloop.dev/promotion": "1"},
        });
        assert_eq!(template_hash(&template(&ours, "i")), plain);
        assert_eq!(template_hash(&template(&json!({}), "i")), template_hash(&template(&Value::Null, "i")));
    }

    #[test]
    fn what_others_write_and_the_hash_of_a_config_map_change_the_template() {
        let plain = template_hash(&template(&json!({"labels": {"app": "a"}}), "i"));
        for (metadata, image) in [
            (json!({"labels": {"app": "a"}}), "j"),
            (json!({"labels": {"app": "b"}}), "i"),
            (json!({"labels": {"app": "a"}, "annotations": {"example.com/x": "1"}}), "i"),
            (json!({"labels": {"app": "a"}, "annotations": {"phaseloop.dev/configuration-hash": "1"}}), "i"),
            (json!({"labels": {"app": "a"}, "annotations": {"phaseloop.dev.example.com/x": "1"}}), "i"),
        ] {
            assert_ne!(template_hash(&template(&metadata, image)), plain, "{metadata} {image}");
        }
    }

    #[test]
    fn equal_loads_have_one_hash_however_they_are_written() {
        let load = |rate: Value, seed: i64| {
            let load = json!({
                "arrival": {"rate": rate}, "inputTokens": {"fixed": 64}, "outputTokens": {"fixed": 32}, "seed": seed,
            });
            workload_hash(&serde_json::from_value(load).unwrap())
        };
        assert_eq!(load(json!(2), 0), load(json!(2.0), 0));
        assert_ne!(load(json!(2), 0), load(json!(2.5), 0));
        assert_ne!(load(json!(2), 0), load(json!(2), 1));
        let slo = |text: &str| slo_hash(&serde_json::from_value(json!({ "e2e": text })).unwrap());
        assert_eq!(slo("1m30s"), slo("90s"));
        assert_ne!(slo("90s"), slo("91s"));
    }
}
