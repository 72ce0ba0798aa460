use serde_json::json;

use super::*;
use crate::simulation::oracle::{Fact, Invariant, ObjectChange, Oracles};

fn one(invariant: impl Invariant + 'static) -> Oracles {
    Oracles::of(vec![Box::new(invariant)])
}

fn see(oracles: &mut Oracles, of: &str, before: Option<&Value>, object: &Value) -> u64 {
    let kind = if before.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
    oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(ObjectChange { kind, of, object, before, by: "" }));
    oracles.figures().violations_total
}

fn promotion(uid: &str, phase: &str) -> Value {
    json!({"metadata": {"name": uid, "uid": uid, "namespace": "n"},
           "spec": {"canaryName": "c", "parameters": {"x": "1"}, "targetUID": "t1", "templateHash": "h",
                    "targetRef": {"name": "t"}, "validateBy": "2026-03-06T00:00:00Z"},
           "status": {"phase": phase, "rolledOutAt": "2026-03-04T04:00:00Z", "validation": {"phaseRun": "r"}}})
}

fn canary(verdict: &str, value: &str) -> Value {
    json!({"metadata": {"name": "c"}, "status": {"verdict": verdict},
           "spec": {"parameters": {"x": value}, "targetUID": "t1", "templateHash": "h", "targetRef": {"name": "t"}}})
}

#[test]
fn a_promotion_of_what_did_not_pass_or_was_not_tested_is_found() {
    for (verdict, value, violations) in [("Passed", "1", 0), ("Failed", "1", 1), ("Passed", "2", 1)] {
        let mut oracles = one(PromotedWasTested::default());
        see(&mut oracles, "TuningCanary", None, &canary(verdict, value));
        assert_eq!(see(&mut oracles, "Promotion", None, &promotion("p", "Staged")), violations, "{verdict} {value}");
    }
}

#[test]
fn a_way_that_is_not_drawn_is_found_and_an_end_is_an_end() {
    for (from, to, violations) in [
        ("Staged", "Applying", 0),
        ("Applied", "Validated", 0),
        ("Staged", "Validated", 1),
        ("Validated", "RollingBack", 1),
        ("RolledBack", "Staged", 1),
    ] {
        let mut oracles = one(LifeFollowsTheEdges);
        let before = promotion("p", from);
        assert_eq!(see(&mut oracles, "Promotion", Some(&before), &promotion("p", to)), violations, "{from} {to}");
    }
}

#[test]
fn two_open_promotions_of_one_target_are_found() {
    let mut oracles = one(OneOpenPromotion::default());
    assert_eq!(see(&mut oracles, "Promotion", None, &promotion("p", "Applied")), 0);
    assert_eq!(see(&mut oracles, "Promotion", None, &promotion("q", "Staged")), 1);
    let mut oracles = one(OneOpenPromotion::default());
    see(&mut oracles, "Promotion", None, &promotion("p", "Applied"));
    see(&mut oracles, "Promotion", None, &promotion("p", "Validated"));
    assert_eq!(see(&mut oracles, "Promotion", None, &promotion("q", "Staged")), 0);
}

#[test]
fn a_validation_by_an_earlier_a_late_or_an_unhealthy_run_is_found() {
    for (started, completed, verdict, violations) in [
        ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z", "Healthy", 0),
        ("2026-03-04T03:00:00Z", "2026-03-05T03:20:00Z", "Healthy", 1),
        ("2026-03-05T03:00:00Z", "2026-03-06T03:20:00Z", "Healthy", 1),
        ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z", "Unknown", 1),
    ] {
        let mut oracles = one(ValidatedByALaterRun::default());
        let status = json!({"startedAt": started, "completedAt": completed, "verdict": verdict});
        see(&mut oracles, "PhaseRun", None, &json!({"metadata": {"name": "r"}, "status": status}));
        assert_eq!(
            see(&mut oracles, "Promotion", None, &promotion("p", "Validated")),
            violations,
            "{started} {verdict}"
        );
    }
}

#[test]
fn a_rollback_that_leaves_anything_in_a_config_map_is_found() {
    let map = |value: &str, mark: Option<&str>| {
        let annotations = mark.map_or(json!({}), |mark| json!({"phaseloop.dev/promotion": mark}));
        json!({"metadata": {"name": "map", "namespace": "n", "annotations": annotations}, "data": {"x": value}})
    };
    let of = |phase: &str| {
        let mut promotion = promotion("p", phase);
        promotion["spec"]["configMap"] = json!({"name": "map"});
        promotion
    };
    for (after, violations) in [(map("0.92", None), 0), (map("0.9", None), 1), (map("0.92", Some("p")), 1)] {
        let mut oracles = one(RolledBackIsExact::default());
        see(&mut oracles, "Deployment", None, &json!({"metadata": {"name": "t", "namespace": "n"}}));
        see(&mut oracles, "ConfigMap", None, &map("0.92", None));
        see(&mut oracles, "Promotion", None, &of("Staged"));
        see(&mut oracles, "ConfigMap", None, &map("0.75", Some("p")));
        see(&mut oracles, "ConfigMap", None, &after);
        assert_eq!(see(&mut oracles, "Promotion", Some(&of("RollingBack")), &of("RolledBack")), violations, "{after}");
    }
}

#[test]
fn a_rollback_that_leaves_anything_behind_is_found() {
    let target = |value: &str, mark: Option<&str>| {
        let annotations = mark.map_or(json!({}), |mark| json!({"phaseloop.dev/promotion": mark}));
        json!({"metadata": {"name": "t", "namespace": "n", "annotations": annotations},
               "spec": {"template": {"args": [value]}}})
    };
    for (after, violations) in [(target("0.92", None), 0), (target("0.9", None), 1), (target("0.92", Some("p")), 1)] {
        let mut oracles = one(RolledBackIsExact::default());
        see(&mut oracles, "Deployment", None, &target("0.92", None));
        see(&mut oracles, "Promotion", None, &promotion("p", "Staged"));
        see(&mut oracles, "Deployment", None, &target("0.75", Some("p")));
        see(&mut oracles, "Deployment", None, &after);
        let rolling = promotion("p", "RollingBack");
        assert_eq!(
            see(&mut oracles, "Promotion", Some(&rolling), &promotion("p", "RolledBack")),
            violations,
            "{after}"
        );
    }
}
