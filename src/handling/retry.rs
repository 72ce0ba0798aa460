//! `phaseloop retry`: a person has looked at the node of a test pod that nobody saw end, and its target may be used again.

use jiff::Timestamp;
use phaseloop_core::plan::{OwnKind, label::ANNOTATION_RETRY};
use serde_json::json;

use super::{
    name::ObjectName,
    suspend::{SwitchError, Switched},
};
use crate::{
    api::TuningCanary,
    cluster::{Cluster, merge_into},
    controllers::tuning_canary::facts::{is_frozen, is_released},
};

/// Says of a canary whose pod was not seen to end that somebody has looked. The operator then gives it up: all that it had
/// reserved counts as used, and its target is free. A canary that holds nothing up is left as it is: marked beforehand, it
/// would be given up before its node could answer.
///
/// # Errors
/// It is not there, is of another kind, or could not be written to.
pub async fn retry(
    cluster: &Cluster,
    namespace: &str,
    object: &ObjectName,
    now: Timestamp,
) -> Result<Switched, SwitchError> {
    if object.kind != OwnKind::TuningCanary {
        let remedy = "name the canary whose pod was not seen to end: kubectl get tuningcanaries";
        return Err(SwitchError::NoSwitch(object.clone(), remedy));
    }
    let found: Option<TuningCanary> = cluster.reader().get(namespace, &object.name).await?;
    let Some(canary) = found else {
        return Err(SwitchError::NotThere { object: object.clone(), namespace: namespace.to_owned() });
    };
    let was_asked = canary.metadata.annotations.iter().any(|all| all.contains_key(ANNOTATION_RETRY));
    let changed = is_frozen(&canary) && !was_asked;
    if changed {
        let fields = json!({ "metadata": { "annotations": { ANNOTATION_RETRY: now.to_string() } } });
        merge_into::<TuningCanary>(cluster, namespace, &object.name, &fields).await?;
    }
    let told = if changed {
        "given up: all that it had reserved counts as used, and its target is free again"
    } else if is_released(&canary) {
        "holds nothing up: its containers have ended, or it was given up"
    } else if was_asked {
        "was given up already"
    } else {
        "holds nothing up: its time to end is not over; phaseloop abort ends it"
    };
    Ok(Switched { namespace: namespace.to_owned(), object: object.clone(), changed, told: told.to_owned() })
}
