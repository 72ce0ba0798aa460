use proptest::prelude::*;

use super::*;
use crate::{
    policy::fixture::{at, canary, lasts, night, spend, uids},
    schedule::later_by,
};

const BUDGET: Spend = Spend { measure: SignedDuration::from_secs(60), hold: SignedDuration::from_secs(900) };

/// The canary, gone and concluded, with a proven use.
fn ended(canary: CanaryFacts, released_at: &str, proven: Option<Spend>) -> CanaryFacts {
    let conclusion = Some(CanaryConclusion::Passed);
    CanaryFacts { released_at: Some(at(released_at)), proven, conclusion, ..canary }
}

#[test]
fn a_spend_covers_what_it_is_at_least_in_both() {
    assert!(spend(8, 138).covers(spend(8, 138)));
    assert!(spend(9, 139).covers(spend(8, 138)));
    assert!(!spend(7, 138).covers(spend(8, 138)));
    assert!(!spend(8, 137).covers(spend(8, 138)));
    assert_eq!(spend(1, 2).plus(spend(3, 4)), spend(4, 6));
    assert_eq!(spend(5, 5).less(spend(3, 7)), spend(2, 0));
    assert_eq!(spend(5, 5).less(spend(7, 3)), spend(0, 2));
}

#[test]
fn a_canary_counts_for_what_is_proven_once_it_is_gone_and_else_for_all_that_was_reserved() {
    let running = canary("2026-03-04", 0, "c1");
    assert_eq!(running.charge(), spend(8, 138));
    let claimed = CanaryFacts { proven: Some(spend(1, 1)), ..running.clone() };
    assert_eq!(claimed.charge(), spend(8, 138), "nothing is refunded before its containers are gone");
    let gone = |proven| ended(running.clone(), "2026-03-04T03:12:00Z", proven).charge();
    assert_eq!(gone(Some(spend(4, 60))), spend(4, 60));
    assert_eq!(gone(None), spend(8, 138));
    assert_eq!(gone(Some(spend(9, 150))), spend(9, 150), "a use beyond the reservation counts in full");
    assert_eq!(gone(Some(spend(-1, 60))), spend(8, 60), "a negative use proves nothing");
    assert_eq!(gone(Some(spend(4, -1))), spend(4, 138));
    assert_eq!(gone(Some(spend(0, 0))), spend(0, 0));
}

#[test]
fn a_night_is_folded_plus_seen_and_nothing_twice() {
    let date = "2026-03-04";
    let first = ended(canary(date, 0, "c1"), "2026-03-04T03:12:00Z", Some(spend(4, 60)));
    let second = ended(canary(date, 1, "c1"), "2026-03-04T03:14:00Z", None);
    let third = canary(date, 2, "c1");
    let other_night = canary("2026-03-05", 0, "c2");
    let canaries = [first.clone(), second, third, other_night];
    let mut ledger = Ledger::default();
    let before = ledger.balance(&canaries, &night(date), BUDGET);
    assert_eq!((before.used, before.reserved), (spend(12, 198), spend(8, 138)));
    assert_eq!(before.remaining, spend(40, 564));
    assert_eq!((before.night.clone(), before.budget), (night(date), BUDGET));
    assert_eq!(ledger.fold(&first), Folding::Folded);
    assert_eq!(ledger.balance(&canaries, &night(date), BUDGET), before, "folded and still there counts once");
    assert_eq!(ledger.balance(&canaries[1..], &night(date), BUDGET), before, "deleting it refunds nothing");
    let twice: Vec<CanaryFacts> = canaries.iter().chain(&canaries).cloned().collect();
    assert_eq!(ledger.balance(&twice, &night(date), BUDGET), before, "listed twice counts once");
    let all = ledger.balance(&[], &night("2026-03-06"), BUDGET);
    assert_eq!((all.used, all.remaining), (Spend::ZERO, BUDGET));
}

#[test]
fn folding_again_changes_nothing_whatever_the_canary_says_by_then() {
    let mut ledger = Ledger::default();
    let unproven = ended(canary("2026-03-04", 0, "c1"), "2026-03-04T03:12:00Z", None);
    assert_eq!(ledger.fold(&unproven), Folding::Folded);
    let folded = ledger.clone();
    let proven_later = CanaryFacts { proven: Some(Spend::ZERO), ..unproven };
    assert_eq!(ledger.fold(&proven_later), Folding::AlreadyFolded);
    assert_eq!(ledger, folded);
    assert_eq!(ledger.balance(&[proven_later], &night("2026-03-04"), BUDGET).used, spend(8, 138));
    let entry = folded.nights.get(&night("2026-03-04")).unwrap().get(&0).unwrap();
    assert_eq!((entry.reserved, entry.used), (spend(8, 138), spend(8, 138)));
}

#[test]
fn only_a_canary_that_is_gone_and_concluded_is_folded() {
    let whole = ended(canary("2026-03-04", 0, "c1"), "2026-03-04T03:12:00Z", None);
    for unfinished in
        [CanaryFacts { released_at: None, ..whole.clone() }, CanaryFacts { conclusion: None, ..whole.clone() }]
    {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.fold(&unfinished), Folding::StillRunning);
        assert_eq!(ledger, Ledger::default());
    }
}

#[test]
fn attempts_are_dense_and_a_hole_stops_everything() {
    let date = "2026-03-04";
    let mut ledger = Ledger::default();
    assert_eq!(ledger.next_attempt(&[], &night(date)), Ok(0));
    ledger.fold(&ended(canary(date, 0, "c1"), "2026-03-04T03:12:00Z", None));
    assert_eq!(ledger.next_attempt(&[], &night(date)), Ok(1));
    let next = |attempts: &[u32]| {
        let canaries: Vec<CanaryFacts> = attempts.iter().map(|attempt| canary(date, *attempt, "c1")).collect();
        ledger.next_attempt(&canaries, &night(date))
    };
    assert_eq!(next(&[2, 1]), Ok(3));
    assert_eq!(next(&[0, 1]), Ok(2), "folded and seen is one");
    assert_eq!(next(&[2]), Err(1));
    assert_eq!(next(&[1, 4, 3]), Err(2));
    assert_eq!(ledger.next_attempt(&[canary(date, 1, "c1")], &night("2026-03-05")), Ok(0));
    assert_eq!(Ledger::default().next_attempt(&[canary(date, 1, "c1")], &night(date)), Err(0));
}

#[test]
fn an_incumbent_that_was_judged_consumes_and_nothing_else_does() {
    use CanaryConclusion::{Aborted, Failed, Inconclusive, Infrastructure, Passed};
    let consumed_by = |role: CanaryRole, conclusion: Option<CanaryConclusion>| {
        let base = ended(canary("2026-03-04", 0, "c1"), "2026-03-04T03:12:00Z", None);
        let canary = CanaryFacts { role, conclusion, consumes: uids(&["a", "b"]), ..base };
        let seen = Ledger::default().consumed_runs(std::slice::from_ref(&canary));
        let mut ledger = Ledger::default();
        ledger.fold(&canary);
        assert_eq!(ledger.consumed_runs(&[]), if conclusion.is_some() { seen.clone() } else { BTreeSet::new() });
        seen
    };
    for (conclusion, consumes) in [
        (Some(Passed), true),
        (Some(Failed), true),
        (Some(Inconclusive), false),
        (Some(Aborted), false),
        (Some(Infrastructure), false),
        (None, false),
    ] {
        let expected = if consumes { uids(&["a", "b"]) } else { BTreeSet::new() };
        assert_eq!(consumed_by(CanaryRole::Incumbent, conclusion), expected, "{conclusion:?}");
        assert_eq!(consumed_by(CanaryRole::Candidate, conclusion), BTreeSet::new(), "{conclusion:?}");
    }
    let ledger = Ledger { consumed: uids(&["x"]), ..Ledger::default() };
    assert_eq!(ledger.consumed_runs(&[]), uids(&["x"]), "a canary that is gone has still consumed");
}

#[test]
fn a_tuning_run_spans_its_canaries_and_lasts_while_one_is_there() {
    let at_time = |attempt, created: &str, released: Option<&str>| {
        let base = canary("2026-03-04", attempt, "c1");
        let conclusion = released.map(|_| CanaryConclusion::Passed);
        CanaryFacts { created_at: at(created), released_at: released.map(at), conclusion, ..base }
    };
    let first = at_time(0, "2026-03-04T03:10:00Z", Some("2026-03-04T03:12:00Z"));
    let second = at_time(1, "2026-03-04T03:13:00Z", Some("2026-03-04T03:15:00Z"));
    let third = at_time(2, "2026-03-04T03:16:00Z", None);
    let run = |ended_at: Option<&str>| TuningRunFacts {
        cycle: "c1".to_owned(),
        started_at: at("2026-03-04T03:10:00Z"),
        ended_at: ended_at.map(at),
    };
    let mut ledger = Ledger::default();
    let three = [third.clone(), second.clone(), first.clone()];
    assert_eq!(ledger.tuning_runs(&three), [run(None)]);
    assert_eq!(ledger.tuning_runs(&three[1..]), [run(Some("2026-03-04T03:15:00Z"))]);
    ledger.fold(&second);
    assert_eq!(ledger.runs.get("c1").unwrap().started_at, at("2026-03-04T03:13:00Z"));
    assert_eq!(ledger.tuning_runs(&three), [run(None)]);
    assert_eq!(ledger.tuning_runs(std::slice::from_ref(&first)), [run(Some("2026-03-04T03:15:00Z"))]);
    ledger.fold(&first);
    assert_eq!(ledger.tuning_runs(&[]), [run(Some("2026-03-04T03:15:00Z"))]);
    assert_eq!(ledger.tuning_runs(&[third]), [run(None)]);
    // Runs come oldest first, and of one instant by their cycle.
    let of = |cycle: &str, created: &str| CanaryFacts {
        cycle: cycle.to_owned(),
        ..at_time(u32::from(cycle != "c0"), created, None)
    };
    let runs = Ledger::default().tuning_runs(&[of("c9", "2026-03-04T03:10:00Z"), of("c0", "2026-03-04T03:10:00Z")]);
    assert_eq!(runs.iter().map(|run| run.cycle.as_str()).collect::<Vec<_>>(), ["c0", "c9"]);
    let runs = Ledger::default().tuning_runs(&[of("c0", "2026-03-04T03:11:00Z"), of("c9", "2026-03-04T03:10:00Z")]);
    assert_eq!(runs.iter().map(|run| run.cycle.as_str()).collect::<Vec<_>>(), ["c9", "c0"]);
}

#[test]
fn what_can_matter_no_more_is_forgotten() {
    let mut ledger = Ledger::default();
    for (date, cycle) in [("2026-03-01", "old"), ("2026-03-02", "edge"), ("2026-03-03", "new")] {
        ledger.fold(&ended(canary(date, 0, cycle), &format!("{date}T04:00:00Z"), None));
    }
    ledger.consumed = uids(&["gone", "there"]);
    let kept = |longest_gate: SignedDuration, now: &str| {
        let mut ledger = ledger.clone();
        ledger.forget_old(&uids(&["there", "unrelated"]), longest_gate, at(now));
        assert_eq!(ledger.consumed, uids(&["there"]));
        let nights: Vec<String> = ledger.nights.keys().map(|night| night.date.to_string()).collect();
        (nights.join(" "), ledger.runs.keys().cloned().collect::<Vec<_>>().join(" "))
    };
    let text = |nights: &str, runs: &str| (nights.to_owned(), runs.to_owned());
    // 28 days after 2026-03-02T04:00:00Z, to the moment.
    assert_eq!(kept(SignedDuration::ZERO, "2026-03-30T03:59:59.999999999Z"), text("2026-03-02 2026-03-03", "edge new"));
    assert_eq!(kept(SignedDuration::ZERO, "2026-03-30T04:00:00Z"), text("2026-03-02 2026-03-03", "new"));
    assert_eq!(kept(SignedDuration::ZERO, "2026-03-31T00:00:00Z"), text("2026-03-03", "new"));
    assert_eq!(kept(lasts("720h"), "2026-03-31T00:00:00Z"), text("2026-03-01 2026-03-02 2026-03-03", "edge new old"));
    let mut running = Ledger::default();
    let endless = TuningRunFacts { cycle: "c1".to_owned(), started_at: at("2026-01-01T00:00:00Z"), ended_at: None };
    running.runs.insert("c1".to_owned(), endless);
    running.forget_old(&BTreeSet::new(), SignedDuration::ZERO, at("2026-03-31T00:00:00Z"));
    assert_eq!(running.runs.len(), 1);
}

/// What may happen to the canaries of a night, in any order.
#[derive(Debug, Clone)]
enum Happening {
    Start { measure: i64, hold: i64 },
    End { which: usize, measure: i64, hold: i64, provable: bool },
    Fold { which: usize },
    Delete { which: usize },
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (1_i64..20, 1_i64..300).prop_map(|(measure, hold)| Happening::Start { measure, hold }),
        3 => (0_usize..20, 0_i64..20, 0_i64..300, any::<bool>())
            .prop_map(|(which, measure, hold, provable)| Happening::End { which, measure, hold, provable }),
        2 => (0_usize..20).prop_map(|which| Happening::Fold { which }),
        2 => (0_usize..20).prop_map(|which| Happening::Delete { which }),
    ]
}

proptest! {
    #[test]
    fn a_night_is_never_overspent_and_deleting_refunds_nothing(happenings in prop::collection::vec(any_happening(), 0..60)) {
        let tonight = night("2026-03-04");
        let mut ledger = Ledger::default();
        let mut seen: Vec<CanaryFacts> = Vec::new();
        let mut truly_used = Spend::ZERO;
        let mut names = BTreeSet::new();
        for (minute, happening) in (0_i64..).zip(happenings) {
            let before = ledger.balance(&seen, &tonight, BUDGET);
            let now = later_by(at("2026-03-04T03:00:00Z"), SignedDuration::from_mins(minute));
            match happening {
                Happening::Start { measure, hold } => {
                    let reserved = spend(measure, hold);
                    if !before.remaining.covers(reserved) {
                        continue;
                    }
                    let attempt = ledger.next_attempt(&seen, &tonight).unwrap();
                    prop_assert!(names.insert(attempt), "the number {} was given twice", attempt);
                    seen.push(CanaryFacts { reserved, created_at: now, ..canary("2026-03-04", attempt, "c1") });
                    let after = ledger.balance(&seen, &tonight, BUDGET);
                    prop_assert_eq!(after.remaining, before.remaining.less(reserved));
                }
                Happening::End { which, measure, hold, provable } => {
                    let Some(canary) = seen.get_mut(which).filter(|canary| canary.released_at.is_none()) else { continue };
                    let used = Spend {
                        measure: canary.reserved.measure.min(SignedDuration::from_secs(measure)),
                        hold: canary.reserved.hold.min(SignedDuration::from_secs(hold)),
                    };
                    truly_used = truly_used.plus(used);
                    canary.released_at = Some(now);
                    canary.conclusion = Some(CanaryConclusion::Inconclusive);
                    canary.proven = provable.then_some(used);
                    let refund = if provable { canary.reserved.less(used) } else { Spend::ZERO };
                    let after = ledger.balance(&seen, &tonight, BUDGET);
                    prop_assert_eq!(after.remaining, before.remaining.plus(refund));
                }
                Happening::Fold { which } => {
                    let Some(canary) = seen.get(which) else { continue };
                    ledger.fold(canary);
                    prop_assert_eq!(ledger.balance(&seen, &tonight, BUDGET), before);
                }
                Happening::Delete { which } => {
                    // The finalizer lets a canary go only when it is folded.
                    let is_folded = |canary: &CanaryFacts| {
                        ledger.nights.get(&tonight).is_some_and(|night| night.contains_key(&canary.attempt))
                    };
                    if seen.get(which).is_some_and(is_folded) {
                        seen.remove(which);
                    }
                    prop_assert_eq!(ledger.balance(&seen, &tonight, BUDGET), before);
                }
            }
            let balance = ledger.balance(&seen, &tonight, BUDGET);
            let committed = balance.used.plus(balance.reserved);
            prop_assert!(BUDGET.covers(committed));
            prop_assert!(committed.covers(truly_used));
            prop_assert_eq!(committed.plus(balance.remaining), BUDGET);
        }
    }
}
