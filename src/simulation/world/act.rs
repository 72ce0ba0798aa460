//! What people do, and what goes wrong.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{plan::label::LABEL_ROLE, schedule::later_by};
use serde_json::{Value, json};

use super::{ADMINISTRATOR, World};
use crate::{
    api::promotion::Decision,
    cluster::Clock as _,
    controllers::Leadership as _,
    simulation::{
        api_server::StatusError,
        cluster::kubelet::ImageFault,
        operator::{Interruption, ReplicaState, RequestFault},
        program::NodeCondition,
    },
};

/// How long nobody leads after a leader is gone: the duration of its lease.
const LEASE: SignedDuration = SignedDuration::from_secs(15);

/// How often a replica asks for its lease.
const LEASE_RENEWAL: SignedDuration = SignedDuration::from_secs(2);

/// For how long there is no process after one was killed at a write: until the kubelet has started it again.
const RESTART: SignedDuration = SignedDuration::from_secs(2);

/// For how long a process stands still that was stopped at a write: well beyond the takeover of its lease.
const STANDSTILL: SignedDuration = SignedDuration::from_secs(45);

/// Something that happens at an instant.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Somebody applies an object.
    Apply {
        /// Who.
        user: String,
        /// The object.
        object: Box<Value>,
    },
    /// Somebody merges fields into an object.
    Merge {
        /// Who.
        user: String,
        /// Group with version, and kind.
        kind: (String, String),
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The fields.
        fields: Box<Value>,
    },
    /// Somebody edits the engine's container of a target: its image, or one of its flags.
    Edit {
        /// Who.
        user: String,
        /// Kind of the target, as in `Deployment`.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The new image.
        image: Option<String>,
        /// Flags with their new values; `None` takes the flag away.
        flags: Vec<(String, Option<String>)>,
    },
    /// Somebody deletes an object.
    Delete {
        /// Who.
        user: String,
        /// Group with version, and kind.
        kind: (String, String),
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Somebody decides about a promotion.
    Decide {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The decision.
        decision: Decision,
        /// Who.
        by: String,
    },
    /// Somebody decides about every promotion that waits for a person, in somebody's name.
    DecideAll {
        /// Who.
        user: String,
        /// The promotions' namespace.
        namespace: String,
        /// The decision.
        decision: Decision,
        /// In whose name.
        in_name_of: String,
    },
    /// Somebody aborts every run and every canary that has not ended.
    AbortTests {
        /// Who.
        user: String,
    },
    /// A replica's process ends; a new one starts some time later.
    KillOperator {
        /// Which one.
        replica: usize,
        /// For how long there is none.
        lasting: SignedDuration,
    },
    /// A replica's process is started again.
    StartOperator {
        /// Which one.
        replica: usize,
    },
    /// A replica's process is stopped, and goes on some time later; it may lead for what it knows.
    PauseOperator {
        /// Which one.
        replica: usize,
        /// For how long.
        lasting: SignedDuration,
    },
    /// A stopped process goes on.
    ResumeOperator {
        /// Which one.
        replica: usize,
    },
    /// If nobody leads by now, the first replica that works does.
    Elect,
    /// Requests meet with trouble.
    TroubleRequests(Box<RequestFault>),
    /// A node's kubelet no longer reports; its containers run on.
    LoseNode {
        /// Which one.
        node: String,
        /// For how long.
        lasting: SignedDuration,
    },
    /// A node's kubelet reports again.
    FindNode {
        /// Which one.
        node: String,
    },
    /// Every test pod is evicted.
    EvictTestPods {
        /// What the kubelet says.
        message: String,
    },
    /// An image can't be pulled for some time.
    LoseImage(ImageFault),
    /// A node's cards or clients fare differently for some time.
    SetCondition(Box<NodeCondition>),
}

/// A decision about a promotion that the API server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedDecision {
    /// When.
    pub at: Timestamp,
    /// The promotion's name.
    pub promotion: String,
    /// The decision.
    pub decision: Decision,
    /// Who asked for it.
    pub user: String,
    /// In whose name.
    pub in_name_of: String,
    /// What the API server answered.
    pub message: String,
}

const PROMOTION: (&str, &str) = ("phaseloop.dev/v1alpha1", "Promotion");

/// Whether a promotion waits for a person's decision.
pub(super) fn waits_for_person(promotion: &Value) -> bool {
    let text = |place: &str| promotion.pointer(place).and_then(Value::as_str);
    text("/status/phase") == Some("AwaitingReview") && text("/spec/decision") == Some("Pending")
}

impl World {
    pub(super) fn act(&mut self, index: usize) {
        let Some(action) = self.actions.get(index).cloned() else { return };
        let now = self.clock.now();
        let result = match action {
            Action::Apply { user, object } => self.server.actor(&user).apply(object.as_ref()).map(drop),
            Action::Merge { user, kind, namespace, name, fields } => {
                let kind = (kind.0.as_str(), kind.1.as_str());
                self.server.actor(&user).merge(kind, &namespace, &name, "", *fields).map(drop)
            }
            Action::Edit { user, kind, namespace, name, image, flags } => {
                self.edit(&user, &kind, (&namespace, &name), image.as_deref(), &flags)
            }
            Action::Delete { user, kind, namespace, name } => {
                self.server.actor(&user).delete((kind.0.as_str(), kind.1.as_str()), &namespace, &name, None)
            }
            Action::Decide { namespace, name, decision, by } => self.decide((&namespace, &name), decision, &by, &by),
            Action::DecideAll { user, namespace, decision, in_name_of } => {
                self.decide_all(&user, &namespace, decision, &in_name_of);
                Ok(())
            }
            Action::AbortTests { user } => self.abort_tests(&user),
            other => {
                self.befall(other, now);
                Ok(())
            }
        };
        if let Err(error) = result {
            self.refused.push(format!("{now}: {error}"));
        }
    }

    /// What nobody asks the API server for.
    fn befall(&mut self, action: Action, now: Timestamp) {
        match action {
            Action::KillOperator { replica, lasting } => {
                if let Some(one) = self.replicas.get_mut(replica) {
                    one.kill();
                }
                self.add_action(later_by(now, lasting), Action::StartOperator { replica });
                self.add_action(later_by(now, LEASE), Action::Elect);
            }
            Action::StartOperator { replica } => {
                if let Some(one) = self.replicas.get_mut(replica).filter(|one| one.state() == ReplicaState::Down) {
                    one.restart();
                }
                self.add_action(later_by(now, LEASE), Action::Elect);
            }
            Action::PauseOperator { replica, lasting } => {
                if let Some(one) = self.replicas.get_mut(replica) {
                    one.pause();
                }
                self.add_action(later_by(now, lasting), Action::ResumeOperator { replica });
                self.add_action(later_by(now, LEASE), Action::Elect);
            }
            Action::ResumeOperator { replica } => self.resume(replica),
            Action::Elect => self.elect(),
            Action::TroubleRequests(fault) => self.gate.add_fault(*fault),
            Action::LoseNode { node, lasting } => {
                self.controllers.lose_node(&node, now);
                self.add_action(later_by(now, lasting), Action::FindNode { node });
                self.plan_cluster(now);
            }
            Action::FindNode { node } => {
                self.controllers.find_node(&node, now);
                self.plan_cluster(now);
            }
            Action::EvictTestPods { message } => self.evict_test_pods(&message, now),
            Action::LoseImage(fault) => self.controllers.kubelets.images.add_fault(fault),
            Action::SetCondition(condition) => self.programs.change(|catalog| catalog.conditions.push(*condition)),
            _ => {}
        }
    }

    /// What was planned for a write befalls the replica that sends it.
    pub(super) fn interrupt(&mut self, replica: usize, interruption: Interruption) {
        let action = match interruption {
            Interruption::KilledBefore | Interruption::KilledAfter => {
                Action::KillOperator { replica, lasting: RESTART }
            }
            Interruption::Paused => Action::PauseOperator { replica, lasting: STANDSTILL },
            Interruption::ReplyLost => return,
        };
        self.befall(action, self.clock.now());
    }

    fn resume(&mut self, replica: usize) {
        let now = self.clock.now();
        if let Some(one) = self.replicas.get_mut(replica) {
            one.resume();
        }
        // It finds its lease taken when it asks for it next: until then it believes what it believed before.
        self.add_action(later_by(now, LEASE_RENEWAL), Action::Elect);
        self.plan_notices(replica, now);
    }

    /// Who holds the lease and works, leads; else the first replica that works takes it over. Nobody else leads.
    fn elect(&mut self) {
        let works = |index: &usize| self.replicas.get(*index).is_some_and(|one| one.state() == ReplicaState::Running);
        let holder = self.lease_holder.filter(works);
        self.lease_holder = holder.or_else(|| (0..self.replicas.len()).find(works));
        let holder = self.lease_holder;
        for (index, one) in self.replicas.iter_mut().enumerate().filter(|(_, one)| one.state() == ReplicaState::Running)
        {
            let leads = Some(index) == holder;
            if leads && !one.leadership().is_leader() {
                // Who begins to lead looks at everything.
                one.leadership().set(true);
                one.relist();
            } else if !leads {
                one.leadership().set(false);
            }
        }
    }

    fn edit(
        &self,
        user: &str,
        kind: &str,
        (namespace, name): (&str, &str),
        image: Option<&str>,
        flags: &[(String, Option<String>)],
    ) -> Result<(), StatusError> {
        let actor = self.server.actor(user);
        let stored = actor.get(("apps/v1", kind), namespace, name)?;
        let mut object = stored.value.clone();
        if let Some(container) = object.pointer_mut("/spec/template/spec/containers/0") {
            if let (Some(image), Some(fields)) = (image, container.as_object_mut()) {
                fields.insert("image".to_owned(), image.into());
            }
            for (flag, value) in flags {
                set_flag(container, flag, value.as_deref());
            }
        }
        actor.update(&object).map(drop)
    }

    fn decide(
        &self,
        (namespace, name): (&str, &str),
        decision: Decision,
        by: &str,
        in_name_of: &str,
    ) -> Result<(), StatusError> {
        let fields = json!({ "spec": { "decision": decision, "approvedBy": in_name_of } });
        self.server.actor(by).merge(PROMOTION, namespace, name, "", fields).map(drop)
    }

    /// That the API server refuses a decision is part of a story; that there is nothing to decide about is a fault in it.
    fn decide_all(&mut self, user: &str, namespace: &str, decision: Decision, in_name_of: &str) {
        let now = self.clock.now();
        let waiting: Vec<String> = self
            .server
            .actor(user)
            .list(PROMOTION, Some(namespace))
            .iter()
            .filter(|promotion| waits_for_person(&promotion.value))
            .map(|promotion| promotion.name().to_owned())
            .collect();
        if waiting.is_empty() {
            self.refused.push(format!("{now}: {user} decides, and no promotion waits for a person"));
        }
        for promotion in waiting {
            let Err(error) = self.decide((namespace, &promotion), decision, user, in_name_of) else { continue };
            let (user, in_name_of, message) = (user.to_owned(), in_name_of.to_owned(), error.message);
            self.refused_decisions.push(RefusedDecision { at: now, promotion, decision, user, in_name_of, message });
        }
    }

    fn abort_tests(&self, user: &str) -> Result<(), StatusError> {
        let actor = self.server.actor(user);
        for (kind, ends) in [("PhaseRun", &["Completed", "Failed", "Aborted"][..]), ("TuningCanary", &["Done"][..])] {
            let kind = ("phaseloop.dev/v1alpha1", kind);
            for object in actor.list(kind, None) {
                let phase = object.value.pointer("/status/phase").and_then(Value::as_str);
                if !phase.is_some_and(|phase| ends.contains(&phase)) {
                    let fields = json!({ "spec": { "abort": true } });
                    actor.merge(kind, object.namespace(), object.name(), "", fields)?;
                }
            }
        }
        Ok(())
    }

    fn evict_test_pods(&mut self, message: &str, now: Timestamp) {
        for pod in self.server.actor(ADMINISTRATOR).list(("v1", "Pod"), None) {
            let labels = pod.value.pointer("/metadata/labels");
            if labels.is_some_and(|labels| labels.get(LABEL_ROLE).is_some()) {
                self.controllers.kubelets.evict(pod.namespace(), pod.name(), message, now);
            }
        }
        self.plan_cluster(now);
    }
}

/// Sets a flag among a container's arguments, in whichever of both spellings it stands; takes it away where there is no
/// value.
fn set_flag(container: &mut Value, flag: &str, value: Option<&str>) {
    let flag = format!("--{}", flag.trim_start_matches('-'));
    let args: Vec<String> = container
        .get("args")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|word| Some(word.as_str()?.to_owned()))
        .collect();
    let joined = format!("{flag}=");
    let mut kept: Vec<String> = Vec::new();
    let mut words = args.into_iter().peekable();
    while let Some(word) = words.next() {
        if word == flag {
            words.next_if(|next| !next.starts_with("--"));
        } else if !word.starts_with(&joined) {
            kept.push(word);
        }
    }
    if let Some(value) = value {
        kept.push(format!("{flag}={value}"));
    }
    if let Some(fields) = container.as_object_mut() {
        fields.insert("args".to_owned(), kept.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_set_in_place_of_either_spelling() {
        for args in [json!(["--a", "1", "--b=2", "x"]), json!(["--b", "2", "--a=1", "x"]), json!(["--a=1", "x"])] {
            let mut container = json!({ "args": args });
            set_flag(&mut container, "b", Some("3"));
            let words = container["args"].as_array().unwrap();
            assert_eq!(words.iter().filter(|word| word.as_str().unwrap().starts_with("--b")).count(), 1, "{words:?}");
            assert_eq!(words.last().unwrap(), "--b=3");
            assert!(words.contains(&json!("x")));
            set_flag(&mut container, "--b", None);
            assert!(!container["args"].to_string().contains("--b"));
        }
    }
}
