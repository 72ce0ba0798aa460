//! The verdict on one domain: in which order evidence is weighed.

use super::{
    counted::{judge_crashes, judge_oom_events},
    metric::{Compared, Comparison, worse_sign},
};
use crate::{
    analysis::{
        baseline::{Baseline, BaselineKey},
        change::EnvironmentChange,
        diagnosis::diagnose_metric,
        figure::{COMPARED_METRICS, answered, percent_of},
        judgement::{DomainJudgement, MetricJudgement},
        measurement::DomainMeasurement,
        reason::{AnalysisReason, Finding},
        settings::AnalysisSettings,
        threshold::worse_percent,
        validity::{check_measurement, sort_engine_failures},
    },
    prelude::*,
    value::{Metric, Severity, Symptom, SymptomKind, Verdict, format_duration, metric::MetricFamily},
};

/// Judges one domain: first what the engine said of itself (a death out of memory needs no samples), then whether the
/// measurement is valid, then the pass rate, then, unless too many requests failed, the rest; if too many did, what latencies
/// came to at least.
pub(super) fn judge_domain(
    domain: &DomainMeasurement,
    key: BaselineKey,
    baseline: &Baseline<'_>,
    changes: &[EnvironmentChange],
    settings: &AnalysisSettings,
) -> DomainJudgement {
    let mut weighing =
        Weighing { comparison: Comparison { domain, baseline, settings }, evidence: Evidence::default() };
    weighing.weigh_engine();
    weighing.weigh_validity();
    weighing.weigh_pass_rate();
    weighing.weigh_performance();
    for symptom in &mut weighing.evidence.symptoms {
        symptom.evidence.extend(changes.iter().map(|change| format!("changed since the baseline: {change}")));
    }
    weighing.conclude(key)
}

/// What was gathered of a domain before its verdict.
#[derive(Default)]
struct Evidence {
    metrics: Vec<MetricJudgement>,
    symptoms: Vec<Symptom>,
    /// Why it is degraded.
    degraded: Vec<Finding>,
    /// Why it can't be judged.
    blocking: Vec<Finding>,
    /// What a reader must know besides.
    remarks: Vec<Finding>,
}

struct Weighing<'a> {
    comparison: Comparison<'a>,
    evidence: Evidence,
}

impl Weighing<'_> {
    fn weigh_engine(&mut self) {
        let Comparison { domain, baseline, settings } = self.comparison;
        let faults = sort_engine_failures(domain);
        let oom_events = judge_oom_events(domain, &faults, baseline, settings.thresholds_of(&domain.name));
        let crashes = judge_crashes(domain, &faults);
        for counted in [oom_events, crashes] {
            self.evidence.metrics.push(counted.judgement);
            if let Some((finding, symptom)) = counted.degraded {
                self.evidence.degraded.push(finding);
                self.evidence.symptoms.push(symptom);
            }
        }
        self.evidence.blocking.extend(faults.unexplained);
    }

    /// What the engine said explains missing samples by itself.
    fn weigh_validity(&mut self) {
        let Comparison { domain, baseline, settings } = self.comparison;
        if self.evidence.blocking.is_empty() {
            self.evidence.blocking = check_measurement(domain, baseline, settings);
        }
    }

    /// Failed requests are a matter of the pass rate where that can be judged; where it says nothing, too many of them
    /// make the measurement invalid, because those that failed are missing from every latency.
    fn weigh_pass_rate(&mut self) {
        let Comparison { domain, settings, .. } = self.comparison;
        let valid = self.evidence.blocking.is_empty();
        let compared =
            if valid { self.comparison.judge(Metric::PassRate) } else { self.comparison.show(Metric::PassRate) };
        let passed = !self.take(compared);
        if valid && passed && too_many_failed(domain, settings) {
            let message = format!(
                "{} of {} failed ({:.1}%, limit {}%)",
                domain.requests.failed,
                answered(domain.requests),
                failed_percent(domain),
                settings.validity.failed_percent_max(domain.source)
            );
            let reason = AnalysisReason::TooManyFailedRequests;
            self.evidence.blocking.push(Finding::of_domain(reason, &domain.name, message));
        }
    }

    fn weigh_performance(&mut self) {
        let Comparison { domain, settings, .. } = self.comparison;
        let valid = self.evidence.blocking.is_empty() && !too_many_failed(domain, settings);
        let has_bounds = self.may_be_judged_by_bounds();
        for metric in COMPARED_METRICS.into_iter().filter(|metric| *metric != Metric::PassRate) {
            let bound = if has_bounds { self.comparison.judge_bound(metric) } else { None };
            let compared = match bound {
                Some(bound) => bound,
                None if valid => self.comparison.judge(metric),
                None => self.comparison.show(metric),
            };
            self.take(compared);
        }
    }

    /// Whether latencies that can't be judged, because too many requests failed and for no other reason, may be held against
    /// the engine by what they came to at least: only requests that were cut off are in that, so that those that failed
    /// otherwise must be as few as ever.
    fn may_be_judged_by_bounds(&self) -> bool {
        let Comparison { domain, settings, .. } = self.comparison;
        let else_valid =
            self.evidence.blocking.iter().all(|finding| finding.reason == AnalysisReason::TooManyFailedRequests);
        let cut_off = domain.latency_bounds.values().map(|bound| bound.cut_off_count).max().unwrap_or_default();
        let others = domain.requests.failed.saturating_sub(cut_off);
        let others_percent = percent_of(others, answered(domain.requests));
        let few_others = others_percent <= settings.validity.failed_percent_max(domain.source);
        else_valid && cut_off > 0 && few_others && too_many_failed(domain, settings)
    }

    /// Takes up a comparison and says whether it degrades the domain.
    fn take(&mut self, compared: Compared) -> bool {
        match compared {
            Compared::Absent => false,
            Compared::Missing(finding) => {
                self.evidence.blocking.push(finding);
                false
            }
            Compared::Judged(judgement, finding) => {
                let severity = judgement.outcome.severity();
                match (severity, finding) {
                    (Some(severity), Some(finding)) => {
                        self.evidence.symptoms.extend(self.symptom(&judgement, severity, &finding.message));
                        self.evidence.degraded.push(finding);
                    }
                    (_, finding) => self.evidence.remarks.extend(finding),
                }
                self.evidence.metrics.push(*judgement);
                severity.is_some()
            }
        }
    }

    fn symptom(&self, judgement: &MetricJudgement, severity: Severity, message: &str) -> Option<Symptom> {
        let Comparison { domain, baseline, .. } = self.comparison;
        let kind = match judgement.metric.family() {
            MetricFamily::Latency => SymptomKind::LatencyRegression,
            MetricFamily::Throughput => SymptomKind::ThroughputDrop,
            MetricFamily::PassRate => SymptomKind::PassRateDrop,
            MetricFamily::OomEvents | MetricFamily::EngineCrashes => return None,
        };
        let explained = diagnose_metric(judgement.metric, domain, baseline);
        Some(Symptom {
            kind,
            domain: domain.name.clone(),
            severity,
            metric: judgement.metric,
            current: judgement.current,
            baseline: judgement.baseline,
            delta_percent: judgement.delta_percent,
            diagnosis: explained.diagnosis,
            evidence: vec![message.to_owned(), explained.evidence],
        })
    }

    fn conclude(mut self, baseline_key: BaselineKey) -> DomainJudgement {
        let Comparison { domain, baseline, settings } = self.comparison;
        self.remark();
        let seeding = baseline.runs.len() < settings.minimum_runs;
        let Evidence { metrics, symptoms, degraded, blocking, remarks } = self.evidence;
        let (verdict, valid, deciding) = if !symptoms.is_empty() {
            // Why there are no samples is told by the symptom itself.
            let besides = blocking.into_iter().filter(|finding| finding.reason != AnalysisReason::NoData);
            (Verdict::Degraded, true, degraded.into_iter().chain(besides).collect())
        } else if !blocking.is_empty() {
            (Verdict::Unknown, false, blocking)
        } else if seeding {
            (Verdict::Unknown, true, vec![seed(domain, baseline, settings)])
        } else {
            (Verdict::Healthy, true, vec![within_limits(domain, baseline, &metrics)])
        };
        let fitness = if valid { fitness(domain, settings) } else { None };
        DomainJudgement {
            name: domain.name.clone(),
            workload_hash: domain.workload_hash.clone(),
            verdict,
            valid,
            reasons: deciding.into_iter().chain(remarks).collect(),
            metrics,
            baseline_key,
            baseline: baseline.choice.clone(),
            symptoms,
            fitness,
        }
    }

    /// What a reader must know besides the verdict.
    fn remark(&mut self) {
        let Comparison { domain, baseline, settings } = self.comparison;
        let mut remark =
            |reason, message| self.evidence.remarks.push(Finding::of_domain(reason, &domain.name, message));
        if baseline.choice.reached_back {
            let message = format!(
                "fewer than {} runs within {}; the newest older ones serve, up to {} back",
                settings.minimum_runs,
                format_duration(settings.baseline_window),
                format_duration(settings.baseline_reach)
            );
            remark(AnalysisReason::BaselineReachedBack, message);
        }
        for left_out in baseline.fallen_out() {
            remark(AnalysisReason::BaselineRunLeftOut, format!("{}: {}", left_out.run.name, left_out.message));
        }
        if domain.is_unobserved() && answered(domain.requests) > 0 {
            let message = "the engine's own metrics were not read; the client's figures stand alone".to_owned();
            remark(AnalysisReason::EngineUnobserved, message);
        }
    }
}

/// SLO attainment of a valid measurement. An engine that died, or too many failed requests, leave none at all.
fn fitness(domain: &DomainMeasurement, settings: &AnalysisSettings) -> Option<f64> {
    let died = !domain.engine.failures.is_empty() || domain.engine.reported_oom_events > 0;
    if died || domain.requests.offered == 0 || too_many_failed(domain, settings) {
        return None;
    }
    domain.within_slo.map(|within| within as f64 / domain.requests.offered as f64)
}

fn failed_percent(domain: &DomainMeasurement) -> f64 {
    percent_of(domain.requests.failed, answered(domain.requests))
}

fn too_many_failed(domain: &DomainMeasurement, settings: &AnalysisSettings) -> bool {
    failed_percent(domain) > settings.validity.failed_percent_max(domain.source)
}

fn seed(domain: &DomainMeasurement, baseline: &Baseline<'_>, settings: &AnalysisSettings) -> Finding {
    let message = format!(
        "{} of {} comparable runs needed within {}; this one is valid and within its absolute limits, so it is taken as a \
         seed",
        baseline.runs.len(),
        settings.minimum_runs,
        format_duration(settings.baseline_reach)
    );
    Finding::of_domain(AnalysisReason::BaselineSeeding, &domain.name, message)
}

/// How many metrics were compared, and the one that comes nearest to its limit.
fn within_limits(domain: &DomainMeasurement, baseline: &Baseline<'_>, metrics: &[MetricJudgement]) -> Finding {
    let compared = || metrics.iter().filter(|judgement| judgement.significance.is_some());
    let nearest = compared()
        .filter_map(|judgement| {
            let (delta, warning) = (judgement.delta_percent?, judgement.warning_percent?);
            Some((worse_percent(judgement.metric.family(), delta) / warning, judgement.metric, delta, warning))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, metric, delta, warning)| {
            format!(
                "; nearest to its limit: {metric} {delta:+.1}% (warning beyond {}{warning}%)",
                worse_sign(metric.family())
            )
        });
    let message = format!("{} metrics compared with {} runs{nearest}", compared().count(), baseline.runs.len());
    Finding::of_domain(AnalysisReason::WithinLimits, &domain.name, message)
}
