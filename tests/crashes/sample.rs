//! Some of the points of a story. `phaseloop simulate --crashes` takes all of them, as `tests/run crashes` does.

use phaseloop::simulation::crash::{
    Disturbance, Finding, Histories, HistoryError, Point, SurveyTerms, disturbed_story, survey,
};

use crate::scenario::two_nights;

/// Takes every so-manieth point: a prime, so that the writes of a look, which repeat themselves, are all met.
const STRIDE: usize = 29;

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

#[test]
fn the_story_has_every_kind_of_write_in_it() {
    let file = two_nights();
    let histories = Histories::new(&file).unwrap();
    let writes = &histories.undisturbed(Disturbance::KilledAfter).writes;
    for resource in ["phaseruns", "tuningcanaries", "pods", "promotions", "deployments", "escalations"] {
        assert!(writes.iter().any(|write| write.contains(resource)), "{resource}: {writes:#?}");
    }
    let disturbed = Point { write: writes.len() as u64, disturbance: Disturbance::KilledAfter };
    let outcome = format!("{:?}", histories.disturbed(disturbed).unwrap().outcome);
    assert!(outcome.contains("Validated"), "the cure is confirmed");
}

#[test]
fn a_point_behind_the_last_write_is_an_error_and_no_undisturbed_story() {
    let point = Point { write: 100_000, disturbance: Disturbance::KilledBefore };
    let error = disturbed_story(&two_nights(), point, |_, _| {}).unwrap_err();
    let HistoryError::NotReached { write: 100_000, writes } = error else { panic!("{error}") };
    assert!(writes > 100);
}
