//! What is reserved for a canary before it exists, and the bounds on its time that follow from it.

use core::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};

use super::{
    ledger::{NightBalance, Spend},
    start::{StartReason, StartRefusal},
};
use crate::{
    policy::bound::RESTORE_SLA_DEFAULT,
    prelude::*,
    schedule::{earlier_by, later_by},
    value::format_duration,
};

/// Grace periods that a pod may need after its deadline: the kubelet first ends the main container, then the sidecar, and
/// each may use its whole grace (seen on Kubernetes 1.34: a deadline of 6 s and a grace of 2 s ended at 10 s).
pub const GRACES_PER_POD: i32 = 2;

/// From the end of a canary's containers to the end of its window: what it takes to see that end, to judge it, and to conclude
/// the search with it, while something may still be promoted. As long as giving back may take.
pub const CONCLUSION_TIME: SignedDuration = RESTORE_SLA_DEFAULT;

/// What the next canary asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanaryRequest {
    /// How long the engine may take to start.
    pub start_timeout: SignedDuration,
    /// How long it usually takes, from starts seen in PhaseRuns; zero if none was seen. With less time than this left,
    /// a canary would only waste it.
    pub start_expected: SignedDuration,
    /// How long it measures, warm-up included.
    pub measure: SignedDuration,
    /// Grace period of its containers.
    pub grace: SignedDuration,
    /// How long it may wait for a GPU before it begins; waiting holds none.
    pub gpu_wait: SignedDuration,
    /// GPUs that its engine takes.
    pub gpus: NonZeroU32,
}

/// What is reserved for a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The part of both budgets.
    pub spend: Spend,
    /// Longest life of its containers, from the pod's start to the last one's end.
    pub lifetime: SignedDuration,
    /// The pod's `activeDeadlineSeconds`: with both graces after it, the lifetime is kept.
    pub active_deadline: SignedDuration,
    /// The instant at which its containers are gone, however long it waited for a GPU: early enough for its search to be
    /// concluded before the window's end.
    pub not_after: Timestamp,
}

impl CanaryRequest {
    /// The life that it asks for: start timeout, measuring, and the graces.
    pub const fn lifetime_wanted(&self) -> SignedDuration {
        self.start_timeout.saturating_add(self.after_start())
    }

    /// The shortest life in which it can measure at all.
    pub fn lifetime_least(&self) -> SignedDuration {
        self.start_expected.min(self.start_timeout).saturating_add(self.after_start())
    }

    /// The least that must be left of both budgets.
    pub fn least_spend(&self) -> Spend {
        Spend { measure: self.measure, hold: self.lifetime_least().saturating_mul(self.gpu_factor()) }
    }

    const fn after_start(&self) -> SignedDuration {
        self.measure.saturating_add(self.graces())
    }

    const fn graces(&self) -> SignedDuration {
        self.grace.saturating_mul(GRACES_PER_POD)
    }

    fn gpu_factor(&self) -> i32 {
        i32::try_from(self.gpus.get()).unwrap_or(i32::MAX)
    }
}

/// Reserves for a canary: its measuring in full, and a life that is the shorter of what it asks for and what the night's
/// hold budget has left. That life must fit into the window by its worst case, with the time to conclude after it: what
/// was cut off by the window's end would have proved nothing, and have kept the others' results from being promoted.
///
/// The flag's expiry does not shorten it: a flag permits a beginning, and a measurement that was cut off would have
/// spent its budget for nothing.
///
/// # Errors
/// A [`StartRefusal`] if one of them is too little to measure at all.
pub fn reserve(
    request: &CanaryRequest,
    balance: &NightBalance,
    window_closes_at: Timestamp,
    now: Timestamp,
) -> Result<Reservation, StartRefusal> {
    let (remaining, needed) = (balance.remaining, request.least_spend());
    if remaining.measure < needed.measure {
        let message = budget_message("measuring", remaining.measure, needed.measure, balance);
        return Err(StartRefusal::new(StartReason::MeasureBudgetExhausted, message));
    }
    if remaining.hold < needed.hold {
        let message = budget_message("holding GPUs", remaining.hold, needed.hold, balance);
        return Err(StartRefusal::new(StartReason::GpuHoldBudgetExhausted, message));
    }
    let per_gpu = remaining.hold.checked_div(request.gpu_factor()).unwrap_or(SignedDuration::ZERO);
    let lifetime = request.lifetime_wanted().min(per_gpu);
    let window_left = window_closes_at.duration_since(now);
    if window_left < lifetime.saturating_add(CONCLUSION_TIME) {
        let message = format!(
            "the window closes at {window_closes_at}, in {}; a canary may need {}, and {} more to conclude",
            format_duration(SignedDuration::from_secs(window_left.as_secs())),
            format_duration(lifetime),
            format_duration(CONCLUSION_TIME)
        );
        return Err(StartRefusal::new(StartReason::WindowClosesTooSoon, message));
    }
    let hold = lifetime.saturating_mul(request.gpu_factor());
    let latest = earlier_by(window_closes_at, CONCLUSION_TIME);
    Ok(Reservation {
        spend: Spend { measure: request.measure, hold },
        lifetime,
        active_deadline: lifetime.saturating_sub(request.graces()),
        not_after: later_by(later_by(now, request.gpu_wait), lifetime).min(latest),
    })
}

impl Reservation {
    /// When the probe ends by its own clock: a grace before `not_after`, so that the engine can end too.
    pub fn probe_ends_at(&self, grace: SignedDuration) -> Timestamp {
        earlier_by(self.not_after, grace)
    }
}

fn budget_message(what: &str, remaining: SignedDuration, needed: SignedDuration, balance: &NightBalance) -> String {
    format!(
        "{} are left of the night {} for {what}, a canary needs {}",
        format_duration(remaining),
        balance.night.date,
        format_duration(needed)
    )
}

#[cfg(test)]
#[path = "reservation_tests.rs"]
mod tests;
