//! The half of a promotion that lies in a ConfigMap. It goes in before the target is changed, and back before the target is:
//! pods read a ConfigMap when they start, so whichever pods start in between have a template that is not yet, or no longer,
//! the promoted one.

use jiff::Timestamp;

use super::{
    ConfigMapTerms, ObservedConfigMap, ObservedTarget, PromotionFacts, PromotionPhase, PromotionPlan, PromotionReason,
    admission::{Admission, first_objection},
    apply::{apply_to_target, describe, hold},
    decide::PENDING_RECHECK,
    fence::{fence_open, open_config_map_attempt},
    progress::ConfigMapAttempt,
    standing::{ConfigMapStanding, Standing, config_map_standing},
};
use crate::{
    plan::{
        Intent, OwnedField, Plan, Wake,
        target::{Remembered, TargetVersion, TargetWrite},
        wake::instant_after,
    },
    prelude::*,
};

/// What to do while nothing is in: neither in the ConfigMap nor in the target.
pub(super) fn decide_before(
    facts: &PromotionFacts,
    target: &ObservedTarget,
    terms: &ConfigMapTerms,
    now: Timestamp,
) -> PromotionPlan {
    let attempt = open_config_map_attempt(facts);
    match (first_objection(&Admission { facts, target, now }), &facts.config_map) {
        (Some(objection), _) => hold(facts, objection, now),
        (None, Some(map)) if attempt.is_none_or(|attempt| now >= instant_after(attempt.since, PENDING_RECHECK)) => {
            patch(facts, terms, map, now)
        }
        (None, _) => {
            let since = attempt.map_or(now, |attempt| attempt.since);
            Plan::report_only(facts.progress.clone(), Wake::At(instant_after(since, PENDING_RECHECK)))
        }
    }
}

/// What to do while the ConfigMap holds the value and the target was not changed yet. A gate that closes now takes the value
/// out again: nothing was rolled out, so nothing is rolled back, and nothing is said against the value.
pub(super) fn decide_between(
    facts: &PromotionFacts,
    target: &ObservedTarget,
    terms: &ConfigMapTerms,
    now: Timestamp,
) -> PromotionPlan {
    match first_objection(&Admission { facts, target, now }) {
        Some(objection) => take_out(facts, terms, &objection.message, now),
        None if facts.progress.taking_out_since.is_some() => {
            take_out(facts, terms, "a gate was closed, and this was decided", now)
        }
        None => apply_to_target(facts, target, now),
    }
}

/// What goes before the end of a promotion whose target is not as it knows it: a value that nothing will validate is taken
/// out of the ConfigMap. Not where our value was in the target and somebody changed that: a person decides, and nothing is
/// written.
pub(super) fn settle_lost(
    facts: &PromotionFacts,
    standing: Standing,
    was_in: bool,
    now: Timestamp,
) -> Option<PromotionPlan> {
    let terms = facts.terms.patched_config_map()?;
    let why = match standing {
        Standing::Gone => format!("{} is not there", facts.terms.target),
        Standing::Replaced { carries_value: false } => format!("{} was deleted and made again", facts.terms.target),
        Standing::Changed { marked: false } if !was_in => format!("somebody else changed {}", facts.terms.target),
        _ => return None,
    };
    let holds_value = config_map_standing(facts) == Some(ConfigMapStanding::Promoted);
    holds_value.then(|| take_out(facts, terms, &why, now))
}

/// Takes the value out of the ConfigMap, having remembered that it does.
fn take_out(facts: &PromotionFacts, terms: &ConfigMapTerms, why: &str, now: Timestamp) -> PromotionPlan {
    if let Some(fenced) = fence_open(facts, why, now) {
        return fenced;
    }
    let progress = &facts.progress;
    let decided = progress.taking_out_since.is_some() || progress.rollback.is_some();
    let remembered = if decided { Remembered::Earlier } else { Remembered::InThisPlan };
    let Some(write) = restoring_write(facts, terms, remembered) else {
        return Plan::report_only(progress.clone(), Wake::after(now, PENDING_RECHECK));
    };
    let phase = if progress.phase.holds_target() { progress.phase } else { PromotionPhase::Applying };
    let message = format!("{} gets back {}: {why}", terms.reference(), describe(&write));
    let mut report = progress.moved(phase, PromotionReason::TakingOut, message);
    report.taking_out_since = progress.taking_out_since.or(Some(now));
    Plan {
        remember: (!decided).then(|| report.clone()),
        intents: vec![Intent::RestoreTarget(Box::new(write))],
        report,
        wake: Wake::At(now),
    }
}

/// Remembers the attempt, then sends the patch. The target follows as soon as the value is seen.
fn patch(facts: &PromotionFacts, terms: &ConfigMapTerms, map: &ObservedConfigMap, now: Timestamp) -> PromotionPlan {
    let write = TargetWrite {
        target: version_of(terms, map),
        changes: terms.owned_fields.iter().map(OwnedField::forward).collect(),
        annotation_from: terms.annotation_before.clone(),
        annotation_to: Some(facts.object.uid.clone()),
        remembered: Remembered::InThisPlan,
    };
    let message = format!("{} gets {}, and {} after it", terms.reference(), describe(&write), facts.terms.target);
    let mut report = facts.progress.moved(PromotionPhase::Applying, PromotionReason::Patching, message);
    let resource_version = map.resource_version.clone();
    report.config_map_attempt = Some(ConfigMapAttempt { since: now, resource_version });
    (report.attempt, report.taking_out_since) = (None, None);
    Plan {
        remember: Some(report.clone()),
        intents: vec![Intent::PatchTarget(Box::new(write))],
        report,
        wake: Wake::At(now),
    }
}

/// The write that puts the ConfigMap's pre-image and earlier annotation back, only where ours still stand; `None` where there
/// is no ConfigMap.
pub(super) fn restoring_write(
    facts: &PromotionFacts,
    terms: &ConfigMapTerms,
    remembered: Remembered,
) -> Option<TargetWrite> {
    Some(TargetWrite {
        target: version_of(terms, facts.config_map.as_ref()?),
        changes: terms.owned_fields.iter().map(OwnedField::backward).collect(),
        annotation_from: Some(facts.object.uid.clone()),
        annotation_to: terms.annotation_before.clone(),
        remembered,
    })
}

/// The ConfigMap at the version that was observed.
pub(super) fn config_map_version(facts: &PromotionFacts) -> Option<TargetVersion> {
    Some(version_of(facts.terms.patched_config_map()?, facts.config_map.as_ref()?))
}

fn version_of(terms: &ConfigMapTerms, map: &ObservedConfigMap) -> TargetVersion {
    TargetVersion { reference: terms.reference(), uid: map.uid.clone(), resource_version: map.resource_version.clone() }
}

#[cfg(test)]
#[path = "config_map_tests.rs"]
mod tests;
