//! The target as a lender.

use super::GiveBackNote;
use crate::{
    plan::{OwnObject, target::TargetVersion},
    prelude::*,
    promotion::observed::TargetManager,
};

/// A target that is asked for a replica, as it was read, live, for this decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lender {
    /// The object and its version.
    pub version: TargetVersion,
    /// `spec.replicas`.
    pub replicas: i64,
    /// `status.readyReplicas`.
    pub ready: i64,
    /// The note that it carries.
    pub note: LendersNote,
    /// What manages it, if anything does.
    pub managed_by: Option<TargetManager>,
    /// Name of the HorizontalPodAutoscaler that scales it. KEDA makes one too.
    pub autoscaler: Option<String>,
    /// The PodDisruptionBudgets that count its pods.
    pub budgets: Vec<DisruptionBudget>,
}

/// The give-back annotation of a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LendersNote {
    /// There is none: nothing is borrowed.
    Absent,
    /// It lends a replica.
    Lent(GiveBackNote),
    /// There is one that nobody can read.
    Unreadable,
}

/// A PodDisruptionBudget that counts the target's pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DisruptionBudget {
    /// Its name.
    pub name: String,
    /// `status.disruptionsAllowed`; absent while no controller has said it.
    pub disruptions_allowed: Option<i64>,
}

impl Lender {
    /// The note of what this borrower has taken; `None` where it has taken nothing.
    pub fn lent_to(&self, borrower: &OwnObject) -> Option<&GiveBackNote> {
        match &self.note {
            LendersNote::Lent(note) if note.borrower == *borrower => Some(note),
            LendersNote::Lent(_) | LendersNote::Absent | LendersNote::Unreadable => None,
        }
    }
}
