//! Which run decides, and what: each condition met and missed.

use super::*;
use crate::{
    promotion::fixture::{VALIDATE_BY, at, degraded_run, healthy_run, rolled_out},
    value::{SymptomKind, Uid},
};

fn judged(runs: Vec<RunFacts>) -> Option<(String, PromotionReason)> {
    let facts = PromotionFacts { runs, ..rolled_out() };
    judge(&facts, at(100), "promoted").map(|judgement| (judgement.run.uid.0, judgement.reason))
}

fn judged_one(alter: impl Fn(&mut RunFacts)) -> Option<PromotionReason> {
    let mut run = healthy_run();
    alter(&mut run);
    judged(vec![run]).map(|(_, reason)| reason)
}

#[test]
fn no_run_decides_nothing() {
    assert_eq!(judged(vec![]), None);
}

#[test]
fn a_healthy_comparable_run_after_the_rollout_validates() {
    assert_eq!(judged(vec![healthy_run()]), Some(("run-a".into(), PromotionReason::Improved)));
    assert_eq!(judged_one(|run| run.counts = false), Some(PromotionReason::Improved));
}

#[test]
fn a_run_decides_only_if_it_started_after_the_rollout_was_seen_finished() {
    assert_eq!(judged_one(|run| run.started_at = at(99)), None);
    assert_eq!(judged_one(|run| run.started_at = at(100)), None);
    assert_eq!(judged_one(|run| run.started_at = at(101)), Some(PromotionReason::Improved));
}

#[test]
fn a_run_decides_only_if_it_was_judged_by_the_deadline() {
    assert_eq!(judged_one(|run| run.completed_at = at(VALIDATE_BY - 1)), Some(PromotionReason::Improved));
    assert_eq!(judged_one(|run| run.completed_at = at(VALIDATE_BY)), Some(PromotionReason::Improved));
    assert_eq!(judged_one(|run| run.completed_at = at(VALIDATE_BY + 1)), None);
}

#[test]
fn an_invalid_an_unknown_and_an_erroneous_run_decide_nothing() {
    assert_eq!(judged_one(|run| run.valid = false), None);
    assert_eq!(judged_one(|run| run.verdict = Verdict::Unknown), None);
    assert_eq!(judged_one(|run| run.verdict = Verdict::Error), None);
}

#[test]
fn a_run_must_cover_the_domain_of_the_symptom_under_the_same_load() {
    assert_eq!(judged_one(|run| run.workloads.clear()), None);
    assert_eq!(judged_one(|run| drop(run.workloads.insert("chat".into(), "other".into()))), None);
    assert_eq!(judged_one(|run| drop(run.workloads.insert("rag".into(), "x".into()))), Some(PromotionReason::Improved));
}

#[test]
fn every_domain_of_the_symptom_must_be_covered() {
    let mut facts = rolled_out();
    facts.terms.domains.insert("rag".into(), "load".into());
    facts.runs = vec![healthy_run()];
    assert_eq!(judge(&facts, at(100), "promoted"), None);
    facts.runs[0].workloads.insert("rag".into(), "load".into());
    assert!(judge(&facts, at(100), "promoted").is_some());
}

#[test]
fn terms_without_a_domain_are_covered_by_nothing() {
    let mut facts = PromotionFacts { runs: vec![healthy_run()], ..rolled_out() };
    facts.terms.domains.clear();
    assert_eq!(judge(&facts, at(100), "promoted"), None);
}

#[test]
fn a_run_must_see_the_promoted_template_from_start_to_end() {
    for hash in [None, Some("measured".to_owned())] {
        assert_eq!(judged_one(|run| run.template_hash_at_start.clone_from(&hash)), None, "{hash:?}");
        assert_eq!(judged_one(|run| run.template_hash_at_end.clone_from(&hash)), None, "{hash:?}");
    }
}

#[test]
fn the_same_symptom_in_the_same_domain_persists_all_else_is_worse() {
    let finding = |kind, domain: &str| judged(vec![degraded_run(kind, domain)]).map(|(_, reason)| reason);
    assert_eq!(finding(SymptomKind::LatencyRegression, "chat"), Some(PromotionReason::SymptomPersists));
    assert_eq!(finding(SymptomKind::LatencyRegression, "rag"), Some(PromotionReason::SomethingElseWorse));
    assert_eq!(finding(SymptomKind::VllmOom, "chat"), Some(PromotionReason::SomethingElseWorse));
}

#[test]
fn verdict_and_symptoms_must_both_be_good_to_validate() {
    assert_eq!(judged_one(|run| run.verdict = Verdict::Degraded), Some(PromotionReason::SomethingElseWorse));
    let mut contradictory = degraded_run(SymptomKind::VllmOom, "chat");
    contradictory.verdict = Verdict::Healthy;
    assert_eq!(judged(vec![contradictory]).map(|(_, reason)| reason), Some(PromotionReason::SomethingElseWorse));
}

#[test]
fn the_first_deciding_run_decides_in_whatever_order_runs_are_listed() {
    let first = degraded_run(SymptomKind::LatencyRegression, "chat");
    let later = RunFacts { uid: Uid::new("run-0"), started_at: at(102), ..healthy_run() };
    let same_start = RunFacts { uid: Uid::new("run-b"), ..healthy_run() };
    let expected = Some(("run-a".to_owned(), PromotionReason::SymptomPersists));
    assert_eq!(judged(vec![first.clone(), later.clone(), same_start.clone()]), expected);
    assert_eq!(judged(vec![same_start, later, first]), expected);
}

#[test]
fn an_undecided_run_leaves_the_decision_to_the_next() {
    let unknown = RunFacts { verdict: Verdict::Unknown, ..healthy_run() };
    let next = RunFacts { uid: Uid::new("run-b"), started_at: at(200), ..healthy_run() };
    assert_eq!(judged(vec![unknown, next]), Some(("run-b".into(), PromotionReason::Improved)));
}
