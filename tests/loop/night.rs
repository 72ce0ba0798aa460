//! The night: a flag that somebody lowered is found, counted, tuned and put right.

use k8s_openapi::api::apps::v1::Deployment;
use phaseloop::api::Escalation;
use serde_json::{Value, json};

use crate::{
    person::Person,
    support::{Place, cluster},
    target::{Engine, FAULTS},
};

/// The name of the target, its schedule and its Escalation.
const NAME: &str = "chat";

/// The flag as it should be.
const GOOD: &str = "--max-num-seqs=64";
/// The flag as somebody sets it.
const BAD: &str = "--max-num-seqs=2";

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
    let serving =
        json!({"workload": workload(), "slo": {"ttft": "100ms", "e2e": "5s"}, "warmup": "5s", "duration": "30s"});
    // Where others compile on the machine, a healthy engine's TTFT of 13 ms was 59 ms; that of two sequences is seconds.
    let thresholds = json!({"latency": {"warningPercent": 500, "criticalPercent": 1000}});
    let run = json!({"domains": [{"name": "serving", "serving": serving}], "analysis": {"thresholds": thresholds}});
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
    let person = Person::new(&place);
    until_promoted(&place, &person, &engine).await;
    let healed = place.until(NAME, "rolled out", is_rolled_out).await;
    assert!(arguments(&healed).contains(&GOOD.to_owned()), "{:?}", arguments(&healed));
    assert_eq!(person.night(NAME), (0, "Healthy".to_owned()));
    assert_eq!(phases_of_promotions(&person), ["Validated"]);
    person.look_around();
    place.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_hold_is_taken_back_to_the_letter_and_denied() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "rollback").await;
    let person = Person::new(&place);
    let before = until_promoted(&place, &person, &Engine::StandIn).await;
    place.until(NAME, "rolled out", is_rolled_out).await;
    person.tell("engines become slower, whatever their flags are");
    let fault = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": FAULTS}, "data": {"STAND_IN_STEP_FACTOR": "6"},
    });
    person.apply(&fault.to_string());
    assert_eq!(person.night(NAME).0, 1);
    let taken_back = |target: &Deployment| is_rolled_out(target) && arguments(target).contains(&BAD.to_owned());
    let after = place.until(NAME, "taken back", taken_back).await;
    assert_eq!(of_people(&after), of_people(&before));
    let rolled_back = |escalation: &Escalation| {
        let status = escalation.status.as_ref();
        status.is_some_and(|status| !status.denied.is_empty() && status.flags.iter().all(|flag| flag.count <= 1))
    };
    place.until(NAME, "told that the value is denied, and that its night counts as one", rolled_back).await;
    assert_eq!(phases_of_promotions(&person), ["RolledBack"]);
    person.look_around();
    place.leave().await;
}

/// Three runs begin a baseline, somebody lowers the flag, two runs find it; the second one ends with a promotion. Answers the
/// target as it was before it.
async fn until_promoted(place: &Place, person: &Person<'_>, engine: &Engine) -> Deployment {
    person.apply(&engine.deployment(NAME, &[GOOD]));
    place.until(NAME, "rolled out", is_rolled_out).await;
    person.tell("the engine serves");

    let said = person.phaseloop(&["init", &format!("deployment/{NAME}"), "--rate", "30"]);
    assert_eq!(said.code, 0, "{}", said.err);
    person.apply(&said.out);
    hurry(person);

    for _ in 0..3 {
        let (code, reason) = person.night(NAME);
        assert_eq!((code, reason.as_str()), (3, "Unknown"), "a baseline begins with runs of which nothing can be said");
    }
    person.tell("somebody lowers --max-num-seqs to 2");
    person.apply(&engine.deployment(NAME, &[BAD]));
    let lowered = |target: &Deployment| is_rolled_out(target) && arguments(target).contains(&BAD.to_owned());
    let before = place.until(NAME, "rolled out", lowered).await;

    assert_eq!(person.night(NAME), (1, "Counted".to_owned()));
    assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
    before
}

fn phases_of_promotions(person: &Person<'_>) -> Vec<String> {
    let promotions = person.get("promotions.phaseloop.dev");
    let items = promotions["items"].as_array().unwrap();
    items.iter().filter_map(|item| item["status"]["phase"].as_str().map(str::to_owned)).collect()
}

/// What people said of a target: all but what the cluster's own controllers keep there.
fn of_people(target: &Deployment) -> Value {
    let mut annotations = target.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| !key.starts_with("deployment.kubernetes.io/"));
    json!({"annotations": annotations, "labels": target.metadata.labels, "spec": target.spec})
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
