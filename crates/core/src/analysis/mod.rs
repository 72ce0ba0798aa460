//! Judging a run: from what was measured to a verdict with its evidence.
//!
//! **What lives here**: readers of measurements (PHASE reports, results of `vllm bench serve`, engine logs), their
//! summaries, the baseline, thresholds and significance, validity, symptoms and the verdict.
//!
//! **What must not**: counting symptoms over runs (`policy`), choosing a remedy (`tuning`), files and streams (the shell
//! hands over bytes).

#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "tests compare figures that are exact, and infinities, with what they must be")
)]

pub mod baseline;
pub mod bench;
pub mod change;
pub mod diagnosis;
pub mod engine_log;
pub mod figure;
pub mod history;
pub mod judge;
pub mod judgement;
pub mod measurement;
pub mod probe;
pub mod reason;
pub mod report;
pub mod sample;
pub mod summary;

mod agreement;
mod non_finite;
pub mod settings;
pub mod significance;
pub mod student;
pub mod threshold;
pub mod validity;

pub use history::JudgedRun;
pub use judge::judge_run;
pub use judgement::{Admission, RunJudgement};
pub use settings::AnalysisSettings;

#[cfg(test)]
mod fixture;
