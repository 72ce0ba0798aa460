//! Long-lived chains: what their status keeps, and what an export proves beside it.

use super::*;
use crate::audit::fixture::{chain, forged, transition};

fn bounded(length: i64) -> (BoundedChain, Vec<AuditRecord>) {
    let mut live = BoundedChain::new();
    let dropped = (0..length).filter_map(|step| live.append(transition(step))).collect();
    (live, dropped)
}

/// Something done to a chain.
type Alteration = fn(&mut BoundedChain);

/// A live chain with exactly these records, headed by the last of them.
fn live(records: &[AuditRecord]) -> BoundedChain {
    BoundedChain { head: records.last().map(ChainHead::of), recent: records.to_vec() }
}

#[test]
fn the_last_sixty_four_records_are_kept_and_the_rest_handed_back_in_order() {
    for (length, kept) in [(0, 0), (63, 63), (64, 64), (65, 64), (70, 64)] {
        let (live, dropped) = bounded(length);
        assert_eq!(live.recent.len(), kept, "{length}");
        assert_eq!([dropped, live.recent.clone()].concat(), chain(length));
        assert_eq!(live.verify(), Ok(()), "{length}");
        assert_eq!(verify_against_export(&live, &chain(length)), Ok(()), "{length}");
    }
}

#[test]
fn a_fault_among_the_kept_records_is_found_and_named() {
    for length in [3, 64, 70] {
        let (whole, _) = bounded(length);
        let check = |alter: fn(&mut BoundedChain)| {
            let mut live = whole.clone();
            alter(&mut live);
            live.verify()
        };
        let last = whole.recent.len() - 1;
        let cases: [(Alteration, usize, ChainFaultKind); 7] = [
            (|live| live.recent[1].message.clear(), 1, ChainFaultKind::Changed),
            (|live| drop(live.recent.remove(0)), 0, ChainFaultKind::Missing),
            (|live| drop(live.recent.remove(1)), 1, ChainFaultKind::Missing),
            (|live| drop(live.recent.pop()), last, ChainFaultKind::Missing),
            (|live| live.recent.swap(0, 1), 0, ChainFaultKind::Reordered),
            (|live| live.recent.insert(1, live.recent[0].clone()), 0, ChainFaultKind::Doubled),
            (|live| live.head.as_mut().unwrap().hash.clear(), last, ChainFaultKind::Broken),
        ];
        for (number, (alter, at, kind)) in cases.into_iter().enumerate() {
            assert_eq!(check(alter), Err(fault(at, kind)), "case {number} of {length} records");
        }
    }
}

#[test]
fn a_head_and_its_records_come_together_or_not_at_all() {
    assert_eq!(BoundedChain::new().verify(), Ok(()));
    let headless = BoundedChain { head: None, recent: chain(1) };
    assert_eq!(headless.verify(), Err(fault(0, ChainFaultKind::Broken)));
    let bodyless = BoundedChain { head: Some(ChainHead::of(&chain(1)[0])), recent: vec![] };
    assert_eq!(bodyless.verify(), Err(fault(0, ChainFaultKind::Missing)));
}

#[test]
fn the_first_record_of_a_short_chain_must_follow_the_zeros() {
    let mut record = chain(1).remove(0);
    record.previous_hash = "1".repeat(64);
    record.hash = record.computed_hash();
    assert_eq!(live(&[record]).verify(), Err(fault(0, ChainFaultKind::Broken)));
}

#[test]
fn a_record_beyond_the_head_is_found() {
    let mut live = live(&chain(3));
    live.head = Some(ChainHead::of(&chain(2)[1]));
    assert_eq!(live.verify(), Err(fault(2, ChainFaultKind::Broken)));
}

#[test]
fn an_export_may_lag_behind_as_long_as_nothing_is_lost_between() {
    let (live, _) = bounded(70);
    assert_eq!(live.recent[0].sequence, 6);
    assert_eq!(verify_against_export(&live, &chain(7)), Ok(()));
    assert_eq!(verify_against_export(&live, &chain(6)), Ok(()));
    assert_eq!(verify_against_export(&live, &chain(5)), Err(ExportFault::Gap { from: 5, to: 5 }));
    assert_eq!(verify_against_export(&live, &[]), Err(ExportFault::Gap { from: 0, to: 5 }));
    assert_eq!(verify_against_export(&bounded(3).0, &[]), Ok(()));
}

#[test]
fn an_export_that_was_written_anew_diverges() {
    let records = chain(70);
    let (live, _) = bounded(70);
    assert_eq!(verify_against_export(&live, &forged(&records, 30)), Err(ExportFault::Diverged { sequence: 30 }));
    assert_eq!(verify_against_export(&live, &forged(&records[..6], 2)), Err(ExportFault::Diverged { sequence: 6 }));
    assert_eq!(verify_against_export(&live, &forged(&records[..7], 2)), Err(ExportFault::Diverged { sequence: 6 }));
}

#[test]
fn an_object_restored_from_an_older_copy_is_behind_its_export() {
    let found = verify_against_export(&bounded(3).0, &chain(4)).unwrap_err();
    assert_eq!(found, ExportFault::LiveBehindExport { exported: 3, live: "record 2".into() });
    let found = verify_against_export(&BoundedChain::new(), &chain(1)).unwrap_err();
    assert_eq!(found, ExportFault::LiveBehindExport { exported: 0, live: "none".into() });
}

#[test]
fn a_fault_says_on_which_side_it_is() {
    let mut records = chain(3);
    let whole = live(&records);
    records[1].message.clear();
    let changed = fault(1, ChainFaultKind::Changed);
    assert_eq!(verify_against_export(&whole, &records), Err(ExportFault::Export(changed.clone())));
    assert_eq!(verify_against_export(&live(&records), &chain(3)), Err(ExportFault::Live(changed)));
}

#[test]
fn a_status_of_the_largest_chain_stays_within_half_an_object() {
    let (live, _) = bounded(70);
    let bytes = serde_json::to_string(&live).unwrap().len();
    assert!(bytes < 50_000, "{bytes}");
}
