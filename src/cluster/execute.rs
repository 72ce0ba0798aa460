//! The interpreter: the one place that carries effects out.

use std::fmt::Debug;

use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, Pod},
    events::v1::Event,
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use phaseloop_core::{
    audit::AuditRecord,
    plan::{
        OwnKind, OwnObject,
        label::{ANNOTATION_SPEC_DIGEST, FIELD_MANAGER},
    },
    value::TargetReference,
};
use serde::Serialize;

use super::{
    Cluster, ClusterError, ClusterErrorKind, Effect,
    read::{Readable, describe},
    write_status,
};
use crate::api::{Escalation, PhaseRun, PhaseSchedule, Promotion, TuningCanary};

/// What an effect left behind that the rest of its plan must know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The new resourceVersion of an object of ours that the effect wrote to, by its uid.
    pub written: Option<(String, String)>,
}

/// Where audit records go besides the status of their object.
pub trait AuditExport: Send + Sync {
    /// Takes records; what it has already is not written twice.
    ///
    /// # Errors
    /// Where a record is not written: what rests on the export, the end of its object, must wait.
    fn export(&self, records: &[AuditRecord]) -> std::io::Result<()>;
}

/// Carries one effect out, in the namespace of the plan's object.
///
/// Guarantees: a create that finds its own object there is done; a delete that finds nothing, or another object under
/// the name, is done; everything else happens whole or not at all.
///
/// # Errors
/// [`ClusterError`]; whether the request was carried out is then unknown for [`ClusterErrorKind::NoAnswer`] only.
pub async fn execute(
    cluster: &Cluster,
    export: &dyn AuditExport,
    namespace: &str,
    effect: &Effect,
) -> Result<Outcome, ClusterError> {
    match effect {
        Effect::CreatePhaseRun(run) => create(cluster, namespace, run.as_ref()).await,
        Effect::CreateCanary(canary) => create(cluster, namespace, canary.as_ref()).await,
        Effect::CreatePromotion(promotion) => create(cluster, namespace, promotion.as_ref()).await,
        Effect::CreateNetworkPolicy(policy) => {
            create_unless::<NetworkPolicy>(cluster, namespace, policy, lets_the_same_through).await
        }
        Effect::CreateTestPod { config_map, pod } => {
            if let Some(config_map) = config_map {
                create::<ConfigMap>(cluster, namespace, config_map).await?;
            }
            create::<Pod>(cluster, namespace, pod).await
        }
        Effect::DeletePod { name, uid, grace_seconds } => {
            let parameters = DeleteParams { grace_period_seconds: Some(*grace_seconds), ..precondition(uid.as_str()) };
            delete::<Pod>(cluster, namespace, name, &parameters).await
        }
        Effect::WriteLedger(escalation) => {
            let written = write_status::<Escalation>(cluster, namespace, escalation).await?;
            Ok(outcome_of(&written))
        }
        Effect::PatchTarget { target, patch } => patch_target(cluster, namespace, target, patch).await,
        Effect::SetFinalizers { object, resource_version, finalizers } => {
            let patch = finalizer_patch(object, resource_version, finalizers);
            patch_own(cluster, namespace, object, patch).await
        }
        Effect::DeleteOwn(object) => delete_own(cluster, namespace, object).await,
        Effect::ExportAudit(records) => {
            let what = |error: std::io::Error| format!("{} audit records: {error}", records.len());
            let failed = |error| ClusterError::without_source("export", what(error), ClusterErrorKind::Other);
            export.export(records).map(|()| Outcome::default()).map_err(failed)
        }
        Effect::RecordEvent(event) => {
            if let Err(error) = create::<Event>(cluster, namespace, event).await {
                tracing::warn!(error = %error.chain(), "an event was not recorded");
            }
            Ok(Outcome::default())
        }
    }
}

/// Makes an object, or finds it made: a name of ours is a pure function of what the object stands for, so an object
/// there with the same owner and the same digest is the one that was meant.
async fn create<K: Readable + Serialize>(
    cluster: &Cluster,
    namespace: &str,
    object: &K,
) -> Result<Outcome, ClusterError> {
    create_unless(cluster, namespace, object, is_the_same).await
}

/// Makes an object, unless the one that is there is the same in this sense.
async fn create_unless<K: Readable + Serialize>(
    cluster: &Cluster,
    namespace: &str,
    object: &K,
    is_the_same: fn(&K, &K) -> bool,
) -> Result<Outcome, ClusterError> {
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let what = describe::<K>(namespace, &object.name_any());
    let parameters = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
    match cluster.call("create", &what, cluster.timeouts.single, api.create(&parameters, object)).await {
        Ok(_made) => Ok(Outcome::default()),
        Err(error) if error.kind == ClusterErrorKind::NameTaken => {
            let name = object.name_any();
            let there = cluster.call("read", &what, cluster.timeouts.single, api.get_opt(&name)).await?;
            match there {
                Some(there) if is_the_same(&there, object) => Ok(Outcome::default()),
                _ => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Whether an object that is there is the one that was to be made.
fn is_the_same<K: Resource>(there: &K, wanted: &K) -> bool {
    let digest = |object: &K| object.annotations().get(ANNOTATION_SPEC_DIGEST).cloned();
    let owners = |object: &K| -> Vec<String> {
        object.owner_references().iter().map(|reference| reference.uid.clone()).collect()
    };
    digest(there) == digest(wanted) && owners(there) == owners(wanted) && there.meta().deletion_timestamp.is_none()
}

/// The same, for a NetworkPolicy. It has no digest: what counts is what it says now, whoever wrote that.
fn lets_the_same_through(there: &NetworkPolicy, wanted: &NetworkPolicy) -> bool {
    is_the_same(there, wanted) && there.spec == wanted.spec
}

fn precondition(uid: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        ..DeleteParams::default()
    }
}

async fn delete<K: Readable>(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    parameters: &DeleteParams,
) -> Result<Outcome, ClusterError> {
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let what = describe::<K>(namespace, name);
    match cluster.call("delete", &what, cluster.timeouts.single, api.delete(name, parameters)).await {
        Ok(_going) => Ok(Outcome::default()),
        // Gone already, or another object under the name: both are what was wanted.
        Err(error) if matches!(error.kind, ClusterErrorKind::NotFound | ClusterErrorKind::Conflict) => {
            Ok(Outcome::default())
        }
        Err(error) => Err(error),
    }
}

async fn delete_own(cluster: &Cluster, namespace: &str, object: &OwnObject) -> Result<Outcome, ClusterError> {
    let (name, parameters) = (&object.name, precondition(object.uid.as_str()));
    match object.kind {
        OwnKind::PhaseSchedule => delete::<PhaseSchedule>(cluster, namespace, name, &parameters).await,
        OwnKind::PhaseRun => delete::<PhaseRun>(cluster, namespace, name, &parameters).await,
        OwnKind::Escalation => delete::<Escalation>(cluster, namespace, name, &parameters).await,
        OwnKind::TuningCanary => delete::<TuningCanary>(cluster, namespace, name, &parameters).await,
        OwnKind::Promotion => delete::<Promotion>(cluster, namespace, name, &parameters).await,
    }
}

async fn patch_target(
    cluster: &Cluster,
    namespace: &str,
    target: &TargetReference,
    patch: &JsonPatch,
) -> Result<Outcome, ClusterError> {
    match (target.api_version.as_str(), target.kind.as_str()) {
        ("apps/v1", "Deployment") => json_patch::<Deployment>(cluster, namespace, &target.name, patch).await,
        ("apps/v1", "StatefulSet") => json_patch::<StatefulSet>(cluster, namespace, &target.name, patch).await,
        ("v1", "ConfigMap") => json_patch::<ConfigMap>(cluster, namespace, &target.name, patch).await,
        _ => {
            let what = format!("{target}");
            return Err(ClusterError::without_source("patch", what, ClusterErrorKind::Invalid));
        }
    }?;
    Ok(Outcome::default())
}

/// The finalizers of an object of ours, set under its uid and resourceVersion.
fn finalizer_patch(object: &OwnObject, resource_version: &str, finalizers: &[String]) -> JsonPatch {
    let pointer = |field: &str| PointerBuf::from_tokens(["metadata", field]);
    let test =
        |field: &str, value: &str| PatchOperation::Test(TestOperation { path: pointer(field), value: value.into() });
    let value = serde_json::Value::from(finalizers.to_vec());
    JsonPatch(vec![
        test("uid", object.uid.as_str()),
        test("resourceVersion", resource_version),
        PatchOperation::Add(AddOperation { path: pointer("finalizers"), value }),
    ])
}

async fn patch_own(
    cluster: &Cluster,
    namespace: &str,
    object: &OwnObject,
    patch: JsonPatch,
) -> Result<Outcome, ClusterError> {
    let name = &object.name;
    match object.kind {
        OwnKind::PhaseSchedule => json_patch::<PhaseSchedule>(cluster, namespace, name, &patch).await,
        OwnKind::PhaseRun => json_patch::<PhaseRun>(cluster, namespace, name, &patch).await,
        OwnKind::Escalation => json_patch::<Escalation>(cluster, namespace, name, &patch).await,
        OwnKind::TuningCanary => json_patch::<TuningCanary>(cluster, namespace, name, &patch).await,
        OwnKind::Promotion => json_patch::<Promotion>(cluster, namespace, name, &patch).await,
    }
}

/// Sends a JSON Patch. The API server answers a failed test with 422, as it does a patch that makes an invalid object:
/// which of the two it was, the next look tells, so both are a conflict here.
async fn json_patch<K: Readable + Debug>(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    patch: &JsonPatch,
) -> Result<Outcome, ClusterError> {
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let what = describe::<K>(namespace, name);
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::<()>::Json(patch.clone());
    match cluster.call("patch", &what, cluster.timeouts.single, api.patch(name, &parameters, &patch)).await {
        Ok(object) => Ok(outcome_of(&object)),
        Err(error) if error.kind == ClusterErrorKind::Invalid => {
            Err(ClusterError { kind: ClusterErrorKind::Conflict, ..error })
        }
        Err(error) => Err(error),
    }
}

fn outcome_of<K: Resource>(object: &K) -> Outcome {
    Outcome { written: object.uid().zip(object.resource_version()) }
}
