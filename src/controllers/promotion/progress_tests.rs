use jiff::Timestamp;
use phaseloop_core::value::Verdict;
use proptest::prelude::*;

use super::*;
use crate::controllers::promotion::progress::wire::ValidationDelta;

fn reason() -> impl Strategy<Value = PromotionReason> {
    let names = PromotionReason::ALL.iter().map(|entry| reason_named(entry.name).unwrap()).collect::<Vec<_>>();
    proptest::sample::select(names)
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000, 0_i32..1_000_000_000)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap())
}

fn progress() -> impl Strategy<Value = PromotionProgress> {
    use proptest::option::of;
    let stands = (proptest::sample::select(PromotionPhase::ALL.to_vec()), reason(), "[ -~]{0,30}");
    let attempt = (instant(), "[0-9]{1,9}", 0_i64..1000).prop_map(|(since, version, generation)| ApplyAttempt {
        since,
        target_resource_version: version,
        target_generation: generation,
    });
    let rollback = (reason(), instant()).prop_map(|(cause, since)| RollbackStart { cause, since });
    let run = ("[a-z]{1,8}", proptest::sample::select(vec![Verdict::Healthy, Verdict::Degraded]))
        .prop_map(|(name, verdict)| ValidatingRun { uid: Uid::new(format!("uid-{name}")), name, verdict });
    let of_map =
        (instant(), "[0-9]{1,9}").prop_map(|(since, resource_version)| ConfigMapAttempt { since, resource_version });
    let of_map = (of(of_map), of(instant()));
    (stands, (of(attempt), of_map), of(instant()), of("[0-9a-f]{16}"), of(instant()), of(rollback), of(run)).prop_map(
        |(
            (phase, reason, message),
            (attempt, (config_map_attempt, taking_out_since)),
            applied_at,
            promoted_template_hash,
            rolled_out_at,
            rollback,
            validation,
        )| {
            PromotionProgress {
                phase,
                reason,
                message,
                attempt,
                config_map_attempt,
                taking_out_since,
                applied_at,
                promoted_template_hash,
                rolled_out_at,
                rollback,
                validation,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn progress_survives_the_status_and_the_wire(earlier in progress(), progress in progress()) {
        let status = status_with(status_with(PromotionStatus::default(), &earlier), &progress);
        let written = serde_json::to_string(&status).unwrap();
        let read: PromotionStatus = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(progress_of(Some(&read)), progress);
    }
}

#[test]
fn a_promotion_without_a_status_was_just_made() {
    assert_eq!(progress_of(None), PromotionProgress::new());
    assert_eq!(progress_of(Some(&PromotionStatus::default())), PromotionProgress::new());
}

#[test]
fn a_rollback_whose_cause_another_version_wrote_is_still_a_rollback() {
    let since = Timestamp::UNIX_EPOCH;
    let rollback = wire::Rollback { cause: "SomethingNew".to_owned(), since };
    let status = PromotionStatus { rollback: Some(rollback), ..PromotionStatus::default() };
    assert_eq!(progress_of(Some(&status)).rollback.unwrap().since, since);
}

#[test]
fn deltas_stay_with_the_run_that_they_are_of() {
    let delta = ValidationDelta {
        domain: "serving".to_owned(),
        metric: phaseloop_core::value::Metric::EndToEndLatency,
        current: 1.0,
        baseline: None,
        delta_percent: None,
    };
    let run = |uid: &str| ValidatingRun { uid: Uid::new(uid), name: "r".to_owned(), verdict: Verdict::Healthy };
    let with = |uid: &str| PromotionProgress { validation: Some(run(uid)), ..PromotionProgress::new() };
    let mut status = status_with(PromotionStatus::default(), &with("a"));
    status.validation.as_mut().unwrap().deltas.push(delta);
    let same = status_with(status.clone(), &with("a"));
    assert_eq!(same.validation.unwrap().deltas.len(), 1);
    assert_eq!(status_with(status, &with("b")).validation.unwrap().deltas, []);
}
