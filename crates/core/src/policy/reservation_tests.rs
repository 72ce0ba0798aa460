use proptest::prelude::*;

use super::*;
use crate::policy::{
    fixture::{at, lasts, night, spend},
    ledger::Ledger,
};

fn request() -> CanaryRequest {
    CanaryRequest {
        start_timeout: lasts("120s"),
        start_expected: lasts("60s"),
        measure: lasts("8s"),
        grace: lasts("5s"),
        gpu_wait: lasts("15m"),
        gpus: NonZeroU32::MIN,
    }
}

fn balance(measure: i64, hold: i64) -> NightBalance {
    Ledger::default().balance(&[], &night("2026-03-04"), spend(measure, hold))
}

const CLOSES: &str = "2026-03-04T07:00:00Z";

fn reserve_at(request: &CanaryRequest, measure: i64, hold: i64, now: &str) -> Result<Reservation, StartReason> {
    reserve(request, &balance(measure, hold), at(CLOSES), at(now)).map_err(|refusal| refusal.reason)
}

#[test]
fn a_canary_reserves_its_start_its_measuring_and_both_graces() {
    assert_eq!(request().lifetime_wanted(), lasts("138s"));
    assert_eq!(request().lifetime_least(), lasts("78s"));
    assert_eq!(request().least_spend(), spend(8, 78));
    let reservation = reserve_at(&request(), 60, 900, "2026-03-04T03:30:00Z").unwrap();
    assert_eq!(reservation.spend, spend(8, 138));
    assert_eq!((reservation.lifetime, reservation.active_deadline), (lasts("138s"), lasts("128s")));
    assert_eq!(reservation.not_after, at("2026-03-04T03:47:18Z"));
    assert_eq!(reservation.probe_ends_at(lasts("5s")), at("2026-03-04T03:47:13Z"));
}

#[test]
fn an_engine_that_usually_starts_slower_than_it_may_is_still_bounded() {
    let slow = CanaryRequest { start_expected: lasts("300s"), ..request() };
    assert_eq!(slow.lifetime_least(), lasts("138s"));
    let unknown = CanaryRequest { start_expected: SignedDuration::ZERO, ..request() };
    assert_eq!(unknown.lifetime_least(), lasts("18s"));
}

#[test]
fn each_gpu_counts() {
    let two = CanaryRequest { gpus: NonZeroU32::new(2).unwrap(), ..request() };
    assert_eq!(two.least_spend(), spend(8, 156));
    let reservation = reserve_at(&two, 60, 900, "2026-03-04T03:30:00Z").unwrap();
    assert_eq!((reservation.spend, reservation.lifetime), (spend(8, 276), lasts("138s")));
    let short = reserve_at(&two, 60, 200, "2026-03-04T03:30:00Z").unwrap();
    assert_eq!((short.spend, short.lifetime, short.active_deadline), (spend(8, 200), lasts("100s"), lasts("90s")));
    let many = CanaryRequest { gpus: NonZeroU32::MAX, ..request() };
    assert_eq!(reserve_at(&many, 60, 900, "2026-03-04T03:30:00Z"), Err(StartReason::GpuHoldBudgetExhausted));
}

#[test]
fn what_is_left_of_the_hold_budget_shortens_a_canary_down_to_the_least() {
    let now = "2026-03-04T03:30:00Z";
    for (hold, expected) in [(139, Ok(138)), (138, Ok(138)), (137, Ok(137)), (78, Ok(78))] {
        let life = reserve_at(&request(), 60, hold, now).map(|reservation| reservation.lifetime.as_secs());
        assert_eq!(life, expected, "{hold}");
    }
    assert_eq!(reserve_at(&request(), 60, 77, now), Err(StartReason::GpuHoldBudgetExhausted));
    assert!(reserve_at(&request(), 8, 900, now).is_ok());
    assert_eq!(reserve_at(&request(), 7, 900, now), Err(StartReason::MeasureBudgetExhausted));
    assert_eq!(reserve_at(&request(), 7, 77, now), Err(StartReason::MeasureBudgetExhausted));
}

#[test]
fn a_canary_that_may_not_be_over_before_the_window_is_does_not_begin() {
    // 138 s of life by the worst case, and 15 s to conclude.
    for (now, expected) in [
        ("2026-03-04T06:30:00Z", Ok(138)),
        ("2026-03-04T06:57:27Z", Ok(138)),
        ("2026-03-04T06:57:27.000000001Z", Err(StartReason::WindowClosesTooSoon)),
        ("2026-03-04T07:10:00Z", Err(StartReason::WindowClosesTooSoon)),
    ] {
        let reserved = reserve_at(&request(), 60, 900, now);
        assert_eq!(reserved.map(|reservation| reservation.lifetime.as_secs()), expected, "{now}");
    }
    // The usual start does not help: it may take longer. What the budget leaves of its life does.
    assert_eq!(reserve_at(&request(), 60, 138, "2026-03-04T06:58:00Z"), Err(StartReason::WindowClosesTooSoon));
    assert!(reserve_at(&request(), 60, 105, "2026-03-04T06:58:00Z").is_ok());
    assert_eq!(reserve_at(&request(), 60, 106, "2026-03-04T06:58:00Z"), Err(StartReason::WindowClosesTooSoon));
}

#[test]
fn nothing_outlives_the_time_to_conclude_however_long_it_waits_for_a_gpu() {
    let ends = |wait: &str, now: &str| {
        let request = CanaryRequest { gpu_wait: lasts(wait), ..request() };
        reserve_at(&request, 60, 900, now).unwrap().not_after
    };
    assert_eq!(ends("0s", "2026-03-04T06:57:00Z"), at("2026-03-04T06:59:18Z"));
    assert_eq!(ends("27s", "2026-03-04T06:57:00Z"), at("2026-03-04T06:59:45Z"));
    assert_eq!(ends("28s", "2026-03-04T06:57:00Z"), at("2026-03-04T06:59:45Z"));
    assert_eq!(ends("15m", "2026-03-04T06:57:27Z"), at("2026-03-04T06:59:45Z"));
}

#[test]
fn a_refusal_carries_the_figure_and_the_limit() {
    let message = |measure, hold, now: &str| {
        reserve(&request(), &balance(measure, hold), at(CLOSES), at(now)).unwrap_err().message
    };
    assert_eq!(
        message(7, 900, "2026-03-04T03:30:00Z"),
        "7s are left of the night 2026-03-04 for measuring, a canary needs 8s"
    );
    assert_eq!(
        message(60, 70, "2026-03-04T03:30:00Z"),
        "1m10s are left of the night 2026-03-04 for holding GPUs, a canary needs 1m18s"
    );
    assert_eq!(
        message(60, 900, "2026-03-04T06:59:00Z"),
        "the window closes at 2026-03-04T07:00:00Z, in 1m; a canary may need 2m18s, and 15s more to conclude"
    );
}

proptest! {
    #[test]
    fn no_reservation_exceeds_its_budgets_or_its_window(
        measure in 0_i64..70, hold in 0_i64..1_000, gpus in 1_u32..9, second in 0_i64..14_400,
        start_timeout in 1_i64..300, start_expected in 0_i64..300, grace in 0_i64..10, wait in 0_i64..2_000,
    ) {
        let seconds = SignedDuration::from_secs;
        let request = CanaryRequest {
            start_timeout: seconds(start_timeout),
            start_expected: seconds(start_expected),
            grace: seconds(grace),
            gpu_wait: seconds(wait),
            gpus: NonZeroU32::new(gpus).unwrap(),
            ..request()
        };
        let balance = balance(measure, hold);
        let now = later_by(at("2026-03-04T03:00:00Z"), seconds(second));
        if let Ok(reservation) = reserve(&request, &balance, at(CLOSES), now) {
            prop_assert!(balance.remaining.covers(reservation.spend));
            prop_assert!(reservation.spend.covers(request.least_spend()));
            prop_assert!(reservation.not_after <= at(CLOSES) - CONCLUSION_TIME);
            prop_assert!(later_by(now, reservation.lifetime) <= reservation.not_after);
            prop_assert!(reservation.active_deadline >= request.measure);
            prop_assert_eq!(reservation.active_deadline + request.grace * GRACES_PER_POD, reservation.lifetime);
            prop_assert_eq!(reservation.spend.hold, reservation.lifetime * i32::try_from(gpus).unwrap());
        } else {
            let window_left = at(CLOSES).duration_since(now);
            let longest = request.lifetime_wanted() + CONCLUSION_TIME;
            prop_assert!(!balance.remaining.covers(request.least_spend()) || window_left < longest);
        }
    }
}
