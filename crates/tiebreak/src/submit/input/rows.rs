//! CSV (RFC 4180): a header row names the members of the rows.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use csv::ByteRecord;
use serde_json::{Map, Value};
use tiebreak_core::json::parse_strict;

use super::super::entry::{MAX_DEPTH, MAX_LINE};
use super::{Feed, Stopped, is_write};

/// Reads all rows.
pub(super) fn read(input: impl Read, delimiter: u8, typed: bool, feed: &mut Feed) -> Result<(), Stopped> {
    let left = Rc::new(Cell::new(MAX_LINE));
    let bounded = Bounded {
        input,
        left: Rc::clone(&left),
    };
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bounded);
    let mut row = ByteRecord::new();
    let mut header: Option<Vec<String>> = None;
    let mut last = 0;
    loop {
        left.set(MAX_LINE);
        match rows.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return feed.broken(format!("read on after line {last}: {error}")),
        }
        let line = row.position().map_or(0, csv::Position::line);
        last = line;
        match &header {
            None => match header_of(&row) {
                Ok(names) => header = Some(names),
                Err(why) => return feed.broken(why),
            },
            Some(names) => {
                let read = rows.position().byte();
                let members = members(names, &row, typed, feed.reads_writes());
                feed.line(line, read, row.as_slice().len(), members)?;
            }
        }
    }
}

fn header_of(row: &ByteRecord) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for cell in row {
        let name = std::str::from_utf8(cell).map_err(|_| "read the header row: it is not UTF-8".to_owned())?;
        let name = name.trim();
        if name.is_empty() {
            return Err(format!("read the header row: column {} has no name", names.len() + 1));
        }
        if names.iter().any(|n| n == name) {
            return Err(format!("read the header row: the column `{name}` comes twice"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn members(
    names: &[String],
    row: &ByteRecord,
    typed: bool,
    writes: Option<bool>,
) -> Result<Map<String, Value>, String> {
    if row.len() != names.len() {
        return Err(format!(
            "read it: it has {} fields, the header has {}",
            row.len(),
            names.len()
        ));
    }
    let mut cells = Map::new();
    for (name, cell) in names.iter().zip(row) {
        let text = std::str::from_utf8(cell).map_err(|_| format!("read the field `{name}`: it is not UTF-8"))?;
        cells.insert(name.clone(), Value::String(text.to_owned()));
    }
    if writes.unwrap_or_else(|| is_write(&cells)) {
        return write_members(cells);
    }
    if typed {
        return Ok(cells
            .into_iter()
            .filter_map(|(name, cell)| Some((name, typed_cell(cell)?)))
            .collect());
    }
    Ok(cells)
}

/// An empty cell is an absent member; content, base and fields are JSON texts.
fn write_members(cells: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let raw = cells
        .get("content_type")
        .and_then(Value::as_str)
        .is_some_and(|kind| !kind.contains("json") && !kind.is_empty());
    let mut members = Map::new();
    for (name, cell) in cells {
        let Value::String(text) = &cell else { continue };
        if text.is_empty() {
            continue;
        }
        let is_json = matches!(name.as_str(), "base" | "headers") || (name == "body" && !raw);
        let value = if is_json {
            parse_strict(text.as_bytes(), MAX_DEPTH).map_err(|error| {
                format!(
                    "read the field `{name}` as JSON: column {}: {}",
                    error.column, error.fault
                )
            })?
        } else {
            cell
        };
        members.insert(name, value);
    }
    Ok(members)
}

/// A cell as JSON where it is a number, a truth value or null; absent where it is empty.
fn typed_cell(cell: Value) -> Option<Value> {
    let Value::String(text) = &cell else { return Some(cell) };
    if text.is_empty() {
        return None;
    }
    match parse_strict(text.as_bytes(), 1) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => Some(value),
        _ => Some(cell),
    }
}

/// Fails when one row takes more than it may: a quote that is never closed would take the rest of the file.
struct Bounded<R> {
    input: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other(format!(
                "the next row has more than {MAX_LINE} bytes; is a quote not closed?"
            )));
        }
        let part = buffer.len().min(left);
        let count = self.input.read(&mut buffer[..part])?;
        self.left.set(left - count);
        Ok(count)
    }
}
