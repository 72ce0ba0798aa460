use core::num::NonZeroU32;

use super::*;
use crate::policy::{
    fixture::{at, canary, lasts, night, spend},
    gate::{Suspension, TargetClaims},
    ledger::{CanaryConclusion, CanaryFacts, Ledger},
    safety::SafetySettings,
};

struct World {
    safety: SafetySettings,
    ledger: Ledger,
    canaries: Vec<CanaryFacts>,
    claims: TargetClaims,
    suspension: Option<Suspension>,
    current_cycle: Option<String>,
    permitted_until: Option<Timestamp>,
}

fn world() -> World {
    World {
        safety: SafetySettings::default(),
        ledger: Ledger::default(),
        canaries: Vec::new(),
        claims: TargetClaims::default(),
        suspension: None,
        current_cycle: None,
        permitted_until: Some(at("2026-03-04T07:23:00Z")),
    }
}

fn decide(world: &World, now: &str) -> Result<StartPermit, StartRefusal> {
    let request = CanaryRequest {
        start_timeout: lasts("120s"),
        start_expected: lasts("60s"),
        measure: lasts("8s"),
        grace: lasts("5s"),
        gpu_wait: lasts("15m"),
        gpus: NonZeroU32::MIN,
    };
    let gates = GateInputs {
        safety: &world.safety,
        ledger: &world.ledger,
        canaries: &world.canaries,
        need: request.least_spend(),
        current_cycle: world.current_cycle.as_deref(),
        claims: &world.claims,
        suspension: world.suspension.as_ref(),
    };
    decide_start(&StartInputs { permitted_until: world.permitted_until, gates, request }, at(now))
}

fn refused(world: &World, now: &str) -> (StartReason, String) {
    let refusal = decide(world, now).unwrap_err();
    (refusal.reason, refusal.message)
}

#[test]
fn the_first_canary_of_a_night_is_attempt_zero() {
    let permit = decide(&world(), "2026-03-04T03:30:00Z").unwrap();
    assert_eq!((permit.night, permit.attempt), (night("2026-03-04"), 0));
    assert_eq!(permit.reservation.spend, spend(8, 138));
    assert_eq!(permit.reservation.not_after, at("2026-03-04T03:47:18Z"));
}

#[test]
fn nothing_starts_without_a_permission_or_at_its_end() {
    let unarmed = World { permitted_until: None, ..world() };
    assert_eq!(refused(&unarmed, "2026-03-04T03:30:00Z"), (StartReason::NotPermitted, "no flag is armed".to_owned()));
    let short = World { permitted_until: Some(at("2026-03-04T04:00:00Z")), ..world() };
    assert!(decide(&short, "2026-03-04T03:59:59.999999999Z").is_ok());
    assert_eq!(
        refused(&short, "2026-03-04T04:00:00Z"),
        (StartReason::PermissionExpired, "the flag expired at 2026-03-04T04:00:00Z".to_owned())
    );
}

#[test]
fn one_closed_gate_forbids_and_all_closed_ones_are_named() {
    let suspension = Some(Suspension { reason: "release".to_owned(), until: None });
    let suspended = World { suspension, ..world() };
    assert_eq!(
        refused(&suspended, "2026-03-04T03:30:00Z"),
        (StartReason::GateClosed, "suspended until it is lifted (release)".to_owned())
    );
    assert_eq!(
        refused(&suspended, "2026-03-04T02:30:00Z").1,
        "window 03:00-07:00 Etc/UTC opens 2026-03-04T03:00:00Z; suspended until it is lifted (release)"
    );
}

#[test]
fn a_run_goes_on_although_it_is_active_and_another_may_not_begin() {
    let first = CanaryFacts {
        released_at: Some(at("2026-03-04T03:12:00Z")),
        conclusion: Some(CanaryConclusion::Passed),
        ..canary("2026-03-04", 0, "c1")
    };
    let mut world = World { canaries: vec![first], current_cycle: Some("c1".to_owned()), ..world() };
    let permit = decide(&world, "2026-03-04T03:30:00Z").unwrap();
    assert_eq!((permit.attempt, permit.reservation.spend), (1, spend(8, 138)));
    world.current_cycle = None;
    assert_eq!(refused(&world, "2026-03-04T03:30:00Z").0, StartReason::GateClosed);
}

#[test]
fn a_stale_view_starts_nothing() {
    let unseen_zero = CanaryFacts { released_at: Some(at("2026-03-04T03:12:00Z")), ..canary("2026-03-04", 1, "c1") };
    let world = World { canaries: vec![unseen_zero], current_cycle: Some("c1".to_owned()), ..world() };
    assert_eq!(
        refused(&world, "2026-03-04T03:30:00Z"),
        (StartReason::AttemptNotSeen, "canary 0 of the night 2026-03-04 was not seen; read again".to_owned())
    );
}

#[test]
fn a_window_about_to_close_starts_nothing() {
    let goes_on = World { current_cycle: Some("c1".to_owned()), ..world() };
    assert!(decide(&goes_on, "2026-03-04T06:57:27Z").is_ok());
    assert_eq!(refused(&goes_on, "2026-03-04T06:57:28Z").0, StartReason::WindowClosesTooSoon);
    assert_eq!(refused(&goes_on, "2026-03-04T07:00:00Z").0, StartReason::GateClosed);
}

#[test]
fn no_incumbent_begins_after_which_no_candidate_fits_into_the_window() {
    // An incumbent of 60 + 8 + 2 * 5 s, a candidate of 120 + 8 + 2 * 5 s, and 15 s to conclude.
    assert!(decide(&world(), "2026-03-04T06:56:09Z").is_ok());
    assert_eq!(
        refused(&world(), "2026-03-04T06:56:10Z"),
        (
            StartReason::WindowClosesTooSoon,
            "the window closes at 2026-03-04T07:00:00Z, in 3m50s; the incumbent takes 1m18s, a candidate after it may \
             need 2m18s, and 15s more to conclude"
                .to_owned()
        )
    );
}
