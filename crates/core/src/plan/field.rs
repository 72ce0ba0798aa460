//! Fields of a target that a promotion owns, with the values before and after, as the text that stands there.

use core::fmt;

use crate::{prelude::*, value::ParameterName};

/// Where a value stands in a target, as the delivery writes it: `containers[vllm].args[--max-num-seqs]`. Opaque to the
/// core, which only compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct FieldAddress(String);

impl FieldAddress {
    /// An address from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands at an address. The text is kept as it was written (`0.90` is not `0.9` here), because a rollback puts
/// back exactly what was there, and "nothing" is a value of its own: absent becomes absent again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "text")]
pub enum FieldValue {
    /// The field is not there.
    Absent,
    /// The field is there with this text, which may be empty.
    Present(String),
}

impl FieldValue {
    /// A field that is there.
    pub fn present(text: impl Into<String>) -> Self {
        Self::Present(text.into())
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("(absent)"),
            Self::Present(text) => f.write_str(text),
        }
    }
}

/// One field that a promotion owns: the pre-image and the promoted value together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnedField {
    /// Where it stands.
    pub address: FieldAddress,
    /// The parameter that it sets.
    pub parameter: ParameterName,
    /// What stood there when the promotion was made.
    pub before: FieldValue,
    /// What the promotion puts there.
    pub promoted: FieldValue,
}

impl OwnedField {
    /// The change that puts the promoted value in.
    pub fn forward(&self) -> FieldChange {
        FieldChange { address: self.address.clone(), from: self.before.clone(), to: self.promoted.clone() }
    }

    /// The change that puts the pre-image back.
    pub fn backward(&self) -> FieldChange {
        FieldChange { address: self.address.clone(), from: self.promoted.clone(), to: self.before.clone() }
    }
}

/// One change of one field: refused by the API server unless `from` still stands there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Where.
    pub address: FieldAddress,
    /// What must stand there for the write to be accepted.
    pub from: FieldValue,
    /// What stands there afterwards.
    pub to: FieldValue,
}

impl FieldChange {
    /// The change that takes it back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { address: self.address.clone(), from: self.to.clone(), to: self.from.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_is_the_mirror_of_going_forward() {
        let field = OwnedField {
            address: FieldAddress::new("env[VLLM_X]"),
            parameter: ParameterName::new("--x"),
            before: FieldValue::Absent,
            promoted: FieldValue::present("1"),
        };
        assert_eq!(field.forward().from, FieldValue::Absent);
        assert_eq!(field.forward().to, FieldValue::present("1"));
        assert_eq!(field.backward().from, FieldValue::present("1"));
        assert_eq!(field.backward().to, FieldValue::Absent);
        assert_eq!(field.forward().address, field.backward().address);
        assert_eq!(field.forward().reversed(), field.backward());
    }

    #[test]
    fn absent_and_empty_are_not_the_same() {
        assert_ne!(FieldValue::Absent, FieldValue::present(""));
        assert_eq!(FieldValue::Absent.to_string(), "(absent)");
        assert_eq!(FieldValue::present("0.90").to_string(), "0.90");
        assert_eq!(serde_json::to_string(&FieldValue::Absent).unwrap(), r#"{"state":"absent"}"#);
        assert_eq!(FieldAddress::new("args[--x]").to_string(), FieldAddress::new("args[--x]").as_str());
    }
}
