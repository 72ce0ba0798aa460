//! What decisions about a target rest on: the core's facts beside the objects that they were read from.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::{
    cycle::{CurrentRun, CycleDecision, CycleFacts, CyclePolicy, decide_cycle},
    plan::name::{cycle_name, promotion_name},
    policy::{CanaryFacts, Flag, Ledger, Suspension, TargetClaims},
    tuning::{self, Fingerprint},
    value::{Environment, RunFacts, TargetReference},
};

use super::{TargetBasis, load::canary_load, run::TuningRun};
use crate::api::{Escalation, PhaseRun, Promotion, TuningCanary, escalation::status::DeniedCandidate};

/// What decisions about a target rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// Name of the Escalation.
    pub name: String,
    /// The target's name.
    pub reference: TargetReference,
    /// The target; absent where there is none.
    pub target: Option<TargetBasis>,
    /// What the Escalation allows.
    pub policy: CyclePolicy,
    /// The target's runs.
    pub runs: Vec<Arc<PhaseRun>>,
    /// Those that were judged, as counting sees them.
    pub run_facts: Vec<RunFacts>,
    /// The target's canaries, by night and attempt.
    pub canaries: Vec<Arc<TuningCanary>>,
    /// The same as the ledger sees them.
    pub canary_facts: Vec<CanaryFacts>,
    /// The target's promotions.
    pub promotions: Vec<Arc<Promotion>>,
    /// What was folded.
    pub ledger: Ledger,
    /// The flags as they stood before.
    pub flags_before: Vec<Flag>,
    /// What else lays claim to the target.
    pub claims: TargetClaims,
    /// The kill switch.
    pub suspension: Option<Suspension>,
    /// What the target runs on and with.
    pub environment: Environment,
    /// What its healthy runs were configured with.
    pub healthy: Option<BTreeMap<String, String>>,
    /// Candidates that are not tried again.
    pub denied: Vec<DeniedCandidate>,
    /// How long engines took to start.
    pub engine_starts: Vec<SignedDuration>,
    /// The PhaseRun that tests the target with a GPU now.
    pub active_run: Option<String>,
}

impl Basis {
    /// The tuning run that was begun last.
    pub(super) fn latest_run(&self) -> Option<TuningRun<'_>> {
        TuningRun::latest(&self.canaries, &self.name)
    }

    /// The promotion of a cycle. There is one at most, by its name.
    pub(super) fn promotion_of(&self, cycle: &str) -> Option<&Promotion> {
        let name = promotion_name(&self.reference, cycle);
        let promotions = self.promotions.iter().map(Arc::as_ref);
        promotions.into_iter().find(|promotion| promotion.spec.cycle == cycle || promotion.name_any() == name)
    }

    /// Whether the tuning run of a cycle was ever begun: by its canaries, by the ledger when they are gone, or by what it
    /// came to.
    pub(super) fn was_begun(&self, cycle: &str) -> bool {
        self.canaries.iter().any(|canary| canary.spec.cycle == cycle)
            || self.ledger.runs.contains_key(cycle)
            || self.promotion_of(cycle).is_some()
    }

    /// Asks the core. With a run that goes on its canaries are asked for as its incumbent was.
    pub(super) fn decide(
        &self,
        escalation: &Escalation,
        current: Option<&TuningRun<'_>>,
        now: Timestamp,
    ) -> CycleDecision {
        let mut policy = self.policy.clone();
        let mut consumes = std::collections::BTreeSet::new();
        if let Some(run) = current {
            consumes = run.consumes();
            if let Some(spec) = run.incumbent().map(|canary| &canary.spec) {
                policy.canary.measure = spec.measure.into();
                policy.canary.start_timeout = spec.start_timeout.into();
                policy.canary.grace = spec.grace.into();
            }
        }
        let current = current.map(|run| CurrentRun { cycle: run.cycle, symptom: run.symptom(), consumes: &consumes });
        let decision = decide_cycle(&policy, &self.facts(current, &self.denials()), now);
        // What a canary will offer depends on the domain that raised the symptom, which the decision tells.
        let load = decision
            .permission
            .as_ref()
            .and_then(|permission| canary_load(escalation, self, &permission.consumes, permission.symptom).ok());
        match load {
            Some(load) if escalation.spec.canary.workload.is_none() || escalation.spec.canary.slo.is_none() => {
                policy.load.rate_per_second = load.workload.arrival.rate;
                policy.load.requests_max = u64::try_from(load.workload.requests).ok();
                policy.load.answer_limit = load.slo.e2e.map(Into::into);
                decide_cycle(&policy, &self.facts(current, &self.denials()), now)
            }
            _ => decision,
        }
    }

    fn denials(&self) -> Vec<tuning::DeniedCandidate> {
        let denied = |entry: &DeniedCandidate| tuning::DeniedCandidate {
            fingerprint: Fingerprint(entry.fingerprint.clone()),
            reason: entry.reason.clone(),
        };
        self.denied.iter().map(denied).collect()
    }

    fn facts<'a>(&'a self, current: Option<CurrentRun<'a>>, denied: &'a [tuning::DeniedCandidate]) -> CycleFacts<'a> {
        CycleFacts {
            runs: &self.run_facts,
            flags_before: &self.flags_before,
            ledger: &self.ledger,
            canaries: &self.canary_facts,
            claims: &self.claims,
            suspension: self.suspension.as_ref(),
            environment: &self.environment,
            healthy: self.healthy.as_ref(),
            denied,
            engine_starts: &self.engine_starts,
            current,
        }
    }

    /// The cycle that a run begins.
    pub(super) fn cycle_of(run: &phaseloop_core::policy::CountedRun) -> String {
        cycle_name(&run.name, &run.uid)
    }
}
