//! The chart on a real API server: installed, upgraded from an older version, uninstalled, installed again. `tests/run chart`
//! brings helm and starts etcd and kube-apiserver. There are no controllers: what is installed is not run.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::{
    core::v1::{Namespace, Pod, ServiceAccount},
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use phaseloop::{
    api::{PhaseSchedule, TuningCanary},
    cluster::{CallTimeouts, Cluster, SystemClock},
    controllers::{Context, Leadership, ObjectKey, OperatorSettings, reconcile, tuning_canary::TuningCanaries},
    installation::{Finding, POLICIES, Subject, judge, look, rights},
    operator::Operator,
    telemetry::Health as _,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    committed::{read, repository},
    helm::{Helm, IMAGE, NAMESPACE, variable},
    replica::{NoExport, parts},
};

const KUBECONFIG: &str = "PHASELOOP_TEST_KUBECONFIG";
/// Where phaseloop works beside its own namespace.
const WATCHED: &str = "chat";
/// Seconds usually; a machine that compiles besides may need many times that.
const DEADLINE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(200);

struct Leads;

impl Leadership for Leads {
    fn is_leader(&self) -> bool {
        true
    }
}

async fn client(file: &Path, user: Option<&str>) -> Client {
    let kubeconfig = Kubeconfig::read_from(file).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.auth_info.impersonate = user.map(str::to_owned);
    if user.is_some_and(|user| !user.starts_with("system:")) {
        config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
    }
    Client::try_from(config).unwrap()
}

async fn findings(client: &Client) -> Vec<Finding> {
    let subject =
        Subject { namespace: NAMESPACE.to_owned(), deployment: "phaseloop".to_owned(), policies: POLICIES.to_vec() };
    let facts = look(client, &subject, &rights().unwrap()).await.unwrap();
    judge(&facts, &subject, None)
}

/// What is wrong, without what needs a running operator.
async fn complaints(client: &Client) -> Vec<String> {
    let told = findings(client).await.into_iter().filter(|finding| finding.remedy().is_some());
    let needs_no_pods =
        told.filter(|finding| !finding.what.starts_with("Lease") && !finding.what.starts_with("Deployment"));
    needs_no_pods.map(|finding| format!("{}: {}", finding.what, finding.told)).collect()
}

/// Waits until nothing is wrong: definitions and roles are taken up a moment after they are stored.
async fn until_sound(client: &Client) {
    let began = Instant::now();
    loop {
        let complaints = complaints(client).await;
        if complaints.is_empty() {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{complaints:#?}");
        sleep(PAUSE).await;
    }
}

/// A replica under the operator's account comes to lead and is ready: each of its watches is allowed, and its lease.
async fn a_replica_works(file: &Path, administrator: &Client) {
    let account = client(file, Some("system:serviceaccount:phaseloop-system:phaseloop")).await;
    let operator = Operator::start(&parts(account, &[NAMESPACE, WATCHED], Arc::new(SystemClock)), None);
    let began = Instant::now();
    while !(operator.vitals().ready().is_ok() && operator.held().is_leader()) {
        assert!(began.elapsed() < DEADLINE, "{:?}", operator.vitals().ready());
        sleep(PAUSE).await;
    }
    let subject = Subject { namespace: NAMESPACE.to_owned(), deployment: "phaseloop".to_owned(), policies: Vec::new() };
    let mut before: Option<String> = None;
    loop {
        let facts = look(administrator, &subject, &rights().unwrap()).await.unwrap();
        let findings = judge(&facts, &subject, before.as_deref());
        let lease = findings.into_iter().find(|finding| finding.what == "Lease phaseloop-system/phaseloop").unwrap();
        if lease.remedy().is_none() {
            assert_eq!(lease.told, "held by a, who renews it");
            break;
        }
        assert!(began.elapsed() < DEADLINE, "{}", lease.told);
        before = facts.lease.and_then(|lease| lease.metadata.resource_version);
        sleep(Duration::from_secs(3)).await;
    }
    operator.stop().await;
}

fn test_pod(name: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name, "labels": { "app.kubernetes.io/managed-by": "phaseloop", "phaseloop.dev/role": "domain" } },
        "spec": { "containers": [{ "name": "c", "image": "x" }] },
    }))
    .unwrap()
}

async fn make(client: &Client, pod: &Pod) -> Result<Pod, kube::Error> {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    Api::<Pod>::namespaced(client.clone(), WATCHED).create(&dry_run, pod).await
}

/// Waits until the policy on test pods refuses what it must; the operator is never refused.
async fn until_pods_are_guarded(file: &Path) {
    let jane = client(file, Some("jane")).await;
    let operator = client(file, Some("system:serviceaccount:phaseloop-system:phaseloop")).await;
    let began = Instant::now();
    loop {
        make(&operator, &test_pod("p")).await.expect("the operator makes its pods at any time");
        match make(&jane, &test_pod("p")).await {
            Err(kube::Error::Api(status)) if status.code == 403 => {
                assert!(
                    status.message.contains("made, and labelled, by phaseloop's operator alone"),
                    "{}",
                    status.message
                );
                break;
            }
            Err(error) => panic!("{error}"),
            Ok(_) => assert!(began.elapsed() < DEADLINE, "nobody refuses a forged test pod"),
        }
        sleep(PAUSE).await;
    }
    let mut foreign = test_pod("p");
    foreign.metadata.labels = None;
    make(&jane, &foreign).await.expect("other pods are left alone");
    let pods = |client: &Client| Api::<Pod>::namespaced(client.clone(), WATCHED);
    pods(&operator).create(&PostParams::default(), &test_pod("labelled")).await.unwrap();
    let label = async |key: &str| {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { key: "x" } } }));
        pods(&jane).patch("labelled", &PatchParams::default(), &patch).await
    };
    label("team").await.expect("people label pods as they like, but for our labels");
    for key in ["phaseloop.dev/phase-run", "phaseloop.dev/role", "app.kubernetes.io/managed-by"] {
        assert!(matches!(label(key).await, Err(kube::Error::Api(status)) if status.code == 403), "{key}");
    }
}

/// The chart as an older version had it: a definition lacks a field.
fn older_chart() -> PathBuf {
    let folder: PathBuf = [env!("CARGO_TARGET_TMPDIR"), "older-chart"].iter().collect();
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    copy(&repository("charts/phaseloop"), &folder);
    let file = folder.join("files/definitions/phaseschedules.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let older = text.replace("    - phsched\n", "    - oldsched\n");
    assert!(older != text);
    fs::write(file, older).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}

async fn prepare(client: &Client) {
    for name in [NAMESPACE, WATCHED] {
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        // What a controller makes in a cluster.
        let account: ServiceAccount = serde_json::from_value(json!({ "metadata": { "name": "default" } })).unwrap();
        Api::<ServiceAccount>::namespaced(client.clone(), name).create(&PostParams::default(), &account).await.unwrap();
    }
}

async fn make_schedule(client: &Client) {
    let documents =
        phaseloop::yaml::read_documents("sample", &read("manifests/samples/phaseschedule-small.yaml")).unwrap();
    let mut sample = documents[0].value.clone();
    sample["metadata"]["namespace"] = WATCHED.into();
    let schedule: PhaseSchedule = serde_json::from_value(sample).unwrap();
    Api::<PhaseSchedule>::namespaced(client.clone(), WATCHED).create(&PostParams::default(), &schedule).await.unwrap();
}

async fn count(client: &Client, group: &str, version: &str, kind: &str) -> usize {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let ours = ListParams::default().labels("app.kubernetes.io/instance=phaseloop");
    Api::<DynamicObject>::all_with(client.clone(), &resource).list(&ours).await.unwrap().items.len()
}

/// One test, since what happens follows on one another.
#[tokio::test]
async fn it_is_installed_upgraded_with_its_definitions_uninstalled_without_them_and_installed_again() {
    let (Some(helm), Some(file)) = (Helm::brought(), variable(KUBECONFIG).map(PathBuf::from)) else { return };
    let (helm, client) = (helm.at(file.clone()), client(&file, None).await);
    prepare(&client).await;
    let run = |verb: &[&str], chart: &str| {
        let scope = format!("scope.namespaces={{{NAMESPACE},{WATCHED}}}");
        let rest = ["phaseloop", chart, "--namespace", NAMESPACE, "--set", IMAGE, "--set", &scope];
        helm.run(&[verb, &rest].concat()).unwrap_or_else(|complaint| panic!("{verb:?}: {complaint}"))
    };
    let older = older_chart();
    let told = run(&["install"], older.to_str().unwrap());
    for command in ["helm test phaseloop", "phaseloop init", "kubectl apply", "kubectl get phaseloop"] {
        assert!(told.contains(command), "{told}");
    }
    let began = Instant::now();
    let outdated = "CustomResourceDefinition phaseschedules.phaseloop.dev: it is of another version: \
                    spec.names.shortNames[0] differs";
    while complaints(&client).await != [outdated] {
        assert!(began.elapsed() < DEADLINE, "{:#?}", complaints(&client).await);
        sleep(PAUSE).await;
    }
    until_pods_are_guarded(&file).await;
    make_schedule(&client).await;

    run(&["upgrade"], "charts/phaseloop");
    until_sound(&client).await;
    let sound = findings(&client).await;
    assert!(sound.iter().any(|finding| finding.what == "Rights of the operator" && finding.told.starts_with("all ")));
    a_replica_works(&file, &client).await;
    let schedules: Api<PhaseSchedule> = Api::all(client.clone());
    assert_eq!(schedules.list(&ListParams::default()).await.unwrap().items.len(), 1);

    helm.run(&["uninstall", "phaseloop", "--namespace", NAMESPACE, "--no-hooks"]).unwrap();
    for (group, version, kind) in [
        ("apps", "v1", "Deployment"),
        ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
        ("rbac.authorization.k8s.io", "v1", "Role"),
        ("networking.k8s.io", "v1", "NetworkPolicy"),
        ("scheduling.k8s.io", "v1", "PriorityClass"),
        ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"),
    ] {
        assert_eq!(count(&client, group, version, kind).await, 0, "{kind}");
    }
    assert_eq!(schedules.list(&ListParams::default()).await.unwrap().items.len(), 1, "what users wrote is kept");

    run(&["install"], "charts/phaseloop");
    until_sound(&client).await;
    a_namespace_that_lost_its_role_binding_ends(&file, &client).await;
}

/// A canary in a namespace that is being deleted, as the namespace controller leaves it: its RoleBinding went first. A replica
/// under the operator's account sees from the namespace that nothing is to be waited for.
async fn a_namespace_that_lost_its_role_binding_ends(file: &Path, administrator: &Client) {
    let canaries: Api<TuningCanary> = Api::namespaced(administrator.clone(), WATCHED);
    let documents =
        phaseloop::yaml::read_documents("sample", &read("manifests/samples/tuningcanary-small.yaml")).unwrap();
    let mut sample = documents[0].value.clone();
    sample["metadata"] = json!({ "name": "owing", "namespace": WATCHED, "finalizers": ["phaseloop.dev/cleanup"] });
    let canary: TuningCanary = serde_json::from_value(sample).unwrap();
    canaries.create(&PostParams::default(), &canary).await.unwrap();
    let asked_for = json!({ "status": { "begunAt": "2026-03-04T03:20:00Z", "podName": "p", "podUID": "u" } });
    canaries.patch_status("owing", &PatchParams::default(), &Patch::Merge(&asked_for)).await.unwrap();
    let bindings: Api<RoleBinding> = Api::namespaced(administrator.clone(), WATCHED);
    bindings.delete("phaseloop-operator", &DeleteParams::default()).await.unwrap();
    canaries.delete("owing", &DeleteParams::default()).await.unwrap();
    // The authorizer takes a moment to learn of it.
    let account = client(file, Some("system:serviceaccount:phaseloop-system:phaseloop")).await;
    let pods: Api<Pod> = Api::namespaced(account.clone(), WATCHED);
    let began = Instant::now();
    while pods.list(&ListParams::default()).await.is_ok() {
        assert!(began.elapsed() < DEADLINE, "the right to pods does not go");
        sleep(PAUSE).await;
    }
    let look = async || {
        let operator = Context {
            cluster: Cluster::new(account.clone(), CallTimeouts::default()),
            clock: Arc::new(SystemClock),
            leadership: Arc::new(Leads),
            export: Arc::new(NoExport),
            settings: Arc::new(OperatorSettings::for_image("phaseloop:1")),
        };
        reconcile::<TuningCanaries>(&operator, &ObjectKey::new(WATCHED, "owing")).await
    };
    let refused = look().await.unwrap_err();
    assert_eq!(refused.reason(), "Forbidden", "in a namespace that lives nothing is settled by a missing right");
    assert_eq!(canaries.get("owing").await.unwrap().status.unwrap().verdict, None);

    Api::<Namespace>::all(administrator.clone()).delete(WATCHED, &DeleteParams::default()).await.unwrap();
    let operator = Operator::start(&parts(account.clone(), &[NAMESPACE, WATCHED], Arc::new(SystemClock)), None);
    let began = Instant::now();
    while let Some(canary) = canaries.get_opt("owing").await.unwrap() {
        assert!(began.elapsed() < DEADLINE, "{:?}", canary.status);
        sleep(PAUSE).await;
    }
    operator.stop().await;
}

#[tokio::test]
async fn an_operator_that_may_nothing_and_one_that_is_not_there_are_told() {
    let Some(file) = variable(KUBECONFIG).map(PathBuf::from) else { return };
    let client = client(&file, None).await;
    let subject = Subject { namespace: "nowhere".to_owned(), deployment: "phaseloop".to_owned(), policies: Vec::new() };
    let facts = look(&client, &subject, &rights().unwrap()).await.unwrap();
    let told: Vec<String> = judge(&facts, &subject, None).into_iter().map(|finding| finding.what).collect();
    assert!(told.contains(&"Deployment nowhere/phaseloop".to_owned()), "{told:?}");
    // A Deployment whose account has no role may nothing.
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "bare", "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": {
            "metadata": { "labels": { "a": "b" } },
            "spec": { "serviceAccountName": "nobody", "containers": [{ "name": "c", "image": "x" }] } } },
    });
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
    let deployments: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
    let deployment: DynamicObject = serde_json::from_value::<DynamicObject>(deployment).unwrap();
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    let subject = Subject { namespace: "default".to_owned(), deployment: "bare".to_owned(), policies: Vec::new() };
    let facts = look(&client, &subject, &rights().unwrap()).await.unwrap();
    assert!(facts.asked > 40 && facts.refused.len() == facts.asked, "{} of {}", facts.refused.len(), facts.asked);
}
