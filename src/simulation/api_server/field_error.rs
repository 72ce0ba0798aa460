//! What is wrong with one field, worded as Kubernetes' `field.Error`.

use serde_json::{Value, json};

/// Why a field is refused: the causes of a 422.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldFault {
    Required,
    Invalid,
    TypeInvalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    Duplicate,
    NotFound,
}

impl FieldFault {
    fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Duplicate => "FieldValueDuplicate",
            Self::NotFound => "FieldValueNotFound",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Duplicate => "Duplicate value",
            Self::NotFound => "Not found",
        }
    }
}

/// One refused field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    pub(crate) fault: FieldFault,
    pub(crate) field: String,
    value: Option<Value>,
    detail: String,
}

impl FieldError {
    fn new(fault: FieldFault, field: &str, value: Option<Value>, detail: impl Into<String>) -> Self {
        // Kubernetes writes the path of the whole object so.
        let field = if field.is_empty() { "<nil>" } else { field };
        Self { fault, field: field.to_owned(), value, detail: detail.into() }
    }

    /// Said after errors that keep a definition's rules from being evaluated; absent where none does.
    pub(crate) fn rules_unchecked(errors: &[Self]) -> Option<Self> {
        use FieldFault::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
        let blocks = |error: &Self| matches!(error.fault, NotSupported | Required | TooLong | TooMany | TypeInvalid);
        let detail = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        errors.iter().any(blocks).then(|| Self::invalid("", &Value::Null, detail))
    }

    /// The field must be there.
    pub fn required(field: &str, detail: &str) -> Self {
        Self::new(FieldFault::Required, field, None, detail)
    }

    /// The value is wrong.
    pub fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        Self::new(FieldFault::Invalid, field, Some(value.clone()), detail)
    }

    /// The value is of another type. A null is shown as the text `null`.
    pub(crate) fn type_invalid(field: &str, value: &Value, detail: &str) -> Self {
        Self::new(FieldFault::TypeInvalid, field, Some(value.clone()), detail)
    }

    /// The value is none of those that there are.
    pub fn not_supported(field: &str, value: &Value, supported: &[&str]) -> Self {
        let detail = match supported {
            [] => String::new(),
            names => {
                let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
                format!("supported values: {}", names.join(", "))
            }
        };
        Self::new(FieldFault::NotSupported, field, Some(value.clone()), detail)
    }

    /// The field can't be set so, here and at this time.
    pub fn forbidden(field: &str, detail: &str) -> Self {
        Self::new(FieldFault::Forbidden, field, None, detail)
    }

    /// The text has more bytes than it may.
    pub fn too_long(field: &str, bytes_max: u64) -> Self {
        let unit = if bytes_max == 1 { "byte" } else { "bytes" };
        Self::new(FieldFault::TooLong, field, None, format!("may not be more than {bytes_max} {unit}"))
    }

    /// The list has more elements than it may.
    pub fn too_many(field: &str, items: usize, items_max: u64) -> Self {
        let unit = if items_max == 1 { "item" } else { "items" };
        Self::new(FieldFault::TooMany, field, Some(items.into()), format!("must have at most {items_max} {unit}"))
    }

    /// The value is there twice.
    pub fn duplicate(field: &str, value: &Value) -> Self {
        Self::new(FieldFault::Duplicate, field, Some(value.clone()), "")
    }

    /// What the value refers to is not there.
    pub fn not_found(field: &str, value: &Value) -> Self {
        Self::new(FieldFault::NotFound, field, Some(value.clone()), "")
    }

    /// The message without the field.
    pub(crate) fn message(&self) -> String {
        let mut message = self.fault.title().to_owned();
        if let Some(value) = &self.value {
            message = format!("{message}: {value}");
        }
        if !self.detail.is_empty() {
            message = format!("{message}: {}", self.detail);
        }
        message
    }

    pub(crate) fn cause(&self) -> Value {
        json!({ "reason": self.fault.reason(), "message": self.message(), "field": self.field })
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message())
    }
}
