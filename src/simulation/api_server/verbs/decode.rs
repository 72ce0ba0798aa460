//! The object in a request, as the server understands it.

use serde_json::{Map, Value};

use super::super::{
    definition::{ResourceDefinition, Rules},
    object::{remove, text},
    ownership::Owners,
    request::{Body, FieldValidation},
    schema::{
        builtin_type,
        decode::{decode, decode_changed},
    },
    status_error::StatusError,
    version::ObjectVersion,
};

/// Bytes of a body that a message shows.
const SUMMARY_BYTES: usize = 30;

/// An object that a request brings.
#[derive(Debug)]
pub(super) struct Given {
    /// The object without `managedFields`.
    pub(super) object: Value,
    /// The `managedFields` that the request brings.
    managed: Option<Value>,
    pub(super) warnings: Vec<String>,
}

impl Given {
    /// The owners that the request brings, if it brings any that can be read.
    pub(super) fn owners(&self) -> Option<Owners> {
        let entries = self.managed.as_ref()?.as_array()?;
        let reset = entries.is_empty() || matches!(entries.as_slice(), [only] if *only == serde_json::json!({}));
        if reset { Some(Owners::default()) } else { Owners::read(entries) }
    }
}

/// What is wrong with a body.
#[derive(Debug)]
pub(super) enum DecodeFault {
    /// It can't be read as an object of the kind.
    Unreadable(String),
    /// It has fields that the kind has not, and the request wants that refused.
    Strict(String),
}

impl DecodeFault {
    pub(super) fn message(self) -> String {
        match self {
            Self::Unreadable(message) | Self::Strict(message) => message,
        }
    }
}

/// The object of a create or a replacement.
///
/// # Errors
/// 400 where it can't be read, or is of another kind or version.
pub(super) fn read_body(
    definition: &ResourceDefinition,
    body: Body,
    validation: FieldValidation,
    existing: Option<&ObjectVersion>,
) -> Result<Given, StatusError> {
    let summary = summary(&body);
    let kind = &definition.kind;
    let mut value = body.json().map_err(|error| {
        let problem = format!("couldn't get version/kind; json parse error: {error}");
        StatusError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {problem} ({summary})"
        ))
    })?;
    if !value.is_object() {
        let problem = "couldn't get version/kind; json parse error: json: cannot unmarshal value into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";
        return Err(StatusError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {problem} ({summary})"
        )));
    }
    check_type(definition, &mut value, &summary)?;
    let version = definition.version.clone();
    complete(definition, value, validation, existing).map_err(|fault| {
        StatusError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {}",
            fault.message()
        ))
    })
}

/// Looks at `apiVersion` and `kind`, and sets them where a built-in kind leaves them out.
fn check_type(definition: &ResourceDefinition, value: &mut Value, summary: &str) -> Result<(), StatusError> {
    let expected = definition.api_version();
    let kind = text(value, &["kind"]).unwrap_or_default().to_owned();
    let version = text(value, &["apiVersion"]).unwrap_or_default().to_owned();
    let built_in = definition.built_in().is_some();
    if kind.is_empty() && !built_in {
        return Err(StatusError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{value}' ({summary})",
            definition.kind
        )));
    }
    if !version.is_empty() && version != expected {
        return Err(StatusError::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if !kind.is_empty() && kind != definition.kind && built_in {
        let short = definition.version.clone();
        return Err(StatusError::bad_request(format!(
            "{kind} in version {short:?} cannot be handled as a {}: converting ({short}.{kind}) to ({}.{}): unknown conversion",
            definition.kind,
            if definition.group.is_empty() { "core" } else { &definition.group },
            definition.kind
        )));
    }
    if built_in {
        super::super::object::set(value, &["kind"], definition.kind.clone());
        super::super::object::set(value, &["apiVersion"], expected);
    }
    Ok(())
}

/// The object with what its kind does to it: unknown fields go, defaults come. Where the object exists, nothing is done again
/// to what of it stays.
pub(super) fn complete(
    definition: &ResourceDefinition,
    mut value: Value,
    validation: FieldValidation,
    existing: Option<&ObjectVersion>,
) -> Result<Given, DecodeFault> {
    // An object of before its kind was defined as it is now may have what is unknown by now, and lack a default.
    let existing =
        existing.filter(|existing| existing.revision > definition.defined_at).map(|existing| &existing.value);
    let existing = existing.filter(|existing| existing.get("apiVersion") == value.get("apiVersion"));
    let managed = remove(&mut value, &["metadata", "managedFields"]);
    let (object, unknown) = match &definition.rules {
        Rules::BuiltIn(_) => {
            let decoded = decode_changed(&definition.form, value, existing).map_err(DecodeFault::Unreadable)?;
            (decoded.value, decoded.unknown)
        }
        Rules::Custom(rules) => complete_custom(value, &definition.kind, &rules.schema, existing)?,
    };
    let mut warnings = Vec::new();
    match validation {
        FieldValidation::Strict if !unknown.is_empty() => {
            return Err(DecodeFault::Strict(format!("strict decoding error: {}", unknown.join(", "))));
        }
        FieldValidation::Warn => warnings = unknown,
        FieldValidation::Strict | FieldValidation::Ignore => {}
    }
    Ok(Given { object, managed, warnings })
}

/// An object of another kind is refused later, and is until then left as it is.
fn complete_custom(
    mut value: Value,
    kind: &str,
    schema: &Value,
    existing: Option<&Value>,
) -> Result<(Value, Vec<String>), DecodeFault> {
    let whole = || complete_custom(value.clone(), kind, schema, None).ok();
    let whole = if cfg!(debug_assertions) && existing.is_some() { whole() } else { None };
    let mut unknown = Vec::new();
    let metadata_stays = existing.is_some_and(|existing| existing.get("metadata") == value.get("metadata"));
    let unchanged = existing.map(|existing| Unchanged::take(&mut value, existing)).unwrap_or_default();
    if !metadata_stays
        && let (Some(metadata), Some(form)) = (remove(&mut value, &["metadata"]), builtin_type("meta/v1.ObjectMeta"))
    {
        let decoded = decode(&form, metadata).map_err(DecodeFault::Unreadable)?;
        unknown.extend(decoded.unknown.iter().map(|told| told.replacen('"', "\"metadata.", 1)));
        super::super::object::set(&mut value, &["metadata"], decoded.value);
    }
    if text(&value, &["kind"]) == Some(kind) {
        let paths = crate::structural::prune(&mut value, schema);
        unknown.extend(paths.iter().map(|path| format!("unknown field {path:?}")));
        crate::structural::fill(&mut value, schema);
    }
    whole_numbers(&mut value);
    unchanged.put_back(&mut value);
    debug_assert!(whole.is_none_or(|(whole, _)| whole == value), "{kind}: {value}");
    Ok((value, unknown))
}

/// What of an object is as it was stored, taken out of it: nothing is to be done to it, and it is most of it.
#[derive(Debug, Default)]
struct Unchanged {
    spec: Option<Value>,
    status: Map<String, Value>,
}

impl Unchanged {
    fn take(value: &mut Value, stored: &Value) -> Self {
        let mut unchanged = Self::default();
        let Some(fields) = value.as_object_mut() else { return unchanged };
        if fields.get("spec").is_some() && fields.get("spec") == stored.get("spec") {
            unchanged.spec = fields.remove("spec");
        }
        if let (Some(Value::Object(status)), Some(stored)) = (fields.get_mut("status"), stored.get("status")) {
            let same = |(name, value): &(String, Value)| stored.get(name) == Some(value);
            (unchanged.status, *status) = std::mem::take(status).into_iter().partition(same);
        }
        unchanged
    }

    fn put_back(self, value: &mut Value) {
        let Some(fields) = value.as_object_mut() else { return };
        if let Some(spec) = self.spec {
            fields.insert("spec".to_owned(), spec);
        }
        if let Some(Value::Object(status)) = fields.get_mut("status") {
            status.extend(self.status);
        }
    }
}

/// A number without a fraction is written without a point, as Go writes it.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|own| number.is_f64() && own.fract() == 0.0 && own.abs() < 1e15);
            if let Some(whole) = whole {
                #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and below 1e15")]
                let whole = whole as i64;
                *value = whole.into();
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// The beginning of a body, as messages show it.
fn summary(body: &Body) -> String {
    let bytes = match body {
        Body::Bytes(bytes) => bytes,
        Body::Object(_) => return "{...}".to_owned(),
    };
    let shown = bytes.get(..SUMMARY_BYTES).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { " ..." } else { "" };
    match bytes.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => format!("{}{more}", shown.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
