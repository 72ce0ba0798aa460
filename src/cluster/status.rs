//! Writing status: a PUT of the subresource, with the resourceVersion that the status was decided on.

use kube::{ResourceExt, api::PostParams, core::Request};
use phaseloop_core::plan::label::FIELD_MANAGER;
use serde::Serialize;

use super::{
    Cluster, ClusterError,
    read::{Readable, describe, object_of},
};

/// What is done, as errors say it.
const ACTION: &str = "write the status of";

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
    let name = object.name_any();
    let what = describe::<K>(namespace, &name);
    let parameters = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let no_object = |error| ClusterError::of_call(ACTION, &what, kube::Error::SerdeError(error));
    let body = serde_json::to_vec(object).map_err(no_object)?;
    let request = Request::new(K::url_path(&(), Some(namespace)));
    let request = request.replace_subresource("status", &name, &parameters, body);
    let text = cluster.reader().text(ACTION, &what, cluster.timeouts.single, request).await?;
    // The next look reads the same text.
    let written = cluster.parsed.read(&text, object_of::<K>).map_err(no_object)?;
    Ok(K::clone(&written))
}
