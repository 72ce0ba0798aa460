//! The world as the core sees it for one promotion, at an instant.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    plan::label::FINALIZER,
    promotion::{
        PromotionFacts,
        facts::{GitFacts, PullRequestState, Review, ReviewDecision, WindowFacts},
    },
};

use super::ValidPromotion;
use crate::api::{Promotion, promotion::Decision};

/// When a promotion was made, by the API server's clock, to the second.
pub(super) fn created_at(promotion: &Promotion) -> Timestamp {
    promotion.creation_timestamp().map_or(Timestamp::MIN, |time| time.0)
}

/// Everything that the core decides on.
pub(super) fn facts(valid: &ValidPromotion, now: Timestamp) -> PromotionFacts {
    let object = &valid.object;
    let world = &valid.world;
    PromotionFacts {
        object: valid.identity(),
        namespace: object.namespace().unwrap_or_default(),
        created_at: created_at(object),
        terms: valid.terms.clone(),
        progress: valid.progress.clone(),
        deletion_requested: valid.is_going(),
        finalizer_present: object.finalizers().iter().any(|finalizer| finalizer == FINALIZER),
        review: review(valid),
        undeliverable: world.undeliverable.clone(),
        canary: world.canary.clone(),
        target: world.observed.clone(),
        config_map: world.observed_config_map.clone(),
        git: GitFacts { change: PullRequestState::NotOpened, revert: PullRequestState::NotOpened },
        others: world.others.clone(),
        runs: world.judged.clone(),
        window: WindowFacts { open: world.windows.is_open(now), opens_at: opens_at(valid, now) },
        suspended: world.suspension.as_ref().is_some_and(|suspension| suspension.until.is_none_or(|until| now < until)),
    }
}

/// When the next window opens; absent while one is open.
fn opens_at(valid: &ValidPromotion, now: Timestamp) -> Option<Timestamp> {
    let windows = &valid.world.windows;
    if windows.is_open(now) { None } else { windows.next_open(now) }
}

fn review(valid: &ValidPromotion) -> Review {
    let spec = &valid.object.spec;
    Review {
        decision: match spec.decision {
            Decision::Pending => ReviewDecision::Pending,
            Decision::Approved => ReviewDecision::Approved,
            Decision::Rejected => ReviewDecision::Rejected,
        },
        approved_by: spec.approved_by.clone(),
        policy_in_force: valid.approval_guarded() == Some(true),
    }
}
