//! Why a file is no result of `vllm bench serve`.

use crate::prelude::*;

/// What is wrong with a file that should hold a result of `vllm bench serve`, where, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BenchError {
    /// The file holds no JSON object.
    #[error("expected the JSON object that `vllm bench serve --save-result` writes, found {found}")]
    NotAnObject {
        /// What was found instead.
        found: &'static str,
    },
    /// The file is no JSON, or was cut off.
    #[error("broken JSON at line {line}, column {column} ({detail}); save the result again")]
    BrokenJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 at a line's start.
        column: usize,
        /// What the parser met.
        detail: String,
    },
    /// More follows after the first object.
    #[error(
        "line {line}: a second JSON value after the result (as `--append-result` writes); give each result its own file"
    )]
    SeveralValues {
        /// Where the second one begins, from 1.
        line: usize,
    },
    /// A field that every result has is not there.
    #[error("no field {field:?}: expected the result of `vllm bench serve --save-result`")]
    MissingField {
        /// The field.
        field: String,
    },
    /// A field holds another kind of value.
    #[error("field {field:?} is {found}, expected {expected}")]
    WrongType {
        /// The field, with the place in its list if it is one.
        field: String,
        /// What it holds.
        found: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// A field holds a value that cannot have been measured.
    #[error("field {field:?} is {value}, expected {expected}")]
    ImpossibleValue {
        /// The field, with the place in its list if it is one.
        field: String,
        /// Its value.
        value: String,
        /// What values are possible.
        expected: &'static str,
    },
    /// Lists that describe the same requests differ in length, or disagree with the counts.
    #[error("field {field:?} has {found} entries, expected {expected}: its lists describe the same requests")]
    LengthMismatch {
        /// The list.
        field: String,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: String,
    },
}
