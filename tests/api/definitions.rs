//! The definitions keep the rules for structural schemas, and our own.

use std::{collections::BTreeSet, sync::LazyLock};

use phaseloop::{
    api::{all_crds, crds::crd_values},
    structural::{KNOWN_KEYWORDS, admit, defaults_of},
};
use phaseloop_core::policy::bound;
use phaseloop_core::value::format_duration;
use serde_json::{Value, json};

/// Calls `visit` with the path and the schema of every node below `schema`, itself included.
pub(crate) fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        walk(child, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, visit);
    }
    for child in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(child) {
            walk(child, &format!("{path}[]"), visit);
        }
    }
}

/// Kind and schema of each definition.
pub(crate) fn schemas() -> &'static [(String, Value)] {
    static SCHEMAS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
        let schema = |crd: &Value| {
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
            (kind, crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone())
        };
        crd_values().iter().map(schema).collect()
    });
    &SCHEMAS
}

/// The places at which `wrong` says what is wrong with a node.
fn complaints(mut wrong: impl FnMut(&str, &Value) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (kind, schema) in schemas() {
        walk(schema, "", &mut |path, node| {
            complaints.extend(wrong(path, node).map(|what| format!("{kind} {path}: {what}")));
        });
    }
    complaints
}

/// Values of flags are numbers and words side by side, for which structural schemas have no type. The reader and the
/// operator take nothing else from there.
fn is_a_flags_value(path: &str) -> bool {
    path == "spec.parameters[].values[]"
}

#[test]
fn every_node_is_structural() {
    let none: Vec<String> = Vec::new();
    let untyped = |path: &str, node: &Value| {
        (node["type"].as_str().is_none() && !is_a_flags_value(path)).then(|| "has no type".to_owned())
    };
    assert_eq!(complaints(untyped), none);
    let both = |_: &str, node: &Value| {
        (node.get("properties").is_some() && node.get("additionalProperties").is_some()).then(|| "both".to_owned())
    };
    assert_eq!(complaints(both), none);
    let array =
        |_: &str, node: &Value| (node["type"] == "array" && node.get("items").is_none()).then(|| "no items".to_owned());
    assert_eq!(complaints(array), none);
}

#[test]
fn every_keyword_is_one_that_the_offline_check_knows() {
    let known: BTreeSet<&str> = KNOWN_KEYWORDS.into();
    let unknown = |_: &str, node: &Value| {
        let keywords = node.as_object().unwrap().keys();
        let unknown: Vec<_> = keywords.filter(|keyword| !known.contains(keyword.as_str())).cloned().collect();
        (!unknown.is_empty()).then(|| unknown.join(", "))
    };
    assert_eq!(complaints(unknown), Vec::<String>::new());
}

#[test]
fn every_field_says_what_it_means() {
    let silent = |path: &str, node: &Value| {
        let told = node["description"].as_str().is_some_and(|text| text.ends_with('.') && !text.contains('\n'));
        (!told && !path.ends_with("[]")).then(|| format!("{:?}", node.get("description")))
    };
    // The two roots below the object are `spec` and `status`; both are told as well.
    assert_eq!(complaints(silent), Vec::<String>::new());
}

#[test]
fn every_text_list_and_map_is_bounded() {
    let unbounded = |_: &str, node: &Value| {
        let bounded = match node["type"].as_str().unwrap_or_default() {
            "string" => ["maxLength", "enum", "format"].iter().any(|keyword| node.get(keyword).is_some()),
            "array" => node.get("maxItems").is_some(),
            "object" => node.get("properties").is_some() || node.get("maxProperties").is_some(),
            _ => true,
        };
        (!bounded).then(|| "has no bound".to_owned())
    };
    assert_eq!(complaints(unbounded), Vec::<String>::new());
}

#[test]
fn numbers_are_signed_and_whole_ones_are_written_without_a_point() {
    let odd = |_: &str, node: &Value| {
        let unsigned = node["format"].as_str().is_some_and(|format| format.starts_with("uint"));
        let is_whole_with_a_point = |value: &Value| value.is_f64() && value.as_f64().is_some_and(|n| n.fract() == 0.0);
        let point = node.as_object().unwrap().values().any(is_whole_with_a_point);
        (unsigned || point || node.get("nullable").is_some()).then(|| node.to_string())
    };
    assert_eq!(complaints(odd), Vec::<String>::new());
}

#[test]
fn list_map_keys_are_required_and_every_list_says_how_it_merges() {
    let odd = |_: &str, node: &Value| match node["x-kubernetes-list-type"].as_str() {
        None => (node["type"] == "array").then(|| "no list type".to_owned()),
        Some("map") => {
            let required = node["items"]["required"].as_array().cloned().unwrap_or_default();
            let keys = node["x-kubernetes-list-map-keys"].as_array().cloned().unwrap_or_default();
            (keys.is_empty() || keys.iter().any(|key| !required.contains(key))).then(|| "key not required".to_owned())
        }
        Some("set") => (node["items"]["type"] == "object").then(|| "a set of objects".to_owned()),
        Some(_) => None,
    };
    assert_eq!(complaints(odd), Vec::<String>::new());
}

#[test]
fn transition_rules_stand_only_where_old_and_new_can_be_matched() {
    let odd = |path: &str, node: &Value| {
        let rules = node["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
        let transition = rules.iter().any(|rule| rule["rule"].as_str().unwrap().contains("oldSelf"));
        (transition && path.contains("[]")).then(|| "oldSelf inside a list".to_owned())
    };
    assert_eq!(complaints(odd), Vec::<String>::new());
}

#[test]
fn every_default_fits_its_own_schema() {
    let odd = |_: &str, node: &Value| {
        let default = node.get("default")?.clone();
        let wrapped = json!({ "type": "object", "properties": { "value": node } });
        admit(json!({ "value": default }), &wrapped).err().map(|faults| format!("{faults:?}"))
    };
    assert_eq!(complaints(odd), Vec::<String>::new());
}

/// The API server judges a default by the rules beside it before the defaults within it come in, and refuses a
/// definition whose rule reads a field that is not there (seen: 1.34).
#[test]
fn a_default_under_a_rule_is_written_in_full() {
    let odd = |_: &str, node: &Value| {
        let default = node.get("default").filter(|default| default.is_object())?;
        // A rule about a change is not asked here.
        let rules = node["x-kubernetes-validations"].as_array()?;
        rules.iter().find(|rule| !rule["rule"].as_str().unwrap().contains("oldSelf"))?;
        let within = defaults_of(node);
        (*default != within).then(|| format!("{default} stands for {within}"))
    };
    assert_eq!(complaints(odd), Vec::<String>::new());
}

#[test]
fn the_definitions_are_read_by_kubernetes_own_types() {
    let crds = all_crds();
    assert_eq!(crds.len(), 5);
    for (crd, (short, kind)) in crds.iter().zip([
        ("phsched", "PhaseSchedule"),
        ("phrun", "PhaseRun"),
        ("esc", "Escalation"),
        ("tcan", "TuningCanary"),
        ("tprom", "Promotion"),
    ]) {
        let names = &crd.spec.names;
        assert_eq!(names.kind, kind);
        assert_eq!(names.short_names.as_deref(), Some([short.to_owned()].as_slice()));
        assert_eq!(names.categories.as_deref(), Some(["phaseloop".to_owned()].as_slice()));
        assert_eq!(crd.spec.group, phaseloop::api::GROUP);
        assert_eq!(crd.spec.scope, "Namespaced");
        let [version] = crd.spec.versions.as_slice() else { panic!("{kind} has several versions") };
        assert_eq!(version.name, phaseloop::api::VERSION);
        assert!(version.served && version.storage);
        assert!(version.subresources.as_ref().is_some_and(|subresources| subresources.status.is_some()));
    }
}

#[test]
fn each_kind_reports_in_the_way_that_kubectl_wait_understands() {
    for (kind, schema) in schemas() {
        let status = &schema["properties"]["status"]["properties"];
        assert_eq!(status["observedGeneration"]["type"], "integer", "{kind}");
        assert_eq!(status["conditions"]["x-kubernetes-list-map-keys"], json!(["type"]), "{kind}");
        assert_eq!(status["history"]["properties"]["records"]["maxItems"], 64, "{kind}");
    }
}

#[test]
fn printer_columns_point_to_fields_that_exist() {
    for crd in crd_values() {
        let version = &crd["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        for column in version["additionalPrinterColumns"].as_array().unwrap() {
            let path = column["jsonPath"].as_str().unwrap();
            if path.starts_with(".metadata.") {
                continue;
            }
            let plain = path.split("[?").next().unwrap();
            let last = path.rsplit_once(']').map(|(_, last)| last);
            let mut node = schema;
            for name in plain.split('.').skip(1) {
                node = &node["properties"][name];
            }
            if let Some(last) = last {
                node = &node["items"]["properties"][last.trim_start_matches('.')];
            }
            let wanted = match column["type"].as_str().unwrap() {
                "date" => "string",
                other => other,
            };
            assert_eq!(node["type"], wanted, "{} {path}", crd["spec"]["names"]["kind"]);
        }
    }
}

#[test]
fn no_kind_can_carry_a_pod_or_name_another_namespace() {
    let odd = |path: &str, node: &Value| {
        let last = path.rsplit('.').next().unwrap_or_default();
        let pod = ["containers", "podSpec", "template", "namespace"].contains(&last);
        let free = node.get("x-kubernetes-preserve-unknown-fields").is_some() && !is_a_flags_value(path);
        (pod || free).then(|| "is there".to_owned())
    };
    assert_eq!(complaints(odd), Vec::<String>::new());
}

/// What the API server stores for a kind's spec when only the given fields are set.
fn defaulted(kind: &str, pointer: &str) -> Value {
    let (_, schema) = schemas().iter().find(|(name, _)| name == kind).unwrap();
    let schema = schema.pointer(pointer).unwrap();
    defaults_of(schema)
}

#[test]
fn the_defaults_are_the_constants_of_the_core() {
    let schedule = defaulted("PhaseSchedule", "/properties/spec");
    let run = defaulted("PhaseRun", "/properties/spec");
    let escalation = defaulted("Escalation", "/properties/spec");
    let rule = defaulted("Escalation", "/properties/spec/properties/rules/items");
    let serving = defaulted("PhaseRun", "/properties/spec/properties/domains/items/properties/serving");
    let workload = defaulted("TuningCanary", "/properties/spec/properties/workload");
    let slo = defaulted("TuningCanary", "/properties/spec/properties/slo");
    let duration = |duration| json!(format_duration(duration));
    for (value, constant) in [
        (&schedule["schedule"], json!(bound::SCHEDULE_DEFAULT)),
        (&schedule["timeZone"], json!(bound::TIME_ZONE_DEFAULT)),
        (&schedule["startingDeadline"], duration(bound::STARTING_DEADLINE_DEFAULT)),
        (&schedule["historyLimit"], json!(bound::HISTORY_LIMIT_DEFAULT)),
        (&schedule["suspend"], json!(false)),
        (&run["timeout"], duration(bound::RUN_TIMEOUT_DEFAULT)),
        (&run["gpuWaitTimeout"], duration(bound::GPU_WAIT_TIMEOUT_DEFAULT)),
        (&run["resources"]["memory"], json!(bound::RUN_MEMORY_DEFAULT)),
        (&run["resources"]["cpu"], json!(bound::RUN_CPU_DEFAULT)),
        (&run["placement"], json!("SpareGPU")),
        (&run["counts"], json!(true)),
        (&run["parallelism"], json!(1)),
        (&run["abort"], json!(false)),
        (&run["analysis"]["baselineWindow"], duration(bound::BASELINE_WINDOW_DEFAULT)),
        (&run["analysis"]["minimumRuns"], json!(bound::BASELINE_RUNS_MIN_DEFAULT)),
        (&run["analysis"]["thresholds"]["latency"]["warningPercent"], json!(bound::LATENCY_WARNING_PERCENT_DEFAULT)),
        (&run["analysis"]["thresholds"]["latency"]["criticalPercent"], json!(bound::LATENCY_CRITICAL_PERCENT_DEFAULT)),
        (&run["analysis"]["thresholds"]["throughput"]["warningPercent"], json!(bound::DROP_WARNING_PERCENT_DEFAULT)),
        (&run["analysis"]["thresholds"]["throughput"]["criticalPercent"], json!(bound::DROP_CRITICAL_PERCENT_DEFAULT)),
        (&run["analysis"]["thresholds"]["passRate"]["warningPercent"], json!(bound::DROP_WARNING_PERCENT_DEFAULT)),
        (&run["analysis"]["thresholds"]["passRate"]["criticalPercent"], json!(bound::DROP_CRITICAL_PERCENT_DEFAULT)),
        (&run["analysis"]["thresholds"]["oomEvents"]["warningPercent"], json!(bound::OOM_WARNING_PERCENT_DEFAULT)),
        (&run["analysis"]["significance"]["confidence"], json!(bound::SIGNIFICANCE_CONFIDENCE_DEFAULT)),
        (&serving["warmup"], duration(bound::SERVING_WARMUP_DEFAULT)),
        (&serving["duration"], duration(bound::SERVING_DURATION_DEFAULT)),
        (&workload["requests"], json!(bound::WORKLOAD_REQUESTS_DEFAULT)),
        (&slo["maxFailedRequestsPercent"], json!(bound::FAILED_REQUESTS_PERCENT_MAX_DEFAULT)),
        (&rule["threshold"], json!(bound::SYMPTOM_THRESHOLD_DEFAULT)),
        (&rule["minSeverity"], json!("warning")),
        (&rule["flagTTL"], duration(bound::FLAG_TTL_DEFAULT)),
        (&rule["validThroughNextWindow"], json!(false)),
        (&escalation["search"]["strategy"], json!("List")),
        (&escalation["search"]["maxCandidates"], json!(bound::CANDIDATES_MAX_DEFAULT)),
        (&escalation["search"]["stopAfterFailures"], json!(bound::STOP_AFTER_FAILURES_DEFAULT)),
        (&escalation["search"]["minimumGain"], json!(bound::MINIMUM_GAIN_DEFAULT)),
        (&escalation["search"]["minimumFitness"], json!(bound::MINIMUM_FITNESS_DEFAULT)),
        (&escalation["canary"]["measure"], duration(bound::CANARY_MEASURE_DEFAULT)),
        (&escalation["canary"]["startTimeout"], duration(bound::CANARY_START_TIMEOUT_DEFAULT)),
        (&escalation["canary"]["grace"], duration(bound::CANARY_GRACE_DEFAULT)),
        (&escalation["canary"]["repeats"], json!(bound::CANARY_REPEATS_DEFAULT)),
        (&escalation["canary"]["placement"], json!("SpareGPU")),
        (&escalation["canary"]["limits"]["minimumRequests"], json!(bound::CANARY_REQUESTS_MIN_DEFAULT)),
        (&escalation["safety"]["windows"][0]["start"], json!(bound::WINDOW_START_DEFAULT)),
        (&escalation["safety"]["windows"][0]["end"], json!(bound::WINDOW_END_DEFAULT)),
        (&escalation["safety"]["windows"][0]["timeZone"], json!(bound::TIME_ZONE_DEFAULT)),
        (&escalation["safety"]["measureBudget"], duration(bound::MEASURE_BUDGET_DEFAULT)),
        (&escalation["safety"]["gpuHoldBudget"], duration(bound::GPU_HOLD_BUDGET_DEFAULT)),
        (&escalation["safety"]["cooldown"], duration(bound::COOLDOWN_DEFAULT)),
        (&escalation["safety"]["rate"]["runs"], json!(bound::RATE_RUNS_DEFAULT)),
        (&escalation["safety"]["rate"]["per"], duration(bound::RATE_PERIOD_DEFAULT)),
        (&escalation["safety"]["restoreSLA"], duration(bound::RESTORE_SLA_DEFAULT)),
        (&escalation["promotion"]["delivery"], json!("Patch")),
        (&escalation["promotion"]["approval"], json!("Manual")),
        (&escalation["promotion"]["rolloutTimeout"], duration(bound::ROLLOUT_TIMEOUT_DEFAULT)),
        (&escalation["promotion"]["validateWithin"], duration(bound::VALIDATE_WITHIN_DEFAULT)),
        (&escalation["promotion"]["allowManaged"], json!(false)),
    ] {
        assert_eq!(*value, constant, "{constant}");
    }
}

/// The bounds that the schemas write as numbers, because an attribute takes no constant of another crate.
#[test]
fn the_bounds_are_the_constants_of_the_core() {
    let (_, schema) = schemas().iter().find(|(name, _)| name == "Escalation").unwrap();
    let maximum = |pointer: &str| schema.pointer(pointer).unwrap()["maximum"].clone();
    assert_eq!(maximum("/properties/spec/properties/search/properties/maxCandidates"), bound::CANDIDATES_MAX);
    let threshold = maximum("/properties/spec/properties/rules/items/properties/threshold");
    assert_eq!(threshold, bound::SYMPTOM_THRESHOLD_MAX);
    let (_, run) = schemas().iter().find(|(name, _)| name == "PhaseRun").unwrap();
    let runs = run.pointer("/properties/spec/properties/analysis/properties/minimumRuns").unwrap();
    assert_eq!(runs["minimum"], bound::BASELINE_RUNS_MIN_DEFAULT);
}

#[test]
fn no_rule_speaks_of_a_list_whose_elements_have_no_type() {
    // The API server's CEL does not know such a field: it would refuse the whole definition.
    let speaks = |_: &str, node: &Value| {
        let rules = node["x-kubernetes-validations"].as_array().into_iter().flatten();
        let untyped: Vec<&String> = node["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, field)| field["type"] == "array" && field["items"].get("type").is_none())
            .map(|(name, _)| name)
            .collect();
        rules
            .filter_map(|rule| rule["rule"].as_str())
            .find_map(|rule| untyped.iter().any(|name| rule.contains(&format!("self.{name}"))).then(|| rule.to_owned()))
    };
    assert_eq!(complaints(speaks), Vec::<String>::new());
}
