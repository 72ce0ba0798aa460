//! The closed list of what a decision may ask for. The shell turns each intent into one request with its built object;
//! nothing else is ever sent.

use super::{
    OwnObject,
    pod::{NewTestPod, TestPodDeletion},
    record::{AuditExport, CanaryFold, NewCanary, NewPhaseRun, NewPromotion, Notice},
    target::{
        PullRequestClosing, PullRequestOpening, Remembered, ReplicaBorrow, ReplicaReturn, TargetFence, TargetWrite,
    },
};
use crate::prelude::*;

/// One thing to do. Each variant names why it exists; its data names the preconditions that the request tests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Begin a scheduled run. Precondition: the name is free.
    CreatePhaseRun(NewPhaseRun),
    /// Begin a test pod, and its owner's NetworkPolicy before it. Precondition: each name is free, or what is there is the same.
    CreateTestPod(Box<NewTestPod>),
    /// End a test pod. Precondition: its uid.
    DeleteTestPod(TestPodDeletion),
    /// Reserve budget for one canary. Precondition: the name is free, with all attempts below it seen.
    CreateCanary(Box<NewCanary>),
    /// Settle a finished canary in the ledger. Precondition: the Escalation's resourceVersion.
    FoldCanaryIntoLedger(Box<CanaryFold>),
    /// Begin a promotion. Precondition: the name is free.
    CreatePromotion(Box<NewPromotion>),
    /// Put promoted values into the target, or into its ConfigMap. Preconditions: uid, resourceVersion, old values, old annotation.
    PatchTarget(Box<TargetWrite>),
    /// Put the pre-image back, in either. Preconditions: uid, resourceVersion, promoted values, our annotation.
    RestoreTarget(Box<TargetWrite>),
    /// Make an unanswered patch fail for good. Preconditions: uid, resourceVersion.
    FenceTarget(Box<TargetFence>),
    /// Borrow one replica for a run. Preconditions: uid, resourceVersion, `replicas`.
    ScaleTargetForBorrow(Box<ReplicaBorrow>),
    /// Give a borrowed replica back. Preconditions: uid, resourceVersion, `replicas` as we set it.
    GiveBackReplica(Box<ReplicaReturn>),
    /// Ask for the promotion in Git. Precondition: no request on the branch.
    OpenPullRequest(Box<PullRequestOpening>),
    /// Ask for the pre-image in Git. Precondition: no request on the branch.
    OpenRevertPullRequest(Box<PullRequestOpening>),
    /// Take an unmerged request back. Precondition: it is still open.
    ClosePullRequest(PullRequestClosing),
    /// Note that something is owed before the object may go. Precondition: uid.
    AddFinalizer(OwnObject),
    /// Let the object go: nothing is owed any more. Precondition: uid.
    RemoveFinalizer(OwnObject),
    /// Write records to the export.
    ExportAudit(AuditExport),
    /// Prune a finished object beyond the history limit. Precondition: uid.
    DeleteFinished(OwnObject),
    /// Tell people.
    RecordEvent(Notice),
}

impl Intent {
    /// Whether the request changes an object that is neither ours nor one of our test pods: the target, its ConfigMap, or a
    /// repository.
    pub const fn writes_foreign_object(&self) -> bool {
        match self {
            Self::PatchTarget(_)
            | Self::RestoreTarget(_)
            | Self::FenceTarget(_)
            | Self::ScaleTargetForBorrow(_)
            | Self::GiveBackReplica(_)
            | Self::OpenPullRequest(_)
            | Self::OpenRevertPullRequest(_)
            | Self::ClosePullRequest(_) => true,
            Self::CreatePhaseRun(_)
            | Self::CreateTestPod(_)
            | Self::DeleteTestPod(_)
            | Self::CreateCanary(_)
            | Self::FoldCanaryIntoLedger(_)
            | Self::CreatePromotion(_)
            | Self::AddFinalizer(_)
            | Self::RemoveFinalizer(_)
            | Self::ExportAudit(_)
            | Self::DeleteFinished(_)
            | Self::RecordEvent(_) => false,
        }
    }

    /// Whether it may only be done by the leader. Releasing is free to every replica: it is idempotent and
    /// preconditioned, and it must not wait for an election.
    pub const fn needs_leader(&self) -> bool {
        !matches!(self, Self::DeleteTestPod(_) | Self::GiveBackReplica(_))
    }

    /// Whether it rests on a fact that this plan must remember before it.
    pub fn rests_on_remember(&self) -> bool {
        match self {
            Self::PatchTarget(write) | Self::RestoreTarget(write) => write.remembered == Remembered::InThisPlan,
            Self::ScaleTargetForBorrow(borrow) => borrow.remembered == Remembered::InThisPlan,
            _ => false,
        }
    }

    /// The name, for logs, metrics and violations.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CreatePhaseRun(_) => "CreatePhaseRun",
            Self::CreateTestPod(_) => "CreateTestPod",
            Self::DeleteTestPod(_) => "DeleteTestPod",
            Self::CreateCanary(_) => "CreateCanary",
            Self::FoldCanaryIntoLedger(_) => "FoldCanaryIntoLedger",
            Self::CreatePromotion(_) => "CreatePromotion",
            Self::PatchTarget(_) => "PatchTarget",
            Self::RestoreTarget(_) => "RestoreTarget",
            Self::FenceTarget(_) => "FenceTarget",
            Self::ScaleTargetForBorrow(_) => "ScaleTargetForBorrow",
            Self::GiveBackReplica(_) => "GiveBackReplica",
            Self::OpenPullRequest(_) => "OpenPullRequest",
            Self::OpenRevertPullRequest(_) => "OpenRevertPullRequest",
            Self::ClosePullRequest(_) => "ClosePullRequest",
            Self::AddFinalizer(_) => "AddFinalizer",
            Self::RemoveFinalizer(_) => "RemoveFinalizer",
            Self::ExportAudit(_) => "ExportAudit",
            Self::DeleteFinished(_) => "DeleteFinished",
            Self::RecordEvent(_) => "RecordEvent",
        }
    }
}
