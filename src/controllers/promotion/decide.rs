//! What a promotion does at an instant: what the core decides, as a plan whose report is a status.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    plan::{Intent, Plan, Wake},
    promotion::{
        PromotionPhase, PromotionProgress, PromotionReason, Undeliverable, decide::PromotionPlan, decide_promotion,
    },
};

use super::{ValidPromotion, build::target_patch, facts::facts, status::report};
use crate::{
    api::PromotionStatus,
    cluster::{ClusterError, ClusterErrorKind, Effect},
    controllers::Report,
};

/// How soon a rollout is looked at again: its pods are nobody's objects that wake a promotion, and a crash of one is
/// answered at once.
const ROLLOUT_RECHECK: SignedDuration = SignedDuration::from_secs(15);
/// How soon a patch that the cluster refuses is tried again.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_mins(1);

type ReportPlan = Plan<Report<PromotionStatus>>;

/// Decides. A promotion that was never reported is reported first: people can decide only on what its status shows.
pub(super) fn decide(valid: &ValidPromotion, now: Timestamp) -> ReportPlan {
    if valid.object.status.is_none() && !valid.is_going() {
        return Plan::report_only(report(valid, &PromotionProgress::new(), now), Wake::At(now));
    }
    reported(valid, planned(valid, now), now)
}

/// The core's plan, without a write that can't be made of the target as it stands.
fn planned(valid: &ValidPromotion, now: Timestamp) -> PromotionPlan {
    let mut plan = decide_promotion(&facts(valid, now), now);
    if plan.report.reason == PromotionReason::RollingOut {
        plan.wake = plan.wake.sooner(Wake::after(now, ROLLOUT_RECHECK));
    }
    let refused = plan.intents.iter().find_map(|intent| target_patch(valid, intent)?.err());
    match refused {
        Some(refused) => withheld(plan, &refused, now),
        None => plan,
    }
}

/// A plan whose write is not made: it says why, and stays where it stands.
fn withheld(plan: PromotionPlan, refused: &Undeliverable, now: Timestamp) -> PromotionPlan {
    let say = |progress: &PromotionProgress| progress.moved(progress.phase, refused.reason, refused.message.clone());
    let kept = |intent: &Intent| !intent.writes_foreign_object();
    Plan {
        remember: plan.remember.as_ref().map(say),
        report: say(&plan.report),
        intents: plan.intents.into_iter().filter(kept).collect(),
        wake: Wake::after(now, RETRY_REFUSED),
    }
}

fn reported(valid: &ValidPromotion, plan: PromotionPlan, now: Timestamp) -> ReportPlan {
    Plan {
        remember: plan.remember.as_ref().map(|progress| report(valid, progress, now)),
        report: report(valid, &plan.report, now),
        intents: plan.intents,
        wake: plan.wake,
    }
}

/// What follows where the cluster refuses a write to the target for good: it is told, and tried again. What was
/// remembered before the write stays remembered.
pub(super) fn decide_refused(
    valid: &ValidPromotion,
    effect: &Effect,
    error: &ClusterError,
    now: Timestamp,
) -> Option<ReportPlan> {
    let is_told = matches!(effect, Effect::PatchTarget { .. })
        && matches!(error.kind, ClusterErrorKind::Refused | ClusterErrorKind::Forbidden | ClusterErrorKind::Invalid);
    if !is_told {
        return None;
    }
    let plan = planned(valid, now);
    let standing = plan.remember.unwrap_or(plan.report);
    let phase = if standing.phase.holds_target() { standing.phase } else { PromotionPhase::Applying };
    let told = standing.moved(phase, PromotionReason::PatchRefused, error.chain());
    Some(Plan::report_only(report(valid, &told, now), Wake::after(now, RETRY_REFUSED)))
}

#[cfg(test)]
#[path = "decide_tests/mod.rs"]
mod tests;
