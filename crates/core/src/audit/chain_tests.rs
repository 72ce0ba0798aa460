//! Chains: a single fault of any kind is found where it is, and named for what it is.

use proptest::prelude::*;

use super::{ChainFaultKind::*, *};
use crate::audit::fixture::{chain, forged, transition};

fn fault(at: usize, kind: ChainFaultKind) -> Result<(), ChainFault> {
    Err(ChainFault { at, kind })
}

#[test]
fn a_chain_as_it_was_appended_is_whole() {
    for length in 0..5 {
        assert_eq!(verify_chain(&chain(length)), Ok(()), "{length}");
    }
}

#[test]
fn a_cut_off_end_is_found_only_against_a_head() {
    let records = chain(4);
    let head = ChainHead::of(&records[3]);
    assert_eq!(verify_chain(&records[..3]), Ok(()));
    assert_eq!(verify_chain_to(&records[..3], &head), fault(3, Missing));
    assert_eq!(verify_chain_to(&[], &head), fault(0, Missing));
    assert_eq!(verify_chain_to(&records, &head), Ok(()));
}

#[test]
fn a_chain_that_went_on_after_the_head_is_whole() {
    let records = chain(4);
    assert_eq!(verify_chain_to(&records, &ChainHead::of(&records[1])), Ok(()));
}

#[test]
fn a_chain_written_anew_is_found_against_a_head() {
    let records = chain(4);
    let forged = forged(&records, 2);
    assert_eq!(verify_chain(&forged), Ok(()));
    assert_eq!(verify_chain_to(&forged, &ChainHead::of(&records[3])), fault(3, Broken));
    assert_eq!(verify_chain_to(&forged, &ChainHead::of(&records[1])), Ok(()));
}

#[test]
fn a_faulty_chain_is_faulty_against_any_head() {
    let mut records = chain(3);
    let head = ChainHead::of(&records[2]);
    records[1].message.clear();
    assert_eq!(verify_chain_to(&records, &head), fault(1, Changed));
}

#[test]
fn one_record_written_anew_breaks_the_link_after_it() {
    let records = chain(4);
    let mut tampered = records.clone();
    tampered[1] = forged(&records, 1)[1].clone();
    assert_eq!(verify_chain(&tampered), fault(2, Broken));
}

#[test]
fn a_sound_record_of_another_object_does_not_belong_here() {
    let records = chain(2);
    let mut transition = transition(2);
    transition.object.name = "other".into();
    let previous = records.last().map(|last| (last.sequence, last.hash.as_str()));
    let foreign = AuditRecord::following(previous, transition);
    assert_eq!(verify_chain(&[records, vec![foreign]].concat()), fault(2, Broken));
}

#[test]
fn a_sound_record_with_a_number_that_was_there_does_not_belong_here() {
    let records = chain(3);
    let last = &records[2];
    let fork = AuditRecord::following(Some((0, &last.hash)), transition(9));
    assert_eq!(verify_chain(&[records, vec![fork]].concat()), fault(3, Broken));
}

#[test]
fn a_chain_that_begins_elsewhere_than_at_the_zeros_is_broken() {
    let mut record = chain(1).remove(0);
    record.previous_hash = "1".repeat(64);
    record.hash = record.computed_hash();
    assert_eq!(verify_chain(&[record]), fault(0, Broken));
}

#[test]
fn faults_say_what_is_wrong_and_where() {
    let texts: Vec<String> = [Changed, Missing, Reordered, Doubled, Broken].map(|kind| kind.to_string()).into();
    assert_eq!(texts.iter().filter(|text| texts.iter().filter(|other| other == text).count() == 1).count(), 5);
    let told = ChainFault { at: 2, kind: Doubled }.to_string();
    assert_eq!(told, "audit chain is not whole at position 2: the record is doubled");
}

/// Every way in which one field of one record can be altered.
fn alter(record: &mut AuditRecord, field: usize) {
    match field {
        0 => record.sequence = record.sequence.wrapping_add(1),
        1 => record.message.push('!'),
        2 => record.to = "Validated".into(),
        3 => record.evidence.clear(),
        4 => record.previous_hash = "f".repeat(64),
        5 => record.hash = "f".repeat(64),
        6 => record.object.uid.0.push('0'),
        7 => record.at = jiff::Timestamp::UNIX_EPOCH,
        _ => record.cycle = None,
    }
}

proptest! {
    #[test]
    fn any_altered_record_is_found_and_called_changed(length in 1_i64..12, at in 0_usize..12, field in 0_usize..9) {
        let mut records = chain(length);
        let at = at % records.len();
        alter(&mut records[at], field);
        prop_assert_eq!(verify_chain(&records), fault(at, Changed));
    }

    #[test]
    fn any_removed_record_is_found_and_called_missing(length in 2_i64..12, at in 0_usize..12) {
        let mut records = chain(length);
        let head = ChainHead::of(records.last().unwrap());
        let at = at % records.len();
        records.remove(at);
        prop_assert_eq!(verify_chain_to(&records, &head), fault(at, Missing));
    }

    #[test]
    fn any_two_swapped_records_are_found_and_called_reordered(length in 2_i64..12, one in 0_usize..12, other in 0_usize..12) {
        let mut records = chain(length);
        let (one, other) = (one % records.len(), other % records.len());
        prop_assume!(one != other);
        records.swap(one, other);
        prop_assert_eq!(verify_chain(&records), fault(one.min(other), Reordered));
    }

    #[test]
    fn any_doubled_record_is_found_and_called_doubled(length in 1_i64..12, from in 0_usize..12, to in 0_usize..13) {
        let mut records = chain(length);
        let (from, to) = (from % records.len(), to % (records.len() + 1));
        records.insert(to, records[from].clone());
        prop_assert_eq!(verify_chain(&records), fault(from.min(to), Doubled));
    }
}
