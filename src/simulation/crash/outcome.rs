//! What a history leaves behind: objects, and what was done on the way.

use std::collections::BTreeMap;

use phaseloop_core::plan::label::LABEL_ROLE;
use serde_json::{Value, json};

use super::{
    time::take_instants,
    unsaid::{UNSAID, leave_out},
};
use crate::simulation::{api_server::Verb, world::World};

/// Events: news for people, told on a best effort.
const EVENTS: &str = "events";
/// Objects whose fields a promotion changes.
const TARGETS: [&str; 3] = ["deployments.apps", "statefulsets.apps", "configmaps"];

/// What a history leaves behind, by place: an object, or a list of deeds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome(pub BTreeMap<String, Value>);

/// What a world's history left behind.
pub fn outcome_of(world: &World) -> Outcome {
    let mut parts = BTreeMap::new();
    for (resource, object) in world.server.objects() {
        if &*resource == EVENTS {
            continue;
        }
        let mut value = object.value.clone();
        for (pointer, _why) in UNSAID {
            leave_out(&mut value, pointer);
        }
        parts.insert(format!("object {resource} {}/{}", object.namespace(), object.name()), value);
    }
    add_made(world, &mut parts);
    add_told(world, &mut parts);
    add_changed_targets(world, &mut parts);
    add_runs(world, &mut parts);
    add_exported(world, &mut parts);
    Outcome(parts)
}

/// How often an object was made under each name.
fn add_made(world: &World, parts: &mut BTreeMap<String, Value>) {
    let mut made: BTreeMap<String, u64> = BTreeMap::new();
    for write in world.server.writes() {
        if write.verb == Verb::Create && write.changed() && write.resource != "events" {
            *made.entry(format!("made {} {}/{}", write.resource, write.namespace, write.name)).or_default() += 1;
        }
    }
    parts.extend(made.into_iter().map(|(place, count)| (place, count.into())));
}

/// What was told of each object.
fn add_told(world: &World, parts: &mut BTreeMap<String, Value>) {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, object) in world.server.objects().iter().filter(|(resource, _)| &**resource == EVENTS) {
        let text = |pointer: &str| object.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let place = format!("told {} {}", text("/regarding/kind"), text("/regarding/name"));
        let (note, _) = take_instants(text("/note"));
        told.entry(place).or_default().push(format!("{}: {note}", text("/reason")));
    }
    for (place, mut notes) in told {
        notes.sort();
        parts.insert(place, notes.into());
    }
}

/// Every value that the operator gave a target, in order.
fn add_changed_targets(world: &World, parts: &mut BTreeMap<String, Value>) {
    let replicas: Vec<&str> = world.replicas().iter().map(crate::simulation::operator::Replica::user).collect();
    let writes = world.server.writes();
    let own = writes.iter().filter(|write| replicas.contains(&write.user.as_str()) && write.changed());
    let revisions: BTreeMap<u64, &str> =
        own.filter_map(|write| Some((write.revision_after?, write.resource.as_str()))).collect();
    let mut changed: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for change in world.server.changes_after(0) {
        if !TARGETS.contains(&&*change.resource) || !revisions.contains_key(&change.revision) {
            continue;
        }
        let object = &change.object;
        let field = |pointer: &str| object.value.pointer(pointer).cloned().unwrap_or(Value::Null);
        let place = format!("changed {} {}/{}", change.resource, object.namespace(), object.name());
        let now = json!({
            "spec": field("/spec"), "data": field("/data"), "annotations": field("/metadata/annotations"),
        });
        changed.entry(place).or_default().push(now);
    }
    parts.extend(changed.into_iter().map(|(place, values)| (place, values.into())));
}

/// What really ran: each container's runs with their exit codes; of a test also how long each ran. How long a pod of
/// production runs depends on when the next rollout replaces it.
fn add_runs(world: &World, parts: &mut BTreeMap<String, Value>) {
    let mut runs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in world.controllers().kubelets.log().records() {
        let is_test = record.labels.contains_key(LABEL_ROLE);
        let ended_at = record.ended_at.filter(|_| is_test);
        let seconds = ended_at.map(|ended| ended.duration_since(record.started_at).as_secs_f64());
        let place = format!("ran {}/{} {}", record.namespace, record.pod, record.container);
        runs.entry(place).or_default().push(json!({ "seconds": seconds, "exitCode": record.exit_code }));
    }
    parts.extend(runs.into_iter().map(|(place, runs)| (place, runs.into())));
}

/// The audit records that were exported.
fn add_exported(world: &World, parts: &mut BTreeMap<String, Value>) {
    let mut exported: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in world.export.records() {
        let place = format!("exported {} {}", record.object.kind, record.object.name);
        exported.entry(place).or_default().push(json!({
            "from": record.from, "to": record.to, "reason": record.reason, "message": record.message,
        }));
    }
    parts.extend(exported.into_iter().map(|(place, records)| (place, records.into())));
}
