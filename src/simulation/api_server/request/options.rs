//! Options of writes.

use serde_json::{Value, json};

use super::{
    super::{
        field_error::FieldError,
        object::{at, elements, integer, text, texts},
        status_error::{Named, StatusError},
    },
    ApiRequest, PatchKind,
};

/// Longest name of an owner of fields.
const FIELD_MANAGER_BYTES_MAX: u64 = 128;

/// What happens to fields that the kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// Options of creates, updates and patches.
#[derive(Debug, Clone)]
pub(in super::super) struct WriteOptions {
    /// Who owns the fields that are written.
    pub(in super::super) manager: String,
    pub(in super::super) dry_run: bool,
    pub(in super::super) force: bool,
    pub(in super::super) validation: FieldValidation,
}

impl WriteOptions {
    /// Reads the options of a request.
    ///
    /// # Errors
    /// 422 where one has no meaning.
    pub(in super::super) fn read(request: &ApiRequest, kind: &str) -> Result<Self, StatusError> {
        let query = &request.query;
        let mut errors = Vec::new();
        match request.patch {
            Some(PatchKind::Apply) if query.given("fieldManager").is_none() => {
                errors.push(FieldError::required("fieldManager", "is required for apply patch"));
            }
            Some(PatchKind::Apply) | None => {}
            Some(_) if query.has("force") => {
                errors.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
            }
            Some(_) => {}
        }
        let manager = query.text("fieldManager");
        if manager.len() as u64 > FIELD_MANAGER_BYTES_MAX {
            errors.push(FieldError::too_long("fieldManager", FIELD_MANAGER_BYTES_MAX));
        }
        check_dry_run(query.given("dryRun").into_iter(), &mut errors);
        let validation = match query.text("fieldValidation") {
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            "" | "Warn" => FieldValidation::Warn,
            other => {
                let known = ["", "Ignore", "Strict", "Warn"];
                errors.push(FieldError::not_supported("fieldValidation", &other.into(), &known));
                FieldValidation::Warn
            }
        };
        refuse(kind, &errors)?;
        let manager = if manager.is_empty() { request.user_agent.as_str() } else { manager };
        Ok(Self {
            manager: manager.to_owned(),
            dry_run: query.given("dryRun").is_some(),
            force: query.flag("force").unwrap_or(false),
            validation,
        })
    }
}

fn check_dry_run<'a>(values: impl Iterator<Item = &'a str>, errors: &mut Vec<FieldError>) {
    let values: Vec<&str> = values.collect();
    if values.iter().any(|value| *value != "All") {
        errors.push(FieldError::not_supported("dryRun", &json!(values), &["All"]));
    }
}

fn refuse(kind: &str, errors: &[FieldError]) -> Result<(), StatusError> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(StatusError::invalid(Named { group: "meta.k8s.io", name: kind }, "", errors))
}

/// What happens to what a deleted object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// Options of deletes.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct DeleteOptions {
    pub(in super::super) grace_period_seconds: Option<i64>,
    pub(in super::super) propagation: Option<Propagation>,
    pub(in super::super) uid: Option<String>,
    pub(in super::super) resource_version: Option<String>,
    pub(in super::super) dry_run: bool,
}

impl DeleteOptions {
    /// Reads the options of a request: its body, or its parameters where it has none.
    ///
    /// # Errors
    /// 400 where they can't be read, 422 where one has no meaning.
    pub(in super::super) fn read(request: &ApiRequest) -> Result<Self, StatusError> {
        let body = if request.body.is_empty() {
            Self::from_query(request)?
        } else {
            request.body.clone().json().map_err(|error| {
                StatusError::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
            })?
        };
        let mut errors = Vec::new();
        let orphan = at(&body, &["orphanDependents"]).and_then(Value::as_bool);
        let propagation = match text(&body, &["propagationPolicy"]) {
            None => None,
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                errors.push(FieldError::not_supported("propagationPolicy", &other.into(), &known));
                None
            }
        };
        if let (Some(_), Some(policy)) = (orphan, at(&body, &["propagationPolicy"])) {
            let problem = "orphanDependents and deletionPropagation cannot be both set";
            errors.insert(0, FieldError::invalid("propagationPolicy", policy, problem));
        }
        check_dry_run(texts(&body, &["dryRun"]).into_iter(), &mut errors);
        refuse("DeleteOptions", &errors)?;
        let from_orphan = orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background });
        Ok(Self {
            grace_period_seconds: integer(&body, &["gracePeriodSeconds"]),
            propagation: propagation.or(from_orphan),
            uid: text(&body, &["preconditions", "uid"]).map(str::to_owned),
            resource_version: text(&body, &["preconditions", "resourceVersion"]).map(str::to_owned),
            dry_run: !elements(&body, &["dryRun"]).is_empty(),
        })
    }

    fn from_query(request: &ApiRequest) -> Result<Value, StatusError> {
        let query = &request.query;
        let mut body = json!({});
        let Some(fields) = body.as_object_mut() else { return Ok(body) };
        if let Some(seconds) = query.integer("gracePeriodSeconds").map_err(StatusError::bad_request)? {
            fields.insert("gracePeriodSeconds".to_owned(), seconds.into());
        }
        if let Some(policy) = query.given("propagationPolicy") {
            fields.insert("propagationPolicy".to_owned(), policy.into());
        }
        if let Some(orphan) = query.flag("orphanDependents") {
            fields.insert("orphanDependents".to_owned(), orphan.into());
        }
        if let Some(value) = query.given("dryRun") {
            fields.insert("dryRun".to_owned(), json!([value]));
        }
        Ok(body)
    }
}
