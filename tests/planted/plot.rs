//! The stories that are disturbed. What comes before a disturbance is told once, and the world is copied there.

use std::{
    collections::BTreeSet,
    sync::{Mutex, OnceLock},
};

use jiff::SignedDuration;
use phaseloop::simulation::{
    answer::{Story, begin_story},
    oracle::InvariantFigures,
    scenario::{ScenarioFile, prepare, read_scenario},
    world::ADMINISTRATOR,
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::{
    hand::CANARY,
    saboteur::{Plant, Saboteur},
};

const STORY: &str = include_str!("story.yaml");
/// What a story needs besides whose value lies in a ConfigMap.
const CONFIG_MAPS: &str = include_str!("config-maps.yaml");

/// A variant of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plot {
    /// As it is written.
    Plain,
    /// The measure budget ends the search before the values do.
    Tight,
    /// One tuning run a day, and no cooldown to speak of.
    OnceADay,
    /// A card is free beside that of the canary.
    Roomy,
    /// Two bad nights arm the flag.
    Patient,
    /// The value lies in a ConfigMap.
    Configured,
    /// No card is free: runs and tuning runs borrow one of two replicas.
    Lending,
}

impl Plot {
    pub(crate) const ALL: [Self; 7] =
        [Self::Plain, Self::Tight, Self::OnceADay, Self::Roomy, Self::Patient, Self::Configured, Self::Lending];

    /// What differs: a text of the story, and what stands in its place.
    const fn difference(self) -> (&'static str, &'static str) {
        match self {
            Self::Plain => ("", ""),
            Self::Tight => (
                "values: [0.7, 0.75]\n  canary:\n",
                "values: [0.6, 0.65, 0.7, 0.72, 0.75]\n  canary:\n    repeats: 1\n",
            ),
            Self::OnceADay => ("  safety:\n", "  safety:\n    cooldown: 1s\n    rate: {runs: 1, per: 24h}\n"),
            Self::Roomy => ("gpus: 2", "gpus: 3"),
            Self::Lending => {
                ("replicas: 1\n", "replicas: 2\n  strategy:\n    rollingUpdate: {maxSurge: 0, maxUnavailable: 1}\n")
            }
            Self::Patient => ("threshold: 1", "threshold: 2"),
            Self::Configured => (
                "--gpu-memory-utilization=0.92, --max-model-len=2048]\n",
                "--gpu-memory-utilization=$(GPU_SHARE), --max-model-len=2048]\n          env:\n            - name: GPU_SHARE\n              \
                 valueFrom: {configMapKeyRef: {name: llama-13b-engine, key: share}}\n",
            ),
        }
    }

    fn text(self) -> String {
        let (from, to) = self.difference();
        assert!(STORY.contains(from), "{self:?} differs in nothing");
        let text = STORY.replacen(from, to, 1);
        match self {
            Self::Tight => text.replacen("  safety:\n", "  safety:\n    measureBudget: 16s\n", 1),
            Self::Configured => {
                let values = "      values: [0.7, 0.75]\n";
                let binding = "      binding: {configMapKey: {name: llama-13b-engine, key: share}}\n";
                format!("{}---\n{CONFIG_MAPS}", text.replacen(values, &format!("{values}{binding}"), 1))
            }
            Self::Lending => {
                let lends = |part: &str| format!("{part}    placement: BorrowReplica\n");
                ["  run:\n", "  canary:\n"].iter().fold(text, |text, part| text.replacen(part, &lends(part), 1))
            }
            _ => text,
        }
    }

    fn file(self) -> ScenarioFile {
        read_scenario("story.yaml", &self.text()).unwrap()
    }

    /// The story at the noon before its first bad night; told once, outside of any executor.
    fn before_the_bad_night(self) -> &'static Start {
        static STARTS: [OnceLock<Start>; 7] = [const { OnceLock::new() }; 7];
        STARTS[self as usize].get_or_init(|| Start::at_noon(self))
    }

    /// The story while its last canary is measured; told once, outside of any executor.
    fn before_the_promotion(self) -> &'static Start {
        static STARTS: [OnceLock<Start>; 7] = [const { OnceLock::new() }; 7];
        STARTS[self as usize].get_or_init(|| self.before_the_bad_night().at_last_canary())
    }
}

/// A story to go on from, with the executor that its world was made in: what it holds belongs to it.
struct Start {
    story: Mutex<Story>,
    _executor: Runtime,
}

/// The attempt of the last canary, where two values are tried beside what runs.
const LAST_ATTEMPT: i64 = 2;

impl Start {
    fn at_noon(plot: Plot) -> Self {
        let executor = executor();
        let story = executor.block_on(Box::pin(async {
            let mut prepared = prepare(&plot.file()).unwrap();
            // Names and chance follow from what they are of: one write more changes nothing else.
            prepared.settings.comparable = true;
            let mut story = begin_story(&plot.file(), prepared).unwrap();
            for night in story.nights_left().take_while(|night| *night < 1) {
                story.run_night(night).await.unwrap();
            }
            story
        }));
        Self { story: Mutex::new(story), _executor: executor }
    }

    fn fork(&self) -> Story {
        self.story.lock().unwrap().fork().unwrap()
    }

    fn at_last_canary(&self) -> Self {
        let executor = executor();
        let story = executor.block_on(Box::pin(async {
            let mut story = self.fork();
            let mut until = story.calendar.noon(1) - SignedDuration::from_hours(9);
            loop {
                story.world.run_until(until).await.unwrap();
                let canaries = story.world.server.actor(ADMINISTRATOR).list(CANARY, None);
                let is_last = |canary: &Value| canary["spec"]["attempt"] == LAST_ATTEMPT;
                let is_measured = |canary: &Value| canary["status"]["phase"] == "Measuring";
                if canaries.iter().any(|canary| is_last(&canary.value) && is_measured(&canary.value)) {
                    break;
                }
                until += SignedDuration::from_secs(2);
                assert!(until < story.calendar.noon(1), "the last canary was never measured");
            }
            story.fork().unwrap()
        }));
        Self { story: Mutex::new(story), _executor: executor }
    }
}

fn executor() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// What the oracles said of a story.
pub(crate) struct Told {
    pub(crate) figures: InvariantFigures,
    /// Whether the saboteur found its moment; without one, no.
    pub(crate) was_disturbed: bool,
}

impl Told {
    /// The invariants that were violated.
    pub(crate) fn violated(&self) -> BTreeSet<&'static str> {
        self.figures.violations.iter().map(|violation| violation.invariant).collect()
    }
}

/// Tells a story until the noon after this night, with a saboteur in it or without.
pub(crate) fn tell(plot: Plot, last_night: i64, plant: Option<Plant>) -> Told {
    // What needs a promotion need not tell again what comes before it.
    let late = plant.is_some_and(|plant| plant.at.resource == "promotions");
    let start = if late { plot.before_the_promotion() } else { plot.before_the_bad_night() };
    executor().block_on(Box::pin(async {
        let mut story = start.fork();
        let saboteur = plant.map(|plant| Saboteur::install(&story.world, plant));
        for night in 1..=last_night {
            story.run_night(night).await.unwrap();
        }
        story.accepted().unwrap();
        story.world.end();
        let figures = story.world.oracles.figures().clone();
        Told { figures, was_disturbed: saboteur.is_some_and(|saboteur| saboteur.has_acted()) }
    }))
}
