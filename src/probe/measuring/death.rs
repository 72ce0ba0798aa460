//! Why an engine died, from the record that its guard left.

use jiff::Timestamp;
use phaseloop_core::analysis::{
    engine_log::classify_engine_end,
    measurement::{EngineFailure, EngineFailureClass},
    probe::ReportedDeath,
};

use crate::probe::guard::GuardRecord;

/// A death by the record of the run that ended with it: by the lines of evidence of the whole output, not by what happens to
/// be kept of the rest. An engine that is dead while its process goes on has no end yet, and is judged by what it said so
/// far.
pub(super) fn death_of(record: &GuardRecord, became_ready: bool, seen_at: Timestamp) -> ReportedDeath {
    let exit_code = record.end.map(|end| end.exit_code);
    let failure = classify_engine_end(exit_code, None, Some(became_ready), &record.evidence);
    ReportedDeath { at: record.end.map_or(seen_at, |end| end.at), failure }
}

/// A death that nobody's record explains.
pub(super) const fn unexplained(at: Timestamp) -> ReportedDeath {
    let class = EngineFailureClass::Unclassified;
    ReportedDeath { at, failure: EngineFailure { class, memory: None, exit_code: None, message: String::new() } }
}

#[cfg(test)]
mod tests {
    use phaseloop_core::analysis::{engine_log::EvidenceLines, measurement::MemoryFault};

    use super::*;
    use crate::probe::guard::{GUARD_RECORD_VERSION, GuardEnd};

    const DIED: &str = include_str!("../../../crates/core/tests-data/engine/engine-died-exit-0.log");
    const REFUSED: &str = include_str!("../../../crates/core/tests-data/engine/refused-memory.log");

    fn evidence(output: &str) -> String {
        let mut evidence = EvidenceLines::default();
        output.lines().for_each(|line| evidence.take(line));
        evidence.text().to_owned()
    }

    fn record(output: &str, exit_code: Option<i32>) -> GuardRecord {
        let at = "2026-03-04T02:00:09Z".parse().unwrap();
        let (head, tail) = output.split_at(output.len() / 2);
        GuardRecord {
            version: GUARD_RECORD_VERSION,
            started_at: "2026-03-04T02:00:00Z".parse().unwrap(),
            end: exit_code.map(|exit_code| GuardEnd { at, exit_code, at_latest_instant: false }),
            gpu: None,
            gpu_memory_used_mib_max: None,
            head: head.to_owned(),
            evidence: evidence(output),
            tail: tail.to_owned(),
        }
    }

    fn seen_at() -> Timestamp {
        "2026-03-04T02:00:10Z".parse().unwrap()
    }

    #[test]
    fn a_death_that_exits_with_0_is_one_all_the_same() {
        let death = death_of(&record(DIED, Some(0)), true, seen_at());
        assert_eq!((death.failure.class, death.failure.exit_code), (EngineFailureClass::Crash, Some(0)));
        assert_eq!(death.at.to_string(), "2026-03-04T02:00:09Z", "the guard's instant");
    }

    #[test]
    fn a_refusal_for_memory_is_told_as_one() {
        let failure = death_of(&record(REFUSED, Some(1)), false, seen_at()).failure;
        assert_eq!(
            (failure.class, failure.memory),
            (EngineFailureClass::StartRefusedForMemory, Some(MemoryFault::Starved))
        );
    }

    #[test]
    fn an_engine_that_is_dead_and_goes_on_is_judged_by_its_output() {
        let death = death_of(&record(DIED, None), true, seen_at());
        assert_eq!((death.failure.class, death.failure.exit_code), (EngineFailureClass::Crash, None));
        assert_eq!(death.at, seen_at());
    }
}
