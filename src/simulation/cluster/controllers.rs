//! The cluster's own controllers together: one step of all of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    claim_protection, deployment, disruption, ephemeral_volume,
    kubelet::Kubelets,
    node::NodeWatch,
    owned::earlier,
    replica_set, scheduler, stateful_set,
    view::{ClusterView, Key, Touched},
    write::{ClusterWrite, carry_out},
};
use crate::simulation::api_server::ApiServer;

/// How long a controller waits after a refused write before it looks again.
const RETRY: jiff::SignedDuration = jiff::SignedDuration::from_secs(15);

/// What follows for one namespace, and when time alone changes that.
type NamespaceStep = fn(&ClusterView, &str, Timestamp) -> (Vec<ClusterWrite>, Option<Timestamp>);

/// The controllers that look at one namespace at a time, in the order in which they do.
const CONTROLLERS: [NamespaceStep; 6] = [
    deployment::step,
    stateful_set::step,
    replica_set::step,
    ephemeral_volume::step,
    claim_protection::step,
    disruption::step,
];

/// The cluster's own controllers.
#[derive(Debug)]
pub struct Controllers {
    view: ClusterView,
    /// The kubelets of all nodes.
    pub kubelets: Kubelets,
    nodes: NodeWatch,
    /// When time alone gives the node controller something to do.
    due: Option<Timestamp>,
    /// When time alone gives another controller something to do, by namespace.
    due_in: BTreeMap<String, Timestamp>,
    /// Pods that changed since the kubelets looked.
    changed_pods: BTreeSet<Key>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Writes that were accepted.
    pub written: usize,
    /// Writes that were refused.
    pub refused: usize,
}

impl Controllers {
    /// Controllers that have seen nothing.
    pub fn new(kubelets: Kubelets) -> Self {
        Self {
            view: ClusterView::default(),
            kubelets,
            nodes: NodeWatch::default(),
            due: None,
            due_in: BTreeMap::new(),
            changed_pods: BTreeSet::new(),
        }
    }

    /// Controllers that go on from where these stand, with other kubelets.
    #[must_use]
    pub fn fork(&self, kubelets: Kubelets) -> Self {
        Self {
            view: self.view.clone(),
            kubelets,
            nodes: self.nodes.clone(),
            due: self.due,
            due_in: self.due_in.clone(),
            changed_pods: self.changed_pods.clone(),
        }
    }

    /// A node's kubelet no longer reports.
    pub fn lose_node(&mut self, node: &str, now: Timestamp) {
        self.nodes.lose(node, now);
        self.kubelets.look_at_all();
        self.due = earlier(self.due, Some(now));
    }

    /// A node's kubelet reports again.
    pub fn find_node(&mut self, node: &str, now: Timestamp) {
        self.nodes.find(node);
        self.kubelets.look_at_all();
        self.due = earlier(self.due, Some(now));
    }

    /// What they see.
    pub const fn view(&self) -> &ClusterView {
        &self.view
    }

    /// When the next of them has something to do, if nothing changes.
    pub fn next_at(&self) -> Option<Timestamp> {
        earlier(earlier(self.due, self.due_in.values().min().copied()), self.kubelets.next_at())
    }

    /// Looks at what changed and at what is due, and does what follows.
    pub fn step(&mut self, server: &ApiServer, now: Timestamp) -> Step {
        let mut touched = self.follow(server);
        let mut step = Step::default();
        let changed_pods = std::mem::take(&mut self.changed_pods);
        let writes = self.kubelets.step(&self.view, &changed_pods, &self.nodes, now);
        self.carry_out(server, &writes, now, &mut step);
        touched.add(self.follow(server));
        let writes = self.decide(&touched, now);
        self.carry_out(server, &writes, now, &mut step);
        if touched.deletions {
            while server.collect_garbage() > 0 {
                step.written += 1;
            }
        }
        if touched.namespaces || touched.deletions {
            step.written += server.finish_namespaces();
        }
        step
    }

    fn follow(&mut self, server: &ApiServer) -> Touched {
        let touched = self.view.follow(server);
        self.changed_pods.extend(touched.pods.iter().chain(&touched.waiting).cloned());
        touched
    }

    fn decide(&mut self, touched: &Touched, now: Timestamp) -> Vec<ClusterWrite> {
        let mut writes = Vec::new();
        if touched.nodes || self.nodes.is_any_lost() || self.due.is_some_and(|due| due <= now) {
            let (own, due) = self.nodes.step(&self.view, now);
            writes.extend(own);
            self.due = due;
        }
        let mut namespaces = touched.workloads.clone();
        namespaces.extend(self.due_in.iter().filter(|(_, due)| **due <= now).map(|(namespace, _)| namespace.clone()));
        self.due_in.retain(|namespace, _| !namespaces.contains(namespace));
        for controller in CONTROLLERS {
            for namespace in &namespaces {
                let (own, due) = controller(&self.view, namespace, now);
                writes.extend(own);
                self.look_again(namespace, due);
            }
        }
        if !touched.pods.is_empty() || touched.nodes {
            writes.extend(scheduler::step(&self.view, now));
        }
        writes
    }

    fn look_again(&mut self, namespace: &str, due: Option<Timestamp>) {
        if let Some(due) = earlier(due, self.due_in.get(namespace).copied()) {
            self.due_in.insert(namespace.to_owned(), due);
        }
    }

    fn carry_out(&mut self, server: &ApiServer, writes: &[ClusterWrite], now: Timestamp, step: &mut Step) {
        for write in writes {
            match carry_out(server, write) {
                Ok(()) => step.written += 1,
                Err(error) => {
                    // A quota that is full, an object that is gone: looked at again as controllers do.
                    tracing::debug!(user = %write.user, %error, "a write of the cluster's own controllers was refused");
                    step.refused += 1;
                    let again_at = Some(phaseloop_core::schedule::later_by(now, RETRY));
                    match write.namespace() {
                        "" => self.due = earlier(self.due, again_at),
                        namespace => self.look_again(namespace, again_at),
                    }
                }
            }
        }
    }
}
