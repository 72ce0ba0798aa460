//! The target as a lender, read once per look of a run or an Escalation that borrows, and what they tell of it.

use jiff::Timestamp;
use k8s_openapi::api::{autoscaling::v2::HorizontalPodAutoscaler, policy::v1::PodDisruptionBudget};
use phaseloop_core::{
    borrow::{GiveBackNote, Lender, ReturnStep},
    plan::{
        Intent, OwnObject,
        label::FINALIZER,
        record::{Notice, NoticeSeverity},
        target::{ReplicaBorrow, ReplicaReturn},
    },
    schedule::RunReason,
    value::TargetReference,
};

use super::ObservedTarget;
use crate::{
    api::phase_run::status::Borrowed,
    cluster::{ClusterError, Effect, Reader},
    delivery::{
        borrow::{LenderSurroundings, borrow_patch, observe_lender, return_patch},
        patch::fence_patch,
    },
};

/// A target that may lend a replica, as it was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObservedLending {
    /// The target; absent where there is none.
    pub target: Option<ObservedTarget>,
    /// What lies around it; nothing where it does not matter any more.
    pub surroundings: LenderSurroundings,
}

impl ObservedLending {
    /// Reads what lies around a target that may be asked for a replica. Autoscalers and budgets are read live, by whoever
    /// borrows alone.
    ///
    /// # Errors
    /// [`ClusterError`] of the first list that could not be read.
    pub async fn read(
        reader: Reader<'_>,
        namespace: &str,
        target: Option<ObservedTarget>,
        may_ask: bool,
    ) -> Result<Self, ClusterError> {
        let surroundings = if may_ask && target.is_some() {
            LenderSurroundings {
                autoscalers: reader.list::<HorizontalPodAutoscaler>(namespace, "").await?.items,
                budgets: reader.list::<PodDisruptionBudget>(namespace, "").await?.items,
            }
        } else {
            LenderSurroundings::default()
        };
        Ok(Self { target, surroundings })
    }

    /// The same as the core sees it.
    pub fn lending(self, reference: &TargetReference) -> Lending {
        let lender = self.target.as_ref().map(|target| observe_lender(target, reference, &self.surroundings));
        Lending { lender, target: self.target }
    }
}

/// A target that may lend a replica, with the object that its patches are built on.
#[derive(Debug, Clone, PartialEq)]
pub struct Lending {
    /// As the core sees it; absent where there is no target.
    pub lender: Option<Lender>,
    target: Option<ObservedTarget>,
}

impl Lending {
    /// The note of what this borrower has taken.
    pub fn lent_to(&self, borrower: &OwnObject) -> Option<&GiveBackNote> {
        self.lender.as_ref()?.lent_to(borrower)
    }

    /// The request of an intent of borrowing; `None` for any other intent, and where there is no target.
    pub fn build(&self, intent: &Intent) -> Option<Effect> {
        let metadata = self.target.as_ref()?.metadata();
        let (target, patch) = match intent {
            Intent::ScaleTargetForBorrow(borrow) => (&borrow.target, borrow_patch(metadata, borrow)),
            Intent::GiveBackReplica(back) => (&back.target, return_patch(metadata, back)),
            Intent::FenceTarget(fence) => (&fence.target, fence_patch(metadata, fence)),
            _ => return None,
        };
        Some(Effect::PatchTarget { target: target.reference.clone(), patch })
    }
}

/// What is remembered before a replica is asked for.
pub fn asked(borrow: &ReplicaBorrow) -> Borrowed {
    Borrowed { target_resource_version: Some(borrow.target.resource_version.clone()), ..of_note(&borrow.note) }
}

/// What a note says.
pub const fn of_note(note: &GiveBackNote) -> Borrowed {
    Borrowed {
        from: note.from,
        to: note.to,
        since: note.since,
        target_resource_version: None,
        given_back_at: None,
        conflict: None,
    }
}

/// What a look does about a replica that was borrowed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settling {
    /// What is told of it once the intents are carried out.
    pub borrowed: Option<Borrowed>,
    /// What is asked for, in this order, after test pods are asked to end.
    pub intents: Vec<Intent>,
}

impl Settling {
    /// What follows from a step back, for a borrower that needs no replica any more: its finalizer goes with what it owes.
    pub fn of(
        step: &ReturnStep,
        object: OwnObject,
        has_finalizer: bool,
        before: Option<Borrowed>,
        now: Timestamp,
    ) -> Self {
        let mut intents: Vec<Intent> = return_intent(step).into_iter().collect();
        if has_finalizer && !matches!(step, ReturnStep::Fence(_)) {
            intents.push(Intent::RemoveFinalizer(object.clone()));
        }
        let borrowed = match step {
            ReturnStep::Return(back) => {
                intents.push(told(object, back));
                Some(returned(of_note(&back.note), back, now))
            }
            ReturnStep::Settled => {
                before.map(|before| if before.is_settled() { before } else { given_back(before, now) })
            }
            ReturnStep::Fence(_) => before,
        };
        Self { borrowed, intents }
    }

    /// Whether something is owed that only the next look can tell settled.
    pub fn is_fencing(&self) -> bool {
        self.intents.iter().any(|intent| matches!(intent, Intent::FenceTarget(_)))
    }
}

/// People are told that the replica is back, or why not.
fn told(borrower: OwnObject, back: &ReplicaReturn) -> Intent {
    let target = &back.target.reference;
    let (severity, reason, note) = if back.is_conflict() {
        let note = format!("{target} has {} replicas, which somebody else set: they stay", back.replicas);
        (NoticeSeverity::Warning, RunReason::GiveBackConflict, note)
    } else {
        let note = format!("{target} has {} replicas again", back.replicas_after());
        (NoticeSeverity::Normal, RunReason::ReplicaGivenBack, note)
    };
    let identity = format!("{} {}", back.note.since, back.target.resource_version);
    Intent::RecordEvent(Notice { object: borrower, severity, reason: reason.name(), note, identity })
}

/// What is told once a return was carried out.
fn returned(before: Borrowed, back: &ReplicaReturn, now: Timestamp) -> Borrowed {
    if back.is_conflict() {
        let conflict = format!("replicas is {}, which somebody else set: it stays", back.replicas);
        Borrowed { conflict: Some(conflict), target_resource_version: None, ..before }
    } else {
        given_back(before, now)
    }
}

/// What is told once nothing is owed any more.
pub fn given_back(before: Borrowed, now: Timestamp) -> Borrowed {
    Borrowed { given_back_at: Some(now), target_resource_version: None, ..before }
}

/// The intent of a step back; `None` where nothing is owed.
fn return_intent(step: &ReturnStep) -> Option<Intent> {
    match step {
        ReturnStep::Settled => None,
        ReturnStep::Return(back) => Some(Intent::GiveBackReplica(back.clone())),
        ReturnStep::Fence(fence) => Some(Intent::FenceTarget(fence.clone())),
    }
}

/// Our finalizer put on an object of ours, or taken off it; `None` for any other intent.
pub fn build_finalizer(object: &impl kube::ResourceExt, intent: &Intent) -> Option<Effect> {
    let others = || object.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    let (own, finalizers) = match intent {
        Intent::AddFinalizer(own) => (own, others().chain([FINALIZER.to_owned()]).collect()),
        Intent::RemoveFinalizer(own) => (own, others().collect()),
        _ => return None,
    };
    let resource_version = object.resource_version().unwrap_or_default();
    Some(Effect::SetFinalizers { object: own.clone(), resource_version, finalizers })
}

/// Whether our finalizer stands on an object of ours.
pub fn has_finalizer(object: &impl kube::ResourceExt) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}
