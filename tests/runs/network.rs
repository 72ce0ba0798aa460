//! The network of a run's pods: its policy is there before them, it is one for all of them, and without it there are none.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use phaseloop::simulation::api_server::{RequestDescription, RequestInterceptor, StatusError, Verb, Verdict};
use phaseloop_core::{plan::name::test_pod_name, value::Uid};
use serde_json::{Value, json};

use crate::cluster::{NAMESPACE, OPERATOR, World, run};

const POLICY: (&str, &str) = ("networking.k8s.io/v1", "NetworkPolicy");

fn policies(world: &World) -> Vec<NetworkPolicy> {
    world.list(POLICY)
}

/// A policy of production that holds for the target.
fn production(egress: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "llama", "namespace": NAMESPACE },
        "spec": { "podSelector": { "matchLabels": { "app": "llama" } }, "policyTypes": ["Egress"], "egress": egress },
    })
}

/// Tests the domain whose pod is there, and looks at what follows.
async fn end_domain(world: &World) {
    world.measure(100.0);
    world.settle().await;
    world.sweep();
    world.settle().await;
}

fn reasons(world: &World) -> Vec<Vec<String>> {
    let status = world.run("nightly").status.unwrap_or_default();
    status.domains.into_iter().map(|domain| domain.reasons).collect()
}

#[test]
fn the_pods_of_a_run_share_a_policy_that_is_there_before_them_and_goes_with_the_run() {
    let world = World::new();
    run(async {
        let rule = json!({ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }], "ports": [{ "port": 443 }] });
        world.create(&production(&json!([rule])));
        world.create_run("nightly", &["chat", "rag"]);
        world.settle().await;
        let created = world.created();
        let kinds: Vec<&str> = created.iter().map(|made| made.split(' ').next().unwrap()).collect();
        assert_eq!(kinds, ["networkpolicies", "pods"]);
        end_domain(&world).await;
        let own: Vec<NetworkPolicy> =
            policies(&world).into_iter().filter(|policy| policy.name_any() != "llama").collect();
        let [policy] = own.as_slice() else { panic!("{own:#?}") };
        assert_eq!(Some(&policy.owner_references()[0].uid), world.run("nightly").uid().as_ref());
        let spec = serde_json::to_value(&policy.spec).unwrap();
        assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
        let copied = json!([{
            "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }], "ports": [{ "port": 443, "protocol": "TCP" }],
        }]);
        assert_eq!((&spec["egress"], &spec["ingress"]), (&copied, &Value::Null));
        assert_eq!(world.pods().len(), 1, "the second domain has its pod under the same policy");
        let kind = ("phaseloop.dev/v1alpha1", "PhaseRun");
        world.person().delete(kind, NAMESPACE, "nightly", None).unwrap();
        world.server.collect_garbage();
        assert_eq!(policies(&world).iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["llama"]);
    });
}

#[test]
fn a_policy_that_says_something_else_by_now_lets_no_further_pod_begin() {
    let widen = |world: &World| {
        let name = policies(world).iter().map(ResourceExt::name_any).find(|name| name != "llama").unwrap();
        let fields = json!({ "spec": { "ingress": [{}] } });
        world.person().merge(POLICY, NAMESPACE, &name, "", fields).unwrap();
    };
    let bound = |world: &World| world.create(&production(&json!([])));
    for change in [&widen as &dyn Fn(&World), &bound] {
        let world = World::new();
        run(async {
            world.create_run("nightly", &["chat", "rag"]);
            world.settle().await;
            change(&world);
            end_domain(&world).await;
            assert_eq!(reasons(&world)[1], ["NetworkPolicyTaken"]);
            assert_eq!(world.pods().len(), 0);
        });
    }
}

#[test]
fn a_policy_of_somebody_else_under_the_name_is_left_alone_and_no_pod_is_made() {
    let world = World::new();
    run(async {
        world.create_run("nightly", &["chat"]);
        let uid = Uid::new(world.run("nightly").uid().unwrap());
        let mut theirs = production(&json!([{}]));
        theirs["metadata"]["name"] = test_pod_name("nightly", &uid, "network").into();
        world.create(&theirs);
        world.settle().await;
        assert_eq!(reasons(&world), [["NetworkPolicyTaken"]]);
        assert_eq!((world.pods().len(), policies(&world)[0].owner_references().len()), (0, 0));
        let message = &world.run("nightly").status.unwrap().domains[0].messages[0];
        assert!(message.contains("NetworkPolicy chat/nightly-network-"), "{message}");
    });
}

/// An authorizer that gives the operator no right on NetworkPolicies, until it does.
#[derive(Default)]
struct Refuses(AtomicBool);

impl RequestInterceptor for Refuses {
    fn before(&self, request: &RequestDescription) -> Verdict {
        let RequestDescription { user, group, resource, namespace, name, verb, .. } = request;
        if user != OPERATOR || resource != "networkpolicies" || self.0.load(Ordering::Relaxed) {
            return Verdict::Proceed;
        }
        Verdict::Answer(Box::new(StatusError::unauthorized_verb(user, verb.name(), group, resource, namespace, name)))
    }
}

#[test]
fn who_may_not_see_what_bounds_production_waits_and_says_so() {
    let world = World::new();
    let authorizer = Arc::new(Refuses::default());
    world.server.set_interceptor(Some(authorizer.clone()));
    run(async {
        world.create_run("nightly", &["chat"]);
        world.settle().await;
        let condition = world.run("nightly").status.unwrap().conditions.remove(0);
        assert_eq!(condition.reason, "NetworkUnknown");
        assert!(condition.message.contains("cannot list resource"), "{}", condition.message);
        assert_eq!(world.created(), [""; 0]);
        authorizer.0.store(true, Ordering::Relaxed);
        world.settle().await;
        assert_eq!(world.pods().len(), 1);
    });
}

#[test]
fn a_lost_answer_between_policy_and_pod_costs_one_more_look() {
    struct LosesReply(AtomicBool);
    impl RequestInterceptor for LosesReply {
        fn before(&self, request: &RequestDescription) -> Verdict {
            let is_policy = request.resource == "networkpolicies" && request.verb == Verb::Create;
            if is_policy && !self.0.swap(true, Ordering::Relaxed) { Verdict::LoseReply } else { Verdict::Proceed }
        }
    }
    let world = World::new();
    world.server.set_interceptor(Some(Arc::new(LosesReply(AtomicBool::new(false)))));
    run(async {
        world.create_run("nightly", &["chat"]);
        assert!(world.look().await.iter().any(Result::is_err));
        assert_eq!((policies(&world).len(), world.pods().len()), (1, 0), "the pod was not asked for");
        world.settle().await;
        assert_eq!((policies(&world).len(), world.pods().len()), (1, 1), "the policy was found");
    });
}
