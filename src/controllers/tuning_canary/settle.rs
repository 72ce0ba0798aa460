//! What a canary owes once it is gone: its use in the ledger, then its finalizer.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{
        Intent, OwnKind, OwnObject, Wake,
        record::{BudgetShare, CanaryFold},
    },
    value::Uid,
};

use super::{ValidTuningCanary, facts::canary_facts};

/// What is owed, and when to look again. A finalizer goes only after the fold and the end of its night, so that no name of
/// the night is free to be taken twice; at once where the Escalation is gone and its ledger with it, and after the fold where
/// the namespace goes.
pub(super) fn settle(valid: &ValidTuningCanary, now: Timestamp) -> (Vec<Intent>, Wake) {
    let Some(escalation) = &valid.escalation else {
        return (release_finalizer(valid), Wake::OnChange);
    };
    if !valid.has_finalizer() {
        return (Vec::new(), Wake::OnChange);
    }
    if !valid.is_folded() {
        let Some(facts) = canary_facts(&valid.object, &valid.zone()) else {
            return (release_finalizer(valid), Wake::OnChange);
        };
        let consumed = if facts.conclusion.is_some_and(phaseloop_core::policy::CanaryConclusion::consumes) {
            facts.consumes.iter().cloned().collect()
        } else {
            Vec::new()
        };
        let charge = facts.charge();
        let fold = CanaryFold {
            canary: valid.identity(),
            escalation: OwnObject::new(
                OwnKind::Escalation,
                escalation.name_any(),
                Uid::new(escalation.uid().unwrap_or_default()),
            ),
            escalation_resource_version: escalation.resource_version().unwrap_or_default(),
            night: facts.night.date,
            attempt: facts.attempt,
            used: BudgetShare { measure: charge.measure, hold: charge.hold },
            consumed,
        };
        return (vec![Intent::FoldCanaryIntoLedger(Box::new(fold))], Wake::At(now));
    }
    let over_at = valid.night_over_at();
    if valid.namespace_ends || valid.definition_ends || now >= over_at {
        return (release_finalizer(valid), Wake::OnChange);
    }
    (Vec::new(), Wake::At(over_at))
}

/// The finalizer goes, where it stands.
pub(super) fn release_finalizer(valid: &ValidTuningCanary) -> Vec<Intent> {
    valid.has_finalizer().then(|| Intent::RemoveFinalizer(valid.identity())).into_iter().collect()
}
