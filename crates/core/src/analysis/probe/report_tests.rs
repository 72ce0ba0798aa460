use jiff::Timestamp;
use proptest::{collection, option, prelude::*, sample::select};

use super::*;
use crate::{
    analysis::{
        measurement::{
            ClientPace, CountedTwice, CrossCheck, EngineFailure, EngineFailureClass, EngineView, LatencyBound,
            MemoryFault, RequestCounts,
        },
        probe::{
            DEATHS_MAX, DETAIL_LENGTH_MAX, MetricSpread, PROBE_REPORT_FIELDS, ProbeEnding, ProbeReportError,
            ProbeTimes, ReportedDeath, ReportedEngine, ReportedGPU, ReportedMetric,
        },
        sample::SampleSummary,
        summary::summarise_samples,
    },
    tuning::exact_test::MetRequests,
    value::Metric,
};

const ROOM: usize = 1_000_000;

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_772_592_600_000 + milliseconds).unwrap()
}

fn latency(first: u32) -> ReportedMetric {
    let samples: Vec<f64> = (0..200).map(|place| f64::from(first + place * 7 % 90)).collect();
    summarise_samples(&samples).summary.unwrap().into()
}

/// A report as a canary of 200 requests gives it, with every field.
fn full() -> ProbeReport {
    let death = |class, message: &str| ReportedDeath {
        at: time(9_000),
        failure: EngineFailure {
            class,
            memory: Some(MemoryFault::Overcommitted),
            exit_code: Some(0),
            message: message.to_owned(),
        },
    };
    let configuration =
        [("gpu-memory-utilization", "0.75"), ("max-num-seqs", "32"), ("chat-template", &"x".repeat(500))];
    ProbeReport {
        detail: "all 200 requests were answered".to_owned(),
        times: ProbeTimes {
            first_contact_at: Some(time(0)),
            ready_at: Some(time(100)),
            measure_started_at: Some(time(1_100)),
            measure_ended_at: Some(time(8_100)),
        },
        requests: Some(RequestCounts { offered: 200, completed: 198, failed: 2, flaky: 0, skipped: 0 }),
        within_slo: Some(185),
        met: Some(MetRequests { schedule: "s".to_owned(), met: (0..200).map(|place| place < 185).collect() }),
        metrics: [
            (Metric::TimeToFirstToken, latency(20)),
            (Metric::TimePerOutputToken, latency(5)),
            (Metric::EndToEndLatency, latency(800)),
            (Metric::Throughput, SampleSummary::of_single_figure(27.5).into()),
            (Metric::OutputTokenThroughput, SampleSummary::of_single_figure(880.0).into()),
        ]
        .into(),
        latency_bounds: [
            (Metric::TimeToFirstToken, bound((200, 0, 22.5, 4.5))),
            (Metric::EndToEndLatency, bound((200, 2, 845.5, 64.25))),
        ]
        .into(),
        inter_token_latency: Some(latency(4)),
        engine_view: Some(EngineView {
            time_to_first_token_ms_mean: Some(18.5),
            preemptions: Some(0.0),
            kv_cache_usage_max: Some(0.4),
            ..EngineView::default()
        }),
        cross_check: Some(CrossCheck {
            first_tokens: Some(CountedTwice {
                engine_count: 214,
                client_count: 212,
                unsure_count: 3,
                client_ms_mean: Some(19.5),
            }),
            answers: None,
        }),
        client: Some(ClientPace {
            schedule_delay_ms_mean: 0.25,
            schedule_delay_ms_p99: 2.0,
            arrival_interval_ms_mean: Some(36.5),
        }),
        deaths: vec![
            death(EngineFailureClass::OutOfMemory, &"torch.OutOfMemoryError: CUDA out of memory. ".repeat(7)),
            death(EngineFailureClass::Unclassified, ""),
        ],
        engine: Some(ReportedEngine {
            version: Some("vllm 0.33.0".to_owned()),
            model: Some("llama-8b".to_owned()),
            configuration: configuration.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }),
        gpu: Some(ReportedGPU {
            product: Some("NVIDIA H100 80GB HBM3".to_owned()),
            count: Some(1),
            driver_version: Some("570.86.15".to_owned()),
            sharing: Some("none".to_owned()),
            memory_percent_max: Some(93),
        }),
        ..ProbeReport::new(ProbeEnding::Measured, "")
    }
}

#[test]
fn a_whole_report_fits_a_message_of_the_usual_size() {
    let text = full().write(MESSAGE_BYTES_DEFAULT);
    assert!(text.len() < MESSAGE_BYTES_DEFAULT, "{}", text.len());
    assert_eq!(ProbeReport::read(&text).unwrap().dropped, BTreeSet::new());
}

#[test]
fn parts_are_given_up_in_their_order_and_each_is_told() {
    let whole = full().write(ROOM);
    let mut seen = vec![BTreeSet::new()];
    for limit in (0..whole.len()).rev() {
        let text = full().write(limit);
        assert!(text.len() <= limit, "{limit}: {}", text.len());
        if text.is_empty() {
            break;
        }
        let dropped = ProbeReport::read(&text).unwrap().dropped;
        if seen.last() != Some(&dropped) {
            seen.push(dropped);
        }
    }
    let expected: Vec<BTreeSet<ReportPart>> =
        (0..=ReportPart::ALL.len()).map(|count| ReportPart::ALL.into_iter().take(count).collect()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_is_left_last_are_ending_times_and_counts() {
    let report = full();
    let text = report.write(300);
    let left = ProbeReport::read(&text).unwrap();
    assert_eq!((left.ending, left.times), (report.ending, report.times));
    assert_eq!((left.requests, left.within_slo), (report.requests, report.within_slo));
    assert_eq!(left.dropped.len(), ReportPart::ALL.len());
    assert_eq!(report.write(200), "");
}

#[test]
fn a_part_that_was_not_there_is_not_told_as_given_up() {
    let report = ProbeReport { requests: full().requests, ..ProbeReport::new(ProbeEnding::OutOfTime, "x".repeat(300)) };
    let told = ProbeReport::read(&report.write(200)).unwrap();
    assert_eq!(told.dropped, [ReportPart::Messages].into());
    assert_eq!(told.detail, "x".repeat(60));
}

#[test]
fn a_metric_without_its_quantiles_is_shown_but_has_no_summary() {
    let mut report = full();
    report.met = None;
    let limit = report.write(ROOM).len() - 1;
    let told = ProbeReport::read(&report.write(limit)).unwrap();
    assert_eq!(told.dropped, [ReportPart::Quantiles].into());
    let metric = told.metrics[&Metric::EndToEndLatency];
    assert_eq!((metric.count, metric.summary()), (200, None));
    assert_eq!(told.metrics[&Metric::Throughput].summary(), Some(SampleSummary::of_single_figure(27.5)));
}

#[test]
fn lower_bounds_take_a_hundred_bytes_and_a_report_of_before_them_reads_as_one_without() {
    let bounded = full();
    let without = ProbeReport { latency_bounds: BTreeMap::new(), ..full() };
    let (text, shorter) = (bounded.write(ROOM), without.write(ROOM));
    assert!(text.len() - shorter.len() < 100, "{}", text.len() - shorter.len());
    assert!(!shorter.contains("\"b\":"), "what is absent is not written: {shorter}");
    let bounds = |text: &str| ProbeReport::read(text).map(|report| report.latency_bounds);
    assert_eq!((bounds(&shorter), bounds(&text)), (Ok(BTreeMap::new()), Ok(bounded.latency_bounds)));
}

#[test]
fn figures_that_are_no_numbers_are_left_out_and_never_written_as_null() {
    let mut report = full();
    report.metrics.insert(Metric::TimeToFirstToken, ReportedMetric { mean: f64::NAN, ..latency(1) });
    report.engine_view = Some(EngineView {
        time_to_first_token_ms_mean: Some(f64::INFINITY),
        kv_cache_usage_max: Some(1.5),
        ..EngineView::default()
    });
    report.latency_bounds.insert(Metric::EndToEndLatency, bound((200, 2, 1.0, f64::NAN)));
    let told = ProbeReport::read(&report.write(ROOM)).unwrap();
    assert!(!told.metrics.contains_key(&Metric::TimeToFirstToken));
    assert_eq!(told.latency_bounds.keys().collect::<Vec<_>>(), [&Metric::TimeToFirstToken]);
    assert_eq!(told.engine_view, Some(EngineView::default()));
}

#[test]
fn every_field_that_is_written_is_in_the_reference_and_the_other_way_round() {
    let mut report = full();
    report.dropped.insert(ReportPart::LongValues);
    let written: serde_json::Value = serde_json::from_str(&report.write(ROOM)).unwrap();
    let written: BTreeSet<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(written, PROBE_REPORT_FIELDS.iter().map(|(name, _)| *name).collect());
}

#[test]
fn what_is_no_report_is_refused_with_what_is_wrong() {
    let text = full().write(ROOM);
    assert_eq!(ProbeReport::read(" \n"), Err(ProbeReportError::Empty));
    let other = text.replacen("\"v\":1", "\"v\":2", 1);
    assert_eq!(ProbeReport::read(&other), Err(ProbeReportError::OtherVersion { found: 2 }));
    for (from, to) in [
        ("\"e\":\"Measured\"", "\"e\":\"Finished\""),
        ("\"v\":1,", "\"v\":1,\"z\":1,"),
        ("\"v\":1,", "\"v\":1,\"v\":1,"),
        ("\"r\":[200,198,2]", "\"r\":[200,198]"),
    ] {
        let broken = text.replacen(from, to, 1);
        assert!(broken != text, "{from}");
        assert!(matches!(ProbeReport::read(&broken), Err(ProbeReportError::NotAReport { .. })), "{to}");
    }
    for (from, to, what) in [
        ("\"r\":[200,198,2]", "\"r\":[200,199,2]", "number of requests"),
        ("\"r\":[200,198,2]", "\"r\":[1000001,198,2]", "number of requests"),
        ("\"r\":[200,198,2]", "\"r\":[200,18446744073709551615,2]", "number of requests"),
        ("\"r\":[200,198,2]", "\"r\":[196,190,2]", "list of requests within the limits"),
        ("\"g\":185", "\"g\":199", "number of requests within the limits"),
        ("\"g\":185", "\"g\":184", "list of requests within the limits"),
        ("\"ttft\":[200.0", "\"ttft\":[0.0", "figure of a metric"),
        ("\"ttft\":[200.0", "\"ttft\":[1.5", "figure of a metric"),
        ("\"ttft\":[200.0", "\"ttft\":[200.0,-1.0", "figure of a metric"),
        ("\"ttft\"", "\"ttff\"", "name of a metric"),
        ("\"rps\":[1.0,27.5]", "\"rps\":[1.0]", "figure of a metric"),
        ("\"rps\":[1.0,27.5]", "\"rps\":[]", "figure of a metric"),
        ("\"rps\":[1.0,27.5]", "\"rps\":[2.0,27.5]", "figure of a metric"),
        ("\"s\":[18.5", "\"s\":[-18.5", "figure of the engine"),
        ("0.4]", "1.4]", "use of the KV cache"),
        ("\"w\":[[214,", "\"w\":[[10000001,", "count of the engine or the client"),
        (",3,19.5]", ",3,-19.5]", "count of the engine or the client"),
        ("\"e2e\":[200,2,", "\"e2e\":[0,0,", "lower bound of a latency"),
        ("\"e2e\":[200,2,", "\"e2e\":[201,2,", "lower bound of a latency"),
        ("\"e2e\":[200,2,", "\"e2e\":[200,3,", "lower bound of a latency"),
        ("\"e2e\":[200,2,", "\"e2e\":[1,2,", "lower bound of a latency"),
        ("\"e2e\":[200,2,", "\"tpot\":[200,2,", "lower bound of a latency"),
        (",845.5,64.25]", ",-845.5,64.25]", "lower bound of a latency"),
        (",845.5,64.25]", ",845.5,-64.25]", "lower bound of a latency"),
        ("\"p\":[0.25", "\"p\":[-0.25", "pace of the client"),
        ("\"t\":[1772592600000", "\"t\":[1772592600101", "order of times"),
        ("\"t\":[1772592600000", "\"t\":[9223372036854775807", "time"),
        ("\"f\":[[1772592609000", "\"f\":[[1772592609001", "time of a death"),
        ("all 200", &"y".repeat(DETAIL_LENGTH_MAX), "length of a text"),
        ("llama-8b", &"y".repeat(1_025), "length of a text"),
    ] {
        let broken = text.replacen(from, to, 1);
        assert!(broken != text, "{from}");
        assert_eq!(ProbeReport::read(&broken), Err(ProbeReportError::Impossible { what }), "{from} -> {to}");
    }
}

#[test]
fn more_deaths_than_a_report_tells_are_cut_by_the_writer_and_refused_by_the_reader() {
    let mut report = full();
    report.deaths = vec![report.deaths[1].clone(); DEATHS_MAX + 1];
    let text = report.write(ROOM);
    assert_eq!(ProbeReport::read(&text).unwrap().deaths.len(), DEATHS_MAX);
    let death = "[1772592609000,\"Unclassified\",\"Overcommitted\",0,\"\"]";
    let broken = text.replacen(death, &format!("{death},{death}"), 1);
    assert_eq!(ProbeReport::read(&broken), Err(ProbeReportError::Impossible { what: "number of entries" }));
}

/// A figure that six digits hold.
fn figure() -> impl Strategy<Value = f64> {
    (0_u32..999_999, 0_i32..5)
        .prop_map(|(digits, exponent)| format!("{digits}e-{exponent}").parse::<f64>().unwrap_or_default())
}

fn metric() -> impl Strategy<Value = ReportedMetric> {
    let many = (2_u64..100_000, figure(), figure(), collection::vec(figure(), 6), any::<bool>()).prop_map(
        |(count, standard_deviation, deviation, mut figures, whole)| {
            figures.sort_by(f64::total_cmp);
            let mean = figures[2];
            let [minimum, median, p90, p95, p99, maximum] = figures[..] else { panic!("six figures") };
            let spread = MetricSpread { median_absolute_deviation: deviation, minimum, median, p90, p95, p99, maximum };
            ReportedMetric { count, mean, standard_deviation, spread: whole.then_some(spread) }
        },
    );
    prop_oneof![many, figure().prop_map(|figure| SampleSummary::of_single_figure(figure).into())]
}

fn requests() -> impl Strategy<Value = (Option<RequestCounts>, Option<u64>, Option<MetRequests>)> {
    let some = (collection::vec(any::<bool>(), 0..300), 0_u64..50, any::<bool>(), any::<bool>()).prop_map(
        |(met, failed, with_limits, with_met)| {
            let within = met.iter().filter(|met| **met).count() as u64;
            let offered = met.len() as u64;
            let failed = failed.min(offered - within);
            let counts = RequestCounts { offered, completed: offered - failed, failed, flaky: 0, skipped: 0 };
            let met = MetRequests { schedule: "schedule".to_owned(), met };
            (Some(counts), with_limits.then_some(within), (with_limits && with_met).then_some(met))
        },
    );
    prop_oneof![Just((None, None, None)), some]
}

fn death() -> impl Strategy<Value = EngineFailure> {
    const CLASSES: &[EngineFailureClass] =
        &[EngineFailureClass::Crash, EngineFailureClass::OutOfMemory, EngineFailureClass::Unclassified];
    (select(CLASSES), option::of(Just(MemoryFault::Starved)), option::of(0_i32..256), "\\PC{0,90}")
        .prop_map(|(class, memory, exit_code, message)| EngineFailure { class, memory, exit_code, message })
}

fn engine() -> impl Strategy<Value = ReportedEngine> {
    let configuration = collection::btree_map("[a-z-]{1,30}", "\\PC{0,60}", 0..40);
    (option::of("\\PC{0,20}"), option::of("\\PC{0,20}"), configuration)
        .prop_map(|(version, model, configuration)| ReportedEngine { version, model, configuration })
}

const fn bound(figures: (u64, u64, f64, f64)) -> LatencyBound {
    let (count, cut_off_count, ms_mean, ms_standard_deviation) = figures;
    LatencyBound { count, cut_off_count, ms_mean, ms_standard_deviation }
}

const fn twice(counted: (u64, u64, u64, Option<f64>)) -> CountedTwice {
    let (engine_count, client_count, unsure_count, client_ms_mean) = counted;
    CountedTwice { engine_count, client_count, unsure_count, client_ms_mean }
}

/// Bounds that fit the numbers of requests.
fn bounds_within(
    requests: Option<RequestCounts>,
    bounds: BTreeMap<Metric, (u64, u64, f64, f64)>,
) -> BTreeMap<Metric, LatencyBound> {
    let RequestCounts { completed, failed, .. } = requests.unwrap_or_default();
    let fitting = bounds.into_iter().filter(|_| completed + failed > 0);
    fitting
        .map(|(metric, (count, cut_off, mean, deviation))| {
            let count = count.min(completed + failed);
            (metric, bound((count, cut_off.min(count).min(failed), mean, deviation)))
        })
        .collect()
}

prop_compose! {
    fn report()(
        (ending, detail) in (select(&[ProbeEnding::Measured, ProbeEnding::EngineDied, ProbeEnding::Refused][..]), "\\PC{0,120}"),
        instants in collection::vec(0_i64..100_000, 4),
        known in collection::vec(any::<bool>(), 4),
        (requests, within_slo, met) in requests(),
        metrics in collection::btree_map(select(&[Metric::TimeToFirstToken, Metric::EndToEndLatency, Metric::Throughput][..]), metric(), 0..4),
        bounds in collection::btree_map(select(&[Metric::TimeToFirstToken, Metric::EndToEndLatency][..]), (1_u64..300, 0_u64..50, figure(), figure()), 0..3),
        inter_token_latency in option::of(metric()),
        view in option::of(collection::vec(option::of(figure()), 5)),
        counted in option::of(collection::vec(option::of((0_u64..1_000, 0_u64..1_000, 0_u64..9, option::of(figure()))), 2)),
        pace in option::of((figure(), figure(), option::of(figure()))),
        failures in collection::vec(death(), 0..DEATHS_MAX),
        engine in option::of(engine()),
        gpu in option::of((option::of("\\PC{0,30}"), option::of(0_u32..9), option::of(0_u32..=100))),
    ) -> ProbeReport {
        let mut instants = instants;
        instants.sort_unstable();
        let at = |place: usize| known[place].then(|| time(instants[place]));
        ProbeReport {
            detail,
            times: ProbeTimes {
                first_contact_at: at(0), ready_at: at(1), measure_started_at: at(2), measure_ended_at: at(3),
            },
            latency_bounds: bounds_within(requests, bounds),
            requests, within_slo, met, metrics, inter_token_latency,
            engine_view: view.map(|view| EngineView {
                time_to_first_token_ms_mean: view[0],
                inter_token_latency_ms_mean: view[1],
                end_to_end_latency_ms_mean: view[2],
                queue_time_ms_mean: view[3],
                preemptions: view[4],
                kv_cache_usage_max: Some(0.5),
            }),
            cross_check: counted.map(|counted| CrossCheck { first_tokens: counted[0].map(twice), answers: counted[1].map(twice) }),
            client: pace.map(|(schedule_delay_ms_mean, schedule_delay_ms_p99, arrival_interval_ms_mean)| ClientPace {
                schedule_delay_ms_mean, schedule_delay_ms_p99, arrival_interval_ms_mean,
            }),
            deaths: failures.into_iter().zip(0_i64..).map(|(failure, place)| ReportedDeath { at: time(place), failure }).collect(),
            engine,
            gpu: gpu.map(|(product, count, memory_percent_max)| ReportedGPU { product, count, memory_percent_max, ..ReportedGPU::default() }),
            ..ProbeReport::new(ending, "")
        }
    }
}

proptest! {
    #[test]
    fn with_room_for_all_a_report_comes_back_as_it_was(report in report()) {
        prop_assert_eq!(ProbeReport::read(&report.write(ROOM)), Ok(report));
    }

    #[test]
    fn a_text_is_never_longer_than_its_limit_and_reads_back_unless_it_is_empty(report in report(), limit in 0_usize..3_000) {
        let text = report.write(limit);
        prop_assert!(text.len() <= limit);
        if !text.is_empty() {
            let told = ProbeReport::read(&text);
            prop_assert_eq!(told.map(|told| (told.ending, told.requests)), Ok((report.ending, report.requests)));
        }
    }

    #[test]
    fn garbage_is_refused_and_never_a_panic(text in "\\PC{0,200}") {
        prop_assert!(ProbeReport::read(&text).is_err());
    }

    #[test]
    fn a_report_that_was_cut_off_is_refused(report in report(), cut in 1_usize..40) {
        let text = report.write(ROOM);
        let length = text.len().saturating_sub(cut);
        let cut: String = text.chars().take(length).collect();
        prop_assert!(cut == text || ProbeReport::read(&cut).is_err());
    }

    #[test]
    fn a_changed_byte_never_panics(report in report(), place in 0_usize..3_000, byte in 32_u8..127) {
        let mut bytes = report.write(ROOM).into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        let _ = ProbeReport::read(&String::from_utf8_lossy(&bytes));
    }
}
