//! The line of a promotion: where it stood, who decided about it, and where it ended.

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    gather::written,
    night::{PromotionLine, StepLine},
};
use crate::{
    api::{ConditionType, Promotion, promotion::Decision},
    simulation::{scenario::Calendar, world::World},
};

/// What is told of a promotion.
pub(super) fn promotion_line(world: &World, calendar: &Calendar, promotion: &Promotion) -> PromotionLine {
    let (spec, status) = (&promotion.spec, promotion.status.clone().unwrap_or_default());
    let made = promotion.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let changes: Vec<String> = spec
        .previous
        .iter()
        .map(|field| {
            let before = field.value.as_ref().map_or_else(|| "(absent)".to_owned(), ToString::to_string);
            let after = spec.parameters.get(&field.name).map(ToString::to_string).unwrap_or_default();
            format!("{} {before} -> {after}", field.name)
        })
        .collect();
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready);
    PromotionLine {
        name: promotion.name_any(),
        night: made.map_or(0, |made| calendar.night_of(made)),
        change: changes.join(", "),
        parameters: written(&spec.parameters),
        phase: status.phase.map(|phase| format!("{phase:?}")).unwrap_or_default(),
        message: ready.map(|ready| ready.message.clone()).unwrap_or_default(),
        steps: steps(world, promotion),
        applied_at: status.applied_at,
        rolled_out_at: status.rolled_out_at,
        validate_by: spec.validate_by,
        decided_by: status.validation.map(|validation| validation.phase_run),
    }
}

/// The transitions that the promotion records, the decision, and decisions that the API server refused.
fn steps(world: &World, promotion: &Promotion) -> Vec<StepLine> {
    let history = promotion.status.as_ref().and_then(|status| status.history.as_ref());
    let records = history.map(|history| history.records.as_slice()).unwrap_or_default();
    let mut steps: Vec<StepLine> = records
        .iter()
        .map(|record| StepLine { at: record.at, what: record.to.clone(), message: record.message.clone() })
        .collect();
    let refused = world.refused_decisions().iter().filter(|refused| refused.promotion == promotion.name_any());
    steps.extend(refused.map(|refused| StepLine {
        at: refused.at,
        what: "Refused".to_owned(),
        message: format!(
            "{:?} by {} in the name of {}: {}",
            refused.decision, refused.user, refused.in_name_of, refused.message
        ),
    }));
    if let Some(at) = decided_at(world, promotion) {
        let by = promotion.spec.approved_by.as_deref().unwrap_or("nobody who is named");
        let what = format!("{:?}", promotion.spec.decision);
        steps.push(StepLine { at, what, message: format!("by {by}") });
    }
    // What a decision leads to stands behind it, also where both came at one instant.
    let order = |step: &StepLine| (step.at, !matches!(step.what.as_str(), "Refused" | "Approved" | "Rejected"));
    steps.sort_by_key(order);
    steps
}

/// When somebody decided.
fn decided_at(world: &World, promotion: &Promotion) -> Option<Timestamp> {
    let namespace = promotion.namespace().unwrap_or_default();
    let versions = world.server.versions_of("promotions.phaseloop.dev", &namespace, &promotion.name_any());
    let is_decided = |object: &Promotion| object.spec.decision != Decision::Pending;
    let first = versions.iter().find(|change| change.object.typed().is_ok_and(|object| is_decided(&object)))?;
    world.instants.of(first.revision)
}
