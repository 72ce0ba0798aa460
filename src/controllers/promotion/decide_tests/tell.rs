//! What people and other programs see: conditions after kstatus, one event and one record per transition.

use phaseloop_core::audit::{AuditRecord, verify_chain};
use serde_json::json;

use super::world::World;
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        promotion::status::PromotionPhase,
    },
    controllers::{kind::audited, promotion::Promotions, tuning_canary::fixture::at},
};

const NIGHT: (&str, &str) = ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z");

fn validated() -> World {
    let mut world = World::new();
    world.settle();
    world.decide("Approved", Some("jane"));
    world.settle();
    world.pass(120);
    world.roll_out();
    world.settle();
    world.run("n5", NIGHT, "Healthy", |_| ());
    world.settle();
    world
}

#[test]
fn each_transition_is_one_record_of_a_sound_chain() {
    let world = validated();
    let records = &world.status().history.as_ref().unwrap().records;
    let ways: Vec<(Option<&str>, &str, &str)> =
        records.iter().map(|record| (record.from.as_deref(), record.to.as_str(), record.reason.as_str())).collect();
    let expected = [
        (None, "Staged", "JustMade"),
        (Some("Staged"), "AwaitingReview", "AwaitingApproval"),
        (Some("AwaitingReview"), "Applying", "Patching"),
        (Some("Applying"), "Applied", "AwaitingValidation"),
        (Some("Applied"), "Validated", "Improved"),
    ];
    assert_eq!(ways, expected);
    let object = audited::<Promotions>(&world.object);
    let records: Vec<AuditRecord> = records.iter().map(|record| record.to_audit_record(object.clone())).collect();
    assert_eq!(verify_chain(&records), Ok(()));
    assert!(records.iter().all(|record| record.cycle.as_deref() == Some("n4-c")));
    assert_eq!(records[2].at, at("2026-03-04T03:27:00Z"));
    assert!(records.iter().all(|record| record.evidence[0].name == world.object.spec.canary_name));
}

#[test]
fn each_transition_is_told_once_and_nothing_else_is() {
    let mut world = validated();
    let reasons: Vec<&str> = world.told.iter().map(|(_, reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["AwaitingApproval", "Patching", "AwaitingValidation", "Improved"]);
    assert!(world.told.iter().all(|(type_, _, note)| type_ == "Normal" && !note.is_empty()));
    world.pass(3600);
    world.settle();
    assert_eq!(world.told.len(), 4);
}

#[test]
fn what_stands_still_is_not_written_anew() {
    let stories: [fn() -> World; 4] = [World::new, World::applied, World::rolled_out, validated];
    for start in stories {
        let mut world = start();
        world.settle();
        let before = world.object.clone();
        for seconds in [1, 7, 60] {
            world.pass(seconds);
            world.look();
        }
        assert_eq!(world.object, before);
    }
}

#[test]
fn every_report_says_which_generation_it_is_of() {
    let mut world = World::new();
    world.settle();
    assert_eq!(world.status().observed_generation, Some(1));
    world.metadata(|metadata| metadata["generation"] = json!(2));
    world.settle();
    assert_eq!(world.status().observed_generation, Some(2));
    assert!(world.status().conditions.iter().all(|condition| condition.observed_generation == Some(2)));
}

#[test]
fn conditions_follow_kstatus_in_every_phase() {
    use ConditionStatus::{False, True};
    let degraded = || {
        let mut world = World::rolled_out();
        world.run("n5", NIGHT, "Degraded", |_| ());
        world
    };
    let at_work = [Some(False), Some(True), None];
    let ended = [Some(False), None, Some(True)];
    let mut rolling_back = degraded();
    rolling_back.look();
    let mut rolled_back = degraded();
    rolled_back.settle();
    let mut waiting = World::new();
    waiting.settle();
    let mut expired = World::new();
    expired.delete();
    expired.look();
    let cases = vec![
        (waiting, PromotionPhase::AwaitingReview, at_work),
        (World::applied(), PromotionPhase::Applying, at_work),
        (World::rolled_out(), PromotionPhase::Applied, at_work),
        (rolling_back, PromotionPhase::RollingBack, at_work),
        (validated(), PromotionPhase::Validated, [Some(True), None, None]),
        (rolled_back, PromotionPhase::RolledBack, ended),
        (expired, PromotionPhase::Expired, ended),
    ];
    for (world, phase, expected) in cases {
        assert_eq!(world.phase(), phase);
        let shown = [ConditionType::Ready, ConditionType::Reconciling, ConditionType::Stalled]
            .map(|type_| world.condition(&type_).map(|(status, _)| status));
        assert_eq!(shown, expected, "{phase:?}");
        let ready = world.whole_condition(&ConditionType::Ready).unwrap();
        assert_eq!((ready.reason.as_str(), ready.message.is_empty()), (world.reason(), false), "{phase:?}");
    }
}

#[test]
fn on_the_way_back_and_after_it_the_conditions_name_the_cause() {
    let mut world = World::rolled_out();
    world.run("n5", NIGHT, "Degraded", |_| ());
    let since = world.now;
    for _ in 0..2 {
        world.look();
        for type_ in [ConditionType::RolledOut, ConditionType::Validated] {
            let condition = world.whole_condition(&type_).unwrap();
            assert_eq!((condition.status, condition.reason.as_str()), (ConditionStatus::False, "SymptomPersists"));
            let message = format!("taken back since {since}: run n5 still found vllm_oom");
            assert_eq!(condition.message, message);
        }
        world.pass(10);
    }
    assert_eq!(world.phase(), PromotionPhase::RolledBack);
}

#[test]
fn the_instant_of_the_rollback_is_that_of_its_first_report() {
    let mut world = World::rolled_out();
    world.run("n5", NIGHT, "Degraded", |_| ());
    world.settle();
    let rolled_back_at = world.status().rolled_back_at;
    assert_eq!(rolled_back_at, Some(world.now));
    world.pass(600);
    world.settle();
    assert_eq!(world.status().rolled_back_at, rolled_back_at);
}

#[test]
fn several_changes_are_named_each_in_the_summary() {
    let mut world = World::new();
    world.spec(|spec| {
        let mut second = spec["previous"][0].clone();
        second["name"] = json!("max-num-seqs");
        second["address"] = json!("containers[vllm].args[--max-num-seqs]");
        second["value"] = json!("32");
        second["promoted"] = json!("16");
        spec["previous"].as_array_mut().unwrap().push(second);
        spec["parameters"]["max-num-seqs"] = json!("16");
    });
    world.look();
    let summary = world.status().summary.clone().unwrap();
    assert_eq!(summary.change.as_deref(), Some("gpu-memory-utilization 0.92 -> 0.75, max-num-seqs 32 -> 16"));
    assert_eq!(summary.delivery.as_deref(), Some("Patch"));
}
