//! Winding up in the place of an operator that is gone: the same reconciles, in this process, once its Deployment has no
//! replica any more.
//!
//! Everything was suspended before, so nothing begins; and every write tests what it rests on, so that an operator which is
//! not gone after all collides instead of being undone.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    judge::{may_owe_replica, place_of},
    observe::Installation,
};
use crate::{
    cluster::{Clock, Cluster, execute::AuditExport},
    controllers::{
        Context, Kind, Leadership, ObjectKey, OperatorSettings, ReconcileError, escalation::Escalations,
        phase_run::PhaseRuns, promotion::Promotions, reconcile, tuning_canary::TuningCanaries,
    },
};

/// Whoever winds up leads: there is nobody else.
struct Leads;

impl Leadership for Leads {
    fn is_leader(&self) -> bool {
        true
    }
}

/// The instant of one look.
struct Instant(Timestamp);

impl Clock for Instant {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Looks once at everything that may owe something. Says what failed.
pub(super) async fn wind_up(
    cluster: &Cluster,
    export: &Arc<dyn AuditExport>,
    there: &Installation,
    now: Timestamp,
) -> Vec<String> {
    let context = Context {
        cluster: cluster.clone(),
        clock: Arc::new(Instant(now)),
        leadership: Arc::new(Leads),
        export: export.clone(),
        // No pod is made, so that no image is needed.
        settings: Arc::new(OperatorSettings::for_image("phaseloop")),
    };
    let mut failures = Vec::new();
    for run in &there.runs {
        look::<PhaseRuns>(&context, place_of(run.as_ref()), &mut failures).await;
    }
    for canary in &there.canaries {
        look::<TuningCanaries>(&context, place_of(canary.as_ref()), &mut failures).await;
    }
    // A tuning run that borrowed gives back; all else that an Escalation does may wait.
    for escalation in there.escalations.iter().filter(|escalation| may_owe_replica(escalation)) {
        look::<Escalations>(&context, place_of(escalation.as_ref()), &mut failures).await;
    }
    for promotion in &there.promotions {
        look::<Promotions>(&context, place_of(promotion.as_ref()), &mut failures).await;
    }
    failures
}

async fn look<K: Kind>(context: &Context, (namespace, name): (String, String), failures: &mut Vec<String>) {
    // On the heap: a reconcile holds whatever its kind reads.
    let looked = Box::pin(reconcile::<K>(context, &ObjectKey::new(namespace, name))).await;
    failures.extend(looked.err().map(|error: ReconcileError| {
        let call = error.call().map(|call| format!(": {}", call.chain())).unwrap_or_default();
        format!("{error}{call}")
    }));
}
