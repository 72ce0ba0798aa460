use jiff::SignedDuration;
use phaseloop_core::value::Uid;
use serde_json::{Value, json};

use super::*;
use crate::workload::{
    ClaimFacts, GPUSharing,
    fixture::{bound, canary, domain, facts, policy, settings},
};

fn plan(request: &TestPodRequest, facts: &TemplateFacts) -> Result<ValidTestPod, Refusal> {
    plan_test_pod(request, facts, None, &settings())
}

fn refused(facts: &TemplateFacts) -> RefusalReason {
    plan(&canary(), facts).unwrap_err().reason
}

#[test]
fn each_thing_that_no_test_pod_may_have_is_refused() {
    let with = |change: fn(&mut Value)| refused(&facts(change));
    for (reason, found) in [
        (RefusalReason::TemplateEmpty, with(|template| template["spec"]["containers"] = json!([]))),
        (RefusalReason::TemplateEmpty, with(|template| template["spec"] = Value::Null)),
        (RefusalReason::HostNamespace, with(|template| template["spec"]["hostNetwork"] = json!(true))),
        (RefusalReason::HostNamespace, with(|template| template["spec"]["hostPID"] = json!(true))),
        (RefusalReason::HostNamespace, with(|template| template["spec"]["hostIPC"] = json!(true))),
        (RefusalReason::NodeNamed, with(|template| template["spec"]["nodeName"] = json!("n"))),
        (RefusalReason::DeviceClaims, with(|template| template["spec"]["resourceClaims"] = json!([{"name": "g"}]))),
        (
            RefusalReason::DeviceClaims,
            with(|template| template["spec"]["containers"][0]["resources"]["claims"] = json!([{"name": "g"}])),
        ),
        (RefusalReason::PodLevelResources, with(|template| template["spec"]["resources"] = json!({}))),
        (RefusalReason::NoGPU, with(|template| template["spec"]["containers"][0]["resources"] = json!({}))),
        (
            RefusalReason::GPUShared,
            with(|template| {
                template["spec"]["containers"][0]["resources"] = json!({"limits": {"nvidia.com/gpu.shared": "1"}});
            }),
        ),
        (
            RefusalReason::NameReserved,
            with(|template| template["spec"]["volumes"] = json!([{"name": "phaseloop-x", "emptyDir": {}}])),
        ),
        (
            RefusalReason::NameReserved,
            with(|template| template["spec"]["initContainers"] = json!([{"name": "phaseloop-probe"}])),
        ),
        (
            RefusalReason::NameReserved,
            with(|template| {
                template["spec"]["containers"][0]["volumeMounts"] =
                    json!([{"name": "v", "mountPath": "/phaseloop/records/"}]);
            }),
        ),
        (
            RefusalReason::NameReserved,
            with(|template| {
                template["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/phaseloop"}]);
            }),
        ),
        (
            RefusalReason::LabelTaken,
            with(|template| template["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "phaseloop"})),
        ),
        (
            RefusalReason::EngineNotOnLoopback,
            with(|template| template["spec"]["containers"][0]["args"] = json!(["m", "--host=10.0.0.1"])),
        ),
    ] {
        assert_eq!(found, reason);
    }
    assert!(plan(&canary(), &facts(|_| {})).is_ok());
    let beside = |template: &mut Value| {
        template["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/phaseloop2"}]);
        template["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
        template["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
    };
    assert!(plan(&canary(), &facts(beside)).is_ok());
}

#[test]
fn a_gpu_that_the_nodes_share_is_refused_and_a_part_of_a_card_is_not() {
    let with =
        |sharing: Option<&str>| TemplateFacts { gpu_sharing: Some(GPUSharing::of_label(sharing)), ..facts(|_| {}) };
    for (sharing, is_refused) in
        [(Some("time-slicing"), true), (Some("mps"), true), (Some("none"), false), (Some("mig"), false), (None, false)]
    {
        let planned = plan(&canary(), &with(sharing)).map_err(|refusal| refusal.reason);
        assert_eq!(planned.err(), is_refused.then_some(RefusalReason::GPUShared), "{sharing:?}");
    }
}

fn with_claims(claims: &[(&str, &str, &[&str])]) -> TemplateFacts {
    let mut facts = facts(|template| {
        let names: Vec<&str> = claims.iter().map(|(name, ..)| *name).collect();
        template["spec"]["volumes"] =
            names.iter().map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}})).collect();
        template["spec"]["containers"][0]["volumeMounts"] =
            names.iter().map(|name| json!({"name": name, "mountPath": format!("/{name}")})).collect();
    });
    facts.claims = claims
        .iter()
        .map(|(name, mode, nodes)| {
            let used_on_nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
            ((*name).to_owned(), ClaimFacts { access_modes: vec![(*mode).to_owned()], used_on_nodes })
        })
        .collect();
    facts
}

#[test]
fn a_claim_that_one_node_may_have_binds_the_pod_to_the_node_that_has_it() {
    for (claims, expected) in [
        (&[("a", "ReadWriteOnce", &[][..])][..], Ok(None)),
        (&[("a", "ReadWriteOnce", &["n1"])], Ok(Some("n1"))),
        (&[("a", "ReadWriteOnce", &["n1"]), ("b", "ReadWriteOnce", &["n1"])], Ok(Some("n1"))),
        (&[("a", "ReadWriteMany", &["n1", "n2"]), ("b", "ReadWriteOnce", &["n2"])], Ok(Some("n2"))),
        (&[("a", "ReadOnlyMany", &["n1", "n2"])], Ok(None)),
        (&[("a", "ReadWriteOnce", &["n1"]), ("b", "ReadWriteOnce", &["n2"])], Err(RefusalReason::ClaimInUse)),
        (&[("a", "ReadWriteOnce", &["n1", "n2"])], Err(RefusalReason::ClaimInUse)),
        (&[("a", "ReadWriteOncePod", &["n1"])], Err(RefusalReason::ClaimInUse)),
        (&[("a", "ReadWriteOncePod", &[])], Ok(None)),
    ] {
        let planned = plan(&canary(), &with_claims(claims)).map(|valid| valid.node).map_err(|refusal| refusal.reason);
        assert_eq!(planned, expected.map(|node| node.map(str::to_owned)), "{claims:?}");
    }
    let unknown = TemplateFacts { claims: [].into(), ..with_claims(&[("a", "ReadWriteMany", &[])]) };
    assert_eq!(refused(&unknown), RefusalReason::ClaimUnknown);
}

#[test]
fn a_claim_that_only_a_dropped_container_mounts_asks_for_nothing() {
    let facts = facts(|template| {
        let sidecar = json!({"name": "side", "image": "i", "volumeMounts": [{"name": "logs", "mountPath": "/l"}]});
        template["spec"]["containers"].as_array_mut().unwrap().push(sidecar);
        template["spec"]["volumes"] = json!([{"name": "logs", "persistentVolumeClaim": {"claimName": "logs"}}]);
    });
    let valid = plan(&canary(), &facts).unwrap();
    assert_eq!(valid.notes(), ["containers of the target that are not in the test pod: side"]);
}

#[test]
fn the_administrators_rules_on_images_hold_for_every_image_that_is_kept() {
    let rules = policy("images: {allowedPrefixes: [docker.io/vllm/]}\n");
    let check = |change: fn(&mut Value)| {
        plan_test_pod(&canary(), &facts(change), Some(&rules), &settings()).map_err(|refusal| refusal.reason).err()
    };
    assert_eq!(check(|_| {}), None);
    let init = |template: &mut Value| template["spec"]["initContainers"] = json!([{"name": "a", "image": "x/y"}]);
    assert_eq!(check(init), Some(RefusalReason::ImageNotAllowed));
    let sidecar = |template: &mut Value| {
        template["spec"]["initContainers"] = json!([{"name": "a", "image": "x/y", "restartPolicy": "Always"}]);
    };
    assert_eq!(check(sidecar), None, "it is not in the pod");
}

#[test]
fn bounds_that_leave_no_time_to_measure_are_refused() {
    for (deadline, grace, is_refused) in [(8, 5, false), (7, 5, true), (128, 0, true)] {
        let mut request = canary();
        request.times.active_deadline = SignedDuration::from_secs(deadline);
        request.times.grace = SignedDuration::from_secs(grace);
        let refusal = plan(&request, &facts(|_| {})).map_err(|refusal| refusal.reason).err();
        assert_eq!(refusal, is_refused.then_some(RefusalReason::NoTimeLeft), "{deadline} {grace}");
    }
}

#[test]
fn what_a_binding_put_into_the_template_is_checked_as_the_template_is() {
    let place = json!({"fieldPath": {"path": "/spec/template/spec/nodeName"}});
    let request = TestPodRequest { parameters: vec![bound("max-num-seqs", "n1", place)], ..canary() };
    assert_eq!(plan(&request, &facts(|_| {})).unwrap_err().reason, RefusalReason::NodeNamed);
}

#[test]
fn the_name_follows_from_the_owner_and_the_digest_from_all_that_shapes_the_pod() {
    let valid = plan(&canary(), &facts(|_| {})).unwrap();
    let again = TestPodRequest {
        owner: phaseloop_core::plan::OwnObject { uid: Uid::new("other"), ..canary().owner },
        ..canary()
    };
    assert_ne!(plan(&again, &facts(|_| {})).unwrap().name(), valid.name(), "an owner made again has another pod");
    let later = |change: fn(&mut TestPodRequest)| {
        let mut request = canary();
        change(&mut request);
        let planned = plan(&request, &facts(|_| {})).unwrap();
        assert_eq!(planned.name(), valid.name());
        planned.spec_digest().to_owned()
    };
    assert_eq!(later(|_| {}), valid.spec_digest());
    assert_ne!(later(|request| request.times.active_deadline = SignedDuration::from_secs(60)), valid.spec_digest());
    assert_ne!(
        later(|request| request.parameters = vec![bound("max-num-seqs", "8", Value::Null)]),
        valid.spec_digest()
    );
}

#[test]
fn a_pod_under_the_name_is_ours_only_with_our_owner_and_our_digest() {
    let valid = plan(&canary(), &facts(|_| {})).unwrap();
    let pod = build_test_pod(&valid);
    assert!(valid.is_same(&pod));
    let mut of_another = pod.clone();
    of_another.metadata.owner_references.as_mut().unwrap()[0].uid = "other".to_owned();
    assert!(!valid.is_same(&of_another));
    let mut other_spec = pod.clone();
    let annotations = other_spec.metadata.annotations.as_mut().unwrap();
    annotations.insert("phaseloop.dev/spec-digest".to_owned(), "x".to_owned());
    assert!(!valid.is_same(&other_spec));
    let mut bare = pod;
    bare.metadata.annotations = None;
    assert!(!valid.is_same(&bare));
}

#[test]
fn the_intent_says_what_the_pod_is() {
    let request = TestPodRequest { parameters: vec![bound("max-num-seqs", "8", Value::Null)], ..canary() };
    let valid = plan(&request, &facts(|_| {})).unwrap();
    let intent = valid.intent();
    assert_eq!((&*intent.name, intent.not_after), (valid.name(), request.times.not_after));
    assert_eq!(intent.parameters.len(), 1);
    assert_eq!((intent.owner, intent.purpose), (request.owner, request.purpose));
    assert_eq!(intent.spec_digest, valid.spec_digest());
}

#[test]
fn copies_of_config_maps_belong_to_the_canary_as_the_pod_does() {
    let mut facts = facts(|template| {
        template["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "engine"}}]);
    });
    facts.config_maps = [("engine".to_owned(), serde_json::from_value(json!({"data": {"k": "1"}})).unwrap())].into();
    let place = json!({"configMapKey": {"name": "engine", "key": "k"}});
    let request = TestPodRequest { parameters: vec![bound("max-num-seqs", "8", place)], ..canary() };
    let valid = plan(&request, &facts).unwrap();
    let pod = build_test_pod(&valid);
    let [copy] = valid.config_map_copies() else { panic!("one copy") };
    assert_eq!(copy.metadata.owner_references, pod.metadata.owner_references);
    assert_eq!(copy.metadata.labels, pod.metadata.labels);
    assert_eq!(copy.metadata.namespace.as_deref(), Some("chat"));
}

#[test]
fn an_engine_whose_command_nobody_knows_runs_unguarded_and_the_notes_say_so() {
    let by_image = |template: &mut Value| template["spec"]["containers"][0]["command"] = Value::Null;
    let valid = plan(&domain(), &facts(by_image)).unwrap();
    assert!(!valid.is_guarded());
    assert!(valid.notes()[0].starts_with("GPUUnobserved: "), "{:?}", valid.notes());
    let guarded = plan(&domain(), &facts(|_| {})).unwrap();
    assert!(guarded.is_guarded() && guarded.notes().is_empty(), "{:?}", guarded.notes());
}
