//! While the value is in: the rollout, the run that decides, and the deadline.

use phaseloop_core::{
    plan::{Intent, Wake},
    value::Verdict,
};
use serde_json::{Value, json};

use super::world::{VALIDATE_BY, World};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        promotion::status::PromotionPhase,
    },
    controllers::tuning_canary::fixture::at,
};

/// The night after: it began once the rollout was seen finished.
const NIGHT: (&str, &str) = ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z");

#[test]
fn a_rollout_is_looked_at_every_fifteen_seconds() {
    let mut world = World::applied();
    let plan = world.plan();
    assert_eq!(
        (plan.intents.len(), plan.wake),
        (0, Wake::At(at("2026-03-04T03:27:15Z"))),
        "a crash of a pod wakes nobody"
    );
    assert_eq!(
        world.message(),
        "rolling out since 2026-03-04T03:27:00Z; rolled back if not finished by 2026-03-04T03:57:00Z"
    );
    assert_eq!(world.condition(&ConditionType::RolledOut), Some((ConditionStatus::False, "RollingOut")));
    assert_eq!(world.condition(&ConditionType::Reconciling), Some((ConditionStatus::True, "RollingOut")));
    // One pod is replaced.
    world.pass(60);
    world.change_target(|target| {
        let generation = target["metadata"]["generation"].clone();
        target["status"] =
            json!({ "observedGeneration": generation, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1 });
    });
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applying, "RollingOut"));
}

#[test]
fn figures_of_an_earlier_generation_say_nothing() {
    let mut world = World::applied();
    // All replicas are updated and ready, says the status of before the patch; and that it made no progress.
    world.change_target(|target| {
        target["status"]["conditions"] =
            json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }]);
    });
    world.pass(600);
    world.settle();
    assert_eq!(world.reason(), "RollingOut");
}

#[test]
fn a_finished_rollout_waits_for_the_next_run() {
    let world = World::rolled_out();
    assert_eq!(world.status().rolled_out_at, Some(at("2026-03-04T03:29:00Z")));
    let rolled_out = world.whole_condition(&ConditionType::RolledOut).unwrap();
    assert_eq!((rolled_out.status, rolled_out.reason.as_str()), (ConditionStatus::True, "RolloutFinished"));
    let validated = world.whole_condition(&ConditionType::Validated).unwrap();
    assert_eq!((validated.status, validated.reason.as_str()), (ConditionStatus::Unknown, "AwaitingValidation"));
    assert!(validated.message.contains(VALIDATE_BY), "{}", validated.message);
    assert_eq!(world.plan().wake, Wake::At(at(VALIDATE_BY)));
    assert_eq!(world.condition(&ConditionType::Stalled), None);
}

/// A rollout that fails, and why.
type Failure = (fn(&mut World), &'static str);

const FAILURES: [Failure; 4] = [
    (
        |world| {
            world.change_target(|target| {
                target["status"]["observedGeneration"] = target["metadata"]["generation"].clone();
                target["status"]["updatedReplicas"] = json!(1);
                target["status"]["conditions"] =
                    json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }]);
            });
        },
        "RolloutStuck",
    ),
    (
        |world| {
            world.change_target(|target| {
                target["status"]["observedGeneration"] = target["metadata"]["generation"].clone();
                target["status"]["updatedReplicas"] = json!(1);
            });
            let pod = json!({
                "metadata": { "name": "llama-1" },
                "status": { "containerStatuses": [{
                    "name": "vllm", "image": "i", "imageID": "i", "ready": false, "restartCount": 1,
                    "lastState": { "terminated": { "exitCode": 0 } },
                }] },
            });
            world.around.newest_pods = vec![serde_json::from_value(pod).unwrap()];
        },
        "NewPodCrashed",
    ),
    (|world| world.now = at("2026-03-04T03:57:00Z"), "RolloutTimedOut"),
    (
        |world| {
            world.spec(|spec| spec["rolloutTimeout"] = json!("100h"));
            world.now = at(VALIDATE_BY);
        },
        "ValidationDeadlinePassed",
    ),
];

#[test]
fn a_rollout_that_fails_is_rolled_back_at_once_whatever_window_is_open() {
    for (fail, reason) in FAILURES {
        for window_open in [true, false] {
            let mut world = World::applied();
            if !window_open {
                world.spec(|spec| spec["windows"] = json!([{ "start": "10:00", "end": "11:00" }]));
            }
            fail(&mut world);
            let plan = world.look();
            assert!(matches!(plan.intents.first(), Some(Intent::RestoreTarget(_))), "{reason}: {:?}", plan.intents);
            assert_eq!(world.stands(), (PromotionPhase::RollingBack, reason));
            assert_eq!(world.told.last().unwrap().0, "Warning");
            world.settle();
            assert_eq!(world.stands(), (PromotionPhase::RolledBack, reason));
        }
    }
}

#[test]
fn a_rollout_that_is_found_finished_has_finished_however_late_somebody_looks() {
    let mut world = World::applied();
    world.roll_out();
    world.now = at("2026-03-04T05:00:00Z");
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applied);
}

#[test]
fn a_second_before_its_timeout_a_rollout_may_yet_finish() {
    let mut world = World::applied();
    world.now = at("2026-03-04T03:56:59Z");
    world.settle();
    assert_eq!((world.phase(), world.plan().wake), (PromotionPhase::Applying, Wake::At(at("2026-03-04T03:57:00Z"))));
}

#[test]
fn the_first_healthy_run_validates_it_and_it_stays() {
    let mut world = World::rolled_out();
    let target = world.target();
    world.run("n5", NIGHT, "Healthy", |_| ());
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Validated, "Improved"));
    let validation = world.status().validation.clone().unwrap();
    assert_eq!((validation.phase_run.as_str(), validation.verdict), ("n5", Verdict::Healthy));
    let [delta] = validation.deltas.as_slice() else { panic!("{validation:?}") };
    assert_eq!((delta.domain.as_str(), delta.delta_percent), ("chat", Some(-10.0)));
    assert_eq!((world.target(), world.written.len()), (target, 1), "it stays");
    assert_eq!(world.condition(&ConditionType::Ready), Some((ConditionStatus::True, "Improved")));
    assert_eq!(world.condition(&ConditionType::Validated), Some((ConditionStatus::True, "Improved")));
    assert_eq!((world.condition(&ConditionType::Stalled), world.condition(&ConditionType::Reconciling)), (None, None));
    assert_eq!(world.object.metadata.finalizers, Some(vec![]), "nothing is owed any more");
    let evidence = &world.status().history.as_ref().unwrap().records.last().unwrap().evidence;
    let kinds: Vec<&str> = evidence.iter().map(|evidence| evidence.kind.as_str()).collect();
    assert_eq!(kinds, ["TuningCanary", "PhaseRun"]);
}

/// A run that decides against it, and why.
type Verdicts = (&'static str, fn(&mut Value), &'static str);

#[test]
fn a_run_that_is_not_better_rolls_it_back() {
    let elsewhere: fn(&mut Value) = |run| run["status"]["symptoms"][0]["domain"] = json!("rag");
    let other: fn(&mut Value) = |run| run["status"]["symptoms"][0]["kind"] = json!("latency_regression");
    let cases: [Verdicts; 3] = [
        ("Degraded", |_| (), "SymptomPersists"),
        ("Degraded", elsewhere, "SomethingElseWorse"),
        ("Degraded", other, "SomethingElseWorse"),
    ];
    for (verdict, change, reason) in cases {
        let mut world = World::rolled_out();
        let before = super::world::deployment()["spec"]["template"].clone();
        world.run("n5", NIGHT, verdict, change);
        world.settle();
        assert_eq!(world.stands(), (PromotionPhase::RolledBack, reason));
        assert_eq!((&world.target()["spec"]["template"], world.mark()), (&before, None), "to the letter");
        let validation = world.status().validation.clone().unwrap();
        assert_eq!((validation.phase_run.as_str(), validation.verdict), ("n5", Verdict::Degraded));
        assert_eq!(world.condition(&ConditionType::Validated), Some((ConditionStatus::False, reason)));
        assert_eq!(world.condition(&ConditionType::RolledOut), Some((ConditionStatus::False, reason)));
        assert_eq!(world.condition(&ConditionType::Stalled), Some((ConditionStatus::True, reason)));
        assert_eq!(world.status().rolled_back_at, Some(world.now));
    }
}

#[test]
fn only_a_run_that_compares_like_with_like_decides() {
    let decides = |span: (&str, &str), verdict: &str, change: fn(&mut Value)| {
        let mut world = World::rolled_out();
        world.run("n5", span, verdict, change);
        world.now = world.now.min(at("2026-03-06T09:25:59Z"));
        world.settle();
        world.phase() != PromotionPhase::Applied
    };
    assert!(decides(NIGHT, "Healthy", |_| ()));
    assert!(
        !decides(("2026-03-04T03:29:00Z", NIGHT.1), "Healthy", |_| ()),
        "it began as the rollout was seen finished"
    );
    assert!(decides(("2026-03-04T03:29:01Z", NIGHT.1), "Healthy", |_| ()));
    assert!(!decides(NIGHT, "Unknown", |_| ()), "an unknown run decides nothing");
    assert!(!decides(NIGHT, "Error", |_| ()));
    assert!(!decides((NIGHT.0, "2026-03-06T09:26:01Z"), "Healthy", |_| ()), "judged too late");
    assert!(!decides(NIGHT, "Degraded", |run| run["status"]["domains"][0]["valid"] = json!(false)));
    assert!(!decides(NIGHT, "Healthy", |run| run["status"]["domains"][0]["workloadHash"] = json!("other")));
    assert!(!decides(NIGHT, "Healthy", |run| run["status"]["domains"][0]["name"] = json!("rag")));
    assert!(!decides(NIGHT, "Healthy", |run| run["status"]["environment"]["templateHash"] = json!("other")));
    assert!(!decides(NIGHT, "Healthy", |run| run["status"]["environment"]["templateHashAtEnd"] = json!("other")));
    assert!(!decides(NIGHT, "Healthy", |run| run["spec"]["targetRef"]["name"] = json!("qwen")));
    assert!(!decides(NIGHT, "Healthy", |run| run["status"]["completedAt"] = Value::Null));
    assert!(decides(NIGHT, "Healthy", |run| run["spec"]["counts"] = json!(false)), "counting is another matter");
}

#[test]
fn which_run_decides_does_not_depend_on_when_somebody_looks() {
    let mut world = World::rolled_out();
    world.run("n6", ("2026-03-06T03:00:00Z", "2026-03-06T03:20:00Z"), "Healthy", |_| ());
    world.run("n5", NIGHT, "Degraded", |_| ());
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::RolledBack, "SymptomPersists"));
    assert_eq!(world.status().validation.as_ref().unwrap().phase_run, "n5");
}

#[test]
fn without_a_deciding_run_the_deadline_rolls_it_back() {
    let mut world = World::rolled_out();
    world.now = at("2026-03-06T09:25:59Z");
    assert_eq!(world.settle().wake, Wake::At(at(VALIDATE_BY)));
    assert_eq!(world.phase(), PromotionPhase::Applied);
    world.now = at(VALIDATE_BY);
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::RolledBack, "ValidationDeadlinePassed"));
    assert_eq!((world.status().validation.as_ref(), world.mark()), (None, None));
}

#[test]
fn another_part_of_the_template_that_changed_makes_every_run_incomparable_until_it_is_undone() {
    let mut world = World::rolled_out();
    let image = |world: &mut World, image: &str| {
        world.change_target(|target| target["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image));
        world.roll_out();
    };
    image(&mut world, "vllm/vllm-openai:v0.33.1");
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applied, "TemplateChangedAfterApply"));
    world.run("n5", NIGHT, "Healthy", |_| ());
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applied);
    image(&mut world, "vllm/vllm-openai:v0.33.0");
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applied, "AwaitingValidation"));
    // Otherwise the deadline takes the value back, and leaves what somebody else changed.
    image(&mut world, "vllm/vllm-openai:v0.33.1");
    world.now = at(VALIDATE_BY);
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::RolledBack);
    let engine = &world.target()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        (&engine["image"], &engine["args"][1]),
        (&json!("vllm/vllm-openai:v0.33.1"), &json!("--gpu-memory-utilization=0.92"))
    );
}

#[test]
fn somebody_elses_value_is_left_alone_and_a_person_decides() {
    let overwrites: [fn(&mut Value); 4] = [
        |target| {
            target["spec"]["template"]["spec"]["containers"][0]["args"][1] = json!("--gpu-memory-utilization=0.80");
        },
        |target| target["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["m"]),
        // The old file was applied again: the value is back, and our mark is not taken off.
        |target| {
            target["spec"]["template"]["spec"]["containers"][0]["args"][1] = json!("--gpu-memory-utilization=0.92");
        },
        |target| target["metadata"]["annotations"] = json!({}),
    ];
    for start in [World::applied as fn() -> World, World::rolled_out] {
        for overwrite in overwrites {
            let mut world = start();
            world.change_target(overwrite);
            let before = world.target();
            world.settle();
            assert_eq!(world.stands(), (PromotionPhase::Conflict, "ValueOverwritten"));
            assert_eq!(world.target(), before, "not even to tidy up");
            assert_eq!(world.condition(&ConditionType::Stalled), Some((ConditionStatus::True, "ValueOverwritten")));
            assert_eq!(world.told.last().unwrap().0, "Warning");
            assert_eq!(world.condition(&ConditionType::Validated), Some((ConditionStatus::False, "ValueOverwritten")));
        }
    }
}

#[test]
fn an_old_value_with_its_old_mark_is_somebody_elses_too() {
    let mut world = World::rolled_out();
    world.change_target(|target| {
        target["metadata"].as_object_mut().unwrap().remove("annotations");
        target["spec"]["template"]["spec"]["containers"][0]["args"][1] = json!("--gpu-memory-utilization=0.92");
    });
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Conflict, "ValueOverwritten"));
}

#[test]
fn a_target_that_goes_takes_the_value_with_it() {
    for start in [World::applied as fn() -> World, World::rolled_out] {
        let mut world = start();
        world.around.target = None;
        world.settle();
        assert_eq!(world.stands(), (PromotionPhase::Superseded, "TargetMissing"));
        let mut world = start();
        let mut anew = super::world::deployment();
        anew["metadata"]["uid"] = json!("uid-anew");
        world.change_target(|target| *target = anew);
        world.settle();
        assert_eq!(world.stands(), (PromotionPhase::Superseded, "TargetReplaced"));
        // Made again from a copy of the promoted one: the value is in, and nobody has validated it.
        let mut world = start();
        world.change_target(|target| target["metadata"]["uid"] = json!("uid-anew"));
        world.settle();
        assert_eq!(world.stands(), (PromotionPhase::Conflict, "ReplacementCarriesValue"));
    }
}

#[test]
fn scaling_the_target_is_nobodys_matter() {
    let mut world = World::rolled_out();
    world.change_target(|target| target["spec"]["replicas"] = json!(5));
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applied, "AwaitingValidation"));
    world.run("n5", NIGHT, "Healthy", |_| ());
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Validated);
}

#[test]
fn a_suspension_or_a_closed_window_keeps_nothing_that_is_in_already_from_its_end() {
    let mut world = World::rolled_out();
    world.spec(|spec| spec["windows"] = json!([{ "start": "10:00", "end": "11:00" }]));
    world.around.escalation = None;
    world.around.canary = None;
    world.run("n5", NIGHT, "Healthy", |_| ());
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Validated);
}
