//! PhaseSchedule: when a PHASE runs, and what it runs.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use phaseloop_core::value::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    audit::TransitionHistory, condition::Condition, default, duration::Duration, phase_run::PhaseRunSpec, schema,
    window::TimeZoneName,
};

/// When runs start, and what they run.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "phaseloop.dev",
    version = "v1alpha1",
    kind = "PhaseSchedule",
    plural = "phaseschedules",
    singular = "phaseschedule",
    shortname = "phsched",
    category = "phaseloop",
    namespaced,
    status = "PhaseScheduleStatus",
    selectable = ".spec.run.targetRef.name",
    derive = "PartialEq",
    doc = "PhaseSchedule starts PhaseRuns at the times of a cron expression, in a time zone, as a CronJob starts Jobs. A missed start is caught up once, within a deadline; no start happens twice, and none while the schedule's earlier run is still going.",
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.run.targetRef.name"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.schedule"),
    printcolumn(name = "Zone", type_ = "string", json_path = ".spec.timeZone"),
    printcolumn(name = "Suspend", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Last Verdict", type_ = "string", json_path = ".status.lastRun.verdict"),
    printcolumn(name = "Last", type_ = "date", json_path = ".status.lastScheduleTime"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextScheduleTime"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        priority = 1
    ),
    printcolumn(name = "Missed", type_ = "integer", json_path = ".status.missedRuns", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct PhaseScheduleSpec {
    /// Five-field cron expression: minute, hour, day of month, month, day of week.
    #[serde(default = "default::schedule")]
    #[schemars(length(min = 9, max = 128), regex(pattern = r"^\S+ +\S+ +\S+ +\S+ +\S+$"))]
    pub schedule: String,
    /// IANA time zone of the expression. A clock change neither loses a run nor doubles it.
    #[serde(default)]
    #[schemars(schema_with = "schema::time_zone")]
    pub time_zone: TimeZoneName,
    /// How late a missed start may still be caught up.
    #[serde(default = "default::starting_deadline")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub starting_deadline: Duration,
    /// No run starts while this is true; a run that is going is left alone.
    #[serde(default)]
    pub suspend: bool,
    /// Finished runs that are kept. The baseline is read from kept runs; those inside a counting, baseline or validation
    /// window are never pruned, whatever stands here.
    #[serde(default = "default::history_limit")]
    #[schemars(range(min = 3, max = 400))]
    pub history_limit: i64,
    /// What is run: the spec of each PhaseRun.
    pub run: PhaseRunSpec,
}

/// The newest run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Name of the PhaseRun.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Its verdict; left out while it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::verdict")]
    pub verdict: Option<Verdict>,
}

/// What the schedule has done and will do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseScheduleStatus {
    /// The `metadata.generation` this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// The scheduled instant of the newest run that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Timestamp>,
    /// The next scheduled instant; left out while suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<Timestamp>,
    /// The newest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// Starts that were missed for good since the schedule was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub missed_runs: Option<i64>,
    /// Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Chain of transitions: the newest 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<TransitionHistory>,
}
