//! Variables of containers that come from keys of ConfigMaps, as they are when a pod starts. A ConfigMap that changes later
//! changes nothing in a pod that runs; a container that is started again in its pod keeps what it had.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, Pod};

use crate::simulation::cluster::view::Key;

/// The pod as its containers find it; `None` where a key is not there that they can't do without.
pub(super) fn with_config_maps(pod: &Pod, config_maps: &BTreeMap<Key, ConfigMap>) -> Option<Pod> {
    let mut pod = pod.clone();
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let spec = pod.spec.iter_mut();
    for container in spec.flat_map(|spec| spec.init_containers.iter_mut().flatten().chain(&mut spec.containers)) {
        *container = told_by_config_maps(container, &namespace, config_maps)?;
    }
    Some(pod)
}

/// A container of that namespace whose variables have what ConfigMaps hold; `None` where a key is not there that it can't do
/// without.
pub fn told_by_config_maps(
    container: &Container,
    namespace: &str,
    config_maps: &BTreeMap<Key, ConfigMap>,
) -> Option<Container> {
    let reference = |variable: &EnvVar| variable.value_from.as_ref()?.config_map_key_ref.clone();
    let mut told = container.clone();
    for variable in told.env.iter_mut().flatten() {
        let Some(reference) = reference(variable) else { continue };
        let map = config_maps.get(&(namespace.to_owned(), reference.name.clone()));
        match map.and_then(|map| map.data.as_ref()?.get(&reference.key).cloned()) {
            Some(value) => (variable.value, variable.value_from) = (Some(value), None),
            None if reference.optional == Some(true) => {}
            None => return None,
        }
    }
    // An optional variable whose key is not there is not set at all.
    if let Some(variables) = &mut told.env {
        variables.retain(|variable| reference(variable).is_none());
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(variable: &Value, data: &Value) -> Option<Value> {
        let pod = json!({
            "metadata": { "name": "p", "namespace": "chat" },
            "spec": { "containers": [{ "name": "vllm", "env": [{ "name": "OTHER", "value": "1" }, variable] }] },
        });
        let map = serde_json::from_value(json!({ "metadata": { "name": "engine" }, "data": data })).unwrap();
        let maps = [(("chat".to_owned(), "engine".to_owned()), map)].into();
        let pod = with_config_maps(&serde_json::from_value(pod).unwrap(), &maps)?;
        Some(serde_json::to_value(pod).unwrap()["spec"]["containers"][0]["env"].clone())
    }

    fn share(optional: Option<bool>) -> Value {
        let reference = json!({ "name": "engine", "key": "share", "optional": optional });
        json!({ "name": "SHARE", "valueFrom": { "configMapKeyRef": reference } })
    }

    #[test]
    fn a_variable_has_the_value_that_its_key_holds() {
        let expected = json!([{ "name": "OTHER", "value": "1" }, { "name": "SHARE", "value": "0.84" }]);
        assert_eq!(seen(&share(None), &json!({ "share": "0.84" })), Some(expected));
    }

    #[test]
    fn no_container_starts_without_a_key_that_it_needs_and_an_optional_one_is_left_out() {
        assert_eq!(seen(&share(None), &json!({ "x": "0.84" })), None);
        assert_eq!(seen(&share(Some(false)), &Value::Null), None);
        let left = json!([{ "name": "OTHER", "value": "1" }]);
        assert_eq!(seen(&share(Some(true)), &Value::Null), Some(left));
    }
}
