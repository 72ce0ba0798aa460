//! The escalation flag: armed when a symptom is a pattern, and the only thing that permits tuning. It expires.

use jiff::{SignedDuration, Timestamp};

use super::{
    counting::{CountedRun, SymptomCount},
    finding::{FindingReason, PolicyFinding},
    night::MaintenanceWindows,
    rule::EscalationRule,
};
use crate::{
    prelude::*,
    reasons,
    schedule::later_by,
    value::{SymptomKind, Uid, format_duration},
};

/// Where a flag stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum FlagState {
    /// Nothing is wrong often enough.
    Idle,
    /// Tuning is permitted until the flag expires or is used up.
    Armed,
    /// Its symptoms were consumed by a tuning run.
    Cleared,
    /// Its time ran out unused.
    Expired,
}

reasons! {
    /// Why a flag stands where it stands.
    pub enum FlagReason {
        /// The symptom was not seen in enough runs within the window.
        BelowThreshold,
        /// The symptom was seen in enough runs within the window; tuning is permitted until the flag expires.
        ThresholdReached,
        /// A tuning run consumed the symptoms; enough new ones arm the flag again.
        Consumed,
        /// The flag expired before a tuning run consumed its symptoms; a newer symptom can arm it again.
        ExpiredUnused,
    }
}

/// A flag of one symptom of one target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// The symptom.
    pub symptom: SymptomKind,
    /// Where it stands.
    pub state: FlagState,
    /// Why.
    pub reason: FlagReason,
    /// Runs that count now.
    pub count: i64,
    /// How many make a pattern.
    pub threshold: i64,
    /// The counting window.
    pub window: SignedDuration,
    /// When it was last armed: when the run that made the pattern was judged, not when somebody looked.
    pub armed_at: Option<Timestamp>,
    /// When it expires or expired. From this instant on it permits nothing.
    pub expires_at: Option<Timestamp>,
    /// When it last stopped being armed. Only a symptom newer than this arms it again.
    pub ended_at: Option<Timestamp>,
    /// While armed, expired or cleared: the runs that armed it. Else the runs that count now.
    pub evidence: Vec<CountedRun>,
}

impl Flag {
    /// Whether it permits a tuning run to start at an instant.
    pub fn permits(&self, now: Timestamp) -> bool {
        self.state == FlagState::Armed && self.expires_at.is_some_and(|expires_at| now < expires_at)
    }

    /// The uids of the runs behind it: what an incumbent canary consumes.
    pub fn evidence_uids(&self) -> BTreeSet<Uid> {
        self.evidence.iter().map(|run| run.uid.clone()).collect()
    }

    /// Where it stands, with figures, for a person.
    pub fn message(&self) -> String {
        let counted = format!("{} of {} in {}", self.count, self.threshold, format_duration(self.window));
        let instant = |at: Option<Timestamp>| at.map_or_else(|| "an unknown instant".to_owned(), |at| at.to_string());
        match self.state {
            FlagState::Idle => counted,
            FlagState::Armed => format!("{counted}, armed until {}", instant(self.expires_at)),
            FlagState::Cleared => format!("{counted}, cleared at {}", instant(self.ended_at)),
            FlagState::Expired => format!("{counted}, expired at {}", instant(self.expires_at)),
        }
    }
}

/// Where the flag of a rule stands now.
///
/// Guarantees: it is armed only when the count reaches the threshold; an expired flag never permits anything again, also
/// if the clock is put back; what ended is armed again only by a symptom newer than its end; consumed runs arm nothing.
pub fn decide_flag(
    rule: &EscalationRule,
    count: &SymptomCount,
    consumed: &BTreeSet<Uid>,
    windows: &MaintenanceWindows,
    previous: Option<&Flag>,
    now: Timestamp,
) -> Flag {
    let settled = previous.map(|flag| settle(flag, consumed, now));
    match settled {
        Some(flag) if flag.state == FlagState::Armed => with_count(flag, count),
        Some(flag) => {
            let is_new = |newest: Timestamp| flag.ended_at.is_none_or(|ended_at| newest > ended_at);
            match count.newest.filter(|newest| count.reaches_threshold() && is_new(*newest)) {
                Some(newest) => arm(rule, count, windows, newest, flag.ended_at, now),
                None if flag.state == FlagState::Idle || is_history(&flag, count, now) => idle(count, &flag),
                None => with_count(flag, count),
            }
        }
        None => match count.newest.filter(|_| count.reaches_threshold()) {
            Some(newest) => arm(rule, count, windows, newest, None, now),
            None => blank(count),
        },
    }
}

/// What became of an armed flag since it was last looked at.
fn settle(flag: &Flag, consumed: &BTreeSet<Uid>, now: Timestamp) -> Flag {
    let mut flag = flag.clone();
    if flag.state != FlagState::Armed {
        return flag;
    }
    if flag.evidence.iter().any(|run| consumed.contains(&run.uid)) {
        flag.state = FlagState::Cleared;
        flag.reason = FlagReason::Consumed;
        // By a clock that was put back it would end before it began, and what armed it and earlier ones would be news again.
        flag.ended_at = flag.armed_at.max(Some(now));
    } else if !flag.permits(now) {
        flag.state = FlagState::Expired;
        flag.reason = FlagReason::ExpiredUnused;
        flag.ended_at = flag.expires_at;
    }
    flag
}

fn with_count(flag: Flag, count: &SymptomCount) -> Flag {
    Flag { count: count.count, threshold: count.threshold, window: count.window, ..flag }
}

fn blank(count: &SymptomCount) -> Flag {
    Flag {
        symptom: count.symptom,
        state: FlagState::Idle,
        reason: FlagReason::BelowThreshold,
        count: count.count,
        threshold: count.threshold,
        window: count.window,
        armed_at: None,
        expires_at: None,
        ended_at: None,
        evidence: count.evidence.clone(),
    }
}

/// Whether a flag ended so long ago that no symptom from before its end counts any more.
fn is_history(flag: &Flag, count: &SymptomCount, now: Timestamp) -> bool {
    flag.ended_at.is_some_and(|ended_at| now >= later_by(ended_at, count.window))
}

/// Idle, with the memory of when it last ended.
fn idle(count: &SymptomCount, before: &Flag) -> Flag {
    Flag { ended_at: before.ended_at, ..blank(count) }
}

/// Armed by the run judged at `armed_at`; or expired at once, if nobody looked until its time had run out.
fn arm(
    rule: &EscalationRule,
    count: &SymptomCount,
    windows: &MaintenanceWindows,
    armed_at: Timestamp,
    ended_before: Option<Timestamp>,
    now: Timestamp,
) -> Flag {
    let expires_at = expiry(rule, windows, armed_at);
    let armed = Flag {
        state: FlagState::Armed,
        reason: FlagReason::ThresholdReached,
        armed_at: Some(armed_at),
        expires_at: Some(expires_at),
        ended_at: ended_before,
        ..blank(count)
    };
    settle(&armed, &BTreeSet::new(), now)
}

/// When a flag armed at an instant expires: after its TTL, and with `validThroughNextWindow` not before the window that
/// opens next after the arming has closed.
pub fn expiry(rule: &EscalationRule, windows: &MaintenanceWindows, armed_at: Timestamp) -> Timestamp {
    let by_ttl = later_by(armed_at, rule.flag_ttl);
    if !rule.valid_through_next_window {
        return by_ttl;
    }
    windows.next_opening_after(armed_at).map_or(by_ttl, |next| by_ttl.max(next.closes_at))
}

/// Whether any instant of a maintenance window lies between a run's verdict and the expiry of the flag that it arms.
pub fn check_phase_fits_window(
    rule: &EscalationRule,
    windows: &MaintenanceWindows,
    verdict_at: Timestamp,
) -> Option<PolicyFinding> {
    let expires_at = expiry(rule, windows, verdict_at);
    let opens_at = windows.next_open(verdict_at);
    if opens_at.is_some_and(|opens_at| opens_at < expires_at) {
        return None;
    }
    let opens = opens_at.map_or_else(|| "never opens".to_owned(), |opens_at| format!("opens next at {opens_at}"));
    let message = format!(
        "a flag armed by the verdict at {verdict_at} expires at {expires_at}, and window {windows} {opens}; start the \
         run earlier, lengthen flagTTL, or set validThroughNextWindow"
    );
    Some(PolicyFinding::advises(FindingReason::PhaseOutlastsWindow, "rules", message))
}

#[cfg(test)]
#[path = "flag_tests.rs"]
mod tests;
