//! What keeps a tuning run from beginning until somebody changes something, and in which order it is told.

use phaseloop_core::plan::Wake;
use serde_json::{Value, json};

use super::world::{World, another_escalation, earlier_promotion, night, passed};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        escalation::status::{EscalationState, FlagState},
    },
    controllers::{ObservedPolicy, tuning_canary::fixture::changed},
};

type Change = fn(&mut World);

fn serving(world: &mut World, change: impl Fn(&mut Value)) {
    for run in &mut world.around.runs {
        *run = changed(run, |run| change(&mut run["spec"]["domains"][0]["serving"]));
    }
}

fn templates(world: &mut World, change: impl FnOnce(&mut Value)) {
    world.change_target(|target| change(&mut target["spec"]["template"]["spec"]));
}

fn engine_version(world: &mut World, version: &Value) {
    for run in &mut world.around.runs {
        *run = changed(run, |run| run["status"]["environment"]["engineVersion"] = version.clone());
    }
}

/// Nothing at all can be decided: spec, schedule or policy can't work.
const UNDECIDABLE: [(&str, Change, &str); 8] = [
    (
        "PolicyInvalid",
        |world| world.around.policy = ObservedPolicy::Invalid("line 3: broken".to_owned()),
        "line 3: broken",
    ),
    ("NoSchedule", |world| world.around.schedules.clear(), "no PhaseSchedule of this namespace runs against"),
    (
        "NoSchedule",
        |world| {
            let other = |schedule: &mut Value| schedule["spec"]["run"]["targetRef"]["name"] = json!("qwen");
            world.around.schedules[0] = changed(&world.around.schedules[0], other);
        },
        "make one",
    ),
    (
        "ScheduleInvalid",
        |world| {
            let broken = |schedule: &mut Value| schedule["spec"]["schedule"] = json!("99 3 * * *");
            world.around.schedules[0] = changed(&world.around.schedules[0], broken);
        },
        "PhaseSchedule nightly: spec.schedule",
    ),
    ("InvalidSpec", |world| world.spec(|spec| spec["canary"]["repeats"] = json!(2)), "spec.canary.repeats"),
    (
        "InvalidSpec",
        |world| world.spec(|spec| spec["parameters"][0]["values"] = json!([0.99])),
        "0.99 is above the catalogue's maximum 0.98",
    ),
    (
        "InvalidSpec",
        |world| {
            world.spec(|spec| {
                spec["safety"]["windows"] = json!([{ "start": "03:00", "end": "07:00", "timeZone": "Europe/Nowhere" }]);
            });
        },
        "spec.safety.windows[0].timeZone",
    ),
    (
        "WindowCannotHoldThreshold",
        |world| world.spec(|spec| spec["rules"] = json!([{ "symptom": "vllm_oom", "threshold": 3, "window": "48h" }])),
        "spec.rules[0].window",
    ),
];

#[test]
fn what_can_not_be_decided_is_stalled_with_its_reason_and_does_nothing() {
    for (reason, change, part) in UNDECIDABLE {
        let mut world = World::new();
        change(&mut world);
        let plan = world.plan();
        assert_eq!((plan.remember.as_ref(), plan.intents.as_slice()), (None, &[][..]), "{reason}");
        assert_eq!(plan.wake, Wake::poll(), "{reason}: what mends it may lie elsewhere");
        world.settle();
        let (status, told, message) = world.ready();
        assert_eq!((status, told), (ConditionStatus::False, reason), "{message}");
        assert!(message.contains(part), "{reason}: {message}");
        let stalled = world.condition(&ConditionType::Stalled).unwrap();
        assert_eq!((stalled.status, stalled.reason.as_str()), (ConditionStatus::True, reason));
        assert_eq!(world.state(), EscalationState::Stalled);
        assert_eq!(world.status().summary.as_ref().unwrap().tuning.as_deref(), Some(reason));
        assert!(world.condition(&ConditionType::Reconciling).is_none());
    }
}

#[test]
fn several_faults_of_a_spec_are_told_at_once() {
    let mut world = World::new();
    world.spec(|spec| {
        spec["canary"]["repeats"] = json!(2);
        spec["parameters"] = json!([{ "name": "gpu-memory-utilization", "values": [0.99] }, { "name": "model" }]);
    });
    world.settle();
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "InvalidSpec");
    for part in ["spec.canary.repeats", "spec.parameters[0].values[0]", "spec.parameters[1].name"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_policy_that_is_broken_is_a_condition_and_what_stood_there_stands() {
    let mut world = World::new();
    world.step(passed(100));
    let before = world.status().clone();
    world.around.policy = ObservedPolicy::Invalid("line 3: broken".to_owned());
    world.settle();
    let condition = world.condition(&ConditionType::PolicyValid).unwrap();
    assert_eq!((condition.status, condition.reason.as_str()), (ConditionStatus::False, "PolicyInvalid"));
    let after = world.status();
    assert_eq!((&after.flags, &after.ledger, &after.denied), (&before.flags, &before.ledger, &before.denied));
    assert_eq!(after.tuning, None, "nothing goes on now");
    // Mended, it goes on where it stood.
    world.around.policy = ObservedPolicy::Absent;
    world.settle();
    assert_eq!((world.state(), world.reason()), (EscalationState::Tuning, "Measuring"));
}

/// The spec can be decided on, and something of it or of the target keeps every tuning run from beginning.
const BLOCKED: [(&str, Change, &str); 9] = [
    (
        "OtherEscalationRules",
        |world| world.around.escalations.push(another_escalation("older", "2026-02-28T00:00:00Z")),
        "escalation older is older and rules",
    ),
    (
        "BorrowRefused",
        |world| world.spec(|spec| spec["canary"]["placement"] = json!("BorrowReplica")),
        "TooFewReplicas: Deployment/llama has 1 replicas, and 2 are the least",
    ),
    ("TargetNotFound", |world| world.around.target = None, "there is no Deployment/llama"),
    ("TemplateRefused", |world| templates(world, |spec| spec["hostNetwork"] = json!(true)), "HostNamespace"),
    ("TemplateRefused", |world| templates(world, |spec| spec["containers"][0]["resources"] = json!({})), "NoGPU"),
    (
        "BudgetCannotHoldOneCandidate",
        |world| world.spec(|spec| spec["safety"]["measureBudget"] = json!("15s")),
        "measureBudget",
    ),
    (
        "BudgetCannotHoldOneCandidate",
        |world| world.spec(|spec| spec["safety"]["gpuHoldBudget"] = json!("275s")),
        "gpuHoldBudget",
    ),
    (
        "StartTimeoutTooShort",
        |world| {
            for run in &mut world.around.runs {
                *run = changed(run, |run| run["status"]["domains"][0]["engineReadyAfter"] = json!("121s"));
            }
        },
        "set canary.startTimeout above 2m1s",
    ),
    (
        "MeasurementTooShort",
        |world| world.spec(|spec| spec["canary"]["workload"]["arrival"]["rate"] = json!(6)),
        "requests count in a trial of 8s, 50 are needed",
    ),
];

#[test]
fn what_somebody_has_to_change_is_stalled_with_flags_and_gates_beside_it() {
    for (reason, change, part) in BLOCKED {
        let mut world = World::new();
        change(&mut world);
        world.settle();
        assert!(world.around.canaries.is_empty(), "{reason}");
        let (status, told, message) = world.ready();
        assert_eq!((status, told), (ConditionStatus::False, reason), "{message}");
        assert!(message.contains(part), "{reason}: {message}");
        let stalled = world.condition(&ConditionType::Stalled).unwrap();
        assert_eq!((stalled.status, stalled.reason.as_str()), (ConditionStatus::True, reason));
        assert_eq!(world.status().summary.as_ref().unwrap().tuning.as_deref(), Some(reason));
        assert_eq!(world.state(), EscalationState::Stalled);
        assert_eq!(world.flag_state(), FlagState::Armed, "{reason}: counting goes on");
        assert_eq!(world.status().gates.len(), 6, "{reason}");
    }
}

#[test]
fn a_budget_that_just_holds_incumbent_and_candidate_is_enough() {
    let mut world = World::new();
    world.spec(|spec| spec["safety"] = json!({ "measureBudget": "16s", "gpuHoldBudget": "276s" }));
    world.settle();
    assert_eq!(world.tried(), ["incumbent"]);
}

/// A flag is armed and every gate is open, and nothing would come of beginning. Nobody has to mend the Escalation.
const USELESS: [(&str, Change, &str); 8] = [
    ("EngineVersionUnknown", |world| engine_version(world, &Value::Null), "vllm_oom armed until"),
    ("EngineVersionUnknown", |world| engine_version(world, &json!("vllm 0.19.0")), "vllm_oom armed until"),
    (
        "EverythingRefused",
        |world| {
            world.spec(|spec| spec["parameters"] = json!([{ "name": "gpu-memory-utilization", "values": [0.92] }]));
        },
        "gpu-memory-utilization",
    ),
    (
        "EverythingRefused",
        |world| {
            world.spec(|spec| spec["parameters"] = json!([{ "name": "gpu-memory-utilization", "values": [0.8] }]));
            let promotion = earlier_promotion(&json!({ "phase": "RolledBack" }));
            world.around.promotions.push(changed(&promotion, |promotion| {
                promotion["spec"]["parameters"] = json!({ "gpu-memory-utilization": "0.8" });
            }));
        },
        "promotion p was rolled back",
    ),
    (
        "NothingIsTunedForIt",
        |world| {
            for run in &mut world.around.runs {
                *run = changed(run, |run| run["status"]["symptoms"][0]["kind"] = json!("engine_crash"));
            }
        },
        "engine_crash armed until",
    ),
    (
        "NoWorkload",
        |world| {
            world.spec(|spec| spec["canary"]["workload"] = Value::Null);
            for run in &mut world.around.runs {
                *run = changed(run, |run| {
                    run["spec"]["domains"] = json!([{ "name": "chat", "podTemplateName": "rag-eval" }]);
                });
            }
        },
        "set spec.canary.workload",
    ),
    (
        "NoLimits",
        |world| {
            world.spec(|spec| spec["canary"]["slo"] = Value::Null);
            serving(world, |serving| serving["slo"] = Value::Null);
        },
        "domain chat has no slo; set spec.canary.slo",
    ),
    (
        "PhaseRunActive",
        |world| {
            world.around.runs.push(changed(&night(4), |run| {
                run["metadata"]["name"] = json!("by-hand");
                run["metadata"]["uid"] = json!("uid-by-hand");
                run["status"] = json!({ "phase": "Running", "startedAt": "2026-03-04T03:20:30Z" });
            }));
        },
        "PhaseRun by-hand tests the target",
    ),
];

#[test]
fn nothing_begins_of_which_nothing_would_come() {
    for (reason, change, part) in USELESS {
        let mut world = World::new();
        change(&mut world);
        world.settle();
        assert!(world.around.canaries.is_empty(), "{reason}");
        let (status, told, message) = world.ready();
        assert_eq!((status, told), (ConditionStatus::True, reason), "{message}");
        assert!(message.contains(part), "{reason}: {message}");
        assert_eq!(world.state(), EscalationState::Armed, "{reason}");
    }
}

#[test]
fn a_run_that_ended_or_holds_no_gpu_is_in_nobodys_way() {
    let begins = |change: fn(&mut Value)| {
        let mut world = World::new();
        world.around.runs.push(changed(&night(4), |run| {
            run["metadata"]["name"] = json!("by-hand");
            run["metadata"]["uid"] = json!("uid-by-hand");
            run["status"] = json!({ "phase": "Running", "startedAt": "2026-03-04T03:20:30Z" });
            change(run);
        }));
        world.settle();
        world.tried() == ["incumbent"]
    };
    assert!(!begins(|_| ()));
    assert!(!begins(|run| run["status"] = Value::Null), "it is about to begin");
    assert!(begins(|run| run["status"]["phase"] = json!("Failed")));
    assert!(begins(|run| run["metadata"]["deletionTimestamp"] = json!("2026-03-04T03:20:40Z")));
    assert!(begins(|run| run["spec"]["targetRef"]["name"] = json!("qwen")));
    assert!(begins(|run| run["spec"]["domains"] = json!([{ "name": "eval", "podTemplateName": "eval" }])));
}

#[test]
fn a_target_that_is_gone_is_told_before_anything_of_its_tuning() {
    let mut world = World::new();
    world.around.target = None;
    engine_version(&mut world, &Value::Null);
    world.spec(|spec| spec["safety"]["measureBudget"] = json!("15s"));
    world.settle();
    assert_eq!(world.reason(), "TargetNotFound");
    world.around.escalations.push(another_escalation("older", "2026-02-28T00:00:00Z"));
    world.settle();
    assert_eq!(world.reason(), "OtherEscalationRules");
    world.around.schedules.clear();
    world.settle();
    assert_eq!(world.reason(), "NoSchedule");
    world.around.policy = ObservedPolicy::Invalid("x".to_owned());
    world.settle();
    assert_eq!(world.reason(), "PolicyInvalid");
}

#[test]
fn of_several_schedules_the_oldest_that_is_not_suspended_tells_how_often_runs_come() {
    let mut world = World::new();
    world.spec(|spec| spec["rules"] = json!([{ "symptom": "vllm_oom", "threshold": 3 }]));
    let weekly = changed(&world.around.schedules[0], |schedule| {
        schedule["metadata"]["name"] = json!("weekly");
        schedule["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        schedule["spec"]["schedule"] = json!("0 3 * * 0");
    });
    let window = |world: &mut World| {
        world.settle();
        world.flag().window.to_string()
    };
    assert_eq!(window(&mut world.clone()), "53h");
    world.around.schedules.push(weekly);
    // Two weeks between three runs, a run's four hours, and one of slack.
    assert_eq!(window(&mut world.clone()), "341h");
    world.around.schedules[1].spec.suspend = true;
    assert_eq!(window(&mut world.clone()), "53h");
    world.around.schedules[0].spec.suspend = true;
    assert_eq!(window(&mut world), "341h", "with all suspended the oldest tells");
}

#[test]
fn the_administrators_policy_bounds_what_an_escalation_may_ask_for() {
    let policy = |limits: &str| {
        let text = format!("apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\n{limits}");
        let policy = crate::administrator::read_policy("phaseloop-policy", &text).unwrap();
        ObservedPolicy::Valid(Box::new(policy))
    };
    let mut world = World::new();
    world.around.policy = policy("limits:\n  maxMeasureBudget: 59s\n");
    world.settle();
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "InvalidSpec");
    assert!(message.contains("keep to the administrator's limit maxMeasureBudget"), "{message}");
    assert_eq!(world.condition(&ConditionType::PolicyValid).unwrap().reason, "PolicyInForce");
    world.around.policy = policy("parameters:\n  - name: gpu-memory-utilization\n    maximum: 0.71\n");
    world.settle();
    assert_eq!(world.reason(), "InvalidSpec", "{}", world.ready().2);
    world.spec(|spec| spec["parameters"] = json!([{ "name": "gpu-memory-utilization" }]));
    world.settle();
    assert_eq!(world.tried(), ["incumbent"]);
    while world.status().last_tuning.is_none() {
        world.step(passed(100));
    }
    let values: Vec<f64> = world.tried().iter().skip(1).map(|value| value.parse().unwrap()).collect();
    assert!(!values.is_empty() && values.iter().all(|value| *value <= 0.71), "{values:?}");
}

#[test]
fn an_escalation_that_is_being_deleted_begins_nothing_and_says_nothing_new() {
    let mut world = World::new();
    world.settle();
    world.finish(passed(100));
    let before = world.status().clone();
    world.around.object = changed(&world.around.object, |object| {
        object["metadata"]["deletionTimestamp"] = json!("2026-03-04T03:22:30Z");
    });
    let plan = world.look();
    assert_eq!((plan.remember, plan.intents, plan.wake), (None, Vec::new(), Wake::OnChange));
    assert_eq!(world.status(), &before);
}
