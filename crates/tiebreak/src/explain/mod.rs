//! `tiebreak explain`: which conflict is this, why, and what now?
//!
//! Exit codes: 0 explained, 1 some lines of a batch were malformed, 2 bad usage or input.

mod batch;
pub(crate) mod case;
mod command;
mod error;
pub(crate) mod place;
pub(crate) mod read;
mod render;
pub(crate) mod words;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use http::{Method, StatusCode};
use serde_json::Value;
use tiebreak_core::judge::Judge;
use tiebreak_core::verdict::{Class, Verdict};

use crate::dialects_cmd;
use case::Case;
use read::{Given, Input};

/// The longest input of one explanation, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Explain an HTTP conflict: which one it is, why, and what to do.
///
/// Reads what you have at hand: the output of `curl -i` or `curl -v`, raw HTTP, a HAR file, JSON, or a body alone
/// with --status.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  curl -i -X PUT https://api.example.com/items/1 --data @item.json | tiebreak explain
  curl -v -X PUT https://api.example.com/items/1 --data @item.json 2>&1 | tiebreak explain
  tiebreak explain saved.har --entry 12
  tiebreak explain body.json --status 409 --method PUT
  tiebreak explain --batch cases.jsonl

Exit codes: 0 explained, 1 some lines of a batch were malformed, 2 bad usage or input.")]
pub(crate) struct ExplainArgs {
    /// What to explain; `-` or nothing: standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Status code of the answer, where the input does not show it.
    #[arg(long, value_name = "CODE", value_parser = status)]
    status: Option<StatusCode>,
    /// Method of the request, where the input does not show it.
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Method>,
    /// Path or URL of the request, where the input does not show it.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// A header field of the request, such as 'If-Match: "7"'; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "FIELD", value_parser = field)]
    headers: Vec<(String, String)>,
    /// The entry of a HAR file to explain, from 1; without it: every conflict.
    #[arg(long, value_name = "N")]
    entry: Option<usize>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
    /// Read one JSON case a line, and answer with one JSON verdict a line.
    #[arg(long, conflicts_with_all = ["status", "method", "path", "headers", "entry"])]
    batch: bool,
    /// A directory with dialect packs of your own (*.toml), asked before the built-in ones.
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
}

fn status(text: &str) -> Result<StatusCode, String> {
    text.parse()
        .map_err(|_| "expected a number from 100 to 999, such as 409".into())
}

fn method(text: &str) -> Result<Method, String> {
    Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| "expected a method, such as PUT".into())
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Runs the command.
pub(crate) fn run(args: ExplainArgs) -> ExitCode {
    match explain(&args) {
        Ok(code) => code,
        // Whoever reads the output has seen enough (`| head`).
        Err(Failure::Io(_, error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(
                io::stderr(),
                "tiebreak explain: failed to {}",
                tiebreak_core::userinfo::hidden(&failure.to_string())
            );
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("read {0}: it is larger than {max} MiB; cut it, or use --batch", max = LARGEST >> 20)]
    Large(String),
    #[error("read {0}: {1}")]
    Input(String, error::ReadError),
    #[error(transparent)]
    Dialects(#[from] dialects_cmd::DialectsError),
}

fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let judge = dialects_cmd::judge(args.dialects.as_deref())?;
    let (name, input) = open(args.file.as_deref())?;
    if args.batch {
        let summary = batch::run(&judge, input, io::stdout()).map_err(|e| Failure::Io(format!("judge {name}"), e))?;
        return Ok(ExitCode::from(u8::from(summary.malformed > 0)));
    }
    let mut text = Vec::new();
    let read = input.take(LARGEST + 1).read_to_end(&mut text);
    read.map_err(|e| Failure::Io(format!("read {name}"), e))?;
    if text.len() as u64 > LARGEST {
        return Err(Failure::Large(name));
    }
    let given = Given {
        status: args.status,
        method: args.method.clone(),
        path: args.path.clone(),
        headers: args.headers.clone(),
        entry: args.entry,
    };
    let input = read::read(&text, &given).map_err(|e| Failure::Input(name, e))?;
    let shown = show(&judge, input, args.json);
    let mut out = anstream::stdout().lock();
    let wrote = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
    wrote.map_err(|e| Failure::Io("write the explanation".into(), e))?;
    Ok(ExitCode::SUCCESS)
}

/// What is printed for an input.
fn show(judge: &Judge, input: Input, as_json: bool) -> String {
    let all = match &input {
        Input::One(_) => 1,
        Input::Many(cases) => cases.len(),
    };
    let cases = worth_telling(judge, input).into_iter();
    if as_json {
        return cases
            .map(|(n, case)| format!("{}\n", told(judge, n, &case).0))
            .collect();
    }
    let shown: Vec<String> = cases.map(|(n, case)| in_words(judge, n, &case)).collect();
    if shown.is_empty() {
        return format!("No conflict among {all} answered entries. To look at one all the same: --entry N\n");
    }
    shown.join("\n")
}

/// What of an input is explained: the one case, or the conflicts of a HAR file, each with its number.
pub(crate) fn worth_telling(judge: &Judge, input: Input) -> Vec<(Option<usize>, Case)> {
    match input {
        Input::One(case) => vec![(None, *case)],
        Input::Many(cases) => cases
            .into_iter()
            .filter(|(_, case)| is_conflict(judge, case))
            .map(|(entry, case)| (Some(entry), case))
            .collect(),
    }
}

/// The explanation of a case as `--json` prints it, and the verdict behind it.
pub(crate) fn told(judge: &Judge, entry: Option<usize>, case: &Case) -> (Value, Verdict) {
    let verdict = judged(judge, case);
    let said = words::explain(case, &verdict);
    (render::json(entry, case, &verdict, &said), verdict)
}

/// Whether an entry of a HAR file is worth an explanation by itself.
pub(crate) fn is_conflict(judge: &Judge, case: &Case) -> bool {
    judged(judge, case).class != Class::Other
}

/// A person who does not show the request is not to be answered as if it were known.
pub(crate) fn judged(judge: &Judge, case: &Case) -> Verdict {
    match Method::from_bytes(b"UNKNOWN") {
        Ok(unknown) => case.judge(judge, &unknown),
        Err(_) => case.judge(judge, &Method::POST),
    }
}

fn in_words(judge: &Judge, entry: Option<usize>, case: &Case) -> String {
    let verdict = judged(judge, case);
    let said = words::explain(case, &verdict);
    let head = entry.map_or_else(String::new, |n| format!("Entry {n}\n"));
    format!("{head}{}", render::text(case, &verdict, &said))
}

fn open(file: Option<&Path>) -> Result<(String, Box<dyn Read>), Failure> {
    match file.filter(|f| *f != Path::new("-")) {
        Some(file) => {
            let name = file.display().to_string();
            let opened = File::open(file).map_err(|e| Failure::Io(format!("open {name}"), e))?;
            Ok((name, Box::new(opened)))
        }
        None => {
            if io::stdin().is_terminal() {
                let _ = writeln!(
                    io::stderr(),
                    "Paste the answer (the output of `curl -i` or `curl -v`, or JSON), then press Ctrl-D."
                );
            }
            Ok(("standard input".into(), Box::new(io::stdin())))
        }
    }
}

#[cfg(test)]
mod anything;
#[cfg(test)]
mod tests;
