//! From what was read to what is decided on.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{OwnKind, OwnObject, label::FINALIZER, name::canary_name},
    policy::{MaintenanceWindows, Suspension, bound::RESTORE_SLA_DEFAULT, ledger::Ledger},
    schedule::{Zone, later_by},
    value::{TargetReference, Uid},
};

use super::observe::{ObservedTuningCanary, ObservedWorld};
use crate::{
    api::{Escalation, TuningCanary, TuningCanaryStatus, escalation::ledger::night_id},
    controllers::{ObservedPolicy, ObservedTarget, OperatorSettings, occupancy::occupied_by},
    validate::{maintenance_windows, windows_zone},
    workload::{BoundParameter, NodeState, TemplateFacts, TestPodReading, TestPodSettings, place_of, read_test_pod},
};

/// How long after a canary's last instant its night is over where no window of its Escalation says so: a window that
/// began on its date has closed by then.
const NIGHT_OVER_AT_LAST: SignedDuration = SignedDuration::from_hours(48);

/// A canary with everything that decisions about it rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidTuningCanary {
    /// The canary as it was read.
    pub object: TuningCanary,
    /// Its own pod.
    pub pod: Option<TestPodReading>,
    /// Its Escalation, unless that is gone or being deleted.
    pub escalation: Option<Escalation>,
    /// The maintenance windows of its Escalation, as far as they can be read.
    pub windows: MaintenanceWindows,
    /// The canaries of its target, itself included.
    pub canaries: Vec<Arc<TuningCanary>>,
    /// What the making of its pod needs. Of a canary that was judged nothing of it is looked at.
    pub world: ValidWorld,
    /// Whether the namespace is being deleted, and what may not be read any more was taken for gone.
    pub namespace_ends: bool,
    /// Whether the definition of canaries is being deleted: none can be made any more, so that no name need be held.
    pub definition_ends: bool,
}

/// What the making of a canary's pod needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidWorld {
    /// What the pod is made of; absent where the target is gone or is not the one that the canary was planned on.
    pub template: Option<TemplateFacts>,
    /// What the target is instead, in words.
    pub changed: String,
    /// The administrator's policy.
    pub policy: ObservedPolicy,
    /// Why nobody knows what bounds the target's pods; nothing where it is known.
    pub network_unknown: Option<String>,
    /// Why no test pod with a GPU may begin now.
    pub busy: Option<String>,
    /// The values with their places.
    pub parameters: Vec<BoundParameter>,
    /// How test pods are set up.
    pub pod_settings: TestPodSettings,
}

impl ValidTuningCanary {
    /// The canary as plans name it.
    pub fn identity(&self) -> OwnObject {
        OwnObject::new(OwnKind::TuningCanary, self.object.name_any(), Uid::new(self.object.uid().unwrap_or_default()))
    }

    /// Its status as it was read.
    pub fn status(&self) -> TuningCanaryStatus {
        self.object.status.clone().unwrap_or_default()
    }

    /// When it was made, by the API server's clock, to the second.
    pub fn created_at(&self) -> Timestamp {
        self.object.creation_timestamp().map_or(Timestamp::MIN, |time| time.0)
    }

    /// The target.
    pub fn target(&self) -> TargetReference {
        TargetReference::from(&self.object.spec.target_ref)
    }

    /// Whether our finalizer stands on it.
    pub fn has_finalizer(&self) -> bool {
        self.object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// The zone in which nights are counted.
    pub fn zone(&self) -> Zone {
        windows_zone(&self.windows)
    }

    /// The ledger of its Escalation.
    pub fn ledger(&self) -> Ledger {
        let status = self.escalation.as_ref().and_then(|escalation| escalation.status.as_ref());
        status.and_then(|status| status.ledger.as_ref()).map(|ledger| ledger.to_core(&self.zone())).unwrap_or_default()
    }

    /// Whether it is in the ledger.
    pub fn is_folded(&self) -> bool {
        let attempt = u32::try_from(self.object.spec.attempt).unwrap_or(u32::MAX);
        night_id(&self.object.spec.night, &self.zone()).is_some_and(|night| self.ledger().holds(&night, attempt))
    }

    /// When its night is over: no name of it can be needed again.
    pub fn night_over_at(&self) -> Timestamp {
        let not_after = self.object.spec.not_after;
        let night = night_id(&self.object.spec.night, &self.zone());
        night
            .and_then(|night| self.windows.night_closes_at(&night))
            .map_or_else(|| later_by(not_after, NIGHT_OVER_AT_LAST), |closes_at| closes_at.max(not_after))
    }

    /// The kill switch of its Escalation.
    pub fn suspension(&self) -> Option<Suspension> {
        let suspend = self.escalation.as_ref()?.spec.suspend.clone()?;
        Some(Suspension { reason: suspend.reason, until: suspend.until })
    }

    /// How soon its containers must be gone once they are to end.
    pub fn restore_sla(&self) -> SignedDuration {
        self.escalation.as_ref().map_or(RESTORE_SLA_DEFAULT, |escalation| escalation.spec.safety.restore_sla.into())
    }

    /// Whether its Escalation made it, under the name that only one canary of the night can have.
    pub fn is_reservation(&self) -> bool {
        let spec = &self.object.spec;
        let attempt = u32::try_from(spec.attempt).ok();
        let name =
            spec.night.parse().ok().zip(attempt).map(|(night, attempt)| canary_name(&self.target(), night, attempt));
        let owner = self.escalation.as_ref().and_then(ResourceExt::uid);
        name == Some(self.object.name_any())
            && owner.is_some_and(|owner| self.object.owner_references().iter().any(|reference| reference.uid == owner))
    }
}

pub(super) fn validate(observed: ObservedTuningCanary, settings: &OperatorSettings) -> ValidTuningCanary {
    let ObservedTuningCanary { object, pods, escalation, canaries, world, namespace_ends, definition_ends } = observed;
    let uid = object.uid().unwrap_or_default();
    let is_own = |pod: &Pod| pod.owner_references().iter().any(|owner| owner.uid == uid);
    let pod = pods.iter().find(|pod| is_own(pod)).map(|pod| read_test_pod(pod, NodeState::Unknown));
    let others: Vec<&Pod> = pods.iter().map(Arc::as_ref).filter(|pod| !is_own(pod)).collect();
    let owner_uids: Vec<&str> = object.owner_references().iter().map(|owner| owner.uid.as_str()).collect();
    let escalation = escalation.filter(|escalation| {
        // Another Escalation of the same name is not the one that the canary belongs to.
        let is_owner = owner_uids.is_empty() || escalation.uid().is_some_and(|uid| owner_uids.contains(&uid.as_str()));
        is_owner && escalation.metadata.deletion_timestamp.is_none()
    });
    let windows = escalation.as_ref().map_or(MaintenanceWindows { windows: Vec::new() }, |escalation| {
        maintenance_windows(&escalation.spec.safety.windows, "spec.safety.windows", &mut Vec::new())
    });
    let target = TargetReference::from(&object.spec.target_ref);
    let of_target = |canary: &Arc<TuningCanary>| TargetReference::from(&canary.spec.target_ref) == target;
    ValidTuningCanary {
        world: valid_world(&object, escalation.as_ref(), &others, world.unwrap_or_default(), settings),
        canaries: canaries.into_iter().filter(of_target).collect(),
        pod,
        windows,
        escalation,
        object,
        namespace_ends,
        definition_ends,
    }
}

fn valid_world(
    object: &TuningCanary,
    escalation: Option<&Escalation>,
    others: &[&Pod],
    world: ObservedWorld,
    settings: &OperatorSettings,
) -> ValidWorld {
    let ObservedWorld { target, claims, config_maps, policy, network } = world;
    let reference = TargetReference::from(&object.spec.target_ref);
    let changed = what_changed(object, target.as_ref());
    let template = target.filter(|_| changed.is_empty()).map(|target| TemplateFacts {
        template: target.template(),
        engine_container: object.spec.target_ref.container.clone(),
        claim_templates: target.claim_templates(),
        claims,
        config_maps,
        network: network.of_target(&target.template()),
        gpu_sharing: None,
    });
    ValidWorld {
        template,
        changed,
        network_unknown: network.unknown(),
        busy: occupied_by(others, &reference, policy.policy()),
        parameters: bound_parameters(object, escalation),
        pod_settings: settings.test_pods.clone(),
        policy,
    }
}

/// In what the target differs from the one that the canary was planned on; empty where it does not.
fn what_changed(object: &TuningCanary, target: Option<&ObservedTarget>) -> String {
    let reference = TargetReference::from(&object.spec.target_ref);
    match target.map(|target| (target.version(reference.clone()).uid, target.template_hash())) {
        None => format!("there is no {reference}"),
        Some((uid, _)) if uid.as_str() != object.spec.target_uid => format!("{reference} was made anew"),
        Some((_, hash)) if hash != object.spec.template_hash => {
            format!("the pod template of {reference} is not the one that the canary was planned on")
        }
        Some(_) => String::new(),
    }
}

/// The values of a canary with the places at which its Escalation has them set.
pub(super) fn bound_parameters(object: &TuningCanary, escalation: Option<&Escalation>) -> Vec<BoundParameter> {
    let listed = escalation.map(|escalation| escalation.spec.parameters.as_slice()).unwrap_or_default();
    let bound = object.spec.parameters.iter().map(|(name, value)| {
        let given = listed.iter().find(|parameter| parameter.name == *name);
        let (binding, config_map) = place_of(name, given.and_then(|parameter| parameter.binding.as_ref()));
        BoundParameter { name: name.clone(), value: value.clone(), binding, config_map }
    });
    bound.collect()
}
