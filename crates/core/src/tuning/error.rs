//! Why a parameter or a value may not be tried.

use super::version::{EngineVersion, VersionRange};
use crate::{
    prelude::*,
    value::{Decimal, ParameterName, ParameterValue},
};

/// A parameter or a value that may not be tried, with what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TuningError {
    /// The catalogue doesn't have the parameter.
    #[error("{name} is no tunable parameter of {versions}{}", suggestion(nearest.as_deref()))]
    UnknownParameter {
        /// As asked for.
        name: ParameterName,
        /// The nearest name of the catalogue.
        nearest: Option<String>,
        /// What the catalogue covers.
        versions: VersionRange,
    },
    /// The parameter may never be tuned.
    #[error("{name} is never tuned: {why}")]
    NeverTuned {
        /// The parameter.
        name: ParameterName,
        /// The reason.
        why: &'static str,
    },
    /// The engine's version no longer has the flag.
    #[error("{name} was removed from vLLM before {version}; {instead}")]
    Removed {
        /// The parameter.
        name: ParameterName,
        /// The target's version.
        version: EngineVersion,
        /// What takes its place.
        instead: &'static str,
    },
    /// The catalogue has no entry for the engine's version.
    #[error("the catalogue knows {known}, not {version}")]
    VersionNotCovered {
        /// The target's version.
        version: EngineVersion,
        /// What the catalogue covers.
        known: VersionRange,
    },
    /// Only an administrator may release the parameter.
    #[error("{name} needs the administrator's permission: {why}")]
    NeedsAdministrator {
        /// The parameter.
        name: ParameterName,
        /// The reason.
        why: &'static str,
    },
    /// The value is too high.
    #[error("{value} is above the {whose} maximum {maximum} for {name} ({versions})")]
    AboveMaximum {
        /// The parameter.
        name: ParameterName,
        /// The value.
        value: Decimal,
        /// `catalogue's` or `administrator's`.
        whose: &'static str,
        /// The bound.
        maximum: Decimal,
        /// For which engines.
        versions: VersionRange,
    },
    /// The value is too low.
    #[error("{value} is below the {whose} minimum {minimum} for {name} ({versions})")]
    BelowMinimum {
        /// The parameter.
        name: ParameterName,
        /// The value.
        value: Decimal,
        /// `catalogue's` or `administrator's`.
        whose: &'static str,
        /// The bound.
        minimum: Decimal,
        /// For which engines.
        versions: VersionRange,
    },
    /// The value lies between two steps.
    #[error("{value} is not a whole number of steps of {step} above {origin} for {name} ({versions})")]
    OffStep {
        /// The parameter.
        name: ParameterName,
        /// The value.
        value: Decimal,
        /// Where steps are counted from.
        origin: Decimal,
        /// The step.
        step: Decimal,
        /// For which engines.
        versions: VersionRange,
    },
    /// The value is none of those that are allowed.
    #[error("{value} is no value of {name} ({versions}); allowed: {allowed}")]
    NotAllowed {
        /// The parameter.
        name: ParameterName,
        /// The value.
        value: ParameterValue,
        /// The allowed values.
        allowed: String,
        /// For which engines.
        versions: VersionRange,
    },
    /// What the administrator allows and what the catalogue allows have no value in common.
    #[error("the administrator's bounds for {name} leave none of the catalogue's values ({versions})")]
    NothingLeft {
        /// The parameter.
        name: ParameterName,
        /// For which engines.
        versions: VersionRange,
    },
    /// A range that holds no value, or too many.
    #[error("range {minimum} to {maximum} by {step} for {name} {fault}")]
    ImpossibleRange {
        /// The parameter.
        name: ParameterName,
        /// Its start.
        minimum: Decimal,
        /// Its end.
        maximum: Decimal,
        /// Its step.
        step: Decimal,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// `; did you mean x?`, or nothing.
fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}

impl TuningError {
    /// What a person can do about it, in one sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::UnknownParameter { .. } | Self::NeverTuned { .. } | Self::Removed { .. } => {
                "remove the parameter, or name one of docs/reference/actuators.md".to_owned()
            }
            Self::VersionNotCovered { known, .. } => format!("run an engine of {known}"),
            Self::NeedsAdministrator { name, .. } => {
                format!("have the administrator permit {name} in the ConfigMap phaseloop-policy")
            }
            Self::AboveMaximum { maximum, .. } => format!("keep values at or below {maximum}, or remove the value"),
            Self::BelowMinimum { minimum, .. } => format!("keep values at or above {minimum}, or remove the value"),
            Self::OffStep { origin, step, .. } => format!("use {origin} plus a whole number of steps of {step}"),
            Self::NotAllowed { allowed, .. } => format!("use one of {allowed}"),
            Self::NothingLeft { .. } => "widen the bounds in the ConfigMap phaseloop-policy".to_owned(),
            Self::ImpossibleRange { .. } => {
                "give a minimum at or below the maximum, and a positive step that makes few values".to_owned()
            }
        }
    }
}
