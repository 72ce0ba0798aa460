//! What an object of ours is about, in the few words that waking needs: kept of each object, whatever else it says.

use phaseloop_core::plan::OwnKind;
use serde::Deserialize as _;
use serde_json::Value;

use super::{phase_run, promotion};
use crate::api::{phase_run::status::PhaseRunPhase, promotion::status::PromotionPhase};

/// A model server of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey {
    /// `Deployment` or `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl TargetKey {
    /// Of its parts.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

/// What an object of ours is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// Its target; absent where its spec does not say: it may be about any.
    pub target: Option<TargetKey>,
    /// Whether it has ended, so that nothing that happens to others concerns it any more.
    pub is_over: bool,
}

impl Subject {
    /// Of an object as it came. What is not of its kind's form is not known: no object can stall a watch.
    pub fn of(kind: OwnKind, spec: &Value, status: &Value) -> Self {
        let reference = match kind {
            OwnKind::PhaseSchedule => spec.pointer("/run/targetRef"),
            OwnKind::PhaseRun | OwnKind::Escalation | OwnKind::TuningCanary | OwnKind::Promotion => {
                spec.get("targetRef")
            }
        };
        let text = |field: &str| reference?.get(field)?.as_str();
        let target = text("kind").zip(text("name")).map(|(kind, name)| TargetKey::new(kind, name));
        let phase = status.get("phase").unwrap_or(&Value::Null);
        let is_over = match kind {
            OwnKind::PhaseRun => PhaseRunPhase::deserialize(phase).is_ok_and(phase_run::facts::phase_has_ended),
            OwnKind::Promotion => PromotionPhase::deserialize(phase).is_ok_and(promotion::phase_has_ended),
            // Canaries are few, and owe something until they are folded; the others live on.
            OwnKind::PhaseSchedule | OwnKind::Escalation | OwnKind::TuningCanary => false,
        };
        Self { target, is_over }
    }
}

/// Whom a change concerns, of the objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Concern {
    /// Their namespace.
    pub namespace: String,
    /// Their target; absent: whichever they have.
    pub target: Option<TargetKey>,
}

impl Concern {
    /// Whether it concerns an object of the namespace `namespace`.
    pub fn includes(&self, namespace: &str, subject: &Subject) -> bool {
        let is_of_target = match (&self.target, &subject.target) {
            (Some(changed), Some(its)) => changed == its,
            (None, _) | (_, None) => true,
        };
        self.namespace == namespace && is_of_target && !subject.is_over
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_object_is_about_is_read_from_its_spec_and_status() {
        let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"});
        let chat = Some(TargetKey::new("Deployment", "chat"));
        for kind in OwnKind::ALL {
            let spec = match kind {
                OwnKind::PhaseSchedule => json!({"run": {"targetRef": reference}}),
                _ => json!({"targetRef": reference}),
            };
            let about = Subject::of(kind, &spec, &Value::Null);
            assert_eq!((about.target, about.is_over), (chat.clone(), false), "{kind}");
        }
        for (kind, phase, is_over) in [
            (OwnKind::PhaseRun, "Running", false),
            (OwnKind::PhaseRun, "Completed", true),
            (OwnKind::PhaseRun, "Failed", true),
            (OwnKind::PhaseRun, "of another version", false),
            (OwnKind::Promotion, "Applied", false),
            (OwnKind::Promotion, "Validated", true),
            (OwnKind::Escalation, "Completed", false),
        ] {
            let about = Subject::of(kind, &json!({"targetRef": "malformed"}), &json!({ "phase": phase }));
            assert_eq!((about.target, about.is_over), (None, is_over), "{kind} {phase}");
        }
    }

    #[test]
    fn a_change_concerns_who_has_not_ended_and_may_be_about_its_target() {
        let chat = Some(TargetKey::new("Deployment", "chat"));
        let about = |target: &Option<TargetKey>, is_over| Subject { target: target.clone(), is_over };
        let concern = |target: &Option<TargetKey>| Concern { namespace: "a".to_owned(), target: target.clone() };
        let (other, unknown) = (Some(TargetKey::new("StatefulSet", "chat")), None);
        for (changed, subject, namespace, includes) in [
            (&chat, about(&chat, false), "a", true),
            (&chat, about(&chat, true), "a", false),
            (&chat, about(&chat, false), "b", false),
            (&chat, about(&other, false), "a", false),
            (&chat, about(&unknown, false), "a", true),
            (&unknown, about(&chat, false), "a", true),
            (&unknown, about(&unknown, true), "a", false),
        ] {
            assert_eq!(concern(changed).includes(namespace, &subject), includes, "{changed:?} {subject:?} {namespace}");
        }
    }
}
