//! Maintenance windows.

use std::collections::BTreeSet;

use phaseloop_core::{
    policy::{DayOfWeek, LocalTime, MaintenanceWindow, MaintenanceWindows},
    schedule::Zone,
};

use super::SpecFault;
use crate::api::window as wire;

/// The windows of a list at `path`.
pub fn maintenance_windows(
    windows: &[wire::MaintenanceWindow],
    path: &str,
    faults: &mut Vec<SpecFault>,
) -> MaintenanceWindows {
    let mut valid = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let zone = Zone::named(&window.time_zone.0);
        let (start, end) = (window.start.parse::<LocalTime>(), window.end.parse::<LocalTime>());
        let mut fault =
            |field: &str, problem: String| faults.push(SpecFault::new(format!("{path}.{field}"), problem, None));
        if let Err(error) = &zone {
            fault("timeZone", error.to_string());
        }
        if let Err(error) = &start {
            fault("start", error.to_string());
        }
        if let Err(error) = &end {
            fault("end", error.to_string());
        }
        if let (Ok(zone), Ok(start), Ok(end)) = (zone, start, end) {
            let days: BTreeSet<DayOfWeek> = window.days.iter().copied().map(day_of_week).collect();
            valid.push(MaintenanceWindow { days, start, end, zone });
        }
    }
    MaintenanceWindows { windows: valid }
}

/// The zone in which the nights of some windows are counted. A policy whose windows disagree on it is refused, so it is
/// that of any of them; UTC where none can be read.
pub fn windows_zone(windows: &MaintenanceWindows) -> Zone {
    windows.windows.first().map_or_else(Zone::utc, |window| window.zone.clone())
}

const fn day_of_week(day: wire::Weekday) -> DayOfWeek {
    match day {
        wire::Weekday::Mon => DayOfWeek::Mon,
        wire::Weekday::Tue => DayOfWeek::Tue,
        wire::Weekday::Wed => DayOfWeek::Wed,
        wire::Weekday::Thu => DayOfWeek::Thu,
        wire::Weekday::Fri => DayOfWeek::Fri,
        wire::Weekday::Sat => DayOfWeek::Sat,
        wire::Weekday::Sun => DayOfWeek::Sun,
    }
}
