//! The arithmetic of a rolling update, as the Deployment controller of Kubernetes does it.

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::util::intstr::IntOrString};

/// By how much a rollout may go above and below the wanted number of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RollingBounds {
    /// Pods above.
    pub(super) surge: i32,
    /// Pods below.
    pub(super) unavailable: i32,
}

/// A replica set, as far as a rollout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SetSize {
    /// Pods that it is to have.
    pub(super) wanted: i32,
    /// Pods of it that are available.
    pub(super) available: i32,
}

impl RollingBounds {
    pub(super) fn of(deployment: &Deployment, replicas: i32) -> Self {
        let rolling = deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref()?.rolling_update.as_ref());
        let share = |value: Option<&IntOrString>, up| value.map_or(0, |value| resolved(value, replicas, up));
        let surge = share(rolling.and_then(|rolling| rolling.max_surge.as_ref()), true);
        let unavailable = share(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), false);
        // Both at 0 would never move: the controller takes one down.
        Self { surge, unavailable: if surge == 0 && unavailable == 0 { 1 } else { unavailable } }
    }
}

/// A number of pods, or a share of them: a surge is rounded up, an absence down.
pub(super) fn resolved(value: &IntOrString, replicas: i32, up: bool) -> i32 {
    match value {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent: i32 = text.trim_end_matches('%').parse().unwrap_or(0);
            let product = percent.saturating_mul(replicas);
            if up { (product + 99).div_euclid(100) } else { product.div_euclid(100) }
        }
    }
}

/// How many pods the new set is to have.
pub(super) fn new_size(replicas: i32, bounds: RollingBounds, new: SetSize, old: &[SetSize]) -> i32 {
    let total = new.wanted + old.iter().map(|set| set.wanted).sum::<i32>();
    let room = (replicas + bounds.surge - total).max(0);
    if new.wanted >= replicas { replicas } else { (new.wanted + room).min(replicas) }
}

/// How many pods each old set is to have, oldest set first. Pods that are not available go before those that are.
pub(super) fn old_sizes(replicas: i32, bounds: RollingBounds, new: SetSize, old: &[SetSize]) -> Vec<i32> {
    let total = new.wanted + old.iter().map(|set| set.wanted).sum::<i32>();
    let least = replicas - bounds.unavailable;
    let new_missing = new.wanted - new.available;
    let mut removable = (total - least - new_missing).max(0);
    let mut sizes: Vec<i32> = old.iter().map(|set| set.wanted).collect();
    for (size, set) in sizes.iter_mut().zip(old) {
        let removed = (set.wanted - set.available).clamp(0, removable);
        *size -= removed;
        removable -= removed;
    }
    let available = new.available + old.iter().map(|set| set.available).sum::<i32>();
    let mut removable = (available - least).max(0).min(removable);
    for size in &mut sizes {
        let removed = (*size).min(removable);
        *size -= removed;
        removable -= removed;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn set(wanted: i32, available: i32) -> SetSize {
        SetSize { wanted, available }
    }

    const fn bounds(surge: i32, unavailable: i32) -> RollingBounds {
        RollingBounds { surge, unavailable }
    }

    #[test]
    fn shares_of_pods_are_rounded_so_that_a_rollout_can_move() {
        let text = |text: &str| IntOrString::String(text.to_owned());
        for (value, replicas, up, down) in
            [(text("25%"), 1, 1, 0), (text("25%"), 4, 1, 1), (text("50%"), 3, 2, 1), (IntOrString::Int(2), 9, 2, 2)]
        {
            assert_eq!((resolved(&value, replicas, true), resolved(&value, replicas, false)), (up, down), "{value:?}");
        }
    }

    #[test]
    fn with_a_surge_the_new_pod_comes_before_the_old_one_goes() {
        let bounds = bounds(1, 0);
        assert_eq!(new_size(1, bounds, set(0, 0), &[set(1, 1)]), 1);
        assert_eq!(old_sizes(1, bounds, set(1, 0), &[set(1, 1)]), [1], "the new one is not there yet");
        assert_eq!(old_sizes(1, bounds, set(1, 1), &[set(1, 1)]), [0]);
    }

    #[test]
    fn without_a_surge_an_old_pod_goes_first() {
        let bounds = bounds(0, 1);
        assert_eq!(new_size(2, bounds, set(0, 0), &[set(2, 2)]), 0, "no room");
        assert_eq!(old_sizes(2, bounds, set(0, 0), &[set(2, 2)]), [1]);
        assert_eq!(new_size(2, bounds, set(0, 0), &[set(1, 1)]), 1);
        assert_eq!(old_sizes(2, bounds, set(1, 0), &[set(1, 1)]), [1], "one of two stays available");
    }

    #[test]
    fn pods_that_never_became_available_are_given_up_first() {
        assert_eq!(old_sizes(3, bounds(1, 0), set(1, 0), &[set(2, 0), set(3, 3)]), [0, 3]);
    }

    #[test]
    fn a_deployment_that_shrinks_shrinks_its_new_set() {
        assert_eq!(new_size(1, bounds(1, 0), set(3, 3), &[]), 1);
    }
}
