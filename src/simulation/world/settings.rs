//! What a world is made of.

use jiff::{SignedDuration, Timestamp};

use super::{DecisionTerms, OPERATOR_NAMESPACE};
use crate::simulation::{
    api_server::{IdentityRule, Settings},
    chance::Chance,
    cluster::{NodeShape, kubelet::ImageStore},
    operator::NoticeTerms,
    program::Catalog,
};

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct WorldSettings {
    /// When it begins.
    pub start: Timestamp,
    /// The namespace of the target.
    pub namespace: String,
    /// Its nodes.
    pub nodes: Vec<NodeShape>,
    /// Its images.
    pub images: ImageStore,
    /// What its containers do, and the seed of everything.
    pub catalog: Catalog,
    /// The operator.
    pub operator: OperatorTerms,
    /// What people decide about promotions.
    pub decisions: Vec<DecisionTerms>,
    /// Whether uids, generated names and the chance of engines follow from what they are of, and not from when and after
    /// what else: histories that differ in one point, as by the death of an operator, can be compared then.
    pub comparable: bool,
}

impl WorldSettings {
    /// How its API server is set up.
    pub fn of_server(&self) -> Settings {
        let identities = if self.comparable { IdentityRule::ByName } else { IdentityRule::InOrder };
        let mut of_server = Settings { seed: self.catalog.seed, identities, ..Settings::default() };
        of_server.namespaces.extend([OPERATOR_NAMESPACE.to_owned(), self.namespace.clone()]);
        of_server
    }
}

/// How the operator runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorTerms {
    /// Replicas; the first one leads.
    pub replicas: usize,
    /// Its image.
    pub image: String,
    /// Longest delay of a notice.
    pub notice_delay_max: SignedDuration,
    /// How many of a hundred notices are lost.
    pub notices_lost_percent: u64,
    /// Whether looks are left out that would read what the last one read before anything is due.
    pub skips_idle_looks: bool,
    /// Whether what happens at one instant happens in an order that the seed decides.
    pub draws_lots: bool,
}

impl Default for OperatorTerms {
    fn default() -> Self {
        Self {
            replicas: 1,
            image: "ghcr.io/phaseloop/phaseloop:0.1.0".to_owned(),
            notice_delay_max: SignedDuration::ZERO,
            notices_lost_percent: 0,
            skips_idle_looks: true,
            draws_lots: false,
        }
    }
}

impl OperatorTerms {
    pub(super) fn notices(&self, seed: u64, replica: usize) -> NoticeTerms {
        NoticeTerms {
            delay_max: self.notice_delay_max,
            lost_percent: self.notices_lost_percent,
            chance: Chance::of(seed, &format!("notices of replica {replica}")),
        }
    }
}
