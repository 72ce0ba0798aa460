//! `phaseloop analyze`.

use std::path::PathBuf;

use phaseloop_core::analysis::{history::JudgedRun, judge::judge_run, judgement::RunJudgement};

use super::{output::print, policy_file::PolicyFile, replay::read_all, text::judgement_text};
use crate::{
    args::AnalyzeArguments,
    exit::Exit,
    recording::{NightFiles, RecordingError, Recordings, night_of},
    replay::ReplaySettings,
};

pub(super) fn run(arguments: &AnalyzeArguments) -> anyhow::Result<Exit> {
    let defaults = ReplaySettings::defaults()?;
    let settings = match &arguments.policy {
        Some(path) => PolicyFile::read(path)?.analysis_settings()?,
        None => defaults.analysis.clone(),
    };
    let found = in_given_order(&arguments.files)?;
    let nights = read_all(&found)?;
    let mut history: Vec<JudgedRun> = Vec::new();
    let mut last: Option<RunJudgement> = None;
    for (night, started_at) in nights.iter().zip(defaults.firings()) {
        let run = night.started_at(started_at);
        let judgement = judge_run(&run, &history, &settings);
        history.push(JudgedRun::new(settings.target.clone(), run, &judgement, false));
        last = Some(judgement);
    }
    let judgement = last.ok_or_else(|| anyhow::anyhow!("no run was read"))?;
    print(&judgement, |judgement| judgement_text(judgement, &history), arguments.output)?;
    Ok(judgement.verdict.into())
}

/// The runs in the order in which their files were named, each with the files that belong to it and lie beside.
fn in_given_order(files: &[PathBuf]) -> Result<Recordings, RecordingError> {
    let mut nights: Vec<NightFiles> = Vec::new();
    for file in files {
        let night = night_of(file)?;
        if !nights.contains(&night) {
            nights.push(night);
        }
    }
    Ok(Recordings { nights, ignored: Vec::new() })
}
