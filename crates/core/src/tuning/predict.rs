//! What the budgets of a night will hold, said before the first GPU is taken.

use jiff::SignedDuration;

use crate::{
    policy::bound,
    prelude::*,
    reasons,
    value::{Decimal, format_duration},
};

/// Fewest trials of a tuning run that can say anything: the incumbent and one candidate.
pub const TRIALS_MIN: u64 = 2;

/// What a prediction is made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PredictionRequest {
    /// How long engines of this image took from container start to ready, in the runs that are kept.
    pub starts_seen: Vec<SignedDuration>,
    /// Longest start that a trial waits for.
    pub start_timeout: SignedDuration,
    /// Measuring per trial, warm-up included.
    pub measure: SignedDuration,
    /// Of that, the beginning whose requests warm the engine up and don't count.
    pub warmup: SignedDuration,
    /// Of that, the end whose requests may not be answered any more and don't count either.
    pub closing: SignedDuration,
    /// Grace of the containers.
    pub grace: SignedDuration,
    /// GPUs that one trial holds; at least 1.
    pub gpus: u64,
    /// Measure seconds that are left.
    pub measure_left: SignedDuration,
    /// GPU-hold seconds that are left.
    pub hold_left: SignedDuration,
    /// Requests per second that the workload offers; absent for a closed loop.
    pub rate_per_second: Option<Decimal>,
    /// Requests that the workload offers at most; absent where only time ends it.
    pub requests_max: Option<u64>,
    /// Fewest completed requests that make a trial count.
    pub samples_min: u64,
    /// Most candidates that may be tried.
    pub max_candidates: u64,
}

/// On what the predicted start rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum StartBasis {
    /// The slowest of the starts that were seen.
    SlowestSeen,
    /// The start timeout, because no start was seen.
    StartTimeout,
}

/// Which budget bounds the number of trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum LimitedBy {
    /// As many candidates as may be tried fit.
    MaxCandidates,
    /// The measure budget.
    MeasureBudget,
    /// The GPU-hold budget.
    GpuHoldBudget,
}

/// What the budgets hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BudgetPrediction {
    /// Predicted start of an engine.
    pub start: SignedDuration,
    /// On what it rests.
    pub start_basis: StartBasis,
    /// Predicted hold of one trial, times GPUs.
    pub hold_per_trial: SignedDuration,
    /// Candidates that fit beside the incumbent, at most as many as may be tried.
    pub candidates: u64,
    /// What bounds them.
    pub limited_by: LimitedBy,
    /// Requests that will count in a trial; absent where the workload has no rate.
    pub samples: Option<u64>,
}

impl BudgetPrediction {
    /// What fits, and on what that rests, in one line.
    pub fn message(&self) -> String {
        let start = format_duration(self.start);
        let basis = match self.start_basis {
            StartBasis::SlowestSeen => format!("the slowest start seen took {start}"),
            StartBasis::StartTimeout => format!("no start was seen, so each counts as the timeout of {start}"),
        };
        let bounded = match self.limited_by {
            LimitedBy::MaxCandidates => "as many as may be tried",
            LimitedBy::MeasureBudget => "the measure budget holds no more",
            LimitedBy::GpuHoldBudget => "the GPU-hold budget holds no more",
        };
        let hold = format_duration(self.hold_per_trial);
        format!(
            "a night holds the incumbent and {} candidates ({bounded}): {basis}, a trial holds {hold}",
            self.candidates
        )
    }
}

reasons! {
    /// Why no tuning run is begun although every gate is open.
    pub enum PredictionRefusal {
        /// The budgets can't hold the incumbent and one candidate; the message names the values to set.
        BudgetCannotHoldOneCandidate,
        /// Engines were seen to start more slowly than a trial waits; the message names the value to set.
        StartTimeoutTooShort,
        /// The workload offers fewer requests in a measurement than a trial needs; the message names the values to set.
        MeasurementTooShort,
    }
}

/// A refusal with the values to set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct PredictionError {
    /// Which one.
    pub reason: PredictionRefusal,
    /// The figures and the values to set, in one line.
    pub message: String,
}

/// Predicts what the budgets hold. The start is the slowest seen: two figures of a night are too few for a quantile,
/// and a start that is underestimated takes the GPU for nothing.
///
/// # Errors
/// Nothing useful would come of beginning, and which values would change that.
pub fn predict_budget(request: &PredictionRequest) -> Result<BudgetPrediction, PredictionError> {
    let (start, start_basis) = match request.starts_seen.iter().max() {
        Some(slowest) => (*slowest, StartBasis::SlowestSeen),
        None => (request.start_timeout, StartBasis::StartTimeout),
    };
    if start > request.start_timeout {
        let (seen, waits) = (format_duration(start), format_duration(request.start_timeout));
        let message =
            format!("engines took up to {seen} to start, a trial waits {waits}; set canary.startTimeout above {seen}");
        return Err(PredictionError { reason: PredictionRefusal::StartTimeoutTooShort, message });
    }
    let samples = predict_samples(request);
    if let Some(samples) = samples.filter(|samples| *samples < request.samples_min) {
        return Err(too_few_samples(request, samples));
    }
    let gpus = request.gpus.max(1);
    let hold_per_trial = times(start.saturating_add(request.measure).saturating_add(request.grace), gpus);
    let by_measure = fits(request.measure_left, request.measure);
    let by_hold = fits(request.hold_left, hold_per_trial);
    if by_measure.min(by_hold) < TRIALS_MIN {
        return Err(cannot_hold_one(request, hold_per_trial, by_measure, by_hold));
    }
    let candidates = (by_measure.min(by_hold) - 1).min(request.max_candidates);
    let limited_by = if candidates == request.max_candidates {
        LimitedBy::MaxCandidates
    } else if by_measure <= by_hold {
        LimitedBy::MeasureBudget
    } else {
        LimitedBy::GpuHoldBudget
    };
    Ok(BudgetPrediction { start, start_basis, hold_per_trial, candidates, limited_by, samples })
}

/// Requests that count in a trial: rate times time, whole ones, and no more than the workload has, without those of the
/// warm-up and of the end.
fn predict_samples(request: &PredictionRequest) -> Option<u64> {
    let until_closing = offered_in(request, request.measure.saturating_sub(request.closing))?;
    let sent = request.requests_max.map_or(until_closing, |most| until_closing.min(most));
    Some(sent.saturating_sub(offered_in(request, request.warmup)?))
}

/// Requests that the rate offers in a time; nothing where there is no rate.
fn offered_in(request: &PredictionRequest, time: SignedDuration) -> Option<u64> {
    let rate = u128::try_from(request.rate_per_second?.millionths()).ok()?;
    let milliseconds = u128::try_from(time.as_millis()).unwrap_or(0);
    u64::try_from(rate * milliseconds / RATE_SCALE).ok()
}

/// Millionths of a request per second, times milliseconds, that make one request.
const RATE_SCALE: u128 = 1_000_000 * 1_000;

fn too_few_samples(request: &PredictionRequest, samples: u64) -> PredictionError {
    let (measure, needed) = (format_duration(request.measure), request.samples_min);
    let with_warmup = needed.saturating_add(offered_in(request, request.warmup).unwrap_or(0));
    let advice = if request.requests_max.is_some_and(|most| most < with_warmup) {
        format!("set canary.workload.requests to {with_warmup} or more")
    } else {
        match measure_for(request) {
            Some(enough) => {
                let enough = format_duration(enough);
                format!("set canary.measure to {enough} or more, or raise canary.workload.rate")
            }
            None => "raise canary.workload.rate".to_owned(),
        }
    };
    let message = format!("{samples} requests count in a trial of {measure}, {needed} are needed; {advice}");
    PredictionError { reason: PredictionRefusal::MeasurementTooShort, message }
}

/// Whole seconds in which as many requests count as are needed; nothing where the rate is zero. The parts that don't count
/// are no greater shares of a longer trial than of this one.
fn measure_for(request: &PredictionRequest) -> Option<SignedDuration> {
    let rate = u128::try_from(request.rate_per_second?.millionths()).ok()?;
    let counted = request.measure.saturating_sub(request.warmup).saturating_sub(request.closing);
    let (measure, counted) =
        (u128::try_from(request.measure.as_millis()).ok()?, u128::try_from(counted.as_millis()).ok()?);
    let milliseconds =
        (u128::from(request.samples_min) * RATE_SCALE * measure.max(1)).checked_div(rate * counted.max(1))?;
    i64::try_from(milliseconds.div_ceil(1_000)).ok().map(SignedDuration::from_secs)
}

fn cannot_hold_one(
    request: &PredictionRequest,
    hold_per_trial: SignedDuration,
    by_measure: u64,
    by_hold: u64,
) -> PredictionError {
    let mut parts = Vec::new();
    if by_measure < TRIALS_MIN {
        let needed = times(request.measure, TRIALS_MIN);
        parts.push(format!(
            "incumbent and one candidate measure {}, left are {}: set safety.measureBudget to {} or more",
            format_duration(needed),
            format_duration(request.measure_left),
            format_duration(needed)
        ));
    }
    if by_hold < TRIALS_MIN {
        let needed = times(hold_per_trial, TRIALS_MIN);
        parts.push(format!(
            "incumbent and one candidate hold GPUs for {}, left are {}: set safety.gpuHoldBudget to {} or more",
            format_duration(needed),
            format_duration(request.hold_left),
            format_duration(needed)
        ));
    }
    PredictionError { reason: PredictionRefusal::BudgetCannotHoldOneCandidate, message: parts.join("; ") }
}

fn times(duration: SignedDuration, count: u64) -> SignedDuration {
    let milliseconds = duration.as_millis().saturating_mul(i128::from(count));
    SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

/// How often the part fits the whole; a part of no length is no measurement and never fits.
fn fits(whole: SignedDuration, part: SignedDuration) -> u64 {
    if part <= SignedDuration::ZERO {
        return 0;
    }
    u64::try_from(whole.as_millis() / part.as_millis().max(1)).unwrap_or(0)
}

impl Default for PredictionRequest {
    /// The defaults of the loop: full budgets, one GPU, no starts seen and no rate known.
    fn default() -> Self {
        Self {
            starts_seen: Vec::new(),
            start_timeout: bound::CANARY_START_TIMEOUT_DEFAULT,
            measure: bound::CANARY_MEASURE_DEFAULT,
            warmup: SignedDuration::ZERO,
            closing: SignedDuration::ZERO,
            grace: bound::CANARY_GRACE_DEFAULT,
            gpus: 1,
            measure_left: bound::MEASURE_BUDGET_DEFAULT,
            hold_left: bound::GPU_HOLD_BUDGET_DEFAULT,
            rate_per_second: None,
            requests_max: None,
            samples_min: bound::CANARY_REQUESTS_MIN_DEFAULT.unsigned_abs(),
            max_candidates: bound::CANDIDATES_MAX_DEFAULT.unsigned_abs(),
        }
    }
}

#[cfg(test)]
mod tests;
