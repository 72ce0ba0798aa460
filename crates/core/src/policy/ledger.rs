//! The ledger: what each night has spent, which runs were consumed, when tuning runs began and ended. All of it is
//! computed from canaries: those that were folded into the Escalation's status, and those that still exist.

use jiff::{SignedDuration, Timestamp};

use super::{bound::BASELINE_REACH_MAX, night::NightId};
use crate::{prelude::*, schedule::earlier_by, value::Uid};

/// How long a night stays in the ledger: as long as its runs may serve a baseline, so that evidence and cost of a change
/// can be read side by side.
pub const LEDGER_MEMORY: SignedDuration = BASELINE_REACH_MAX;

/// Both budgets, or a use of both. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spend {
    /// Engine ready to measurement ended.
    pub measure: SignedDuration,
    /// Container started to container finished, times GPUs.
    pub hold: SignedDuration,
}

impl Spend {
    /// Nothing.
    pub const ZERO: Self = Self { measure: SignedDuration::ZERO, hold: SignedDuration::ZERO };

    /// Both sums.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { measure: self.measure.saturating_add(other.measure), hold: self.hold.saturating_add(other.hold) }
    }

    /// What is left of `self`, in each of the two at least nothing.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            measure: self.measure.saturating_sub(other.measure).max(SignedDuration::ZERO),
            hold: self.hold.saturating_sub(other.hold).max(SignedDuration::ZERO),
        }
    }

    /// Whether both cover both of `need`.
    pub fn covers(self, need: Self) -> bool {
        self.measure >= need.measure && self.hold >= need.hold
    }
}

/// What a canary tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum CanaryRole {
    /// What production runs with now; first in each tuning run, and the only one that consumes symptoms.
    Incumbent,
    /// Another configuration.
    Candidate,
}

/// How a canary ended, as far as the ledger asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum CanaryConclusion {
    /// Measured, and within its limits.
    Passed,
    /// Failed by its own configuration.
    Failed,
    /// Measured, and says nothing.
    Inconclusive,
    /// Ended by hand, by its window, or by a budget.
    Aborted,
    /// Ended by the cluster.
    Infrastructure,
}

impl CanaryConclusion {
    /// Whether an incumbent that ended so has used up the symptoms that led to it.
    pub const fn consumes(self) -> bool {
        match self {
            Self::Passed | Self::Failed => true,
            Self::Inconclusive | Self::Aborted | Self::Infrastructure => false,
        }
    }
}

/// A canary that exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryFacts {
    /// The night whose budgets it spends.
    pub night: NightId,
    /// Its number in that night, dense from 0.
    pub attempt: u32,
    /// The tuning run that it belongs to.
    pub cycle: String,
    /// What it tests.
    pub role: CanaryRole,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the kubelet reported its last container gone, or it was given up as lost.
    pub released_at: Option<Timestamp>,
    /// What was reserved for it.
    pub reserved: Spend,
    /// What the kubelet's timestamps prove that it used.
    pub proven: Option<Spend>,
    /// How it ended.
    pub conclusion: Option<CanaryConclusion>,
    /// Uids of the runs that it consumes.
    pub consumes: BTreeSet<Uid>,
}

impl CanaryFacts {
    /// What it counts for: what is proven once it is gone, else all that was reserved.
    ///
    /// A use beyond the reservation counts in full. A negative one (two clocks) proves nothing.
    pub fn charge(&self) -> Spend {
        let Some(proven) = self.proven.filter(|_| self.released_at.is_some()) else { return self.reserved };
        let or_reserved = |proven: SignedDuration, reserved: SignedDuration| {
            if proven.is_negative() { reserved } else { proven }
        };
        Spend {
            measure: or_reserved(proven.measure, self.reserved.measure),
            hold: or_reserved(proven.hold, self.reserved.hold),
        }
    }

    /// The runs that it has used up by now.
    fn consumed(&self) -> impl Iterator<Item = &Uid> {
        let consumes = self.role == CanaryRole::Incumbent && self.conclusion.is_some_and(CanaryConclusion::consumes);
        self.consumes.iter().filter(move |_| consumes)
    }
}

/// A tuning run, from its canaries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TuningRunFacts {
    /// Its cycle id.
    pub cycle: String,
    /// When its first canary was made.
    pub started_at: Timestamp,
    /// When it ended; `None` while it goes on.
    pub ended_at: Option<Timestamp>,
}

/// What is remembered of a canary that was folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoldedCanary {
    /// What was reserved.
    pub reserved: Spend,
    /// What it counts for.
    pub used: Spend,
}

/// Whether a canary was folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Folding {
    /// It is in the ledger now.
    Folded,
    /// It was there before; nothing changed.
    AlreadyFolded,
    /// Its containers are not gone, or it has no conclusion yet; nothing changed.
    StillRunning,
}

/// `status.ledger`: what must outlive the canaries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Ledger {
    /// By night and attempt.
    pub nights: BTreeMap<NightId, BTreeMap<u32, FoldedCanary>>,
    /// Runs whose symptoms were used up.
    pub consumed: BTreeSet<Uid>,
    /// Tuning runs of folded canaries, by cycle.
    pub runs: BTreeMap<String, TuningRunFacts>,
}

/// What a night has spent and may still spend.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NightBalance {
    /// The night.
    pub night: NightId,
    /// What it may spend.
    pub budget: Spend,
    /// What canaries used that are gone; all that was reserved, where nothing proves what they used.
    pub used: Spend,
    /// What is reserved for canaries that are not gone yet.
    pub reserved: Spend,
    /// What is left.
    pub remaining: Spend,
}

impl Ledger {
    /// Takes a canary that is gone and concluded into the ledger. Doing it again changes nothing, whatever its status says
    /// then.
    pub fn fold(&mut self, canary: &CanaryFacts) -> Folding {
        let Some(released_at) = canary.released_at.filter(|_| canary.conclusion.is_some()) else {
            return Folding::StillRunning;
        };
        let night = self.nights.entry(canary.night.clone()).or_default();
        if night.contains_key(&canary.attempt) {
            return Folding::AlreadyFolded;
        }
        night.insert(canary.attempt, FoldedCanary { reserved: canary.reserved, used: canary.charge() });
        self.consumed.extend(canary.consumed().cloned());
        let run = self.runs.entry(canary.cycle.clone()).or_insert_with(|| TuningRunFacts {
            cycle: canary.cycle.clone(),
            started_at: canary.created_at,
            ended_at: None,
        });
        run.started_at = run.started_at.min(canary.created_at);
        run.ended_at = run.ended_at.max(Some(released_at));
        Folding::Folded
    }

    /// Whether the attempt of a night is in the ledger.
    pub fn holds(&self, night: &NightId, attempt: u32) -> bool {
        self.nights.get(night).is_some_and(|night| night.contains_key(&attempt))
    }

    /// What a night has spent and may still spend: folded canaries and those that exist, each once.
    pub fn balance(&self, canaries: &[CanaryFacts], night: &NightId, budget: Spend) -> NightBalance {
        let folded = self.nights.get(night);
        let mut used = folded.into_iter().flat_map(BTreeMap::values).fold(Spend::ZERO, |sum, one| sum.plus(one.used));
        let mut reserved = Spend::ZERO;
        for canary in self.unfolded(canaries).filter(|canary| canary.night == *night) {
            if canary.released_at.is_some() {
                used = used.plus(canary.charge());
            } else {
                reserved = reserved.plus(canary.charge());
            }
        }
        let remaining = budget.less(used.plus(reserved));
        NightBalance { night: night.clone(), budget, used, reserved, remaining }
    }

    /// The number of the night's next canary: dense, so that whoever has not seen all below it can't take it.
    ///
    /// # Errors
    /// The first number that is missing below one that was seen: the view is stale, and nothing may start on it.
    pub fn next_attempt(&self, canaries: &[CanaryFacts], night: &NightId) -> Result<u32, u32> {
        let folded = self.nights.get(night).into_iter().flat_map(BTreeMap::keys).copied();
        let seen = canaries.iter().filter(|canary| canary.night == *night).map(|canary| canary.attempt);
        let attempts: BTreeSet<u32> = folded.chain(seen).collect();
        let mut next = 0;
        for attempt in attempts {
            if attempt != next {
                return Err(next);
            }
            next += 1;
        }
        Ok(next)
    }

    /// The runs whose symptoms are used up, by folded canaries and by those that exist.
    pub fn consumed_runs(&self, canaries: &[CanaryFacts]) -> BTreeSet<Uid> {
        self.consumed.iter().chain(canaries.iter().flat_map(CanaryFacts::consumed)).cloned().collect()
    }

    /// Every tuning run, oldest first. One with a canary that has not ended has not ended.
    pub fn tuning_runs(&self, canaries: &[CanaryFacts]) -> Vec<TuningRunFacts> {
        let mut runs = self.runs.clone();
        for canary in self.unfolded(canaries) {
            let run = runs.entry(canary.cycle.clone()).or_insert_with(|| TuningRunFacts {
                cycle: canary.cycle.clone(),
                started_at: canary.created_at,
                ended_at: canary.released_at,
            });
            run.started_at = run.started_at.min(canary.created_at);
            run.ended_at = run.ended_at.max(canary.released_at);
        }
        let running: BTreeSet<&str> = self
            .unfolded(canaries)
            .filter(|canary| canary.released_at.is_none())
            .map(|canary| canary.cycle.as_str())
            .collect();
        let mut runs: Vec<TuningRunFacts> = runs.into_values().collect();
        for run in &mut runs {
            if running.contains(run.cycle.as_str()) {
                run.ended_at = None;
            }
        }
        runs.sort_by(|one, other| (one.started_at, &one.cycle).cmp(&(other.started_at, &other.cycle)));
        runs
    }

    /// Forgets what can matter no more: nights and tuning runs that ended [`LEDGER_MEMORY`] ago (or longer, if a gate
    /// looks back further), and consumed runs that exist no more.
    pub fn forget_old(&mut self, existing_runs: &BTreeSet<Uid>, longest_gate: SignedDuration, now: Timestamp) {
        let horizon = earlier_by(now, LEDGER_MEMORY.max(longest_gate));
        self.nights.retain(|night, _| night.date >= night.zone.date(horizon));
        self.runs.retain(|_, run| run.ended_at.is_none_or(|ended_at| ended_at > horizon));
        self.consumed.retain(|uid| existing_runs.contains(uid));
    }

    /// The canaries that are not in the ledger yet, each attempt once.
    fn unfolded<'a>(&'a self, canaries: &'a [CanaryFacts]) -> impl Iterator<Item = &'a CanaryFacts> {
        let mut seen = BTreeSet::new();
        canaries.iter().filter(move |canary| {
            !self.holds(&canary.night, canary.attempt) && seen.insert((&canary.night, canary.attempt))
        })
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
