//! A target as a lender of a replica, and the two patches of borrowing. Each tests what it was decided on, and changes
//! `replicas` and the note in one request, so that neither ever stands without the other.

use std::sync::Arc;

use json_patch::Patch;
use k8s_openapi::{
    api::{autoscaling::v2::HorizontalPodAutoscaler, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::{
    ResourceExt,
    core::{Selector, SelectorExt},
};
use phaseloop_core::{
    borrow::{DisruptionBudget, GiveBackNote, Lender, LendersNote},
    plan::{
        label::ANNOTATION_GIVE_BACK,
        target::{ReplicaBorrow, ReplicaReturn},
    },
    value::TargetReference,
};
use serde_json::Value;

use super::{
    edit::{pointer, put, test},
    entry::{entry_change, entry_test},
    manager::manager_of,
    patch::{annotations_path, version_tests},
};
use crate::controllers::target::ObservedTarget;

/// What lies around a target and speaks for or against borrowing from it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LenderSurroundings {
    /// The HorizontalPodAutoscalers of its namespace.
    pub autoscalers: Vec<Arc<HorizontalPodAutoscaler>>,
    /// The PodDisruptionBudgets of its namespace.
    pub budgets: Vec<Arc<PodDisruptionBudget>>,
}

/// The target as a lender.
pub fn observe_lender(
    target: &ObservedTarget,
    reference: &TargetReference,
    surroundings: &LenderSurroundings,
) -> Lender {
    let (replicas, ready) = target.replicas();
    Lender {
        version: target.version(reference.clone()),
        replicas,
        ready,
        note: note_of(target.metadata()),
        managed_by: manager_of(target.metadata()),
        autoscaler: surroundings
            .autoscalers
            .iter()
            .find(|autoscaler| scales(autoscaler, reference))
            .map(|autoscaler| autoscaler.name_any()),
        budgets: budgets_of(target, &surroundings.budgets),
    }
}

fn note_of(metadata: &ObjectMeta) -> LendersNote {
    let text = metadata.annotations.as_ref().and_then(|annotations| annotations.get(ANNOTATION_GIVE_BACK));
    text.map_or(LendersNote::Absent, |text| GiveBackNote::read(text).map_or(LendersNote::Unreadable, LendersNote::Lent))
}

/// Whether an autoscaler sets the replicas of the target. Its reference may name another version of the same group.
fn scales(autoscaler: &HorizontalPodAutoscaler, target: &TargetReference) -> bool {
    let group = |version: &str| version.split_once('/').map_or("", |(group, _)| group).to_owned();
    autoscaler.spec.as_ref().is_some_and(|spec| {
        let scaled = &spec.scale_target_ref;
        let version = scaled.api_version.as_deref().unwrap_or_default();
        scaled.kind == target.kind && scaled.name == target.name && group(version) == group(&target.api_version)
    })
}

/// The budgets that count pods of the target's template.
fn budgets_of(target: &ObservedTarget, budgets: &[Arc<PodDisruptionBudget>]) -> Vec<DisruptionBudget> {
    let labels = target.template().metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
    let counts = |selector: &LabelSelector| {
        // A selector that can't be read may count them: nothing is taken on a guess.
        Selector::try_from(selector.clone()).map_or(true, |selector| selector.matches(&labels))
    };
    let counting = budgets
        .iter()
        .filter(|budget| budget.spec.as_ref().and_then(|spec| spec.selector.as_ref()).is_some_and(&counts));
    counting
        .map(|budget| DisruptionBudget {
            name: budget.name_any(),
            disruptions_allowed: budget.status.as_ref().map(|status| i64::from(status.disruptions_allowed)),
        })
        .collect()
}

/// The patch that takes a replica and leaves the note.
pub fn borrow_patch(metadata: &ObjectMeta, borrow: &ReplicaBorrow) -> Patch {
    let annotations = metadata.annotations.as_ref();
    let note = borrow.note.text();
    let mut operations = version_tests(&borrow.target);
    operations.push(test(replicas_path(), Some(Value::from(borrow.note.from))));
    operations.push(entry_test(annotations_path(), annotations, ANNOTATION_GIVE_BACK, None));
    operations.push(put(replicas_path(), Some(&Value::from(borrow.note.from)), Value::from(borrow.note.to)));
    operations.extend(entry_change(annotations_path(), annotations, ANNOTATION_GIVE_BACK, Some(&note)));
    Patch(operations)
}

/// The patch that gives the replica back and takes the note off; where somebody else has set the replicas, the note alone.
pub fn return_patch(metadata: &ObjectMeta, back: &ReplicaReturn) -> Patch {
    let annotations = metadata.annotations.as_ref();
    let stands = annotations.and_then(|annotations| annotations.get(ANNOTATION_GIVE_BACK)).map(String::as_str);
    let mut operations = version_tests(&back.target);
    operations.push(test(replicas_path(), Some(Value::from(back.replicas))));
    operations.push(entry_test(annotations_path(), annotations, ANNOTATION_GIVE_BACK, stands));
    if back.replicas_after() != back.replicas {
        operations.push(put(replicas_path(), Some(&Value::from(back.replicas)), Value::from(back.replicas_after())));
    }
    operations.extend(entry_change(annotations_path(), annotations, ANNOTATION_GIVE_BACK, None));
    Patch(operations)
}

fn replicas_path() -> json_patch::jsonptr::PointerBuf {
    pointer(["spec", "replicas"])
}

#[cfg(test)]
#[path = "borrow_tests.rs"]
mod tests;
