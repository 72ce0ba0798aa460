//! Which runs of a baseline fall out when each is held against the others.

use crate::{
    analysis::{
        agreement::TwoViews,
        figure::{COMPARED_METRICS, figure_of},
        measurement::DomainMeasurement,
        settings::AnalysisSettings,
        significance::{Noise, Scale, SpreadEstimator},
        threshold::{Thresholds, change_percent},
    },
    prelude::*,
    value::{Metric, metric::MetricFamily},
};

/// Fewest other runs that one run can be held against: two agree or differ, one is only another.
const OTHERS_MIN: usize = 2;

/// A run that falls out: its place in the list it was given in, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlier {
    /// Its place.
    pub position: usize,
    /// The metric and the figures.
    pub message: String,
}

/// How far a run lies outside: the distance from the others over the distance that the threshold and the noise allow.
struct Distance {
    position: usize,
    excess: f64,
    message: String,
}

/// The runs that fall out, given newest first: one after the other the run that lies farthest outside what its
/// threshold and the noise of the others allow a run under judgement, on either side. The spread of the others is their
/// MAD, so that one outlier does not hide another. Of two that lie equally far the older one goes. Never more than a
/// minority falls out: what half of the runs show is no outlier.
pub fn find_outliers(domains: &[&DomainMeasurement], settings: &AnalysisSettings) -> Vec<Outlier> {
    let mut left: Vec<usize> = (0..domains.len()).collect();
    let mut outliers = Vec::new();
    while outliers.len() < domains.len().saturating_sub(1) / 2 {
        let Some(farthest) = farthest_outside(domains, &left, settings) else { break };
        left.retain(|position| *position != farthest.position);
        outliers.push(Outlier { position: farthest.position, message: farthest.message });
    }
    outliers
}

fn farthest_outside(domains: &[&DomainMeasurement], left: &[usize], settings: &AnalysisSettings) -> Option<Distance> {
    let mut quantiles = BTreeMap::new();
    let of_figures =
        COMPARED_METRICS.into_iter().flat_map(|metric| distances(domains, left, metric, settings, &mut quantiles));
    let of_clients = TwoViews::METRICS.into_iter().flat_map(|metric| client_distances(domains, left, metric, settings));
    of_figures
        .chain(of_clients)
        .filter(|distance| distance.excess > 1.0)
        .max_by(|a, b| a.excess.total_cmp(&b.excess).then(a.position.cmp(&b.position)))
}

/// The distance of every run that has the metric from the others that have it.
fn distances(
    domains: &[&DomainMeasurement],
    left: &[usize],
    metric: Metric,
    settings: &AnalysisSettings,
    quantiles: &mut BTreeMap<u32, f64>,
) -> Vec<Distance> {
    let family = metric.family();
    let samples_min = settings.validity.samples_min;
    let figures: Vec<(usize, f64)> = left
        .iter()
        .filter_map(|position| domains.get(*position).map(|domain| (*position, *domain)))
        .filter_map(|(position, domain)| Some((position, figure_of(domain, metric, samples_min).usable()?.mean)))
        .filter(|(_, mean)| *mean > 0.0)
        .collect();
    if figures.len() <= OTHERS_MIN {
        return Vec::new();
    }
    figures
        .iter()
        .filter_map(|(position, figure)| {
            let domain = domains.get(*position)?;
            let others: Vec<f64> =
                figures.iter().filter(|(other, _)| other != position).map(|(_, figure)| *figure).collect();
            let estimator = SpreadEstimator::MedianAbsoluteDeviation;
            let noise = Noise::of_runs(family, &others, estimator, &settings.significance);
            let quantile = *quantiles
                .entry(noise.degrees_of_freedom)
                .or_insert_with(|| noise.quantile(settings.significance.confidence));
            let limit = threshold_distance(family, noise.centre, settings.thresholds_of(&domain.name));
            let allowed = libm::fmax(noise.margin(quantile, 0.0), limit);
            Some(Distance {
                position: *position,
                excess: libm::fabs(noise.worse(family, *figure)) / allowed,
                message: format!(
                    "{metric} {:+.1}% from the median of the other {} runs",
                    change_percent(*figure, noise.centre),
                    noise.runs
                ),
            })
        })
        .collect()
}

/// How much the client of every run added to what the others' clients did, over what a client may add: a stall that was
/// admitted before a baseline could tell what is usual.
fn client_distances(
    domains: &[&DomainMeasurement],
    left: &[usize],
    metric: Metric,
    settings: &AnalysisSettings,
) -> Vec<Distance> {
    let views: Vec<(usize, TwoViews)> =
        left.iter().filter_map(|position| Some((*position, TwoViews::of(domains.get(*position)?, metric)?))).collect();
    if views.len() <= OTHERS_MIN {
        return Vec::new();
    }
    let limit = settings.validity.client_added_percent_max;
    views
        .iter()
        .map(|(position, seen)| {
            let others: Vec<TwoViews> =
                views.iter().filter(|(other, _)| other != position).map(|(_, views)| *views).collect();
            let added = seen.client_added_percent(&others);
            let message = format!("{metric}: its client alone added {added:.0}% to what the other runs show");
            Distance { position: *position, excess: added / limit, message }
        })
        .collect()
}

/// How far the warning threshold lies from the centre, on the family's scale. It is taken for both sides.
fn threshold_distance(family: MetricFamily, centre: f64, thresholds: &Thresholds) -> f64 {
    let Some(limits) = thresholds.limits(family) else { return f64::INFINITY };
    let factor = match family {
        MetricFamily::Throughput | MetricFamily::PassRate => 1.0 - limits.warning_percent / 100.0,
        _ => 1.0 + limits.warning_percent / 100.0,
    };
    let scale = Scale::of(family);
    libm::fabs(scale.value(centre * factor) - scale.value(centre))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{
        fixture::{domain, settings},
        measurement::EngineView,
        threshold::{Limits, PASS_RATE_LIMITS},
    };

    fn fallen(latencies: &[f64]) -> Vec<usize> {
        let domains: Vec<DomainMeasurement> = latencies.iter().map(|latency| domain(*latency, 30.0)).collect();
        positions(&domains, &settings())
    }

    fn positions(domains: &[DomainMeasurement], settings: &AnalysisSettings) -> Vec<usize> {
        let domains: Vec<&DomainMeasurement> = domains.iter().collect();
        find_outliers(&domains, settings).into_iter().map(|outlier| outlier.position).collect()
    }

    #[test]
    fn a_run_far_from_the_others_falls_out_on_either_side() {
        assert_eq!(fallen(&[100.0, 101.0, 99.0, 250.0]), [3]);
        assert_eq!(fallen(&[40.0, 101.0, 99.0, 100.0]), [0]);
        assert_eq!(fallen(&[100.0, 101.0, 99.0, 100.0]), [0_usize; 0]);
    }

    #[test]
    fn one_outlier_does_not_hide_another() {
        assert_eq!(fallen(&[100.0, 250.0, 99.0, 101.0, 100.0, 240.0]), [1, 5]);
    }

    #[test]
    fn two_runs_are_not_held_against_each_other_and_of_three_one_may_fall() {
        assert!(fallen(&[]).is_empty());
        assert!(fallen(&[100.0]).is_empty());
        assert!(fallen(&[100.0, 900.0]).is_empty());
        assert_eq!(fallen(&[100.0, 900.0, 101.0]), [1]);
    }

    #[test]
    fn what_half_of_the_runs_show_is_no_outlier() {
        // Two levels of three runs each: at most two fall out, the older of those that lie equally far.
        assert_eq!(fallen(&[100.0, 100.0, 100.0, 500.0, 500.0, 500.0]), [5, 4]);
        assert_eq!(fallen(&[100.0, 100.0, 500.0, 500.0]), [3]);
    }

    #[test]
    fn a_change_within_the_threshold_never_falls_out_however_small_the_noise() {
        let mut settings = settings();
        settings.significance.latency_spread_prior = 1e-6;
        let of = |latency: f64| {
            let domains: Vec<DomainMeasurement> =
                [100.0, 100.0, 100.0, latency].iter().map(|latency| domain(*latency, 30.0)).collect();
            positions(&domains, &settings)
        };
        assert!(of(119.9).is_empty());
        assert_eq!(of(120.1), [3]);
        assert!(of(100.0 / 1.199).is_empty());
        assert_eq!(of(100.0 / 1.201), [3]);
    }

    #[test]
    fn throughput_and_pass_rate_are_held_against_each_other_too() {
        let mut domains: Vec<DomainMeasurement> =
            [30.0, 30.0, 30.0, 20.0].iter().map(|rate| domain(100.0, *rate)).collect();
        assert_eq!(positions(&domains, &settings()), [3]);
        domains[3] = domain(100.0, 30.0);
        domains[1].requests.completed = 150;
        domains[1].requests.failed = 150;
        assert_eq!(positions(&domains, &settings()), [1]);
    }

    #[test]
    fn a_run_of_the_baseline_is_held_to_the_limit_of_a_run_under_judgement() {
        // Three others that agree: spread prior * sqrt(6 / 8), 8 degrees of freedom, quantile 3.355, and the margin
        // exp(3.355 * 0.125 * 0.8660 * sqrt(1 + pi / 6)) = 1.5657.
        let of = |latency| fallen(&[100.0, 100.0, 100.0, latency]);
        assert!(of(156.5).is_empty());
        assert_eq!(of(156.6), [3]);
        assert!(of(100.0 / 1.565).is_empty());
        assert_eq!(of(100.0 / 1.566), [3]);
    }

    #[test]
    fn a_domains_own_threshold_holds() {
        let mut settings = settings();
        let wide = Limits { warning_percent: 400.0, critical_percent: 500.0 };
        settings.domain_thresholds.insert("chat".to_owned(), Thresholds { latency: wide, ..Thresholds::default() });
        let domains = [100.0, 100.0, 100.0, 300.0].map(|latency| domain(latency, 30.0));
        assert!(positions(&domains, &settings).is_empty());
    }

    #[test]
    fn a_run_without_the_metric_is_not_held_against_the_others() {
        let mut domains = [100.0, 100.0, 100.0, 300.0].map(|latency| domain(latency, 30.0));
        domains[3].metrics.remove(&Metric::EndToEndLatency);
        assert!(positions(&domains, &settings()).is_empty());
        let mut zero = [100.0, 100.0, 100.0, 100.0].map(|latency| domain(latency, 30.0));
        zero[3].metrics.insert(Metric::Throughput, crate::analysis::fixture::latency(0.0));
        assert!(positions(&zero, &settings()).is_empty());
    }

    #[test]
    fn the_message_names_the_metric_and_the_distance() {
        let domains = [100.0, 100.0, 100.0, 300.0].map(|latency| domain(latency, 30.0));
        let domains: Vec<&DomainMeasurement> = domains.iter().collect();
        let outliers = find_outliers(&domains, &settings());
        assert_eq!(outliers[0].message, "E2E latency +200.0% from the median of the other 3 runs");
    }

    #[test]
    fn a_stalled_client_falls_out_once_others_show_what_is_usual() {
        let viewed = |engine: f64| {
            let mut domain = domain(100.0, 30.0);
            let view = EngineView { end_to_end_latency_ms_mean: Some(engine), ..EngineView::default() };
            domain.engine_view = Some(view);
            domain
        };
        let of = |engines: &[f64]| {
            let domains: Vec<DomainMeasurement> = engines.iter().map(|engine| viewed(*engine)).collect();
            positions(&domains, &settings())
        };
        // Usual: the engine confirms 90 of 100 ms. Below 70 ms the client added more than 20 of the usual 100.
        assert!(of(&[90.0, 90.0, 71.0]).is_empty());
        assert_eq!(of(&[90.0, 69.0, 90.0]), [1]);
        assert!(of(&[90.0, 69.0]).is_empty());
        let stalled = [viewed(90.0), viewed(69.0), viewed(90.0)];
        let stalled: Vec<&DomainMeasurement> = stalled.iter().collect();
        let message = &find_outliers(&stalled, &settings())[0].message;
        assert_eq!(message, "E2E latency: its client alone added 21% to what the other runs show");
    }

    #[test]
    fn thresholds_are_distances_on_the_familys_scale() {
        let table = Thresholds::default();
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(threshold_distance(MetricFamily::Latency, 100.0, &table), libm::log(1.2)));
        assert!(near(threshold_distance(MetricFamily::Throughput, 100.0, &table), -libm::log(0.85)));
        let rate = |rate: f64| libm::asin(libm::sqrt(rate));
        let dropped = 1.0 - PASS_RATE_LIMITS.warning_percent / 100.0;
        assert!(near(threshold_distance(MetricFamily::PassRate, 0.8, &table), rate(0.8) - rate(0.8 * dropped)));
        assert_eq!(threshold_distance(MetricFamily::OomEvents, 1.0, &table), f64::INFINITY);
    }
}
