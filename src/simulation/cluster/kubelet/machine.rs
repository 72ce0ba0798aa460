//! One pod on its node: what happens to its containers next, and when.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Pod};
use phaseloop_core::schedule::later_by;

use super::{
    container::{ContainerMachine, Ended, Role, State, Wait},
    images::{ImageStore, Pull},
    life::{Changes, Ending, PodProgram},
    record::{ContainerLog, ContainerRecord},
    stop::{GRACE_MIN, Stop, StopCause},
};
use crate::workload::told::engine_name;

/// From the kubelet's taking a pod up to its first container: volumes, network.
const SANDBOX: SignedDuration = SignedDuration::from_millis(900);
/// From one container to the next.
const NEXT: SignedDuration = SignedDuration::from_millis(250);
/// From the end of the last main container to the kubelet's asking the sidecars to end.
const SYNC: SignedDuration = SignedDuration::from_secs(1);

/// Which pod it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunningPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its node.
    pub node: String,
}

/// A pod on its node.
#[derive(Debug, Clone)]
pub struct PodMachine {
    pub(super) identity: RunningPod,
    /// The pod as it was taken up.
    pub(super) pod: Pod,
    program: Box<dyn PodProgram>,
    pub(super) containers: Vec<ContainerMachine>,
    pub(super) started_at: Timestamp,
    pub(super) stop: Option<Stop>,
    /// When the kubelet notices that every main container has ended.
    completes_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    /// Counts what happened: a report is due when it differs from what was reported.
    pub(super) happened: u64,
}

/// What a pod finds on its node, and what its runs are written down in.
pub(super) struct Ground<'a> {
    pub(super) images: &'a mut ImageStore,
    pub(super) log: &'a mut ContainerLog,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Transition {
    /// A container ends.
    End(usize),
    /// A program is asked again.
    Milestone(usize),
    /// The pod has been active for too long.
    Deadline,
    /// The sidecars are asked to end.
    Complete,
    /// A container is started.
    Start(usize),
}

impl PodMachine {
    /// A pod that its kubelet takes up.
    pub(super) fn new(identity: RunningPod, pod: Pod, program: Box<dyn PodProgram>, now: Timestamp) -> Self {
        let containers = containers_of(&pod);
        let mut machine = Self {
            identity,
            pod,
            program,
            containers,
            started_at: now,
            stop: None,
            completes_at: None,
            finished_at: None,
            happened: 1,
        };
        machine.plan_starts(later_by(now, SANDBOX));
        machine
    }

    /// Which pod it is.
    pub const fn identity(&self) -> &RunningPod {
        &self.identity
    }

    /// Its programs.
    pub(super) fn program(&self) -> &dyn PodProgram {
        self.program.as_ref()
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished_at.is_some()
    }

    /// When something happens next.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.next_transition().map(|(at, _)| at)
    }

    /// Everything that happens until `now`, in order.
    pub(super) fn advance(&mut self, now: Timestamp, ground: &mut Ground<'_>) {
        while let Some((at, transition)) = self.next_transition().filter(|(at, _)| *at <= now) {
            self.happened += 1;
            match transition {
                Transition::End(index) => self.end(index, at, ground),
                Transition::Milestone(index) => self.milestone(index, at, ground),
                Transition::Deadline => self.begin_stop(StopCause::DeadlineExceeded, self.pod_grace(), at),
                Transition::Complete => {
                    self.completes_at = None;
                    self.begin_stop(StopCause::Completed, self.pod_grace(), at);
                }
                Transition::Start(index) => self.start(index, at, ground),
            }
        }
    }

    /// Ends the pod. A pod that is being ended already may only be given less time.
    pub(super) fn begin_stop(&mut self, cause: StopCause, grace: SignedDuration, now: Timestamp) {
        if self.finished_at.is_some() {
            return;
        }
        if let Some(stop) = &mut self.stop {
            if grace < stop.grace {
                stop.grace = grace;
                let latest = later_by(now, grace.max(GRACE_MIN));
                for container in self.containers.iter_mut().filter(|container| container.is_running()) {
                    container.kill_at = container.kill_at.map(|at| at.min(latest));
                }
            }
            if cause == StopCause::Deleted && stop.cause == StopCause::Completed {
                stop.cause = cause;
            }
            return;
        }
        self.happened += 1;
        self.stop = Some(Stop { cause, since: now, grace });
        self.completes_at = None;
        self.containers.iter_mut().for_each(|container| container.start_at = None);
        for index in 0..self.containers.len() {
            if self.container(index).is_some_and(|container| container.role != Role::Sidecar) {
                self.signal(index, now);
            }
        }
        self.go_on_stopping(now);
    }

    fn pod_grace(&self) -> SignedDuration {
        let seconds = self.pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
        SignedDuration::from_secs(seconds.unwrap_or(30))
    }

    fn restart_policy(&self) -> &str {
        self.pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always")
    }

    fn container(&self, index: usize) -> Option<&ContainerMachine> {
        self.containers.get(index)
    }

    fn next_transition(&self) -> Option<(Timestamp, Transition)> {
        if self.finished_at.is_some() {
            return None;
        }
        let of_containers = self.containers.iter().enumerate().flat_map(|(index, container)| {
            let milestone = container.life.milestone.filter(|_| container.is_running());
            [
                container.ends_at().map(|at| (at, Transition::End(index))),
                milestone.map(|at| (at, Transition::Milestone(index))),
                container.start_at.map(|at| (at, Transition::Start(index))),
            ]
        });
        let deadline = self.pod.spec.as_ref().and_then(|spec| spec.active_deadline_seconds);
        let deadline = deadline
            .filter(|_| self.stop.is_none())
            .map(|seconds| (later_by(self.started_at, SignedDuration::from_secs(seconds)), Transition::Deadline));
        let complete = self.completes_at.map(|at| (at, Transition::Complete));
        of_containers.flatten().chain(deadline).chain(complete).min()
    }

    /// Plans the start of whatever may start next.
    fn plan_starts(&mut self, at: Timestamp) {
        if self.stop.is_some() {
            return;
        }
        let never = self.restart_policy() == "Never";
        for container in self.containers.iter_mut().filter(|container| container.role != Role::Main) {
            let is_done = match container.role {
                Role::Init => container.ended().is_some_and(|ended| ended.exit_code == 0),
                Role::Sidecar | Role::Main => container.has_run(),
            };
            if is_done {
                continue;
            }
            let waits = matches!(container.state, State::Waiting(_)) && container.start_at.is_none();
            if waits || (container.ended().is_some() && !never && container.start_at.is_none()) {
                container.start_at = Some(at);
            }
            return;
        }
        let mut at = at;
        for container in self.containers.iter_mut().filter(|container| container.role == Role::Main) {
            if container.start_at.is_none() && container.state == State::Waiting(Wait::Turn) {
                container.start_at = Some(at);
                at = later_by(at, NEXT);
            }
        }
    }

    fn start(&mut self, index: usize, at: Timestamp, ground: &mut Ground<'_>) {
        let identity = self.identity.clone();
        let labels = self.pod.metadata.labels.clone().unwrap_or_default();
        let engine = engine_name(&self.pod).map(str::to_owned);
        let Some(container) = self.containers.get_mut(index) else { return };
        container.start_at = None;
        match ground.images.ask(&identity.node, container.spec.image.as_deref().unwrap_or_default(), at) {
            Pull::Failed(message) => return container.pull_failed(message, at),
            Pull::Until(there) => {
                container.start_at = Some(there);
                return;
            }
            Pull::Present => {}
        }
        if container.last.is_none() && container.ended().is_none() {
            container.failures = 0;
        }
        if let State::Ended(ended) = &container.state {
            container.last = Some(ended.clone());
        }
        if container.last.is_some() {
            container.restarts += 1;
        }
        container.state = State::Running { since: at };
        (container.life, container.kill_at) = (super::life::Life::default(), None);
        let (name, run) = (container.spec.name.clone(), container.restarts);
        container.record = Some(ground.log.begin(ContainerRecord {
            namespace: identity.namespace,
            pod: identity.name,
            pod_uid: identity.uid,
            labels,
            node: identity.node,
            container: name.clone(),
            run,
            is_engine: engine.as_ref() == Some(&name),
            gpus: gpus_of(&container.spec),
            started_at: at,
            ended_at: None,
            exit_code: None,
        }));
        let changes = self.program.started(&name, run, at);
        self.apply(changes);
        self.plan_starts(later_by(at, NEXT));
    }

    fn milestone(&mut self, index: usize, at: Timestamp, ground: &mut Ground<'_>) {
        let Some(container) = self.containers.get_mut(index) else { return };
        container.life.milestone = None;
        let (name, record) = (container.spec.name.clone(), container.record);
        let was_ready = self.program.is_ready(&name);
        let changes = self.program.reached(&name, at);
        self.apply(changes);
        if let Some(record) = record.filter(|_| !was_ready && self.program.is_ready(&name)) {
            ground.log.ready(record, at);
        }
    }

    fn end(&mut self, index: usize, at: Timestamp, ground: &mut Ground<'_>) {
        let stopping = self.stop.is_some();
        let policy = self.restart_policy().to_owned();
        let Some(container) = self.containers.get_mut(index) else { return };
        let State::Running { since } = container.state else { return };
        let Ending { exit_code, message, reason, .. } = container.ending(at);
        if let Some(record) = container.record {
            ground.log.end(record, at, exit_code);
        }
        let name = container.spec.name.clone();
        let message = message.or_else(|| fallback(&container.spec, exit_code, &self.program.output(&name, false, at)));
        let reason = reason.unwrap_or(if exit_code == 0 { "Completed" } else { "Error" });
        let ended = Ended { started_at: since, finished_at: at, exit_code, reason, message };
        let again = match container.role {
            Role::Sidecar => true,
            Role::Init => exit_code != 0 && policy != "Never",
            Role::Main => policy == "Always" || (policy == "OnFailure" && exit_code != 0),
        };
        container.state = State::Ended(ended.clone());
        container.life = super::life::Life::default();
        if again && !stopping {
            let delay = container.restart_delay(&ended);
            container.start_at = Some(later_by(at, delay));
            if delay > SYNC {
                container.last = Some(ended);
                container.state = State::Waiting(Wait::Restart { delay });
            }
        }
        let changes = self.program.ended(&name, at, exit_code);
        self.apply(changes);
        self.after_end(index, exit_code, again, at);
    }

    fn after_end(&mut self, index: usize, exit_code: i32, again: bool, at: Timestamp) {
        if self.stop.is_some() {
            return self.go_on_stopping(at);
        }
        if self.container(index).is_some_and(|container| container.role == Role::Init) {
            if exit_code == 0 {
                self.plan_starts(later_by(at, NEXT));
            } else if !again {
                self.begin_stop(StopCause::InitFailed, self.pod_grace(), at);
            }
            return;
        }
        let mut mains = self.containers.iter().filter(|container| container.role == Role::Main);
        if mains.all(|container| container.ended().is_some() && container.start_at.is_none()) {
            self.completes_at = Some(later_by(at, SYNC));
        }
    }

    /// Asks the next sidecar to end once nothing that goes before it runs; or notices that nothing runs any more.
    fn go_on_stopping(&mut self, at: Timestamp) {
        if self.containers.iter().any(|container| container.role != Role::Sidecar && container.is_running()) {
            return;
        }
        let last = self.containers.iter().rposition(ContainerMachine::is_running);
        match last {
            Some(index) if self.container(index).is_some_and(|container| container.kill_at.is_none()) => {
                self.signal(index, at);
            }
            Some(_) => {}
            None => self.finished_at = Some(at),
        }
    }

    /// Asks a container to end, and kills it when its time is up.
    fn signal(&mut self, index: usize, at: Timestamp) {
        let Some(kill_at) = self.stop.as_ref().map(|stop| stop.kill_at(at)) else { return };
        let Some(container) = self.containers.get_mut(index).filter(|container| container.is_running()) else { return };
        container.kill_at = Some(kill_at);
        let own = container.life.ends.as_ref().map(|ending| ending.at);
        let asked = self.program.signalled(&container.spec.name, at);
        if let Some(ending) = asked.filter(|ending| own.is_none_or(|own| ending.at < own)) {
            container.life = super::life::Life::ending(ending);
        }
    }

    /// Takes over what programs say of lives. What is not running has none.
    fn apply(&mut self, changes: Changes) {
        for (name, life) in changes {
            let running =
                self.containers.iter_mut().find(|container| container.spec.name == name && container.is_running());
            if let Some(container) = running {
                container.life = life;
            }
        }
    }
}

/// The containers of a pod, in the order in which they start.
fn containers_of(pod: &Pod) -> Vec<ContainerMachine> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let role = |container: &Container| match container.restart_policy.as_deref() {
        Some("Always") => Role::Sidecar,
        _ => Role::Init,
    };
    let init = spec.init_containers.iter().flatten().map(|own| ContainerMachine::new(own.clone(), role(own)));
    init.chain(spec.containers.iter().map(|own| ContainerMachine::new(own.clone(), Role::Main))).collect()
}

/// What of its output becomes the message of a container that left none and failed: the last 80 lines, in at most 2048
/// bytes.
fn fallback(container: &Container, exit_code: i32, output: &str) -> Option<String> {
    const LINES_MAX: usize = 80;
    const BYTES_MAX: usize = 2048;
    if exit_code == 0 || container.termination_message_policy.as_deref() != Some("FallbackToLogsOnError") {
        return None;
    }
    let lines: Vec<&str> = output.split_inclusive('\n').collect();
    let tail: String = lines.iter().skip(lines.len().saturating_sub(LINES_MAX)).copied().collect();
    let start = (0..=tail.len()).find(|start| tail.len() - start <= BYTES_MAX && tail.is_char_boundary(*start));
    let tail = tail.get(start?..)?.to_owned();
    (!tail.is_empty()).then_some(tail)
}

/// Whole GPUs that a container holds.
fn gpus_of(container: &Container) -> u32 {
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    requests.and_then(|requests| requests.get("nvidia.com/gpu")?.0.parse().ok()).unwrap_or(0)
}
