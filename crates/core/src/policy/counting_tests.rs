use proptest::prelude::*;

use super::*;
use crate::policy::fixture::{at, lasts, oom, run, uids};

fn rule() -> CountingRule {
    CountingRule {
        symptom: SymptomKind::VllmOom,
        threshold: 3,
        window: lasts("53h"),
        minimum_severity: Severity::Warning,
    }
}

fn counted(runs: &[RunFacts], consumed: &[&str], now: &str) -> Vec<String> {
    let count = count_symptoms(&rule(), runs, &uids(consumed), at(now));
    assert_eq!(count.count, i64::try_from(count.evidence.len()).unwrap());
    count.evidence.into_iter().map(|run| run.uid.0).collect()
}

#[test]
fn a_run_counts_once_however_often_it_is_listed_and_however_many_metrics_showed_it() {
    let twice = run(
        "a",
        "2026-03-02T03:22:00Z",
        &[(SymptomKind::VllmOom, Severity::Warning), (SymptomKind::VllmOom, Severity::Critical)],
    );
    assert_eq!(counted(&[twice.clone(), twice], &[], "2026-03-02T04:00:00Z"), ["a"]);
}

#[test]
fn each_domain_has_its_own_count_and_a_run_that_shows_it_in_two_still_counts_once() {
    let shown_in = |uid: &str, time: &str, domains: &[(&str, Severity)]| {
        let mut facts =
            run(uid, time, &domains.iter().map(|(_, severity)| (SymptomKind::VllmOom, *severity)).collect::<Vec<_>>());
        for (symptom, (domain, _)) in facts.symptoms.iter_mut().zip(domains) {
            symptom.domain = (*domain).to_owned();
        }
        facts
    };
    let (grave, slight) = (Severity::Critical, Severity::Warning);
    let runs = [
        shown_in("a", "2026-03-02T03:22:00Z", &[("chat", grave), ("rag", grave), ("rag", grave)]),
        shown_in("b", "2026-03-03T03:22:00Z", &[("rag", grave), ("chat", slight)]),
    ];
    let rule = CountingRule { minimum_severity: Severity::Critical, ..rule() };
    let count = |consumed: &[&str]| count_symptoms(&rule, &runs, &uids(consumed), at("2026-03-03T04:00:00Z"));
    assert_eq!(count(&[]).count, 2);
    assert_eq!(count(&[]).domains, BTreeMap::from([("chat".to_owned(), 1), ("rag".to_owned(), 2)]));
    assert_eq!(count(&["b"]).domains, BTreeMap::from([("chat".to_owned(), 1), ("rag".to_owned(), 1)]));
    assert_eq!(count(&["a", "b"]).domains, BTreeMap::new());
}

#[test]
fn the_window_excludes_its_far_end_and_includes_now() {
    let runs = [oom("a", "2026-03-02T03:22:00Z")];
    assert_eq!(counted(&runs, &[], "2026-03-02T03:21:59.999999999Z"), [""; 0]);
    assert_eq!(counted(&runs, &[], "2026-03-02T03:22:00Z"), ["a"]);
    assert_eq!(counted(&runs, &[], "2026-03-04T08:21:59.999999999Z"), ["a"]);
    assert_eq!(counted(&runs, &[], "2026-03-04T08:22:00Z"), [""; 0]);
}

#[test]
fn what_is_invalid_opted_out_consumed_or_of_another_kind_does_not_count() {
    let now = "2026-03-02T04:00:00Z";
    let healthy = oom("a", "2026-03-02T03:22:00Z");
    assert_eq!(counted(std::slice::from_ref(&healthy), &[], now), ["a"]);
    assert_eq!(counted(std::slice::from_ref(&healthy), &["b"], now), ["a"]);
    assert_eq!(counted(std::slice::from_ref(&healthy), &["a"], now), [""; 0]);
    assert_eq!(counted(&[RunFacts { valid: false, ..healthy.clone() }], &[], now), [""; 0]);
    assert_eq!(counted(&[RunFacts { counts: false, ..healthy }], &[], now), [""; 0]);
    let slow = run("a", "2026-03-02T03:22:00Z", &[(SymptomKind::LatencyRegression, Severity::Critical)]);
    assert_eq!(counted(&[slow], &[], now), [""; 0]);
    assert_eq!(counted(&[run("a", "2026-03-02T03:22:00Z", &[])], &[], now), [""; 0]);
}

#[test]
fn only_the_least_severity_and_above_counts() {
    let at_severity = |severity| [run("a", "2026-03-02T03:22:00Z", &[(SymptomKind::VllmOom, severity)])];
    let count = |minimum_severity, severity| {
        let rule = CountingRule { minimum_severity, ..rule() };
        count_symptoms(&rule, &at_severity(severity), &BTreeSet::new(), at("2026-03-02T04:00:00Z")).count
    };
    assert_eq!(count(Severity::Warning, Severity::Warning), 1);
    assert_eq!(count(Severity::Warning, Severity::Critical), 1);
    assert_eq!(count(Severity::Critical, Severity::Warning), 0);
    assert_eq!(count(Severity::Critical, Severity::Critical), 1);
}

#[test]
fn evidence_is_ordered_by_time_and_the_newest_is_the_last() {
    let runs = [oom("a", "2026-03-04T03:23:00Z"), oom("c", "2026-03-02T03:22:00Z"), oom("b", "2026-03-03T03:24:00Z")];
    let count = count_symptoms(&rule(), &runs, &BTreeSet::new(), at("2026-03-04T03:23:00Z"));
    let names: Vec<&str> = count.evidence.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["run-c", "run-b", "run-a"]);
    assert_eq!(count.newest, Some(at("2026-03-04T03:23:00Z")));
    assert!(count.reaches_threshold());
    assert_eq!((count.symptom, count.threshold, count.window), (SymptomKind::VllmOom, 3, lasts("53h")));
    let two = count_symptoms(&rule(), &runs, &uids(&["a"]), at("2026-03-04T03:23:00Z"));
    assert!(!two.reaches_threshold());
    let four = SymptomCount { count: 4, ..count };
    assert!(four.reaches_threshold());
}

#[test]
fn a_derived_window_holds_what_the_schedule_makes() {
    let hours = SignedDuration::from_hours;
    let table = [
        // threshold, longest period, timeout, least, derived
        (3, hours(24), hours(4), hours(53), hours(53)),
        (1, hours(24), hours(4), hours(5), hours(24)),
        (2, hours(24), hours(4), hours(29), hours(29)),
        (3, hours(72), hours(4), hours(149), hours(149)),
        (3, hours(1), hours(4), hours(7), hours(24)),
        (20, hours(1), hours(4), hours(24), hours(24)),
        (21, hours(1), hours(4), hours(25), hours(25)),
        (0, hours(24), hours(4), SignedDuration::from_hours(-19), hours(24)),
    ];
    for (threshold, longest, timeout, least, derived) in table {
        let period = SchedulePeriod { shortest: hours(1), longest };
        assert_eq!(least_holding_window(threshold, period, timeout), least, "{threshold}");
        assert_eq!(derived_counting_window(threshold, period, timeout), derived, "{threshold}");
    }
    let period = SchedulePeriod { shortest: hours(24), longest: hours(24) };
    assert!(derived_counting_window(i64::MAX, period, hours(4)) > SignedDuration::from_hours(50_000_000));
}

proptest! {
    #[test]
    fn the_count_is_that_of_distinct_uids_within_the_window_in_any_order(
        runs in prop::collection::vec((0_u8..12, 0_i64..100, any::<bool>(), any::<bool>()), 0..40),
        consumed in prop::collection::btree_set(0_u8..12, 0..4),
        now_hour in 0_i64..120,
        seed in any::<u64>(),
    ) {
        let start = at("2026-03-01T00:00:00Z");
        let mut by_uid = BTreeMap::new();
        for (uid, hour, valid, counts) in runs {
            // One uid is one object: what was listed first is what it is.
            by_uid.entry(uid).or_insert((hour, valid, counts));
        }
        let now = later_by(start, SignedDuration::from_hours(now_hour));
        let expected = by_uid
            .iter()
            .filter(|(uid, (hour, valid, counts))| {
                *valid && *counts && !consumed.contains(uid) && *hour <= now_hour && *hour > now_hour - 53
            })
            .count();
        let mut facts: Vec<RunFacts> = by_uid
            .iter()
            .map(|(uid, (hour, valid, counts))| {
                let when = later_by(start, SignedDuration::from_hours(*hour)).to_string();
                RunFacts { valid: *valid, counts: *counts, ..oom(&uid.to_string(), &when) }
            })
            .collect();
        let doubled = facts.clone();
        facts.extend(doubled);
        let turn = usize::try_from(seed % 7).unwrap().min(facts.len());
        facts.rotate_left(turn);
        let consumed = consumed.iter().map(|uid| Uid::new(uid.to_string())).collect();
        let count = count_symptoms(&rule(), &facts, &consumed, now);
        prop_assert_eq!(count.count, i64::try_from(expected).unwrap());
        // Until then nothing leaves; what comes in is news, and no matter of time alone.
        facts.retain(|run| run.completed_at <= now);
        let again = |at: Timestamp| count_symptoms(&rule(), &facts, &consumed, at).count;
        match count.changes_at() {
            None => prop_assert_eq!(count.count, 0),
            Some(changes_at) => {
                prop_assert_eq!(again(earlier_by(changes_at, SignedDuration::from_nanos(1))), count.count);
                prop_assert!(again(changes_at) < count.count);
            }
        }
    }
}
