//! Every way in which a target can stand to a promotion.

use super::*;
use crate::{
    plan::FieldAddress,
    promotion::fixture::{attempted, facts, landed},
    value::Uid,
};

fn altered(mut facts: PromotionFacts, alter: impl Fn(&mut ObservedTarget)) -> Standing {
    facts.target.as_mut().map(alter).unwrap();
    observe_standing(&facts)
}

fn set(target: &mut ObservedTarget, value: FieldValue) {
    target.owned_values.insert(FieldAddress::new("args[--max-num-seqs]"), value);
}

#[test]
fn a_target_at_the_pre_image_is_untouched_and_one_at_our_values_promoted() {
    assert_eq!(observe_standing(&facts()), Standing::Untouched);
    assert_eq!(observe_standing(&landed()), Standing::Promoted);
}

#[test]
fn a_missing_target_is_gone() {
    let mut facts = landed();
    facts.target = None;
    assert_eq!(observe_standing(&facts), Standing::Gone);
}

#[test]
fn a_recreated_target_carries_our_value_if_it_bears_our_mark_or_our_applied_values() {
    let recreate = |target: &mut ObservedTarget| target.uid = Uid::new("other");
    let unmarked = |target: &mut ObservedTarget| {
        target.uid = Uid::new("other");
        target.promotion_annotation = None;
    };
    let marked_only = |target: &mut ObservedTarget| {
        target.uid = Uid::new("other");
        set(target, FieldValue::Absent);
    };
    assert_eq!(altered(facts(), recreate), Standing::Replaced { carries_value: false });
    assert_eq!(altered(landed(), recreate), Standing::Replaced { carries_value: true });
    assert_eq!(altered(landed(), unmarked), Standing::Replaced { carries_value: true });
    assert_eq!(altered(landed(), marked_only), Standing::Replaced { carries_value: true });
    let mut never_applied = landed();
    never_applied.progress.applied_at = None;
    assert_eq!(altered(never_applied, unmarked), Standing::Replaced { carries_value: false });
}

#[test]
fn one_owned_field_at_another_value_is_a_change() {
    let other = |target: &mut ObservedTarget| set(target, FieldValue::present("48"));
    assert_eq!(altered(facts(), other), Standing::Changed { marked: false });
    assert_eq!(altered(landed(), other), Standing::Changed { marked: true });
    let spelling = |target: &mut ObservedTarget| set(target, FieldValue::present("32"));
    assert_eq!(altered(facts(), spelling), Standing::Changed { marked: false });
    let emptied = |target: &mut ObservedTarget| {
        let address = FieldAddress::new("args[--gpu-memory-utilization]");
        target.owned_values.insert(address, FieldValue::present(""));
    };
    assert_eq!(altered(facts(), emptied), Standing::Changed { marked: false });
}

#[test]
fn a_field_that_could_not_be_read_equals_nothing() {
    let unreadable = |target: &mut ObservedTarget| target.owned_values.clear();
    assert_eq!(altered(facts(), unreadable), Standing::Changed { marked: false });
    assert_eq!(altered(landed(), unreadable), Standing::Changed { marked: true });
}

#[test]
fn the_annotation_is_part_of_the_comparison() {
    for annotation in [None, Some(Uid::new("another"))] {
        let relabel = |target: &mut ObservedTarget| target.promotion_annotation.clone_from(&annotation);
        assert_eq!(altered(facts(), relabel), Standing::Changed { marked: false }, "{annotation:?}");
        assert_eq!(altered(landed(), relabel), Standing::Changed { marked: false }, "{annotation:?}");
    }
    let marked = |target: &mut ObservedTarget| target.promotion_annotation = Some(Uid::new("promotion"));
    assert_eq!(altered(attempted(), marked), Standing::Changed { marked: true });
}

#[test]
fn delivery_by_git_writes_values_without_a_mark() {
    let git = |facts: PromotionFacts, annotation: &str| {
        let mut facts = facts;
        facts.terms.delivery = Delivery::Git;
        altered(facts, |target| target.promotion_annotation = Some(Uid::new(annotation)))
    };
    assert_eq!(git(facts(), "earlier"), Standing::Untouched);
    assert_eq!(git(landed(), "earlier"), Standing::Promoted);
    assert_eq!(git(landed(), "promotion"), Standing::Changed { marked: true });
}

#[test]
fn terms_that_change_nothing_are_untouched_rather_than_promoted() {
    let mut facts = facts();
    facts.terms.owned_fields.clear();
    facts.terms.delivery = Delivery::Git;
    assert_eq!(observe_standing(&facts), Standing::Untouched);
}
