//! What is still to be asked for, and what is still owed: pure functions of what was read.

use std::{collections::BTreeSet, fmt, sync::Arc};

use kube::{Resource, ResourceExt};
use phaseloop_core::{
    plan::{OwnKind, OwnObject, label::FINALIZER},
    value::Uid,
};

use super::observe::Installation;
use crate::{
    api::{Escalation, PhaseSchedule, Promotion, TuningCanary, promotion::status::PromotionPhase},
    controllers::{
        phase_run::facts::has_ended,
        tuning_canary::facts::{is_judged, is_released},
    },
};

/// One thing to ask for. Asking twice is asking once.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// No run starts any more.
    SuspendSchedule(Arc<PhaseSchedule>),
    /// Nothing is begun for the target any more.
    SuspendEscalation(Arc<Escalation>),
    /// A run ends.
    AbortRun(String, String),
    /// A canary ends.
    AbortCanary(String, String),
    /// A promotion is rolled back, or given up where nothing was written.
    DeletePromotion(String, OwnObject),
}

/// What has to come before nothing of ours is left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owed {
    /// A replica of a target: its namespace and name.
    Replica(String, String),
    /// An unvalidated value in a target: namespace and name of its promotion.
    RollBack(String, String),
    /// A test pod that has not ended: namespace, name, uid.
    Pod(String, String, String),
    /// A run that has not ended.
    Run(String, String),
    /// What a canary used, which its Escalation does not know.
    Use(String, String),
    /// A promotion that has ended and is on its way: its records are taken out before it goes.
    Going(String, String),
    /// An object of ours that can't be read.
    Unreadable(String),
}

impl Owed {
    /// Whether something of other people's is not as it was before, or a GPU is held, until this has come.
    pub const fn is_of_others(&self) -> bool {
        !matches!(self, Self::Use(..) | Self::Run(..) | Self::Going(..))
    }
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica(namespace, target) => write!(f, "{target} in {namespace} has a borrowed replica to get back"),
            Self::RollBack(namespace, name) => write!(f, "promotion/{name} in {namespace} is not rolled back"),
            Self::Pod(namespace, name, _) => write!(f, "test pod {name} in {namespace} has not ended"),
            Self::Run(namespace, name) => write!(f, "phaserun/{name} in {namespace} has not ended"),
            Self::Use(namespace, name) => {
                write!(f, "tuningcanary/{name} in {namespace} is not settled with its escalation")
            }
            Self::Going(namespace, name) => write!(f, "promotion/{name} in {namespace} has ended and is not gone"),
            Self::Unreadable(what) => write!(f, "{what} can't be read: nobody can say what it owes"),
        }
    }
}

/// What is still to be asked: that nothing more begins, then that what runs ends, then that what stands goes.
pub fn acts(there: &Installation) -> Vec<Act> {
    let schedules = there.schedules.iter().filter(|schedule| !schedule.spec.suspend && !is_going(schedule.as_ref()));
    // A suspension that ends by itself would let the operator begin again while it is waited for.
    let lasting = |escalation: &Escalation| escalation.spec.suspend.as_ref().is_some_and(|set| set.until.is_none());
    let escalations = there.escalations.iter().filter(|one| !lasting(one) && !is_going(one.as_ref()));
    let runs = there.runs.iter().filter(|run| !has_ended(run) && !run.spec.abort);
    let canaries = there.canaries.iter().filter(|canary| !is_judged(canary) && !canary.spec.abort);
    let promotions =
        there.promotions.iter().filter(|promotion| !is_terminal(promotion) && !is_going(promotion.as_ref()));
    schedules
        .map(|schedule| Act::SuspendSchedule(schedule.clone()))
        .chain(escalations.map(|escalation| Act::SuspendEscalation(escalation.clone())))
        .chain(runs.map(|run| {
            let (namespace, name) = place_of(run.as_ref());
            Act::AbortRun(namespace, name)
        }))
        .chain(canaries.map(|canary| {
            let (namespace, name) = place_of(canary.as_ref());
            Act::AbortCanary(namespace, name)
        }))
        .chain(promotions.map(|promotion| {
            let (namespace, name) = place_of(promotion.as_ref());
            let uid = Uid::new(promotion.uid().unwrap_or_default());
            Act::DeletePromotion(namespace, OwnObject::new(OwnKind::Promotion, name, uid))
        }))
        .collect()
}

/// What is still owed.
pub fn owed(there: &Installation) -> BTreeSet<Owed> {
    let replicas = there.borrowed.iter().map(|(namespace, target)| Owed::Replica(namespace.clone(), target.clone()));
    let promotions =
        there.promotions.iter().filter(|promotion| !is_terminal(promotion) || is_going(promotion.as_ref()));
    let pods = there.pods.iter().filter(|pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed"))
    });
    let runs = there.runs.iter().filter(|run| !has_ended(run));
    let canaries = there.canaries.iter().filter(|canary| !is_settled(there, canary));
    replicas
        .chain(promotions.map(|promotion| {
            let (namespace, name) = place_of(promotion.as_ref());
            if is_terminal(promotion) { Owed::Going(namespace, name) } else { Owed::RollBack(namespace, name) }
        }))
        .chain(pods.map(|pod| {
            let (namespace, name) = place_of(pod.as_ref());
            Owed::Pod(namespace, name, pod.uid().unwrap_or_default())
        }))
        .chain(runs.map(|run| {
            let (namespace, name) = place_of(run.as_ref());
            Owed::Run(namespace, name)
        }))
        .chain(canaries.map(|canary| {
            let (namespace, name) = place_of(canary.as_ref());
            Owed::Use(namespace, name)
        }))
        .chain(there.malformed.iter().map(|what| Owed::Unreadable(what.clone())))
        .collect()
}

/// Whether everything that a canary took is given back, and its Escalation knows what it used. One whose Escalation is gone
/// has nobody to tell.
fn is_settled(there: &Installation, canary: &TuningCanary) -> bool {
    if !is_released(canary) {
        return false;
    }
    if !canary.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        return true;
    }
    let namespace = canary.namespace();
    let mut escalations = there.escalations.iter();
    let escalation =
        escalations.find(|one| one.namespace() == namespace && one.name_any() == canary.spec.escalation_name);
    let Some(escalation) = escalation else { return true };
    let ledger = escalation.status.as_ref().and_then(|status| status.ledger.as_ref());
    ledger.is_some_and(|ledger| {
        let mut nights = ledger.nights.iter().filter(|night| night.night == canary.spec.night);
        nights.any(|night| night.folded.iter().any(|folded| folded.attempt == canary.spec.attempt))
    })
}

/// Whether a promotion has ended, one way or the other.
pub(super) fn is_terminal(promotion: &Promotion) -> bool {
    use PromotionPhase::{Conflict, Expired, Rejected, RolledBack, Superseded, Validated};
    let phase = promotion.status.as_ref().and_then(|status| status.phase);
    matches!(phase, Some(Validated | RolledBack | Rejected | Superseded | Expired | Conflict))
}

fn is_going(object: &impl Resource) -> bool {
    object.meta().deletion_timestamp.is_some()
}

pub(super) fn place_of(object: &impl ResourceExt) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}
