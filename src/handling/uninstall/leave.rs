//! Leaving, step by step. Each step may be taken again: whoever was interrupted begins anew and finds what is done, done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Resource, ResourceExt};
use phaseloop_core::{
    audit::AuditRecord,
    plan::{
        OwnObject,
        label::{ANNOTATION_PROMOTION, FINALIZER},
    },
    schedule::later_by,
    value::Uid,
};
use serde_json::json;

use super::{
    judge::{Act, Owed, acts, is_terminal, owed, replicas_left},
    observe::{Installation, observe_installation},
    wind_up::wind_up,
};
use crate::{
    api::{PhaseRun, TuningCanary, escalation::Suspend, reference::TargetRef},
    cluster::{Cluster, ClusterError, ClusterErrorKind, Effect, execute, execute::AuditExport, merge_into},
    controllers::{
        Kind, KindStatus, escalation::Escalations, kind::audited, phase_run::PhaseRuns, phase_schedule::PhaseSchedules,
        promotion::Promotions, read_target, tuning_canary::TuningCanaries,
    },
    handling::{
        pace::{Pace, Pause},
        suspend::{Switch, switch_escalation, switch_schedule},
    },
};

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A canary's pod is gone within 15 s; whoever leaves ends it himself where nobody has done so in twice that time.
const RELEASE_PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How long the operator's pods may take to go, in seconds: their grace, and what the cluster needs.
const OPERATOR_END: SignedDuration = SignedDuration::from_secs(60);
/// Grace of a test pod's containers, seconds.
const POD_GRACE_SECONDS: u32 = 1;
/// Why everything is suspended.
const REASON: &str = "phaseloop uninstall";

/// What is uninstalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UninstallTerms {
    /// The namespace; all of them where it is absent.
    pub namespace: Option<String>,
    /// Namespace and name of the operator's Deployment, which is scaled to 0.
    pub operator: Option<(String, String)>,
    /// How long all of it may take.
    pub timeout: SignedDuration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaving {
    /// What was not put back or is not given back: a person has to see to it. Empty: all is done.
    pub left: Vec<String>,
    /// Somebody interrupted it; what was done stays done.
    pub interrupted: bool,
}

/// Where a promotion's value stood, so that it can be looked for at the end.
#[derive(Debug, Clone)]
struct Written {
    namespace: String,
    name: String,
    target: TargetRef,
}

struct Leave<'a, P: Pace> {
    cluster: &'a Cluster,
    terms: &'a UninstallTerms,
    export: &'a Arc<dyn AuditExport>,
    pace: &'a mut P,
    tell: &'a mut dyn FnMut(&str),
    began: Timestamp,
    /// Promotions that were not validated when they were seen, by uid.
    unvalidated: BTreeMap<String, Written>,
    waited_for: BTreeSet<Owed>,
    told: BTreeSet<String>,
}

/// Leaves. Each step is told as it is taken.
///
/// # Errors
/// A right is missing, or the API server does not answer until the deadline. What was done before stays done.
pub async fn uninstall<P: Pace>(
    cluster: &Cluster,
    terms: &UninstallTerms,
    export: &Arc<dyn AuditExport>,
    pace: &mut P,
    tell: &mut dyn FnMut(&str),
) -> Result<Leaving, ClusterError> {
    let began = pace.now();
    let mut leave = Leave {
        cluster,
        terms,
        export,
        pace,
        tell,
        began,
        unvalidated: BTreeMap::new(),
        waited_for: BTreeSet::new(),
        told: BTreeSet::new(),
    };
    leave.run().await
}

impl<P: Pace> Leave<'_, P> {
    async fn run(&mut self) -> Result<Leaving, ClusterError> {
        let deadline = later_by(self.began, self.terms.timeout);
        let alive = self.operator_works().await?;
        // The operator gets the larger part of the time, so that the rest is left to do without it, where that may be.
        let share = match (&self.terms.operator, alive) {
            (None, _) => self.terms.timeout,
            (Some(_), true) => self.terms.timeout * 3 / 5,
            (Some(_), false) => SignedDuration::ZERO,
        };
        if !alive {
            self.say("the operator does not run: what it owes is done from here");
        }
        let first = later_by(self.began, share);
        let Some(mut done) = self.settle(first, false).await? else { return Ok(self.interrupted()) };
        let Some(is_gone) = self.stop_operator(deadline).await? else { return Ok(self.interrupted()) };
        if !done && is_gone {
            let Some(settled) = self.settle(deadline, true).await? else { return Ok(self.interrupted()) };
            done = settled;
        }
        if !done {
            self.say("the deadline has passed");
        }
        let left = self.let_go().await?;
        Ok(Leaving { left, interrupted: false })
    }

    fn say(&mut self, text: &str) {
        (self.tell)(text);
    }

    fn say_once(&mut self, text: String) {
        if !self.told.contains(&text) {
            (self.tell)(&text);
            self.told.insert(text);
        }
    }

    fn interrupted(&self) -> Leaving {
        let left = self.waited_for.iter().map(ToString::to_string).collect();
        Leaving { left, interrupted: true }
    }

    /// Asks for everything and waits until nothing is owed, at most until an instant, and at least for one look. `None`:
    /// interrupted.
    async fn settle(&mut self, until: Timestamp, alone: bool) -> Result<Option<bool>, ClusterError> {
        loop {
            match Box::pin(self.look(alone)).await {
                Ok(true) => return Ok(Some(true)),
                Ok(false) => {}
                Err(error) if passes_by_itself(&error) => {
                    self.say_once(format!("{}; it is tried again", error.chain()));
                }
                Err(error) => return Err(error),
            }
            if self.pace.now() >= until {
                return Ok(Some(false));
            }
            if self.pace.pause(LOOK_AGAIN).await == Pause::Interrupted {
                return Ok(None);
            }
        }
    }

    /// One look: asks for what is not asked for, and says whether nothing is owed.
    async fn look(&mut self, alone: bool) -> Result<bool, ClusterError> {
        let there = self.observe().await?;
        let acts = acts(&there);
        for act in &acts {
            self.carry_out(act).await?;
        }
        let owed = owed(&there);
        for wait in owed.difference(&self.waited_for.clone()) {
            (self.tell)(&format!("waits: {wait}"));
        }
        for came in self.waited_for.difference(&owed) {
            (self.tell)(&format!("done: no longer so: {came}"));
        }
        self.waited_for.clone_from(&owed);
        if acts.is_empty() && owed.is_empty() {
            return Ok(true);
        }
        if self.pace.now().duration_since(self.began) >= RELEASE_PATIENCE || alone {
            self.end_pods(&owed).await?;
        }
        if alone {
            let now = self.pace.now();
            for failure in Box::pin(wind_up(self.cluster, self.export, &there, now)).await {
                self.say_once(format!("{failure}; it is tried again"));
            }
        }
        Ok(false)
    }

    async fn observe(&mut self) -> Result<Installation, ClusterError> {
        let there = observe_installation(self.cluster.reader(), self.terms.namespace.as_deref()).await?;
        for promotion in there.promotions.iter().filter(|promotion| !is_terminal(promotion)) {
            let written = Written {
                namespace: promotion.namespace().unwrap_or_default(),
                name: promotion.name_any(),
                target: promotion.spec.target_ref.clone(),
            };
            self.unvalidated.insert(promotion.uid().unwrap_or_default(), written);
        }
        Ok(there)
    }

    async fn carry_out(&mut self, act: &Act) -> Result<(), ClusterError> {
        let suspend = Switch::Suspend(Suspend { reason: REASON.to_owned(), until: None });
        let abort = json!({ "spec": { "abort": true } });
        let cluster = self.cluster;
        let done = match act {
            Act::SuspendSchedule(schedule) => {
                switch_schedule(cluster, schedule, &suspend).await.map(|switched| switched.to_string())
            }
            Act::SuspendEscalation(escalation) => {
                switch_escalation(cluster, escalation, &suspend).await.map(|switched| switched.to_string())
            }
            Act::AbortRun(namespace, name) => merge_into::<PhaseRun>(cluster, namespace, name, &abort)
                .await
                .map(|_run| format!("phaserun/{name} in {namespace}: aborted")),
            Act::AbortCanary(namespace, name) => merge_into::<TuningCanary>(cluster, namespace, name, &abort)
                .await
                .map(|_canary| format!("tuningcanary/{name} in {namespace}: aborted")),
            Act::DeletePromotion(namespace, object) => {
                let effect = Effect::DeleteOwn(object.clone());
                execute(cluster, self.export.as_ref(), namespace, &effect).await.map(|_outcome| {
                    format!("promotion/{} in {namespace}: deleted, so that it is rolled back", object.name)
                })
            }
        };
        match done {
            Ok(told) => self.say(&told),
            // Gone, or changed since it was read: the next look tells.
            Err(error) if matches!(error.kind, ClusterErrorKind::NotFound | ClusterErrorKind::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Ends test pods that nobody has ended. Releasing is for everybody: it needs no leader.
    async fn end_pods(&mut self, owed: &BTreeSet<Owed>) -> Result<(), ClusterError> {
        for pod in owed {
            let Owed::Pod(namespace, name, uid) = pod else { continue };
            let there = self.cluster.reader().get::<Pod>(namespace, name).await?;
            if there.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some()) {
                continue;
            }
            let effect =
                Effect::DeletePod { name: name.clone(), uid: Uid::new(uid.clone()), grace_seconds: POD_GRACE_SECONDS };
            execute(self.cluster, self.export.as_ref(), namespace, &effect).await?;
            self.say(&format!("test pod {name} in {namespace}: ended from here"));
        }
        Ok(())
    }

    /// Whether an operator runs that does what is asked for. Where nobody names its Deployment, that is assumed.
    async fn operator_works(&self) -> Result<bool, ClusterError> {
        let Some((namespace, name)) = &self.terms.operator else { return Ok(true) };
        let deployment = self.cluster.reader().get::<Deployment>(namespace, name).await?;
        let ready = deployment.and_then(|deployment| deployment.status?.ready_replicas);
        Ok(ready.unwrap_or_default() > 0)
    }

    /// Scales the operator to 0 and waits until its pods are gone. Says whether they are; `None`: interrupted.
    async fn stop_operator(&mut self, deadline: Timestamp) -> Result<Option<bool>, ClusterError> {
        let Some((namespace, name)) = self.terms.operator.clone() else { return Ok(Some(false)) };
        let until = later_by(self.pace.now(), OPERATOR_END).min(deadline.max(self.pace.now()));
        let mut asked = false;
        loop {
            let Some(deployment) = self.cluster.reader().get::<Deployment>(&namespace, &name).await? else {
                self.say(&format!("the operator's deployment/{name} in {namespace} is not there"));
                return Ok(Some(true));
            };
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            if wanted > 0 && !asked {
                let fields = json!({ "spec": { "replicas": 0 } });
                merge_into::<Deployment>(self.cluster, &namespace, &name, &fields).await?;
                self.say(&format!("the operator's deployment/{name} in {namespace}: scaled from {wanted} to 0"));
                asked = true;
            }
            if wanted == 0 && deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or_default() == 0 {
                self.say("the operator is gone");
                return Ok(Some(true));
            }
            if self.pace.now() >= until {
                self.say("the operator's pods are still there; nothing is done in its place");
                return Ok(Some(false));
            }
            if self.pace.pause(LOOK_AGAIN).await == Pause::Interrupted {
                return Ok(None);
            }
        }
    }

    /// Takes our finalizers off everything, and says what was not put back.
    async fn let_go(&mut self) -> Result<Vec<String>, ClusterError> {
        let there = self.observe().await?;
        let left = owed(&there);
        for held in with_finalizer(&there) {
            self.release(held).await?;
        }
        // A replica is told with how to give it back.
        let of_others = left.iter().filter(|owed| owed.is_of_others() && !matches!(owed, Owed::Replica(..)));
        let mut told: Vec<String> =
            replicas_left(&there).into_iter().chain(of_others.map(ToString::to_string)).collect();
        told.extend(self.values_left().await?);
        Ok(told)
    }

    /// Takes our finalizer off one object. What is being deleted goes with it, so its records are kept first.
    async fn release(&mut self, held: Held) -> Result<(), ClusterError> {
        let Held { namespace, object, resource_version, others, records } = held;
        let told = format!("{object} in {namespace}: our finalizer is taken off");
        let effects =
            [Effect::ExportAudit(records), Effect::SetFinalizers { object, resource_version, finalizers: others }];
        for effect in effects {
            match execute(self.cluster, self.export.as_ref(), &namespace, &effect).await {
                Ok(_outcome) => {}
                Err(error) if error.kind == ClusterErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.say(&told);
        Ok(())
    }

    /// Targets that still carry an unvalidated value, by the annotation that came with it.
    async fn values_left(&self) -> Result<Vec<String>, ClusterError> {
        let mut left = Vec::new();
        for (uid, Written { namespace, name, target }) in &self.unvalidated {
            let Some(observed) = read_target(self.cluster.reader(), namespace, target).await? else { continue };
            let annotations = observed.metadata().annotations.as_ref();
            if annotations.and_then(|annotations| annotations.get(ANNOTATION_PROMOTION)) == Some(uid) {
                let kind = format!("{:?}", target.kind).to_ascii_lowercase();
                left.push(format!(
                    "{kind}/{} in {namespace} still carries the unvalidated value of promotion/{name}: put it back with \
                     kubectl rollout undo {kind}/{} -n {namespace}, or by applying your own manifest",
                    target.name, target.name
                ));
            }
        }
        Ok(left)
    }
}

/// Whether a failed call is worth another try.
fn passes_by_itself(error: &ClusterError) -> bool {
    matches!(error.kind, ClusterErrorKind::NoAnswer | ClusterErrorKind::Busy | ClusterErrorKind::Conflict)
}

/// An object of ours that carries our finalizer.
struct Held {
    namespace: String,
    object: OwnObject,
    resource_version: String,
    /// The finalizers of others.
    others: Vec<String>,
    /// Its records, where it goes with the finalizer.
    records: Vec<AuditRecord>,
}

fn with_finalizer(there: &Installation) -> Vec<Held> {
    let runs = there.runs.iter().filter_map(|run| held::<PhaseRuns>(run));
    let canaries = there.canaries.iter().filter_map(|canary| held::<TuningCanaries>(canary));
    let promotions = there.promotions.iter().filter_map(|promotion| held::<Promotions>(promotion));
    let escalations = there.escalations.iter().filter_map(|escalation| held::<Escalations>(escalation));
    let schedules = there.schedules.iter().filter_map(|schedule| held::<PhaseSchedules>(schedule));
    runs.chain(canaries).chain(promotions).chain(escalations).chain(schedules).collect()
}

fn held<K: Kind>(object: &K::Object) -> Option<Held> {
    let metadata = object.meta();
    let finalizers = metadata.finalizers.as_deref().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return None;
    }
    let history = K::status(object).and_then(KindStatus::history).filter(|_| metadata.deletion_timestamp.is_some());
    let records = history.iter().flat_map(|history| &history.records);
    let records = records.map(|record| record.to_audit_record(audited::<K>(object))).collect();
    let uid = Uid::new(metadata.uid.clone().unwrap_or_default());
    Some(Held {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        object: OwnObject::new(K::KIND, metadata.name.clone().unwrap_or_default(), uid),
        resource_version: metadata.resource_version.clone()?,
        others: finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).cloned().collect(),
        records,
    })
}
