//! What a tuning run comes to: a promotion with its terms, or nothing and why.

use kube::ResourceExt;
use phaseloop_core::plan::{Intent, label::FINALIZER, name::promotion_name};
use serde_json::{Value, json};

use super::world::{World, infrastructure, out_of_memory, passed};
use crate::{
    api::{
        Promotion,
        condition::ConditionType,
        escalation::status::{EscalationState, GateName},
    },
    controllers::tuning_canary::{
        facts::target_of,
        fixture::{at, changed, target},
    },
};

/// The run to its end: the incumbent, then each of the values.
fn run(change: impl FnOnce(&mut World), outcomes: &[fn(&mut Value)]) -> World {
    let mut world = World::new();
    change(&mut world);
    world.settle();
    for outcome in outcomes {
        world.step_on(outcome);
    }
    world
}

fn met<const WITHIN: u32>(status: &mut Value) {
    passed(WITHIN)(status);
}

/// The incumbent at a half, and the third value the best by far.
const GOOD: [fn(&mut Value); 5] = [met::<100>, met::<120>, met::<140>, met::<190>, met::<130>];

#[test]
fn the_best_candidate_is_promoted_on_its_terms() {
    let world = run(|_| (), &GOOD);
    let [promotion] = world.around.promotions.as_slice() else { panic!("{:?}", world.around.promotions) };
    let winner = &world.around.canaries[3];
    let cycle = &winner.spec.cycle;
    assert_eq!(promotion.name_any(), promotion_name(&target_of(winner), cycle));
    assert_eq!(promotion.metadata.finalizers, Some(vec![FINALIZER.to_owned()]));
    assert_eq!(promotion.owner_references(), [], "deleting an Escalation deletes no evidence");
    assert_eq!(promotion.labels()["phaseloop.dev/escalation"], "llama");
    let spec = serde_json::to_value(&promotion.spec).unwrap();
    let expected = json!({
        "escalationName": "llama", "cycle": cycle, "symptom": "vllm_oom",
        "domains": [{ "name": "chat", "workloadHash": "load" }],
        "targetUID": "uid-llama", "templateHash": target().template_hash(),
        "parameters": { "gpu-memory-utilization": "0.75" },
        "previous": [{
            "name": "gpu-memory-utilization", "address": "containers[vllm].args[--gpu-memory-utilization]",
            "value": "0.92", "absent": false, "promoted": "0.75",
        }],
        "canaryName": winner.name_any(), "fitness": { "met": 190, "offered": 200 },
        "delivery": "Patch", "approval": { "mode": "Manual" }, "decision": "Pending",
        "allowManaged": false, "allowDowntime": false, "rolloutTimeout": "30m",
        // 54 h from the end of the run.
        "validateBy": "2026-03-06T09:26:00Z",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(spec.get(field).unwrap_or(&Value::Null), value, "{field}");
    }
    assert_eq!(spec["windows"], json!([{ "start": "03:00", "end": "07:00", "timeZone": "Etc/UTC" }]));
    assert_eq!((promotion.spec.approved_by.as_ref(), promotion.spec.previous_promotion_uid.as_ref()), (None, None));
    let outcome = world.outcome();
    assert_eq!((outcome.reason.as_str(), outcome.search_ended.as_deref()), ("BeatsIncumbent", Some("EverythingTried")));
    assert_eq!(outcome.message, "fitness 0.500 -> 0.950");
    assert_eq!(outcome.promotion_name, Some(promotion.name_any()));
    assert_eq!((outcome.night.as_str(), outcome.ended_at), ("2026-03-04", at("2026-03-04T03:26:00Z")));
    assert_eq!((outcome.candidates_tried, outcome.untried.len()), (4, 0));
    // From then on the promotion is in the way of the next run.
    assert_eq!(world.gate(GateName::TargetFree).reason, "PromotionUnvalidated");
    assert_eq!(world.told.last().unwrap().1, "RunEnded");
}

#[test]
fn the_promotion_is_made_before_the_end_of_the_run_is_told() {
    let mut world = run(|_| (), &GOOD[..4]);
    world.finish(met::<130>);
    let plan = world.plan();
    assert!(
        matches!(plan.intents.as_slice(), [Intent::CreatePromotion(_), Intent::RecordEvent(_)]),
        "{:?}",
        plan.intents
    );
    assert_eq!(plan.remember, None, "a promotion rests on its canary, which exists");
    let [_, Intent::RecordEvent(notice)] = plan.intents.as_slice() else { unreachable!() };
    let cycle = world.newest().spec.cycle.clone();
    assert_eq!(notice.note, format!("tuning run {cycle}: BeatsIncumbent: fitness 0.500 -> 0.950"));
    assert_eq!((plan.report.reason.as_str(), plan.report.cycle.as_deref()), ("RunEnded", Some(cycle.as_str())));
    assert_eq!(plan.report.evidence.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), ["Promotion"]);
    assert_eq!(plan.report.status.tuning, None);
}

#[test]
fn what_the_spec_says_of_promotions_goes_into_the_terms() {
    let change = |world: &mut World| {
        world.spec(|spec| {
            spec["targetRef"]["container"] = json!("vllm");
            spec["promotion"] = json!({
                "delivery": "Git", "approval": "Automatic", "allowManaged": true, "allowDowntime": true,
                "rolloutTimeout": "7m", "validateWithin": "30h", "windows": [{ "start": "10:00", "end": "11:00" }],
                "git": { "repository": "https://git.example.com/a", "base": "main", "path": "a.yaml", "secretName": "s" },
            });
        });
        world.change_target(|target| {
            target["metadata"]["annotations"] = json!({ "phaseloop.dev/promotion": "uid-earlier" });
        });
    };
    let world = run(change, &GOOD);
    let spec = serde_json::to_value(&world.around.promotions[0].spec).unwrap();
    let expected = json!({
        "delivery": "Git", "approval": { "mode": "Automatic" }, "allowManaged": true, "allowDowntime": true,
        "rolloutTimeout": "7m", "validateBy": "2026-03-05T09:26:00Z", "previousPromotionUID": "uid-earlier",
        "windows": [{ "start": "10:00", "end": "11:00", "timeZone": "Etc/UTC" }], "decision": "Pending",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&spec[field], value, "{field}");
    }
    assert_eq!((&spec["targetRef"]["container"], &spec["git"]["path"]), (&json!("vllm"), &json!("a.yaml")));
}

#[test]
fn a_value_that_was_not_set_at_all_is_remembered_as_absent() {
    let change = |world: &mut World| {
        world.change_target(|target| {
            target["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["m", "--max-num-seqs", "32"]);
        });
    };
    let world = run(change, &GOOD);
    let [previous] = world.around.promotions[0].spec.previous.as_slice() else { panic!("one field") };
    assert_eq!((previous.absent, previous.value.as_ref(), previous.promoted.as_deref()), (true, None, Some("0.75")));
}

/// Outcomes of incumbent and candidates, and what the run comes to.
struct Row {
    outcomes: [fn(&mut Value); 5],
    reason: &'static str,
    winner: Option<&'static str>,
}

const fn row(outcomes: [fn(&mut Value); 5], reason: &'static str, winner: Option<&'static str>) -> Row {
    Row { outcomes, reason, winner }
}

#[test]
fn each_end_of_a_search_has_its_reason() {
    let oom: fn(&mut Value) = out_of_memory;
    let fault: fn(&mut Value) = infrastructure;
    let rows = [
        row([met::<100>, met::<120>, met::<190>, met::<140>, met::<130>], "BeatsIncumbent", Some("0.72")),
        row([met::<100>, met::<103>, met::<102>, met::<101>, met::<90>], "GainTooSmall", None),
        row([met::<100>, met::<104>, met::<102>, met::<101>, met::<90>], "GainWithinNoise", None),
        row([met::<190>, met::<100>, met::<100>, met::<100>, met::<100>], "GainTooSmall", None),
        row([met::<100>, fault, oom, fault, fault], "NoCandidatePassed", None),
        row([oom, met::<99>, met::<98>, met::<97>, met::<99>], "FitnessTooLow", None),
        row([oom, met::<60>, met::<100>, met::<97>, met::<60>], "IncumbentFailed", Some("0.72")),
        row([oom, met::<190>, oom, met::<60>, oom], "IncumbentFailed", Some("0.7")),
    ];
    for row in rows {
        let mut world = World::new();
        world.settle();
        for outcome in row.outcomes {
            if world.status().last_tuning.is_none() {
                world.step_on(outcome);
            }
        }
        let outcome = world.outcome();
        assert_eq!(outcome.reason, row.reason, "{}", outcome.message);
        let winner = outcome.winner.as_ref().map(|winner| winner.values().next().unwrap().to_string());
        assert_eq!(winner.as_deref(), row.winner, "{}", row.reason);
        assert_eq!(world.around.promotions.len(), usize::from(row.winner.is_some()), "{}", row.reason);
        assert_eq!(outcome.promotion_name.is_some(), row.winner.is_some());
        assert!(!outcome.message.is_empty(), "{}", row.reason);
        assert_eq!(world.status().tuning, None);
        let state = EscalationState::Counting;
        assert_eq!(world.state(), state, "{}: a valid end, and symptoms are counted again", row.reason);
        assert_eq!(world.condition(&ConditionType::Stalled), None);
    }
}

#[test]
fn what_must_be_gained_is_what_the_spec_says() {
    let gain = |minimum: Value| {
        let outcomes: [fn(&mut Value); 5] = [met::<100>, met::<140>, met::<101>, met::<101>, met::<101>];
        let world = run(|world| world.spec(|spec| spec["search"] = json!({ "minimumGain": minimum })), &outcomes);
        world.outcome().reason.clone()
    };
    assert_eq!([gain(json!(0.2)), gain(json!(0.21))], ["BeatsIncumbent", "GainTooSmall"]);
    let least = |minimum: Value| {
        let outcomes: [fn(&mut Value); 5] = [out_of_memory, met::<140>, met::<101>, met::<101>, met::<101>];
        let world = run(|world| world.spec(|spec| spec["search"] = json!({ "minimumFitness": minimum })), &outcomes);
        world.outcome().reason.clone()
    };
    assert_eq!([least(json!(0.7)), least(json!(0.71))], ["IncumbentFailed", "FitnessTooLow"]);
}

#[test]
fn no_more_candidates_are_tried_than_the_spec_allows() {
    let world =
        run(|world| world.spec(|spec| spec["search"] = json!({ "maxCandidates": 2 })), &[met::<100>, met::<120>]);
    assert_eq!(world.status().tuning.as_ref().unwrap().candidates_left, 1);
    let mut world = world;
    world.step_on(met::<190>);
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72"]);
    assert_eq!(world.outcome().reason, "BeatsIncumbent");
}

#[test]
fn delivery_none_names_the_winner_and_promotes_nothing() {
    let world = run(|world| world.spec(|spec| spec["promotion"] = json!({ "delivery": "None" })), &GOOD);
    let outcome = world.outcome();
    assert_eq!((outcome.reason.as_str(), outcome.message.as_str()), ("WinnerNamed", "fitness 0.500 -> 0.950"));
    assert_eq!(outcome.winner.as_ref().unwrap().values().next().unwrap().to_string(), "0.75");
    assert_eq!((outcome.promotion_name.as_ref(), world.around.promotions.len()), (None, 0));
}

#[test]
fn a_value_that_could_not_be_put_back_is_not_promoted() {
    let change = |world: &mut World| {
        // The flag may come from a shell variable: nobody could tell what stood there.
        world.change_target(|target| {
            let container = &mut target["spec"]["template"]["spec"]["containers"][0];
            container["command"] = json!(["sh", "-c"]);
            container["args"] = json!(["vllm serve m $EXTRA"]);
        });
        world.spec(|spec| spec["targetRef"]["container"] = json!("vllm"));
        for run in &mut world.around.runs {
            *run = changed(run, |run| {
                run["status"]["environment"]["configuration"] = json!({ "gpu-memory-utilization": "0.92" });
            });
        }
    };
    let world = run(change, &GOOD);
    let outcome = world.outcome();
    assert_eq!((outcome.reason.as_str(), outcome.promotion_name.as_ref()), ("WinnerNotSettable", None));
    assert!(outcome.winner.is_some() && !outcome.message.is_empty(), "{outcome:?}");
    assert!(world.around.promotions.is_empty());
}

#[test]
fn a_promotion_is_validated_in_every_domain_that_showed_the_symptom() {
    let change = |world: &mut World| {
        let last = world.around.runs.last_mut().unwrap();
        *last = changed(last, |run| {
            for (name, shows) in [("rag", true), ("batch", false)] {
                let mut domain = run["status"]["domains"][0].clone();
                domain["name"] = json!(name);
                domain["workloadHash"] = json!(format!("load-{name}"));
                run["status"]["domains"].as_array_mut().unwrap().push(domain);
                if shows {
                    let mut symptom = run["status"]["symptoms"][0].clone();
                    symptom["domain"] = json!(name);
                    run["status"]["symptoms"].as_array_mut().unwrap().push(symptom);
                }
            }
        });
    };
    let world = run(change, &GOOD);
    let domains = serde_json::to_value(&world.around.promotions[0].spec.domains).unwrap();
    let expected = json!([
        { "name": "chat", "workloadHash": "load" }, { "name": "rag", "workloadHash": "load-rag" },
    ]);
    assert_eq!(domains, expected);
}

#[test]
fn symptoms_of_domains_that_were_not_measured_validly_make_no_promotion() {
    let change = |world: &mut World| {
        let last = world.around.runs.last_mut().unwrap();
        *last = changed(last, |run| run["status"]["domains"][0]["workloadHash"] = Value::Null);
    };
    let world = run(change, &GOOD);
    let outcome = world.outcome();
    assert_eq!((outcome.reason.as_str(), world.around.promotions.len()), ("EvidenceGone", 0));
    assert_eq!(outcome.message, "run n4 covered no domain validly that showed the symptom");
}

#[test]
fn a_promotion_that_exists_ends_its_run_whoever_made_it() {
    let mut world = run(|_| (), &GOOD);
    let promotion: Promotion = world.around.promotions[0].clone();
    // The status of an earlier backup.
    let told = world.outcome().clone();
    world.around.object.status = None;
    world.settle();
    assert_eq!(world.around.promotions, std::slice::from_ref(&promotion));
    assert_eq!(*world.outcome(), told, "all that whoever made the promotion would have told");
    assert_eq!(told.promotion_name, Some(promotion.name_any()));
    assert_eq!(world.around.canaries.len(), 5, "nothing is measured again");
    // One that says nothing of its selection is told from what it is.
    world.around.promotions[0].spec.selection = None;
    world.around.object.status = None;
    world.settle();
    assert_eq!(world.outcome().reason, "Promoted");
    assert_eq!(world.outcome().winner.as_ref(), Some(&promotion.spec.parameters));
}
