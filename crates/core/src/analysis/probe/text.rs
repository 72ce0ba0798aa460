//! The text's own form, versioned JSON with short names, and reading it back.

use jiff::Timestamp;

use super::{
    ReportPart,
    report::{
        DEATHS_MAX, DETAIL_LENGTH_MAX, MetricSpread, ProbeEnding, ProbeReport, ProbeTimes, ReportedDeath,
        ReportedEngine, ReportedGPU, ReportedMetric,
    },
};
use crate::{
    analysis::{
        measurement::{
            ClientPace, CountedTwice, CrossCheck, EngineFailure, EngineFailureClass, EngineView, LatencyBound,
            MemoryFault, RequestCounts,
        },
        summary::SAMPLE_MAGNITUDE_MAX,
    },
    prelude::*,
    tuning::exact_test::MetRequests,
    value::Metric,
};

/// Version of the text. A reader refuses another one.
const VERSION: u32 = 1;
/// Most flags of an engine that a report holds.
const FLAGS_MAX: usize = 256;
/// Longest name or value of a text in a report, in characters.
const TEXT_LENGTH_MAX: usize = 1_024;
/// Most requests of one measurement, as in the workloads of the CRDs.
const REQUESTS_MAX: u64 = 1_000_000;

/// Most events that an engine counts in a measurement: ten times as many as one client may send it, for whoever else does.
const COUNTED_MAX: u64 = 10 * REQUESTS_MAX;

/// The metrics that a probe measures, by their name in the text.
const METRICS: [(&str, Metric); 5] = [
    ("ttft", Metric::TimeToFirstToken),
    ("tpot", Metric::TimePerOutputToken),
    ("e2e", Metric::EndToEndLatency),
    ("rps", Metric::Throughput),
    ("otps", Metric::OutputTokenThroughput),
];
/// The metrics of which a probe tells what they came to at least, by their name in the text.
const BOUNDED_METRICS: [(&str, Metric); 2] = [("ttft", Metric::TimeToFirstToken), ("e2e", Metric::EndToEndLatency)];
/// The name of the gaps between tokens.
const INTER_TOKEN_LATENCY: &str = "itl";

/// The text is no report of a probe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeReportError {
    /// No text was left, or the limit was too small for any.
    #[error("the probe left no report: its container was stopped before it could write one")]
    Empty,
    /// Not the JSON of a report; a cut-off one ends up here too.
    #[error("the probe's message is no report ({detail}); look at the probe's log")]
    NotAReport {
        /// What the parser met.
        detail: String,
    },
    /// Written by another version.
    #[error("the probe's report has version {found}, expected {VERSION}; use one version of phaseloop for both")]
    OtherVersion {
        /// Its version.
        found: u32,
    },
    /// A value that no probe can give.
    #[error("the probe's report has an impossible {what}")]
    Impossible {
        /// Which value.
        what: &'static str,
    },
}

impl ProbeReport {
    /// Reads the text of [`write`](Self::write).
    ///
    /// # Errors
    /// [`ProbeReportError`] for anything else.
    pub fn read(text: &str) -> Result<Self, ProbeReportError> {
        if text.trim().is_empty() {
            return Err(ProbeReportError::Empty);
        }
        let broken = |error: serde_json::Error| ProbeReportError::NotAReport { detail: error.to_string() };
        let AnyVersion { v: version } = serde_json::from_str(text).map_err(broken)?;
        if version != VERSION {
            return Err(ProbeReportError::OtherVersion { found: version });
        }
        serde_json::from_str::<Message>(text).map_err(broken)?.into_report()
    }
}

/// What every version has.
#[derive(serde::Deserialize)]
struct AnyVersion {
    v: u32,
}

/// The text's own form, see [`PROBE_REPORT_FIELDS`](super::PROBE_REPORT_FIELDS). What is absent is not written.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    v: u32,
    e: ProbeEnding,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    d: String,
    #[serde(default, skip_serializing_if = "no_times")]
    t: [Option<i64>; 4],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<[u64; 3]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    q: BTreeMap<String, Vec<f64>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    b: BTreeMap<String, BoundText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<[Option<f64>; 6]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    w: Option<[Option<CountedText>; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<(f64, f64, Option<f64>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    f: Vec<DeathText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    u: Option<GPUText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    x: BTreeSet<ReportPart>,
}

type DeathText = (i64, EngineFailureClass, Option<MemoryFault>, Option<i32>, String);
type CountedText = (u64, u64, u64, Option<f64>);
type BoundText = (u64, u64, f64, f64);
type GPUText = (Option<String>, Option<u32>, Option<String>, Option<String>);

const fn no_times(times: &[Option<i64>; 4]) -> bool {
    matches!(times, [None, None, None, None])
}

/// A figure in six digits.
fn rounded(figure: f64) -> f64 {
    format!("{figure:.5e}").parse().unwrap_or(figure)
}

const fn is_possible(figure: f64) -> bool {
    0.0 <= figure && figure <= SAMPLE_MAGNITUDE_MAX
}

/// A text that fits a report: without its tail where it is too long.
fn cut(text: &str) -> String {
    text.chars().take(TEXT_LENGTH_MAX).collect()
}

impl Message {
    pub(super) fn of(report: &ProbeReport) -> Self {
        let ProbeTimes { first_contact_at, ready_at, measure_started_at, measure_ended_at } = report.times;
        let times = [first_contact_at, ready_at, measure_started_at, measure_ended_at];
        let named = METRICS.iter().filter_map(|(name, metric)| Some((*name, report.metrics.get(metric)?)));
        let gaps = report.inter_token_latency.iter().map(|gaps| (INTER_TOKEN_LATENCY, gaps));
        let figures = named.chain(gaps).filter_map(|(name, metric)| Some((name.to_owned(), figures_of(metric)?)));
        let finite = |figure: Option<f64>| figure.filter(|figure| is_possible(*figure)).map(rounded);
        let engine = report.engine.as_ref();
        Self {
            v: VERSION,
            e: report.ending,
            d: report.detail.chars().take(DETAIL_LENGTH_MAX).collect(),
            t: times.map(|time| time.map(Timestamp::as_millisecond)),
            r: report.requests.map(|RequestCounts { offered, completed, failed, .. }| [offered, completed, failed]),
            g: report.within_slo,
            m: report.met.as_ref().map(|met| (met.schedule.clone(), met.to_hex())),
            q: figures.collect(),
            b: BOUNDED_METRICS
                .iter()
                .filter_map(|(name, metric)| {
                    Some(((*name).to_owned(), bound_text(report.latency_bounds.get(metric)?)?))
                })
                .collect(),
            s: report.engine_view.map(|view| view_figures(&view).map(finite)),
            w: report.cross_check.map(|check| [check.first_tokens, check.answers].map(counted_text)),
            p: report.client.and_then(|pace| {
                let (mean, p99) =
                    (finite(Some(pace.schedule_delay_ms_mean))?, finite(Some(pace.schedule_delay_ms_p99))?);
                Some((mean, p99, finite(pace.arrival_interval_ms_mean)))
            }),
            f: report.deaths.iter().take(DEATHS_MAX).map(death_text).collect(),
            n: engine.and_then(|engine| engine.version.as_deref().map(cut)),
            o: engine.and_then(|engine| engine.model.as_deref().map(cut)),
            c: engine.map(|engine| {
                let flags = engine.configuration.iter().take(FLAGS_MAX);
                flags.map(|(name, value)| (cut(name), cut(value))).collect()
            }),
            u: report.gpu.as_ref().map(
                |ReportedGPU { product, count, driver_version, sharing, memory_percent_max: _ }| {
                    let text = |text: &Option<String>| text.as_deref().map(cut);
                    (text(product), *count, text(driver_version), text(sharing))
                },
            ),
            k: report.gpu.as_ref().and_then(|gpu| gpu.memory_percent_max),
            x: report.dropped.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn into_report(self) -> Result<ProbeReport, ProbeReportError> {
        self.check_texts()?;
        let requests = self.r.map(requests_of).transpose()?;
        let within_slo = within_of(self.g, requests)?;
        let metrics: BTreeMap<Metric, ReportedMetric> = METRICS
            .iter()
            .filter_map(|(name, metric)| Some((*metric, metric_of(self.q.get(*name)?))))
            .map(|(metric, figures)| Ok((metric, figures?)))
            .collect::<Result<_, ProbeReportError>>()?;
        let inter_token_latency = self.q.get(INTER_TOKEN_LATENCY).map(|figures| metric_of(figures)).transpose()?;
        if metrics.len() + usize::from(inter_token_latency.is_some()) != self.q.len() {
            return impossible("name of a metric");
        }
        let engine = (self.n.is_some() || self.o.is_some() || self.c.is_some()).then(|| ReportedEngine {
            version: self.n,
            model: self.o,
            configuration: self.c.unwrap_or_default(),
        });
        Ok(ProbeReport {
            ending: self.e,
            detail: self.d,
            times: times_of(self.t)?,
            requests,
            within_slo,
            met: met_of(self.m, requests, within_slo)?,
            metrics,
            latency_bounds: bounds_of(&self.b, requests)?,
            inter_token_latency,
            engine_view: self.s.map(view_of).transpose()?,
            cross_check: self.w.map(check_of).transpose()?,
            client: self.p.map(pace_of).transpose()?,
            deaths: deaths_of(self.f)?,
            engine,
            gpu: self.u.map(|(product, count, driver_version, sharing)| ReportedGPU {
                product,
                count,
                driver_version,
                sharing,
                memory_percent_max: self.k,
            }),
            dropped: self.x,
        })
    }

    /// Lengths of texts and numbers of entries.
    fn check_texts(&self) -> Result<(), ProbeReportError> {
        let gpu = self.u.iter().flat_map(|(product, _, driver, sharing)| [product, driver, sharing]).flatten();
        let flags = self.c.iter().flatten().flat_map(|(name, value)| [name, value]);
        let deaths = self.f.iter().map(|(.., line)| line);
        let mut texts = gpu.chain(flags).chain(deaths).chain(&self.n).chain(&self.o);
        let flag_count = self.c.as_ref().map_or(0, BTreeMap::len);
        if self.d.chars().count() > DETAIL_LENGTH_MAX || texts.any(|text| text.chars().count() > TEXT_LENGTH_MAX) {
            return impossible("length of a text");
        }
        if self.k.is_some_and(|percent| percent > 100) {
            return impossible("share of a card's memory");
        }
        if flag_count > FLAGS_MAX || self.f.len() > DEATHS_MAX { impossible("number of entries") } else { Ok(()) }
    }
}

fn impossible<T>(what: &'static str) -> Result<T, ProbeReportError> {
    Err(ProbeReportError::Impossible { what })
}

/// A metric's figures as they are written; `None` where one is not finite.
fn figures_of(metric: &ReportedMetric) -> Option<Vec<f64>> {
    let ReportedMetric { count, mean, standard_deviation, spread } = *metric;
    let mut figures = vec![mean];
    // One figure alone is its own mean, median and every percentile.
    if count > 1 {
        figures.push(standard_deviation);
        if let Some(MetricSpread { median_absolute_deviation, minimum, median, p90, p95, p99, maximum }) = spread {
            figures.extend([median_absolute_deviation, minimum, median, p90, p95, p99, maximum]);
        }
    }
    if !figures.iter().all(|figure| is_possible(*figure)) {
        return None;
    }
    Some(core::iter::once(count as f64).chain(figures.into_iter().map(rounded)).collect())
}

fn metric_of(figures: &[f64]) -> Result<ReportedMetric, ProbeReportError> {
    let broken = || impossible("figure of a metric");
    let [count, rest @ ..] = figures else { return broken() };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked in the same line")]
    let whole = if (1.0..=SAMPLE_MAGNITUDE_MAX).contains(count) { *count as u64 } else { 0 };
    let is_whole = whole > 0 && (whole as f64 - count).abs() < f64::EPSILON;
    if !is_whole || !rest.iter().all(|figure| is_possible(*figure)) {
        return broken();
    }
    let (mean, standard_deviation, spread) = match *rest {
        [figure] if whole == 1 => return Ok(crate::analysis::sample::SampleSummary::of_single_figure(figure).into()),
        [mean, deviation] if whole > 1 => (mean, deviation, None),
        [mean, deviation, median_absolute_deviation, minimum, median, p90, p95, p99, maximum] if whole > 1 => {
            let ordered = [minimum, median, p90, p95, p99, maximum].is_sorted() && minimum <= mean && mean <= maximum;
            if !ordered {
                return broken();
            }
            let spread = MetricSpread { median_absolute_deviation, minimum, median, p90, p95, p99, maximum };
            (mean, deviation, Some(spread))
        }
        _ => return broken(),
    };
    Ok(ReportedMetric { count: whole, mean, standard_deviation, spread })
}

/// A lower bound as it is written; `None` where a figure of it is none.
fn bound_text(bound: &LatencyBound) -> Option<BoundText> {
    let LatencyBound { count, cut_off_count, ms_mean, ms_standard_deviation } = *bound;
    let possible = is_possible(ms_mean) && is_possible(ms_standard_deviation);
    possible.then(|| (count, cut_off_count, rounded(ms_mean), rounded(ms_standard_deviation)))
}

/// Who was cut off had not been answered, and failed.
fn bounds_of(
    texts: &BTreeMap<String, BoundText>,
    requests: Option<RequestCounts>,
) -> Result<BTreeMap<Metric, LatencyBound>, ProbeReportError> {
    let RequestCounts { completed, failed, .. } = requests.unwrap_or_default();
    let bounds = texts.iter().map(|(name, (count, cut_off_count, ms_mean, ms_standard_deviation))| {
        let (_, metric) = BOUNDED_METRICS.iter().find(|(known, _)| known == name)?;
        let counted = (1..=completed + failed).contains(count) && cut_off_count <= count && *cut_off_count <= failed;
        let possible = counted && is_possible(*ms_mean) && is_possible(*ms_standard_deviation);
        let bound = LatencyBound {
            count: *count,
            cut_off_count: *cut_off_count,
            ms_mean: *ms_mean,
            ms_standard_deviation: *ms_standard_deviation,
        };
        possible.then_some((*metric, bound))
    });
    bounds.collect::<Option<_>>().ok_or(ProbeReportError::Impossible { what: "lower bound of a latency" })
}

fn times_of(times: [Option<i64>; 4]) -> Result<ProbeTimes, ProbeReportError> {
    let mut instants = [None; 4];
    for (instant, milliseconds) in instants.iter_mut().zip(times) {
        *instant = match milliseconds.map(Timestamp::from_millisecond).transpose() {
            Ok(time) => time,
            Err(_) => return impossible("time"),
        };
    }
    if !instants.iter().flatten().is_sorted() {
        return impossible("order of times");
    }
    let [first_contact_at, ready_at, measure_started_at, measure_ended_at] = instants;
    Ok(ProbeTimes { first_contact_at, ready_at, measure_started_at, measure_ended_at })
}

fn requests_of([offered, completed, failed]: [u64; 3]) -> Result<RequestCounts, ProbeReportError> {
    let answered = completed.checked_add(failed);
    if offered > REQUESTS_MAX || answered.is_none_or(|answered| answered > offered) {
        return impossible("number of requests");
    }
    Ok(RequestCounts { offered, completed, failed, flaky: 0, skipped: 0 })
}

fn within_of(within: Option<u64>, requests: Option<RequestCounts>) -> Result<Option<u64>, ProbeReportError> {
    match (within, requests) {
        (Some(within), Some(requests)) if within <= requests.completed => Ok(Some(within)),
        (None, _) => Ok(None),
        _ => impossible("number of requests within the limits"),
    }
}

fn met_of(
    met: Option<(String, String)>,
    requests: Option<RequestCounts>,
    within: Option<u64>,
) -> Result<Option<MetRequests>, ProbeReportError> {
    let Some((schedule, hex)) = met else { return Ok(None) };
    let offered = requests.and_then(|requests| usize::try_from(requests.offered).ok());
    let met = offered.and_then(|offered| MetRequests::from_hex(&schedule, &hex, offered));
    let count = |met: &MetRequests| met.met.iter().filter(|met| **met).count() as u64;
    match met {
        Some(met) if Some(count(&met)) == within && schedule.len() <= TEXT_LENGTH_MAX => Ok(Some(met)),
        _ => impossible("list of requests within the limits"),
    }
}

const fn view_figures(view: &EngineView) -> [Option<f64>; 6] {
    [
        view.time_to_first_token_ms_mean,
        view.inter_token_latency_ms_mean,
        view.end_to_end_latency_ms_mean,
        view.queue_time_ms_mean,
        view.preemptions,
        match view.kv_cache_usage_max {
            Some(usage) if usage > 1.0 => None,
            usage => usage,
        },
    ]
}

fn view_of(figures: [Option<f64>; 6]) -> Result<EngineView, ProbeReportError> {
    if !figures.iter().flatten().all(|figure| is_possible(*figure)) {
        return impossible("figure of the engine");
    }
    let [ttft, itl, e2e, queue, preemptions, usage] = figures;
    if usage.is_some_and(|usage| usage > 1.0) {
        return impossible("use of the KV cache");
    }
    Ok(EngineView {
        time_to_first_token_ms_mean: ttft,
        inter_token_latency_ms_mean: itl,
        end_to_end_latency_ms_mean: e2e,
        queue_time_ms_mean: queue,
        preemptions,
        kv_cache_usage_max: usage,
    })
}

fn counted_text(counted: Option<CountedTwice>) -> Option<CountedText> {
    let CountedTwice { engine_count, client_count, unsure_count, client_ms_mean } = counted?;
    let mean = client_ms_mean.filter(|mean| is_possible(*mean)).map(rounded);
    Some((engine_count, client_count, unsure_count, mean))
}

fn check_of([first_tokens, answers]: [Option<CountedText>; 2]) -> Result<CrossCheck, ProbeReportError> {
    let counted = |counted: Option<CountedText>| match counted {
        Some((engine_count, client_count, unsure_count, client_ms_mean)) => {
            let counts = [engine_count, client_count, unsure_count];
            if counts.into_iter().any(|count| count > COUNTED_MAX) || !client_ms_mean.is_none_or(is_possible) {
                return impossible("count of the engine or the client");
            }
            Ok(Some(CountedTwice { engine_count, client_count, unsure_count, client_ms_mean }))
        }
        None => Ok(None),
    };
    Ok(CrossCheck { first_tokens: counted(first_tokens)?, answers: counted(answers)? })
}

fn pace_of((mean, p99, interval): (f64, f64, Option<f64>)) -> Result<ClientPace, ProbeReportError> {
    if ![Some(mean), Some(p99), interval].into_iter().flatten().all(is_possible) {
        return impossible("pace of the client");
    }
    Ok(ClientPace { schedule_delay_ms_mean: mean, schedule_delay_ms_p99: p99, arrival_interval_ms_mean: interval })
}

fn death_text(death: &ReportedDeath) -> DeathText {
    let EngineFailure { class, memory, exit_code, message } = &death.failure;
    (death.at.as_millisecond(), *class, *memory, *exit_code, cut(message))
}

fn deaths_of(texts: Vec<DeathText>) -> Result<Vec<ReportedDeath>, ProbeReportError> {
    let deaths = texts.into_iter().map(|(at, class, memory, exit_code, message)| {
        let failure = EngineFailure { class, memory, exit_code, message };
        Ok(ReportedDeath { at: Timestamp::from_millisecond(at).map_err(|_| ())?, failure })
    });
    let deaths: Result<Vec<ReportedDeath>, ()> = deaths.collect();
    match deaths {
        Ok(deaths) if deaths.is_sorted_by_key(|death| death.at) => Ok(deaths),
        _ => impossible("time of a death"),
    }
}
