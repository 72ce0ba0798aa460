//! Every limit and default of the loop, named, with its reason. The wire types take their defaults from here, so that a
//! number stands in one place.

use jiff::SignedDuration;

use crate::value::Decimal;

// Schedule and runs -------------------------------------------------------------------------------------------------

/// When a PHASE runs unless told otherwise: 03:00, the start of the maintenance window.
pub const SCHEDULE_DEFAULT: &str = "0 3 * * *";
/// Zone of schedules and windows unless told otherwise.
pub const TIME_ZONE_DEFAULT: &str = "Etc/UTC";
/// Kept runs per schedule: a month of nights, because the baseline may reach back 28 days.
pub const HISTORY_LIMIT_DEFAULT: i64 = 32;
/// How late a missed start may still be caught up: within the maintenance window's four hours, less the time to act.
pub const STARTING_DEADLINE_DEFAULT: SignedDuration = SignedDuration::from_hours(1);
/// Longest run: the seed's four hours.
pub const RUN_TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_hours(4);
/// How long a test pod may wait for a node with a free GPU before the run is `Unknown/NoSpareGPU`, or `Unknown/Unschedulable`
/// where something else lacks.
pub const GPU_WAIT_TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_mins(15);
/// Memory of the test side of a run.
pub const RUN_MEMORY_DEFAULT: &str = "8Gi";
/// CPUs of the test side of a run.
pub const RUN_CPU_DEFAULT: &str = "4";
/// Engine restarts that a PHASE endures and counts; a canary endures none.
pub const PHASE_ENGINE_RESTARTS_MAX: i64 = 3;

// Analysis ----------------------------------------------------------------------------------------------------------

/// The rolling baseline: 7 days.
pub const BASELINE_WINDOW_DEFAULT: SignedDuration = SignedDuration::from_hours(168);
/// By how much a run may lie beyond the window and still count as in it. Nights of one schedule lie a whole number of days
/// apart, to the second, and an hour less or more where clocks were changed: without this, some seconds of delay of one
/// night would decide whether the same night a week before is in its baseline.
pub const BASELINE_WINDOW_SLACK: SignedDuration = SignedDuration::from_hours(2);
/// How far back the newest admitted runs may serve when the window holds too few: four windows.
pub const BASELINE_REACH_MAX: SignedDuration = SignedDuration::from_hours(28 * 24);
/// Runs a baseline needs: below three, one outlier can't be told from the rest.
pub const BASELINE_RUNS_MIN_DEFAULT: i64 = 3;

/// Confidence that a change is no noise: the complement of the share of the judgements of a metric that may be wrong by
/// chance. A domain is judged by about five metrics a night and a regression needs several nights to become a pattern;
/// at 0.995 a baseline of ordinary noise raises a false alarm in far fewer than one night of a hundred (the simulation in
/// docs/how-it-judges.md).
pub const SIGNIFICANCE_CONFIDENCE_DEFAULT: Decimal = Decimal::from_millionths(995_000);
/// Latency above the baseline that is a warning, percent.
pub const LATENCY_WARNING_PERCENT_DEFAULT: i64 = 20;
/// Latency above the baseline that is critical, percent.
pub const LATENCY_CRITICAL_PERCENT_DEFAULT: i64 = 50;
/// Throughput or pass rate below the baseline that is a warning, percent.
pub const DROP_WARNING_PERCENT_DEFAULT: i64 = 15;
/// Throughput or pass rate below the baseline that is critical, percent.
pub const DROP_CRITICAL_PERCENT_DEFAULT: i64 = 30;
/// OOM events above a baseline that has some that are a warning, percent. Above a baseline of none, any is critical.
pub const OOM_WARNING_PERCENT_DEFAULT: i64 = 50;

// Load --------------------------------------------------------------------------------------------------------------

/// Requests of a workload: with 200, one request is half a percent of the fitness.
pub const WORKLOAD_REQUESTS_DEFAULT: i64 = 200;
/// Load before anything is measured: caches and compiled graphs fill in the first seconds.
pub const SERVING_WARMUP_DEFAULT: SignedDuration = SignedDuration::from_secs(10);
/// Longest measuring of a serving domain.
pub const SERVING_DURATION_DEFAULT: SignedDuration = SignedDuration::from_mins(5);
/// Failed requests that a measurement may hold, of a run and of a canary alike, percent: a failed request has no latency,
/// and above 5 % even the 95th percentile is unknown.
pub const FAILED_REQUESTS_PERCENT_MAX_DEFAULT: i64 = 5;
/// Requests that a candidate's measurement must hold: with 50, one request is worth the least gain asked for (0.02).
pub const CANARY_REQUESTS_MIN_DEFAULT: i64 = 50;

// Counting and flags ------------------------------------------------------------------------------------------------

/// Symptoms of one kind that make a pattern.
pub const SYMPTOM_THRESHOLD_DEFAULT: i64 = 3;
/// Largest threshold: a month of nights, what the history can hold.
pub const SYMPTOM_THRESHOLD_MAX: i64 = HISTORY_LIMIT_DEFAULT;
/// Shortest counting window unless one is given: a day.
pub const COUNTING_WINDOW_MIN_DEFAULT: SignedDuration = SignedDuration::from_hours(24);
/// Slack of a derived counting window over (threshold - 1) periods and one run: start-up, analysis, clock changes.
pub const COUNTING_WINDOW_SLACK: SignedDuration = SignedDuration::from_hours(1);
/// How long an armed flag permits tuning.
pub const FLAG_TTL_DEFAULT: SignedDuration = SignedDuration::from_hours(4);

// Gates and budgets -------------------------------------------------------------------------------------------------

/// Maintenance window: start, included.
pub const WINDOW_START_DEFAULT: &str = "03:00";
/// Maintenance window: end, excluded.
pub const WINDOW_END_DEFAULT: &str = "07:00";
/// Measuring per night: engine ready to measurement ended, warm-up included.
pub const MEASURE_BUDGET_DEFAULT: SignedDuration = SignedDuration::from_secs(60);
/// Holding GPUs per night: container started to finished, times GPUs. Seven engine starts of 30-100 s and their measuring.
pub const GPU_HOLD_BUDGET_DEFAULT: SignedDuration = SignedDuration::from_secs(900);
/// From the end of a tuning run to the next.
pub const COOLDOWN_DEFAULT: SignedDuration = SignedDuration::from_hours(6);
/// Tuning runs in the rate window.
pub const RATE_RUNS_DEFAULT: i64 = 3;
/// The rate window: any 24 hours.
pub const RATE_PERIOD_DEFAULT: SignedDuration = SignedDuration::from_hours(24);
/// Cause to the last container's end.
pub const RESTORE_SLA_DEFAULT: SignedDuration = SignedDuration::from_secs(15);

// Search and canaries -----------------------------------------------------------------------------------------------

/// Candidates per tuning run.
pub const CANDIDATES_MAX_DEFAULT: i64 = 6;
/// Most candidates anybody may ask for: what two budgets could ever hold.
pub const CANDIDATES_MAX: i64 = 32;
/// Candidate failures in a row that end a search.
pub const STOP_AFTER_FAILURES_DEFAULT: i64 = 2;
/// Fitness by which a candidate must beat the incumbent.
pub const MINIMUM_GAIN_DEFAULT: Decimal = Decimal::from_millionths(20_000);
/// Fitness a candidate needs where the incumbent failed by its own configuration.
pub const MINIMUM_FITNESS_DEFAULT: Decimal = Decimal::from_millionths(500_000);
/// Measuring per canary, warm-up included: an incumbent and six candidates fit the night's 60 s.
pub const CANARY_MEASURE_DEFAULT: SignedDuration = SignedDuration::from_secs(8);
/// Longest engine start of a canary: reloads of one-GPU models take 30-100 s.
pub const CANARY_START_TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_secs(120);
/// Grace of a test pod's containers.
pub const CANARY_GRACE_DEFAULT: SignedDuration = SignedDuration::from_secs(5);
/// Measurements per candidate.
pub const CANARY_REPEATS_DEFAULT: i64 = 1;

// Promotion ---------------------------------------------------------------------------------------------------------

/// How long a rollout may take before it is rolled back.
pub const ROLLOUT_TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_mins(30);
/// How long a promotion may wait for the run that validates it: two nights and their windows.
pub const VALIDATE_WITHIN_DEFAULT: SignedDuration = SignedDuration::from_hours(54);

// Driver ------------------------------------------------------------------------------------------------------------

/// The longest a plan may sleep before it looks again, in case a notice was lost.
pub const WAKE_MAX: SignedDuration = SignedDuration::from_mins(5);
