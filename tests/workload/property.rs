//! What no test pod ever is, whatever the template.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodTemplateSpec};
use phaseloop::workload::{
    TemplateFacts, TestPodRequest, build_test_pod,
    contract::{CONTAINER_PREFLIGHT, CONTAINER_PROBE, NO_GPU, TOKEN_FOLDER},
    plan_test_pod,
};
use proptest::{collection, option, prelude::*, sample::select};
use serde_json::json;

use crate::support::{canary_request, domain_request, facts, policy, settings};

/// Label keys that a production template may have: its own, and, by chance or malice, ours.
const KEYS: &[&str] = &[
    "app",
    "tier",
    "app.kubernetes.io/name",
    "app.kubernetes.io/managed-by",
    "phaseloop.dev/role",
    "phaseloop.dev/target",
    "phaseloop.dev/canary",
];
const VALUES: &[&str] = &["llama-8b", "Helm", "phaseloop", "canary", "domain", "llama-8b-psu3qm7c7n", ""];
const CAPABILITIES: &[&str] = &["IPC_LOCK", "SYS_NICE", "SYS_ADMIN"];

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let text = |texts: &'static [&'static str]| select(texts).prop_map(str::to_owned);
    collection::btree_map(text(KEYS), text(VALUES), 0..6)
}

prop_compose! {
    /// A template as an engine's may be: with a sidecar, an init container, rights, volumes, and labels of any kind.
    fn template()(
        labels in labels(),
        account in option::of(select(&["llama", "default"][..])),
        automount in option::of(any::<bool>()),
        user in option::of(select(&[0_i64, 1000][..])),
        pod_user in option::of(select(&[0_i64, 1000][..])),
        non_root in option::of(any::<bool>()),
        privileged in option::of(any::<bool>()),
        escalation in option::of(any::<bool>()),
        read_only in option::of(any::<bool>()),
        added in collection::btree_set(select(CAPABILITIES), 0..3),
        host_path in any::<bool>(),
        (sidecar, init) in (any::<bool>(), any::<bool>()),
    ) -> PodTemplateSpec {
        let capabilities = (!added.is_empty()).then(|| json!({ "add": added }));
        let side = json!({"name": "side", "image": "i", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}});
        let engine = json!({
            "name": "vllm", "image": "i", "command": ["vllm", "serve", "m"],
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "securityContext": {
                "runAsUser": user, "runAsNonRoot": non_root, "privileged": privileged,
                "allowPrivilegeEscalation": escalation, "readOnlyRootFilesystem": read_only, "capabilities": capabilities,
            },
        });
        let volume = if host_path {
            json!({"name": "v", "hostPath": {"path": "/models"}})
        } else {
            json!({"name": "v", "emptyDir": {}})
        };
        let containers: Vec<_> = [Some(engine), sidecar.then(|| side.clone())].into_iter().flatten().collect();
        let init_containers: Vec<_> = init.then(|| json!({"name": "first", "image": "i"})).into_iter().collect();
        serde_json::from_value(json!({
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": account, "automountServiceAccountToken": automount,
                "securityContext": {"runAsUser": pod_user}, "containers": containers,
                "initContainers": init_containers, "volumes": [volume],
            },
        })).unwrap()
    }
}

fn requests() -> impl Strategy<Value = TestPodRequest> {
    prop_oneof![Just(domain_request()), Just(canary_request())]
}

/// The pod, or nothing where the plan refuses the template.
fn built(request: &TestPodRequest, template: &PodTemplateSpec) -> Option<Pod> {
    built_with_claims(request, template, &[])
}

/// The same for a target whose replicas have volumes of these names for themselves.
fn built_with_claims(request: &TestPodRequest, template: &PodTemplateSpec, claims: &[&str]) -> Option<Pod> {
    let claim = |name: &&str| json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"]}});
    let claims: Vec<_> = claims.iter().map(claim).collect();
    let claim_templates = serde_json::from_value(json!(claims)).unwrap();
    let facts = TemplateFacts { claim_templates, ..facts(template.clone()) };
    plan_test_pod(request, &facts, Some(&policy()), &settings()).ok().map(|valid| build_test_pod(&valid))
}

fn all_containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

fn is_ours(container: &Container) -> bool {
    [CONTAINER_PREFLIGHT, CONTAINER_PROBE].contains(&container.name.as_str())
}

fn added_capabilities(container: &Container) -> BTreeSet<&str> {
    let context = container.security_context.iter();
    let capabilities = context.flat_map(|context| &context.capabilities);
    capabilities.flat_map(|capabilities| capabilities.add.iter().flatten()).map(String::as_str).collect()
}

proptest! {
    #[test]
    fn no_selector_of_the_targets_pods_ever_selects_the_test_pod(
        template in template(), request in requests(), chosen in collection::vec(any::<bool>(), 6),
    ) {
        let labels = template.metadata.clone().and_then(|metadata| metadata.labels).unwrap_or_default();
        let selector: BTreeMap<_, _> =
            labels.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(label, _)| label).collect();
        // A Service without a selector selects nothing by itself.
        prop_assume!(!selector.is_empty());
        if let Some(pod) = built(&request, &template) {
            let ours = pod.metadata.labels.unwrap();
            let matches = selector.iter().all(|(key, value)| ours.get(*key) == Some(*value));
            prop_assert!(!matches, "{selector:?} selects {ours:?}");
        }
    }

    #[test]
    fn a_test_pod_never_has_more_rights_than_its_template(template in template(), request in requests()) {
        let before = template.spec.clone().unwrap();
        let Some(pod) = built(&request, &template) else { return Ok(()) };
        let after = pod.spec.unwrap();
        prop_assert_eq!(&after.service_account_name, &before.service_account_name);
        prop_assert_eq!(after.automount_service_account_token, before.automount_service_account_token);
        prop_assert_eq!(&after.security_context, &before.security_context);
        prop_assert_eq!((after.host_network, after.host_pid, after.host_ipc), (None, None, None));
        let theirs: BTreeSet<&str> = before.containers.iter().flat_map(added_capabilities).collect();
        for container in all_containers(&after) {
            let context = container.security_context.clone().unwrap_or_default();
            prop_assert!(added_capabilities(container).is_subset(&theirs));
            let origin = all_containers(&before).find(|other| other.name == container.name);
            let had = origin.and_then(|origin| origin.security_context.clone()).unwrap_or_default();
            prop_assert!(context.privileged != Some(true) || had.privileged == Some(true));
            prop_assert!(context.allow_privilege_escalation == had.allow_privilege_escalation
                || context.allow_privilege_escalation == Some(false));
            // Kubernetes refuses the two together.
            let adds_sys_admin = added_capabilities(container).contains("SYS_ADMIN");
            let escalates = context.privileged == Some(true) || adds_sys_admin;
            prop_assert!(!(escalates && context.allow_privilege_escalation == Some(false))
                || had.allow_privilege_escalation == Some(false));
        }
        let kept: Vec<_> = before.volumes.into_iter().flatten().collect();
        for volume in after.volumes.into_iter().flatten() {
            prop_assert!(kept.contains(&volume) || volume.empty_dir.is_some(), "{volume:?}");
        }
    }

    #[test]
    fn a_volume_that_a_replica_has_for_itself_is_the_test_pods_own(
        template in template(), request in requests(),
        claims in collection::btree_set(select(&["v", "w"][..]), 0..3),
    ) {
        let claims: Vec<&str> = claims.into_iter().collect();
        let Some(pod) = built_with_claims(&request, &template, &claims) else { return Ok(()) };
        let volumes = pod.spec.unwrap().volumes.unwrap_or_default();
        let named = |name: &str| volumes.iter().filter(|volume| volume.name == name).collect::<Vec<_>>();
        prop_assert!(named("w").is_empty(), "nobody mounts it");
        let [mounted] = named("v")[..] else { return Err(TestCaseError::fail("one volume of a name")) };
        prop_assert_eq!(mounted.ephemeral.is_some(), claims.contains(&"v"));
        prop_assert!(volumes.iter().all(|volume| volume.persistent_volume_claim.is_none()), "{volumes:?}");
    }

    #[test]
    fn our_own_containers_have_no_rights_no_token_and_no_gpu(template in template(), request in requests()) {
        let Some(pod) = built(&request, &template) else { return Ok(()) };
        let spec = pod.spec.unwrap();
        let ours: Vec<&Container> = all_containers(&spec).filter(|container| is_ours(container)).collect();
        prop_assert_eq!(ours.len(), 2);
        for container in ours {
            let context = container.security_context.clone().unwrap();
            prop_assert_eq!(context.run_as_non_root, Some(true));
            let user = context.run_as_user.or(spec.security_context.as_ref().and_then(|pod| pod.run_as_user));
            prop_assert_ne!(user, Some(0));
            prop_assert_eq!(context.capabilities.unwrap().drop, Some(vec!["ALL".to_owned()]));
            let env = container.env.clone().unwrap();
            prop_assert!(env.iter().any(|variable| variable.name == NO_GPU.0 && variable.value.as_deref() == Some(NO_GPU.1)));
            let hides_token = container.volume_mounts.iter().flatten().any(|mount| mount.mount_path == TOKEN_FOLDER);
            prop_assert_eq!(hides_token, spec.automount_service_account_token != Some(false));
            let resources = container.resources.clone().unwrap();
            prop_assert_eq!(resources.requests, resources.limits);
        }
    }

    #[test]
    fn planning_twice_gives_the_same_pod_and_knows_it_again(template in template(), request in requests()) {
        let plan = || plan_test_pod(&request, &facts(template.clone()), Some(&policy()), &settings());
        let (Ok(first), Ok(second)) = (plan(), plan()) else { return Ok(()) };
        prop_assert_eq!(build_test_pod(&first), build_test_pod(&second));
        prop_assert!(first.is_same(&build_test_pod(&second)));
    }
}
