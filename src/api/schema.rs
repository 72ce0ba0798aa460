//! Schemas of values that the core owns, and bounded forms of plain ones.
//!
//! The core knows no schema: it is named here once per type, and fields point to it with `#[schemars(schema_with)]`.

use phaseloop_core::value::{Diagnosis, Metric, Severity, SymptomKind, Verdict};
use schemars::{Schema, SchemaGenerator, json_schema};

use super::duration::DURATION_PATTERN;

/// Longest sentence in a status, as in `metav1.Condition`, but kept shorter so that a status stays small.
pub const MESSAGE_LENGTH_MAX: u32 = 4096;
/// Longest name of a Kubernetes object.
pub const NAME_LENGTH_MAX: u32 = 253;
/// Longest DNS label: domains, containers, pods that must also be host names.
pub const LABEL_LENGTH_MAX: u32 = 63;
/// Most tuned parameters of one target: more than four tuned together is a search no night can hold.
pub const PARAMETERS_MAX: u32 = 16;
/// Longest parameter value.
pub const VALUE_LENGTH_MAX: u32 = 256;
/// Longest hash or uid text.
pub const DIGEST_LENGTH_MAX: u32 = 128;

fn named(names: &[&'static str]) -> Schema {
    json_schema!({ "type": "string", "enum": names })
}

/// One of the verdicts.
pub fn verdict(_: &mut SchemaGenerator) -> Schema {
    named(&[Verdict::Healthy, Verdict::Degraded, Verdict::Unknown, Verdict::Error].map(Verdict::name))
}

/// One of the symptom kinds.
pub fn symptom_kind(_: &mut SchemaGenerator) -> Schema {
    named(&SymptomKind::ALL.map(SymptomKind::name))
}

/// One of the severities.
pub fn severity(_: &mut SchemaGenerator) -> Schema {
    named(&[Severity::Warning, Severity::Critical].map(Severity::name))
}

/// One of the diagnoses.
pub fn diagnosis(_: &mut SchemaGenerator) -> Schema {
    named(&Diagnosis::ALL.map(Diagnosis::name))
}

/// One of the metrics.
pub fn metric(_: &mut SchemaGenerator) -> Schema {
    named(&Metric::ALL.map(Metric::name))
}

/// Largest number, either way: what the core's exact decimals hold.
const NUMBER_MAX: i64 = 1_000_000_000_000;

/// A number. It is read as the decimal that it is written as, with at most six digits after the point.
pub fn decimal(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number", "minimum": -NUMBER_MAX, "maximum": NUMBER_MAX })
}

/// A number above zero.
pub fn positive_decimal(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "number", "minimum": 0, "maximum": NUMBER_MAX,
        "x-kubernetes-validations": [{ "rule": "double(self) > 0.0", "message": "must be above 0" }],
    })
}

/// A number from 0 to 1.
pub fn fraction(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
}

/// A number from 0 to 100.
pub fn percent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number", "minimum": 0, "maximum": 100 })
}

/// A duration above zero.
pub fn positive_duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": 32, "pattern": DURATION_PATTERN,
        "x-kubernetes-validations": [{ "rule": "duration(self) > duration('0s')", "message": "must be longer than 0s" }],
    })
}

/// A quantity of a resource, as in `8Gi` or `500m`.
pub fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": 32,
        "pattern": r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
    })
}

/// The name of an object of the same namespace.
pub fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": NAME_LENGTH_MAX,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    })
}

/// A DNS label.
pub fn label(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": LABEL_LENGTH_MAX, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    })
}

/// The uid of an object.
pub fn uid(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": DIGEST_LENGTH_MAX })
}

/// Several uids, each once.
pub fn uids(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 400, "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 1, "maxLength": DIGEST_LENGTH_MAX },
    })
}

/// A hash as hexadecimal or short text.
pub fn digest(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": DIGEST_LENGTH_MAX })
}

/// An IANA time zone.
pub fn time_zone(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
    })
}

/// A wall-clock time, `HH:MM`.
pub fn clock_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 5, "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$" })
}

/// A night by the local date on which its window began.
pub fn night(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 10, "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" })
}

/// The canonical name of a parameter.
pub fn parameter_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": LABEL_LENGTH_MAX, "pattern": PARAMETER_NAME_PATTERN })
}

/// Canonical parameter names: a flag without its dashes.
pub const PARAMETER_NAME_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// Several parameter names, each once.
pub fn parameter_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": PARAMETERS_MAX, "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 1, "maxLength": LABEL_LENGTH_MAX, "pattern": PARAMETER_NAME_PATTERN },
    })
}

/// One parameter value as text.
pub fn parameter_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": VALUE_LENGTH_MAX })
}

/// Several parameter values: numbers and words, as flags take them. No single type covers both, so the API server takes
/// any; the reader and the operator refuse what is neither.
pub fn parameter_values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 32,
        "items": { "x-kubernetes-preserve-unknown-fields": true },
    })
}

/// Values by parameter.
pub fn parameter_set(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": PARAMETERS_MAX,
        "additionalProperties": { "type": "string", "maxLength": VALUE_LENGTH_MAX },
    })
}

/// Short texts by short text, such as engine arguments.
pub fn text_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 128, "additionalProperties": { "type": "string", "maxLength": VALUE_LENGTH_MAX },
    })
}

/// Up to 32 sentences.
pub fn sentences(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "maxItems": 32, "items": { "type": "string", "maxLength": 1024 } })
}

/// Up to 32 names of reasons.
pub fn reasons(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "maxItems": 32, "items": { "type": "string", "maxLength": 128 } })
}

/// Where a value stands in a target.
pub fn field_address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 1024 })
}

/// What stands at such a place: it may be empty.
pub fn field_text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 1024 })
}

/// A short text.
pub fn short_text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": VALUE_LENGTH_MAX })
}

/// A sentence for people.
pub fn message(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": MESSAGE_LENGTH_MAX })
}

/// The name of a typed reason.
pub fn reason(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    })
}

/// A count: zero or more.
pub fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "minimum": 0 })
}

/// Up to 32 names of objects.
pub fn object_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "maxItems": 32, "items": { "type": "string", "maxLength": NAME_LENGTH_MAX } })
}
