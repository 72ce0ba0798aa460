//! Names and paths in a test pod: what the builder writes, what the commands inside rest on, and what whoever reads a
//! pod, or plays its kubelet, looks for. Each stands here once.

/// Container, an ordinary init container and the first of all: refuses what is too late, copies the program.
pub const CONTAINER_PREFLIGHT: &str = "phaseloop-preflight";
/// Container, the main one of a serving test: waits for the engine, measures, ends; its termination message is the
/// core's `ProbeReport`.
pub const CONTAINER_PROBE: &str = "phaseloop-probe";
/// Container, a native sidecar of a custom domain: its termination message is the core's `CollectorSummary`.
pub const CONTAINER_COLLECTOR: &str = "phaseloop-collector";
/// What names of our containers and volumes begin with. A template that uses it is refused.
pub const RESERVED_PREFIX: &str = "phaseloop-";

/// Volume: the program, copied by the preflight for the guard in the engine's container.
pub const VOLUME_PROGRAM: &str = "phaseloop-program";
/// Volume: the guard's records.
pub const VOLUME_RECORDS: &str = "phaseloop-records";
/// Volume: the PHASE report of a custom domain.
pub const VOLUME_REPORT: &str = "phaseloop-report";
/// Volume: writable caches of an engine whose root file system is read-only.
pub const VOLUME_CACHE: &str = "phaseloop-cache";
/// Volume: an empty folder in place of the ServiceAccount's token in our own containers.
pub const VOLUME_NO_TOKEN: &str = "phaseloop-no-token";

/// Where [`VOLUME_PROGRAM`] is mounted.
pub const PROGRAM_FOLDER: &str = "/phaseloop/program";
/// The copied program.
pub const PROGRAM_PATH: &str = "/phaseloop/program/phaseloop";
/// The program in our own image: its entry point, so that our containers give no `command`.
pub const PROGRAM_NAME: &str = "phaseloop";
/// Where [`VOLUME_RECORDS`] is mounted.
pub const RECORDS_FOLDER: &str = "/phaseloop/records";
/// Where [`VOLUME_CACHE`] is mounted.
pub const CACHE_FOLDER: &str = "/phaseloop/cache";
/// CPUs of the collector.
pub const COLLECTOR_CPU: &str = "100m";
/// Memory of the collector.
pub const COLLECTOR_MEMORY: &str = "128Mi";
/// Where [`VOLUME_REPORT`] is mounted.
pub const REPORT_FOLDER: &str = "/phase";
/// The PHASE report.
pub const REPORT_PATH: &str = "/phase/report.jsonl";
/// Where Kubernetes mounts a ServiceAccount's token unless something is mounted there already.
pub const TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where containers leave their termination message.
pub const MESSAGE_PATH: &str = "/dev/termination-log";

/// Priority class of every test pod: below everything that serves, preempting nothing.
pub const PRIORITY_CLASS: &str = "phaseloop-test";
/// Value of [`PRIORITY_CLASS`]: below the Cluster Autoscaler's cut-off of -10, so that no node is bought for a test.
pub const PRIORITY_VALUE: i32 = -100;

/// Variable of the probe: the key that the engine asks its clients for, from where the template takes it.
pub const ENGINE_KEY_VARIABLE: &str = "PHASELOOP_ENGINE_KEY";
/// Variable by which NVIDIA's runtime exposes GPUs, and the value for none: images set `all`, and a container that
/// requests no GPU would see every card of the node.
pub const NO_GPU: (&str, &str) = ("NVIDIA_VISIBLE_DEVICES", "void");

/// `part` of a canary's pod name; a domain's is its own name.
pub const CANARY_PART: &str = "canary";
/// Value of the role label of a run's pods.
pub const ROLE_DOMAIN: &str = "domain";
/// Value of the role label of a canary's pod.
pub const ROLE_CANARY: &str = "canary";
