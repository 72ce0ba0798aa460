//! The night: a flag that somebody lowered is found, counted, tuned and put right.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use crate::{
    person::Person,
    support::{Place, cluster},
    target::Engine,
};

/// The name of the target, its schedule and its Escalation.
const NAME: &str = "chat";

/// The load of a night, as the recordings of a real vLLM have it: far from what a healthy engine can take, and more than
/// one with two sequences can.
fn workload() -> Value {
    json!({
        "requests": 300, "arrival": {"rate": 30}, "seed": 7,
        "inputTokens": {"fixed": 64}, "outputTokens": {"fixed": 32},
    })
}

/// What a person changes of what `phaseloop init` printed, to see a week of nights in minutes.
fn hurry(person: &Person<'_>) {
    let serving = json!({"workload": workload(), "slo": {"ttft": "100ms", "e2e": "5s"}, "warmup": "2s", "duration": "30s"});
    let run = json!({"domains": [{"name": "serving", "serving": serving}]});
    person.patch(&format!("phaseschedule/{NAME}"), &json!({"spec": {"run": run}}));
    let open = json!([open_window()]);
    person.patch(
        &format!("escalation/{NAME}"),
        &json!({"spec": {
            "rules": [{"symptom": "latency_regression", "threshold": 2, "parameters": ["max-num-seqs"]}],
            "parameters": [{"name": "max-num-seqs", "values": ["4", "64"]}],
            "canary": {"measure": "15s"},
            "safety": {"windows": open, "measureBudget": "300s"},
            "promotion": {"approval": "Automatic", "windows": open},
        }}),
    );
}

/// A maintenance window that opened an hour ago and is open for eleven more.
fn open_window() -> Value {
    #[allow(clippy::disallowed_methods, reason = "the operator in the cluster goes by the clock of the machine")]
    let now = jiff::Timestamp::now();
    let at = |hours: i64| {
        let instant = now + jiff::SignedDuration::from_hours(hours);
        instant.strftime("%H:%M").to_string()
    };
    json!({"start": at(-1), "end": at(11), "timeZone": "Etc/UTC"})
}

fn arguments(deployment: &Deployment) -> Vec<String> {
    let template = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).unwrap();
    template.containers[0].args.clone().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_real_vllm_a_lowered_flag_is_found_counted_tuned_and_put_right() {
    let Some(client) = cluster().await else { return };
    let Some(engine) = Engine::real() else { return };
    let place = Place::new(client, "real-night").await;
    a_night(&place, &engine).await;
    place.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_stand_in_a_lowered_flag_is_found_counted_tuned_and_put_right() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "night").await;
    a_night(&place, &Engine::StandIn(Vec::new())).await;
    place.leave().await;
}

async fn a_night(place: &Place, engine: &Engine) {
    let person = Person::new(place);
    person.apply(&engine.deployment(NAME, &["--max-num-seqs=64"]));
    place.until(NAME, "rolled out", is_rolled_out).await;
    person.tell("the engine serves");

    let said = person.phaseloop(&["init", &format!("deployment/{NAME}"), "--rate", "30"]);
    assert_eq!(said.code, 0, "{said:?}");
    person.apply(&said.out);
    hurry(&person);

    for _ in 0..3 {
        assert_eq!(person.night(NAME).0, 3, "a baseline begins with runs of which nothing can be said");
    }
    person.tell("somebody lowers --max-num-seqs to 2");
    person.apply(&engine.deployment(NAME, &["--max-num-seqs=2"]));
    place.until(NAME, "rolled out", is_rolled_out).await;

    assert_eq!(person.night(NAME), (1, "Counted".to_owned()));
    assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
    let healed = place.until(NAME, "rolled out", is_rolled_out).await;
    assert!(arguments(&healed).contains(&"--max-num-seqs=64".to_owned()), "{:?}", arguments(&healed));
    assert_eq!(person.night(NAME), (0, "Healthy".to_owned()));

    let promotions = person.get("promotions.phaseloop.dev");
    let phases: Vec<&str> =
        promotions["items"].as_array().unwrap().iter().filter_map(|item| item["status"]["phase"].as_str()).collect();
    assert_eq!(phases, ["Validated"]);
    person.look_around();
}

/// As `kubectl rollout status` has it.
fn is_rolled_out(deployment: &Deployment) -> bool {
    let (Some(spec), Some(status)) = (&deployment.spec, &deployment.status) else { return false };
    let wanted = spec.replicas.unwrap_or(1);
    status.observed_generation == deployment.metadata.generation
        && status.updated_replicas == Some(wanted)
        && status.replicas == Some(wanted)
        && status.available_replicas == Some(wanted)
}
