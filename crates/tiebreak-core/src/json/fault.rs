//! Why a text is no JSON that can be trusted to mean one thing, and where.

use std::fmt;

use super::Pointer;

/// The first fault of a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read JSON at line {line}, column {column}: {fault}")]
pub struct JsonError {
    /// Line of the fault, from 1.
    pub line: usize,
    /// Column of the fault in bytes, from 1.
    pub column: usize,
    /// What is wrong.
    pub fault: JsonFault,
}

/// What can be wrong with a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonFault {
    /// It is no JSON text (RFC 8259); in plain words why.
    Syntax(&'static str),
    /// One object has two members of this name: readers differ in which one they take (RFC 8259 §4).
    Duplicate {
        /// The name, unescaped.
        name: String,
        /// The way to the member.
        pointer: Pointer,
    },
    /// Arrays and objects are nested deeper than this.
    TooDeep(usize),
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonFault::Syntax(why) => f.write_str(why),
            JsonFault::Duplicate { name, .. } => write!(f, "the member name {name:?} appears twice in one object"),
            JsonFault::TooDeep(limit) => write!(f, "it is nested deeper than {limit}"),
        }
    }
}

impl JsonError {
    /// The error for `fault` at byte `at` of `text`.
    pub(super) fn at(text: &[u8], at: usize, fault: JsonFault) -> JsonError {
        let before = &text[..at.min(text.len())];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        JsonError {
            line: 1 + before.iter().filter(|b| **b == b'\n').count(),
            column: 1 + before.len() - line_start,
            fault,
        }
    }
}
