//! What is refused of a template before a pod is built of it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};

use super::{
    contract::{CACHE_FOLDER, PROGRAM_FOLDER, RECORDS_FOLDER, REPORT_FOLDER, RESERVED_PREFIX},
    refusal::{Refusal, RefusalReason, refuse},
    request::{ClaimFacts, GPUSharing, TemplateFacts, TestKind, TestPodRequest},
};
use crate::administrator::AdministratorPolicy;

/// Access modes by which pods on several nodes can share a volume.
const MODES_OF_MANY: [&str; 2] = ["ReadWriteMany", "ReadOnlyMany"];
/// The access mode by which one pod alone has a volume.
const MODE_OF_ONE_POD: &str = "ReadWriteOncePod";

/// Checks what no test pod may have, whatever it tests.
///
/// # Errors
/// The first rule that is not kept.
pub(super) fn check_pod(spec: &PodSpec) -> Result<(), Refusal> {
    let host = [("hostNetwork", spec.host_network), ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc)];
    if let Some((field, _)) = host.iter().find(|(_, asked)| *asked == Some(true)) {
        return refuse(RefusalReason::HostNamespace, format!("the template sets {field}"));
    }
    if let Some(node) = &spec.node_name {
        let message = format!("the template names the node {node}; use a node selector instead");
        return refuse(RefusalReason::NodeNamed, message);
    }
    let claims_of =
        |container: &Container| container.resources.as_ref().is_some_and(|resources| resources.claims.is_some());
    let has_claims = spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty());
    if has_claims || all_containers(spec).any(claims_of) {
        let message = "the template requests devices through resource claims; request nvidia.com/gpu instead";
        return refuse(RefusalReason::DeviceClaims, message);
    }
    if spec.resources.is_some() {
        let message = "the template has resources of the whole pod; give them to its containers instead";
        return refuse(RefusalReason::PodLevelResources, message);
    }
    Ok(())
}

/// Checks that nothing of the template stands where ours will.
///
/// # Errors
/// A name or a path is taken.
pub(super) fn check_names(spec: &PodSpec, test: &TestKind) -> Result<(), Refusal> {
    let containers = all_containers(spec).map(|container| container.name.as_str());
    let volumes = spec.volumes.iter().flatten().map(|volume| volume.name.as_str());
    if let Some(name) = containers.chain(volumes).find(|name| name.starts_with(RESERVED_PREFIX)) {
        let message = format!("{name} begins with {RESERVED_PREFIX}, which is kept for what a test adds");
        return refuse(RefusalReason::NameReserved, message);
    }
    let ours: &[&str] = match test {
        TestKind::Serving(_) => &[PROGRAM_FOLDER, RECORDS_FOLDER, CACHE_FOLDER],
        TestKind::Report => &[REPORT_FOLDER],
    };
    let is_below = |path: &str, folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mounts = all_containers(spec).flat_map(|container| container.volume_mounts.iter().flatten());
    let taken = mounts
        .map(|mount| mount.mount_path.trim_end_matches('/'))
        .find(|path| ours.iter().any(|folder| is_below(path, folder) || is_below(folder, path)));
    match taken {
        Some(path) => {
            refuse(RefusalReason::NameReserved, format!("something is mounted at {path}, where a test mounts"))
        }
        None => Ok(()),
    }
}

/// Checks that no selector which finds the target's own pods can find the test pod: they have no label in common.
///
/// # Errors
/// They have one.
pub(super) fn check_labels(
    template: Option<&BTreeMap<String, String>>,
    ours: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    match template.into_iter().flatten().find(|(key, value)| ours.get(*key) == Some(*value)) {
        Some((key, value)) => refuse(
            RefusalReason::LabelTaken,
            format!("the template has the label {key}={value} of test pods; what selects by it would select both"),
        ),
        None => Ok(()),
    }
}

fn all_containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten())
}

/// Checks images against the administrator's rules. Our own image is the installation's, not the namespace's.
///
/// # Errors
/// One is not allowed.
pub(super) fn check_images<'a>(
    containers: impl Iterator<Item = &'a Container>,
    policy: Option<&AdministratorPolicy>,
) -> Result<(), Refusal> {
    let Some(rules) = policy.map(|policy| &policy.images) else { return Ok(()) };
    for container in containers {
        let image = container.image.as_deref().unwrap_or_default();
        if !rules.admit(image) {
            let message = format!("the policy does not let test pods run {image} (container {})", container.name);
            return refuse(RefusalReason::ImageNotAllowed, message);
        }
    }
    Ok(())
}

/// Checks that the engine's GPUs can be had whole.
///
/// # Errors
/// There are none, or they are shared.
pub(super) fn check_gpus(engine: &Container, gpus: u32, facts: &TemplateFacts) -> Result<(), Refusal> {
    if gpus == 0 {
        let message = format!("the container {} requests no GPU; give it a limit of nvidia.com/gpu", engine.name);
        return refuse(RefusalReason::NoGPU, message);
    }
    match facts.gpu_sharing.filter(|sharing| GPUSharing::is_shared(*sharing)) {
        Some(sharing) => refuse(RefusalReason::GPUShared, format!("the nodes share their GPUs by {}", sharing.name())),
        None => Ok(()),
    }
}

/// Checks the volume claims of the volumes that are kept, and finds the node on which one of them is in use, which is then
/// the only node for the pod.
///
/// # Errors
/// A claim is unknown, can't be shared with a second pod, or can't be made a second time.
pub(super) fn check_claims(volumes: &[Volume], facts: &TemplateFacts) -> Result<Option<String>, Refusal> {
    if let Some((volume, named)) = volumes.iter().find_map(|volume| Some((&volume.name, named_by_claim(volume)?))) {
        let message = format!(
            "the claim of each pod for {volume} names the volume {named}, which only one of them can have; name a storage \
             class instead"
        );
        return refuse(RefusalReason::VolumeNamed, message);
    }
    let mut nodes: BTreeSet<(&str, &str)> = BTreeSet::new();
    for volume in volumes {
        let Some(source) = &volume.persistent_volume_claim else { continue };
        let name = source.claim_name.as_str();
        let Some(claim) = facts.claims.get(name) else {
            return refuse(RefusalReason::ClaimUnknown, format!("the volume claim {name} was not found"));
        };
        let ClaimFacts { access_modes, used_on_nodes } = claim;
        if access_modes.iter().any(|mode| MODES_OF_MANY.contains(&mode.as_str())) {
            continue;
        }
        if access_modes.iter().any(|mode| mode == MODE_OF_ONE_POD) && !used_on_nodes.is_empty() {
            let message =
                format!("the volume claim {name} is {MODE_OF_ONE_POD} and in use on {}", used_on_nodes.join(", "));
            return refuse(RefusalReason::ClaimInUse, message);
        }
        nodes.extend(used_on_nodes.iter().map(|node| (node.as_str(), name)));
    }
    let distinct: BTreeSet<&str> = nodes.iter().map(|(node, _)| *node).collect();
    if distinct.len() > 1 {
        let places: Vec<String> = nodes.iter().map(|(node, claim)| format!("{claim} on {node}")).collect();
        let message = format!("ReadWriteOnce volume claims are in use on several nodes: {}", places.join(", "));
        return refuse(RefusalReason::ClaimInUse, message);
    }
    Ok(distinct.first().map(|node| (*node).to_owned()))
}

/// The PersistentVolume that the claim of a volume names which is made for its pod.
fn named_by_claim(volume: &Volume) -> Option<&str> {
    volume.ephemeral.as_ref()?.volume_claim_template.as_ref()?.spec.volume_name.as_deref()
}

/// Checks that the bounds on time leave room for a measurement.
///
/// # Errors
/// They don't.
pub(super) fn check_times(request: &TestPodRequest) -> Result<(), Refusal> {
    let times = request.times;
    let least = match &request.test {
        TestKind::Serving(load) => load.measure,
        TestKind::Report => jiff::SignedDuration::from_secs(1),
    };
    let too_short = times.active_deadline < least || times.active_deadline.as_secs() < 1 || times.grace.as_secs() < 1;
    if too_short {
        let [deadline, grace, least] =
            [times.active_deadline, times.grace, least].map(phaseloop_core::value::format_duration);
        let message = format!("a deadline of {deadline} with a grace of {grace} can't hold a measurement of {least}");
        return refuse(RefusalReason::NoTimeLeft, message);
    }
    Ok(())
}
