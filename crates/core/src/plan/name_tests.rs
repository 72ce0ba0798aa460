//! Names: as a person reads them, valid whatever goes in, and different for different things.

use proptest::prelude::*;

use super::*;

fn target(kind: &str, name: &str) -> TargetReference {
    TargetReference { api_version: "apps/v1".into(), kind: kind.into(), name: name.into() }
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The rule as the API server states it, written apart from the code under test.
fn assert_label(name: &str, length_max: usize) {
    let bytes = name.as_bytes();
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    assert!(!bytes.is_empty() && bytes.len() <= length_max, "{name:?} has {} characters", bytes.len());
    assert!(bytes.iter().all(|byte| alphanumeric(*byte) || *byte == b'-'), "{name:?}");
    assert!(alphanumeric(bytes[0]) && alphanumeric(bytes[bytes.len() - 1]), "{name:?}");
}

#[test]
fn a_run_is_named_by_schedule_and_utc_minute() {
    assert_eq!(phase_run_name("llama-8b", at("2026-03-04T03:00:00Z")), "llama-8b-20260304-0300");
    assert_eq!(phase_run_name("llama-8b", at("2026-03-04T03:00:00+01:00")), "llama-8b-20260304-0200");
}

#[test]
fn both_hours_of_a_repeated_hour_have_their_own_run() {
    let summer = at("2026-10-25T02:30:00+02:00");
    let winter = at("2026-10-25T02:30:00+01:00");
    assert_ne!(phase_run_name("chat", summer), phase_run_name("chat", winter));
}

#[test]
fn seconds_show_only_where_there_are_any() {
    assert_eq!(phase_run_name("a", at("2026-03-04T03:00:07Z")), "a-20260304-0300-07-0");
    assert_eq!(phase_run_name("a", at("2026-03-04T03:00:00.000000005Z")), "a-20260304-0300-00-5");
}

#[test]
fn a_name_that_just_fits_is_not_cut() {
    let fits = "a".repeat(PARENT_NAME_LENGTH_MAX - "-20260304-0300".len());
    let instant = at("2026-03-04T03:00:00Z");
    assert_eq!(phase_run_name(&fits, instant), format!("{fits}-20260304-0300"));
    let cut = phase_run_name(&format!("{fits}b"), instant);
    assert_eq!(cut.len(), PARENT_NAME_LENGTH_MAX);
    assert!(!cut.ends_with("-0300"), "{cut}");
    assert_eq!(PARENT_NAME_LENGTH_MAX, 52);
}

#[test]
fn what_is_cut_or_altered_stays_apart() {
    let instant = at("2026-03-04T03:00:00Z");
    let long = "x".repeat(200);
    assert_ne!(phase_run_name(&format!("{long}a"), instant), phase_run_name(&format!("{long}b"), instant));
    assert_ne!(phase_run_name("a.b", instant), phase_run_name("a-b", instant));
    assert_ne!(phase_run_name("a.b", instant), phase_run_name("a_b", instant));
}

#[test]
fn attempts_of_a_night_are_dense_under_one_stem() {
    let night = date("2026-03-04");
    let first = canary_name(&target("Deployment", "llama-8b"), night, 0);
    let second = canary_name(&target("Deployment", "llama-8b"), night, 1);
    assert!(first.starts_with("llama-8b-") && first.ends_with("-20260304-0"), "{first}");
    assert_eq!(first.strip_suffix('0'), second.strip_suffix('1'));
}

#[test]
fn a_deployment_and_a_statefulset_of_one_name_share_no_name() {
    let (deployment, stateful_set) = (target("Deployment", "llama"), target("StatefulSet", "llama"));
    let night = date("2026-03-04");
    assert_ne!(canary_name(&deployment, night, 0), canary_name(&stateful_set, night, 0));
    assert_ne!(promotion_name(&deployment, "c"), promotion_name(&stateful_set, "c"));
    assert_ne!(target_label(&deployment), target_label(&stateful_set));
}

#[test]
fn kinds_of_names_never_meet() {
    let llama = target("Deployment", "llama");
    assert_ne!(promotion_name(&llama, ""), target_label(&llama));
    assert!(promotion_name(&llama, "c").starts_with("llama-"));
}

#[test]
fn the_same_pod_name_needs_the_same_owner_and_part() {
    let uid = Uid::new("uid-1");
    let name = test_pod_name("chat-20260304-0300", &uid, "serving");
    assert!(name.starts_with("chat-20260304-0300-serving-"), "{name}");
    assert_eq!(name, test_pod_name("chat-20260304-0300", &uid, "serving"));
    assert_ne!(name, test_pod_name("chat-20260304-0300", &Uid::new("uid-2"), "serving"));
    assert_ne!(test_pod_name("a", &uid, "b-c"), test_pod_name("a-b", &uid, "c"));
}

#[test]
fn branches_of_two_clusters_and_two_promotions_differ() {
    let branch = branch_name("prod", "llama-x", &Uid::new("1"));
    assert!(branch.starts_with("phaseloop/prod/llama-x-"), "{branch}");
    assert_ne!(branch, branch_name("prod", "llama-x", &Uid::new("2")));
    assert_ne!(branch, branch_name("test", "llama-x", &Uid::new("1")));
    assert_eq!(revert_branch_name("prod", "llama-x", &Uid::new("1")), format!("{branch}-revert"));
}

#[test]
fn a_text_without_a_usable_letter_is_named_by_its_digest() {
    let name = promotion_name(&target("Deployment", "___"), "c");
    assert_label(&name, SHORT_DIGEST_LENGTH);
    assert!(is_label("a") && is_label("a-b"));
    for text in ["", "-a", "a-", "A", "a.b", "ä"] {
        assert!(!is_label(text), "{text:?}");
    }
}

proptest! {
    #[test]
    fn every_name_is_a_label(
        name in ".{0,300}", other in ".{0,80}", seconds in -60_000_000_000_i64..250_000_000_000, attempt: u32,
    ) {
        let instant = Timestamp::from_second(seconds).unwrap();
        let target = target("Deployment", &name);
        assert_label(&phase_run_name(&name, instant), PARENT_NAME_LENGTH_MAX);
        assert_label(&canary_name(&target, TimeZone::UTC.to_datetime(instant).date(), attempt), PARENT_NAME_LENGTH_MAX);
        assert_label(&promotion_name(&target, &other), PARENT_NAME_LENGTH_MAX);
        assert_label(&test_pod_name(&name, &Uid::new(other.as_str()), "chat"), LABEL_LENGTH_MAX);
        assert_label(&target_label(&target), LABEL_LENGTH_MAX);
        let branch = branch_name(&name, &other, &Uid::new("uid"));
        let parts: Vec<&str> = branch.split('/').collect();
        prop_assert_eq!(parts.len(), 3);
        assert_label(parts[1], LABEL_LENGTH_MAX);
        assert_label(parts[2], LABEL_LENGTH_MAX);
    }

    #[test]
    fn different_things_have_different_names(
        first in "[a-z][a-z0-9.-]{0,70}", second in "[a-z][a-z0-9.-]{0,70}",
        first_minute in 0_i64..60_000_000, second_minute in 0_i64..60_000_000,
        first_attempt in 0_u32..8, second_attempt in 0_u32..8,
    ) {
        let instant = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        prop_assume!(first != second);
        let (one, other) = (target("Deployment", &first), target("Deployment", &second));
        let now = instant(first_minute);
        prop_assert_ne!(phase_run_name(&first, now), phase_run_name(&second, now));
        let day = |number: i64| TimeZone::UTC.to_datetime(instant(number * 1440)).date();
        let (night, later) = (day(first_minute / 1440), day(second_minute / 1440 + 60_000));
        prop_assert_ne!(canary_name(&one, night, 0), canary_name(&other, night, 0));
        prop_assert_ne!(promotion_name(&one, "c"), promotion_name(&other, "c"));
        prop_assert_ne!(promotion_name(&one, &first), promotion_name(&one, &second));
        prop_assume!(first_minute != second_minute && first_attempt != second_attempt);
        prop_assert_ne!(phase_run_name(&first, now), phase_run_name(&first, instant(second_minute)));
        prop_assert_ne!(canary_name(&one, night, 0), canary_name(&one, later, 0));
        prop_assert_ne!(canary_name(&one, night, first_attempt), canary_name(&one, night, second_attempt));
    }
}

#[test]
fn a_run_made_again_begins_another_cycle() {
    let cycle = |run: &str, uid: &str| cycle_name(run, &Uid::new(uid));
    assert_eq!(cycle("llama-20260304-0300", "u1"), cycle("llama-20260304-0300", "u1"));
    assert_ne!(cycle("llama-20260304-0300", "u1"), cycle("llama-20260304-0300", "u2"));
    assert!(cycle("llama-20260304-0300", "u1").starts_with("llama-20260304-0300-"));
    assert_label(&cycle(&"x".repeat(80), "u"), LABEL_LENGTH_MAX);
}
