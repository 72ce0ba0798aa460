//! The cluster's own controllers together: one step of all of them.

use jiff::Timestamp;

use super::{
    deployment,
    kubelet::Kubelets,
    node::NodeWatch,
    owned::earlier,
    replica_set, scheduler, stateful_set,
    view::{ClusterView, Touched},
    write::{ClusterWrite, carry_out},
};
use crate::simulation::api_server::ApiServer;

/// How long a controller waits after a refused write before it looks again.
const RETRY: jiff::SignedDuration = jiff::SignedDuration::from_secs(15);

/// The cluster's own controllers.
#[derive(Debug)]
pub struct Controllers {
    view: ClusterView,
    /// The kubelets of all nodes.
    pub kubelets: Kubelets,
    nodes: NodeWatch,
    /// When time alone gives a controller something to do.
    due: Option<Timestamp>,
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
        Self { view: ClusterView::default(), kubelets, nodes: NodeWatch::default(), due: None }
    }

    /// Controllers that go on from where these stand, with other kubelets.
    #[must_use]
    pub fn fork(&self, kubelets: Kubelets) -> Self {
        Self { view: self.view.clone(), kubelets, nodes: self.nodes.clone(), due: self.due }
    }

    /// A node's kubelet no longer reports.
    pub fn lose_node(&mut self, node: &str, now: Timestamp) {
        self.nodes.lose(node, now);
        self.due = earlier(self.due, Some(now));
    }

    /// A node's kubelet reports again.
    pub fn find_node(&mut self, node: &str, now: Timestamp) {
        self.nodes.find(node);
        self.due = earlier(self.due, Some(now));
    }

    /// What they see.
    pub const fn view(&self) -> &ClusterView {
        &self.view
    }

    /// When the next of them has something to do, if nothing changes.
    pub fn next_at(&self) -> Option<Timestamp> {
        earlier(self.due, self.kubelets.next_at())
    }

    /// Looks at what changed and at what is due, and does what follows.
    pub fn step(&mut self, server: &ApiServer, now: Timestamp) -> Step {
        let mut touched = self.view.follow(server);
        let mut step = Step::default();
        let is_due = self.due.is_some_and(|due| due <= now);
        let writes = self.kubelets.step(&self.view, &self.nodes, now);
        self.carry_out(server, &writes, now, &mut step);
        touched = touched.or(self.view.follow(server));
        if touched.is_something() || is_due {
            self.due = None;
            let writes = self.decide(touched, now);
            self.carry_out(server, &writes, now, &mut step);
        }
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

    fn decide(&mut self, touched: Touched, now: Timestamp) -> Vec<ClusterWrite> {
        let mut writes = Vec::new();
        for (own, due) in [
            self.nodes.step(&self.view, now),
            deployment::step(&self.view, now),
            stateful_set::step(&self.view, now),
            replica_set::step(&self.view, now),
        ] {
            writes.extend(own);
            self.due = earlier(self.due, due);
        }
        if touched.pods || touched.nodes {
            writes.extend(scheduler::step(&self.view, now));
        }
        writes
    }

    fn carry_out(&mut self, server: &ApiServer, writes: &[ClusterWrite], now: Timestamp, step: &mut Step) {
        for write in writes {
            match carry_out(server, write) {
                Ok(()) => step.written += 1,
                Err(error) => {
                    // A quota that is full, an object that is gone: looked at again as controllers do.
                    tracing::debug!(user = %write.user, %error, "a write of the cluster's own controllers was refused");
                    step.refused += 1;
                    self.due = earlier(self.due, Some(phaseloop_core::schedule::later_by(now, RETRY)));
                }
            }
        }
    }
}
