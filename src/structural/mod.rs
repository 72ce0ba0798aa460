//! Structural schemas as the API server applies them: unknown fields, nulls, defaults, validation.
//!
//! **What lives here**: a checker for the part of JSON Schema that our CustomResourceDefinitions use, so that a file is
//! refused here for what the API server would refuse it for, with the place and the nearest name.
//!
//! **What must not**: CEL (the API server evaluates it, and tests do), knowledge of a kind.

mod admission;
mod check;
mod pattern;
mod place;

pub use admission::{admit, fill, prune};
pub use check::{KNOWN_KEYWORDS, validate, validate_change};

use serde_json::{Map, Value};

/// Why a value does not fit a schema: the reasons that the API server gives in `details.causes[].reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum FaultCause {
    /// The schema has no such field. The API server says so in strict mode, and drops the field else.
    UnknownField,
    /// A field that must be there is not.
    FieldValueRequired,
    /// A value of another type.
    FieldValueTypeInvalid,
    /// A value that is none of those named.
    FieldValueNotSupported,
    /// A text that is too long.
    FieldValueTooLong,
    /// Too many elements.
    FieldValueTooMany,
    /// An element that is there twice.
    FieldValueDuplicate,
    /// A value outside its bounds, or of another form.
    FieldValueInvalid,
}

/// What exactly does not fit, for whoever words it otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultDetail {
    /// A field that the schema does not have, or one that must be there and is not.
    Field,
    /// The type that is wanted.
    Type(String),
    /// The values that there are.
    Names(Vec<Value>),
    /// The form that a text must have.
    Pattern(String),
    /// The format that a text must have.
    Format(String),
    /// The bound that is passed.
    Bound {
        /// The keyword of the bound, as in `maxItems`.
        keyword: &'static str,
        /// The bound.
        limit: Value,
    },
    /// An element that is there twice.
    Twice,
    /// Fields that exclude each other.
    Excluded,
}

/// One place where a value does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFault {
    /// Path of the field.
    pub path: String,
    /// Why, as the API server classes it.
    pub cause: FaultCause,
    /// What exactly does not fit.
    pub detail: FaultDetail,
    /// The value that does not fit; for duplicates what makes it one, for a missing field null.
    pub value: Value,
    /// What is wrong.
    pub problem: String,
    /// What to do about it, where there is something to say.
    pub remedy: Option<String>,
}

/// A node of a schema.
#[derive(Debug, Clone, Copy)]
struct SchemaNode<'a>(&'a Map<String, Value>);

impl<'a> SchemaNode<'a> {
    fn of(schema: &'a Value) -> Option<Self> {
        schema.as_object().map(SchemaNode)
    }

    fn keyword(self, keyword: &str) -> Option<&'a Value> {
        self.0.get(keyword)
    }

    fn text(self, keyword: &str) -> Option<&'a str> {
        self.keyword(keyword)?.as_str()
    }

    /// A bound. Generated schemas write whole bounds as floating-point numbers.
    fn bound(self, keyword: &str) -> Option<f64> {
        self.keyword(keyword)?.as_f64()
    }

    fn properties(self) -> impl Iterator<Item = (&'a String, SchemaNode<'a>)> {
        let properties = self.keyword("properties").and_then(Value::as_object);
        properties.into_iter().flatten().filter_map(|(name, schema)| Some((name, SchemaNode::of(schema)?)))
    }

    fn items(self) -> Option<SchemaNode<'a>> {
        SchemaNode::of(self.keyword("items")?)
    }

    fn additional_properties(self) -> Option<SchemaNode<'a>> {
        SchemaNode::of(self.keyword("additionalProperties")?)
    }

    fn keeps_unknown_fields(self) -> bool {
        self.keyword("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
    }

    /// The schemas of the fields of a map or an object.
    fn fields(self) -> FieldSchemas<'a> {
        FieldSchemas {
            properties: self.keyword("properties").and_then(Value::as_object),
            others: self.additional_properties(),
        }
    }
}

/// The schemas of the fields of a map or an object, looked up once for all of them.
#[derive(Debug, Clone, Copy)]
struct FieldSchemas<'a> {
    properties: Option<&'a Map<String, Value>>,
    others: Option<SchemaNode<'a>>,
}

impl<'a> FieldSchemas<'a> {
    /// The schema of a field.
    fn of(self, name: &str) -> Option<SchemaNode<'a>> {
        self.properties.and_then(|properties| SchemaNode::of(properties.get(name)?)).or(self.others)
    }
}

/// The defaults of a schema for an absent object: what the API server would store for `{}`.
pub fn defaults_of(schema: &Value) -> Value {
    let mut value = Value::Object(Map::new());
    if let Some(schema) = SchemaNode::of(schema) {
        admission::apply_defaults(&mut value, schema);
    }
    value
}
