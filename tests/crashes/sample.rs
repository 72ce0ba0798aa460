//! Some of the points of a story. `phaseloop simulate --crashes` takes all of them, as `tests/run crashes` does.

use phaseloop::simulation::crash::{Finding, SurveyTerms, survey};

use crate::scenario::two_nights;

/// Takes every so-manieth point: a prime, so that the writes of a look, which repeat themselves, are all met.
const STRIDE: usize = 13;

#[test]
fn a_story_ends_the_same_whichever_write_the_operator_dies_at() {
    let report = survey(&two_nights(), SurveyTerms { threads: 2, stride: STRIDE }, |_, _, _| {}).unwrap();
    assert!(report.writes > 100, "{report:#?}");
    assert!(
        report
            .histories
            .values()
            .all(|count| *count == report.writes.div_ceil(STRIDE) || *count == report.writes_of_two.div_ceil(STRIDE)),
        "{:?}",
        report.histories
    );
    let grave: Vec<&Finding> = report.findings.iter().filter(|finding| !only_tells_less(finding)).collect();
    assert_eq!(grave, [] as [&Finding; 0], "of {:?}", report.histories);
}

/// Where another replica takes over between the making of a promotion and the telling of its tuning run's end, the end is
/// told from the promotion alone, which does not say what else was tried. Nothing is spent, counted, promoted or recorded
/// twice; docs/crash-tests.md says so as well.
fn only_tells_less(finding: &Finding) -> bool {
    let of_the_telling = ["/status/conditions/", "/status/history/records/message", "/status/lastTuning/"];
    let tells = |place: &str| {
        place.starts_with("told Escalation ")
            || place.starts_with("object escalations.phaseloop.dev ")
                && of_the_telling.iter().any(|of| place.contains(of))
    };
    finding.violations.is_empty()
        && finding.unmet.is_empty()
        && finding.failure.is_none()
        && finding.differences.iter().all(|difference| tells(&difference.place))
}
