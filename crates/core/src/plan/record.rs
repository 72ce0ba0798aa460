//! Intents about objects of our own kinds: what is made, folded, exported, told.

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::OwnObject;
use crate::{
    prelude::*,
    promotion::PromotionTerms,
    value::{Decimal, ParameterSet, SymptomKind, TargetReference, Uid},
};

/// A scheduled run to begin. The name is a pure function of schedule and instant, so two controllers that begin the same
/// run collide on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewPhaseRun {
    /// The run's name.
    pub name: String,
    /// The schedule; it becomes a label, not an owner.
    pub schedule: OwnObject,
    /// The instant that the schedule names, which is not when the run is created.
    pub scheduled_at: Timestamp,
}

/// Which part a canary plays in a tuning run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum CanaryRole {
    /// The target as it stands, measured first and under the same conditions.
    Incumbent,
    /// One candidate.
    Candidate,
}

/// What a canary sets aside, or used, of a night's two budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BudgetShare {
    /// Engine ready to measurement ended.
    pub measure: SignedDuration,
    /// Container started to container gone, times GPUs.
    pub hold: SignedDuration,
}

/// A canary to begin. The object is the reservation: it is created before any pod, under a name that is dense in its
/// attempts, so whoever did not see all attempts below collides instead of overspending. Created with the finalizer,
/// because its use is owed to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewCanary {
    /// The canary's name.
    pub name: String,
    /// The Escalation that searches; it becomes the owner reference.
    pub escalation: OwnObject,
    /// The cycle.
    pub cycle: String,
    /// The symptom that the tuning run is for.
    pub symptom: SymptomKind,
    /// The local date on which the night's window began.
    pub night: Date,
    /// Dense from 0 in that night.
    pub attempt: u32,
    /// Its part.
    pub role: CanaryRole,
    /// What it sets; empty for the incumbent.
    pub parameters: ParameterSet,
    /// The target.
    pub target: TargetReference,
    /// The target's uid as observed.
    pub target_uid: Uid,
    /// The target's template hash as observed.
    pub template_hash: String,
    /// Runs whose symptoms this tuning run consumes; only on the incumbent.
    pub consumes: Vec<Uid>,
    /// The instant after which no pod of it may be made, and by which its pod must have ended.
    pub not_after: Timestamp,
    /// What it reserves of the night's budgets.
    pub reserved: BudgetShare,
}

/// The fold of a finished canary into its Escalation's ledger, by a status write that tests the Escalation's
/// resourceVersion. Only after it may the canary's finalizer go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanaryFold {
    /// The canary.
    pub canary: OwnObject,
    /// The Escalation whose ledger takes it up.
    pub escalation: OwnObject,
    /// The Escalation's resourceVersion as observed.
    pub escalation_resource_version: String,
    /// The canary's night, by the local date on which its window began.
    pub night: Date,
    /// The canary's attempt in that night.
    pub attempt: u32,
    /// What the kubelet's timestamps prove that it used; the whole reservation where they prove nothing.
    pub used: BudgetShare,
    /// Runs that it consumed; empty where it consumed nothing.
    pub consumed: Vec<Uid>,
}

/// How the values of a promotion came to win. It is kept with the promotion, so that whoever tells the end of the tuning
/// run later tells all of it: the replica that searched may be gone by then.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Why the winner won, as one word.
    pub reason: String,
    /// The same with figures.
    pub message: String,
    /// Why the search ended, as one word; absent where it was broken off.
    pub search_ended: Option<String>,
    /// Candidates that were measured.
    pub candidates_tried: i64,
    /// What was not tried: the values, and why.
    pub untried: Vec<(ParameterSet, String)>,
}

/// A promotion to begin. One per cycle, by its name. Created with the finalizer, and with `decision: Pending`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewPromotion {
    /// The promotion's name.
    pub name: String,
    /// The Escalation that searched.
    pub escalation: OwnObject,
    /// The canary that passed.
    pub canary: OwnObject,
    /// The cycle.
    pub cycle: String,
    /// The canary's fitness.
    pub fitness: Decimal,
    /// How it came to win.
    pub selection: Selection,
    /// What is promoted, the pre-image, and under which terms.
    pub terms: PromotionTerms,
}

/// Audit records to write to the export before their object goes. Idempotent: what the export has is not written twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuditExport {
    /// The object whose records are meant.
    pub object: OwnObject,
    /// Sequence number of the last record to write.
    pub through_sequence: u64,
}

/// An event for people, told once per transition. It carries no fact that anything rests on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notice {
    /// What it is about.
    pub object: OwnObject,
    /// Whether a person should look.
    pub severity: NoticeSeverity,
    /// The typed reason's name.
    pub reason: &'static str,
    /// The sentence.
    pub note: String,
    /// What makes it this news and no other of its object and reason. Whoever tells it again, because a restart lost that
    /// it was told, tells it with the same identity, if perhaps with another instant in the sentence.
    pub identity: String,
}

/// Kubernetes' two types of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum NoticeSeverity {
    /// The course of things.
    Normal,
    /// A person should look.
    Warning,
}
