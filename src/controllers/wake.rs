//! Who is looked at again when something changes. One table for both callers of the driver: the cluster's controllers and
//! the simulation's queue.
//!
//! It is as narrow as what decisions rest on: with hundreds of targets in a namespace, a change that woke every Escalation
//! of it would keep the operator busy with looks that see nothing new.

use phaseloop_core::plan::{
    OwnKind,
    label::{LABEL_CANARY, LABEL_ESCALATION, LABEL_PHASE_RUN, LABEL_SCHEDULE},
};

use super::{Concern, ObjectKey, TargetKey};

/// Objects to look at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Woken {
    /// One object.
    One(OwnKind, ObjectKey),
    /// Every object of a kind that a change concerns, whose users can't be told from the object.
    Concerned(OwnKind, Concern),
}

/// What a changed object is, as far as waking goes.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "a function has nothing to show")]
pub struct ChangedObject<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its target, where it is an object of ours that says so.
    pub target: Option<TargetKey>,
    /// Looks a label up.
    pub label: &'a dyn Fn(&str) -> Option<String>,
}

/// Types whose changes can wake a kind: what a controller of that kind watches besides its own objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waker {
    /// PhaseSchedules.
    PhaseSchedule,
    /// PhaseRuns.
    PhaseRun,
    /// Escalations.
    Escalation,
    /// TuningCanaries.
    TuningCanary,
    /// Promotions.
    Promotion,
    /// Pods that phaseloop made.
    TestPod,
    /// Deployments.
    Deployment,
    /// StatefulSets.
    StatefulSet,
    /// The ConfigMap of the administrator's policy.
    AdministratorPolicy,
}

impl Waker {
    /// Every waker.
    pub const ALL: [Self; 9] = [
        Self::PhaseSchedule,
        Self::PhaseRun,
        Self::Escalation,
        Self::TuningCanary,
        Self::Promotion,
        Self::TestPod,
        Self::Deployment,
        Self::StatefulSet,
        Self::AdministratorPolicy,
    ];
}

/// What wakes a kind, as [`woken_by`] has it.
pub const fn wakers_of(kind: OwnKind) -> &'static [Waker] {
    match kind {
        OwnKind::PhaseSchedule => &[Waker::PhaseRun],
        OwnKind::PhaseRun => &[Waker::PhaseRun, Waker::TestPod, Waker::AdministratorPolicy],
        OwnKind::Escalation => &[
            Waker::PhaseSchedule,
            Waker::PhaseRun,
            Waker::Escalation,
            Waker::TuningCanary,
            Waker::Promotion,
            Waker::Deployment,
            Waker::StatefulSet,
            Waker::AdministratorPolicy,
        ],
        OwnKind::TuningCanary => &[Waker::Escalation, Waker::TestPod],
        OwnKind::Promotion => &[Waker::PhaseRun, Waker::Promotion, Waker::Deployment, Waker::StatefulSet],
    }
}

/// Who is looked at again after this change. An object of ours is always looked at itself.
pub fn woken_by(changed: &ChangedObject<'_>) -> Vec<Woken> {
    let concerned = |kind, target| Woken::Concerned(kind, Concern { namespace: changed.namespace.to_owned(), target });
    let all = |kind| concerned(kind, None);
    let of_target = |kind| concerned(kind, changed.target.clone());
    let labelled =
        |key: &str, kind| (changed.label)(key).map(|name| Woken::One(kind, ObjectKey::new(changed.namespace, name)));
    let itself = |kind| Woken::One(kind, ObjectKey::new(changed.namespace, changed.name));
    let mut woken = Vec::new();
    match changed.kind {
        "PhaseSchedule" => woken.extend([itself(OwnKind::PhaseSchedule), of_target(OwnKind::Escalation)]),
        "PhaseRun" => {
            woken.push(itself(OwnKind::PhaseRun));
            woken.extend(labelled(LABEL_SCHEDULE, OwnKind::PhaseSchedule));
            // The next run may wait for this one's pod to end, also on another target: an administrator bounds a
            // namespace's pods. Counting and validation rest on its verdict.
            woken.extend([all(OwnKind::PhaseRun), of_target(OwnKind::Escalation), of_target(OwnKind::Promotion)]);
        }
        "Escalation" => {
            woken.push(itself(OwnKind::Escalation));
            // The next older Escalation of a target rules once the oldest is gone.
            woken.extend([of_target(OwnKind::Escalation), of_target(OwnKind::TuningCanary)]);
        }
        "TuningCanary" => {
            woken.push(itself(OwnKind::TuningCanary));
            woken.extend(labelled(LABEL_ESCALATION, OwnKind::Escalation));
        }
        "Promotion" => {
            woken.extend([itself(OwnKind::Promotion), of_target(OwnKind::Promotion)]);
            woken.extend(labelled(LABEL_ESCALATION, OwnKind::Escalation));
        }
        "Pod" => {
            woken.extend(labelled(LABEL_PHASE_RUN, OwnKind::PhaseRun));
            woken.extend(labelled(LABEL_CANARY, OwnKind::TuningCanary));
        }
        "Deployment" | "StatefulSet" => {
            let itself = Some(TargetKey::new(changed.kind, changed.name));
            woken.extend([concerned(OwnKind::Promotion, itself.clone()), concerned(OwnKind::Escalation, itself)]);
        }
        "ConfigMap" if changed.name == crate::administrator::CONFIG_MAP_NAME => {
            woken.extend([all(OwnKind::Escalation), all(OwnKind::PhaseRun)]);
        }
        _ => {}
    }
    woken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woken(kind: &str, name: &str, labels: &[(&str, &str)]) -> Vec<Woken> {
        let label = |key: &str| labels.iter().find(|(label, _)| *label == key).map(|(_, value)| (*value).to_owned());
        woken_by(&ChangedObject { kind, namespace: "chat", name, target: Some(engine()), label: &label })
    }

    fn engine() -> TargetKey {
        TargetKey::new("Deployment", "engine")
    }

    fn concerned(kind: OwnKind, target: Option<TargetKey>) -> Woken {
        Woken::Concerned(kind, Concern { namespace: "chat".to_owned(), target })
    }

    fn one(kind: OwnKind, name: &str) -> Woken {
        Woken::One(kind, ObjectKey::new("chat", name))
    }

    #[test]
    fn a_test_pod_wakes_its_owner_and_a_strange_pod_wakes_nobody() {
        assert_eq!(woken("Pod", "p", &[(LABEL_CANARY, "c")]), [one(OwnKind::TuningCanary, "c")]);
        assert_eq!(woken("Pod", "p", &[(LABEL_PHASE_RUN, "r")]), [one(OwnKind::PhaseRun, "r")]);
        assert_eq!(woken("Pod", "p", &[("app", "web")]), []);
    }

    #[test]
    fn a_run_wakes_its_schedule_and_whatever_counts_on_its_verdict() {
        let woken = woken("PhaseRun", "r", &[(LABEL_SCHEDULE, "nightly")]);
        for expected in [
            one(OwnKind::PhaseRun, "r"),
            one(OwnKind::PhaseSchedule, "nightly"),
            concerned(OwnKind::Escalation, Some(engine())),
            concerned(OwnKind::Promotion, Some(engine())),
            concerned(OwnKind::PhaseRun, None),
        ] {
            assert!(woken.contains(&expected), "{expected:?}");
        }
    }

    #[test]
    fn a_workload_wakes_whoever_has_it_as_target_and_nobody_else() {
        for kind in ["Deployment", "StatefulSet"] {
            let itself = Some(TargetKey::new(kind, "web"));
            let expected = [concerned(OwnKind::Promotion, itself.clone()), concerned(OwnKind::Escalation, itself)];
            assert_eq!(woken(kind, "web", &[]), expected);
        }
    }

    #[test]
    fn a_kind_watches_exactly_what_can_wake_it() {
        let every_label = [LABEL_SCHEDULE, LABEL_PHASE_RUN, LABEL_ESCALATION, LABEL_CANARY].map(|label| (label, "x"));
        for kind in OwnKind::ALL {
            let wakes_it = |waker: &Waker| {
                let (changed, name) = match waker {
                    Waker::TestPod => ("Pod".to_owned(), "x"),
                    Waker::AdministratorPolicy => ("ConfigMap".to_owned(), "phaseloop-policy"),
                    other => (format!("{other:?}"), "x"),
                };
                let its_own = changed == kind.name();
                woken(&changed, name, &every_label).into_iter().any(|woken| match woken {
                    Woken::One(of, _) => of == kind && !its_own,
                    Woken::Concerned(of, _) => of == kind,
                })
            };
            let wakers: Vec<Waker> = Waker::ALL.into_iter().filter(wakes_it).collect();
            let mut watched = wakers_of(kind).to_vec();
            watched.sort();
            assert_eq!(watched, wakers, "{kind}");
        }
    }

    #[test]
    fn only_the_policy_of_all_config_maps_wakes_anybody() {
        assert_eq!(woken("ConfigMap", "other", &[]), []);
        assert!(woken("ConfigMap", "phaseloop-policy", &[]).contains(&concerned(OwnKind::Escalation, None)));
    }
}
