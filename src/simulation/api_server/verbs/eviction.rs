//! A pod is evicted: deleted, unless a disruption budget keeps it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    super::{
        definition::BuiltIn,
        kinds::with_condition,
        object::{at, elements, integer, meta, set, text},
        reply::{Content, Reply},
        request::{ApiRequest, Body, DeleteOptions, WriteOptions},
        selector::selects,
        state::State,
        status_error::{Named, StatusError},
        version::ObjectVersion,
    },
    delete::{check_preconditions, delete_one},
};

/// What people read where a budget keeps a pod.
const REFUSAL: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// Evicts the pod that the request names.
pub(super) fn evict(state: &mut State, mut request: ApiRequest) -> Result<Reply, StatusError> {
    let asked = WriteOptions::read(&request, "CreateOptions")?;
    let eviction = request.take_body().json().map_err(StatusError::bad_request)?;
    if meta(&eviction, "name") != request.name() {
        return Err(StatusError::bad_request("name in URL does not match name in Eviction object"));
    }
    request.body = Body::Object(at(&eviction, &["deleteOptions"]).cloned().unwrap_or_else(|| json!({})));
    let mut options = DeleteOptions::read(&request)?;
    options.dry_run |= asked.dry_run;
    let definition = request.definition.clone();
    let existing = state.store.get(&definition.storage, request.namespace(), request.name()).cloned();
    let existing = existing.ok_or_else(|| StatusError::not_found(definition.resource(), request.name()))?;
    if !passes_budgets(&existing.value) {
        let is_ready = elements(&existing.value, &["status", "conditions"]).iter().any(|condition| {
            text(condition, &["type"]) == Some("Ready") && text(condition, &["status"]) == Some("True")
        });
        spend_budget(state, &existing, is_ready, options.dry_run)?;
    }
    let existing = if options.dry_run {
        existing
    } else {
        let mut told = existing.value.clone();
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": state.now_text(),
        });
        let conditions = with_condition(&told, condition);
        set(&mut told, &["status", "conditions"], conditions);
        // What the request demands of the pod is of the pod as it was before this.
        check_preconditions(&definition, &existing, &options)?;
        options.resource_version = None;
        state.put(&definition, told, existing.owners.clone())
    };
    delete_one(state, &definition, &existing, request.name(), &options, &request.user)?;
    Ok(Reply::new(
        201,
        Content::Json(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        })),
    ))
}

/// Whether no budget is asked: the pod does not run, or is going already.
fn passes_budgets(pod: &Value) -> bool {
    let phase = text(pod, &["status", "phase"]).unwrap_or_default();
    matches!(phase, "Succeeded" | "Failed" | "Pending") || !meta(pod, "deletionTimestamp").is_empty()
}

/// Takes one disruption from the budget of a pod, if it has one.
///
/// # Errors
/// 429 where it has none left, 500 where several hold for the pod.
fn spend_budget(state: &mut State, pod: &ObjectVersion, is_ready: bool, dry_run: bool) -> Result<(), StatusError> {
    let Some(definition) = state.registry.all().iter().find(|it| it.is(BuiltIn::PodDisruptionBudget)).cloned() else {
        return Ok(());
    };
    let holds = |budget: &&Arc<ObjectVersion>| {
        at(&budget.value, &["spec", "selector"]).is_some_and(|selector| selects(selector, &pod.value))
    };
    let budgets: Vec<Arc<ObjectVersion>> =
        state.store.list(&definition.storage, Some(pod.namespace())).filter(holds).cloned().collect();
    let budget = match budgets.as_slice() {
        [] => return Ok(()),
        [one] => one,
        _ => {
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(StatusError::internal_without_reason(why));
        }
    };
    let count = |field: &str| integer(&budget.value, &["status", field]).unwrap_or(0);
    let (current, desired) = (count("currentHealthy"), count("desiredHealthy"));
    let always = text(&budget.value, &["spec", "unhealthyPodEvictionPolicy"]) == Some("AlwaysAllow");
    if !is_ready && (always || (current >= desired && desired > 0)) {
        return Ok(());
    }
    if count("observedGeneration") < integer(&budget.value, &["metadata", "generation"]).unwrap_or(0) {
        let why = format!("The disruption budget {} is still being processed by the server.", budget.name());
        return Err(kept_by_budget(&why, 10));
    }
    let left = count("disruptionsAllowed");
    if left < 0 {
        let named = Named { group: "policy", name: "poddisruptionbudget" };
        return Err(StatusError::forbidden(named, budget.name(), "pdb disruptions allowed is negative"));
    }
    if left == 0 {
        let name = budget.name();
        let why = format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently");
        return Err(kept_by_budget(&why, 0));
    }
    if !dry_run {
        let mut spent = budget.value.clone();
        set(&mut spent, &["status", "disruptionsAllowed"], left - 1);
        set(&mut spent, &["status", "disruptedPods", pod.name()], state.now_text());
        state.put(&definition, spent, budget.owners.clone());
    }
    Ok(())
}

fn kept_by_budget(why: &str, retry_after_seconds: u32) -> StatusError {
    let mut error = StatusError::too_many_requests(REFUSAL, retry_after_seconds);
    let mut details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": why }] });
    if retry_after_seconds > 0 {
        set(&mut details, &["retryAfterSeconds"], retry_after_seconds);
    }
    error.details = Some(details);
    error
}
