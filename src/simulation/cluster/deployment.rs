//! The controller of deployments: a replica set for each template, and the way from one to the next.

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::PodTemplateSpec,
};
use phaseloop_core::value::digest::short_digest;
use serde_json::{Value, json};

use super::{
    owned::{earlier, has_ended, is_controlled_by, key_of, uid_of},
    rolling::{RollingBounds, SetSize, new_size, old_sizes},
    view::{ClusterView, of_namespace},
    workload_status::report_deployment,
    write::{ClusterWrite, DEPLOYMENT, REPLICA_SET},
};

/// The name under which the controller acts.
pub(super) const USER: &str = "system:serviceaccount:kube-system:deployment-controller";
/// The label that tells the pods of one template from those of another.
pub(super) const HASH_LABEL: &str = "pod-template-hash";
/// The annotation that numbers templates.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// A deployment with its replica sets, oldest first.
pub(super) struct Family<'a> {
    pub(super) deployment: &'a Deployment,
    /// The set of the present template.
    pub(super) new: Option<&'a ReplicaSet>,
    /// The others.
    pub(super) old: Vec<&'a ReplicaSet>,
}

/// What follows for every deployment of a namespace, and when time alone changes that.
pub(super) fn step(view: &ClusterView, namespace: &str, now: Timestamp) -> (Vec<ClusterWrite>, Option<Timestamp>) {
    let mut writes = Vec::new();
    let mut due = None;
    for deployment in
        of_namespace(&view.deployments, namespace).filter(|object| object.metadata.deletion_timestamp.is_none())
    {
        let family = Family::of(view, deployment);
        if !family.is_paused() {
            family.roll(view, &mut writes);
        } else if let Some(set) = family.active() {
            scale(set, family.replicas(), &mut writes);
        }
        due = earlier(due, report_deployment(&family, now, &mut writes));
    }
    (writes, due)
}

impl<'a> Family<'a> {
    fn of(view: &'a ClusterView, deployment: &'a Deployment) -> Self {
        let uid = uid_of(&deployment.metadata);
        let own = of_namespace(&view.replica_sets, key_of(&deployment.metadata).0)
            .filter(|set| is_controlled_by(&set.metadata, uid));
        let mut sets: Vec<&ReplicaSet> = own.collect();
        sets.sort_by_key(|set| (revision_of(set), set.metadata.name.clone()));
        let hash = template_hash(deployment);
        let is_new = |set: &&ReplicaSet| label_of(set) == Some(hash.as_str());
        let new = sets.iter().copied().find(is_new);
        let old = sets.into_iter().filter(|set| !is_new(set)).collect();
        Self { deployment, new, old }
    }

    pub(super) fn replicas(&self) -> i32 {
        self.deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    fn is_paused(&self) -> bool {
        self.deployment.spec.as_ref().and_then(|spec| spec.paused) == Some(true)
    }

    /// The one set that has pods, where there is one.
    fn active(&self) -> Option<&'a ReplicaSet> {
        let with_pods = self.new.into_iter().chain(self.old.iter().copied()).filter(|set| wanted(set) > 0);
        match with_pods.collect::<Vec<_>>().as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    fn recreates(&self) -> bool {
        let strategy = self.deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
        strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
    }

    fn roll(&self, view: &ClusterView, writes: &mut Vec<ClusterWrite>) {
        let replicas = self.replicas();
        if self.recreates() {
            return self.recreate(view, replicas, writes);
        }
        let bounds = RollingBounds::of(self.deployment, replicas);
        let old: Vec<SetSize> = self.old.iter().map(|set| size(set)).collect();
        let new = self.new.map_or(SetSize { wanted: 0, available: 0 }, size);
        let wanted = new_size(replicas, bounds, new, &old);
        match self.new {
            None => self.make_set(wanted, writes),
            Some(set) if wanted != new.wanted => scale(set, wanted, writes),
            Some(_) => {
                for (set, wanted) in self.old.iter().zip(old_sizes(replicas, bounds, new, &old)) {
                    scale(set, wanted, writes);
                }
                self.tidy(writes);
            }
        }
    }

    /// Takes every old pod down before a new one is made.
    fn recreate(&self, view: &ClusterView, replicas: i32, writes: &mut Vec<ClusterWrite>) {
        self.old.iter().for_each(|set| scale(set, 0, writes));
        let is_left = |set: &&ReplicaSet| {
            let uid = uid_of(&set.metadata);
            of_namespace(&view.pods, key_of(&set.metadata).0)
                .any(|pod| is_controlled_by(&pod.metadata, uid) && !has_ended(pod))
        };
        if self.old.iter().any(is_left) {
            return;
        }
        match self.new {
            None => self.make_set(replicas, writes),
            Some(set) => scale(set, replicas, writes),
        }
    }

    fn make_set(&self, replicas: i32, writes: &mut Vec<ClusterWrite>) {
        let (namespace, name) = key_of(&self.deployment.metadata);
        let Some(spec) = &self.deployment.spec else { return };
        let hash = template_hash(self.deployment);
        let revision = self.old.iter().map(|set| revision_of(set)).max().unwrap_or(0) + 1;
        let mut template = spec.template.clone();
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(HASH_LABEL.to_owned(), hash.clone());
        let mut selector = spec.selector.clone();
        selector.match_labels.get_or_insert_default().insert(HASH_LABEL.to_owned(), hash.clone());
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "namespace": namespace, "name": format!("{name}-{hash}"), "labels": labels_of(&template),
                "annotations": { (REVISION): revision.to_string() },
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "Deployment", "name": name,
                    "uid": uid_of(&self.deployment.metadata), "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "replicas": replicas, "selector": selector, "template": template,
                "minReadySeconds": spec.min_ready_seconds.unwrap_or(0),
            },
        });
        writes.push(ClusterWrite::create(USER, set));
        let number = json!({ "metadata": { "annotations": { (REVISION): revision.to_string() } } });
        writes.push(ClusterWrite::merge(USER, DEPLOYMENT, (namespace, name), number));
    }

    /// A set that is taken up again gets the newest number; sets beyond the history's limit go.
    fn tidy(&self, writes: &mut Vec<ClusterWrite>) {
        let newest = self.old.iter().map(|set| revision_of(set)).max().unwrap_or(0);
        if let Some(new) = self.new.filter(|new| revision_of(new) <= newest) {
            let number = json!({ "metadata": { "annotations": { (REVISION): (newest + 1).to_string() } } });
            writes.push(ClusterWrite::merge(USER, REPLICA_SET, key_of(&new.metadata), number.clone()));
            writes.push(ClusterWrite::merge(USER, DEPLOYMENT, key_of(&self.deployment.metadata), number));
        }
        let limit = self.deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit).unwrap_or(10);
        let empty =
            |set: &&&ReplicaSet| wanted(set) == 0 && set.status.as_ref().is_none_or(|status| status.replicas == 0);
        let empty: Vec<&&ReplicaSet> = self.old.iter().filter(empty).collect();
        let surplus = empty.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        for set in empty.into_iter().take(surplus) {
            writes.push(ClusterWrite::delete(USER, REPLICA_SET, key_of(&set.metadata), None));
        }
    }
}

fn scale(set: &ReplicaSet, replicas: i32, writes: &mut Vec<ClusterWrite>) {
    if wanted(set) != replicas {
        let fields = json!({ "spec": { "replicas": replicas } });
        writes.push(ClusterWrite::merge(USER, REPLICA_SET, key_of(&set.metadata), fields));
    }
}

pub(super) fn wanted(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn size(set: &ReplicaSet) -> SetSize {
    let available = set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    SetSize { wanted: wanted(set), available }
}

fn revision_of(set: &ReplicaSet) -> u64 {
    let annotations = set.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(REVISION)?.parse().ok()).unwrap_or(0)
}

fn label_of(set: &ReplicaSet) -> Option<&str> {
    set.metadata.labels.as_ref()?.get(HASH_LABEL).map(String::as_str)
}

fn labels_of(template: &PodTemplateSpec) -> Value {
    json!(template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref()))
}

/// The digest by which the pods of a template are told apart: of the whole template.
fn template_hash(deployment: &Deployment) -> String {
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    short_digest(&["pod template", &serde_json::to_string(&template).unwrap_or_default()])
}
