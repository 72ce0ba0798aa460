//! The scheduler: gives pods nodes that hold what they request, and takes room from pods of lower priority.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Container, Node, NodeSelectorRequirement, Pod, PodSpec, Taint, Toleration},
    apimachinery::pkg::api::resource::Quantity,
};
use serde_json::{Value, json};

use crate::api::quantity::thousandths;

use super::{
    ephemeral_volume::awaited_claim,
    owned::{has_condition, has_ended, key_of},
    view::{ClusterView, Key},
    write::{ClusterWrite, Operation, POD},
};

/// The name under which the scheduler acts.
const USER: &str = "system:kube-scheduler";

/// Amounts of resources, in thousandths.
type Amounts = BTreeMap<String, i128>;

/// What follows for every pod that has no node.
pub(super) fn step(view: &ClusterView, now: Timestamp) -> Vec<ClusterWrite> {
    let mut waiting: Vec<(&Key, &Pod)> = view.pods.iter().filter(|(_, pod)| waits(pod)).collect();
    if waiting.is_empty() {
        return Vec::new();
    }
    let mut board = Board::of(view);
    waiting.sort_by_key(|(key, pod)| (std::cmp::Reverse(priority(pod)), created(pod), (*key).clone()));
    let mut writes = Vec::new();
    for (_, pod) in waiting {
        if let Some(claim) = awaited_claim(view, pod) {
            let message = board.without_claim(&claim);
            if !is_told(pod, &message) {
                writes.push(unschedulable(pod, &message, now));
            }
            continue;
        }
        if let Some(node) = board.place(pod) {
            let (namespace, name) = key_of(&pod.metadata);
            let operation =
                Operation::Bind { namespace: namespace.to_owned(), pod: name.to_owned(), node: node.to_owned() };
            writes.push(ClusterWrite { user: USER.to_owned(), operation });
            continue;
        }
        let victims = board.victims(pod);
        writes.extend(victims.iter().flat_map(|victim| preempt(victim, pod, now)));
        let message = board.why_not(pod);
        if !is_told(pod, &message) {
            writes.push(unschedulable(pod, &message, now));
        }
    }
    writes
}

fn waits(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    spec.is_some_and(|spec| spec.node_name.is_none()) && pod.metadata.deletion_timestamp.is_none() && !has_ended(pod)
}

fn created(pod: &Pod) -> Timestamp {
    pod.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

fn priority(pod: &Pod) -> i32 {
    pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0)
}

/// What is free on each node.
struct Board<'a> {
    nodes: Vec<Room<'a>>,
}

struct Room<'a> {
    node: &'a Node,
    free: Amounts,
    pods: Vec<&'a Pod>,
}

impl<'a> Board<'a> {
    fn of(view: &'a ClusterView) -> Self {
        let mut on_nodes: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
        for pod in view.pods.values().filter(|pod| !has_ended(pod)) {
            if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) {
                on_nodes.entry(node).or_default().push(pod);
            }
        }
        let nodes = view.nodes.values().map(|node| {
            let pods = on_nodes.remove(key_of(&node.metadata).1).unwrap_or_default();
            let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
            let mut free = amounts(allocatable.into_iter().flatten());
            for pod in &pods {
                subtract(&mut free, &requests(pod));
            }
            Room { node, free, pods }
        });
        Self { nodes: nodes.collect() }
    }

    /// The node with the most room for the pod that the pod may run on, with the room taken.
    fn place(&mut self, pod: &'a Pod) -> Option<&'a str> {
        let wanted = requests(pod);
        let fitting = self.nodes.iter_mut().filter(|room| room.takes(pod) && holds(&room.free, &wanted));
        // Pods that need a GPU fill nodes up, so that whole nodes stay free for what needs several.
        let chosen = fitting.min_by_key(|room| (room.scarce(), key_of(&room.node.metadata).1))?;
        subtract(&mut chosen.free, &wanted);
        chosen.pods.push(pod);
        Some(key_of(&chosen.node.metadata).1)
    }

    /// Pods that must go for this one to fit: of one node, the fewest, of the lowest priority. None where it would not fit
    /// even then, where it takes room from nobody, or where pods are going already for its sake.
    fn victims(&mut self, pod: &Pod) -> Vec<&'a Pod> {
        let never = pod.spec.as_ref().and_then(|spec| spec.preemption_policy.as_deref()) == Some("Never");
        if never {
            return Vec::new();
        }
        let wanted = requests(pod);
        let going = |room: &Room<'_>| {
            let mut free = room.free.clone();
            let pods = room.pods.iter().filter(|other| other.metadata.deletion_timestamp.is_some());
            pods.for_each(|other| add(&mut free, &requests(other)));
            holds(&free, &wanted)
        };
        if self.nodes.iter().any(|room| room.takes(pod) && going(room)) {
            return Vec::new();
        }
        let choices = self.nodes.iter().filter(|room| room.takes(pod)).filter_map(|room| room.victims(pod, &wanted));
        choices
            .min_by_key(|victims| (victims.iter().map(|victim| priority(victim)).max(), victims.len()))
            .unwrap_or_default()
    }

    /// No node is looked at before the claims of all volumes exist.
    fn without_claim(&self, claim: &str) -> String {
        let waits = "waiting for ephemeral volume controller to create the persistentvolumeclaim";
        format!("0/{} nodes are available: {waits} \"{claim}\".", self.nodes.len())
    }

    fn why_not(&self, pod: &Pod) -> String {
        let wanted = requests(pod);
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for room in &self.nodes {
            let told: Vec<String> = if !is_ready(room.node) {
                vec!["node(s) were not ready".to_owned()]
            } else if !room.takes(pod) {
                vec!["node(s) didn't match Pod's node affinity/selector or had untolerated taint(s)".to_owned()]
            } else {
                let missing =
                    wanted.iter().filter(|(name, amount)| **amount > room.free.get(*name).copied().unwrap_or(0));
                missing.map(|(name, _)| format!("Insufficient {name}")).collect()
            };
            for reason in told {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        let told: Vec<String> = reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let told = if told.is_empty() { "no nodes available to schedule pods".to_owned() } else { told.join(", ") };
        format!("0/{} nodes are available: {told}.", self.nodes.len())
    }
}

impl<'a> Room<'a> {
    /// Whether the pod may run here at all.
    fn takes(&self, pod: &Pod) -> bool {
        let Some(spec) = &pod.spec else { return false };
        let spec_of_node = self.node.spec.as_ref();
        let taints = spec_of_node.and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        is_ready(self.node)
            && spec_of_node.and_then(|spec| spec.unschedulable) != Some(true)
            && taints.iter().all(|taint| is_tolerated(taint, spec.tolerations.as_deref().unwrap_or_default()))
            && matches_selector(self.node, spec)
    }

    /// What of the scarcest resource is free.
    fn scarce(&self) -> i128 {
        self.free.get("nvidia.com/gpu").copied().unwrap_or(0)
    }

    fn victims(&self, pod: &Pod, wanted: &Amounts) -> Option<Vec<&'a Pod>> {
        let mut lower: Vec<&Pod> = self.pods.iter().copied().filter(|other| priority(other) < priority(pod)).collect();
        lower.sort_by_key(|other| (priority(other), std::cmp::Reverse(created(other)), other.metadata.name.clone()));
        let mut free = self.free.clone();
        let mut victims = Vec::new();
        for other in lower {
            if holds(&free, wanted) {
                break;
            }
            add(&mut free, &requests(other));
            victims.push(other);
        }
        holds(&free, wanted).then_some(victims)
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn is_tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    taint.effect == "PreferNoSchedule"
        || tolerations.iter().any(|toleration| {
            let key = toleration.key.as_deref().unwrap_or_default();
            let any_value = toleration.operator.as_deref() == Some("Exists");
            (key.is_empty() || key == taint.key)
                && (any_value || toleration.value == taint.value)
                && toleration.effect.as_ref().is_none_or(|effect| effect.is_empty() || *effect == taint.effect)
        })
}

fn matches_selector(node: &Node, spec: &PodSpec) -> bool {
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let selected = spec.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let required = spec.affinity.as_ref().and_then(|affinity| {
        affinity.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()
    });
    let fits = required.is_none_or(|required| {
        required.node_selector_terms.iter().any(|term| {
            let fields = [("metadata.name".to_owned(), node.metadata.name.clone().unwrap_or_default())].into();
            let expressions = term.match_expressions.as_deref().unwrap_or_default();
            let by_field = term.match_fields.as_deref().unwrap_or_default();
            let is_empty = expressions.is_empty() && by_field.is_empty();
            !is_empty && meets_all(expressions, &labels) && meets_all(by_field, &fields)
        })
    });
    selected && fits
}

fn meets_all(requirements: &[NodeSelectorRequirement], labels: &BTreeMap<String, String>) -> bool {
    requirements.iter().all(|requirement| {
        let value = labels.get(&requirement.key);
        let values = requirement.values.as_deref().unwrap_or_default();
        let listed = value.is_some_and(|value| values.contains(value));
        let number = value.and_then(|value| value.parse::<i64>().ok());
        let limit = values.first().and_then(|value| value.parse::<i64>().ok());
        match requirement.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => number.zip(limit).is_some_and(|(number, limit)| number > limit),
            "Lt" => number.zip(limit).is_some_and(|(number, limit)| number < limit),
            _ => false,
        }
    })
}

/// What a pod requests: main containers and native sidecars together, and no less than its largest init container needs
/// beside the sidecars that run by then.
pub(super) fn requests(pod: &Pod) -> Amounts {
    let Some(spec) = &pod.spec else { return Amounts::new() };
    let mut sidecars = Amounts::new();
    let mut peak = Amounts::new();
    for container in spec.init_containers.iter().flatten() {
        let own = requests_of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut sidecars, &own);
        } else {
            let mut beside = sidecars.clone();
            add(&mut beside, &own);
            raise(&mut peak, &beside);
        }
    }
    let mut together = sidecars;
    spec.containers.iter().for_each(|container| add(&mut together, &requests_of(container)));
    raise(&mut together, &peak);
    together.insert("pods".to_owned(), 1_000);
    together
}

fn requests_of(container: &Container) -> Amounts {
    let resources = container.resources.as_ref();
    amounts(resources.and_then(|resources| resources.requests.as_ref()).into_iter().flatten())
}

fn amounts<'a>(quantities: impl Iterator<Item = (&'a String, &'a Quantity)>) -> Amounts {
    quantities.map(|(name, quantity)| (name.clone(), thousandths(quantity))).collect()
}

fn add(amounts: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *amounts.entry(name.clone()).or_default() += amount;
    }
}

fn subtract(amounts: &mut Amounts, less: &Amounts) {
    for (name, amount) in less {
        *amounts.entry(name.clone()).or_default() -= amount;
    }
}

fn raise(amounts: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let own = amounts.entry(name.clone()).or_default();
        *own = (*own).max(*amount);
    }
}

fn holds(free: &Amounts, wanted: &Amounts) -> bool {
    wanted.iter().all(|(name, amount)| *amount <= 0 || free.get(name).copied().unwrap_or(0) >= *amount)
}

fn preempt(victim: &Pod, pod: &Pod, now: Timestamp) -> [ClusterWrite; 2] {
    let key = key_of(&victim.metadata);
    let message = format!("{USER}: preempting to accommodate a higher priority pod {}", key_of(&pod.metadata).1);
    let condition = pod_condition("DisruptionTarget", "True", "PreemptionByScheduler", &message, now);
    let status = json!({ "conditions": with_condition(victim, condition) });
    [ClusterWrite::status(USER, POD, key, &status), ClusterWrite::delete(USER, POD, key, None)]
}

fn is_told(pod: &Pod, message: &str) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    !has_condition(pod, "PodScheduled")
        && conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "PodScheduled" && condition.message.as_deref() == Some(message))
}

fn unschedulable(pod: &Pod, message: &str, now: Timestamp) -> ClusterWrite {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let since = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .and_then(|condition| condition.last_transition_time.as_ref())
        .map_or(now, |time| time.0);
    let condition = pod_condition("PodScheduled", "False", "Unschedulable", message, since);
    let status = json!({ "phase": "Pending", "conditions": with_condition(pod, condition) });
    ClusterWrite::status(USER, POD, key_of(&pod.metadata), &status)
}

/// A condition of a pod.
pub(super) fn pod_condition(type_: &str, status: &str, reason: &str, message: &str, since: Timestamp) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(since),
    })
}

/// A pod's conditions with this one in its place.
pub(super) fn with_condition(pod: &Pod, condition: Value) -> Vec<Value> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let others = conditions.into_iter().flatten().filter(|old| condition.get("type") != Some(&json!(old.type_)));
    let mut all: Vec<Value> = others.map(|old| json!(old)).collect();
    all.push(condition);
    all
}
