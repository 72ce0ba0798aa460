//! Making a patch harmless that may still land: it was sent, nobody saw its answer, and a leader that is paused may send it
//! yet.

use jiff::Timestamp;

use super::{
    PromotionFacts, PromotionPhase, PromotionPlan, PromotionReason,
    config_map::config_map_version,
    decide::{PENDING_RECHECK, target_version},
    progress::{ApplyAttempt, ConfigMapAttempt},
    standing::{Standing, target_standing},
};
use crate::{
    plan::{Intent, Plan, Wake, target::TargetFence},
    prelude::*,
};

/// The attempt whose patch may still land on the target: it tests a resourceVersion that the target still has. It was made of
/// an untouched target, so that one which is not has another.
pub(super) fn open_attempt(facts: &PromotionFacts) -> Option<&ApplyAttempt> {
    let target = facts.target.as_ref().filter(|_| target_standing(facts) == Standing::Untouched)?;
    if facts.progress.applied_at.is_some() {
        return None;
    }
    facts.progress.attempt.as_ref().filter(|attempt| attempt.target_resource_version == target.resource_version)
}

/// The same for the ConfigMap.
pub(super) fn open_config_map_attempt(facts: &PromotionFacts) -> Option<&ConfigMapAttempt> {
    let map = facts.config_map.as_ref()?;
    facts.progress.config_map_attempt.as_ref().filter(|attempt| attempt.resource_version == map.resource_version)
}

/// Makes a patch harmless before anything else is done, if one may still land. The fence moves the resourceVersion on; the
/// next look finds no open attempt and goes on from there.
pub(super) fn fence_open(facts: &PromotionFacts, why: &str, now: Timestamp) -> Option<PromotionPlan> {
    let target = open_attempt(facts).and(facts.target.as_ref()).map(|target| target_version(facts, target));
    let config_map = || open_config_map_attempt(facts).and_then(|_| config_map_version(facts));
    let fence = TargetFence { target: target.or_else(config_map)?, promotion: facts.object.uid.clone() };
    let message = format!("the patch is withdrawn: {why}");
    Some(Plan {
        remember: None,
        intents: vec![Intent::FenceTarget(Box::new(fence))],
        report: facts.progress.moved(PromotionPhase::Applying, PromotionReason::Withdrawing, message),
        wake: Wake::after(now, PENDING_RECHECK),
    })
}
