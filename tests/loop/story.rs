//! What the stories have in common: a target under test with its schedule and its Escalation, made as a user makes them.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{apps::v1::Deployment, core::v1::Pod},
};
use kube::{
    Resource, ResourceExt,
    api::{DeleteParams, ListParams},
};
use phaseloop::{
    api::{
        Escalation, PhaseRun, Promotion, TuningCanary,
        promotion::status::PromotionPhase,
        tuning_canary::status::{CanaryPhase, FailureClass},
    },
    controllers::phase_run::facts::has_ended,
    workload::test_pods_selector,
};
use phaseloop_core::{
    analysis::reason::AnalysisReason,
    borrow::GiveBackNote,
    plan::{OwnObject, label::ANNOTATION_GIVE_BACK},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    person::Person,
    support::{DEADLINE, PAUSE, Place, cluster},
    target::{Engine, FAULTS},
};

/// The name of the target, its schedule and its Escalation.
pub(crate) const NAME: &str = "chat";

/// Above this share of the card the stand-in dies under load, as one whose memory is promised twice.
const OUT_OF_MEMORY_ABOVE: &str = "0.91";
/// What the stand-in needs besides its cache, of 14.59 GiB: below a share of 0.8225 nothing is left for the cache.
const OTHER_GIB: &str = "12";
/// A share with which it refuses to start, and one that serves.
pub(crate) const STARVED: &str = "0.8";
pub(crate) const GOOD: &str = "0.84";
/// A share at which it dies.
pub(crate) const OVER_COMMITTED: &str = "--gpu-memory-utilization=0.94";

/// Tells a story in a namespace of its own, which goes where it ended well. Without a cluster there is none to tell.
pub(crate) async fn told(name: &str, story: impl AsyncFnOnce(&Place, &Person<'_>)) {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, name).await;
    story(&place, &Person::new(&place)).await;
    place.leave().await;
}

/// The clock of the machine, by which operator and kubelet go as well.
#[allow(clippy::disallowed_methods, reason = "a story is told on the real clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// A window that opened an hour ago and is open for eleven more.
pub(crate) fn open_window() -> Value {
    window(-60, 11 * 60)
}

/// A window from so many minutes after now to so many minutes after now, in whole minutes.
pub(crate) fn window(from_minutes: i64, to_minutes: i64) -> Value {
    let now = now();
    let at = |minutes: i64| (now + jiff::SignedDuration::from_mins(minutes)).strftime("%H:%M").to_string();
    json!({"start": at(from_minutes), "end": at(to_minutes), "timeZone": "Etc/UTC"})
}

/// A load that a healthy engine answers within milliseconds, for as long as a canary measures.
pub(crate) fn workload(requests: i64) -> Value {
    json!({
        "requests": requests, "arrival": {"rate": 30}, "seed": 7,
        "inputTokens": {"fixed": 64}, "outputTokens": {"fixed": 32},
    })
}

/// A schedule that fires at no time while a story is told: half a day from now. Three o'clock, which `phaseloop init` has by
/// itself, came in the midst of stories: the night that nobody had asked for kept others from beginning, and was compared.
fn fires_in_half_a_day() -> String {
    (now() + jiff::SignedDuration::from_hours(12)).strftime("%-M %-H * * *").to_string()
}

/// `phaseloop init` for the target, applied as it is.
pub(crate) fn init(person: &Person<'_>) {
    let schedule = fires_in_half_a_day();
    let said = person.phaseloop(&["init", &format!("deployment/{NAME}"), "--rate", "30", "--schedule", &schedule]);
    assert_eq!(said.code, 0, "{}", said.err);
    person.apply(&said.out);
}

/// Sets faults of the engines that start from now on, whatever their template says.
pub(crate) fn fault(person: &Person<'_>, variables: &[(&str, &str)]) {
    let data: serde_json::Map<String, Value> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": FAULTS}, "data": data});
    person.apply(&map.to_string());
}

/// A target with an Escalation for which one night out of memory is enough to tune. What is `changed` of its spec is merged
/// into it. The nights are short, and nothing is wrong yet.
pub(crate) async fn begin(place: &Place, person: &Person<'_>, changed: &Value) {
    begin_with(place, person, &Engine::StandIn.deployment(NAME, &[OVER_COMMITTED]), changed).await;
}

/// The same with a target of one's own, which is called as all are.
pub(crate) async fn begin_with(place: &Place, person: &Person<'_>, deployment: &str, changed: &Value) {
    person.apply(deployment);
    place.until(NAME, "rolled out", is_rolled_out).await;
    init(person);
    let own = json!({
        "rules": [{"symptom": "vllm_oom", "threshold": 1, "parameters": ["gpu-memory-utilization"]}],
        "parameters": [{"name": "gpu-memory-utilization", "values": [STARVED, GOOD]}],
    });
    hurry(person, &short_test(), &own);
    person.patch(&format!("escalation/{NAME}"), &json!({"spec": changed}));
}

/// Seconds of a load that a healthy engine answers within milliseconds.
pub(crate) fn short_test() -> Value {
    json!({"workload": workload(150), "slo": {"e2e": "5s"}, "warmup": "1s", "duration": "10s"})
}

/// What a person changes of what `phaseloop init` printed, to see a week of nights in minutes: how the target is tested, and
/// what is its `own` in the Escalation.
pub(crate) fn hurry(person: &Person<'_>, serving: &Value, own: &Value) {
    // Many stories are told at once, and where others compile on the machine a healthy engine's TTFT of 13 ms was 59 ms.
    let thresholds = json!({"latency": {"warningPercent": 500, "criticalPercent": 1000}});
    let run = json!({"domains": [{"name": "serving", "serving": serving}], "analysis": {"thresholds": thresholds}});
    person.patch(&format!("phaseschedule/{NAME}"), &json!({"spec": {"run": run}}));
    let open = json!([open_window()]);
    let safety = json!({"windows": open, "measureBudget": "300s"});
    let promotion = json!({"approval": "Automatic", "windows": open});
    let escalation = format!("escalation/{NAME}");
    person.patch(&escalation, &json!({"spec": {"safety": safety, "promotion": promotion}}));
    person.patch(&escalation, &json!({"spec": own}));
}

/// A run made by hand.
pub(crate) fn run_of(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseRun", "metadata": {"name": name}, "spec": spec})
}

/// The same, made and awaited.
pub(crate) async fn ended_run(place: &Place, person: &Person<'_>, name: &str, spec: &Value) -> PhaseRun {
    person.apply(&run_of(name, spec).to_string());
    let run: PhaseRun = place.until(name, "at its end", has_ended).await;
    let status = run.status.as_ref().unwrap();
    person.tell(&format!("{name}: {:?} {:?}", status.verdict, status.reasons));
    run
}

/// After so many nights there is a baseline, or something is wrong.
const SEEDS_MAX: usize = 7;

/// So many nights in a row may be spoiled by whatever else the machine does.
const SPOILED_NIGHTS_MAX: usize = 3;

/// What a busy machine does to a measurement of a healthy engine.
const SPOILED: [AnalysisReason; 4] = [
    AnalysisReason::RequestsNotSent,
    AnalysisReason::ClientBehindSchedule,
    AnalysisReason::ClientEngineDisagree,
    AnalysisReason::TooManyFailedRequests,
];

/// Nights of which a baseline is made, until one is judged by it: three, and more where one of them falls out because the
/// machine had other things to do.
pub(crate) async fn seed(place: &Place, person: &Person<'_>) {
    let healthy = (0, "Healthy".to_owned());
    for night in 0..SEEDS_MAX {
        let end = measured_night(place, person).await;
        if end == healthy {
            assert!(night >= 3, "a baseline has three runs at least");
            return;
        }
        assert_eq!(end, (3, "Unknown".to_owned()), "a baseline begins with runs of which nothing can be said");
    }
    panic!("after {SEEDS_MAX} nights no baseline was found");
}

/// A night that confirms what was promoted.
pub(crate) async fn confirming_night(place: &Place, person: &Person<'_>) {
    assert_eq!(measured_night(place, person).await, (0, "Healthy".to_owned()));
    assert_eq!(phases_of_promotions(place).await, [PromotionPhase::Validated], "cycle waits for what the run decides");
}

/// A night of an engine that serves well, now. One that says of itself that it measured nothing of use is taken away, so that
/// it stands in no table, and made up for: operators do so as well.
async fn measured_night(place: &Place, person: &Person<'_>) -> (i32, String) {
    for _ in 0..SPOILED_NIGHTS_MAX {
        let end = person.night(NAME);
        let runs = all::<PhaseRun>(place).await;
        let newest = runs.iter().max_by_key(|run| run.status.as_ref().and_then(|status| status.completed_at)).unwrap();
        let reasons = newest.status.iter().flat_map(|status| &status.domains).flat_map(|domain| &domain.reasons);
        if !reasons.into_iter().any(|reason| SPOILED.iter().any(|spoiled| spoiled.name() == reason)) {
            return end;
        }
        let name = newest.name_any();
        person.tell(&format!("{name} measured nothing of use on this machine, and is taken away"));
        place.api::<PhaseRun>().delete(&name, &DeleteParams::default()).await.unwrap();
    }
    panic!("{SPOILED_NIGHTS_MAX} nights in a row measured nothing of use");
}

/// With it engines run out of memory under load: their share of the card is promised to somebody else as well.
pub(crate) const MEMORY_TAKEN: [(&str, &str); 2] =
    [("STAND_IN_OUT_OF_MEMORY_ABOVE_UTILIZATION", OUT_OF_MEMORY_ABOVE), ("STAND_IN_OTHER_GIB", OTHER_GIB)];

/// From now on engines have [`MEMORY_TAKEN`].
pub(crate) fn over_commit(person: &Person<'_>) {
    fault(person, &MEMORY_TAKEN);
    person.tell("memory of the card is taken by somebody else");
}

/// `args` of the only container.
pub(crate) fn arguments(deployment: &Deployment) -> Vec<String> {
    let template = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).unwrap();
    template.containers[0].args.clone().unwrap_or_default()
}

/// As `kubectl rollout status` has it.
pub(crate) fn is_rolled_out(deployment: &Deployment) -> bool {
    let (Some(spec), Some(status)) = (&deployment.spec, &deployment.status) else { return false };
    let wanted = spec.replicas.unwrap_or(1);
    status.observed_generation == deployment.metadata.generation
        && status.updated_replicas == Some(wanted)
        && status.replicas == Some(wanted)
        && status.available_replicas == Some(wanted)
}

/// The same Deployment of two replicas, one of which may be borrowed.
pub(crate) fn of_two_replicas(deployment: &str) -> String {
    deployment.replace("replicas: 1\n", "replicas: 2\n")
}

/// How many replicas a target is to have, and who has borrowed one.
pub(crate) fn lent(target: &Deployment) -> (Option<i32>, Option<OwnObject>) {
    let note = target.annotations().get(ANNOTATION_GIVE_BACK).map(|text| GiveBackNote::read(text).unwrap());
    (target.spec.as_ref().and_then(|spec| spec.replicas), note.map(|note| note.borrower))
}

/// Whether a target of two replicas has what it lent.
pub(crate) fn is_given_back(target: &Deployment) -> bool {
    lent(target) == (Some(2), None)
}

/// What people said of a target: all but what the cluster's own controllers keep there.
pub(crate) fn of_people(target: &Deployment) -> Value {
    let mut annotations = target.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| !key.starts_with("deployment.kubernetes.io/"));
    json!({"annotations": annotations, "labels": target.metadata.labels, "spec": target.spec})
}

/// All objects of a kind in a namespace.
pub(crate) async fn all<K>(place: &Place) -> Vec<K>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    K::DynamicType: Default,
{
    place.api::<K>().list(&ListParams::default()).await.unwrap().items
}

/// Where each promotion of a namespace stands.
pub(crate) async fn phases_of_promotions(place: &Place) -> Vec<PromotionPhase> {
    let promotions = all::<Promotion>(place).await;
    promotions.iter().filter_map(|promotion| promotion.status.as_ref()?.phase).collect()
}

/// Why the last tuning of a target ended.
pub(crate) fn end_of_tuning(escalation: &Escalation) -> Option<&str> {
    Some(escalation.status.as_ref()?.last_tuning.as_ref()?.reason.as_str())
}

/// Why each of them failed that did.
pub(crate) fn failures(canaries: &[TuningCanary]) -> Vec<Option<FailureClass>> {
    let statuses = canaries.iter().map(|canary| canary.status.as_ref());
    statuses.map(|status| status?.failure.as_ref().map(|failure| failure.class)).collect()
}

/// The canaries of a namespace in the order of their attempts.
pub(crate) async fn canaries(place: &Place) -> Vec<TuningCanary> {
    let mut canaries = all::<TuningCanary>(place).await;
    canaries.sort_by_key(|canary| canary.spec.attempt);
    canaries
}

/// Values that hold, each measured for so long that somebody can interfere.
pub(crate) fn long_search() -> Value {
    json!({
        "parameters": [{"name": "gpu-memory-utilization", "values": ["0.84", "0.86", "0.88"]}],
        "canary": {"measure": "20s", "workload": workload(550)},
        "safety": {"measureBudget": "600s", "gpuHoldBudget": "1800s"},
    })
}

pub(crate) fn is_measured(canary: &TuningCanary) -> bool {
    canary.status.as_ref().is_some_and(|status| status.phase == Some(CanaryPhase::Measuring))
}

/// Waits until a candidate is under load.
pub(crate) async fn until_a_candidate_is_measured(place: &Place) -> TuningCanary {
    // The incumbent dies in its first second: whoever else is loaded is a candidate.
    until_a_canary(place, |canary| canary.spec.attempt > 0 && is_measured(canary)).await
}

/// Waits until there is a canary that fulfils this.
pub(crate) async fn until_a_canary(place: &Place, fulfils: impl Fn(&TuningCanary) -> bool) -> TuningCanary {
    let began = Instant::now();
    loop {
        let found = canaries(place).await;
        if let Some(canary) = found.iter().find(|canary| fulfils(canary)) {
            return canary.clone();
        }
        assert!(began.elapsed() < DEADLINE, "there was none: {found:?}");
        sleep(PAUSE).await;
    }
}

/// Waits until something that is no one object's state is so.
pub(crate) async fn until(what: &str, fulfils: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !fulfils().await {
        assert!(began.elapsed() < DEADLINE, "not so after {DEADLINE:?}: {what}");
        sleep(PAUSE).await;
    }
}

/// Our pods in a namespace.
pub(crate) async fn test_pods(place: &Place) -> usize {
    let ours = ListParams::default().labels(&test_pods_selector());
    place.api::<Pod>().list(&ours).await.unwrap().items.len()
}
