//! What is chosen where the target does not say it: load, times, budgets, window.

use jiff::{SignedDuration, Timestamp, civil::Time};
use phaseloop_core::{
    policy::bound::{
        CANARY_GRACE_DEFAULT, CANARY_MEASURE_DEFAULT, CANARY_REQUESTS_MIN_DEFAULT, CANARY_START_TIMEOUT_DEFAULT,
        CANDIDATES_MAX_DEFAULT, GPU_HOLD_BUDGET_DEFAULT, GPU_WAIT_TIMEOUT_DEFAULT, MEASURE_BUDGET_DEFAULT,
        RUN_TIMEOUT_DEFAULT, WORKLOAD_REQUESTS_DEFAULT,
    },
    promotion::observed::TargetManager,
    value::Decimal,
};

use super::{draft::InitOptions, observe::InitFacts, reading::EngineReading};
use crate::{
    administrator::FleetLimits,
    delivery::{manager::manager_of, rollout::rollout_facts},
};

/// Tokens of a prompt and of an answer: a chat's, where nothing is known.
const TOKENS: (i64, i64) = (512, 128);
/// Time to the first token that people take for at once.
const TTFT: SignedDuration = SignedDuration::from_secs(1);
/// Time per token at which text comes as fast as people read.
const TPOT: SignedDuration = SignedDuration::from_millis(50);
/// Seconds of load that a PHASE measures.
const LOAD_SECONDS: i64 = 60;
/// Of a canary's measuring so much counts at least: without the eighth that warms up and the quarter that closes.
const COUNTED: (i64, i64) = (5, 8);
/// How often a PHASE's engine may start: once, and three restarts.
const STARTS_PER_RUN: i32 = 4;
/// What a run needs besides starts and the wait for a GPU: its load, and what is small.
const RUN_REST: SignedDuration = SignedDuration::from_mins(6);
/// A run is given an hour at least: pulling a large image takes its time once.
const RUN_TIMEOUT_LEAST: SignedDuration = SignedDuration::from_hours(1);
/// Times of a run are whole half hours.
const RUN_STEP: SignedDuration = SignedDuration::from_mins(30);
/// Length of the maintenance window.
const WINDOW: SignedDuration = SignedDuration::from_hours(4);

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// Requests per second.
    pub(super) rate: Decimal,
    /// Requests of a run.
    pub(super) requests: i64,
    /// Tokens of each prompt.
    pub(super) input_tokens: i64,
    /// Tokens of each answer.
    pub(super) output_tokens: i64,
    /// Longest time to the first token.
    pub(super) ttft: SignedDuration,
    /// Longest time per further token.
    pub(super) tpot: SignedDuration,
    /// Longest time of a whole answer.
    pub(super) e2e: SignedDuration,
    /// Longest run.
    pub(super) run_timeout: SignedDuration,
    /// Measuring per canary.
    pub(super) measure: SignedDuration,
    /// Longest start of a canary's engine.
    pub(super) start_timeout: SignedDuration,
    /// Measuring per night.
    pub(super) measure_budget: SignedDuration,
    /// GPU-hold per night.
    pub(super) hold_budget: SignedDuration,
    /// When the window opens and closes.
    pub(super) window: (String, String),
    /// Candidates per tuning run.
    pub(super) candidates: i64,
    /// Time between two tuning runs, where the administrator asks for more than the default.
    pub(super) cooldown: Option<SignedDuration>,
    /// Who else manages the target.
    pub(super) manager: Option<TargetManager>,
    /// Whether a rollout starts a new pod before an old one ends.
    pub(super) surges: bool,
}

/// Chooses. The administrator's limits hold.
pub(super) fn choose(facts: &InitFacts, reading: &EngineReading, options: &InitOptions, now: Timestamp) -> Choice {
    let no_limits = FleetLimits::default();
    let limits = facts.policy.policy().map_or(&no_limits, |policy| &policy.limits);
    let (input_tokens, output_tokens) = tokens(reading.tokens_max());
    let measure = measure_for(options.rate);
    let start_timeout = reading.startup_allowed.unwrap_or_default().max(CANARY_START_TIMEOUT_DEFAULT);
    let gpus = i32::try_from(reading.gpus.max(1)).unwrap_or(i32::MAX);
    let trial = start_timeout.saturating_add(measure).saturating_add(CANARY_GRACE_DEFAULT.saturating_mul(2));
    let hold = GPU_HOLD_BUDGET_DEFAULT.max(trial.saturating_mul(2)).saturating_mul(gpus);
    let trials = i32::try_from(CANDIDATES_MAX_DEFAULT).unwrap_or(i32::MAX).saturating_add(1);
    let at_most = |wanted: SignedDuration, limit: Option<crate::api::Duration>| {
        limit.map_or(wanted, |limit| wanted.min(limit.into()))
    };
    let run =
        GPU_WAIT_TIMEOUT_DEFAULT.saturating_add(start_timeout.saturating_mul(STARTS_PER_RUN)).saturating_add(RUN_REST);
    Choice {
        rate: options.rate,
        requests: requests_for(options.rate),
        input_tokens,
        output_tokens,
        ttft: TTFT,
        tpot: TPOT,
        e2e: whole(TTFT.saturating_add(TPOT.saturating_mul(i32::try_from(output_tokens).unwrap_or(i32::MAX))), 1),
        run_timeout: at_most(
            whole(run, RUN_STEP.as_secs()).clamp(RUN_TIMEOUT_LEAST, RUN_TIMEOUT_DEFAULT),
            limits.max_run_timeout,
        ),
        measure,
        start_timeout,
        measure_budget: at_most(MEASURE_BUDGET_DEFAULT.max(measure.saturating_mul(trials)), limits.max_measure_budget),
        hold_budget: at_most(whole(hold, 60), limits.max_gpu_hold_budget),
        window: window(options, now),
        candidates: limits.max_candidates.map_or(CANDIDATES_MAX_DEFAULT, |limit| limit.min(CANDIDATES_MAX_DEFAULT)),
        cooldown: limits
            .min_cooldown
            .map(SignedDuration::from)
            .filter(|least| *least > phaseloop_core::policy::bound::COOLDOWN_DEFAULT),
        manager: manager_of(facts.target.metadata()),
        surges: rollout_facts(&facts.target, &[], None, true).unavailable_max == 0,
    }
}

/// Tokens of prompt and answer that an engine takes together.
fn tokens(most: Option<i64>) -> (i64, i64) {
    let (input, output) = TOKENS;
    match most.filter(|most| *most < input + output) {
        Some(most) => ((most / 2).max(1), (most / 8).max(1)),
        None => TOKENS,
    }
}

/// Measuring in which as many requests count as a canary needs, and never less than the default.
fn measure_for(rate: Decimal) -> SignedDuration {
    let (counted, of) = COUNTED;
    let rate = rate.millionths().max(1);
    let needed = CANARY_REQUESTS_MIN_DEFAULT.saturating_mul(of).saturating_mul(1_000_000);
    let seconds = needed / counted / rate + i64::from(needed % (counted * rate) != 0);
    SignedDuration::from_secs(seconds).max(CANARY_MEASURE_DEFAULT)
}

fn requests_for(rate: Decimal) -> i64 {
    let requests = rate.millionths().saturating_mul(LOAD_SECONDS) / 1_000_000;
    requests.clamp(WORKLOAD_REQUESTS_DEFAULT, 1_000_000)
}

/// The duration, made up to a whole number of steps.
fn whole(duration: SignedDuration, step_seconds: i64) -> SignedDuration {
    let step = step_seconds.max(1);
    let seconds = duration.as_secs() + i64::from(duration.subsec_nanos() > 0);
    SignedDuration::from_secs(seconds.saturating_add(step - 1) / step * step)
}

/// The window opens when runs start: what a run finds is acted on in the same night.
fn window(options: &InitOptions, now: Timestamp) -> (String, String) {
    let schedule = &options.schedule;
    let first = schedule.next_after(now).map(|firing| schedule.zone.local(firing).time());
    let start = first.unwrap_or(Time::midnight());
    let end = start.wrapping_add(WINDOW);
    let told = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
    (told(start), told(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_rate_is_measured_for_longer() {
        for (rate, seconds) in [("10", 8), ("9", 9), ("4", 20), ("1", 80), ("0.5", 160), ("100", 8)] {
            assert_eq!(measure_for(rate.parse().unwrap()), SignedDuration::from_secs(seconds), "{rate}");
        }
    }

    #[test]
    fn a_short_engine_gets_short_requests() {
        assert_eq!(tokens(None), (512, 128));
        assert_eq!(tokens(Some(640)), (512, 128));
        assert_eq!(tokens(Some(639)), (319, 79));
        assert_eq!(tokens(Some(1)), (1, 1));
    }

    #[test]
    fn a_duration_is_made_up_to_whole_steps() {
        assert_eq!(whole(SignedDuration::from_millis(7_400), 1), SignedDuration::from_secs(8));
        assert_eq!(whole(SignedDuration::from_mins(61), 1_800), SignedDuration::from_mins(90));
        assert_eq!(whole(SignedDuration::from_mins(60), 1_800), SignedDuration::from_mins(60));
    }
}
