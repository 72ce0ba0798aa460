//! The loop over the nights.

use std::path::PathBuf;

use phaseloop_core::{
    analysis::{history::JudgedRun, judge::judge_run, judgement::TemplateHashes},
    cycle::{CycleFacts, decide_cycle},
    policy::{Flag, Ledger, TargetClaims},
    value::{RunFacts, Verdict},
};
use serde::Serialize;

use super::{ReplaySettings, ReplayedNight};
use crate::recording::RecordedNight;

/// A whole replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Where the policy came from.
    pub policy: String,
    /// The target.
    pub target: String,
    /// The schedule that the nights follow.
    pub schedule: String,
    /// The schedule's time zone.
    pub time_zone: String,
    /// The nights in order.
    pub nights: Vec<ReplayedNight>,
    /// Files of the folder that are no recordings.
    pub ignored_files: Vec<PathBuf>,
}

impl Replay {
    /// How many nights had that verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.nights.iter().filter(|night| night.verdict == verdict).count()
    }
}

/// Takes the nights through the decision, one after the other, each knowing only those before it.
pub fn replay(recordings: &[RecordedNight], settings: &ReplaySettings) -> Replay {
    let (ledger, claims) = (Ledger::default(), TargetClaims::default());
    let mut history: Vec<JudgedRun> = Vec::new();
    let mut runs: Vec<RunFacts> = Vec::new();
    let mut flags: Vec<Flag> = Vec::new();
    let mut engine_starts = Vec::new();
    let mut nights = Vec::new();
    for (recording, started_at) in recordings.iter().zip(settings.firings()) {
        engine_starts.extend(recording.engine_start);
        let run = recording.started_at(started_at);
        let judgement = judge_run(&run, &history, &settings.analysis);
        let healthy =
            newest_baseline_run(&judgement, &history).map(|run| run.measurement.environment.configuration.clone());
        runs.push(judgement.to_run_facts(&run, settings.counts, TemplateHashes::default()));
        let facts = CycleFacts {
            runs: &runs,
            flags_before: &flags,
            ledger: &ledger,
            canaries: &[],
            claims: &claims,
            suspension: settings.suspension.as_ref(),
            environment: &judgement.environment,
            healthy: healthy.as_ref(),
            denied: &[],
            engine_starts: &engine_starts,
            current: None,
        };
        let decision = decide_cycle(&settings.policy, &facts, run.completed_at);
        history.push(JudgedRun::new(settings.analysis.target.clone(), run.clone(), &judgement, false));
        nights.push(ReplayedNight::new(recording, &run, &judgement, &decision, &flags));
        flags = decision.flags;
    }
    Replay {
        policy: settings.origin.clone(),
        target: settings.target.clone(),
        schedule: settings.policy.schedule.cron.as_str().to_owned(),
        time_zone: settings.policy.schedule.zone.name().to_owned(),
        nights,
        ignored_files: Vec::new(),
    }
}

/// The newest run that served as baseline: what the healthy configuration is read from.
fn newest_baseline_run<'a>(
    judgement: &phaseloop_core::analysis::judgement::RunJudgement,
    history: &'a [JudgedRun],
) -> Option<&'a JudgedRun> {
    let newest = judgement.domains.iter().find_map(|domain| domain.baseline.runs.first())?;
    history.iter().find(|run| run.measurement.uid == newest.uid)
}
