//! The pod itself. What of a template's pod is kept, replaced and dropped is told field by field: a field that Kubernetes
//! adds does not compile until somebody has decided on it, and `table` says the same to people.

use k8s_openapi::{
    api::core::v1::{Container, LocalObjectReference, Pod, PodSpec, Volume},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use phaseloop_core::plan::label::ANNOTATION_SPEC_DIGEST;

use super::{
    contract::{CONTAINER_PREFLIGHT, PRIORITY_CLASS, VOLUME_NO_TOKEN},
    isolation::{empty_volume, helper_environment, helper_security, no_token_mount, test_affinity},
    label::owner_reference,
    phase_pod::report_containers,
    serving_replica::serving_containers,
    valid::{ValidTest, ValidTestPod},
};
use crate::{api::Duration, probe::PreflightRequest};

/// What the containers of a test pod are.
pub(super) struct TestContainers {
    pub(super) init_containers: Vec<Container>,
    pub(super) containers: Vec<Container>,
    /// Volumes that ours need besides those of the template.
    pub(super) volumes: Vec<Volume>,
}

/// Builds the pod of a plan: total, and a pure function of it. It is sent by POST and never applied.
pub fn build_test_pod(valid: &ValidTestPod) -> Pod {
    let TestContainers { init_containers, containers, volumes } = match &valid.test {
        ValidTest::Serving(serving) => serving_containers(valid, serving),
        ValidTest::Report => report_containers(valid),
    };
    let digest = (ANNOTATION_SPEC_DIGEST.to_owned(), valid.spec_digest.clone());
    let metadata = ObjectMeta {
        name: Some(valid.name.clone()),
        namespace: Some(valid.namespace.clone()),
        labels: Some(valid.labels.clone()),
        annotations: Some(valid.annotations.clone().into_iter().chain([digest]).collect()),
        owner_references: Some(vec![owner_reference(&valid.owner)]),
        ..ObjectMeta::default()
    };
    let spec = PodSpec { init_containers: Some(init_containers), containers, ..pod_fields(valid, volumes) };
    Pod { metadata, spec: Some(spec), status: None }
}

/// Everything of a pod but its containers.
fn pod_fields(valid: &ValidTestPod, ours: Vec<Volume>) -> PodSpec {
    let kept = kept_fields(valid.template.clone());
    let is_placed = valid.gpus > 0 || valid.node.is_some();
    let affinity = if is_placed { Some(test_affinity(kept.affinity, valid.node.as_deref())) } else { kept.affinity };
    let token = mounts_token(valid).then(|| empty_volume(VOLUME_NO_TOKEN, "1Mi"));
    let volumes: Vec<Volume> = kept.volumes.into_iter().flatten().chain(ours).chain(token).collect();
    let pull_secret = valid.settings.image_pull_secret.as_ref();
    let pull_secrets: Vec<LocalObjectReference> = kept
        .image_pull_secrets
        .into_iter()
        .flatten()
        .chain(pull_secret.map(|name| LocalObjectReference { name: name.clone() }))
        .collect();
    PodSpec {
        active_deadline_seconds: Some(valid.times.active_deadline.as_secs()),
        affinity,
        image_pull_secrets: (!pull_secrets.is_empty()).then_some(pull_secrets),
        priority_class_name: Some(PRIORITY_CLASS.to_owned()),
        restart_policy: Some("Never".to_owned()),
        termination_grace_period_seconds: Some(valid.times.grace.as_secs()),
        volumes: (!volumes.is_empty()).then_some(volumes),
        ..kept
    }
}

/// What is taken over of a template's pod, containers left out.
fn kept_fields(template: PodSpec) -> PodSpec {
    let PodSpec {
        affinity,
        automount_service_account_token,
        dns_config,
        dns_policy,
        enable_service_links,
        host_aliases,
        host_users,
        image_pull_secrets,
        node_selector,
        os,
        runtime_class_name,
        scheduler_name,
        security_context,
        service_account,
        service_account_name,
        tolerations,
        volumes,
        // Replaced.
        active_deadline_seconds: _,
        containers: _,
        init_containers: _,
        preemption_policy: _,
        priority: _,
        priority_class_name: _,
        restart_policy: _,
        termination_grace_period_seconds: _,
        // Dropped.
        ephemeral_containers: _,
        hostname: _,
        hostname_override: _,
        overhead: _,
        readiness_gates: _,
        scheduling_gates: _,
        set_hostname_as_fqdn: _,
        share_process_namespace: _,
        subdomain: _,
        topology_spread_constraints: _,
        // Refused by the plan.
        host_ipc: _,
        host_network: _,
        host_pid: _,
        node_name: _,
        resource_claims: _,
        resources: _,
    } = template;
    PodSpec {
        affinity,
        automount_service_account_token,
        dns_config,
        dns_policy,
        enable_service_links,
        host_aliases,
        host_users,
        image_pull_secrets,
        node_selector,
        os,
        runtime_class_name,
        scheduler_name,
        security_context,
        service_account,
        service_account_name,
        tolerations,
        volumes,
        ..PodSpec::default()
    }
}

/// Whether Kubernetes would mount the ServiceAccount's token into our containers.
pub(super) fn mounts_token(valid: &ValidTestPod) -> bool {
    valid.template.automount_service_account_token != Some(false)
}

/// One of our own containers: our image, no rights, no token, no GPU, its resources guaranteed.
pub(super) fn helper(valid: &ValidTestPod, name: &str, words: Vec<String>, (cpu, memory): (&str, &str)) -> Container {
    let amounts =
        [("cpu", cpu), ("memory", memory)].map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())));
    let resources = k8s_openapi::api::core::v1::ResourceRequirements {
        claims: None,
        limits: Some(amounts.clone().into()),
        requests: Some(amounts.into()),
    };
    Container {
        name: name.to_owned(),
        image: Some(valid.settings.image.clone()),
        image_pull_policy: valid.settings.image_pull_policy.clone(),
        args: Some(words),
        env: Some(helper_environment()),
        resources: Some(resources),
        security_context: Some(helper_security(valid.template.security_context.as_ref())),
        volume_mounts: mounts_token(valid).then(|| vec![no_token_mount()]),
        ..Container::default()
    }
}

/// The first container: refuses what is too late, and copies the program where a guard needs it.
pub(super) fn preflight(valid: &ValidTestPod, copy_to: Option<&str>) -> Container {
    let request = PreflightRequest {
        not_after: valid.times.not_after,
        grace: Duration(valid.times.grace),
        copy_to: copy_to.map(str::to_owned),
    };
    helper(valid, CONTAINER_PREFLIGHT, request.words(), ("100m", "64Mi"))
}

/// Ports as a pod that stands beside production may have them: none of the node's.
pub(super) fn drop_host_ports(container: &mut Container) {
    for port in container.ports.iter_mut().flatten() {
        (port.host_port, port.host_ip) = (None, None);
    }
}
