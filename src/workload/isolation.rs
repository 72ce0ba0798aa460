//! What keeps a test pod apart: rights of its containers, the token, the GPUs that others use, the node of a volume.

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, EmptyDirVolumeSource, EnvVar, NodeAffinity, NodeSelector,
    NodeSelectorRequirement, NodeSelectorTerm, PodSecurityContext, SeccompProfile, SecurityContext, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{
    contract::{CACHE_FOLDER, NO_GPU, TOKEN_FOLDER, VOLUME_CACHE, VOLUME_NO_TOKEN},
    request::{LABEL_GPU_SHARING, SHARED_GPU_LABELS},
};

/// The user of our containers where the pod as a whole runs as root: the one that distroless images call `nonroot`.
const USER_NOT_ROOT: i64 = 65_532;
/// Switches off that the engine reports its use to its makers: a test is no use.
const QUIET: [(&str, &str); 2] = [("VLLM_NO_USAGE_STATS", "1"), ("VLLM_DO_NOT_TRACK", "1")];
/// Folders that vLLM and its compilers write to, each below the cache volume. Where models lie is left as it is.
const CACHES: [(&str, &str); 4] = [
    ("VLLM_CACHE_ROOT", "vllm"),
    ("VLLM_CONFIG_ROOT", "vllm-config"),
    ("TRITON_CACHE_DIR", "triton"),
    ("TORCHINDUCTOR_CACHE_DIR", "torchinductor"),
];
/// The capability that Kubernetes does not let go together with `allowPrivilegeEscalation: false`.
const SYS_ADMIN: [&str; 2] = ["SYS_ADMIN", "CAP_SYS_ADMIN"];

/// The rights of our own containers: those of the Pod Security Standard `restricted`, and a read-only root.
pub(super) fn helper_security(pod: Option<&PodSecurityContext>) -> SecurityContext {
    let runs_as_root = pod.and_then(|pod| pod.run_as_user) == Some(0);
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        // Else the image's own user, or the one that the platform gives: neither is root.
        run_as_user: runs_as_root.then_some(USER_NOT_ROOT),
        seccomp_profile: Some(SeccompProfile { localhost_profile: None, type_: "RuntimeDefault".to_owned() }),
        ..SecurityContext::default()
    }
}

/// The engine's rights as the template gives them, less what can go without changing what is measured: the way to more
/// rights, and the capabilities of a process that is not root, which it can't use. A seccomp profile is not added, since
/// it would change how the engine places its memory.
pub(super) fn tightened(engine: &Container, pod: Option<&PodSecurityContext>) -> Option<SecurityContext> {
    let mut context = engine.security_context.clone().unwrap_or_default();
    let adds_sys_admin = context
        .capabilities
        .iter()
        .flat_map(|capabilities| capabilities.add.iter().flatten())
        .any(|capability| SYS_ADMIN.contains(&capability.as_str()));
    let is_privileged = context.privileged == Some(true);
    if !is_privileged && !adds_sys_admin && context.allow_privilege_escalation.is_none() {
        context.allow_privilege_escalation = Some(false);
    }
    let user = context.run_as_user.or_else(|| pod.and_then(|pod| pod.run_as_user));
    let non_root = context.run_as_non_root.or_else(|| pod.and_then(|pod| pod.run_as_non_root)) == Some(true);
    let is_not_root = user.map_or(non_root, |user| user > 0);
    if is_not_root && !is_privileged && context.capabilities.is_none() {
        context.capabilities = Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) });
    }
    (context != SecurityContext::default()).then_some(context)
}

/// The environment of our own containers.
pub(super) fn helper_environment() -> Vec<EnvVar> {
    vec![variable(NO_GPU.0, NO_GPU.1)]
}

pub(super) fn variable(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), value_from: None }
}

/// An empty folder where Kubernetes would mount the ServiceAccount's token: it mounts none over it.
pub(super) fn no_token_mount() -> VolumeMount {
    VolumeMount { read_only: Some(true), ..mount(VOLUME_NO_TOKEN, TOKEN_FOLDER) }
}

pub(super) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

/// A volume that lives and dies with the pod.
pub(super) fn empty_volume(name: &str, size_limit: &str) -> Volume {
    let source = EmptyDirVolumeSource { medium: None, size_limit: Some(Quantity(size_limit.to_owned())) };
    Volume { name: name.to_owned(), empty_dir: Some(source), ..Volume::default() }
}

/// What the engine's environment gets beside the template's: it reports its use to nobody, and where its root file system
/// is read-only its caches lie on a volume. What the template sets itself stays. The second value says whether the
/// volume is needed.
pub(super) fn add_engine_environment(engine: &mut Container) -> bool {
    let read_only =
        engine.security_context.as_ref().and_then(|context| context.read_only_root_filesystem) == Some(true);
    let variables = engine.env.get_or_insert_default();
    let is_set = |variables: &[EnvVar], name: &str| variables.iter().any(|variable| variable.name == name);
    for (name, value) in QUIET {
        if !is_set(variables, name) {
            variables.push(variable(name, value));
        }
    }
    let mut needs_volume = false;
    for (name, folder) in CACHES.into_iter().filter(|_| read_only) {
        if !is_set(variables, name) {
            variables.push(variable(name, format!("{CACHE_FOLDER}/{folder}")));
            needs_volume = true;
        }
    }
    if needs_volume {
        engine.volume_mounts.get_or_insert_default().push(mount(VOLUME_CACHE, CACHE_FOLDER));
    }
    needs_volume
}

/// The affinity with the rules of a test pod: never a node that shares its GPUs, and the node of a volume that is in use.
pub(super) fn test_affinity(affinity: Option<Affinity>, node: Option<&str>) -> Affinity {
    let mut affinity = affinity.unwrap_or_default();
    let unshared = NodeSelectorRequirement {
        key: LABEL_GPU_SHARING.to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(SHARED_GPU_LABELS.map(str::to_owned).into()),
    };
    let on_node = node.map(|node| NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    });
    let NodeAffinity { required_during_scheduling_ignored_during_execution: required, .. } =
        affinity.node_affinity.get_or_insert_default();
    let NodeSelector { node_selector_terms: terms } = required.get_or_insert_default();
    if terms.is_empty() {
        terms.push(NodeSelectorTerm { match_expressions: Some(Vec::new()), match_fields: None });
    }
    // A term without any requirement matches no node, and must not begin to match some.
    for term in terms.iter_mut().filter(|term| **term != NodeSelectorTerm::default()) {
        term.match_expressions.get_or_insert_default().push(unshared.clone());
        if let Some(on_node) = &on_node {
            term.match_fields.get_or_insert_default().push(on_node.clone());
        }
    }
    affinity
}
