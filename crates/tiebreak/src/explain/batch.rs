//! Many cases, one a line: the same order out as in, in bounded memory.
//!
//! Lines are read in chunks; chunk *i* goes to worker *i mod n*, and the writer takes the answers from the workers in
//! the same turn. Every queue holds two chunks. A chunk ends early when nothing more is waiting at the input, so that
//! a slow producer sees its answers at once.
//!
//! A line without a request is read as the answer to a POST, the commonest write.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use http::Method;
use serde::Serialize;
use serde_json::Value;
use tiebreak_core::judge::Judge;

use crate::explain::read::json;
use crate::explain::render::Told;

/// The longest line that is read, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;
/// A chunk is full at this many bytes or lines.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNK_LINES: usize = 256;
const WAITING: usize = 2;

struct Chunk {
    /// The number of the first line.
    first: u64,
    /// The lines, each with its end; `None` for one that was too long.
    lines: Vec<Option<Vec<u8>>>,
}

/// What came out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Summary {
    /// Lines that could not be read as a case.
    pub(crate) malformed: u64,
}

/// Judges every line of `input`.
///
/// # Errors
/// If `input` cannot be read or `output` not be written.
pub(crate) fn run(judge: &Judge, input: impl Read, output: impl Write + Send) -> io::Result<Summary> {
    let workers = thread::available_parallelism().map_or(1, usize::from).clamp(1, 8);
    thread::scope(|scope| {
        let mut to_workers = Vec::new();
        let mut from_workers = Vec::new();
        for _ in 0..workers {
            let (send_chunk, chunks) = sync_channel::<Chunk>(WAITING);
            let (send_answer, answers) = sync_channel(WAITING);
            to_workers.push(send_chunk);
            from_workers.push(answers);
            scope.spawn(move || work(judge, &chunks, &send_answer));
        }
        let writer = scope.spawn(move || write_all(output, &from_workers));
        let read = read_all(input, to_workers);
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the writer stopped")));
        read.and(written)
    })
}

fn work(judge: &Judge, chunks: &Receiver<Chunk>, answers: &SyncSender<(Vec<u8>, u64)>) {
    for chunk in chunks {
        let mut out = Vec::with_capacity(chunk.lines.len() * 256);
        let mut malformed = 0;
        for (number, line) in (chunk.first..).zip(&chunk.lines) {
            malformed += u64::from(!answer(judge, number, line.as_deref(), &mut out));
        }
        if answers.send((out, malformed)).is_err() {
            return;
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    id: Option<Value>,
    #[serde(flatten)]
    told: Told<'a>,
}

#[derive(Serialize)]
struct Malformed {
    line: u64,
    error: String,
}

/// Writes the answer to one line; whether the line was well-formed.
fn answer(judge: &Judge, number: u64, line: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let read = match line.map(<[u8]>::trim_ascii) {
        Some([]) => return true,
        Some(line) => json::line(line).map_err(|e| e.in_line()),
        None => Err(format!("the line is longer than {} MiB", LONGEST >> 20)),
    };
    // Writing into a vector cannot fail.
    let well = match read {
        Ok((id, case)) => {
            let verdict = case.judge(judge, &Method::POST);
            let told = Told::from(&verdict);
            let _ = serde_json::to_writer(&mut *out, &Answer { id, told });
            true
        }
        Err(error) => {
            let _ = serde_json::to_writer(&mut *out, &Malformed { line: number, error });
            false
        }
    };
    out.push(b'\n');
    well
}

fn write_all(output: impl Write, from: &[Receiver<(Vec<u8>, u64)>]) -> io::Result<Summary> {
    let mut output = BufWriter::new(output);
    let mut summary = Summary::default();
    for answers in from.iter().cycle() {
        let Ok((bytes, malformed)) = answers.recv() else { break };
        summary.malformed += malformed;
        output.write_all(&bytes)?;
        output.flush()?;
    }
    Ok(summary)
}

fn read_all(input: impl Read, to: Vec<SyncSender<Chunk>>) -> io::Result<Summary> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let mut next = 1;
    for worker in to.iter().cycle() {
        let chunk = read_chunk(&mut input, next)?;
        if chunk.lines.is_empty() {
            break;
        }
        next += chunk.lines.len() as u64;
        // The workers stop when the writer does: a closed output is the writer's to report.
        if worker.send(chunk).is_err() {
            break;
        }
    }
    Ok(Summary::default())
}

fn read_chunk(input: &mut BufReader<impl Read>, first: u64) -> io::Result<Chunk> {
    let mut lines = Vec::new();
    let mut bytes = 0;
    while lines.len() < CHUNK_LINES && bytes < CHUNK_BYTES {
        let Some(line) = read_line(input)? else { break };
        bytes += line.as_ref().map_or(0, Vec::len);
        lines.push(line);
        if input.buffer().is_empty() {
            break;
        }
    }
    Ok(Chunk { first, lines })
}

/// One line; `Some(None)` if it was too long, `None` at the end.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    let mut long = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok((long || !line.is_empty()).then_some((!long).then_some(line)));
        }
        let (part, end) = match memchr::memchr(b'\n', buffer) {
            Some(at) => (&buffer[..at], at + 1),
            None => (buffer, buffer.len()),
        };
        let ended = end > part.len();
        long |= line.len() + part.len() > LONGEST;
        if long {
            line = Vec::new();
        } else {
            line.extend_from_slice(part);
        }
        input.consume(end);
        if ended {
            return Ok(Some((!long).then_some(line)));
        }
    }
}
