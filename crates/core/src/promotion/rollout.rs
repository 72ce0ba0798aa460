//! How far a rollout is, and whether one could work at all.

use jiff::Timestamp;

use super::{
    ObservedTarget, PromotionReason,
    observed::{RolloutFacts, RolloutStrategy},
};

/// How far the rollout of a target's newest template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// Not done, and nothing speaks against it.
    UnderWay,
    /// Every demanded replica is of the newest template and ready, and no old pod is left.
    Finished,
    /// It will not work.
    Failed(PromotionReason),
}

/// How far the rollout is. Figures that speak of an earlier generation say nothing about this one, so neither success
/// nor failure is read from them.
pub fn rollout_state(target: &ObservedTarget) -> RolloutState {
    let rollout = &target.rollout;
    if rollout.observed_generation < target.generation {
        return RolloutState::UnderWay;
    }
    if rollout.progress_deadline_exceeded {
        return RolloutState::Failed(PromotionReason::RolloutStuck);
    }
    if rollout.new_pod_crashed {
        return RolloutState::Failed(PromotionReason::NewPodCrashed);
    }
    if pods_replaced(rollout) && rollout.replicas_ready >= rollout.replicas_desired {
        return RolloutState::Finished;
    }
    RolloutState::UnderWay
}

/// [`rollout_state`], where a rollout that takes until `deadline` has failed. One that is found finished has finished,
/// however late it is looked at.
pub fn rollout_state_by(target: &ObservedTarget, deadline: Timestamp, now: Timestamp) -> RolloutState {
    match rollout_state(target) {
        RolloutState::UnderWay if now >= deadline => RolloutState::Failed(PromotionReason::RolloutTimedOut),
        state => state,
    }
}

/// Whether another change of the target is still rolling out. Pods that are not ready do not count: production that
/// crashes with its present values is what a promotion may be there to cure. Nor does a rollout that Kubernetes gave up.
pub fn is_rolling_out(target: &ObservedTarget) -> bool {
    let rollout = &target.rollout;
    rollout.observed_generation < target.generation || (!rollout.progress_deadline_exceeded && !pods_replaced(rollout))
}

/// Whether all pods are of the newest template.
const fn pods_replaced(rollout: &RolloutFacts) -> bool {
    rollout.replicas_updated >= rollout.replicas_desired && rollout.replicas_total <= rollout.replicas_updated
}

/// Whether the rollout needs a GPU that is not there: no pod may be missing, so a new one must start beside the old ones.
pub const fn cannot_surge(rollout: &RolloutFacts) -> bool {
    matches!(rollout.strategy, RolloutStrategy::Rolling) && rollout.unavailable_max <= 0 && !rollout.spare_gpu_seen
}

/// Whether the rollout may leave no replica that serves: it ends all pods first, or it may do without as many as there
/// are. A target scaled to zero serves nobody anyway.
pub const fn interrupts_service(rollout: &RolloutFacts) -> bool {
    rollout.replicas_desired > 0
        && (matches!(rollout.strategy, RolloutStrategy::Recreate)
            || rollout.unavailable_max >= rollout.replicas_desired)
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
