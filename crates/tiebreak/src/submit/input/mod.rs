//! Reads the input: lines of NDJSON or rows of CSV, one at a time, on a thread of its own.
//!
//! What was read and is not finished yet is bounded in bytes: [`Held`] gives its share back when it is dropped.

mod lines;
mod ndjson;
mod record;
mod rows;
mod write;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::entry::Entry;
use super::place::Place;
pub(super) use record::RecordRules;
pub(super) use write::method as read_method;

/// At most so many bytes of input are held, as content on its way or waiting.
const MAX_HELD: usize = 48 << 20;

/// What a byte of input takes in memory while it is held, roughly: as text, as a document, as content.
const WEIGHT: usize = 3;

/// How many lines may be read ahead.
const AHEAD: usize = 256;

/// How the input is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line.
    Ndjson,
    /// Comma-separated values with a header row.
    Csv {
        /// The delimiter.
        delimiter: u8,
        /// Whether cells that are JSON numbers, `true`, `false` and `null` are taken for such.
        typed: bool,
    },
}

/// What a line is.
#[derive(Debug, Clone)]
pub(super) enum Mode {
    /// A full write.
    Writes,
    /// A record.
    Records(RecordRules),
    /// What the first line is: a write if it has `method` and `path` (or `url`), else a record.
    AsTheFirst(RecordRules),
}

/// Where the input comes from and how it is read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The file; `None`: standard input.
    pub(super) path: Option<PathBuf>,
    pub(super) format: Format,
    pub(super) mode: Mode,
    pub(super) place: Place,
}

/// One thing that was read.
#[derive(Debug)]
pub(super) enum Item {
    /// A line: a write, or why it is none (completes "failed to …").
    Line {
        /// Its number, from 1.
        line: u64,
        /// How many bytes of the input it took, with what was skipped before it.
        bytes: u64,
        what: Result<Box<Entry>, String>,
        held: Held,
    },
    /// The input cannot be read on; completes "failed to …".
    Broken(String),
}

/// A share of the bound on held input.
#[derive(Debug)]
pub(super) struct Held(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Opens the input and starts to read. Returns its size too, where that is known.
pub(super) fn start(source: Source) -> Result<(mpsc::Receiver<Item>, Option<u64>), String> {
    let (input, size): (Box<dyn Read + Send>, _) = match &source.path {
        None => (Box::new(std::io::stdin()), None),
        Some(path) => {
            let fail = |why: String| format!("read {}: {why}", path.display());
            let file = File::open(path).map_err(|error| fail(error.to_string()))?;
            let data = file.metadata().map_err(|error| fail(error.to_string()))?;
            if data.is_dir() {
                return Err(fail("it is a directory".into()));
            }
            (Box::new(file), data.is_file().then_some(data.len()))
        }
    };
    let (send, receive) = mpsc::channel(AHEAD);
    let feed = Feed {
        send,
        bound: Arc::new(Semaphore::new(MAX_HELD)),
        runtime: Handle::current(),
        mode: source.mode,
        place: source.place,
        read: 0,
    };
    let started = std::thread::Builder::new().name("input".into()).spawn(move || {
        let mut feed = feed;
        let input = BufReader::with_capacity(1 << 16, input);
        // `Err` means that nobody listens any more.
        let _stopped = match source.format {
            Format::Ndjson => ndjson::read(input, &mut feed),
            Format::Csv { delimiter, typed } => rows::read(input, delimiter, typed, &mut feed),
        };
    });
    started.map_err(|error| format!("start a thread: {error}"))?;
    Ok((receive, size))
}

/// Nobody listens any more.
#[derive(Debug)]
struct Stopped;

/// Turns what was read into entries and hands them on.
struct Feed {
    send: mpsc::Sender<Item>,
    bound: Arc<Semaphore>,
    runtime: Handle,
    mode: Mode,
    place: Place,
    /// How much of the input had been read with the line before.
    read: u64,
}

impl Feed {
    /// Hands on one line of `bytes` bytes, with which `read` bytes of the input have been read.
    fn line(
        &mut self,
        line: u64,
        read: u64,
        bytes: usize,
        members: Result<Map<String, Value>, String>,
    ) -> Result<(), Stopped> {
        let weight = (bytes.max(64) * WEIGHT).min(MAX_HELD);
        let permits = u32::try_from(weight).unwrap_or(u32::MAX);
        let held = self
            .runtime
            .block_on(Arc::clone(&self.bound).acquire_many_owned(permits));
        let held = Held(held.map_err(|_| Stopped)?);
        let what = members.and_then(|members| self.entry(line, members)).map(Box::new);
        let took = read - std::mem::replace(&mut self.read, read);
        let item = Item::Line {
            line,
            bytes: took,
            what,
            held,
        };
        self.send.blocking_send(item).map_err(|_| Stopped)
    }

    fn entry(&mut self, line: u64, members: Map<String, Value>) -> Result<Entry, String> {
        if let Mode::AsTheFirst(rules) = &self.mode {
            self.mode = if is_write(&members) {
                Mode::Writes
            } else {
                Mode::Records(rules.clone())
            };
        }
        match &self.mode {
            Mode::Records(rules) => record::read(line, &Value::Object(members), rules, &self.place),
            Mode::Writes | Mode::AsTheFirst(_) => write::read(line, members, &self.place),
        }
    }

    /// Whether the next line will be read as a full write; `None` while nothing is decided.
    fn reads_writes(&self) -> Option<bool> {
        match &self.mode {
            Mode::Writes => Some(true),
            Mode::Records(_) => Some(false),
            Mode::AsTheFirst(_) => None,
        }
    }

    fn broken(&self, why: String) -> Result<(), Stopped> {
        self.send.blocking_send(Item::Broken(why)).map_err(|_| Stopped)
    }
}

fn is_write(members: &Map<String, Value>) -> bool {
    members.contains_key("method") && (members.contains_key("path") || members.contains_key("url"))
}

#[cfg(test)]
mod tests;
