//! How a set of candidates is searched.

use core::{fmt, str::FromStr};

use crate::prelude::*;

/// A search strategy. Each is one file in `search/` that answers the same question: given the plan and the trials so
/// far, which candidate is next. A strategy that learns from scores fits the same signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum Strategy {
    /// One value of one parameter after the other, in the order that suits the diagnosis.
    #[default]
    List,
    /// Every combination of several parameters' values, those that lead each list first.
    Grid,
    /// Halving towards the edge beyond which memory fails; for one parameter.
    Bisection,
}

/// The text names no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// A strategy that later versions have.
    #[error("{0} is not available in this version; use List, Grid or Bisection")]
    NotInThisVersion(&'static str),
    /// No strategy of any version.
    #[error("{0:?} is no search strategy; use List, Grid or Bisection")]
    Unknown(String),
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 3] = [Self::List, Self::Grid, Self::Bisection];

    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "List",
            Self::Grid => "Grid",
            Self::Bisection => "Bisection",
        }
    }
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        if text == "Bayesian" {
            return Err(StrategyError::NotInThisVersion("Bayesian"));
        }
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == text)
            .ok_or_else(|| StrategyError::Unknown(text.to_owned()))
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_reads_back_from_its_name() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
            assert_eq!(serde_json::to_value(strategy).unwrap(), strategy.name());
        }
        assert_eq!(Strategy::default(), Strategy::List);
    }

    #[test]
    fn a_strategy_of_a_later_version_is_refused_as_such() {
        let refusal = "Bayesian".parse::<Strategy>().unwrap_err();
        assert_eq!(refusal.to_string(), "Bayesian is not available in this version; use List, Grid or Bisection");
        assert_eq!("list".parse::<Strategy>(), Err(StrategyError::Unknown("list".to_owned())));
    }
}
