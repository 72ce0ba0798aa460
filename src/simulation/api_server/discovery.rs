//! What is served: `/api`, `/apis`, `/version` and their kin.

use serde_json::{Value, json};

use super::{
    definition::ResourceDefinition,
    registry::Registry,
    reply::{Content, Reply},
    request::Place,
};

/// The version that the server says it is.
const VERSION: &str = "v1.34.4";

/// The answer to a question about what is served.
pub(super) fn answer(registry: &Registry, place: &Place) -> Option<Reply> {
    let value = match place {
        Place::Health => return Some(Reply::new(200, Content::Text("ok".to_owned()))),
        Place::Version => json!({
            "major": "1", "minor": "34", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "gc", "platform": "linux/amd64",
        }),
        Place::CoreVersions => json!({
            "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [],
        }),
        Place::Discovery { group: None, .. } => {
            let names = group_names(registry);
            let groups: Vec<Value> = names.iter().filter_map(|name| group(registry, name)).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        Place::Discovery { group: Some(name), version: None } => {
            let mut found = group(registry, name)?;
            let fields = found.as_object_mut()?;
            fields.insert("kind".to_owned(), "APIGroup".into());
            fields.insert("apiVersion".to_owned(), "v1".into());
            found
        }
        Place::Discovery { group: Some(name), version: Some(version) } => resources(registry, name, version)?,
        Place::Resource { .. } => return None,
    };
    Some(Reply::new(200, Content::Json(value)))
}

fn group_names(registry: &Registry) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for definition in registry.all() {
        if !definition.group.is_empty() && !names.contains(&definition.group.as_str()) {
            names.push(&definition.group);
        }
    }
    names
}

fn group(registry: &Registry, name: &str) -> Option<Value> {
    let mut versions: Vec<Value> = Vec::new();
    for definition in registry.all().iter().filter(|definition| definition.group == name) {
        let version = json!({ "groupVersion": definition.api_version(), "version": definition.version });
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let preferred = versions.first()?.clone();
    Some(json!({ "name": name, "versions": versions, "preferredVersion": preferred }))
}

fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let own: Vec<_> =
        registry.all().iter().filter(|definition| definition.group == group && definition.version == version).collect();
    let first = own.first()?;
    let listed: Vec<Value> = own.iter().flat_map(|definition| resource(definition)).collect();
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(), "resources": listed,
    }))
}

fn resource(definition: &ResourceDefinition) -> Vec<Value> {
    let entry = |name: String, kind: &str, verbs: &[&str]| {
        json!({
            "name": name, "singularName": "", "namespaced": definition.namespaced, "kind": kind, "verbs": verbs,
        })
    };
    let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let mut main = entry(definition.plural.clone(), &definition.kind, &all);
    if let Some(fields) = main.as_object_mut() {
        fields.insert("singularName".to_owned(), definition.singular.clone().into());
        for (name, words) in [("shortNames", &definition.short_names), ("categories", &definition.categories)] {
            if !words.is_empty() {
                fields.insert(name.to_owned(), words.clone().into());
            }
        }
    }
    let mut entries = vec![main];
    let some = ["get", "patch", "update"];
    if definition.scale.is_some() {
        let mut scale = entry(format!("{}/scale", definition.plural), "Scale", &some);
        if let Some(fields) = scale.as_object_mut() {
            fields.insert("group".to_owned(), "autoscaling".into());
            fields.insert("version".to_owned(), "v1".into());
        }
        entries.push(scale);
    }
    if definition.has_status {
        entries.push(entry(format!("{}/status", definition.plural), &definition.kind, &some));
    }
    entries
}
