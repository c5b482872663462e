//! What is wrong with a file, where, and what to do about it.

use std::fmt;
use std::path::Path;

use tiebreak_core::userinfo;

use super::node::{At, Node};

/// Whether a file with it can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// No.
    Mistake,
    /// Yes, though it is probably not what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) weight: Weight,
    /// Where in the file; `None` where it came from a flag.
    pub(crate) at: Option<At>,
    /// What of it is wrong, such as `route "contacts": least`.
    pub(crate) field: String,
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: Option<String>,
}

/// Why a value is not accepted; whoever read it knows the name of the setting.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    /// Where, if not at the value as a whole.
    pub(crate) at: Option<At>,
    pub(crate) what: String,
    pub(crate) remedy: Option<String>,
    /// What else is wrong with the same value.
    pub(crate) also: Vec<Wrong>,
}

impl Wrong {
    /// Something else was expected.
    pub(crate) fn expected(what: &str, node: &Node) -> Wrong {
        Wrong {
            at: node.at.clone(),
            what: format!("expected {what}, found {}", node.told()),
            remedy: None,
            also: Vec::new(),
        }
    }

    pub(crate) fn new(what: impl Into<String>) -> Wrong {
        Wrong {
            at: None,
            what: what.into(),
            remedy: None,
            also: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, remedy: impl Into<String>) -> Wrong {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, said of this value.
    pub(crate) fn at(mut self, node: &Node) -> Wrong {
        self.at = self.at.or_else(|| node.at.clone());
        self
    }
}

/// Reads all of these; if some are wrong, says of each why.
pub(crate) fn each<'n, N, T>(
    nodes: impl IntoIterator<Item = &'n N>,
    mut read: impl FnMut(&'n N) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong>
where
    N: 'n,
{
    let (mut all, mut wrong): (Vec<T>, Option<Wrong>) = (Vec::new(), None);
    for node in nodes {
        match (read(node), &mut wrong) {
            (Ok(value), _) => all.push(value),
            (Err(first), None) => wrong = Some(first),
            (Err(another), Some(first)) => first.also.push(another),
        }
    }
    wrong.map_or(Ok(all), Err)
}

/// All that is wrong with one file.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn mistake(&mut self, at: Option<At>, field: impl Into<String>, wrong: Wrong) {
        self.add(Weight::Mistake, at, field.into(), wrong);
    }

    pub(crate) fn warning(&mut self, at: Option<At>, field: impl Into<String>, wrong: Wrong) {
        self.add(Weight::Warning, at, field.into(), wrong);
    }

    fn add(&mut self, weight: Weight, at: Option<At>, field: String, wrong: Wrong) {
        for also in wrong.also {
            self.add(weight, at.clone(), field.clone(), also);
        }
        self.0.push(Fault {
            weight,
            at: wrong.at.or(at),
            field,
            what: wrong.what,
            remedy: wrong.remedy,
        });
    }

    /// How many of this weight.
    pub(crate) fn count(&self, weight: Weight) -> usize {
        self.0.iter().filter(|fault| fault.weight == weight).count()
    }

    /// All of them, in the order in which they stand in the file, each with its place and its line.
    pub(crate) fn told(&self, file: Option<&Path>, text: &str) -> String {
        let mut faults: Vec<&Fault> = self.0.iter().collect();
        faults.sort_by_key(|fault| fault.at.as_ref().map_or(0, |at| at.start));
        faults
            .into_iter()
            .map(|fault| Told { fault, file, text }.to_string())
            .collect()
    }
}

/// Line and column of a place, both from 1; columns count characters.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

struct Told<'a> {
    fault: &'a Fault,
    file: Option<&'a Path>,
    text: &'a str,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.fault;
        let weight = match fault.weight {
            Weight::Mistake => "",
            Weight::Warning => "warning: ",
        };
        let field = if fault.field.is_empty() {
            String::new()
        } else {
            format!("{}: ", fault.field)
        };
        let place = fault.at.as_ref().map(|at| (at, line_and_column(self.text, at.start)));
        if let (Some(file), Some((_, (line, column)))) = (self.file, &place) {
            write!(f, "{}:{line}:{column}: ", file.display())?;
        }
        writeln!(f, "{weight}{field}{}", userinfo::hidden(&fault.what))?;
        if let Some((at, (line, column))) = place {
            let shown = userinfo::hidden(self.text.lines().nth(line - 1).unwrap_or_default());
            let number = line.to_string();
            let width = self.text.get(at.clone()).map_or(1, |t| {
                userinfo::hidden(t.lines().next().unwrap_or_default()).chars().count()
            });
            let marks = "^".repeat(width.max(1));
            writeln!(f, " {number} | {shown}")?;
            writeln!(f, " {:w$} | {:c$}{marks}", "", "", w = number.len(), c = column - 1)?;
        }
        if let Some(remedy) = &fault.remedy {
            writeln!(f, "   {remedy}")?;
        }
        Ok(())
    }
}
