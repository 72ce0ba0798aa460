//! What the driver needs of a kind.

use std::{fmt::Debug, future::Future};

use jiff::Timestamp;
use phaseloop_core::{
    audit::AuditedObject,
    plan::{Intent, OwnKind, Plan},
};
use serde::Serialize;

use super::{OperatorSettings, Report};
use crate::{
    api::{audit::TransitionHistory, condition::Condition},
    cluster::{ClusterError, Effect, Reader, read::Readable},
};

/// A status as the driver handles it, whichever kind it is of.
pub trait KindStatus: Clone + PartialEq + Default + Debug + Send + Sync {
    /// `observedGeneration`.
    fn observed_generation_mut(&mut self) -> &mut Option<i64>;
    /// The conditions.
    fn conditions(&self) -> &[Condition];
    /// The conditions, to be set.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;
    /// The chain of transitions.
    fn history(&self) -> Option<&TransitionHistory>;
    /// The chain of transitions, to be set.
    fn history_mut(&mut self) -> &mut Option<TransitionHistory>;
    /// The phase or state by its name: a change of it is a transition, and is recorded.
    fn state(&self) -> Option<String>;
    /// Whether the kind lives on: then its chain is bounded, and the export holds the rest.
    fn lives_on() -> bool;
}

/// One of our kinds, as the driver reconciles it.
pub trait Kind: Send + Sync + 'static {
    /// The wire type.
    type Object: Readable + Serialize;
    /// Its status.
    type Status: KindStatus;
    /// Everything that was read for one look at one object.
    type Observed: Send;
    /// The same as the core's values. What is wrong with the spec is part of it: a spec that can't work is a state that
    /// is reported, not an error of the driver.
    type Valid: Send + Sync;

    /// Which kind.
    const KIND: OwnKind;

    /// The object's status, where it has one.
    fn status(object: &Self::Object) -> Option<&Self::Status>;
    /// Sets the object's status.
    fn set_status(object: &mut Self::Object, status: Self::Status);

    /// Reads everything that the decision can need, once, and decides nothing. Absence is an `Option`.
    ///
    /// # Errors
    /// A [`ClusterError`] of the first call that failed.
    fn observe(
        reader: Reader<'_>,
        object: Self::Object,
    ) -> impl Future<Output = Result<Self::Observed, ClusterError>> + Send;

    /// Turns wire objects into the core's values. Pure and total.
    fn validate(observed: Self::Observed, settings: &OperatorSettings) -> Self::Valid;

    /// What follows, at an instant. Pure.
    fn decide(valid: &Self::Valid, now: Timestamp) -> Plan<Report<Self::Status>>;

    /// The effects of one intent, with their built objects. Pure and total: no choice is left.
    fn build(valid: &Self::Valid, intent: &Intent, now: Timestamp) -> Vec<Effect>;

    /// What follows where the cluster refused an effect for good (a quota, an admission rule, a missing right): what
    /// users must see. `None`: nothing but trying again.
    fn decide_refused(
        _valid: &Self::Valid,
        _effect: &Effect,
        _error: &ClusterError,
        _now: Timestamp,
    ) -> Option<Plan<Report<Self::Status>>> {
        None
    }
}

/// The object of a record in the audit chain.
pub fn audited<K: Kind>(object: &K::Object) -> AuditedObject {
    use kube::ResourceExt;
    AuditedObject {
        kind: K::KIND.name().to_owned(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: phaseloop_core::value::Uid::new(object.uid().unwrap_or_default()),
    }
}

/// Implements [`KindStatus`] for a status with the usual fields.
#[macro_export]
macro_rules! kind_status {
    ($status:ty, lives_on: $lives_on:literal, state: $state:expr) => {
        impl $crate::controllers::KindStatus for $status {
            fn observed_generation_mut(&mut self) -> &mut Option<i64> {
                &mut self.observed_generation
            }
            fn conditions(&self) -> &[$crate::api::Condition] {
                &self.conditions
            }
            fn conditions_mut(&mut self) -> &mut Vec<$crate::api::Condition> {
                &mut self.conditions
            }
            fn history(&self) -> Option<&$crate::api::audit::TransitionHistory> {
                self.history.as_ref()
            }
            fn history_mut(&mut self) -> &mut Option<$crate::api::audit::TransitionHistory> {
                &mut self.history
            }
            fn state(&self) -> Option<String> {
                let state: fn(&Self) -> Option<String> = $state;
                state(self)
            }
            fn lives_on() -> bool {
                $lives_on
            }
        }
    };
}
