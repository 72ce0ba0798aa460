//! A tuning run that goes on: what each canary leads to, what it waits for, and what breaks it off.

use phaseloop_core::plan::{Intent, Wake};
use serde_json::{Value, json};

use super::world::{World, aborted, inconclusive, infrastructure, night, out_of_memory, passed};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        escalation::status::{EscalationState, FlagState, GateName},
    },
    controllers::tuning_canary::fixture::{at, changed},
};

/// A tuning run whose incumbent was measured, and whose first candidate is being made.
fn with_incumbent(within: u32) -> World {
    let mut world = World::new();
    world.step(passed(within));
    assert_eq!(world.tried(), ["incumbent", "0.7"]);
    world
}

/// Reason of the outcome, why the search ended, and what was tried.
fn ended(world: &World) -> (&str, Option<&str>, Vec<String>) {
    let outcome = world.outcome();
    (outcome.reason.as_str(), outcome.search_ended.as_deref(), world.tried())
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn one_canary_is_made_after_the_other_and_none_beside_another() {
    let mut world = World::new();
    for (place, within) in [100, 110, 120].into_iter().enumerate() {
        world.settle();
        assert_eq!(world.around.canaries.len(), place + 1);
        let name = world.newest().metadata.name.clone().unwrap();
        assert_eq!(world.ready().2, format!("canary {name} is Pending"));
        // Judged, and its containers not seen to end: nothing goes on.
        let canary = world.around.canaries.last_mut().unwrap();
        *canary = changed(canary, |canary| canary["status"] = json!({ "phase": "Scoring", "verdict": "Passed" }));
        world.settle();
        assert_eq!((world.around.canaries.len(), world.reason()), (place + 1, "Measuring"));
        assert_eq!(world.ready().2, format!("canary {name} is Scoring"));
        world.finish(passed(within));
    }
    world.settle();
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72", "0.75"]);
    let attempts: Vec<i64> = world.around.canaries.iter().map(|canary| canary.spec.attempt).collect();
    assert_eq!(attempts, [0, 1, 2, 3]);
    let cycles: std::collections::BTreeSet<&str> =
        world.around.canaries.iter().map(|canary| canary.spec.cycle.as_str()).collect();
    assert_eq!(cycles.len(), 1);
}

#[test]
fn the_flag_that_the_incumbent_used_up_is_cleared_and_the_run_goes_on() {
    let world = with_incumbent(100);
    assert_eq!((world.flag_state(), world.flag().reason.as_str()), (FlagState::Cleared, "Consumed"));
    assert_eq!((world.state(), world.reason()), (EscalationState::Tuning, "Measuring"));
    let tuning = world.status().tuning.as_ref().unwrap();
    assert_eq!((tuning.attempt, tuning.candidates_done, tuning.candidates_left), (1, 0, 4));
    assert_eq!(world.status().summary.as_ref().unwrap().tuning.as_deref(), Some("0 tried, 4 left"));
}

#[test]
fn that_the_flag_was_cleared_is_durable_before_the_next_canary() {
    let mut world = World::new();
    world.settle();
    world.finish(passed(100));
    let plan = world.plan();
    let remembered = plan.remember.as_ref().unwrap();
    assert_eq!(remembered.status.flags, plan.report.status.flags);
    assert!(matches!(plan.intents.as_slice(), [Intent::CreateCanary(_), ..]));
}

#[test]
fn two_failures_in_a_row_end_the_search_and_the_best_of_the_others_wins() {
    let mut world = with_incumbent(100);
    world.step_on(passed(180));
    world.step_on(out_of_memory);
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72", "0.75"], "one failure ends nothing");
    world.step_on(out_of_memory);
    assert_eq!(ended(&world), ("BeatsIncumbent", Some("FailuresInARow"), texts(&["incumbent", "0.7", "0.72", "0.75"])));
    let [untried] = world.outcome().untried.as_slice() else { panic!("{:?}", world.outcome()) };
    assert_eq!(untried.message, "not tried: 2 failures in a row, and higher can only fail");
    assert_eq!(world.outcome().candidates_tried, 3);
    assert_eq!(world.around.promotions.len(), 1);
}

#[test]
fn a_candidate_that_passed_stands_between_two_failures() {
    let mut world = with_incumbent(100);
    for outcome in [out_of_memory as fn(&mut Value), |status| passed(180)(status), out_of_memory] {
        world.step_on(outcome);
    }
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72", "0.75", "0.77"]);
}

#[test]
fn faults_of_the_cluster_are_counted_apart() {
    // One failure, one fault, one failure: two failures in a row.
    let mut world = with_incumbent(100);
    for outcome in [out_of_memory as fn(&mut Value), infrastructure, out_of_memory] {
        world.step_on(outcome);
    }
    assert_eq!(world.outcome().search_ended.as_deref(), Some("FailuresInARow"));
    // Two faults in a row: the cluster is the patient.
    let mut world = with_incumbent(100);
    for outcome in [infrastructure as fn(&mut Value), infrastructure] {
        world.step_on(outcome);
    }
    assert_eq!(
        ended(&world),
        ("InfrastructureFailing", Some("InfrastructureFailing"), texts(&["incumbent", "0.7", "0.72"]))
    );
    // Evidence that was not enough is neither.
    let mut world = with_incumbent(100);
    for outcome in [inconclusive as fn(&mut Value), inconclusive, inconclusive, inconclusive] {
        world.step_on(outcome);
    }
    assert_eq!(world.outcome().search_ended.as_deref(), Some("EverythingTried"));
}

#[test]
fn without_a_valid_incumbent_nothing_is_tried_and_nothing_is_consumed() {
    for outcome in [infrastructure as fn(&mut Value), inconclusive] {
        let mut world = World::new();
        world.step(outcome);
        assert_eq!(ended(&world), ("IncumbentNotMeasured", Some("IncumbentNotMeasured"), texts(&["incumbent"])));
        assert_eq!(world.flag_state(), FlagState::Armed, "its symptoms were not used up");
        assert_eq!(world.reason(), "AlreadyTuned", "and one arming begins one run");
        assert_eq!(world.state(), EscalationState::Armed);
        assert_eq!(world.outcome().untried.len(), 4);
    }
}

#[test]
fn an_abort_ends_the_run_whatever_was_found() {
    let mut world = with_incumbent(100);
    world.step_on(passed(190));
    world.step_on(aborted);
    let (reason, search, _) = ended(&world);
    assert_eq!((reason, search), ("Aborted", Some("Aborted")));
    let name = world.newest().metadata.name.clone().unwrap();
    assert_eq!(world.outcome().message, format!("canary {name}: spec.abort was set"));
    assert_eq!((world.outcome().winner.as_ref(), world.around.promotions.len()), (None, 0));
    let mut world = World::new();
    world.step(aborted);
    assert_eq!(ended(&world), ("Aborted", Some("Aborted"), texts(&["incumbent"])));
    assert_eq!(world.flag_state(), FlagState::Armed, "an abort consumes nothing");
}

#[test]
fn an_incumbent_that_failed_by_itself_is_measured_and_used_up() {
    let mut world = World::new();
    world.step(out_of_memory);
    assert_eq!(world.tried(), ["incumbent", "0.7"]);
    assert_eq!(world.flag_state(), FlagState::Cleared);
}

#[test]
fn a_spent_budget_ends_the_search_and_what_was_found_counts() {
    let mut world = World::new();
    // Incumbent and two candidates of 8 s.
    world.spec(|spec| spec["safety"]["measureBudget"] = json!("24s"));
    world.step(passed(100));
    world.step_on(passed(180));
    world.step_on(passed(120));
    assert_eq!(ended(&world), ("BeatsIncumbent", Some("BudgetSpent"), texts(&["incumbent", "0.7", "0.72"])));
    assert_eq!(world.outcome().untried[0].message, "not tried: the budgets hold no further trial");
    assert_eq!(world.around.promotions.len(), 1);
    let mut world = World::new();
    // What was held is what counts: three times 60 s, where 138 s were reserved each.
    world.spec(|spec| spec["safety"]["gpuHoldBudget"] = json!("276s"));
    world.step(passed(100));
    for within in [180, 120, 130, 140] {
        world.step_on(passed(within));
    }
    assert_eq!(ended(&world).1, Some("EverythingTried"));
    assert_eq!(world.gate(GateName::BudgetAvailable).reason, "BudgetExhausted", "for another run");
}

#[test]
fn where_nothing_but_the_incumbent_fitted_the_reason_is_the_budget() {
    let mut world = World::new();
    world.settle();
    // Somebody lowered the budget meanwhile.
    world.spec(|spec| spec["safety"]["measureBudget"] = json!("15s"));
    world.finish(passed(100));
    world.settle();
    assert_eq!(ended(&world), ("BudgetSpent", Some("BudgetSpent"), texts(&["incumbent"])));
}

#[test]
fn an_expired_flag_begins_no_further_canary_and_what_was_found_counts() {
    let mut world = World::new();
    world.spec(|spec| spec["rules"] = json!([{ "symptom": "vllm_oom", "flagTTL": "4m" }]));
    // Armed until 03:24.
    world.step(passed(100));
    world.step_on(passed(180));
    assert_eq!(world.now, at("2026-03-04T03:23:00Z"));
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72"], "a minute before its expiry it permits");
    world.step_on(passed(170));
    assert_eq!(world.now, at("2026-03-04T03:24:00Z"));
    let (reason, search, tried) = ended(&world);
    assert_eq!((reason, search, tried), ("BeatsIncumbent", Some("OutOfTime"), texts(&["incumbent", "0.7", "0.72"])));
}

#[test]
fn the_window_that_closes_too_soon_ends_the_search_and_what_was_found_counts() {
    let mut world = World::new();
    world.now = at("2026-03-04T06:55:30Z");
    world.step(passed(100));
    world.step_on(passed(180));
    // 150 s are left then: a canary that starts as slowly as it may, and the conclusion, take 153 s.
    assert_eq!(world.now, at("2026-03-04T06:57:30Z"));
    assert_eq!(ended(&world), ("BeatsIncumbent", Some("OutOfTime"), texts(&["incumbent", "0.7"])));
    assert_eq!(
        world.outcome().message,
        "fitness 0.500 -> 0.900; concluded with 1 of 4 candidates: the window closes at 2026-03-04T07:00:00Z, in 2m30s; a \
         canary may need 2m18s, and 15s more to conclude"
    );
    assert_eq!((world.outcome().untried.len(), world.around.promotions.len()), (3, 1));
    assert_eq!(world.told.last().unwrap().2.split(": ").nth(1), Some("BeatsIncumbent"));
}

#[test]
fn a_canary_whose_time_was_up_takes_nothing_from_what_the_others_proved() {
    for (verdict, reasons) in [
        // As its probe reports it, as an operator ends it, and one whose pod was never begun.
        ("Inconclusive", json!(["TimeWasUp", "TooFewSamples"])),
        ("Inconclusive", json!(["PastNotAfter", "TimeWasUp", "EvidenceMissing"])),
        ("Inconclusive", json!(["PastNotAfter"])),
    ] {
        let mut world = World::new();
        world.now = at("2026-03-04T06:54:20Z");
        world.step(passed(100));
        world.step_on(passed(180));
        assert_eq!(world.tried(), ["incumbent", "0.7", "0.72"]);
        // It waited for its GPU, and was over by its last instant.
        let seconds = world.newest().spec.not_after.duration_since(world.now).as_secs();
        world.finish_after(seconds, |status| {
            status["verdict"] = json!(verdict);
            status["reasons"] = reasons.clone();
            status["fitness"] = Value::Null;
        });
        assert_eq!(world.now, at("2026-03-04T06:59:45Z"));
        world.settle();
        assert_eq!(ended(&world), ("BeatsIncumbent", Some("OutOfTime"), texts(&["incumbent", "0.7", "0.72"])));
        assert_eq!((world.outcome().candidates_tried, world.around.promotions.len()), (2, 1), "{reasons}");
        let winner = world.outcome().winner.as_ref().unwrap();
        assert_eq!(winner.values().next().unwrap().to_string(), "0.7");
    }
}

#[test]
fn a_search_that_waits_is_looked_at_when_nothing_fits_any_more() {
    let mut world = World::new();
    world.now = at("2026-03-04T06:50:00Z");
    world.step(passed(100));
    world.finish(passed(180));
    world.pass(240);
    // Someone tests the target by hand, until after the window.
    world.around.runs.push(changed(&night(4), |run| {
        run["metadata"]["name"] = json!("by-hand");
        run["metadata"]["uid"] = json!("uid-by-hand");
        run["status"] = json!({ "phase": "Running", "startedAt": "2026-03-04T06:52:00Z" });
    }));
    world.settle();
    assert_eq!(world.reason(), "PhaseRunActive");
    for latest in ["2026-03-04T06:57:28Z", "2026-03-04T06:59:28Z"] {
        let Wake::At(instant) = world.plan().wake else { panic!("{:?}", world.plan().wake) };
        assert!(instant <= at(latest), "{instant}");
        world.now = at(latest);
        world.settle();
        if world.status().last_tuning.is_some() {
            break;
        }
    }
    assert_eq!(ended(&world), ("BeatsIncumbent", Some("OutOfTime"), texts(&["incumbent", "0.7"])));
}

#[test]
fn a_night_that_is_over_breaks_the_run_off_and_promotes_nothing() {
    let mut world = with_incumbent(100);
    world.finish(passed(190));
    world.now = at("2026-03-04T07:00:00Z");
    let plan = world.settle();
    assert_eq!(ended(&world), ("WindowClosed", None, texts(&["incumbent", "0.7"])));
    assert_eq!(world.outcome().message, "the night 2026-03-04 is over");
    assert_eq!((world.outcome().candidates_tried, world.around.promotions.len()), (1, 0));
    assert!(matches!(plan.wake, Wake::At(instant) if instant > world.now));
}

#[test]
fn a_canary_that_is_still_held_past_the_night_is_waited_for() {
    let mut world = with_incumbent(100);
    world.now = at("2026-03-04T07:00:00Z");
    world.settle();
    assert_eq!((world.reason(), world.state()), ("Measuring", EscalationState::Tuning));
    assert_eq!(world.status().last_tuning, None);
}

#[test]
fn between_two_windows_of_a_night_the_run_waits() {
    let mut world = World::new();
    world.spec(|spec| {
        spec["rules"] = json!([{ "symptom": "vllm_oom", "flagTTL": "8h" }]);
        spec["safety"]["windows"] = json!([{ "start": "03:00", "end": "03:25" }, { "start": "05:00", "end": "06:00" }]);
    });
    world.step(passed(100));
    world.step_on(passed(180));
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "WindowClosesTooSoon", "120 s are left, and there is time later");
    assert!(message.ends_with("15s more to conclude; it opens again this night"), "{message}");
    world.now = at("2026-03-04T03:25:00Z");
    world.settle();
    let (_, reason, message) = world.ready();
    assert_eq!((reason, message), ("GateClosed", "the window is closed, and opens again this night"));
    assert_eq!(world.state(), EscalationState::Tuning);
    assert_eq!(world.plan().wake, Wake::At(at("2026-03-04T05:00:00Z")));
    world.now = at("2026-03-04T05:00:00Z");
    world.settle();
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72"], "the same night, and its budget");
    assert_eq!(world.newest().spec.night, "2026-03-04");
}

#[test]
fn what_was_measured_of_another_target_decides_nothing() {
    type Case = (fn(&mut World), &'static str);
    let cases: [Case; 3] = [
        (|world| world.around.target = None, "there is no Deployment/llama"),
        (
            |world| world.change_target(|target| target["metadata"]["uid"] = json!("uid-another")),
            "Deployment/llama was made anew",
        ),
        (
            |world| {
                world.change_target(|target| {
                    target["spec"]["template"]["spec"]["containers"][0]["image"] = json!("vllm/vllm-openai:v0.33.1");
                });
            },
            "the pod template of Deployment/llama was changed",
        ),
    ];
    for (change, message) in cases {
        let mut world = with_incumbent(100);
        world.finish(passed(190));
        change(&mut world);
        world.settle();
        assert_eq!(ended(&world), ("TargetChanged", None, texts(&["incumbent", "0.7"])));
        assert_eq!((world.outcome().message.as_str(), world.around.promotions.len()), (message, 0));
    }
}

#[test]
fn replicas_and_annotations_of_the_target_are_no_other_template() {
    let mut world = with_incumbent(100);
    world.finish(passed(190));
    world.change_target(|target| {
        target["spec"]["replicas"] = json!(5);
        target["metadata"]["resourceVersion"] = json!("99");
        target["metadata"]["annotations"] = json!({ "team": "chat" });
    });
    world.settle();
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72"]);
}

#[test]
fn a_run_whose_evidence_is_gone_ends_since_nobody_can_tell_what_it_is_for() {
    let mut world = with_incumbent(100);
    world.finish(passed(190));
    world.around.runs.clear();
    world.settle();
    assert_eq!(ended(&world), ("EvidenceGone", None, texts(&["incumbent", "0.7"])));
}

#[test]
fn a_run_whose_incumbents_canary_was_deleted_ends_and_says_so() {
    let mut world = with_incumbent(100);
    world.finish(passed(190));
    world.around.canaries.remove(0);
    world.settle();
    assert_eq!(ended(&world), ("IncumbentGone", None, texts(&["0.7"])));
}

#[test]
fn a_phase_run_on_the_target_is_waited_for() {
    let mut world = with_incumbent(100);
    world.finish(passed(180));
    world.around.runs.push(changed(&night(4), |run| {
        run["metadata"]["name"] = json!("by-hand");
        run["metadata"]["uid"] = json!("uid-by-hand");
        run["status"] = json!({ "phase": "Running", "startedAt": "2026-03-04T03:22:30Z" });
    }));
    world.settle();
    assert_eq!((world.reason(), world.tried().len()), ("PhaseRunActive", 2));
    assert_eq!(world.ready().2, "PhaseRun by-hand tests the target");
    world.around.runs.pop();
    world.settle();
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72"]);
}

#[test]
fn a_gate_that_closes_in_between_is_waited_for_and_its_own_run_closes_none() {
    let mut world = with_incumbent(100);
    assert!(world.status().gates.iter().all(|gate| gate.open), "cooldown, rate and target look at the others");
    world.finish(passed(180));
    world.spec(|spec| spec["suspend"] = json!({ "reason": "incident 4711" }));
    world.settle();
    let (status, reason, message) = world.ready();
    assert_eq!((status, reason), (ConditionStatus::True, "GateClosed"));
    assert!(message.contains("suspended until it is lifted (incident 4711)"), "{message}");
    assert_eq!((world.state(), world.tried().len()), (EscalationState::Suspended, 2));
    world.spec(|spec| spec["suspend"] = Value::Null);
    world.settle();
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72"]);
}

#[test]
fn a_canary_that_a_suspension_ended_ends_the_run_once_it_is_lifted() {
    let mut world = with_incumbent(100);
    world.spec(|spec| spec["suspend"] = json!({ "reason": "incident 4711" }));
    world.step_on(aborted);
    assert_eq!((world.reason(), world.state()), ("GateClosed", EscalationState::Suspended));
    assert_eq!(world.status().last_tuning, None);
    world.spec(|spec| spec["suspend"] = Value::Null);
    world.settle();
    assert_eq!(ended(&world), ("Aborted", Some("Aborted"), texts(&["incumbent", "0.7"])));
}

#[test]
fn an_older_escalation_that_appears_takes_the_target_over() {
    let mut world = with_incumbent(100);
    world.finish(passed(180));
    world.around.escalations.push(super::world::another_escalation("older", "2026-02-28T00:00:00Z"));
    world.settle();
    assert_eq!((world.reason(), world.state()), ("OtherEscalationRules", EscalationState::Stalled));
    assert_eq!(world.tried().len(), 2);
    assert_eq!(world.condition(&ConditionType::Stalled).unwrap().status, ConditionStatus::True);
}

#[test]
fn a_run_that_was_concluded_is_told_once_and_not_begun_again() {
    let mut world = with_incumbent(100);
    for within in [101, 102, 103, 103] {
        world.step_on(passed(within));
    }
    assert_eq!(ended(&world).0, "GainTooSmall");
    let events = world.told.len();
    let outcome = world.outcome().clone();
    for _ in 0..3 {
        world.pass(300);
        world.settle();
    }
    assert_eq!((world.told.len(), world.outcome()), (events, &outcome));
    assert_eq!((world.state(), world.reason()), (EscalationState::Counting, "Counting"));
    assert!(world.ready().2.contains(&format!("; tuning run {} ended", outcome.cycle)), "{}", world.ready().2);
    assert_eq!(world.status().tuning, None);
    assert_eq!(world.gate(GateName::CooldownElapsed).reason, "CoolingDown");
    assert_eq!(world.status().ledger.as_ref().unwrap().cooldown_until, Some(at("2026-03-04T09:26:00Z")));
}
