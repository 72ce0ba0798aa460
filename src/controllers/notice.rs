//! Events for people, built from notices: pure, with the time from outside and a name that repeats itself.

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use phaseloop_core::{
    plan::{
        label::{FIELD_MANAGER, GROUP, VERSION},
        name::event_name,
        record::{Notice, NoticeSeverity},
    },
    value::reason::ReasonEntry,
};

/// Bytes of the longest note that the API server takes.
const NOTE_LENGTH_MAX: usize = 1024;

/// A reason that a status carries, as the lists of reasons state it: an event has no other.
pub fn listed(name: &str, lists: &[&'static [ReasonEntry]]) -> Option<&'static str> {
    lists.iter().copied().flatten().find(|entry| entry.name == name).map(|entry| entry.name)
}

/// The event of a notice. Its name is made of the object, the reason and the news' identity: telling the same thing of the
/// same object twice collides with itself.
pub fn build_event(namespace: &str, notice: &Notice, now: Timestamp) -> Event {
    let Notice { object, severity, reason, note, identity } = notice;
    Event {
        metadata: ObjectMeta {
            name: Some(event_name(&object.name, &object.uid, &[reason, identity])),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        action: Some((*reason).to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(fitting(note).to_owned()),
        reason: Some((*reason).to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some(object.kind.name().to_owned()),
            name: Some(object.name.clone()),
            namespace: Some(namespace.to_owned()),
            uid: Some(object.uid.to_string()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(GROUP.to_owned()),
        reporting_instance: Some(FIELD_MANAGER.to_owned()),
        type_: Some(
            match severity {
                NoticeSeverity::Normal => "Normal",
                NoticeSeverity::Warning => "Warning",
            }
            .to_owned(),
        ),
        ..Event::default()
    }
}

/// As much of a note as fits.
fn fitting(note: &str) -> &str {
    note.get(..note.floor_char_boundary(NOTE_LENGTH_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use phaseloop_core::{
        plan::{OwnKind, OwnObject},
        value::Uid,
    };

    use super::*;

    fn event(identity: &str, note: &str, at: &str) -> Event {
        let object = OwnObject::new(OwnKind::PhaseRun, "nightly", Uid::new("u1"));
        let (note, identity) = (note.to_owned(), identity.to_owned());
        let notice = Notice { object, severity: NoticeSeverity::Warning, reason: "NoSpareGPU", note, identity };
        build_event("chat", &notice, at.parse().unwrap())
    }

    #[test]
    fn the_same_news_has_the_same_name_and_other_news_another() {
        let first = event("a", "seen at 00:00", "2026-03-01T00:00:00Z");
        assert_eq!(first.metadata.name, event("a", "seen at 00:01", "2026-03-02T00:00:00Z").metadata.name);
        assert_ne!(first.metadata.name, event("b", "seen at 00:00", "2026-03-01T00:00:00Z").metadata.name);
    }

    #[test]
    fn an_event_says_of_whom_and_how_grave_and_fits() {
        let event = event("a", &"x".repeat(3000), "2026-03-01T00:00:00Z");
        assert_eq!(event.note.unwrap().len(), NOTE_LENGTH_MAX);
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        let regarding = event.regarding.unwrap();
        assert_eq!((regarding.kind.as_deref(), regarding.uid.as_deref()), (Some("PhaseRun"), Some("u1")));
    }

    #[test]
    fn a_note_is_cut_by_its_bytes_and_within_no_letter() {
        let note = event("a", &format!("x{}", "é".repeat(600)), "2026-03-01T00:00:00Z").note.unwrap();
        assert_eq!((note.len(), note.chars().last()), (NOTE_LENGTH_MAX - 1, Some('é')));
    }

    #[test]
    fn a_reason_is_told_by_the_name_that_its_list_states() {
        use phaseloop_core::{schedule::RunReason, tuning::CanaryReason};
        let lists = [CanaryReason::ALL, RunReason::ALL];
        assert_eq!(listed("Judged", &lists), Some("Judged"));
        assert_eq!(listed("Jugded", &lists), None);
    }
}
