//! Tunable parameters: which values may be tried, and where a value is set.

use kube::KubeSchema;
use phaseloop_core::value::{Decimal, ParameterName, ParameterValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq};

use super::schema;

/// Values as people write them: numbers as numbers, words as text.
///
/// # Errors
/// Those of the serializer.
pub fn numbers_and_words<S: Serializer>(values: &[ParameterValue], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(values.len()))?;
    for value in values {
        match value {
            ParameterValue::Number(number) => list.serialize_element(number)?,
            ParameterValue::Text(word) => list.serialize_element(word)?,
        }
    }
    list.end()
}

/// Equally spaced values from `min` to `max`, both included where the step meets them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("double(self.min) <= double(self.max)").message("min must not be above max"))]
pub struct ValueRange {
    /// Smallest value.
    #[schemars(schema_with = "schema::decimal")]
    pub min: Decimal,
    /// Largest value.
    #[schemars(schema_with = "schema::decimal")]
    pub max: Decimal,
    /// Distance between values, above 0.
    #[schemars(schema_with = "schema::positive_decimal")]
    pub step: Decimal,
}

/// A flag on the engine's command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArgumentBinding {
    /// The flag with its dashes, as in `--max-num-seqs`. Every spelling of it is found: `--flag v`, `--flag=v`, with
    /// underscores.
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^--?[A-Za-z][-_A-Za-z0-9]*$"))]
    pub flag: String,
}

/// An environment variable of the engine's container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentBinding {
    /// Name of the variable.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
}

/// How a ConfigMap's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum ConfigMapFormat {
    /// The whole value is the parameter's value.
    #[default]
    Plain,
    /// A YAML mapping of flags, as `vllm serve --config` reads it.
    Yaml,
}

/// A key of a ConfigMap of the same namespace that only this target uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyBinding {
    /// Name of the ConfigMap. Shared and immutable ones are refused.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Key within it.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
    /// How the key's value is written.
    #[serde(default)]
    pub format: ConfigMapFormat,
}

/// A field of the target, by JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldPathBinding {
    /// JSON pointer (RFC 6901) below `/spec/template`.
    #[schemars(length(min = 15, max = 256), regex(pattern = "^/spec/template/.+$"))]
    pub path: String,
}

/// Where a value is set: exactly one of the four. Only `arg` with the parameter's own flag is free to use; any
/// other place must be named in the administrator's policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.arg), has(self.env), has(self.configMapKey), has(self.fieldPath)].exists_one(given, given)").message("give exactly one of arg, env, configMapKey and fieldPath"))]
pub struct Binding {
    /// A flag on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arg: Option<ArgumentBinding>,
    /// An environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<EnvironmentBinding>,
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key: Option<ConfigMapKeyBinding>,
    /// A field of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_path: Option<FieldPathBinding>,
}

/// One parameter that may be tuned. The bounds of the catalogue and of the administrator's policy hold whatever stands
/// here: they can only be narrowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
// No CEL rule may speak of `values`: its items have no type, so the API server's CEL does not know the field.
#[schemars(extend("not" = { "required": ["values", "range"] }))]
pub struct TunableParameter {
    /// Canonical name: the flag without its dashes, as in `gpu-memory-utilization`.
    #[schemars(schema_with = "schema::parameter_name")]
    pub name: ParameterName,
    /// The values to try: numbers and words; their order is that of the diagnosis, not of this list. Without `values` and `range`
    /// those of the catalogue serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "numbers_and_words")]
    #[schemars(schema_with = "schema::parameter_values")]
    pub values: Vec<ParameterValue>,
    /// Equally spaced values to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<ValueRange>,
    /// Where the value is set. Left out, it is the catalogue's flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}
