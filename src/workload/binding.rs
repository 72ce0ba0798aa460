//! Setting a test's parameters in a template. The target itself is never touched: what lies in a ConfigMap is set in a
//! copy of it, and the template refers to the copy.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phaseloop_core::{
    plan::name::test_pod_name,
    tuning::{Binding, ConfigMapFormat, ContainerView, TargetView, set_parameter},
    value::ParameterName,
};
use serde_json::Value;

use super::{
    engine::{engine_container, target_view},
    refusal::{Refusal, RefusalReason, refuse},
    request::{BoundParameter, TemplateFacts, TestPodRequest},
};
use crate::{administrator::AdministratorPolicy, api::parameter as wire};

/// Where a parameter is set, from the form of our kinds: the flag of its own name unless something else is given. Beside
/// it the name of the ConfigMap, for a binding that lies in one.
pub fn place_of(name: &ParameterName, binding: Option<&wire::Binding>) -> (Binding, Option<String>) {
    let Some(wire::Binding { arg, env, config_map_key, field_path }) = binding else {
        return (Binding::of_parameter(name), None);
    };
    if let Some(argument) = arg {
        return (Binding::Argument { flag: ParameterName::new(&argument.flag) }, None);
    }
    if let Some(variable) = env {
        return (Binding::Environment { variable: variable.name.clone() }, None);
    }
    if let Some(field) = field_path {
        return (Binding::FieldPath { pointer: field.path.clone() }, None);
    }
    let Some(place) = config_map_key else { return (Binding::of_parameter(name), None) };
    let format = match place.format {
        wire::ConfigMapFormat::Plain => ConfigMapFormat::Plain,
        wire::ConfigMapFormat::Yaml => ConfigMapFormat::EngineConfig { flag: name.clone() },
    };
    (Binding::ConfigMapKey { key: place.key.clone(), format }, Some(place.name.clone()))
}

/// A template with a test's parameters in it.
#[derive(Debug)]
pub(super) struct BoundTemplate {
    pub(super) template: PodTemplateSpec,
    /// The copies of ConfigMaps that it refers to, without owner and labels.
    pub(super) copies: Vec<ConfigMap>,
}

/// Sets the parameters, in their order.
///
/// # Errors
/// One can't be set at its place.
pub(super) fn bind_parameters(
    request: &TestPodRequest,
    facts: &TemplateFacts,
    policy: Option<&AdministratorPolicy>,
) -> Result<BoundTemplate, Refusal> {
    let mut template = facts.template.clone();
    let mut maps: BTreeMap<String, ConfigMap> = BTreeMap::new();
    for parameter in &request.parameters {
        let engine = engine_container(&template, facts.engine_container.as_deref(), policy)?.clone();
        let map = parameter.config_map.as_ref().map(|name| config_map(name, &maps, facts, &template)).transpose()?;
        let view = target_view(&template, &engine, map.as_ref());
        let changed = set_parameter(&view, &parameter.binding, &parameter.value)
            .map_err(|error| not_settable(parameter, &error.to_string()))?
            .view;
        write_back(&mut template, &engine.name, &view, &changed, parameter)?;
        if let (Some(name), Some(map)) = (&parameter.config_map, map) {
            maps.insert(name.clone(), ConfigMap { data: Some(changed.config_map), ..map });
        }
    }
    let copies = maps.into_iter().map(|(name, map)| {
        let copy_name = test_pod_name(&request.owner.name, &request.owner.uid, &format!("config-{name}"));
        refer_to_copy(&mut template, &name, &copy_name);
        let mut copy = ConfigMap { immutable: Some(true), metadata: ObjectMeta::default(), ..map };
        copy.metadata.name = Some(copy_name);
        copy
    });
    let copies = copies.collect();
    Ok(BoundTemplate { template, copies })
}

fn not_settable(parameter: &BoundParameter, why: &str) -> Refusal {
    let message = format!("{}={} can't be set: {why}", parameter.name, parameter.value);
    Refusal { reason: RefusalReason::ParameterNotSettable, message }
}

/// The ConfigMap as it is after the parameters before.
fn config_map(
    name: &str,
    maps: &BTreeMap<String, ConfigMap>,
    facts: &TemplateFacts,
    template: &PodTemplateSpec,
) -> Result<ConfigMap, Refusal> {
    let Some(map) = maps.get(name).or_else(|| facts.config_maps.get(name)) else {
        return refuse(RefusalReason::ConfigMapNotUsed, format!("the ConfigMap {name} was not found"));
    };
    if !refers_to_config_map(template, name) {
        let message =
            format!("the target's template does not use the ConfigMap {name}, so a value in it would do nothing");
        return refuse(RefusalReason::ConfigMapNotUsed, message);
    }
    Ok(map.clone())
}

fn write_back(
    template: &mut PodTemplateSpec,
    engine: &str,
    before: &TargetView,
    after: &TargetView,
    parameter: &BoundParameter,
) -> Result<(), Refusal> {
    if after.object != before.object {
        let changed = after.object.pointer("/spec/template").cloned().unwrap_or(Value::Null);
        *template = serde_json::from_value(changed).map_err(|error| not_settable(parameter, &error.to_string()))?;
    }
    let containers = template.spec.iter_mut().flat_map(|spec| &mut spec.containers);
    if after.container != before.container
        && let Some(container) = containers.into_iter().find(|container| container.name == engine)
    {
        write_container(container, &before.container, &after.container);
    }
    Ok(())
}

/// Puts a changed view back. Variables keep their order, and one that was added stands last.
fn write_container(container: &mut Container, before: &ContainerView, after: &ContainerView) {
    if before.command != after.command {
        container.command = Some(after.command.clone());
    }
    if before.args != after.args {
        container.args = Some(after.args.clone());
    }
    let variables = container.env.get_or_insert_default();
    for (position, variable) in after.environment.iter().enumerate() {
        if before.environment.get(position) == Some(variable) {
            continue;
        }
        let set = EnvVar { name: variable.name.clone(), value: variable.value.clone(), value_from: None };
        match variables.get_mut(position) {
            Some(place) => *place = set,
            None => variables.push(set),
        }
    }
    if variables.is_empty() {
        container.env = None;
    }
}

fn refer_to_copy(template: &mut PodTemplateSpec, name: &str, copy: &str) {
    for reference in config_map_names(template) {
        if reference == name {
            copy.clone_into(reference);
        }
    }
}

/// Whether a template refers to a ConfigMap of that name.
pub fn refers_to_config_map(template: &PodTemplateSpec, name: &str) -> bool {
    config_map_names(&mut template.clone()).iter().any(|used| **used == name)
}

/// Every place at which a template names a ConfigMap.
fn config_map_names(template: &mut PodTemplateSpec) -> Vec<&mut String> {
    let Some(PodSpec { volumes, containers, init_containers, .. }) = &mut template.spec else { return Vec::new() };
    let mut names = Vec::new();
    for volume in volumes.iter_mut().flatten() {
        names.extend(volume.config_map.as_mut().map(|source| &mut source.name));
        let projected = volume.projected.iter_mut().flat_map(|projected| projected.sources.iter_mut().flatten());
        names.extend(projected.filter_map(|source| Some(&mut source.config_map.as_mut()?.name)));
    }
    for container in containers.iter_mut().chain(init_containers.iter_mut().flatten()) {
        let sources = container.env_from.iter_mut().flatten();
        names.extend(sources.filter_map(|source| Some(&mut source.config_map_ref.as_mut()?.name)));
        let variables = container.env.iter_mut().flatten();
        names.extend(
            variables.filter_map(|variable| Some(&mut variable.value_from.as_mut()?.config_map_key_ref.as_mut()?.name)),
        );
    }
    names
}

#[cfg(test)]
#[path = "binding_tests.rs"]
mod tests;
