//! The load of a tuning run's canaries, and the domain whose symptom it is for.

use std::collections::BTreeSet;

use kube::ResourceExt;
use phaseloop_core::{
    cycle::TuningReason,
    value::{RunFacts, Severity, SymptomKind, Uid},
};

use super::Basis;
use crate::api::{
    Escalation,
    workload::{Slo, Workload},
};

/// What a tuning run's canaries are measured under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CanaryLoad {
    /// The load.
    pub(super) workload: Workload,
    /// When a request is good.
    pub(super) slo: Slo,
}

/// The domain that raised a symptom, in the newest of some runs.
pub(super) struct RaisedBy<'a> {
    /// The run.
    pub(super) run: &'a RunFacts,
    /// The domain; of several the one whose symptom is gravest, and then the first.
    pub(super) domain: &'a str,
}

/// Which run and domain raised the symptom.
pub(super) fn raised_by<'a>(
    runs: &'a [RunFacts],
    consumes: &BTreeSet<Uid>,
    symptom: SymptomKind,
) -> Option<RaisedBy<'a>> {
    let shows = |run: &&RunFacts| consumes.contains(&run.uid) && run.symptoms.iter().any(|found| found.kind == symptom);
    let run = runs.iter().filter(shows).max_by_key(|run| (run.completed_at, &run.uid))?;
    let mut found = run.symptoms.iter().filter(|found| found.kind == symptom);
    let gravest = found.clone().find(|found| found.severity == Severity::Critical).or_else(|| found.next())?;
    Some(RaisedBy { run, domain: &gravest.domain })
}

/// The Escalation's own load and limits; what it leaves out is that of the domain which raised the symptom.
///
/// # Errors
/// Neither gives a load, or limits, with a sentence.
pub(super) fn canary_load(
    escalation: &Escalation,
    basis: &Basis,
    consumes: &BTreeSet<Uid>,
    symptom: SymptomKind,
) -> Result<CanaryLoad, (TuningReason, String)> {
    let canary = &escalation.spec.canary;
    let raised = raised_by(&basis.run_facts, consumes, symptom);
    let serving = raised.as_ref().and_then(|raised| {
        let run = basis.runs.iter().find(|run| run.uid().as_deref() == Some(raised.run.uid.as_str()))?;
        let domain = run.spec.domains.iter().find(|domain| domain.name == raised.domain)?;
        domain.serving.clone()
    });
    let domain = raised.map_or_else(|| "that raised the symptom".to_owned(), |raised| raised.domain.to_owned());
    let workload = canary.workload.clone().or_else(|| serving.as_ref().map(|serving| serving.workload.clone()));
    let slo = canary.slo.clone().or_else(|| serving.and_then(|serving| serving.slo));
    match (workload, slo) {
        (None, _) => {
            let message = format!("domain {domain} has no serving workload; set spec.canary.workload");
            Err((TuningReason::NoWorkload, message))
        }
        (_, None) => {
            let message = format!("domain {domain} has no slo; set spec.canary.slo");
            Err((TuningReason::NoLimits, message))
        }
        (Some(workload), Some(slo)) => Ok(CanaryLoad { workload, slo }),
    }
}
