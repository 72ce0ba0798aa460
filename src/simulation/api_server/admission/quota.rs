//! ResourceQuotas, for pods: their number, and what they request and limit.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{
    object::{at, elements, meta, text},
    schema::quantity::{billionths, canonical},
    status_error::{Named, StatusError},
    store::Store,
};

/// Refuses a new pod that goes beyond a quota of its namespace.
pub(in super::super) fn check_quota(store: &Store, namespace: &str, pod: &Value) -> Result<(), StatusError> {
    for quota in store.list("resourcequotas", Some(namespace)) {
        let Some(hard) = at(&quota.value, &["spec", "hard"]).and_then(Value::as_object) else { continue };
        let requested = amounts(pod);
        let mut used: BTreeMap<String, i128> = BTreeMap::new();
        for other in store.list("pods", Some(namespace)).filter(|other| counts(&other.value)) {
            for (name, amount) in amounts(&other.value) {
                *used.entry(name).or_default() += amount;
            }
        }
        // What a controller has counted holds as well.
        let counted = at(&quota.value, &["status", "used"]).and_then(Value::as_object);
        for (name, amount) in counted.into_iter().flatten() {
            let own = used.entry(name.clone()).or_default();
            *own = amount.as_str().and_then(billionths).unwrap_or_default().max(*own);
        }
        let beyond: Vec<(&String, i128)> = hard
            .iter()
            .filter_map(|(name, limit)| {
                let limit = billionths(limit.as_str()?)?;
                let wanted = requested.get(name).copied().filter(|wanted| *wanted > 0)?;
                (used.get(name).copied().unwrap_or_default() + wanted > limit).then_some((name, limit))
            })
            .collect();
        if beyond.is_empty() {
            continue;
        }
        let list = |amount: &dyn Fn(&str, i128) -> i128| {
            let parts = beyond.iter().map(|(name, limit)| format!("{name}={}", written(amount(name, *limit))));
            parts.collect::<Vec<_>>().join(",")
        };
        let why = format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            quota.name(),
            list(&|name, _| requested.get(name).copied().unwrap_or_default()),
            list(&|name, _| used.get(name).copied().unwrap_or_default()),
            list(&|_, limit| limit),
        );
        return Err(StatusError::forbidden(Named { group: "", name: "pods" }, meta(pod, "name"), &why));
    }
    Ok(())
}

fn written(billionths: i128) -> String {
    canonical(&format!("{billionths}n")).unwrap_or_default()
}

/// Whether a pod still uses what it was given.
fn counts(pod: &Value) -> bool {
    !["Succeeded", "Failed"].contains(&text(pod, &["status", "phase"]).unwrap_or_default())
}

/// What a pod uses, by the names of quotas, in billionths.
fn amounts(pod: &Value) -> BTreeMap<String, i128> {
    const ONE: i128 = 1_000_000_000;
    let mut total = BTreeMap::from([("pods".to_owned(), ONE), ("count/pods".to_owned(), ONE)]);
    for (kind, place) in [("requests", "requests"), ("limits", "limits")] {
        for (name, amount) in of_containers(pod, place) {
            if kind == "requests" && ["cpu", "memory", "ephemeral-storage"].contains(&name.as_str()) {
                total.insert(name.clone(), amount);
            }
            total.insert(format!("{kind}.{name}"), amount);
        }
    }
    total
}

/// The sum over containers and sidecars, or the largest of the init containers that end, where that is more.
fn of_containers(pod: &Value, place: &str) -> BTreeMap<String, i128> {
    let mut sum: BTreeMap<String, i128> = BTreeMap::new();
    let mut largest: BTreeMap<String, i128> = BTreeMap::new();
    let add = |container: &Value, into: &mut BTreeMap<String, i128>, largest: bool| {
        for (name, amount) in at(container, &["resources", place]).and_then(Value::as_object).into_iter().flatten() {
            let amount = amount.as_str().and_then(billionths).unwrap_or_default();
            let entry = into.entry(name.clone()).or_default();
            *entry = if largest { amount.max(*entry) } else { *entry + amount };
        }
    };
    for container in elements(pod, &["spec", "containers"]) {
        add(container, &mut sum, false);
    }
    for container in elements(pod, &["spec", "initContainers"]) {
        let sidecar = text(container, &["restartPolicy"]) == Some("Always");
        if sidecar { add(container, &mut sum, false) } else { add(container, &mut largest, true) }
    }
    for (name, amount) in largest {
        let entry = sum.entry(name).or_default();
        *entry = amount.max(*entry);
    }
    sum
}
