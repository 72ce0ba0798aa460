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
    assert_eq!(report.findings, [] as [Finding; 0], "of {:?}", report.histories);
}
