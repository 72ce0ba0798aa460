//! Labels, annotations and owner of what belongs to a test. Of the template's own labels and annotations none is taken
//! over: no Service, monitor or policy of production finds a test pod, and nothing is injected into it by annotation.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use phaseloop_core::plan::{
    OwnObject,
    label::{
        ANNOTATION_DOMAIN, ANNOTATION_ENGINE_CONTAINER, FIELD_MANAGER, GROUP, LABEL_CANARY, LABEL_ESCALATION,
        LABEL_MANAGED_BY, LABEL_PHASE_RUN, LABEL_ROLE, LABEL_TARGET, VERSION,
    },
    name::target_label,
    pod::TestPodPurpose,
};

use super::{
    contract::{ROLE_CANARY, ROLE_DOMAIN},
    request::TestPodRequest,
};

/// Annotations that keep the injectors of service meshes from adding a proxy: it would carry production's identity, and
/// one that is no native sidecar would keep the pod from ever ending.
pub const MESH_ANNOTATIONS: [(&str, &str); 3] = [
    ("sidecar.istio.io/inject", "false"),
    ("linkerd.io/inject", "disabled"),
    ("kuma.io/sidecar-injection", "disabled"),
];

/// The labels of a test pod and of what is made for it.
pub fn test_pod_labels(request: &TestPodRequest) -> BTreeMap<String, String> {
    let (role, owner) = match request.purpose {
        TestPodPurpose::Domain(_) => (ROLE_DOMAIN, LABEL_PHASE_RUN),
        TestPodPurpose::Canary => (ROLE_CANARY, LABEL_CANARY),
    };
    let escalation = request.escalation.iter().map(|name| (LABEL_ESCALATION, name.clone()));
    let own = [
        (LABEL_MANAGED_BY, FIELD_MANAGER.to_owned()),
        (LABEL_TARGET, target_label(&request.target)),
        (LABEL_ROLE, role.to_owned()),
        (owner, request.owner.name.clone()),
    ];
    own.into_iter().chain(escalation).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Longest value of a label.
const LABEL_VALUE_MAX: usize = 63;

/// The selector of all test pods.
pub fn test_pods_selector() -> String {
    format!("{LABEL_MANAGED_BY}={FIELD_MANAGER}")
}

/// The selector of one owner's test pods, by the label that bears its name: [`LABEL_PHASE_RUN`] or [`LABEL_CANARY`]. It
/// takes in those of others where the name is too long for a label.
pub fn own_test_pods_selector(label: &str, owner: &str) -> String {
    let all = test_pods_selector();
    if owner.len() > LABEL_VALUE_MAX { all } else { format!("{all},{label}={owner}") }
}

/// The annotations of a test pod, its digest left out.
pub(super) fn test_pod_annotations(request: &TestPodRequest, engine: Option<&str>) -> BTreeMap<String, String> {
    let domain = match &request.purpose {
        TestPodPurpose::Domain(name) => Some((ANNOTATION_DOMAIN, name.as_str())),
        TestPodPurpose::Canary => None,
    };
    let own = domain.into_iter().chain(engine.map(|name| (ANNOTATION_ENGINE_CONTAINER, name)));
    own.chain(MESH_ANNOTATIONS).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The owner of a test's objects: with it they go. It does not wait for them, because a run or a canary whose pod can't
/// end must be deletable.
pub fn owner_reference(owner: &OwnObject) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: owner.kind.name().to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.as_str().to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}
