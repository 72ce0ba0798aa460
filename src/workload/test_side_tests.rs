use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::workload::{TestKind, fixture, plan_test_pod, request::TemplateFacts};

fn side(cpu: &str, memory: &str, parallelism: i64) -> TestSide {
    TestSide::of_one_pod(&TestResources { cpu: cpu.to_owned(), memory: memory.to_owned() }, parallelism)
}

fn container(name: &str, resources: &Value) -> Value {
    json!({ "name": name, "image": "tests:1", "resources": resources })
}

fn pod(containers: &[Value], init: &[Value]) -> PodSpec {
    serde_json::from_value(json!({ "containers": containers, "initContainers": init })).unwrap()
}

fn resources_of(container: &Container) -> Value {
    serde_json::to_value(&container.resources).unwrap()
}

fn message(result: Result<PodSpec, Refusal>) -> String {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::TestSideTooLarge);
    refusal.message
}

#[test]
fn what_says_a_limit_keeps_it_and_the_others_share_what_is_left_and_reserve_nothing() {
    let said = json!({ "limits": { "cpu": "1", "memory": "1Gi" } });
    let spec = pod(&[container("a", &said), container("b", &json!({})), container("c", &json!({}))], &[]);
    let bounded = bound_containers(spec, side("3100m", "5248Mi", 1)).unwrap();
    assert_eq!(resources_of(&bounded.containers[0]), said);
    let given = json!({ "limits": { "cpu": "1", "memory": "2048Mi" }, "requests": { "cpu": "0", "memory": "0" } });
    assert_eq!([resources_of(&bounded.containers[1]), resources_of(&bounded.containers[2])], [given.clone(), given]);
}

#[test]
fn what_is_requested_stays_requested_and_the_limit_lies_above_it() {
    let said = json!({ "requests": { "cpu": "500m", "memory": "1Gi" }, "limits": { "memory": "2Gi" } });
    let bounded = bound_containers(pod(&[container("a", &said)], &[]), side("4", "8Gi", 1)).unwrap();
    let expected =
        json!({ "requests": { "cpu": "500m", "memory": "1Gi" }, "limits": { "cpu": "3900m", "memory": "2Gi" } });
    assert_eq!(resources_of(&bounded.containers[0]), expected, "all but the collector's 100m");
}

#[test]
fn exactly_what_is_allowed_may_be_asked_for_and_no_more() {
    let of = |cpu: &str, memory: &str| {
        let said = json!({ "limits": { "cpu": cpu, "memory": memory } });
        bound_containers(pod(&[container("a", &said)], &[]), side("4", "8Gi", 1))
    };
    assert!(of("3900m", "8064Mi").is_ok(), "with the collector's 100m and 128Mi");
    assert_eq!(
        message(of("3901m", "8064Mi")),
        "the containers of the PodTemplate and phaseloop-collector would take 4001m of cpu, and spec.resources.cpu leaves 4 \
         to each pod of the run; raise it, or lower what they ask for"
    );
    assert!(message(of("1", "8065Mi")).contains("8193Mi of memory, and spec.resources.memory leaves 8192Mi"));
}

#[test]
fn each_of_the_pods_that_may_run_at_the_same_time_has_an_equal_part() {
    let said = json!({ "limits": { "cpu": "900m", "memory": "1Gi" } });
    let of = |parallelism| bound_containers(pod(&[container("a", &said)], &[]), side("4", "8Gi", parallelism));
    assert!(of(4).is_ok());
    assert!(message(of(5)).contains("spec.resources.cpu leaves 800m to each pod"));
}

#[test]
fn sidecars_count_with_the_test_and_what_ends_before_it_by_itself() {
    let half = json!({ "limits": { "cpu": "2", "memory": "4Gi" } });
    let sidecar = json!({ "name": "s", "image": "s:1", "restartPolicy": "Always", "resources": half });
    let before = container("before", &json!({ "limits": { "cpu": "4" } }));
    let bounded =
        bound_containers(pod(&[container("a", &json!({}))], std::slice::from_ref(&before)), side("4", "8Gi", 1))
            .unwrap();
    let init = &bounded.init_containers.as_ref().unwrap()[0];
    assert_eq!(resources_of(init)["limits"], json!({ "cpu": "4", "memory": "8192Mi" }));
    assert!(bound_containers(pod(&[container("a", &half)], &[sidecar]), side("4", "8Gi", 1)).is_err());
    assert!(
        message(bound_containers(pod(&[], &[before]), side("3", "8Gi", 1))).starts_with("a container before the test")
    );
}

#[test]
fn what_holds_a_gpu_is_an_engine_and_not_the_test_side() {
    let engine = json!({ "limits": { "nvidia.com/gpu": "1", "memory": "64Gi" } });
    let spec = pod(&[container("engine", &engine), container("a", &json!({}))], &[]);
    let bounded = bound_containers(spec, side("4", "8Gi", 1)).unwrap();
    assert_eq!(resources_of(&bounded.containers[0]), engine);
    assert_eq!(resources_of(&bounded.containers[1])["limits"], json!({ "cpu": "3900m", "memory": "8064Mi" }));
}

#[test]
fn a_probe_that_has_more_than_the_run_allows_is_refused() {
    let settings = fixture::settings();
    assert_eq!(check_probe(&settings, side("1", "1Gi", 1)), Ok(()));
    let refused = check_probe(&settings, side("999m", "1Gi", 1)).unwrap_err();
    assert_eq!(refused.reason, RefusalReason::TestSideTooLarge);
    assert!(
        refused.message.starts_with("the probe would take 1 of cpu, and spec.resources.cpu leaves 999m"),
        "{refused}"
    );
    assert!(check_probe(&settings, side("1", "1023Mi", 1)).is_err());
}

#[test]
fn a_planned_pod_is_within_it_and_a_canary_is_not_asked() {
    let facts = TemplateFacts {
        template: serde_json::from_value(json!({ "spec": { "containers": [container("a", &json!({}))] } })).unwrap(),
        ..TemplateFacts::default()
    };
    let planned = |test_side| {
        let request = crate::workload::TestPodRequest { test: TestKind::Report, test_side, ..fixture::domain() };
        plan_test_pod(&request, &facts, None, &fixture::settings())
    };
    let pod = crate::workload::build_test_pod(&planned(Some(side("4", "8Gi", 1))).unwrap());
    let resources = resources_of(&pod.spec.unwrap().containers[0]);
    assert_eq!(resources["limits"], json!({ "cpu": "3900m", "memory": "8064Mi" }));
    assert_eq!(planned(Some(side("100m", "8Gi", 1))).unwrap_err().reason, RefusalReason::TestSideTooLarge);
    let unbounded = crate::workload::build_test_pod(&planned(None).unwrap());
    assert_eq!(unbounded.spec.unwrap().containers[0].resources, Some(ResourceRequirements::default()));
}

fn some_resources() -> impl Strategy<Value = Value> {
    let amounts = || (prop::option::of(1_u32..3_000), prop::option::of(1_u32..4_096));
    (amounts(), amounts()).prop_map(|(limits, requests)| {
        let map = |(cpu, memory): (Option<u32>, Option<u32>)| {
            let cpu = cpu.map(|cpu| ("cpu", format!("{cpu}m")));
            let memory = memory.map(|memory| ("memory", format!("{memory}Mi")));
            cpu.into_iter().chain(memory).collect::<BTreeMap<_, _>>()
        };
        json!({ "limits": map(limits), "requests": map(requests) })
    })
}

proptest! {
    #[test]
    fn every_pod_that_is_not_refused_has_limits_that_add_up_to_no_more_than_its_part(
        containers in prop::collection::vec(some_resources(), 1..5), parallelism in 1_i64..5,
    ) {
        let side = side("4", "8Gi", parallelism);
        let named: Vec<Value> = (0..).zip(&containers).map(|(place, said)| container(&format!("c{place}"), said)).collect();
        if let Ok(bounded) = bound_containers(pod(&named, &[]), side) {
            for (resource, collector) in [(Bounded::Cpu, COLLECTOR_CPU), (Bounded::Memory, COLLECTOR_MEMORY)] {
                let limits: i128 = bounded.containers.iter().map(|container| limit(container, resource).unwrap()).sum();
                prop_assert!(limits + thousandths(&Quantity(collector.to_owned())) <= side.of(resource));
            }
        }
    }
}
