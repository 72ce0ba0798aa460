//! Reading a policy, from its ConfigMap or as it stands.

use std::sync::LazyLock;

use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use schemars::{generate::SchemaSettings, transform::AddNullable};
use serde_json::Value;

use super::{
    CONFIG_MAP_KEY, CONFIG_MAP_NAME, POLICY_API_VERSION, POLICY_KIND, check::contradictions,
    policy::AdministratorPolicy,
};
use crate::{
    api::{crds::tidy, kind_of, markdown::fields, read::admit_document},
    yaml::{Document, FileFault, FileFaults, Position, field_path, read_documents},
};

/// The schema of the policy, in the form of those of the definitions.
pub fn policy_schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let settings = SchemaSettings::openapi3()
            .with(|settings| {
                settings.inline_subschemas = true;
                settings.meta_schema = None;
            })
            .with_transform(AddNullable::default())
            .with_transform(StructuralSchemaRewriter)
            .with_transform(OptionalEnum)
            .with_transform(OptionalIntOrString);
        let mut schema = settings.into_generator().into_root_schema_for::<AdministratorPolicy>().to_value();
        tidy(&mut schema);
        schema
    });
    &SCHEMA
}

/// The policy that a text holds: the value of the ConfigMap's key, or a file with that text.
///
/// # Errors
/// Every fault with its place: broken YAML, unknown fields with the nearest name, bounds, contradictions.
pub fn read_policy(file: &str, text: &str) -> Result<AdministratorPolicy, FileFaults> {
    let documents = read_documents(file, text)?;
    let [document] = documents.as_slice() else {
        let problem = format!("{} documents, and one is wanted", documents.len());
        let (file, path, remedy) = (file.to_owned(), String::new(), None);
        return Err(FileFault { file, position: None, path, problem, remedy }.into());
    };
    read_policy_value(document)
}

/// The policy that a document of `text` holds: a policy, or the ConfigMap around one. `None` where it is neither.
///
/// # Errors
/// As [`read_policy`]; places inside a ConfigMap are those of the file.
pub fn read_policy_document(document: &Document, text: &str) -> Option<Result<AdministratorPolicy, FileFaults>> {
    let name = document.value.pointer("/metadata/name").and_then(Value::as_str);
    match (kind_of(document), name) {
        (POLICY_KIND, _) => Some(read_policy_value(document)),
        ("ConfigMap", Some(CONFIG_MAP_NAME)) => Some(read_config_map(document, text)),
        _ => None,
    }
}

fn read_policy_value(document: &Document) -> Result<AdministratorPolicy, FileFaults> {
    let admitted = admit_document(document, document.value.clone(), policy_schema())?;
    let policy: AdministratorPolicy = serde_path_to_error::deserialize(admitted).map_err(|error| {
        let path = error.path().to_string();
        document.fault(&path, error.into_inner().to_string(), None)
    })?;
    let faults = contradictions(&policy, document);
    if faults.is_empty() { Ok(policy) } else { Err(FileFaults(faults)) }
}

fn read_config_map(document: &Document, text: &str) -> Result<AdministratorPolicy, FileFaults> {
    let path = field_path("data", CONFIG_MAP_KEY);
    let Some(inner) = document.value.get("data").and_then(|data| data.get(CONFIG_MAP_KEY)).and_then(Value::as_str)
    else {
        let remedy = Some(format!("put the policy under the key {CONFIG_MAP_KEY}"));
        return Err(document.fault("data", format!("there is no text under {CONFIG_MAP_KEY}"), remedy).into());
    };
    let shift = document.position(&path).and_then(|key| shift_of(text, key, inner));
    read_policy(&document.file, inner).map_err(|FileFaults(faults)| {
        let place = |fault: FileFault| FileFault {
            position: match (fault.position, shift) {
                (Some(inner), Some((lines, columns))) => {
                    Some(Position { line: inner.line + lines, column: inner.column + columns })
                }
                _ => document.position(&path),
            },
            ..fault
        };
        FileFaults(faults.into_iter().map(place).collect())
    })
}

/// How many lines and columns the text of a block scalar stands behind its own beginning. `None` where the scalar is
/// written otherwise, so that its lines are not those of the file.
fn shift_of(text: &str, key: Position, inner: &str) -> Option<(u64, u64)> {
    let lines = key.line;
    let first = inner.lines().next()?;
    let outer = text.lines().nth(usize::try_from(lines).ok()?)?;
    let indent = outer.strip_suffix(first)?;
    indent.chars().all(|letter| letter == ' ').then_some((lines, indent.len() as u64))
}

/// The reference as committed under `docs/reference/administrator-policy.md`.
pub fn administrator_policy_markdown() -> String {
    let mut text = format!(
        "# The administrator's policy\n\n\
         Generated from its schema: `UPDATE=1 cargo test --test api` writes it anew.\n\n\
         A ConfigMap named `{CONFIG_MAP_NAME}` in the namespace of the targets, with one key, `{CONFIG_MAP_KEY}`: a YAML document \
         of kind `{POLICY_KIND}`, version `{POLICY_API_VERSION}`. Users of PhaseSchedule, PhaseRun and Escalation need no right \
         on it; whoever may write it is the administrator. Without it the bounds of the catalogue hold, and delivery by Git \
         is refused.\n\n\
         A policy that can't be read is a condition (`PolicyValid=False`, with every fault and its line) on the objects of the \
         namespace, and nothing begins until it is mended: a broken policy never counts as none. `manifests/samples/phaseloop-policy.yaml` \
         shows every field.\n\n\
         Bounds narrow, they never widen: of the catalogue, this policy and an Escalation the narrowest holds.\n",
    );
    fields(&mut text, policy_schema(), "");
    text.push_str(
        "\n## What is refused besides\n\n\
         - `minimum` above `maximum`, `values` outside of them, an entry of `parameters` that says nothing.\n\
         - `permitted: false` together with bounds.\n\
         - a binding without exactly one of `arg`, `env`, `configMapKey` and `fieldPath`.\n\
         - `egress.mode: Listed` without `egress.allow`, and `egress.allow` with another mode.\n",
    );
    text
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
