use jiff::SignedDuration;
use proptest::prelude::*;

use super::{
    budget::{check_gpu_hold_budget, check_measure_budget},
    cooldown::check_cooldown,
    rate::check_rate,
    suspension::check_suspension,
    target::check_target,
    window::check_window,
    *,
};
use crate::{
    policy::{
        fixture::{at, canary, lasts, spend, windows},
        ledger::{CanaryConclusion, CanaryFacts, Ledger, Spend, TuningRunFacts},
        safety::SafetySettings,
    },
    schedule::later_by,
};

#[derive(Clone)]
struct World {
    safety: SafetySettings,
    ledger: Ledger,
    canaries: Vec<CanaryFacts>,
    need: Spend,
    current_cycle: Option<String>,
    claims: TargetClaims,
    suspension: Option<Suspension>,
}

impl World {
    fn inputs(&self) -> GateInputs<'_> {
        GateInputs {
            safety: &self.safety,
            ledger: &self.ledger,
            canaries: &self.canaries,
            need: self.need,
            current_cycle: self.current_cycle.as_deref(),
            claims: &self.claims,
            suspension: self.suspension.as_ref(),
        }
    }

    fn report(&self, now: &str) -> GateReport {
        evaluate_gates(&self.inputs(), at(now))
    }
}

fn world() -> World {
    World {
        safety: SafetySettings::default(),
        ledger: Ledger::default(),
        canaries: Vec::new(),
        need: spend(16, 156),
        current_cycle: None,
        claims: TargetClaims::default(),
        suspension: None,
    }
}

fn tuning_run(cycle: &str, started_at: &str, ended_at: Option<&str>) -> TuningRunFacts {
    TuningRunFacts { cycle: cycle.to_owned(), started_at: at(started_at), ended_at: ended_at.map(at) }
}

/// State, reason and next opening in one.
fn standing(gate: &GateState) -> (bool, GateReason, Option<String>) {
    (gate.open, gate.reason, gate.opens_at.map(|at| at.to_string()))
}

#[expect(clippy::unnecessary_wraps, reason = "the tables read better")]
fn opens(at: &str) -> Option<String> {
    Some(at.to_owned())
}

#[test]
fn the_gates_stand_in_their_order() {
    let names: Vec<&str> = world().report("2026-03-04T03:30:00Z").gates.iter().map(|gate| gate.name.name()).collect();
    assert_eq!(
        names,
        [
            "WindowOpen",
            "MeasureBudget",
            "GpuHoldBudget",
            "CooldownElapsed",
            "RateAvailable",
            "TargetFree",
            "NotSuspended"
        ]
    );
    let all: Vec<&str> = GateName::ALL.iter().map(|gate| gate.name()).collect();
    assert_eq!(names, all);
    let conditions: Vec<&str> = GateName::ALL.iter().map(|gate| gate.condition()).collect();
    assert_eq!(
        conditions,
        [
            "WindowOpen",
            "BudgetAvailable",
            "BudgetAvailable",
            "CooldownElapsed",
            "RateAvailable",
            "TargetFree",
            "NotSuspended"
        ]
    );
}

#[test]
fn the_window_gate_includes_the_start_and_excludes_the_end() {
    use GateReason::{NoWindow, OutsideWindow, WithinWindow};
    let nightly = windows(&["03:00-07:00 Europe/Berlin"]);
    let check = |now: &str| check_window(&nightly, at(now));
    assert_eq!(
        standing(&check("2026-03-05T01:59:59.999999999Z")),
        (false, OutsideWindow, opens("2026-03-05T02:00:00Z"))
    );
    assert_eq!(standing(&check("2026-03-05T02:00:00Z")), (true, WithinWindow, None));
    assert_eq!(standing(&check("2026-03-05T05:59:59.999999999Z")), (true, WithinWindow, None));
    assert_eq!(standing(&check("2026-03-05T06:00:00Z")), (false, OutsideWindow, opens("2026-03-06T02:00:00Z")));
    assert_eq!(check("2026-03-04T12:00:00Z").message, "window 03:00-07:00 Europe/Berlin opens 2026-03-05T02:00:00Z");
    assert_eq!(
        check("2026-03-05T02:00:00Z").message,
        "window 03:00-07:00 Europe/Berlin is open until 2026-03-05T06:00:00Z"
    );
    let never = check_window(&windows(&[]), at("2026-03-05T02:00:00Z"));
    assert_eq!(standing(&never), (false, NoWindow, None));
}

#[test]
fn a_budget_gate_is_open_while_the_night_covers_what_is_needed() {
    use GateReason::{BudgetExhausted, BudgetLeft};
    let night_with = |used: Spend| {
        let canary = CanaryFacts { reserved: used, ..canary("2026-03-04", 0, "c1") };
        World { canaries: vec![canary], ..world() }
    };
    let now = at("2026-03-04T03:30:00Z");
    let next = opens("2026-03-05T03:00:00Z");
    for (used, expected) in [(43, true), (44, true), (45, false), (60, false), (99, false)] {
        let world = night_with(spend(used, 0));
        let gate = check_measure_budget(&world.inputs(), now);
        let wanted = if expected { (true, BudgetLeft, None) } else { (false, BudgetExhausted, next.clone()) };
        assert_eq!(standing(&gate), wanted, "{used}");
        assert!(check_gpu_hold_budget(&world.inputs(), now).open);
    }
    for (used, expected) in [(743, true), (744, true), (745, false)] {
        let world = night_with(spend(0, used));
        let gate = check_gpu_hold_budget(&world.inputs(), now);
        let wanted = if expected { (true, BudgetLeft, None) } else { (false, BudgetExhausted, next.clone()) };
        assert_eq!(standing(&gate), wanted, "{used}");
        assert!(check_measure_budget(&world.inputs(), now).open);
    }
    let spent = night_with(spend(45, 745));
    assert_eq!(
        check_measure_budget(&spent.inputs(), now).message,
        "15s of 1m left for measuring in the night 2026-03-04, 16s needed; the next night opens 2026-03-05T03:00:00Z"
    );
    assert_eq!(
        check_gpu_hold_budget(&spent.inputs(), now).message,
        "2m35s of 15m left for holding GPUs in the night 2026-03-04, 2m36s needed; the next night opens \
         2026-03-05T03:00:00Z"
    );
    assert_eq!(
        check_measure_budget(&world().inputs(), now).message,
        "1m of 1m left for measuring in the night 2026-03-04"
    );
    assert_eq!(check_measure_budget(&spent.inputs(), now).name, GateName::MeasureBudget);
    assert_eq!(check_gpu_hold_budget(&spent.inputs(), now).name, GateName::GpuHoldBudget);
    // Before the next window opens, it is the next night's budget that counts.
    assert!(check_measure_budget(&spent.inputs(), at("2026-03-04T07:00:00Z")).open);
}

#[test]
fn a_budget_that_no_night_can_cover_says_so_and_never_opens() {
    use GateReason::{BudgetCannotHoldOneCandidate, BudgetLeft, NoWindow};
    let now = at("2026-03-04T03:30:00Z");
    let needing = |need| World { need, ..world() };
    let exactly = needing(spend(60, 900));
    assert_eq!(standing(&check_measure_budget(&exactly.inputs(), now)), (true, BudgetLeft, None));
    assert_eq!(standing(&check_gpu_hold_budget(&exactly.inputs(), now)), (true, BudgetLeft, None));
    let above = needing(spend(61, 901));
    let gate = check_measure_budget(&above.inputs(), now);
    assert_eq!(standing(&gate), (false, BudgetCannotHoldOneCandidate, None));
    assert_eq!(gate.message, "a night has 1m for measuring, 1m1s are needed; raise the budget or ask for less");
    assert_eq!(standing(&check_gpu_hold_budget(&above.inputs(), now)), (false, BudgetCannotHoldOneCandidate, None));
    assert_eq!(above.report("2026-03-04T03:30:00Z").all_open_at, None);
    let nowhere = World { safety: SafetySettings { windows: windows(&[]), ..SafetySettings::default() }, ..world() };
    assert_eq!(standing(&check_measure_budget(&nowhere.inputs(), now)), (false, NoWindow, None));
}

#[test]
fn the_cooldown_runs_from_the_end_of_the_last_tuning_run() {
    use GateReason::{CooledDown, CoolingDown, NoTuningRunYet};
    let early = tuning_run("c1", "2026-03-04T00:10:00Z", Some("2026-03-04T00:41:00Z"));
    let late = tuning_run("c2", "2026-03-04T03:10:00Z", Some("2026-03-04T03:41:00Z"));
    let active = tuning_run("c3", "2026-03-04T04:00:00Z", None);
    let check = |now: &str| check_cooldown(&[&late, &early, &active], lasts("6h"), at(now));
    let closed = (false, CoolingDown, opens("2026-03-04T09:41:00Z"));
    assert_eq!(standing(&check("2026-03-04T03:41:00Z")), closed);
    assert_eq!(standing(&check("2026-03-04T09:40:59.999999999Z")), closed);
    assert_eq!(standing(&check("2026-03-04T09:41:00Z")), (true, CooledDown, None));
    assert_eq!(standing(&check("2026-03-04T01:00:00Z")), closed, "also if the clock was put back");
    assert_eq!(
        check("2026-03-04T05:00:00Z").message,
        "cooldown ends 2026-03-04T09:41:00Z (6h after the last tuning run ended at 2026-03-04T03:41:00Z)"
    );
    assert_eq!(
        check("2026-03-04T10:00:00Z").message,
        "cooldown ended 2026-03-04T09:41:00Z (6h after the last tuning run ended at 2026-03-04T03:41:00Z)"
    );
    let none = check_cooldown(&[&active], lasts("6h"), at("2026-03-04T05:00:00Z"));
    assert_eq!(standing(&none), (true, NoTuningRunYet, None));
}

#[test]
fn the_rate_counts_starts_in_any_sliding_period() {
    use GateReason::{BelowRate, RateReached};
    let runs: Vec<TuningRunFacts> = ["03:00", "01:00", "02:00", "04:00"]
        .iter()
        .map(|hour| tuning_run(hour, &format!("2026-03-04T{hour}:00Z"), None))
        .collect();
    let three: Vec<&TuningRunFacts> = runs.iter().take(3).collect();
    let check = |now: &str| check_rate(&three, 3, lasts("24h"), at(now));
    let closed = (false, RateReached, opens("2026-03-05T01:00:00Z"));
    assert_eq!(standing(&check("2026-03-04T03:00:00Z")), closed);
    assert_eq!(standing(&check("2026-03-05T00:59:59.999999999Z")), closed);
    assert_eq!(standing(&check("2026-03-05T01:00:00Z")), (true, BelowRate, None));
    assert_eq!(standing(&check("2026-03-03T12:00:00Z")), closed, "also if the clock was put back");
    assert_eq!(
        check("2026-03-04T05:00:00Z").message,
        "3 of 3 tuning runs started within 24h; the next may start 2026-03-05T01:00:00Z"
    );
    assert_eq!(check("2026-03-05T01:00:00Z").message, "2 of 3 tuning runs started within 24h");
    // Above the allowance (it was lowered): one start more must have left the period.
    let four: Vec<&TuningRunFacts> = runs.iter().collect();
    let changes = |now: &str| check(now).changes_at.map(|at| at.to_string());
    let oldest_leaves = Some("2026-03-05T01:00:00Z".to_owned());
    assert_eq!(changes("2026-03-04T05:00:00Z"), oldest_leaves, "closed");
    assert_eq!(changes("2026-03-05T01:00:00Z"), Some("2026-03-05T02:00:00Z".to_owned()), "open");
    assert_eq!(changes("2026-03-09T00:00:00Z"), None, "none is left");
    let lowered = |allowed| check_rate(&four, allowed, lasts("24h"), at("2026-03-04T05:00:00Z"));
    assert_eq!(standing(&lowered(5)), (true, BelowRate, None));
    assert_eq!(standing(&lowered(4)), (false, RateReached, opens("2026-03-05T01:00:00Z")));
    assert_eq!(standing(&lowered(3)), (false, RateReached, opens("2026-03-05T02:00:00Z")));
    assert_eq!(standing(&lowered(1)), (false, RateReached, opens("2026-03-05T04:00:00Z")));
    assert_eq!(standing(&lowered(0)), (false, RateReached, None));
    assert_eq!(standing(&lowered(-1)), (false, RateReached, None));
    assert_eq!(standing(&check_rate(&[], 0, lasts("24h"), at("2026-03-04T05:00:00Z"))), (false, RateReached, None));
}

#[test]
fn a_target_is_free_when_nobody_lays_claim_to_it() {
    let over = tuning_run("c1", "2026-03-04T03:10:00Z", Some("2026-03-04T03:41:00Z"));
    let active = tuning_run("c2", "2026-03-04T03:10:00Z", None);
    let name = |text: &str| Some(text.to_owned());
    let claims = TargetClaims::default;
    let table = [
        (claims(), vec![], true, GateReason::Free, "nothing else works on the target"),
        (claims(), vec![&over], true, GateReason::Free, "nothing else works on the target"),
        (
            claims(),
            vec![&over, &active],
            false,
            GateReason::TuningRunActive,
            "tuning run c2 is active since 2026-03-04T03:10:00Z",
        ),
        (
            TargetClaims { unvalidated_promotion: name("p1"), ..claims() },
            vec![],
            false,
            GateReason::PromotionUnvalidated,
            "promotion p1 waits to be validated",
        ),
        (
            TargetClaims { frozen_by: name("c-3"), unvalidated_promotion: name("p1"), ..claims() },
            vec![&active],
            false,
            GateReason::TargetFrozen,
            "the pod of canary c-3 was not seen to end; look at its node, then run phaseloop retry tuningcanary/c-3",
        ),
        (
            TargetClaims { ruling_escalation: name("older"), frozen_by: name("c-3"), ..claims() },
            vec![],
            false,
            GateReason::OtherEscalationRules,
            "escalation older is older and rules this target",
        ),
    ];
    for (claims, runs, open, reason, message) in table {
        let gate = check_target(&claims, &runs);
        assert_eq!(standing(&gate), (open, reason, None));
        assert_eq!(gate.message, message);
    }
}

#[test]
fn a_suspension_holds_until_its_end_or_until_it_is_lifted() {
    use GateReason::{Running, Suspended};
    let suspended = |until: Option<&str>| Suspension { reason: "release".to_owned(), until: until.map(at) };
    let until = suspended(Some("2026-03-04T05:00:00Z"));
    let check = |now: &str| check_suspension(Some(&until), at(now));
    assert_eq!(standing(&check("2026-03-04T04:59:59.999999999Z")), (false, Suspended, opens("2026-03-04T05:00:00Z")));
    assert_eq!(standing(&check("2026-03-04T05:00:00Z")), (true, Running, None));
    assert_eq!(check("2026-03-04T04:00:00Z").message, "suspended until 2026-03-04T05:00:00Z (release)");
    assert_eq!(check("2026-03-04T06:00:00Z").message, "the suspension ended 2026-03-04T05:00:00Z (release)");
    let forever = check_suspension(Some(&suspended(None)), at("2026-03-04T04:00:00Z"));
    assert_eq!(standing(&forever), (false, Suspended, None));
    assert_eq!(forever.message, "suspended until it is lifted (release)");
    assert_eq!(standing(&check_suspension(None, at("2026-03-04T04:00:00Z"))), (true, Running, None));
}

/// A canary of another run that ended at an instant.
fn ended_canary(date: &str, attempt: u32, cycle: &str, created: &str, released: &str) -> CanaryFacts {
    CanaryFacts {
        created_at: at(created),
        released_at: Some(at(released)),
        proven: Some(Spend::ZERO),
        conclusion: Some(CanaryConclusion::Passed),
        ..canary(date, attempt, cycle)
    }
}

#[test]
fn all_gates_open_now_is_said_as_now() {
    let report = world().report("2026-03-04T03:30:00Z");
    assert!(report.all_open);
    assert_eq!(report.all_open_at, Some(at("2026-03-04T03:30:00Z")));
    let before = world().report("2026-03-04T02:30:00Z");
    assert!(!before.all_open);
    assert_eq!(before.all_open_at, Some(at("2026-03-04T03:00:00Z")));
}

#[test]
fn a_cooldown_that_ends_after_the_window_means_the_next_nights_window() {
    let canaries = vec![ended_canary("2026-03-04", 0, "c1", "2026-03-04T03:10:00Z", "2026-03-04T03:41:00Z")];
    let world = World { canaries, ..world() };
    let report = world.report("2026-03-04T04:00:00Z");
    let closed: Vec<GateName> = report.gates.iter().filter(|gate| !gate.open).map(|gate| gate.name).collect();
    assert_eq!(closed, [GateName::CooldownElapsed]);
    assert_eq!(report.all_open_at, Some(at("2026-03-05T03:00:00Z")));
}

#[test]
fn the_first_common_instant_is_found_over_several_steps() {
    // The cooldown ends at 04:41 within the window, the suspension at 05:30, this night's measuring is spent, and the
    // rate opens at 03:10 the night after.
    let mut canaries = vec![
        ended_canary("2026-03-03", 0, "c0", "2026-03-04T01:00:00Z", "2026-03-04T01:10:00Z"),
        ended_canary("2026-03-03", 1, "c1", "2026-03-04T02:00:00Z", "2026-03-04T02:10:00Z"),
        ended_canary("2026-03-04", 0, "c2", "2026-03-04T03:10:00Z", "2026-03-04T03:41:00Z"),
    ];
    let mut world = World { canaries: canaries.clone(), ..world() };
    world.safety.cooldown = lasts("1h");
    assert_eq!(world.report("2026-03-04T04:00:00Z").all_open_at, Some(at("2026-03-05T03:00:00Z")), "rate, then window");
    world.safety.rate_runs = 4;
    assert_eq!(world.report("2026-03-04T04:00:00Z").all_open_at, Some(at("2026-03-04T04:41:00Z")), "cooldown");
    let until = Some(at("2026-03-04T05:30:00Z"));
    world.suspension = Some(Suspension { reason: "release".to_owned(), until });
    assert_eq!(world.report("2026-03-04T04:00:00Z").all_open_at, Some(at("2026-03-04T05:30:00Z")), "suspension");
    canaries[2].proven = Some(spend(60, 0));
    world.canaries = canaries;
    assert_eq!(world.report("2026-03-04T04:00:00Z").all_open_at, Some(at("2026-03-05T03:00:00Z")), "budget");
    world.safety.rate_runs = 1;
    assert_eq!(world.report("2026-03-04T04:00:00Z").all_open_at, Some(at("2026-03-05T03:10:00Z")), "rate");
    world.claims.unvalidated_promotion = Some("p1".to_owned());
    assert_eq!(world.report("2026-03-04T04:00:00Z").all_open_at, None, "time alone does not validate");
}

#[test]
fn a_run_is_not_in_its_own_way() {
    let running = CanaryFacts { cycle: "c1".to_owned(), ..canary("2026-03-04", 0, "c1") };
    let done = ended_canary("2026-03-04", 1, "c1", "2026-03-04T03:12:00Z", "2026-03-04T03:14:00Z");
    let mut world = World { canaries: vec![running, done], ..world() };
    world.safety.rate_runs = 1;
    let closed = |world: &World| -> Vec<GateName> {
        let report = world.report("2026-03-04T03:30:00Z");
        report.gates.iter().filter(|gate| !gate.open).map(|gate| gate.name).collect()
    };
    assert_eq!(closed(&world), [GateName::RateAvailable, GateName::TargetFree]);
    world.current_cycle = Some("c1".to_owned());
    assert_eq!(closed(&world), []);
    world.current_cycle = Some("c2".to_owned());
    assert_eq!(closed(&world), [GateName::RateAvailable, GateName::TargetFree]);
}

#[test]
fn a_gates_reason_and_state_are_written_as_users_read_them() {
    let gate = world().report("2026-03-04T02:30:00Z").gates.remove(0);
    let json = serde_json::to_value(&gate).unwrap();
    assert_eq!(json["name"], "WindowOpen");
    assert_eq!(json["open"], false);
    assert_eq!(json["reason"], "OutsideWindow");
    assert_eq!(json["opensAt"], "2026-03-04T03:00:00Z");
}

proptest! {
    #[test]
    fn at_the_promised_instant_every_gate_is_open_and_before_it_at_least_one_is_closed(
        minute in 0_i64..4_000,
        ends in prop::collection::vec((0_i64..3_000, 1_i64..90, 0_i64..60), 0..5),
        rate_runs in 1_i64..4,
        cooldown_hours in 0_i64..30,
        suspended_minutes in prop::option::of(0_i64..5_000),
        texts in prop_oneof![
            Just(vec!["03:00-07:00 Etc/UTC"]),
            Just(vec!["23:00-01:00 Europe/Berlin", "12:00-12:30 Europe/Berlin"]),
            Just(vec!["Mon,Thu 03:00-07:00 America/New_York"]),
            Just(vec!["00:00-24:00 Etc/UTC"]),
        ],
        parts in prop::collection::vec(0_i64..100, 12),
    ) {
        let start = at("2026-03-07T00:00:00Z");
        let instant = |minutes: i64| later_by(start, SignedDuration::from_mins(minutes));
        let mut world = World { safety: SafetySettings { windows: windows(&texts), ..SafetySettings::default() }, ..world() };
        world.safety.rate_runs = rate_runs;
        world.safety.cooldown = SignedDuration::from_hours(cooldown_hours);
        world.suspension =
            suspended_minutes.map(|minutes| Suspension { reason: String::new(), until: Some(instant(minutes)) });
        for (attempt, (created, lasting, measured)) in (0_u32..).zip(ends) {
            let night = world.safety.windows.night_at(instant(created)).unwrap();
            world.canaries.push(CanaryFacts {
                night,
                cycle: format!("c{attempt}"),
                created_at: instant(created),
                released_at: Some(instant(created + lasting)),
                proven: Some(spend(measured, measured * 10)),
                ..canary("2026-03-07", attempt, "c")
            });
        }
        let now = instant(minute);
        let report = evaluate_gates(&world.inputs(), now);
        let all_open_at = report.all_open_at.unwrap();
        prop_assert!(all_open_at >= now);
        prop_assert_eq!(report.all_open, all_open_at == now);
        prop_assert!(evaluate_gates(&world.inputs(), all_open_at).all_open);
        let wait = all_open_at.duration_since(now);
        for percent in parts {
            let between = later_by(now, SignedDuration::from_secs(wait.as_secs() * percent / 100));
            if between < all_open_at {
                prop_assert!(!evaluate_gates(&world.inputs(), between).all_open, "open already at {}", between);
            }
        }
        for gate in report.gates.iter().filter(|gate| !gate.open) {
            prop_assert!(gate.opens_at.unwrap() > now && gate.opens_at.unwrap() <= all_open_at);
        }
    }
}
