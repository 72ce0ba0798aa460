//! The engine in a template: which container it is, how it is started, where it answers, what it takes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, PodTemplateSpec};
use phaseloop_core::{
    analysis::engine_log::without_secrets,
    tuning::{ContainerView, EnvironmentVariable, TargetView, configuration_of, engine_arguments},
};
use serde_json::json;

use super::{
    contract::ENGINE_KEY_VARIABLE,
    refusal::{Refusal, RefusalReason, refuse},
};
use crate::administrator::{AdministratorPolicy, EngineEntry};

/// The container that is the engine where several could be and nobody says which.
const ENGINE_NAME_DEFAULT: &str = "vllm";
/// The port at which vLLM answers unless told otherwise.
const PORT_DEFAULT: &str = "8000";
/// Addresses that include the loopback one.
const HOSTS_WITH_LOOPBACK: [&str; 5] = ["0.0.0.0", "127.0.0.1", "localhost", "::", "[::]"];
/// Names of resources that are whole GPUs, or parts of one that nobody shares. Device plugins that share a card may
/// append [`SHARED_ENDING`].
const GPU_RESOURCES: [&str; 6] =
    ["nvidia.com/gpu", "nvidia.com/mig-", "amd.com/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe", "habana.ai/gaudi"];
/// Ending of the names of resources that are shares of a GPU.
const SHARED_ENDING: &str = ".shared";
/// The registry of images that name none.
const REGISTRY_DEFAULT: &str = "docker.io";

/// The container that runs the engine: the one that is named; else the only one; else the one named `vllm`; else the
/// only one that requests a GPU; else the only one that starts vLLM, or whose image the administrator names as an engine.
///
/// # Errors
/// There is none, or more than one.
pub fn engine_container<'a>(
    template: &'a PodTemplateSpec,
    named: Option<&str>,
    policy: Option<&AdministratorPolicy>,
) -> Result<&'a Container, Refusal> {
    let containers = template.spec.as_ref().map_or(&[][..], |spec| &spec.containers);
    let listed = || containers.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ");
    if containers.is_empty() {
        return refuse(RefusalReason::TemplateEmpty, "the pod template has no containers");
    }
    if let Some(name) = named {
        return containers.iter().find(|container| container.name == name).ok_or_else(|| Refusal {
            reason: RefusalReason::EngineNotFound,
            message: format!("the template has no container {name}, only {}", listed()),
        });
    }
    if let [only] = containers {
        return Ok(only);
    }
    if let Some(container) = containers.iter().find(|container| container.name == ENGINE_NAME_DEFAULT) {
        return Ok(container);
    }
    let with_gpu: Vec<&Container> = containers.iter().filter(|container| requests_gpu(container)).collect();
    if let [only] = with_gpu[..] {
        return Ok(only);
    }
    let candidates = if with_gpu.is_empty() { containers.iter().collect() } else { with_gpu };
    let is_engine = |container: &&&Container| starts_engine(container) || entry_of(container, policy).is_some();
    let engines: Vec<&Container> = candidates.iter().filter(is_engine).copied().collect();
    match engines[..] {
        [only] => Ok(only),
        [] => refuse(
            RefusalReason::EngineNotFound,
            format!("none of {} is known to run the engine; name it in targetRef.container", listed()),
        ),
        _ => refuse(
            RefusalReason::EngineAmbiguous,
            format!("several of {} may run the engine; name it in targetRef.container", listed()),
        ),
    }
}

/// Everything in which a binding can lie: the engine's container, the data of the ConfigMap that the binding names, and
/// the template below `/spec/template`, where field paths begin.
pub fn target_view(template: &PodTemplateSpec, engine: &Container, config_map: Option<&ConfigMap>) -> TargetView {
    TargetView {
        container: container_view(engine),
        config_map: config_map.and_then(|map| map.data.clone()).unwrap_or_default(),
        object: json!({ "spec": { "template": template } }),
    }
}

/// The engine's configuration as its container states it: canonical flag name -> value, values of secrets left out.
/// Empty where a shell starts it by a command line that can't be read.
pub fn configuration(engine: &Container, policy: Option<&AdministratorPolicy>) -> BTreeMap<String, String> {
    without_secrets(stated_configuration(engine, policy))
}

fn stated_configuration(engine: &Container, policy: Option<&AdministratorPolicy>) -> BTreeMap<String, String> {
    let mut view = container_view(engine);
    if view.command.is_empty()
        && let Some(entry) = entry_of(engine, policy)
    {
        view.command.clone_from(&entry.command);
    }
    engine_arguments(&view).map(|words| configuration_of(&words)).unwrap_or_default()
}

pub(super) fn container_view(container: &Container) -> ContainerView {
    let environment = container.env.iter().flatten();
    ContainerView {
        command: container.command.clone().unwrap_or_default(),
        args: container.args.clone().unwrap_or_default(),
        environment: environment
            .map(|variable| EnvironmentVariable {
                name: variable.name.clone(),
                // Kubernetes takes a variable with neither value nor source for an empty one.
                value: match variable.value_from {
                    None => Some(variable.value.clone().unwrap_or_default()),
                    Some(_) => None,
                },
            })
            .collect(),
    }
}

/// What the engine runs under a guard: the command that is known, or nothing where the image decides and nobody says how.
/// Without arguments of its own an image's default ones would be lost beside a command, so that its entry point is used
/// only together with the template's arguments.
pub(super) fn guarded_command(engine: &Container, policy: Option<&AdministratorPolicy>) -> Option<Vec<String>> {
    let stated = engine.command.as_ref().filter(|command| !command.is_empty());
    let has_arguments = engine.args.as_ref().is_some_and(|args| !args.is_empty());
    stated.cloned().or_else(|| entry_of(engine, policy).filter(|_| has_arguments).map(|entry| entry.command.clone()))
}

/// Where the engine answers within its pod.
///
/// # Errors
/// It listens at one address or a socket only.
pub(super) fn engine_url(engine: &Container, policy: Option<&AdministratorPolicy>) -> Result<String, Refusal> {
    let configuration = stated_configuration(engine, policy);
    let elsewhere = |what: String| {
        let message =
            format!("the engine listens at {what}, and the probe reaches it at 127.0.0.1; let it listen there");
        refuse(RefusalReason::EngineNotOnLoopback, message)
    };
    if let Some(socket) = configuration.get("uds") {
        return elsewhere(format!("the socket {socket}"));
    }
    if let Some(host) = configuration.get("host").filter(|host| !HOSTS_WITH_LOOPBACK.contains(&host.as_str())) {
        return elsewhere(host.clone());
    }
    let port = configuration.get("port").cloned().or_else(|| {
        let ports = engine.ports.as_deref().unwrap_or_default();
        if let [only] = ports { Some(only.container_port.to_string()) } else { None }
    });
    let port = port.as_deref().unwrap_or(PORT_DEFAULT);
    if port.parse::<u16>().is_err() {
        return elsewhere(format!("the port {port}, which the template does not give as a number"));
    }
    let encrypted = ["ssl-certfile", "ssl-keyfile"].iter().any(|flag| configuration.contains_key(*flag));
    let scheme = if encrypted { "https" } else { "http" };
    Ok(format!("{scheme}://127.0.0.1:{port}"))
}

/// The name by which the engine's model is asked for; absent where the template does not say it, or says it by a
/// reference that only its own container can resolve.
pub(super) fn served_model(engine: &Container, policy: Option<&AdministratorPolicy>) -> Option<String> {
    let configuration = stated_configuration(engine, policy);
    let served = configuration.get("served-model-name").and_then(|names| names.split_whitespace().next());
    served
        .map(str::to_owned)
        .or_else(|| configuration.get("model").cloned())
        .filter(|name| !name.is_empty() && !name.contains("$("))
}

/// The key that the engine asks its clients for, from where its own container takes it; absent where it asks for none.
pub(super) fn engine_key(engine: &Container, policy: Option<&AdministratorPolicy>) -> Option<EnvVar> {
    let variable = |name: &str| engine.env.iter().flatten().rfind(|variable| variable.name == name);
    let as_ours = |variable: &EnvVar| EnvVar { name: ENGINE_KEY_VARIABLE.to_owned(), ..variable.clone() };
    // Arguments win over the environment, as with the engine.
    if let Some(key) = stated_configuration(engine, policy).get("api-key") {
        let reference = key.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')'));
        let literal = EnvVar { name: ENGINE_KEY_VARIABLE.to_owned(), value: Some(key.clone()), value_from: None };
        return Some(reference.and_then(variable).map_or(literal, as_ours));
    }
    variable("VLLM_API_KEY").map(as_ours)
}

/// GPUs that a container requests.
///
/// # Errors
/// They are shares of a GPU.
pub fn gpus_of(container: &Container) -> Result<u32, Refusal> {
    let requested = requested_resources(container);
    if let Some((name, _)) = requested.iter().find(|(name, _)| is_gpu(name) && name.ends_with(SHARED_ENDING)) {
        let message = format!("the container {} requests {name}, a share of a GPU", container.name);
        return refuse(RefusalReason::GPUShared, message);
    }
    Ok(requested.iter().filter(|(name, _)| is_gpu(name)).map(|(_, count)| count).sum())
}

fn requests_gpu(container: &Container) -> bool {
    requested_resources(container).iter().any(|(name, count)| is_gpu(name) && *count > 0)
}

/// Whether a resource is a GPU, or a part of one.
pub(super) fn is_gpu(resource: &str) -> bool {
    GPU_RESOURCES.iter().any(|known| match known.strip_suffix('-') {
        Some(_) => resource.starts_with(known),
        None => resource.strip_suffix(SHARED_ENDING).unwrap_or(resource) == *known,
    })
}

/// Whole numbers of extended resources; limits stand for requests, which must equal them.
fn requested_resources(container: &Container) -> Vec<(&str, u32)> {
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref()).into_iter().flatten();
    let requests = resources.and_then(|resources| resources.requests.as_ref()).into_iter().flatten();
    let limited = |name: &str| {
        resources.and_then(|resources| resources.limits.as_ref()).is_some_and(|limits| limits.contains_key(name))
    };
    limits
        .chain(requests.filter(|(name, _)| !limited(name)))
        .filter_map(|(name, quantity)| Some((name.as_str(), quantity.0.parse().ok()?)))
        .collect()
}

fn starts_engine(container: &Container) -> bool {
    let words = container.command.iter().flatten().chain(container.args.iter().flatten());
    let names_engine = |word: &String| {
        word.rsplit('/').next() == Some("vllm") || word.contains("vllm serve") || word.contains("vllm.entrypoints")
    };
    let image = container.image.as_deref().map(image_name);
    words.clone().any(names_engine) || image.is_some_and(|name| name.rsplit('/').next() == Some("vllm-openai"))
}

/// What the administrator says that a container's image starts.
pub(super) fn entry_of<'a>(container: &Container, policy: Option<&'a AdministratorPolicy>) -> Option<&'a EngineEntry> {
    let image = with_registry(image_name(container.image.as_deref()?));
    policy?.engines.iter().find(|entry| with_registry(&entry.image) == image)
}

/// An image without tag and digest.
fn image_name(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        // A colon before the last slash is that of a port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

/// An image's name with the registry that it stands for.
fn with_registry(name: &str) -> String {
    match name.split_once('/') {
        Some((registry, _)) if registry.contains(['.', ':']) || registry == "localhost" => name.to_owned(),
        Some(_) => format!("{REGISTRY_DEFAULT}/{name}"),
        None => format!("{REGISTRY_DEFAULT}/library/{name}"),
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
