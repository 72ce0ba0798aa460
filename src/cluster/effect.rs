//! The closed list of what is done: each effect is one request (or one pair that must come together), with its built
//! object and every precondition in it. Whoever holds an effect has no choice left.

use k8s_openapi::api::{
    core::v1::{ConfigMap, Pod},
    events::v1::Event,
    networking::v1::NetworkPolicy,
};
use phaseloop_core::{
    audit::AuditRecord,
    plan::OwnObject,
    value::{TargetReference, Uid},
};

use crate::api::{Escalation, PhaseRun, Promotion, TuningCanary};

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make a scheduled run.
    CreatePhaseRun(Box<PhaseRun>),
    /// Make a canary: the object is the reservation.
    CreateCanary(Box<TuningCanary>),
    /// Make a promotion.
    CreatePromotion(Box<Promotion>),
    /// Make the NetworkPolicy of an owner's test pods. It stands before each of them in its plan, so that a pod is asked for only
    /// where its policy is there.
    CreateNetworkPolicy(Box<NetworkPolicy>),
    /// Make a test pod, after the copy of the ConfigMap that it reads its candidate's value from, if there is one.
    CreateTestPod {
        /// The copy.
        config_map: Option<Box<ConfigMap>>,
        /// The pod.
        pod: Box<Pod>,
    },
    /// End a test pod. Another pod of that name is left alone.
    DeletePod {
        /// Its name.
        name: String,
        /// Its uid.
        uid: Uid,
        /// Seconds that its containers get; never 0.
        grace_seconds: u32,
    },
    /// Write the status of an Escalation whose ledger takes a canary up. The object carries the resourceVersion that is
    /// tested.
    WriteLedger(Box<Escalation>),
    /// One JSON Patch on a target or on a ConfigMap that it reads; it tests uid, resourceVersion and the old values.
    PatchTarget {
        /// The object.
        target: TargetReference,
        /// The patch, with its tests.
        patch: json_patch::Patch,
    },
    /// Put our finalizer on an object of ours, or take it off.
    SetFinalizers {
        /// The object.
        object: OwnObject,
        /// Its resourceVersion, which is tested.
        resource_version: String,
        /// All finalizers that it has afterwards, those of others included.
        finalizers: Vec<String>,
    },
    /// Prune a finished object.
    DeleteOwn(OwnObject),
    /// Hand records to the export.
    ExportAudit(Vec<AuditRecord>),
    /// Tell people. Its failure is no failure of the plan: nothing rests on an event.
    RecordEvent(Box<Event>),
}

impl Effect {
    /// The name, for logs, metrics and errors.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CreatePhaseRun(_) => "CreatePhaseRun",
            Self::CreateCanary(_) => "CreateCanary",
            Self::CreatePromotion(_) => "CreatePromotion",
            Self::CreateNetworkPolicy(_) => "CreateNetworkPolicy",
            Self::CreateTestPod { .. } => "CreateTestPod",
            Self::DeletePod { .. } => "DeletePod",
            Self::WriteLedger(_) => "WriteLedger",
            Self::PatchTarget { .. } => "PatchTarget",
            Self::SetFinalizers { .. } => "SetFinalizers",
            Self::DeleteOwn(_) => "DeleteOwn",
            Self::ExportAudit(_) => "ExportAudit",
            Self::RecordEvent(_) => "RecordEvent",
        }
    }
}
