//! One history: undisturbed, or with one disturbance.

use std::io;

use super::{
    outcome::{Outcome, outcome_of},
    point::Point,
};
use crate::simulation::{
    answer::{Answer, Story, StoryError, begin_story},
    oracle::InvariantFigures,
    scenario::ScenarioFile,
    world::World,
};

/// A history at its end.
#[derive(Debug)]
pub struct History {
    /// What it left behind.
    pub outcome: Outcome,
    /// The operator's writes, in the order in which they were sent.
    pub writes: Vec<String>,
    /// What the oracles found.
    pub invariants: InvariantFigures,
    /// What the scenario expected and did not come.
    pub unmet: Vec<String>,
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// No executor.
    #[error("no executor could be started: {0}")]
    Executor(#[from] io::Error),
    /// The story did not come to its end.
    #[error(transparent)]
    Story(#[from] StoryError),
}

/// The history that nothing disturbs, with so many replicas of the operator at least.
///
/// # Errors
/// [`HistoryError`].
pub fn undisturbed(file: &ScenarioFile, replicas: usize) -> Result<History, HistoryError> {
    let (answer, world) = run(file, replicas, None, |_, _| {})?;
    Ok(history_of(answer, &world))
}

/// The history with this disturbance.
///
/// # Errors
/// [`HistoryError`].
pub fn disturbed(file: &ScenarioFile, point: Point) -> Result<History, HistoryError> {
    let (answer, world) = run(file, point.disturbance.replicas(), Some(point), |_, _| {})?;
    Ok(history_of(answer, &world))
}

/// The story with this disturbance, to be told.
///
/// # Errors
/// [`HistoryError`].
pub fn disturbed_story(
    file: &ScenarioFile,
    point: Point,
    progress: impl FnMut(i64, i64),
) -> Result<(Answer, World), HistoryError> {
    run(file, point.disturbance.replicas(), Some(point), progress)
}

fn run(
    file: &ScenarioFile,
    replicas: usize,
    point: Option<Point>,
    progress: impl FnMut(i64, i64),
) -> Result<(Answer, World), HistoryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(Box::pin(async {
        let mut story: Story = begin_story(file, |settings| {
            settings.comparable = true;
            settings.operator.replicas = settings.operator.replicas.max(replicas);
        })?;
        if let Some(Point { write, disturbance }) = point {
            story.world.interrupt_at_write(write.saturating_sub(1), disturbance.interruption());
        }
        story.run(progress).await?;
        story.world.end();
        Ok((story.answer(file), story.world))
    }))
}

fn history_of(answer: Answer, world: &World) -> History {
    History {
        outcome: outcome_of(world),
        writes: world.operator_writes(),
        invariants: world.oracles.figures().clone(),
        unmet: answer.unmet,
    }
}
