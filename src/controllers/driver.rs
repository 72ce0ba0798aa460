//! The only reconcile: observe, validate, decide, execute, report.

use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};
use phaseloop_core::{
    plan::{Intent, Plan, PlanViolation, Wake, check_plan},
    schedule::later_by,
};

use super::{Context, Kind, KindStatus, ObjectKey, Report, kind::audited, report::seal};
use crate::cluster::{ClusterError, ClusterErrorKind, Effect, Reader, execute, write_status};

/// Why a reconcile did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Something could not be read.
    #[error("failed to observe {0}")]
    Observe(ObjectKey, #[source] ClusterError),
    /// An effect was not carried out; those after it were not tried.
    #[error("failed to carry out {effect} for {key}")]
    Execute {
        /// The object.
        key: ObjectKey,
        /// The effect.
        effect: &'static str,
        /// Why.
        #[source]
        source: ClusterError,
    },
    /// A status was not written.
    #[error("failed to report on {0}")]
    Report(ObjectKey, #[source] ClusterError),
    /// The decision broke a rule that every plan keeps: a defect of phaseloop. Nothing was done.
    #[error("the plan for {key} breaks a rule: {violation}")]
    Unsound {
        /// The object.
        key: ObjectKey,
        /// The rule.
        violation: PlanViolation,
    },
}

impl ReconcileError {
    /// Whether asking again without any change can help.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Observe(_, source) | Self::Report(_, source) | Self::Execute { source, .. } => source.is_retryable(),
            Self::Unsound { .. } => false,
        }
    }

    /// What kind of failure, for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Observe(_, source) | Self::Report(_, source) | Self::Execute { source, .. } => source.kind.name(),
            Self::Unsound { .. } => "Unsound",
        }
    }

    /// The call that failed; absent where none did.
    pub const fn call(&self) -> Option<&ClusterError> {
        match self {
            Self::Observe(_, source) | Self::Report(_, source) | Self::Execute { source, .. } => Some(source),
            Self::Unsound { .. } => None,
        }
    }
}

/// How soon a replica that does not lead looks again at what only the leader may begin: as often as a lease is asked for.
/// At once, as the plan says it to whoever carries it out, would be again and again.
const FOLLOWER_WAIT: SignedDuration = SignedDuration::from_secs(2);

/// Looks at one object and does what follows. Says when to look again.
///
/// A replica that does not lead carries out releasing effects only, and reports nothing.
///
/// # Errors
/// [`ReconcileError`] where it did not come to its end; what was done before stays, and the next look goes on from there.
pub async fn reconcile<K: Kind>(context: &Context, key: &ObjectKey) -> Result<Wake, ReconcileError> {
    let failed = |error| ReconcileError::Observe(key.clone(), error);
    let reader = context.cluster.reader();
    let Some(object) = reader.get::<K::Object>(&key.namespace, &key.name).await.map_err(failed)? else {
        return Ok(Wake::OnChange);
    };
    // Boxed, both halves: what a look reads and holds is large, and whoever polls it has a stack of 2 MiB.
    let observed = Box::pin(observe::<K>(reader, key, &object)).await.map_err(failed)?;
    let valid = K::validate(observed, &context.settings);
    let now = context.clock.now();
    let plan = K::decide(&valid, now);
    Box::pin(Step::<K> { context, key, valid, now, object }.carry_out(plan)).await
}

/// Reads what the decision needs.
///
/// A namespace that is being deleted may lose our rights there before our objects. What may not be read then is gone, or goes
/// with the namespace, and waiting for it would hold the namespace by our finalizer for ever. In a namespace that lives, a
/// missing right proves nothing: it is an error, and nothing is settled by it.
async fn observe<K: Kind>(
    reader: Reader<'_>,
    key: &ObjectKey,
    object: &K::Object,
) -> Result<K::Observed, ClusterError> {
    let refused = match K::observe(reader, object.clone()).await {
        Err(error) if error.kind == ClusterErrorKind::Forbidden => error,
        answer => return answer,
    };
    if object.meta().deletion_timestamp.is_none() || !is_ending(reader, key).await {
        return Err(refused);
    }
    tracing::warn!(refused = %refused.chain(), "the namespace is being deleted: what may not be read is taken for gone");
    K::observe(reader.in_ending_namespace(), object.clone()).await
}

/// Whether the object's namespace is being deleted. What is not known counts as no.
async fn is_ending(reader: Reader<'_>, key: &ObjectKey) -> bool {
    match reader.is_ending(&key.namespace).await {
        Ok(ends) => ends,
        Err(error) => {
            let remedy = "give the operator the right to get namespaces: rights.ownKindsEverywhere of the chart does";
            tracing::warn!(error = %error.chain(), remedy, "whether the namespace is being deleted is not known");
            false
        }
    }
}

/// One look at one object, once it is decided.
struct Step<'a, K: Kind> {
    context: &'a Context,
    key: &'a ObjectKey,
    valid: K::Valid,
    now: Timestamp,
    object: K::Object,
}

impl<K: Kind> Step<'_, K> {
    /// Remembers, acts, reports, in this order; stops at the first failure. What rarely happens is boxed: else every look would
    /// carry the room for it.
    async fn carry_out(mut self, plan: Plan<Report<K::Status>>) -> Result<Wake, ReconcileError> {
        if let Some(violation) = check_plan(&plan).into_iter().next() {
            return Err(ReconcileError::Unsound { key: self.key.clone(), violation });
        }
        if !self.leads() {
            return Box::pin(self.release_only(plan)).await;
        }
        if let Some(cycle) = &plan.report.cycle {
            tracing::Span::current().record("cycle", cycle);
        }
        if let Some(remember) = &plan.remember {
            self.report(remember).await?;
        }
        for intent in &plan.intents {
            // A plan of several requests takes seconds where the API server is slow: whoever leads no more meanwhile begins
            // nothing more, and leaves the rest to who leads now.
            if intent.needs_leader() && !self.leads() {
                return Ok(self.follow(plan.wake));
            }
            for effect in K::build(&self.valid, intent, self.now) {
                if let Err(error) = self.execute(&effect).await {
                    return Box::pin(self.refused(&effect, error)).await;
                }
            }
        }
        if !self.leads() {
            return Ok(self.follow(plan.wake));
        }
        if !self.is_gone(&plan) {
            self.report(&plan.report).await?;
        }
        Ok(plan.wake)
    }

    fn leads(&self) -> bool {
        self.context.leadership.is_leader()
    }

    /// When a replica that does not lead looks again.
    fn follow(&self, wake: Wake) -> Wake {
        match wake {
            Wake::At(at) => Wake::At(at.max(later_by(self.now, FOLLOWER_WAIT))),
            Wake::OnChange => Wake::OnChange,
        }
    }

    /// What a replica does that does not lead.
    async fn release_only(mut self, plan: Plan<Report<K::Status>>) -> Result<Wake, ReconcileError> {
        for intent in plan.intents.iter().filter(|intent| !intent.needs_leader()) {
            for effect in K::build(&self.valid, intent, self.now) {
                let (name, done) = (effect.name(), self.execute(&effect).await);
                done.map_err(|source| ReconcileError::Execute { key: self.key.clone(), effect: name, source })?;
            }
        }
        Ok(self.follow(plan.wake))
    }

    /// An effect was refused. What users must see of it is told and reported; anything else is tried again.
    async fn refused(mut self, effect: &Effect, error: ClusterError) -> Result<Wake, ReconcileError> {
        let is_final = matches!(
            error.kind,
            ClusterErrorKind::Refused
                | ClusterErrorKind::Forbidden
                | ClusterErrorKind::Invalid
                | ClusterErrorKind::NameTaken
                | ClusterErrorKind::NotFound
        );
        let plan = if is_final { K::decide_refused(&self.valid, effect, &error, self.now) } else { None };
        if let Some(plan) = plan {
            // Whatever else follows from the refusal, the next look decides.
            for notice in plan.intents.iter().filter(|intent| matches!(intent, Intent::RecordEvent(_))) {
                for event in K::build(&self.valid, notice, self.now) {
                    let (name, told) = (event.name(), self.execute(&event).await);
                    told.map_err(|source| ReconcileError::Execute { key: self.key.clone(), effect: name, source })?;
                }
            }
            self.report(&plan.report).await?;
            return Ok(plan.wake);
        }
        Err(ReconcileError::Execute { key: self.key.clone(), effect: effect.name(), source: error })
    }

    async fn execute(&mut self, effect: &Effect) -> Result<(), ClusterError> {
        let Context { cluster, export, .. } = self.context;
        let outcome = execute(cluster, export.as_ref(), &self.key.namespace, effect).await?;
        tracing::info!(effect = effect.name(), "carried out");
        // A write of ours to the plan's own object moves its version on; the report tests the one that it left.
        if let Some((uid, resource_version)) = outcome.written
            && self.object.uid().as_ref() == Some(&uid)
        {
            self.object.meta_mut().resource_version = Some(resource_version);
        }
        Ok(())
    }

    /// Whether the plan let go of an object that was only waiting for that: there is nothing left to report on.
    fn is_gone(&self, plan: &Plan<Report<K::Status>>) -> bool {
        let own_uid = self.object.uid().unwrap_or_default();
        let concerns = |object: &phaseloop_core::plan::OwnObject| object.uid.as_str() == own_uid;
        plan.intents.iter().any(|intent| match intent {
            Intent::DeleteFinished(object) => concerns(object),
            Intent::RemoveFinalizer(object) => concerns(object) && self.object.meta().deletion_timestamp.is_some(),
            _ => false,
        })
    }

    /// Writes a status, if it says anything new.
    async fn report(&mut self, report: &Report<K::Status>) -> Result<(), ReconcileError> {
        let before = K::status(&self.object);
        let generation = self.object.meta().generation;
        let sealed = seal(report, before, generation, audited::<K>(&self.object), self.now);
        if before == Some(&sealed) {
            return Ok(());
        }
        let (from, to) = (before.and_then(KindStatus::state), sealed.state());
        K::set_status(&mut self.object, sealed);
        let written = write_status::<K::Object>(&self.context.cluster, &self.key.namespace, &self.object).await;
        self.object = written.map_err(|error| ReconcileError::Report(self.key.clone(), error))?;
        if from != to {
            let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
            tracing::info!(from, to, reason = report.reason, "{}", report.message);
        }
        Ok(())
    }
}
