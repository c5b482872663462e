//! Why an input cannot be explained, with the place.

use std::fmt;

/// What is wrong with an input, where, and what was expected there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct ReadError {
    /// Line and column, from 1, where they are known.
    pub(crate) at: Option<(usize, usize)>,
    /// What is wrong, and what was expected.
    pub(crate) what: String,
}

impl ReadError {
    /// An error about the input as a whole.
    pub(crate) fn whole(what: impl Into<String>) -> ReadError {
        ReadError {
            at: None,
            what: what.into(),
        }
    }

    /// An error at a line and column, both from 1.
    pub(crate) fn at(line: usize, column: usize, what: impl Into<String>) -> ReadError {
        ReadError {
            at: Some((line, column)),
            what: what.into(),
        }
    }

    /// The error of one line of a batch: the line is named beside it.
    pub(crate) fn in_line(&self) -> String {
        match self.at {
            Some((_, column)) => format!("column {column}: {}", self.what),
            None => self.what.clone(),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> ReadError {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
        let what = match error.classify() {
            serde_json::error::Category::Eof => format!("the JSON ends too early ({what}): is the rest missing?"),
            serde_json::error::Category::Syntax if what == "trailing characters" => {
                "more follows after the JSON; for one case a line, use --batch".into()
            }
            serde_json::error::Category::Syntax => format!("this is not JSON: {what}"),
            serde_json::error::Category::Data | serde_json::error::Category::Io => what,
        };
        if error.line() == 0 {
            ReadError::whole(what)
        } else {
            ReadError::at(error.line(), error.column().max(1), what)
        }
    }
}
