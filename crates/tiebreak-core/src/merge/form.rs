//! Forms (`application/x-www-form-urlencoded`, WHATWG URL §5).

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::representation::NotMergeable;

/// A form: its pairs as they were spelled, and its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    pairs: Vec<Pair>,
    value: Value,
}

#[derive(Debug, Clone, PartialEq)]
struct Pair {
    name: String,
    spelled: String,
}

impl Form {
    /// Reads a form. Empty pairs (`a=1&&b=2`) are skipped; a `%` that begins no escape stands for itself.
    pub(super) fn parse(content: &[u8]) -> Result<Form, NotMergeable> {
        let mut pairs = Vec::new();
        let mut fields: Map<String, Value> = Map::new();
        for spelled in content.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let equals = spelled.iter().position(|b| *b == b'=');
            let (name, value) = match equals {
                Some(at) => (&spelled[..at], &spelled[at + 1..]),
                None => (spelled, &spelled[..0]),
            };
            // Two texts that are not UTF-8 must not become equal by being decoded with losses.
            let (Some(name), Some(value), Ok(spelled)) = (decode(name), decode(value), std::str::from_utf8(spelled))
            else {
                return Err(NotMergeable::Malformed("the form is not UTF-8".to_owned()));
            };
            match fields.get_mut(&name) {
                None => {
                    fields.insert(name.clone(), Value::String(value));
                }
                Some(Value::Array(values)) => values.push(Value::String(value)),
                Some(first) => *first = Value::Array(vec![first.take(), Value::String(value)]),
            }
            pairs.push(Pair {
                name,
                spelled: spelled.to_owned(),
            });
        }
        Ok(Form {
            pairs,
            value: Value::Object(fields),
        })
    }

    /// The fields: an object with a string for each, and an array of strings for each repeated one.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The pairs of each field, as they were spelled.
    fn by_name(&self) -> HashMap<&str, Vec<&str>> {
        let mut fields: HashMap<&str, Vec<&str>> = HashMap::new();
        for pair in &self.pairs {
            fields.entry(&pair.name).or_default().push(&pair.spelled);
        }
        fields
    }
}

/// Writes the merged fields with the spelling they had: each in its place in `theirs`, then our new ones.
pub(super) fn respell(merged: &Value, ours: &Form, theirs: &Form) -> String {
    let Value::Object(merged) = merged else {
        return String::new();
    };
    let (our_pairs, their_pairs) = (ours.by_name(), theirs.by_name());
    let mut chosen: HashMap<&str, std::vec::IntoIter<&str>> = HashMap::new();
    for (name, value) in merged {
        let from = if theirs.value.get(name) == Some(value) {
            &their_pairs
        } else {
            &our_pairs
        };
        let pairs = from.get(name.as_str()).cloned().unwrap_or_default();
        chosen.insert(name, pairs.into_iter());
    }
    let mut out: Vec<&str> = Vec::new();
    let mut left: HashMap<&str, usize> = their_pairs.iter().map(|(name, pairs)| (*name, pairs.len())).collect();
    for pair in &theirs.pairs {
        let left = left.entry(&pair.name).or_default();
        *left = left.saturating_sub(1);
        if let Some(pairs) = chosen.get_mut(pair.name.as_str()) {
            out.extend(pairs.next());
            if *left == 0 {
                out.extend(pairs);
            }
        }
    }
    for pair in &ours.pairs {
        if !their_pairs.contains_key(pair.name.as_str()) && merged.contains_key(&pair.name) {
            out.push(&pair.spelled);
        }
    }
    out.join("&")
}

fn decode(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escape = match text.get(at + 1..at + 3) {
            Some([high, low]) if text[at] == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match (text[at], escape) {
            (_, Some((high, low))) => {
                out.push(high << 4 | low);
                at += 3;
            }
            (b'+', None) => {
                out.push(b' ');
                at += 1;
            }
            (byte, None) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
