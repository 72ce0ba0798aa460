//! Resources that CustomResourceDefinitions define.

use serde_json::Value;

use super::{
    definition::{CustomRules, ResourceDefinition, Rules, ScalePaths},
    object::{at, elements, text, texts},
    schema::custom_type,
};

/// The resource as which objects of a definition are stored.
pub(super) fn storage_of(crd: &Value) -> Option<String> {
    Some(format!("{}.{}", text(crd, &["spec", "names", "plural"])?, text(crd, &["spec", "group"])?))
}

/// The resources that a definition of a revision defines, served since a revision: one for each version that it serves.
pub(super) fn definitions_of(crd: &Value, since: u64, defined_at: u64) -> Vec<ResourceDefinition> {
    let versions = elements(crd, &["spec", "versions"]).iter();
    versions
        .filter(|version| version.get("served") == Some(&Value::Bool(true)))
        .filter_map(|version| one(crd, version, since, defined_at))
        .collect()
}

fn one(crd: &Value, version: &Value, since: u64, defined_at: u64) -> Option<ResourceDefinition> {
    let name = |field: &str| text(crd, &["spec", "names", field]);
    let several = |field: &str| texts(crd, &["spec", "names", field]).into_iter().map(str::to_owned).collect();
    let (group, plural, kind) = (text(crd, &["spec", "group"])?, name("plural")?, name("kind")?);
    let schema = at(version, &["schema", "openAPIV3Schema"]).cloned().unwrap_or_default();
    let lower = kind.to_lowercase();
    Some(ResourceDefinition {
        group: group.to_owned(),
        version: text(version, &["name"])?.to_owned(),
        plural: plural.to_owned(),
        singular: name("singular").unwrap_or(&lower).to_owned(),
        kind: kind.to_owned(),
        list_kind: name("listKind").map_or_else(|| format!("{kind}List"), str::to_owned),
        short_names: several("shortNames"),
        categories: several("categories"),
        namespaced: text(crd, &["spec", "scope"]) == Some("Namespaced"),
        has_status: at(version, &["subresources", "status"]).is_some(),
        scale: at(version, &["subresources", "scale"]).and_then(scale_paths),
        storage: storage_of(crd)?.into(),
        since,
        defined_at,
        form: custom_type(&schema),
        rules: Rules::Custom(CustomRules {
            schema,
            selectable_fields: elements(version, &["selectableFields"])
                .iter()
                .filter_map(|field| Some(text(field, &["jsonPath"])?.trim_start_matches('.').to_owned()))
                .collect(),
        }),
    })
}

fn scale_paths(scale: &Value) -> Option<ScalePaths> {
    let place = |field: &str| {
        let path = text(scale, &[field])?.trim_start_matches('.');
        Some(path.split('.').map(str::to_owned).collect())
    };
    Some(ScalePaths {
        spec_replicas: place("specReplicasPath")?,
        status_replicas: place("statusReplicasPath")?,
        selector: place("labelSelectorPath"),
    })
}
