//! Records of a whole story: exported, verified, and every kind of tampering found and named.

use phaseloop::handling::audit::{AuditFinding, LiveChain, merged, read_chains, verify_cluster, verify_file};
use phaseloop_core::audit::{AuditRecord, parse_export};

use crate::living::{Living, NAMESPACE, run};

/// What the objects carry after the third night: a promotion is in production.
async fn chains() -> Vec<LiveChain> {
    let living = Living::at_noon_after(3).await;
    read_chains(living.cluster().reader(), Some(NAMESPACE)).await.unwrap()
}

/// An export of all of it, written and read back.
fn exported(live: &[LiveChain]) -> Vec<AuditRecord> {
    let lines: String = merged(&[], live).iter().map(|record| format!("{}\n", record.line())).collect();
    parse_export(&lines).unwrap()
}

/// Positions in the export of the records of one object, in the order of its chain.
fn places(records: &[AuditRecord], kind: &str) -> Vec<usize> {
    let uid = &records.iter().find(|record| record.object.kind == kind).unwrap().object.uid;
    let of_object = records.iter().enumerate().filter(|(_, record)| record.object.uid == *uid);
    of_object.map(|(place, _)| place).collect()
}

fn found(finding: &AuditFinding) -> (String, Option<u64>, &str) {
    (finding.object.split(' ').next().unwrap().to_owned(), finding.sequence, &finding.fault)
}

#[test]
fn what_a_story_left_is_sound_in_the_cluster_in_a_file_and_against_each_other() {
    run(async {
        let live = chains().await;
        let export = exported(&live);
        assert!(export.len() > 40, "only {} records", export.len());
        for kind in ["PhaseSchedule", "PhaseRun", "Escalation", "TuningCanary", "Promotion"] {
            assert!(export.iter().any(|record| record.object.kind == kind), "no record of a {kind}");
        }
        let of_file = verify_file(&export);
        assert_eq!((of_file.findings, of_file.records), (vec![], export.len()));
        assert_eq!(verify_cluster(&live, None).findings, []);
        assert_eq!(verify_cluster(&live, Some(&export)).findings, []);
        assert_eq!(merged(&export, &live), [], "nothing is exported twice");
        let (half, _) = export.split_at(export.len() / 2);
        assert_eq!([half, &merged(half, &live)].concat().len(), export.len(), "what is lacking is added");
    });
}

#[test]
fn a_record_that_was_changed_removed_moved_or_doubled_is_found_and_named() {
    run(async {
        let live = chains().await;
        let export = exported(&live);
        let places = places(&export, "Promotion");
        assert!(places.len() >= 3, "{places:?}");
        let name = |record: usize| Some(export[places[record]].sequence);
        let mut changed = export.clone();
        changed[places[1]].message.push('!');
        let mut removed = export.clone();
        removed.remove(places[1]);
        let mut moved = export.clone();
        moved.swap(places[1], places[2]);
        let mut doubled = export.clone();
        doubled.insert(places[1], export[places[1]].clone());
        for (tampered, sequence, fault) in [
            (changed, name(1), "Changed"),
            (removed, name(2), "Missing"),
            (moved, name(2), "Reordered"),
            (doubled, name(1), "Doubled"),
        ] {
            for report in [verify_file(&tampered), verify_cluster(&live, Some(&tampered))] {
                assert_eq!(report.findings.len(), 1, "{fault}: {:?}", report.findings);
                assert_eq!(found(&report.findings[0]), ("Promotion".to_owned(), sequence, fault));
                assert!(report.findings[0].object.contains("chat/llama-13b"), "{}", report.findings[0]);
            }
        }
    });
}

#[test]
fn an_end_that_was_cut_off_is_found_against_the_cluster_and_an_object_that_was_rewritten_against_the_file() {
    run(async {
        let mut live = chains().await;
        let export = exported(&live);
        let run_place = live.iter().position(|live| live.object.kind == "PhaseRun").unwrap();
        // The object lost its last record, and its head was made to fit: sound in itself, and behind its export.
        let chain = &mut live[run_place].chain;
        chain.recent.pop();
        let last = chain.recent.last().unwrap().clone();
        chain.head = Some(phaseloop_core::audit::ChainHead::of(&last));
        assert_eq!(verify_cluster(&live, None).findings, [], "by itself it is a shorter chain");
        let report = verify_cluster(&live, Some(&export));
        assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
        assert_eq!(found(&report.findings[0]), ("PhaseRun".to_owned(), Some(last.sequence + 1), "LiveBehindExport"));

        // The object's head was not made to fit.
        live[run_place].chain.head = export.last().map(phaseloop_core::audit::ChainHead::of);
        let report = verify_cluster(&live, None);
        assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
        // And without any head nobody can say where it ends.
        live[run_place].chain.head = None;
        assert_eq!(found(&verify_cluster(&live, None).findings[0]), ("PhaseRun".to_owned(), None, "Broken"));
    });
}
