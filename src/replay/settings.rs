//! Under which policy nights are replayed.

use jiff::{Timestamp, civil};
use phaseloop_core::{
    analysis::settings::AnalysisSettings,
    cycle::CyclePolicy,
    policy::{Suspension, bound},
    schedule::{CronError, Schedule, Zone},
};

/// The last instant before the first night: recordings carry no dates that mean anything, so all replays begin on
/// Monday, 2 March 2026 (UTC); the clock change at the end of that month can be seen in long ones.
const BEFORE_THE_FIRST_NIGHT: Timestamp = Timestamp::constant(1_772_409_599, 0);

/// The policy of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplaySettings {
    /// What is told of the policy's origin: a file, or the defaults.
    pub origin: String,
    /// The target's name.
    pub target: String,
    /// What the Escalation allows.
    pub policy: CyclePolicy,
    /// How runs are judged.
    pub analysis: AnalysisSettings,
    /// The kill switch.
    pub suspension: Option<Suspension>,
    /// Whether runs count.
    pub counts: bool,
}

impl ReplaySettings {
    /// Every default: threshold 3, the default schedule in UTC.
    ///
    /// # Errors
    /// None in practice: the default schedule is tested.
    pub fn defaults() -> Result<Self, CronError> {
        let schedule = Schedule { cron: bound::SCHEDULE_DEFAULT.parse()?, zone: Zone::utc() };
        Ok(Self {
            origin: "defaults".to_owned(),
            target: "the recorded target".to_owned(),
            policy: CyclePolicy::with_defaults(schedule),
            analysis: AnalysisSettings::default(),
            suspension: None,
            counts: true,
        })
    }

    /// The instants at which the nights begin.
    pub fn firings(&self) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.policy.schedule.next_after(BEFORE_THE_FIRST_NIGHT), |firing| {
            self.policy.schedule.next_after(*firing)
        })
    }

    /// The local date and time of an instant in the schedule's zone.
    pub fn local(&self, instant: Timestamp) -> civil::DateTime {
        self.policy.schedule.zone.local(instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_night_of_the_defaults_is_the_second_of_march() {
        let settings = ReplaySettings::defaults().unwrap();
        let nights: Vec<String> = settings.firings().take(2).map(|firing| firing.to_string()).collect();
        assert_eq!(nights, ["2026-03-02T03:00:00Z", "2026-03-03T03:00:00Z"]);
    }
}
