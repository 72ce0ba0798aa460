use super::*;
use crate::tuning::deny::fingerprint;

fn configuration(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn request(symptom: SymptomKind, diagnosis: Diagnosis, incumbent: &[(&str, &str)]) -> CandidateRequest {
    CandidateRequest {
        causes: vec![Cause { symptom, diagnosis }],
        environment: Environment {
            engine_version: Some("vllm 0.32.0".to_owned()),
            configuration: configuration(incumbent),
            ..Environment::default()
        },
        max_candidates: 6,
        ..CandidateRequest::default()
    }
}

fn named(name: &str, values: &[&str]) -> RequestedParameter {
    let values = RequestedValues::Listed(values.iter().map(|value| ParameterValue::from(*value)).collect());
    RequestedParameter { name: ParameterName::new(name), values }
}

fn of_catalogue(name: &str) -> RequestedParameter {
    RequestedParameter { name: ParameterName::new(name), values: RequestedValues::Catalogue }
}

fn text(parameters: &ParameterSet) -> String {
    parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

fn tried(plan: &CandidatePlan) -> Vec<String> {
    plan.candidates.iter().map(|candidate| text(&candidate.parameters)).collect()
}

fn refusals(plan: &CandidatePlan) -> Vec<(String, RefusalReason)> {
    plan.refused.iter().map(|refused| (text(&refused.parameters), refused.reason)).collect()
}

#[test]
fn a_lowered_limit_is_first_set_back_to_what_healthy_runs_had() {
    let healthy = [("max-num-seqs", "32"), ("gpu-memory-utilization", "0.2"), ("max-model-len", "1024")];
    let lowered = [("max-num-seqs", "2"), ("gpu-memory-utilization", "0.2"), ("max-model-len", "1024")];
    let mut request = request(SymptomKind::LatencyRegression, Diagnosis::AdmissionLimited, &lowered);
    request.healthy = Some(configuration(&healthy));
    let plan = plan_candidates(&request);
    assert_eq!(
        tried(&plan),
        ["32", "64", "128", "256", "512", "1024"].map(|value| format!("max-num-seqs={value}")),
        "healthy value first, then upward"
    );
    assert_eq!(plan.candidates[0].why, "healthy runs had max-num-seqs 32, now it is 2");
    assert_eq!(plan.candidates[1].why, "higher than 2: requests wait to be admitted, nearest first");
    assert_eq!(plan.nothing, None);
    assert_eq!(plan.refused, []);
    assert_eq!(plan.max_candidates, 6);
    assert_eq!(plan.higher_can_only_fail, BTreeSet::new());
}

#[test]
fn a_refused_start_is_first_given_the_memory_that_healthy_runs_had() {
    let mut request = request(SymptomKind::VllmOom, Diagnosis::MemoryStarved, &[("gpu-memory-utilization", "0.01")]);
    request.healthy = Some(configuration(&[("gpu-memory-utilization", "0.2")]));
    let plan = plan_candidates(&request);
    let expected = ["0.2", "0.3", "0.4", "0.5", "0.6", "0.7"].map(|value| format!("gpu-memory-utilization={value}"));
    assert_eq!(tried(&plan), expected);
}

#[test]
fn an_over_committed_card_gets_the_seeds_six_values_lowest_first() {
    let request = request(SymptomKind::VllmOom, Diagnosis::MemoryOvercommitted, &[]);
    let plan = plan_candidates(&request);
    let expected =
        ["0.7", "0.72", "0.75", "0.77", "0.8", "0.82"].map(|value| format!("gpu-memory-utilization={value}"));
    assert_eq!(tried(&plan), expected);
    assert_eq!(plan.candidates[0].why, "lower than 0.92: the card's memory is over-committed, lowest first");
    let grows: Vec<&str> = plan.higher_can_only_fail.iter().map(ParameterName::as_str).collect();
    assert_eq!(grows, ["gpu-memory-utilization", "max-num-batched-tokens", "max-num-seqs"]);
}

#[test]
fn what_someone_changed_leads_even_where_another_parameter_usually_does() {
    let mut request =
        request(SymptomKind::VllmOom, Diagnosis::MemoryOvercommitted, &[("max-num-batched-tokens", "32768")]);
    request.healthy = Some(configuration(&[("max-num-batched-tokens", "2048")]));
    request.max_candidates = 2;
    assert_eq!(tried(&plan_candidates(&request)), ["max-num-batched-tokens=2048", "max-num-batched-tokens=16384"]);
    request.max_candidates = 6;
    assert_eq!(
        tried(&plan_candidates(&request))[..3],
        ["max-num-batched-tokens=512", "max-num-batched-tokens=1024", "max-num-batched-tokens=2048"]
    );
}

#[test]
fn values_named_by_the_user_are_ordered_and_the_rest_is_refused_by_name() {
    let mut request =
        request(SymptomKind::VllmOom, Diagnosis::MemoryOvercommitted, &[("gpu-memory-utilization", "0.92")]);
    request.parameters = vec![named("gpu_memory_utilization", &["0.95", "0.82", "0.70", "0.99", "0.92", "0.77"])];
    request.max_candidates = 2;
    let plan = plan_candidates(&request);
    assert_eq!(tried(&plan), ["gpu-memory-utilization=0.7", "gpu-memory-utilization=0.77"]);
    let messages: Vec<&str> = plan.refused.iter().map(|refused| refused.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "0.99 is above the catalogue's maximum 0.98 for gpu-memory-utilization (vLLM 0.30-0.33); keep values at or below 0.98, or remove the value",
            "memory is over-committed at gpu-memory-utilization 0.92: 0.95 can only fail",
            "gpu-memory-utilization is 0.92 now, and measured first",
            "comes after the first 2 candidates",
        ]
    );
    let reasons: Vec<RefusalReason> = plan.refused.iter().map(|refused| refused.reason).collect();
    assert_eq!(
        reasons,
        [
            RefusalReason::OutsideBounds,
            RefusalReason::CanOnlyFail,
            RefusalReason::MeasuredAsIncumbent,
            RefusalReason::BeyondMaximum
        ]
    );
}

#[test]
fn the_rest_of_a_ladder_is_not_reported_as_refused() {
    let mut request = request(SymptomKind::VllmOom, Diagnosis::MemoryOvercommitted, &[]);
    request.max_candidates = 1;
    let plan = plan_candidates(&request);
    assert_eq!(tried(&plan), ["gpu-memory-utilization=0.82"], "the nearest below the incumbent");
    assert_eq!(plan.refused, []);
}

#[test]
fn several_parameters_come_one_after_the_other_healthy_values_before_all() {
    let incumbent = [("max-num-seqs", "64"), ("max-num-batched-tokens", "2048")];
    let mut request = request(SymptomKind::ThroughputDrop, Diagnosis::ComputeBound, &incumbent);
    request.healthy = Some(configuration(&[("max-num-seqs", "128"), ("max-num-batched-tokens", "4096")]));
    request.parameters =
        vec![named("max-num-seqs", &["32", "128"]), named("max-num-batched-tokens", &["8192", "4096"])];
    assert_eq!(
        tried(&plan_candidates(&request)),
        ["max-num-seqs=128", "max-num-batched-tokens=4096", "max-num-seqs=32", "max-num-batched-tokens=8192"]
    );
}

#[test]
fn a_range_is_tried_like_a_list() {
    let mut request = request(SymptomKind::VllmOom, Diagnosis::MemoryStarved, &[("gpu-memory-utilization", "0.5")]);
    let number = |text: &str| text.parse::<Decimal>().unwrap();
    let range = |step: &str| RequestedParameter {
        name: ParameterName::new("gpu-memory-utilization"),
        values: RequestedValues::Range { minimum: number("0.4"), maximum: number("0.6"), step: number(step) },
    };
    request.parameters = vec![range("0.05")];
    let expected = ["0.55", "0.6", "0.45", "0.4"].map(|value| format!("gpu-memory-utilization={value}"));
    assert_eq!(tried(&plan_candidates(&request)), expected);
    request.parameters = vec![range("0")];
    let plan = plan_candidates(&request);
    assert_eq!(plan.nothing, Some(NothingToTry::EverythingRefused));
    assert_eq!(refusals(&plan), [(String::new(), RefusalReason::OutsideBounds)]);
}

#[test]
fn what_failed_in_production_is_not_tried_again() {
    let mut request =
        request(SymptomKind::VllmOom, Diagnosis::MemoryOvercommitted, &[("gpu-memory-utilization", "0.92")]);
    request.parameters = vec![named("gpu-memory-utilization", &["0.7", "0.8"])];
    let failed: ParameterSet = [(ParameterName::new("gpu-memory-utilization"), ParameterValue::from("0.7"))].into();
    let entry = fingerprint(&failed, &request.environment);
    request.denied = vec![DeniedCandidate { fingerprint: entry, reason: "rolled back as p-3".to_owned() }];
    let plan = plan_candidates(&request);
    assert_eq!(tried(&plan), ["gpu-memory-utilization=0.8"]);
    assert_eq!(refusals(&plan), [("gpu-memory-utilization=0.7".to_owned(), RefusalReason::Denied)]);
    assert_eq!(plan.refused[0].message, "rolled back as p-3");
}

#[test]
fn a_combination_that_the_engine_refuses_is_not_tried() {
    let incumbent = [("max-num-seqs", "8"), ("max-num-batched-tokens", "256")];
    let mut request = request(SymptomKind::LatencyRegression, Diagnosis::AdmissionLimited, &incumbent);
    request.parameters = vec![named("max-num-seqs", &["256", "257"])];
    let plan = plan_candidates(&request);
    assert_eq!(tried(&plan), ["max-num-seqs=256"]);
    assert_eq!(refusals(&plan), [("max-num-seqs=257".to_owned(), RefusalReason::Conflicting)]);
    assert_eq!(plan.refused[0].message, "max-num-seqs 257 is above max-num-batched-tokens 256");
}

#[test]
fn a_change_that_may_not_be_tuned_here_is_told() {
    let incumbent = [("max-num-seqs", "2"), ("gpu-memory-utilization", "0.9")];
    let mut request = request(SymptomKind::LatencyRegression, Diagnosis::AdmissionLimited, &incumbent);
    request.healthy = Some(configuration(&[("max-num-seqs", "32"), ("gpu-memory-utilization", "0.9")]));
    request.parameters = vec![named("gpu-memory-utilization", &["0.8"])];
    let plan = plan_candidates(&request);
    assert_eq!(tried(&plan), ["gpu-memory-utilization=0.8"]);
    assert_eq!(refusals(&plan), [(String::new(), RefusalReason::ChangedButNotRequested)]);
    assert_eq!(
        plan.refused[0].message,
        "max-num-seqs was changed since the baseline (32 -> 2), but may not be tuned here"
    );
}

#[test]
fn a_change_that_is_never_tuned_is_told_and_blocks_nothing() {
    let mut request = request(
        SymptomKind::LatencyRegression,
        Diagnosis::AdmissionLimited,
        &[("max-num-seqs", "64"), ("tensor-parallel-size", "2")],
    );
    request.healthy = Some(configuration(&[("max-num-seqs", "64")]));
    let plan = plan_candidates(&request);
    assert_eq!(tried(&plan)[0], "max-num-seqs=128");
    assert_eq!(refusals(&plan), [(String::new(), RefusalReason::NotTunable)]);
    assert_eq!(
        plan.refused[0].message,
        "changed since the baseline (not set -> 2), but tensor-parallel-size is never tuned: \
         it changes how many GPUs the engine needs, which a canary's budget doesn't hold"
    );
    request.parameters = vec![of_catalogue("tensor-parallel-size")];
    let plan = plan_candidates(&request);
    assert!(plan.refused[0].message.ends_with("; remove the parameter, or name one of docs/reference/actuators.md"));
}

#[test]
fn a_flag_that_healthy_runs_did_not_set_has_no_value_to_go_back_to() {
    let mut request = request(SymptomKind::LatencyRegression, Diagnosis::AdmissionLimited, &[("max-num-seqs", "2")]);
    request.healthy = Some(configuration(&[]));
    let plan = plan_candidates(&request);
    assert_eq!(tried(&plan)[0], "max-num-seqs=8");
    assert_eq!(refusals(&plan), [(String::new(), RefusalReason::HealthyValueUnset)]);
    let mut known = self::request(SymptomKind::VllmOom, Diagnosis::MemoryStarved, &[("gpu-memory-utilization", "0.3")]);
    known.healthy = Some(configuration(&[]));
    let plan = plan_candidates(&known);
    assert_eq!(tried(&plan)[0], "gpu-memory-utilization=0.92", "the engine's default is the same everywhere");
    assert_eq!(plan.refused, []);
}

#[test]
fn an_unexplained_symptom_is_answered_only_by_what_changed() {
    let mut request = request(SymptomKind::LatencyRegression, Diagnosis::Unexplained, &[("max-num-seqs", "2")]);
    assert_eq!(plan_candidates(&request).nothing, Some(NothingToTry::NoParameterFits));
    request.healthy = Some(configuration(&[("max-num-seqs", "32")]));
    assert_eq!(tried(&plan_candidates(&request)), ["max-num-seqs=32"]);
    request.parameters = vec![named("max-num-seqs", &["8", "4"])];
    assert_eq!(tried(&plan_candidates(&request)), ["max-num-seqs=8", "max-num-seqs=4"], "as listed");
    request.parameters = vec![of_catalogue("max-num-seqs")];
    let plan = plan_candidates(&request);
    let expected = ["32", "16", "8", "64", "128", "256"].map(|value| format!("max-num-seqs={value}"));
    assert_eq!(tried(&plan), expected, "named by the user: tried both ways");
    assert_eq!(plan.candidates[1].why, "higher than 2: nothing says which way helps, nearest first");
}

#[test]
fn nothing_is_planned_for_a_crash_or_for_an_engine_that_is_not_known() {
    let crash = request(SymptomKind::EngineCrash, Diagnosis::Unexplained, &[]);
    assert_eq!(plan_candidates(&crash).nothing, Some(NothingToTry::NothingIsTunedForIt));
    assert_eq!(plan_candidates(&CandidateRequest::default()).nothing, Some(NothingToTry::NothingIsTunedForIt));
    let mut oom = request(SymptomKind::VllmOom, Diagnosis::MemoryStarved, &[]);
    for version in [None, Some("vllm latest"), Some("vllm 0.29.0"), Some("vllm 0.34.0")] {
        oom.environment.engine_version = version.map(ToOwned::to_owned);
        assert_eq!(plan_candidates(&oom).nothing, Some(NothingToTry::EngineVersionUnknown), "{version:?}");
    }
}

#[test]
fn the_gravest_explained_symptom_leads() {
    let cause = |symptom, diagnosis| Cause { symptom, diagnosis };
    let causes = [
        cause(SymptomKind::VllmOom, Diagnosis::Unexplained),
        cause(SymptomKind::EngineCrash, Diagnosis::Unexplained),
        cause(SymptomKind::LatencyRegression, Diagnosis::CachePressure),
        cause(SymptomKind::PassRateDrop, Diagnosis::AdmissionLimited),
        cause(SymptomKind::LatencyRegression, Diagnosis::CachePressure),
    ];
    assert_eq!(
        leading_first(&causes),
        [
            cause(SymptomKind::PassRateDrop, Diagnosis::AdmissionLimited),
            cause(SymptomKind::LatencyRegression, Diagnosis::CachePressure),
            cause(SymptomKind::VllmOom, Diagnosis::Unexplained),
        ]
    );
}

#[test]
fn what_needs_the_administrator_is_proposed_by_nobody_else() {
    let mut request = request(SymptomKind::LatencyRegression, Diagnosis::AdmissionLimited, &[]);
    request.parameters = vec![of_catalogue("kv-cache-dtype")];
    let plan = plan_candidates(&request);
    assert_eq!(refusals(&plan), [(String::new(), RefusalReason::NotTunable)]);
    assert_eq!(plan.nothing, Some(NothingToTry::EverythingRefused));
    let permitted = AdminBounds { permitted: true, ..AdminBounds::default() };
    request.admin = [(ParameterName::new("kv-cache-dtype"), permitted)].into();
    request.parameters = vec![named("kv-cache-dtype", &["fp8"])];
    assert_eq!(tried(&plan_candidates(&request)), ["kv-cache-dtype=fp8"]);
}

#[test]
fn a_ladder_inside_the_administrators_bounds_is_cut_without_complaint() {
    let mut request = request(SymptomKind::VllmOom, Diagnosis::MemoryOvercommitted, &[]);
    let narrow = AdminBounds { maximum: Some("0.75".parse().unwrap()), ..AdminBounds::default() };
    request.admin = [(ParameterName::new("gpu-memory-utilization"), narrow)].into();
    let plan = plan_candidates(&request);
    let expected =
        ["0.55", "0.6", "0.65", "0.7", "0.72", "0.75"].map(|value| format!("gpu-memory-utilization={value}"));
    assert_eq!(tried(&plan), expected);
    assert_eq!(plan.refused, []);
}

#[test]
fn a_flag_that_is_off_by_default_is_proposed_only_where_it_is_set() {
    let off = request(SymptomKind::LatencyRegression, Diagnosis::CachePressure, &[("gpu-memory-utilization", "0.98")]);
    assert!(tried(&plan_candidates(&off)).iter().all(|set| !set.starts_with("max-num-active-seqs")));
    let set = [("gpu-memory-utilization", "0.98"), ("max-num-seqs", "8"), ("max-num-active-seqs", "64")];
    let on = request(SymptomKind::LatencyRegression, Diagnosis::CachePressure, &set);
    assert!(tried(&plan_candidates(&on)).contains(&"max-num-active-seqs=8".to_owned()));
}

#[test]
fn a_grid_tries_every_combination_leading_values_first() {
    let incumbent = [("max-num-seqs", "64"), ("max-num-batched-tokens", "2048")];
    let mut request = request(SymptomKind::LatencyRegression, Diagnosis::ComputeBound, &incumbent);
    request.parameters =
        vec![named("max-num-seqs", &["32", "128"]), named("max-num-batched-tokens", &["4096", "1024"])];
    request.strategy = Strategy::Grid;
    request.max_candidates = 3;
    let plan = plan_candidates(&request);
    assert_eq!(
        tried(&plan),
        [
            "max-num-batched-tokens=1024,max-num-seqs=32",
            "max-num-batched-tokens=4096,max-num-seqs=32",
            "max-num-batched-tokens=1024,max-num-seqs=128",
        ]
    );
    assert_eq!(
        plan.candidates[0].why,
        "listed for max-num-seqs, now 64; lower than 2048: the work itself is slow, nearest first"
    );
    assert_eq!(
        refusals(&plan),
        [("max-num-batched-tokens=4096,max-num-seqs=128".to_owned(), RefusalReason::BeyondMaximum)]
    );
}

#[test]
fn a_grid_of_long_ranges_is_bounded() {
    let mut request = request(SymptomKind::LatencyRegression, Diagnosis::ComputeBound, &[]);
    let range = |name: &str| RequestedParameter {
        name: ParameterName::new(name),
        values: RequestedValues::Range {
            minimum: Decimal::from_integer(1001),
            maximum: Decimal::from_integer(1100),
            step: Decimal::from_integer(1),
        },
    };
    request.parameters = vec![range("max-num-seqs"), range("max-num-batched-tokens")];
    request.strategy = Strategy::Grid;
    let plan = plan_candidates(&request);
    assert_eq!(plan.candidates.len(), 6);
    assert!(plan.refused.len() < super::super::combine::GRID_POINTS_MAX);
    assert_eq!(tried(&plan)[0], "max-num-batched-tokens=1001,max-num-seqs=1001");
}

#[test]
fn a_bisection_takes_one_parameter_that_decides_over_memory() {
    let mut request =
        request(SymptomKind::VllmOom, Diagnosis::MemoryOvercommitted, &[("gpu-memory-utilization", "0.92")]);
    request.strategy = Strategy::Bisection;
    request.parameters = vec![
        named("watermark", &["0.05"]),
        named("gpu-memory-utilization", &["0.9", "0.7", "0.8", "0.75", "0.85", "0.6", "0.65", "0.5"]),
        named("max-num-seqs", &["8"]),
    ];
    let plan = plan_candidates(&request);
    let expected = ["0.5", "0.6", "0.65", "0.7", "0.75", "0.8", "0.85", "0.9"];
    assert_eq!(tried(&plan), expected.map(|value| format!("gpu-memory-utilization={value}")), "not cut: it is halved");
    assert_eq!(plan.feasible_side, Some(FeasibleSide::Below));
    let messages: Vec<&str> = plan.refused.iter().map(|refused| refused.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "more or less of watermark does not decide whether the memory holds; use List",
            "a bisection works on one parameter, and max-num-seqs is not the first",
        ]
    );
}

#[test]
fn a_bisection_knows_which_side_holds() {
    let side = |symptom, diagnosis| {
        let mut request = request(symptom, diagnosis, &[("gpu-memory-utilization", "0.5")]);
        request.strategy = Strategy::Bisection;
        request.parameters = vec![of_catalogue("gpu-memory-utilization")];
        plan_candidates(&request).feasible_side
    };
    assert_eq!(side(SymptomKind::VllmOom, Diagnosis::MemoryStarved), Some(FeasibleSide::Above));
    assert_eq!(side(SymptomKind::LatencyRegression, Diagnosis::CachePressure), Some(FeasibleSide::Below));
    assert_eq!(side(SymptomKind::LatencyRegression, Diagnosis::AdmissionLimited), None);
}
