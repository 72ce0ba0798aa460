//! All points of a story, on several threads.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use jiff::SignedDuration;
use serde::Serialize;

use super::{
    compare::{Difference, compare},
    history::{Histories, HistoryError},
    point::{Disturbance, Point, points},
};
use crate::{
    api::Duration,
    simulation::{oracle::Violation, scenario::ScenarioFile},
};

/// Stack of a thread: a look at an object is a deep future where nothing is optimised.
const STACK_BYTES: usize = 16 << 20;

/// How a survey is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyTerms {
    /// Threads.
    pub threads: usize,
    /// Of each disturbance the first point and every so-manieth after it: 1 takes all.
    pub stride: usize,
}

/// A point at which something was not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The point, as `--crash-at` takes it.
    pub point: String,
    /// What was written there.
    pub write: String,
    /// What differs from the undisturbed history.
    pub differences: Vec<Difference>,
    /// What must never be, and was.
    pub violations: Vec<Violation>,
    /// What the scenario expected and came in the undisturbed history only.
    pub unmet: Vec<String>,
    /// Why the history did not come to its end; absent where it did.
    pub failure: Option<String>,
}

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrashReport {
    /// The scenario's name.
    pub scenario: String,
    /// The seed that all chance was drawn from.
    pub seed: i64,
    /// Writes of the operator in the undisturbed history.
    pub writes: usize,
    /// The same, with two replicas.
    pub writes_of_two: usize,
    /// Of each disturbance every so-manieth point was tried: 1 is all of them.
    pub stride: usize,
    /// Histories, by disturbance.
    pub histories: BTreeMap<Disturbance, usize>,
    /// Histories that differ from the undisturbed one, or did not come to their end.
    pub differ: usize,
    /// Violations of invariants, in all histories.
    pub violations: u64,
    /// How often each invariant was evaluated, in all histories.
    pub evaluated: BTreeMap<&'static str, u64>,
    /// By how much an instant was ahead of the undisturbed history at most.
    pub earliest: Duration,
    /// By how much an instant was behind the undisturbed history at most.
    pub latest: Duration,
    /// The points at which something was found, in the order of the story.
    pub findings: Vec<Finding>,
    /// Seconds that it took, by the wall clock; 0 until whoever has a clock sets it.
    pub wall_seconds: f64,
}

/// What came of one point.
struct Trial {
    point: Point,
    finding: Option<Finding>,
    evaluated: BTreeMap<&'static str, u64>,
    violations: u64,
    earliest: SignedDuration,
    latest: SignedDuration,
}

/// Disturbs a story at its points, each in a history of its own, and compares what is left behind.
///
/// `progress` is told how many histories are done, of how many, and how many of them differ.
///
/// # Errors
/// [`HistoryError`] where the undisturbed history does not come to its end.
pub fn survey(
    file: &ScenarioFile,
    terms: SurveyTerms,
    mut progress: impl FnMut(usize, usize, usize),
) -> Result<CrashReport, HistoryError> {
    let histories = Histories::new(file)?;
    let writes = |disturbance| histories.undisturbed(disturbance).writes.len();
    let (of_one, of_two) = (writes(Disturbance::KilledBefore), writes(Disturbance::Takeover));
    let points = points(of_one, of_two, terms.stride);
    let mut report = CrashReport::new(file, terms, &histories);
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| -> Result<(), HistoryError> {
        for _ in 0..terms.threads.max(1) {
            let (send, next, points, histories) = (send.clone(), &next, &points, &histories);
            let work = move || {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if send.send(trial(histories, *point)).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        }
        drop(send);
        for (done, trial) in receive.iter().enumerate() {
            report.add(trial);
            progress(done + 1, points.len(), report.differ);
        }
        Ok(())
    })?;
    report.findings.sort_by_key(|finding| finding.point.parse::<Point>().ok());
    Ok(report)
}

fn trial(histories: &Histories<'_>, point: Point) -> Trial {
    let base = histories.undisturbed(point.disturbance);
    let index = usize::try_from(point.write.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut finding = Finding {
        point: point.to_string(),
        write: base.writes.get(index).cloned().unwrap_or_default(),
        differences: Vec::new(),
        violations: Vec::new(),
        unmet: Vec::new(),
        failure: None,
    };
    let mut trial = Trial {
        point,
        finding: None,
        evaluated: BTreeMap::new(),
        violations: 0,
        earliest: SignedDuration::ZERO,
        latest: SignedDuration::ZERO,
    };
    match histories.disturbed(point) {
        Ok(history) => {
            let compared = compare(&base.outcome, &history.outcome);
            (trial.earliest, trial.latest) = (compared.earliest, compared.latest);
            trial.violations = history.invariants.violations_total;
            trial.evaluated = history.invariants.evaluated;
            finding.differences = compared.differences;
            finding.violations = history.invariants.violations;
            finding.unmet = history.unmet.into_iter().filter(|unmet| !base.unmet.contains(unmet)).collect();
        }
        Err(error) => finding.failure = Some(error.to_string()),
    }
    let is_quiet = finding.differences.is_empty()
        && finding.violations.is_empty()
        && finding.unmet.is_empty()
        && finding.failure.is_none();
    trial.finding = (!is_quiet).then_some(finding);
    trial
}

impl CrashReport {
    /// A report before the first history.
    fn new(file: &ScenarioFile, terms: SurveyTerms, histories: &Histories<'_>) -> Self {
        let base = |disturbance| histories.undisturbed(disturbance);
        let (one, two) = (base(Disturbance::KilledBefore), base(Disturbance::Takeover));
        Self {
            scenario: file.name().to_owned(),
            seed: file.scenario.spec.seed,
            writes: one.writes.len(),
            writes_of_two: two.writes.len(),
            stride: terms.stride,
            histories: BTreeMap::new(),
            differ: 0,
            violations: one.invariants.violations_total + two.invariants.violations_total,
            evaluated: BTreeMap::new(),
            earliest: Duration(SignedDuration::ZERO),
            latest: Duration(SignedDuration::ZERO),
            findings: Vec::new(),
            wall_seconds: 0.0,
        }
    }

    fn add(&mut self, trial: Trial) {
        *self.histories.entry(trial.point.disturbance).or_default() += 1;
        self.violations += trial.violations;
        for (invariant, count) in trial.evaluated {
            *self.evaluated.entry(invariant).or_default() += count;
        }
        self.earliest = Duration(self.earliest.0.min(trial.earliest));
        self.latest = Duration(self.latest.0.max(trial.latest));
        if let Some(finding) = trial.finding {
            let differs = !finding.differences.is_empty() || !finding.unmet.is_empty() || finding.failure.is_some();
            self.differ += usize::from(differs);
            self.findings.push(finding);
        }
    }

    /// Whether every history left the same behind and kept every invariant.
    pub const fn is_quiet(&self) -> bool {
        self.differ == 0 && self.violations == 0
    }
}
