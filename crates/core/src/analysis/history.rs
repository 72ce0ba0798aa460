//! What the history keeps of a judged run: enough to serve as baseline.

use super::{
    judgement::{Admission, RunJudgement},
    measurement::RunMeasurement,
};
use crate::{prelude::*, value::Verdict};

/// A judged run of the history.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgedRun {
    /// The target it tested, as in [`super::settings::AnalysisSettings::target`].
    pub target: String,
    /// What it measured, with the environment as judged.
    pub measurement: RunMeasurement,
    /// Its verdict.
    pub verdict: Verdict,
    /// Whether it may serve as baseline.
    pub admission: Admission,
    /// Whether the promotion that was in force while it ran is still not validated: until then it shows what may be
    /// taken back.
    pub under_unvalidated_promotion: bool,
}

impl JudgedRun {
    /// A run with its judgement, as the history keeps them.
    pub fn new(
        target: impl Into<String>,
        measurement: RunMeasurement,
        judgement: &RunJudgement,
        under_unvalidated_promotion: bool,
    ) -> Self {
        let environment = judgement.environment.clone();
        Self {
            target: target.into(),
            measurement: RunMeasurement { environment, ..measurement },
            verdict: judgement.verdict,
            admission: judgement.admission,
            under_unvalidated_promotion,
        }
    }
}
