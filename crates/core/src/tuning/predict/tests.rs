use super::*;

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn predicted(change: impl FnOnce(&mut PredictionRequest)) -> Result<BudgetPrediction, PredictionError> {
    let mut request = PredictionRequest { starts_seen: vec![seconds(24), seconds(60)], ..Default::default() };
    change(&mut request);
    predict_budget(&request)
}

fn refused(change: impl FnOnce(&mut PredictionRequest)) -> String {
    predicted(change).unwrap_err().to_string()
}

#[test]
fn the_defaults_hold_the_incumbent_and_six_candidates_of_a_one_gpu_model() {
    let prediction = predicted(|_| {}).unwrap();
    assert_eq!((prediction.start, prediction.start_basis), (seconds(60), StartBasis::SlowestSeen));
    assert_eq!(prediction.hold_per_trial, seconds(60 + 8 + 5));
    assert_eq!((prediction.candidates, prediction.limited_by), (6, LimitedBy::MaxCandidates));
    assert_eq!(prediction.samples, None);
}

#[test]
fn without_any_start_seen_the_timeout_is_counted() {
    let prediction = predicted(|request| request.starts_seen.clear()).unwrap();
    assert_eq!((prediction.start, prediction.start_basis), (seconds(120), StartBasis::StartTimeout));
    assert_eq!((prediction.candidates, prediction.limited_by), (5, LimitedBy::GpuHoldBudget), "900 / 133 = 6 trials");
}

#[test]
fn a_budget_holds_a_trial_that_fits_exactly() {
    let candidates = |hold: i64, measure: i64| {
        let prediction = predicted(|request| {
            request.hold_left = seconds(hold);
            request.measure_left = seconds(measure);
        });
        prediction.map(|prediction| (prediction.candidates, prediction.limited_by)).map_err(|error| error.reason)
    };
    assert_eq!(candidates(146, 60), Ok((1, LimitedBy::GpuHoldBudget)));
    assert_eq!(candidates(145, 60), Err(PredictionRefusal::BudgetCannotHoldOneCandidate));
    assert_eq!(candidates(900, 16), Ok((1, LimitedBy::MeasureBudget)));
    assert_eq!(candidates(900, 15), Err(PredictionRefusal::BudgetCannotHoldOneCandidate));
    assert_eq!(candidates(219, 24), Ok((2, LimitedBy::MeasureBudget)), "both are spent: the measure budget is named");
    assert_eq!(candidates(900, 56), Ok((6, LimitedBy::MaxCandidates)));
    assert_eq!(candidates(900, 55), Ok((5, LimitedBy::MeasureBudget)));
}

#[test]
fn a_budget_that_cannot_hold_one_candidate_names_the_values_to_set() {
    assert_eq!(
        refused(|request| request.hold_left = seconds(100)),
        "BudgetCannotHoldOneCandidate: incumbent and one candidate hold GPUs for 2m26s, left are 1m40s: \
         set safety.gpuHoldBudget to 2m26s or more"
    );
    assert_eq!(
        refused(|request| {
            request.hold_left = seconds(100);
            request.measure = seconds(31);
        }),
        "BudgetCannotHoldOneCandidate: incumbent and one candidate measure 1m2s, left are 1m: \
         set safety.measureBudget to 1m2s or more; incumbent and one candidate hold GPUs for 3m12s, left are 1m40s: \
         set safety.gpuHoldBudget to 3m12s or more"
    );
}

#[test]
fn a_budget_that_just_holds_two_trials_is_not_named() {
    let named = |measure: i64, hold: i64| {
        let message = refused(|request| {
            request.measure_left = seconds(measure);
            request.hold_left = seconds(hold);
        });
        (message.contains("measureBudget"), message.contains("gpuHoldBudget"))
    };
    assert_eq!(named(16, 145), (false, true));
    assert_eq!(named(15, 146), (true, false));
    assert_eq!(named(15, 145), (true, true));
}

#[test]
fn every_gpu_of_a_trial_is_held() {
    let prediction = predicted(|request| request.gpus = 4).unwrap();
    assert_eq!(prediction.hold_per_trial, seconds(4 * 73));
    assert_eq!((prediction.candidates, prediction.limited_by), (2, LimitedBy::GpuHoldBudget));
    assert_eq!(predicted(|request| request.gpus = 0).unwrap().hold_per_trial, seconds(73), "no trial holds none");
}

#[test]
fn a_start_slower_than_the_timeout_is_refused_before_it_takes_a_gpu() {
    assert_eq!(
        refused(|request| request.starts_seen.push(seconds(121))),
        "StartTimeoutTooShort: engines took up to 2m1s to start, a trial waits 2m; set canary.startTimeout above 2m1s"
    );
    assert!(predicted(|request| request.starts_seen.push(seconds(120))).is_ok());
}

#[test]
fn too_few_requests_are_refused_with_the_time_that_would_make_enough() {
    let rate = |text: &str| Some(text.parse().unwrap());
    assert_eq!(predicted(|request| request.rate_per_second = rate("6.25")).unwrap().samples, Some(50));
    assert_eq!(
        refused(|request| request.rate_per_second = rate("6.24")),
        "MeasurementTooShort: 49 requests count in a trial of 8s, 50 are needed; \
         set canary.measure to 9s or more, or raise canary.workload.rate"
    );
    assert_eq!(
        refused(|request| {
            request.rate_per_second = rate("30");
            request.requests_max = Some(49);
        }),
        "MeasurementTooShort: 49 requests count in a trial of 8s, 50 are needed; \
         set canary.workload.requests to 50 or more"
    );
    let capped = |most| {
        predicted(|request| {
            request.rate_per_second = rate("30");
            request.requests_max = Some(most);
        })
    };
    assert_eq!(capped(50).unwrap().samples, Some(50));
    assert_eq!(capped(300).unwrap().samples, Some(240));
    assert!(
        refused(|request| {
            request.rate_per_second = rate("1");
            request.requests_max = Some(50);
        })
        .ends_with("set canary.measure to 50s or more, or raise canary.workload.rate")
    );
    assert_eq!(
        refused(|request| request.rate_per_second = rate("0")),
        "MeasurementTooShort: 0 requests count in a trial of 8s, 50 are needed; raise canary.workload.rate"
    );
    assert!(refused(|request| request.rate_per_second = rate("0.3")).contains("set canary.measure to 2m47s or more"));
    assert_eq!(predicted(|request| request.rate_per_second = rate("-1")).unwrap().samples, None);
}

#[test]
fn requests_of_the_warm_up_and_of_the_end_are_not_counted_on() {
    let parts = |rate: &str, most: Option<u64>, measure: i64| {
        predicted(|request| {
            request.rate_per_second = Some(rate.parse().unwrap());
            request.requests_max = most;
            (request.warmup, request.closing) = (seconds(1), seconds(2));
            request.measure = seconds(measure);
        })
    };
    assert_eq!(parts("10", None, 8).unwrap().samples, Some(50), "of 80, the first 10 and the last 20");
    assert_eq!(parts("10", Some(60), 8).unwrap().samples, Some(50), "the last of these is sent before the end begins");
    assert_eq!(
        parts("10", Some(59), 8).unwrap_err().message,
        "49 requests count in a trial of 8s, 50 are needed; set canary.workload.requests to 60 or more"
    );
    assert_eq!(
        parts("5", None, 8).unwrap_err().message,
        "25 requests count in a trial of 8s, 50 are needed; set canary.measure to 16s or more, or raise \
         canary.workload.rate"
    );
    assert!(parts("5", None, 3).unwrap_err().message.starts_with("0 requests count in a trial of 3s"));
}

#[test]
fn a_measurement_of_no_length_never_fits() {
    assert_eq!(fits(seconds(10), SignedDuration::ZERO), 0);
    assert_eq!(fits(seconds(10), seconds(-1)), 0);
    assert_eq!(fits(seconds(-10), seconds(1)), 0);
    assert_eq!(fits(seconds(10), SignedDuration::from_millis(1)), 10_000);
    assert_eq!(fits(seconds(10), SignedDuration::from_micros(1)), 10_000, "counted in milliseconds");
    assert!(refused(|request| request.measure = SignedDuration::ZERO).starts_with("BudgetCannotHoldOneCandidate"));
}

#[test]
fn a_prediction_says_what_fits_and_on_what_that_rests() {
    assert_eq!(
        predicted(|_| {}).unwrap().message(),
        "a night holds the incumbent and 6 candidates (as many as may be tried): the slowest start seen took 1m, a trial holds 1m13s"
    );
    assert_eq!(
        predicted(|request| request.starts_seen.clear()).unwrap().message(),
        "a night holds the incumbent and 5 candidates (the GPU-hold budget holds no more): no start was seen, so each \
         counts as the timeout of 2m, a trial holds 2m13s"
    );
    let by_measuring = predicted(|request| request.measure_left = seconds(24)).unwrap();
    assert!(
        by_measuring.message().contains("2 candidates (the measure budget holds no more)"),
        "{}",
        by_measuring.message()
    );
}
