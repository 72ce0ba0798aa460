use proptest::prelude::*;

use super::*;
use crate::{
    policy::{
        CanaryConclusion, CanaryRole, EscalationRule, FindingReason, FlagState, GateName,
        fixture::{at, canary, lasts, run, spend, windows},
    },
    schedule::{Schedule, Zone},
    tuning::predict::PredictionRefusal,
    value::{Diagnosis, ParameterName, ParameterValue, Severity, SymptomKind, Uid},
};

fn policy() -> CyclePolicy {
    CyclePolicy::with_defaults(Schedule { cron: "0 3 * * *".parse().unwrap(), zone: Zone::utc() })
}

fn environment(max_num_seqs: &str) -> Environment {
    Environment {
        engine_version: Some("vllm 0.32.0".to_owned()),
        configuration: [("max-num-seqs".to_owned(), max_num_seqs.to_owned())].into(),
        ..Environment::default()
    }
}

/// A night of March 2026 on which latency had risen because requests waited.
fn slow(night: u32) -> RunFacts {
    let uid = format!("n{night}");
    let mut run =
        run(&uid, &format!("2026-03-{night:02}T03:20:00Z"), &[(SymptomKind::LatencyRegression, Severity::Critical)]);
    run.symptoms[0].diagnosis = Diagnosis::AdmissionLimited;
    run
}

fn slow_nights(nights: core::ops::RangeInclusive<u32>) -> Vec<RunFacts> {
    nights.map(slow).collect()
}

/// Everything that a decision is taken from, with nothing in the way.
struct World {
    runs: Vec<RunFacts>,
    flags_before: Vec<Flag>,
    ledger: Ledger,
    canaries: Vec<CanaryFacts>,
    claims: TargetClaims,
    suspension: Option<Suspension>,
    environment: Environment,
    healthy: BTreeMap<String, String>,
    starts: Vec<SignedDuration>,
    current: Option<CurrentRun<'static>>,
}

impl World {
    fn of(runs: Vec<RunFacts>) -> Self {
        Self {
            runs,
            flags_before: Vec::new(),
            ledger: Ledger::default(),
            canaries: Vec::new(),
            claims: TargetClaims::default(),
            suspension: None,
            environment: environment("2"),
            healthy: environment("32").configuration,
            starts: vec![lasts("30s")],
            current: None,
        }
    }

    fn decide(&self, policy: &CyclePolicy, now: &str) -> CycleDecision {
        let facts = CycleFacts {
            runs: &self.runs,
            flags_before: &self.flags_before,
            ledger: &self.ledger,
            canaries: &self.canaries,
            claims: &self.claims,
            suspension: self.suspension.as_ref(),
            environment: &self.environment,
            healthy: Some(&self.healthy),
            denied: &[],
            engine_starts: &self.starts,
            current: self.current,
        };
        decide_cycle(policy, &facts, at(now))
    }
}

fn flag_of(decision: &CycleDecision, symptom: SymptomKind) -> &Flag {
    decision.flags.iter().find(|flag| flag.symptom == symptom).unwrap()
}

fn gate_is_open(decision: &CycleDecision, name: GateName) -> bool {
    decision.gates.gates.iter().find(|gate| gate.name == name).unwrap().open
}

fn tried(decision: &CycleDecision) -> Vec<String> {
    let candidates = &decision.candidates.as_ref().unwrap().candidates;
    candidates
        .iter()
        .map(|candidate| candidate.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect())
        .collect()
}

const LATENCY: SymptomKind = SymptomKind::LatencyRegression;

#[test]
fn three_nights_arm_the_flag_and_what_healthy_runs_had_is_tried_first() {
    let decision = World::of(slow_nights(2..=4)).decide(&policy(), "2026-03-04T03:20:00Z");
    assert_eq!(flag_of(&decision, LATENCY).state, FlagState::Armed);
    assert_eq!(tried(&decision)[0], "max-num-seqs=32");
    assert!(decision.gates.all_open && decision.findings.is_empty());
    assert_eq!(decision.prediction.unwrap().unwrap().candidates, 6);
}

#[test]
fn two_nights_plan_and_predict_nothing() {
    let decision = World::of(slow_nights(3..=4)).decide(&policy(), "2026-03-04T03:20:00Z");
    assert_eq!((flag_of(&decision, LATENCY).state, flag_of(&decision, LATENCY).count), (FlagState::Idle, 2));
    assert_eq!((decision.candidates, decision.prediction.is_none()), (None, true));
}

#[test]
fn consumed_runs_count_no_more_whether_folded_or_seen() {
    let mut incumbent = canary("2026-03-03", 0, "c");
    incumbent.role = CanaryRole::Incumbent;
    incumbent.released_at = Some(at("2026-03-03T03:30:00Z"));
    incumbent.conclusion = Some(CanaryConclusion::Passed);
    incumbent.consumes = [Uid::new("n2")].into();
    let mut seen = World::of(slow_nights(2..=4));
    seen.canaries = vec![incumbent.clone()];
    let mut folded = World::of(slow_nights(2..=4));
    folded.ledger.fold(&incumbent);
    for world in [seen, folded] {
        let decision = world.decide(&policy(), "2026-03-04T03:20:00Z");
        assert_eq!(flag_of(&decision, LATENCY).count, 2);
        assert_eq!(decision.candidates, None);
    }
}

#[test]
fn candidates_are_planned_while_a_closed_gate_says_what_they_wait_for() {
    let mut world = World::of(slow_nights(2..=4));
    world.suspension = Some(Suspension { reason: "holidays".to_owned(), until: None });
    let decision = world.decide(&policy(), "2026-03-04T03:20:00Z");
    assert!(!gate_is_open(&decision, GateName::NotSuspended) && !decision.gates.all_open);
    assert!(!tried(&decision).is_empty());
}

#[test]
fn an_expired_flag_plans_nothing() {
    let mut world = World::of(slow_nights(2..=4));
    world.flags_before = world.decide(&policy(), "2026-03-04T03:20:00Z").flags;
    assert!(world.decide(&policy(), "2026-03-04T07:19:59Z").candidates.is_some());
    let decision = world.decide(&policy(), "2026-03-04T07:20:00Z");
    assert_eq!(flag_of(&decision, LATENCY).state, FlagState::Expired);
    assert_eq!(decision.candidates, None);
}

#[test]
fn each_flag_remembers_its_own_past() {
    let mut short = policy();
    for rule in &mut short.rules {
        rule.flag_ttl = lasts("1m");
    }
    let mut world = World::of(slow_nights(2..=4));
    world.flags_before = world.decide(&short, "2026-03-04T03:21:00Z").flags;
    let decision = world.decide(&policy(), "2026-03-04T03:30:00Z");
    assert_eq!(flag_of(&decision, LATENCY).state, FlagState::Expired, "a longer TTL brings no expired flag back");
    world.flags_before.clear();
    assert_eq!(flag_of(&world.decide(&policy(), "2026-03-04T03:30:00Z"), LATENCY).state, FlagState::Armed);
}

#[test]
fn only_the_runs_behind_the_armed_flag_and_only_its_kind_say_what_is_tried() {
    let mut runs = slow_nights(2..=4);
    // A memory symptom in one of the runs, and a latency symptom too old to count: both would add other candidates.
    runs[0].symptoms.push(crate::policy::fixture::oom("x", "2026-03-02T03:20:00Z").symptoms.remove(0));
    runs[0].symptoms[1].diagnosis = Diagnosis::MemoryOvercommitted;
    let mut old = slow(1);
    old.completed_at = at("2026-02-01T03:20:00Z");
    old.symptoms[0].diagnosis = Diagnosis::CachePressure;
    runs.push(old);
    let decision = World::of(runs).decide(&policy(), "2026-03-04T03:20:00Z");
    let plain = World::of(slow_nights(2..=4)).decide(&policy(), "2026-03-04T03:20:00Z");
    assert_eq!(decision.candidates, plain.candidates);
}

#[test]
fn a_rule_that_names_parameters_restricts_what_is_tried() {
    let listed = RequestedParameter {
        name: ParameterName::new("max-num-seqs"),
        values: RequestedValues::Listed(vec![ParameterValue::from("16"), ParameterValue::from("24")]),
    };
    let mut policy = policy();
    policy.parameters = vec![
        RequestedParameter { name: ParameterName::new("max-num-batched-tokens"), values: RequestedValues::Catalogue },
        listed,
    ];
    let world = World::of(slow_nights(2..=4));
    let names = |decision: &CycleDecision| -> BTreeSet<String> {
        tried(decision).iter().map(|text| text.split('=').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&world.decide(&policy, "2026-03-04T03:20:00Z")).len(), 2);
    let name = || ParameterName::new("max-num-seqs");
    policy.rule_parameters = [(LATENCY, vec![name(), name()])].into();
    let mut restricted = tried(&world.decide(&policy, "2026-03-04T03:20:00Z"));
    restricted.sort();
    assert_eq!(restricted, ["max-num-seqs=16", "max-num-seqs=24"], "listed values, and no parameter twice");
    policy.parameters.clear();
    let of_catalogue = tried(&world.decide(&policy, "2026-03-04T03:20:00Z"));
    assert_eq!(of_catalogue[0], "max-num-seqs=32", "a name without values takes the catalogue's");
    assert!(of_catalogue.iter().all(|text| text.starts_with("max-num-seqs=")));
}

#[test]
fn one_armed_symptom_without_names_frees_all_parameters() {
    let mut runs = slow_nights(2..=4);
    for run in &mut runs {
        let mut drop = run.symptoms[0].clone();
        drop.kind = SymptomKind::ThroughputDrop;
        run.symptoms.push(drop);
    }
    let mut policy = policy();
    policy.rule_parameters = [(LATENCY, vec![ParameterName::new("max-num-batched-tokens")])].into();
    let decision = World::of(runs).decide(&policy, "2026-03-04T03:20:00Z");
    assert_eq!(tried(&decision)[0], "max-num-seqs=32");
    policy.rule_parameters = [(LATENCY, Vec::new())].into();
    let decision = World::of(slow_nights(2..=4)).decide(&policy, "2026-03-04T03:20:00Z");
    assert_eq!(tried(&decision)[0], "max-num-seqs=32", "an empty list names nothing");
}

#[test]
fn a_flag_that_expires_before_the_next_window_is_told() {
    let mut policy = policy();
    policy.safety.windows = windows(&["12:00-13:00 Etc/UTC"]);
    let decision = World::of(slow_nights(2..=4)).decide(&policy, "2026-03-04T03:20:00Z");
    assert_eq!(decision.findings.iter().map(|f| f.reason).collect::<Vec<_>>(), [FindingReason::PhaseOutlastsWindow]);
    let idle = World::of(slow_nights(3..=4)).decide(&policy, "2026-03-04T03:20:00Z");
    assert!(idle.findings.is_empty(), "nothing was armed");
    let mut expired = World::of(slow_nights(2..=4));
    expired.flags_before = decision.flags;
    let later = expired.decide(&policy, "2026-03-04T12:30:00Z");
    assert_eq!(flag_of(&later, LATENCY).state, FlagState::Expired);
    assert_eq!(later.findings, decision.findings, "why it expired is told for as long as it shows");
    expired.runs.clear();
    let forgotten = expired.decide(&policy, "2026-03-09T03:20:00Z");
    assert_eq!((flag_of(&forgotten, LATENCY).state, forgotten.findings), (FlagState::Idle, Vec::new()));
}

#[test]
fn the_budget_gates_ask_for_the_incumbent_and_one_candidate() {
    // 8 s of measuring each.
    for (budget, open) in [(spend(16, 900), true), (spend(15, 900), false)] {
        let mut policy = policy();
        policy.safety.budget = budget;
        let decision = World::of(Vec::new()).decide(&policy, "2026-03-04T03:20:00Z");
        assert_eq!(gate_is_open(&decision, GateName::MeasureBudget), open);
    }
    for (hold, open) in [(96, true), (95, false)] {
        let mut policy = policy();
        policy.safety.budget = spend(60, hold);
        let decision = World::of(Vec::new()).decide(&policy, "2026-03-04T03:20:00Z");
        assert_eq!(
            gate_is_open(&decision, GateName::GpuHoldBudget),
            open,
            "30 s of start as seen, 8 s and two graces of 5 s, twice: {hold}"
        );
    }
}

#[test]
fn a_start_that_is_expected_counts_where_none_as_slow_was_seen() {
    let mut policy = policy();
    policy.canary.start_expected = lasts("40s");
    let hold_is_open = |policy: &CyclePolicy, hold: i64| {
        let mut policy = policy.clone();
        policy.safety.budget = spend(60, hold);
        gate_is_open(&World::of(Vec::new()).decide(&policy, "2026-03-04T03:20:00Z"), GateName::GpuHoldBudget)
    };
    assert!(hold_is_open(&policy, 116) && !hold_is_open(&policy, 115));
    policy.canary.start_expected = lasts("20s");
    assert!(hold_is_open(&policy, 96) && !hold_is_open(&policy, 95));
}

#[test]
fn a_night_that_can_not_hold_one_candidate_is_refused_with_the_values_to_set() {
    let mut policy = policy();
    policy.safety.budget = spend(60, 60);
    let decision = World::of(slow_nights(2..=4)).decide(&policy, "2026-03-04T03:20:00Z");
    let refusal = decision.prediction.unwrap().unwrap_err();
    assert_eq!(refusal.reason, PredictionRefusal::BudgetCannotHoldOneCandidate);
    assert!(refusal.message.contains("gpuHoldBudget"), "{}", refusal.message);
}

#[test]
fn a_prediction_is_made_of_what_the_policy_says() {
    let mut policy = policy();
    policy.canary.start_timeout = lasts("20s");
    let predict = |policy: &CyclePolicy| {
        let decision = World::of(slow_nights(2..=4)).decide(policy, "2026-03-04T03:20:00Z");
        decision.prediction.unwrap()
    };
    assert_eq!(predict(&policy).unwrap_err().reason, PredictionRefusal::StartTimeoutTooShort, "30 s were seen");
    policy.canary.start_timeout = lasts("60s");
    policy.load.rate_per_second = Some("4".parse().unwrap());
    assert_eq!(predict(&policy).unwrap_err().reason, PredictionRefusal::MeasurementTooShort, "32 requests in 8 s");
    policy.load.rate_per_second = Some("10".parse().unwrap());
    assert_eq!(predict(&policy).unwrap().samples, Some(50), "one second warms up, two are left to the last answers");
    policy.load.answer_limit = Some(lasts("500ms"));
    assert_eq!(predict(&policy).unwrap().samples, Some(65), "a good answer takes no longer than half a second");
    policy.load.requests_max = Some(59);
    assert_eq!(predict(&policy).unwrap_err().reason, PredictionRefusal::MeasurementTooShort);
    policy.load.samples_min = 49;
    policy.max_candidates = 2;
    assert_eq!(predict(&policy).unwrap().candidates, 2);
    policy.max_candidates = 6;
    policy.canary.gpus = core::num::NonZeroU32::new(9).unwrap();
    let prediction = predict(&policy).unwrap();
    assert_eq!((prediction.candidates, prediction.hold_per_trial), (1, lasts("432s")), "(30 + 8 + 2 x 5) s x 9");
    policy.canary.gpus = core::num::NonZeroU32::new(10).unwrap();
    assert_eq!(predict(&policy).unwrap_err().reason, PredictionRefusal::BudgetCannotHoldOneCandidate);
}

#[test]
fn the_defaults_have_a_rule_for_every_symptom_and_nothing_wrong() {
    let policy = policy();
    let symptoms: Vec<SymptomKind> = policy.rules.iter().map(|rule| rule.symptom).collect();
    assert_eq!(symptoms, SymptomKind::ALL);
    assert_eq!(policy.findings(), []);
}

#[test]
fn what_can_not_work_is_found() {
    let mut policy = policy();
    let window = Some(lasts("24h"));
    policy.rules = vec![EscalationRule { window, ..EscalationRule::default_for(LATENCY) }];
    policy.safety.windows = windows(&[]);
    let reasons: Vec<FindingReason> = policy.findings().iter().map(|finding| finding.reason).collect();
    assert_eq!(reasons, [FindingReason::WindowCannotHoldThreshold, FindingReason::NoMaintenanceWindow]);
    let decision = World::of(Vec::new()).decide(&policy, "2026-03-04T03:20:00Z");
    assert_eq!(decision.findings, policy.findings());
}

proptest! {
    #[test]
    fn the_order_of_the_runs_decides_nothing(mut order in Just(vec![2_u32, 3, 4, 5]).prop_shuffle(), hours in 0_i64..60) {
        let now = (at("2026-03-05T03:20:00Z") + SignedDuration::from_hours(hours)).to_string();
        let shuffled = World::of(order.iter().copied().map(slow).collect()).decide(&policy(), &now);
        order.sort_unstable();
        let sorted = World::of(order.into_iter().map(slow).collect()).decide(&policy(), &now);
        prop_assert_eq!(shuffled.flags, sorted.flags);
        prop_assert_eq!(shuffled.candidates, sorted.candidates);
    }

    #[test]
    fn a_run_that_is_invalid_or_opts_out_changes_no_count(valid in any::<bool>(), night in 2_u32..5) {
        let mut runs = slow_nights(2..=3);
        let before = World::of(runs.clone()).decide(&policy(), "2026-03-04T03:20:00Z");
        let mut extra = slow(night);
        extra.uid = Uid::new("extra");
        (extra.valid, extra.counts) = (valid, !valid);
        runs.push(extra);
        prop_assert_eq!(World::of(runs).decide(&policy(), "2026-03-04T03:20:00Z").counts, before.counts);
    }
}

/// The consumed runs of the tuning run that began after the third night.
static CONSUMED: std::sync::LazyLock<BTreeSet<Uid>> =
    std::sync::LazyLock::new(|| ["n2", "n3", "n4"].map(Uid::new).into());

fn current() -> CurrentRun<'static> {
    CurrentRun { cycle: "c", symptom: LATENCY, consumes: &CONSUMED }
}

/// The incumbent of that run, measured and gone.
fn measured_incumbent() -> CanaryFacts {
    CanaryFacts {
        role: CanaryRole::Incumbent,
        released_at: Some(at("2026-03-04T03:22:00Z")),
        proven: Some(spend(8, 60)),
        conclusion: Some(CanaryConclusion::Passed),
        consumes: CONSUMED.clone(),
        ..canary("2026-03-04", 0, "c")
    }
}

#[test]
fn what_permits_a_run_is_the_flag_that_was_armed_last_with_all_runs_behind_armed_flags() {
    let mut world = World::of(slow_nights(2..=4));
    let permission = world.decide(&policy(), "2026-03-04T03:20:00Z").permission.unwrap();
    assert_eq!((permission.symptom, permission.armed_by.name.as_str()), (LATENCY, "run-n4"));
    assert_eq!((permission.until, &permission.consumes), (at("2026-03-04T07:20:00Z"), &*CONSUMED));
    // Another symptom is armed by a later run: it leads.
    for (uid, night) in [("o2", 2), ("o3", 3), ("o4", 4)] {
        let oom = [(SymptomKind::VllmOom, Severity::Critical)];
        world.runs.push(run(uid, &format!("2026-03-{night:02}T03:40:00Z"), &oom));
    }
    let permission = world.decide(&policy(), "2026-03-04T03:41:00Z").permission.unwrap();
    assert_eq!((permission.symptom, permission.armed_by.name.as_str()), (SymptomKind::VllmOom, "run-o4"));
    assert_eq!(permission.consumes.len(), 6);
}

#[test]
fn without_an_armed_flag_nothing_is_permitted() {
    let decision = World::of(slow_nights(3..=4)).decide(&policy(), "2026-03-04T03:20:00Z");
    assert_eq!(decision.permission, None);
    assert_eq!(decision.start.unwrap_err().reason, crate::policy::StartReason::NotPermitted);
}

#[test]
fn a_run_goes_on_after_its_incumbent_has_consumed_the_symptoms() {
    let mut world = World::of(slow_nights(2..=4));
    let before = world.decide(&policy(), "2026-03-04T03:20:00Z");
    world.flags_before = before.flags.clone();
    world.canaries = vec![measured_incumbent()];
    world.current = Some(current());
    let decision = world.decide(&policy(), "2026-03-04T03:22:30Z");
    assert_eq!(flag_of(&decision, LATENCY).state, FlagState::Cleared);
    assert_eq!(decision.candidates, before.candidates, "the same causes give the same candidates");
    assert!(decision.gates.all_open, "{:?}", decision.gates);
    assert_eq!(decision.start.unwrap().attempt, 1);
    // As another run it would have to cool down.
    world.current = None;
    assert!(!gate_is_open(&world.decide(&policy(), "2026-03-04T03:22:30Z"), GateName::CooldownElapsed));
}

#[test]
fn a_run_makes_no_canary_once_the_flag_that_it_began_under_has_expired() {
    let mut world = World::of(slow_nights(2..=4));
    world.canaries = vec![measured_incumbent()];
    world.current = Some(current());
    let mut short = policy();
    for rule in &mut short.rules {
        rule.flag_ttl = lasts("10m");
    }
    assert!(world.decide(&short, "2026-03-04T03:29:59Z").start.is_ok());
    let refused = world.decide(&short, "2026-03-04T03:30:00Z").start.unwrap_err();
    assert_eq!(refused.reason, crate::policy::StartReason::PermissionExpired);
}

#[test]
fn a_run_whose_evidence_is_gone_is_not_permitted_to_go_on() {
    let mut world = World::of(slow_nights(5..=6));
    world.canaries = vec![measured_incumbent()];
    world.current = Some(current());
    let decision = world.decide(&policy(), "2026-03-04T03:22:30Z");
    assert_eq!((decision.permission, decision.candidates), (None, None));
}

#[test]
fn a_run_needs_the_budget_of_one_canary_to_go_on_and_of_two_to_begin() {
    let mut world = World::of(slow_nights(2..=4));
    let mut small = policy();
    small.safety.budget = spend(24, 200);
    world.canaries = vec![measured_incumbent()];
    world.current = Some(current());
    assert!(world.decide(&small, "2026-03-04T03:22:30Z").start.is_ok());
    world.canaries.push(CanaryFacts {
        released_at: Some(at("2026-03-04T03:23:00Z")),
        proven: Some(spend(8, 60)),
        conclusion: Some(CanaryConclusion::Failed),
        ..canary("2026-03-04", 1, "c")
    });
    let last = world.decide(&small, "2026-03-04T03:23:30Z").start.unwrap();
    assert_eq!((last.attempt, last.reservation.spend.measure), (2, lasts("8s")));
    small.safety.budget = spend(15, 200);
    assert!(!gate_is_open(&world.decide(&small, "2026-03-04T03:23:30Z"), GateName::MeasureBudget));
}
