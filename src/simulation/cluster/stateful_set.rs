//! The controller of stateful sets: pods with names of their own, made and replaced one after the other.

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use phaseloop_core::value::digest::short_digest;
use serde_json::{Value, json};

use super::{
    owned::{available_at, earlier, has_ended, is_controlled_by, key_of, ready_since, uid_of},
    view::{ClusterView, of_namespace},
    write::{ClusterWrite, POD, STATEFUL_SET},
};

/// The name under which the controller acts.
const USER: &str = "system:serviceaccount:kube-system:statefulset-controller";
/// The label that tells the pods of one template from those of another.
const REVISION_LABEL: &str = "controller-revision-hash";

/// What follows for every stateful set of a namespace, and when time alone changes that.
pub(super) fn step(view: &ClusterView, namespace: &str, now: Timestamp) -> (Vec<ClusterWrite>, Option<Timestamp>) {
    let mut writes = Vec::new();
    let mut due = None;
    for set in of_namespace(&view.stateful_sets, namespace).filter(|set| set.metadata.deletion_timestamp.is_none()) {
        let one = OneSet::of(view, set, now);
        one.act(view, &mut writes);
        due = earlier(due, one.report(&mut writes));
    }
    (writes, due)
}

struct OneSet<'a> {
    set: &'a StatefulSet,
    revision: String,
    /// Pods by their number.
    pods: Vec<(i32, &'a Pod)>,
    now: Timestamp,
}

impl<'a> OneSet<'a> {
    fn of(view: &'a ClusterView, set: &'a StatefulSet, now: Timestamp) -> Self {
        let uid = uid_of(&set.metadata);
        let (namespace, name) = key_of(&set.metadata);
        let number = |pod: &Pod| pod.metadata.name.as_deref()?.strip_prefix(name)?.strip_prefix('-')?.parse().ok();
        let own = of_namespace(&view.pods, namespace).filter(|pod| is_controlled_by(&pod.metadata, uid));
        let mut pods: Vec<(i32, &Pod)> = own.filter_map(|pod| Some((number(pod)?, pod))).collect();
        pods.sort_by_key(|(number, _)| *number);
        let template = set.spec.as_ref().map(|spec| &spec.template);
        let hash = short_digest(&["pod template", &serde_json::to_string(&template).unwrap_or_default()]);
        Self { set, revision: format!("{name}-{hash}"), pods, now }
    }

    fn replicas(&self) -> i32 {
        self.set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    fn pod(&self, number: i32) -> Option<&'a Pod> {
        self.pods.iter().find(|(own, _)| *own == number).map(|(_, pod)| *pod)
    }

    fn is_parallel(&self) -> bool {
        self.set.spec.as_ref().and_then(|spec| spec.pod_management_policy.as_deref()) == Some("Parallel")
    }

    fn is_available(&self, pod: &Pod) -> bool {
        let min_ready = self.set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
        pod.metadata.deletion_timestamp.is_none() && available_at(pod, min_ready).is_some_and(|at| at <= self.now)
    }

    fn is_updated(&self, pod: &Pod) -> bool {
        let labels = pod.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(REVISION_LABEL)) == Some(&self.revision)
    }

    /// Makes what is missing, then takes down what is too much, then replaces what is old: one pod at a time, unless the
    /// set is a parallel one.
    fn act(&self, view: &ClusterView, writes: &mut Vec<ClusterWrite>) {
        for number in 0..self.replicas() {
            match self.pod(number) {
                None => {
                    self.make(view, number, writes);
                    if !self.is_parallel() {
                        return;
                    }
                }
                Some(pod) if has_ended(pod) && pod.metadata.deletion_timestamp.is_none() => {
                    writes.push(ClusterWrite::delete(USER, POD, key_of(&pod.metadata), None));
                    return;
                }
                Some(pod) if !self.is_available(pod) && !self.is_parallel() => {
                    // An old pod that never becomes ready is replaced all the same.
                    if self.is_updated(pod) || pod.metadata.deletion_timestamp.is_some() {
                        return;
                    }
                    break;
                }
                Some(_) => {}
            }
        }
        let surplus = self.pods.iter().rev().find(|(number, _)| *number >= self.replicas());
        if let Some((_, pod)) = surplus {
            Self::take_down(pod, writes);
            return;
        }
        self.replace(writes);
    }

    fn replace(&self, writes: &mut Vec<ClusterWrite>) {
        let strategy = self.set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
            return;
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
        for (number, pod) in self.pods.iter().rev().filter(|(number, _)| *number >= partition) {
            if !self.is_updated(pod) {
                Self::take_down(pod, writes);
                return;
            }
            if *number < self.replicas() && !self.is_available(pod) {
                return;
            }
        }
    }

    fn take_down(pod: &Pod, writes: &mut Vec<ClusterWrite>) {
        if pod.metadata.deletion_timestamp.is_none() {
            writes.push(ClusterWrite::delete(USER, POD, key_of(&pod.metadata), None));
        }
    }

    fn make(&self, view: &ClusterView, number: i32, writes: &mut Vec<ClusterWrite>) {
        let (namespace, set_name) = key_of(&self.set.metadata);
        let Some(spec) = &self.set.spec else { return };
        let name = format!("{set_name}-{number}");
        let mut pod_spec = json!(spec.template.spec);
        let mut volumes: Vec<Value> = pod_spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
        for template in spec.volume_claim_templates.iter().flatten() {
            let volume = template.metadata.name.clone().unwrap_or_default();
            let claim = format!("{volume}-{name}");
            if !view.claims.contains_key(&(namespace.to_owned(), claim.clone())) {
                let object = json!({
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                    "metadata": { "namespace": namespace, "name": claim }, "spec": template.spec,
                });
                writes.push(ClusterWrite::create(USER, object));
            }
            // One of the template's own gives way to a claim of its name.
            volumes.retain(|own| own.get("name").and_then(Value::as_str) != Some(volume.as_str()));
            volumes.push(json!({ "name": volume, "persistentVolumeClaim": { "claimName": claim } }));
        }
        if let Some(fields) = pod_spec.as_object_mut() {
            fields.insert("hostname".to_owned(), name.clone().into());
            fields.insert("subdomain".to_owned(), json!(spec.service_name));
            if !volumes.is_empty() {
                fields.insert("volumes".to_owned(), volumes.into());
            }
        }
        let metadata = spec.template.metadata.clone().unwrap_or_default();
        let mut labels = metadata.labels.unwrap_or_default();
        labels.insert(REVISION_LABEL.to_owned(), self.revision.clone());
        labels.insert("statefulset.kubernetes.io/pod-name".to_owned(), name.clone());
        labels.insert("apps.kubernetes.io/pod-index".to_owned(), number.to_string());
        writes.push(ClusterWrite::create(
            USER,
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "namespace": namespace, "name": name, "labels": labels, "annotations": metadata.annotations,
                    "ownerReferences": [{
                        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": set_name,
                        "uid": uid_of(&self.set.metadata), "controller": true, "blockOwnerDeletion": true,
                    }],
                },
                "spec": pod_spec,
            }),
        ));
    }

    /// Writes the status if it says anything new. Says when a pod becomes available by time alone.
    fn report(&self, writes: &mut Vec<ClusterWrite>) -> Option<Timestamp> {
        let count = |test: &dyn Fn(&Pod) -> bool| self.pods.iter().filter(|(_, pod)| test(pod)).count();
        let updated = count(&|pod| self.is_updated(pod));
        let old = self.set.status.as_ref();
        let all_updated = updated == self.pods.len() && i32::try_from(updated) == Ok(self.replicas());
        let before = old.and_then(|status| status.current_revision.clone());
        let current = if all_updated { self.revision.clone() } else { before.unwrap_or_else(|| self.revision.clone()) };
        let status = json!({
            "observedGeneration": self.set.metadata.generation,
            "replicas": self.pods.len(),
            "readyReplicas": count(&|pod| ready_since(pod).is_some()),
            "availableReplicas": count(&|pod| self.is_available(pod)),
            "updatedReplicas": updated,
            "currentReplicas": if current == self.revision { updated } else { self.pods.len() - updated },
            "currentRevision": current,
            "updateRevision": self.revision,
        });
        let stored = serde_json::to_value(old).unwrap_or_default();
        let same = status.as_object().into_iter().flatten().all(|(field, value)| {
            let kept = stored.get(field).unwrap_or(&Value::Null);
            kept == value || (kept.is_null() && *value == json!(0))
        });
        if !same {
            writes.push(ClusterWrite::status(USER, STATEFUL_SET, key_of(&self.set.metadata), &status));
        }
        let min_ready = self.set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
        self.pods.iter().filter_map(|(_, pod)| available_at(pod, min_ready)).filter(|at| *at > self.now).min()
    }
}
