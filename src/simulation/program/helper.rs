//! Containers that are neither engine nor test: they start, do their part and end, or run until they are asked to end.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Pod};
use phaseloop_core::schedule::later_by;

use crate::{
    probe::{REFUSED_EXIT_CODE, is_too_late, too_late_message},
    simulation::cluster::kubelet::{Ending, Life},
    workload::{contract::CONTAINER_PREFLIGHT, told::preflight_request},
};

/// What our preflight takes.
const PREFLIGHT: SignedDuration = SignedDuration::from_millis(150);
/// What an init container of a template takes: a download that finds everything there.
const INIT: SignedDuration = SignedDuration::from_secs(2);
/// From SIGTERM to the end of a program that obeys.
const OBEDIENCE: SignedDuration = SignedDuration::from_millis(200);

/// The life of a container that no program knows better.
pub(super) fn life_of(pod: &Pod, container: &str, at: Timestamp) -> Life {
    if container == CONTAINER_PREFLIGHT {
        return Life::ending(preflight(pod, at));
    }
    let ends = is_ordinary_init(pod, container).then(|| Ending {
        at: later_by(at, INIT),
        exit_code: 0,
        message: None,
        reason: None,
    });
    Life { ends, milestone: None }
}

/// How a program ends that obeys.
pub(super) fn obeys(at: Timestamp) -> Ending {
    Ending { at: later_by(at, OBEDIENCE), exit_code: 0, message: None, reason: None }
}

fn preflight(pod: &Pod, at: Timestamp) -> Ending {
    let request = preflight_request(pod);
    let refused = request.as_ref().filter(|request| is_too_late(at, request.not_after, request.grace.0));
    let ends_at = later_by(at, PREFLIGHT);
    match refused {
        Some(request) => Ending {
            at: ends_at,
            exit_code: REFUSED_EXIT_CODE,
            message: Some(too_late_message(request.not_after)),
            reason: None,
        },
        None => Ending { at: ends_at, exit_code: 0, message: None, reason: None },
    }
}

fn is_ordinary_init(pod: &Pod, name: &str) -> bool {
    let init = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref());
    let own = |container: &&Container| container.name == name;
    init.into_iter().flatten().find(own).is_some_and(|container| container.restart_policy.as_deref() != Some("Always"))
}
