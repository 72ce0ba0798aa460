//! The network of a test pod. It has none of production's labels, so that none of production's NetworkPolicies holds for
//! it: without one of its own it could reach more than the target's pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        core::v1::PodTemplateSpec,
        networking::v1::{
            IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
        },
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use phaseloop_core::plan::{label::GROUP, name::test_pod_name};

use super::{
    label::{owner_reference, test_pod_labels},
    request::TestPodRequest,
};
use crate::administrator::{Egress, EgressMode};

/// `part` of the policy's name.
const NETWORK_PART: &str = "network";
/// The port of name resolution.
const NAME_RESOLUTION_PORT: i32 = 53;
/// The kind of rules that says what a pod may reach.
const EGRESS: &str = "Egress";

/// What the target's own pods may reach is read from this.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TargetNetwork {
    /// The labels of the target's pods.
    pub labels: BTreeMap<String, String>,
    /// The NetworkPolicies of the namespace that are production's.
    pub policies: Vec<NetworkPolicy>,
}

impl TargetNetwork {
    /// Of a target's pod template and all NetworkPolicies of its namespace: those of test pods say nothing of production.
    pub fn of(template: &PodTemplateSpec, policies: &[NetworkPolicy]) -> Self {
        let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
        let policies = policies.iter().filter(|policy| !is_ours(policy)).cloned().collect();
        Self { labels, policies }
    }
}

/// Whether a policy belongs to one of our kinds. A label would say it as well, and anybody may put it on a policy.
fn is_ours(policy: &NetworkPolicy) -> bool {
    let owners = policy.metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.api_version.split('/').next() == Some(GROUP))
}

/// The NetworkPolicy of a run's pods, or of a canary's: nobody reaches them (engine and probe speak within the pod), and
/// they reach what the administrator says. With `SameAsTarget` those are the rules of every policy of the namespace that
/// holds for the target's own pods; where none does, everything, as for them. It is the same for every pod of an owner. A list
/// without rules is left out, as the API server has it: what is sent is what is read again.
pub(super) fn build_network_policy(request: &TestPodRequest, target: &TargetNetwork, egress: &Egress) -> NetworkPolicy {
    let labels = test_pod_labels(request);
    let rules = match egress.mode {
        EgressMode::SameAsTarget => rules_of_target(target),
        EgressMode::None => vec![name_resolution()],
        EgressMode::Listed => {
            let listed = egress.allow.iter().map(|rule| NetworkPolicyEgressRule {
                ports: (!rule.ports.is_empty()).then(|| rule.ports.iter().map(|port| tcp(*port)).collect()),
                to: Some(vec![NetworkPolicyPeer {
                    ip_block: Some(IPBlock { cidr: rule.cidr.clone(), except: None }),
                    ..NetworkPolicyPeer::default()
                }]),
            });
            listed.chain([name_resolution()]).collect()
        }
    };
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(test_pod_name(&request.owner.name, &request.owner.uid, NETWORK_PART)),
            namespace: Some(request.namespace.clone()),
            labels: Some(labels.clone()),
            owner_references: Some(vec![owner_reference(&request.owner)]),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            egress: (!rules.is_empty()).then_some(rules),
            ingress: None,
            pod_selector: Some(LabelSelector { match_expressions: None, match_labels: Some(labels) }),
            policy_types: Some(vec!["Ingress".to_owned(), EGRESS.to_owned()]),
        }),
    }
}

fn rules_of_target(target: &TargetNetwork) -> Vec<NetworkPolicyEgressRule> {
    let bounding: Vec<&NetworkPolicySpec> = target
        .policies
        .iter()
        .filter_map(|policy| policy.spec.as_ref())
        .filter(|spec| {
            bounds_egress(spec) && spec.pod_selector.as_ref().is_none_or(|selector| selects(selector, &target.labels))
        })
        .collect();
    if bounding.is_empty() {
        return vec![NetworkPolicyEgressRule::default()];
    }
    bounding.into_iter().flat_map(|spec| spec.egress.iter().flatten().cloned()).collect()
}

/// A policy without types bounds what a pod may reach where it has rules for it.
fn bounds_egress(spec: &NetworkPolicySpec) -> bool {
    match &spec.policy_types {
        Some(types) => types.iter().any(|kind| kind == EGRESS),
        None => spec.egress.is_some(),
    }
}

/// Whether a selector selects pods with these labels, as Kubernetes has it.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal && selector.match_expressions.iter().flatten().all(|requirement| meets(requirement, labels))
}

fn meets(requirement: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let is_listed = || value.is_some_and(|value| requirement.values.iter().flatten().any(|listed| listed == value));
    match requirement.operator.as_str() {
        "In" => is_listed(),
        "NotIn" => !is_listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // What is not known is taken for a rule that holds: the test pod then reaches less, not more.
        _ => true,
    }
}

fn name_resolution() -> NetworkPolicyEgressRule {
    let port = |protocol: &str| NetworkPolicyPort {
        end_port: None,
        port: Some(IntOrString::Int(NAME_RESOLUTION_PORT)),
        protocol: Some(protocol.to_owned()),
    };
    NetworkPolicyEgressRule { ports: Some(vec![port("UDP"), port("TCP")]), to: None }
}

/// A port of the administrator's list, which the schema keeps between 1 and 65,535.
fn tcp(port: i64) -> NetworkPolicyPort {
    let port = i32::try_from(port).unwrap_or(i32::MAX);
    NetworkPolicyPort { end_port: None, port: Some(IntOrString::Int(port)), protocol: Some("TCP".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::workload::{
        build_test_pod,
        fixture::{canary, domain, facts, policy, settings, template},
        plan_test_pod,
    };

    fn built(production: &Value, egress: &str) -> Value {
        let production: Vec<NetworkPolicy> = serde_json::from_value(production.clone()).unwrap();
        let policy = policy(egress);
        let target = TargetNetwork::of(&template(|_| {}), &production);
        let built = build_network_policy(&canary(), &target, &policy.egress);
        serde_json::to_value(built).unwrap()
    }

    fn egress(production: &Value, egress: &str) -> Value {
        built(production, egress)["spec"]["egress"].clone()
    }

    #[test]
    fn the_policy_holds_for_the_pod_and_lets_nobody_in() {
        let valid = plan_test_pod(&canary(), &facts(|_| {}), None, &settings()).unwrap();
        let (policy, pod) = (serde_json::to_value(valid.network_policy()).unwrap(), build_test_pod(&valid));
        let selector: LabelSelector = serde_json::from_value(policy["spec"]["podSelector"].clone()).unwrap();
        assert!(selects(&selector, pod.metadata.labels.as_ref().unwrap()));
        assert_eq!(policy["spec"]["ingress"], Value::Null);
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        assert_eq!(policy["metadata"]["ownerReferences"][0]["uid"], "canary-uid");
        assert_ne!(policy["metadata"]["name"], json!(pod.metadata.name));
    }

    #[test]
    fn a_pod_reaches_what_the_targets_own_pods_reach() {
        let rule = |cidr: &str| json!({"to": [{"ipBlock": {"cidr": cidr}}]});
        let on = |selector: Value, rest: Value| {
            let mut spec = rest;
            spec["podSelector"] = selector;
            json!({"metadata": {"name": "p"}, "spec": spec})
        };
        let app = json!({"matchLabels": {"app": "llama-8b"}});
        let production = json!([
            on(app.clone(), json!({"policyTypes": ["Egress"], "egress": [rule("10.0.0.0/8")]})),
            on(json!({}), json!({"egress": [rule("10.1.0.0/16")]})),
            on(app.clone(), json!({"policyTypes": ["Ingress"], "ingress": []})),
            on(json!({"matchLabels": {"app": "other"}}), json!({"policyTypes": ["Egress"], "egress": [{}]})),
        ]);
        assert_eq!(egress(&production, ""), json!([rule("10.0.0.0/8"), rule("10.1.0.0/16")]));
        let sealed = json!([on(app, json!({"policyTypes": ["Egress"]}))]);
        assert_eq!(egress(&sealed, ""), Value::Null, "a policy without rules lets nothing out");
        assert_eq!(egress(&json!([]), ""), json!([{}]), "without a policy everything is reached");
    }

    #[test]
    fn policies_of_test_pods_are_none_of_productions() {
        let policy = |owner: Value| {
            json!([{
                "metadata": {"name": "p", "labels": {"app.kubernetes.io/managed-by": "phaseloop"}, "ownerReferences": owner},
                "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
            }])
        };
        let owned = |version: &str| json!([{"apiVersion": version, "kind": "PhaseRun", "name": "n", "uid": "u"}]);
        assert_eq!(egress(&policy(owned("phaseloop.dev/v1alpha1")), ""), json!([{}]));
        assert_eq!(egress(&policy(owned("phaseloop.dev.example.com/v1")), ""), Value::Null, "another group");
        assert_eq!(egress(&policy(json!([])), ""), Value::Null, "a label alone makes it none of ours");
    }

    #[test]
    fn the_pods_of_one_owner_share_their_policy_whatever_template_they_are_made_of() {
        let network = TargetNetwork::of(&template(|_| {}), &[]);
        let policy_of = |request: &TestPodRequest, change: fn(&mut Value)| {
            let facts = crate::workload::TemplateFacts { network: network.clone(), ..facts(change) };
            plan_test_pod(request, &facts, None, &settings()).unwrap().network_policy().clone()
        };
        let report = TestPodRequest {
            purpose: phaseloop_core::plan::pod::TestPodPurpose::Domain("report".to_owned()),
            test: crate::workload::TestKind::Report,
            ..domain()
        };
        let own_labels = |template: &mut Value| template["metadata"] = json!({"labels": {"app": "other"}});
        assert_eq!(policy_of(&domain(), |_| {}), policy_of(&report, own_labels));
        assert_ne!(policy_of(&domain(), |_| {}).metadata.name, policy_of(&canary(), |_| {}).metadata.name);
    }

    #[test]
    fn the_administrator_may_allow_less() {
        let names = json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]});
        assert_eq!(egress(&json!([]), "egress: {mode: None}\n"), json!([names]));
        let listed = "egress: {mode: Listed, allow: [{cidr: 10.0.0.0/8, ports: [443]}, {cidr: 'fd00::/8'}]}\n";
        assert_eq!(
            egress(&json!([]), listed),
            json!([
                {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 443, "protocol": "TCP"}]},
                {"to": [{"ipBlock": {"cidr": "fd00::/8"}}]},
                names,
            ])
        );
    }

    #[test]
    fn selectors_select_as_in_kubernetes() {
        let labels = [("app".to_owned(), "a".to_owned())].into();
        for (requirement, expected) in [
            (json!({"key": "app", "operator": "In", "values": ["a", "b"]}), true),
            (json!({"key": "app", "operator": "In", "values": ["b"]}), false),
            (json!({"key": "x", "operator": "In", "values": ["a"]}), false),
            (json!({"key": "app", "operator": "NotIn", "values": ["b"]}), true),
            (json!({"key": "app", "operator": "NotIn", "values": ["a"]}), false),
            (json!({"key": "x", "operator": "NotIn", "values": ["a"]}), true),
            (json!({"key": "app", "operator": "Exists"}), true),
            (json!({"key": "x", "operator": "Exists"}), false),
            (json!({"key": "x", "operator": "DoesNotExist"}), true),
            (json!({"key": "app", "operator": "DoesNotExist"}), false),
            (json!({"key": "app", "operator": "Gt"}), true),
        ] {
            let selector = serde_json::from_value(json!({"matchExpressions": [requirement]})).unwrap();
            assert_eq!(selects(&selector, &labels), expected, "{requirement}");
        }
    }
}
