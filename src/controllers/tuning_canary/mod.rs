//! TuningCanary: one candidate, or the incumbent, in one isolated pod. The object is the reservation of its budgets; the pod
//! needs an operator to begin, never to end. The Escalation makes canaries and reads what they showed; the kubelet ends
//! their pods; anybody may abort one. A canary is looked at when its pod, its Escalation or itself changes. It never makes
//! a pod past `notAfter`, never makes a second one, and never changes the target.
//!
//! **What lives here**: what a canary reads (`observe`, `validate`), how its pod begins (`pod`), goes on (`decide`,
//! `progress`), is ended (`release`) and judged (`score`), what of it people are told (`tell`), how its use enters the ledger
//! (`settle`), and how others read canaries (`facts`).
//!
//! **What must not**: judging (the core does it), the shape of a test pod (`workload`), which candidate is next
//! (`escalation`).

mod build;
mod decide;
pub mod facts;
mod observe;
mod pod;
mod progress;
mod release;
mod score;
mod settle;
mod status;
mod tell;
mod validate;

use jiff::Timestamp;
use phaseloop_core::plan::{Intent, OwnKind, Plan};

pub use self::{
    observe::{ObservedTuningCanary, ObservedWorld},
    validate::{ValidTuningCanary, ValidWorld},
};
use super::{Kind, OperatorSettings, Report};
use crate::{
    api::{TuningCanary, TuningCanaryStatus},
    cluster::{ClusterError, Effect, Reader},
};

/// The kind TuningCanary.
#[derive(Debug, Clone, Copy)]
pub struct TuningCanaries;

impl Kind for TuningCanaries {
    type Object = TuningCanary;
    type Status = TuningCanaryStatus;
    type Observed = ObservedTuningCanary;
    type Valid = ValidTuningCanary;

    const KIND: OwnKind = OwnKind::TuningCanary;

    fn status(object: &TuningCanary) -> Option<&TuningCanaryStatus> {
        object.status.as_ref()
    }

    fn set_status(object: &mut TuningCanary, status: TuningCanaryStatus) {
        object.status = Some(status);
    }

    async fn observe(reader: Reader<'_>, object: TuningCanary) -> Result<ObservedTuningCanary, ClusterError> {
        observe::observe(reader, object).await
    }

    fn validate(observed: ObservedTuningCanary, settings: &OperatorSettings) -> ValidTuningCanary {
        validate::validate(observed, settings)
    }

    fn decide(valid: &ValidTuningCanary, now: Timestamp) -> Plan<Report<TuningCanaryStatus>> {
        decide::decide(valid, now)
    }

    fn build(valid: &ValidTuningCanary, intent: &Intent, now: Timestamp) -> Vec<Effect> {
        build::build(valid, intent, now)
    }

    fn decide_refused(
        valid: &ValidTuningCanary,
        effect: &Effect,
        error: &ClusterError,
        now: Timestamp,
    ) -> Option<Plan<Report<TuningCanaryStatus>>> {
        decide::decide_refused(valid, effect, error, now)
    }
}

#[cfg(test)]
pub(crate) mod fixture;
