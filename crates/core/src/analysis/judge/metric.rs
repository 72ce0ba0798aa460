//! One metric against its baseline.

use crate::{
    analysis::{
        baseline::Baseline,
        figure::{Figure, baseline_figures, figure_of},
        judgement::{MetricJudgement, MetricOutcome, SignificanceFigures, Tails},
        measurement::{DomainMeasurement, LatencyBound},
        reason::{AnalysisReason, Finding},
        sample::SampleSummary,
        settings::AnalysisSettings,
        significance::{Noise, SpreadEstimator, median},
        threshold::{Limits, change_percent, worse_percent},
    },
    prelude::*,
    value::{Metric, Severity, metric::MetricFamily},
};

/// A metric as it was compared.
pub(super) enum Compared {
    /// Neither this run nor its baseline has it.
    Absent,
    /// The baseline has it, this run lacks it.
    Missing(Finding),
    /// This run has it; with what is worth saying of it.
    Judged(Box<MetricJudgement>, Option<Finding>),
}

/// A domain with what it is compared with.
#[derive(Clone, Copy)]
pub(super) struct Comparison<'a> {
    /// What this run measured.
    pub(super) domain: &'a DomainMeasurement,
    /// The runs it is compared with; enough of them, or none is compared.
    pub(super) baseline: &'a Baseline<'a>,
    /// Thresholds, confidence, limits.
    pub(super) settings: &'a AnalysisSettings,
}

impl Comparison<'_> {
    /// Judges a metric of a valid measurement.
    pub(super) fn judge(self, metric: Metric) -> Compared {
        let samples_min = self.settings.validity.samples_min;
        let usual = self.usual_figures(metric);
        let comparable = usual.len() >= self.settings.minimum_runs;
        match figure_of(self.domain, metric, samples_min) {
            Figure::Missing | Figure::TooFewSamples(_) if comparable => {
                Compared::Missing(self.missing(metric, usual.len()))
            }
            Figure::Missing => Compared::Absent,
            Figure::TooFewSamples(summary) => self.shown(metric, &summary, MetricOutcome::TooFewSamples),
            Figure::Usable(summary) if comparable => {
                let (judgement, finding) = self.compare(metric, &summary, &usual, None);
                Compared::Judged(Box::new(judgement), finding)
            }
            Figure::Usable(summary) => self.shown(metric, &summary, MetricOutcome::NoBaseline),
        }
    }

    /// Judges what a latency came to at least. Nothing unless that alone is worse than the limit and beyond the noise: a lower
    /// bound within the limits proves nothing.
    pub(super) fn judge_bound(self, metric: Metric) -> Option<Compared> {
        let bound = self.domain.latency_bounds.get(&metric)?;
        let usual = self.usual_figures(metric);
        let is_figure = bound.ms_mean.is_finite() && bound.ms_standard_deviation.is_finite() && bound.ms_mean >= 0.0;
        if !is_figure || bound.count < self.settings.validity.samples_min || usual.len() < self.settings.minimum_runs {
            return None;
        }
        let summary = SampleSummary {
            count: bound.count,
            standard_deviation: bound.ms_standard_deviation,
            ..SampleSummary::of_single_figure(bound.ms_mean)
        };
        let (judgement, finding) = self.compare(metric, &summary, &usual, Some(bound));
        judgement.outcome.severity().map(|_| Compared::Judged(Box::new(judgement), finding))
    }

    /// Shows a metric without judging it: the measurement is invalid.
    pub(super) fn show(self, metric: Metric) -> Compared {
        match figure_of(self.domain, metric, self.settings.validity.samples_min) {
            Figure::Missing => Compared::Absent,
            Figure::TooFewSamples(summary) | Figure::Usable(summary) => {
                self.shown(metric, &summary, MetricOutcome::NotJudged)
            }
        }
    }

    fn usual_figures(self, metric: Metric) -> Vec<f64> {
        let domains = self.baseline.runs.iter().map(|run| run.domain);
        baseline_figures(domains, metric, self.settings.validity.samples_min)
    }

    fn missing(self, metric: Metric, runs: usize) -> Finding {
        let samples_min = self.settings.validity.samples_min;
        let message = format!(
            "{metric} is missing, or has fewer than {samples_min} samples; {runs} runs of the baseline have it"
        );
        Finding::of_domain(AnalysisReason::MetricMissing, &self.domain.name, message)
    }

    fn shown(self, metric: Metric, summary: &SampleSummary, outcome: MetricOutcome) -> Compared {
        let usual = self.usual_figures(metric);
        let centre = (!usual.is_empty()).then(|| median(&usual));
        Compared::Judged(Box::new(self.judgement(metric, summary, outcome, centre, None)), None)
    }

    /// `bound` is what the summary is of, where it is of no more than a lower bound.
    fn compare(
        self,
        metric: Metric,
        summary: &SampleSummary,
        usual: &[f64],
        bound: Option<&LatencyBound>,
    ) -> (MetricJudgement, Option<Finding>) {
        let family = metric.family();
        let settings = &self.settings.significance;
        let noise = Noise::of_runs(family, usual, SpreadEstimator::StandardDeviation, settings);
        let margin = noise.margin_at(settings.confidence, noise.scale.standard_error(summary));
        let limit = noise.limit(family, margin);
        let figures = SignificanceFigures {
            significant: noise.worse(family, summary.mean) > margin,
            runs: noise.runs,
            spread_percent: noise.spread * 100.0,
            noise_percent: libm::fabs(change_percent(limit, noise.centre)),
            limit,
            confidence: settings.confidence,
        };
        let change = change_percent(summary.mean, noise.centre);
        let limits = self.limits(family);
        let severity = limits.and_then(|limits| limits.severity(worse_percent(family, change)));
        let outcome = match severity {
            None => MetricOutcome::WithinLimits,
            Some(_) if !figures.significant => MetricOutcome::NotSignificant,
            Some(Severity::Warning) => MetricOutcome::Warning,
            Some(Severity::Critical) => MetricOutcome::Critical,
        };
        let mut judgement = self.judgement(metric, summary, outcome, Some(noise.centre), Some(figures));
        if let Some(bound) = bound {
            (judgement.cut_off, judgement.tails) = (Some(bound.cut_off_count), None);
        }
        let finding = limits.zip(severity).map(|(limits, severity)| {
            let reason = if figures.significant { reason_of(family) } else { AnalysisReason::ChangeNotSignificant };
            Finding::of_domain(reason, &self.domain.name, told(&judgement, limits, severity, &figures))
        });
        (judgement, finding)
    }

    fn limits(self, family: MetricFamily) -> Option<Limits> {
        self.settings.thresholds_of(&self.domain.name).limits(family)
    }

    fn judgement(
        self,
        metric: Metric,
        summary: &SampleSummary,
        outcome: MetricOutcome,
        centre: Option<f64>,
        significance: Option<SignificanceFigures>,
    ) -> MetricJudgement {
        let limits = self.limits(metric.family());
        MetricJudgement {
            metric,
            outcome,
            current: summary.mean,
            samples: summary.count,
            cut_off: None,
            baseline: centre,
            delta_percent: centre.map(|centre| change_percent(summary.mean, centre)),
            warning_percent: limits.map(|limits| limits.warning_percent),
            critical_percent: limits.map(|limits| limits.critical_percent),
            significance,
            tails: (metric.family() == MetricFamily::Latency).then(|| self.tails(metric, summary)),
        }
    }

    fn tails(self, metric: Metric, summary: &SampleSummary) -> Tails {
        let usual = |percentile: fn(&SampleSummary) -> f64| {
            let figures: Vec<f64> =
                self.baseline.runs.iter().filter_map(|run| run.domain.metrics.get(&metric)).map(percentile).collect();
            (!figures.is_empty()).then(|| median(&figures))
        };
        Tails {
            p95: summary.p95,
            p99: summary.p99,
            baseline_p95: usual(|summary| summary.p95),
            baseline_p99: usual(|summary| summary.p99),
        }
    }
}

/// A figure with its unit, for people.
pub(super) fn figure_text(metric: Metric, figure: f64) -> String {
    match metric.family() {
        MetricFamily::Latency => format!("{figure:.1} ms"),
        MetricFamily::Throughput => format!("{figure:.1}/s"),
        MetricFamily::PassRate => format!("{:.1}%", figure * 100.0),
        MetricFamily::OomEvents | MetricFamily::EngineCrashes => format!("{figure}"),
    }
}

/// The sign of a change for the worse.
pub(super) const fn worse_sign(family: MetricFamily) -> char {
    match family {
        MetricFamily::Throughput | MetricFamily::PassRate => '-',
        MetricFamily::Latency | MetricFamily::OomEvents | MetricFamily::EngineCrashes => '+',
    }
}

const fn reason_of(family: MetricFamily) -> AnalysisReason {
    match family {
        MetricFamily::Latency => AnalysisReason::LatencyRose,
        MetricFamily::Throughput => AnalysisReason::ThroughputFell,
        MetricFamily::PassRate => AnalysisReason::PassRateFell,
        MetricFamily::OomEvents => AnalysisReason::OomEventsSeen,
        MetricFamily::EngineCrashes => AnalysisReason::EngineCrashed,
    }
}

/// The figure, and where it is a lower bound, of which requests.
fn told_figure(judgement: &MetricJudgement) -> String {
    let figure = figure_text(judgement.metric, judgement.current);
    let Some(cut_off) = judgement.cut_off else { return figure };
    let before = if judgement.metric == Metric::TimeToFirstToken { "first token" } else { "end" };
    format!("at least {figure} ({cut_off} of {} requests were cut off before their {before})", judgement.samples)
}

/// The change in one sentence: the figure, its limit, and what noise explains.
fn told(judgement: &MetricJudgement, limits: Limits, severity: Severity, noise: &SignificanceFigures) -> String {
    let metric = judgement.metric;
    let sign = worse_sign(metric.family());
    let limit = match severity {
        Severity::Warning => limits.warning_percent,
        Severity::Critical => limits.critical_percent,
    };
    let figure = told_figure(judgement);
    let usual = judgement.baseline.map_or_else(String::new, |usual| figure_text(metric, usual));
    let delta = judgement.delta_percent.map_or_else(String::new, |delta| format!("{delta:+.1}%"));
    let stand = if noise.significant { "beyond" } else { "within" };
    format!(
        "{metric} {figure}, {delta} on the baseline's {usual} ({severity} beyond {sign}{limit}%), {stand} the \
         {sign}{:.1}% that noise explains ({} runs, confidence {}%)",
        noise.noise_percent,
        noise.runs,
        noise.confidence * 100.0
    )
}
