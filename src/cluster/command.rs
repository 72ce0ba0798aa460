//! What people's commands write: merge patches on a spec, each on one object that was named. The operator never writes so.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::Value;

use super::{
    Cluster, ClusterError,
    read::{Readable, describe},
};

/// Name under which commands stand in managedFields: a person asked for it, not the operator.
pub const COMMAND_MANAGER: &str = "phaseloop-command";

/// Merges fields into an object.
///
/// # Errors
/// [`ClusterError`].
pub async fn merge_into<K: Readable>(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    fields: &Value,
) -> Result<K, ClusterError> {
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let what = describe::<K>(namespace, name);
    let parameters = PatchParams { field_manager: Some(COMMAND_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(fields);
    let call = api.patch(name, &parameters, &patch);
    cluster.call("change", &what, cluster.timeouts.single, call).await
}
