//! What is still to be asked for, and what is still owed: pure functions of what was read.

use std::{collections::BTreeSet, fmt, sync::Arc};

use kube::{Resource, ResourceExt};
use phaseloop_core::{
    plan::{
        OwnKind, OwnObject,
        label::{ANNOTATION_GIVE_BACK, FINALIZER},
    },
    value::Uid,
};

use super::observe::{Installation, Lender};
use crate::{
    api::{
        Escalation, PhaseRun, PhaseSchedule, Promotion, TuningCanary, phase_run::status::Borrowed,
        promotion::status::PromotionPhase,
    },
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
    /// A run or an Escalation that has not noted that what it borrowed is given back: its namespace, and kind with name.
    Loan(String, String),
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
        !matches!(self, Self::Use(..) | Self::Run(..) | Self::Going(..) | Self::Loan(..))
    }
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica(namespace, target) => write!(f, "{target} in {namespace} has a borrowed replica to get back"),
            Self::Loan(namespace, borrower) => {
                write!(f, "{borrower} in {namespace} has not noted that what it borrowed is given back")
            }
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
    let replicas = there.borrowed.iter().map(replica);
    let borrowers = there.runs.iter().filter(|run| run_borrows(run)).map(|run| ("phaserun", place_of(run.as_ref())));
    let tuning = there.escalations.iter().filter(|one| tuning_borrows(one));
    let borrowers = borrowers.chain(tuning.map(|one| ("escalation", place_of(one.as_ref()))));
    let promotions =
        there.promotions.iter().filter(|promotion| !is_terminal(promotion) || is_going(promotion.as_ref()));
    let pods = there.pods.iter().filter(|pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed"))
    });
    let runs = there.runs.iter().filter(|run| !has_ended(run));
    let canaries = there.canaries.iter().filter(|canary| !is_settled(there, canary));
    replicas
        .chain(borrowers.map(|(kind, (namespace, name))| Owed::Loan(namespace, format!("{kind}/{name}"))))
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

/// The replica that a target has to get back.
fn replica(lender: &Lender) -> Owed {
    Owed::Replica(lender.namespace.clone(), format!("{} {}", lender.kind, lender.name))
}

/// Replicas that are not given back, and how a person does it.
pub(super) fn replicas_left(there: &Installation) -> Vec<String> {
    let remedy = |lender: &Lender| {
        let Lender { namespace, kind, name, replicas } = lender;
        let replicas = replicas.map_or_else(|| "REPLICAS".to_owned(), |replicas| replicas.to_string());
        let target = format!("{}/{name} -n {namespace}", kind.to_ascii_lowercase());
        format!("kubectl scale {target} --replicas={replicas}, then kubectl annotate {target} {ANNOTATION_GIVE_BACK}-")
    };
    there.borrowed.iter().map(|lender| format!("{}: {}", replica(lender), remedy(lender))).collect()
}

fn is_open(borrowed: Option<&Borrowed>) -> bool {
    borrowed.is_some_and(|borrowed| !borrowed.is_settled())
}

/// Whether a run has borrowed and has not noted that it was given back.
fn run_borrows(run: &PhaseRun) -> bool {
    is_open(run.status.as_ref().and_then(|status| status.borrowed.as_ref()))
}

/// Whether an Escalation may owe a replica: its finalizer stands from before it borrows until it has given back.
pub(super) fn may_owe_replica(escalation: &Escalation) -> bool {
    tuning_borrows(escalation) || escalation.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Whether the tuning run of an Escalation has borrowed and has not noted that it was given back.
fn tuning_borrows(escalation: &Escalation) -> bool {
    let tuning = escalation.status.as_ref().and_then(|status| status.tuning.as_ref());
    is_open(tuning.and_then(|tuning| tuning.borrowed.as_ref()))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object<T: serde::de::DeserializeOwned>(kind: &str, spec: &Value, status: &Value) -> Arc<T> {
        let metadata = json!({ "name": "llama", "namespace": "chat", "uid": "u" });
        let object = json!({
            "apiVersion": "phaseloop.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec, "status": status,
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn target_ref() -> Value {
        json!({ "kind": "Deployment", "name": "llama" })
    }

    fn run(borrowed: &Value) -> Arc<PhaseRun> {
        let spec = json!({ "targetRef": target_ref(), "domains": [] });
        object("PhaseRun", &spec, &json!({ "phase": "Completed", "borrowed": borrowed }))
    }

    fn escalation(borrowed: &Value) -> Arc<Escalation> {
        let suspend = json!({ "reason": "phaseloop uninstall" });
        let tuning = json!({
            "cycle": "c", "symptom": "vllm_oom", "night": "2026-03-04", "attempt": 0, "candidatesDone": 0, "candidatesLeft": 1,
            "startedAt": "2026-03-04T02:00:00Z", "borrowed": borrowed,
        });
        object("Escalation", &json!({ "targetRef": target_ref(), "suspend": suspend }), &json!({ "tuning": tuning }))
    }

    fn told(there: &Installation) -> Vec<String> {
        owed(there).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_borrowed_owes_until_it_has_noted_that_it_gave_back() {
        let (since, given_back_at) = ("2026-03-04T02:00:00Z", "2026-03-04T02:06:00Z");
        let open = json!({ "from": 2, "to": 1, "since": since });
        let closed = json!({ "from": 2, "to": 1, "since": since, "givenBackAt": given_back_at });
        let conflict = json!({ "from": 2, "to": 1, "since": since, "conflict": "replicas is 7" });
        for (borrowed, expected) in [
            (
                open,
                vec![
                    "escalation/llama in chat has not noted that what it borrowed is given back",
                    "phaserun/llama in chat has not noted that what it borrowed is given back",
                ],
            ),
            (closed, vec![]),
            (conflict, vec![]),
            (Value::Null, vec![]),
        ] {
            let there = Installation {
                runs: vec![run(&borrowed)],
                escalations: vec![escalation(&borrowed)],
                ..Installation::default()
            };
            assert_eq!(told(&there), expected, "{borrowed}");
            assert_eq!(acts(&there), [], "a run that has ended can't be asked to");
            assert!(owed(&there).iter().all(|owed| !owed.is_of_others()), "the target alone says what it lacks");
        }
    }

    #[test]
    fn a_replica_that_is_left_is_named_with_how_to_give_it_back() {
        let lender = |kind, replicas| Lender { namespace: "chat".into(), kind, name: "llama".into(), replicas };
        let borrowed = vec![lender("Deployment", Some(2)), lender("StatefulSet", None)];
        let there = Installation { borrowed, ..Installation::default() };
        assert!(owed(&there).iter().all(Owed::is_of_others));
        let expected = [
            "Deployment llama in chat has a borrowed replica to get back: kubectl scale deployment/llama -n chat --replicas=2, then \
             kubectl annotate deployment/llama -n chat phaseloop.dev/give-back-",
            "StatefulSet llama in chat has a borrowed replica to get back: kubectl scale statefulset/llama -n chat \
             --replicas=REPLICAS, then kubectl annotate statefulset/llama -n chat phaseloop.dev/give-back-",
        ];
        assert_eq!(replicas_left(&there), expected);
    }
}
