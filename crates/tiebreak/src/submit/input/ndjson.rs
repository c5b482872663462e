//! NDJSON: one JSON object per line; empty lines are skipped.

use std::io::BufRead;

use serde_json::{Map, Value};
use tiebreak_core::json::parse_strict;

use super::super::entry::{MAX_DEPTH, MAX_LINE};
use super::lines::{RawLine, next_line};
use super::{Feed, Stopped};

/// The mark that some programs put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads all lines.
pub(super) fn read(mut input: impl BufRead, feed: &mut Feed) -> Result<(), Stopped> {
    let (mut number, mut read) = (0, 0);
    loop {
        let line = match next_line(&mut input, MAX_LINE) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error) => return feed.broken(format!("read on after line {number}: {error}")),
        };
        number += 1;
        match line {
            RawLine::TooLong(length) => {
                read += length + 1;
                let why = format!("read it: it has {length} bytes, at most {MAX_LINE} are accepted");
                feed.line(number, read, 0, Err(why))?;
            }
            RawLine::Whole(text) => {
                read += text.len() as u64 + 1;
                let text = if number == 1 {
                    text.strip_prefix(BOM).unwrap_or(&text)
                } else {
                    &text
                };
                if text.trim_ascii().is_empty() {
                    continue;
                }
                feed.line(number, read, text.len(), object(text))?;
            }
        }
    }
}

fn object(text: &[u8]) -> Result<Map<String, Value>, String> {
    match parse_strict(text, MAX_DEPTH) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("read it: a JSON object is expected".into()),
        Err(error) => Err(format!("read it as JSON: column {}: {}", error.column, error.fault)),
    }
}
