//! What a kubelet reports of a pod.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Pod, PodCondition},
    apimachinery::pkg::apis::meta::v1::Time,
};
use serde_json::{Value, json};

use super::{
    container::{ContainerMachine, Ended, Role, State, Wait},
    images::ImageStore,
    machine::PodMachine,
    stop::StopCause,
};

/// Types of the conditions that a kubelet owns.
const OWN_CONDITIONS: [&str; 4] = ["PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"];

/// The status of a pod, with the conditions that others wrote to `stored` kept.
pub(super) fn status_of(machine: &PodMachine, stored: &Pod, now: Timestamp) -> Value {
    let (phase, reason, message) = phase_of(machine);
    let initialised = is_initialised(machine);
    let is_over = machine.finished_at.is_some();
    let ready = !is_over && machine.containers.iter().all(|container| is_ready(machine, container));
    let started = machine.containers.iter().any(ContainerMachine::has_run);
    let unready = if phase == "Succeeded" { "PodCompleted" } else { "ContainersNotReady" };
    let own = [
        (started && !is_over, ""),
        (initialised || phase == "Succeeded", "ContainersNotInitialized"),
        (ready, unready),
        (ready, unready),
    ];
    let old = stored.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let mut conditions: Vec<Value> = OWN_CONDITIONS
        .iter()
        .zip(own)
        .map(|(type_, (holds, reason))| condition(old, type_, holds, if holds { "" } else { reason }, now))
        .collect();
    let others = old.iter().filter(|condition| !OWN_CONDITIONS.contains(&condition.type_.as_str()));
    conditions.extend(others.map(|condition| json!(condition)));
    let of_role = |wanted: fn(Role) -> bool| -> Vec<Value> {
        let own = machine.containers.iter().filter(|container| wanted(container.role));
        own.map(|container| container_status(machine, container, initialised)).collect()
    };
    let address = format!("10.0.{}", address_of(&machine.identity.uid));
    let mut status = json!({
        "phase": phase, "reason": reason, "message": message, "conditions": conditions,
        "startTime": Time(machine.started_at), "hostIP": "192.168.0.10", "podIP": address,
        "podIPs": [{ "ip": address }],
        "initContainerStatuses": of_role(|role| role != Role::Main),
        "containerStatuses": of_role(|role| role == Role::Main),
    });
    if let Some(fields) = status.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    status
}

/// Two numbers of an address, made of the pod's uid.
fn address_of(uid: &str) -> String {
    let sum: u32 = uid.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("{}.{}", sum % 250 + 1, (sum / 250) % 250 + 1)
}

fn phase_of(machine: &PodMachine) -> (&'static str, Option<&'static str>, Option<String>) {
    let mut mains = machine.containers.iter().filter(|container| container.role == Role::Main);
    let Some(stop) = machine.stop.as_ref().filter(|_| machine.finished_at.is_some()) else {
        let phase = if mains.any(ContainerMachine::has_run) { "Running" } else { "Pending" };
        return (phase, None, None);
    };
    match &stop.cause {
        StopCause::DeadlineExceeded => {
            let message = "Pod was active on the node longer than the specified deadline";
            ("Failed", Some("DeadlineExceeded"), Some(message.to_owned()))
        }
        StopCause::Evicted(message) => ("Failed", Some("Evicted"), Some(message.clone())),
        StopCause::InitFailed => ("Failed", None, None),
        StopCause::Completed | StopCause::Deleted => {
            let all = mains.all(|container| container.ended().is_some_and(|ended| ended.exit_code == 0));
            (if all { "Succeeded" } else { "Failed" }, None, None)
        }
    }
}

/// Whether every init container has done its part.
fn is_initialised(machine: &PodMachine) -> bool {
    machine.containers.iter().all(|container| match container.role {
        Role::Init => container.ended().is_some_and(|ended| ended.exit_code == 0),
        Role::Sidecar => container.has_run(),
        Role::Main => true,
    })
}

fn is_ready(machine: &PodMachine, container: &ContainerMachine) -> bool {
    if container.role == Role::Init {
        return container.ended().is_some_and(|ended| ended.exit_code == 0);
    }
    container.is_running()
        && (container.spec.readiness_probe.is_none() || machine.program().is_ready(&container.spec.name))
}

fn condition(old: &[PodCondition], type_: &str, holds: bool, reason: &str, now: Timestamp) -> Value {
    let status = if holds { "True" } else { "False" };
    let same = old.iter().find(|old| old.type_ == type_ && old.status == status);
    let since = same.and_then(|old| old.last_transition_time.as_ref()).map_or(now, |time| time.0);
    let mut condition = json!({ "type": type_, "status": status, "lastTransitionTime": Time(since) });
    if let Some(fields) = condition.as_object_mut().filter(|_| !reason.is_empty()) {
        fields.insert("reason".to_owned(), reason.into());
    }
    condition
}

fn container_status(machine: &PodMachine, container: &ContainerMachine, initialised: bool) -> Value {
    let name = &container.spec.name;
    let image = container.spec.image.clone().unwrap_or_default();
    let number = |run: u32| format!("containerd://{}/{name}/{run}", machine.identity.uid);
    let has_run = container.has_run();
    let mut status = json!({
        "name": name, "image": image, "imageID": if has_run { ImageStore::id_of(&image) } else { String::new() },
        "ready": is_ready(machine, container), "started": container.is_running(),
        "restartCount": container.restarts, "state": state_of(machine, container, initialised), "lastState": {},
    });
    let last = container.last.as_ref();
    if let Some(fields) = status.as_object_mut() {
        if has_run {
            fields.insert("containerID".to_owned(), number(container.restarts).into());
        }
        if let Some(last) = last {
            let run =
                container.restarts.saturating_sub(u32::from(container.is_running() || container.ended().is_some()));
            fields.insert("lastState".to_owned(), json!({ "terminated": terminated(last, &number(run)) }));
        }
    }
    status
}

fn state_of(machine: &PodMachine, container: &ContainerMachine, initialised: bool) -> Value {
    let waiting = |reason: &str, message: Option<String>| {
        let mut waiting = json!({ "reason": reason });
        if let (Some(message), Some(fields)) = (message, waiting.as_object_mut()) {
            fields.insert("message".to_owned(), message.into());
        }
        json!({ "waiting": waiting })
    };
    let number = format!("containerd://{}/{}/{}", machine.identity.uid, container.spec.name, container.restarts);
    match &container.state {
        State::Running { since } => json!({ "running": { "startedAt": Time(*since) } }),
        State::Ended(ended) => json!({ "terminated": terminated(ended, &number) }),
        State::Waiting(Wait::Turn) => {
            let first = !initialised && (container.role == Role::Main || container.start_at.is_none());
            waiting(if first { "PodInitializing" } else { "ContainerCreating" }, None)
        }
        State::Waiting(Wait::Image { message, backing_off: false }) => waiting("ErrImagePull", Some(message.clone())),
        State::Waiting(Wait::Image { message, backing_off: true }) => {
            waiting("ImagePullBackOff", Some(format!("Back-off pulling image: {message}")))
        }
        State::Waiting(Wait::Restart { delay }) => {
            let message = format!("back-off {}s restarting failed container={}", delay.as_secs(), container.spec.name);
            waiting("CrashLoopBackOff", Some(message))
        }
    }
}

fn terminated(ended: &Ended, number: &str) -> Value {
    let mut terminated = json!({
        "exitCode": ended.exit_code, "reason": ended.reason, "startedAt": Time(ended.started_at),
        "finishedAt": Time(ended.finished_at), "containerID": number,
    });
    if let (Some(message), Some(fields)) = (&ended.message, terminated.as_object_mut()) {
        fields.insert("message".to_owned(), message.clone().into());
    }
    terminated
}
