//! Maintenance windows.

use kube::KubeSchema;
use phaseloop_core::policy::bound;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// The IANA name of a time zone, such as `Europe/Berlin`. Whether the zone exists is checked when the object is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeZoneName(pub String);

impl Default for TimeZoneName {
    fn default() -> Self {
        Self(bound::TIME_ZONE_DEFAULT.to_owned())
    }
}

/// A daily span of wall-clock time in a zone. The start belongs to it, the end does not. A window whose end is not after
/// its start ends on the next day.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.start != self.end").message("start and end are the same: the window would be empty or all day; give two different times"))]
pub struct MaintenanceWindow {
    /// Days on which the window starts. Left out, every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub days: Vec<Weekday>,
    /// Wall-clock time at which it opens, `HH:MM`, included.
    #[schemars(schema_with = "schema::clock_time")]
    pub start: String,
    /// Wall-clock time at which it closes, `HH:MM`, excluded.
    #[schemars(schema_with = "schema::clock_time")]
    pub end: String,
    /// IANA time zone of both times.
    #[serde(default)]
    #[schemars(schema_with = "schema::time_zone")]
    pub time_zone: TimeZoneName,
}
