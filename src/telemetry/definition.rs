//! Every metric by its name, with its labels and its meaning: what is registered, and what the reference says.

/// What kind of figure a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricForm {
    /// Only rises, from the start of the process.
    Counter,
    /// What holds when it is asked for.
    Gauge,
    /// Observations by size, from the start of the process.
    Histogram,
    /// Labels that say something; its value is 1.
    Info,
}

impl MetricForm {
    /// Its name in OpenMetrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// A label: its name, and what its values are. They are few: a label never names an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelDefinition {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: &'static str,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDefinition {
    /// Its name as it is registered: without the prefix, and without `_total`.
    pub name: &'static str,
    /// What kind of figure.
    pub form: MetricForm,
    /// Its labels.
    pub labels: &'static [LabelDefinition],
    /// Its meaning, as one sentence without a full stop: OpenMetrics adds it.
    pub help: &'static str,
}

/// What every name begins with.
pub const PREFIX: &str = "phaseloop";

const KIND: LabelDefinition =
    LabelDefinition { name: "kind", values: "PhaseSchedule, PhaseRun, Escalation, TuningCanary, Promotion" };
const WATCHED: LabelDefinition = LabelDefinition {
    name: "kind",
    values: "the five kinds of phaseloop, and Pod, Deployment, StatefulSet, ConfigMap",
};

macro_rules! metrics {
    ($($constant:ident = $form:ident $name:literal [$($label:expr),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: MetricDefinition =
                MetricDefinition { name: $name, form: MetricForm::$form, labels: &[$($label),*], help: $help };
        )*
        /// Every metric, in the order of the reference.
        pub const ALL: &[MetricDefinition] = &[$($constant),*];
    };
}

metrics! {
    BUILD = Info "build" [LabelDefinition { name: "version", values: "the version of the program" }]
        "The program that runs";
    LEADER = Gauge "leader" [] "Whether this replica leads: 1 or 0; the sum over all replicas is 1, or 0 while nobody does";
    READY_GATE = Gauge "ready_gate" [LabelDefinition { name: "gate", values: "APIServer, and every watched kind" }]
        "Whether what this replica waits for at its start is there: 1 or 0; the least of all namespaces";
    GATES = Gauge "gates" [
        LabelDefinition {
            name: "gate",
            values: "NotSuspended, TargetFree, WindowOpen, BudgetAvailable, CooldownElapsed, RateAvailable",
        },
        LabelDefinition { name: "state", values: "open, closed" }
    ] "Escalations by the state of each of their gates";
    ESCALATIONS = Gauge "escalations" [
        LabelDefinition { name: "state", values: "Counting, Armed, Tuning, Suspended, Stalled, None before the first look" }
    ] "Escalations by state";
    FLAGS_ARMED = Gauge "flags_armed" [LabelDefinition { name: "symptom", values: "the kinds of symptoms" }]
        "Armed flags by symptom";
    FLAG_EXPIRY = Gauge "flag_expiry_timestamp_seconds" [
        LabelDefinition { name: "symptom", values: "the kinds of symptoms" }
    ] "When the next armed flag of the symptom expires, in seconds since 1970; absent where none is armed";
    BUDGET_LEFT = Gauge "budget_left_seconds" [LabelDefinition { name: "budget", values: "measure, hold" }]
        "What the newest night in the ledger of an Escalation has left, the least of all Escalations; the whole budget before its first night";
    PHASE_RUNS = Gauge "phase_runs" [
        LabelDefinition { name: "verdict", values: "Healthy, Degraded, Unknown, Error, None while it goes on" }
    ] "PhaseRuns that exist, by verdict";
    CANARIES = Gauge "canaries" [
        LabelDefinition { name: "outcome", values: "Passed, Failed, Inconclusive, Aborted, None while it goes on" }
    ] "TuningCanaries that exist, by outcome";
    UNRESTORED = Gauge "canaries_unrestored" []
        "TuningCanaries whose pod was not seen to end within its bound: their targets are frozen until the node answers or a person does";
    MISSED_STARTS = Gauge "missed_starts" []
        "Starts that the PhaseSchedules which exist missed for good since each was made";
    PROMOTIONS = Gauge "promotions" [
        LabelDefinition {
            name: "phase",
            values: "Staged, AwaitingReview, Applying, Applied, Validated, RollingBack, RolledBack, Rejected, Superseded, Expired, Conflict, None before the first look",
        }
    ] "Promotions that exist, by phase";
    RESTORE = Histogram "restore_seconds" []
        "From the decision to end a canary to the end of its last container, as the kubelet stamped it; each canary once, seen while this replica ran";
    RECONCILE_DURATION = Histogram "reconcile_duration_seconds" [KIND]
        "How long one look at one object took, from reading it to its status written";
    RECONCILE_ERRORS = Counter "reconcile_errors" [
        KIND,
        LabelDefinition {
            name: "reason",
            values: "NoAnswer, NotFound, NameTaken, Conflict, Invalid, Forbidden, Refused, Busy, Malformed, Other, Unsound",
        }
    ] "Looks that did not come to their end, by what stopped them";
    WATCHES_RESTARTED = Counter "watch_restarts" [WATCHED]
        "How often a watch had to list everything anew after its first time";
    WATCH_ERRORS = Counter "watch_errors" [WATCHED] "Failed attempts to list or watch";
    API_REQUESTS = Counter "api_requests" [
        LabelDefinition { name: "verb", values: "get, list, watch, create, update, patch, delete, other" },
        LabelDefinition { name: "kind", values: "resource in the plural, as in phaseruns; other for what phaseloop does not use" },
        LabelDefinition { name: "code", values: "HTTP status code; none where no answer came" }
    ] "Requests to the API server";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own_with_its_unit_last() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let is_time = metric.help.contains("How long") || metric.help.contains("seconds");
            assert!(!is_time || metric.name.ends_with("_seconds"), "{}", metric.name);
            assert!(
                !metric.name.ends_with("_total") && !metric.help.ends_with('.'),
                "{}: OpenMetrics adds it",
                metric.name
            );
        }
    }
}
