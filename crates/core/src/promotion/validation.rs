//! Which run decides whether a promoted value stays, and what it decides.
//!
//! A run that decides is not consumed by the promotion: counting reads PhaseRuns, and only the incumbent canary of a
//! tuning run consumes them. So the symptom of a night that did not validate counts as 1 of the threshold by itself:
//! the loop goes on from there.

use jiff::Timestamp;

use super::{PromotionFacts, PromotionReason, PromotionTerms, progress::ValidatingRun};
use crate::value::{RunFacts, Symptom, Verdict};

/// What a deciding run says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The run.
    pub run: ValidatingRun,
    /// `Improved`, `SymptomPersists` or `SomethingElseWorse`.
    pub reason: PromotionReason,
}

/// The judgement of the first run that decides; `None` while there is none.
///
/// A run decides if it is valid, healthy or degraded (an unknown one decides nothing), started after the rollout was
/// seen finished, covers every domain of the symptom with the same workload, saw the promoted template at its start and
/// at its end, and was judged by the deadline. Which one is the first does not depend on when anybody looks.
pub fn judge(facts: &PromotionFacts, rolled_out_at: Timestamp, promoted_template_hash: &str) -> Option<Judgement> {
    let decides = |run: &&RunFacts| {
        run.valid
            && matches!(run.verdict, Verdict::Healthy | Verdict::Degraded)
            && run.started_at > rolled_out_at
            && run.completed_at <= facts.terms.validate_by
            && covers(run, &facts.terms)
            && saw_only(run, promoted_template_hash)
    };
    let first = facts.runs.iter().filter(decides).min_by_key(|run| (run.started_at, &run.uid))?;
    let run = ValidatingRun { uid: first.uid.clone(), name: first.name.clone(), verdict: first.verdict };
    Some(Judgement { run, reason: finding(first, &facts.terms) })
}

/// Whether the run measured every domain of the symptom under the same load. Terms that name no domain are covered by
/// nothing.
fn covers(run: &RunFacts, terms: &PromotionTerms) -> bool {
    !terms.domains.is_empty()
        && terms.domains.iter().all(|(domain, workload)| run.workloads.get(domain) == Some(workload))
}

/// Whether the run saw this template from its start to its end.
fn saw_only(run: &RunFacts, template_hash: &str) -> bool {
    run.template_hash_at_start.as_deref() == Some(template_hash)
        && run.template_hash_at_end.as_deref() == Some(template_hash)
}

/// What a deciding run found.
fn finding(run: &RunFacts, terms: &PromotionTerms) -> PromotionReason {
    let persists = |symptom: &Symptom| symptom.kind == terms.symptom && terms.domains.contains_key(&symptom.domain);
    if run.symptoms.iter().any(persists) {
        PromotionReason::SymptomPersists
    } else if run.verdict == Verdict::Healthy && run.symptoms.is_empty() {
        PromotionReason::Improved
    } else {
        PromotionReason::SomethingElseWorse
    }
}

#[cfg(test)]
#[path = "validation_tests.rs"]
mod tests;
