//! What is tried, and how it is judged: from a diagnosis to candidates, from measured trials to a winner or to none.
//!
//! **What lives here**: the catalogue of vLLM's tunable flags with their bounds, where a flag is set and how it is set
//! back, candidates and their order, search strategies, hard gates, fitness, ranking, the deny list and the prediction
//! of what a budget holds.
//!
//! **What must not**: judging a run (`analysis`), when tuning is allowed (`policy`), the life of a promotion
//! (`promotion`), anything that acts.

pub mod actuator;
pub mod binding;
pub mod bounds;
pub mod canary_reason;
pub mod candidate;
pub mod catalogue;
pub mod combine;
pub mod configuration;
pub mod deny;
pub mod error;
pub mod exact_test;
pub mod fitness;
pub mod flag;
pub mod interaction;
pub mod measuring;
pub mod order;
pub mod outcome;
pub mod predict;
pub mod rank;
pub mod reference;
pub mod search;
pub mod strategy;
mod value_choice;
pub mod version;
pub mod winner;

pub use actuator::{Actuator, ActuatorKind, Cause, Direction};
pub use binding::{
    Binding, BindingChange, BindingError, ConfigMapFormat, ContainerView, EnvironmentVariable, Place, PreImage,
    Reading, TargetView, engine_arguments, read_parameter, restore_parameter, set_parameter,
};
pub use bounds::{AdminBounds, Bounds, bounds};
pub use canary_reason::CanaryReason;
pub use candidate::{
    Candidate, CandidatePlan, CandidateRequest, NothingToTry, RefusalReason, RefusedCandidate, RequestedParameter,
    RequestedValues, plan_candidates,
};
pub use catalogue::{ACTUATORS, find_actuator};
pub use configuration::configuration_of;
pub use deny::{DeniedCandidate, Fingerprint, fingerprint, is_denied};
pub use error::TuningError;
pub use fitness::Fitness;
pub use outcome::{TrialJudgement, TrialLimits, TrialMeasurement, TrialVerdict, judge_trial};
pub use predict::{BudgetPrediction, PredictionError, PredictionRequest, predict_budget};
pub use rank::{TrialResult, change_size, rank_trials};
pub use reference::actuators_markdown;
pub use search::{NextTrial, SearchEnd, SearchLimits, Trial, TrialEnding, next_trial};
pub use strategy::{Strategy, StrategyError};
pub use version::{EngineVersion, VersionRange};
pub use winner::{WinnerDecision, WinnerTerms, decide_winner};
