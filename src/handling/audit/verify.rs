//! Checking records: each finding names the object, the record and what is wrong.

use std::{collections::BTreeMap, fmt};

use phaseloop_core::{
    audit::{
        AuditRecord, AuditedObject, ChainFault, ExportFault, verify_against_export, verify_chain, verify_chain_to,
    },
    value::Uid,
};

use super::LiveChain;

/// One object whose records are not as they were written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditFinding {
    /// The object, as `PhaseRun chat/nightly-20260304-0300 (uid ...)`.
    pub object: String,
    /// The record's number in the chain; absent where no single record is at fault.
    pub sequence: Option<u64>,
    /// What is wrong, as one word.
    pub fault: String,
    /// What is wrong, in a sentence.
    pub message: String,
}

impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.sequence.map(|sequence| format!(", record {sequence}")).unwrap_or_default();
        write!(f, "{}{record}: {}: {}", self.object, self.fault, self.message)
    }
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// Objects whose records were checked.
    pub objects: usize,
    /// Records that were checked.
    pub records: usize,
    /// What is wrong; empty where all of it is sound.
    pub findings: Vec<AuditFinding>,
}

/// Checks an export by itself, object by object. A chain whose end was cut off is a shorter sound chain: only the cluster
/// tells.
pub fn verify_file(records: &[AuditRecord]) -> AuditReport {
    let chains = by_object(records);
    let findings = chains.values().filter_map(|chain| of_exported(chain));
    AuditReport { objects: chains.len(), records: records.len(), findings: findings.collect() }
}

/// Checks what the objects carry, and against an export where one is given.
pub fn verify_cluster(live: &[LiveChain], exported: Option<&[AuditRecord]>) -> AuditReport {
    let of_file = exported.map(by_object).unwrap_or_default();
    let mut findings: Vec<AuditFinding> =
        live.iter().filter_map(|live| of_live(live, exported.is_some(), &of_file)).collect();
    // What went from the cluster is in the export alone.
    let gone = of_file.iter().filter(|(uid, _)| live.iter().all(|live| live.object.uid != **uid));
    findings.extend(gone.filter_map(|(_, chain)| of_exported(chain)));
    let objects = live.len() + of_file.keys().filter(|uid| live.iter().all(|live| live.object.uid != **uid)).count();
    let records = live.iter().map(|live| live.records().len()).sum::<usize>() + exported.map_or(0, <[_]>::len);
    AuditReport { objects, records, findings }
}

fn by_object(records: &[AuditRecord]) -> BTreeMap<Uid, Vec<AuditRecord>> {
    let mut chains: BTreeMap<Uid, Vec<AuditRecord>> = BTreeMap::new();
    for record in records {
        chains.entry(record.object.uid.clone()).or_default().push(record.clone());
    }
    chains
}

fn of_live(live: &LiveChain, with_file: bool, of_file: &BTreeMap<Uid, Vec<AuditRecord>>) -> Option<AuditFinding> {
    if live.is_whole {
        let whole = live
            .chain
            .head
            .as_ref()
            .map_or_else(|| verify_chain(live.records()), |head| verify_chain_to(live.records(), head));
        if let Err(fault) = whole {
            return Some(of_chain(&live.object, live.records(), &fault));
        }
        if live.chain.head.is_none() && !live.records().is_empty() {
            return Some(finding(&live.object, None, "Broken", "it has records and no head".to_owned()));
        }
    } else if let Err(fault) = live.chain.verify() {
        return Some(of_chain(&live.object, live.records(), &fault));
    }
    let exported = of_file.get(&live.object.uid).filter(|_| with_file)?;
    let fault = verify_against_export(&live.chain, exported).err()?;
    Some(of_export(live, exported, &fault))
}

/// What is wrong with the records of one object that an export holds.
fn of_exported(chain: &[AuditRecord]) -> Option<AuditFinding> {
    let fault = verify_chain(chain).err()?;
    Some(of_chain(&chain.first()?.object, chain, &fault))
}

fn of_export(live: &LiveChain, exported: &[AuditRecord], fault: &ExportFault) -> AuditFinding {
    let object = &live.object;
    match fault {
        ExportFault::Export(fault) => of_chain(object, exported, fault),
        ExportFault::Live(fault) => of_chain(object, live.records(), fault),
        ExportFault::Diverged { sequence } => finding(object, Some(*sequence), "Diverged", fault.to_string()),
        ExportFault::Gap { from, .. } => finding(object, Some(*from), "Gap", fault.to_string()),
        ExportFault::LiveBehindExport { exported, .. } => {
            finding(object, Some(*exported), "LiveBehindExport", fault.to_string())
        }
    }
}

fn of_chain(object: &AuditedObject, records: &[AuditRecord], fault: &ChainFault) -> AuditFinding {
    let sequence = records.get(fault.at).map(|record| record.sequence);
    let missing = records.last().map(|last| last.sequence.saturating_add(1));
    finding(object, sequence.or(missing), &format!("{:?}", fault.kind), fault.to_string())
}

fn finding(object: &AuditedObject, sequence: Option<u64>, fault: &str, message: String) -> AuditFinding {
    let AuditedObject { kind, namespace, name, uid } = object;
    let object = format!("{kind} {namespace}/{name} (uid {uid})");
    AuditFinding { object, sequence, fault: fault.to_owned(), message }
}
