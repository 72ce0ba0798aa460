//! An export that is brought up to date: what it holds stays as it is, and what it lacks is added.

use std::collections::BTreeSet;

use phaseloop_core::audit::AuditRecord;

use super::LiveChain;

/// The records that an export lacks, in the order of their instants; of one object in the order of its chain.
pub fn merged(exported: &[AuditRecord], live: &[LiveChain]) -> Vec<AuditRecord> {
    let known: BTreeSet<&str> = exported.iter().map(|record| record.hash.as_str()).collect();
    let records = live.iter().flat_map(LiveChain::records);
    let mut lacking: Vec<AuditRecord> =
        records.filter(|record| !known.contains(record.hash.as_str())).cloned().collect();
    lacking.sort_by(|one, other| {
        let key = |record: &AuditRecord| (record.at, record.object.uid.clone(), record.sequence);
        key(one).cmp(&key(other))
    });
    // Records of one object keep the order of their chain, whatever their instants say.
    in_order_of_chains(lacking)
}

/// Each object's records in the order of their numbers, at the places where records of that object stand.
fn in_order_of_chains(records: Vec<AuditRecord>) -> Vec<AuditRecord> {
    let mut by_object: std::collections::BTreeMap<_, Vec<AuditRecord>> = std::collections::BTreeMap::new();
    let places: Vec<_> = records.iter().map(|record| record.object.uid.clone()).collect();
    for record in records {
        by_object.entry(record.object.uid.clone()).or_default().push(record);
    }
    for chain in by_object.values_mut() {
        chain.sort_by_key(|record| std::cmp::Reverse(record.sequence));
    }
    places.iter().filter_map(|uid| by_object.get_mut(uid)?.pop()).collect()
}
