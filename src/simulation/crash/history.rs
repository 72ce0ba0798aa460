//! Histories of one scenario: undisturbed, or with one disturbance.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use tokio::runtime::{Builder, Runtime};

use super::{
    outcome::{Outcome, outcome_of},
    point::{Disturbance, Point},
};
use crate::simulation::{
    answer::{Answer, Story, StoryError, begin_story},
    oracle::InvariantFigures,
    scenario::{ScenarioFile, prepare},
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
    /// No executor, or no thread.
    #[error("no executor could be started: {0}")]
    Executor(#[from] io::Error),
    /// The story did not come to its end.
    #[error(transparent)]
    Story(#[from] StoryError),
    /// There is no such point.
    #[error(
        "the story has no write {write}: its operator made {writes} writes\n  remedy: name a write from 1 to {writes}, as \
         --crashes lists them"
    )]
    NotReached {
        /// The write that was asked for, from 1.
        write: u64,
        /// Those that there were.
        writes: usize,
    },
}

/// Makes the histories of a scenario. What happens before a disturbance happens once: each noon of the undisturbed history
/// is kept, and a disturbed one goes on from the last noon before its write.
#[derive(Debug)]
pub struct Histories<'a> {
    file: &'a ScenarioFile,
    one: Undisturbed,
    two: Undisturbed,
}

/// An undisturbed history.
#[derive(Debug)]
struct Undisturbed {
    history: History,
    noons: Vec<Noon>,
    /// Keeps the executor of the noons: what they hold belongs to it.
    _executor: Runtime,
}

/// A noon of an undisturbed history.
#[derive(Debug)]
struct Noon {
    /// Writes before it.
    writes: usize,
    story: Mutex<Story>,
}

impl Noon {
    fn fork(&self) -> Option<Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }
}

impl<'a> Histories<'a> {
    /// Lets the undisturbed histories happen, with one replica of the operator and with two.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn new(file: &'a ScenarioFile) -> Result<Self, HistoryError> {
        Ok(Self { file, one: Undisturbed::new(file, 1)?, two: Undisturbed::new(file, 2)? })
    }

    /// The history that such a disturbance disturbs.
    pub const fn undisturbed(&self, disturbance: Disturbance) -> &History {
        &self.base(disturbance).history
    }

    const fn base(&self, disturbance: Disturbance) -> &Undisturbed {
        if disturbance.replicas() > 1 { &self.two } else { &self.one }
    }

    /// The history with this disturbance.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn disturbed(&self, point: Point) -> Result<History, HistoryError> {
        let noons = &self.base(point.disturbance).noons;
        let mut earlier = noons.iter().rev().filter(|noon| (noon.writes as u64) < point.write);
        let runtime = executor()?;
        runtime.block_on(Box::pin(async {
            let mut story = match earlier.find_map(Noon::fork) {
                Some(story) => story,
                None => begin(self.file, point.disturbance.replicas())?,
            };
            finish(&mut story, Some(point), |_, _| {}).await?;
            Ok(history_of(self.file, &story))
        }))
    }
}

impl Undisturbed {
    fn new(file: &ScenarioFile, replicas: usize) -> Result<Self, HistoryError> {
        let executor = executor()?;
        let (history, noons) = executor.block_on(Box::pin(async {
            let mut story = begin(file, replicas)?;
            let mut noons = Vec::new();
            for night in story.nights_left() {
                let writes = story.world.operator_writes().len();
                noons.extend(story.fork().map(|story| Noon { writes, story: Mutex::new(story) }));
                story.run_night(night).await?;
            }
            finish(&mut story, None, |_, _| {}).await?;
            Ok::<_, HistoryError>((history_of(file, &story), noons))
        }))?;
        Ok(Self { history, noons, _executor: executor })
    }
}

/// The story with this disturbance from its beginning, to be told.
///
/// # Errors
/// [`HistoryError`], also where the story ends before its operator has made so many writes: an undisturbed story would be
/// told as if it were the disturbed one.
pub fn disturbed_story(
    file: &ScenarioFile,
    point: Point,
    progress: impl FnMut(i64, i64),
) -> Result<(Answer, World), HistoryError> {
    executor()?.block_on(Box::pin(async {
        let mut story = begin(file, point.disturbance.replicas())?;
        finish(&mut story, Some(point), progress).await?;
        let writes = story.world.operator_writes().len();
        if (writes as u64) < point.write {
            return Err(HistoryError::NotReached { write: point.write, writes });
        }
        Ok((story.answer(file), story.world))
    }))
}

/// The history with this disturbance, from its beginning.
///
/// # Errors
/// [`HistoryError`].
pub fn disturbed_from_the_beginning(file: &ScenarioFile, point: Point) -> Result<History, HistoryError> {
    executor()?.block_on(Box::pin(async {
        let mut story = begin(file, point.disturbance.replicas())?;
        finish(&mut story, Some(point), |_, _| {}).await?;
        Ok(history_of(file, &story))
    }))
}

fn executor() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_time().start_paused(true).build()
}

fn begin(file: &ScenarioFile, replicas: usize) -> Result<Story, StoryError> {
    let mut prepared = prepare(file)?;
    prepared.settings.comparable = true;
    prepared.settings.operator.replicas = prepared.settings.operator.replicas.max(replicas);
    begin_story(file, prepared)
}

async fn finish(story: &mut Story, point: Option<Point>, progress: impl FnMut(i64, i64)) -> Result<(), StoryError> {
    if let Some(Point { write, disturbance }) = point {
        story.world.interrupt_at_write(write.saturating_sub(1), disturbance.interruption());
    }
    story.run(progress).await?;
    story.world.end();
    Ok(())
}

fn history_of(file: &ScenarioFile, story: &Story) -> History {
    History {
        outcome: outcome_of(&story.world),
        writes: story.world.operator_writes(),
        invariants: story.world.oracles.figures().clone(),
        unmet: story.answer(file).unmet,
    }
}
