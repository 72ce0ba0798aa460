//! Intents that write to a target, to the ConfigMap that it reads a value from, and to the Git repository that stands behind
//! one. These are the only objects that are not ours, so each intent carries every precondition that the write must test.

use super::{FieldChange, OwnObject};
use crate::{
    borrow::GiveBackNote,
    prelude::*,
    value::{TargetReference, Uid},
};

/// Which object is meant, at which version: the target, or its ConfigMap. The write tests both: a recreated object has
/// another uid, one that anybody touched has another resourceVersion.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetVersion {
    /// Kind and name.
    pub reference: TargetReference,
    /// The uid that was observed.
    pub uid: Uid,
    /// The resourceVersion that was observed.
    pub resource_version: String,
}

/// One JSON Patch on a target or its ConfigMap: tests on uid, resourceVersion, every old value and the old annotation, then
/// all changes with the annotation. It lands whole or not at all, so the value and the mark of who put it there never part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetWrite {
    /// The object and its version.
    pub target: TargetVersion,
    /// The fields that change, in the order of the promotion.
    pub changes: Vec<FieldChange>,
    /// Uid in the promotion annotation that must stand there now; absent where there is none.
    pub annotation_from: Option<Uid>,
    /// Uid in the promotion annotation afterwards; absent removes it.
    pub annotation_to: Option<Uid>,
    /// Where the fact that this write rests on was remembered.
    pub remembered: Remembered,
}

/// A write to one annotation of a target or its ConfigMap whose only purpose is to move its resourceVersion on, so that a patch sent
/// before, by us or by a stale leader, fails its test for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetFence {
    /// The object and its version: the one that the withdrawn patch was bound to.
    pub target: TargetVersion,
    /// Uid of the promotion, or of the borrower of a replica, that withdraws; the annotation names it, and the resourceVersion
    /// besides, so that no two fences write the same.
    pub promotion: Uid,
}

impl TargetFence {
    /// The annotation's text. It tells which patch can no longer land.
    pub fn text(&self) -> String {
        fence_text(&self.promotion, &self.target.resource_version)
    }
}

/// The text of the fence against a promotion's patch that tests this resourceVersion. An object that bears it had that very
/// version when it was fenced, so that no such patch has landed before.
pub fn fence_text(promotion: &Uid, resource_version: &str) -> String {
    format!("{promotion}@{resource_version}")
}

/// When the fact that a write rests on became durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remembered {
    /// By the `remember` of the same plan, which therefore must have one.
    InThisPlan,
    /// By an earlier plan; it was observed in the object.
    Earlier,
}

/// One JSON Patch that takes one replica from the target for the time of a run and writes the give-back annotation with
/// it. Tests uid, resourceVersion, `replicas` and that there is no such annotation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReplicaBorrow {
    /// The object and its version.
    pub target: TargetVersion,
    /// Who borrows, and `replicas` before and after.
    pub note: GiveBackNote,
    /// Where the wish to give back was remembered.
    pub remembered: Remembered,
}

/// One JSON Patch that gives the replica back and takes the annotation off. Tests uid, resourceVersion, `replicas` and the
/// annotation. Idempotent, so any replica of the operator may do it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReplicaReturn {
    /// The object and its version.
    pub target: TargetVersion,
    /// What was taken, as the target has it.
    pub note: GiveBackNote,
    /// `replicas` as they stand.
    pub replicas: i64,
}

impl ReplicaReturn {
    /// `replicas` afterwards. What somebody else has set stays; then the annotation alone goes.
    pub const fn replicas_after(&self) -> i64 {
        if self.replicas == self.note.to { self.note.from } else { self.replicas }
    }

    /// Whether the replica is not given back, because somebody else has set another number.
    pub const fn is_conflict(&self) -> bool {
        self.replicas != self.note.to && self.replicas != self.note.from
    }
}

/// One pull request to open: one commit with exactly these changes on a branch whose name is a pure function of the
/// promotion. When branch or request are already there, they are ours and nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PullRequestOpening {
    /// The promotion that asks.
    pub promotion: OwnObject,
    /// The branch.
    pub branch: String,
    /// What the commit changes.
    pub changes: Vec<FieldChange>,
}

/// One pull request of ours to close because its promotion ended before it was merged. One that people closed or merged
/// meanwhile stays as they left it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PullRequestClosing {
    /// The promotion that ends.
    pub promotion: OwnObject,
    /// The branch.
    pub branch: String,
    /// Why, for the closing comment.
    pub note: String,
}
