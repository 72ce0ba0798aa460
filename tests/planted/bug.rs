//! A planted bug, and what it takes to be caught.

use std::collections::BTreeSet;

use crate::{
    plot::{Plot, tell},
    saboteur::{Act, Moment, Plant, Times},
};

/// A bug that an invariant catches, and no other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bug {
    /// The invariant that must report it.
    pub(crate) invariant: &'static str,
    /// What an operator with the bug does, as the page of the oracles has it.
    pub(crate) does: &'static str,
    /// The story that it is planted in.
    pub(crate) plot: Plot,
    /// The night that the story is told to.
    pub(crate) until: i64,
    /// How it is planted.
    pub(crate) plant: Plant,
}

impl Bug {
    /// A bug of the first night that shows once.
    pub(crate) const fn new(invariant: &'static str, does: &'static str, at: Moment, act: Act) -> Self {
        let plant = Plant { at, times: Times::Once, act };
        Self { invariant, does, plot: Plot::Plain, until: 1, plant }
    }

    /// In another story.
    pub(crate) const fn in_plot(mut self, plot: Plot) -> Self {
        self.plot = plot;
        self
    }

    /// Which is told to another night.
    pub(crate) const fn until(mut self, night: i64) -> Self {
        self.until = night;
        self
    }

    /// Which shows more than once.
    pub(crate) const fn times(mut self, times: Times) -> Self {
        self.plant.times = times;
        self
    }

    /// Tells the story with the bug in it, and holds that its invariant reports it, and no other.
    pub(crate) fn assert_caught(&self) {
        let told = tell(self.plot, self.until, Some(self.plant));
        assert!(told.was_disturbed, "the saboteur never found its moment");
        assert_eq!(told.violated(), BTreeSet::from([self.invariant]), "{:#?}", told.figures.violations);
        assert_eq!(told.figures.violations_total, told.figures.violations.len() as u64, "some are counted only");
    }
}
