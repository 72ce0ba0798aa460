//! Running a scenario to its end.

use super::{Answer, gather, unmet};
use crate::simulation::{
    scenario::{CalendarError, Prepared, ScenarioFile, prepare},
    world::{Action, World, WorldFailure},
};

/// The user in whose name a scenario's manifests are applied.
const USER: &str = "administrator";

/// Why a scenario did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// Its dates.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The world could not be set up.
    #[error("the simulated cluster could not be set up: {0}")]
    SetUp(String),
    /// It does not go on.
    #[error(transparent)]
    World(#[from] WorldFailure),
    /// A real API server that carries its requests out does so no more.
    #[error("{0}")]
    Upstream(String),
    /// The API server refused what somebody applied.
    #[error("the API server refused {0} of the scenario's requests; the first: {1}")]
    Refused(usize, String),
}

/// Runs a scenario. The answer's wall time is 0: whoever has a clock sets it.
///
/// `progress` is told of each night that is over.
///
/// # Errors
/// [`StoryError`].
pub async fn run_story(file: &ScenarioFile, progress: impl FnMut(i64, i64)) -> Result<(Answer, World), StoryError> {
    let prepared = prepare(file)?;
    run_prepared(file, prepared, progress).await
}

/// Runs a scenario whose world is prepared, as [`run_story`] does.
///
/// # Errors
/// As [`run_story`].
pub async fn run_prepared(
    file: &ScenarioFile,
    prepared: Prepared,
    progress: impl FnMut(i64, i64),
) -> Result<(Answer, World), StoryError> {
    let world = World::new(prepared.settings.clone()).map_err(|error| StoryError::SetUp(error.to_string()))?;
    run_in(world, file, prepared, progress).await
}

/// Runs a scenario to its end in a world that was made of its settings, as [`run_story`] does.
///
/// # Errors
/// As [`run_story`].
pub async fn run_in(
    mut world: World,
    file: &ScenarioFile,
    prepared: Prepared,
    mut progress: impl FnMut(i64, i64),
) -> Result<(Answer, World), StoryError> {
    let (calendar, nights) = (prepared.calendar, file.scenario.spec.nights);
    for manifest in &file.manifests {
        let object = Box::new(manifest.object.clone());
        world.add_action(calendar.beginning(), Action::Apply { user: USER.to_owned(), object });
    }
    for (at, action) in prepared.actions {
        world.add_action(at, action);
    }
    for night in (1 - file.scenario.spec.nights_before)..=nights {
        world.run_until(calendar.noon(night)).await?;
        if let Some(problem) = world.server.failure() {
            return Err(StoryError::Upstream(problem));
        }
        progress(night, nights);
    }
    if let Some(first) = world.refused().first() {
        return Err(StoryError::Refused(world.refused().len(), first.clone()));
    }
    let mut answer = gather(&world, file, &calendar);
    answer.unmet = unmet(&file.scenario.spec.expect, &answer);
    Ok((answer, world))
}
