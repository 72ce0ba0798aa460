//! The registry: every oracle sees every fact, and its evaluations are counted, because an oracle that was never asked
//! proves nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    arming::OneFlagIsArmed,
    audit::AuditIsWhole,
    borrowing::{BorrowedIsGivenBack, BorrowingIsRemembered},
    budget::{BudgetsAreKept, PodsArePreceded, ReservationsFit},
    canary::{AbortIsQuick, AbortWins, CandidatesAreAllowed, FitnessRestsOnEvidence, PassedWasMeasured},
    config_map::ConfigMapGoesFirst,
    counting::{ArmedIsCounted, ExpiredStartsNothing, UnknownCountsNothing},
    exclusion::{AttemptsAreDense, OnePodPerOwner, OneTestPodPerTarget, OneTuningRunPerTarget},
    fact::{At, Fact},
    isolation::{PodsAreIsolated, TargetIsLeftAlone},
    ledger::LedgerOnlyGrows,
    network::PodsHaveTheirNetworkPolicy,
    overwriting::OthersAreNotOverwritten,
    ownership::NothingIsOrphaned,
    pace::{CooldownIsKept, PodsStayInTheirWindow, RateIsKept},
    promotion::{LifeFollowsTheEdges, OneOpenPromotion, PromotedWasTested, RolledBackIsExact, ValidatedByALaterRun},
};

/// One thing that must hold.
pub trait Invariant: CloneInvariant + Send {
    /// Its name: a sentence in snake case, with its number in the design's list.
    fn name(&self) -> &'static str;
    /// Looks at a fact. `None`: it does not concern this invariant. Else whether it held, or what was wrong.
    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>>;
}

/// Copies an invariant with all that it has seen: a history that forks takes its watchers along.
pub trait CloneInvariant {
    /// The copy.
    fn clone_boxed(&self) -> Box<dyn Invariant>;
}

impl<T: Invariant + Clone + 'static> CloneInvariant for T {
    fn clone_boxed(&self) -> Box<dyn Invariant> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Invariant> {
    fn clone(&self) -> Self {
        (**self).clone_boxed()
    }
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// When.
    pub at: Timestamp,
    /// What was seen.
    pub message: String,
}

/// How often each invariant was evaluated, and what was violated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvariantFigures {
    /// Evaluations by invariant; 0 means that the scenario never put it to the test.
    pub evaluated: BTreeMap<&'static str, u64>,
    /// Violations, in order. More than [`VIOLATIONS_MAX`] are counted only.
    pub violations: Vec<Violation>,
    /// All violations.
    pub violations_total: u64,
}

/// Violations that are kept with their words: after a hundred, the first ones say what is wrong.
pub const VIOLATIONS_MAX: usize = 100;

/// All oracles.
#[derive(Clone)]
pub struct Oracles {
    invariants: Vec<Box<dyn Invariant>>,
    figures: InvariantFigures,
}

impl Default for Oracles {
    fn default() -> Self {
        Self::of(vec![
            Box::<BudgetsAreKept>::default(),
            Box::<PodsArePreceded>::default(),
            Box::<ReservationsFit>::default(),
            Box::<LedgerOnlyGrows>::default(),
            Box::<OneTuningRunPerTarget>::default(),
            Box::<OneTestPodPerTarget>::default(),
            Box::<OnePodPerOwner>::default(),
            Box::<AttemptsAreDense>::default(),
            Box::<PodsStayInTheirWindow>::default(),
            Box::<CooldownIsKept>::default(),
            Box::<RateIsKept>::default(),
            Box::<ArmedIsCounted>::default(),
            Box::<OneFlagIsArmed>::default(),
            Box::<ExpiredStartsNothing>::default(),
            Box::<UnknownCountsNothing>::default(),
            Box::<PodsAreIsolated>::default(),
            Box::<TargetIsLeftAlone>::default(),
            Box::<PodsHaveTheirNetworkPolicy>::default(),
            Box::<BorrowingIsRemembered>::default(),
            Box::<BorrowedIsGivenBack>::default(),
            Box::<AbortIsQuick>::default(),
            Box::<AbortWins>::default(),
            Box::<PassedWasMeasured>::default(),
            Box::<FitnessRestsOnEvidence>::default(),
            Box::<CandidatesAreAllowed>::default(),
            Box::<PromotedWasTested>::default(),
            Box::<LifeFollowsTheEdges>::default(),
            Box::<OneOpenPromotion>::default(),
            Box::<ValidatedByALaterRun>::default(),
            Box::<RolledBackIsExact>::default(),
            Box::<OthersAreNotOverwritten>::default(),
            Box::<ConfigMapGoesFirst>::default(),
            Box::<NothingIsOrphaned>::default(),
            Box::<AuditIsWhole>::default(),
        ])
    }
}

impl Oracles {
    /// These invariants.
    pub fn of(invariants: Vec<Box<dyn Invariant>>) -> Self {
        let evaluated = invariants.iter().map(|invariant| (invariant.name(), 0)).collect();
        Self { invariants, figures: InvariantFigures { evaluated, ..InvariantFigures::default() } }
    }

    /// Shows a fact to every invariant.
    pub fn see(&mut self, now: Timestamp, fact: Fact<'_>) {
        let at = At { now, fact };
        for invariant in &mut self.invariants {
            let Some(outcome) = invariant.look(&at) else { continue };
            *self.figures.evaluated.entry(invariant.name()).or_default() += 1;
            if let Err(message) = outcome {
                self.figures.violations_total += 1;
                if self.figures.violations.len() < VIOLATIONS_MAX {
                    self.figures.violations.push(Violation { invariant: invariant.name(), at: now, message });
                }
            }
        }
    }

    /// What was found so far.
    pub const fn figures(&self) -> &InvariantFigures {
        &self.figures
    }

    /// What was found.
    pub fn into_figures(self) -> InvariantFigures {
        self.figures
    }
}

impl std::fmt::Debug for Oracles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracles").field("figures", &self.figures).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_invariants_share_a_name_and_each_begins_with_its_number() {
        let oracles = Oracles::default();
        let names: BTreeSet<&str> = oracles.invariants.iter().map(|invariant| invariant.name()).collect();
        assert_eq!(names.len(), oracles.invariants.len());
        for name in names {
            let number = name.strip_prefix('i').and_then(|rest| rest.split('_').next()).unwrap();
            assert!(number.parse::<u32>().is_ok(), "{name}");
        }
    }

    #[test]
    fn an_invariant_that_never_was_asked_shows_zero() {
        let mut oracles = Oracles::default();
        oracles.see(Timestamp::UNIX_EPOCH, Fact::Settled);
        assert!(oracles.figures().evaluated.values().all(|count| *count == 0));
        assert_eq!(oracles.figures().violations_total, 0);
    }
}
