//! What stands in a file: values, each with its place, in the order in which they were written.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in the file, in bytes.
pub(crate) type At = Range<usize>;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// `None` where it does not come from a file.
    pub(crate) at: Option<At>,
}

/// What a setting can be.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    /// As it was written, in base ten.
    Integer(String),
    Bool(bool),
    List(Vec<Node>),
    Table(Vec<Member>),
    /// A number with a fraction, a date: no setting is one.
    Other(&'static str),
}

/// A named value.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) at: At,
    pub(crate) node: Node,
}

impl Node {
    /// A value that was given elsewhere than in a file.
    pub(crate) fn given(value: Value) -> Node {
        Node { value, at: None }
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Node {
        Node {
            at: Some(value.span()),
            value: match value.get_ref() {
                DeValue::String(text) => Value::Text(text.to_string()),
                DeValue::Integer(number) if number.radix() == 10 => Value::Integer(number.as_str().to_owned()),
                DeValue::Integer(_) => Value::Other("a number that is not written in base ten"),
                DeValue::Boolean(yes) => Value::Bool(*yes),
                DeValue::Array(items) => Value::List(items.iter().map(Node::read).collect()),
                DeValue::Table(table) => Value::Table(members(table)),
                DeValue::Float(_) => Value::Other("a number with a fraction"),
                DeValue::Datetime(_) => Value::Other("a date"),
            },
        }
    }

    /// What it is, for somebody who wrote something else.
    pub(crate) fn told(&self) -> String {
        match &self.value {
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(number) => number.clone(),
            Value::Bool(yes) => yes.to_string(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(what) => (*what).to_owned(),
        }
    }
}

fn members(table: &DeTable<'_>) -> Vec<Member> {
    let mut members: Vec<Member> = table
        .iter()
        .map(|(name, node)| Member {
            name: name.get_ref().to_string(),
            at: name.span(),
            node: Node::read(node),
        })
        .collect();
    members.sort_by_key(|member| member.at.start);
    members
}

/// Reads a whole file: what could be read of it, and each place where it is no TOML.
pub(crate) fn parse(text: &str) -> (Vec<Member>, Vec<(At, String)>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors = errors
        .iter()
        .map(|error| (error.span().unwrap_or(0..0), error.message().to_owned()))
        .collect();
    (members(table.get_ref()), errors)
}
