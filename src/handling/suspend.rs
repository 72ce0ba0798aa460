//! `phaseloop suspend`, `resume` and `abort`: the switches that `spec` has, set on the objects that are named, or on all.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::plan::OwnKind;
use serde_json::json;

use super::name::ObjectName;
use crate::{
    api::{Escalation, PhaseRun, PhaseSchedule, TuningCanary, escalation::Suspend},
    cluster::{Cluster, ClusterError, merge_into},
    controllers::{phase_run::facts::has_ended, tuning_canary::facts::is_judged},
};

/// What is switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// Every Escalation and every PhaseSchedule of a namespace, or of all of them.
    All(Option<String>),
    /// One object of a namespace.
    One(String, ObjectName),
}

/// Which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// Nothing more begins.
    Suspend(Suspend),
    /// It goes on.
    Resume,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// Its namespace.
    pub namespace: String,
    /// Which one.
    pub object: ObjectName,
    /// Whether it was changed.
    pub changed: bool,
    /// What holds of it now, in one line.
    pub told: String,
}

impl std::fmt::Display for Switched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}: {}", self.object, self.namespace, self.told)
    }
}

/// Why nothing was switched.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// A call failed; what was switched before stays switched.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The object is of a kind that has no such switch.
    #[error("{0} can't be switched so\n  remedy: {1}")]
    NoSwitch(ObjectName, &'static str),
    /// There is none of that name.
    #[error("there is no {object} in namespace {namespace}\n  remedy: kubectl get phaseloop -n {namespace}")]
    NotThere {
        /// Which one.
        object: ObjectName,
        /// Where.
        namespace: String,
    },
}

/// Switches what is selected, one after the other, and tells of each as it is done.
///
/// # Errors
/// The first object that could not be switched.
pub async fn switch(
    cluster: &Cluster,
    selected: &Selected,
    switch: &Switch,
    tell: &mut dyn FnMut(&Switched),
) -> Result<(), SwitchError> {
    let reader = cluster.reader();
    match selected {
        Selected::All(namespace) => {
            // Schedules first: a run that starts in between would be one more to wait for.
            for schedule in reader.list_in::<PhaseSchedule>(namespace.as_deref(), "").await?.items {
                tell(&switch_schedule(cluster, &schedule, switch).await?);
            }
            for escalation in reader.list_in::<Escalation>(namespace.as_deref(), "").await?.items {
                tell(&switch_escalation(cluster, &escalation, switch).await?);
            }
        }
        Selected::One(namespace, object) => {
            let missing = || SwitchError::NotThere { object: object.clone(), namespace: namespace.clone() };
            let switched = match object.kind {
                OwnKind::PhaseSchedule => {
                    let schedule = reader.get(namespace, &object.name).await?.ok_or_else(missing)?;
                    switch_schedule(cluster, &schedule, switch).await?
                }
                OwnKind::Escalation => {
                    let escalation = reader.get(namespace, &object.name).await?.ok_or_else(missing)?;
                    switch_escalation(cluster, &escalation, switch).await?
                }
                OwnKind::PhaseRun | OwnKind::TuningCanary => {
                    return Err(SwitchError::NoSwitch(object.clone(), "phaseloop abort ends one that goes on"));
                }
                OwnKind::Promotion => {
                    let remedy = "suspend its Escalation; delete the Promotion to have it rolled back";
                    return Err(SwitchError::NoSwitch(object.clone(), remedy));
                }
            };
            tell(&switched);
        }
    }
    Ok(())
}

pub(super) async fn switch_schedule(
    cluster: &Cluster,
    schedule: &PhaseSchedule,
    switch: &Switch,
) -> Result<Switched, ClusterError> {
    let (namespace, name) = (schedule.namespace().unwrap_or_default(), schedule.name_any());
    let wanted = matches!(switch, Switch::Suspend(_));
    let changed = schedule.spec.suspend != wanted;
    if changed {
        let fields = json!({ "spec": { "suspend": wanted } });
        merge_into::<PhaseSchedule>(cluster, &namespace, &name, &fields).await?;
    }
    let told = match (wanted, changed) {
        (true, true) => "suspended: no further run starts; one that is going goes on",
        (true, false) => "was suspended already",
        (false, true) => "goes on: runs start at their times again",
        (false, false) => "was not suspended",
    };
    let object = ObjectName::new(OwnKind::PhaseSchedule, name);
    Ok(Switched { namespace, object, changed, told: told.to_owned() })
}

pub(super) async fn switch_escalation(
    cluster: &Cluster,
    escalation: &Escalation,
    switch: &Switch,
) -> Result<Switched, ClusterError> {
    let (namespace, name) = (escalation.namespace().unwrap_or_default(), escalation.name_any());
    let before = escalation.spec.suspend.as_ref();
    let wanted = match switch {
        Switch::Suspend(suspend) => Some(suspend),
        Switch::Resume => None,
    };
    let changed = before != wanted;
    if changed {
        // What is left out of a merge stays: an end that is not wanted any more is taken away by name.
        let suspend = wanted.map(|suspend| json!({ "reason": suspend.reason, "until": suspend.until }));
        let fields = json!({ "spec": { "suspend": suspend } });
        merge_into::<Escalation>(cluster, &namespace, &name, &fields).await?;
    }
    let told = match (wanted, before) {
        (Some(suspend), _) if !changed => format!("was suspended already{}", span(suspend)),
        (Some(suspend), _) => format!("suspended{}: nothing more begins, canaries that run are ended", span(suspend)),
        (None, Some(before)) => format!("goes on; it was suspended{}", span(before)),
        (None, None) => "was not suspended".to_owned(),
    };
    let object = ObjectName::new(OwnKind::Escalation, name);
    Ok(Switched { namespace, object, changed, told })
}

fn span(suspend: &Suspend) -> String {
    let until = suspend.until.map(|until: Timestamp| format!(" until {until}")).unwrap_or_default();
    format!("{until} ({})", suspend.reason)
}

/// Ends a run or a canary that goes on. Nothing is concluded from it; its pods are gone within 15 s.
///
/// # Errors
/// It is not there, is of another kind, or could not be written to.
pub async fn abort(cluster: &Cluster, namespace: &str, object: &ObjectName) -> Result<Switched, SwitchError> {
    let reader = cluster.reader();
    let missing = || SwitchError::NotThere { object: object.clone(), namespace: namespace.to_owned() };
    let fields = json!({ "spec": { "abort": true } });
    let (changed, told) = match object.kind {
        OwnKind::PhaseRun => {
            let run: PhaseRun = reader.get(namespace, &object.name).await?.ok_or_else(missing)?;
            let standing = standing(has_ended(&run), run.spec.abort);
            if standing.0 {
                merge_into::<PhaseRun>(cluster, namespace, &object.name, &fields).await?;
            }
            standing
        }
        OwnKind::TuningCanary => {
            let canary: TuningCanary = reader.get(namespace, &object.name).await?.ok_or_else(missing)?;
            let standing = standing(is_judged(&canary), canary.spec.abort);
            if standing.0 {
                merge_into::<TuningCanary>(cluster, namespace, &object.name, &fields).await?;
            }
            standing
        }
        OwnKind::PhaseSchedule | OwnKind::Escalation => {
            return Err(SwitchError::NoSwitch(object.clone(), "phaseloop suspend stops what it would begin"));
        }
        OwnKind::Promotion => {
            let remedy = "kubectl delete promotions.phaseloop.dev rolls one back that is not validated";
            return Err(SwitchError::NoSwitch(object.clone(), remedy));
        }
    };
    Ok(Switched { namespace: namespace.to_owned(), object: object.clone(), changed, told: told.to_owned() })
}

const fn standing(ended: bool, aborted: bool) -> (bool, &'static str) {
    match (ended, aborted) {
        (true, _) => (false, "has ended: there is nothing to abort"),
        (false, true) => (false, "was aborted already, and is ending"),
        (false, false) => (true, "aborted: its pods are gone within 15 s, and nothing is concluded from it"),
    }
}
