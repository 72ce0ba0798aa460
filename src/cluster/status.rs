//! Writing status: a PUT of the subresource, with the resourceVersion that the status was decided on.

use kube::{Api, ResourceExt, api::PostParams};
use phaseloop_core::plan::label::FIELD_MANAGER;
use serde::Serialize;

use super::{
    Cluster, ClusterError,
    read::{Readable, describe},
};

/// Writes the status of an object. The object carries the resourceVersion that it was read at, or that an effect of the
/// same plan left; whoever wrote in between makes this a conflict.
///
/// # Errors
/// [`ClusterError`].
pub async fn write_status<K: Readable + Serialize>(
    cluster: &Cluster,
    namespace: &str,
    object: &K,
) -> Result<K, ClusterError> {
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let name = object.name_any();
    let what = describe::<K>(namespace, &name);
    let parameters = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let call = api.replace_status(&name, &parameters, object);
    cluster.call("write the status of", &what, cluster.timeouts.single, call).await
}
