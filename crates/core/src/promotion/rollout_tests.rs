//! Rollouts at every count, one below and one above.

use super::*;
use crate::promotion::fixture::{at, untouched_target};

fn state(alter: impl Fn(&mut RolloutFacts)) -> RolloutState {
    rollout_state(&altered(alter))
}

fn altered(alter: impl Fn(&mut RolloutFacts)) -> ObservedTarget {
    let mut target = untouched_target();
    alter(&mut target.rollout);
    target
}

#[test]
fn a_rollout_is_finished_when_every_pod_is_new_and_ready() {
    assert_eq!(state(|_| ()), RolloutState::Finished);
    assert_eq!(state(|rollout| rollout.replicas_updated = 1), RolloutState::UnderWay);
    assert_eq!(state(|rollout| rollout.replicas_ready = 1), RolloutState::UnderWay);
    assert_eq!(state(|rollout| rollout.replicas_ready = 3), RolloutState::Finished);
    assert_eq!(state(|rollout| rollout.replicas_total = 3), RolloutState::UnderWay);
    assert_eq!(state(|rollout| rollout.replicas_total = 1), RolloutState::Finished);
    assert_eq!(state(|rollout| (rollout.replicas_total, rollout.replicas_updated) = (3, 3)), RolloutState::Finished);
}

#[test]
fn a_stuck_rollout_and_a_crashed_new_pod_have_failed() {
    let stuck = state(|rollout| rollout.progress_deadline_exceeded = true);
    assert_eq!(stuck, RolloutState::Failed(PromotionReason::RolloutStuck));
    let crashed = state(|rollout| rollout.new_pod_crashed = true);
    assert_eq!(crashed, RolloutState::Failed(PromotionReason::NewPodCrashed));
}

#[test]
fn figures_of_an_earlier_generation_say_nothing() {
    let stale = |rollout: &mut RolloutFacts| rollout.observed_generation = 6;
    assert_eq!(state(stale), RolloutState::UnderWay);
    let stale_failure = |rollout: &mut RolloutFacts| {
        rollout.observed_generation = 6;
        rollout.progress_deadline_exceeded = true;
        rollout.new_pod_crashed = true;
    };
    assert_eq!(state(stale_failure), RolloutState::UnderWay);
    assert_eq!(state(|rollout| rollout.observed_generation = 8), RolloutState::Finished);
}

#[test]
fn a_rollout_has_failed_at_its_deadline_and_not_before() {
    let under_way = altered(|rollout| rollout.replicas_ready = 1);
    assert_eq!(rollout_state_by(&under_way, at(10), at(9)), RolloutState::UnderWay);
    let timed_out = RolloutState::Failed(PromotionReason::RolloutTimedOut);
    assert_eq!(rollout_state_by(&under_way, at(10), at(10)), timed_out);
    assert_eq!(rollout_state_by(&under_way, at(10), at(11)), timed_out);
    assert_eq!(rollout_state_by(&untouched_target(), at(10), at(11)), RolloutState::Finished);
}

#[test]
fn another_change_is_rolling_out_until_every_pod_is_new_or_kubernetes_gave_up() {
    assert!(!is_rolling_out(&untouched_target()));
    assert!(is_rolling_out(&altered(|rollout| rollout.observed_generation = 6)));
    assert!(is_rolling_out(&altered(|rollout| rollout.replicas_updated = 1)));
    assert!(is_rolling_out(&altered(|rollout| rollout.replicas_total = 3)));
    let given_up = |rollout: &mut RolloutFacts| {
        rollout.replicas_updated = 1;
        rollout.progress_deadline_exceeded = true;
    };
    assert!(!is_rolling_out(&altered(given_up)));
}

#[test]
fn production_that_crashes_with_its_present_values_is_not_rolling_out() {
    let crashing = |rollout: &mut RolloutFacts| {
        rollout.replicas_ready = 0;
        rollout.new_pod_crashed = true;
    };
    assert!(!is_rolling_out(&altered(crashing)));
}

#[test]
fn a_rollout_that_may_miss_no_pod_needs_a_spare_gpu() {
    let surge = |unavailable: i64, spare: bool, strategy: RolloutStrategy| {
        let target = altered(|rollout| {
            rollout.unavailable_max = unavailable;
            rollout.spare_gpu_seen = spare;
            rollout.strategy = strategy;
        });
        cannot_surge(&target.rollout)
    };
    assert!(surge(0, false, RolloutStrategy::Rolling));
    assert!(!surge(1, false, RolloutStrategy::Rolling));
    assert!(!surge(0, true, RolloutStrategy::Rolling));
    assert!(!surge(0, false, RolloutStrategy::Recreate));
}

#[test]
fn a_rollout_interrupts_service_where_no_replica_is_sure_to_stay() {
    let interrupts = |replicas: i64, unavailable: i64, strategy: RolloutStrategy| {
        let target = altered(|rollout| {
            rollout.replicas_desired = replicas;
            rollout.unavailable_max = unavailable;
            rollout.strategy = strategy;
        });
        interrupts_service(&target.rollout)
    };
    assert!(!interrupts(2, 1, RolloutStrategy::Rolling));
    assert!(interrupts(2, 2, RolloutStrategy::Rolling));
    assert!(interrupts(1, 1, RolloutStrategy::Rolling));
    assert!(interrupts(2, 3, RolloutStrategy::Rolling));
    assert!(interrupts(1, 0, RolloutStrategy::Recreate));
    assert!(!interrupts(0, 1, RolloutStrategy::Recreate));
    assert!(!interrupts(0, 1, RolloutStrategy::Rolling));
}
