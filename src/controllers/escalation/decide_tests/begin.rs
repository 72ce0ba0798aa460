//! How a tuning run begins: what is durable before anything is spent, and what is reserved.

use jiff::SignedDuration;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{
        Intent, OwnKind, OwnObject, Wake,
        label::{FINALIZER, LABEL_ESCALATION, LABEL_MANAGED_BY, LABEL_TARGET},
        name::{canary_name, cycle_name, target_label},
        record::{BudgetShare, CanaryRole, NewCanary, Notice, NoticeSeverity},
    },
    value::{SymptomKind, TargetReference, Uid},
};
use serde_json::{Value, json};

use super::world::{World, earlier_canary, night, passed};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        escalation::status::{EscalationState, FlagState},
        tuning_canary::CanaryRole as WireRole,
    },
    controllers::tuning_canary::fixture::{at, changed, target, workload},
};

fn reference() -> TargetReference {
    TargetReference { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned(), name: "llama".to_owned() }
}

fn own() -> OwnObject {
    OwnObject::new(OwnKind::Escalation, "llama", Uid::new("uid-escalation"))
}

fn told(severity: NoticeSeverity, reason: &'static str, note: &str) -> Intent {
    Intent::RecordEvent(Notice { object: own(), severity, reason, note: note.to_owned(), identity: note.to_owned() })
}

/// The cycle that the run of the fourth of March begins.
fn cycle() -> String {
    cycle_name("n4", &Uid::new("uid-n4"))
}

#[test]
fn the_armed_flag_and_the_beginning_are_durable_before_the_incumbent_is_reserved() {
    let world = World::new();
    let plan = world.plan();
    let name = canary_name(&reference(), "2026-03-04".parse().unwrap(), 0);
    let incumbent = NewCanary {
        name: name.clone(),
        escalation: own(),
        cycle: cycle(),
        symptom: SymptomKind::VllmOom,
        night: "2026-03-04".parse().unwrap(),
        attempt: 0,
        role: CanaryRole::Incumbent,
        parameters: [].into(),
        target: reference(),
        target_uid: Uid::new("uid-llama"),
        template_hash: target().template_hash(),
        consumes: ["uid-n2", "uid-n3", "uid-n4"].map(Uid::new).into(),
        // It may wait 15 minutes for a GPU, and then live for 138 s.
        not_after: at("2026-03-04T03:38:18Z"),
        reserved: BudgetShare { measure: SignedDuration::from_secs(8), hold: SignedDuration::from_secs(138) },
    };
    let armed = "vllm_oom: 3 of 3 in 53h, armed until 2026-03-04T07:20:00Z; by domain: chat 3";
    let expected = [
        Intent::CreateCanary(Box::new(incumbent)),
        told(NoticeSeverity::Warning, "ThresholdReached", armed),
        told(NoticeSeverity::Normal, "MakingCanary", &format!("canary {name} measures the incumbent")),
    ];
    assert_eq!(plan.intents, expected);
    let remembered = plan.remember.as_ref().unwrap();
    let flag = remembered.status.flags.iter().find(|flag| flag.symptom == SymptomKind::VllmOom).unwrap();
    assert_eq!((flag.state, flag.expires_at), (FlagState::Armed, Some(at("2026-03-04T07:20:00Z"))));
    assert_eq!(flag.evidence.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["n2", "n3", "n4"]);
    assert_eq!(remembered, &plan.report, "whoever goes on after a restart has nothing else to tell");
    assert_eq!(
        (plan.report.status.state, plan.report.reason.as_str()),
        (Some(EscalationState::Tuning), "MakingCanary")
    );
    assert_eq!(plan.report.cycle, Some(cycle()));
    assert_eq!(plan.report.evidence.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["n2", "n3", "n4"]);
    assert_eq!(plan.wake, Wake::At(at("2026-03-04T07:00:00Z")));
}

#[test]
fn what_is_durable_already_is_not_remembered_again() {
    let mut world = World::new();
    // It died after it had remembered.
    let (_, whole) = world.look_up_to(1);
    assert!(!whole && world.around.canaries.is_empty());
    assert_eq!(world.flag_state(), FlagState::Armed);
    let plan = world.plan();
    assert_eq!(plan.remember, None);
    assert!(matches!(plan.intents.as_slice(), [Intent::CreateCanary(_), ..]));
}

#[test]
fn a_run_whose_operator_died_after_the_incumbent_was_made_begins_in_the_same_words() {
    let (mut undisturbed, mut world) = (World::new(), World::new());
    undisturbed.settle();
    let (_, whole) = world.look_up_to(2);
    assert!(!whole && world.around.canaries.len() == 1);
    world.settle();
    let told = |world: &World| world.around.object.status.clone().unwrap().history.unwrap().records;
    assert_eq!(told(&world), told(&undisturbed));
    assert_eq!(told(&world).last().unwrap().reason, "MakingCanary");
}

#[test]
fn the_canary_is_the_reservation() {
    let mut world = World::new();
    world.look();
    let canary = world.newest().clone();
    assert_eq!(canary.metadata.finalizers, Some(vec![FINALIZER.to_owned()]), "its use is owed to the ledger");
    let [owner] = canary.owner_references() else { panic!("{:?}", canary.owner_references()) };
    assert_eq!((owner.kind.as_str(), owner.uid.as_str()), ("Escalation", "uid-escalation"));
    let label = |key: &str| canary.labels().get(key).cloned().unwrap();
    assert_eq!([label(LABEL_MANAGED_BY), label(LABEL_ESCALATION)], ["phaseloop", "llama"]);
    assert_eq!(label(LABEL_TARGET), target_label(&reference()));
    let spec = serde_json::to_value(&canary.spec).unwrap();
    let expected = json!({
        "escalationName": "llama", "cycle": cycle(), "symptom": "vllm_oom", "night": "2026-03-04", "attempt": 0,
        "consumes": ["uid-n2", "uid-n3", "uid-n4"], "notAfter": "2026-03-04T03:38:18Z", "role": "Incumbent",
        "parameters": {}, "targetUID": "uid-llama", "templateHash": target().template_hash(),
        "reserved": { "measure": "8s", "hold": "2m18s" }, "measure": "8s", "startTimeout": "2m", "grace": "5s",
        "repeats": 1, "placement": "SpareGPU", "abort": false,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(spec.get(field).unwrap_or(&Value::Null), value, "{field}");
    }
    assert_eq!(spec["workload"]["arrival"], workload()["arrival"]);
    let balance = &world.plan().report.status.ledger.clone().unwrap().nights[0];
    assert_eq!(
        (balance.reserved.measure.to_string(), balance.reserved.hold.to_string()),
        ("8s".into(), "2m18s".into())
    );
    assert_eq!(balance.used.hold.to_string(), "0s");
}

#[test]
fn looking_again_begins_nothing_twice() {
    let mut world = World::new();
    for _ in 0..5 {
        world.look();
    }
    assert_eq!(world.tried(), ["incumbent"]);
    assert_eq!((world.reason(), world.state()), ("Measuring", EscalationState::Tuning));
    assert_eq!(world.told_reasons(), ["ThresholdReached", "MakingCanary"]);
    let tuning = world.status().tuning.clone().unwrap();
    assert_eq!((tuning.cycle, tuning.attempt, tuning.candidates_done, tuning.candidates_left), (cycle(), 0, 0, 4));
    assert_eq!(world.condition(&ConditionType::Reconciling).unwrap().status, ConditionStatus::True);
}

#[test]
fn names_of_a_night_are_dense_whoever_made_the_others() {
    let mut world = World::new();
    // A run of this night that another Escalation began, and that was folded and is gone; and one of its canaries.
    world.stored(|status| {
        let part = json!({ "measure": "8s", "hold": "60s" });
        let nothing = json!({ "measure": "0s", "hold": "0s" });
        let folded = json!([{ "attempt": 0, "reserved": part, "used": part }]);
        *status = json!({ "ledger": { "nights": [
            { "night": "2026-03-04", "used": part, "reserved": nothing, "folded": folded },
        ] } });
    });
    world.around.canaries.push(earlier_canary(|canary| {
        canary["spec"]["escalationName"] = json!("other");
        canary["spec"]["night"] = json!("2026-03-04");
        canary["spec"]["attempt"] = json!(1);
    }));
    let plan = world.plan();
    let Some(Intent::CreateCanary(canary)) = plan.intents.first() else { panic!("{:?}", plan.intents) };
    assert_eq!(
        (canary.attempt, canary.name.as_str()),
        (2, &*canary_name(&reference(), "2026-03-04".parse().unwrap(), 2))
    );
    // Both count: 44 s of 60 s are left for measuring.
    assert!(plan.report.status.gates.iter().any(|gate| gate.message.contains("44s of 1m left for measuring")));
}

#[test]
fn a_night_with_a_gap_is_a_stale_view_and_begins_nothing() {
    let mut world = World::new();
    world.around.canaries.push(earlier_canary(|canary| {
        canary["spec"]["night"] = json!("2026-03-04");
        canary["spec"]["attempt"] = json!(1);
    }));
    world.settle();
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "AttemptNotSeen");
    assert!(message.contains("canary 0 of the night 2026-03-04 was not seen"), "{message}");
    assert_eq!(world.around.canaries.len(), 1);
}

#[test]
fn the_load_and_limits_are_those_of_the_domain_that_raised_the_symptom_where_none_are_given() {
    let mut world = World::new();
    world.spec(|spec| spec["canary"] = json!({}));
    for run in &mut world.around.runs {
        *run = changed(run, |run| {
            run["spec"]["domains"][0]["serving"]["workload"]["arrival"]["rate"] = json!(25);
            run["spec"]["domains"][0]["serving"]["slo"] = json!({ "ttft": "300ms" });
        });
    }
    // An earlier run of the same evidence had another load; the newest decides.
    world.around.runs[0] = changed(&world.around.runs[0], |run| {
        run["spec"]["domains"][0]["serving"]["workload"]["arrival"]["rate"] = json!(7);
    });
    world.look();
    let spec = serde_json::to_value(&world.newest().spec).unwrap();
    assert_eq!((&spec["workload"]["arrival"]["rate"], &spec["slo"]["ttft"]), (&json!(25), &json!("300ms")));
}

#[test]
fn of_two_domains_the_one_with_the_gravest_symptom_gives_the_load() {
    let mut world = World::new();
    world.spec(|spec| spec["canary"] = json!({ "slo": { "e2e": "2s" } }));
    let last = world.around.runs.last_mut().unwrap();
    *last = changed(last, |run| {
        let mut rag = run["spec"]["domains"][0].clone();
        rag["name"] = json!("rag");
        rag["serving"]["workload"]["arrival"]["rate"] = json!(30);
        run["spec"]["domains"].as_array_mut().unwrap().push(rag);
        let mut symptom = run["status"]["symptoms"][0].clone();
        symptom["domain"] = json!("rag");
        run["status"]["symptoms"][0]["severity"] = json!("warning");
        run["status"]["symptoms"].as_array_mut().unwrap().push(symptom);
    });
    world.look();
    let spec = serde_json::to_value(&world.newest().spec).unwrap();
    assert_eq!(spec["workload"]["arrival"]["rate"], json!(30));
}

#[test]
fn a_reservation_is_no_more_than_the_budget_and_the_window_have_left() {
    let reserved = |change: fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        world.look();
        let spec = &world.newest().spec;
        (spec.reserved.hold.to_string(), spec.not_after)
    };
    let budget = |world: &mut World| {
        world.spec(|spec| {
            spec["safety"]["gpuHoldBudget"] = json!("100s");
            spec["canary"]["startTimeout"] = json!("20s");
            spec["canary"]["grace"] = json!("2s");
        });
    };
    // 20 s of start, 8 s of measuring, two graces of 2 s.
    assert_eq!(reserved(budget), ("32s".to_owned(), at("2026-03-04T03:36:32Z")));
    // What waits for a GPU is over in time for its search to be concluded.
    let window = |world: &mut World| world.now = at("2026-03-04T06:50:00Z");
    assert_eq!(reserved(window), ("2m18s".to_owned(), at("2026-03-04T06:59:45Z")));
    let two_gpus = |world: &mut World| {
        world.change_target(|target| {
            let container = &mut target["spec"]["template"]["spec"]["containers"][0];
            container["resources"]["limits"]["nvidia.com/gpu"] = json!("2");
        });
    };
    assert_eq!(reserved(two_gpus), ("4m36s".to_owned(), at("2026-03-04T03:38:18Z")));
}

#[test]
fn a_run_that_had_its_tuning_run_begins_no_other_even_when_its_canaries_are_gone() {
    let mut world = World::new();
    world.stored(|status| {
        let run = json!({ "cycle": cycle(), "startedAt": "2026-03-04T03:21:00Z", "endedAt": "2026-03-04T03:22:00Z" });
        *status = json!({ "ledger": { "runs": [run] } });
    });
    world.spec(|spec| spec["safety"]["cooldown"] = json!("1m"));
    world.now = at("2026-03-04T04:00:00Z");
    world.settle();
    let (_, reason, message) = world.ready();
    assert_eq!((reason, message), ("AlreadyTuned", "run n4 has had its tuning run"));
    // A newer bad night begins one of its own, once the flag of this one is over.
    world.around.runs.push(night(5));
    world.now = at("2026-03-05T03:21:00Z");
    world.settle();
    assert_eq!(world.newest().spec.cycle, cycle_name("n5", &Uid::new("uid-n5")));
}

#[test]
fn what_the_flag_of_one_symptom_permits_consumes_the_evidence_of_every_armed_flag() {
    let mut world = World::new();
    for run in &mut world.around.runs {
        *run = changed(run, |run| {
            let mut slow = run["status"]["symptoms"][0].clone();
            slow["kind"] = json!("latency_regression");
            slow["metric"] = json!("endToEndLatency");
            run["status"]["symptoms"].as_array_mut().unwrap().push(slow);
        });
    }
    // One more run that was slow and nothing else; it armed the flag of latency later.
    let mut slow = changed(&night(4), |run| {
        run["metadata"]["name"] = json!("by-hand");
        run["metadata"]["uid"] = json!("uid-by-hand");
        run["status"]["completedAt"] = json!("2026-03-04T03:19:00Z");
    });
    slow.status.as_mut().unwrap().symptoms[0].kind = SymptomKind::LatencyRegression;
    world.around.runs.push(slow);
    world.look();
    let spec = &world.newest().spec;
    assert_eq!(spec.symptom, SymptomKind::VllmOom, "of two flags that were armed by one run the graver leads");
    assert_eq!(spec.consumes, ["uid-by-hand", "uid-n2", "uid-n3", "uid-n4"]);
    assert_eq!(world.told_reasons(), ["ThresholdReached", "ThresholdReached", "MakingCanary"]);
}

#[test]
fn a_candidate_consumes_nothing_and_is_measured_as_the_incumbent_was() {
    let mut world = World::new();
    world.step(passed(100));
    // Whatever the Escalation says by now.
    world.spec(|spec| {
        spec["canary"]["slo"] = json!({ "e2e": "9s" });
        spec["canary"]["measure"] = json!("3s");
        spec["canary"]["limits"] = json!({ "minimumRequests": 7 });
    });
    world.finish(passed(110));
    world.settle();
    let [incumbent, .., candidate] = world.around.canaries.as_slice() else { panic!("too few") };
    assert_eq!((incumbent.spec.role, candidate.spec.role), (WireRole::Incumbent, WireRole::Candidate));
    assert_eq!((candidate.spec.attempt, candidate.spec.consumes.len()), (2, 0));
    assert_eq!(candidate.spec.slo, incumbent.spec.slo);
    assert_eq!((candidate.spec.measure, &candidate.spec.limits), (incumbent.spec.measure, &incumbent.spec.limits));
    assert_eq!(candidate.spec.reserved.measure.to_string(), "8s");
}
