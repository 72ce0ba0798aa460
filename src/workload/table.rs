//! What becomes of each part of a target's pod template, as data: the reference is made of it, and tests hold the builder
//! against it.

use super::{
    contract::{
        CACHE_FOLDER, CONTAINER_COLLECTOR, CONTAINER_PREFLIGHT, CONTAINER_PROBE, PRIORITY_CLASS, PRIORITY_VALUE,
        PROGRAM_FOLDER, RECORDS_FOLDER, REPORT_PATH,
    },
    reading::{PodEnd, PodFaultReason},
    refusal::RefusalReason,
};
use crate::probe::{CollectRequest, GuardRequest, PreflightRequest, ProbeRequest, REFUSED_EXIT_CODE};
use phaseloop_core::{
    analysis::probe::{PROBE_REPORT_FIELDS, ReportPart},
    plan::label::{FIELD_MANAGER, LABEL_MANAGED_BY},
    value::reason::ReasonEntry,
};

/// Which part of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TemplatePart {
    /// `metadata`.
    Metadata,
    /// `spec`.
    Pod,
    /// The engine's container in `spec.containers`.
    Engine,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treatment {
    /// It stands in the test pod as it stands in the template.
    Kept,
    /// It is kept, and something of ours is added or taken away.
    Adjusted,
    /// Something of ours stands in its place.
    Replaced,
    /// It is not in the test pod.
    Dropped,
    /// A template that has it is refused.
    Refused,
}

impl Treatment {
    /// The word in the reference.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Adjusted => "adjusted",
            Self::Replaced => "replaced",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

/// One row: a field and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateRow {
    /// Where it stands.
    pub part: TemplatePart,
    /// Its name.
    pub field: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
    /// How, or why.
    pub note: &'static str,
}

const fn row(part: TemplatePart, field: &'static str, treatment: Treatment, note: &'static str) -> TemplateRow {
    TemplateRow { part, field, treatment, note }
}

const fn pod(field: &'static str, treatment: Treatment, note: &'static str) -> TemplateRow {
    row(TemplatePart::Pod, field, treatment, note)
}

const fn engine(field: &'static str, treatment: Treatment, note: &'static str) -> TemplateRow {
    row(TemplatePart::Engine, field, treatment, note)
}

use Treatment::{Adjusted, Dropped, Kept, Refused, Replaced};

/// Every field of a pod template.
pub const TEMPLATE_TABLE: &[TemplateRow] = &[
    row(
        TemplatePart::Metadata,
        "labels",
        Replaced,
        "only ours: no Service, monitor or policy of production finds the pod",
    ),
    row(
        TemplatePart::Metadata,
        "annotations",
        Replaced,
        "only ours: nothing scrapes the pod or injects into it by annotation; meshes are told to stay out",
    ),
    pod("affinity", Adjusted, "never a node that shares its GPUs; the node of a ReadWriteOnce volume that is in use"),
    pod("automountServiceAccountToken", Kept, "our own containers never get the token"),
    pod("dnsConfig", Kept, ""),
    pod("dnsPolicy", Kept, ""),
    pod("enableServiceLinks", Kept, ""),
    pod("hostAliases", Kept, ""),
    pod("hostUsers", Kept, ""),
    pod("imagePullSecrets", Adjusted, "that of our own image is added, where the operator was given one"),
    pod(
        "initContainers",
        Adjusted,
        "those that end before the engine starts, Secrets and volumes as they are; native sidecars are dropped",
    ),
    pod("nodeSelector", Kept, ""),
    pod("os", Kept, ""),
    pod("runtimeClassName", Kept, ""),
    pod("schedulerName", Kept, ""),
    pod("securityContext", Kept, ""),
    pod("serviceAccount", Kept, ""),
    pod("serviceAccountName", Kept, "same namespace, same pod as production, so the same account"),
    pod("tolerations", Kept, ""),
    pod(
        "volumes",
        Adjusted,
        "those that a kept container mounts; ours, and one for each `volumeClaimTemplate` of a StatefulSet, are added",
    ),
    pod("activeDeadlineSeconds", Replaced, "the outer bound of the test, both graces left out"),
    pod("containers", Replaced, "the probe; the engine becomes a native sidecar, every other container is dropped"),
    pod("preemptionPolicy", Replaced, "that of the priority class: Never"),
    pod("priority", Replaced, "that of the priority class"),
    pod("priorityClassName", Replaced, PRIORITY_CLASS),
    pod("restartPolicy", Replaced, "Never"),
    pod("terminationGracePeriodSeconds", Replaced, "the test's grace, 5 s"),
    pod("ephemeralContainers", Dropped, ""),
    pod("hostname", Dropped, "names of production's pods stay theirs"),
    pod("hostnameOverride", Dropped, ""),
    pod("overhead", Dropped, "the runtime class sets it anew"),
    pod("readinessGates", Dropped, "nobody would open them"),
    pod("schedulingGates", Dropped, "nobody would open them"),
    pod("setHostnameAsFQDN", Dropped, ""),
    pod("shareProcessNamespace", Dropped, "the containers it was for are not there"),
    pod("subdomain", Dropped, ""),
    pod("topologySpreadConstraints", Dropped, "they spread production's pods"),
    pod("hostIPC", Refused, "`HostNamespace`"),
    pod("hostNetwork", Refused, "`HostNamespace`"),
    pod("hostPID", Refused, "`HostNamespace`"),
    pod("nodeName", Refused, "`NodeNamed`"),
    pod("resourceClaims", Refused, "`DeviceClaims`"),
    pod("resources", Refused, "`PodLevelResources`"),
    engine("args", Kept, "with the parameters that are bound to a flag"),
    engine("command", Adjusted, "runs under `phaseloop guard`, where it is known"),
    engine(
        "env",
        Adjusted,
        "with the parameters that are bound to a variable; usage reports off; caches on a volume where the root is read-only",
    ),
    engine("envFrom", Kept, ""),
    engine("image", Kept, "must be one that the administrator's policy lets test pods run"),
    engine("imagePullPolicy", Kept, ""),
    engine("name", Kept, ""),
    engine("ports", Adjusted, "no port of the node"),
    engine("resources", Kept, "all GPUs of the engine"),
    engine(
        "securityContext",
        Adjusted,
        "no way to more rights; no capabilities where it does not run as root and the template says nothing of them",
    ),
    engine("volumeDevices", Kept, ""),
    engine("volumeMounts", Adjusted, "the guard's program and records, and caches, are added"),
    engine("workingDir", Kept, ""),
    engine("restartPolicy", Replaced, "Always: what makes it a native sidecar"),
    engine("terminationMessagePath", Replaced, "Kubernetes' default, where the guard writes"),
    engine("terminationMessagePolicy", Replaced, "FallbackToLogsOnError: the last lines of a death are kept"),
    engine("lifecycle", Dropped, "hooks call out, and act on production"),
    engine("livenessProbe", Dropped, "the probe watches the engine itself"),
    engine("readinessProbe", Dropped, ""),
    engine("resizePolicy", Dropped, ""),
    engine("restartPolicyRules", Dropped, ""),
    engine(
        "startupProbe",
        Dropped,
        "with one the test would begin only after it, and nobody would watch a start that hangs",
    ),
    engine("stdin", Dropped, ""),
    engine("stdinOnce", Dropped, ""),
    engine("tty", Dropped, ""),
];

/// The reference as committed under `docs/reference/test-pod.md`.
pub fn test_pod_markdown() -> String {
    let mut page = head();
    let parts = [
        (TemplatePart::Metadata, "Metadata"),
        (TemplatePart::Pod, "The pod"),
        (TemplatePart::Engine, "The engine's container"),
    ];
    for (part, title) in parts {
        page.push_str("\n### ");
        page.push_str(title);
        page.push_str("\n\n| field | becomes | |\n| --- | --- | --- |\n");
        let rows = TEMPLATE_TABLE.iter().filter(|row| row.part == part);
        page.extend(rows.map(|TemplateRow { field, treatment, note, .. }| {
            format!("| `{field}` | {} | {note} |\n", treatment.name())
        }));
    }
    page.push_str(OWN_CLAIMS);
    page.push_str(&custom_domains());
    page.push_str(&reasons("Why no test pod is built", RefusalReason::ALL));
    page.push_str(&reasons("How a test pod ended", PodEnd::ALL));
    page.push_str(&reasons("Faults of node and cluster", PodFaultReason::ALL));
    page.push_str(&report());
    page
}

fn head() -> String {
    let [preflight, probe, guard] = [PreflightRequest::COMMAND, ProbeRequest::COMMAND, GuardRequest::COMMAND];
    format!(
        "# Test pods\n\n\
         Generated from the code: `UPDATE=1 cargo test --test api` writes it anew.\n\n\
         An engine is tested in a bare pod that is made of the target's own pod template \
         ([ADR 10](../adr/0010-bare-pods-with-a-native-sidecar.md)). Its priority class `{PRIORITY_CLASS}` has the value \
         {PRIORITY_VALUE} and preempts nothing.\n\n\
         | container | what it is | what it runs |\n| --- | --- | --- |\n\
         | `{CONTAINER_PREFLIGHT}` | init container, the first | `phaseloop {preflight}`: refuses what is too late with exit code \
         {REFUSED_EXIT_CODE}, copies the program to `{PROGRAM_FOLDER}` |\n\
         | the template's init containers | as they are | |\n\
         | the engine, under its own name | native sidecar | its command under `phaseloop {guard}`, which watches the GPU, keeps \
         the engine's first and last output in `{RECORDS_FOLDER}`, and ends it at its latest instant |\n\
         | `{CONTAINER_PROBE}` | main container | `phaseloop {probe}`: waits for the engine, measures, ends; with it the pod ends |\n\n\
         Our containers run as no root, without capabilities, with a read-only root file system, without the \
         ServiceAccount's token and without a visible GPU. Caches of an engine whose root is read-only lie in \
         `{CACHE_FOLDER}`. An engine whose command nobody names (neither the template nor the image's entry in \
         `phaseloop-policy`) runs without a guard, and what it says of its GPU is `GPUUnobserved`.\n\n\
         A parameter that lies in a ConfigMap is set in a copy of it, which belongs to the canary as the pod does.\n\n\
         Where the engine asks its clients for a key (`VLLM_API_KEY`, or `--api-key`), the probe gets it from where the \
         engine has it. A key that comes by `envFrom` is not seen, and the engine then refuses the probe.\n\n\
         Engine and probe speak within the pod. Before the first pod of a run or a canary its NetworkPolicy is made \
         ([ADR 36](../adr/0036-a-network-policy-per-owner.md)), and without it there is no pod. It lets nobody in. Out it lets \
         what `egress` of `phaseloop-policy` says:\n\n\
         | `egress.mode` | what test pods reach |\n| --- | --- |\n\
         | `SameAsTarget`, the default | what the NetworkPolicies of the namespace let the target's own pods reach; where none \
         of them bounds that, everything |\n\
         | `None` | name resolution (port 53) |\n\
         | `Listed` | the addresses and ports of `egress.allow`, and name resolution |\n\n\
         The policy is made once, and belongs to the run or the canary. Where it says something else than what would be made \
         now, because somebody changed it, production's policies or `egress` since, no further pod is made beside it. A policy \
         of the namespace that selects every pod adds what it allows; one that is to hold for all test pods selects \
         `{LABEL_MANAGED_BY}: {FIELD_MANAGER}`.\n\n\
         ## What becomes of a target's template\n"
    )
}

/// What becomes of the claims that each replica of a StatefulSet has for itself.
const OWN_CLAIMS: &str = "
## Volumes of each replica's own

A `volumeClaimTemplate` of a StatefulSet, where a kept container mounts it, becomes a generic ephemeral volume of the test pod: \
its claim is made with the pod and deleted with it ([ADR 43](../adr/0043-claims-of-a-stateful-sets-own-are-made-anew.md)). No \
claim of a replica is ever mounted.

| of the claim template | becomes | |
| --- | --- | --- |
| `metadata.name` | kept | a volume of the pod template with this name gives way, as in a replica |
| `metadata.labels` | replaced | those of the test pod |
| `metadata.annotations` | dropped | but `volume.beta.kubernetes.io/storage-class`, which becomes the class |
| `spec` | kept | size, class, access modes, selector, data source, volume mode |
| `spec.volumeName` | refused | `VolumeNamed` |
";

fn custom_domains() -> String {
    format!(
        "\n## Custom domains\n\n\
         The containers of an administrator's PodTemplate stand as they are, without ports of the node, and within the run's \
         `resources`: those that say no limit get an equal part of what is left as theirs, and nothing of it is reserved; \
         those that hold a GPU are left out. Of the pod's fields the same is kept, replaced, dropped and refused. \
         `phaseloop {}` runs beside them as native sidecar (`{CONTAINER_COLLECTOR}`), reads `{REPORT_PATH}`, which every \
         container can write, and leaves its summary when the \
         last of them has ended.\n",
        CollectRequest::COMMAND
    )
}

fn reasons(title: &str, entries: &[ReasonEntry]) -> String {
    let rows: String =
        entries.iter().map(|ReasonEntry { name, meaning }| format!("| `{name}` | {meaning} |\n")).collect();
    format!("\n## {title}\n\n| reason | meaning |\n| --- | --- |\n{rows}")
}

fn report() -> String {
    let fields: String =
        PROBE_REPORT_FIELDS.iter().map(|(name, meaning)| format!("| `{name}` | {meaning} |\n")).collect();
    let parts: String = ReportPart::ALL.iter().map(|part| format!("1. {}\n", part.note())).collect();
    format!(
        "\n## The probe's report\n\n\
         The termination message of `{CONTAINER_PROBE}`: JSON of at most 4,096 bytes, or of the pod's 12,288 bytes divided by the \
         number of its containers. What is absent is not written.\n\n\
         | field | meaning |\n| --- | --- |\n{fields}\n\
         What there is no room for is given up in this order, and `x` tells it:\n\n{parts}"
    )
}
