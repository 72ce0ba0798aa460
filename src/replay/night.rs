//! One replayed night, as it is printed and serialised.

use std::collections::BTreeMap;

use jiff::Timestamp;
use phaseloop_core::{
    analysis::{
        change::EnvironmentChange,
        judgement::{DomainJudgement, RunJudgement},
        measurement::RunMeasurement,
    },
    cycle::CycleDecision,
    policy::{Flag, FlagState, GateState, PolicyFinding},
    tuning::{BudgetPrediction, PredictionError, RefusedCandidate},
    value::{ParameterSet, Symptom, SymptomKind, Verdict, format_duration},
};
use serde::Serialize;

use crate::recording::RecordedNight;

/// What the loop would have done with one night, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedNight {
    /// The recording's name.
    pub run: String,
    /// When the night's run started, on the schedule that is replayed.
    pub started_at: Timestamp,
    /// When it was judged.
    pub completed_at: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
    /// Why: `Reason: sentence with figures`, those that decided first.
    pub reasons: Vec<String>,
    /// What differs from the baseline's runs.
    pub changed_since_baseline: Vec<EnvironmentChange>,
    /// One per degraded metric.
    pub symptoms: Vec<Symptom>,
    /// How often each symptom has been seen within its window, this night included.
    pub counts: BTreeMap<SymptomKind, i64>,
    /// Where each flag stands.
    pub flags: Vec<FlagView>,
    /// Where each gate stands when the verdict is there.
    pub gates: Vec<GateView>,
    /// The first instant from then on at which every gate is open.
    pub all_gates_open_at: Option<Timestamp>,
    /// What would be tried, in this order, after the incumbent; empty while no flag is armed.
    pub candidates: Vec<CandidateView>,
    /// What would not be tried although it came into question.
    pub refused_candidates: Vec<RefusedCandidate>,
    /// Why an armed flag leads to no candidate.
    pub nothing_to_try: Option<String>,
    /// What a night's budgets will hold of it, or why nothing useful would come of beginning; absent while no flag is armed.
    pub budget_prediction: Option<String>,
    /// Whether the run may serve as baseline for later ones, and if not why.
    pub baseline_admission: String,
    /// Every domain with every metric.
    pub domains: Vec<DomainJudgement>,
    /// What keeps the policy from acting.
    pub findings: Vec<PolicyFinding>,
    /// What the readers noticed.
    pub notes: Vec<String>,
}

/// A flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagView {
    /// The symptom.
    pub symptom: SymptomKind,
    /// Where it stands.
    pub state: FlagState,
    /// Where it stood the night before.
    pub state_before: FlagState,
    /// Runs that count.
    pub count: i64,
    /// Runs that arm it.
    pub threshold: i64,
    /// The counting window.
    pub window: String,
    /// When it was last armed.
    pub armed_at: Option<Timestamp>,
    /// When it expires or expired.
    pub expires_at: Option<Timestamp>,
    /// The runs behind it.
    pub evidence: Vec<String>,
    /// All that in one sentence.
    pub message: String,
}

/// A gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateView {
    /// Its name, as the condition is called.
    pub name: String,
    /// Whether it is open.
    pub open: bool,
    /// Why.
    pub reason: String,
    /// The figure, the limit, and what comes next.
    pub message: String,
    /// For a closed gate: when it opens by itself.
    pub opens_at: Option<Timestamp>,
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateView {
    /// Its place, from 1; the incumbent is measured before all.
    pub order: usize,
    /// What it sets.
    pub parameters: ParameterSet,
    /// Why it is tried at this place.
    pub why: String,
}

impl ReplayedNight {
    /// A night from what was recorded, judged and decided; `flags_before` are those of the night before.
    pub(super) fn new(
        recording: &RecordedNight,
        run: &RunMeasurement,
        judgement: &RunJudgement,
        decision: &CycleDecision,
        flags_before: &[Flag],
    ) -> Self {
        let plan = decision.candidates.as_ref();
        let candidates = plan.map(|plan| plan.candidates.as_slice()).unwrap_or_default();
        Self {
            run: recording.name.clone(),
            started_at: run.started_at,
            completed_at: run.completed_at,
            verdict: judgement.verdict,
            reasons: judgement
                .reasons
                .iter()
                .map(|finding| format!("{}: {}", finding.reason, finding.message))
                .collect(),
            changed_since_baseline: judgement.changed_since_baseline.clone(),
            symptoms: judgement.symptoms.clone(),
            counts: decision.counts.iter().map(|count| (count.symptom, count.count)).collect(),
            flags: decision.flags.iter().map(|flag| FlagView::new(flag, flags_before)).collect(),
            gates: decision.gates.gates.iter().map(GateView::from).collect(),
            all_gates_open_at: decision.gates.all_open_at,
            candidates: candidates
                .iter()
                .zip(1..)
                .map(|(candidate, order)| CandidateView {
                    order,
                    parameters: candidate.parameters.clone(),
                    why: candidate.why.clone(),
                })
                .collect(),
            refused_candidates: plan.map(|plan| plan.refused.clone()).unwrap_or_default(),
            nothing_to_try: plan.and_then(|plan| plan.nothing).map(|why| format!("{why}: {}", why.meaning())),
            budget_prediction: decision.prediction.as_ref().map(prediction_text),
            baseline_admission: admission_text(judgement),
            domains: judgement.domains.clone(),
            findings: decision.findings.clone(),
            notes: notes_of(recording),
        }
    }

    /// The flags that permit tuning.
    pub fn armed(&self) -> impl Iterator<Item = &FlagView> {
        self.flags.iter().filter(|flag| flag.state == FlagState::Armed)
    }
}

/// What the readers noticed of the night and of its domains, each once.
fn notes_of(recording: &RecordedNight) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in recording.notes.iter().chain(recording.domains.iter().flat_map(|domain| &domain.notes)) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    notes
}

fn prediction_text(prediction: &Result<BudgetPrediction, PredictionError>) -> String {
    match prediction {
        Ok(prediction) => prediction.message(),
        Err(refusal) => refusal.to_string(),
    }
}

fn admission_text(judgement: &RunJudgement) -> String {
    use phaseloop_core::analysis::judgement::Admission;
    match judgement.admission {
        Admission::Admitted => "admitted".to_owned(),
        Admission::Seed => "admitted as a seed".to_owned(),
        Admission::NotAdmitted(reason) => format!("not admitted: {reason}"),
    }
}

impl FlagView {
    fn new(flag: &Flag, flags_before: &[Flag]) -> Self {
        let before = flags_before.iter().find(|before| before.symptom == flag.symptom);
        Self {
            symptom: flag.symptom,
            state: flag.state,
            state_before: before.map_or(FlagState::Idle, |before| before.state),
            count: flag.count,
            threshold: flag.threshold,
            window: format_duration(flag.window),
            armed_at: flag.armed_at,
            expires_at: flag.expires_at,
            evidence: flag.evidence.iter().map(|run| run.name.clone()).collect(),
            message: flag.message(),
        }
    }
}

impl From<&GateState> for GateView {
    fn from(gate: &GateState) -> Self {
        Self {
            name: gate.name.name().to_owned(),
            open: gate.open,
            reason: gate.reason.to_string(),
            message: gate.message.clone(),
            opens_at: gate.opens_at,
        }
    }
}
