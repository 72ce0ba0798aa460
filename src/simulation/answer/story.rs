//! Running a scenario to its end.

use super::{Answer, gather, unmet};
use crate::cluster::Clock as _;
use crate::simulation::{
    scenario::{Calendar, CalendarError, Prepared, ScenarioFile, prepare},
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

/// A story at its beginning: nothing of it has happened yet.
#[derive(Debug)]
pub struct Story {
    /// Its world.
    pub world: World,
    /// Its nights.
    pub calendar: Calendar,
}

/// Sets the prepared world of a scenario up.
///
/// # Errors
/// [`StoryError`].
pub fn begin_story(file: &ScenarioFile, prepared: Prepared) -> Result<Story, StoryError> {
    let world = World::new(prepared.settings.clone()).map_err(|error| StoryError::SetUp(error.to_string()))?;
    Ok(begin_in(world, file, prepared))
}

/// A story at its beginning in a world that was made of its settings.
fn begin_in(mut world: World, file: &ScenarioFile, prepared: Prepared) -> Story {
    let calendar = prepared.calendar;
    for manifest in &file.manifests {
        let object = Box::new(manifest.object.clone());
        world.add_action(calendar.beginning(), Action::Apply { user: USER.to_owned(), object });
    }
    for (at, action) in prepared.actions {
        world.add_action(at, action);
    }
    Story { world, calendar }
}

impl Story {
    /// The nights that have not happened yet.
    pub fn nights_left(&self) -> std::ops::RangeInclusive<i64> {
        let first = (1 - self.calendar.nights_before).max(self.calendar.night_of(self.world.clock.now()) + 1);
        first..=self.calendar.nights
    }

    /// Lets one night happen.
    ///
    /// # Errors
    /// [`StoryError`].
    pub async fn run_night(&mut self, night: i64) -> Result<(), StoryError> {
        self.world.run_until(self.calendar.noon(night)).await?;
        self.world.server.failure().map_or(Ok(()), |problem| Err(StoryError::Upstream(problem)))
    }

    /// Lets every night happen that has not happened yet.
    ///
    /// # Errors
    /// [`StoryError`].
    pub async fn run(&mut self, mut progress: impl FnMut(i64, i64)) -> Result<(), StoryError> {
        for night in self.nights_left() {
            self.run_night(night).await?;
            progress(night, self.calendar.nights);
        }
        self.accepted()
    }

    /// Whether the API server accepted all that somebody applied.
    ///
    /// # Errors
    /// [`StoryError::Refused`].
    pub fn accepted(&self) -> Result<(), StoryError> {
        match self.world.refused() {
            [] => Ok(()),
            [first, ..] => Err(StoryError::Refused(self.world.refused().len(), first.clone())),
        }
    }

    /// The same story, to go on with in another way; `None` while the operator is in the middle of something.
    pub fn fork(&self) -> Option<Self> {
        Some(Self { world: self.world.fork()?, calendar: self.calendar.clone() })
    }

    /// What came of it so far, and what of the scenario's expectation did not come.
    pub fn answer(&self, file: &ScenarioFile) -> Answer {
        let mut answer = gather(&self.world, file, &self.calendar);
        answer.unmet = unmet(&file.scenario.spec.expect, &answer);
        answer
    }
}

/// Runs a scenario. The answer's wall time is 0: whoever has a clock sets it.
///
/// `progress` is told of each night that is over.
///
/// # Errors
/// [`StoryError`].
pub async fn run_story(file: &ScenarioFile, progress: impl FnMut(i64, i64)) -> Result<(Answer, World), StoryError> {
    run_prepared(file, prepare(file)?, progress).await
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
    world: World,
    file: &ScenarioFile,
    prepared: Prepared,
    progress: impl FnMut(i64, i64),
) -> Result<(Answer, World), StoryError> {
    let mut story = begin_in(world, file, prepared);
    story.run(progress).await?;
    story.world.end();
    Ok((story.answer(file), story.world))
}
