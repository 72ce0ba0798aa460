//! Who is looked at again when something changes. One table for both callers of the driver: the cluster's controllers and
//! the simulation's queue.

use phaseloop_core::plan::{
    OwnKind,
    label::{LABEL_CANARY, LABEL_ESCALATION, LABEL_PHASE_RUN, LABEL_SCHEDULE},
};

use super::ObjectKey;

/// Objects to look at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Woken {
    /// One object.
    One(OwnKind, ObjectKey),
    /// Every object of a kind in a namespace: for changes whose users can't be told from the object. There is one
    /// Escalation per target, and few promotions that have not ended.
    All(OwnKind, String),
}

/// What a changed object is, as far as waking goes.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "a function has nothing to show")]
pub struct ChangedObject<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
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
    let all = |kind| Woken::All(kind, changed.namespace.to_owned());
    let labelled =
        |key: &str, kind| (changed.label)(key).map(|name| Woken::One(kind, ObjectKey::new(changed.namespace, name)));
    let itself = |kind| Woken::One(kind, ObjectKey::new(changed.namespace, changed.name));
    let mut woken = Vec::new();
    match changed.kind {
        "PhaseSchedule" => woken.extend([itself(OwnKind::PhaseSchedule), all(OwnKind::Escalation)]),
        "PhaseRun" => {
            woken.push(itself(OwnKind::PhaseRun));
            woken.extend(labelled(LABEL_SCHEDULE, OwnKind::PhaseSchedule));
            // The next run may wait for this one's pod to end; counting and validation rest on its verdict.
            woken.extend([all(OwnKind::PhaseRun), all(OwnKind::Escalation), all(OwnKind::Promotion)]);
        }
        // The next older Escalation of a target rules once the oldest is gone.
        "Escalation" => woken.extend([all(OwnKind::Escalation), all(OwnKind::TuningCanary)]),
        "TuningCanary" => {
            woken.push(itself(OwnKind::TuningCanary));
            woken.extend(labelled(LABEL_ESCALATION, OwnKind::Escalation));
        }
        "Promotion" => {
            woken.extend([itself(OwnKind::Promotion), all(OwnKind::Promotion)]);
            woken.extend(labelled(LABEL_ESCALATION, OwnKind::Escalation));
        }
        "Pod" => {
            woken.extend(labelled(LABEL_PHASE_RUN, OwnKind::PhaseRun));
            woken.extend(labelled(LABEL_CANARY, OwnKind::TuningCanary));
        }
        "Deployment" | "StatefulSet" => woken.extend([all(OwnKind::Promotion), all(OwnKind::Escalation)]),
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
        woken_by(&ChangedObject { kind, namespace: "chat", name, label: &label })
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
            Woken::All(OwnKind::Escalation, "chat".to_owned()),
            Woken::All(OwnKind::Promotion, "chat".to_owned()),
        ] {
            assert!(woken.contains(&expected), "{expected:?}");
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
                    Woken::All(of, _) => of == kind,
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
        assert!(woken("ConfigMap", "phaseloop-policy", &[]).contains(&Woken::All(OwnKind::Escalation, "chat".into())));
    }
}
