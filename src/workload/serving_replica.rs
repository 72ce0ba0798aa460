//! The containers of a serving test: an isolated replica of the target's engine as native sidecar, and our probe. PHASE and
//! canary are built alike; they differ in what the probe is told.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use phaseloop_core::{plan::pod::TestPodPurpose, schedule::earlier_by};

use super::{
    build::{TestContainers, drop_host_ports, helper, preflight},
    contract::{
        CONTAINER_PROBE, MESSAGE_PATH, PROGRAM_FOLDER, PROGRAM_PATH, RECORDS_FOLDER, VOLUME_CACHE, VOLUME_PROGRAM,
        VOLUME_RECORDS,
    },
    isolation::{add_engine_environment, empty_volume, mount, tightened},
    valid::{ServingTestPod, ValidTestPod},
};
use crate::{
    api::Duration,
    probe::{GuardRequest, PROBE_REQUEST_VERSION, ProbeMode, ProbeRequest, message_bytes_max},
};

/// Containers of ours beside the engine and the template's init containers: preflight and probe.
const HELPERS: usize = 2;

/// Whether a container is a native sidecar: it runs beside the main containers and is ended after them.
pub(super) fn is_native_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// The init containers of a template that are kept: those that end before the engine starts.
pub(super) fn kept_init_containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().filter(|container| !is_native_sidecar(container))
}

pub(super) fn serving_containers(valid: &ValidTestPod, serving: &ServingTestPod) -> TestContainers {
    let kept: Vec<Container> = kept_init_containers(&valid.template).cloned().map(init_container).collect();
    let message_bytes = message_bytes_max(kept.len() + HELPERS + 1);
    let is_guarded = serving.guarded.is_some();
    let (engine, needs_cache) = engine(valid, serving, message_bytes);
    let first = preflight_of(valid, is_guarded);
    let guard_volumes = [empty_volume(VOLUME_PROGRAM, "256Mi"), empty_volume(VOLUME_RECORDS, "16Mi")];
    let volumes = guard_volumes.into_iter().filter(|_| is_guarded);
    TestContainers {
        init_containers: [first].into_iter().chain(kept).chain([engine]).collect(),
        containers: vec![probe(valid, serving, message_bytes)],
        volumes: volumes.chain(needs_cache.then(|| empty_volume(VOLUME_CACHE, "16Gi"))).collect(),
    }
}

fn preflight_of(valid: &ValidTestPod, is_guarded: bool) -> Container {
    let mut container = preflight(valid, is_guarded.then_some(PROGRAM_FOLDER));
    if is_guarded {
        container.volume_mounts.get_or_insert_default().push(mount(VOLUME_PROGRAM, PROGRAM_FOLDER));
    }
    container
}

/// An init container of the template, without what concerns its own pod only.
fn init_container(mut container: Container) -> Container {
    drop_host_ports(&mut container);
    container
}

/// The engine as native sidecar; beside it whether it needs the cache volume. It has no probe of the kubelet: with a
/// startup probe the test would begin only after it, and nobody would watch a start that hangs.
fn engine(valid: &ValidTestPod, serving: &ServingTestPod, message_bytes: usize) -> (Container, bool) {
    let Container {
        args,
        command,
        env,
        env_from,
        image,
        image_pull_policy,
        name,
        ports,
        resources,
        security_context,
        volume_devices,
        volume_mounts,
        working_dir,
        // Dropped: they act on production's traffic, or call out.
        lifecycle: _,
        liveness_probe: _,
        readiness_probe: _,
        resize_policy: _,
        restart_policy_rules: _,
        startup_probe: _,
        stdin: _,
        stdin_once: _,
        tty: _,
        // Replaced.
        restart_policy: _,
        termination_message_path: _,
        termination_message_policy: _,
    } = serving.engine.clone();
    let mut engine = Container {
        args,
        command: guarded_words(valid, serving, message_bytes).or(command),
        env,
        env_from,
        image,
        image_pull_policy,
        name,
        ports,
        resources,
        restart_policy: Some("Always".to_owned()),
        security_context,
        termination_message_path: Some(MESSAGE_PATH.to_owned()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_devices,
        volume_mounts,
        working_dir,
        ..Container::default()
    };
    engine.security_context = tightened(&engine, valid.template.security_context.as_ref());
    drop_host_ports(&mut engine);
    let needs_cache = add_engine_environment(&mut engine);
    if serving.guarded.is_some() {
        let mut program = mount(VOLUME_PROGRAM, PROGRAM_FOLDER);
        program.read_only = Some(true);
        engine.volume_mounts.get_or_insert_default().extend([program, mount(VOLUME_RECORDS, RECORDS_FOLDER)]);
    }
    (engine, needs_cache)
}

/// The engine's command under its guard; the arguments follow it as before.
fn guarded_words(valid: &ValidTestPod, serving: &ServingTestPod, message_bytes: usize) -> Option<Vec<String>> {
    let guard = GuardRequest {
        not_after: valid.times.not_after,
        grace: Duration(valid.times.grace),
        records: RECORDS_FOLDER.to_owned(),
        message_bytes,
        command: serving.guarded.clone()?,
    };
    Some([vec![PROGRAM_PATH.to_owned()], guard.words()].concat())
}

fn probe(valid: &ValidTestPod, serving: &ServingTestPod, message_bytes: usize) -> Container {
    let load = &serving.load;
    let is_guarded = serving.guarded.is_some();
    let request = ProbeRequest {
        version: PROBE_REQUEST_VERSION,
        mode: match valid.purpose {
            TestPodPurpose::Domain(_) => ProbeMode::Phase,
            TestPodPurpose::Canary => ProbeMode::Canary,
        },
        engine_url: serving.engine_url.clone(),
        model: serving.model.clone(),
        workload: load.workload.clone(),
        slo: load.slo.clone(),
        seed: load.seed,
        warmup: Duration(load.warmup),
        measure: Duration(load.measure),
        ready_timeout: Duration(load.ready_timeout),
        ends_by: earlier_by(valid.times.not_after, valid.times.grace),
        not_after: valid.times.not_after,
        message_bytes,
        guard_records: is_guarded.then(|| RECORDS_FOLDER.to_owned()),
    };
    let resources = (valid.settings.probe_cpu.as_str(), valid.settings.probe_memory.as_str());
    let mut probe = helper(valid, CONTAINER_PROBE, request.words(), resources);
    probe.env.get_or_insert_default().extend(serving.engine_key.clone());
    if is_guarded {
        let mut records = mount(VOLUME_RECORDS, RECORDS_FOLDER);
        records.read_only = Some(true);
        probe.volume_mounts.get_or_insert_default().push(records);
    }
    probe
}
