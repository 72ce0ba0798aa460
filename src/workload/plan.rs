//! From what is wanted and what is known to a test pod that can be built, or to the reason why none can.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phaseloop_core::plan::{name::test_pod_name, pod::TestPodPurpose};

use super::{
    binding::{BoundTemplate, bind_parameters},
    build_test_pod,
    check::{check_claims, check_gpus, check_images, check_labels, check_names, check_pod, check_times},
    contract::CANARY_PART,
    digest::spec_digest,
    engine::{engine_container, engine_key, engine_url, gpus_of, guarded_command, served_model},
    label::{owner_reference, test_pod_annotations, test_pod_labels},
    network::build_network_policy,
    own_claim::add_own_claims,
    refusal::{Refusal, RefusalReason, refuse},
    request::{ServingLoad, TemplateFacts, TestKind, TestPodRequest, TestPodSettings},
    serving_replica::{is_native_sidecar, kept_init_containers},
    test_side::{bound_containers, check_probe},
    valid::{ServingTestPod, ValidTest, ValidTestPod, parameter_set},
};
use crate::administrator::AdministratorPolicy;

/// Plans a test pod. All that can be wrong with the template is found here; building the pod then can't fail.
///
/// # Errors
/// The first rule of the table in `docs/reference/test-pod.md` that the template does not keep.
pub fn plan_test_pod(
    request: &TestPodRequest,
    facts: &TemplateFacts,
    policy: Option<&AdministratorPolicy>,
    settings: &TestPodSettings,
) -> Result<ValidTestPod, Refusal> {
    let mut valid = planned(request, facts, policy, settings)?;
    valid.spec_digest = spec_digest(&build_test_pod(&valid));
    Ok(valid)
}

/// The GPUs that a test pod would hold. That it could be built is looked at as for one that is, but it is not built.
///
/// # Errors
/// As [`plan_test_pod`].
pub fn plan_gpus(
    request: &TestPodRequest,
    facts: &TemplateFacts,
    policy: Option<&AdministratorPolicy>,
    settings: &TestPodSettings,
) -> Result<u32, Refusal> {
    planned(request, facts, policy, settings).map(|valid| valid.gpus())
}

/// A test pod as it is planned, without its digest.
fn planned(
    request: &TestPodRequest,
    facts: &TemplateFacts,
    policy: Option<&AdministratorPolicy>,
    settings: &TestPodSettings,
) -> Result<ValidTestPod, Refusal> {
    check_times(request)?;
    let BoundTemplate { mut template, copies } = bind_parameters(request, facts, policy)?;
    let labels = test_pod_labels(request);
    add_own_claims(&mut template, &facts.claim_templates, &labels);
    let Some(spec) = template.spec.as_ref().filter(|spec| !spec.containers.is_empty()) else {
        return refuse(RefusalReason::TemplateEmpty, "the pod template has no containers");
    };
    check_pod(spec)?;
    check_names(spec, &request.test)?;
    let spec = within_test_side(spec, request, settings)?;
    let spec: &PodSpec = &spec;
    let (test, kept, gpus) = match &request.test {
        TestKind::Serving(load) => {
            let engine = engine_container(&template, facts.engine_container.as_deref(), policy)?;
            let gpus = gpus_of(engine)?;
            check_gpus(engine, gpus, facts)?;
            let kept: Vec<&Container> = kept_init_containers(spec).chain([engine]).collect();
            (ValidTest::Serving(Box::new(serving_parts(engine, load, policy)?)), kept, gpus)
        }
        TestKind::Report => {
            let kept: Vec<&Container> = spec.init_containers.iter().flatten().chain(&spec.containers).collect();
            let gpus = spec.containers.iter().map(gpus_of).sum::<Result<u32, Refusal>>()?;
            (ValidTest::Report, kept, gpus)
        }
    };
    check_images(kept.iter().copied(), policy)?;
    let mounted = mounted_volumes(&kept);
    let volumes: Vec<_> =
        spec.volumes.iter().flatten().filter(|volume| mounted.contains(volume.name.as_str())).cloned().collect();
    let node = check_claims(&volumes, facts)?;
    let (part, engine_name) = match (&request.purpose, &test) {
        (TestPodPurpose::Canary, ValidTest::Serving(serving)) => (CANARY_PART, Some(serving.engine.name.clone())),
        (TestPodPurpose::Canary, ValidTest::Report) => (CANARY_PART, None),
        (TestPodPurpose::Domain(name), ValidTest::Serving(serving)) => {
            (name.as_str(), Some(serving.engine.name.clone()))
        }
        (TestPodPurpose::Domain(name), ValidTest::Report) => (name.as_str(), None),
    };
    let egress = policy.map(|policy| policy.egress.clone()).unwrap_or_default();
    check_labels(template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref()), &labels)?;
    Ok(ValidTestPod {
        namespace: request.namespace.clone(),
        name: test_pod_name(&request.owner.name, &request.owner.uid, part),
        owner: request.owner.clone(),
        purpose: request.purpose.clone(),
        annotations: test_pod_annotations(request, engine_name.as_deref()),
        notes: notes(template.metadata.as_ref(), spec, &test)
            .into_iter()
            .chain(note_of_own_claims(&mounted, facts))
            .collect(),
        template: PodSpec { volumes: Some(volumes), ..spec.clone() },
        test,
        times: request.times,
        settings: settings.clone(),
        node,
        gpus,
        parameters: parameter_set(request),
        config_map_copies: copies.into_iter().map(|copy| owned_copy(copy, request, &labels)).collect(),
        network_policy: build_network_policy(request, &facts.network, &egress),
        labels,
        spec_digest: String::new(),
    })
}

/// The template within what its run lets the test side take.
fn within_test_side<'a>(
    spec: &'a PodSpec,
    request: &TestPodRequest,
    settings: &TestPodSettings,
) -> Result<Cow<'a, PodSpec>, Refusal> {
    let Some(side) = request.test_side else { return Ok(Cow::Borrowed(spec)) };
    match &request.test {
        TestKind::Report => bound_containers(spec.clone(), side).map(Cow::Owned),
        TestKind::Serving(_) => check_probe(settings, side).map(|()| Cow::Borrowed(spec)),
    }
}

/// A copy of a ConfigMap with namespace, owner and labels: those of the pod.
fn owned_copy(copy: ConfigMap, request: &TestPodRequest, labels: &BTreeMap<String, String>) -> ConfigMap {
    let metadata = ObjectMeta {
        namespace: Some(request.namespace.clone()),
        labels: Some(labels.clone()),
        owner_references: Some(vec![owner_reference(&request.owner)]),
        ..copy.metadata
    };
    ConfigMap { metadata, ..copy }
}

fn serving_parts(
    engine: &Container,
    load: &ServingLoad,
    policy: Option<&AdministratorPolicy>,
) -> Result<ServingTestPod, Refusal> {
    Ok(ServingTestPod {
        engine: engine.clone(),
        guarded: guarded_command(engine, policy),
        engine_url: engine_url(engine, policy)?,
        model: served_model(engine, policy),
        engine_key: engine_key(engine, policy),
        load: load.clone(),
    })
}

/// Names of the volumes that the kept containers mount.
fn mounted_volumes<'a>(kept: &[&'a Container]) -> BTreeSet<&'a str> {
    let mounts = kept.iter().flat_map(|container| container.volume_mounts.iter().flatten());
    let devices = kept.iter().flat_map(|container| container.volume_devices.iter().flatten());
    mounts.map(|mount| mount.name.as_str()).chain(devices.map(|device| device.name.as_str())).collect()
}

/// That volumes of the test pod are others than those of any replica, and as a rule empty.
fn note_of_own_claims(mounted: &BTreeSet<&str>, facts: &TemplateFacts) -> Option<String> {
    let names = facts.claim_templates.iter().filter_map(|claim| claim.metadata.name.as_deref());
    let made: Vec<&str> = names.filter(|name| mounted.contains(name)).collect();
    (!made.is_empty()).then(|| format!("volumes of each replica's own, made anew for the test: {}", made.join(", ")))
}

/// What of the template is not in the pod, as far as it may matter to whoever reads the result.
fn notes(metadata: Option<&ObjectMeta>, spec: &PodSpec, test: &ValidTest) -> Vec<String> {
    let mut notes = Vec::new();
    let list = |names: Vec<&str>| names.join(", ");
    if let ValidTest::Serving(serving) = test {
        let others = spec.containers.iter().filter(|container| container.name != serving.engine.name);
        let sidecars = spec.init_containers.iter().flatten().filter(|container| is_native_sidecar(container));
        let dropped: Vec<&str> = others.chain(sidecars).map(|container| container.name.as_str()).collect();
        if !dropped.is_empty() {
            notes.push(format!("containers of the target that are not in the test pod: {}", list(dropped)));
        }
        if serving.guarded.is_none() {
            notes.push(
                "GPUUnobserved: the engine's command is not known, so that it runs without a guard; name its entry point \
                 in phaseloop-policy"
                    .to_owned(),
            );
        }
    }
    let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
    let dropped: Vec<&str> = annotations.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    if !dropped.is_empty() {
        notes.push(format!("annotations of the target that are not on the test pod: {}", list(dropped)));
    }
    notes
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
