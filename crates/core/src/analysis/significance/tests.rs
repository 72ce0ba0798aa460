use proptest::prelude::*;

use super::*;

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * (1.0 + b.abs())
}

fn bare(prior: f64, prior_degrees_of_freedom: u32) -> SignificanceSettings {
    SignificanceSettings {
        confidence: 0.99,
        latency_spread_prior: prior,
        throughput_spread_prior: prior / 2.0,
        pass_rate_spread_prior: prior / 4.0,
        prior_degrees_of_freedom,
    }
}

#[test]
fn the_median_is_the_middle_or_the_mean_of_the_two_middle_values() {
    assert_eq!(median(&[]), 0.0);
    assert_eq!(median(&[7.0]), 7.0);
    assert_eq!(median(&[3.0, 1.0]), 2.0);
    assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), 3.0);
}

#[test]
fn the_standard_deviation_has_one_degree_less_than_draws() {
    let spread = |values: &[f64]| SpreadEstimator::StandardDeviation.spread(values);
    assert!(near(spread(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), libm::sqrt(32.0 / 7.0)));
    assert!(near(spread(&[1.0, 3.0]), libm::sqrt(2.0)));
    assert_eq!(spread(&[5.0]), 0.0);
    assert_eq!(spread(&[]), 0.0);
}

#[test]
fn the_mad_is_corrected_for_few_draws_as_in_the_paper() {
    for (count, factor) in [(2, 1.196), (3, 1.495), (4, 1.363), (5, 1.206), (6, 1.2), (7, 1.14), (8, 1.129), (9, 1.107)]
    {
        assert_eq!(mad_small_sample_factor(count), factor);
    }
    assert!(near(mad_small_sample_factor(10), 10.0 / 9.2));
    assert!(near(mad_small_sample_factor(50), 50.0 / 49.2));
    let spread = SpreadEstimator::MedianAbsoluteDeviation.spread(&[1.0, 2.0, 3.0, 4.0, 100.0]);
    assert!(near(spread, MAD_TO_DEVIATION * 1.206));
    assert_eq!(SpreadEstimator::MedianAbsoluteDeviation.spread(&[5.0]), 0.0);
}

#[test]
fn proportions_are_compared_on_the_arcsine_scale_and_all_else_on_the_logarithmic_one() {
    for family in [MetricFamily::Latency, MetricFamily::Throughput] {
        assert_eq!(Scale::of(family), Scale::Logarithm);
    }
    assert_eq!(Scale::of(MetricFamily::PassRate), Scale::ArcsineRoot);
    assert!(near(Scale::ArcsineRoot.value(1.0), core::f64::consts::FRAC_PI_2));
    assert!(near(Scale::ArcsineRoot.value(0.25), core::f64::consts::FRAC_PI_6));
    assert!(near(Scale::ArcsineRoot.figure(core::f64::consts::FRAC_PI_6), 0.25));
    assert_eq!(Scale::ArcsineRoot.figure(-0.3), 0.0);
    assert!(near(Scale::ArcsineRoot.figure(2.0), 1.0));
    assert!(near(Scale::Logarithm.value(core::f64::consts::E), 1.0));
    assert!(near(Scale::Logarithm.figure(1.0), core::f64::consts::E));
    assert_eq!(Scale::Logarithm.value(0.0), f64::NEG_INFINITY);
}

#[test]
fn the_error_of_a_mean_shrinks_with_its_samples() {
    let summary = |count, mean, standard_deviation| SampleSummary {
        count,
        standard_deviation,
        ..SampleSummary::of_single_figure(mean)
    };
    assert!(near(Scale::Logarithm.standard_error(&summary(100, 50.0, 25.0)), 0.05));
    assert!(near(Scale::ArcsineRoot.standard_error(&summary(100, 0.9, 0.0)), 0.05));
    assert_eq!(Scale::Logarithm.standard_error(&summary(100, 0.0, 25.0)), 0.0);
    assert!(near(Scale::ArcsineRoot.standard_error(&summary(0, 0.9, 0.0)), 0.5));
}

#[test]
fn the_spread_lies_between_the_assumed_and_the_seen_one_by_their_weights() {
    let figures = [1.0_f64, core::f64::consts::E, core::f64::consts::E.powi(2)];
    let noise = |prior, weight| {
        Noise::of_runs(MetricFamily::Latency, &figures, SpreadEstimator::StandardDeviation, &bare(prior, weight))
    };
    // Seen: logarithms 0, 1, 2, standard deviation 1, two degrees of freedom.
    assert!(near(noise(0.1, 4).spread, libm::sqrt((4.0 * 0.01 + 2.0) / 6.0)));
    assert_eq!(noise(0.1, 4).degrees_of_freedom, 6);
    assert!(near(noise(0.1, 0).spread, 1.0));
    assert_eq!(noise(0.1, 0).degrees_of_freedom, 2);
    assert_eq!(noise(0.1, 4).runs, 3);
    assert!(near(noise(0.1, 4).centre, core::f64::consts::E));
}

#[test]
fn each_family_assumes_a_spread_of_its_own_so_that_equal_runs_do_not_make_everything_significant() {
    let spread =
        |family| Noise::of_runs(family, &[0.5, 0.5, 0.5], SpreadEstimator::StandardDeviation, &bare(0.12, 4)).spread;
    let share = libm::sqrt(4.0 / 6.0);
    assert!(near(spread(MetricFamily::Latency), 0.12 * share));
    assert!(near(spread(MetricFamily::Throughput), 0.06 * share));
    assert!(near(spread(MetricFamily::PassRate), 0.03 * share));
    let none = Noise::of_runs(MetricFamily::Latency, &[], SpreadEstimator::StandardDeviation, &bare(0.12, 0));
    assert_eq!((none.degrees_of_freedom, none.spread), (1, 0.0));
}

#[test]
fn the_margin_is_the_prediction_limit_for_one_more_run() {
    let noise = Noise {
        scale: Scale::Logarithm,
        runs: 3,
        centre: 100.0,
        spread: 0.1,
        degrees_of_freedom: 6,
        seen_spread: None,
    };
    let expected = 2.0 * libm::sqrt(0.01 * (1.0 + core::f64::consts::FRAC_PI_2 / 3.0) + 0.0009);
    assert!(near(noise.margin(2.0, 0.03), expected));
    assert!((noise.quantile(0.995) - 3.707).abs() < 0.001);
    let none = Noise { runs: 0, ..noise };
    assert!(near(none.margin(1.0, 0.0), 0.1 * libm::sqrt(1.0 + core::f64::consts::FRAC_PI_2)));
}

#[test]
fn latencies_get_worse_upwards_and_rates_downwards() {
    let noise = Noise {
        scale: Scale::Logarithm,
        runs: 3,
        centre: 100.0,
        spread: 0.1,
        degrees_of_freedom: 6,
        seen_spread: None,
    };
    assert!(near(noise.worse(MetricFamily::Latency, 200.0), core::f64::consts::LN_2));
    assert!(near(noise.worse(MetricFamily::Throughput, 200.0), -core::f64::consts::LN_2));
    assert_eq!(noise.worse(MetricFamily::Throughput, 0.0), f64::INFINITY);
    assert!(near(noise.limit(MetricFamily::Latency, core::f64::consts::LN_2), 200.0));
    assert!(near(noise.limit(MetricFamily::Throughput, core::f64::consts::LN_2), 50.0));
    let rate = Noise { scale: Scale::ArcsineRoot, centre: 1.0, ..noise };
    assert!(near(rate.worse(MetricFamily::PassRate, 0.25), core::f64::consts::FRAC_PI_3));
    assert!(near(rate.limit(MetricFamily::PassRate, core::f64::consts::FRAC_PI_3), 0.25));
}

proptest! {
    #[test]
    fn no_unit_changes_a_comparison(
        figures in proptest::collection::vec(0.1_f64..1000.0, 2..12),
        current in 0.1_f64..1000.0,
        factor in 0.001_f64..1000.0,
    ) {
        for estimator in [SpreadEstimator::StandardDeviation, SpreadEstimator::MedianAbsoluteDeviation] {
            let settings = SignificanceSettings::default();
            let scaled: Vec<f64> = figures.iter().map(|figure| figure * factor).collect();
            let noise = Noise::of_runs(MetricFamily::Latency, &figures, estimator, &settings);
            let scaled = Noise::of_runs(MetricFamily::Latency, &scaled, estimator, &settings);
            prop_assert!((noise.spread - scaled.spread).abs() < 1e-9);
            let worse = noise.worse(MetricFamily::Latency, current);
            let scaled_worse = scaled.worse(MetricFamily::Latency, current * factor);
            prop_assert!((worse - scaled_worse).abs() < 1e-9);
        }
    }
}

#[test]
fn runs_that_scatter_less_than_assumed_are_judged_by_what_was_seen() {
    let settings = SignificanceSettings::default();
    let steady =
        Noise::of_runs(MetricFamily::Latency, &[100.0, 101.0, 102.0], SpreadEstimator::StandardDeviation, &settings);
    let seen = steady.seen_spread.unwrap();
    let alone = 9.924_843_2 * seen * libm::sqrt(1.0 + core::f64::consts::FRAC_PI_2 / 3.0);
    assert!((steady.margin_at(0.995, 0.0) - alone).abs() < 1e-6, "{} {alone}", steady.margin_at(0.995, 0.0));
    assert!(steady.margin_at(0.995, 0.0) < steady.margin(steady.quantile(0.995), 0.0) / 3.0);
}

#[test]
fn runs_that_scatter_more_than_assumed_are_judged_by_the_moderated_spread() {
    let settings = SignificanceSettings::default();
    let wild =
        Noise::of_runs(MetricFamily::Latency, &[80.0, 100.0, 130.0], SpreadEstimator::StandardDeviation, &settings);
    assert_eq!(wild.margin_at(0.995, 0.01), wild.margin(wild.quantile(0.995), 0.01));
}

#[test]
fn runs_that_agree_to_a_hair_still_leave_a_hundredth_of_noise() {
    let settings = SignificanceSettings::default();
    let of =
        |figures: &[f64]| Noise::of_runs(MetricFamily::Latency, figures, SpreadEstimator::StandardDeviation, &settings);
    assert_eq!(of(&[100.0, 100.0, 100.0]).seen_spread, Some(SEEN_SPREAD_MIN));
    assert_eq!(of(&[100.0, 100.0]).seen_spread, None);
    let two = of(&[100.0, 100.0]);
    assert_eq!(two.margin_at(0.995, 0.0), two.margin(two.quantile(0.995), 0.0));
}
